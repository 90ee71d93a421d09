//! Measures a store on real bodies: writing in groups, 64 writers, reading, bytes.
//!
//! `measure FOLDER_OF_BUNDLES [PLACE [GATHER_MILLISECONDS]]`; the place is `sqlite` (a fresh file in the
//! temporary folder) or a PostgreSQL URL.
//! CPU is the process's own; PostgreSQL's processes are not counted.

use std::collections::HashMap;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use fhir::body;
use fhir::document::Document;
use fhir::identity::{Id, Kind};
use fhir::parse::Limits;
use store::{Appended, Expect, Follower, HistoryRange, Operation, Place, Scope, Settings, Store, Unit, Write};

#[derive(Default)]
struct Commits(AtomicU64);

impl Follower for Commits {
    fn committed(&self, _: &[Appended]) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// CPU nanoseconds of the thread with a name, or of the whole process with its ended threads.
fn cpu(name: Option<&str>) -> f64 {
    if name.is_none() {
        let text = std::fs::read_to_string("/proc/self/stat").expect("Linux");
        let after_name = text.rsplit(')').next().unwrap_or_default();
        let ticks: f64 = after_name
            .split(' ')
            .skip(12)
            .take(2)
            .filter_map(|n| n.parse::<f64>().ok())
            .sum();
        return ticks * 1e7;
    }
    let threads = std::fs::read_dir("/proc/self/task").expect("Linux").flatten();
    let chosen = threads.filter(|t| {
        let comm = std::fs::read_to_string(t.path().join("comm")).unwrap_or_default();
        name.is_none_or(|name| comm.trim() == name)
    });
    let time = |t: std::fs::DirEntry| {
        let text = std::fs::read_to_string(t.path().join("schedstat")).unwrap_or_default();
        text.split(' ')
            .next()
            .and_then(|n| n.parse::<f64>().ok())
            .unwrap_or(0.0)
    };
    chosen.map(time).sum()
}

fn bodies(folder: &Path) -> Vec<(Kind, Vec<u8>)> {
    let (mut bodies, mut numbers) = (Vec::new(), HashMap::new());
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .expect("a folder")
        .flatten()
        .map(|e| e.path())
        .collect();
    files.sort();
    for file in files
        .iter()
        .filter(|f| f.extension().is_some_and(|e| e == "gz"))
        .skip(4)
        .step_by(5)
        .take(40)
    {
        let mut text = Vec::new();
        let file = std::fs::File::open(file).expect("a file");
        flate2::read::GzDecoder::new(file).read_to_end(&mut text).expect("gzip");
        let document = Document::parse(&text, Limits::default()).expect("JSON");
        for entry in document.root().get("entry").expect("entries").items() {
            let resource = entry.get("resource").expect("a resource");
            let numbers = std::cell::RefCell::new(&mut numbers);
            let rewrite = |_: &str, text: &str| {
                let local = text.starts_with("urn:uuid:") || text.contains("?identifier=");
                let mut numbers = numbers.borrow_mut();
                let next = numbers.len() + 1;
                local.then(|| format!("Patient/0-{}", numbers.entry(text.to_owned()).or_insert(next)))
            };
            let kind = Kind::new(&resource.string("resourceType").expect("a type")).expect("a kind");
            bodies.push((kind, body::store_rewritten(resource, &rewrite)));
        }
    }
    bodies
}

fn create(store: &Store, (kind, body): &(Kind, Vec<u8>)) -> Write {
    let mut write = Write::new(kind.clone(), store.mint(), Operation::Create, body.clone());
    write.expect = Expect::New;
    write
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let bodies = bodies(Path::new(&arguments[1]));
    let file = std::env::temp_dir()
        .join(format!("epis-measure-{}", std::process::id()))
        .join("log.sqlite");
    let url = arguments.get(2).filter(|place| *place != "sqlite");
    let place = url.map_or(Place::Sqlite(file.clone()), |url| Place::Postgres(url.clone()));
    let mut settings = Settings::at(place);
    if let Some(millis) = arguments.get(3) {
        settings.gather = Duration::from_millis(millis.parse().expect("milliseconds"));
    }
    let store = Store::open(settings).expect("a store");
    let commits = Arc::new(Commits::default());
    store.follow(commits.clone());
    bundles(&store, &bodies);
    for threads in [64, 16, 4, 1] {
        racing(&store, &bodies, &commits, threads);
    }
    reading(&store);
    let begun = Instant::now();
    let report = store.check(&|_, _| ()).expect("a check");
    println!("check: {:?}, {} findings", begun.elapsed(), report.findings.len());
    store.close();
    if let Ok(meta) = std::fs::metadata(&file) {
        println!("file: {} bytes a version", meta.len() / store.head());
    }
    if let Some(folder) = file.parent() {
        let _gone = std::fs::remove_dir_all(folder);
    }
}

fn bundles(store: &Store, bodies: &[(Kind, Vec<u8>)]) {
    let (begun, all, writer) = (Instant::now(), cpu(None), cpu(Some("log-writer")));
    for chunk in bodies.chunks(500) {
        let writes = chunk.iter().map(|body| create(store, body)).collect();
        store.submit(Unit::of(writes)).expect("written");
    }
    let count = bodies.len() as f64;
    println!(
        "units of 500: {} versions, {:.1} us each; CPU {:.1} us, of it the writer {:.1} us",
        bodies.len(),
        begun.elapsed().as_secs_f64() * 1e6 / count,
        (cpu(None) - all) / 1e3 / count,
        (cpu(Some("log-writer")) - writer) / 1e3 / count,
    );
}

fn racing(store: &Store, bodies: &[(Kind, Vec<u8>)], commits: &Commits, threads: usize) {
    let small: Vec<_> = bodies.iter().filter(|b| b.1.len() < 1000).collect();
    let until = Instant::now() + Duration::from_secs(4);
    let (before, all, writer) = (commits.0.load(Ordering::Relaxed), cpu(None), cpu(Some("log-writer")));
    let begun = Instant::now();
    let mut times: Vec<u64> = std::thread::scope(|scope| {
        let work = |thread: usize| {
            let (mut times, mut at) = (Vec::new(), thread * 997);
            while Instant::now() < until {
                let begun = Instant::now();
                at = (at + 1) % small.len();
                store.submit(Unit::one(create(store, small[at]))).expect("written");
                times.push(begun.elapsed().as_micros() as u64);
            }
            times
        };
        let handles: Vec<_> = (0..threads).map(|thread| scope.spawn(move || work(thread))).collect();
        handles.into_iter().flat_map(|h| h.join().expect("a thread")).collect()
    });
    times.sort_unstable();
    let count = times.len() as f64;
    let groups = commits.0.load(Ordering::Relaxed) - before;
    println!(
        "{threads} threads: {:.0}/s, {:.1} a commit, median {} us, p99 {} us; CPU {:.1} us, of it the writer {:.1} us",
        count / begun.elapsed().as_secs_f64(),
        count / groups as f64,
        times[times.len() / 2],
        times[times.len() * 99 / 100],
        (cpu(None) - all) / 1e3 / count,
        (cpu(Some("log-writer")) - writer) / 1e3 / count,
    );
}

fn reading(store: &Store) {
    let sample = store
        .history(&Scope::All, &HistoryRange::newest(5000))
        .expect("a history");
    let keys: Vec<(Kind, Id)> = sample.into_iter().step_by(5).map(|v| (v.kind, v.id)).collect();
    for round in ["first", "again"] {
        let (begun, all) = (Instant::now(), cpu(None));
        for _ in 0..10 {
            for (kind, id) in &keys {
                let found = store.current(kind, id).expect("read");
                assert!(found.is_some());
            }
        }
        let count = keys.len() as f64 * 10.0;
        let (wall, spent) = (
            begun.elapsed().as_secs_f64() * 1e6 / count,
            (cpu(None) - all) / 1e3 / count,
        );
        println!("current, {round}: {wall:.1} us, CPU {spent:.1} us");
    }
    let places: Vec<u64> = (1..=store.head()).step_by((store.head() / 1000) as usize).collect();
    let begun = Instant::now();
    for page in places.chunks(20) {
        store.by_seq(page).expect("read");
    }
    println!(
        "by_seq, pages of 20: {:.1} us a version",
        begun.elapsed().as_secs_f64() * 1e6 / places.len() as f64
    );
    let begun = Instant::now();
    let read = store.log(0, 20_000).expect("read").len() as f64;
    println!("log: {:.1} us a version", begun.elapsed().as_secs_f64() * 1e6 / read);
}
