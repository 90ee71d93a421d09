//! Keeps plain writes from taking back a merge of patients: refused where one was seen, and guarded until they are written.
//!
//! Whoever read the record before it was merged, and writes it as it was, would take back the merge unawares, and by half.
//! Between being judged here and being written a merge may still come: the guard goes with the write to the store's one
//! writer, which refuses it then, and it is judged again.

use fhir::identity::Id;
use query::{Values, replaced};
use rustc_hash::FxHashMap;
use search_index::Prepared;
use store::{Appended, Expect, Guard, Write};

use crate::engine::Engine;
use crate::merge_party::refused;
use crate::policy::Merging;
use crate::record::parsed;
use crate::refusal::Refusal;

/// The patients that are written, and by whom each will say that it is replaced.
#[derive(Default)]
struct Kept(FxHashMap<Id, Vec<Id>>);

impl Engine {
    /// Refuses plain writes after which a patient would not be replaced by the record she was merged into. What is answered
    /// must guard the unit of these writes; `None` where nothing can happen to it.
    ///
    /// # Errors
    /// 422 with the place of the write that is refused; those of the store.
    pub(crate) fn stays_merged(&self, writes: &[Write]) -> Result<Option<Guard>, (usize, Refusal)> {
        if writes.iter().all(|write| write.kind != *replaced::kind()) {
            return Ok(None);
        }
        // Before anything is looked at: what is written from here on disturbs.
        let since = self.store.head();
        let mut kept = Kept::default();
        for (at, write) in writes.iter().enumerate() {
            if write.kind != *replaced::kind() {
                continue;
            }
            let after = replacing(write);
            self.check(write, &after).map_err(|refusal| (at, refusal))?;
            // Who expects a version is refused where it is another by then.
            if !matches!(write.expect, Expect::Version(_)) {
                kept.0.insert(write.id.clone(), after);
            }
        }
        let disturbed_by = Box::new(move |appended: &Appended| kept.is_disturbed_by(appended));
        Ok(Some(Guard { since, disturbed_by }))
    }

    fn check(&self, write: &Write, after: &[Id]) -> Result<(), Refusal> {
        // A plain write says neither who decided it nor why.
        let merges = self.merging != Merging::Anybody && !after.is_empty();
        if !merges && !self.index.has_replaced() {
            return Ok(());
        }
        let before = match self.record(&write.kind, &write.id) {
            Ok(current) if matches!(write.expect, Expect::Version(version) if version != current.version) => {
                return Ok(());
            }
            Ok(current) => of(&self.registry.extract(&write.kind, parsed(&current.json)?.root())),
            Err(gone) if matches!(gone.status, 404 | 410) => Vec::new(),
            Err(refusal) => return Err(refusal),
        };
        if let Some(other) = before.iter().find(|other| !after.contains(other)) {
            return Err(refused(format!(
                "Patient/{} was merged into Patient/{other}; keep it with its link of type replaced-by, or undo the merge with $unmerge.",
                write.id
            )));
        }
        match merges && after.iter().any(|other| !before.contains(other)) {
            true => self.merging.permit(false, false),
            false => Ok(()),
        }
    }
}

/// By whom a patient is replaced once this is written; by nobody where it deletes her.
fn replacing(write: &Write) -> Vec<Id> {
    let carried = write
        .attachment
        .as_deref()
        .and_then(|any| any.downcast_ref::<Prepared>());
    carried.map_or_else(Vec::new, |carried| of(&carried.values))
}

fn of(values: &Values) -> Vec<Id> {
    replaced::replacing(replaced::kind(), values).cloned().collect()
}

impl Kept {
    /// Whether somebody made another record replace one of them.
    fn is_disturbed_by(&self, appended: &Appended) -> bool {
        if appended.kind != *replaced::kind() || !appended.operation.is_live() {
            return false;
        }
        let Some(kept) = self.0.get(&appended.id) else {
            return false;
        };
        let carried = appended
            .attachment
            .as_deref()
            .and_then(|any| any.downcast_ref::<Prepared>());
        carried.is_none_or(|carried| of(&carried.values).iter().any(|other| !kept.contains(other)))
    }
}
