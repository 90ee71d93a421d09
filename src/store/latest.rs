//! Reads which version of each record was the latest at a place in the log: what a follower should know.

use diesel::OptionalExtension;
use diesel::dsl::{max, sql};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool};

use crate::connection::both;
use crate::shared::Shared;
use crate::tables::version;
use crate::trouble::Trouble;

impl Shared {
    /// (record, place of its latest version that was not only kept aside) of the records after one and up to another, ascending.
    pub(crate) fn latest(&self, after: u64, up_to: u64, at: u64) -> Result<Vec<(u64, u64)>, Trouble> {
        let bound = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let rows: Vec<(i64, Option<i64>)> = self.readers.read(|db| {
            both!(db, c => version::table
                .filter(version::record.gt(bound(after)))
                .filter(version::record.le(bound(up_to)))
                .filter(version::seq.le(bound(at)))
                .filter(sql::<Bool>("seq NOT IN (SELECT aside.seq FROM version aside WHERE aside.aside = 1)"))
                .group_by(version::record)
                .select((version::record, max(version::seq)))
                .order(version::record.asc())
                .load(c))
        })?;
        let place = |(record, seq): (i64, Option<i64>)| Some((record as u64, seq? as u64));
        Ok(rows.into_iter().filter_map(place).collect())
    }

    /// The highest number of a record up to a place; 0 where there is none.
    pub(crate) fn records(&self, at: u64) -> Result<u64, Trouble> {
        let at = i64::try_from(at).unwrap_or(i64::MAX);
        // The sign keeps the planner from reading all places: records that began later stand at the end of their index.
        let by_then = || sql::<Bool>("+seq <= ").bind::<BigInt, _>(at);
        let highest: Option<i64> = self.readers.read(|db| {
            both!(db, c => version::table
                .filter(by_then())
                .order(version::record.desc())
                .select(version::record)
                .first(c)
                .optional())
        })?;
        Ok(highest.unwrap_or(0) as u64)
    }
}
