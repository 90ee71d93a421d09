//! A comparison: the node finds where what it has of its horizon is not what the centre has, and both sides mend it.
//!
//! It begins when both sides agree, with one digest; the centre answers where that differs with the digests of narrower
//! ranges, down to records. What the node lacks or has otherwise comes again; what it has and the centre does not name it
//! sends again. Whatever else moves meanwhile begins the comparison anew.

use std::sync::Arc;

use crate::digest::{Item, Range, Table};
use crate::frame::{Frame, Hello};
use crate::question::{Found, QUESTIONS_MAX, Question, RECORDS_MAX, Told, WANTED_MAX};
use crate::session::{CentreLog, Failed, NodeLog};

/// How often a comparison begins in one contact at most.
const TRIES: u8 = 4;

/// Where the node's comparison stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Comparison {
    /// None is wanted.
    #[default]
    Idle,
    /// One is wanted, which has begun so often already.
    Due(u8),
    /// One is under way.
    Going(Box<Going>),
    /// It came to its end.
    Done(Found),
    /// The centre is of an older program, which does not compare.
    Unanswered,
}

/// A comparison that is under way.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Going {
    /// What the node has; `None` before the first question.
    table: Option<Arc<Table>>,
    /// Ranges that differ and are not looked into yet.
    ahead: Vec<Question>,
    /// Records that the node lacks or has otherwise.
    wanted: Vec<u64>,
    /// Records that it has and the centre did not name so.
    spare: Vec<u64>,
    found: Found,
    /// Whether anything was lacking since it last began.
    lacked: bool,
    /// Whether the centre was told what was found.
    told: bool,
    /// Whether the next request goes on with it: nothing moved since the last.
    turn: bool,
    /// Whether the centre has answered what was asked.
    heard: bool,
    tries: u8,
}

impl Comparison {
    /// Whether one has come to its end, with or without an answer.
    pub fn is_over(&self) -> bool {
        matches!(self, Comparison::Done(_) | Comparison::Unanswered)
    }

    /// Both sides agree: whether the node asks on, to compare. `moved` where that brought anything.
    pub(crate) fn agreed(&mut self, moved: bool) -> bool {
        let begin = |tries: u8, found: Found, told: bool| {
            let turn = true;
            Comparison::Going(Box::new(Going {
                tries,
                found,
                told,
                turn,
                ..Going::default()
            }))
        };
        let (next, asks) = match self {
            Comparison::Due(tries) if *tries >= TRIES => (Comparison::Due(0), false),
            Comparison::Due(tries) => (begin(*tries + 1, Found::default(), false), true),
            Comparison::Going(going) if moved && going.tries >= TRIES => (Comparison::Due(0), false),
            Comparison::Going(going) if moved => (begin(going.tries + 1, going.found, false), true),
            Comparison::Going(going) if !going.heard => (Comparison::Unanswered, false),
            Comparison::Going(going) if !going.is_over() => {
                going.turn = true;
                return true;
            }
            // Whether all was mended is seen by comparing once more.
            Comparison::Going(going) if going.lacked && going.tries < TRIES => {
                (begin(going.tries + 1, going.found, true), true)
            }
            Comparison::Going(going) => (Comparison::Done(going.found), false),
            Comparison::Idle | Comparison::Done(_) | Comparison::Unanswered => return false,
        };
        *self = next;
        asks
    }

    /// What the next request says of it, and the bytes of pieces in it.
    pub(crate) fn frames(
        &mut self,
        log: &mut dyn NodeLog,
        (dictionary, piece): (u8, usize),
    ) -> Result<Vec<Frame>, Failed> {
        match self {
            Comparison::Going(going) if going.turn => going.frames(log, (dictionary, piece)),
            Comparison::Going(going) => {
                *self = Comparison::Due(going.tries);
                Ok(Vec::new())
            }
            _ => Ok(Vec::new()),
        }
    }

    /// The centre says what it has of a range.
    pub(crate) fn told(&mut self, range: Range, told: &Told) {
        if let Comparison::Going(going) = self {
            going.heard = true;
            going.compare(range, told);
        }
    }
}

impl Going {
    fn is_over(&self) -> bool {
        let found = self.found.lacked > 0 || self.found.given > 0;
        self.ahead.is_empty() && self.wanted.is_empty() && self.spare.is_empty() && (self.told || !found)
    }

    fn frames(&mut self, log: &mut dyn NodeLog, (dictionary, piece): (u8, usize)) -> Result<Vec<Frame>, Failed> {
        self.turn = false;
        if self.table.is_none() {
            let table = log.table()?;
            self.found.records = table.count();
            let (range, digest) = (Range::ALL, Some(table.digest(Range::ALL)));
            self.ahead = vec![Question { range, digest }];
            self.table = Some(table);
        }
        let mut frames = Vec::new();
        let spare = first(&mut self.spare, WANTED_MAX);
        if !spare.is_empty()
            && let Some((packed, count)) = log.pack_again(&spare, dictionary)?
        {
            self.found.given += count;
            frames.extend(packed.frames(None, piece));
        }
        let wanted = first(&mut self.wanted, WANTED_MAX);
        if !wanted.is_empty() {
            self.found.lacked += wanted.len() as u64;
            self.lacked = true;
            frames.push(Frame::Wanted(wanted));
        }
        // What is found is mended before more is looked for, so that a line that is cut brings it on.
        let room = self.wanted.is_empty() && self.spare.is_empty();
        let questions = self
            .ahead
            .split_off(self.ahead.len().saturating_sub(QUESTIONS_MAX * usize::from(room)));
        self.heard = questions.is_empty();
        if !questions.is_empty() {
            frames.push(Frame::Compare(questions));
        } else if room && self.ahead.is_empty() {
            frames.push(Frame::Found(self.found));
            self.told = true;
        }
        Ok(frames)
    }

    fn compare(&mut self, range: Range, told: &Told) {
        let Some(table) = &self.table else { return };
        match told {
            Told::Alike => {}
            Told::Narrower(digests) => {
                let parts = range.narrower().zip(digests);
                let other = parts.filter(|(part, digest)| table.digest(*part) != **digest);
                let question = |(range, _)| Question { range, digest: None };
                self.ahead.extend(other.map(question));
            }
            Told::Records(theirs) => {
                let mut ours: Vec<Item> = table.items(range).collect();
                let lacking = theirs.iter().filter(|item| !ours.contains(item));
                self.wanted.extend(lacking.map(|item| item.key));
                // Once is enough to give what the centre does not want.
                if self.found.given == 0 {
                    ours.retain(|item| !theirs.contains(item));
                    self.spare.extend(ours.iter().map(|item| item.key));
                }
            }
        }
    }
}

fn first(keys: &mut Vec<u64>, most: usize) -> Vec<u64> {
    let rest = keys.split_off(keys.len().min(most));
    std::mem::replace(keys, rest)
}

/// What a request says of a comparison, as the centre has heard it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked {
    pub(crate) questions: Vec<Question>,
    pub(crate) wanted: Vec<u64>,
    pub(crate) found: Option<Found>,
}

/// Appends what the centre says to it.
pub(crate) fn answer(
    asked: &Asked,
    hello: &Hello,
    log: &mut dyn CentreLog,
    (dictionary, piece): (u8, usize),
    frames: &mut Vec<Frame>,
) -> Result<(), Failed> {
    if let Some(found) = asked.found {
        log.compared(hello.node, found)?;
    }
    if !asked.wanted.is_empty()
        && let Some(packed) = log.pack_records(hello, &asked.wanted, dictionary)?
    {
        frames.extend(packed.frames(None, piece));
    }
    if asked.questions.is_empty() {
        return Ok(());
    }
    let table = log.table(hello)?;
    let records_max = log.records_max();
    for question in &asked.questions {
        let told = told(&table, question, records_max);
        if told == Told::Alike && question.range == Range::ALL {
            let records = table.count();
            log.compared(
                hello.node,
                Found {
                    records,
                    ..Found::default()
                },
            )?;
        }
        frames.push(Frame::Compared(question.range, told));
    }
    Ok(())
}

fn told(table: &Table, question: &Question, records_max: usize) -> Told {
    let (range, own) = (question.range, table.items(question.range));
    if question.digest == Some(table.digest(range)) {
        return Told::Alike;
    }
    let is_one_key = range.narrower().all(|part| part == range);
    if own.len() <= records_max.min(RECORDS_MAX) || is_one_key {
        return Told::Records(own.take(RECORDS_MAX).collect());
    }
    Told::Narrower(range.narrower().map(|part| table.digest(part)).collect())
}
