//! A centre and clinics that write apart and sync: what becomes of each record, everywhere, and what is on the worklist.
//!
//! A script (`sites.txt`) is lines of acts: `WHO put Kind/id members`, `WHO delete Kind/id`, `WHO merge id id`, `WHO unmerge id`,
//! `WHO apart id id`, `WHO sync` (a clinic tells the centre what it wrote and takes what changed there; `WHO push`: only the
//! first), `sync` (all, until nobody has anything to say), `settle`; and of what must hold: `WHO has Kind/id members`,
//! `everywhere Kind/id members` (or `gone`), `stands id id` (who stands for a patient), `open N`, `settled N` (Tasks of the
//! worklists).
//! `EPIS_SITE_CASES=100 cargo test -p interaction sites_at_random` tries as many networks at random.

use std::cell::RefCell;
use std::collections::BTreeSet;

use fhir::identity::Id;
use fhir::tree::Tree;
use query::sample::Random;
use store::testing::Fresh;
use store::{HistoryRange, Note, Scope, Version};
use sync::{Change, History, Rules};

use crate::Method;
use crate::arrive::Untaken;
use crate::contradiction::settle_contradictions;
use crate::merge_party::Party;
use crate::newcomers::look_up_newcomers;
use crate::site::{Site, current, parameters, sorted};
use crate::take_changes::{Taken, acknowledged, settle_conflicts, take_changes, take_changes_knowing};
use crate::take_states::take_states;
use crate::untangle::untangle;

/// Random networks that are tried where nothing is said.
const CASES: u64 = 4;

/// A centre and clinics.
pub(crate) struct Network {
    /// The centre first, then nodes 1, 2, ...
    pub(crate) sites: Vec<Site>,
    pub(crate) contacts: RefCell<Contacts>,
}

/// What passed between the clinics and the centre.
#[derive(Default)]
pub(crate) struct Contacts {
    /// Who said when it had written up to which counter, and how far it had the centre's log then.
    heard: Vec<(u32, u64, u64)>,
    /// Who brought what stands at the centre behind one place and up to another.
    pub(crate) pushed: Vec<(u32, u64, u64)>,
}

impl Network {
    pub(crate) fn new(centre: Fresh, clinics: u32) -> Network {
        Network::of(Site::new(centre, 0), clinics)
    }

    pub(crate) fn of(centre: Site, clinics: u32) -> Network {
        let clinics = (1..=clinics).map(|node| Site::new(Fresh::sqlite(), node));
        Network {
            sites: std::iter::once(centre).chain(clinics).collect(),
            contacts: RefCell::default(),
        }
    }

    /// What a node wrote that the centre lacks.
    fn unsent(&self, node: u32) -> Vec<Change> {
        let store = &self.sites[node as usize].engine().store;
        let acknowledged = acknowledged(&self.sites[0].engine().store, node).unwrap();
        let place = store.place_of(node, acknowledged.counter).unwrap();
        let (versions, _) = store.made_by(node, place, usize::MAX).unwrap();
        versions.into_iter().map(Change::from).collect()
    }

    /// How far a node has the centre's log.
    fn cursor(&self, node: u32) -> u64 {
        let note = self.sites[node as usize].engine().store.note("cursor").unwrap();
        note.unwrap_or_default().try_into().map_or(0, u64::from_le_bytes)
    }

    fn hello(&self, node: u32) {
        let written = self.sites[node as usize].engine().store.counter();
        let said = (node, written, self.cursor(node));
        self.contacts.borrow_mut().heard.push(said);
    }

    pub(crate) fn push(&self, node: u32) -> Taken {
        self.hello(node);
        let centre = self.sites[0].engine();
        let before = centre.store.head();
        let heard = self.contacts.borrow().heard.clone();
        let knew = |counter: u64, version: &Version| {
            let first = heard.iter().find(|(who, last, _)| *who == node && *last >= counter);
            first.is_some_and(|(.., cursor)| version.seq <= *cursor)
        };
        let taken = take_changes_knowing(&centre, node, &self.unsent(node), &knew).unwrap();
        let pushed = (node, before, centre.store.head());
        self.contacts.borrow_mut().pushed.push(pushed);
        taken
    }

    /// Brings a node what changed at the centre; whether that was anything.
    fn pull(&self, node: u32) -> bool {
        let (centre, clinic) = (self.sites[0].engine(), self.sites[node as usize].engine());
        self.hello(node);
        let cursor = self.cursor(node);
        let (head, known) = (centre.store.head(), acknowledged(&centre.store, node).unwrap());
        let log = centre.store.log(cursor, usize::MAX).unwrap();
        let changed: BTreeSet<(String, String)> = log
            .iter()
            .map(|version| (version.kind.to_string(), version.id.to_string()))
            .collect();
        let state = |(kind, id): &(String, String)| current(&centre, &format!("{kind}/{id}")).map(Change::from);
        let states: Vec<Change> = changed.iter().filter_map(state).collect();
        let note = Note::new("cursor", head.to_le_bytes());
        take_states(&clinic, &states, known.counter, vec![note]).unwrap();
        cursor < head
    }

    fn sync(&self, node: u32) -> bool {
        let pushed = self.push(node).versions > 0;
        self.pull(node) || pushed
    }

    pub(crate) fn sync_all(&self) {
        let nodes = 1..self.sites.len() as u32;
        for _ in 0..5 {
            if nodes.clone().filter(|node| self.sync(*node)).count() == 0 {
                return;
            }
        }
        panic!("the sites do not come to an end");
    }

    /// What a centre looks at after a contact.
    pub(crate) fn settle(&self) {
        let centre = self.sites[0].engine();
        untangle(&centre, 100).unwrap();
        look_up_newcomers(&centre, 100).unwrap();
        settle_conflicts(&centre, 1_000).unwrap();
        settle_contradictions(&centre, 1_000).unwrap();
    }

    fn site(&self, who: &str) -> &Site {
        match who {
            "centre" => &self.sites[0],
            node => &self.sites[node.parse::<usize>().unwrap()],
        }
    }

    pub(crate) fn act(&self, line: &str) {
        let words: Vec<&str> = line.splitn(4, ' ').collect();
        let wanted = |text: &str| match text {
            "gone" => None,
            members => Some(sorted(&Tree::parse(format!("{{{members}}}").as_bytes()).unwrap())),
        };
        let count = |status, number: &str| {
            let tasks = self.sites[0].tasks(status);
            assert_eq!(tasks.len().to_string(), number, "{line}: {tasks:#?}");
        };
        match words[..] {
            ["sync"] => self.sync_all(),
            ["settle"] => self.settle(),
            ["stands", who, by] => {
                for (node, site) in self.sites.iter().enumerate() {
                    let engine = site.engine();
                    let party = Party::read(&engine, &Id::new(who).unwrap()).unwrap();
                    let is_active = |id: &Id| {
                        let stands = Party::read(&engine, id).unwrap();
                        stands.record.get("active") != Some(&Tree::Bool(false))
                    };
                    let survivor = party.survivor(&engine).unwrap();
                    assert!(
                        survivor.as_str() == by && is_active(&survivor),
                        "{line}, at {node}: {survivor}"
                    );
                }
            }
            ["open", number] => count("requested", number),
            ["settled", number] => count("completed", number),
            ["everywhere", path, ..] => {
                let members = line.splitn(3, ' ').nth(2).unwrap();
                for (node, site) in self.sites.iter().enumerate() {
                    assert_eq!(site.has(path), wanted(members), "{line}, at {node}");
                }
            }
            [who, "sync"] => drop(self.sync(who.parse().unwrap())),
            [who, "push"] => drop(self.push(who.parse().unwrap())),
            [who, "delete", path] => self.site(who).ask(Method::Delete, path, ""),
            [who, "merge", source, target] => {
                let body = parameters(&[("source-patient", source), ("target-patient", target)]);
                self.site(who).ask(Method::Post, "Patient/$merge", &body);
            }
            [who, "unmerge", id] => self.site(who).ask(Method::Post, &format!("Patient/{id}/$unmerge"), ""),
            [who, "apart", one, other] => {
                let path = format!("Patient/{one}/$keep-apart");
                self.site(who)
                    .ask(Method::Post, &path, &parameters(&[("other", other)]));
            }
            [who, "put", path, members] => self.site(who).put(path, members),
            [who, "has", path, members] => assert_eq!(self.site(who).has(path), wanted(members), "{line}"),
            _ => panic!("{line} is no act"),
        }
    }

    /// Every record is the same version everywhere, and is what all its versions together come to; what a person settles
    /// is on the worklist, and nothing else.
    fn agrees(&self, what: &str) {
        let centre = self.sites[0].engine();
        let mut expected = BTreeSet::new();
        let log = centre.store.log(0, usize::MAX).unwrap();
        let records: BTreeSet<String> = log
            .iter()
            .map(|version| format!("{}/{}", version.kind, version.id))
            .collect();
        for path in records {
            let version = current(&centre, &path).unwrap();
            for (node, site) in self.sites.iter().enumerate() {
                let here = current(&site.engine(), &path).map(|here| (here.version, here.seal()));
                assert_eq!(
                    here,
                    Some((version.version, version.seal())),
                    "{what}: {path} at {node}"
                );
            }
            expected.extend(self.oracle(&version, what));
        }
        expected.extend(self.contradictions());
        let text = |task: &Tree| {
            let focus = task.get("focus").and_then(|focus| focus.get("reference")?.as_str());
            let inputs = task.get("input").unwrap().items();
            let element = inputs[0].get("valueString").and_then(Tree::as_str);
            let side = |input: &Tree| Some(input.get("valueReference")?.get("reference")?.as_str()?.to_owned());
            let other = inputs
                .iter()
                .filter_map(side)
                .find(|side| !side.starts_with(&format!("{}/", focus.unwrap())));
            match other {
                Some(fact) => format!("{} against {}", focus.unwrap(), fact.split("/_history").next().unwrap()),
                None => format!("{} {}", focus.unwrap(), element.unwrap()),
            }
        };
        let open: BTreeSet<String> = self.sites[0].tasks("requested").iter().map(text).collect();
        assert_eq!(open, expected, "{what}");
    }

    /// What the whole history of a record comes to: its conflicts.
    fn oracle(&self, version: &Version, what: &str) -> Vec<String> {
        let engine = self.sites[0].engine();
        let scope = Scope::Record(version.kind.clone(), version.id.clone());
        let versions = engine.store.history(&scope, &HistoryRange::newest(10_000)).unwrap();
        let versions = versions
            .into_iter()
            .map(|version| sync::Version::of(&Change::from(version)).unwrap());
        let history = History::new(versions).unwrap();
        let state = sync::state(&history, &engine.definitions, Rules::national());
        let is = sync::Version::of(&Change::from(version.clone())).unwrap().body;
        let [record, is] = [state.record, is].map(|record| record.as_ref().map(sorted));
        assert_eq!(record, is, "{what}: {}/{}", version.kind, version.id);
        let told = |conflict: &sync::Conflict| match conflict.address.to_string() {
            whole if whole.is_empty() => "(record)".to_owned(),
            element => element,
        };
        let reviewed = state.conflicts.iter().filter(|conflict| conflict.review);
        reviewed
            .map(|conflict| format!("{}/{} {}", version.kind, version.id, told(conflict)))
            .collect()
    }
}

/// Scripts, each after a line that says what it shows.
const SCRIPTS: &str = include_str!("sites.txt");

#[test]
fn sites_that_wrote_apart_come_to_agree() {
    let scripts = SCRIPTS.trim_end().split("\n\n");
    for script in scripts {
        for centre in Fresh::both() {
            let what = format!("{} on {}", script.lines().next().unwrap(), centre.engine);
            let network = Network::new(centre, 3);
            let acts = script.lines().filter(|line| !line.starts_with('#'));
            acts.for_each(|line| network.act(line));
            network.sync_all();
            network.agrees(&what);
            network.sites.iter().for_each(|site| site.sound(&what));
        }
    }
}

/// A clinic's own work on a record at random.
fn at_random(random: &mut Random, number: usize) -> (String, String) {
    let mut members = Vec::new();
    let mut maybe = |one_in, text: String| {
        if random.once_in(one_in) {
            members.push(text);
        }
    };
    let kind = match number % 4 {
        0 => {
            maybe(
                2,
                format!(r#""gender":"{}""#, ["male", "female", "other"][number % 5 % 3]),
            );
            maybe(2, format!(r#""birthDate":"19{:02}""#, number % 90 + 10));
            maybe(2, format!(r#""active":{}"#, number.is_multiple_of(2)));
            maybe(
                2,
                format!(r#""telecom":[{{"system":"phone","value":"{}"}}]"#, number % 4),
            );
            "Patient"
        }
        1 => {
            let status = ["draft", "active", "on-hold", "cancelled", "completed"][random.below(5)];
            members.push(format!(
                r#""status":"{status}","intent":"order","subject":{{"reference":"Patient/r0"}}"#
            ));
            members.push(r#""medicationCodeableConcept":{"text":"a"}"#.to_owned());
            "MedicationRequest"
        }
        2 => {
            let status = ["preparation", "completed", "entered-in-error"][random.below(3)];
            members.push(format!(
                r#""status":"{status}","medicationCodeableConcept":{{"text":"a"}}"#
            ));
            members.push(format!(
                r#""authorizingPrescription":[{{"reference":"MedicationRequest/r{}"}}]"#,
                random.below(2)
            ));
            "MedicationDispense"
        }
        _ => {
            let status = ["preliminary", "final", "amended"][number % 3];
            members.push(format!(
                r#""status":"{status}","code":{{"text":"a"}},"valueInteger":{}"#,
                number % 5
            ));
            "Observation"
        }
    };
    (format!("{kind}/r{}", random.below(3)), members.join(","))
}

#[test]
fn sites_at_random_agree_with_the_oracle() {
    let cases = std::env::var("EPIS_SITE_CASES").ok().and_then(|text| text.parse().ok());
    let mut asked = 0;
    for seed in 1..=cases.unwrap_or(CASES) {
        let mut random = Random::new(seed);
        let network = Network::new(Fresh::sqlite(), 3);
        for number in 0..160 {
            let site = random.below(network.sites.len());
            let (path, members) = at_random(&mut random, number * 7 + seed as usize * 31);
            match random.below(8) {
                0 if site > 0 => drop(network.sync(site as u32)),
                1 if site > 0 => drop(network.push(site as u32)),
                2 if site > 0 => drop(network.pull(site as u32)),
                3 if random.once_in(3) => network.sites[site].ask(Method::Delete, &path, ""),
                _ => network.sites[site].put(&path, &members),
            }
        }
        network.sync_all();
        network.settle();
        network.sync_all();
        network.agrees(&format!("seed {seed}"));
        asked += network.contradictions().len();
        network
            .sites
            .iter()
            .for_each(|site| site.sound(&format!("seed {seed}")));
    }
    assert!(asked > 0, "no network has a contradiction: nothing is tried");
}

#[test]
fn what_was_taken_is_passed_over_and_a_gap_or_another_version_is_refused() {
    for centre in Fresh::both() {
        let network = Network::new(centre, 1);
        let (centre, clinic) = (network.sites[0].engine(), &network.sites[1]);
        for number in 0..600 {
            clinic.put(
                &format!("Patient/p{}", number % 300),
                &format!(r#""birthDate":"{}""#, 1900 + number % 100),
            );
        }
        let all = network.unsent(1);
        let gap = take_changes(&centre, 1, &all[1..]);
        assert_eq!(gap, Err(Untaken::Gap { expected: 1, found: 2 }));
        let taken = take_changes(&centre, 1, &all[..400]).unwrap();
        assert_eq!((taken.versions, taken.acknowledged.counter, taken.aside), (400, 400, 0));
        let head = centre.store.head();
        assert_eq!(take_changes(&centre, 1, &all[..400]).unwrap().versions, 0);
        assert_eq!(take_changes(&centre, 1, &all[10..400]).unwrap().versions, 0);
        assert_eq!(centre.store.head(), head, "what is here is not taken twice");
        let mut other = all.clone();
        other[399].updated += 1;
        let refused = take_changes(&centre, 1, &other);
        assert!(
            matches!(refused, Err(Untaken::Other(version)) if version.counter == 400),
            "{refused:?}"
        );
        let wrong = [
            take_changes(&centre, 2, &all),
            take_changes(&centre, 1, &[all[399].clone(), all[401].clone()]),
        ];
        assert!(
            wrong
                .iter()
                .all(|refused| matches!(refused, Err(Untaken::Unusable(..)))),
            "{wrong:?}"
        );
        let mut damaged = all[400].clone();
        damaged.body.truncate(9);
        assert!(matches!(
            take_changes(&centre, 1, &[damaged]),
            Err(Untaken::Unusable(..))
        ));
        assert_eq!(take_changes(&centre, 1, &all[300..]).unwrap().versions, 200);
        assert_eq!(centre.store.head(), 600);
    }
}

#[test]
fn a_state_that_came_late_or_twice_changes_nothing() {
    let network = Network::new(Fresh::sqlite(), 1);
    let (centre, clinic) = (&network.sites[0], network.sites[1].engine());
    let mut states = Vec::new();
    for year in 1990..1993 {
        centre.put("Patient/p", &format!(r#""birthDate":"{year}""#));
        states.push(Change::from(current(&centre.engine(), "Patient/p").unwrap()));
    }
    let take = |state: usize, acknowledged| {
        let received = take_states(&clinic, &states[state..=state], acknowledged, vec![]).unwrap();
        (received.taken, received.known, received.ahead)
    };
    assert_eq!(take(0, 0), (1, 0, 0));
    assert_eq!(take(1, 0), (1, 0, 0));
    assert_eq!((take(1, 0), take(0, 0)), ((0, 1, 0), (0, 1, 0)));
    network.sites[1].put("Patient/p", r#""birthDate":"1880""#);
    assert_eq!(take(2, 0), (0, 0, 1), "what was written here is not there yet");
    assert_eq!(take(2, 1), (1, 0, 0));
    assert_eq!(current(&clinic, "Patient/p").unwrap().version, states[2].version);
}
