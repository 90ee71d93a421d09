//! A ValueSet as it is worked out: the rules of its `compose`, read once.
//!
//! See <https://hl7.org/fhir/R4/valueset.html#compositions>.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

use fhir::document::{Document, Node};
use fhir::name::Name;
use fhir::tree::Tree;
use regex::Regex;
use rustc_hash::FxHashMap;

use crate::recorded::{designation, extension};
use crate::system::{Designation, STANDARDS_STATUS};

/// One version of a value set.
#[derive(Debug)]
pub struct ValueSet {
    /// The record.
    pub document: Arc<Document>,
    /// Its canonical address; empty where it has none.
    pub url: String,
    /// Its business version.
    pub version: Option<String>,
    /// `ValueSet.language`.
    pub language: Option<String>,
    /// What is to be said of its use: `withdrawn`, `draft`.
    pub warning: Option<&'static str>,
    /// Whether codes that are inactive belong to it, where it says so.
    pub inactive: Option<bool>,
    /// The supplements it cannot do without.
    pub supplements: Vec<String>,
    /// Parameters of expansion that it sets itself (extension `valueset-expansion-parameter`).
    pub parameters: Vec<(String, String)>,
    /// What it includes.
    pub includes: Vec<Rule>,
    /// What it leaves out.
    pub excludes: Vec<Rule>,
    /// Value sets within the record, by `#id`.
    contained: Vec<(String, Arc<ValueSet>)>,
}

/// One `include` or `exclude`.
#[derive(Debug, Default)]
pub struct Rule {
    /// The system, where it names one.
    pub system: Option<String>,
    /// The version of the system that it names.
    pub version: Option<String>,
    /// The value sets a code has to be in as well.
    pub sets: Vec<String>,
    /// The codes it lists.
    pub concepts: Vec<Listed>,
    places: FxHashMap<Box<str>, usize>,
    /// What else a code has to fulfil.
    pub filters: Vec<Filter>,
}

/// A code that a rule lists.
#[derive(Debug, Default)]
pub struct Listed {
    /// The code, as it is written here.
    pub code: String,
    /// A display for this value set.
    pub display: Option<String>,
    /// Designations for this value set.
    pub designations: Vec<Designation>,
    /// Extensions of the entry.
    pub extensions: Vec<Tree>,
    /// What the entry says of its use: `deprecated`, `withdrawn`.
    pub status: Option<String>,
}

/// One filter.
#[derive(Debug)]
pub struct Filter {
    /// The property.
    pub property: String,
    /// The operator.
    pub op: String,
    /// The value; a filter without one cannot be used.
    pub value: Option<String>,
    /// Where it stands.
    pub expression: String,
    /// The value as a regular expression, once it was needed; `None` where it is none.
    pub(crate) regex: OnceLock<Option<Regex>>,
}

impl Rule {
    /// The entry of a code, case counting.
    pub fn listed(&self, code: &str) -> Option<&Listed> {
        self.places.get(code).map(|place| &self.concepts[*place])
    }

    /// Whether a code is told to belong to it by a look or two: by the list, or by what stands above the code.
    fn is_light(&self) -> bool {
        const OF_HIERARCHY: [&str; 3] = ["is-a", "descendent-of", "is-not-a"];
        let light = |filter: &Filter| OF_HIERARCHY.contains(&filter.op.as_str());
        self.system.is_some() && self.sets.is_empty() && self.filters.iter().all(light)
    }

    /// Whether it takes the codes of its system as they come.
    pub fn is_whole(&self) -> bool {
        self.concepts.is_empty() && self.filters.is_empty()
    }

    fn read(node: Node<'_>, expression: &str) -> Rule {
        let list = |name: &str| node.get(name).into_iter().flat_map(|list| list.each());
        let concepts: Vec<Listed> = list("concept").filter_map(listed).collect();
        let mut places = FxHashMap::default();
        for (place, concept) in concepts.iter().enumerate() {
            places.entry(concept.code.as_str().into()).or_insert(place);
        }
        let sets = list("valueSet").filter_map(|node| node.as_str().map(Cow::into_owned));
        let filters = list("filter").enumerate();
        let filter = |(i, node): (usize, Node<'_>)| Filter {
            property: node.string("property").unwrap_or_default().into_owned(),
            op: op(node),
            value: node
                .string("value")
                .map(Cow::into_owned)
                .filter(|value| !value.is_empty()),
            expression: format!("{expression}.filter[{i}]"),
            regex: OnceLock::new(),
        };
        Rule {
            system: node.string("system").map(Cow::into_owned),
            version: node.string("version").map(Cow::into_owned),
            sets: sets.collect(),
            filters: filters.map(filter).collect(),
            concepts,
            places,
        }
    }
}

/// The operator of a filter. Those that came after R4 stand in an extension there.
fn op(filter: Node<'_>) -> String {
    const LATER: &str = "http://hl7.org/fhir/5.0/StructureDefinition/extension-ValueSet.compose.include.filter.op";
    let (value, more) = filter.halves(&Name::of("op"));
    let places = [Some(filter), more];
    let later = places.into_iter().flatten().find_map(|node| extension(node, LATER));
    let later = later.and_then(|extension| extension.string("valueCode"));
    let own = || value.and_then(|node| node.as_str());
    later.or_else(own).unwrap_or_default().into_owned()
}

fn listed(node: Node<'_>) -> Option<Listed> {
    const DEPRECATED: &str = "http://hl7.org/fhir/StructureDefinition/valueset-deprecated";
    let list = |name: &str| node.get(name).into_iter().flat_map(|list| list.each());
    let said = extension(node, STANDARDS_STATUS).and_then(|e| e.string("valueCode"));
    let marked = || {
        let value = extension(node, DEPRECATED)?
            .members()
            .find(|(name, _)| name.starts_with("value"))?;
        (value.1.scalar()? == "true").then_some(Cow::Borrowed("deprecated"))
    };
    Some(Listed {
        code: node.string("code")?.into_owned(),
        display: node.string("display").map(Cow::into_owned),
        designations: list("designation").filter_map(|node| designation(node, None)).collect(),
        extensions: list("extension").map(Tree::from_node).collect(),
        status: said.or_else(marked).map(Cow::into_owned),
    })
}

impl ValueSet {
    /// Whether it takes next to no work to tell whether a code belongs to it.
    pub fn is_light(&self) -> bool {
        self.includes.iter().chain(&self.excludes).all(Rule::is_light)
    }

    /// Reads a record.
    pub fn read(document: Arc<Document>) -> ValueSet {
        let root = document.root();
        let text = |name: &str| root.string(name).map(Cow::into_owned);
        let list = |name: &str| root.get(name).into_iter().flat_map(|list| list.each());
        let contained = list("contained").filter(|node| node.string("resourceType").as_deref() == Some("ValueSet"));
        let contained = contained.filter_map(|node| {
            let parsed = Document::parse(node.text().as_bytes(), fhir::parse::Limits::default()).ok()?;
            Some((
                format!("#{}", node.string("id")?),
                Arc::new(ValueSet::read(Arc::new(parsed))),
            ))
        });
        let compose = root.get("compose");
        let rules = |name: &str| -> Vec<Rule> {
            let list = compose.and_then(|compose| compose.get(name));
            let list = list.into_iter().flat_map(|list| list.each()).enumerate();
            list.map(|(i, node)| Rule::read(node, &format!("ValueSet.compose.{name}[{i}]")))
                .collect()
        };
        let mut includes = rules("include");
        if compose.is_none() {
            includes = of_expansion(root);
        }
        ValueSet {
            url: text("url").unwrap_or_default(),
            version: text("version"),
            language: text("language"),
            warning: warning(root),
            inactive: compose.and_then(|compose| compose.get("inactive")?.as_bool()),
            supplements: supplements(root),
            parameters: compose.map(parameters).unwrap_or_default(),
            includes,
            excludes: rules("exclude"),
            contained: contained.collect(),
            document: Arc::clone(&document),
        }
    }

    /// Address and version; `(unidentified)` where it has no address.
    pub fn canonical(&self) -> String {
        match self.url.is_empty() {
            true => "(unidentified)".to_owned(),
            false => crate::version::join(&self.url, self.version.as_deref()),
        }
    }

    /// A value set within the record.
    pub fn contained(&self, reference: &str) -> Option<&Arc<ValueSet>> {
        let found = self.contained.iter().find(|(id, _)| id == reference)?;
        Some(&found.1)
    }

    /// How many versions of a system its rules name, where one without a version counts as one.
    pub fn versions_of(&self, system: &str, excludes: bool) -> usize {
        let rules = self.includes.iter().chain(self.excludes.iter().filter(|_| excludes));
        let mut versions: Vec<Option<&str>> = rules
            .filter(|rule| rule.system.as_deref() == Some(system))
            .map(|rule| rule.version.as_deref())
            .collect();
        versions.sort_unstable();
        versions.dedup();
        versions.len()
    }

    /// The value of a parameter of expansion that it sets itself.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        let found = self.parameters.iter().find(|(known, _)| known == name)?;
        Some(&found.1)
    }
}

/// What a record's status makes worth saying (`warning-…` in an expansion), the gravest first.
pub(crate) fn warning_of(status: &str, experimental: bool, standards_status: Option<&str>) -> Option<&'static str> {
    match (standards_status, status) {
        (Some("withdrawn"), _) => Some("withdrawn"),
        (Some("deprecated"), _) => Some("deprecated"),
        (_, "retired") => Some("retired"),
        (_, "draft") => Some("draft"),
        _ => experimental.then_some("experimental"),
    }
}

fn warning(root: Node<'_>) -> Option<&'static str> {
    let experimental = root.get("experimental").and_then(|node| node.as_bool()) == Some(true);
    let said = extension(root, STANDARDS_STATUS).and_then(|e| e.string("valueCode"));
    warning_of(
        &root.string("status").unwrap_or_default(),
        experimental,
        said.as_deref(),
    )
}

fn supplements(root: Node<'_>) -> Vec<String> {
    const SUPPLEMENT: &str = "http://hl7.org/fhir/StructureDefinition/valueset-supplement";
    let list = root.get("extension").into_iter().flat_map(|list| list.each());
    let named = list.filter(|e| e.string("url").as_deref() == Some(SUPPLEMENT));
    named
        .filter_map(|e| e.string("valueCanonical").map(Cow::into_owned))
        .collect()
}

fn parameters(compose: Node<'_>) -> Vec<(String, String)> {
    const PARAMETER: &str = "http://hl7.org/fhir/StructureDefinition/valueset-expansion-parameter";
    let list = compose.get("extension").into_iter().flat_map(|list| list.each());
    let named = list.filter(|e| e.string("url").as_deref() == Some(PARAMETER));
    let pair = |e: Node<'_>| Some((value_of(extension(e, "name")?)?, value_of(extension(e, "value")?)?));
    named.filter_map(pair).collect()
}

fn value_of(extension: Node<'_>) -> Option<String> {
    let (_, value) = extension.members().find(|(name, _)| name.starts_with("value"))?;
    value.scalar().map(Cow::into_owned)
}

/// A record that only has an expansion means what that lists.
fn of_expansion(root: Node<'_>) -> Vec<Rule> {
    let mut rules: Vec<Rule> = Vec::new();
    let mut open: Vec<Node<'_>> = root.get("expansion").into_iter().collect();
    while let Some(node) = open.pop() {
        let inner: Vec<Node<'_>> = node.get("contains").into_iter().flat_map(|list| list.each()).collect();
        open.extend(inner.into_iter().rev());
        let Some(concept) = listed(node) else { continue };
        let text = |name: &str| node.string(name).map(Cow::into_owned);
        let (system, version) = (text("system"), text("version"));
        let found = rules
            .iter()
            .position(|rule| rule.system == system && rule.version == version);
        let found = found.unwrap_or_else(|| {
            rules.push(Rule {
                system,
                version,
                ..Rule::default()
            });
            rules.len() - 1
        });
        let rule = &mut rules[found];
        rule.places
            .entry(concept.code.as_str().into())
            .or_insert(rule.concepts.len());
        rule.concepts.push(concept);
    }
    rules
}
