//! One code of an expansion, as the answer writes it (`ValueSet.expansion.contains`).
//!
//! What came after R4 stands in the extensions that R4 has for it
//! (<https://hl7.org/fhir/R4/versions.html#extensions>): the properties of a code, and which of them there are.

use std::collections::BTreeMap;
use std::sync::Arc;

use fhir::tree::Tree;

use crate::language::Languages;
use crate::names::Names;
use crate::system::{Designation, Details, Place, System, extension_is};
use crate::value_set::{Listed, ValueSet};

const PROPERTY: &str = "http://hl7.org/fhir/5.0/StructureDefinition/extension-ValueSet.expansion.contains.property";
const PROPERTIES: &str = "http://hl7.org/fhir/5.0/StructureDefinition/extension-ValueSet.expansion.property";
const CONCEPT_PROPERTIES: &str = "http://hl7.org/fhir/concept-properties#";
const STRUCTURES: &str = "http://hl7.org/fhir/StructureDefinition/";

/// Extensions of a concept that are properties of it: the extension, the property, its URI.
const AS_PROPERTIES: [(&str, &str, &str); 5] = [
    ("codesystem-conceptOrder", "order", "order"),
    ("valueset-conceptOrder", "order", "order"),
    ("codesystem-label", "label", "label"),
    ("valueset-label", "label", "label"),
    ("itemWeight", "weight", "itemWeight"),
];
/// Extensions that are passed on, of a concept in its system and in the value set.
const PASSED_ON: [&str; 5] = [
    "rendering-style",
    "rendering-xhtml",
    "valueset-deprecated",
    "valueset-concept-definition",
    "structuredefinition-standards-status",
];
/// Extensions of a designation that are passed on.
const OF_DESIGNATIONS: [&str; 2] = ["coding-sctdescid", "structuredefinition-standards-status"];

/// What an expansion shows of each code.
#[derive(Clone, Debug, Default)]
pub struct Shown {
    /// The languages displays are wanted in.
    pub languages: Languages,
    /// Whether designations are shown.
    pub designations: bool,
    /// Of the designations only these, each `system|code` of a language or a use; empty for all.
    pub which: Vec<String>,
    /// The properties that are shown.
    pub properties: Vec<String>,
}

/// One code of an expansion.
#[derive(Clone)]
pub(crate) struct Member {
    pub(crate) system: Arc<dyn System>,
    pub(crate) place: Place,
    /// The value set and the place of the rule and of the entry in it that lists the code.
    pub(crate) listed: Option<(Arc<ValueSet>, usize, usize)>,
    /// Whether the version of the system has to be told.
    pub(crate) versioned: bool,
    /// The place of the code it is shown below, among the members.
    pub(crate) below: Option<usize>,
}

impl Member {
    pub(crate) fn entry(&self) -> Option<&Listed> {
        let (set, rule, entry) = self.listed.as_ref()?;
        set.includes.get(*rule)?.concepts.get(*entry)
    }

    pub(crate) fn names(&self) -> Names {
        Names::of(&*self.system, &self.place, self.entry())
    }

    /// What tells it from others; of one system, versions count where `versions`.
    pub(crate) fn key(&self, versions: bool) -> (String, String) {
        let facts = self.system.facts();
        let system = match versions {
            true => facts.canonical(),
            false => facts.url.clone(),
        };
        let code = self.system.code(&self.place);
        let code = match facts.case_sensitive {
            true => code.into_owned(),
            false => code.to_lowercase(),
        };
        (system, code)
    }
}

/// Writes codes, and keeps account of the properties that were written.
#[derive(Default)]
pub(crate) struct Writer {
    /// Code and URI.
    used: BTreeMap<String, Option<String>>,
}

impl Writer {
    /// One code without those below it.
    pub(crate) fn write(&mut self, member: &Member, shown: &Shown) -> Tree {
        let (system, place) = (&*member.system, &member.place);
        let (facts, state) = (system.facts(), system.state(place));
        let listed = member.entry();
        let details = system.details(place);
        let properties = self.properties(member, &details, shown);
        let mut extensions = passed_on(&details.extensions, listed);
        extensions.extend(
            properties
                .into_iter()
                .map(|(code, member, value)| property(&code, &member, value)),
        );
        let (display, left) = member.names().choose(&shown.languages);

        let mut entry = Tree::object([]);
        if !extensions.is_empty() {
            entry.set("extension", Tree::Array(extensions));
        }
        entry.set("system", Tree::string(&facts.url));
        if state.is_abstract {
            entry.set("abstract", Tree::Bool(true));
        }
        if state.inactive {
            entry.set("inactive", Tree::Bool(true));
        }
        if let Some(version) = facts.version.as_ref().filter(|_| member.versioned) {
            entry.set("version", Tree::string(version));
        }
        entry.set("code", Tree::string(system.code(place)));
        if let Some(display) = display {
            entry.set("display", Tree::string(display));
        }
        let designations: Vec<Tree> = left.iter().filter(|d| shown.shows(d)).map(designation).collect();
        if !designations.is_empty() {
            entry.set("designation", Tree::Array(designations));
        }
        entry
    }

    /// Code, member and value of the properties that are shown, by their code.
    fn properties(&mut self, member: &Member, details: &Details, shown: &Shown) -> Vec<(String, String, Tree)> {
        let facts = member.system.facts();
        let mut all: Vec<(String, String, Tree)> = Vec::new();
        let extensions = details.extensions.iter();
        let of_set = member.entry().into_iter().flat_map(|entry| &entry.extensions);
        for extension in extensions.chain(of_set) {
            let row = AS_PROPERTIES
                .iter()
                .find(|(name, ..)| extension_is(extension, &format!("{STRUCTURES}{name}")));
            let Some((name, code, uri)) = row else { continue };
            let Some((member, value)) = value_of(extension) else {
                continue;
            };
            // What is said last, in the value set, counts.
            all.retain(|(known, ..)| known != code);
            let member = if *name == "codesystem-label" || *name == "valueset-label" {
                member
            } else {
                "valueDecimal"
            };
            all.push(((*code).to_owned(), member.to_owned(), value.clone()));
            self.uses(code, Some(format!("{CONCEPT_PROPERTIES}{uri}")));
        }
        if let Some(definition) = details.definition.as_ref().filter(|_| shown.has("definition")) {
            all.push((
                "definition".to_owned(),
                "valueString".to_owned(),
                Tree::string(definition),
            ));
            self.uses("definition", Some(format!("{CONCEPT_PROPERTIES}definition")));
        }
        for property in details.properties.iter().filter(|property| shown.has(&property.code)) {
            all.push((property.code.clone(), property.member.clone(), property.value.clone()));
            self.uses(&property.code, facts.property_uri(&property.code).map(str::to_owned));
        }
        let state = member.system.state(&member.place);
        let status = state.status.or_else(|| state.inactive.then(|| "inactive".to_owned()));
        let told = status.filter(|status| status != "active" && !all.iter().any(|(code, ..)| code == "status"));
        if let Some(status) = told {
            all.push(("status".to_owned(), "valueCode".to_owned(), Tree::string(status)));
            self.uses("status", Some(format!("{CONCEPT_PROPERTIES}status")));
        }
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all
    }

    fn uses(&mut self, code: &str, uri: Option<String>) {
        self.used.entry(code.to_owned()).or_insert(uri);
    }

    /// The extensions of the expansion that say which properties there are.
    pub(crate) fn declared(&self) -> Vec<Tree> {
        let one = |(code, uri): (&String, &Option<String>)| {
            let mut parts = Vec::new();
            if let Some(uri) = uri {
                parts.push(extension("uri", "valueUri", Tree::string(uri)));
            }
            parts.push(extension("code", "valueCode", Tree::string(code)));
            Tree::object([("extension", Tree::Array(parts)), ("url", Tree::string(PROPERTIES))])
        };
        self.used.iter().map(one).collect()
    }
}

impl Shown {
    fn has(&self, property: &str) -> bool {
        self.properties.iter().any(|shown| shown == property || shown == "*")
    }

    fn shows(&self, designation: &Designation) -> bool {
        if !self.designations {
            return false;
        }
        let is = |which: &String| {
            let (system, code) = which.split_once('|').unwrap_or(("", which));
            if system == "urn:ietf:bcp:47" {
                return designation.language.as_deref() == Some(code);
            }
            let usage = |name: &str| designation.usage.as_ref()?.get(name)?.as_str();
            usage("code") == Some(code) && (system.is_empty() || usage("system") == Some(system))
        };
        self.which.is_empty() || self.which.iter().any(is)
    }
}

fn value_of(extension: &Tree) -> Option<(&str, &Tree)> {
    let Tree::Object(members) = extension else { return None };
    let found = members.iter().find(|(name, _)| name.starts_with("value"))?;
    Some((&found.0, &found.1))
}

fn extension(url: &str, member: &str, value: Tree) -> Tree {
    Tree::object([("url", Tree::string(url)), (member, value)])
}

fn property(code: &str, member: &str, value: Tree) -> Tree {
    let parts = vec![
        extension("code", "valueCode", Tree::string(code)),
        extension("value", member, value),
    ];
    Tree::object([("extension", Tree::Array(parts)), ("url", Tree::string(PROPERTY))])
}

/// The extensions that are passed on; what the value set says counts before what the system says. The standards status
/// of a concept in its system is told as a property.
fn passed_on(of_system: &[Tree], listed: Option<&Listed>) -> Vec<Tree> {
    let mut all: Vec<Tree> = Vec::new();
    let of_set = listed.map(|listed| listed.extensions.as_slice()).unwrap_or_default();
    for (list, names) in [(of_set, &PASSED_ON[..]), (of_system, &PASSED_ON[..2])] {
        for name in names {
            let url = format!("{STRUCTURES}{name}");
            let known = all.iter().any(|extension| extension_is(extension, &url));
            // Of several in the system, that of the last supplement counts.
            let found = list.iter().rev().find(|extension| extension_is(extension, &url));
            all.extend(found.filter(|_| !known).cloned());
        }
    }
    all
}

/// A designation as CodeSystem and ValueSet write it.
pub(crate) fn designation(of: &Designation) -> Tree {
    let mut written = Tree::object([]);
    let kept = |extension: &&Tree| {
        OF_DESIGNATIONS
            .iter()
            .any(|name| extension_is(extension, &format!("{STRUCTURES}{name}")))
    };
    let extensions: Vec<Tree> = of.extensions.iter().filter(kept).cloned().collect();
    if !extensions.is_empty() {
        written.set("extension", Tree::Array(extensions));
    }
    if let Some(language) = &of.language {
        written.set("language", Tree::string(language));
    }
    if let Some(usage) = &of.usage {
        written.set("use", usage.clone());
    }
    written.set("value", Tree::string(&of.value));
    written
}
