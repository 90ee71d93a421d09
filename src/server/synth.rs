//! `epis synth`: makes a synthetic nation as files of FHIR records, with the truth about duplicates beside them.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use fhir::moment::{DAY, stretch};
use synth::figures::Figures;
use synth::{Entry, Nation, Plan};

use crate::progress::Progress;

/// People in one nation at most: citizen numbers have six digits within a gewog, telephones six within a network.
pub(crate) const PEOPLE_MAX: u64 = 2_000_000;

/// What to make.
#[derive(Clone, Debug)]
pub struct Wish {
    /// How many people.
    pub people: u64,
    /// What tells one nation from another.
    pub seed: u64,
    /// The share of people who are registered twice, from 0 to 1.
    pub duplicates: f64,
    /// The years to make visits of, `2021..2025`.
    pub visits: Option<String>,
    /// The date at which ages are as the census has them.
    pub as_of: String,
    /// The folder to write to.
    pub to: PathBuf,
}

impl Wish {
    /// What the room that makes nations is told.
    ///
    /// # Errors
    /// A sentence that names the flag and what it takes.
    pub fn plan(&self) -> Result<Plan, String> {
        if !(1..=PEOPLE_MAX).contains(&self.people) {
            return Err(format!("--people is {}; it takes 1 to {PEOPLE_MAX}.", self.people));
        }
        if !(0.0..=1.0).contains(&self.duplicates) {
            return Err(format!(
                "--duplicates is {}; it takes a share from 0 to 1.",
                self.duplicates
            ));
        }
        let today = stretch(&self.as_of, 0).filter(|_| self.as_of.len() == 10);
        let today = today.ok_or_else(|| format!("--as-of is \"{}\"; write a date such as 2025-12-31.", self.as_of))?;
        Ok(Plan {
            people: self.people,
            seed: self.seed,
            duplicates: (self.duplicates * 1_000.0).round() as u64,
            visits: self.visits.as_deref().map(years).transpose()?,
            today: today.start / DAY,
        })
    }
}

fn years(text: &str) -> Result<RangeInclusive<i64>, String> {
    let year = |text: &str| text.parse().ok().filter(|year| (1900..=2100).contains(year));
    let (from, to) = text.split_once("..").unwrap_or((text, text));
    match (year(from), year(to.trim_start_matches('='))) {
        (Some(from), Some(to)) if from <= to => Ok(from..=to),
        _ => Err(format!("--visits is \"{text}\"; write years such as 2021..2025.")),
    }
}

/// The files of a folder that are being written, one a kind.
struct Files<'a> {
    folder: &'a Path,
    open: BTreeMap<String, BufWriter<File>>,
    buffer: Vec<u8>,
}

impl Files<'_> {
    fn line(&mut self, name: &str, line: &[u8]) -> Result<(), String> {
        if !self.open.contains_key(name) {
            let path = self.folder.join(name);
            let file = File::create(&path).map_err(|e| format!("{} cannot be made: {e}.", path.display()))?;
            self.open
                .insert(name.to_owned(), BufWriter::with_capacity(1 << 16, file));
        }
        let file = self.open.get_mut(name).expect("it was opened");
        let written = file.write_all(line).and_then(|()| file.write_all(b"\n"));
        written.map_err(|e| format!("{} cannot be written: {e}.", self.folder.join(name).display()))
    }

    fn entry(&mut self, entry: &Entry<'_>, figures: &mut Figures, progress: &Progress) -> Result<(), String> {
        match entry {
            Entry::Record(kind, record) => {
                let mut buffer = std::mem::take(&mut self.buffer);
                buffer.clear();
                record.write(&mut buffer);
                self.line(&format!("{kind}.ndjson"), &buffer)?;
                self.buffer = buffer;
                progress.count(1);
            }
            Entry::Truth(second, first) => self.line("truth.csv", format!("{second},{first}").as_bytes())?,
            Entry::Person(person) => {
                figures.count(person);
                progress.advance(1);
            }
        }
        Ok(())
    }

    fn end(self) -> Result<(), String> {
        for (name, mut file) in self.open {
            let path = self.folder.join(name);
            file.flush()
                .map_err(|e| format!("{} cannot be written: {e}.", path.display()))?;
        }
        Ok(())
    }
}

/// Makes the nation: the country's places and facilities, everybody's records, and `truth.csv`.
///
/// # Errors
/// A sentence where a flag is wrong, the folder is not empty, or a file cannot be written.
pub fn synth(wish: &Wish) -> Result<ExitCode, String> {
    let plan = wish.plan()?;
    let folder = &wish.to;
    crate::export::empty_folder(folder)?;
    let progress = Progress::new("Making the nation", plan.people);
    let mut figures = Figures::default();
    let mut files = Files {
        folder,
        open: BTreeMap::new(),
        buffer: Vec::new(),
    };
    progress.show_during(|| {
        country(&mut files)?;
        files.line("truth.csv", b"duplicate,original")?;
        let mut trouble = None;
        Nation::new(plan).each(&mut |entry| {
            trouble = files.entry(&entry, &mut figures, &progress).err();
            trouble.is_none()
        });
        trouble.map_or(Ok(()), Err)
    })?;
    files.end()?;
    let seconds = progress.elapsed().as_secs_f64();
    println!(
        "{} records in {} in {seconds:.1} s.",
        progress.records(),
        folder.display()
    );
    figures.lines().iter().for_each(|line| println!("{line}"));
    Ok(ExitCode::SUCCESS)
}

/// The places and organizations that the nation's records refer to.
fn country(files: &mut Files<'_>) -> Result<(), String> {
    let records = synth::country::ndjson();
    let lines = records.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    for line in lines {
        let is_place = line.windows(25).any(|part| part == b"\"resourceType\":\"Location\"");
        let name = if is_place {
            "Location.ndjson"
        } else {
            "Organization.ndjson"
        };
        files.line(name, line)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish() -> Wish {
        Wish {
            people: 10,
            seed: 1,
            duplicates: 0.1,
            visits: None,
            as_of: "2025-12-31".to_owned(),
            to: PathBuf::new(),
        }
    }

    #[test]
    fn wishes_are_read_or_refused_with_what_they_take() {
        let plan = Wish {
            visits: Some("2021..2025".to_owned()),
            ..wish()
        }
        .plan()
        .unwrap();
        assert_eq!(
            (plan.duplicates, plan.visits, plan.today),
            (100, Some(2021..=2025), 20_453)
        );
        let wrong = [
            (Wish { people: 0, ..wish() }, "--people"),
            (
                Wish {
                    duplicates: 1.1,
                    ..wish()
                },
                "--duplicates",
            ),
            (
                Wish {
                    as_of: "2025".to_owned(),
                    ..wish()
                },
                "--as-of",
            ),
            (
                Wish {
                    visits: Some("2025..2021".to_owned()),
                    ..wish()
                },
                "--visits",
            ),
            (
                Wish {
                    visits: Some("late".to_owned()),
                    ..wish()
                },
                "--visits",
            ),
        ];
        for (wish, flag) in wrong {
            assert!(wish.plan().unwrap_err().starts_with(flag));
        }
    }
}
