//! What the two sides of a session say to each other, and the bytes of it.
//!
//! ```text
//! frame     tag u8, length varint, that many bytes of fields
//! field     numbers are varints (signed ones zigzag), hashes and seals their bytes; what may be absent has a 1 or 0 in front
//! ```
//!
//! A frame of an unknown tag is passed over, and so is what stands behind the fields that are known: a newer program may
//! say more than an older one understands. What is said when is told in `session`.

use crate::digest::Range;
use crate::digits::{Damaged, pull, push, unzigzag, zigzag};
use crate::question::{self, Found, Question, Told};
use crate::segment::Hash;

/// Of how many urgencies what the centre sends is: each goes before the next (`schema/sync/lanes.tsv`).
pub const LANES: usize = 4;
/// Bytes of a segment in one frame at most: what a cut line loses of it.
pub const PIECE_MAX: usize = 1_024;
/// Bytes of one frame at most.
const FRAME_MAX: u64 = 64 << 10;
/// Seals in one frame at most.
pub const SEALS_MAX: usize = 4_096;

/// The first 8 bytes of a version's seal: whether two versions of one name are the same.
pub type Seal = [u8; 8];

/// A place in a lane of the centre's log. What the centre sends is in the order of places: first where a record came into
/// the node's horizon or changed, whichever was later, then where it changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// A place in the log.
    pub at: u64,
    /// Among the records that came into the horizon there: where each changed last.
    pub within: u64,
}

impl Place {
    /// Behind everything that had changed up to a place in the log.
    pub fn behind(at: u64) -> Place {
        Place { at, within: at }
    }

    /// Of a record that changed last at a place in the log and has been in the horizon since another. Every coming into a
    /// horizon is a version in the log, so no two are at one place.
    pub fn of(changed: u64, since: u64) -> Place {
        Place {
            at: changed.max(since),
            within: changed,
        }
    }
}

/// How far a node has each lane.
pub type Lanes = [Place; LANES];

/// One thing said.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Frame {
    /// The node begins a request.
    Hello(Hello),
    /// The centre begins its answer.
    Welcome(Welcome),
    /// Either side begins, or goes on with, a segment.
    Offer(Offer),
    /// The next bytes of the segment.
    Piece(Vec<u8>),
    /// The side has said everything.
    End(End),
    /// The node asks whether the centre has the same of some ranges of its horizon.
    Compare(Vec<Question>),
    /// The centre says what it has of one of the ranges.
    Compared(Range, Told),
    /// The node wants records again, by their keys.
    Wanted(Vec<u64>),
    /// The node says what a comparison found.
    Found(Found),
}

/// Who asks, and where she stands.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Hello {
    /// The highest protocol the node speaks; it understands all before it.
    pub protocol: u64,
    /// The highest dictionary it has.
    pub dictionary: u8,
    /// Its number.
    pub node: u32,
    /// How many versions it has written.
    pub last: u64,
    /// Up to which of them it knows the centre to have them.
    pub acked: u64,
    /// The seal of that one; zeros where it is none.
    pub seal: Seal,
    /// Up to which place of the centre's log it has each lane.
    pub lanes: Lanes,
    /// What it has of a segment that was cut off.
    pub held: Option<Held>,
    /// Its clock, microseconds since 1970.
    pub clock: i64,
    /// Bytes of segments that it takes in this answer.
    pub room: u64,
    /// Whether it has found that its database is an older copy.
    pub restored: bool,
}

/// The beginning of a segment that arrived before the line was cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Held {
    /// The hash of the whole.
    pub hash: Hash,
    /// How many bytes of it.
    pub bytes: u64,
}

/// What the centre thinks of the node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Welcome {
    /// The protocol both speak.
    pub protocol: u64,
    /// The dictionary both have.
    pub dictionary: u8,
    /// Up to which of the node's versions the centre has them, durably.
    pub acked: u64,
    /// The seal of that one.
    pub seal: Seal,
    /// What it has of a segment that was cut off.
    pub held: Option<Held>,
    /// Its clock, microseconds since 1970.
    pub clock: i64,
    /// Whether the node may go on.
    pub standing: Standing,
}

/// Whether a node may go on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Standing {
    /// Yes.
    Good,
    /// Its database is an older copy of one that has been here: the seals of the versions that the centre has of it after
    /// the acknowledged one, in order, and the number under which it writes on.
    Restored {
        /// The number.
        number: u32,
        /// At most [`SEALS_MAX`].
        seals: Vec<Seal>,
    },
    /// The centre's own database is an older copy: people have to look first.
    Behind,
    /// The node was retired, or never enrolled.
    Retired,
    /// The centre has too much to do: come again after so many seconds.
    Busy(u64),
}

/// What a segment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Offer {
    /// What it holds.
    pub what: What,
    /// The hash of its bytes.
    pub hash: Hash,
    /// How many bytes it has.
    pub length: u64,
    /// From which byte on it is sent now.
    pub offset: u64,
}

/// What a segment holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum What {
    /// A node's own versions after one, up to another, without a gap.
    Changes {
        /// After this one.
        after: u64,
        /// Up to this one.
        upto: u64,
    },
    /// Records of one lane as the centre has them at a place in its log.
    States {
        /// The lane.
        lane: u8,
        /// Where the node stands in the lane when it has taken them.
        upto: Place,
        /// Up to which of the node's versions the states know of.
        acked: u64,
    },
    /// Records as the centre has them, which the node wanted again.
    Repair {
        /// Up to which of the node's versions they know of.
        acked: u64,
    },
    /// Current versions that the node has and the centre did not name: it takes those that it lacks.
    Again,
}

/// The end of what a side says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct End {
    /// Whether the centre has more for the node, by lane: a bit for each.
    pub more: u64,
    /// The end of the centre's log when it began to answer: where it has no more, the node has each lane up to there.
    pub head: u64,
}

const HELLO: u8 = 1;
const WELCOME: u8 = 2;
const OFFER: u8 = 3;
const PIECE: u8 = 4;
const END: u8 = 5;
const COMPARE: u8 = 6;
const COMPARED: u8 = 7;
const WANTED: u8 = 8;
const FOUND: u8 = 9;

impl Frame {
    /// Appends the frame's bytes.
    pub fn write(&self, out: &mut Vec<u8>) {
        let mut fields = Vec::new();
        let tag = match self {
            Frame::Hello(hello) => hello.write(&mut fields),
            Frame::Welcome(welcome) => welcome.write(&mut fields),
            Frame::Offer(offer) => offer.write(&mut fields),
            Frame::Piece(bytes) => {
                fields.extend_from_slice(bytes);
                PIECE
            }
            Frame::End(end) => {
                push(&mut fields, end.more);
                push(&mut fields, end.head);
                END
            }
            Frame::Compare(questions) => {
                question::write_questions(questions, &mut fields);
                COMPARE
            }
            Frame::Compared(range, told) => {
                question::write_told(*range, told, &mut fields);
                COMPARED
            }
            Frame::Wanted(keys) => {
                question::write_keys(keys, &mut fields);
                WANTED
            }
            Frame::Found(found) => {
                let numbers = [found.records, found.lacked, found.given];
                numbers.iter().for_each(|number| push(&mut fields, *number));
                FOUND
            }
        };
        out.push(tag);
        push(out, fields.len() as u64);
        out.append(&mut fields);
    }
}

impl Hello {
    fn write(&self, out: &mut Vec<u8>) -> u8 {
        let numbers = [
            self.protocol,
            u64::from(self.dictionary),
            u64::from(self.node),
            self.last,
            self.acked,
        ];
        numbers.iter().for_each(|number| push(out, *number));
        out.extend_from_slice(&self.seal);
        for place in self.lanes {
            push(out, place.at);
            push(out, zigzag((place.at as i64).wrapping_sub(place.within as i64)));
        }
        write_held(&self.held, out);
        push(out, zigzag(self.clock));
        push(out, self.room);
        push(out, u64::from(self.restored));
        HELLO
    }

    fn read(rest: &mut &[u8]) -> Result<Hello, Damaged> {
        Ok(Hello {
            protocol: pull(rest)?,
            dictionary: small(rest)?,
            node: small(rest)?,
            last: pull(rest)?,
            acked: pull(rest)?,
            seal: taken(rest)?,
            lanes: [place(rest)?, place(rest)?, place(rest)?, place(rest)?],
            held: read_held(rest)?,
            clock: unzigzag(pull(rest)?),
            room: pull(rest)?,
            restored: pull(rest)? != 0,
        })
    }
}

impl Welcome {
    fn write(&self, out: &mut Vec<u8>) -> u8 {
        let numbers = [self.protocol, u64::from(self.dictionary), self.acked];
        numbers.iter().for_each(|number| push(out, *number));
        out.extend_from_slice(&self.seal);
        write_held(&self.held, out);
        push(out, zigzag(self.clock));
        match &self.standing {
            Standing::Good => push(out, 0),
            Standing::Restored { number, seals } => {
                push(out, 1);
                push(out, u64::from(*number));
                push(out, seals.len() as u64);
                seals.iter().for_each(|seal| out.extend_from_slice(seal));
            }
            Standing::Behind => push(out, 2),
            Standing::Retired => push(out, 3),
            Standing::Busy(seconds) => {
                push(out, 4);
                push(out, *seconds);
            }
        }
        WELCOME
    }

    fn read(rest: &mut &[u8]) -> Result<Welcome, Damaged> {
        Ok(Welcome {
            protocol: pull(rest)?,
            dictionary: small(rest)?,
            acked: pull(rest)?,
            seal: taken(rest)?,
            held: read_held(rest)?,
            clock: unzigzag(pull(rest)?),
            standing: read_standing(rest)?,
        })
    }
}

impl Offer {
    fn write(&self, out: &mut Vec<u8>) -> u8 {
        let numbers = match self.what {
            What::Changes { after, upto } => [0, after, upto, 0, 0],
            What::States { lane, upto, acked } => [1, u64::from(lane), acked, upto.at, upto.within],
            What::Repair { acked } => [2, 0, acked, 0, 0],
            What::Again => [3, 0, 0, 0, 0],
        };
        numbers.iter().for_each(|number| push(out, *number));
        out.extend_from_slice(&self.hash);
        push(out, self.length);
        push(out, self.offset);
        OFFER
    }

    fn read(rest: &mut &[u8]) -> Result<Offer, Damaged> {
        let numbers = [pull(rest)?, pull(rest)?, pull(rest)?, pull(rest)?, pull(rest)?];
        let what = match numbers {
            [0, after, upto, ..] => What::Changes { after, upto },
            [1, lane, acked, at, within] if lane < LANES as u64 => What::States {
                lane: lane as u8,
                upto: Place { at, within },
                acked,
            },
            [2, _, acked, ..] => What::Repair { acked },
            [3, ..] => What::Again,
            _ => return Err(Damaged),
        };
        Ok(Offer {
            what,
            hash: taken(rest)?,
            length: pull(rest)?,
            offset: pull(rest)?,
        })
    }
}

fn place(rest: &mut &[u8]) -> Result<Place, Damaged> {
    let at = pull(rest)?;
    let within = (at as i64).wrapping_sub(unzigzag(pull(rest)?)) as u64;
    Ok(Place { at, within })
}

fn write_held(held: &Option<Held>, out: &mut Vec<u8>) {
    push(out, u64::from(held.is_some()));
    if let Some(held) = held {
        out.extend_from_slice(&held.hash);
        push(out, held.bytes);
    }
}

fn read_held(rest: &mut &[u8]) -> Result<Option<Held>, Damaged> {
    match pull(rest)? {
        0 => Ok(None),
        1 => Ok(Some(Held {
            hash: taken(rest)?,
            bytes: pull(rest)?,
        })),
        _ => Err(Damaged),
    }
}

fn read_standing(rest: &mut &[u8]) -> Result<Standing, Damaged> {
    match pull(rest)? {
        0 => Ok(Standing::Good),
        1 => {
            let (number, count) = (small(rest)?, pull(rest)?);
            let count = usize::try_from(count).ok().filter(|count| *count <= SEALS_MAX);
            let seals = (0..count.ok_or(Damaged)?).map(|_| taken(rest));
            let seals = seals.collect::<Result<_, _>>()?;
            Ok(Standing::Restored { number, seals })
        }
        2 => Ok(Standing::Behind),
        3 => Ok(Standing::Retired),
        4 => Ok(Standing::Busy(pull(rest)?)),
        _ => Err(Damaged),
    }
}

fn small<T: TryFrom<u64>>(rest: &mut &[u8]) -> Result<T, Damaged> {
    T::try_from(pull(rest)?).map_err(|_| Damaged)
}

pub(crate) fn taken<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], Damaged> {
    let (bytes, after) = rest.split_first_chunk().ok_or(Damaged)?;
    *rest = after;
    Ok(*bytes)
}

/// Frames out of bytes as they come.
#[derive(Debug, Default)]
pub struct Frames {
    bytes: Vec<u8>,
    start: usize,
}

impl Frames {
    /// Takes the next bytes.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.start);
        self.start = 0;
        self.bytes.extend_from_slice(bytes);
    }

    /// The next whole frame of a known tag; `None` until more bytes come.
    ///
    /// # Errors
    /// [`Damaged`] where the bytes are no frames, or one is too long.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, Damaged> {
        loop {
            let rest = &self.bytes[self.start..];
            let Some((tag, mut after)) = rest.split_first() else {
                return Ok(None);
            };
            let length = match pull(&mut after) {
                Ok(length) if length <= FRAME_MAX => length as usize,
                Err(_) if after.is_empty() && rest.len() < 11 => return Ok(None),
                _ => return Err(Damaged),
            };
            let Some(fields) = after.get(..length) else {
                return Ok(None);
            };
            let frame = read(*tag, fields)?;
            self.start += rest.len() - after.len() + length;
            if frame.is_some() {
                return Ok(frame);
            }
        }
    }

    /// How many bytes wait for the rest of their frame.
    pub fn waiting(&self) -> usize {
        self.bytes.len() - self.start
    }
}

fn read(tag: u8, fields: &[u8]) -> Result<Option<Frame>, Damaged> {
    let mut rest = fields;
    Ok(Some(match tag {
        HELLO => Frame::Hello(Hello::read(&mut rest)?),
        WELCOME => Frame::Welcome(Welcome::read(&mut rest)?),
        OFFER => Frame::Offer(Offer::read(&mut rest)?),
        PIECE => Frame::Piece(fields.to_vec()),
        END => Frame::End(End {
            more: pull(&mut rest)?,
            head: pull(&mut rest)?,
        }),
        COMPARE => Frame::Compare(question::read_questions(&mut rest)?),
        COMPARED => Frame::Compared(question::read_range(&mut rest)?, question::read_told(&mut rest)?),
        WANTED => Frame::Wanted(question::read_keys(&mut rest)?),
        FOUND => Frame::Found(Found {
            records: pull(&mut rest)?,
            lacked: pull(&mut rest)?,
            given: pull(&mut rest)?,
        }),
        _ => return Ok(None),
    }))
}
