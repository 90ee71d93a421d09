//! A node asks its centre: sends what it wrote, takes what its horizon has that it lacks, and notes how far both are.
//!
//! The machine is `sync::session`; this is what it needs of the log. What a contact brought is noted with the records that
//! it brought (the note `centre`), so that a crash or a cut anywhere loses nothing but bytes.

use std::sync::Arc;

use store::{Note, Unit};
use sync::Change;
use sync::compare::Comparison;
use sync::digest::Table;
use sync::frame::{End, Frame, Frames, LANES, Lanes, Place, Seal, What};
use sync::question::WANTED_MAX;
use sync::segment;
use sync::session::{Failed, Holding, Next, NodeLog, NodeSession, Packed};

use crate::answer_node::{short, trouble};
pub use crate::compare_records::Verified;
use crate::compare_records::{current, mend_records, packed, table_of_all};
use crate::engine::{Engine, now};
use crate::take_states::take_states;

const KEY: &str = "centre";
/// Under what it is noted what comparisons found.
const VERIFIED: &str = "verified";
/// How often a node compares what it has with the centre, in microseconds: once a day.
const VERIFY_EVERY: i64 = 86_400_000_000;
/// Own versions looked through at a time.
const BLOCK: usize = 512;

/// How far a node and its centre are, as the node knows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reached {
    /// Up to which of the node's own versions the centre has them.
    pub acked: u64,
    /// That one's seal.
    pub seal: Seal,
    /// Where in the log it is: later own versions are behind it.
    pub place: u64,
    /// Up to where the node has each lane.
    pub lanes: Lanes,
    /// When the two last agreed, in microseconds since 1970; 0 for never.
    pub agreed: i64,
    /// Up to which place of its log the node had looked then: who came into its horizon behind it may be here in part.
    pub whole: u64,
}

impl Reached {
    /// What is noted.
    ///
    /// # Errors
    /// [`Failed`] where it cannot be read.
    pub fn of(engine: &Engine) -> Result<Reached, Failed> {
        let note = engine.store.note(KEY).map_err(trouble)?.unwrap_or_default();
        let mut numbers = note.chunks_exact(8).map(|bytes| {
            let bytes: [u8; 8] = bytes.try_into().expect("eight bytes");
            u64::from_le_bytes(bytes)
        });
        let mut next = || numbers.next().unwrap_or_default();
        let mut reached = Reached {
            acked: next(),
            seal: next().to_le_bytes(),
            place: next(),
            agreed: next() as i64,
            lanes: [Place::default(); LANES],
            whole: 0,
        };
        for place in &mut reached.lanes {
            *place = Place {
                at: next(),
                within: next(),
            };
        }
        // What an earlier release noted ends here; it took all who were in the horizon for whole.
        reached.whole = numbers.next().unwrap_or(u64::MAX);
        Ok(reached)
    }

    fn note(&self) -> Note {
        let lanes = self.lanes.iter().flat_map(|place| [place.at, place.within]);
        let numbers = [
            self.acked,
            u64::from_le_bytes(self.seal),
            self.place,
            self.agreed as u64,
        ];
        let bytes = numbers.into_iter().chain(lanes).chain([self.whole]);
        let bytes = bytes.flat_map(u64::to_le_bytes);
        Note::new(KEY, bytes.collect::<Vec<u8>>())
    }

    /// When the oldest version was written that the centre does not have; `None` where it has all.
    ///
    /// # Errors
    /// [`Failed`] where the log cannot be read.
    pub fn oldest(&self, engine: &Engine) -> Result<Option<i64>, Failed> {
        if self.acked >= engine.store.counter() {
            return Ok(None);
        }
        let made = engine.store.made_by(engine.store.node(), self.place, 1);
        let (versions, _) = made.map_err(trouble)?;
        Ok(versions.first().map(|version| version.updated))
    }

    /// Whether the node has the essentials: what is urgent, and who its people are. Lanes come one after the other, so where
    /// anything of a later one is here, all of these is.
    pub fn has_essentials(&self) -> bool {
        let has = |place: &Place| place.at > 0;
        self.lanes[..2].iter().all(has) || self.lanes[2..].iter().any(has)
    }
}

/// A node's side, kept between contacts.
pub struct Asker {
    session: NodeSession,
    reached: Reached,
    packed: Sent,
    frames: Frames,
    table: Option<Arc<Table>>,
    by_stick: bool,
    /// The centre's clock when it wrote the last answer.
    clock: Option<i64>,
    /// How far this clock was ahead of the centre's when its last answer came.
    ahead: Option<i64>,
    /// The end of the last answer.
    end: Option<End>,
    /// How far each lane was when that was last noted.
    began: Lanes,
}

/// The last of the own versions that were packed last: its count, where in the log it is, and its seal.
type Sent = Option<(u64, (u64, Seal))>;

impl Asker {
    /// A node's side as it was noted.
    ///
    /// # Errors
    /// [`Failed`] where that cannot be read.
    pub fn new(engine: &Engine) -> Result<Asker, Failed> {
        let reached = Reached::of(engine)?;
        let mut session = NodeSession::new(engine.store.node());
        (session.acked, session.lanes) = (reached.acked, reached.lanes);
        engine.clinic.follow(engine, &reached).map_err(trouble)?;
        let verified = verified(engine)?;
        // A clock that was set back counts as a day gone by.
        if reached.agreed > 0 && (now() - verified.tried).abs() >= VERIFY_EVERY {
            session.comparison = Comparison::Due(0);
        }
        Ok(Asker {
            session,
            reached,
            packed: None,
            frames: Frames::default(),
            table: None,
            by_stick: false,
            clock: None,
            ahead: None,
            end: None,
            began: reached.lanes,
        })
    }

    /// A node's side as it was noted, with a stick in place of the line: a request brings this many bytes of segments, and one
    /// segment more at most.
    ///
    /// # Errors
    /// As [`new`](Asker::new).
    pub fn by_stick(engine: &Engine, load: u64) -> Result<Asker, Failed> {
        let mut asker = Asker::new(engine)?;
        asker.session = asker.session.by_stick(load);
        asker.by_stick = true;
        Ok(asker)
    }

    /// Goes on with a segment that an earlier contact was cut in.
    #[must_use]
    pub fn going_on(mut self, held: Option<Holding>) -> Asker {
        self.session.holding = held;
        self
    }

    /// What has come of a segment that was cut off, for the next contact.
    pub fn into_held(self) -> Option<Holding> {
        self.session.holding
    }

    /// The centre's clock when it wrote the last answer, in microseconds since 1970; `None` before the first.
    pub fn centre_clock(&self) -> Option<i64> {
        self.clock
    }

    /// How far this machine's clock was ahead of the centre's when the last answer came, in microseconds, with the time that the
    /// answer took; by a stick only how far it was behind. `None` before the first.
    pub fn ahead(&self) -> Option<i64> {
        self.ahead
    }

    /// Whether the centre had no more for the node than the last answer brought; `None` before an answer has come whole.
    pub fn has_all(&self) -> Option<bool> {
        self.end.map(|end| end.more == 0)
    }

    /// Compares what the node has with what the centre holds it should have, as soon as both agree.
    pub fn verify(&mut self) {
        self.session.comparison = Comparison::Due(0);
    }

    /// Where that stands.
    pub fn comparison(&self) -> &Comparison {
        &self.session.comparison
    }

    /// The bytes of the next request, piece by piece.
    ///
    /// # Errors
    /// [`Failed`] where the log cannot be read.
    pub fn ask(&mut self, engine: &Engine) -> Result<Vec<Vec<u8>>, Failed> {
        self.ask_frames(engine).map(|frames| written(&frames))
    }

    /// The frames of the next request.
    ///
    /// # Errors
    /// [`Failed`] where the log cannot be read.
    pub fn ask_frames(&mut self, engine: &Engine) -> Result<Vec<Frame>, Failed> {
        (self.frames, self.end) = (Frames::default(), None);
        let mut log = Log {
            engine,
            reached: &mut self.reached,
            packed: &mut self.packed,
            table: &mut self.table,
        };
        self.session.ask(&mut log, now())
    }

    /// Takes bytes of the answer as they come.
    ///
    /// # Errors
    /// [`Failed`]; what was taken before stays.
    pub fn hear(&mut self, engine: &Engine, bytes: &[u8]) -> Result<Next, Failed> {
        self.frames.feed(bytes);
        while let Some(frame) = self.frames.next_frame()? {
            match &frame {
                Frame::Welcome(welcome) => {
                    self.clock = Some(welcome.clock);
                    let ahead = now() - welcome.clock;
                    // A stick is older than it says: it can tell that this clock is behind, and no more.
                    self.ahead = Some(if self.by_stick { ahead.min(0) } else { ahead });
                }
                Frame::End(end) => self.end = Some(*end),
                _ => {}
            }
            let mut log = Log {
                engine,
                reached: &mut self.reached,
                packed: &mut self.packed,
                table: &mut self.table,
            };
            let next = self.session.hear(frame, &mut log)?;
            if next != Next::Listen {
                return Ok(next);
            }
        }
        Ok(Next::Listen)
    }

    /// Notes how far the two are; `agreed` where they have all they want of each other.
    ///
    /// # Errors
    /// [`Failed`] where it cannot be written.
    pub fn note(&mut self, engine: &Engine, agreed: bool) -> Result<Reached, Failed> {
        let before = self.reached;
        if self.session.acked != self.reached.acked {
            let log = Log {
                engine,
                reached: &mut self.reached,
                packed: &mut self.packed,
                table: &mut self.table,
            };
            let (place, seal) = log.own(self.session.acked)?.unwrap_or_default();
            (self.reached.acked, self.reached.place, self.reached.seal) = (self.session.acked, place, seal);
        }
        let began = std::mem::replace(&mut self.began, self.session.lanes);
        self.reached.lanes = self.session.lanes;
        if agreed {
            self.reached.agreed = self.session.clock.max(self.reached.agreed);
        }
        engine.clinic.follow(engine, &self.reached).map_err(trouble)?;
        // Lanes come one after the other: those before one that moved are here whole.
        let moved = (0..LANES).rev().find(|lane| began[*lane] != self.began[*lane]);
        let whole = |lane: usize| agreed || moved.is_some_and(|moved| lane < moved);
        let upto = engine.clinic.whole(whole, self.session.clock);
        if agreed {
            self.reached.whole = upto;
        }
        let mut notes = self.compared(engine)?;
        if self.reached != before {
            notes.push(self.reached.note());
        }
        if !notes.is_empty() {
            let unit = Unit {
                notes,
                ..Unit::default()
            };
            engine
                .store
                .submit(unit)
                .map_err(|refused| Failed(refused.to_string()))?;
        }
        Ok(self.reached)
    }

    /// What is to be noted of a comparison that has ended.
    fn compared(&mut self, engine: &Engine) -> Result<Vec<Note>, Failed> {
        let after = match &self.session.comparison {
            Comparison::Done(found) => verified(engine)?.and(*found, now()),
            Comparison::Unanswered => Verified {
                tried: now(),
                ..verified(engine)?
            },
            _ => return Ok(Vec::new()),
        };
        self.session.comparison = Comparison::Idle;
        self.table = None;
        Ok(vec![after.note(VERIFIED.to_owned())])
    }
}

/// What this node's comparisons with the centre found.
///
/// # Errors
/// [`Failed`] where it cannot be read.
pub fn verified(engine: &Engine) -> Result<Verified, Failed> {
    Verified::of(&engine.store, VERIFIED)
}

/// The bytes of frames, some at a time.
pub fn written(frames: &[Frame]) -> Vec<Vec<u8>> {
    let mut pieces: Vec<Vec<u8>> = Vec::new();
    for frame in frames {
        match pieces.last_mut() {
            Some(piece) if piece.len() < 4_096 => frame.write(piece),
            _ => {
                let mut piece = Vec::new();
                frame.write(&mut piece);
                pieces.push(piece);
            }
        }
    }
    pieces
}

/// The log as a contact sees it.
struct Log<'a> {
    engine: &'a Engine,
    reached: &'a mut Reached,
    packed: &'a mut Sent,
    table: &'a mut Option<Arc<Table>>,
}

impl Log<'_> {
    /// Where the node's own version of a count is in the log, and its seal.
    fn own(&self, counter: u64) -> Result<Option<(u64, Seal)>, Failed> {
        let (store, node) = (&self.engine.store, self.engine.store.node());
        if counter == 0 || counter > store.counter() {
            return Ok(None);
        }
        // What was just sent is acknowledged next.
        if let Some((_, known)) = self.packed.filter(|packed| packed.0 == counter) {
            return Ok(Some(known));
        }
        let mut place = self.before(counter - 1)?;
        loop {
            let (versions, behind) = store.made_by(node, place, BLOCK).map_err(trouble)?;
            if let Some(found) = versions.iter().find(|version| version.version.counter == counter) {
                return Ok(Some((found.seq, short(found.seal()))));
            }
            if versions.is_empty() {
                return Ok(None);
            }
            place = behind;
        }
    }

    /// A place in the log behind which all own versions after a count are.
    fn before(&self, counter: u64) -> Result<u64, Failed> {
        if let Some((_, (place, _))) = self.packed.filter(|packed| packed.0 == counter) {
            return Ok(place);
        }
        if counter >= self.reached.acked {
            return Ok(self.reached.place);
        }
        let (store, node) = (&self.engine.store, self.engine.store.node());
        store.place_of(node, counter).map_err(trouble)
    }
}

impl NodeLog for Log<'_> {
    fn last(&self) -> u64 {
        self.engine.store.counter()
    }

    fn seal(&self, counter: u64) -> Result<Seal, Failed> {
        if counter == self.reached.acked {
            return Ok(self.reached.seal);
        }
        Ok(self.own(counter)?.map(|(_, seal)| seal).unwrap_or_default())
    }

    fn pack(&mut self, after: u64, dictionary: u8) -> Result<Option<Packed>, Failed> {
        let (store, node) = (&self.engine.store, self.engine.store.node());
        let (mut changes, mut place): (Vec<Change>, u64) = (Vec::new(), self.before(after)?);
        let mut places: Vec<u64> = Vec::new();
        while changes.len() < segment::CHANGES_MAX && segment::fitting(&changes) == changes.len() {
            let (versions, behind) = store.made_by(node, place, BLOCK).map_err(trouble)?;
            if versions.is_empty() {
                break;
            }
            let new = versions.into_iter().filter(|version| version.version.counter > after);
            for version in new {
                places.push(version.seq);
                changes.push(Change::from(version));
            }
            place = behind;
        }
        changes.truncate(segment::fitting(&changes));
        let Some(last) = changes.last() else {
            return Ok(None);
        };
        let upto = last.version.counter;
        *self.packed = Some((upto, (places[changes.len() - 1], short(last.seal()))));
        let bytes = segment::pack(&changes, dictionary)
            .map_err(|_| Failed("A version of this node cannot be packed.".to_owned()))?;
        Ok(Some(Packed::new(What::Changes { after, upto }, bytes)))
    }

    fn take(&mut self, what: What, bytes: &[u8], lanes: &Lanes) -> Result<(), Failed> {
        let states = segment::unpack(bytes).map_err(|why| Failed(format!("A segment cannot be read: {why}.")))?;
        let acked = match what {
            What::States { acked, .. } => acked,
            What::Repair { acked } => {
                let mended = mend_records(self.engine, states, acked);
                return mended.map_err(|untaken| Failed(untaken.to_string()));
            }
            What::Changes { .. } | What::Again => return Err(Failed("The centre sent changes.".to_owned())),
        };
        self.reached.lanes = *lanes;
        let notes = vec![self.reached.note()];
        take_states(self.engine, &states, acked, notes).map_err(|untaken| Failed(untaken.to_string()))?;
        Ok(())
    }

    fn renumber(&mut self, after: u64, number: u32) -> Result<(), Failed> {
        let store = &self.engine.store;
        (self.reached.acked, self.reached.seal, self.reached.place) = (0, Seal::default(), 0);
        // Noted first: that nothing is acknowledged costs bytes under the old number; that anything is would be wrong under the
        // new one.
        let unit = Unit {
            notes: vec![self.reached.note()],
            ..Unit::default()
        };
        store
            .submit(unit)
            .and_then(|_| store.rename_own(after, number))
            .map_err(|refused| Failed(refused.to_string()))?;
        *self.packed = None;
        Ok(())
    }

    fn table(&mut self) -> Result<Arc<Table>, Failed> {
        let table = table_of_all(&self.engine.store).map_err(trouble)?;
        Ok(Arc::clone(self.table.insert(table)))
    }

    fn pack_again(&mut self, keys: &[u64], dictionary: u8) -> Result<Option<(Packed, u64)>, Failed> {
        let Some(table) = &*self.table else {
            return Ok(None);
        };
        let changes = current(&self.engine.store, table, &keys[..keys.len().min(WANTED_MAX)])?;
        packed(What::Again, &changes, dictionary)
    }
}
