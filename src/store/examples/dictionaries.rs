//! Trains the built-in dictionaries from a folder of gzipped transaction bundles, or measures them.
//!
//! `dictionaries train FOLDER OUT` writes one file a kind; `dictionaries measure FOLDER OUT` reports bytes
//! on the bundles that training leaves out (every fifth).

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use fhir::body;
use fhir::document::Document;
use fhir::parse::Limits;

/// Kinds with fewer training samples than this go by the general dictionary.
const SAMPLES_MIN: usize = 150;
const SAMPLES_MAX: usize = 6000;
const BYTES_MAX: usize = 12 << 20;

type Bodies = BTreeMap<String, Vec<Vec<u8>>>;

fn bundles(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("a folder")
        .flatten()
        .map(|e| e.path())
        .filter(|p| p.extension().is_some_and(|e| e == "gz"))
        .collect();
    files.sort();
    files
}

fn read(path: &Path, ids: &mut HashMap<String, u64>, bodies: &mut Bodies) {
    let mut text = Vec::new();
    let file = File::open(path).expect("a file");
    flate2::read::GzDecoder::new(file).read_to_end(&mut text).expect("gzip");
    let document = Document::parse(&text, Limits::default()).expect("JSON");
    let mut kinds: HashMap<String, String> = HashMap::new();
    let entries = || document.root().get("entry").expect("entries").items();
    for entry in entries() {
        let kind = entry.get("resource").and_then(|r| r.string("resourceType")).unwrap();
        kinds.insert(entry.string("fullUrl").unwrap().into_owned(), kind.into_owned());
    }
    for entry in entries() {
        let resource = entry.get("resource").expect("a resource");
        let numbers = std::cell::RefCell::new(&mut *ids);
        let rewrite = |_: &str, text: &str| {
            let kind = match text.split_once('?') {
                Some((kind, _)) if !kind.contains(['/', ':']) => kind,
                _ => kinds.get(text)?,
            };
            let mut ids = numbers.borrow_mut();
            let fresh = 20_000 + 7 * ids.len() as u64;
            let number = ids.entry(text.to_owned()).or_insert(fresh);
            Some(format!("{kind}/0-{number}"))
        };
        let stored = body::store_rewritten(resource, &rewrite);
        let kind = resource.string("resourceType").unwrap().into_owned();
        bodies.entry(kind).or_default().push(stored);
    }
}

fn sample(bodies: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let step = bodies.len().div_ceil(SAMPLES_MAX).max(1);
    let mut left = BYTES_MAX;
    let chosen = bodies.iter().step_by(step).take_while(|b| {
        let fits = b.len() <= left;
        left = left.saturating_sub(b.len());
        fits
    });
    chosen.cloned().collect()
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let (folder, out) = (Path::new(&arguments[2]), Path::new(&arguments[3]));
    let (mut training, mut held_out, mut ids) = (Bodies::new(), Bodies::new(), HashMap::new());
    for (i, path) in bundles(folder).iter().enumerate() {
        let bodies = if i % 5 == 4 { &mut held_out } else { &mut training };
        read(path, &mut ids, bodies);
    }
    match arguments[1].as_str() {
        "train" => write(&training, out),
        _ => measure(&held_out, out),
    }
}

fn write(training: &Bodies, out: &Path) {
    let mut rest = Vec::new();
    for (kind, bodies) in training {
        rest.extend(bodies.iter().step_by(bodies.len().div_ceil(120)).cloned());
        if bodies.len() >= SAMPLES_MIN {
            let bytes = store::train(&sample(bodies)).expect("samples");
            std::fs::write(out.join(format!("{kind}.zdict")), bytes).expect("written");
        }
    }
    let bytes = store::train(&rest).expect("samples");
    std::fs::write(out.join("general.zdict"), bytes).expect("written");
}

fn measure(held_out: &Bodies, out: &Path) {
    let (mut count, mut raw, mut packed) = (0, 0, 0);
    for (kind, bodies) in held_out {
        let own = out.join(format!("{kind}.zdict"));
        let path = if own.exists() { own } else { out.join("general.zdict") };
        let dictionary = std::fs::read(&path).expect("a dictionary");
        let mut packer = zstd::bulk::Compressor::with_dictionary(3, &dictionary).expect("a dictionary");
        let before: usize = bodies.iter().map(Vec::len).sum();
        let after: usize = bodies
            .iter()
            .map(|b| packer.compress(b).expect("packed").len() - 4)
            .sum();
        println!(
            "{kind:30} {:7} {:6} -> {:5}",
            bodies.len(),
            before / bodies.len(),
            after / bodies.len()
        );
        (count, raw, packed) = (count + bodies.len(), raw + before, packed + after);
    }
    println!("all {count}: {} -> {} bytes a resource", raw / count, packed / count);
}
