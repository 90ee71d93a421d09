//! What the two sides say to each other when they compare what they have, and the bytes of it; the machine is in `compare`.

use crate::digest::{DIGITS, Digest, Item, Range};
use crate::digits::{Damaged, pull, push};
use crate::frame::taken;

/// Ranges asked about in one request at most.
pub const QUESTIONS_MAX: usize = 16;
/// Records of a range that are told one by one at most.
pub const RECORDS_MAX: usize = 64;
/// Records wanted, and records given, again in one request at most.
pub const WANTED_MAX: usize = 512;

/// What the node asks of a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Question {
    /// The range.
    pub range: Range,
    /// What the node has of it; `None` where it is known to differ.
    pub digest: Option<Digest>,
}

/// What the centre has of a range of a node's horizon.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Told {
    /// The same as the node.
    Alike,
    /// The digests of the narrower ranges, in their order.
    Narrower(Vec<Digest>),
    /// The records, at most [`RECORDS_MAX`].
    Records(Vec<Item>),
}

/// What a comparison found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Found {
    /// How many records the node has of its horizon.
    pub records: u64,
    /// How many records were missing at the node or were others than at the centre, and came again.
    pub lacked: u64,
    /// How many records of the node's the centre did not name, and the node sent again: the centre passes over those that
    /// are only beyond the node's horizon.
    pub given: u64,
}

fn write_digest(digest: &Digest, out: &mut Vec<u8>) {
    push(out, digest.count);
    if digest.count > 0 {
        out.extend_from_slice(&digest.sum.to_le_bytes());
    }
}

fn read_digest(rest: &mut &[u8]) -> Result<Digest, Damaged> {
    let count = pull(rest)?;
    let sum = if count > 0 { u64::from_le_bytes(taken(rest)?) } else { 0 };
    Ok(Digest { count, sum })
}

/// How many digits the range's keys share, and these digits, two in a byte.
fn write_range(range: Range, out: &mut Vec<u8>) {
    out.push(range.digits);
    let bytes = usize::from(range.digits).div_ceil(2);
    out.extend_from_slice(&range.first.to_be_bytes()[..bytes]);
}

pub(crate) fn read_range(rest: &mut &[u8]) -> Result<Range, Damaged> {
    let [digits] = taken(rest)?;
    let mut first = [0; 8];
    let bytes = usize::from(digits).div_ceil(2);
    let (given, after) = rest.split_at_checked(bytes).ok_or(Damaged)?;
    first.get_mut(..bytes).ok_or(Damaged)?.copy_from_slice(given);
    *rest = after;
    let first = u64::from_be_bytes(first);
    let range = Range { first, digits };
    let whole = digits == DIGITS || first << (4 * digits) == 0;
    whole.then_some(range).ok_or(Damaged)
}

pub(crate) fn write_questions(questions: &[Question], out: &mut Vec<u8>) {
    push(out, questions.len() as u64);
    for question in questions {
        write_range(question.range, out);
        push(out, u64::from(question.digest.is_some()));
        if let Some(digest) = &question.digest {
            write_digest(digest, out);
        }
    }
}

pub(crate) fn read_questions(rest: &mut &[u8]) -> Result<Vec<Question>, Damaged> {
    let question = |rest: &mut &[u8]| {
        let range = read_range(rest)?;
        let digest = match pull(rest)? {
            0 => None,
            1 => Some(read_digest(rest)?),
            _ => return Err(Damaged),
        };
        Ok(Question { range, digest })
    };
    several(rest, QUESTIONS_MAX, question)
}

pub(crate) fn write_told(range: Range, told: &Told, out: &mut Vec<u8>) {
    write_range(range, out);
    match told {
        Told::Alike => push(out, 0),
        Told::Narrower(digests) => {
            push(out, 1);
            push(out, digests.len() as u64);
            digests.iter().for_each(|digest| write_digest(digest, out));
        }
        Told::Records(items) => {
            push(out, 2);
            push(out, items.len() as u64);
            for item in items {
                out.extend_from_slice(&item.key.to_be_bytes());
                out.extend_from_slice(&item.seal);
            }
        }
    }
}

pub(crate) fn read_told(rest: &mut &[u8]) -> Result<Told, Damaged> {
    let item = |rest: &mut &[u8]| {
        let key = u64::from_be_bytes(taken(rest)?);
        let seal = taken(rest)?;
        Ok(Item { key, seal })
    };
    match pull(rest)? {
        0 => Ok(Told::Alike),
        1 => several(rest, 16, read_digest).map(Told::Narrower),
        2 => several(rest, RECORDS_MAX, item).map(Told::Records),
        _ => Err(Damaged),
    }
}

pub(crate) fn write_keys(keys: &[u64], out: &mut Vec<u8>) {
    push(out, keys.len() as u64);
    keys.iter().for_each(|key| out.extend_from_slice(&key.to_be_bytes()));
}

pub(crate) fn read_keys(rest: &mut &[u8]) -> Result<Vec<u64>, Damaged> {
    several(rest, WANTED_MAX, |rest| taken(rest).map(u64::from_be_bytes))
}

/// As many as are said, up to a number.
fn several<T>(
    rest: &mut &[u8],
    most: usize,
    one: impl Fn(&mut &[u8]) -> Result<T, Damaged>,
) -> Result<Vec<T>, Damaged> {
    let count = usize::try_from(pull(rest)?).ok().filter(|count| *count <= most);
    (0..count.ok_or(Damaged)?).map(|_| one(rest)).collect()
}
