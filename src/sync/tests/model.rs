//! Every way that a small world can go: a node and the centre, every cut, late requests, crashes, an old copy put back.
//!
//! The world is small enough to walk through whole: from its beginning every act is tried in every state, each state once.
//! Each is held to what `docs/reference/sync.md` says never happens, and from each the two sides must come to agree as soon
//! as the line holds.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::hash::{DefaultHasher, Hash as _, Hasher};
use std::sync::Arc;

use crate::compare::Comparison;
use crate::digest::Table;
use crate::frame::{Frame, Hello, Lanes, Place, Seal, What};
use crate::question::Found;
use crate::session::{
    CentreLog, CentreSession, Failed, Holding, Next, NodeLog, NodeSession, Outcome, Packed, Peer, Placed,
};

/// How much happens in a world.
#[derive(Clone, Copy)]
struct Bounds {
    node_writes: u8,
    centre_writes: u8,
    crashes: u8,
    /// Whether a copy of the node's database is made and put back.
    copies: bool,
    /// Records that the node's disk loses without a word.
    losses: u8,
    /// Whether sticks are carried, besides what the line does.
    sticks: bool,
}

/// A version is told from every other by its tag alone.
type Tag = u8;

/// Versions in one segment.
const SEGMENT: usize = 2;

#[derive(Clone, PartialEq, Eq, Hash)]
struct NodeModel {
    number: u32,
    own: Vec<Tag>,
    /// What it has of others, and of itself under another number.
    others: BTreeSet<Tag>,
}

fn seal(tag: Option<&Tag>) -> Seal {
    [tag.copied().unwrap_or_default(); 8]
}

/// The key of a tag's record: the first three have their first digit in common.
fn key(tag: Tag) -> u64 {
    u64::from(tag) << 58
}

fn table(tags: impl IntoIterator<Item = Tag>) -> Arc<Table> {
    let placed = |tag| {
        let (key, seal) = (key(tag), seal(Some(&tag)));
        (crate::digest::Item { key, seal }, u64::from(tag))
    };
    Arc::new(Table::new(tags.into_iter().map(placed).collect()))
}

fn of_keys(keys: &[u64]) -> Vec<Tag> {
    keys.iter().map(|key| (key >> 58) as Tag).collect()
}

fn at(own: &[Tag], counter: u64) -> Option<&Tag> {
    own.get((counter as usize).checked_sub(1)?)
}

impl NodeLog for NodeModel {
    fn last(&self) -> u64 {
        self.own.len() as u64
    }

    fn seal(&self, counter: u64) -> Result<Seal, Failed> {
        Ok(seal(at(&self.own, counter)))
    }

    fn pack(&mut self, after: u64, _: u8) -> Result<Option<Packed>, Failed> {
        let tags: Vec<Tag> = self.own.iter().skip(after as usize).take(SEGMENT).copied().collect();
        let upto = after + tags.len() as u64;
        Ok((!tags.is_empty()).then(|| Packed::new(What::Changes { after, upto }, tags)))
    }

    fn take(&mut self, _: What, bytes: &[u8], _: &Lanes) -> Result<(), Failed> {
        self.others.extend(bytes);
        Ok(())
    }

    fn renumber(&mut self, after: u64, number: u32) -> Result<(), Failed> {
        let kept = self.own.drain(..after as usize);
        self.others.extend(kept);
        self.number = number;
        Ok(())
    }

    fn table(&mut self) -> Result<Arc<Table>, Failed> {
        Ok(table(self.own.iter().chain(&self.others).copied()))
    }

    fn pack_again(&mut self, keys: &[u64], _: u8) -> Result<Option<(Packed, u64)>, Failed> {
        let count = keys.len() as u64;
        Ok(Some((Packed::new(What::Again, of_keys(keys)), count)))
    }
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Item {
    node: u32,
    tag: Tag,
    lane: u8,
}

#[derive(Clone, Default, PartialEq, Eq, Hash)]
struct CentreModel {
    log: Vec<Item>,
    enrolled: BTreeSet<u32>,
    holding: BTreeMap<u32, Option<Holding>>,
    outgoing: BTreeMap<u32, Option<Packed>>,
    successors: BTreeMap<u32, u32>,
    heard: BTreeSet<u32>,
}

impl CentreModel {
    fn of(&self, node: u32) -> Vec<Tag> {
        let own = self.log.iter().filter(|item| item.node == node);
        own.map(|item| item.tag).collect()
    }
}

impl CentreLog for CentreModel {
    fn peer(&self, node: u32) -> Result<Option<Peer>, Failed> {
        let own = self.of(node);
        Ok(self.enrolled.contains(&node).then(|| Peer {
            acked: own.len() as u64,
            seal: seal(own.last()),
            retired: false,
        }))
    }

    fn head(&self) -> u64 {
        self.log.len() as u64
    }

    fn holding(&mut self, node: u32) -> &mut Option<Holding> {
        self.holding.entry(node).or_default()
    }

    fn take(&mut self, node: u32, what: What, bytes: &[u8]) -> Result<Placed, Failed> {
        let What::Changes { after, .. } = what else {
            let has = |tag: &Tag| self.log.iter().any(|item| item.tag == *tag);
            return match what == What::Again && bytes.iter().all(has) {
                true => Ok(Placed::InPlace),
                false => Err(Failed("the centre lacks what it acknowledged".to_owned())),
            };
        };
        let own = self.of(node);
        let Some(known) = own.len().checked_sub(after as usize) else {
            return Ok(Placed::OutOfPlace);
        };
        let last = known.checked_sub(1).and_then(|place| bytes.get(place));
        if last.is_some_and(|last| Some(last) != own.last()) {
            return Ok(Placed::OutOfPlace);
        }
        let new = bytes.iter().skip(known);
        self.log.extend(new.map(|&tag| Item { node, tag, lane: 0 }));
        Ok(Placed::InPlace)
    }

    fn outgoing(&mut self, node: u32) -> &mut Option<Packed> {
        self.outgoing.entry(node).or_default()
    }

    fn pack(&mut self, hello: &Hello, lanes: &Lanes, _: u8) -> Result<Option<Packed>, Failed> {
        self.heard.insert(hello.node);
        let acked = self.of(hello.node).len() as u64;
        for (lane, place) in (0..).zip(lanes) {
            let after = self.log.iter().enumerate().skip(place.at as usize);
            let wanted = after.filter(|(_, item)| item.lane == lane && item.node != hello.node);
            let wanted: Vec<(usize, Tag)> = wanted.map(|(place, item)| (place, item.tag)).take(SEGMENT).collect();
            if let Some((last, _)) = wanted.last() {
                let upto = Place::behind(*last as u64 + 1);
                let tags = wanted.iter().map(|(_, tag)| *tag).collect();
                return Ok(Some(Packed::new(What::States { lane, upto, acked }, tags)));
            }
        }
        Ok(None)
    }

    fn seals(&self, node: u32, after: u64) -> Result<Vec<Seal>, Failed> {
        let own = self.of(node);
        Ok(own.iter().skip(after as usize).map(|tag| seal(Some(tag))).collect())
    }

    fn successor(&mut self, node: u32) -> Result<u32, Failed> {
        let given = self.successors.get(&node).copied();
        if let Some(given) = given.filter(|given| !self.heard.contains(given)) {
            return Ok(given);
        }
        let number = self.enrolled.last().copied().unwrap_or_default() + 1;
        self.enrolled.insert(number);
        self.successors.insert(node, number);
        Ok(number)
    }

    fn table(&mut self, _: &Hello) -> Result<Arc<Table>, Failed> {
        Ok(table(self.log.iter().map(|item| item.tag)))
    }

    fn pack_records(&mut self, hello: &Hello, keys: &[u64], _: u8) -> Result<Option<Packed>, Failed> {
        let acked = self.of(hello.node).len() as u64;
        Ok(Some(Packed::new(What::Repair { acked }, of_keys(keys))))
    }

    fn compared(&mut self, _: u32, _: Found) -> Result<(), Failed> {
        Ok(())
    }

    fn records_max(&self) -> usize {
        1
    }
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct World {
    node: NodeModel,
    session: NodeSession,
    centre: CentreModel,
    copy: Option<(NodeModel, NodeSession)>,
    /// The last request: it may arrive once more, and late.
    late: Vec<Frame>,
    /// A request on a stick, and an answer; each may arrive again and again, or never.
    carried: (Vec<Frame>, Vec<Frame>),
    tags: Tag,
    node_writes: u8,
    centre_writes: u8,
    crashes: u8,
    put_back: bool,
    /// What the node's disk has lost.
    lost: BTreeSet<Tag>,
    comparisons: u8,
    /// Tags that the node was told the centre has.
    told: BTreeSet<Tag>,
}

impl World {
    fn new() -> World {
        let mut session = NodeSession::new(1);
        session.piece = 1;
        session.room = 2;
        World {
            node: NodeModel {
                number: 1,
                own: Vec::new(),
                others: BTreeSet::new(),
            },
            session,
            centre: CentreModel {
                enrolled: BTreeSet::from([1]),
                ..CentreModel::default()
            },
            copy: None,
            late: Vec::new(),
            carried: (Vec::new(), Vec::new()),
            tags: 0,
            node_writes: 0,
            centre_writes: 0,
            crashes: 0,
            put_back: false,
            lost: BTreeSet::new(),
            comparisons: 0,
            told: BTreeSet::new(),
        }
    }

    fn tag(&mut self) -> Tag {
        self.tags += 1;
        self.tags
    }

    /// The centre hears frames; its answer, where the request was whole.
    fn heard(&mut self, frames: &[Frame]) -> Vec<Frame> {
        self.answers(CentreSession::new(1), frames)
    }

    fn answers(&mut self, mut session: CentreSession, frames: &[Frame]) -> Vec<Frame> {
        for frame in frames {
            match session.hear(frame.clone(), &mut self.centre, 0) {
                Ok(Some(answer)) => return answer,
                Ok(None) => (),
                Err(failed) => panic!("the centre cannot follow: {failed:?}"),
            }
        }
        Vec::new()
    }

    /// The node hears frames until it wants to ask again or is done; `None` where the line was cut first.
    fn hears(&mut self, frames: &[Frame]) -> Option<Next> {
        for frame in frames {
            let next = self.session.hear(frame.clone(), &mut self.node);
            let next = next.unwrap_or_else(|failed| panic!("the node cannot follow: {failed:?}"));
            let acked = self.session.acked as usize;
            self.told.extend(self.node.own.iter().take(acked));
            if next != Next::Listen {
                return Some(next);
            }
        }
        None
    }

    fn request(&mut self) -> Vec<Frame> {
        let frames = self.session.ask(&mut self.node, 0).expect("a model does not fail");
        self.late = frames.clone();
        frames
    }

    /// Every world that one act makes of this one.
    fn next(&self, bounds: Bounds) -> Vec<(&'static str, World)> {
        let mut worlds = Vec::new();
        let mut add = |act: &'static str, change: &dyn Fn(&mut World)| {
            let mut world = self.clone();
            change(&mut world);
            worlds.push((act, world));
        };
        if self.node_writes < bounds.node_writes {
            add("the node writes", &|world| {
                world.node_writes += 1;
                let tag = world.tag();
                world.node.own.push(tag);
            });
        }
        if self.centre_writes < bounds.centre_writes {
            for lane in [0, 1] {
                add("the centre writes", &|world| {
                    world.centre_writes += 1;
                    let tag = world.tag();
                    world.centre.log.push(Item { node: 0, tag, lane });
                });
            }
        }
        if self.crashes < bounds.crashes {
            add("the node crashes", &|world| {
                world.crashes += 1;
                let lanes = world.session.lanes;
                let mut session = NodeSession::new(world.node.number);
                (session.lanes, session.piece, session.room) = (lanes, 1, 2);
                world.session = session;
            });
            add("the centre crashes", &|world| {
                world.crashes += 1;
                world.centre.holding.clear();
                world.centre.outgoing.clear();
            });
        }
        if bounds.copies && self.copy.is_none() {
            add("the node's database is copied", &|world| {
                world.copy = Some((world.node.clone(), world.session.clone()));
            });
        }
        if !self.put_back && self.copy.is_some() {
            add("the copy is put back", &|world| {
                (world.node, world.session) = world.copy.clone().expect("there is a copy");
                world.put_back = true;
            });
        }
        if !self.late.is_empty() {
            add("a late request arrives", &|world| {
                let late = std::mem::take(&mut world.late);
                world.heard(&late);
            });
        }
        self.losses(bounds, &mut worlds);
        if bounds.sticks {
            self.carries(&mut worlds);
        }
        self.exchanges(&mut worlds);
        worlds
    }

    /// A disk loses a record without a word, and a comparison is wanted.
    fn losses(&self, bounds: Bounds, worlds: &mut Vec<(&'static str, World)>) {
        if self.lost.len() < usize::from(bounds.losses) {
            for tag in &self.node.others {
                let mut world = self.clone();
                world.node.others.remove(tag);
                world.lost.insert(*tag);
                worlds.push(("the node's disk loses a record", world));
            }
        }
        if self.comparisons < bounds.losses {
            let mut world = self.clone();
            world.comparisons += 1;
            world.session.comparison = Comparison::Due(0);
            worlds.push(("a comparison is wanted", world));
        }
    }

    /// A stick is written, read and written at the centre, or read at the node.
    fn carries(&self, worlds: &mut Vec<(&'static str, World)>) {
        let mut written = self.clone();
        let mut session = written.session.by_stick(3);
        written.carried.0 = session.ask(&mut written.node, 0).expect("a model does not fail");
        worlds.push(("the node writes a stick", written));
        if !self.carried.0.is_empty() {
            let mut answered = self.clone();
            answered.carried.1 = answered.answers(CentreSession::by_stick(2), &self.carried.0);
            worlds.push(("a stick comes to the centre", answered));
        }
        if !self.carried.1.is_empty() {
            let mut read = self.clone();
            read.reads();
            worlds.push(("a stick comes back to the node", read));
        }
    }

    /// The node takes of an answer on a stick what it can, and asks anew on the same stick.
    fn reads(&mut self) {
        let mut session = self.session.by_stick(1);
        for frame in self.carried.1.clone() {
            if session.hear(frame, &mut self.node) != Ok(Next::Listen) {
                break;
            }
        }
        self.told.extend(self.node.own.iter().take(session.acked as usize));
        self.carried.0 = session.ask(&mut self.node, 0).expect("a model does not fail");
        // The next contact over the line begins with what was noted.
        let mut line = NodeSession::new(session.number);
        (line.acked, line.lanes) = (session.acked, session.lanes);
        (line.piece, line.room) = (self.session.piece, self.session.room);
        self.session = line;
    }

    /// One request and its answer, cut everywhere.
    fn exchanges(&self, worlds: &mut Vec<(&'static str, World)>) {
        let mut asked = self.clone();
        let request = asked.request();
        for cut in 0..request.len() {
            let mut world = asked.clone();
            world.heard(&request[..cut]);
            worlds.push(("a request is cut", world));
        }
        let mut answered = asked;
        let answer = answered.heard(&request);
        for cut in 0..=answer.len() {
            let mut world = answered.clone();
            world.hears(&answer[..cut]);
            worlds.push(("an answer comes, whole or cut", world));
        }
    }

    /// What holds in every state.
    fn check(&self) -> Result<(), String> {
        let centre: Vec<Tag> = self.centre.log.iter().map(|item| item.tag).collect();
        let all: BTreeSet<Tag> = centre.iter().copied().collect();
        let held = |what: bool, why: &str| what.then_some(()).ok_or_else(|| why.to_owned());
        held(all.len() == centre.len(), "the centre has a version under two names")?;
        held(self.told.is_subset(&all), "a version was acknowledged and is not there")?;
        let acked = self.session.acked as usize;
        let own = self.centre.of(self.session.number);
        held(
            self.node.own.get(..acked) == own.get(..acked),
            "an acknowledged version is another at the centre",
        )?;
        for (lane, place) in (0..).zip(self.session.lanes) {
            let before = self.centre.log.iter().take(place.at as usize);
            let mut wanted = before.filter(|item| item.lane == lane && item.node != self.session.number);
            let has = |item: &Item| self.node.others.contains(&item.tag) || self.lost.contains(&item.tag);
            held(wanted.all(has), "the node lacks what it says it has")?;
        }
        Ok(())
    }

    /// As soon as the line holds, both sides have everything, and what a disk has lost is found and comes again.
    fn agrees(mut self) -> Result<(), String> {
        self.session.comparison = Comparison::Due(0);
        for _ in 0..40 {
            let request = self.request();
            let answer = self.heard(&request);
            match self.hears(&answer) {
                Some(Next::Ask) => (),
                Some(Next::Close(Outcome::Agreed)) => return self.agreed(),
                other => return Err(format!("a contact ends with {other:?}")),
            }
        }
        Err("a contact goes on and on".to_owned())
    }

    fn agreed(&self) -> Result<(), String> {
        self.check()?;
        let Comparison::Done(found) = &self.session.comparison else {
            return Err(format!("a comparison ends as {:?}", self.session.comparison));
        };
        if self.lost.is_empty() && (found.lacked, found.given) != (0, 0) {
            return Err(format!("where nothing was lost {found:?}"));
        }
        let centre: BTreeSet<Tag> = self.centre.log.iter().map(|item| item.tag).collect();
        let node: BTreeSet<Tag> = self.node.others.iter().chain(&self.node.own).copied().collect();
        match centre == node {
            true => Ok(()),
            false => Err(format!("the centre has {centre:?}, the node {node:?}")),
        }
    }
}

/// Walks through all worlds; returns how many there are.
fn walk(bounds: Bounds) -> usize {
    let hash = |world: &World| {
        let mut hasher = DefaultHasher::new();
        world.hash(&mut hasher);
        hasher.finish()
    };
    let mut seen = BTreeMap::new();
    let mut ahead = VecDeque::from([World::new()]);
    seen.insert(hash(&ahead[0]), (0, "the beginning"));
    while let Some(world) = ahead.pop_front() {
        let from = hash(&world);
        let judged = world.check().and_then(|()| world.clone().agrees());
        if let Err(why) = judged {
            panic!("{why}, after:\n{}", path(&seen, from));
        }
        for (act, next) in world.next(bounds) {
            let key = hash(&next);
            if let std::collections::btree_map::Entry::Vacant(entry) = seen.entry(key) {
                entry.insert((from, act));
                ahead.push_back(next);
            }
        }
    }
    seen.len()
}

fn path(seen: &BTreeMap<u64, (u64, &'static str)>, mut at: u64) -> String {
    let mut acts = Vec::new();
    while let Some((before, act)) = seen.get(&at) {
        acts.push(*act);
        at = *before;
    }
    acts.reverse();
    acts.join("\n")
}

/// How many versions the node writes: `EPIS_MODEL_WRITES`, 3 takes minutes.
fn writes() -> u8 {
    let wished = std::env::var("EPIS_MODEL_WRITES").ok();
    wished.map_or(2, |wished| wished.parse().expect("EPIS_MODEL_WRITES is a number"))
}

#[test]
fn every_way_a_session_can_go_is_a_good_one() {
    let plain = Bounds {
        node_writes: writes(),
        centre_writes: 2,
        crashes: 1,
        copies: false,
        losses: 0,
        sticks: false,
    };
    let lossy = Bounds {
        node_writes: 1,
        crashes: 0,
        losses: 1,
        ..plain
    };
    let copied = Bounds {
        centre_writes: 1,
        crashes: 0,
        copies: true,
        ..plain
    };
    let carried = Bounds {
        node_writes: plain.node_writes - 1,
        centre_writes: plain.node_writes - 1,
        crashes: 0,
        sticks: true,
        ..plain
    };
    let both = Bounds {
        node_writes: plain.node_writes - 1,
        centre_writes: plain.node_writes - 2,
        sticks: true,
        ..copied
    };
    let table = [
        ("a disk loses records", lossy),
        ("writes on both sides", plain),
        ("an old copy is put back", copied),
        ("a stick is carried", carried),
        ("a stick and an old copy", both),
    ];
    for (what, bounds) in table {
        let worlds = walk(bounds);
        println!("{what}: {worlds} states");
        assert!(worlds > 10_000, "{what}: only {worlds} states");
    }
}
