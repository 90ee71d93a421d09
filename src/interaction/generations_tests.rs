//! The index built beside the one in use, under load; damaged while it answers; looked after by the patrol.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use fhir::tree::Tree;

use crate::upkeep::{JobState, Pace};
use crate::{Caller, Generations, Method, Request, Settings, answer};

const BASE: &str = "http://h/fhir";

/// A server's engines in a folder of their own, which goes with them.
pub(crate) struct World {
    generations: Option<Generations>,
    pub(crate) folder: PathBuf,
    pace: Pace,
}

impl World {
    pub(crate) fn new(pace: Pace) -> World {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("epis-generations-{}-{number}", std::process::id()));
        let mut world = World {
            generations: None,
            folder,
            pace,
        };
        world.open();
        world
    }

    pub(crate) fn open(&mut self) {
        self.generations = None;
        let log = store::Settings::at(store::Place::Sqlite(self.folder.join("log.db")));
        let mut settings = Settings::at(log, self.folder.join("index"));
        settings.pace = self.pace;
        settings.index.notice = Arc::new(|sentence: &str| eprintln!("{sentence}"));
        settings.index.commit_every_ms = 20;
        self.generations = Some(Generations::open(settings).expect("a folder of its own"));
    }

    pub(crate) fn close(&mut self) {
        self.generations = None;
    }

    pub(crate) fn generations(&self) -> &Generations {
        self.generations.as_ref().expect("open")
    }

    pub(crate) fn ask(&self, method: Method, address: &str, body: &str) -> (u16, Tree) {
        let (path, query) = address.split_once('?').unwrap_or((address, ""));
        let mut request = Request::new(method, path, query, BASE);
        request.body = body.as_bytes();
        let reply = answer(&self.generations().now(), &Caller::Operator, &request);
        let tree = Tree::parse(reply.body.bytes()).unwrap_or(Tree::Null);
        (reply.status, tree)
    }

    pub(crate) fn get(&self, address: &str) -> (u16, Tree) {
        self.ask(Method::Get, address, "")
    }

    pub(crate) fn put(&self, address: &str, body: &str) {
        let (status, reply) = self.ask(Method::Put, address, body);
        assert!(matches!(status, 200 | 201), "{address}: {reply:?}");
    }

    /// How many records a search counts.
    pub(crate) fn count(&self, address: &str) -> u64 {
        let (status, found) = self.get(address);
        let total = found.get("total").map(Tree::to_bytes);
        let text = String::from_utf8(total.unwrap_or_default()).unwrap();
        text.parse().unwrap_or_else(|_| panic!("{address}: {status} {found:?}"))
    }

    /// Writes patients `from..to`, all of one family.
    pub(crate) fn patients(&self, from: usize, to: usize) {
        for number in from..to {
            let body = format!(
                r#"{{"resourceType":"Patient","id":"p{number}","gender":"male","birthDate":"19{:02}-01-01","name":[{{"family":"Dorji"}}]}}"#,
                number % 100
            );
            self.put(&format!("Patient/p{number}"), &body);
        }
    }

    pub(crate) fn until(&self, what: &str, mut met: impl FnMut() -> bool) {
        let end = Instant::now() + Duration::from_secs(60);
        while !met() {
            assert!(
                Instant::now() < end,
                "{what}: {:?}",
                self.generations().now().upkeep.job()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn is_done(&self, id: u64) -> bool {
        let job = self.generations().now().upkeep.job();
        job.is_some_and(|job| job.id >= id && job.state == JobState::Done)
    }

    /// Waits until everything is committed and no merge is under way: that would mend what is harmed.
    fn settle(&self) {
        let engine = self.generations().now();
        engine.index.flush().unwrap();
        self.until("the index rests", || engine.index.is_resting());
    }

    /// The index folders there are.
    fn folders(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder.join("index")).unwrap().flatten();
        let mut names: Vec<String> = entries.map(|e| e.file_name().to_string_lossy().into_owned()).collect();
        names.retain(|name| name != "current");
        names
    }

    fn harm(&self, end: &str, harm: impl Fn(&std::path::Path)) {
        let folder = self.folder.join("index").join(&self.folders()[0]);
        let files = std::fs::read_dir(folder).unwrap().flatten().map(|entry| entry.path());
        let wanted: Vec<PathBuf> = files.filter(|file| file.to_string_lossy().ends_with(end)).collect();
        assert!(!wanted.is_empty(), "there is a file *{end}");
        for file in wanted {
            harm(&file);
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.generations = None;
        // A folder left over in the system's temporary directory does no harm.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

pub(crate) fn background() -> Pace {
    Pace {
        background: true,
        percent: 50,
        patrol: 0,
    }
}

#[test]
fn an_index_is_built_beside_the_one_in_use_while_all_goes_on() {
    let world = World::new(background());
    world.patients(0, 300);
    let (started, stop) = (Instant::now(), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 300.. {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                world.patients(number, number + 1);
                let found = world.count(&format!("Patient?_id=p{number}&family=dorji"));
                assert_eq!(found, 1, "a search sees the write before it");
            }
        });
        scope.spawn(|| {
            let mut least = 300;
            while !stop.load(Ordering::Relaxed) {
                let found = world.count("Patient?family=dorji&_count=0");
                assert!(found >= least, "{found} of at least {least}");
                least = found;
            }
        });
        for round in 1..=3 {
            let (status, job) = world.ask(Method::Post, "$reindex", "");
            assert_eq!(status, 202, "{job:?}");
            world.until("the build ends", || world.is_done(round));
        }
        stop.store(true, Ordering::Relaxed);
    });
    let (status, told) = world.get("$reindex");
    let text = String::from_utf8(told.to_bytes()).unwrap();
    assert_eq!(status, 200);
    assert!(
        text.contains("\"done\"") && text.contains("said the same of all"),
        "{text}"
    );
    world.until("one folder is left", || world.folders().len() == 1);
    eprintln!("three builds took {:?}", started.elapsed());
}

#[test]
fn pages_go_on_across_a_swap() {
    let world = World::new(Pace::default());
    world.patients(0, 50);
    let (_, page) = world.get("Patient?_sort=-birthdate&_count=20");
    let links = page.get("link").unwrap().items();
    let next = links
        .iter()
        .find(|link| link.get("relation").and_then(Tree::as_str) == Some("next"));
    let next = next.unwrap().get("url").unwrap().as_str().unwrap().to_owned();
    world.patients(50, 60);
    world.generations().rebuild(&|_, _| {}).unwrap();
    let (status, page) = world.get(next.strip_prefix(BASE).unwrap().trim_start_matches('/'));
    assert_eq!(
        (status, page.get("entry").unwrap().items().len()),
        (200, 20),
        "{page:?}"
    );
    assert_eq!(page.get("total").map(Tree::to_bytes), Some(b"50".to_vec()));
}

#[test]
fn a_damaged_or_deleted_index_is_found_and_built_anew_while_the_server_runs() {
    let world = World::new(Pace {
        patrol: 1_000,
        ..background()
    });
    world.patients(0, 100);
    world.settle();
    assert_eq!(world.generations().now().upkeep.job().map(|job| job.id), None);
    world.harm(".term", |file| std::fs::remove_file(file).unwrap());
    world.until("the missing file is found", || world.is_done(1));
    assert_eq!(world.count("Patient?family=dorji"), 100);
    world.until("one folder is left", || world.folders().len() == 1);
    world.settle();
    world.harm(".fast", |file| {
        let mut bytes = std::fs::read(file).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0xff;
        std::fs::write(file, bytes).unwrap();
    });
    world.until("the damaged file is found", || world.is_done(2));
    assert_eq!(world.count("Patient?family=dorji"), 100);
    assert!(world.generations().now().upkeep.rounds().findings >= 2);
}

#[test]
fn the_patrol_goes_its_rounds() {
    let mut world = World::new(Pace {
        patrol: 2_000,
        ..background()
    });
    world.patients(0, 100);
    let complete = |world: &World| world.generations().now().upkeep.rounds().complete;
    let before = complete(&world);
    world.until("a round is over", || complete(&world) > before + 1);
    let rounds = world.generations().now().upkeep.rounds();
    assert_eq!(
        (rounds.findings, rounds.repairs, rounds.records.0),
        (0, 0, 100),
        "{rounds:?}"
    );
    assert!(rounds.records.1 > 0, "some are compared whole: {rounds:?}");
    world.close();
}

#[test]
fn without_a_usable_index_searches_wait_and_nothing_else() {
    let mut world = World::new(Pace::default());
    world.patients(0, 400);
    world.close();
    // A merge that was under way when the index was let go may still put a file in.
    let index = world.folder.join("index");
    world.until("the index is gone", || std::fs::remove_dir_all(&index).is_ok());
    world.pace = background();
    world.open();
    let (status, outcome) = world.get("Patient?family=dorji");
    let text = String::from_utf8(outcome.to_bytes()).unwrap();
    // Either the build was quicker than the question, or the answer says how far it is.
    assert!(
        status == 200 || (status == 503 && text.contains("versions in the log")),
        "{text}"
    );
    assert_eq!(world.get("Patient/p7").0, 200);
    world.until("the index is complete", || {
        world.generations().now().index.is_complete()
    });
    assert_eq!(world.count("Patient?family=dorji"), 400);
}
