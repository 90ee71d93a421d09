//! The search parameters of every kind, compiled once: what can be searched and how it is extracted.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use conformance::{Definitions, ParameterType, SearchParameter, Terminology};
use fhir::document::Node;
use fhir::identity::{Id, Kind};
use fhirpath::expression::Expression;
use fhirpath::model::Model;
use rustc_hash::FxHashMap;
use text::Analysis;

use crate::bars::Bar;
use crate::custom::unknown_element;
use crate::extract;
use crate::path::{self, Parts};
use crate::plan::Plan;
use crate::predicate::Predicate;
use crate::test::{ReferenceTest, Test};
use crate::tuple::Bases;
use crate::values::{ParamId, Values, hash};
use crate::words::WordsIn;

/// A search parameter of one kind.
#[derive(Clone, Debug)]
pub struct Parameter {
    /// Its number, shared by every kind that has the code.
    pub id: ParamId,
    /// Its name in a search.
    pub code: Arc<str>,
    /// How its values are compared.
    pub kind: ParameterType,
    /// The definition's canonical address.
    pub url: Arc<str>,
    /// The FHIRPath of this kind's part of the definition's expression.
    pub expression: String,
    /// For references: the kinds it may point to, sorted.
    pub targets: Vec<Kind>,
    /// For references: whether an element of it holds a canonical address.
    pub canonical: bool,
    /// For composites: the parts in order.
    pub components: Vec<Component>,
}

/// One part of a composite parameter.
#[derive(Clone, Debug, PartialEq)]
pub struct Component {
    /// The number of the parameter that says how the part is compared.
    pub id: ParamId,
    /// That parameter's code.
    pub code: Arc<str>,
    /// How its values are compared.
    pub kind: ParameterType,
    /// For references: the kinds it may point to, sorted.
    pub targets: Vec<Kind>,
    /// The FHIRPath to the part's values, from an element that the composite's expression yields.
    pub expression: Arc<str>,
}

/// What is known of one kind.
pub(crate) struct KindParameters {
    /// Sorted by code.
    parameters: Vec<Parameter>,
    /// The parameters that are plain paths, in one walk over the record.
    pub(crate) plan: Plan,
    /// The parameters that need the FHIRPath engine.
    pub(crate) computed: Vec<Computed>,
    /// The elements from which composites start.
    pub(crate) bases: Bases,
}

/// A parameter whose values the FHIRPath engine computes.
pub(crate) struct Computed {
    pub(crate) param: ParamId,
    pub(crate) kind: ParameterType,
    pub(crate) expression: Expression,
    /// Whether a record of this server defines it, so that nobody has seen to its cost.
    pub(crate) custom: bool,
    /// How often it gave no values because it took too long or found too many.
    pub(crate) failed: AtomicU64,
}

/// The search parameters of every kind.
pub struct Registry {
    pub(crate) definitions: Arc<Definitions>,
    pub(crate) zone: i32,
    terminology: Arc<dyn Terminology>,
    codes: FxHashMap<ParamId, Arc<str>>,
    kinds: Vec<Kind>,
    parameters: FxHashMap<Kind, KindParameters>,
    /// That of the parameters alone.
    definitions_fingerprint: u64,
    fingerprint: u64,
    analysis: Arc<Analysis>,
    skipped: Vec<Skipped>,
    custom: Vec<SearchParameter>,
    bars: Vec<Bar>,
}

/// A parameter that could not be compiled for a kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// The kind.
    pub kind: Kind,
    /// The parameter's code.
    pub code: String,
    /// Its canonical address.
    pub url: String,
    /// Why, the rest of a sentence that begins with the parameter.
    pub why: String,
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Registry({} kinds, {} codes)", self.kinds.len(), self.codes.len())
    }
}

/// Parameters that come from the version or from its words, not from an expression.
const OF_THE_VERSION: [&str; 5] = ["_id", "_lastUpdated", "_text", "_content", "_query"];

impl Registry {
    /// The parameters of the definitions. `zone` holds for dates that name none, in minutes east of
    /// Greenwich, in records and in searches alike.
    pub fn new(definitions: Arc<Definitions>, zone: i32) -> Registry {
        Registry::with(definitions, zone, Vec::new())
    }

    /// The parameters of the definitions, and custom ones that clash with none of them ([`crate::custom::settle`]).
    pub fn with(definitions: Arc<Definitions>, zone: i32, custom: Vec<SearchParameter>) -> Registry {
        let kinds: Vec<Kind> = definitions.resources().filter_map(Kind::new).collect();
        let searchable = |p: &&SearchParameter| !p.expression.is_empty() && !OF_THE_VERSION.contains(&p.code.as_str());
        let found: Vec<SearchParameter> = definitions
            .search_parameters()
            .iter()
            .chain(&custom)
            .filter(searchable)
            .cloned()
            .collect();
        let mut codes: FxHashMap<ParamId, Arc<str>> = FxHashMap::default();
        for code in found.iter().map(|p| p.code.as_str()) {
            codes.entry(ParamId::of(code)).or_insert_with(|| code.into());
        }
        let mut registry = Registry {
            zone,
            terminology: terminology::standard(),
            definitions_fingerprint: fingerprint(&found, zone),
            fingerprint: 0,
            analysis: Analysis::built_in(),
            parameters: FxHashMap::default(),
            skipped: Vec::new(),
            bars: Vec::new(),
            custom,
            definitions,
            codes,
            kinds,
        };
        for kind in registry.kinds.clone() {
            let of_kind = registry.compile(&kind, &found);
            registry.parameters.insert(kind, of_kind);
        }
        registry.with_analysis(Analysis::built_in())
    }

    fn compile(&mut self, kind: &Kind, found: &[SearchParameter]) -> KindParameters {
        let mut of_kind = KindParameters {
            parameters: Vec::new(),
            plan: Plan::default(),
            computed: Vec::new(),
            bases: Bases::default(),
        };
        for definition in found.iter().filter(|p| applies(&p.base, kind)) {
            let id = ParamId::of(&definition.code);
            let code = Arc::clone(&self.codes[&id]);
            let skipped = |why: String| Skipped {
                kind: kind.clone(),
                code: definition.code.clone(),
                url: definition.url.clone(),
                why,
            };
            if *code != *definition.code {
                let why = format!("has the number of {code}; give one of them another code");
                self.skipped.push(skipped(why));
                continue;
            }
            let parts = path::parts_for(&definition.expression, kind.as_str());
            match self.add(definition, kind, &parts, found, &mut of_kind) {
                Ok(components) => of_kind.parameters.push(Parameter {
                    id,
                    code,
                    kind: definition.kind,
                    url: definition.url.as_str().into(),
                    expression: parts.text(),
                    targets: self.targets(definition, kind, &parts),
                    canonical: definition.kind == ParameterType::Reference && self.is_canonical(kind, &parts),
                    components,
                }),
                Err(why) => self.skipped.push(skipped(why)),
            }
        }
        of_kind.parameters.sort_by(|a, b| a.code.cmp(&b.code));
        of_kind
    }

    /// Adds what extracts a parameter's values, and gives its components where it is a composite.
    fn add(
        &self,
        definition: &SearchParameter,
        kind: &Kind,
        parts: &Parts<'_>,
        found: &[SearchParameter],
        of_kind: &mut KindParameters,
    ) -> Result<Vec<Component>, String> {
        let id = ParamId::of(&definition.code);
        let record = self.definitions.type_id(kind.as_str());
        let record = record.ok_or("its kind is no type of the definitions")?;
        if parts.is_empty() {
            return Err("has an expression that says nothing about this kind".into());
        }
        if definition.kind == ParameterType::Composite {
            let components = self.components(definition, kind, found)?;
            let (bases, plan) = (&mut of_kind.bases, &mut of_kind.plan);
            let added = bases.add(&self.definitions, (record, plan), id, parts, &components);
            added.map_err(|why| format!("cannot be a composite: {why}"))?;
            return Ok(components);
        }
        let custom = self.is_custom(&definition.url);
        for part in &parts.list {
            let planned = match &part.steps {
                Some(steps) => of_kind.plan.add(&self.definitions, record, steps, id, definition.kind),
                None => false,
            };
            if !planned {
                let unknown = part.path(kind.as_str()).filter(|_| custom);
                if let Some(name) =
                    unknown.and_then(|path| unknown_element(&self.definitions, kind, &path).map(str::to_owned))
                {
                    return Err(format!("asks for {name}, which {kind} does not have"));
                }
                let invalid =
                    |error: fhirpath::expression::Invalid| format!("has an expression that cannot be read: {error}");
                let expression = Expression::parse(part.text).map_err(invalid)?;
                of_kind.computed.push(Computed {
                    param: id,
                    kind: definition.kind,
                    expression,
                    custom,
                    failed: AtomicU64::new(0),
                });
            }
        }
        let special = definition.kind == ParameterType::Special;
        let computed = !special && of_kind.computed.iter().any(|computed| computed.param == id);
        if (custom || special) && !computed && !of_kind.plan.has(id) {
            let what = definition.kind.as_str();
            return Err(format!(
                "names elements whose values are none that a {what} parameter compares"
            ));
        }
        Ok(Vec::new())
    }

    /// The components of a composite, each by the parameter that its definition names.
    fn components(
        &self,
        definition: &SearchParameter,
        kind: &Kind,
        found: &[SearchParameter],
    ) -> Result<Vec<Component>, String> {
        if definition.components.len() < 2 {
            return Err("has fewer than two components".into());
        }
        let component = |component: &conformance::Component| {
            let named = found.iter().find(|p| p.url == component.definition);
            let named = named.filter(|p| p.kind != ParameterType::Composite);
            let named = named.ok_or_else(|| {
                format!(
                    "has the component {}, which is none of a parameter known here",
                    component.definition
                )
            })?;
            let parts = path::parts_for(&named.expression, kind.as_str());
            Ok(Component {
                id: ParamId::of(&named.code),
                code: named.code.as_str().into(),
                kind: named.kind,
                targets: self.targets(named, kind, &parts),
                expression: component.expression.as_str().into(),
            })
        };
        definition.components.iter().map(component).collect()
    }

    /// The kinds a reference parameter may point to: of those its definition names, the ones that the
    /// elements allow and its expression lets through (`where(resolve() is Patient)`).
    fn targets(&self, definition: &SearchParameter, kind: &Kind, parts: &Parts<'_>) -> Vec<Kind> {
        if definition.kind != ParameterType::Reference {
            return Vec::new();
        }
        let named = |kind: &&Kind| definition.target.is_empty() || definition.target.iter().any(|t| t == kind.as_str());
        let (resolved, allowed) = (parts.resolved_kinds(), self.allowed(kind, parts));
        let within = |kind: &&Kind| {
            let kind = kind.as_str();
            resolved.as_ref().is_none_or(|list| list.contains(&kind))
                && allowed
                    .as_ref()
                    .is_none_or(|list| list.iter().any(|allowed| &**allowed == kind))
        };
        self.kinds.iter().filter(named).filter(within).cloned().collect()
    }

    /// The kinds that the elements of the parts may refer to; `None` where any, or not known.
    fn allowed(&self, kind: &Kind, parts: &Parts<'_>) -> Option<Vec<&str>> {
        let mut allowed = Vec::new();
        for part in &parts.list {
            let element = self.definitions.element(&part.path(kind.as_str())?)?;
            for of_type in &element.types {
                match self.definitions.type_name(of_type.kind) {
                    "Reference" | "canonical" if of_type.targets.is_empty() => return None,
                    "Reference" | "canonical" => allowed.extend(of_type.targets.iter().map(|target| &**target)),
                    "uri" | "url" => return None,
                    _ => {}
                }
            }
        }
        (!allowed.contains(&"Resource")).then_some(allowed)
    }

    fn is_canonical(&self, kind: &Kind, parts: &Parts<'_>) -> bool {
        let types = |path: String| {
            self.definitions
                .element(&path)
                .map_or(&[][..], |element| &element.types)
        };
        let paths = parts.list.iter().filter_map(|part| part.path(kind.as_str()));
        let names = paths.flat_map(types).map(|of| self.definitions.type_name(of.kind));
        names.into_iter().any(|name| matches!(name, "canonical" | "uri"))
    }

    /// The parameter by which a record of the kind refers to the one of the same kind that it is part of, where
    /// the kind has one: what `:above` and `:below` follow.
    pub fn hierarchy(&self, kind: &Kind) -> Option<&Parameter> {
        let known = PART_OF.iter().filter_map(|code| self.parameter(kind, code));
        known.into_iter().find(|parameter| parameter.targets.contains(kind))
    }

    /// A kind's parameter by its code.
    pub fn parameter(&self, kind: &Kind, code: &str) -> Option<&Parameter> {
        let parameters = self.parameters(kind);
        let place = parameters.binary_search_by(|p| (*p.code).cmp(code)).ok()?;
        Some(&parameters[place])
    }

    /// A kind's parameters, with those of every resource, sorted by code; none for a kind unknown.
    /// `_id`, `_lastUpdated`, `_text`, `_content` are not among them: every kind has those.
    pub fn parameters(&self, kind: &Kind) -> &[Parameter] {
        self.parameters.get(kind).map_or(&[], |of_kind| &of_kind.parameters)
    }

    /// The code of a parameter.
    pub fn code(&self, id: ParamId) -> Option<&str> {
        self.codes.get(&id).map(|code| &**code)
    }

    /// The number of a code, whatever the kind.
    pub fn id_of(&self, code: &str) -> Option<ParamId> {
        let id = ParamId::of(code);
        (self.code(id) == Some(code)).then_some(id)
    }

    /// Every kind that can be searched, sorted.
    pub fn kinds(&self) -> &[Kind] {
        &self.kinds
    }

    /// A kind by name, where there is one.
    pub fn kind(&self, name: &str) -> Option<&Kind> {
        let place = self.kinds.binary_search_by(|kind| kind.as_str().cmp(name)).ok()?;
        Some(&self.kinds[place])
    }

    /// What answers which codes belong together.
    pub fn terminology(&self) -> &dyn Terminology {
        &*self.terminology
    }

    /// The zone of dates that name none, in minutes east of Greenwich.
    pub fn zone(&self) -> i32 {
        self.zone
    }

    /// Changes whenever extraction may give other values: an index built with another is stale.
    pub fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    /// The parameters that could not be compiled for a kind, each with the reason.
    pub fn skipped(&self) -> &[Skipped] {
        &self.skipped
    }

    /// The custom parameters it was made with.
    pub fn custom(&self) -> &[SearchParameter] {
        &self.custom
    }

    /// Whether some kind can be searched by the parameter with the address.
    pub fn has(&self, url: &str) -> bool {
        let mut known = self.parameters.values().flat_map(|of_kind| &of_kind.parameters);
        known.any(|parameter| *parameter.url == *url)
    }

    /// Whether a custom parameter has the address.
    pub fn is_custom(&self, url: &str) -> bool {
        self.custom.iter().any(|custom| custom.url == url)
    }

    /// The same parameters, some of which are not to be searched by. Values are extracted as before.
    pub fn barring(&self, bars: Vec<Bar>) -> Registry {
        let mut barred = Registry::with(Arc::clone(&self.definitions), self.zone, self.custom.clone());
        for (kind, of_kind) in &mut barred.parameters {
            let custom = |url: &str| self.is_custom(url);
            let is_barred = |p: &Parameter| bars.iter().any(|bar| bar.code == *p.code && bar.is_on(kind));
            of_kind.parameters.retain(|p| !custom(&p.url) || !is_barred(p));
        }
        barred.bars = bars;
        barred.terminology = Arc::clone(&self.terminology);
        barred.with_analysis(Arc::clone(&self.analysis))
    }

    /// The same, with other answers to what codes mean.
    pub fn with_terminology(self, terminology: Arc<dyn Terminology>) -> Registry {
        Registry { terminology, ..self }
    }

    /// The same, with texts broken into other words.
    pub fn with_analysis(self, analysis: Arc<Analysis>) -> Registry {
        let of = self.definitions_fingerprint.to_be_bytes();
        Registry {
            fingerprint: hash(&[&of, analysis.fingerprint().as_bytes()]),
            analysis,
            ..self
        }
    }

    /// How texts are broken into words.
    pub fn analysis(&self) -> &Arc<Analysis> {
        &self.analysis
    }

    /// The words of a record.
    pub fn words<'a>(&'a self, root: Node<'a>) -> WordsIn<'a> {
        WordsIn {
            analysis: &self.analysis,
            root,
        }
    }

    /// The parameters that are not to be searched by just now.
    pub fn bars(&self) -> &[Bar] {
        &self.bars
    }

    /// The custom parameters whose expressions took too long or found too much, as `Kind.code`, with how often records
    /// were left without values for it since the server was started.
    pub fn failures(&self) -> Vec<(String, u64)> {
        let mut failures = Vec::new();
        for kind in &self.kinds {
            for computed in self.parameters.get(kind).map_or(&[][..], |of_kind| &of_kind.computed) {
                let failed = computed.failed.load(Ordering::Relaxed);
                if let Some(code) = self.code(computed.param).filter(|_| failed > 0) {
                    failures.push((format!("{kind}.{code}"), failed));
                }
            }
        }
        failures
    }

    /// The parameters that need the FHIRPath engine, as `Kind.code`, sorted.
    pub fn computed(&self) -> impl Iterator<Item = String> {
        let of_kind = |kind: &Kind| self.parameters.get(kind).map_or(&[] as &[Computed], |k| &k.computed);
        self.kinds.iter().flat_map(move |kind| {
            let codes = of_kind(kind).iter().filter_map(|computed| self.code(computed.param));
            codes.map(move |code| format!("{kind}.{code}"))
        })
    }

    /// The type of a parameter of the kind that the definitions have and that cannot be searched here.
    pub fn not_searchable(&self, kind: &Kind, code: &str) -> Option<ParameterType> {
        let defined = self.definitions.search_parameters().iter();
        let mut of_kind = defined.filter(|p| p.code == code && applies(&p.base, kind));
        of_kind
            .next()
            .filter(|_| self.parameter(kind, code).is_none())
            .map(|p| p.kind)
    }

    /// All values of a record, parameter by parameter. A kind unknown has none; an element that is not
    /// as the definitions say has none either.
    pub fn extract(&self, kind: &Kind, root: Node<'_>) -> Values {
        Values {
            contained: extract::contained(self, root),
            ..self.extract_flat(kind, root)
        }
    }

    /// The values of a resource itself, without those of what it contains.
    pub(crate) fn extract_flat(&self, kind: &Kind, root: Node<'_>) -> Values {
        match self.parameters.get(kind) {
            Some(of_kind) => extract::values(self, of_kind, root),
            None => Values::default(),
        }
    }

    /// The records of a kind that belong to one compartment, as a condition; `None` where the
    /// compartment is unknown or the kind is not in it (<https://hl7.org/fhir/R4/compartmentdefinition.html>).
    pub fn compartment(&self, compartment: &str, id: &Id, kind: &Kind) -> Option<Predicate> {
        let definition = self.definitions.compartments().iter().find(|c| c.code == compartment)?;
        let center = self.kind(compartment)?;
        let refers = |code: &String| {
            let parameter = self.parameter(kind, code)?;
            Some(Predicate::Test {
                param: parameter.id,
                test: Test::Reference(ReferenceTest::Record {
                    kinds: vec![center.clone()],
                    id: id.clone(),
                    version: None,
                }),
            })
        };
        let members = definition.members.get(kind.as_str());
        let mut choices: Vec<Predicate> = members.into_iter().flatten().filter_map(refers).collect();
        if kind == center {
            choices.push(Predicate::Is(vec![id.clone()]));
        }
        (!choices.is_empty()).then(|| Predicate::any(choices))
    }
}

/// What the standard calls the parameters that make a hierarchy.
const PART_OF: [&str; 3] = ["part-of", "partof", "parent"];

/// Whether a definition for these bases is for a kind.
pub(crate) fn applies(base: &[String], kind: &Kind) -> bool {
    let is_domain = !matches!(kind.as_str(), "Bundle" | "Binary" | "Parameters");
    let fits = |base: &String| base == kind.as_str() || base == "Resource" || (base == "DomainResource" && is_domain);
    base.iter().any(fits)
}

/// Bump when extraction or the terms change their meaning.
const EXTRACTION_VERSION: u32 = 9;

fn fingerprint(found: &[SearchParameter], zone: i32) -> u64 {
    let facts: BTreeMap<&str, String> = found
        .iter()
        .map(|p| {
            (
                p.url.as_str(),
                format!(
                    "{} {:?} {:?} {} {:?}",
                    p.code, p.base, p.kind, p.expression, p.components
                ),
            )
        })
        .collect();
    hash(&[format!("{EXTRACTION_VERSION} {zone} {facts:?}").as_bytes()])
}
