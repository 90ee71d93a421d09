//! Reads which version of each record was the latest at a place in the log: what a follower should know.

use diesel::dsl::max;
use diesel::prelude::*;

use crate::connection::both;
use crate::shared::Shared;
use crate::tables::version;
use crate::trouble::Trouble;

impl Shared {
    /// (record, place of its latest version) of the records after one and up to another, ascending.
    pub(crate) fn latest(&self, after: u64, up_to: u64, at: u64) -> Result<Vec<(u64, u64)>, Trouble> {
        let bound = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let rows: Vec<(i64, Option<i64>)> = self.readers.read(|db| {
            both!(db, c => version::table
                .filter(version::record.gt(bound(after)))
                .filter(version::record.le(bound(up_to)))
                .filter(version::seq.le(bound(at)))
                .group_by(version::record)
                .select((version::record, max(version::seq)))
                .order(version::record.asc())
                .load(c))
        })?;
        let place = |(record, seq): (i64, Option<i64>)| Some((record as u64, seq? as u64));
        Ok(rows.into_iter().filter_map(place).collect())
    }

    /// The highest number of a record; 0 where there is none.
    pub(crate) fn records(&self) -> Result<u64, Trouble> {
        let highest: Option<i64> = self
            .readers
            .read(|db| both!(db, c => version::table.select(max(version::record)).first(c)))?;
        Ok(highest.unwrap_or(0) as u64)
    }
}
