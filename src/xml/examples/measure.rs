//! Measures reading and writing XML beside parsing JSON, on the same records.
//!
//! `cargo run --release -p xml --example measure -- FILE.ndjson`

use std::time::Instant;

use conformance::Definitions;
use fhir::document::Document;
use fhir::parse::Limits;

const ROUNDS: usize = 20;

/// Megabytes a second of the fastest of some rounds over all texts.
fn speed<T, R>(texts: &[T], bytes: usize, mut work: impl FnMut(&T) -> R) -> f64 {
    let mut best = f64::INFINITY;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        for text in texts {
            std::hint::black_box(work(text));
        }
        best = best.min(start.elapsed().as_secs_f64());
    }
    bytes as f64 / 1e6 / best
}

fn main() {
    let path = std::env::args()
        .nth(1)
        .expect("the path of an NDJSON file of resources");
    let text = std::fs::read_to_string(&path).expect("a file of UTF-8");
    let definitions = Definitions::r4();
    let parse = |text: &str| Document::parse(text.as_bytes(), Limits::default()).expect("a resource");
    let lines: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();
    let documents: Vec<Document> = lines.iter().map(|line| parse(line)).collect();
    let write = |document: &Document| xml::write(&definitions, document.root(), false).expect("a resource");
    let written: Vec<Vec<u8>> = documents.iter().map(write).collect();
    let json = lines.iter().map(|line| line.len()).sum::<usize>();
    let xml = written.iter().map(Vec::len).sum::<usize>();
    println!("{} records, {json} bytes as JSON, {xml} as XML", lines.len());
    let limits = xml::Limits::default();
    let base = speed(&lines, json, |line| parse(line));
    // All in megabytes of JSON a second, so that they can be compared record by record.
    let rows = [
        ("JSON parsed", base),
        ("XML written", speed(&documents, json, write)),
        (
            "XML parsed",
            speed(&written, json, |xml| xml::Document::parse(xml, limits).is_ok()),
        ),
        (
            "XML read into JSON",
            speed(&written, json, |xml| xml::read(&definitions, xml, limits)),
        ),
    ];
    for (what, speed) in rows {
        println!(
            "{what:20} {speed:7.1} MB of JSON/s   {:.2} of parsing JSON",
            speed / base
        );
    }
}
