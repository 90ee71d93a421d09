//! The centre answers a node: takes what it wrote, and sends what its horizon has that it lacks.
//!
//! The machine is `sync::session`; this is what it needs of the log. One contact of a node is answered at a time.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustc_hash::FxHashMap;
use store::{Unit, Version};
use sync::Change;
use sync::catchment::Catchment;
use sync::digest::Table;
use sync::frame::{End, Frame, Frames, Hello, LANES, Lanes, Place, SEALS_MAX, Seal, What};
use sync::horizon::{Due, Horizons, Whom};
use sync::question::Found;
use sync::segment;
use sync::session::{CentreLog, CentreSession, Failed, Holding, PROTOCOL, Packed, Peer, Placed};

use crate::after::After;
use crate::arrive::Untaken;
use crate::catchment;
use crate::compare_records::{Verified, current, packed, table_of};
use crate::engine::{Engine, now};
use crate::heard::Heard;
use crate::horizon::follow;
use crate::take_changes::{UNIT_MAX, acknowledged, take_again, take_changes_knowing};
use crate::turns::Turns;

/// Records read from the log at a time.
const BLOCK: usize = 256;
/// Contacts that are being answered at once; each holds a thread and less than a MiB.
const CONTACTS_MAX: usize = 128;
/// Contacts that wait for their turn at taking or reading records; with more, nodes are told to come again, before they
/// wait so long that they think the line is cut.
const WAITING_MAX: usize = 16;

/// A node as the register has it.
#[derive(Clone, Debug)]
pub struct Known {
    /// Its number.
    pub number: u32,
    /// What people call it.
    pub name: String,
    /// The numbers under which it, or the machine before it, wrote before.
    pub former: Vec<u32>,
    /// The gewogs of its catchment, as the digits of their place codes: 501 is `BT0501`.
    pub gewogs: Vec<u32>,
    /// For how many months whoever was seen there stays in its horizon.
    pub within_months: u32,
    /// The record of the clinic itself, such as `Location/gasa-bhu`: who is referred to it comes into its horizon.
    pub clinic: Option<String>,
}

/// Gives a node whose database is an older copy another number under which it writes on.
pub type Succeed<'a> = &'a (dyn Fn() -> Result<u32, String> + Sync);

/// What the centre keeps in memory for its nodes; losing it costs bytes on the line, or time.
pub struct Exchange {
    horizons: Mutex<Horizons>,
    nodes: Mutex<FxHashMap<u32, Halfway>>,
    after: After,
    turns: Turns,
}

impl Default for Exchange {
    fn default() -> Self {
        Exchange {
            horizons: Mutex::default(),
            nodes: Mutex::default(),
            after: After::default(),
            turns: Turns::new(search_index::half_the_processors()),
        }
    }
}

/// What is under way with a node.
#[derive(Default)]
struct Halfway {
    /// Whether a contact is being answered.
    busy: bool,
    holding: Option<Holding>,
    outgoing: Option<Packed>,
    /// What the node should have, while it compares that with what it has.
    table: Option<Arc<Table>>,
    /// What the node last said of itself, and how far its clock was ahead.
    said: Option<(Hello, i64)>,
    heard: Heard,
}

/// One contact that is being answered.
pub struct Contact<'a> {
    desk: Desk<'a>,
    frames: Frames,
    session: CentreSession,
}

/// What the centre knows of how far a node is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// How many of the node's versions the centre has.
    pub acknowledged: u64,
    /// How many the node had written when it last asked; `None` where it has not since the centre was started.
    pub written: Option<u64>,
    /// How many records the node lacks; `None` as above.
    pub behind: Option<u64>,
    /// Whether it knows of more than this centre has: an old copy of the centre's data was put back.
    pub knows_more: bool,
    /// When it last asked, in microseconds since 1970; `None` as above.
    pub asked: Option<i64>,
    /// How far the node's clock was ahead of the centre's when it last asked, in microseconds.
    pub ahead: i64,
    /// What comparisons with the node found.
    pub verified: Verified,
}

impl Exchange {
    /// Begins to answer a node; `None` where it has to come again later: another contact of the same node is being answered,
    /// or there is too much to do.
    ///
    /// # Errors
    /// [`Failed`] where the log cannot be read.
    pub fn answer<'a>(
        &'a self,
        engine: &'a Engine,
        known: &Known,
        succeed: Succeed<'a>,
        piece: usize,
    ) -> Result<Option<Contact<'a>>, Failed> {
        let mut nodes = locked(&self.nodes);
        let answered = nodes.values().filter(|halfway| halfway.busy).count();
        if answered >= CONTACTS_MAX || self.turns.waiting() >= WAITING_MAX {
            return Ok(None);
        }
        let halfway = nodes.entry(known.number).or_default();
        if std::mem::replace(&mut halfway.busy, true) {
            return Ok(None);
        }
        let (holding, outgoing) = (halfway.holding.take(), halfway.outgoing.take());
        // What it last said is told of it also while it is answered.
        let (table, said) = (halfway.table.take(), halfway.said.clone());
        let heard = std::mem::take(&mut halfway.heard);
        drop(nodes);
        // From here on the desk gives the place back, however the contact ends.
        let mut desk = Desk {
            engine,
            exchange: self,
            known: known.clone(),
            catchment: Catchment::default(),
            now: now(),
            succeed,
            holding,
            nothing: None,
            outgoing,
            table,
            lost: 0,
            said,
            by_stick: false,
            taken: 0,
            heard,
        };
        desk.catchment = catchment::of(engine, known)?;
        Ok(Some(Contact {
            desk,
            frames: Frames::default(),
            session: CentreSession::new(piece),
        }))
    }

    /// Looks at what follows from what clinics sent.
    ///
    /// # Errors
    /// [`Untaken`]; the next look tries again.
    pub fn look_after(&self, engine: &Engine) -> Result<(), Untaken> {
        self.after.look(engine)
    }

    /// How far a node is.
    ///
    /// # Errors
    /// [`Failed`] where the log cannot be read.
    pub fn progress(&self, engine: &Engine, known: &Known) -> Result<Progress, Failed> {
        let acknowledged = acknowledged(&engine.store, known.number).map_err(trouble)?.counter;
        let said = locked(&self.nodes)
            .get(&known.number)
            .and_then(|halfway| halfway.said.clone());
        let mut progress = Progress {
            acknowledged,
            verified: Verified::of(&engine.store, &verified_key(known.number))?,
            ..Progress::default()
        };
        if let Some((hello, ahead)) = said {
            let catchment = catchment::noted(&engine.store, known)?.unwrap_or_default();
            let numbers = known.numbers();
            let whom = Whom {
                numbers: &numbers,
                catchment: &catchment,
                now: now(),
            };
            let mut horizons = locked(&self.horizons);
            follow(&mut horizons, &engine.store).map_err(trouble)?;
            progress.behind = Some(horizons.behind(&whom, &hello.lanes));
            (progress.written, progress.ahead) = (Some(hello.last), ahead);
            let beyond = |place: &Place| place.at > engine.store.head();
            progress.knows_more =
                hello.node == known.number && hello.acked > acknowledged || hello.lanes.iter().any(beyond);
            progress.asked = Some(hello.clock.saturating_sub(ahead));
        }
        Ok(progress)
    }
}

impl Known {
    /// Its number, and those before.
    pub(crate) fn numbers(&self) -> Vec<u32> {
        std::iter::once(self.number)
            .chain(self.former.iter().copied())
            .collect()
    }
}

impl Contact<'_> {
    /// Answers a request that came on a stick, with this many bytes of segments, and one segment more at most.
    #[must_use]
    pub fn by_stick(mut self, room: u64) -> Self {
        self.session = CentreSession::by_stick(room);
        self.desk.by_stick = true;
        self
    }

    /// The answer to a node that has not asked: as if it did, having what it last said that it has.
    ///
    /// # Errors
    /// As [`hear`](Contact::hear).
    pub fn unasked(&mut self) -> Result<Vec<Frame>, Failed> {
        let number = self.desk.known.number;
        let said = self.desk.said.as_ref().map(|(hello, _)| hello);
        let hello = Hello {
            protocol: PROTOCOL,
            dictionary: segment::DICTIONARY,
            node: number,
            last: 0,
            acked: 0,
            seal: Seal::default(),
            lanes: said
                .filter(|said| said.node == number)
                .map_or([Place::default(); LANES], |said| said.lanes),
            held: None,
            clock: now(),
            room: 0,
            restored: false,
        };
        let mut answer = None;
        for frame in [Frame::Hello(hello), Frame::End(End::default())] {
            answer = self.session.hear(frame, &mut self.desk, now())?;
        }
        Ok(answer.unwrap_or_default())
    }

    /// How many versions the request brought that were not here before.
    pub fn taken(&self) -> usize {
        self.desk.taken
    }

    /// What the node says of itself, once it has.
    pub fn hello(&self) -> Option<&Hello> {
        self.session.hello()
    }

    /// Takes bytes of the request as they come; the frames of the answer when the request has ended.
    ///
    /// # Errors
    /// [`Failed`]; what was taken before stays.
    pub fn hear(&mut self, bytes: &[u8]) -> Result<Option<Vec<Frame>>, Failed> {
        self.frames.feed(bytes);
        while let Some(frame) = self.frames.next_frame()? {
            if let Frame::Hello(hello) = &frame {
                self.desk.greet(hello)?;
            }
            if let Some(answer) = self.session.hear(frame, &mut self.desk, now())? {
                return Ok(Some(answer));
            }
        }
        Ok(None)
    }
}

/// The log as a contact sees it.
struct Desk<'a> {
    engine: &'a Engine,
    exchange: &'a Exchange,
    known: Known,
    catchment: Catchment,
    /// When the contact began: who is in the horizon does not change while it lasts, but by what is written.
    now: i64,
    succeed: Succeed<'a>,
    holding: Option<Holding>,
    /// What is held for any other node: nothing.
    nothing: Option<Holding>,
    outgoing: Option<Packed>,
    table: Option<Arc<Table>>,
    /// Versions that were lost here and came from the node in this contact.
    lost: u64,
    said: Option<(Hello, i64)>,
    by_stick: bool,
    /// Versions that were not here before.
    taken: usize,
    heard: Heard,
}

impl Drop for Desk<'_> {
    fn drop(&mut self) {
        let halfway = Halfway {
            busy: false,
            holding: self.holding.take(),
            outgoing: self.outgoing.take(),
            table: self.table.take(),
            said: self.said.take(),
            heard: std::mem::take(&mut self.heard),
        };
        locked(&self.exchange.nodes).insert(self.known.number, halfway);
    }
}

impl CentreLog for Desk<'_> {
    fn peer(&self, node: u32) -> Result<Option<Peer>, Failed> {
        let acknowledged = acknowledged(&self.engine.store, node).map_err(trouble)?;
        Ok(Some(Peer {
            acked: acknowledged.counter,
            seal: short(acknowledged.seal),
            retired: false,
        }))
    }

    fn head(&self) -> u64 {
        self.engine.store.head()
    }

    fn holding(&mut self, node: u32) -> &mut Option<Holding> {
        match node == self.known.number {
            true => &mut self.holding,
            false => &mut self.nothing,
        }
    }

    fn take(&mut self, node: u32, what: What, bytes: &[u8]) -> Result<Placed, Failed> {
        let changes = segment::unpack(bytes).map_err(|why| Failed(format!("A segment cannot be read: {why}.")))?;
        match what {
            What::Changes { .. } => {}
            What::Again => return self.take_again(changes).map(|()| Placed::InPlace),
            What::States { .. } | What::Repair { .. } => return Err(Failed("A node sent states.".to_owned())),
        }
        // A long segment waits for its turn again and again, so a short one is soon taken.
        for changes in changes.chunks(UNIT_MAX) {
            let _turn = self.exchange.turns.wait();
            let knew = |counter: u64, version: &Version| self.had(counter, version);
            match take_changes_knowing(self.engine, node, changes, &knew) {
                Ok(taken) => self.taken += taken.versions,
                // The answer says how far the centre is and by which seal, and the node finds out what is wrong.
                Err(Untaken::Gap { .. } | Untaken::Other(_)) => return Ok(Placed::OutOfPlace),
                Err(untaken) => return Err(Failed(untaken.to_string())),
            }
        }
        Ok(Placed::InPlace)
    }

    fn outgoing(&mut self, _: u32) -> &mut Option<Packed> {
        &mut self.outgoing
    }

    fn pack(&mut self, hello: &Hello, lanes: &Lanes, dictionary: u8) -> Result<Option<Packed>, Failed> {
        // What the states know of is read first: more may be there when they are read, never less.
        let acked = acknowledged(&self.engine.store, hello.node).map_err(trouble)?.counter;
        let due = {
            let mut horizons = locked(&self.exchange.horizons);
            follow(&mut horizons, &self.engine.store).map_err(trouble)?;
            horizons.due(&self.whom(&self.known.numbers()), lanes)
        };
        let Some((lane, due)) = due else {
            return Ok(None);
        };
        let _turn = self.exchange.turns.wait();
        // What the node should have is another from now on.
        self.table = None;
        let (states, upto) = self.read(&due)?;
        let bytes = segment::pack(&states, dictionary)
            .map_err(|_| Failed("A record at the centre cannot be packed.".to_owned()))?;
        Ok(Some(Packed::new(What::States { lane, upto, acked }, bytes)))
    }

    fn seals(&self, node: u32, after: u64) -> Result<Vec<Seal>, Failed> {
        let place = self.engine.store.place_of(node, after).map_err(trouble)?;
        let (versions, _) = self.engine.store.made_by(node, place, SEALS_MAX).map_err(trouble)?;
        Ok(versions.iter().map(|version| short(version.seal())).collect())
    }

    fn successor(&mut self, node: u32) -> Result<u32, Failed> {
        let unheard = acknowledged(&self.engine.store, self.known.number)
            .map_err(trouble)?
            .counter
            == 0;
        if node != self.known.number && unheard {
            return Ok(self.known.number);
        }
        if node != self.known.number && self.by_stick {
            return Err(Failed(format!(
                "Node {node} goes on as node {} since this was written: nothing of it is missing here.",
                self.known.number
            )));
        }
        (self.succeed)().map_err(Failed)
    }

    fn table(&mut self, _: &Hello) -> Result<Arc<Table>, Failed> {
        if let Some(table) = &self.table {
            return Ok(Arc::clone(table));
        }
        let places = {
            let mut horizons = locked(&self.exchange.horizons);
            follow(&mut horizons, &self.engine.store).map_err(trouble)?;
            horizons.places(&self.whom(&self.known.numbers()))
        };
        let _turn = self.exchange.turns.wait();
        let table = table_of(&self.engine.store, &places);
        Ok(Arc::clone(self.table.insert(table)))
    }

    fn pack_records(&mut self, hello: &Hello, keys: &[u64], dictionary: u8) -> Result<Option<Packed>, Failed> {
        let acked = acknowledged(&self.engine.store, hello.node).map_err(trouble)?.counter;
        let table = self.table(hello)?;
        let states = current(&self.engine.store, &table, keys)?;
        let packed = packed(What::Repair { acked }, &states, dictionary)?;
        Ok(packed.map(|(packed, _)| packed))
    }

    fn compared(&mut self, _: u32, found: Found) -> Result<(), Failed> {
        self.table = None;
        // What the node only had beyond its horizon is no fault.
        let given = std::mem::take(&mut self.lost);
        let key = verified_key(self.known.number);
        let verified = Verified::of(&self.engine.store, &key)?.and(Found { given, ..found }, now());
        if found.lacked > 0 {
            eprintln!(
                "epis: node {} lacked {} of {} records, or had others; they were sent again.",
                self.known.number, found.lacked, found.records
            );
        }
        let unit = Unit {
            notes: vec![verified.note(key)],
            ..Unit::default()
        };
        let noted = self.engine.store.submit(unit);
        noted.map(|_| ()).map_err(|refused| Failed(refused.to_string()))
    }
}

impl Desk<'_> {
    fn whom<'a>(&'a self, numbers: &'a [u32]) -> Whom<'a> {
        Whom {
            numbers,
            catchment: &self.catchment,
            now: self.now,
        }
    }

    /// Takes what was lost here from a node that still has it.
    fn take_again(&mut self, changes: Vec<Change>) -> Result<(), Failed> {
        let lost = take_again(self.engine, &self.known.numbers(), changes);
        let lost = lost.map_err(|untaken| Failed(untaken.to_string()))?;
        if lost > 0 {
            self.table = None;
            self.lost += lost as u64;
            eprintln!(
                "epis: {lost} versions were LOST OR DAMAGED HERE and came back from node {}: this disk is not to be trusted; run epis check, and look at the backups.",
                self.known.number
            );
        }
        Ok(())
    }

    /// Whether a version had come to the node when it wrote its version of a counter. What cannot be read now is taken for
    /// unknown: a person is asked rather too often.
    fn had(&self, counter: u64, version: &Version) -> bool {
        let lanes = self.heard.lanes(counter);
        let mut horizons = locked(&self.exchange.horizons);
        let is_read = follow(&mut horizons, &self.engine.store).is_ok();
        let numbers = self.known.numbers();
        is_read && lanes.is_some_and(|lanes| horizons.came(&self.whom(&numbers), &lanes, version))
    }

    /// Whether who asks is who the certificate says, under its present number or one of before.
    fn greet(&mut self, hello: &Hello) -> Result<(), Failed> {
        if !self.known.numbers().contains(&hello.node) {
            return Err(Failed(format!(
                "The request is of node {}, the certificate of node {}.",
                hello.node, self.known.number
            )));
        }
        let acknowledged = acknowledged(&self.engine.store, hello.node).map_err(trouble)?;
        if self.said.as_ref().is_some_and(|(said, _)| said.node != hello.node) {
            // Under another number it counts anew.
            self.heard = Heard::default();
        }
        self.heard.hear(hello, acknowledged.counter);
        let ahead = hello.clock.saturating_sub(now());
        if !self.by_stick {
            self.said = Some((hello.clone(), ahead));
            return Ok(());
        }
        // What a stick says held when it was written. Of the clock it says no more than that it was not later then.
        let newer = |said: &Hello| {
            let further = said.lanes.iter().zip(&hello.lanes).any(|(said, now)| said > now);
            said.node != hello.node || said.last > hello.last || further
        };
        if !self.said.as_ref().is_some_and(|(said, _)| newer(said)) {
            self.said = Some((hello.clone(), ahead.max(0)));
        }
        Ok(())
    }

    /// As many states as one segment holds, and up to where the node has its lane with them.
    fn read(&self, due: &[Due]) -> Result<(Vec<Change>, sync::frame::Place), Failed> {
        let mut states: Vec<Change> = Vec::new();
        for block in due.chunks(BLOCK) {
            let places: Vec<u64> = block.iter().map(|due| due.seq).collect();
            let read = self.engine.store.by_seq(&places).map_err(trouble)?;
            if read.len() != places.len() {
                return Err(Failed("A version that the log has cannot be read.".to_owned()));
            }
            states.extend(read.into_iter().map(Change::from));
            let fitting = segment::fitting(&states);
            if fitting < states.len() || states.len() >= segment::CHANGES_MAX {
                states.truncate(fitting);
                break;
            }
        }
        let last = states.len().checked_sub(1).and_then(|last| due.get(last));
        let upto = last
            .ok_or_else(|| Failed("No record fits into a segment.".to_owned()))?
            .place;
        Ok((states, upto))
    }
}

/// Under what it is noted what comparisons with a node found.
fn verified_key(number: u32) -> String {
    format!("verified/{number}")
}

/// As much of a seal as travels.
pub(crate) fn short(seal: store::Seal) -> Seal {
    *seal.first_chunk().expect("16 bytes begin with 8")
}

pub(crate) fn trouble(trouble: store::Trouble) -> Failed {
    Failed(trouble.to_string())
}

pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
