//! SNOMED CT's Expression Constraint Language, as far as value sets need it (<http://snomed.org/ecl>).
//!
//! ```text
//! expression  operand, then `.operand` as often as wanted, then either `: attribute, attribute`, or further operands all
//!             joined by AND, by OR or by MINUS
//! operand     one of < << <! <<! > >> >! >>! or none; then ^ or none; then a concept with or without |term|, * or
//!             (expression); then {{ term = "words" }} as often as wanted
//! attribute   [min..max] or none; then R or none; then operand = operand, or operand != operand
//! ```
//!
//! Groups, other filters, values that are no concepts and histories are refused by name: releases are kept without the
//! groups of their relationships.

use rustc_hash::FxHashSet;

use crate::system::{Place, System, reach};
use crate::words;

/// How deep brackets may stand within brackets.
const DEPTH_MAX: usize = 32;
/// An expression at most, in bytes.
const BYTES_MAX: usize = 16 << 10;

/// Numbers of codes.
pub(crate) type Set = FxHashSet<u32>;

/// The codes of a system that an expression picks.
///
/// # Errors
/// What of the expression cannot be read or is not supported, the rest of a sentence.
pub(crate) fn pick(system: &dyn System, expression: &str) -> Result<Set, String> {
    if expression.len() > BYTES_MAX {
        return Err(format!("it is longer than {BYTES_MAX} bytes"));
    }
    let mut reader = Reader {
        rest: expression,
        system,
    };
    let found = reader.expression(0)?;
    reader.blanks();
    match reader.rest.is_empty() {
        true => Ok(found),
        false => Err(format!("`{}` is not understood", reader.rest)),
    }
}

struct Reader<'a> {
    rest: &'a str,
    system: &'a dyn System,
}

/// What joins operands.
#[derive(Clone, Copy, PartialEq)]
enum Join {
    And,
    Or,
    Minus,
}

impl Reader<'_> {
    fn blanks(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn take(&mut self, token: &str) -> bool {
        self.blanks();
        let rest = self.rest.strip_prefix(token);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn word(&mut self, word: &str) -> bool {
        self.blanks();
        let Some((front, rest)) = self.rest.split_at_checked(word.len()) else {
            return false;
        };
        let found = front.eq_ignore_ascii_case(word) && !rest.starts_with(char::is_alphanumeric);
        if found {
            self.rest = rest;
        }
        found
    }

    fn join(&mut self) -> Option<Join> {
        if self.word("and") || self.take(",") {
            return Some(Join::And);
        }
        if self.word("or") {
            return Some(Join::Or);
        }
        self.word("minus").then_some(Join::Minus)
    }

    fn expression(&mut self, depth: usize) -> Result<Set, String> {
        let mut found = self.operand(depth)?;
        while self.take(".") {
            let names = self.names(depth)?;
            found = found
                .iter()
                .flat_map(|number| self.values(*number, names.as_ref()))
                .collect();
        }
        if self.take(":") {
            return self.refined(found, depth);
        }
        let mut before = None;
        while let Some(join) = self.join() {
            if before.is_some_and(|before| before != join || join == Join::Minus) {
                return Err("AND, OR and MINUS are joined without brackets".to_owned());
            }
            let other = self.operand(depth)?;
            match join {
                Join::And => found.retain(|number| other.contains(number)),
                Join::Or => found.extend(other),
                Join::Minus => found.retain(|number| !other.contains(number)),
            }
            before = Some(join);
        }
        Ok(found)
    }

    fn operand(&mut self, depth: usize) -> Result<Set, String> {
        if depth > DEPTH_MAX {
            return Err(format!("brackets stand more than {DEPTH_MAX} deep"));
        }
        // The longer first.
        let ways = ["<<!", ">>!", "<<", "<!", "<", ">>", ">!", ">"];
        let way = ways.into_iter().find(|way| self.take(way));
        let members = self.take("^");
        let mut found = self.focus(depth)?;
        if members {
            let of = |number: &u32| self.system.members(*number).into_owned();
            found = found.iter().flat_map(of).collect();
        }
        let upwards = way.is_some_and(|way| way.starts_with('>'));
        let system = self.system;
        let next = |number: &u32| match upwards {
            true => system.parents(*number).into_owned(),
            false => system.children(*number).into_owned(),
        };
        let far = |number: &u32| reach(system, *number, upwards);
        let proper = |number: &u32| reach(system, *number, upwards).into_iter().skip(1).collect::<Vec<_>>();
        let mut found: Set = match way {
            None => found,
            Some("<<" | ">>") => found.iter().flat_map(far).collect(),
            Some("<" | ">") => found.iter().flat_map(proper).collect(),
            Some("<!" | ">!") => found.iter().flat_map(next).collect(),
            Some(_) => found.iter().flat_map(next).chain(found.iter().copied()).collect(),
        };
        while self.take("{{") {
            let words = self.term()?;
            found.retain(|number| words::name(&words, system, &Place::At(*number)));
        }
        Ok(found)
    }

    /// The words of a term filter, of which the opening is read.
    fn term(&mut self) -> Result<Vec<String>, String> {
        // Of filters on descriptions, which D says, that is the only one.
        self.word("D");
        if !(self.word("term") && self.take("=") && self.take("\"")) {
            return Err("of filters only {{ term = \"words\" }} is supported".to_owned());
        }
        let (text, rest) = self.rest.split_once('"').ok_or("a text is never closed")?;
        self.rest = rest;
        match self.take("}}") {
            true => Ok(words::of(text)),
            false => Err("a filter is never closed, or has more than one condition".to_owned()),
        }
    }

    /// A concept, all of them, or an expression in brackets.
    fn focus(&mut self, depth: usize) -> Result<Set, String> {
        if self.take("(") {
            let found = self.expression(depth + 1)?;
            return match self.take(")") {
                true => Ok(found),
                false => Err("a bracket is never closed".to_owned()),
            };
        }
        if self.take("*") {
            let active = |number: &u32| !self.system.state(&Place::At(*number)).inactive;
            return Ok((0..self.system.count().unwrap_or(0)).filter(active).collect());
        }
        self.blanks();
        let end = self.rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(self.rest.len());
        let (code, rest) = self.rest.split_at(end);
        if code.is_empty() {
            let what = rest.split_whitespace().next().unwrap_or("the end");
            return Err(format!("`{what}` stands where a concept is expected"));
        }
        self.rest = rest;
        if self.take("|") {
            let end = self.rest.find('|').ok_or("a term is never closed")?;
            self.rest = &self.rest[end + 1..];
        }
        Ok(match self.system.find(code) {
            Some(Place::At(number)) => Set::from_iter([number]),
            _ => Set::default(),
        })
    }

    /// Those of some codes that have the attributes.
    fn refined(&mut self, mut found: Set, depth: usize) -> Result<Set, String> {
        let mut before = None;
        let mut kept = Set::default();
        loop {
            let having = self.attribute(&found, depth)?;
            match before {
                Some(Join::Or) => kept.extend(having),
                _ => kept = having,
            }
            let join = self.join();
            match join {
                None => return Ok(kept),
                Some(Join::Minus) => return Err("MINUS does not join attributes".to_owned()),
                Some(_) if before.is_some() && before != join => {
                    return Err("AND and OR are joined without brackets".to_owned());
                }
                // Each attribute picks of what the others left, or of all.
                Some(Join::And) => found.clone_from(&kept),
                Some(Join::Or) => {}
            }
            before = join;
        }
    }

    fn attribute(&mut self, among: &Set, depth: usize) -> Result<Set, String> {
        self.blanks();
        if self.rest.starts_with('{') {
            return Err("groups of attributes are not supported".to_owned());
        }
        let many = self.cardinality()?;
        let reversed = self.word("R");
        let names = self.names(depth)?;
        let equal = match (self.take("!="), self.take("=")) {
            (true, _) => false,
            (_, true) => true,
            _ => return Err("an attribute needs = or !=".to_owned()),
        };
        self.blanks();
        if self.rest.starts_with(['#', '"']) {
            return Err("values that are no concepts are not supported".to_owned());
        }
        let values = self.operand(depth)?;
        if reversed {
            if !equal || many.is_some() {
                return Err("a reversed attribute has = and no cardinality here".to_owned());
            }
            let pointed: Set = values
                .iter()
                .flat_map(|number| self.values(*number, names.as_ref()))
                .collect();
            return Ok(among.intersection(&pointed).copied().collect());
        }
        let (least, most) = many.unwrap_or((1, usize::MAX));
        let has = |number: &&u32| {
            let own = self.values(**number, names.as_ref());
            let found = own.iter().filter(|value| values.contains(value) == equal).count();
            (least..=most).contains(&found)
        };
        Ok(among.iter().filter(has).copied().collect())
    }

    /// How often an attribute is to be there, where that is said: `[0..1]`, `[1..*]`.
    fn cardinality(&mut self) -> Result<Option<(usize, usize)>, String> {
        if !self.take("[") {
            return Ok(None);
        }
        let wrong = || "a cardinality is written as in [0..1] or [1..*]".to_owned();
        let (text, rest) = self.rest.split_once(']').ok_or_else(wrong)?;
        let (least, most) = text.split_once("..").ok_or_else(wrong)?;
        let number = |text: &str| text.trim().parse().map_err(|_| wrong());
        let most = if most.trim() == "*" { usize::MAX } else { number(most)? };
        self.rest = rest;
        Ok(Some((number(least)?, most)))
    }

    /// The names of an attribute; `None` for any.
    fn names(&mut self, depth: usize) -> Result<Option<Set>, String> {
        match self.take("*") {
            true => Ok(None),
            false => self.operand(depth).map(Some),
        }
    }

    /// The concepts that are values of a concept's attributes of these names, none twice.
    fn values(&self, number: u32, names: Option<&Set>) -> Set {
        let at = |code: &str| match self.system.find(code) {
            Some(Place::At(number)) => Some(number),
            _ => None,
        };
        let properties = self.system.details(&Place::At(number)).properties;
        let named = properties.iter().filter(|property| {
            let name = at(&property.code);
            name.is_some_and(|name| names.is_none_or(|names| names.contains(&name)))
        });
        named.filter_map(|property| at(&property.text())).collect()
    }
}
