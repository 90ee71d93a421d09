//! Reads versions: the latest, one by name, some by place, the log in order.

use diesel::prelude::*;
use diesel::{OptionalExtension, QueryResult};
use fhir::identity::{Id, Kind, VersionId};
use rustc_hash::FxHashMap;

use crate::connection::{Db, both};
use crate::rows::{Row, columns, open};
use crate::shared::Shared;
use crate::tables::{record, version};
use crate::trouble::Trouble;
use crate::unit::Operation;
use crate::version::Version;

/// Places asked for in one statement.
const CHUNK: usize = 500;

impl Shared {
    pub(crate) fn current(&self, kind: &Kind, id: &Id) -> Result<Option<Version>, Trouble> {
        let Some(number) = self.kinds().number(kind) else {
            return Ok(None);
        };
        let row = self.readers.read(|db| latest(db, number, id))?;
        row.map(|row| self.opened(row)).transpose()
    }

    pub(crate) fn currents(&self, kind: &Kind, ids: &[&Id]) -> Result<Vec<Version>, Trouble> {
        let Some(number) = self.kinds().number(kind) else {
            return Ok(Vec::new());
        };
        let rows = self.readers.read(|db| latest_of(db, number, ids))?;
        rows.into_iter().map(|row| self.opened(row)).collect()
    }

    pub(crate) fn number(&self, kind: &Kind, id: &Id) -> Result<Option<u64>, Trouble> {
        if let Some(number) = self.numbers.get(kind, id) {
            return Ok(Some(number));
        }
        let Some(of) = self.kinds().number(kind) else {
            return Ok(None);
        };
        let number = self.readers.read(|db| number(db, of, id))?.map(|number| number as u64);
        if let Some(number) = number {
            self.numbers.keep(kind, id, number);
        }
        Ok(number)
    }

    /// A kind and a version's name as the columns have them; `None` where there can be no such row.
    fn columns(&self, kind: &Kind, name: VersionId) -> Option<(i16, i32, i64)> {
        let number = self.kinds().number(kind)?;
        Some((number, name.node.try_into().ok()?, name.counter.try_into().ok()?))
    }

    pub(crate) fn one_version(&self, kind: &Kind, id: &Id, name: VersionId) -> Result<Option<Version>, Trouble> {
        let Some((number, node, counter)) = self.columns(kind, name) else {
            return Ok(None);
        };
        let row = self.readers.read(|db| named(db, number, id, node, counter))?;
        row.map(|row| self.opened(row)).transpose()
    }

    pub(crate) fn name_of(&self, kind: &Kind, id: &Id) -> Result<Option<(VersionId, bool)>, Trouble> {
        let Some(number) = self.kinds().number(kind) else {
            return Ok(None);
        };
        let row: Option<(i32, i64, i16)> = self.readers.read(|db| {
            both!(db, c => record::table
                .inner_join(version::table.on(version::seq.eq(record::seq)))
                .filter(record::kind.eq(number))
                .filter(record::id.eq(id.as_str()))
                .select((version::node, version::counter, version::operation))
                .get_result(c)
                .optional())
        })?;
        Ok(row.map(|(node, counter, operation)| {
            let name = VersionId {
                node: node as u32,
                counter: counter as u64,
            };
            (name, operation != Operation::Delete.number())
        }))
    }

    pub(crate) fn place_at(&self, kind: &Kind, id: &Id, name: VersionId) -> Result<Option<u64>, Trouble> {
        let Some((number, node, counter)) = self.columns(kind, name) else {
            return Ok(None);
        };
        let place: Option<i64> = self.readers.read(|db| {
            both!(db, c => record::table
                .inner_join(version::table.on(version::record.eq(record::number)))
                .filter(record::kind.eq(number))
                .filter(record::id.eq(id.as_str()))
                .filter(version::counter.eq(counter))
                .filter(version::node.eq(node))
                .select(version::seq)
                .get_result(c)
                .optional())
        })?;
        Ok(place.map(|place| place as u64))
    }

    pub(crate) fn by_seq(&self, places: &[u64]) -> Result<Vec<Version>, Trouble> {
        let rows = self.readers.read(|db| at_places(db, places))?;
        let mut found = FxHashMap::default();
        for row in rows {
            let version = self.opened(row)?;
            found.insert(version.seq, version);
        }
        let mut answer: Vec<Version> = Vec::with_capacity(places.len());
        for place in places {
            let again = |answer: &[Version]| answer.iter().find(|v| v.seq == *place).cloned();
            let version = found.remove(place).or_else(|| again(&answer));
            answer.extend(version);
        }
        Ok(answer)
    }

    pub(crate) fn log(&self, after: u64, limit: usize) -> Result<Vec<Version>, Trouble> {
        let up_to = self.head().min(after.saturating_add(limit as u64));
        if after >= up_to {
            return Ok(Vec::new());
        }
        let rows = self.readers.read(|db| between(db, after as i64, up_to as i64))?;
        for (place, row) in (after + 1..=up_to).zip(rows.iter().map(|r| r.0 as u64).chain([0])) {
            if place != row {
                return Err(Trouble::new(format!(
                    "Version {place} is missing in the log; restore the database from a copy."
                )));
            }
        }
        rows.into_iter().map(|row| self.opened(row)).collect()
    }

    /// Opens a row with this log's kinds and dictionaries.
    pub(crate) fn opened(&self, row: Row) -> Result<Version, Trouble> {
        open(row, &self.kinds(), &self.packer)
    }
}

fn latest(db: &mut Db, kind: i16, id: &Id) -> QueryResult<Option<Row>> {
    both!(db, c => record::table
        .inner_join(version::table.on(version::seq.eq(record::seq)))
        .filter(record::kind.eq(kind))
        .filter(record::id.eq(id.as_str()))
        .select(columns!())
        .get_result(c)
        .optional())
}

fn latest_of(db: &mut Db, kind: i16, ids: &[&Id]) -> QueryResult<Vec<Row>> {
    // As in `at_places`.
    if let Db::Sqlite(_) = db {
        let rows = ids.iter().map(|id| latest(db, kind, id));
        return rows.filter_map(Result::transpose).collect();
    }
    let mut rows = Vec::with_capacity(ids.len());
    for chunk in ids.chunks(CHUNK) {
        let chunk: Vec<&str> = chunk.iter().map(|id| id.as_str()).collect();
        let more: Vec<Row> = both!(db, c => record::table
            .inner_join(version::table.on(version::seq.eq(record::seq)))
            .filter(record::kind.eq(kind))
            .filter(record::id.eq_any(chunk))
            .select(columns!())
            .load(c))?;
        rows.extend(more);
    }
    Ok(rows)
}

fn number(db: &mut Db, kind: i16, id: &Id) -> QueryResult<Option<i64>> {
    both!(db, c => record::table
        .filter(record::kind.eq(kind))
        .filter(record::id.eq(id.as_str()))
        .select(record::number)
        .get_result(c)
        .optional())
}

fn named(db: &mut Db, kind: i16, id: &Id, node: i32, counter: i64) -> QueryResult<Option<Row>> {
    both!(db, c => record::table
        .inner_join(version::table.on(version::record.eq(record::number)))
        .filter(record::kind.eq(kind))
        .filter(record::id.eq(id.as_str()))
        .filter(version::counter.eq(counter))
        .filter(version::node.eq(node))
        .select(columns!())
        .get_result(c)
        .optional())
}

pub(crate) fn at_places(db: &mut Db, places: &[u64]) -> QueryResult<Vec<Row>> {
    let mut rows = Vec::with_capacity(places.len());
    match db {
        // Without a server between, one prepared statement run often beats a new one for every length.
        Db::Sqlite(c) => {
            for place in places {
                let row = version::table
                    .filter(version::seq.eq(*place as i64))
                    .select(columns!())
                    .get_result(c);
                rows.extend(row.optional()?);
            }
        }
        Db::Postgres(c) => {
            for chunk in places.chunks(CHUNK) {
                let chunk: Vec<i64> = chunk.iter().map(|place| *place as i64).collect();
                let more: Vec<Row> = version::table
                    .filter(version::seq.eq_any(chunk))
                    .select(columns!())
                    .load(c)?;
                rows.extend(more);
            }
        }
    }
    Ok(rows)
}

/// The rows after one place up to another, ascending.
pub(crate) fn between(db: &mut Db, after: i64, up_to: i64) -> QueryResult<Vec<Row>> {
    both!(db, c => version::table
        .filter(version::seq.gt(after))
        .filter(version::seq.le(up_to))
        .order(version::seq.asc())
        .select(columns!())
        .load(c))
}
