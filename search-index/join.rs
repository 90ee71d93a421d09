//! Looks up what a predicate joins: the records that chains, `_has` and hierarchies stand for.

use std::collections::BTreeSet;
use std::sync::Arc;

use fhir::identity::{Id, Kind};
use query::canonical::{AddressSet, each_key, pointed_to};
use query::predicate::{Hierarchy, LEVELS_MAX};
use query::{Join, ParamId, Predicate, RecordSet, Value, record_hash};
use tantivy::TantivyError;

use crate::among::Among;
use crate::compile::record_named;
use crate::entry::document_of;
use crate::find::{Run, STEPS_PER_RECORD, damaged};
use crate::ground::UNDER;
use crate::slots::Family;
use crate::stored::reference_text;
use crate::trouble::Trouble;

/// So many records are looked for by their canonical addresses.
const CANONICALS_MAX: usize = 2_000;
/// References gathered before those that came several times are thrown out.
const MARKED_MIN: usize = 65_536;
/// So many bodies are read at once.
const BODIES: usize = 256;

/// The records that a chain leads to.
struct Chained {
    targets: Vec<Kind>,
    /// The condition on them, resolved.
    inner: Predicate,
    set: Arc<RecordSet>,
}

impl Run<'_> {
    /// The predicate with every join replaced by the records it stands for, and references to records read as references
    /// to persons.
    ///
    /// # Errors
    /// Those of looking them up; [`Trouble::Costly`] where they are too many.
    pub(crate) fn resolved(&self, predicate: &Predicate) -> Result<Predicate, Trouble> {
        if predicate.joins().is_empty() {
            return self.of_persons(predicate.clone());
        }
        let mut known = Vec::new();
        let resolved = predicate.clone().resolve(&mut |join| {
            let join = join.try_map(&mut |inner| self.of_persons(inner))?;
            let Some(watch) = self.clock.watch() else {
                return self.look_up(join, &mut known);
            };
            watch.join(&join, self.clock.steps());
            let resolved = self.look_up(join, &mut known)?;
            watch.joined(&resolved, self.clock.steps());
            Ok(resolved)
        })?;
        self.of_persons(resolved)
    }

    fn look_up(&self, join: Join, known: &mut Vec<Chained>) -> Result<Predicate, Trouble> {
        match join {
            Join::Chain {
                param,
                targets,
                inner,
                canonical,
            } => {
                let set = self.chained(&targets, &inner, known)?;
                let mut found = vec![Predicate::RefersTo { param, set }];
                if canonical {
                    let set = Arc::new(self.addresses(&targets, &inner)?);
                    found.push(Predicate::PointsTo { param, set });
                }
                // What a record contains is found by chains as well.
                found.extend(self.containing(Some(param), &targets, &inner)?);
                Ok(Predicate::any(found))
            }
            Join::Has {
                kind,
                param,
                inner,
                canonical,
            } => {
                let (mut set, mut addresses) = (RecordSet::default(), BTreeSet::new());
                self.each_referred(&kind, param, &inner, &mut |text| match record_named(text) {
                    Some(record) => {
                        set.insert(record);
                    }
                    None if canonical && addresses.len() <= CANONICALS_MAX => {
                        addresses.insert(String::from_utf8_lossy(&text[..text.len() - 1]).into_owned());
                    }
                    None => {}
                })?;
                if addresses.len() > CANONICALS_MAX {
                    return Err(too_many());
                }
                let by_id = Predicate::OneOf(Arc::new(self.persons(set)?));
                match addresses.is_empty() {
                    true => Ok(by_id),
                    false => Ok(Predicate::any(vec![
                        by_id,
                        pointed_to(addresses.iter().map(String::as_str)),
                    ])),
                }
            }
            Join::Contains { by, kinds, inner } => {
                Ok(self.containing(by, &kinds, &inner)?.unwrap_or(Predicate::Nothing))
            }
            Join::Within { param, hierarchy } => {
                let set = Arc::new(self.within(&hierarchy)?);
                Ok(Predicate::RefersTo { param, set })
            }
        }
    }

    /// The records that chains lead to, looked for once where several ask for the same: compartments of all patients do.
    fn chained(
        &self,
        targets: &[Kind],
        inner: &Predicate,
        known: &mut Vec<Chained>,
    ) -> Result<Arc<RecordSet>, Trouble> {
        let same = known
            .iter()
            .find(|chained| chained.targets == targets && chained.inner == *inner);
        if let Some(same) = same {
            return Ok(Arc::clone(&same.set));
        }
        let set = Arc::new(self.records(targets, inner)?);
        known.push(Chained {
            targets: targets.to_vec(),
            inner: inner.clone(),
            set: Arc::clone(&set),
        });
        Ok(set)
    }

    /// The records of a hierarchy, level by level. One that goes round in a circle ends where it has been.
    fn within(&self, hierarchy: &Hierarchy) -> Result<RecordSet, Trouble> {
        let Hierarchy { kind, id, by, up } = hierarchy;
        let start = record_hash(kind.as_str(), id.as_str());
        let mut found = RecordSet::from_iter([start]);
        let (mut ids, mut level) = (vec![id.clone()], found.clone());
        for _ in 0..LEVELS_MAX {
            let next = if *up {
                let above = self.ids_referred(kind, *by, &Predicate::Is(ids))?;
                ids = above.iter().map(|(_, id)| id.clone()).collect();
                above.into_iter().map(|(record, _)| record).collect()
            } else {
                let set = Arc::new(level);
                self.records(std::slice::from_ref(kind), &Predicate::RefersTo { param: *by, set })?
            };
            level = next.into_iter().filter(|record| found.insert(*record)).collect();
            if level.is_empty() {
                return Ok(found);
            }
        }
        Err(Trouble::Costly(format!(
            "The hierarchy of {kind}/{id} has more than {LEVELS_MAX} levels; search in steps."
        )))
    }

    /// The records of a kind, with their ids, that those which meet a resolved condition refer to by the parameter.
    fn ids_referred(&self, kind: &Kind, param: ParamId, predicate: &Predicate) -> Result<Vec<(u64, Id)>, Trouble> {
        let mut found = Vec::new();
        self.each_referred(kind, param, predicate, &mut |text| {
            let id = std::str::from_utf8(text).ok().and_then(|text| text.split_once('/'));
            let id = id
                .filter(|(of, _)| *of == kind.as_str())
                .and_then(|(_, id)| Id::new(id));
            found.extend(record_named(text).zip(id));
        })?;
        Ok(found)
    }

    /// The records of the kinds that meet a resolved condition.
    fn records(&self, kinds: &[Kind], predicate: &Predicate) -> Result<RecordSet, Trouble> {
        let mut set = RecordSet::default();
        if kinds.is_empty() {
            return Ok(set);
        }
        let among = &Among::new(kinds);
        self.tell_plan(kinds, predicate);
        let named = self.named(predicate, among)?;
        for segment in self.snapshot.segments() {
            let mut candidates = self.candidates(segment, among, predicate, &named)?;
            self.visit(segment, &mut candidates, &mut |docs| {
                for doc in docs {
                    let id = segment.columns.id_of(*doc).ok_or_else(damaged)?;
                    set.insert(record_hash(segment.columns.kind_of(*doc).as_str(), id.as_str()));
                }
                Ok(true)
            })?;
        }
        for entry in self.matching(among, predicate)? {
            set.insert(record_hash(entry.kind.as_str(), entry.id.as_str()));
        }
        Ok(set)
    }

    /// Calls `each` with every text, as a reference column has it, of what the records of the kind that meet a resolved
    /// condition refer to by the parameter. The same text may come more than once.
    fn each_referred(
        &self,
        kind: &Kind,
        param: ParamId,
        predicate: &Predicate,
        each: &mut dyn FnMut(&[u8]),
    ) -> Result<(), Trouble> {
        let kinds = std::slice::from_ref(kind);
        let among = &Among::new(kinds);
        self.tell_plan(kinds, predicate);
        let named = self.named(predicate, among)?;
        let slot = self.slots.slot(kind, param, Family::Reference);
        for segment in self.snapshot.segments() {
            let Some(column) = slot.and_then(|slot| segment.columns.bytes(slot)) else {
                continue;
            };
            let mut candidates = self.candidates(segment, among, predicate, &named)?;
            let mut marked: Vec<u64> = Vec::new();
            let mut bound = MARKED_MIN;
            self.visit(segment, &mut candidates, &mut |docs| {
                docs.iter().for_each(|doc| marked.extend(column.term_ords(*doc)));
                if marked.len() > bound {
                    marked.sort_unstable();
                    marked.dedup();
                    bound = MARKED_MIN.max(marked.len() * 2);
                }
                Ok(true)
            })?;
            marked.sort_unstable();
            marked.dedup();
            let complete = column.dictionary().sorted_ords_to_term_cb(&marked, &mut *each);
            complete.map_err(TantivyError::from)?;
        }
        for entry in self.matching(among, predicate)? {
            for value in entry.values.of(param) {
                if let Value::Reference(target) = value
                    && let Some(text) = reference_text(target)
                {
                    each(&text);
                }
            }
        }
        Ok(())
    }

    /// The canonical addresses of the records of the kinds that meet a resolved condition.
    fn addresses(&self, kinds: &[Kind], predicate: &Predicate) -> Result<AddressSet, Trouble> {
        if kinds.is_empty() {
            return Ok(AddressSet::default());
        }
        let among = &Among::new(kinds);
        self.tell_plan(kinds, predicate);
        let named = self.named(predicate, among)?;
        let mut places = Vec::new();
        for segment in self.snapshot.segments() {
            let mut candidates = self.candidates(segment, among, predicate, &named)?;
            self.visit(segment, &mut candidates, &mut |docs| {
                places.extend(docs.iter().map(|doc| segment.columns.seq_of(*doc)));
                Ok(places.len() <= CANONICALS_MAX)
            })?;
        }
        let (under, after): (Vec<_>, Vec<_>) = self
            .matching(among, predicate)?
            .into_iter()
            .partition(|entry| entry.seq == UNDER);
        places.extend(after.iter().map(|entry| entry.seq));
        if places.len() + under.len() > CANONICALS_MAX {
            return Err(too_many());
        }
        let mut set = AddressSet::default();
        for entry in under {
            self.clock.wait()?;
            self.clock.check(STEPS_PER_RECORD)?;
            if let Some(document) = self.under.and_then(|under| under.document(entry)) {
                each_key(document.root(), &mut |key| {
                    set.insert(key.into());
                });
            }
        }
        for some in places.chunks(BODIES) {
            self.clock.wait()?;
            self.clock.check(some.len() as u64 * STEPS_PER_RECORD)?;
            for document in self.store.by_seq(some)?.iter().filter_map(document_of) {
                each_key(document.root(), &mut |key| {
                    set.insert(key.into());
                });
            }
        }
        Ok(set)
    }
}

fn too_many() -> Trouble {
    Trouble::Costly(format!(
        "More than {CANONICALS_MAX} records would have to be joined by their canonical addresses; narrow the inner condition."
    ))
}
