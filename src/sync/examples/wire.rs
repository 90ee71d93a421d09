//! Makes the dictionary of the wire from synthetic visits, or tells what a day, a month and a new clinic take on the wire.
//!
//! `wire train OUT` writes the dictionary; `wire measure` reports bytes, on a nation of another seed than was trained on.

use std::collections::BTreeMap;

use fhir::body;
use fhir::document::Document;
use fhir::identity::{Id, Kind, VersionId};
use fhir::parse::Limits;
use rustc_hash::FxHashMap;
use store::Operation;
use sync::{Change, segment};
use synth::nation::{Entry, Nation, Plan};

/// A dictionary's size at most.
const DICTIONARY_MAX: usize = 32 << 10;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.get(1).map(String::as_str) {
        Some("train") => train(arguments.get(2).expect("where the dictionary is written")),
        Some("measure") => measure(),
        _ => eprintln!("wire train OUT | wire measure"),
    }
}

/// What one clinic wrote: its people's records, then their visits in the order of time.
fn clinic(seed: u64, people: u64) -> (Vec<Change>, Vec<Vec<Change>>) {
    let plan = Plan {
        people,
        seed,
        duplicates: 0,
        visits: Some(2021..=2025),
        today: 20_800,
    };
    let (mut registered, mut visits) = (Vec::new(), BTreeMap::<String, Vec<(String, String)>>::new());
    Nation::new(plan).each(&mut |entry| {
        if let Entry::Record(kind, record) = entry {
            let text = String::from_utf8(record.to_bytes()).expect("JSON is UTF-8");
            match kind {
                "Patient" => registered.push((kind.to_owned(), text)),
                _ => visits.entry(moment(&text)).or_default().push((kind.to_owned(), text)),
            }
        }
        true
    });
    let mut clinic = Clinic::default();
    let registered = registered
        .iter()
        .map(|(kind, text)| clinic.change(kind, text))
        .collect();
    let visits = visits
        .values()
        .map(|visit| visit.iter().map(|(kind, text)| clinic.change(kind, text)).collect());
    (registered, visits.collect())
}

/// When and whose: visits in the order of time.
fn moment(text: &str) -> String {
    let after = |name: &str| {
        let start = text.find(name)? + name.len();
        text[start..].split('"').next()
    };
    let named = [
        "start",
        "effectiveDateTime",
        "recordedDate",
        "authoredOn",
        "whenHandedOver",
    ];
    let moment = named.iter().find_map(|name| after(&format!("\"{name}\":\"")));
    let patient = after("\"reference\":\"Patient/");
    format!("{} {}", moment.expect("a moment"), patient.expect("a patient"))
}

/// A node that gives ids and names as a server does.
#[derive(Default)]
struct Clinic {
    ids: FxHashMap<String, String>,
    count: u64,
}

impl Clinic {
    fn change(&mut self, kind: &str, text: &str) -> Change {
        self.count += 1;
        let document = Document::parse(text.as_bytes(), Limits::default()).expect("a record");
        let old = document.root().string("id").expect("an id").into_owned();
        let new = format!("17-k3f9a-{}", self.count);
        self.ids.insert(format!("{kind}/{old}"), format!("{kind}/{new}"));
        let rewrite = |name: &str, text: &str| match name {
            "reference" => self.ids.get(text).cloned(),
            _ => None,
        };
        let counter = self.count;
        // One press of a key a visit, its records at once; the clock has microseconds that nobody can foretell.
        let minute = 1_764_120_000_000_000 + (counter / 12) as i64 * 540_000_000;
        let noise = ((counter / 12).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 44) as i64;
        Change {
            kind: Kind::new(kind).expect("a kind"),
            id: Id::new(&new).expect("an id"),
            version: VersionId { node: 17, counter },
            base: None,
            merged: None,
            updated: minute + noise + (counter % 12) as i64,
            operation: Operation::Create,
            body: body::store_rewritten(document.root(), &rewrite),
        }
    }
}

fn train(out: &str) {
    let (registered, visits) = clinic(11, 6_000);
    let mut often: FxHashMap<Vec<u8>, usize> = FxHashMap::default();
    let people = registered.iter().take(40);
    let changes: Vec<Change> = visits.into_iter().flatten().chain(people.cloned()).collect();
    for form in segment::forms(&changes) {
        *often.entry(form).or_default() += 1;
    }
    let mut forms: Vec<(usize, Vec<u8>)> = often.into_iter().map(|(form, count)| (count, form)).collect();
    forms.sort();
    let mut dictionary: Vec<Vec<u8>> = Vec::new();
    let mut left = DICTIONARY_MAX;
    for (_, form) in forms.into_iter().rev() {
        if form.len() < left {
            left -= form.len() + 1;
            dictionary.push(form);
        }
    }
    // What is nearest to the text is the cheapest to point at: the most usual comes last.
    dictionary.reverse();
    let bytes = dictionary.join(&b'\n');
    std::fs::write(out, &bytes).expect("the dictionary is written");
    println!("{} forms, {} bytes", dictionary.len(), bytes.len());
}

fn measure() {
    let (registered, visits) = clinic(12, 2_500);
    let told = |what: &str, visits: usize, changes: &[Change]| {
        let json: usize = changes.iter().map(|change| change.body.len() + 120).sum();
        let mut bytes = 0;
        let mut rest = changes;
        let start = std::time::Instant::now();
        while !rest.is_empty() {
            let (now, later) = rest.split_at(segment::fitting(rest));
            let packed = segment::pack(now, segment::DICTIONARY).expect("packed");
            assert_eq!(segment::unpack(&packed).as_deref(), Ok(now));
            bytes += packed.len();
            rest = later;
        }
        println!(
            "{what:<28} {:>6} records {json:>10} -> {bytes:>8} bytes, {:>6.1} a record, {:>6.0} a visit, {:>6.1} s at 64 kbit/s, {:.2?} packing and unpacking",
            changes.len(),
            bytes as f64 / changes.len() as f64,
            bytes as f64 / visits.max(1) as f64,
            bytes as f64 / 8_000.0,
            start.elapsed()
        );
    };
    let of = |count: usize| visits.iter().take(count).flatten().cloned().collect::<Vec<Change>>();
    told("one visit", 1, &of(1));
    told("a day, 55 visits", 55, &of(55));
    told("30 days, 1,650 visits", 1_650, &of(1_650));
    told("2,500 people", 2_500, &registered);
    told("their five years", visits.len(), &of(visits.len()));
}
