//! A session: how a node and the centre come to agree, one request and one answer at a time.
//!
//! The node asks, the centre answers; a line may be cut anywhere, and a request may arrive late or twice.
//! `docs/reference/sync.md` draws the machine and says what never happens; `tests/model.rs` tries all of it out.
//!
//! ```text
//! request   Hello  [Offer Changes, Piece ...]  End      the node's own versions that the centre lacks, one segment
//! answer    Welcome  [Offer States, Piece ...] ...  End     records as the centre has them, the most urgent lane first
//! ```
//! When they agree they may compare what they have, by digests (`compare`).
//!
//! Nothing is kept of a session but what is kept anyway: the node how far it has the centre's lanes and the beginning of a
//! segment, the centre how far it has the node's versions and the beginning of a segment. Each is written together with
//! the records that it speaks of.
//!
//! On a stick a request and its answer are *carried*: days late, twice, in any order, beside what a line does meanwhile. So a
//! carried answer begins with the Hello that it answers, and the node takes of it what goes on from where it is now.

mod centre;

use std::sync::Arc;

use crate::compare::Comparison;
use crate::digest::Table;
use crate::frame::{
    End, Frame, Held, Hello, LANES, Lanes, Offer, PIECE_MAX, Place, SEALS_MAX, Seal, Standing, Welcome, What,
};
use crate::segment::{self, DICTIONARY, Hash};

pub use centre::{CentreLog, CentreSession, Peer, Placed, busy};

/// The protocol that this program speaks; it understands all before it.
pub const PROTOCOL: u64 = 1;
/// A segment's bytes at most.
pub const SEGMENT_MAX: u64 = 64 << 20;
/// After how many seconds a node comes again that was told to; it adds up to as many by chance, so that not all come at once.
pub const BUSY_SECONDS: u64 = 15;

/// Why a side ends a session: a sentence for the log. What was taken stays taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed(pub String);

impl Failed {
    pub(crate) fn damaged(what: &str) -> Failed {
        Failed(format!("The other side sent {what}."))
    }
}

impl From<crate::digits::Damaged> for Failed {
    fn from(_: crate::digits::Damaged) -> Self {
        Failed::damaged("what is no frame")
    }
}

/// A segment ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Packed {
    /// What it holds.
    pub what: What,
    /// Its hash.
    pub hash: Hash,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

impl Packed {
    /// A segment of these bytes.
    pub fn new(what: What, bytes: Vec<u8>) -> Packed {
        Packed {
            what,
            hash: segment::hash(&bytes),
            bytes,
        }
    }

    /// The frames that send it, from where the other side has it.
    pub(crate) fn frames(&self, held: Option<Held>, piece: usize) -> Vec<Frame> {
        let length = self.bytes.len() as u64;
        let has = held.filter(|held| held.hash == self.hash && held.bytes <= length);
        let offset = has.map_or(0, |held| held.bytes);
        let offer = Frame::Offer(Offer {
            what: self.what,
            hash: self.hash,
            length,
            offset,
        });
        let pieces = self.bytes[offset as usize..].chunks(piece.clamp(1, PIECE_MAX));
        std::iter::once(offer)
            .chain(pieces.map(|piece| Frame::Piece(piece.to_vec())))
            .collect()
    }
}

/// A segment that is arriving: what is known of it, and its bytes so far.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Holding {
    /// What was offered.
    pub offer: Offer,
    /// What has arrived.
    pub bytes: Vec<u8>,
}

impl Holding {
    pub(crate) fn held(&self) -> Held {
        Held {
            hash: self.offer.hash,
            bytes: self.bytes.len() as u64,
        }
    }

    /// What is held after an offer: the same segment goes on where it was cut, another begins.
    pub(crate) fn offered(before: Option<Holding>, offer: Offer) -> Result<Option<Holding>, Failed> {
        if offer.length > SEGMENT_MAX {
            return Err(Failed::damaged("a segment that is too long"));
        }
        let has = before.filter(|holding| holding.offer.hash == offer.hash);
        let mut bytes = has.map_or_else(Vec::new, |holding| holding.bytes);
        if offer.offset > bytes.len() as u64 {
            return Ok(None);
        }
        bytes.truncate(offer.offset as usize);
        Ok(Some(Holding { offer, bytes }))
    }

    /// Takes the next bytes; whether the segment is whole.
    pub(crate) fn append(&mut self, piece: &[u8]) -> Result<bool, Failed> {
        self.bytes.extend_from_slice(piece);
        let (length, have) = (self.offer.length, self.bytes.len() as u64);
        if have > length || (have == length && segment::hash(&self.bytes) != self.offer.hash) {
            return Err(Failed::damaged("a segment that is not what was offered"));
        }
        Ok(have == length)
    }
}

/// What a node's side needs of its log. What is written is durable when the call returns.
pub trait NodeLog {
    /// How many versions the node has written under its number.
    fn last(&self) -> u64;
    /// The seal of its own version of a count; zeros where there is none.
    fn seal(&self, counter: u64) -> Result<Seal, Failed>;
    /// Its own versions after a count, as many as one segment holds; `None` where there are none.
    fn pack(&mut self, after: u64, dictionary: u8) -> Result<Option<Packed>, Failed>;
    /// Takes records as the centre has them, and notes how far the node has each lane then.
    fn take(&mut self, what: What, bytes: &[u8], lanes: &Lanes) -> Result<(), Failed>;
    /// Names its own versions after a count anew, under another number.
    fn renumber(&mut self, after: u64, number: u32) -> Result<(), Failed>;
    /// What the node has of its horizon: every record's current version, as it is read now.
    fn table(&mut self) -> Result<Arc<Table>, Failed>;
    /// The current versions of records, by their keys, as many as one segment holds, and how many they are; `None` where
    /// there are none.
    fn pack_again(&mut self, keys: &[u64], dictionary: u8) -> Result<Option<(Packed, u64)>, Failed>;
}

/// The node's side. What it holds is kept between contacts; losing `acked` or `holding` costs bytes only.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NodeSession {
    /// The node's number.
    pub number: u32,
    /// Up to which of its versions it knows the centre to have them.
    pub acked: u64,
    /// Up to which place of the centre's log it has each lane.
    pub lanes: Lanes,
    /// A segment that is arriving.
    pub holding: Option<Holding>,
    /// Bytes of segments that it takes in one answer.
    pub room: u64,
    /// Bytes of a segment in one frame, at most [`PIECE_MAX`]: what a cut line loses.
    pub piece: usize,
    /// The highest dictionary it has.
    pub dictionary: u8,
    /// Where a comparison stands; [`Comparison::Due`] makes one when both sides agree.
    pub comparison: Comparison,
    /// Bytes of segments in one request, the last of which may go beyond: 0 for one segment.
    load: u64,
    /// Whether requests and answers are carried.
    carried: bool,
    /// The request that a carried answer is of, once it has begun, and whether the answer has gone on from there.
    answered: Option<(Hello, bool)>,
    /// The centre's clock when it last answered, microseconds since 1970.
    pub clock: i64,
    agreed: u8,
    /// What the centre holds of a segment; the outer `None` where a cut left that open.
    there: Option<Option<Held>>,
    restored: bool,
    /// Whether this request sent a segment.
    sent: bool,
    /// Whether this request or its answer brought anything on.
    moved: bool,
}

/// What a node does next.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Next {
    /// Goes on listening.
    Listen,
    /// Sends the next request.
    Ask,
    /// Ends the contact.
    Close(Outcome),
}

/// How a contact ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Both sides have all they wanted of each other.
    Agreed,
    /// One side wants more, and nothing came of asking for it.
    Stuck,
    /// The centre will not go on.
    Refused(Standing),
}

impl NodeSession {
    /// A node that has never spoken to the centre.
    pub fn new(number: u32) -> NodeSession {
        NodeSession {
            number,
            acked: 0,
            lanes: [Place::default(); LANES],
            holding: None,
            room: 256 << 10,
            piece: PIECE_MAX,
            dictionary: DICTIONARY,
            comparison: Comparison::Idle,
            load: 0,
            carried: false,
            answered: None,
            clock: 0,
            agreed: DICTIONARY,
            there: Some(None),
            restored: false,
            sent: false,
            moved: false,
        }
    }

    /// The same node with a stick in place of the line. A request brings this many bytes of segments, and one segment more
    /// at most.
    pub fn by_stick(&self, load: u64) -> NodeSession {
        NodeSession {
            acked: self.acked,
            lanes: self.lanes,
            room: self.room,
            piece: self.piece,
            dictionary: self.dictionary,
            agreed: self.dictionary,
            load,
            carried: true,
            ..NodeSession::new(self.number)
        }
    }

    /// The next request. The first of a contact sends what the centre lacks without waiting to be asked, unless a cut left
    /// open how much of it arrived.
    ///
    /// # Errors
    /// As the log.
    pub fn ask(&mut self, log: &mut dyn NodeLog, clock: i64) -> Result<Vec<Frame>, Failed> {
        let hello = Hello {
            protocol: PROTOCOL,
            dictionary: self.dictionary,
            node: self.number,
            last: log.last(),
            acked: self.acked,
            seal: log.seal(self.acked)?,
            lanes: self.lanes,
            held: self.holding.as_ref().map(Holding::held),
            clock,
            room: self.room,
            restored: self.restored,
        };
        let mut frames = vec![Frame::Hello(hello)];
        (self.sent, self.moved) = (false, false);
        if let Some(there) = self.there.filter(|_| !self.restored) {
            self.sent = self.send(there, log, &mut frames)?;
            // The centre may have lost what it held: then the next request begins anew.
            self.moved = self.sent && there.is_some();
            self.there = self.there.filter(|_| !self.sent);
        }
        if !self.carried {
            frames.extend(self.comparison.frames(log, (self.agreed, self.piece))?);
        }
        frames.push(Frame::End(End::default()));
        Ok(frames)
    }

    /// Appends segments of what the centre lacks; whether there were any.
    fn send(&self, there: Option<Held>, log: &mut dyn NodeLog, frames: &mut Vec<Frame>) -> Result<bool, Failed> {
        let (mut after, mut left) = (self.acked, self.load.max(1));
        while left > 0
            && let Some(packed) = log.pack(after, self.agreed)?
            && let What::Changes { upto, .. } = packed.what
        {
            frames.extend(packed.frames(there, self.piece));
            left = left.saturating_sub(packed.bytes.len() as u64);
            after = upto;
        }
        Ok(after > self.acked)
    }

    /// Takes one frame of the answer.
    ///
    /// # Errors
    /// [`Failed`] where the log fails or the centre does not keep to the protocol; the contact is over then.
    pub fn hear(&mut self, frame: Frame, log: &mut dyn NodeLog) -> Result<Next, Failed> {
        self.in_order(&frame)?;
        match frame {
            Frame::Hello(hello) if self.carried && self.answered.is_none() => self.answers(hello),
            Frame::Welcome(welcome) => self.welcomed(welcome, log),
            Frame::Offer(offer) => {
                let before = self.holding.take();
                self.holding = match self.is_new(offer.what)? {
                    true => Holding::offered(before, offer)?,
                    false => None,
                };
                Ok(Next::Listen)
            }
            Frame::Piece(piece) => self.arrived(&piece, log),
            Frame::End(end) => {
                self.follows_on()?;
                if end.more == 0 {
                    let behind = Place::behind(end.head);
                    self.lanes.iter_mut().for_each(|place| *place = behind.max(*place));
                }
                let writes = log.last() > self.acked;
                Ok(match (writes || end.more != 0, self.moved || (writes && !self.sent)) {
                    (false, moved) if self.comparison.agreed(moved) => Next::Ask,
                    (false, _) => Next::Close(Outcome::Agreed),
                    (true, true) => Next::Ask,
                    (true, false) => Next::Close(Outcome::Stuck),
                })
            }
            Frame::Compared(range, told) => {
                self.comparison.told(range, &told);
                Ok(Next::Listen)
            }
            Frame::Hello(_) | Frame::Compare(_) | Frame::Wanted(_) | Frame::Found(_) => {
                Err(Failed::damaged("a request for an answer"))
            }
        }
    }

    /// Makes sure that a carried answer begins with the request that it is of, and goes on with a welcome.
    fn in_order(&mut self, frame: &Frame) -> Result<(), Failed> {
        match (&mut self.answered, frame) {
            _ if !self.carried => Ok(()),
            (None, Frame::Hello(_)) | (Some((_, true)), _) => Ok(()),
            (Some((_, welcomed)), Frame::Welcome(_)) => {
                *welcomed = true;
                Ok(())
            }
            (None, _) => Err(Failed::damaged("an answer without its request")),
            (Some(_), _) => Err(Failed::damaged("a request for an answer")),
        }
    }

    /// A carried answer begins: it is of this request.
    fn answers(&mut self, hello: Hello) -> Result<Next, Failed> {
        if hello.node != self.number {
            return Err(Failed(format!(
                "It is for node {}; this is node {}.",
                hello.node, self.number
            )));
        }
        self.answered = Some((hello, false));
        Ok(Next::Listen)
    }

    /// Whether a segment that begins brings anything. A carried one may be older than what the line has brought since: a lane
    /// that has come as far has all of it, as it was then or as it became.
    fn is_new(&self, what: What) -> Result<bool, Failed> {
        self.follows_on()?;
        let has = |lane: u8, upto: Place| self.lanes.get(usize::from(lane)).is_some_and(|place| *place >= upto);
        Ok(match what {
            What::States { lane, upto, .. } if self.carried => !has(lane, upto),
            _ => true,
        })
    }

    /// Makes sure that the answer begins at or before what the node has, as it always does on a line.
    fn follows_on(&self) -> Result<(), Failed> {
        let from = self.answered.as_ref().map_or(&self.lanes, |(hello, _)| &hello.lanes);
        match from.iter().zip(&self.lanes).all(|(from, has)| from <= has) {
            true => Ok(()),
            false => Err(Failed(
                "It goes on from records that this node does not have: it is of the time before an older copy of the data was put \
                back here."
                    .to_owned(),
            )),
        }
    }

    fn welcomed(&mut self, welcome: Welcome, log: &mut dyn NodeLog) -> Result<Next, Failed> {
        if matches!(welcome.standing, Standing::Busy(_)) {
            // The centre has looked at nothing: all is as before the request.
            return Ok(Next::Close(Outcome::Refused(welcome.standing)));
        }
        self.agreed = welcome.dictionary.min(self.dictionary);
        self.there = Some(welcome.held);
        self.clock = welcome.clock;
        match welcome.standing {
            Standing::Good => self.acknowledged(welcome.acked, welcome.seal, log),
            Standing::Restored { number, seals } => self.recalled(number, &seals, log),
            refused => Ok(Next::Close(Outcome::Refused(refused))),
        }
    }

    /// The centre has the node's versions up to one: if it is not the node's own, the node's database is an older copy.
    fn acknowledged(&mut self, acked: u64, seal: Seal, log: &dyn NodeLog) -> Result<Next, Failed> {
        if self.carried && acked < self.acked {
            // The line has told more since.
            return Ok(Next::Listen);
        }
        if acked > log.last() || log.seal(acked)? != seal {
            self.restored = true;
            return Ok(Next::Ask);
        }
        self.moved |= acked != self.acked;
        self.acked = acked;
        Ok(Next::Listen)
    }

    /// The node's database is an older copy: what it wrote since is named anew, so that no name means two versions.
    fn recalled(&mut self, number: u32, seals: &[Seal], log: &mut dyn NodeLog) -> Result<Next, Failed> {
        if self
            .answered
            .as_ref()
            .is_some_and(|(hello, _)| hello.acked != self.acked)
        {
            return Err(Failed(
                "It is older than what the line has told this node of its own data since.".to_owned(),
            ));
        }
        let mut common = 0;
        for seal in seals {
            let next = self.acked + 1;
            if next > log.last() || log.seal(next)? != *seal {
                break;
            }
            self.acked = next;
            common += 1;
        }
        if common == SEALS_MAX {
            self.restored = true;
            return Ok(Next::Ask);
        }
        log.renumber(self.acked, number)?;
        self.number = number;
        self.acked = 0;
        // What states know of the node is said in its counts under the old number.
        self.holding = None;
        self.restored = false;
        // What an old copy has is better looked at.
        self.comparison = Comparison::Due(0);
        Ok(Next::Ask)
    }

    fn arrived(&mut self, piece: &[u8], log: &mut dyn NodeLog) -> Result<Next, Failed> {
        let Some(holding) = &mut self.holding else {
            return Ok(Next::Listen);
        };
        let whole = match holding.append(piece) {
            Ok(whole) => whole,
            Err(failed) => {
                self.holding = None;
                return Err(failed);
            }
        };
        if let Some(Holding { offer, bytes }) = self.holding.take_if(|_| whole) {
            let (lane, upto) = match offer.what {
                What::States { lane, upto, .. } => (lane, upto),
                What::Repair { .. } => return log.take(offer.what, &bytes, &self.lanes).map(|()| Next::Listen),
                What::Changes { .. } | What::Again => return Err(Failed::damaged("a node's changes for records")),
            };
            let mut lanes = self.lanes;
            *lanes
                .get_mut(usize::from(lane))
                .ok_or_else(|| Failed::damaged("a lane that is none"))? = upto;
            log.take(offer.what, &bytes, &lanes)?;
            self.lanes = lanes;
            self.moved = true;
        }
        Ok(Next::Listen)
    }
}
