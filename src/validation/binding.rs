//! Whether codes belong to the value sets that bind their element (<https://hl7.org/fhir/R4/terminologies.html#4.1>).

use conformance::place::quoted;
use conformance::{Terminology, Unanswered};
use fhir::document::Node;
use fhir::outcome::{Code, Severity};

use crate::focus::Focus;
use crate::profiles::built_in;
use crate::response::each;
use crate::rules::{Binding, Strength};
use crate::walk::Walk;

/// Codings of one element looked at, at most.
const CODINGS_MAX: usize = 100;

/// A code as an element has it.
struct Coded {
    /// `None` for a `code`, which has its system from the value set.
    system: Option<String>,
    code: String,
}

/// How an element's codes stand to a value set.
enum Standing {
    /// One of them belongs to it.
    Within,
    /// None does.
    Outside,
    /// There is no code.
    Uncoded,
    /// It cannot be told.
    Unknown(String),
}

impl Walk<'_> {
    /// Holds an element's codes against a binding. `source` names the profile it stands in.
    pub(crate) fn binding(&mut self, focus: &Focus<'_, '_>, binding: &Binding, source: Option<&str>) {
        let Some(codes) = self.codes(focus) else { return };
        let of = source
            .map(|profile| format!(" by the profile {profile}"))
            .unwrap_or_default();
        self.bound(focus, &codes, binding.strength, &binding.value_set, &of);
        if let Some(largest) = binding.largest.as_ref().filter(|_| !codes.is_empty()) {
            self.bound(focus, &codes, Strength::Required, largest, &of);
        }
        for (strength, value_set) in &binding.additional {
            self.bound(focus, &codes, *strength, value_set, &of);
        }
    }

    fn bound(&mut self, focus: &Focus<'_, '_>, codes: &[Coded], strength: Strength, value_set: &str, of: &str) {
        let severity = match strength {
            Strength::Required => Severity::Error,
            Strength::Extensible => Severity::Warning,
            Strength::Preferred | Strength::Example => return,
        };
        if value_set.is_empty() {
            return;
        }
        let word = if severity == Severity::Error {
            "must be"
        } else {
            "should be"
        };
        match self.standing(codes, value_set) {
            Standing::Within => {}
            Standing::Outside => self.found.report(severity, Code::CodeInvalid, focus.place, || {
                let shown: Vec<String> = codes.iter().take(3).map(shown).collect();
                format!("{} {word} a code of the value set {value_set}{of}.", shown.join(", "))
            }),
            Standing::Uncoded => self.found.report(severity, Code::CodeInvalid, focus.place, || {
                format!("There is no code here; there {word} one of the value set {value_set}{of}.")
            }),
            Standing::Unknown(why) => self.found.remark(Code::NotSupported, focus.place, || {
                let why = why.trim_end_matches('.');
                format!("Whether the code belongs to {value_set} cannot be told here: {why}.")
            }),
        }
    }

    fn standing(&mut self, codes: &[Coded], value_set: &str) -> Standing {
        let mut unknown = None;
        for coded in codes {
            if !self.found.step() {
                return Standing::Unknown("the limit of steps is met".to_owned());
            }
            match self.holds(value_set, coded) {
                Ok(true) => return Standing::Within,
                Ok(false) => {}
                Err(why) => unknown = Some(why),
            }
        }
        match unknown {
            Some(why) => Standing::Unknown(why.to_string()),
            None if codes.is_empty() => Standing::Uncoded,
            None => Standing::Outside,
        }
    }

    fn holds(&self, value_set: &str, coded: &Coded) -> Result<bool, Unanswered> {
        let within = match self
            .terminology
            .validate(value_set, coded.system.as_deref(), &coded.code)
        {
            // National value sets are part of the program, as long as no record takes their place.
            Err(Unanswered::Unknown(why)) => self.built_in(value_set, coded).ok_or(Unanswered::Unknown(why))?,
            answer => answer?,
        };
        if within || coded.system.is_some() {
            return Ok(within);
        }
        // A code without a system may be of one that is not listed code by code and is not here: a currency.
        for system in self.terminology.members(value_set)?.systems {
            if let Err(Unanswered::NotLoaded(_)) = self.terminology.names(&system, &coded.code) {
                return Err(Unanswered::NotLoaded(format!("{system} is not loaded")));
            }
        }
        Ok(false)
    }

    fn built_in(&self, value_set: &str, coded: &Coded) -> Option<bool> {
        let document = built_in().find("ValueSet", value_set)?;
        listed(self.terminology, document.root(), coded.system.as_deref(), &coded.code)
    }

    /// The codes of an element; `None` where it is of no coded type or has no value.
    fn codes(&self, focus: &Focus<'_, '_>) -> Option<Vec<Coded>> {
        let node = focus.element.node;
        let kinds = &self.validator.kinds;
        if self.definitions.is_primitive_type(focus.kind) {
            // One that has only extensions, such as why there is none, has no code.
            let coded = |text: std::borrow::Cow<'_, str>| Coded {
                system: None,
                code: text.into_owned(),
            };
            return Some(node.as_str().map(coded).into_iter().collect());
        }
        if focus.kind == kinds.coding {
            return Some(coding(node).into_iter().collect());
        }
        if focus.kind == kinds.codeable_concept {
            let codings = node.get("coding").into_iter().flat_map(|list| list.each());
            return Some(codings.take(CODINGS_MAX).filter_map(coding).collect());
        }
        if self.definitions.is_a(focus.kind, kinds.quantity) {
            // Whether a unit must be coded is for cardinalities to say.
            return coding(node).map(|coded| vec![coded]);
        }
        None
    }
}

fn coding(node: Node<'_>) -> Option<Coded> {
    let code = node.string("code")?;
    let system = node.string("system").unwrap_or_default();
    Some(Coded {
        system: Some(system.into_owned()),
        code: code.into_owned(),
    })
}

fn shown(coded: &Coded) -> String {
    match coded.system.as_deref() {
        Some("") | None => quoted(&coded.code),
        Some(system) => quoted(&format!("{system}|{}", coded.code)),
    }
}

/// Whether a value set has a code, where it lists its codes or names whole systems or other sets.
pub(crate) fn listed(terminology: &dyn Terminology, set: Node<'_>, system: Option<&str>, code: &str) -> Option<bool> {
    let composed = set.get("compose")?;
    if composed.get("exclude").is_some() {
        return None;
    }
    let mut known = true;
    for include in each(composed, "include") {
        if include.get("filter").is_some() {
            known = false;
            continue;
        }
        for other in each(include, "valueSet") {
            match terminology.validate(&other.as_str()?, system, code) {
                Ok(true) => return Some(true),
                Ok(false) => {}
                Err(_) => known = false,
            }
        }
        let own = include.string("system");
        if own.is_none() || system.is_some_and(|system| own.as_deref() != Some(system)) {
            continue;
        }
        let mut concepts = each(include, "concept").peekable();
        if concepts.peek().is_none() || concepts.any(|one| one.string("code").is_some_and(|own| own == code)) {
            return Some(true);
        }
    }
    known.then_some(false)
}

/// Whether a URI is absolute: it begins with a scheme.
pub(crate) fn is_absolute(uri: &str) -> bool {
    let Some((scheme, _)) = uri.split_once(':') else {
        return false;
    };
    scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
}
