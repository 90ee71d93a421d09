//! Whose records a node is sent, and in which order: those of the people in its horizon, and what is of nobody.
//!
//! The horizon is the people of its catchment, whom it has seen, and who was referred to it.
//!
//! Where each record changed last, and whom it is of, is kept in memory, 24 bytes a record, and follows the log when a node
//! asks. Nothing is kept of what a node was sent: a lane is an order, and the node says how far it has it. A person who
//! comes into a node's horizon (born there, moved there, seen there, its catchment grown, merged with who is in it) comes with
//! all her records, which stand in the order where she came. So a moved horizon sends only the difference. Of whom moves away
//! a node is sent that she did; whom it has not seen for long leaves without a word.

use fhir::body::{Header, splice};
use fhir::document::{Document, Node};
use fhir::identity::{Id, Reference};
use fhir::parse::Limits;
use rustc_hash::FxHashMap;
use store::Version;

use crate::catchment::{Catchment, HOUR, Stretch, hour};
use crate::frame::{LANES, Lanes, Place};
use crate::lanes::{Lane, lane};

/// Nobody: what is of no patient.
const NOBODY: u32 = 0;
/// Set in the number of a place to which somebody was referred, and not in a node's.
const PLACE: u32 = 1 << 31;
/// Homes of before that are kept of a person.
const LEFT_MAX: usize = 8;
/// Two visits within so many hours are one stretch: the shortest time for which whoever was seen stays is a month.
const STRETCH_HOURS: i32 = 28 * 24;

/// What a node may be sent next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Due {
    /// Where the record stands in the lane.
    pub place: Place,
    /// Its current version's place in the log.
    pub seq: u64,
}

/// Who asks: under its present number and those before, with its horizon, now (microseconds since 1970).
#[derive(Clone, Copy)]
pub struct Whom<'a> {
    /// The node's present number, then those it had.
    pub numbers: &'a [u32],
    /// What is in its horizon.
    pub catchment: &'a Catchment,
    /// When it asks.
    pub now: i64,
}

/// How a patient stands to a node's horizon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// She is in it, since this place of the log that was followed.
    Held(u64),
    /// She was: what is there is as of this moment, in microseconds since 1970.
    Left(i64),
    /// She never was, as far as is known.
    Unknown,
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
    /// Who was ever merged with her, and since which place of the log: where one is in a horizon, all are.
    merged: Vec<(u32, u64)>,
    /// The gewogs where she lived before, and the place of the version that said that she no longer does.
    left: Vec<(u32, u64)>,
    /// When the last of these was written, an hour.
    left_at: i32,
    /// Who wrote of her, or to which places she was referred.
    seen: Vec<(u32, Stretch)>,
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
    places: FxHashMap<String, u32>,
}

impl Horizons {
    /// The place in the log up to which whom versions are of is known.
    pub fn reached(&self) -> u64 {
        self.upto
    }

    /// Takes in whom the log's next versions are of, up to one that is not looked at yet, and not where each record is.
    /// Whether all were taken in.
    pub fn meet_people(&mut self, versions: &[Version], not_yet: &dyn Fn(&Version) -> bool) -> bool {
        let behind = self.upto;
        for version in versions.iter().filter(|version| version.seq > behind) {
            if not_yet(version) {
                return false;
            }
            self.meet(version);
        }
        true
    }

    /// Takes in the log's next version: whom it is of, and where the record is now.
    pub fn take(&mut self, version: &Version) {
        let (held, whose) = self.meet(version);
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

    /// Whom a version is of, and who has seen her.
    fn meet(&mut self, version: &Version) -> (&'static Lane, u32) {
        if self.people.is_empty() {
            self.people.push(Whose::default());
        }
        self.upto = version.seq;
        let held = lane(version.kind.as_str());
        let (whose, places) = self.whose(version, held);
        let person = &mut self.people[whose as usize];
        person.changed = person.changed.max(version.seq);
        if whose != NOBODY {
            let by = (version.version.node > 0).then_some(version.version.node);
            let (seq, at) = (version.seq, hour(version.arrived));
            by.into_iter().chain(places).for_each(|by| person.saw(by, seq, at));
        }
        (held, whose)
    }

    /// Whom a version is of, and the places to which it refers her. A deletion, which has no body, is of whom the record
    /// was.
    fn whose(&mut self, version: &Version, held: &Lane) -> (u32, Vec<u32>) {
        let known = self.records.get(version.record as usize).filter(|known| known.seq > 0);
        let known = known.map(|known| known.whose);
        let is_patient = version.kind.as_str() == "Patient";
        let json = version.operation.is_live().then(|| spliced(version));
        let document = json
            .as_deref()
            .and_then(|json| Document::parse(json, Limits::default()).ok());
        let Some(document) = document else {
            return (known.unwrap_or(NOBODY), Vec::new());
        };
        if is_patient {
            let number = self.number(version.id.clone());
            if !version.aside {
                self.settle(number, document.root(), version);
            }
            return (number, Vec::new());
        }
        let places = held.places(document.root());
        let places = places.into_iter().map(|place| self.place(place)).collect();
        match held.patient(document.root()) {
            Some(patient) => (self.number(patient), places),
            None => (NOBODY, Vec::new()),
        }
    }

    fn settle(&mut self, number: u32, patient: Node<'_>, version: &Version) {
        let gewog = person::home(patient).gewog;
        for other in merged_with(patient) {
            let other = self.number(other);
            self.merge(number, other, version.seq);
        }
        let person = &mut self.people[number as usize];
        if person.gewog != gewog || person.moved == 0 {
            if person.moved > 0 {
                person.left.retain(|(left, _)| *left != person.gewog);
                if person.left.len() >= LEFT_MAX {
                    // The home of longest ago.
                    person.left.remove(0);
                }
                person.left.push((person.gewog, version.seq));
                person.left_at = hour(version.updated);
            }
            (person.gewog, person.moved) = (gewog, version.seq);
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

    fn place(&mut self, place: String) -> u32 {
        let next = self.places.len() as u32 | PLACE;
        *self.places.entry(place).or_insert(next)
    }

    /// Since which place of the log a person is in a node's horizon, by herself or by who was merged with her; `None` where
    /// she is not.
    fn since(&self, whom: &Whom<'_>, by: &By, person: &Whose) -> Option<u64> {
        let merged = person.merged.iter().filter_map(|(other, at)| {
            let since = own_since(whom, by, &self.people[*other as usize])?;
            Some(since.max(*at))
        });
        own_since(whom, by, person).into_iter().chain(merged).min()
    }

    /// By whom a person is seen who is seen at a node's clinic, or referred to it.
    fn by(&self, whom: &Whom<'_>) -> By {
        let place = |place: &str| self.places.get(place).copied();
        let clinic = whom.catchment.clinic.as_ref();
        let devices = whom.numbers.iter().map(|number| format!("Device/node-{number}"));
        let devices = devices.filter_map(|device| place(&device));
        By {
            clinic: clinic.and_then(|(clinic, added)| Some((place(clinic)?, *added))),
            others: whom.numbers.iter().copied().chain(devices).collect(),
        }
    }

    /// Where it was said that a person moved away from a node's catchment; of one who is not in its horizon.
    fn left(&self, whom: &Whom<'_>, person: &Whose) -> Option<u64> {
        let gewogs = &whom.catchment.gewogs;
        let lived = |(gewog, left): &&(u32, u64)| gewogs.get(gewog).is_some_and(|added| added < left);
        person.left.iter().rev().find(lived).map(|(_, left)| *left)
    }

    /// What a node that stands so in each lane lacks of the most urgent lane that has any, in the order of the lane; the
    /// lane's number first. What it made under its present number is not sent to it.
    pub fn due(&self, whom: &Whom<'_>, lanes: &Lanes) -> Option<(u8, Vec<Due>)> {
        let mut due: Vec<Vec<Due>> = vec![Vec::new(); lanes.len()];
        self.each_due(whom, lanes, &mut |lane, one| due[lane].push(one));
        let (lane, mut due) = (0..).zip(due).find(|(_, due)| !due.is_empty())?;
        due.sort_unstable();
        Some((lane, due))
    }

    /// Whether a version had come to a node that stood so in each lane.
    pub fn came(&self, whom: &Whom<'_>, lanes: &Lanes, version: &Version) -> bool {
        let current = self.records.get(version.record as usize).filter(|known| known.seq > 0);
        let Some((current, person)) = current.zip(current.and_then(|known| self.people.get(known.whose as usize)))
        else {
            return false;
        };
        let since = match current.whose {
            NOBODY => Some(0),
            _ => self.since(whom, &self.by(whom), person),
        };
        let at = lanes.get(usize::from(current.lane));
        since
            .zip(at)
            .is_some_and(|(since, at)| Place::of(version.seq, since) <= *at)
    }

    /// How many records a node lacks that stands so in each lane.
    pub fn behind(&self, whom: &Whom<'_>, lanes: &Lanes) -> u64 {
        let mut behind = 0;
        self.each_due(whom, lanes, &mut |_, _| behind += 1);
        behind
    }

    /// Where in the log each record's current version is that is in a node's horizon, in no order.
    pub fn places(&self, whom: &Whom<'_>) -> Vec<u64> {
        let nobody = self.people.first().into_iter();
        let people = self.people.iter().skip(1);
        let by = self.by(whom);
        let people = people.filter(|person| self.since(whom, &by, person).is_some());
        let records = nobody.chain(people).flat_map(|person| &person.records);
        let current = records.map(|record| &self.records[*record as usize]);
        let sent = current.filter(|current| usize::from(current.lane) < LANES);
        sent.map(|current| current.seq).collect()
    }

    /// How a patient stands to a node's horizon.
    pub fn standing(&self, whom: &Whom<'_>, patient: &Id) -> Standing {
        let person = self
            .numbers
            .get(patient)
            .and_then(|number| self.people.get(*number as usize));
        let Some(person) = person else {
            return Standing::Unknown;
        };
        let by = self.by(whom);
        if let Some(since) = self.since(whom, &by, person) {
            return Standing::Held(since);
        }
        let seen = by.seen(person).iter().map(|stretch| stretch.last).max();
        let left = self.left(whom, person).map(|_| person.left_at);
        let last = seen.into_iter().chain(left).max();
        last.map_or(Standing::Unknown, |hour| Standing::Left(i64::from(hour) * HOUR))
    }

    /// Each record that a node lacks, and its lane, in no order.
    fn each_due(&self, whom: &Whom<'_>, lanes: &Lanes, each: &mut dyn FnMut(usize, Due)) {
        let least = lanes.iter().map(|place| place.at).min().unwrap_or(0);
        let mut add = |record: u32, place: &dyn Fn(u64) -> Place| {
            let current = &self.records[record as usize];
            let place = place(current.seq);
            let behind = lanes.get(usize::from(current.lane)).is_some_and(|at| place > *at);
            if behind && Some(&current.node) != whom.numbers.first() {
                let seq = current.seq;
                each(usize::from(current.lane), Due { place, seq });
            }
        };
        let by = self.by(whom);
        for (number, person) in (0..).zip(&self.people) {
            let since = match number {
                NOBODY => Some(0),
                _ => self.since(whom, &by, person),
            };
            if person.changed.max(since.unwrap_or(0)) < least {
                continue;
            }
            if let Some(since) = since {
                let place = |changed: u64| Place::of(changed, since);
                person.records.iter().for_each(|record| add(*record, &place));
            } else if let Some(left) = self.left(whom, person) {
                // That she left, with what changed before, so that all is there as of then.
                let place = |changed: u64| Place {
                    at: changed.min(left),
                    within: changed,
                };
                person.records.iter().for_each(|record| add(*record, &place));
            }
        }
    }
}

fn spliced(version: &Version) -> Vec<u8> {
    let header = Header {
        kind: &version.kind,
        id: &version.id,
        version: version.version,
        updated: version.updated,
    };
    let mut json = Vec::with_capacity(version.body.len() + 200);
    splice(header, &version.body, &mut json);
    json
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

/// By whom somebody is seen for a node: the numbers of its clinic's record, and since when it is that, of the node and of its
/// machines. Worked out once for all people.
struct By {
    clinic: Option<(u32, u64)>,
    others: Vec<u32>,
}

impl By {
    /// The stretches in which a person was seen at the clinic, or referred to it.
    fn seen(&self, person: &Whose) -> Vec<Stretch> {
        let clinic = self.clinic.map(|(place, _)| place);
        person.stretches(&|by| self.others.contains(&by) || Some(by) == clinic)
    }
}

fn own_since(whom: &Whom<'_>, by: &By, person: &Whose) -> Option<u64> {
    let gewogs = &whom.catchment.gewogs;
    let lives = gewogs.get(&person.gewog).map(|added| person.moved.max(*added));
    let stays = |mut stretches: Vec<Stretch>| whom.catchment.stays(&mut stretches, hour(whom.now));
    let seen = stays(person.stretches(&|by_whom| by.others.contains(&by_whom)));
    // To a clinic whose record was named later she was not referred before that, and may have left meanwhile.
    let referred = by.clinic.and_then(|(place, added)| {
        let since = stays(person.stretches(&|by_whom| by_whom == place))?;
        Some(since.max(added))
    });
    [lives, seen, referred].into_iter().flatten().min()
}

impl Whose {
    fn stretches(&self, by: &dyn Fn(u32) -> bool) -> Vec<Stretch> {
        let of = self.seen.iter().filter(|(by_whom, _)| by(*by_whom));
        of.map(|(_, stretch)| *stretch).collect()
    }

    fn saw(&mut self, by: u32, seq: u64, at: i32) {
        let last = self.seen.iter_mut().rev().find(|(of, _)| *of == by);
        match last {
            Some((_, stretch)) if at - stretch.last <= STRETCH_HOURS => stretch.last = stretch.last.max(at),
            _ => self.seen.push((
                by,
                Stretch {
                    first: at,
                    last: at,
                    since: seq,
                },
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use fhir::identity::{Kind, VersionId};
    use store::Operation;

    use super::*;

    /// A version that comes at an hour.
    fn version((seq, node, at): (u64, u32, i64), (kind, id, members): (&str, &str, &str)) -> Version {
        let text = format!("{{\"resourceType\":\"{kind}\"{members},\"subject\":{{\"reference\":\"Patient/p\"}}}}");
        let document = Document::parse(text.as_bytes(), Limits::default()).expect("JSON");
        Version {
            seq,
            record: seq,
            kind: Kind::new(kind).expect("a kind"),
            id: Id::new(id).expect("an id"),
            version: VersionId { node, counter: seq },
            base: None,
            merged: None,
            updated: at * HOUR,
            arrived: at * HOUR,
            aside: false,
            operation: Operation::Create,
            body: fhir::body::store(document.root()),
        }
    }

    /// She was seen, and referred to a clinic whose record nobody had named; she left, something of her changed, and then the
    /// record was named: what changed meanwhile comes.
    #[test]
    fn who_comes_back_comes_with_what_changed_meanwhile() {
        let referral = ",\"performer\":[{\"reference\":\"Location/c\"}]";
        let mut horizons = Horizons::default();
        for of in [
            version((1, 7, 0), ("Observation", "a", "")),
            version((2, 0, 700), ("ServiceRequest", "b", referral)),
            version((3, 0, 800), ("Observation", "c", "")),
        ] {
            horizons.take(&of);
        }
        let within = vec![crate::catchment::Within {
            place: 0,
            hour: 0,
            months: 1,
        }];
        for (named, now, due) in [(None, 720, 0), (None, 900, 0), (Some(4), 900, 2), (Some(1), 900, 0)] {
            let catchment = Catchment {
                within: within.clone(),
                clinic: named.map(|place| ("Location/c".to_owned(), place)),
                ..Catchment::default()
            };
            let whom = Whom {
                numbers: &[7],
                catchment: &catchment,
                now: now * HOUR,
            };
            let lanes = [Place::behind(3); LANES];
            assert_eq!(horizons.behind(&whom, &lanes), due, "named at {named:?}, hour {now}");
        }
    }
}
