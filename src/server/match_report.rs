//! `epis match report`: looks for the people of a synthetic nation among themselves and says how well that went.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::time::Instant;

use fhir::document::Document;
use fhir::parse::Limits;
use person::report::{Asked, LOOKED_AT, Report};
use person::roster::{Head, Writer, whole};
use person::{Person, Register, Weights};
use synth::{Entry, Nation, Plan};

use crate::progress::Progress;

/// Of a thousand people, how many are registered twice.
const TWICE: u64 = 100;
/// 2025-12-31, counted in days from 1970.
const TODAY: i64 = 20_453;

/// By the id of a record the id of the other record of the same person.
pub(crate) type Truth = HashMap<String, String>;

/// The records of a nation, read, and which of them are of one person: both ways.
///
/// # Errors
/// A sentence where the nation would have nobody, or too many.
pub(crate) fn made(people: u64, seed: u64) -> Result<(Register, Truth), String> {
    if !(1..=crate::synth::PEOPLE_MAX).contains(&people) {
        return Err(format!(
            "--people is {people}; it takes 1 to {}.",
            crate::synth::PEOPLE_MAX
        ));
    }
    let progress = Progress::new("Making the nation", people);
    let (mut register, mut truth, mut bytes) = (Vec::new(), Truth::new(), Vec::new());
    let plan = Plan {
        people,
        seed,
        duplicates: TWICE,
        visits: None,
        today: TODAY,
    };
    let names = text::Analysis::built_in();
    progress.show_during(|| {
        Nation::new(plan).each(&mut |entry| {
            match entry {
                Entry::Record(_, record) => {
                    bytes.clear();
                    record.write(&mut bytes);
                    let document = Document::parse(&bytes, Limits::default()).expect("a nation's records are JSON");
                    let id = document.root().string("id").unwrap_or_default().into_owned();
                    register.push((id, Person::read(document.root(), &names.names)));
                    progress.count(1);
                }
                Entry::Truth(second, first) => {
                    truth.insert(second.to_owned(), first.to_owned());
                }
                Entry::Person(_) => progress.advance(1),
            }
            true
        });
    });
    Ok((register.into_iter().collect(), truth))
}

/// Measures and writes the page and the picture.
///
/// # Errors
/// A sentence where they cannot be written.
pub(crate) fn report(people: u64, seed: u64, one_in: [usize; 2], weights: &Weights, to: &Path) -> Result<(), String> {
    let (register, truth) = made(people, seed)?;
    let report = measured(&register, &truth, one_in, weights);
    let [everybody, day] = carried(&register);
    let points: Vec<String> = report
        .calibration()
        .iter()
        .map(|(bits, odds)| {
            format!(
                "    calibration	{bits}	{odds}
"
            )
        })
        .collect();
    let page = format!(
        "# Matching persons, measured\n\n    epis match report --people {people} --seed {seed} --twice-one-in {} --one-in {}\n\n\
         writes this page and its picture: a synthetic nation (`synthetic-nation.md`) of {people} people, {} records; a tenth \
         of the people are registered a second time, with mistakes. One in {} of the second registrations is looked for among \
         all records but itself, and one in {} of the people who are registered once; each stands for as many. The weights are \
         \"{}\"; times are of one core and of the build that ran.\n\n{}\nEverybody in one file (`epis match roster`): {:.1} MB \
         (goal: at most 20). What changed in a day, {} records that were written: {:.1} kB (goal: at most 20).\n\nWhat the evidence turned out to be in this run, as lines of \
         the weights:\n\n{}\n![Evidence, precision and recall](matching.svg)\n",
        one_in[0],
        one_in[1],
        register.len(),
        one_in[0],
        one_in[1],
        weights.version,
        report.tables(),
        everybody as f64 / 1e6,
        changed(&register),
        day as f64 / 1e3,
        points.concat(),
    );
    fs::create_dir_all(to).map_err(|e| format!("{} cannot be made: {e}.", to.display()))?;
    for (name, text) in [("matching.md", page), ("matching.svg", report.picture())] {
        let path = to.join(name);
        fs::write(&path, text).map_err(|e| format!("{} cannot be written: {e}.", path.display()))?;
    }
    let (precision, recall) = report.automatic();
    println!(
        "Automatic links: {:.3} % right, {:.2} % of second registrations linked; {:.2} % among five candidates.",
        100.0 * precision,
        100.0 * recall,
        100.0 * report.among_first(5)
    );
    Ok(())
}

/// How many records change in a day: each once in five years, as people move, call by another number, are born.
fn changed(register: &Register) -> usize {
    (register.len() / (5 * 365)).max(1)
}

/// The bytes of everybody in a small file, and of those who changed in a day.
fn carried(register: &Register) -> [usize; 2] {
    let head = Head {
        after: 0,
        up_to: 1,
        key: [0; 16],
    };
    let everybody = whole(register, head, &|person| person.clone()).len();
    let (mut day, mut number) = (
        Writer::new(Head {
            after: 1,
            up_to: 2,
            ..head
        }),
        0,
    );
    register.each(&mut |id, person| {
        // Evenly over the country and the years in which they were registered.
        if number % (5 * 365) == 0 {
            day.put(id, person);
        }
        number += 1;
    });
    [everybody, day.finish().len()]
}

/// What comes of looking for people of a register: of one in so many of those registered twice, and once.
pub(crate) fn measured(
    register: &Register,
    truth: &Truth,
    [twice_one_in, one_in]: [usize; 2],
    weights: &Weights,
) -> Report {
    let twice: std::collections::HashSet<&str> = truth.values().map(String::as_str).collect();
    let mut looked_for: Vec<(String, Person)> = Vec::new();
    let (mut once, mut seconds) = (0, 0);
    register.each(&mut |id, person| {
        let second = truth.contains_key(id);
        if !second && twice.contains(id) {
            return;
        }
        once += usize::from(!second);
        seconds += usize::from(second);
        let turn = if second { seconds % twice_one_in } else { once % one_in };
        if turn == 0 {
            looked_for.push((id.to_owned(), person.clone()));
        }
    });
    let progress = Progress::new("Looking for people", looked_for.len() as u64);
    let mut report = Report::default();
    progress.show_during(|| {
        for (id, person) in &looked_for {
            let other = truth.get(id).map(String::as_str);
            let start = Instant::now();
            let mut found = register.best(person, weights, LOOKED_AT + 1);
            let micros = u32::try_from(start.elapsed().as_micros()).unwrap_or(u32::MAX);
            found.retain(|found| found.id != *id);
            let stands_for = if other.is_some() { twice_one_in } else { one_in } as f64;
            report.take(
                &found,
                &Asked {
                    other,
                    stands_for,
                    micros,
                },
            );
            progress.advance(1);
        }
    });
    report
}
