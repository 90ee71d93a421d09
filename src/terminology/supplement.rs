//! A code system with supplements: more designations, properties and extensions for codes it has.
//!
//! See <https://hl7.org/fhir/R4/codesystem.html#supplements>.

use std::borrow::Cow;
use std::sync::Arc;

use crate::recorded::{Recorded, details};
use crate::system::{Details, Facts, Place, State, System};

/// A system and what supplements it.
pub struct Supplemented {
    system: Arc<dyn System>,
    supplements: Vec<Arc<Recorded>>,
    facts: Facts,
}

impl Supplemented {
    /// A system with some supplements, in the order they are to be heard.
    pub fn new(system: Arc<dyn System>, supplements: Vec<Arc<Recorded>>) -> Supplemented {
        let mut facts = system.facts().clone();
        for supplement in &supplements {
            facts.properties.extend(supplement.facts().properties.iter().cloned());
        }
        Supplemented {
            system,
            supplements,
            facts,
        }
    }
}

impl System for Supplemented {
    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn find(&self, code: &str) -> Option<Place> {
        self.system.find(code)
    }

    fn code<'s>(&'s self, place: &'s Place) -> Cow<'s, str> {
        self.system.code(place)
    }

    fn display(&self, place: &Place) -> Option<Cow<'_, str>> {
        self.system.display(place)
    }

    fn state(&self, place: &Place) -> State {
        self.system.state(place)
    }

    fn details(&self, place: &Place) -> Details {
        let mut all = self.system.details(place);
        let code = self.system.code(place);
        for supplement in &self.supplements {
            let source = supplement.facts().canonical();
            let Some(more) = supplement.concept_of(&code).map(|c| details(c, Some(&source))) else {
                continue;
            };
            all.designations.extend(more.designations);
            all.properties.extend(more.properties);
            all.extensions.extend(more.extensions);
        }
        all
    }

    fn count(&self) -> Option<u32> {
        self.system.count()
    }

    fn members(&self, place: u32) -> Cow<'_, [u32]> {
        self.system.members(place)
    }

    fn parents(&self, place: u32) -> Cow<'_, [u32]> {
        self.system.parents(place)
    }

    fn children(&self, place: u32) -> Cow<'_, [u32]> {
        self.system.children(place)
    }

    fn own_filter(&self, property: &str, op: &str, value: &str, place: &Place) -> Option<bool> {
        self.system.own_filter(property, op, value, place)
    }
}
