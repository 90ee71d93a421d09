//! Which versions of a code system a code is looked for in, and what is wrong with the versions that were named.
//!
//! The version comes from the value set, unless a parameter forces another; from a parameter, where the value set names
//! none; from the coding, where neither does; else it is the newest.

use std::sync::Arc;

use crate::expand::{not_allowed, valid_versions};
use crate::finding::{Finding, Unable};
use crate::membership::{Claim, Trail};
use crate::system::System;
use crate::validate::{Check, Coding, Paths};
use crate::version::{self, matches};

/// The versions to look in, the newest first, and what is to be said of them.
#[derive(Default)]
pub(crate) struct Reading {
    pub(crate) systems: Vec<Arc<dyn System>>,
    pub(crate) findings: Vec<Finding>,
    pub(crate) unknown: Vec<(&'static str, String)>,
    /// Whether the value set speaks of the system at all.
    pub(crate) claimed: bool,
    /// Whether the value set wants a version that is not known.
    pub(crate) open: bool,
}

/// Reads the versions of one coding.
pub(crate) fn read_versions(
    check: &Check<'_>,
    coding: &Coding,
    url: &str,
    known: &[Arc<dyn System>],
    paths: &Paths,
) -> Result<Reading, Unable> {
    let mut claims = Vec::new();
    match check.set {
        Some(set) => check.session.claims(set, url, &Trail::default(), &mut claims)?,
        None => claims.push(Claim {
            named: None,
            pinned: check.session.pins.of(url, None),
            otherwise: None,
        }),
    }
    let reader = Reader {
        coding,
        url,
        known,
        paths,
    };
    let mut reading = Reading {
        claimed: !claims.is_empty(),
        ..Reading::default()
    };
    if claims.is_empty() {
        reading.systems.extend(reader.own().or(known.first()).cloned());
        return Ok(reading);
    }
    let mut all: Vec<(bool, Reading)> = claims.iter().map(|claim| reader.claim(claim)).collect();
    // Where the value set takes the version of the coding somewhere, it does not matter that it takes others elsewhere.
    if all.iter().any(|(fits, _)| *fits) {
        all.retain(|(fits, _)| *fits);
    }
    for (_, one) in all {
        reading.systems.extend(one.systems);
        reading.findings.extend(one.findings);
        reading.unknown.extend(one.unknown);
        reading.open |= one.open;
    }
    let version_of = |system: &Arc<dyn System>| system.facts().version.clone().unwrap_or_default();
    reading
        .systems
        .sort_by(|a, b| version::compare(&version_of(b), &version_of(a)));
    reading.systems.dedup_by(|a, b| a.facts().version == b.facts().version);
    if let Some(allowed) = check.session.pins.allowed(url) {
        let has = reading.systems.first().map(version_of).unwrap_or_default();
        if !reading.open && !matches(allowed, &has) {
            reading
                .findings
                .push(not_allowed(url, &has, allowed).at(paths.at("version")));
        }
    }
    Ok(reading)
}

struct Reader<'a> {
    coding: &'a Coding,
    url: &'a str,
    known: &'a [Arc<dyn System>],
    paths: &'a Paths,
}

fn has(system: &Arc<dyn System>, wanted: &str) -> bool {
    system
        .facts()
        .version
        .as_deref()
        .is_some_and(|version| matches(wanted, version))
}

impl Reader<'_> {
    /// The version that the coding names.
    fn own(&self) -> Option<&Arc<dyn System>> {
        let wanted = self.coding.version.as_deref()?;
        self.known.iter().find(|system| has(system, wanted))
    }

    /// What comes of one claim, and whether it agrees with the version of the coding.
    fn claim(&self, claim: &Claim) -> (bool, Reading) {
        let mut reading = Reading::default();
        let own = self.coding.version.as_deref();
        let lost = own.filter(|_| self.own().is_none());
        let Some(wanted) = claim.pinned.version.as_deref() else {
            let system = self.own().or(self.known.first());
            reading.systems.extend(system.cloned());
            if let Some(lost) = lost {
                self.not_found(lost, &mut reading);
                self.differs_from_newest(lost, &mut reading);
            }
            return (lost.is_none(), reading);
        };
        let fitting = self.own().filter(|system| has(system, wanted));
        let fitting = fitting.or_else(|| self.known.iter().find(|system| has(system, wanted)));
        match fitting {
            Some(system) => reading.systems.push(Arc::clone(system)),
            None => {
                reading.open = true;
                self.not_found(wanted, &mut reading);
                let else_pinned = claim.otherwise.as_deref();
                let otherwise = else_pinned.and_then(|wanted| self.known.iter().find(|system| has(system, wanted)));
                reading
                    .systems
                    .extend(self.own().or(otherwise).or(self.known.first()).cloned());
            }
        }
        let Some(own) = own.filter(|own| !matches(wanted, own)) else {
            return (true, reading);
        };
        self.differs(claim, wanted, own, &mut reading);
        if let Some(lost) = lost {
            self.not_found(lost, &mut reading);
        }
        (false, reading)
    }

    fn not_found(&self, wanted: &str, reading: &mut Reading) {
        let text = format!(
            "A definition for CodeSystem '{}' version '{wanted}' could not be found, so the code cannot be validated. {}",
            self.url,
            valid_versions(self.known)
        );
        let finding = Finding::error("not-found", "not-found", text)
            .known_as("UNKNOWN_CODESYSTEM_VERSION")
            .at(self.paths.at("system"));
        reading.findings.push(finding);
        let unknown = ("x-caused-by-unknown-system", version::join(self.url, Some(wanted)));
        reading.unknown.push(unknown);
    }

    fn differs(&self, claim: &Claim, wanted: &str, own: &str, reading: &mut Reading) {
        let message = match claim.named.as_deref() {
            Some(named) if named == wanted => "VALUESET_VALUE_MISMATCH",
            _ => "VALUESET_VALUE_MISMATCH_CHANGED",
        };
        let from = match claim.named.as_deref() {
            Some(named) if named == wanted => String::new(),
            named => format!(" resulting from the version '{}'", named.unwrap_or_default()),
        };
        let text = format!(
            "The code system '{}' version '{wanted}'{from} in the ValueSet include is different to the one in the value \
             ('{own}')",
            self.url
        );
        reading.findings.push(
            Finding::error("invalid", "vs-invalid", text)
                .known_as(message)
                .at(self.paths.at("version")),
        );
    }

    fn differs_from_newest(&self, own: &str, reading: &mut Reading) {
        let newest = self.known.first().and_then(|system| system.facts().version.as_deref());
        let text = format!(
            "The code system '{}' version '{}' for the versionless include in the ValueSet include is different to the one \
             in the value ('{own}')",
            self.url,
            newest.unwrap_or_default()
        );
        reading.findings.push(
            Finding::warning("invalid", "vs-invalid", text)
                .known_as("VALUESET_VALUE_MISMATCH_DEFAULT")
                .at(self.paths.at("version")),
        );
    }
}
