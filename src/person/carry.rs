//! How a roster is carried to a clinic: as files from one moment of the centre's log to a later one, piece by piece.
//!
//! ```text
//! asked     1 the format's number, 1
//!           moment that the clinic has; zeros for none
//!           link that is arriving there, and how many bytes of it there are; zeros for none
//!           bytes that it takes now
//! answered  1 what: 0 it has all, 1 nobody is carried, 2 ask again, 3 a piece
//!           0, 2: seconds until it is worth asking again
//!           3: link, its length, where the piece begins; the piece
//! ```
//! Numbers have seven bits a byte, the lowest first. A moment is a place in the log and the microseconds since 1970 at
//! which it was that; a link is the moments before and after. Which bytes a link has is settled when it is made, so a
//! clinic goes on with it at any time, and the roster's own sum tells in the end whether it came whole.

use crate::pack::{Reader, put};

const FORMAT: u64 = 1;

/// A moment of the centre's log. The clock tells two centres apart that were at one place, as before and after an old
/// backup was put back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Moment {
    /// The place in the log.
    pub place: u64,
    /// When it was that, in microseconds since 1970.
    pub when: i64,
}

/// What one file tells: of everybody, where it begins at [`Moment::default`], or of what changed between two moments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Link {
    /// The moment before.
    pub from: Moment,
    /// The moment after.
    pub to: Moment,
}

impl Link {
    /// Whether it tells of everybody.
    pub fn is_whole(&self) -> bool {
        self.from == Moment::default()
    }

    /// The name of its file.
    pub fn name(&self) -> String {
        let Link { from, to } = self;
        format!("{}-{}-{}-{}.persons", from.place, from.when, to.place, to.when)
    }

    /// The link whose file has a name; `None` where that is no name of one.
    pub fn of_name(name: &str) -> Option<Link> {
        let numbers: Option<Vec<u64>> = name
            .strip_suffix(".persons")?
            .split('-')
            .map(|n| n.parse().ok())
            .collect();
        let [from, from_when, to, to_when] = numbers?[..] else {
            return None;
        };
        let moment = |place: u64, when: u64| {
            let when = i64::try_from(when).ok()?;
            Some(Moment { place, when })
        };
        let link = Link {
            from: moment(from, from_when)?,
            to: moment(to, to_when)?,
        };
        Some(link).filter(|link| link.name() == name)
    }

    fn put(&self, out: &mut Vec<u8>) {
        for moment in [self.from, self.to] {
            put(out, moment.place);
            put(out, moment.when.max(0) as u64);
        }
    }

    fn read(reader: &mut Reader<'_>) -> Option<Link> {
        let from = read_moment(reader)?;
        let to = read_moment(reader)?;
        Some(Link { from, to })
    }
}

fn read_moment(reader: &mut Reader<'_>) -> Option<Moment> {
    let place = reader.number()?;
    let when = i64::try_from(reader.number()?).ok()?;
    Some(Moment { place, when })
}

/// The links that lead from a moment on to as late as they go, in their order.
pub fn chain(links: &[Link], from: Moment) -> Vec<Link> {
    let (mut chain, mut at) = (Vec::new(), from);
    while let Some(next) = links.iter().find(|link| link.from == at && link.to > at) {
        chain.push(*next);
        at = next.to;
    }
    chain
}

/// The links that tell the most recent there is, the one of everybody first: of several such, the latest.
pub fn latest(links: &[Link]) -> Vec<Link> {
    let wholes = links.iter().filter(|link| link.is_whole());
    let chains = wholes.map(|whole| [vec![*whole], chain(links, whole.to)].concat());
    chains
        .max_by_key(|chain| {
            let (first, last) = (chain.first().map(|link| link.to), chain.last().map(|link| link.to));
            (last, first)
        })
        .unwrap_or_default()
}

/// What a clinic asks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// The moment that it has.
    pub has: Moment,
    /// What is arriving, and how many bytes of it there are.
    pub arriving: Option<(Link, u64)>,
    /// Bytes that it takes now.
    pub room: u64,
}

impl Asked {
    /// As bytes.
    pub fn write(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put(&mut out, FORMAT);
        put(&mut out, self.has.place);
        put(&mut out, self.has.when.max(0) as u64);
        let (link, bytes) = self.arriving.unwrap_or_default();
        link.put(&mut out);
        put(&mut out, bytes);
        put(&mut out, self.room);
        out
    }

    /// From bytes; `None` where it is no question, or one of a later format.
    pub fn read(bytes: &[u8]) -> Option<Asked> {
        let mut reader = Reader(bytes);
        if reader.number()? != FORMAT {
            return None;
        }
        let has = read_moment(&mut reader)?;
        let link = Link::read(&mut reader)?;
        let bytes = reader.number()?;
        let arriving = (link != Link::default()).then_some((link, bytes));
        let room = reader.number()?;
        reader.0.is_empty().then_some(Asked { has, arriving, room })
    }
}

/// What the centre answers; the bytes of a piece follow it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answered {
    /// The clinic has all; it is worth asking again after so many seconds.
    All(u64),
    /// Nobody is carried to clinics, by the centre's policy: what was is to be given up.
    Nobody,
    /// Nothing can be sent yet; it is worth asking again after so many seconds.
    Later(u64),
    /// A piece follows.
    Piece {
        /// Of which link.
        link: Link,
        /// How many bytes that has.
        length: u64,
        /// Where the piece begins.
        offset: u64,
    },
}

impl Answered {
    /// As bytes.
    pub fn write(&self) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            Answered::All(seconds) => {
                put(&mut out, 0);
                put(&mut out, *seconds);
            }
            Answered::Nobody => put(&mut out, 1),
            Answered::Later(seconds) => {
                put(&mut out, 2);
                put(&mut out, *seconds);
            }
            Answered::Piece { link, length, offset } => {
                put(&mut out, 3);
                link.put(&mut out);
                put(&mut out, *length);
                put(&mut out, *offset);
            }
        }
        out
    }

    /// From the beginning of bytes, and how many it took; `None` where there are too few yet, or it is none.
    pub fn read(bytes: &[u8]) -> Option<(Answered, usize)> {
        let mut reader = Reader(bytes);
        let answered = match reader.number()? {
            0 => Answered::All(reader.number()?),
            1 => Answered::Nobody,
            2 => Answered::Later(reader.number()?),
            3 => Answered::Piece {
                link: Link::read(&mut reader)?,
                length: reader.number()?,
                offset: reader.number()?,
            },
            _ => return None,
        };
        Some((answered, bytes.len() - reader.0.len()))
    }
}

/// Bytes of an answer before its piece, at most.
pub const ANSWERED_MAX: usize = 80;

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(place: u64) -> Moment {
        let when = place as i64 * 1_000;
        Moment { place, when }
    }

    fn link(from: u64, to: u64) -> Link {
        let (from, to) = (moment(from), moment(to));
        Link { from, to }
    }

    #[test]
    fn questions_and_answers_come_back_as_they_were() {
        let questions = [
            Asked::default(),
            Asked {
                has: moment(77),
                arriving: Some((link(77, 1 << 40), 12_345)),
                room: 65_536,
            },
        ];
        for asked in questions {
            let bytes = asked.write();
            assert_eq!(Asked::read(&bytes), Some(asked));
            (0..bytes.len()).for_each(|cut| assert_eq!(Asked::read(&bytes[..cut]), None));
        }
        let (longest, length, offset) = (link(u64::MAX >> 12, u64::MAX >> 11), u64::MAX, u64::MAX);
        let answers = [
            Answered::All(21_600),
            Answered::Nobody,
            Answered::Later(10),
            Answered::Piece {
                link: longest,
                length,
                offset,
            },
        ];
        for answered in answers {
            let bytes = answered.write();
            assert!(bytes.len() <= ANSWERED_MAX);
            let piece = [&bytes[..], b"piece"].concat();
            assert_eq!(Answered::read(&piece), Some((answered, bytes.len())));
            (0..bytes.len()).for_each(|cut| assert_eq!(Answered::read(&bytes[..cut]), None));
        }
    }

    #[test]
    fn a_files_name_says_what_it_tells() {
        let link = link(5, 9);
        assert_eq!(link.name(), "5-5000-9-9000.persons");
        assert_eq!(Link::of_name(&link.name()), Some(link));
        for other in [
            "",
            "5-5000-9-9000",
            "5-5000-9.persons",
            "05-5000-9-9000.persons",
            "a-b-c-d.persons",
        ] {
            assert_eq!(Link::of_name(other), None, "{other}");
        }
    }

    #[test]
    fn the_links_of_the_latest_moment_begin_with_everybody() {
        let old = link(0, 10);
        let table: &[(&[Link], &[Link])] = &[
            (&[], &[]),
            (&[link(3, 4)], &[]),
            (&[old], &[old]),
            (&[link(12, 14), old, link(10, 12)], &[old, link(10, 12), link(12, 14)]),
            // Of two ways to one moment the one with fewer links.
            (
                &[old, link(10, 12), link(0, 12), link(12, 13)],
                &[link(0, 12), link(12, 13)],
            ),
            // A gap is not passed over.
            (&[old, link(11, 12)], &[old]),
        ];
        for (links, expected) in table {
            assert_eq!(latest(links), *expected, "{links:?}");
        }
        assert_eq!(chain(&[old, link(10, 12)], moment(10)), [link(10, 12)]);
    }
}
