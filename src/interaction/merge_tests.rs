//! Any sequence of edits, merges and their undoing ends byte for byte as the edits alone, and searches know who is who.
//!
//! `EPIS_MERGE_CASES=1000 cargo test -p interaction merges` tries as many sequences. A failure is cut to its shortest
//! beginning that fails, and prints its seed and its steps.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use fhir::document::Document;
use fhir::identity::{Id, Kind};
use fhir::parse::Limits;
use fhir::tree::Tree;
use query::sample::Random;
use store::{Expect, Operation, Refused, Unit};

use crate::bundle_tests::{BASE, World, at};
use crate::delete::deletion;
use crate::{Method, Request};

const PATIENTS: usize = 4;
const STEPS: usize = 28;
/// Sequences that are tried where nothing is said.
const CASES: u64 = 12;

#[derive(Clone, Debug)]
enum Step {
    /// Changes a patient: by what, and a number that makes it another than all before.
    Edit(usize, Edit, usize),
    /// Writes an observation that refers to a patient.
    Observe(usize, usize),
    /// Merges the first into the second, perhaps with a result of the caller's.
    Merge(usize, usize, bool),
    /// Undoes the merge of a patient into another.
    Unmerge(usize),
}

#[derive(Clone, Copy, Debug)]
enum Edit {
    Telephone,
    Gender,
    Active,
    Identifier,
    /// Changes an identifier of her own, or takes it out.
    OwnIdentifier(bool),
    Name,
    Contact,
    Unmarried,
}

const EDITS: [Edit; 9] = [
    Edit::Telephone,
    Edit::Gender,
    Edit::Active,
    Edit::Identifier,
    Edit::OwnIdentifier(true),
    Edit::OwnIdentifier(false),
    Edit::Name,
    Edit::Contact,
    Edit::Unmarried,
];

fn steps(seed: u64) -> Vec<Step> {
    let mut random = Random::new(seed);
    let mut step = |number| {
        let (one, other) = (random.below(PATIENTS), random.below(PATIENTS));
        match random.below(10) {
            0..=3 => Step::Edit(one, EDITS[random.below(EDITS.len())], number),
            4 => Step::Observe(one, number),
            5..=7 => Step::Merge(one, other, random.once_in(3)),
            _ => Step::Unmerge(one),
        }
    };
    (0..STEPS).map(&mut step).collect()
}

fn patient(which: usize) -> String {
    let more = [
        r#","identifier":[{"system":"http://a.example","value":"1"}],"name":[{"given":["Pema"]}]"#,
        r#","active":true,"gender":"female""#,
        r#","name":[{"given":["Dawa"]},{"text":"Old"}],"link":[{"other":{"reference":"Patient/none"},"type":"seealso"}]"#,
        r#","identifier":[{"system":"http://a.example","value":"1"},{"value":"4"}],"birthDate":"1990""#,
    ];
    format!(r#"{{"resourceType":"Patient","id":"p{which}"{}}}"#, more[which])
}

impl World {
    fn put(&self, address: &str, body: &[u8]) {
        let mut request = Request::new(Method::Put, address, "", BASE);
        request.body = body;
        let (status, answer) = self.ask(&request);
        assert!(status < 300, "{address}: {answer:?}");
    }

    fn operate(&self, name: &str, parameters: Vec<Tree>) -> (u16, Tree) {
        let body = crate::outputs::parameters(parameters).to_bytes();
        let path = format!("Patient/{name}");
        let mut request = Request::new(Method::Post, &path, "", BASE);
        request.body = &body;
        self.ask(&request)
    }

    fn begin() -> World {
        let world = World::new();
        for which in 0..PATIENTS {
            world.put(&format!("Patient/p{which}"), patient(which).as_bytes());
        }
        world
    }

    /// Takes a step that is no merge.
    fn edit(&self, step: &Step) {
        match step {
            Step::Edit(which, edit, number) => {
                let mut record = self.get(&format!("Patient/p{which}"));
                if apply(&mut record, *which, *edit, *number) {
                    self.put(&format!("Patient/p{which}"), &record.to_bytes());
                }
            }
            Step::Observe(of, number) => {
                let text = format!(
                    r#"{{"resourceType":"Observation","id":"o{number}","status":"final","code":{{"text":"x"}},"subject":{{"reference":"Patient/p{of}"}}}}"#
                );
                self.put(&format!("Observation/o{number}"), text.as_bytes());
            }
            Step::Merge(..) | Step::Unmerge(_) => {}
        }
    }

    fn merge(&self, from: usize, into: usize, given: bool) -> bool {
        let mut parameters = vec![party("source-patient", from), party("target-patient", into)];
        if given {
            let mut result = self.get(&format!("Patient/p{into}"));
            let other = Tree::object([("reference", Tree::string(format!("Patient/p{from}")))]);
            append(
                &mut result,
                "link",
                Tree::object([("other", other), ("type", Tree::string("replaces"))]),
            );
            append(
                &mut result,
                "name",
                Tree::object([("text", Tree::string(format!("from p{from}")))]),
            );
            parameters.push(crate::outputs::resource("result-patient", result));
        }
        let (status, answer) = self.operate("$merge", parameters);
        assert!(status == 200 || status == 422, "{answer:?}");
        status == 200
    }

    fn unmerge(&self, which: usize) -> bool {
        let (status, answer) = self.operate("$unmerge", vec![party("source-patient", which)]);
        assert!(status == 200 || status == 422, "{answer:?}");
        status == 200
    }

    /// Everything that is kept of patients and observations.
    fn kept(&self, observations: &[usize]) -> String {
        let patients = (0..PATIENTS).map(|which| ("Patient", format!("p{which}")));
        let observations = observations.iter().map(|number| ("Observation", format!("o{number}")));
        let mut all = String::new();
        for (kind, id) in patients.chain(observations) {
            let (kind, id) = (Kind::new(kind).unwrap(), Id::new(&id).unwrap());
            let version = self.engine().store.current(&kind, &id).unwrap().unwrap();
            let body = String::from_utf8_lossy(&version.body[4..]).into_owned();
            writeln!(all, "{kind}/{id} {body}").unwrap();
        }
        all
    }
}

fn party(name: &str, which: usize) -> Tree {
    let reference = Tree::object([("reference", Tree::string(format!("Patient/p{which}")))]);
    crate::outputs::value(name, "valueReference", reference)
}

fn append(record: &mut Tree, name: &str, item: Tree) {
    let items = record.get(name).map_or(&[][..], Tree::items);
    record.set(name, Tree::Array([items, &[item]].concat()));
}

/// Changes a record; false where there is nothing to change.
fn apply(record: &mut Tree, which: usize, edit: Edit, number: usize) -> bool {
    let text = |text: &str| Tree::string(format!("{text}{number}"));
    match edit {
        Edit::Telephone => append(record, "telecom", Tree::object([("value", text("17"))])),
        Edit::Gender => record.set("gender", Tree::string(["male", "female", "other"][number % 3])),
        Edit::Active => record.set("active", Tree::Bool(true)),
        Edit::Identifier => append(
            record,
            "identifier",
            Tree::object([("value", text(&format!("own-{which}-")))]),
        ),
        Edit::OwnIdentifier(change) => return own_identifier(record, which, change, text("changed")),
        Edit::Name => append(record, "name", Tree::object([("text", text("Name "))])),
        Edit::Contact => {
            let name = Tree::object([("text", text("Mother "))]);
            append(record, "contact", Tree::object([("name", name)]));
        }
        Edit::Unmarried => {
            record.set("maritalStatus", Tree::object([("text", text("single "))]));
        }
    }
    true
}

fn own_identifier(record: &mut Tree, which: usize, change: bool, to: Tree) -> bool {
    let Some(Tree::Array(items)) = record.get_mut("identifier") else {
        return false;
    };
    let own = format!("own-{which}-");
    let is_own = |item: &Tree| {
        item.get("value")
            .and_then(Tree::as_str)
            .is_some_and(|value| value.starts_with(&own))
    };
    let Some(place) = items.iter().position(is_own) else {
        return false;
    };
    match change {
        true => items[place].set("assigner", Tree::object([("display", to)])),
        false => drop(items.remove(place)),
    }
    if items.is_empty() {
        record.remove("identifier");
    }
    true
}

/// Who is merged into whom.
#[derive(Default)]
struct Truth([Option<usize>; PATIENTS]);

impl Truth {
    fn survivor(&self, mut which: usize) -> usize {
        while let Some(next) = self.0[which] {
            which = next;
        }
        which
    }
}

/// What is wrong with a sequence, if anything.
fn wrong(steps: &[Step]) -> Option<String> {
    let (merged, plain) = (World::begin(), World::begin());
    let mut truth = Truth::default();
    let mut observed: Vec<(usize, usize)> = Vec::new();
    for (number, step) in steps.iter().enumerate() {
        // Who is who is known in memory and in the index alike.
        if number % 4 == 3 {
            merged.engine().index.flush().expect("it is committed");
        }
        merged.edit(step);
        plain.edit(step);
        match step {
            Step::Observe(of, number) => observed.push((*number, *of)),
            Step::Merge(from, into, given) if merged.merge(*from, *into, *given) => truth.0[*from] = Some(*into),
            Step::Unmerge(which) if merged.unmerge(*which) => truth.0[*which] = None,
            _ => {}
        }
        if let Some(what) = not_found(&merged, &truth, &observed) {
            return Some(what);
        }
    }
    // What was merged last into whom is undone before that one.
    while truth.0.iter().any(Option::is_some) {
        let undone: Vec<usize> = (0..PATIENTS)
            .filter(|which| truth.0[*which].is_some() && merged.unmerge(*which))
            .collect();
        assert!(!undone.is_empty(), "some merge can always be undone");
        undone.into_iter().for_each(|which| truth.0[which] = None);
    }
    let numbers: Vec<usize> = observed.iter().map(|(number, _)| *number).collect();
    let (one, other) = (merged.kept(&numbers), plain.kept(&numbers));
    (one != other).then(|| format!("merged and undone:\n{one}the edits alone:\n{other}"))
}

/// Holds the searches by each patient against who is who.
fn not_found(world: &World, truth: &Truth, observed: &[(usize, usize)]) -> Option<String> {
    for which in 0..PATIENTS {
        let of_her = observed
            .iter()
            .filter(|(_, of)| truth.survivor(*of) == truth.survivor(which));
        let expected: BTreeSet<String> = of_her.map(|(number, _)| format!("o{number}")).collect();
        let page = world.get(&format!("Observation?patient=p{which}"));
        let entries = page.get("entry").map_or(&[][..], Tree::items);
        let found: BTreeSet<String> = entries.iter().map(|entry| at(entry, "resource.id")).collect();
        if found != expected {
            return Some(format!("of p{which} there are {found:?}, not {expected:?}"));
        }
    }
    None
}

#[test]
fn merges_that_are_undone_leave_what_the_edits_alone_leave() {
    let cases = std::env::var("EPIS_MERGE_CASES")
        .ok()
        .and_then(|text| text.parse().ok());
    for seed in 0..cases.unwrap_or(CASES) {
        let all = steps(seed);
        if wrong(&all).is_none() {
            continue;
        }
        // The end undoes every merge, so that each beginning is a sequence of its own.
        let (length, what) = (1..=all.len())
            .find_map(|length| Some((length, wrong(&all[..length])?)))
            .expect("the whole is wrong");
        panic!("seed {seed}: {what}\nafter {:?}", &all[..length]);
    }
}

/// The ids on a page, and the address of the next.
fn page(world: &World, address: &str) -> (Vec<String>, Option<String>) {
    let page = world.get(address);
    let entries = page.get("entry").map_or(&[][..], Tree::items);
    let links = page.get("link").map_or(&[][..], Tree::items);
    let next = links
        .iter()
        .find(|link| at(link, "relation") == "next")
        .map(|link| at(link, "url"));
    let next = next.map(|url| url.trim_start_matches(BASE).trim_start_matches('/').to_owned());
    (entries.iter().map(|entry| at(entry, "resource.id")).collect(), next)
}

#[test]
fn a_page_shows_who_was_who_when_its_first_page_was_made() {
    for flush in [false, true] {
        let world = World::begin();
        for (of, number) in [(0, 1), (1, 2), (0, 3), (1, 4)] {
            world.edit(&Step::Observe(of, number));
        }
        let settle = || {
            if flush {
                world.engine().index.flush().expect("it is committed");
            }
        };
        settle();
        let apart = page(&world, "Observation?patient=p0&_count=1");
        assert!(world.merge(0, 1, false));
        settle();
        let joined = page(&world, "Observation?patient=p0&_count=1");
        assert_eq!(
            page(&world, &apart.1.expect("a next page")),
            (vec!["o3".to_owned()], None)
        );
        assert!(world.unmerge(0));
        settle();
        let second = page(&world, &joined.1.expect("a next page"));
        assert_eq!(second.0, ["o2"]);
        assert_eq!(page(&world, &second.1.expect("a third page")).0, ["o3"]);
        assert_eq!(page(&world, "Observation?patient=p0").0, ["o1", "o3"]);
    }
}

#[test]
fn a_merge_is_not_taken_back_by_a_plain_write() {
    let world = World::begin();
    let before = world.get("Patient/p0").to_bytes();
    assert!(world.merge(0, 1, false));
    let put = |body: &[u8]| {
        let mut request = Request::new(Method::Put, "Patient/p0", "", BASE);
        request.body = body;
        world.ask(&request)
    };
    let (status, answer) = put(&before);
    assert_eq!((status, at(&answer, "issue.0.code")), (422, "business-rule".to_owned()));
    assert!(at(&answer, "issue.0.diagnostics").contains("$unmerge"), "{answer:?}");
    let entry = format!(
        r#"{{"resource":{},"request":{{"method":"PUT","url":"Patient/p0"}}}}"#,
        String::from_utf8_lossy(&before)
    );
    assert_eq!(world.post("transaction", &[entry]).0, 422);
    let mut record = world.get("Patient/p0");
    record.set("gender", Tree::string("female"));
    assert_eq!(put(&record.to_bytes()).0, 200);
    let mut request = Request::new(Method::Patch, "Patient/p0", "", BASE);
    (request.content_type, request.body) = (
        Some("application/json-patch+json"),
        br#"[{"op":"remove","path":"/link"}]"#,
    );
    assert_eq!(world.ask(&request).0, 422);
}

#[test]
fn a_plain_write_that_was_judged_before_a_merge_does_not_take_it_back() {
    let kind = Kind::new("Patient").unwrap();
    let id = Id::new("p0").unwrap();
    for deletes in [false, true] {
        let world = World::new();
        (0..2).for_each(|which| world.put(&format!("Patient/p{which}"), patient(which).as_bytes()));
        let engine = world.engine();
        let write = || match deletes {
            true => deletion(&kind, &id, Expect::Anything),
            false => {
                let document = Document::parse(patient(0).as_bytes(), Limits::default()).unwrap();
                let prepared = engine.prepare(&kind, document.root(), false).unwrap();
                prepared.into_write(kind.clone(), id.clone(), Operation::Update, Expect::Anything)
            }
        };
        let judged = |write: &store::Write| {
            engine
                .stays_merged(std::slice::from_ref(write))
                .map_err(|(_, refusal)| refusal.status)
        };
        let submit = |write: store::Write, guard| {
            engine.store.submit(Unit {
                writes: vec![write],
                guard,
                ..Unit::default()
            })
        };
        // Another plain write in between disturbs nobody.
        let first = write();
        let guard = judged(&first).unwrap();
        world.put("Patient/p0", patient(0).as_bytes());
        assert!(guard.is_some() && submit(first, guard).is_ok());
        world.put("Patient/p0", patient(0).as_bytes());
        let second = write();
        let guard = judged(&second).unwrap();
        let parties = vec![party("source-patient", 0), party("target-patient", 1)];
        let (status, answer) = world.operate("$merge", parties);
        assert_eq!(status, 200, "{answer:?}");
        assert!(
            matches!(submit(second, guard), Err(Refused::Disturbed)),
            "deletes: {deletes}"
        );
        assert_eq!(judged(&write()).err(), Some(422));
    }
}
