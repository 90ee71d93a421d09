//! Reads histories, newest first, and counts them.
//!
//! The moment of arrival rises along the log, so a moment is found by halving and becomes a place in the log; the
//! rest are ranges of places.

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool};
use diesel::{OptionalExtension, QueryResult};

use crate::connection::{Db, both};
use crate::rows::{Row, columns};
use crate::shared::Shared;
use crate::tables::{record, version};
use crate::trouble::Trouble;
use crate::version::{HistoryRange, Scope, Version};

/// A history with its moments turned into places: versions in `low..high`.
struct Span {
    record: Option<i64>,
    kind: Option<i16>,
    current_only: bool,
    low: i64,
    high: i64,
    /// (from, before): of the versions before `from`, only those still current there; none from `before`.
    at: Option<(i64, i64)>,
}

/// Adds a span's conditions to a boxed query over `version`.
macro_rules! within {
    ($query:expr, $span:expr) => {{
        let mut query = $query
            .filter(version::seq.ge($span.low))
            .filter(version::seq.lt($span.high));
        if let Some(record) = $span.record {
            query = query.filter(version::record.eq(record));
        }
        if let Some(kind) = $span.kind {
            query = query.filter(version::kind.eq(kind));
        }
        if $span.current_only {
            query = query.filter(version::aside.eq(0));
        }
        if let Some((from, before)) = $span.at {
            let replaced = sql::<Bool>(
                "NOT EXISTS (SELECT 1 FROM version later WHERE later.record = version.record \
                 AND later.aside = 0 AND later.seq > version.seq AND later.seq < ",
            )
            .bind::<BigInt, _>(from)
            .sql(")");
            query = query
                .filter(version::seq.lt(before))
                .filter(version::seq.ge(from).or(replaced));
        }
        query
    }};
}

impl Shared {
    pub(crate) fn history(&self, scope: &Scope, range: &HistoryRange) -> Result<Vec<Version>, Trouble> {
        let limit = i64::try_from(range.limit).unwrap_or(i64::MAX);
        let rows = self.readers.read(|db| match self.span(db, scope, range)? {
            Some(span) => newest(db, &span, limit),
            None => Ok(Vec::new()),
        })?;
        rows.into_iter().map(|row| self.opened(row)).collect()
    }

    pub(crate) fn history_count(&self, scope: &Scope, range: &HistoryRange) -> Result<u64, Trouble> {
        let count = self.readers.read(|db| match self.span(db, scope, range)? {
            Some(span) => count(db, &span),
            None => Ok(0),
        })?;
        Ok(count as u64)
    }

    /// The places a history covers; `None` where its record or kind never was.
    fn span(&self, db: &mut Db, scope: &Scope, range: &HistoryRange) -> QueryResult<Option<Span>> {
        let end = self.head() as i64 + 1;
        let before = range.before.map_or(end, |b| i64::try_from(b).unwrap_or(end));
        let mut span = Span {
            record: None,
            kind: None,
            current_only: range.current_only || range.at.is_some(),
            low: 1,
            high: before.min(end),
            at: None,
        };
        if let Scope::Record(kind, _) | Scope::Kind(kind) = scope {
            span.kind = self.kinds().number(kind);
            if span.kind.is_none() {
                return Ok(None);
            }
        }
        if let (Scope::Record(_, id), Some(kind)) = (scope, span.kind.take_if(|_| matches!(scope, Scope::Record(..)))) {
            let query = record::table
                .filter(record::kind.eq(kind))
                .filter(record::id.eq(id.as_str()));
            span.record = both!(db, c => query.select(record::number).get_result(c).optional())?;
            if span.record.is_none() {
                return Ok(None);
            }
        }
        if let Some(since) = range.since {
            span.low = first_from(db, since, end)?;
        }
        if let Some(at) = range.at {
            // A version is current from its moment up to the next one's, that one not included.
            span.at = Some((
                first_from(db, at.start.saturating_add(1), end)?,
                first_from(db, at.end, end)?,
            ));
        }
        Ok(Some(span))
    }
}

/// The first place whose version came at a moment or later; `end` where there is none.
fn first_from(db: &mut Db, moment: i64, end: i64) -> QueryResult<i64> {
    let (mut low, mut high) = (1, end);
    while low < high {
        let middle = low + (high - low) / 2;
        let query = version::table
            .filter(version::seq.eq(middle))
            .select(version::updated + version::lag);
        let arrived: i64 = both!(db, c => query.get_result(c))?;
        if arrived < moment {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    Ok(low)
}

fn newest(db: &mut Db, span: &Span, limit: i64) -> QueryResult<Vec<Row>> {
    both!(db, c: Backend => within!(
            version::table.select(columns!()).into_boxed::<Backend>(),
            span
        )
        .order(version::seq.desc())
        .limit(limit)
        .load(c))
}

fn count(db: &mut Db, span: &Span) -> QueryResult<i64> {
    both!(db, c: Backend => within!(version::table.select(diesel::dsl::count_star()).into_boxed::<Backend>(), span)
        .get_result(c))
}
