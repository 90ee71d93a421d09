//! Gives what was made on this node after a counter new names, as another node's: its database was an old copy.
//!
//! A node that goes on with an old copy of its database gives names that it has given before. Whoever compares seals finds
//! out; then what was made since the copy becomes the beginning of another node, and both beginnings are kept.

use diesel::prelude::*;
use diesel::{OptionalExtension, QueryResult, update};
use fhir::identity::VersionId;

use crate::connection::{Db, both};
use crate::desk::Head;
use crate::rows::{Row, columns};
use crate::shared::Shared;
use crate::tables::{head, version};
use crate::trouble::{Refused, Trouble};
use crate::version::Version;

/// Versions renamed at a time.
const CHUNK: i64 = 500;

/// New names for own versions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rename {
    /// Versions with higher counters get them.
    pub after: i64,
    /// The node they are of from then on.
    pub node: i32,
}

impl Rename {
    /// The new name of one of the old node's versions.
    fn of(self, old: i32, name: VersionId) -> VersionId {
        match name.counter.checked_sub(self.after as u64) {
            Some(counter) if counter > 0 && name.node == old as u32 => VersionId {
                node: self.node as u32,
                counter,
            },
            _ => name,
        }
    }
}

/// Renames within a transaction; gives the head row as it is then.
pub(crate) fn rename(db: &mut Db, shared: &Shared, before: Head, rename: Rename) -> Result<Head, Refused> {
    let known = "that is a node with versions in this log; take a number that no node has had";
    if rename.node == before.node || any_of(db, rename.node).map_err(Trouble::from)? {
        return Err(Trouble::new(format!("Versions cannot be given to node {}: {known}.", rename.node)).into());
    }
    let mut after = 0;
    loop {
        let rows = own_after(db, before.node, rename.after, after).map_err(Trouble::from)?;
        let Some(last) = rows.last() else { break };
        after = last.0;
        for row in rows {
            let mut renamed = shared.opened(row)?;
            for name in [
                Some(&mut renamed.version),
                renamed.base.as_mut(),
                renamed.merged.as_mut(),
            ] {
                name.into_iter().for_each(|name| *name = rename.of(before.node, *name));
            }
            write(db, &renamed).map_err(Trouble::from)?;
        }
    }
    let moved = Head {
        node: rename.node,
        counter: (before.counter - rename.after).max(0),
        clock: before.clock + 1,
        ..before
    };
    let values = (
        head::node.eq(moved.node),
        head::counter.eq(moved.counter),
        head::clock.eq(moved.clock),
    );
    both!(db, c => update(head::table).set(values).execute(c)).map_err(Trouble::from)?;
    Ok(moved)
}

fn any_of(db: &mut Db, node: i32) -> QueryResult<bool> {
    let query = version::table.filter(version::node.eq(node)).select(version::seq);
    let some: Option<i64> = both!(db, c => query.first(c).optional())?;
    Ok(some.is_some())
}

fn own_after(db: &mut Db, node: i32, counter: i64, after: i64) -> QueryResult<Vec<Row>> {
    both!(db, c => version::table
        .filter(version::seq.gt(after))
        .filter(version::node.eq(node))
        .filter(version::counter.gt(counter))
        .order(version::seq.asc())
        .limit(CHUNK)
        .select(columns!())
        .load(c))
}

fn write(db: &mut Db, renamed: &Version) -> QueryResult<()> {
    let hash = renamed.seal();
    let values = (
        version::node.eq(renamed.version.node as i32),
        version::counter.eq(renamed.version.counter as i64),
        version::base_node.eq(renamed.base.map(|base| base.node as i32)),
        version::base_counter.eq(renamed.base.map(|base| base.counter as i64)),
        version::merged_node.eq(renamed.merged.map(|merged| merged.node as i32)),
        version::merged_counter.eq(renamed.merged.map(|merged| merged.counter as i64)),
        version::hash.eq(&hash[..]),
    );
    let row = version::table.filter(version::seq.eq(renamed.seq as i64));
    both!(db, c => update(row).set(values).execute(c)).map(|_| ())
}
