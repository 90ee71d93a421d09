//! A site of a network of tests: an engine on a store and an index of its own, asked without HTTP.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use fhir::identity::{Id, Kind};
use fhir::tree::Tree;
use store::Version;
use store::testing::Fresh;
use sync::Change;

use crate::policy::Newcomers;
use crate::{Caller, Engine, Generations, Method, Request, Settings, answer};

const BASE: &str = "http://x/fhir";

/// A site: an engine on a place of its own.
pub(crate) struct Site {
    generations: Option<Generations>,
    settings: Settings,
    index: PathBuf,
    pub(crate) fresh: Fresh,
}

impl Site {
    pub(crate) fn new(fresh: Fresh, node: u32) -> Site {
        Site::with(fresh, node, Newcomers::default())
    }

    /// A site that does so about patients whom others registered.
    pub(crate) fn with(fresh: Fresh, node: u32, newcomers: Newcomers) -> Site {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let index = format!(
            "epis-site-{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        let index = std::env::temp_dir().join(index);
        let mut log = fresh.settings();
        log.node = Some(node);
        let settings = Settings {
            newcomers,
            ..Settings::at(log, index.clone())
        };
        Site {
            generations: Some(Generations::open(settings.clone()).expect("an engine in a fresh place")),
            settings,
            index,
            fresh,
        }
    }

    /// Ends the engine and opens another on what it left.
    pub(crate) fn restart(&mut self) {
        self.generations = None;
        self.generations = Some(Generations::open(self.settings.clone()).expect("an engine on what is there"));
    }

    pub(crate) fn engine(&self) -> Arc<Engine> {
        self.generations.as_ref().expect("open until dropped").now()
    }

    pub(crate) fn ask(&self, method: Method, path: &str, body: &str) {
        let mut request = Request::new(method, path, "", BASE);
        request.body = body.as_bytes();
        request.content_type = Some("application/fhir+json");
        let reply = answer(&self.engine(), &Caller::Operator, &request);
        let text = String::from_utf8_lossy(reply.body.bytes()).into_owned();
        assert!(reply.status < 300, "{path} {body}: {text}");
    }

    pub(crate) fn put(&self, path: &str, members: &str) {
        let (kind, id) = path.split_once('/').unwrap();
        let comma = if members.is_empty() { "" } else { "," };
        let body = format!(r#"{{"resourceType":"{kind}","id":"{id}"{comma}{members}}}"#);
        self.ask(Method::Put, path, &body);
    }

    /// The record without what the server says of it; `None` where it is not there.
    pub(crate) fn has(&self, path: &str) -> Option<Tree> {
        let version = current(&self.engine(), path).filter(|version| version.operation.is_live())?;
        Some(plain(&version))
    }

    /// The conflicts' Tasks with a status.
    pub(crate) fn tasks(&self, wanted: &str) -> Vec<Tree> {
        let engine = self.engine();
        let tasks = engine
            .store
            .records_of(&Kind::new("Task").unwrap(), None, u64::MAX, 1_000);
        let tasks = tasks.unwrap().0.iter().map(plain).collect::<Vec<_>>();
        let has = |task: &Tree| task.get("status").and_then(Tree::as_str) == Some(wanted);
        tasks.into_iter().filter(has).collect()
    }

    /// The current versions of all records.
    pub(crate) fn all(&self) -> BTreeSet<String> {
        let store = &self.engine().store;
        let kinds = store.kinds().into_iter();
        let records = kinds.flat_map(|kind| store.records_of(&kind, None, u64::MAX, 1_000).unwrap().0);
        records
            .map(|version| {
                format!(
                    "{}/{} {} {:?}",
                    version.kind,
                    version.id,
                    version.version,
                    version.seal()
                )
            })
            .collect()
    }

    pub(crate) fn sound(&self, what: &str) {
        let engine = self.engine();
        let report = engine.store.check(&|_, _| ()).unwrap();
        assert_eq!((report.findings, report.repairs), (vec![], vec![]), "{what}");
        let report = engine.index.check(&|_, _| {}, true).unwrap();
        assert_eq!((report.findings, report.repairs), (vec![], vec![]), "{what}");
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.generations = None;
        // A folder left over in the system's temporary directory does no harm.
        let _ = std::fs::remove_dir_all(&self.index);
    }
}

/// The kind and the id in a path.
pub(crate) fn name(path: &str) -> (Kind, Id) {
    let (kind, id) = path.split_once('/').unwrap();
    (Kind::new(kind).unwrap(), Id::new(id).unwrap())
}

/// The current version of a record.
pub(crate) fn current(engine: &Engine, path: &str) -> Option<Version> {
    let (kind, id) = name(path);
    engine.store.current(&kind, &id).unwrap()
}

/// A version without what the server says of it.
pub(crate) fn plain(version: &Version) -> Tree {
    let mut tree = sync::Version::of(&Change::from(version.clone())).unwrap().body.unwrap();
    tree.remove("resourceType");
    tree.remove("id");
    sorted(&tree)
}

/// Members in the order of their names: what a record says does not depend on their order.
pub(crate) fn sorted(tree: &Tree) -> Tree {
    match tree {
        Tree::Object(members) => {
            let mut members: Vec<(String, Tree)> = members.iter().map(|(n, held)| (n.clone(), sorted(held))).collect();
            members.sort_by(|a, b| a.0.cmp(&b.0));
            Tree::Object(members)
        }
        Tree::Array(items) => Tree::Array(items.iter().map(sorted).collect()),
        other => other.clone(),
    }
}

/// Parameters that name patients.
pub(crate) fn parameters(all: &[(&str, &str)]) -> String {
    let all = all
        .iter()
        .map(|(name, id)| format!(r#"{{"name":"{name}","valueReference":{{"reference":"Patient/{id}"}}}}"#));
    let all: Vec<String> = all.collect();
    format!(r#"{{"resourceType":"Parameters","parameter":[{}]}}"#, all.join(","))
}
