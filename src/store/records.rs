//! Reads all records of one kind, page by page, as they were at one place in the log.

use diesel::QueryResult;
use diesel::dsl::max;
use diesel::prelude::*;
use fhir::identity::{Id, Kind};

use crate::connection::{Db, both};
use crate::read::at_places;
use crate::rows::Row;
use crate::shared::Shared;
use crate::tables::{record, version};
use crate::trouble::Trouble;
use crate::version::Version;

impl Shared {
    pub(crate) fn records_of(
        &self,
        kind: &Kind,
        after: Option<&Id>,
        at: u64,
        limit: usize,
    ) -> Result<(Vec<Version>, Option<Id>), Trouble> {
        let Some(number) = self.kinds().number(kind) else {
            return Ok((Vec::new(), None));
        };
        let at = i64::try_from(at).unwrap_or(i64::MAX);
        let (rows, last) = self.readers.read(|db| page(db, number, after, at, limit))?;
        let versions = rows.into_iter().map(|row| self.opened(row)).filter(|version| {
            let live = |version: &Version| version.operation.is_live();
            version.as_ref().map_or(true, live)
        });
        let last = last.and_then(|id| Id::new(&id));
        Ok((versions.collect::<Result<_, _>>()?, last))
    }
}

/// The versions, and the id of the last record looked at.
fn page(db: &mut Db, kind: i16, after: Option<&Id>, at: i64, limit: usize) -> QueryResult<(Vec<Row>, Option<String>)> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    // Every id is greater than the empty text.
    let after = after.map_or("", |id| id.as_str());
    let records: Vec<(String, i64, i64)> = both!(db, c => record::table
        .filter(record::kind.eq(kind))
        .filter(record::id.gt(after))
        .order(record::id.asc())
        .limit(limit)
        .select((record::id, record::number, record::seq))
        .load(c))?;
    let last = records.last().map(|(id, _, _)| id.clone());
    let mut places = Vec::with_capacity(records.len());
    for (_, number, seq) in records {
        if seq <= at {
            places.push(seq as u64);
            continue;
        }
        // It was written again since: the version it had then.
        let then: Option<i64> = both!(db, c => version::table
            .filter(version::record.eq(number))
            .filter(version::aside.eq(0))
            .filter(version::seq.le(at))
            .select(max(version::seq))
            .get_result(c))?;
        places.extend(then.map(|seq| seq as u64));
    }
    let mut rows = at_places(db, &places)?;
    // One database answers in the order asked, the other in its own.
    rows.sort_by(|a, b| a.10.cmp(&b.10));
    Ok((rows, last))
}
