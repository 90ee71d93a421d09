//! The command line: what `epis` can be told to do, and who does it.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::flags::SettingFlags;
use crate::settings::Settings;
use crate::value::Value as _;

/// National patient records: a FHIR R4 server over one ordered log.
#[derive(Debug, Parser)]
#[command(name = "epis", version, about, max_term_width = 100)]
pub(crate) struct Line {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The settings, as every command takes them.
#[derive(Args, Debug)]
pub(crate) struct Set {
    /// The settings file; otherwise epis.toml in the data folder, where it exists.
    #[arg(
        long = "settings",
        value_name = "FILE",
        env = "EPIS_SETTINGS",
        hide_env_values = true
    )]
    file: Option<PathBuf>,
    #[command(flatten)]
    flags: SettingFlags,
}

impl Set {
    /// The settings in force, with other defaults for some.
    ///
    /// # Errors
    /// A sentence that names the flag, the variable, or the file and the line.
    pub(crate) fn gather(&self, defaults: &[(&'static str, &str)]) -> Result<Settings, String> {
        let environment = |name: &str| std::env::var(name).ok();
        let said = |name: &str| self.flags.0.iter().any(|(n, _)| *n == name);
        let unsaid = defaults.iter().filter(|(name, _)| !said(name));
        let mut flags: Vec<(&str, String)> = unsaid.map(|(n, t)| (*n, (*t).to_owned())).collect();
        flags.extend(self.flags.0.iter().cloned());
        Settings::gather(self.file.as_deref(), &environment, &flags)
    }
}

/// What is asked about clinics and their centre.
#[derive(Debug, Subcommand)]
pub(crate) enum SyncWhat {
    /// Shows, for each node, when it was last in contact, what it has not sent yet and since when, and how many records it
    /// lacks. The server must be running; /sync is the same as a page.
    Status {
        #[command(flatten)]
        set: Set,
    },
    /// Has the clinic that serves here compare all that it has with what the centre holds it should have, and mends what
    /// differs. It does so by itself once a day; with the line as it is, at once.
    Verify {
        #[command(flatten)]
        set: Set,
    },
    /// Carries records between a clinic and its centre on a USB stick: the same command on both sides.
    ///
    /// At a clinic it takes what the centre wrote for it (centre-to-node-17.epis), and writes what the centre may not have
    /// (node-17-to-centre.epis). At the centre it takes what each clinic wrote, and writes an answer for each. What is on the
    /// stick is encrypted and signed; it may be late, come twice or get lost, and nothing is lost or doubled. The server may run
    /// meanwhile, or not. Ends with 1 where a file was refused.
    Carry {
        /// The stick: a folder.
        #[arg(value_name = "FOLDER")]
        folder: PathBuf,
        /// At the centre: answer this node alone, also where it has written nothing on the stick, as a new clinic has not.
        #[arg(id = "for", long, value_name = "NUMBER")]
        node: Option<u32>,
        /// At the centre: take what retired nodes had not sent, where you know in whose hands their machines were.
        #[arg(long)]
        retired: bool,
        /// About how large a file on the stick may become; what does not fit follows with the next one.
        #[arg(long, value_name = "BYTES", default_value = "64 MiB", value_parser = size)]
        size_max: u64,
        #[command(flatten)]
        set: Set,
    },
}

fn size(text: &str) -> Result<u64, String> {
    crate::value::Bytes::read(text).map(|bytes| bytes.0.max(1))
}

/// What `epis` can do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serves FHIR at /fhir until it is told to stop (Ctrl-C, or SIGTERM).
    ///
    /// Says where it listens once it is ready. Without TLS and access control, which do not exist yet, it
    /// listens on loopback addresses only.
    Serve {
        #[command(flatten)]
        set: Set,
    },
    /// Shows what it is all about: a centre and two clinics on this machine, and a line that is cut and comes back.
    ///
    /// The centre has the dzongkhags, gewogs and health facilities of Bhutan and some synthetic patient records. A walk in
    /// nine steps waits for Enter before each, says what happens, how it is done with curl, and where to look; a page shows
    /// the three sites side by side. Afterwards all goes on running until Ctrl-C. Without a terminal, or unattended, it walks
    /// by itself and ends; with 1 and a sentence where something does not come as told. The data is in a temporary folder
    /// that is removed at the end, unless --data names one to keep.
    Demo {
        /// Walk through all steps without waiting, and end.
        #[arg(long)]
        unattended: bool,
        #[command(flatten)]
        set: Set,
    },
    /// Takes in files or folders of FHIR JSON, XML, NDJSON and bundles, plain or gzipped.
    ///
    /// Transactions and batches are executed; the entries of other bundles, the lines of NDJSON and single
    /// records are stored under their own ids. What one argument names is finished before the next begins.
    /// Stopped in between, the same command goes on where it was; what was refused is listed with its reasons
    /// in import-refused.ndjson in the data folder, and the command then ends with 1. No server may be running
    /// on the same data.
    Import {
        /// Files and folders: .json, .ndjson, .jsonl, each also with .gz.
        #[arg(required = true, value_name = "PATH")]
        paths: Vec<PathBuf>,
        /// Import files once more that were imported before; transactions that create records create them again.
        #[arg(long)]
        again: bool,
        /// How many files or pieces of files are stored side by side.
        #[arg(long, value_name = "NUMBER", default_value_t = 4)]
        threads: usize,
        #[command(flatten)]
        set: Set,
    },
    /// Writes every record as NDJSON, one file a kind, as of one moment.
    Export {
        /// The folder to write to; it is made where it is missing, and must be empty.
        #[arg(value_name = "FOLDER")]
        folder: PathBuf,
        /// Every version and deletion, as the entries of a history bundle, instead of the present records.
        #[arg(long)]
        history: bool,
        /// Compress the files with gzip.
        #[arg(long)]
        gzip: bool,
        #[command(flatten)]
        set: Set,
    },
    /// Proves that the data is whole: the log without gaps, every version as it was written, the index equal to the records.
    ///
    /// An index that disagrees is repaired, and what was repaired is said. Ends with 1 where something was
    /// found that cannot be repaired. No server may be running on the same data.
    Check {
        /// Only look; repair nothing.
        #[arg(long)]
        look: bool,
        #[command(flatten)]
        set: Set,
    },
    /// Builds the index anew from the records. No server may be running on the same data.
    Reindex {
        #[command(flatten)]
        set: Set,
    },
    /// Matches persons: learns the weights, measures, and writes everybody to a small file.
    Match {
        #[command(subcommand)]
        what: crate::matching::What,
    },
    /// How far clinics and their centre are.
    Sync {
        #[command(subcommand)]
        what: SyncWhat,
    },
    /// Clinic nodes: invites and enrols them, lists, moves and retires them.
    Node {
        #[command(subcommand)]
        what: crate::node::What,
    },
    /// Makes a synthetic nation on the shape of Bhutan's census, as NDJSON files that `epis import` takes.
    ///
    /// The same numbers make the same bytes on every machine. Besides Patient.ndjson and the places and facilities it
    /// writes truth.csv, which says which record is a second registration of whom; ends by printing how far names
    /// tell these people apart.
    Synth {
        /// How many people.
        #[arg(long, value_name = "NUMBER")]
        people: u64,
        /// What tells this nation from others.
        #[arg(long, value_name = "NUMBER", default_value_t = 1)]
        seed: u64,
        /// The share of people who are registered a second time, with mistakes.
        #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
        duplicates: f64,
        /// Make the visits of these years too: encounters, vital signs, conditions and medicines, about 20 records a year a person.
        #[arg(long, value_name = "FROM..TO")]
        visits: Option<String>,
        /// The date at which ages are as the census has them.
        #[arg(long, value_name = "DATE", default_value = "2025-12-31")]
        as_of: String,
        /// The folder to write to; it is made where it is missing, and must be empty.
        #[arg(long, value_name = "FOLDER")]
        to: PathBuf,
    },
    /// Loads releases of large code systems, and lists those that are loaded. A server reads them when it starts.
    Terminology {
        #[command(subcommand)]
        what: crate::terminology::What,
    },
    /// Shows how texts are broken into words: the tables in force, and what they make of a text.
    Analyzers {
        #[command(subcommand)]
        what: crate::analyzers::What,
    },
    /// Reads HL7's definitions (NDJSON) from one folder and writes their compact form to another.
    Definitions {
        /// The folder with the definitions as HL7 publishes them.
        from: PathBuf,
        /// The folder for the compact form.
        to: PathBuf,
    },
    /// Evaluates a FHIRPath expression on a resource, and prints {"type": …, "value": …} for each item found.
    ///
    /// Ends with 1 and a sentence where the expression is none, or cannot be evaluated. What trace() says is printed on
    /// standard error.
    Fhirpath {
        /// The expression, such as "name.given".
        #[arg(allow_hyphen_values = true)]
        expression: String,
        /// The file with the resource, JSON or XML; - for standard input.
        #[arg(long, value_name = "FILE")]
        input: Option<PathBuf>,
        /// An expression on each of whose items the other is evaluated.
        #[arg(long, value_name = "EXPRESSION")]
        context: Option<String>,
        /// A variable for the expression, where it is called %NAME; may be given again.
        #[arg(long = "variable", value_name = "NAME=VALUE")]
        variables: Vec<String>,
        /// Take a path that names no element of FHIR as empty, instead of ending with a sentence.
        #[arg(long)]
        lenient: bool,
    },
    /// Judges resources by FHIR R4 and by profiles, and prints every issue: file, severity, place and sentence.
    ///
    /// Ends with 1 where a resource has an error.
    Validate {
        /// The files, each with a resource in JSON or XML; - for standard input.
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// The address of a profile to judge by, besides those that a resource claims itself; may be given again.
        #[arg(long = "profile", value_name = "URL")]
        profiles: Vec<String>,
        /// A file with a profile, a value set or another definition, or a Bundle of them, or a folder of such files; may
        /// be given again.
        #[arg(long, value_name = "PATH")]
        definitions: Vec<PathBuf>,
        /// Print an OperationOutcome for each file instead, one a line.
        #[arg(long)]
        outcome: bool,
    },
    /// Works with views: tables that SQL on FHIR ViewDefinitions make of records.
    View {
        #[command(subcommand)]
        view: ViewCommand,
    },
    /// Prints all settings, explained, with the values in force: a settings file to start from.
    Settings {
        #[command(flatten)]
        set: Set,
    },
}

/// What can be done with a view.
#[derive(Debug, Subcommand)]
pub(crate) enum ViewCommand {
    /// Runs a view and prints its rows.
    ///
    /// Reads all records of the view's kind from the data folder, or records from files. No server may be running on the
    /// same data; ask a running one with POST /fhir/ViewDefinition/$viewdefinition-run.
    Run {
        /// The file with the ViewDefinition, JSON or XML.
        #[arg(value_name = "FILE")]
        view: PathBuf,
        /// How to print the rows: csv, ndjson or json.
        #[arg(long, value_name = "FORMAT", default_value = "csv")]
        format: String,
        /// Leave out the line of column names in CSV.
        #[arg(long)]
        no_header: bool,
        /// Print this many rows at most.
        #[arg(long, value_name = "ROWS")]
        limit: Option<u64>,
        /// Read records from a file or folder (.json, .ndjson, .jsonl, .xml, each also .gz) instead; may be given again.
        #[arg(long = "input", value_name = "PATH")]
        inputs: Vec<PathBuf>,
        #[command(flatten)]
        set: Set,
    },
}

/// Does what the command line says. What went wrong is said on standard error.
pub fn run() -> ExitCode {
    match act(Line::parse().command) {
        Ok(code) => code,
        Err(sentence) => {
            eprintln!("epis: {sentence}");
            ExitCode::FAILURE
        }
    }
}

fn demo(set: &Set, unattended: bool) -> Result<ExitCode, String> {
    let folder = crate::demo::temporary().display().to_string();
    let defaults = [
        ("data", folder.as_str()),
        ("log", "none"),
        ("contact_seconds", "1"),
        ("shutdown_seconds", "2"),
        ("centre_name", "the national centre"),
    ];
    crate::demo::demo(set.gather(&defaults)?, unattended)
}

fn sync(what: SyncWhat) -> Result<ExitCode, String> {
    match what {
        SyncWhat::Status { set } => {
            println!("{}", crate::node::status::told(&set.gather(&[])?.listen)?);
            Ok(ExitCode::SUCCESS)
        }
        SyncWhat::Verify { set } => {
            println!("{}", crate::node::status::verify(&set.gather(&[])?.listen)?);
            Ok(ExitCode::SUCCESS)
        }
        SyncWhat::Carry {
            folder,
            node,
            retired,
            size_max,
            set,
        } => crate::node::stick::carry(
            &set.gather(&[])?,
            &crate::node::stick::Wish {
                folder,
                node,
                retired,
                size_max,
            },
        ),
    }
}

fn act(command: Command) -> Result<ExitCode, String> {
    match command {
        Command::Serve { set } => crate::serve::serve(set.gather(&[])?),
        Command::Demo { unattended, set } => demo(&set, unattended),
        Command::Import {
            paths,
            again,
            threads,
            set,
        } => crate::import::import(set.gather(&[])?, &crate::import::Wish { paths, again, threads }),
        Command::Export {
            folder,
            history,
            gzip,
            set,
        } => crate::export::export(set.gather(&[])?, &crate::export::Wish { folder, history, gzip }),
        Command::Check { look, set } => crate::upkeep::check(set.gather(&[])?, !look),
        Command::Reindex { set } => crate::upkeep::reindex(set.gather(&[])?),
        Command::Match { what } => crate::matching::matching(what),
        Command::Sync { what } => sync(what),
        Command::Node { what } => crate::node::node(what),
        Command::Synth {
            people,
            seed,
            duplicates,
            visits,
            as_of,
            to,
        } => crate::synth::synth(&crate::synth::Wish {
            people,
            seed,
            duplicates,
            visits,
            as_of,
            to,
        }),
        Command::Terminology { what } => crate::terminology::terminology(what),
        Command::Analyzers { what } => crate::analyzers::analyzers(what),
        Command::Definitions { from, to } => crate::upkeep::definitions(&from, &to),
        Command::Fhirpath {
            expression,
            input,
            context,
            variables,
            lenient,
        } => crate::fhirpath::fhirpath(&crate::fhirpath::Wish {
            expression,
            input,
            context,
            variables,
            lenient,
        }),
        Command::Validate {
            files,
            profiles,
            definitions,
            outcome,
        } => crate::validate::validate(&crate::validate::Wish {
            files,
            profiles,
            definitions,
            outcome,
        }),
        Command::View { view } => run_view(view),
        Command::Settings { set } => {
            print!("{}", crate::reference::settings_file(&set.gather(&[])?));
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn run_view(command: ViewCommand) -> Result<ExitCode, String> {
    let ViewCommand::Run {
        view,
        format,
        no_header,
        limit,
        inputs,
        set,
    } = command;
    let wish = crate::view::Wish {
        view,
        format,
        no_header,
        limit,
        inputs,
    };
    crate::view::run(&set.gather(&[])?, &wish)
}
