//! The value sets of the standard, and what codes each has (<https://hl7.org/fhir/R4/valueset.html#compositions>).

use rustc_hash::FxHashMap;

use crate::code_systems::{CodeSystem, CodeSystems, sections};
use crate::compact_terms::BETWEEN_FILTERS;
use crate::terminology::{Codes, Unanswered};

/// How deep value sets may use value sets.
const DEPTH_MAX: u32 = 16;

/// All value sets, by address.
#[derive(Debug)]
pub(crate) struct ValueSets {
    sets: FxHashMap<&'static str, Entry>,
}

#[derive(Debug)]
struct Entry {
    version: &'static str,
    rules: &'static str,
}

/// One line of a value set.
struct Rule {
    includes: bool,
    /// With `|version` where one is asked for; empty where the rule only uses value sets.
    system: &'static str,
    sets: &'static str,
    filters: &'static str,
    codes: Vec<&'static str>,
}

impl Rule {
    fn read(row: &'static str) -> Rule {
        let mut columns = row.trim_start_matches('\t').split('\t');
        let mut next = || columns.next().unwrap_or_default();
        let (sign, system, sets, filters) = (next(), next(), next(), next());
        Rule {
            includes: sign == "+",
            system,
            sets,
            filters,
            codes: columns.collect(),
        }
    }
}

/// A code to be looked for, in one system or in any.
#[derive(Clone, Copy)]
struct Coded<'a> {
    system: Option<&'a str>,
    code: &'a str,
}

/// Works out one value set.
struct Expansion<'a> {
    sets: &'a ValueSets,
    systems: &'a CodeSystems,
    /// The value set asked for, as every error names it.
    asked: &'a str,
    most: usize,
}

impl ValueSets {
    pub(crate) fn read(table: &'static str) -> ValueSets {
        let entry = |(head, rules): (&'static str, &'static str)| {
            let (url, version) = head.split_once('\t').unwrap_or((head, ""));
            (url, Entry { version, rules })
        };
        ValueSets {
            sets: sections(table).map(entry).collect(),
        }
    }

    /// The codes of a value set, at most `most`.
    pub(crate) fn members(&self, systems: &CodeSystems, asked: &str, most: usize) -> Result<Codes, Unanswered> {
        let sets = self;
        let expansion = Expansion {
            sets,
            systems,
            asked,
            most,
        };
        expansion.set(asked, 0)
    }

    /// Whether a value set has a code; without a system, whether any of its systems does.
    pub(crate) fn validate(
        &self,
        systems: &CodeSystems,
        asked: &str,
        system: Option<&str>,
        code: &str,
    ) -> Result<bool, Unanswered> {
        let (sets, most) = (self, usize::MAX);
        let expansion = Expansion {
            sets,
            systems,
            asked,
            most,
        };
        expansion.has(asked, Coded { system, code }, 0)
    }

    #[cfg(test)]
    pub(crate) fn urls(&self) -> impl Iterator<Item = &'static str> {
        self.sets.keys().copied()
    }
}

impl Expansion<'_> {
    fn missing(&self, why: &str) -> Unanswered {
        Unanswered::NotLoaded(format!("The value set {} cannot be expanded here: {why}", self.asked))
    }

    /// The rules of a value set.
    fn rules(&self, address: &str, depth: u32) -> Result<impl Iterator<Item = Rule> + use<>, Unanswered> {
        if depth > DEPTH_MAX {
            return Err(self.missing("value sets use each other too deeply"));
        }
        let (url, version) = match address.split_once('|') {
            Some((url, version)) => (url, Some(version)),
            None => (address, None),
        };
        let known = self.sets.sets.get(url);
        let Some(entry) = known.filter(|entry| version.is_none_or(|version| version == entry.version)) else {
            return Err(match (depth, known) {
                (0, None) => Unanswered::Unknown(format!("The value set {url} is not known here")),
                (0, Some(entry)) => {
                    let (asked, version) = (self.asked, entry.version);
                    Unanswered::Unknown(format!(
                        "The value set {asked} is not known here, only its version {version}"
                    ))
                }
                _ => self.missing(&format!("it uses the value set {address}, which is not known")),
            });
        };
        Ok(entry.rules.lines().map(Rule::read))
    }

    fn set(&self, address: &str, depth: u32) -> Result<Codes, Unanswered> {
        let (mut found, mut excluded) = (Codes::default(), Codes::default());
        for rule in self.rules(address, depth)? {
            let codes = self.rule(&rule, depth)?;
            let into = if rule.includes { &mut found } else { &mut excluded };
            into.unite(codes);
            if found.codes.len().max(excluded.codes.len()) > self.most {
                return Err(self.too_many());
            }
        }
        found
            .remove(&excluded)
            .map_err(|system| self.missing(&format!("it excludes codes of {system}, which is not loaded")))?;
        Ok(found)
    }

    /// Whether a value set has a code: what [`Expansion::set`] would list, without listing it.
    fn has(&self, address: &str, coded: Coded<'_>, depth: u32) -> Result<bool, Unanswered> {
        let (included, excluded): (Vec<_>, Vec<_>) = self.rules(address, depth)?.partition(|rule| rule.includes);
        let any = |rules: &[Rule]| {
            // What one rule cannot say, another may settle.
            let mut open = None;
            for rule in rules {
                match self.rule_has(rule, coded, depth) {
                    Ok(true) => return Ok(true),
                    Ok(false) => {}
                    Err(why) => open = open.or(Some(why)),
                }
            }
            open.map_or(Ok(false), Err)
        };
        Ok(any(&included)? && !any(&excluded)?)
    }

    fn rule_has(&self, rule: &Rule, coded: Coded<'_>, depth: u32) -> Result<bool, Unanswered> {
        let system = rule.system.split('|').next().unwrap_or_default();
        if !system.is_empty() {
            let other = coded.system.is_some_and(|asked| asked != system);
            if other || !self.system_has(rule, coded, system)? {
                return Ok(false);
            }
        }
        let mut sets = rule.sets.split(' ').filter(|address| !address.is_empty()).peekable();
        if system.is_empty() && sets.peek().is_none() {
            return Ok(false);
        }
        for address in sets {
            if !self.has(address, coded, depth + 1)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn system_has(&self, rule: &Rule, coded: Coded<'_>, system: &'static str) -> Result<bool, Unanswered> {
        if !rule.codes.is_empty() {
            return Ok(rule.codes.contains(&coded.code));
        }
        match self.systems.complete(rule.system) {
            Some(known) if rule.filters.is_empty() => Ok(known.has(coded.code)),
            Some(_) => Ok(self.of_system(rule)?.has(system, coded.code)),
            // A system that is not loaded may have any code, but an element without a system is not thought to mean it.
            None if coded.system.is_none() => Ok(false),
            None => Ok(self.of_system(rule)?.has(system, coded.code)),
        }
    }

    fn too_many(&self) -> Unanswered {
        Unanswered::TooCostly(format!(
            "The value set {} has more than {} codes, too many for one search",
            self.asked, self.most
        ))
    }

    fn rule(&self, rule: &Rule, depth: u32) -> Result<Codes, Unanswered> {
        let mut found = match rule.system {
            "" => None,
            _ => Some(self.of_system(rule)?),
        };
        for address in rule.sets.split(' ').filter(|address| !address.is_empty()) {
            let set = self.set(address, depth + 1)?;
            found = Some(match found {
                None => set,
                Some(found) => found.intersect(&set),
            });
        }
        Ok(found.unwrap_or_default())
    }

    fn of_system(&self, rule: &Rule) -> Result<Codes, Unanswered> {
        let system = rule.system.split('|').next().unwrap_or_default();
        if !rule.codes.is_empty() {
            return Ok(Codes::of(system, rule.codes.iter().copied()));
        }
        let Some(known) = self.systems.complete(rule.system) else {
            // Every code of a system is known without its content; what a filter picks is not.
            return match (rule.filters, rule.system == system) {
                ("", true) => Ok(Codes::whole(system)),
                _ => Err(self.missing(&format!("it includes codes of {}, which is not loaded", rule.system))),
            };
        };
        if known.len() > self.most {
            return Err(self.too_many());
        }
        let mut found = Codes::of(system, known.codes());
        for filter in rule.filters.split(BETWEEN_FILTERS).filter(|filter| !filter.is_empty()) {
            found = found.intersect(&self.filtered(known, system, filter)?);
        }
        Ok(found)
    }

    /// <https://hl7.org/fhir/R4/valueset-filter-operator.html>
    fn filtered(&self, known: &CodeSystem, system: &str, filter: &str) -> Result<Codes, Unanswered> {
        let not_understood = || self.missing(&format!("it filters {system} by `{filter}`, which is not understood"));
        let mut words = filter.splitn(3, ' ');
        let (Some("concept" | "code"), Some(op), Some(value)) = (words.next(), words.next(), words.next()) else {
            return Err(not_understood());
        };
        let place = |code: &str| {
            let missing = || self.missing(&format!("it filters {system} by `{code}`, which is none of its codes"));
            known.place(code).ok_or_else(missing)
        };
        let all = || Codes::of(system, known.codes());
        let without = |codes: &Codes| {
            let mut left = all();
            // The system is listed, so that any of its codes can be taken out.
            left.codes.retain(|(system, code)| !codes.has(system, code));
            left
        };
        let listed = || -> Result<Codes, Unanswered> {
            let places: Result<_, _> = value.split(',').map(|code| place(code.trim())).collect();
            Ok(known.codes_at(&places?))
        };
        Ok(match op {
            "is-a" => known.codes_at(&known.below(place(value)?)),
            "descendent-of" => {
                let top = place(value)?;
                let mut below = known.below(top);
                below.remove(&top);
                known.codes_at(&below)
            }
            "generalizes" => known.codes_at(&known.above(place(value)?)),
            "is-not-a" => without(&known.codes_at(&known.below(place(value)?))),
            "=" | "in" => listed()?,
            "not-in" => without(&listed()?),
            _ => return Err(not_understood()),
        })
    }
}
