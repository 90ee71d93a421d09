//! The searches a transaction depends on: each asked once, and all of them guarded together.

use std::cell::RefCell;

use fhir::identity::{Id, Kind, Reference};
use fhir::outcome::{Code, Issue};
use rustc_hash::FxHashMap;
use store::Guard;

use crate::address;
use crate::conditional::{self, Found};
use crate::engine::Engine;
use crate::refusal::{Reason, Refusal};

/// Kind, criteria, and how many ids are wanted at most.
type Question = (Kind, String, usize);

/// The searches asked so far, with their answers.
pub struct Searches<'e> {
    engine: &'e Engine,
    asked: RefCell<FxHashMap<Question, Found>>,
}

impl<'e> Searches<'e> {
    /// No search yet.
    pub fn new(engine: &'e Engine) -> Searches<'e> {
        Searches {
            engine,
            asked: RefCell::new(FxHashMap::default()),
        }
    }

    /// The criteria without what may stand before them: `Patient?`, `?`.
    pub fn criteria<'t>(kind: &Kind, text: &'t str) -> &'t str {
        let text = text.trim().trim_start_matches('?');
        text.strip_prefix(kind.as_str())
            .and_then(|rest| rest.strip_prefix('?'))
            .unwrap_or(text)
    }

    /// What a search finds, at most `limit` ids.
    ///
    /// # Errors
    /// 400 where it is not understood; what the index refuses.
    pub fn find(&self, kind: &Kind, criteria: &str, limit: usize) -> Result<Vec<Id>, Refusal> {
        self.ask(kind, criteria, limit, |found| Ok(found.ids.clone()))
    }

    /// The one record a search finds, or none.
    ///
    /// # Errors
    /// As [`Searches::find`]; 412 where it finds several.
    pub fn one(&self, kind: &Kind, criteria: &str) -> Result<Option<Id>, Refusal> {
        self.ask(kind, criteria, 2, Found::at_most_one)
    }

    fn ask<T>(
        &self,
        kind: &Kind,
        criteria: &str,
        limit: usize,
        read: impl FnOnce(&Found) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let question = (kind.clone(), Searches::criteria(kind, criteria).to_owned(), limit);
        if let Some(found) = self.asked.borrow().get(&question) {
            return read(found);
        }
        let found = conditional::find(self.engine, kind, &question.1, limit)?;
        let answer = read(&found);
        self.asked.borrow_mut().insert(question, found);
        answer
    }

    /// The record that a conditional reference, `Type?query`, stands for; `None` where the text is none.
    ///
    /// # Errors
    /// 412 where the search finds no record or several; 400 where it is not understood.
    pub fn reference(
        &self,
        text: &str,
        own: &dyn Fn(&Kind, &str) -> Option<String>,
    ) -> Result<Option<String>, Refusal> {
        let Reference::Conditional { kind, query } = Reference::parse(text) else {
            return Ok(None);
        };
        let kind = self
            .engine
            .kind(kind)
            .map_err(|refusal| Refusal::with(Reason::Invalid, refusal.issues))?;
        if let Some(own) = own(&kind, query) {
            return Ok(Some(own));
        }
        match self.one(&kind, query)? {
            Some(id) => Ok(Some(format!("{kind}/{id}"))),
            None => {
                let shown = address::decode(query).unwrap_or_else(|| query.to_owned());
                let text = format!("The conditional reference {kind}?{shown} finds no record; nothing was written.");
                Err(Refusal::with(
                    Reason::PreconditionFailed,
                    vec![Issue::error(Code::NotFound, text)],
                ))
            }
        }
    }

    /// Asks every search again; whether all of them find what they found before.
    ///
    /// # Errors
    /// What the index refuses.
    pub fn still_hold(&self) -> Result<bool, Refusal> {
        for ((kind, criteria, limit), before) in self.asked.borrow_mut().iter_mut() {
            let found = conditional::find(self.engine, kind, criteria, *limit)?;
            let same = found.ids == before.ids;
            *before = found;
            if !same {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Refuses a unit where some search would no longer find what it found; `None` where none was asked.
    pub fn guard(&self) -> Option<Guard> {
        let guards: Vec<Guard> = self.asked.borrow().values().map(Found::guard).collect();
        let since = guards.iter().map(|guard| guard.since).min()?;
        Some(Guard {
            since,
            disturbed_by: Box::new(move |appended| {
                guards
                    .iter()
                    .any(|guard| appended.seq > guard.since && (guard.disturbed_by)(appended))
            }),
        })
    }
}
