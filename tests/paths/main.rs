//! The benchmark of expressions and views: CPU time beside npm `fhirpath` on the same records, and beside parsing them.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use analytics::{Fault, Format, Runner, Surroundings, Table, View};
use conformance::Definitions;
use fhir::document::Document;
use fhir::parse::Limits;
use fhirpath::evaluate::Context;
use fhirpath::expression::Expression;
use fhirpath::value::Element;
use serde_json::{Value, json};

/// Expressions by the kind of record they are evaluated on.
const EXPRESSIONS: [(&str, &str); 16] = [
    ("Patient", "name.where(use = 'official').given.first()"),
    ("Patient", "telecom.where(system = 'phone' and use = 'home').value"),
    ("Patient", "name.given.join(' ') & ' ' & name.first().family"),
    (
        "Patient",
        "extension('http://hl7.org/fhir/us/core/StructureDefinition/us-core-birthsex').value",
    ),
    ("Patient", "birthDate <= today() - 18 years"),
    ("Patient", "descendants().count()"),
    ("Observation", "code.coding.where(system = 'http://loinc.org').code"),
    ("Observation", "value.ofType(Quantity).value > 100"),
    (
        "Observation",
        "component.where(code.coding.code = '8480-6').value.ofType(Quantity).value",
    ),
    ("Observation", "category.coding.exists(code = 'vital-signs')"),
    ("Observation", "subject.reference"),
    ("Observation", "effective.ofType(dateTime) >= @2015-01-01"),
    ("Observation", "dataAbsentReason.empty() or value.empty()"),
    (
        "Observation",
        "value.empty() or component.code.where(coding.intersect(%resource.code.coding).exists()).empty()",
    ),
    ("Encounter", "period.start <= period.end"),
    (
        "Encounter",
        "participant.individual.display.select($this.lower().startsWith('dr'))",
    ),
];

/// A flat view: one row an Observation.
const VIEW: &str = r#"{"resource":"Observation","select":[{"column":[
{"name":"key","path":"getResourceKey()"},{"name":"patient","path":"subject.getReferenceKey(Patient)"},
{"name":"encounter","path":"encounter.getReferenceKey(Encounter)"},{"name":"status","path":"status"},
{"name":"code","path":"code.coding.first().code"},{"name":"display","path":"code.coding.first().display"},
{"name":"taken","path":"effective.ofType(dateTime)"},{"name":"value","path":"value.ofType(Quantity).value"},
{"name":"unit","path":"value.ofType(Quantity).unit"}]}]}"#;

/// How long each measurement lasts at least.
const LASTS: Duration = Duration::from_millis(700);
/// A fixed moment for both.
const NOW: i64 = 1_714_969_800_000_000;

fn main() {
    let folder = std::env::args()
        .nth(1)
        .expect("usage: paths FOLDER (one with npm's fhirpath in node_modules)");
    let folder = Path::new(&folder);
    let records = records();
    let lines: Vec<String> = records.iter().map(Value::to_string).collect();
    fs::write(folder.join("records.ndjson"), lines.join("\n")).expect("the folder can be written");
    let asked: Vec<Value> = EXPRESSIONS
        .iter()
        .map(|(kind, text)| json!({"kind": kind, "text": text}))
        .collect();
    fs::write(folder.join("expressions.json"), json!(asked).to_string()).expect("the folder can be written");
    let theirs = Command::new("node")
        .arg("compare.mjs")
        .current_dir(folder)
        .output()
        .expect("node runs");
    assert!(theirs.status.success(), "{}", String::from_utf8_lossy(&theirs.stderr));
    let theirs: Vec<Value> = serde_json::from_slice(&theirs.stdout).expect("the comparison prints JSON");
    let documents: Vec<Document> = lines.iter().map(|line| parsed(line)).collect();
    println!("| on | expression | epis, ns | npm fhirpath, ns | times as fast |\n|---|---|---:|---:|---:|");
    let mut ratios = Vec::new();
    for ((kind, text), other) in EXPRESSIONS.iter().zip(&theirs) {
        let (nanoseconds, items) = evaluated(&documents, kind, text);
        assert_eq!(items, other["items"].as_u64().expect("a count"), "{text}: items found");
        let other = other["nanoseconds"].as_f64().expect("a time");
        ratios.push(other / nanoseconds);
        println!(
            "| {kind} | `{text}` | {nanoseconds:.0} | {other:.0} | {:.0} |",
            other / nanoseconds
        );
    }
    let product: f64 = ratios.iter().map(|ratio| ratio.ln()).sum();
    let least = ratios.iter().copied().fold(f64::INFINITY, f64::min);
    println!(
        "\nGeometric mean {:.1}, least {least:.1}.\n",
        (product / ratios.len() as f64).exp()
    );
    view(&lines);
}

fn parsed(text: &str) -> Document {
    Document::parse(text.as_bytes(), Limits::default()).expect("a record is JSON")
}

/// The records of the sample patients.
fn records() -> Vec<Value> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/synthea/patients");
    let mut all = Vec::new();
    for file in fs::read_dir(folder).expect("the samples").flatten() {
        let mut text = String::new();
        let file = fs::File::open(file.path()).expect("a file");
        flate2::read::GzDecoder::new(file)
            .read_to_string(&mut text)
            .expect("text");
        let mut bundle: Value = serde_json::from_str(&text).expect("JSON");
        let entries = bundle["entry"].as_array_mut().expect("entries");
        all.extend(entries.iter_mut().map(|entry| entry["resource"].take()));
    }
    all
}

/// This process's CPU time so far.
fn cpu() -> Duration {
    let text = fs::read_to_string("/proc/self/schedstat").expect("Linux");
    Duration::from_nanos(
        text.split(' ')
            .next()
            .and_then(|field| field.parse().ok())
            .expect("a number"),
    )
}

/// Runs some work again and again for a while: the CPU nanoseconds of one time.
fn timed(mut work: impl FnMut()) -> f64 {
    work();
    let (start, begin) = (Instant::now(), cpu());
    let mut times = 0;
    while start.elapsed() < LASTS {
        work();
        times += 1;
    }
    (cpu() - begin).as_nanos() as f64 / f64::from(times)
}

/// The CPU nanoseconds of one evaluation, and how many items all records give.
fn evaluated(documents: &[Document], kind: &str, text: &str) -> (f64, u64) {
    let model = Definitions::r4();
    let expression = Expression::parse(text).expect(text);
    let of_kind = |document: &&Document| document.root().string("resourceType").is_some_and(|name| name == kind);
    let resources: Vec<Element<'_>> = documents
        .iter()
        .filter(of_kind)
        .map(|document| Element::resource(&*model, document.root()))
        .collect();
    let mut items = 0;
    let mut out = Vec::new();
    let all = timed(|| {
        items = 0;
        for resource in &resources {
            let context = Context::new(&*model, *resource, NOW);
            out.clear();
            expression.append(&context, *resource, &mut out).expect(text);
            items += out.len() as u64;
        }
    });
    (all / resources.len() as f64, items)
}

fn view(lines: &[String]) {
    let lines: Vec<&String> = lines
        .iter()
        .filter(|line| {
            parsed(line)
                .root()
                .string("resourceType")
                .is_some_and(|kind| kind == "Observation")
        })
        .collect();
    let bytes: usize = lines.iter().map(|line| line.len()).sum();
    let count = lines.len() as f64;
    let model = Definitions::r4();
    let definition = parsed(VIEW);
    let view = View::compile(&*model, definition.root()).expect("the view is one");
    let surroundings = Surroundings {
        model: &*model,
        now: NOW,
        zone: 0,
        resolver: None,
        terminology: None,
        profiles: None,
    };
    let tape = timed(|| lines.iter().for_each(|line| drop(std::hint::black_box(parsed(line))))) / count;
    let tree = timed(|| {
        for line in &lines {
            let value: Value = serde_json::from_str(line).expect("JSON");
            std::hint::black_box(value);
        }
    }) / count;
    println!(
        "| a flat view of 9 columns over {count} Observations of {:.0} bytes | CPU, us each | beside parsing (epis) | beside parsing (serde_json) |\n|---|---:|---:|---:|",
        bytes as f64 / count
    );
    println!("| parsing alone | {:.2} | 1.00 | {:.2} |", tape / 1e3, tape / tree);
    for (format, name, _) in Format::ALL {
        let run = timed(|| {
            let mut table = Table::begin(format, view.columns(), true, std::io::sink()).expect("a sink takes all");
            let mut runner = Runner::new(&view, surroundings);
            for line in &lines {
                let document = parsed(line);
                let taken = runner.record(document.root(), &mut |row| table.row(row).map_err(Fault::Taker));
                taken.expect("rows");
            }
            table.end().expect("a sink takes all");
        }) / count;
        println!(
            "| parsing and rows as {name} | {:.2} | {:.2} | {:.2} |",
            run / 1e3,
            run / tape,
            run / tree
        );
    }
}
