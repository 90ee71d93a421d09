//! Whose records a node is sent, and in which order: the people of its catchment, whom it has seen, and what is of nobody.
//!
//! Where each record changed last, and whom it is of, is kept in memory, 28 bytes a record, and follows the log when a node
//! asks. Nothing is kept of what a node was sent: a lane is an order, and the node says how far it has it. A person who
//! comes into a node's horizon (born there, moved there, seen there, its catchment grown, merged with who is in it) comes with
//! all her records, which stand in the order where she came. So a moved horizon sends only the difference.

use fhir::document::{Document, Node};
use fhir::identity::{Id, Reference};
use fhir::parse::Limits;
use rustc_hash::FxHashMap;
use store::{Store, Trouble, Version};
use sync::frame::{LANES, Lanes, Place};
use sync::lanes::lane;

use crate::engine::spliced;

/// Versions read at a time.
const BLOCK: usize = 2_048;
/// Nobody: what is of no patient.
const NOBODY: u32 = 0;

/// A catchment: place codes of gewogs, and since which place of the log each is part of it.
pub type Catchment = FxHashMap<u32, u64>;

/// What a node may be sent next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Due {
    /// Where the record stands in the lane.
    pub place: Place,
    /// Its current version's place in the log.
    pub seq: u64,
}

/// A record's current version.
#[derive(Clone, Copy, Default)]
struct Current {
    seq: u64,
    whose: u32,
    /// Who made it.
    node: u32,
    /// Its lane; `LANES` and more where it is never sent.
    lane: u8,
}

/// A patient.
#[derive(Default)]
struct Whose {
    gewog: u32,
    /// Since which place of the log she lives there.
    moved: u64,
    /// The nodes that wrote of her, and where in the log they did so first.
    seen: Vec<(u32, u64)>,
    /// Who was ever merged with her, and since which place of the log: where one is in a horizon, all are.
    merged: Vec<(u32, u64)>,
    /// Where any of her records changed last.
    changed: u64,
    records: Vec<u32>,
}

/// All records by whom they are of.
#[derive(Default)]
pub struct Horizons {
    upto: u64,
    /// By the record's number.
    records: Vec<Current>,
    people: Vec<Whose>,
    numbers: FxHashMap<Id, u32>,
}

impl Horizons {
    /// Reads what was written since.
    ///
    /// # Errors
    /// [`Trouble`] where the log cannot be read.
    pub fn follow(&mut self, store: &Store) -> Result<(), Trouble> {
        if self.people.is_empty() {
            self.people.push(Whose::default());
        }
        let head = store.head();
        while self.upto < head {
            for version in store.log(self.upto, BLOCK)? {
                self.upto = version.seq;
                self.take(version);
            }
        }
        Ok(())
    }

    fn take(&mut self, version: Version) {
        let held = lane(version.kind.as_str());
        let whose = self.whose(&version, held);
        let person = &mut self.people[whose as usize];
        person.changed = person.changed.max(version.seq);
        if version.version.node > 0 && whose != NOBODY && person.seen.iter().all(|seen| seen.0 != version.version.node)
        {
            person.seen.push((version.version.node, version.seq));
        }
        if version.aside {
            return;
        }
        let number = version.record as usize;
        if self.records.len() <= number {
            self.records.resize(number + 1, Current::default());
        }
        let before = self.records[number];
        if before.seq > 0 && before.whose != whose {
            let records = &mut self.people[before.whose as usize].records;
            records.retain(|record| *record as usize != number);
        }
        if before.seq == 0 || before.whose != whose {
            self.people[whose as usize].records.push(number as u32);
        }
        self.records[number] = Current {
            seq: version.seq,
            whose,
            node: version.version.node,
            lane: held.number.unwrap_or(u8::MAX),
        };
    }

    /// Whom a version is of. A deletion, which has no body, is of whom the record was.
    fn whose(&mut self, version: &Version, held: &sync::lanes::Lane) -> u32 {
        let known = self.records.get(version.record as usize).filter(|known| known.seq > 0);
        let known = known.map(|known| known.whose);
        let is_patient = version.kind.as_str() == "Patient";
        let json = version.operation.is_live().then(|| spliced(version));
        let document = json
            .as_deref()
            .and_then(|json| Document::parse(json, Limits::default()).ok());
        let Some(document) = document else {
            return known.unwrap_or(NOBODY);
        };
        if is_patient {
            let number = self.number(version.id.clone());
            if !version.aside {
                self.settle(number, document.root(), version.seq);
            }
            return number;
        }
        match held.patient(document.root()) {
            Some(patient) => self.number(patient),
            None => NOBODY,
        }
    }

    fn settle(&mut self, number: u32, patient: Node<'_>, seq: u64) {
        let gewog = person::home(patient).gewog;
        for other in merged_with(patient) {
            let other = self.number(other);
            self.merge(number, other, seq);
        }
        let person = &mut self.people[number as usize];
        if person.gewog != gewog || person.moved == 0 {
            (person.gewog, person.moved) = (gewog, seq);
        }
    }

    /// Two are one person, and so are all who were merged with either.
    fn merge(&mut self, one: u32, other: u32, seq: u64) {
        let with = |number: u32| {
            let merged = self.people[number as usize].merged.iter().map(|merged| merged.0);
            std::iter::once(number).chain(merged).collect::<Vec<u32>>()
        };
        let (ones, others) = (with(one), with(other));
        let known = |one: &u32, other: &u32, people: &[Whose]| {
            one == other || people[*one as usize].merged.iter().any(|merged| merged.0 == *other)
        };
        for (one, other) in ones.iter().flat_map(|one| others.iter().map(move |other| (one, other))) {
            if !known(one, other, &self.people) {
                self.people[*one as usize].merged.push((*other, seq));
                self.people[*other as usize].merged.push((*one, seq));
            }
        }
    }

    fn number(&mut self, patient: Id) -> u32 {
        let people = &mut self.people;
        *self.numbers.entry(patient).or_insert_with(|| {
            people.push(Whose::default());
            people.len() as u32 - 1
        })
    }

    /// Since which place of the log a person is in a node's horizon, by herself or by who was merged with her; `None` where
    /// she is not.
    fn since(&self, numbers: &[u32], catchment: &Catchment, person: &Whose) -> Option<u64> {
        let merged = person.merged.iter().filter_map(|(other, at)| {
            let since = self.own_since(numbers, catchment, &self.people[*other as usize])?;
            Some(since.max(*at))
        });
        self.own_since(numbers, catchment, person)
            .into_iter()
            .chain(merged)
            .min()
    }

    fn own_since(&self, numbers: &[u32], catchment: &Catchment, person: &Whose) -> Option<u64> {
        let lives = catchment.get(&person.gewog).map(|added| person.moved.max(*added));
        let seen = person.seen.iter().filter(|seen| numbers.contains(&seen.0));
        lives.into_iter().chain(seen.map(|seen| seen.1)).min()
    }

    /// What a node that stands so in each lane lacks of the most urgent lane that has any, in the order of the lane; the
    /// lane's number first. The node's present number comes first, then those it had; what it made under the present one is not
    /// sent to it.
    pub fn due(&self, numbers: &[u32], catchment: &Catchment, lanes: &Lanes) -> Option<(u8, Vec<Due>)> {
        let mut due: Vec<Vec<Due>> = vec![Vec::new(); lanes.len()];
        self.each_due(numbers, catchment, lanes, &mut |lane, one| due[lane].push(one));
        let (lane, mut due) = (0..).zip(due).find(|(_, due)| !due.is_empty())?;
        due.sort_unstable();
        Some((lane, due))
    }

    /// How many records a node lacks that stands so in each lane.
    pub fn behind(&self, numbers: &[u32], catchment: &Catchment, lanes: &Lanes) -> u64 {
        let mut behind = 0;
        self.each_due(numbers, catchment, lanes, &mut |_, _| behind += 1);
        behind
    }

    /// Where in the log each record's current version is that is in a node's horizon, in no order.
    pub fn places(&self, numbers: &[u32], catchment: &Catchment) -> Vec<u64> {
        let nobody = self.people.first().into_iter();
        let people = self.people.iter().skip(1);
        let people = people.filter(|person| self.since(numbers, catchment, person).is_some());
        let records = nobody.chain(people).flat_map(|person| &person.records);
        let current = records.map(|record| &self.records[*record as usize]);
        let sent = current.filter(|current| usize::from(current.lane) < LANES);
        sent.map(|current| current.seq).collect()
    }

    /// Each record that a node lacks, and its lane, in no order.
    fn each_due(&self, numbers: &[u32], catchment: &Catchment, lanes: &Lanes, each: &mut dyn FnMut(usize, Due)) {
        let least = lanes.iter().map(|place| place.at).min().unwrap_or(0);
        let nobody = self.people.first().map(|nobody| (nobody, 0));
        let people = self.people.iter().skip(1);
        let people = people.filter_map(|person| Some((person, self.since(numbers, catchment, person)?)));
        for (person, since) in nobody.into_iter().chain(people) {
            if person.changed.max(since) < least {
                continue;
            }
            for record in &person.records {
                let current = &self.records[*record as usize];
                let place = Place::of(current.seq, since);
                let behind = lanes.get(usize::from(current.lane)).is_some_and(|at| place > *at);
                if behind && Some(&current.node) != numbers.first() {
                    let seq = current.seq;
                    each(usize::from(current.lane), Due { place, seq });
                }
            }
        }
    }
}

/// The patients whom links name as replacing this one, or replaced by her.
fn merged_with(patient: Node<'_>) -> Vec<Id> {
    let links = patient.get("link").into_iter().flat_map(|links| links.each());
    let merged = links.filter(|link| matches!(link.string("type").as_deref(), Some("replaces" | "replaced-by")));
    let others = merged.filter_map(|link| link.get("other")?.string("reference"));
    let ids = others.filter_map(|reference| match Reference::parse(&reference) {
        Reference::Literal {
            kind: "Patient", id, ..
        } => Id::new(id),
        _ => None,
    });
    ids.collect()
}
