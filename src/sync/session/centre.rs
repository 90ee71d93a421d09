//! The centre's side of a session: what it needs of its log, and what it answers to one request.

use std::sync::Arc;

use crate::compare::{self, Asked};
use crate::digest::Table;
use crate::frame::{End, Frame, Hello, Lanes, PIECE_MAX, Seal, Standing, Welcome, What};
use crate::question::{Found, RECORDS_MAX};
use crate::segment::DICTIONARY;
use crate::session::{BUSY_SECONDS, Failed, Holding, PROTOCOL, Packed};

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

/// What became of a segment that arrived from a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placed {
    /// It follows on what is there, and is there now.
    InPlace,
    /// There is a gap before it, or what is there is other than it says: none of it was taken, and nothing that follows on it
    /// may be.
    OutOfPlace,
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
    fn take(&mut self, node: u32, what: What, bytes: &[u8]) -> Result<Placed, Failed>;
    /// The segment that was sent to a node last: a cut line goes on with it, though records have changed meanwhile.
    fn outgoing(&mut self, node: u32) -> &mut Option<Packed>;
    /// The next segment for a node that stands so in each lane, of the first lane that has any; `None` where it has
    /// everything.
    fn pack(&mut self, hello: &Hello, lanes: &Lanes, dictionary: u8) -> Result<Option<Packed>, Failed>;
    /// The seals of a node's versions after one, in order, at most [`SEALS_MAX`](crate::frame::SEALS_MAX).
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
    /// Bytes of segments in the answer to a carried request; `None` on a line.
    carried: Option<u64>,
    /// A segment of this request was out of place: so are those behind it, whatever they follow on by their counts.
    out_of_place: bool,
}

impl CentreSession {
    /// A request is about to come; segments are sent so many bytes in one frame, at most [`PIECE_MAX`].
    pub fn new(piece: usize) -> CentreSession {
        CentreSession {
            hello: None,
            asked: Asked::default(),
            piece,
            carried: None,
            out_of_place: false,
        }
    }

    /// A request is about to come on a stick; its answer brings this many bytes of segments, and one segment more at most.
    pub fn by_stick(room: u64) -> CentreSession {
        CentreSession {
            carried: Some(room),
            ..CentreSession::new(PIECE_MAX)
        }
    }

    /// Takes one frame of the request; returns the answer when the request has ended.
    ///
    /// # Errors
    /// [`Failed`] where the log fails or the node does not keep to the protocol; the request is over then.
    pub fn hear(&mut self, frame: Frame, log: &mut dyn CentreLog, clock: i64) -> Result<Option<Vec<Frame>>, Failed> {
        match (frame, &self.hello) {
            (Frame::Hello(hello), None) => self.hello = Some(self.bounded(hello)),
            (Frame::Offer(offer), Some(hello)) => {
                let node = hello.node;
                let may_send = log.peer(node)?.is_some_and(|peer| !peer.retired) && !hello.restored;
                if may_send && !self.out_of_place {
                    let before = log.holding(node).take();
                    *log.holding(node) = Holding::offered(before, offer)?;
                }
            }
            (Frame::Piece(piece), Some(hello)) => {
                self.out_of_place |= arrived(hello.node, &piece, log)? == Some(Placed::OutOfPlace);
            }
            (Frame::Compare(questions), Some(_)) => self.asked.questions = questions,
            (Frame::Wanted(wanted), Some(_)) => self.asked.wanted = wanted,
            (Frame::Found(found), Some(_)) => self.asked.found = Some(found),
            (Frame::End(_), Some(hello)) => return self.answer(hello, log, clock).map(Some),
            _ => return Err(Failed::damaged("an answer for a request")),
        }
        Ok(None)
    }

    /// What is asked. On a stick nothing goes on in the middle of a segment.
    fn bounded(&self, hello: Hello) -> Hello {
        match self.carried {
            None => hello,
            Some(room) => Hello {
                held: None,
                room,
                ..hello
            },
        }
    }

    fn answer(&self, hello: &Hello, log: &mut dyn CentreLog, clock: i64) -> Result<Vec<Frame>, Failed> {
        let peer = log.peer(hello.node)?.unwrap_or_default();
        let standing = standing(hello, self.carried.is_some(), log)?;
        let dictionary = hello.dictionary.min(DICTIONARY);
        let (good, head) = (standing == Standing::Good, log.head());
        let mut frames = Vec::new();
        if self.carried.is_some() {
            frames.push(Frame::Hello(hello.clone()));
        }
        frames.push(Frame::Welcome(Welcome {
            protocol: hello.protocol.min(PROTOCOL),
            dictionary,
            acked: peer.acked,
            seal: peer.seal,
            held: log.holding(hello.node).as_ref().map(Holding::held),
            clock,
            standing,
        }));
        let more = match good {
            true => send(hello, (dictionary, self.piece), log, &mut frames)?,
            false => 0,
        };
        if good && more == 0 && frames.len() == 1 {
            // Whoever was just sent anything is not ready to be compared with, and a stick compares nothing.
            compare::answer(&self.asked, hello, log, (dictionary, self.piece), &mut frames)?;
        }
        // Only a good standing speaks of lanes.
        let head = if good { head } else { 0 };
        frames.push(Frame::End(End { more, head }));
        Ok(frames)
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

/// Takes the next bytes of a segment; what became of it where it is whole.
fn arrived(node: u32, piece: &[u8], log: &mut dyn CentreLog) -> Result<Option<Placed>, Failed> {
    let Some(holding) = log.holding(node) else {
        return Ok(None);
    };
    let whole = match holding.append(piece) {
        Ok(whole) => whole,
        Err(failed) => {
            *log.holding(node) = None;
            return Err(failed);
        }
    };
    match log.holding(node).take_if(|_| whole) {
        Some(Holding { offer, bytes }) => log.take(node, offer.what, &bytes).map(Some),
        None => Ok(None),
    }
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

fn standing(hello: &Hello, carried: bool, log: &mut dyn CentreLog) -> Result<Standing, Failed> {
    let Some(peer) = log.peer(hello.node)?.filter(|peer| !peer.retired) else {
        return Ok(Standing::Retired);
    };
    let head = log.head();
    if hello.acked > peer.acked || hello.lanes.iter().any(|place| place.at > head) {
        return Ok(Standing::Behind);
    }
    let other = hello.acked == peer.acked && hello.seal != peer.seal;
    // A carried request may only be old. The node finds out by the answer whether its data is, and then says so.
    let older = !carried && (hello.last < peer.acked || other);
    if older || hello.restored {
        return Ok(Standing::Restored {
            number: log.successor(hello.node)?,
            seals: log.seals(hello.node, hello.acked)?,
        });
    }
    Ok(Standing::Good)
}
