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

use std::sync::Arc;

use crate::compare::{self, Asked, Comparison};
use crate::digest::Table;
use crate::frame::{
    End, Frame, Held, Hello, LANES, Lanes, Offer, PIECE_MAX, Place, SEALS_MAX, Seal, Standing, Welcome, What,
};
use crate::question::{Found, RECORDS_MAX};
use crate::segment::{self, DICTIONARY, Hash};

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
    fn damaged(what: &str) -> Failed {
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
    fn held(&self) -> Held {
        Held {
            hash: self.offer.hash,
            bytes: self.bytes.len() as u64,
        }
    }

    /// What is held after an offer: the same segment goes on where it was cut, another begins.
    fn offered(before: Option<Holding>, offer: Offer) -> Result<Option<Holding>, Failed> {
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
    fn append(&mut self, piece: &[u8]) -> Result<bool, Failed> {
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
            agreed: DICTIONARY,
            there: Some(None),
            restored: false,
            sent: false,
            moved: false,
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
        if let Some(there) = self.there.filter(|_| !self.restored)
            && let Some(packed) = log.pack(self.acked, self.agreed)?
        {
            frames.extend(packed.frames(there, self.piece));
            self.there = None;
            self.sent = true;
            // The centre may have lost what it held: then the next request begins anew.
            self.moved = there.is_some();
        }
        frames.extend(self.comparison.frames(log, (self.agreed, self.piece))?);
        frames.push(Frame::End(End::default()));
        Ok(frames)
    }

    /// Takes one frame of the answer.
    ///
    /// # Errors
    /// [`Failed`] where the log fails or the centre does not keep to the protocol; the contact is over then.
    pub fn hear(&mut self, frame: Frame, log: &mut dyn NodeLog) -> Result<Next, Failed> {
        match frame {
            Frame::Welcome(welcome) => self.welcomed(welcome, log),
            Frame::Offer(offer) => {
                self.holding = Holding::offered(self.holding.take(), offer)?;
                Ok(Next::Listen)
            }
            Frame::Piece(piece) => self.arrived(&piece, log),
            Frame::End(end) => {
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

    fn welcomed(&mut self, welcome: Welcome, log: &mut dyn NodeLog) -> Result<Next, Failed> {
        if matches!(welcome.standing, Standing::Busy(_)) {
            // The centre has looked at nothing: all is as before the request.
            return Ok(Next::Close(Outcome::Refused(welcome.standing)));
        }
        self.agreed = welcome.dictionary.min(self.dictionary);
        self.there = Some(welcome.held);
        match welcome.standing {
            Standing::Good => self.acknowledged(welcome.acked, welcome.seal, log),
            Standing::Restored { number, seals } => self.recalled(number, &seals, log),
            refused => Ok(Next::Close(Outcome::Refused(refused))),
        }
    }

    /// The centre has the node's versions up to one: if it is not the node's own, the node's database is an older copy.
    fn acknowledged(&mut self, acked: u64, seal: Seal, log: &dyn NodeLog) -> Result<Next, Failed> {
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

/// What the centre knows of a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Peer {
    /// Up to which of the node's versions the centre has them.
    pub acked: u64,
    /// The seal of that one; zeros where it is none.
    pub seal: Seal,
    /// Whether the node may write no more.
    pub retired: bool,
}

/// What the centre's side needs of its log. What is written is durable when the call returns.
pub trait CentreLog {
    /// What is known of a node; `None` where it was never enrolled.
    fn peer(&self, node: u32) -> Result<Option<Peer>, Failed>;
    /// The end of the log.
    fn head(&self) -> u64;
    /// The segment that is arriving from a node.
    fn holding(&mut self, node: u32) -> &mut Option<Holding>;
    /// Takes a node's own versions after one up to another, passes over those it has, and notes how far it has them now.
    /// Takes nothing where there would be a gap, or where the version that it has last is another than the segment's.
    fn take(&mut self, node: u32, what: What, bytes: &[u8]) -> Result<(), Failed>;
    /// The segment that was sent to a node last: a cut line goes on with it, though records have changed meanwhile.
    fn outgoing(&mut self, node: u32) -> &mut Option<Packed>;
    /// The next segment for a node that stands so in each lane, of the first lane that has any; `None` where it has
    /// everything.
    fn pack(&mut self, hello: &Hello, lanes: &Lanes, dictionary: u8) -> Result<Option<Packed>, Failed>;
    /// The seals of a node's versions after one, in order, at most [`SEALS_MAX`].
    fn seals(&self, node: u32, after: u64) -> Result<Vec<Seal>, Failed>;
    /// The number under which a node whose database is an older copy writes on: the same until it has been heard of.
    fn successor(&mut self, node: u32) -> Result<u32, Failed>;
    /// What a node should have of its horizon. It may be as it was when the node was last sent everything, in this contact.
    fn table(&mut self, hello: &Hello) -> Result<Arc<Table>, Failed>;
    /// The current versions of records of a node's horizon, by their keys, as many as one segment holds
    /// ([`What::Repair`]); `None` where there are none.
    fn pack_records(&mut self, hello: &Hello, keys: &[u64], dictionary: u8) -> Result<Option<Packed>, Failed>;
    /// Notes that a node and the centre have compared what they have, and what that found.
    fn compared(&mut self, node: u32, found: Found) -> Result<(), Failed>;
    /// How many records of a range are told one by one, at most [`RECORDS_MAX`].
    fn records_max(&self) -> usize {
        RECORDS_MAX
    }
}

/// The centre's side of one request.
#[derive(Clone, Debug)]
pub struct CentreSession {
    hello: Option<Hello>,
    asked: Asked,
    piece: usize,
}

impl CentreSession {
    /// A request is about to come; segments are sent so many bytes in one frame, at most [`PIECE_MAX`].
    pub fn new(piece: usize) -> CentreSession {
        CentreSession {
            hello: None,
            asked: Asked::default(),
            piece,
        }
    }

    /// Takes one frame of the request; returns the answer when the request has ended.
    ///
    /// # Errors
    /// [`Failed`] where the log fails or the node does not keep to the protocol; the request is over then.
    pub fn hear(&mut self, frame: Frame, log: &mut dyn CentreLog, clock: i64) -> Result<Option<Vec<Frame>>, Failed> {
        match (frame, &self.hello) {
            (Frame::Hello(hello), None) => self.hello = Some(hello),
            (Frame::Offer(offer), Some(hello)) => {
                let node = hello.node;
                if log.peer(node)?.is_some_and(|peer| !peer.retired) && !hello.restored {
                    let before = log.holding(node).take();
                    *log.holding(node) = Holding::offered(before, offer)?;
                }
            }
            (Frame::Piece(piece), Some(hello)) => arrived(hello.node, &piece, log)?,
            (Frame::Compare(questions), Some(_)) => self.asked.questions = questions,
            (Frame::Wanted(wanted), Some(_)) => self.asked.wanted = wanted,
            (Frame::Found(found), Some(_)) => self.asked.found = Some(found),
            (Frame::End(_), Some(hello)) => return answer((hello, &self.asked), log, clock, self.piece).map(Some),
            _ => return Err(Failed::damaged("an answer for a request")),
        }
        Ok(None)
    }

    /// Who asks, once she has said so.
    pub fn hello(&self) -> Option<&Hello> {
        self.hello.as_ref()
    }
}

/// The answer to a node that has to come again later, whatever it asks.
pub fn busy(clock: i64) -> [Frame; 2] {
    let welcome = Welcome {
        protocol: PROTOCOL,
        dictionary: 0,
        acked: 0,
        seal: Seal::default(),
        held: None,
        clock,
        standing: Standing::Busy(BUSY_SECONDS),
    };
    [Frame::Welcome(welcome), Frame::End(End::default())]
}

fn arrived(node: u32, piece: &[u8], log: &mut dyn CentreLog) -> Result<(), Failed> {
    let Some(holding) = log.holding(node) else {
        return Ok(());
    };
    let whole = match holding.append(piece) {
        Ok(whole) => whole,
        Err(failed) => {
            *log.holding(node) = None;
            return Err(failed);
        }
    };
    if let Some(Holding { offer, bytes }) = log.holding(node).take_if(|_| whole) {
        log.take(node, offer.what, &bytes)?;
    }
    Ok(())
}

fn answer(
    (hello, asked): (&Hello, &Asked),
    log: &mut dyn CentreLog,
    clock: i64,
    piece: usize,
) -> Result<Vec<Frame>, Failed> {
    let peer = log.peer(hello.node)?.unwrap_or_default();
    let standing = standing(hello, log)?;
    let dictionary = hello.dictionary.min(DICTIONARY);
    let (good, head) = (standing == Standing::Good, log.head());
    let mut frames = vec![Frame::Welcome(Welcome {
        protocol: hello.protocol.min(PROTOCOL),
        dictionary,
        acked: peer.acked,
        seal: peer.seal,
        held: log.holding(hello.node).as_ref().map(Holding::held),
        clock,
        standing,
    })];
    let more = match good {
        true => send(hello, (dictionary, piece), log, &mut frames)?,
        false => 0,
    };
    if good && more == 0 && frames.len() == 1 {
        // Whoever was just sent anything is not ready to be compared with.
        compare::answer(asked, hello, log, (dictionary, piece), &mut frames)?;
    }
    // Only a good standing speaks of lanes.
    let head = if good { head } else { 0 };
    frames.push(Frame::End(End { more, head }));
    Ok(frames)
}

/// Appends segments as far as the node has room; returns the lanes that have more.
fn send(
    hello: &Hello,
    (dictionary, piece): (u8, usize),
    log: &mut dyn CentreLog,
    frames: &mut Vec<Frame>,
) -> Result<u64, Failed> {
    let (mut lanes, mut held, mut room) = (hello.lanes, hello.held, hello.room);
    loop {
        let kept = log.outgoing(hello.node).as_ref();
        let kept = kept.filter(|kept| held.is_some_and(|held| held.hash == kept.hash));
        let packed = match kept.cloned() {
            Some(kept) => kept,
            None => match log.pack(hello, &lanes, dictionary)? {
                Some(packed) => log.outgoing(hello.node).insert(packed).clone(),
                None => return Ok(0),
            },
        };
        let What::States { lane, upto, .. } = packed.what else {
            return Ok(0);
        };
        if room == 0 {
            return Ok(1 << lane);
        }
        room = room.saturating_sub(packed.bytes.len() as u64);
        frames.extend(packed.frames(held.take(), piece));
        if let Some(place) = lanes.get_mut(usize::from(lane)) {
            *place = upto;
        }
    }
}

fn standing(hello: &Hello, log: &mut dyn CentreLog) -> Result<Standing, Failed> {
    let Some(peer) = log.peer(hello.node)?.filter(|peer| !peer.retired) else {
        return Ok(Standing::Retired);
    };
    let head = log.head();
    if hello.acked > peer.acked || hello.lanes.iter().any(|place| place.at > head) {
        return Ok(Standing::Behind);
    }
    let other = hello.acked == peer.acked && hello.seal != peer.seal;
    if hello.last < peer.acked || other || hello.restored {
        return Ok(Standing::Restored {
            number: log.successor(hello.node)?,
            seals: log.seals(hello.node, hello.acked)?,
        });
    }
    Ok(Standing::Good)
}
