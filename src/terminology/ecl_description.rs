//! Filters on descriptions in SNOMED CT's Expression Constraint Language: terms by words or wild cards, languages, types.
//!
//! All conditions of one filter must hold of one and the same description. Text definitions count only where types are
//! asked for. What is not kept of a release, dialects and inactive descriptions, is refused.

use crate::ecl::{Reader, Set};
use crate::ecl_refine::Compare;
use crate::system::{Place, System};
use crate::words;

const FULL_NAME: &str = "900000000000003001";
const SYNONYM: &str = "900000000000013009";
const DEFINITION: &str = "900000000000550004";
/// The types by their short names.
const TYPES: [(&str, &str); 3] = [("fsn", FULL_NAME), ("syn", SYNONYM), ("def", DEFINITION)];
/// Terms, languages or types in one condition.
const CHOICES_MAX: usize = 100;

/// What is asked of a description.
enum Condition {
    Term(Vec<Search>),
    Language(Vec<String>),
    Type(Vec<String>),
}

/// A search for a term.
enum Search {
    /// Each begins a word of it.
    Words(Vec<String>),
    /// The whole of it is like this, a star being any characters.
    Wild(String),
}

/// One description of a concept.
struct Description {
    term: String,
    language: String,
    kind: String,
}

impl Condition {
    fn holds(&self, of: &Description) -> bool {
        match self {
            Condition::Term(searches) => searches.iter().any(|search| search.finds(&of.term)),
            Condition::Language(codes) => codes.iter().any(|code| code.eq_ignore_ascii_case(&of.language)),
            Condition::Type(kinds) => kinds.contains(&of.kind),
        }
    }
}

impl Search {
    fn finds(&self, term: &str) -> bool {
        match self {
            Search::Words(words) => words::begin(words, term),
            Search::Wild(pattern) => is_like(pattern, &term.to_lowercase()),
        }
    }
}

/// Whether a text is as a pattern in which each star stands for any characters, or none.
fn is_like(pattern: &str, text: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let (between, last) = rest.rsplit_once('*').unwrap_or(("", rest));
    let Some(mut text) = text.strip_prefix(first) else {
        return false;
    };
    for part in between.split('*') {
        let Some(at) = text.find(part) else { return false };
        text = &text[at + part.len()..];
    }
    text.ends_with(last)
}

/// The descriptions of a concept: the one that is shown is a synonym, unless the concept has none but the full name.
fn described(system: &dyn System, number: u32) -> Vec<Description> {
    let place = Place::At(number);
    let details = system.details(&place);
    let own = system.facts().language.clone().unwrap_or_default();
    let kind_of = |usage: &Option<fhir::tree::Tree>| {
        let code = usage.as_ref().and_then(|usage| usage.get("code")?.as_str());
        code.unwrap_or(SYNONYM).to_owned()
    };
    let named = details
        .designations
        .iter()
        .any(|other| kind_of(&other.usage) == FULL_NAME);
    let shown = system.display(&place).map(|term| Description {
        term: term.into_owned(),
        language: own.clone(),
        kind: if named { SYNONYM } else { FULL_NAME }.to_owned(),
    });
    let definition = details.definition.map(|term| Description {
        term,
        language: own.clone(),
        kind: DEFINITION.to_owned(),
    });
    let others = details.designations.into_iter().map(|other| Description {
        kind: kind_of(&other.usage),
        language: other.language.unwrap_or_else(|| own.clone()),
        term: other.value,
    });
    others.chain(shown).chain(definition).collect()
}

impl Reader<'_> {
    /// Keeps the concepts with a description that is as a filter says, of which the opening is read.
    pub(crate) fn descriptions(&mut self, found: &mut Set, depth: usize) -> Result<(), String> {
        let mut conditions = vec![self.asked(depth)?];
        while self.take(",") {
            conditions.push(self.asked(depth)?);
        }
        let system = self.system;
        // Words alone are asked of the index of words first.
        if let [(Condition::Term(searches), true)] = conditions.as_slice()
            && let [Search::Words(words)] = searches.as_slice()
        {
            found.retain(|number| words::name(words, system, &Place::At(*number)));
            return Ok(());
        }
        let of_types = conditions.iter().any(|(one, _)| matches!(one, Condition::Type(_)));
        let fits = |one: &Description| {
            let counts = of_types || one.kind != DEFINITION;
            counts && conditions.iter().all(|(condition, is)| condition.holds(one) == *is)
        };
        found.retain(|number| described(system, *number).iter().any(fits));
        Ok(())
    }

    /// One condition, and whether it must hold or must not.
    fn asked(&mut self, depth: usize) -> Result<(Condition, bool), String> {
        const KNOWN: [&str; 4] = ["term", "language", "typeId", "type"];
        let Some(name) = KNOWN.into_iter().find(|name| self.word(name)) else {
            return Err(format!(
                "of filters on descriptions only {} are supported",
                KNOWN.join(", ")
            ));
        };
        let is = match self.compare() {
            Some(Compare::Equal) => true,
            Some(Compare::NotEqual) => false,
            _ => return Err("a filter on descriptions has = or !=".to_owned()),
        };
        let condition = match name {
            "term" => Condition::Term(self.choices(Self::search)?),
            "language" => Condition::Language(self.choices(Self::language)?),
            "type" => Condition::Type(self.choices(Self::kind)?),
            _ => Condition::Type(self.codes(depth)?),
        };
        Ok((condition, is))
    }

    /// One of something, or several in brackets.
    fn choices<T>(&mut self, one: impl Fn(&mut Self) -> Result<T, String>) -> Result<Vec<T>, String> {
        if !self.take("(") {
            return Ok(vec![one(self)?]);
        }
        let mut found = Vec::new();
        while !self.take(")") {
            if found.len() >= CHOICES_MAX {
                return Err(format!("a condition of a filter has at most {CHOICES_MAX} choices"));
            }
            found.push(one(self)?);
        }
        Ok(found)
    }

    fn search(&mut self) -> Result<Search, String> {
        let wild = self.word("wild");
        if wild || self.word("match") {
            self.take(":");
        }
        if !self.take("\"") {
            return Err("a term is searched by a text in quotes".to_owned());
        }
        let text = self.text()?;
        Ok(match wild {
            true => Search::Wild(text.to_lowercase()),
            false => Search::Words(words::of(&text)),
        })
    }

    fn language(&mut self) -> Result<String, String> {
        let code = self.letters();
        match code.len() {
            2 => Ok(code),
            _ => Err("a language has two letters".to_owned()),
        }
    }

    fn kind(&mut self) -> Result<String, String> {
        let name = self.letters();
        let found = TYPES.iter().find(|(known, _)| known.eq_ignore_ascii_case(&name));
        let found = found.map(|(_, code)| (*code).to_owned());
        found.ok_or_else(|| format!("`{name}` is no type of descriptions: fsn, syn or def is"))
    }

    fn letters(&mut self) -> String {
        self.blanks();
        let end = self.rest.find(|c: char| !c.is_ascii_alphabetic());
        let (found, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        found.to_owned()
    }
}
