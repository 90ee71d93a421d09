//! Makes the dictionary of the wire from synthetic visits, and tells what a day, a month and a new clinic take on the wire.
//!
//! What is measured is a nation of another seed than was trained on.

use rustc_hash::FxHashMap;
use sync::{Change, segment};

use crate::clinic::clinic;

/// A dictionary's size at most.
const DICTIONARY_MAX: usize = 32 << 10;

pub fn train(out: &str) {
    let (registered, visits) = clinic(17, 11, 6_000, None);
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

pub fn measure() {
    let (registered, visits) = clinic(17, 12, 2_500, None);
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
