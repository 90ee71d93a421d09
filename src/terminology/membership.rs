//! Whether a code belongs to a value set, found out without listing the set.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use crate::filter::Test;
use crate::finding::{Finding, Unable};
use crate::library::Session;
use crate::pins::Pinned;
use crate::system::{Place, System};
use crate::value_set::{Rule, ValueSet};
use crate::version;

/// How deep value sets may use value sets.
const DEPTH_MAX: usize = 32;

/// How often one question may go into a value set: sets that use each other twice over double the way at every step.
const VISITS_MAX: u32 = 1_000_000;

/// The value sets that led here, one using the next, and how often value sets may still be gone into.
#[derive(Clone, Debug)]
pub(crate) struct Trail {
    path: Vec<String>,
    left: Rc<Cell<u32>>,
}

impl Default for Trail {
    fn default() -> Trail {
        Trail {
            path: Vec::new(),
            left: Rc::new(Cell::new(VISITS_MAX)),
        }
    }
}

impl Trail {
    /// The same with one more.
    ///
    /// # Errors
    /// 422 where the value set is on the trail already, the trail is too long, or there were too many.
    pub(crate) fn with(&self, set: &ValueSet) -> Result<Trail, Unable> {
        let canonical = set.canonical();
        if !set.url.is_empty() && self.path.contains(&canonical) {
            let pathway = self.path.join(", ");
            let text =
                format!("Found a circularity pointing to {canonical} processing ValueSet with pathway [{pathway}]");
            let finding = Finding::error("processing", "vs-invalid", text);
            return Err(Unable::unusable(finding.known_as("VALUESET_CIRCULAR_REFERENCE")));
        }
        let left = self.left.get().checked_sub(1);
        let Some(left) = left.filter(|_| self.path.len() < DEPTH_MAX) else {
            let text = format!(
                "Value sets use each other more than {DEPTH_MAX} deep or {VISITS_MAX} times over, at {canonical}; simplify them"
            );
            return Err(Unable::too_costly(text));
        };
        self.left.set(left);
        let mut trail = self.clone();
        trail.path.push(canonical);
        Ok(trail)
    }
}

/// What a value set says of the version of a system.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Claim {
    /// The version the value set names.
    pub(crate) named: Option<String>,
    /// What that comes to.
    pub(crate) pinned: Pinned,
    /// What it would come to, if it named none.
    pub(crate) otherwise: Option<String>,
}

impl Session<'_> {
    /// A value set that another uses.
    ///
    /// # Errors
    /// 422 where it is not known.
    pub(crate) fn used_set(&self, by: &ValueSet, canonical: &str) -> Result<Arc<ValueSet>, Unable> {
        if let Some(set) = by.contained(canonical) {
            return Ok(Arc::clone(set));
        }
        let (address, _) = self.pins.set(canonical);
        if let Some(set) = self.set(&address)? {
            return Ok(set);
        }
        let text = format!("A definition for the value Set '{address}' could not be found");
        let finding = Finding::error("not-found", "not-found", text);
        Err(Unable::unusable(finding.known_as("Unable_to_resolve_value_Set_")))
    }

    /// The versions of a system that the rules of a value set, and of those it uses, speak of.
    pub(crate) fn claims(
        &self,
        set: &ValueSet,
        system: &str,
        trail: &Trail,
        claims: &mut Vec<Claim>,
    ) -> Result<(), Unable> {
        let trail = trail.with(set)?;
        for rule in &set.includes {
            match rule.system.as_deref() {
                Some(named) if named == system => {
                    let claim = Claim {
                        named: rule.version.clone(),
                        pinned: self.pins.of(system, rule.version.as_deref()),
                        otherwise: self.pins.of(system, None).version,
                    };
                    if !claims.contains(&claim) {
                        claims.push(claim);
                    }
                }
                Some(_) => {}
                None => {
                    for used in &rule.sets {
                        self.claims(&*self.used_set(set, used)?, system, &trail, claims)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Whether a value set has a code of one version of a system.
    ///
    /// # Errors
    /// 422 where a rule cannot be used.
    pub(crate) fn has(
        &self,
        set: &ValueSet,
        system: &dyn System,
        place: &Place,
        trail: &Trail,
    ) -> Result<bool, Unable> {
        let barred = set.inactive == Some(false) && system.state(place).inactive;
        Ok(!barred && self.has_regardless(set, system, place, trail)?)
    }

    /// The same, where it does not matter that a value set leaves out what is inactive.
    ///
    /// # Errors
    /// 422 where a rule cannot be used.
    pub(crate) fn has_regardless(
        &self,
        set: &ValueSet,
        system: &dyn System,
        place: &Place,
        trail: &Trail,
    ) -> Result<bool, Unable> {
        let trail = trail.with(set)?;
        let by_version = !versions_match(set, &system.facts().url);
        let mut included = false;
        for rule in &set.includes {
            if self.picks(set, rule, system, place, &trail, true)? {
                included = true;
                break;
            }
        }
        if included {
            for rule in &set.excludes {
                if self.picks(set, rule, system, place, &trail, by_version)? {
                    return Ok(false);
                }
            }
        }
        Ok(included)
    }

    /// Whether a value set, or one it uses, lists a code of a system one by one.
    pub(crate) fn lists(&self, set: &ValueSet, system: &str, code: &str, trail: &Trail) -> Result<bool, Unable> {
        let trail = trail.with(set)?;
        for rule in &set.includes {
            if rule.system.as_deref() == Some(system) && rule.listed(code).is_some() {
                return Ok(true);
            }
            for used in rule.sets.iter().filter(|_| rule.system.is_none()) {
                if self.lists(&*self.used_set(set, used)?, system, code, &trail)? {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// The systems that a value set, and those it uses, draw on.
    pub(crate) fn drawn_on(&self, set: &ValueSet, trail: &Trail, found: &mut Vec<String>) -> Result<(), Unable> {
        let trail = trail.with(set)?;
        for rule in &set.includes {
            match &rule.system {
                Some(system) if found.contains(system) => {}
                Some(system) => found.push(system.clone()),
                None => {
                    for used in &rule.sets {
                        self.drawn_on(&*self.used_set(set, used)?, &trail, found)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Whether a rule picks a code.
    pub(crate) fn picks(
        &self,
        set: &ValueSet,
        rule: &Rule,
        system: &dyn System,
        place: &Place,
        trail: &Trail,
        by_version: bool,
    ) -> Result<bool, Unable> {
        if let Some(named) = &rule.system {
            if *named != system.facts().url {
                return Ok(false);
            }
            let Some((system, place)) = self.version_meant(rule, named, (system, place), by_version)? else {
                return Ok(false);
            };
            if !rule.concepts.is_empty() && rule.listed_in(system.get(), &place).is_none() {
                return Ok(false);
            }
            for filter in &rule.filters {
                if !Test::of(filter, system.get())?.picks(system.get(), &place)? {
                    return Ok(false);
                }
            }
        } else if rule.sets.is_empty() {
            return Ok(false);
        }
        for used in &rule.sets {
            if !self.has(&*self.used_set(set, used)?, system, place, trail)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// A version of a system, as it was given or as it was found.
enum Version<'a> {
    Given(&'a dyn System),
    Found(Arc<dyn System>),
}

impl Version<'_> {
    fn get(&self) -> &dyn System {
        match self {
            Version::Given(system) => *system,
            Version::Found(system) => &**system,
        }
    }
}

impl Session<'_> {
    /// The version of a system that a rule means, with the code in it: the one that is given, where it fits; where
    /// versions do not count, the other one, if it has the code.
    fn version_meant<'s>(
        &self,
        rule: &Rule,
        url: &str,
        (system, place): (&'s dyn System, &Place),
        by_version: bool,
    ) -> Result<Option<(Version<'s>, Place)>, Unable> {
        let pinned = self.pins.of(url, rule.version.as_deref());
        let Some(wanted) = pinned.version.as_deref() else {
            return Ok(Some((Version::Given(system), place.clone())));
        };
        let fits = |system: &dyn System| {
            system
                .facts()
                .version
                .as_deref()
                .is_some_and(|has| version::matches(wanted, has))
        };
        if fits(system) {
            return Ok(Some((Version::Given(system), place.clone())));
        }
        if by_version {
            return Ok(None);
        }
        let known = self.systems(url)?;
        let other = known.iter().find(|system| fits(&***system));
        let code = system.code(place);
        Ok(other.and_then(|other| Some((Version::Found(Arc::clone(other)), other.find(&code)?))))
    }
}

/// Whether codes of different versions of a system are the same to a value set. Where it does not say so, they are unless
/// it includes more than one version.
pub(crate) fn versions_match(set: &ValueSet, system: &str) -> bool {
    match set.parameter("versionsMatch") {
        Some(said) => said == "true",
        None => set.versions_of(system, false) < 2,
    }
}

impl Rule {
    /// The entry of a code, by the way the system writes it.
    pub(crate) fn listed_in(&self, system: &dyn System, place: &Place) -> Option<&crate::value_set::Listed> {
        let code = system.code(place);
        if let Some(found) = self.listed(&code) {
            return Some(found);
        }
        if system.facts().case_sensitive {
            return None;
        }
        self.concepts
            .iter()
            .find(|concept| concept.code.eq_ignore_ascii_case(&code))
    }
}
