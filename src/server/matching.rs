//! `epis match`: weights learned from records, matching measured on a nation, and everybody in a small file.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;
use interaction::{Caller, Method, Request, analyzers, match_weights, people, roster};
use person::hidden::Key;
use person::roster::{Head, Roster};
use person::{Person, Weights, train};

use crate::command::Set;
use crate::engine::analyzers_folder;
use crate::match_find;
use crate::match_report::{self, made};
use crate::match_review;

/// What is to be done.
#[derive(Debug, Subcommand)]
pub(crate) enum What {
    /// Learns the weights of matching from the records in the data folder, by expectation-maximisation, and stores them.
    ///
    /// They become the next version of Library/person-match-weights, by which $match then scores; the present weights
    /// are where learning begins, and their calibration stays, or is the built-in one where they have none. With --people the records are those of a synthetic nation,
    /// where who is who is known: the evidence is calibrated too, and the weights are printed. No server may be running on
    /// the same data.
    Train {
        /// Learn from a synthetic nation of so many people, and print the weights instead of storing them.
        #[arg(long, value_name = "NUMBER")]
        people: Option<u64>,
        /// What tells that nation from others.
        #[arg(long, value_name = "NUMBER", default_value_t = 1)]
        seed: u64,
        /// What to call the weights; the date where it is not said.
        #[arg(long, value_name = "NAME")]
        version: Option<String>,
        #[command(flatten)]
        set: Set,
    },
    /// Measures matching on a synthetic nation where the truth is known: writes matching.md and matching.svg.
    Report {
        /// How many people the nation has; a tenth of them are registered twice, with mistakes.
        #[arg(long, value_name = "NUMBER", default_value_t = 780_000)]
        people: u64,
        /// What tells the nation from others.
        #[arg(long, value_name = "NUMBER", default_value_t = 2)]
        seed: u64,
        /// Of those who are registered once, look for one in so many; each stands for as many.
        #[arg(long, value_name = "NUMBER", default_value_t = 10)]
        one_in: usize,
        /// Of the second registrations, look for one in so many; each stands for as many.
        #[arg(long, value_name = "NUMBER", default_value_t = 1)]
        twice_one_in: usize,
        /// A file with other weights than the built-in ones.
        #[arg(long, value_name = "FILE")]
        weights: Option<PathBuf>,
        /// The folder to write to.
        #[arg(long, value_name = "FOLDER", default_value = "docs/reference")]
        to: PathBuf,
    },
    /// Looks for everybody among all others and puts pairs that may be one person on the worklist, a Task each.
    ///
    /// A pair that is or was on it is left alone, whatever was decided. A review that was interrupted, or wanted only so many
    /// pairs, is gone on with. No server may be running on the same data; where one is, POST Patient/$review-duplicates has it
    /// do the same beside its work.
    Review {
        /// Ends when so many pairs are new on the worklist; the next review goes on from there.
        #[arg(long, value_name = "NUMBER")]
        pairs: Option<usize>,
        #[command(flatten)]
        set: Set,
    },
    /// Writes everybody's particulars to a small file that a clinic can carry, or what changed since an earlier one.
    ///
    /// Of each patient: id, numbers, names, date of birth, sex, telephones and gewog; where records were merged, of the one
    /// that stands for her. No server may be running on the same data.
    Roster {
        /// The file to write.
        #[arg(long, value_name = "FILE")]
        to: PathBuf,
        /// Write what changed after this place in the log: what the earlier file was said to reach to.
        #[arg(long, value_name = "PLACE")]
        after: Option<u64>,
        /// Hide all particulars by the secret in this file: nobody finds anybody without it.
        #[arg(long, value_name = "FILE")]
        hidden_by: Option<PathBuf>,
        #[command(flatten)]
        set: Set,
    },
    /// Finds who a patient may be in files that `epis match roster` wrote, and says why.
    ///
    /// With --text it finds whom typed words mean, as /find does: part of a name, a number, a year of birth, a place.
    Find {
        /// The file with the Patient, JSON or XML; - for standard input.
        #[arg(required_unless_present = "text")]
        patient: Option<PathBuf>,
        /// What was typed, in place of a patient.
        #[arg(long, value_name = "WORDS", conflicts_with_all = ["patient", "hidden_by"])]
        text: Option<String>,
        /// The file of everybody, then those of changes in their order.
        #[arg(long = "in", value_name = "FILE", required = true)]
        rosters: Vec<PathBuf>,
        /// The file with the secret by which they are hidden.
        #[arg(long, value_name = "FILE")]
        hidden_by: Option<PathBuf>,
        /// How many to print at most.
        #[arg(long, value_name = "NUMBER", default_value_t = 5)]
        count: usize,
        #[command(flatten)]
        set: Set,
    },
}

/// Does it.
///
/// # Errors
/// A sentence where data, files or secrets cannot be used, or there is too little to learn from.
pub(crate) fn matching(what: What) -> Result<ExitCode, String> {
    match what {
        What::Train {
            people: Some(people),
            seed,
            version,
            ..
        } => {
            let before = Weights::built_in();
            let version = version.unwrap_or_else(|| format!("nation-{people}-{seed}"));
            let (register, truth) = made(people, seed)?;
            let mut weights = train::train(&register, &before, &version)?.weights;
            // Who is who is known here: what the evidence turns out to be is learned too.
            weights.calibration = match_report::measured(&register, &truth, [1, 1], &weights).calibration();
            print!("{}", weights.write());
        }
        What::Train { version, set, .. } => learn(&set, version)?,
        What::Report {
            people,
            seed,
            one_in,
            twice_one_in,
            weights,
            to,
        } => {
            let weights = match weights {
                Some(file) => Weights::read(&text(&file)?).map_err(|why| format!("{}: {why}", file.display()))?,
                None => Weights::built_in(),
            };
            match_report::report(people, seed, [twice_one_in.max(1), one_in.max(1)], &weights, &to)?;
        }
        What::Review { pairs, set } => match_review::review(&set, pairs)?,
        What::Roster {
            to,
            after,
            hidden_by,
            set,
        } => write_roster(&set, &to, after, hidden_by.as_deref())?,
        What::Find {
            patient,
            text,
            rosters,
            hidden_by,
            count,
            set,
        } => {
            let key = key(hidden_by.as_deref())?;
            match (text, patient) {
                (Some(text), _) => match_find::typed(&set, &text, &rosters, count)?,
                (None, Some(file)) => match_find::patient(&set, &file, &rosters, key.as_ref(), count)?,
                (None, None) => return Err("Name the file with the patient, or --text WORDS.".to_owned()),
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn text(file: &Path) -> Result<String, String> {
    fs::read_to_string(file).map_err(|e| format!("{} cannot be read: {e}.", file.display()))
}

fn key(file: Option<&Path>) -> Result<Option<Key>, String> {
    let key = |file| Key::of(&text(file)?).map_err(|why| format!("{}: {why}", file.display()));
    file.map(key).transpose()
}

/// Learns from the records and stores what was learned.
fn learn(set: &Set, version: Option<String>) -> Result<(), String> {
    let engine = crate::engine::open(&set.gather(&[])?, false)?.now();
    let register = people::register(&engine.store, &engine.registry.analysis().names)?;
    let before = engine.match_weights().map_err(|refusal| {
        refusal
            .issues
            .iter()
            .map(|issue| issue.text.as_str())
            .collect::<Vec<_>>()
            .join(" ")
    })?;
    let calibration = match before.is_calibrated() {
        true => before.calibration.clone(),
        false => Weights::built_in().calibration,
    };
    let today = fhir::moment::instant(interaction::engine::now());
    let version = version.unwrap_or_else(|| today[..10].to_owned());
    let mut learned = train::train(&register, &before, &version)?;
    learned.weights.calibration = calibration;
    let record = match_weights::library(&learned.weights, &today);
    let address = format!("{}/{}", match_weights::LIBRARY, match_weights::ID);
    let mut request = Request::new(Method::Put, &address, "", "http://localhost/fhir");
    let body = record.to_bytes();
    request.body = &body;
    request.content_type = Some("application/fhir+json");
    let reply = interaction::answer(&engine, &Caller::Operator, &request);
    if reply.status >= 300 {
        return Err(format!(
            "{address} was refused: {}",
            String::from_utf8_lossy(reply.body.bytes())
        ));
    }
    println!(
        "Learned from {} people: of {} pairs with one citizen number {:.0} are likely one person, of {} with one day of birth \
         and a name in common {:.0}. {address} has the weights \"{version}\".",
        register.len(),
        learned.by_citizen.0,
        learned.by_citizen.1,
        learned.by_day.0,
        learned.by_day.1
    );
    print!("{}", learned.weights.write());
    Ok(())
}

/// Writes everybody, or what changed.
fn write_roster(set: &Set, to: &Path, after: Option<u64>, hidden_by: Option<&Path>) -> Result<(), String> {
    let settings = set.gather(&[])?;
    let analysis = analyzers::read(&analyzers_folder(&settings))?;
    let store = crate::engine::log(&settings)?;
    let key = key(hidden_by)?;
    let head = Head {
        after: after.unwrap_or(0),
        up_to: store.head(),
        key: key.as_ref().map_or([0; 16], Key::check),
    };
    let hide = |person: &Person| key.as_ref().map_or_else(|| person.clone(), |key| key.hide(person));
    let everybody = people::everybody(&store, &analysis.names)?;
    let bytes = match after {
        None => roster::whole(&everybody, head, &hide),
        Some(after) => {
            let changed = roster::changed(&store, after).map_err(|trouble| trouble.to_string())?;
            roster::changes(&everybody, &changed, head, &hide)
        }
    };
    fs::write(to, &bytes).map_err(|e| format!("{} cannot be written: {e}.", to.display()))?;
    let roster = Roster::read(&bytes).map_err(|e| e.to_string())?;
    println!(
        "{}: {} people, {} bytes; it reaches to place {} in the log.",
        to.display(),
        roster.len(),
        bytes.len(),
        head.up_to
    );
    Ok(())
}
