//! SNOMED CT's Expression Constraint Language, as far as value sets need it (<http://snomed.org/ecl>).
//!
//! ```text
//! expression  operand, then `.operand` as often as wanted, then either `: refinement`, or further operands all
//!             joined by AND, by OR or by MINUS
//! operand     one of < << <! <<! > >> >! >>! or none; then ^ or none; then a concept with or without |term|, * or
//!             (expression); then {{ filter }} as often as wanted
//! refinement  parts all joined by AND (or a comma) or by OR: an attribute, [min..max] or none before { refinement },
//!             or (refinement)
//! attribute   [min..max] or none; then R or none; then operand = or != operand, "text" or #number; a number also < <= > >=
//! filter      D or none and, joined by commas, term, language, type, typeId; or C and, joined by commas, active,
//!             definitionStatus, moduleId, effectiveTime
//! ```
//!
//! Other filters, histories and values of releases that were loaded before groups were kept are refused or absent: load
//! such a release anew.

use rustc_hash::FxHashSet;

use crate::ecl_refine::{Attribute, Compare, Many, Refinement, Term, Wanted, relations, values};
use crate::system::{Place, System, reach};

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

pub(crate) struct Reader<'a> {
    pub(crate) rest: &'a str,
    pub(crate) system: &'a dyn System,
}

/// What joins operands.
#[derive(Clone, Copy, PartialEq)]
enum Join {
    And,
    Or,
    Minus,
}

impl Reader<'_> {
    pub(crate) fn blanks(&mut self) {
        self.rest = self.rest.trim_start();
    }

    pub(crate) fn take(&mut self, token: &str) -> bool {
        self.blanks();
        let rest = self.rest.strip_prefix(token);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    pub(crate) fn word(&mut self, word: &str) -> bool {
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
                .flat_map(|number| values(self.system, *number, names.as_ref()))
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
            self.filter(&mut found, depth)?;
        }
        Ok(found)
    }

    /// Keeps what a filter lets pass, of which the opening is read.
    fn filter(&mut self, found: &mut Set, depth: usize) -> Result<(), String> {
        if self.word("C") {
            loop {
                self.condition(found, depth)?;
                if !self.take(",") {
                    break;
                }
            }
        } else {
            self.word("D");
            self.descriptions(found, depth)?;
        }
        match self.take("}}") {
            true => Ok(()),
            false => Err("a filter is never closed, or has more than one condition".to_owned()),
        }
    }

    /// One condition of a filter on concepts.
    fn condition(&mut self, found: &mut Set, depth: usize) -> Result<(), String> {
        let names = ["active", "definitionStatus", "moduleId", "effectiveTime"];
        let Some(name) = names.into_iter().find(|name| self.word(name)) else {
            return Err(format!(
                "of filters on concepts only {} are supported",
                names.join(", ")
            ));
        };
        let compare = self.compare().ok_or("a condition needs =, != or another comparison")?;
        let system = self.system;
        let property = |number: u32, code: &str| {
            let all = system.details(&Place::At(number)).properties;
            all.into_iter()
                .find(|one| one.code == code)
                .map(|one| one.text().into_owned())
        };
        let is = |yes: bool| (compare == Compare::Equal) == yes;
        match name {
            "active" => {
                let active = self.either(("1", "0"), ("true", "false"))?;
                found.retain(|number| is(system.state(&Place::At(*number)).inactive != active));
            }
            "definitionStatus" => {
                let defined = self.either(("defined", "primitive"), ("defined", "primitive"))?;
                let wanted = defined.to_string();
                found.retain(|number| is(property(*number, "sufficientlyDefined") == Some(wanted.clone())));
            }
            "moduleId" => {
                let modules = self.codes(depth)?;
                found.retain(|number| is(property(*number, "moduleId").is_some_and(|own| modules.contains(&own))));
            }
            _ => {
                self.blanks();
                let day = self.text()?;
                found.retain(|number| property(*number, "effectiveTime").is_some_and(|own| compare.holds(&own, &day)));
            }
        }
        Ok(())
    }

    /// Which of two words comes next, the first being yes.
    fn either(&mut self, one: (&str, &str), other: (&str, &str)) -> Result<bool, String> {
        if self.word(one.0) || self.word(other.0) {
            return Ok(true);
        }
        match self.word(one.1) || self.word(other.1) {
            true => Ok(false),
            false => Err(format!("`{}` or `{}` is expected", other.0, other.1)),
        }
    }

    /// A concept by its code, which the system need not have: modules are not always part of a release.
    pub(crate) fn codes(&mut self, depth: usize) -> Result<Vec<String>, String> {
        self.blanks();
        let digits = self
            .rest
            .split(|c: char| !c.is_ascii_digit())
            .next()
            .unwrap_or_default()
            .to_owned();
        let found = self.operand(depth)?;
        let of = |number: &u32| self.system.code(&Place::At(*number)).into_owned();
        Ok(found
            .iter()
            .map(of)
            .chain(Some(digits).filter(|code| !code.is_empty()))
            .collect())
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

    /// Those of some codes that are as a refinement says.
    fn refined(&mut self, mut found: Set, depth: usize) -> Result<Set, String> {
        let refinement = self.refinement(depth)?;
        found.retain(|number| {
            let relations = relations(self.system, *number);
            refinement.holds(*number, &relations.iter().collect::<Vec<_>>())
        });
        Ok(found)
    }

    fn refinement(&mut self, depth: usize) -> Result<Refinement, String> {
        if depth > DEPTH_MAX {
            return Err(format!("brackets stand more than {DEPTH_MAX} deep"));
        }
        let (mut terms, mut before) = (vec![self.part(depth)?], None);
        while let Some(join) = self.join() {
            match (before, join) {
                (_, Join::Minus) => return Err("MINUS does not join attributes".to_owned()),
                (Some(before), join) if before != join => {
                    return Err("AND and OR are joined without brackets".to_owned());
                }
                _ => before = Some(join),
            }
            terms.push(self.part(depth)?);
        }
        let any = before == Some(Join::Or);
        Ok(Refinement { any, terms })
    }

    /// A group, an attribute, or a refinement in brackets, which an attribute's name may stand in too.
    fn part(&mut self, depth: usize) -> Result<Term, String> {
        let many = self.cardinality()?;
        if self.take("{") {
            let inner = self.refinement(depth + 1)?;
            return match self.take("}") {
                true => Ok(Term::Groups(many.unwrap_or((1, usize::MAX)), inner)),
                false => Err("a group is never closed".to_owned()),
            };
        }
        let begin = self.rest;
        let attribute = self.attribute(many, depth);
        let ended = self.rest;
        if attribute.is_err() && many.is_none() {
            self.rest = begin;
            if self.take("(")
                && let Ok(inner) = self.refinement(depth + 1)
                && self.take(")")
            {
                return Ok(Term::Within(inner));
            }
            self.rest = ended;
        }
        attribute
    }

    fn attribute(&mut self, many: Option<Many>, depth: usize) -> Result<Term, String> {
        let reversed = self.word("R");
        let names = self.names(depth)?;
        let compare = self.compare().ok_or("an attribute needs =, != or another comparison")?;
        self.blanks();
        let wanted = match (self.rest.chars().next(), compare) {
            (Some('#'), _) => Wanted::Number(self.number()?),
            (Some('"'), Compare::Equal | Compare::NotEqual) => Wanted::Text(self.text()?),
            (_, Compare::Equal | Compare::NotEqual) => Wanted::Concepts(self.operand(depth)?),
            _ => return Err("only numbers are compared by more than = and !=".to_owned()),
        };
        if !reversed {
            let many = many.unwrap_or((1, usize::MAX));
            return Ok(Term::Attribute(Attribute {
                names,
                compare,
                wanted,
                many,
            }));
        }
        let (Wanted::Concepts(holders), Compare::Equal, None) = (wanted, compare, many) else {
            return Err("a reversed attribute has = and no cardinality here".to_owned());
        };
        let pointed = holders
            .iter()
            .flat_map(|number| values(self.system, *number, names.as_ref()));
        Ok(Term::Among(pointed.collect()))
    }

    pub(crate) fn compare(&mut self) -> Option<Compare> {
        let found = Compare::ALL.iter().find(|(token, _)| self.take(token));
        found.map(|(_, compare)| *compare)
    }

    /// `#5`, `#-0.5`
    fn number(&mut self) -> Result<f64, String> {
        self.take("#");
        let end = self
            .rest
            .find(|c: char| !c.is_ascii_digit() && !matches!(c, '-' | '+' | '.'));
        let (digits, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        digits.parse().map_err(|_| format!("`#{digits}` is no number"))
    }

    pub(crate) fn text(&mut self) -> Result<String, String> {
        self.take("\"");
        let (text, rest) = self.rest.split_once('"').ok_or("a text is never closed")?;
        self.rest = rest;
        Ok(text.to_owned())
    }

    /// How often an attribute is to be there, where that is said: `[0..1]`, `[1..*]`.
    fn cardinality(&mut self) -> Result<Option<Many>, String> {
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
}
