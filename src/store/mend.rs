//! Gives versions back what a disk has made of them: where a row no longer holds what its hash says, another site's copy does.

use diesel::prelude::*;
use diesel::update;

use crate::connection::{Db, both};
use crate::packing::Packed;
use crate::shared::Shared;
use crate::tables::version;
use crate::trouble::Trouble;
use crate::version::Version;

/// A version as another site has it, and its body as this log packs it.
pub(crate) struct Mending {
    pub version: Version,
    pub packed: Packed,
}

impl Shared {
    pub(crate) fn mending(&self, version: Version) -> Mending {
        let packed = self.packer.pack(version.kind.as_str(), &version.body);
        Mending { version, packed }
    }
}

/// Mends within a transaction.
pub(crate) fn mend(db: &mut Db, mendings: &[Mending]) -> Result<(), Trouble> {
    for Mending { version: whole, packed } in mendings {
        let hash = whole.seal();
        let values = (
            version::base_node.eq(whole.base.map(|base| base.node as i32)),
            version::base_counter.eq(whole.base.map(|base| base.counter as i64)),
            version::merged_node.eq(whole.merged.map(|merged| merged.node as i32)),
            version::merged_counter.eq(whole.merged.map(|merged| merged.counter as i64)),
            version::updated.eq(whole.updated),
            version::operation.eq(whole.operation.number()),
            version::dictionary.eq(packed.dictionary),
            version::body.eq(&packed.bytes),
        );
        let row = version::table
            .filter(version::seq.eq(whole.seq as i64))
            .filter(version::node.eq(whole.version.node as i32))
            .filter(version::counter.eq(whole.version.counter as i64))
            .filter(version::id.eq(whole.id.as_str()))
            // Only what was written can come back.
            .filter(version::hash.eq(&hash[..]));
        both!(db, c => update(row).set(values).execute(c))?;
    }
    Ok(())
}
