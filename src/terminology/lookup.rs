//! `$lookup`: all that is known of a code (<https://hl7.org/fhir/R4/codesystem-operation-lookup.html>).

use std::sync::Arc;

use fhir::tree::Tree;

use crate::expand::valid_versions;
use crate::finding::Unable;
use crate::language::Languages;
use crate::library::Session;
use crate::names::Names;
use crate::system::{Designation, Place, Property, System};
use crate::version;

/// What is asked about a code.
#[derive(Clone, Debug, Default)]
pub struct Sought {
    /// The system of the code.
    pub system: String,
    /// The version of the system.
    pub version: Option<String>,
    /// The code.
    pub code: String,
    /// The languages the display is wanted in.
    pub languages: Languages,
    /// The properties that are wanted; empty or `*` for all.
    pub properties: Vec<String>,
}

impl Session<'_> {
    /// The version of a system that is asked for, or else that which the parameters pin, or else the newest.
    ///
    /// # Errors
    /// 404 where it is not known.
    pub fn system(&self, url: &str, wanted: Option<&str>) -> Result<Arc<dyn System>, Unable> {
        let known = self.systems(url)?;
        let pinned = self.pins.of(url, wanted).version;
        let fits = |system: &&Arc<dyn System>| {
            let has = system.facts().version.as_deref();
            pinned
                .as_deref()
                .is_none_or(|wanted| has.is_some_and(|has| version::matches(wanted, has)))
        };
        if let Some(system) = known.iter().find(fits) {
            return Ok(Arc::clone(system));
        }
        Err(Unable::missing(match pinned {
            None => format!("A definition for CodeSystem '{url}' could not be found"),
            Some(wanted) => format!(
                "A definition for CodeSystem '{url}' version '{wanted}' could not be found. {}",
                valid_versions(&known)
            ),
        }))
    }
}

/// The code of a system, or that there is none.
pub(crate) fn place_of(system: &dyn System, code: &str) -> Result<Place, Unable> {
    let facts = system.facts();
    system.find(code).ok_or_else(|| {
        let version = facts
            .version
            .as_ref()
            .map_or_else(String::new, |version| format!(" version '{version}'"));
        Unable::missing(format!(
            "Unknown code '{code}' in the CodeSystem '{}'{version}",
            facts.url
        ))
    })
}

/// Looks a code up.
///
/// # Errors
/// 404 where the system or the code is not known.
pub fn lookup(session: &Session<'_>, sought: &Sought) -> Result<Tree, Unable> {
    let system = session.system(&sought.system, sought.version.as_deref())?;
    let place = place_of(&*system, &sought.code)?;
    let (facts, state, details) = (system.facts(), system.state(&place), system.details(&place));
    let names = Names::of(&*system, &place, None);
    let wants = |name: &str| sought.properties.is_empty() || sought.properties.iter().any(|p| p == name || p == "*");

    let mut all: Vec<Tree> = Vec::new();
    let mut say = |name: &str, member: &str, value: Tree| {
        all.push(Tree::object([("name", Tree::string(name)), (member, value)]));
    };
    say("abstract", "valueBoolean", Tree::Bool(state.is_abstract));
    say("code", "valueCode", Tree::string(system.code(&place)));
    if let Some(definition) = details.definition.as_ref() {
        say("definition", "valueString", Tree::string(definition));
    }
    let base = names.own();
    let shown = names.display.clone();
    let designations = names.designations.clone();
    // R4 requires a display.
    let display = names
        .choose(&sought.languages)
        .0
        .or(shown)
        .unwrap_or_else(|| sought.code.clone());
    say("display", "valueString", Tree::string(display));
    say("name", "valueString", Tree::string(&facts.name));
    say("system", "valueUri", Tree::string(&facts.url));
    if let Some(version) = &facts.version {
        say("version", "valueString", Tree::string(version));
    }
    for supplement in session.supplements_of(&facts.url) {
        say(
            "used-supplement",
            "valueCanonical",
            Tree::string(supplement.facts().canonical()),
        );
    }
    if wants("designation") {
        all.extend(designations.iter().chain(base.as_ref()).map(designation));
    }
    for property in properties(&*system, &place, state.inactive, details.properties) {
        if wants(&property.code) {
            all.push(part(&*system, &property));
        }
    }
    Ok(Tree::object([
        ("resourceType", Tree::string("Parameters")),
        ("parameter", Tree::Array(all)),
    ]))
}

/// The properties of a code: its own, and those of its state and of the hierarchy.
fn properties(system: &dyn System, place: &Place, inactive: bool, own: Vec<Property>) -> Vec<Property> {
    let mut all = own;
    if !all.iter().any(|property| property.code == "inactive") {
        all.push(Property {
            code: "inactive".to_owned(),
            member: "valueBoolean".to_owned(),
            value: Tree::Bool(inactive),
            group: 0,
        });
    }
    if let Place::At(number) = place {
        for (name, others) in [("parent", system.parents(*number)), ("child", system.children(*number))] {
            for other in others.iter() {
                let code = system.code(&Place::At(*other)).into_owned();
                let property = Property::of(name, "valueCode", code);
                if !all.contains(&property) {
                    all.push(property);
                }
            }
        }
    }
    all
}

fn part(system: &dyn System, property: &Property) -> Tree {
    let mut parts = vec![
        named("code", "valueCode", Tree::string(&property.code)),
        named("value", &property.member, property.value.clone()),
    ];
    let is_code = property.member == "valueCode";
    let other = is_code.then(|| system.find(&property.text())).flatten();
    if let Some(display) = other.as_ref().and_then(|place| system.display(place)) {
        parts.push(named("description", "valueString", Tree::string(display)));
    }
    Tree::object([("name", Tree::string("property")), ("part", Tree::Array(parts))])
}

fn named(name: &str, member: &str, value: Tree) -> Tree {
    Tree::object([("name", Tree::string(name)), (member, value)])
}

fn designation(of: &Designation) -> Tree {
    let mut parts = Vec::new();
    if let Some(language) = &of.language {
        parts.push(named("language", "valueCode", Tree::string(language)));
    }
    if let Some(usage) = &of.usage {
        parts.push(named("use", "valueCoding", usage.clone()));
    }
    if let Some(source) = &of.source {
        parts.push(named("source", "valueCanonical", Tree::string(source)));
    }
    parts.push(named("value", "valueString", Tree::string(&of.value)));
    Tree::object([("name", Tree::string("designation")), ("part", Tree::Array(parts))])
}
