//! The names of a code: which is shown in the languages that are wanted, and which are right when they are given.

use fhir::tree::Tree;

use crate::language::Languages;
use crate::system::{Designation, Place, System};
use crate::value_set::Listed;

/// All names of a code.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    /// The display of its system, or that of the value set.
    pub(crate) display: Option<String>,
    /// The language of the system.
    pub(crate) language: Option<String>,
    /// The others.
    pub(crate) designations: Vec<Designation>,
}

impl Names {
    /// Those of a code in a system, and in a value set that lists it.
    pub(crate) fn of(system: &dyn System, place: &Place, listed: Option<&Listed>) -> Names {
        let own = system.display(place).map(|text| text.into_owned());
        let mut designations = system.details(place).designations;
        let mut display = own;
        if let Some(listed) = listed {
            designations.extend(listed.designations.iter().cloned());
            display = listed.display.clone().or(display);
        }
        Names {
            display,
            language: system.facts().language.clone(),
            designations,
        }
    }

    /// The name that is shown, and the names that are left. Where the system's own display is not the one that is
    /// shown, it is left as a designation that says so.
    pub(crate) fn choose(mut self, languages: &Languages) -> (Option<String>, Vec<Designation>) {
        let own = languages
            .rank(self.language.as_deref())
            .filter(|_| self.display.is_some());
        let usable = self.designations.iter().enumerate().filter(|(_, d)| !d.is_withdrawn());
        let ranked = usable.filter_map(|(at, d)| Some((languages.rank(Some(d.language.as_deref()?))?, at)));
        let best = ranked.min().filter(|(rank, _)| own.is_none_or(|own| *rank < own));
        if let Some((_, at)) = best {
            let shown = self.designations.remove(at).value;
            let mut left: Vec<Designation> = self.own().into_iter().collect();
            left.extend(self.designations);
            return (Some(shown), left);
        }
        if own.is_some() || languages.is_empty() || languages.any_other() {
            return (self.display, self.designations);
        }
        let mut left: Vec<Designation> = self.own().into_iter().collect();
        left.extend(self.designations);
        (None, left)
    }

    /// The display as a designation.
    pub(crate) fn own(&self) -> Option<Designation> {
        Some(Designation {
            language: self.language.clone(),
            usage: Some(preferred()),
            value: self.display.clone()?,
            ..Designation::default()
        })
    }
}

/// The use of the name that a language prefers.
fn preferred() -> Tree {
    Tree::object([
        (
            "system",
            Tree::string("http://terminology.hl7.org/CodeSystem/hl7TermMaintInfra"),
        ),
        ("code", Tree::string("preferredForLanguage")),
        ("display", Tree::string("Preferred For Language")),
    ])
}

/// What comes of holding a display against the names of a code.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Fit {
    /// It is one of them.
    Right,
    /// It was one of them.
    Withdrawn,
    /// It is one in the system's own language, and there is none in the languages that were asked for.
    OtherLanguage,
    /// It is none of them; of the right ones, with the space between words counted or not.
    Wrong {
        spacing: bool,
        right: Vec<(String, Option<String>)>,
    },
}

impl Names {
    /// Holds a display against the names. Case does not count.
    pub(crate) fn fit(&self, display: &str, languages: &Languages) -> Fit {
        let own = self
            .display
            .iter()
            .map(|text| (text.clone(), self.language.clone(), false));
        let others = self
            .designations
            .iter()
            .map(|d| (d.value.clone(), d.language.clone(), d.is_withdrawn()));
        let all: Vec<(String, Option<String>, bool)> = own.chain(others).collect();
        let wanted = |language: &Option<String>| languages.is_empty() || languages.rank(language.as_deref()).is_some();
        let same = |text: &str| text.to_lowercase() == display.to_lowercase();
        let asked: Vec<_> = all.iter().filter(|(_, language, _)| wanted(language)).collect();
        if let Some((_, _, withdrawn)) = asked.iter().find(|(text, ..)| same(text)) {
            return if *withdrawn { Fit::Withdrawn } else { Fit::Right };
        }
        if asked.is_empty() && all.iter().any(|(text, ..)| same(text)) {
            return Fit::OtherLanguage;
        }
        let loose = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
        let mut right: Vec<(String, Option<String>)> = Vec::new();
        for (text, language, withdrawn) in asked {
            if !withdrawn && !right.iter().any(|(known, _)| known == text) {
                right.push((text.clone(), language.clone()));
            }
        }
        Fit::Wrong {
            spacing: right.iter().any(|(text, _)| loose(text) == loose(display)),
            right,
        }
    }
}
