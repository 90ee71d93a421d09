//! Counts what meets a condition in a segment without visiting it: codes and ranges are laid out once, the dead taken off.
//!
//! A count would look at every match, and matches grow with the data. But a segment never changes: the documents of a
//! kind that meet a condition stay the same, and so do their ranges of a parameter. Laid out by where they begin, the
//! ranges in a window are a slice. What died since, or is replaced in memory, is looked at document by document.

use std::sync::Arc;

use fhir::identity::Kind;
use fhir::moment::Stretch;
use query::span::{Span, Window};
use query::term::{Lookup, UnitKey};
use query::{ParamId, Predicate};
use tantivy::{DocId, TantivyError};

use crate::among::Among;
use crate::columns::{Ranges, Segment};
use crate::find::Run;
use crate::orders::Layout;
use crate::part::Wanted;
use crate::trouble::Trouble;

/// Of so many documents one may be dead; where more are, visiting the matches costs less.
const DEAD_ONE_IN: usize = 8;
/// Of so many ranges one may be longer than the rest; those are looked at one by one.
const LONG_ONE_IN: usize = 64;
/// Ranges looked at for what one step is charged.
const A_STEP: usize = 8;

/// A condition taken apart: what never changes for a segment, and windows on the ranges of one parameter.
pub(crate) struct Question<'a> {
    layout: Layout,
    spans: Vec<&'a Span>,
}

/// The documents of a segment that meet the lasting part of a condition, and their ranges of the parameter.
pub(crate) struct Counted {
    /// Ascending.
    docs: Box<[DocId]>,
    ranges: Option<Ranged>,
}

/// Ranges, at most one of a document.
struct Ranged {
    /// Start and end, by start.
    ordinary: Box<[(i64, i64)]>,
    /// The shortest and the longest of them; one that begins or ends nowhere is longer than an `i64` can say.
    lengths: (i128, i128),
    /// Those that are much longer, in any order.
    long: Box<[(i64, i64)]>,
}

impl<'a> Question<'a> {
    /// What is asked of one kind, where it is of a form that can be laid out.
    pub(crate) fn of(kinds: &[Kind], predicate: &'a Predicate) -> Option<Question<'a>> {
        let [kind] = kinds else {
            return None;
        };
        let (mut fixed, mut ranged, mut spans) = (Vec::new(), None, Vec::new());
        for part in parts(predicate) {
            match range_of(part) {
                Some((param, unit, span)) if ranged.is_none_or(|ranged| ranged == (param, unit)) => {
                    ranged = Some((param, unit));
                    spans.push(span);
                }
                _ if is_lasting(part) => fixed.push(part.clone()),
                _ => return None,
            }
        }
        let layout = Layout::Counted(kind.clone(), fixed, ranged);
        Some(Question { layout, spans })
    }

    pub(crate) fn layout(&self) -> &Layout {
        &self.layout
    }
}

fn parts(predicate: &Predicate) -> &[Predicate] {
    match predicate {
        Predicate::And(all) => all,
        other => std::slice::from_ref(other),
    }
}

/// The parameter, the unit and the windows of a test of ranges.
fn range_of(predicate: &Predicate) -> Option<(ParamId, UnitKey, &Span)> {
    use query::predicate::Test;
    let Predicate::Test { param, test } = predicate else {
        return None;
    };
    let (Test::Date(span) | Test::Number(span) | Test::Quantity(span, _)) = test else {
        return None;
    };
    match Lookup::of(*param, test) {
        Lookup::Ranges { param, unit, .. } => Some((param, unit, span)),
        _ => None,
    }
}

/// Whether what the condition says of a document can never change, and takes little to remember.
fn is_lasting(predicate: &Predicate) -> bool {
    match predicate {
        Predicate::All | Predicate::Kind(_) | Predicate::Test { .. } => true,
        Predicate::And(parts) | Predicate::Or(parts) => parts.iter().all(is_lasting),
        Predicate::Not(part) => is_lasting(part),
        _ => false,
    }
}

impl Run<'_> {
    /// How many documents of a segment meet the condition and count; `None` where only visiting them tells.
    ///
    /// # Errors
    /// Where the segment cannot be read, or time is up.
    pub(crate) fn count_laid_out(&self, segment: &Segment, wanted: &Wanted<'_>) -> Result<Option<u64>, Trouble> {
        let Some(question) = &wanted.question else {
            return Ok(None);
        };
        if !self.snapshot.is_newest() {
            return Ok(None);
        }
        let lay_out = || self.lay_out(segment, question);
        let Some(counted) = self.orders.counted(&segment.columns, &question.layout, lay_out)? else {
            return Ok(None);
        };
        let most = counted.docs.len() / DEAD_ONE_IN;
        let Some(hidden) = self.snapshot.hidden(segment, wanted.among, most) else {
            return Ok(None);
        };
        let (all, looked_at) = counted.count(&question.spans);
        self.clock.check((looked_at / A_STEP + hidden.len()) as u64 + 1)?;
        let rows = self.rows(segment, question);
        let in_spans = |doc: DocId| match &rows {
            Some(rows) => rows.of(doc).any(|(start, end)| holds(&question.spans, start, end)),
            None => true,
        };
        let off = hidden.iter().filter(|doc| counted.docs.binary_search(doc).is_ok());
        let off = off.filter(|doc| in_spans(**doc)).count();
        self.note("a segment was counted in what was laid out of it before");
        Ok(Some((all - off) as u64))
    }

    /// The ranges asked about; `None` where none are, or no document here has any.
    fn rows(&self, segment: &Segment, question: &Question<'_>) -> Option<Rows> {
        let Layout::Counted(kind, _, Some((param, unit))) = &question.layout else {
            return None;
        };
        let ranges = segment.columns.ranges(self.slots.ranges(kind, *param)?)?;
        let fitting = ranges.fitting(*unit);
        Some(Rows { ranges, fitting })
    }

    /// Lays a segment out; [`Made::Never`] where a document has several ranges, and nothing where it is not worth it, there
    /// is no room, or time is up.
    fn lay_out(&self, segment: &Segment, question: &Question<'_>) -> Result<Option<Made>, TantivyError> {
        let Layout::Counted(kind, fixed, ranged) = &question.layout else {
            return Ok(None);
        };
        let kinds = std::slice::from_ref(kind);
        let among = Among::new(kinds);
        let predicate = match &fixed[..] {
            [] => Predicate::All,
            [one] => one.clone(),
            several => Predicate::And(several.to_vec()),
        };
        let mut candidates = self.candidates(segment, &among, &predicate, &Default::default())?;
        let bytes = candidates.most() as usize * (size_of::<DocId>() + size_of::<(i64, i64)>());
        if !self.orders.worth(candidates.most()) || !self.orders.has_room(bytes) {
            return Ok(None);
        }
        if self.clock.wait().is_err() {
            return Ok(None);
        }
        let mut docs = Vec::with_capacity(candidates.most() as usize);
        while let Some(block) = candidates.next() {
            docs.extend_from_slice(block);
        }
        // Out of time, candidates end early.
        if self.clock.check(0).is_err() {
            return Ok(None);
        }
        let Some(rows) = self.rows(segment, question) else {
            // No document here has a range of the parameter.
            if ranged.is_some() {
                docs.clear();
            }
            return Ok(Some(Made::Counted(Counted::new(docs, None).into())));
        };
        let (mut found, mut ranges) = (Vec::with_capacity(docs.len()), Vec::with_capacity(docs.len()));
        for doc in docs {
            let mut of_doc = rows.of(doc);
            if let Some(range) = of_doc.next() {
                if of_doc.next().is_some() {
                    return Ok(Some(Made::Never));
                }
                found.push(doc);
                ranges.push(range);
            }
        }
        let counted = Counted::new(found, Some(Ranged::new(ranges)));
        Ok(Some(Made::Counted(counted.into())))
    }
}

/// What laying a segment out came to.
#[derive(Clone)]
pub(crate) enum Made {
    /// What can be counted in.
    Counted(Arc<Counted>),
    /// It cannot be laid out, now or ever: to be remembered, not tried again.
    Never,
}

/// The ranges of a segment that have the unit asked for.
struct Rows {
    ranges: Arc<Ranges>,
    /// Which units will do, by their numbers; `None` where every one will.
    fitting: Option<Vec<bool>>,
}

impl Rows {
    fn of(&self, doc: DocId) -> impl Iterator<Item = (i64, i64)> + '_ {
        let rows = self.ranges.index.value_row_ids(doc);
        let fits = |row: &u32| match &self.fitting {
            Some(fitting) => fitting.get(self.ranges.unit_at(*row)).copied().unwrap_or(false),
            None => true,
        };
        rows.filter(fits).map(|row| self.ranges.at(row))
    }
}

fn holds(spans: &[&Span], start: i64, end: i64) -> bool {
    spans.iter().all(|span| span.holds(Stretch { start, end }))
}

impl Counted {
    fn new(docs: Vec<DocId>, ranges: Option<Ranged>) -> Counted {
        Counted {
            docs: docs.into(),
            ranges,
        }
    }

    /// What it takes in memory.
    pub(crate) fn bytes(&self) -> usize {
        let rows = self.ranges.as_ref().map_or(0, |r| r.ordinary.len() + r.long.len());
        size_of_val(&*self.docs) + rows * size_of::<(i64, i64)>()
    }

    /// How many documents are in all spans, and how many ranges were looked at for that.
    fn count(&self, spans: &[&Span]) -> (usize, usize) {
        match &self.ranges {
            Some(ranges) if !spans.is_empty() => ranges.count(spans),
            _ => (self.docs.len(), 0),
        }
    }
}

impl Ranged {
    fn new(mut rows: Vec<(i64, i64)>) -> Ranged {
        let length = |(start, end): &(i64, i64)| i128::from(*end) - i128::from(*start);
        rows.sort_unstable_by_key(length);
        let few = rows.len() / LONG_ONE_IN;
        let long = rows.split_off(rows.len() - few).into();
        let lengths = (rows.first().map_or(0, length), rows.last().map_or(0, length));
        rows.sort_unstable();
        Ranged {
            ordinary: rows.into(),
            lengths,
            long,
        }
    }

    fn count(&self, spans: &[&Span]) -> (usize, usize) {
        let mut looked_at = self.long.len();
        let mut found = self
            .long
            .iter()
            .filter(|(start, end)| holds(spans, *start, *end))
            .count();
        // A span holds where any of its windows does, and all spans must: one window of each, and none twice.
        let mut windows = vec![EVERYWHERE];
        for span in spans {
            let both = |window: &Window| span.windows.iter().map(|other| meet(window, other)).collect::<Vec<_>>();
            windows = windows.iter().flat_map(both).collect();
        }
        let disjoint =
            |(place, window): (usize, &Window)| windows[..place].iter().all(|before| is_empty(&meet(before, window)));
        if !windows.iter().enumerate().all(disjoint) {
            let inside = self.ordinary.iter().filter(|(start, end)| holds(spans, *start, *end));
            return (found + inside.count(), self.ordinary.len() + looked_at);
        }
        for window in windows.iter().filter(|window| !is_empty(window)) {
            let (inside, asked) = self.in_window(window);
            (found, looked_at) = (found + inside, looked_at + asked);
        }
        (found, looked_at)
    }

    /// The ordinary ranges in a window: nearly all that begin where they can be in it are in it; the rest is at either end.
    fn in_window(&self, window: &Window) -> (usize, usize) {
        let (shortest, longest) = self.lengths;
        let from = |start: i128| self.ordinary.partition_point(|row| i128::from(row.0) < start);
        let to = |start: i128| self.ordinary.partition_point(|row| i128::from(row.0) <= start);
        // Where ranges of a length have to begin, at the earliest and at the latest.
        let earliest = |length| i128::from(window.start_min).max(i128::from(window.end_min) - length);
        let latest = |length| match window.end_max {
            i64::MAX => i128::from(window.start_max),
            end => i128::from(window.start_max).min(i128::from(end) - length),
        };
        let first = from(earliest(longest));
        let last = to(latest(shortest)).max(first);
        let sure_first = from(earliest(shortest)).clamp(first, last);
        let sure_last = to(latest(longest)).clamp(sure_first, last);
        let holds = |row: &&(i64, i64)| {
            let (start, end) = **row;
            window.holds(Stretch { start, end })
        };
        let (head, tail) = (&self.ordinary[first..sure_first], &self.ordinary[sure_last..last]);
        let unsure = head.iter().filter(holds).count() + tail.iter().filter(holds).count();
        (sure_last - sure_first + unsure, head.len() + tail.len() + 1)
    }
}

const EVERYWHERE: Window = Window {
    start_min: i64::MIN,
    start_max: i64::MAX,
    end_min: i64::MIN,
    end_max: i64::MAX,
};

/// What lies in both windows.
fn meet(a: &Window, b: &Window) -> Window {
    Window {
        start_min: a.start_min.max(b.start_min),
        start_max: a.start_max.min(b.start_max),
        end_min: a.end_min.max(b.end_min),
        end_max: a.end_max.min(b.end_max),
    }
}

fn is_empty(window: &Window) -> bool {
    window.start_min > window.start_max || window.end_min > window.end_max
}

#[cfg(test)]
mod tests {
    use super::*;
    use query::sample::Random;
    use query::span::Prefix;

    const PREFIXES: [Prefix; 9] = [
        Prefix::Equal,
        Prefix::NotEqual,
        Prefix::Greater,
        Prefix::Less,
        Prefix::GreaterOrEqual,
        Prefix::LessOrEqual,
        Prefix::StartsAfter,
        Prefix::EndsBefore,
        Prefix::Approximate,
    ];

    /// Short ranges, some that begin or end nowhere, some of no length.
    fn row(random: &mut Random) -> (i64, i64) {
        let start = random.below(400) as i64 - 200;
        match random.below(20) {
            0 => (i64::MIN, start),
            1 => (start, i64::MAX),
            2 => (start, start + random.below(300) as i64),
            _ => (start, start + random.below(4) as i64),
        }
    }

    #[test]
    fn a_slice_has_as_many_as_looking_at_each() {
        let mut random = Random::new(11);
        for _ in 0..400 {
            let rows: Vec<(i64, i64)> = (0..random.below(300)).map(|_| row(&mut random)).collect();
            let laid_out = Ranged::new(rows.clone());
            for _ in 0..20 {
                let spans: Vec<Span> = (0..=random.below(3))
                    .map(|_| {
                        let (start, end) = row(&mut random);
                        Span::new(PREFIXES[random.below(PREFIXES.len())], Stretch { start, end })
                    })
                    .collect();
                let spans: Vec<&Span> = spans.iter().collect();
                let expected = rows.iter().filter(|(start, end)| holds(&spans, *start, *end)).count();
                assert_eq!(laid_out.count(&spans).0, expected, "{rows:?} {spans:?}");
            }
        }
    }

    #[test]
    fn only_what_never_changes_is_laid_out() {
        let patient = Kind::new("Patient").unwrap();
        let span = Span::new(Prefix::Less, Stretch { start: 0, end: 1 });
        let date = |param| Predicate::Test {
            param: ParamId(param),
            test: query::predicate::Test::Date(span.clone()),
        };
        let of = |kinds: &[Kind], predicate: &Predicate| {
            let question = Question::of(kinds, predicate)?;
            let Layout::Counted(_, fixed, ranged) = question.layout else {
                return None;
            };
            Some((fixed.len(), ranged.is_some(), question.spans.len()))
        };
        let one = std::slice::from_ref(&patient);
        assert_eq!(of(one, &Predicate::And(vec![date(1), date(1)])), Some((0, true, 2)));
        assert_eq!(of(one, &Predicate::And(vec![date(1), date(2)])), Some((1, true, 1)));
        assert_eq!(of(one, &Predicate::Not(Box::new(date(1)))), Some((1, false, 0)));
        assert_eq!(of(one, &Predicate::Updated(span.clone())), None);
        assert_eq!(of(&[], &date(1)), None);
    }
}
