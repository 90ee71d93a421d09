//! Who holds which claimed value, as the writer decides upon a group in memory.

use fhir::identity::{Id, Kind};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::unit::Claim;

/// The claims that matter to one group: loaded before, changed in order, written after.
#[derive(Default)]
pub(crate) struct Claims {
    holders: FxHashMap<Claim, i64>,
    held: FxHashMap<i64, Vec<Claim>>,
    names: FxHashMap<i64, (Kind, Id)>,
    changed: FxHashSet<i64>,
    /// (record, what it held before), to undo a refused unit.
    undo: Vec<(i64, Vec<Claim>)>,
}

impl Claims {
    /// Enters a claim as the database has it.
    pub fn load(&mut self, claim: Claim, record: i64, name: (Kind, Id)) {
        if self.holders.insert(claim.clone(), record).is_none() {
            self.held.entry(record).or_default().push(claim);
        }
        self.names.insert(record, name);
    }

    /// Lets a record hold these claims in place of what it held.
    ///
    /// # Errors
    /// The first claim that another record holds, and that record; nothing has changed then.
    pub fn hold(&mut self, record: i64, name: (&Kind, &Id), claims: &[Claim]) -> Result<(), (Claim, (Kind, Id))> {
        for claim in claims {
            if let Some(holder) = self.holders.get(claim).filter(|holder| **holder != record) {
                let holder = self.names.get(holder).cloned();
                return Err((claim.clone(), holder.unwrap_or((name.0.clone(), name.1.clone()))));
            }
        }
        let before = self.replace(record, claims.to_vec());
        if before.is_empty() && claims.is_empty() {
            return Ok(());
        }
        self.names.insert(record, (name.0.clone(), name.1.clone()));
        self.undo.push((record, before));
        self.changed.insert(record);
        Ok(())
    }

    /// As [`Claims::hold`], but for the claims that another record holds: how many those are.
    pub fn hold_free(&mut self, record: i64, name: (&Kind, &Id), claims: &[Claim]) -> u32 {
        let is_free = |claim: &&Claim| self.holders.get(*claim).is_none_or(|holder| *holder == record);
        let free: Vec<Claim> = claims.iter().filter(is_free).cloned().collect();
        let held = self.hold(record, name, &free);
        debug_assert!(held.is_ok(), "what is free can be held");
        (claims.len() - free.len()) as u32
    }

    fn replace(&mut self, record: i64, claims: Vec<Claim>) -> Vec<Claim> {
        if claims.is_empty() && !self.held.contains_key(&record) {
            return Vec::new();
        }
        let before = self.held.remove(&record).unwrap_or_default();
        for claim in &before {
            self.holders.remove(claim);
        }
        for claim in &claims {
            self.holders.insert(claim.clone(), record);
        }
        self.held.insert(record, claims);
        before
    }

    /// A unit begins: what follows can be undone up to here.
    pub fn begin(&mut self) {
        self.undo.clear();
    }

    /// Undoes what happened since [`Claims::begin`].
    pub fn undo(&mut self) {
        while let Some((record, before)) = self.undo.pop() {
            self.replace(record, before);
        }
    }

    /// The records whose claims changed, and all that they hold now.
    pub fn changes(&self) -> (Vec<i64>, Vec<(&Claim, i64)>) {
        let mut records: Vec<i64> = self.changed.iter().copied().collect();
        records.sort_unstable();
        let held = |record: &i64| self.held.get(record).map_or(&[][..], Vec::as_slice);
        let claims = records.iter().flat_map(|r| held(r).iter().map(|claim| (claim, *r)));
        let claims = claims.collect();
        (records, claims)
    }
}
