//! Every shape of search, on a small store and again on one sixteen times as large, against reads of the same bytes.

use std::time::Duration;

use serde_json::Value;

use crate::phases::{Asked, Rate, Target, addresses, in_turns, millis};
use crate::{Plan, Report};

/// How many times larger the second store is.
pub const GROWTH: usize = 16;
/// Matches that a search over all patients may have: pages are compared whole.
const MATCHES_MAX: u64 = 20;
/// Variants of a shape.
const VARIANTS: usize = 40;

/// The searches measured on a store of one size.
struct Measured {
    /// A read by id.
    read: Rate,
    shapes: Vec<(&'static str, Rate)>,
}

impl Measured {
    /// How many reads by id answer as many bytes; at least one.
    fn reads(&self, found: &Rate) -> f64 {
        (found.bytes / self.read.bytes).max(1.0)
    }

    /// The CPU of a shape in reads by id of as many bytes.
    fn cpu_in_reads(&self, found: &Rate) -> f64 {
        found.cpu_millis / (self.read.cpu_millis * self.reads(found))
    }

    /// The median of a shape in reads by id of as many bytes.
    fn in_reads(&self, found: &Rate) -> f64 {
        found.median.as_secs_f64() / (self.read.median.as_secs_f64() * self.reads(found))
    }

    fn of(&self, name: &str) -> Option<&Rate> {
        let mut shapes = self.shapes.iter();
        shapes.find(|(known, _)| *known == name).map(|(_, rate)| rate)
    }
}

/// Measures all shapes on a small and on a large store in turns with each other and with reads by id, and writes the table.
pub fn measure(plan: &Plan, small: &Target, large: &Target, report: &mut Report) {
    let asked = [small, large].map(Searches::of);
    let loops: Vec<Asked<'_>> = asked.iter().flat_map(Searches::loops).collect();
    let mut rates = in_turns(plan, &loops).into_iter();
    let [small, large] = asked.each_ref().map(|asked| Measured {
        read: rates.next().expect("reads come first"),
        shapes: asked.names.iter().copied().zip(rates.by_ref()).collect(),
    });
    write(&small, &large, report);
}

/// What is asked of one store: its reads, and its shapes by name.
struct Searches<'a> {
    target: &'a Target,
    reads: Vec<String>,
    names: Vec<&'static str>,
    paths: Vec<Vec<String>>,
}

impl Searches<'_> {
    fn of(target: &Target) -> Searches<'_> {
        let shapes = paths(target).into_iter().filter(|(name, paths)| {
            let any = !paths.is_empty();
            if !any {
                eprintln!("  no search of the shape {name} fits these records");
            }
            any
        });
        let (names, paths) = shapes.unzip();
        Searches {
            target,
            reads: addresses(target, "Observation", 200),
            names,
            paths,
        }
    }

    fn loops(&self) -> impl Iterator<Item = Asked<'_>> {
        let of = |paths| Asked {
            target: self.target,
            paths,
        };
        std::iter::once(&self.reads)
            .chain(&self.paths)
            .map(move |paths| of(paths))
    }
}

/// Writes the table: each shape on the large store, in reads of the same bytes, and against itself on the small store.
fn write(small: &Measured, large: &Measured, report: &mut Report) {
    for (name, found) in &large.shapes {
        let figure = format!(
            "median {:.3} ms, p99 {:.3} ms, {:.0} bytes, {:.3} ms CPU ({:.2} reads)",
            millis(found.median),
            millis(found.p99),
            found.bytes,
            found.cpu_millis,
            large.cpu_in_reads(found),
        );
        report.goal(
            &format!("search, {name}"),
            figure,
            large.in_reads(found),
            "reads of the same bytes",
            "at most 4",
        );
        if let Some(before) = small.of(name) {
            let each = |measured: &Measured, rate: &Rate| rate.median.as_secs_f64() / measured.reads(rate);
            let figure = format!(
                "median {:.3} ms, {:.0} bytes, {:.3} ms CPU there; {:.2} times its CPU",
                millis(before.median),
                before.bytes,
                before.cpu_millis,
                (found.cpu_millis / large.reads(found)) / (before.cpu_millis / small.reads(before)),
            );
            report.goal(
                &format!("the same at {GROWTH} times the data"),
                figure,
                each(large, found) / each(small, before),
                "times itself",
                "at most 1.35",
            );
        }
    }
    let median = |name: &str| {
        large
            .of(name)
            .map(|rate| rate.median)
            .filter(|time| *time > Duration::ZERO)
    };
    if let Some(plain) = median("count by code") {
        for name in ["count by code and date", "count by code and quantity"] {
            if let Some(found) = median(name) {
                let ratio = found.as_secs_f64() / plain.as_secs_f64();
                report.goal(name, String::new(), ratio, "plain counts by code", "at most 2");
            }
        }
    }
}

/// A code and a date on one patient.
pub fn token_and_date(patient: &str) -> String {
    let patient = patient.trim_start_matches("/fhir/");
    format!("/fhir/Observation?patient={patient}&code=http://loinc.org|8302-2&date=ge2010-01-01&_count=100")
}

fn paths(target: &Target) -> Vec<(&'static str, Vec<String>)> {
    let patients = addresses(target, "Patient", VARIANTS);
    let ids: Vec<&str> = patients.iter().map(|path| path.trim_start_matches("/fhir/")).collect();
    let each = |query: &dyn Fn(&str) -> String| ids.iter().map(|patient| query(patient)).collect::<Vec<_>>();
    let mut all = vec![
        ("identifier", identifiers(target)),
        ("name prefix", few(target, names(target))),
        (
            "code and date on one patient",
            patients.iter().map(|p| token_and_date(p)).collect(),
        ),
        (
            "_has",
            few(
                target,
                codes(target, |code| {
                    format!("Patient?_has:Condition:patient:code={code}&_count=20")
                }),
            ),
        ),
        (
            "chain",
            few(target, names(target))
                .iter()
                .map(|path| path.replace("Patient?name=", "Condition?patient.name="))
                .collect(),
        ),
        (
            "_include",
            each(&|p| format!("/fhir/MedicationRequest?patient={p}&_include=MedicationRequest:encounter&_count=20")),
        ),
        (
            "_revinclude",
            each(&|p| format!("/fhir/{}&_revinclude=Condition:patient", p.replace('/', "?_id="))),
        ),
        (
            "sorted page of one patient",
            each(&|p| format!("/fhir/Observation?patient={p}&_sort=-date&_count=20")),
        ),
        (
            "newest encounters of all",
            vec!["/fhir/Encounter?_sort=-date&_count=20".to_owned()],
        ),
        ("$everything", each(&|p| format!("/fhir/{p}/$everything?_count=1000"))),
        (
            "first page of a code",
            vec!["/fhir/Observation?code=8302-2&_count=20".to_owned()],
        ),
    ];
    all.extend(counts());
    all
}

/// Counts of one code over all patients; not the same count again and again: the bounds move.
fn counts() -> Vec<(&'static str, Vec<String>)> {
    let each = |query: &str, bounds: std::ops::Range<u32>| {
        let query = |bound: u32| query.replace('@', &bound.to_string());
        let paths = bounds.map(|bound| format!("/fhir/Observation?{}&_summary=count", query(bound)));
        paths.collect::<Vec<_>>()
    };
    let code = "code=http://loinc.org|8302-2";
    vec![
        ("count by code", each(code, 0..1)),
        ("count by code and date", each(&format!("{code}&date=ge@"), 2008..2018)),
        (
            "count by code and quantity",
            each(&format!("{code}&value-quantity=gt@||cm"), 140..170),
        ),
        (
            "count by composite",
            each("code-value-quantity=8302-2$gt@||cm", 150..151),
        ),
    ]
}

fn bundle(target: &Target, query: &str) -> Vec<Value> {
    let bundle = target.json(query);
    let entries = bundle["entry"].as_array().cloned().unwrap_or_default();
    entries.into_iter().map(|entry| entry["resource"].clone()).collect()
}

fn identifiers(target: &Target) -> Vec<String> {
    let patients = bundle(target, &format!("Patient?_count={VARIANTS}"));
    let first = |patient: &Value| {
        let identifier = &patient["identifier"][0];
        let (system, value) = (identifier["system"].as_str()?, identifier["value"].as_str()?);
        Some(format!("/fhir/Patient?identifier={system}|{value}"))
    };
    patients.iter().filter_map(first).collect()
}

fn names(target: &Target) -> Vec<String> {
    let patients = bundle(target, &format!("Patient?_count={VARIANTS}"));
    let plain = |name: &str| name.chars().take_while(char::is_ascii_alphabetic).collect::<String>();
    let family = |patient: &Value| patient["name"][0]["family"].as_str().map(plain);
    let names = patients.iter().filter_map(family).filter(|name| name.len() > 2);
    names
        .map(|name| format!("/fhir/Patient?name={name}&_count=20"))
        .collect()
}

fn codes(target: &Target, query: impl Fn(&str) -> String) -> Vec<String> {
    let conditions = bundle(target, "Condition?_count=400&_elements=code");
    let mut codes: Vec<String> = conditions
        .iter()
        .filter_map(|c| c["code"]["coding"][0]["code"].as_str().map(str::to_owned))
        .collect();
    codes.sort();
    codes.dedup();
    codes.iter().map(|code| format!("/fhir/{}", query(code))).collect()
}

/// Those whose whole answer is a small page, so that stores of all sizes answer alike.
fn few(target: &Target, paths: Vec<String>) -> Vec<String> {
    let small = |path: &String| {
        let total = target.json(path.trim_start_matches("/fhir/"))["total"].as_u64();
        total.is_some_and(|total| (1..=MATCHES_MAX).contains(&total))
    };
    paths.into_iter().filter(small).take(VARIANTS).collect()
}
