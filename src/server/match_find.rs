//! `epis match find`: who a patient may be, or whom typed words mean, in files that `epis match roster` wrote.

use std::fs;
use std::path::{Path, PathBuf};

use fhir::moment::civil_from_days;
use interaction::analyzers;
use interaction::engine::now;
use person::hidden::Key;
use person::roster::Roster;
use person::{Asked, Person, Register, Sex, Weights};

use crate::command::Set;
use crate::engine::analyzers_folder;

/// Microseconds of a day.
const DAY: i64 = 86_400_000_000;

/// Prints who a patient may be, and why.
///
/// # Errors
/// A sentence where the patient or the files cannot be used.
pub(crate) fn patient(
    set: &Set,
    file: &Path,
    rosters: &[PathBuf],
    key: Option<&Key>,
    count: usize,
) -> Result<(), String> {
    let analysis = analyzers::read(&analyzers_folder(&set.gather(&[])?))?;
    let document = crate::fhirpath::read(file)?;
    let person = Person::read(document.root(), &analysis.names);
    let person = key.map_or_else(|| person.clone(), |key| key.hide(&person));
    let register = opened(rosters, key)?;
    let found = register.best(&person, &Weights::built_in(), count);
    if found.is_empty() {
        println!("Nobody among {} people is likely this patient.", register.len());
    }
    for found in found {
        println!(
            "Patient/{}: {}, probability {:.4}",
            found.id,
            found.score.grade.code(),
            found.score.probability
        );
        found.score.parts.iter().for_each(|part| println!("  {part}"));
        found.score.held.iter().for_each(|held| println!("  {held}"));
    }
    Ok(())
}

/// Prints whom typed words mean, as `/find` answers them.
///
/// # Errors
/// A sentence where the files cannot be used, or their particulars are hidden.
pub(crate) fn typed(set: &Set, text: &str, rosters: &[PathBuf], count: usize) -> Result<(), String> {
    let settings = set.gather(&[])?;
    let analysis = analyzers::read(&analyzers_folder(&settings))?;
    let names = &analysis.names;
    let (year, ..) = civil_from_days((now() + i64::from(settings.zone.0) * 60_000_000).div_euclid(DAY));
    let asked = Asked::read(text, names, u32::try_from(year).unwrap_or(0));
    let register = opened(rosters, None)?;
    let found = register.find(&asked, names, count);
    if found.is_empty() {
        println!("Nobody among {} people is meant by this.", register.len());
    }
    for found in found {
        let matched = found
            .matches
            .iter()
            .map(|how| how.as_ref().map_or("-", |how| how.how.code()));
        let matched: Vec<&str> = matched.collect();
        let person = register.person(&found.id).unwrap_or_default();
        println!(
            "Patient/{}: {} ({:.3}: {})",
            found.id,
            shown(&person),
            found.score,
            matched.join(", ")
        );
    }
    Ok(())
}

/// What a roster has of a person, on one line; names as they count.
fn shown(person: &Person) -> String {
    let mut parts: Vec<String> = person.names.iter().map(|name| name.join(" ")).collect();
    parts.extend(person.birth.map(|birth| birth.to_string()));
    parts.extend(match person.sex {
        Sex::Female => Some("female".to_owned()),
        Sex::Male => Some("male".to_owned()),
        Sex::Other | Sex::Unknown => None,
    });
    parts.extend(person.citizen.map(|number| number.to_string()));
    parts.extend(person.identifiers.iter().map(|identifier| identifier.value.clone()));
    parts.extend(person.telephones.iter().map(u64::to_string));
    let place = person.place;
    parts.extend((place.gewog > 0).then(|| format!("gewog {}", place.gewog)));
    parts.join(", ")
}

/// Everybody in a file, with what the files after it changed.
fn opened(rosters: &[PathBuf], key: Option<&Key>) -> Result<Register, String> {
    let mut register = Register::default();
    let mut reached = 0;
    for file in rosters {
        let failed = |why: &dyn std::fmt::Display| format!("{}: {why}", file.display());
        let bytes = fs::read(file).map_err(|e| failed(&format!("it cannot be read: {e}.")))?;
        let roster = Roster::read(&bytes).map_err(|e| failed(&e))?;
        if roster.head.after != reached {
            return Err(failed(&format!(
                "its changes begin after place {}, not {reached}.",
                roster.head.after
            )));
        }
        if roster.head.key != key.map_or([0; 16], Key::check) {
            let why = "it is hidden by another secret, or by none; see --hidden-by, and hidden particulars are not found by --text.";
            return Err(failed(&why));
        }
        match roster.head.after {
            0 => register = roster.register().map_err(|e| failed(&e))?,
            _ => roster.apply(&mut register).map_err(|e| failed(&e))?,
        }
        reached = roster.head.up_to;
    }
    Ok(register)
}
