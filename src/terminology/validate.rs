//! `$validate-code`: whether codes belong to a value set or a code system, and what is to be said of them.
//!
//! See <https://hl7.org/fhir/R4/valueset-operation-validate-code.html>.

use std::sync::Arc;

use fhir::tree::Tree;

use crate::expand::valid_versions;
use crate::finding::{Finding, Unable, outcome, summary};
use crate::grammar::is_absolute;
use crate::language::Languages;
use crate::library::Session;
use crate::membership::Trail;
use crate::names::{Fit, Names};
use crate::remarks;
use crate::system::{Content, Place, System};
use crate::value_set::ValueSet;
use crate::version;
use crate::versions::{Reading, read_versions};

/// A code as it is given.
#[derive(Clone, Debug, Default)]
pub struct Coding {
    /// Its system.
    pub system: Option<String>,
    /// The version of the system.
    pub version: Option<String>,
    /// The code.
    pub code: String,
    /// A display that is held against the code's names.
    pub display: Option<String>,
}

/// What is to be validated.
#[derive(Clone, Debug)]
pub enum Subject {
    /// A code by parameters of its own.
    Code(Coding),
    /// A Coding.
    Coding(Coding),
    /// A CodeableConcept: its codings, and how it was written.
    Concept(Vec<Coding>, Tree),
}

/// How it is to be validated.
#[derive(Clone, Debug, Default)]
pub struct Terms {
    /// The languages displays are wanted in.
    pub languages: Languages,
    /// Whether a wrong display is only worth a warning.
    pub lenient: bool,
    /// Whether abstract codes are forbidden.
    pub concrete_only: bool,
    /// Whether inactive codes are forbidden.
    pub active_only: bool,
    /// Whether only membership counts, not what else is wrong with the code.
    pub membership_only: bool,
}

/// What came of one coding.
#[derive(Default)]
pub(crate) struct Verdict {
    /// Whether the value set has it.
    pub(crate) member: bool,
    /// Whether it cannot be said, for want of a system or a value set.
    pub(crate) open: bool,
    /// The system and the code in it.
    pub(crate) found: Option<(Arc<dyn System>, Option<Place>)>,
    pub(crate) findings: Vec<Finding>,
    /// Systems that are not known: the parameter that says so, and its value.
    pub(crate) unknown: Vec<(&'static str, String)>,
    pub(crate) normalized: Option<String>,
}

/// Where the parts of a coding stand.
#[derive(Clone, Debug)]
pub(crate) struct Paths(pub(crate) String);

impl Paths {
    pub(crate) fn at(&self, part: &str) -> String {
        match self.0.is_empty() {
            true => part.to_owned(),
            false => format!("{}.{part}", self.0),
        }
    }

    pub(crate) fn whole(&self) -> String {
        match self.0.is_empty() {
            true => "code".to_owned(),
            false => self.0.clone(),
        }
    }
}

/// Validates against a value set, or against the code system of each coding where there is none.
///
/// # Errors
/// 422 where the value set cannot be worked out.
pub fn validate(
    session: &Session<'_>,
    set: Option<&Arc<ValueSet>>,
    subject: &Subject,
    terms: &Terms,
) -> Result<Tree, Unable> {
    let check = Check { session, set, terms };
    match subject {
        Subject::Code(coding) => {
            let paths = Paths(String::new());
            let (coding, verdict) = match (&coding.system, set) {
                (None, Some(set)) => check.infer(coding, set, &paths)?,
                _ => (coding.clone(), check.coding(coding, &paths, false)?),
            };
            Ok(answer(&[(coding, verdict)], Vec::new(), None, terms))
        }
        Subject::Coding(coding) => {
            let verdict = check.coding(coding, &Paths("Coding".to_owned()), false)?;
            Ok(answer(&[(coding.clone(), verdict)], Vec::new(), None, terms))
        }
        Subject::Concept(codings, written) => {
            let mut verdicts = Vec::new();
            for (i, coding) in codings.iter().enumerate() {
                let paths = Paths(format!("CodeableConcept.coding[{i}]"));
                verdicts.push((coding.clone(), check.coding(coding, &paths, true)?));
            }
            let none = !verdicts.iter().any(|(_, verdict)| verdict.member || verdict.open);
            let whole = match set.filter(|_| none) {
                Some(set) => {
                    let text = format!("No valid coding was found for the value set '{}'", set_name(set));
                    vec![Finding::error("code-invalid", "not-in-vs", text).known_as("TX_GENERAL_CC_ERROR_MESSAGE")]
                }
                None => Vec::new(),
            };
            Ok(answer(&verdicts, whole, Some(written), terms))
        }
    }
}

pub(crate) fn set_name(set: &ValueSet) -> String {
    set.canonical()
}

/// One validation.
pub(crate) struct Check<'a> {
    pub(crate) session: &'a Session<'a>,
    pub(crate) set: Option<&'a Arc<ValueSet>>,
    pub(crate) terms: &'a Terms,
}

impl Check<'_> {
    /// One coding; `among` others, of which one may do.
    fn coding(&self, coding: &Coding, paths: &Paths, among: bool) -> Result<Verdict, Unable> {
        match self.judge(coding, paths, among) {
            // A value set that uses one that is not known: the question has an answer, but not yes.
            Err(Unable::Refused(_, findings)) if findings.iter().all(|f| f.code == "not-found") => Ok(Verdict {
                open: true,
                findings,
                ..Verdict::default()
            }),
            other => other,
        }
    }

    fn judge(&self, coding: &Coding, paths: &Paths, among: bool) -> Result<Verdict, Unable> {
        let mut verdict = Verdict::default();
        let Some(url) = coding.system.as_deref() else {
            let text = "Coding has no system. A code with no system has no defined meaning, and it cannot be validated. \
                        A system should be provided";
            let finding = Finding::warning("invalid", "invalid-data", text)
                .known_as("Coding_has_no_system__cannot_validate")
                .at(paths.whole())
                .spoken();
            verdict.findings.push(finding);
            self.not_in(coding, paths, among, &mut verdict);
            return Ok(verdict);
        };
        if !is_absolute(url) && !paths.0.is_empty() {
            let text = "Coding.system must be an absolute reference, not a local reference";
            verdict.findings.push(
                Finding::error("invalid", "invalid-data", text)
                    .known_as("Terminology_TX_System_Relative")
                    .at(paths.at("system")),
            );
        }
        let known = self.session.systems(url)?;
        if known.is_empty() {
            self.unknown_system(coding, url, paths, among, &mut verdict)?;
            return Ok(verdict);
        }
        if coding.version.is_none() && known.iter().any(|system| system.facts().version_needed) {
            let text = format!("The CodeSystem '{url}' needs a version: its codes mean nothing without");
            let finding = Finding::error("required", "invalid-data", text).at(paths.at("version"));
            verdict.findings.push(finding);
        }
        let reading = read_versions(self, coding, url, &known, paths)?;
        verdict.findings.extend(reading.findings.iter().cloned());
        verdict.unknown.extend(reading.unknown.iter().cloned());
        match self.set {
            Some(set) => self.in_set(coding, set, &reading, paths, among, &mut verdict)?,
            None => self.in_system(coding, &reading, paths, &mut verdict)?,
        }
        Ok(verdict)
    }

    fn unknown_system(
        &self,
        coding: &Coding,
        url: &str,
        paths: &Paths,
        among: bool,
        verdict: &mut Verdict,
    ) -> Result<(), Unable> {
        let mut claims = Vec::new();
        if let Some(set) = self.set {
            self.session.claims(set, url, &Trail::default(), &mut claims)?;
            if self.session.lists(set, url, &coding.code, &Trail::default())? {
                verdict.member = true;
                let text = format!(
                    "A definition for CodeSystem '{url}' could not be found, so that nothing but its place in the value set \
                     is known of the code"
                );
                verdict.findings.push(
                    Finding::warning("not-found", "not-found", text)
                        .at(paths.at("system"))
                        .spoken(),
                );
                return Ok(());
            }
        }
        if let Some(finding) = self.other_than_system(url)? {
            verdict.findings.push(finding.at(paths.at("system")));
        } else {
            let message = match &coding.version {
                None => "UNKNOWN_CODESYSTEM",
                Some(_) => "UNKNOWN_CODESYSTEM_VERSION_NONE",
            };
            let text = match &coding.version {
                None => {
                    format!("A definition for CodeSystem '{url}' could not be found, so the code cannot be validated")
                }
                Some(version) => format!(
                    "A definition for CodeSystem '{url}' version '{version}' could not be found, so the code cannot be \
                     validated. {}",
                    valid_versions(&[])
                ),
            };
            verdict.findings.push(
                Finding::error("not-found", "not-found", text)
                    .known_as(message)
                    .at(paths.at("system")),
            );
            let drawn_on = !claims.is_empty() || self.set.is_none();
            let name = if drawn_on {
                "x-caused-by-unknown-system"
            } else {
                "x-unknown-system"
            };
            verdict.unknown.push((name, url.to_owned()));
            verdict.open = drawn_on;
        }
        if !verdict.open {
            self.not_in(coding, paths, among, verdict);
        }
        Ok(())
    }

    /// What is to be said of an address that is no code system's, but that of something else.
    fn other_than_system(&self, url: &str) -> Result<Option<Finding>, Unable> {
        let (text, message) = if self.session.set(url)?.is_some() {
            let text = format!("The Coding references a value set, not a code system ('{url}')");
            (text, "Terminology_TX_System_ValueSet2")
        } else if self.session.is_supplement(url)? {
            let text = format!("CodeSystem {url} is a supplement, so can't be used as a value in Coding.system");
            (text, "CODESYSTEM_CS_NO_SUPPLEMENT")
        } else {
            return Ok(None);
        };
        Ok(Some(Finding::error("invalid", "invalid-data", text).known_as(message)))
    }

    fn in_set(
        &self,
        coding: &Coding,
        set: &Arc<ValueSet>,
        reading: &Reading,
        paths: &Paths,
        among: bool,
        verdict: &mut Verdict,
    ) -> Result<(), Unable> {
        let mut members = Vec::new();
        let mut others = Vec::new();
        for system in &reading.systems {
            let Some(place) = system.find(&coding.code) else {
                continue;
            };
            let has = reading.claimed && self.session.has_regardless(set, &**system, &place, &Trail::default())?;
            if has { &mut members } else { &mut others }.push((Arc::clone(system), place));
        }
        if reading.open && members.is_empty() {
            // The version that the value set wants is not known: nothing can be said of membership.
            verdict.open = true;
            verdict.member = !others.is_empty();
            let found = others.into_iter().next().map(|(system, place)| (system, Some(place)));
            verdict.found = found.or_else(|| reading.systems.first().map(|system| (Arc::clone(system), None)));
            return Ok(());
        }
        let right = |(system, place): &&(Arc<dyn System>, Place)| {
            let names = Names::of(&**system, place, None);
            coding
                .display
                .as_deref()
                .is_some_and(|d| names.fit(d, &self.terms.languages) == Fit::Right)
        };
        let member = members.iter().find(right).or(members.first()).cloned();
        if let Some((system, place)) = member {
            verdict.member = true;
            return remarks::of_member(self, coding, set, (system, place), paths, among, verdict);
        }
        if let Some((system, place)) = others.into_iter().next() {
            verdict.found = Some((system, Some(place)));
            self.not_in(coding, paths, among, verdict);
            return Ok(());
        }
        let Some(system) = reading.systems.first() else {
            self.not_in(coding, paths, among, verdict);
            return Ok(());
        };
        verdict.found = Some((Arc::clone(system), None));
        if system.facts().content == Content::Fragment && reading.claimed {
            verdict.member = true;
            verdict.findings.push(unknown_code(coding, &**system, paths));
            return Ok(());
        }
        if !self.terms.membership_only {
            verdict.findings.push(unknown_code(coding, &**system, paths));
        }
        self.not_in(coding, paths, among, verdict);
        Ok(())
    }

    fn in_system(
        &self,
        coding: &Coding,
        reading: &Reading,
        paths: &Paths,
        verdict: &mut Verdict,
    ) -> Result<(), Unable> {
        let found = reading
            .systems
            .iter()
            .find_map(|system| Some((Arc::clone(system), system.find(&coding.code)?)));
        if let Some((system, place)) = found {
            verdict.member = true;
            return remarks::of_code(self, coding, (system, place), paths, verdict);
        }
        let Some(system) = reading.systems.first() else {
            return Ok(());
        };
        verdict.member = system.facts().content == Content::Fragment;
        verdict.findings.push(unknown_code(coding, &**system, paths));
        verdict.found = Some((Arc::clone(system), None));
        Ok(())
    }

    /// Says that the value set does not have the code.
    pub(crate) fn not_in(&self, coding: &Coding, paths: &Paths, among: bool, verdict: &mut Verdict) {
        let Some(set) = self.set else { return };
        verdict.member = false;
        let system = coding.system.as_deref().unwrap_or_default();
        let system = version::join(system, coding.version.as_deref().filter(|_| !system.is_empty()));
        let display = coding
            .display
            .as_ref()
            .map_or_else(String::new, |display| format!(" ('{display}')"));
        let text = format!(
            "The provided code '{system}#{}{display}' was not found in the value set '{}'",
            coding.code,
            set_name(set)
        );
        let finding = match among {
            true => Finding::information("code-invalid", "this-code-not-in-vs", text),
            false => Finding::error("code-invalid", "not-in-vs", text),
        };
        let message = "None_of_the_provided_codes_are_in_the_value_set_one";
        verdict.findings.push(finding.known_as(message).at(paths.at("code")));
    }

    /// A code without a system: the value set has to have it in one system alone.
    fn infer(&self, coding: &Coding, set: &Arc<ValueSet>, paths: &Paths) -> Result<(Coding, Verdict), Unable> {
        let mut urls = Vec::new();
        self.session.drawn_on(set, &Trail::default(), &mut urls)?;
        let mut having = Vec::new();
        for url in urls {
            let known = self.session.systems(&url)?;
            let mut has = known.is_empty() && self.session.lists(set, &url, &coding.code, &Trail::default())?;
            for system in known.iter() {
                if let Some(place) = system.find(&coding.code) {
                    has = has || self.session.has_regardless(set, &**system, &place, &Trail::default())?;
                }
            }
            if has {
                having.push(url);
            }
        }
        if let [system] = having.as_slice() {
            let coding = Coding {
                system: Some(system.clone()),
                ..coding.clone()
            };
            let verdict = self.coding(&coding, paths, false)?;
            return Ok((coding, verdict));
        }
        let mut verdict = Verdict::default();
        self.not_in(coding, paths, false, &mut verdict);
        let message = match having.is_empty() {
            true => "UNABLE_TO_INFER_CODESYSTEM",
            false => "Unable_to_resolve_system__value_set_has_multiple_matches",
        };
        let matches = match having.is_empty() {
            true => String::new(),
            false => format!(": value set expansion has multiple matches: [{}]", having.join(", ")),
        };
        let text = format!(
            "The System URI could not be determined for the code '{}' in the ValueSet '{}'{matches}",
            coding.code,
            set_name(set)
        );
        verdict.findings.push(
            Finding::error("not-found", "cannot-infer", text)
                .known_as(message)
                .at(paths.at("code")),
        );
        Ok((coding.clone(), verdict))
    }
}

fn unknown_code(coding: &Coding, system: &dyn System, paths: &Paths) -> Finding {
    let facts = system.facts();
    let version = facts
        .version
        .as_ref()
        .map_or_else(String::new, |version| format!(" version '{version}'"));
    let (code, url) = (&coding.code, &facts.url);
    let finding = match facts.content {
        Content::Fragment => Finding::warning(
            "code-invalid",
            "invalid-code",
            format!(
                "Unknown Code '{code}' in the CodeSystem '{url}'{version} - note that the code system is labeled as a \
                 fragment, so the code may be valid in some other fragment"
            ),
        )
        .known_as("UNKNOWN_CODE_IN_FRAGMENT"),
        _ => {
            let text = format!("Unknown code '{code}' in the CodeSystem '{url}'{version}");
            Finding::error("code-invalid", "invalid-code", text).known_as("Unknown_Code_in_Version")
        }
    };
    finding.at(paths.at("code"))
}

/// The Parameters of the answer.
fn answer(verdicts: &[(Coding, Verdict)], whole: Vec<Finding>, concept: Option<&Tree>, terms: &Terms) -> Tree {
    let all = verdicts
        .iter()
        .flat_map(|(_, verdict)| verdict.findings.iter().cloned());
    let mut findings: Vec<Finding> = whole.into_iter().chain(all).collect();
    let mut seen: Vec<Finding> = Vec::new();
    findings.retain(|finding| {
        let fresh = !seen.contains(finding);
        seen.push(finding.clone());
        fresh
    });
    let wrong = findings.iter().any(|f| f.severity >= fhir::outcome::Severity::Error);
    let result = !wrong && verdicts.iter().any(|(_, verdict)| verdict.member);
    let mut parameters: Vec<(&'static str, &'static str, Tree)> = Vec::new();
    let chosen = match concept {
        Some(_) => verdicts.iter().find(|(_, verdict)| verdict.member && !verdict.open),
        None => verdicts.first(),
    };
    if let Some((coding, verdict)) = chosen {
        parameters.push(("code", "valueCode", Tree::string(&coding.code)));
        if let Some(system) = &coding.system {
            parameters.push(("system", "valueUri", Tree::string(system)));
        }
        of_found(verdict, terms, &mut parameters);
    }
    if let Some(written) = concept {
        parameters.push(("codeableConcept", "valueCodeableConcept", written.clone()));
    }
    parameters.push(("result", "valueBoolean", Tree::Bool(result)));
    if let Some(text) = summary(&findings) {
        parameters.push(("message", "valueString", Tree::string(text)));
    }
    let mut unknown: Vec<&(&'static str, String)> = verdicts.iter().flat_map(|(_, v)| &v.unknown).collect();
    unknown.dedup();
    parameters.extend(
        unknown
            .iter()
            .map(|(name, url)| (*name, "valueCanonical", Tree::string(url))),
    );
    if !findings.is_empty() {
        parameters.push(("issues", "resource", outcome(&findings)));
    }
    parameters.sort_by_key(|(name, ..)| *name);
    let one = |(name, member, value)| Tree::object([("name", Tree::string(name)), (member, value)]);
    Tree::object([
        ("resourceType", Tree::string("Parameters")),
        ("parameter", Tree::Array(parameters.into_iter().map(one).collect())),
    ])
}

fn of_found(verdict: &Verdict, terms: &Terms, parameters: &mut Vec<(&'static str, &'static str, Tree)>) {
    let Some((system, place)) = &verdict.found else { return };
    if let Some(version) = &system.facts().version {
        parameters.push(("version", "valueString", Tree::string(version)));
    }
    let Some(place) = place else { return };
    let names = Names::of(&**system, place, None);
    let own = names.display.clone();
    if let Some(display) = names.choose(&terms.languages).0.or(own) {
        parameters.push(("display", "valueString", Tree::string(display)));
    }
    if let Some(code) = &verdict.normalized {
        parameters.push(("normalized-code", "valueCode", Tree::string(code)));
    }
    let state = system.state(place);
    if state.inactive {
        parameters.push(("inactive", "valueBoolean", Tree::Bool(true)));
        if let Some(status) = state.status {
            parameters.push(("status", "valueCode", Tree::string(status)));
        }
    }
}
