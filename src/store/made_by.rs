//! Reads what was made on one node, in the order it was made: what other nodes have to be told.

use diesel::prelude::*;
use diesel::{OptionalExtension, QueryResult};

use crate::connection::{Db, both};
use crate::rows::{Row, columns};
use crate::shared::Shared;
use crate::tables::version;
use crate::trouble::Trouble;
use crate::version::Version;

/// Places of the log looked through in one statement.
const STRETCH: i64 = 20_000;

impl Shared {
    /// A node's versions after a place, and the place up to which there are no others.
    pub(crate) fn made_by(&self, node: u32, after: u64, limit: usize) -> Result<(Vec<Version>, u64), Trouble> {
        let (head, node) = (self.head() as i64, i32::try_from(node).unwrap_or(-1));
        let mut reached = i64::try_from(after).unwrap_or(i64::MAX);
        let mut found: Vec<Version> = Vec::new();
        while reached < head && found.len() < limit {
            let up_to = reached.saturating_add(STRETCH).min(head);
            let most = (limit - found.len()) as i64;
            let rows = self
                .readers
                .read(|db| those_between(db, node, (reached, up_to), most))?;
            reached = match rows.last() {
                Some(last) if rows.len() as i64 == most => last.0,
                _ => up_to,
            };
            for row in rows {
                found.push(self.opened(row)?);
            }
        }
        Ok((found, reached.min(head).max(0) as u64))
    }

    /// The place after which all of a node's versions have counters above this one. Found by halving: the counters rise.
    pub(crate) fn place_of(&self, node: u32, counter: u64) -> Result<u64, Trouble> {
        let (counter, node) = (
            i64::try_from(counter).unwrap_or(i64::MAX),
            i32::try_from(node).unwrap_or(-1),
        );
        let (mut low, mut high) = (0, self.head() as i64);
        // Its versions up to `low` have such counters at most; those after `high` have higher ones.
        while low < high {
            let middle = low + (high - low) / 2;
            let next = self.readers.read(|db| next_after(db, node, middle, high))?;
            match next {
                Some((seq, found)) if found <= counter => low = seq,
                _ => high = middle,
            }
        }
        Ok(low as u64)
    }
}

fn those_between(db: &mut Db, node: i32, (after, up_to): (i64, i64), limit: i64) -> QueryResult<Vec<Row>> {
    both!(db, c => version::table
        .filter(version::seq.gt(after))
        .filter(version::seq.le(up_to))
        .filter(version::node.eq(node))
        .order(version::seq.asc())
        .limit(limit)
        .select(columns!())
        .load(c))
}

/// The first of a node's versions after a place, up to another: its place and counter.
fn next_after(db: &mut Db, node: i32, after: i64, up_to: i64) -> QueryResult<Option<(i64, i64)>> {
    both!(db, c => version::table
        .filter(version::seq.gt(after))
        .filter(version::seq.le(up_to))
        .filter(version::node.eq(node))
        .order(version::seq.asc())
        .select((version::seq, version::counter))
        .first(c)
        .optional())
}
