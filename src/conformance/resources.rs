//! R4's own definitions written back as resources: what the tables hold, as StructureDefinition, SearchParameter and the like.
//!
//! They hold what this house judges and searches by, and what R4 says of it in words. Left out are the mappings to other
//! standards, comments and requirements, bindings that are only examples or preferred, and the histories of the definitions.

use std::io::Read as _;
use std::sync::OnceLock;

use fhir::document::{Document, Node};
use fhir::parse::Limits;
use fhir::tree::Tree;
use fhirpath::model::{Model, TypeId};
use rustc_hash::FxHashMap;

use crate::definitions::{Definitions, Sort};
use crate::facts::{Compartment, Element, ElementType, SearchParameter};

/// When HL7 published R4, as its definitions say.
pub const PUBLISHED: &str = "2019-11-01T09:29:23+11:00";
const VERSION: &str = "4.0.1";
const PUBLISHER: &str = "HL7 (FHIR Project)";
const ADDRESS: &str = "http://hl7.org/fhir/";
/// What is added to R4, and where its definitions are.
const ADDED: [(&str, &str); 1] = [(
    "ViewDefinition",
    "https://sql-on-fhir.org/ig/StructureDefinition/ViewDefinition",
)];
/// No table of words is longer, unpacked.
const WORDS_BYTES_MAX: u64 = 8 << 20;

/// What is said of types and elements beside the facts, by path.
struct Said {
    /// In short, and at length.
    words: FxHashMap<&'static str, (&'static str, &'static str)>,
    /// Strength, value set, and the largest one.
    bindings: FxHashMap<&'static str, [&'static str; 3]>,
    /// Key, severity, expression, sentence.
    invariants: FxHashMap<&'static str, Vec<[&'static str; 4]>>,
}

impl Said {
    fn shared() -> &'static Said {
        static SAID: OnceLock<Said> = OnceLock::new();
        SAID.get_or_init(Said::read)
    }

    fn read() -> Said {
        let mut said = Said {
            words: FxHashMap::default(),
            bindings: FxHashMap::default(),
            invariants: FxHashMap::default(),
        };
        for row in words().lines() {
            let [key, short, definition] = columns(row);
            said.words.insert(key, (short, definition));
        }
        for row in include_str!("../../schema/fhir/bindings.tsv").lines() {
            let [path, rest @ ..] = columns::<4>(row);
            said.bindings.insert(path, rest);
        }
        for row in include_str!("../../schema/fhir/invariants.tsv").lines() {
            let [path, rest @ ..] = columns::<5>(row);
            said.invariants.entry(path).or_default().push(rest);
        }
        said
    }
}

/// The table of words, which stays in memory once it was asked for: it is part of the program.
fn words() -> &'static str {
    let packed = include_bytes!("../../schema/fhir/words.tsv.gz");
    let mut text = String::new();
    let unpacker = flate2::read::GzDecoder::new(&packed[..]);
    let read = unpacker.take(WORDS_BYTES_MAX).read_to_string(&mut text);
    read.expect("the table of words is part of the program");
    text.leak()
}

fn columns<const N: usize>(row: &'static str) -> [&'static str; N] {
    let mut parts = row.split('\t');
    std::array::from_fn(|_| parts.next().unwrap_or_default())
}

/// An object, member by member; what is not there or empty is left out.
struct Writer(Vec<(String, Tree)>);

impl Writer {
    fn of(kind: &str, id: &str, url: &str) -> Writer {
        let mut writer = Writer(Vec::new());
        writer.text("resourceType", kind).text("id", id).text("url", url);
        writer
    }

    fn put(&mut self, name: &str, value: Tree) -> &mut Writer {
        self.0.push((name.to_owned(), value));
        self
    }

    fn text(&mut self, name: &str, text: &str) -> &mut Writer {
        if !text.is_empty() {
            self.put(name, Tree::string(text));
        }
        self
    }

    fn list<'t>(&mut self, name: &str, texts: impl IntoIterator<Item = &'t str>) -> &mut Writer {
        self.all(name, texts.into_iter().map(Tree::string).collect())
    }

    fn all(&mut self, name: &str, items: Vec<Tree>) -> &mut Writer {
        if !items.is_empty() {
            self.put(name, Tree::Array(items));
        }
        self
    }

    fn done(&mut self) -> Tree {
        Tree::Object(std::mem::take(&mut self.0))
    }
}

impl Definitions {
    /// The names of the types that have a StructureDefinition, sorted.
    pub fn structures(&self) -> impl Iterator<Item = &'static str> {
        let types = self.types.iter().filter(|known| !known.status.is_empty());
        types.map(|known| known.name)
    }

    /// The StructureDefinition of a type; `None` where there is no such type.
    pub fn structure(&self, name: &str) -> Option<Tree> {
        let kind = self.type_id(name)?;
        let known = &self.types[kind.0 as usize];
        let added = ADDED.iter().any(|(added, _)| *added == name);
        let (short, definition) = Said::shared().words.get(name).copied().unwrap_or_default();
        let mut snapshot = vec![self.root(kind)];
        self.elements_below(kind, name, &mut snapshot);
        let own = |element: &Tree| {
            let text = |tree: &Tree, name: &str| tree.get(name).and_then(Tree::as_str).map(str::to_owned);
            element.get("base").and_then(|base| text(base, "path")) == text(element, "path")
        };
        let differential = snapshot
            .iter()
            .filter(|element| own(element))
            .cloned()
            .map(without_base);
        let mut out = Writer::of("StructureDefinition", name, &self.address(name));
        if !added {
            out.text("version", VERSION);
        }
        out.text("name", name).text("title", short).text("status", known.status);
        if !added {
            out.text("date", PUBLISHED).text("publisher", PUBLISHER);
        }
        let differential = Tree::object([("element", Tree::Array(differential.collect()))]);
        out.text("description", definition)
            .text("fhirVersion", VERSION)
            .text("kind", sort_code(known.sort))
            .put("abstract", Tree::Bool(is_abstract(name)))
            .text("type", name);
        if let Some(base) = known.base {
            out.text("baseDefinition", &self.address(self.type_name(base)))
                .text("derivation", "specialization");
        }
        out.put("snapshot", Tree::object([("element", Tree::Array(snapshot))]))
            .put("differential", differential);
        Some(out.done())
    }

    /// The ElementDefinition of a member of a type's JSON, or of the type as a whole.
    pub(crate) fn element_definition_node(&self, parent: TypeId, name: Option<&str>) -> Option<Node<'_>> {
        let of_type = self.type_name(parent);
        let path = match name {
            None => of_type.to_owned(),
            Some(name) => {
                let element = &self.elements[self.member(parent, name)?.element as usize];
                let choice = if element.is_choice() { "[x]" } else { "" };
                format!("{of_type}.{}{choice}", element.name())
            }
        };
        let outermost = self.type_id(of_type.split('.').next()?)?;
        let structure = self.written[outermost.0 as usize].get_or_init(|| {
            let text = self.structure(self.type_name(outermost))?.to_bytes();
            Document::parse(&text, Limits::default()).ok().map(Box::new)
        });
        let mut elements = structure.as_ref()?.root().get("snapshot")?.get("element")?.items();
        elements.find(|element| element.string("path").is_some_and(|own| own == path))
    }

    /// The canonical address of a type's StructureDefinition.
    pub fn address(&self, name: &str) -> String {
        let added = ADDED.iter().find(|(added, _)| *added == name);
        added.map_or_else(
            || format!("{ADDRESS}StructureDefinition/{name}"),
            |(_, url)| (*url).to_owned(),
        )
    }

    /// The element that stands for a type as a whole.
    fn root(&self, kind: TypeId) -> Tree {
        let name = self.type_name(kind);
        let above = std::iter::successors(Some(kind), |kind| self.base(*kind));
        let constraints = above.flat_map(|kind| invariants(self.type_name(kind))).collect();
        let mut out = described(name, name);
        out.put("min", Tree::number(0)).text("max", "*");
        out.put("base", base(name, 0, None)).all("constraint", constraints);
        binding(name, &mut out);
        out.done()
    }

    /// Appends the elements of a type, which stands at a path, and of the backbone elements among them.
    fn elements_below(&self, kind: TypeId, at: &str, out: &mut Vec<Tree>) {
        for place in &self.types[kind.0 as usize].elements {
            let element = &self.elements[*place as usize];
            let choice = if element.is_choice() { "[x]" } else { "" };
            let path = format!("{at}.{}{choice}", element.name());
            out.push(self.element_tree(element, &path, choice));
            let first = element.types[0].kind;
            if self.type_name(first) == element.path {
                self.elements_below(first, &path, out);
            }
        }
        if matches!(self.types[kind.0 as usize].sort, Sort::Primitive(_)) {
            out.push(value_of_primitive(at));
        }
    }

    fn element_tree(&self, element: &Element, path: &str, choice: &str) -> Tree {
        let defined = format!("{}{choice}", element.path);
        let mut out = described(&defined, path);
        out.put("min", Tree::number(element.min))
            .text("max", &max(element.max))
            .put("base", base(&defined, element.min, element.max));
        let first = self.type_name(element.types[0].kind);
        match first.contains('.') && first != element.path {
            true => out.text("contentReference", &format!("#{first}")),
            false => out.all("type", element.types.iter().map(|one| self.type_tree(one)).collect()),
        };
        out.all("constraint", invariants(&defined));
        if element.modifier {
            out.put("isModifier", Tree::Bool(true))
                .text("isModifierReason", "It can change the meaning of what holds it.");
        }
        out.put("isSummary", Tree::Bool(element.summary));
        binding(&defined, &mut out);
        out.done()
    }

    fn type_tree(&self, one: &ElementType) -> Tree {
        let name = self.type_name(one.kind);
        // A backbone element has the type that all of them have.
        let code = match self.base(one.kind).filter(|_| name.contains('.')) {
            Some(base) => self.type_name(base),
            None => name,
        };
        let targets: Vec<String> = one.targets.iter().map(|target| self.address(target)).collect();
        let mut out = Writer(Vec::new());
        out.text("code", code)
            .list("targetProfile", targets.iter().map(String::as_str));
        out.done()
    }

    /// The CompartmentDefinition of a compartment.
    pub fn compartment_resource(&self, compartment: &Compartment) -> Tree {
        let id = compartment.code.to_ascii_lowercase();
        let url = format!("{ADDRESS}CompartmentDefinition/{id}");
        let member = |kind: &str| {
            let parameters = compartment.members.get(kind).map_or(&[][..], Vec::as_slice);
            let mut out = Writer(Vec::new());
            out.text("code", kind)
                .list("param", parameters.iter().map(String::as_str));
            out.done()
        };
        let added = |kind: &&str| ADDED.iter().any(|(added, _)| added == kind);
        let members = self.resources().filter(|kind| !added(kind)).map(member);
        Writer::of("CompartmentDefinition", &id, &url)
            .text("version", VERSION)
            .text(
                "name",
                &format!("Base FHIR compartment definition for {}", compartment.code),
            )
            .text("status", "draft")
            .text("date", PUBLISHED)
            .text("publisher", PUBLISHER)
            .text("code", &compartment.code)
            .put("search", Tree::Bool(true))
            .all("resource", members.collect())
            .done()
    }
}

impl SearchParameter {
    /// The last part of its address: the id it is published under.
    pub fn id(&self) -> &str {
        self.url.rsplit('/').next().unwrap_or(&self.url)
    }

    /// The SearchParameter that defines it.
    pub fn resource(&self) -> Tree {
        let standard = self.url.starts_with(ADDRESS);
        let said = Said::shared().words.get(self.url.as_str());
        let own = || format!("Searches {} by {}.", self.base.join(", "), self.code);
        let described = said.map_or_else(own, |(_, definition)| (*definition).to_owned());
        let texts = |list: &'_ [String]| list.iter().map(Tree::string).collect::<Vec<Tree>>();
        let component = |part: &crate::facts::Component| {
            Tree::object([
                ("definition", Tree::string(part.definition.as_str())),
                ("expression", Tree::string(part.expression.as_str())),
            ])
        };
        let mut out = Writer::of("SearchParameter", self.id(), &self.url);
        if standard {
            out.text("version", VERSION);
        }
        out.text("name", &self.code)
            .text("status", if standard { "draft" } else { "active" });
        if standard {
            out.text("date", PUBLISHED).text("publisher", PUBLISHER);
        }
        out.text("description", &described)
            .text("code", &self.code)
            .all("base", texts(&self.base))
            .text("type", self.kind.as_str())
            .text("expression", &self.expression)
            .all("target", texts(&self.target));
        for (name, said) in [("multipleOr", self.multiple_or), ("multipleAnd", self.multiple_and)] {
            if let Some(said) = said {
                out.put(name, Tree::Bool(said));
            }
        }
        out.all("comparator", texts(&self.comparators))
            .all("modifier", texts(&self.modifiers))
            .all("component", self.components.iter().map(component).collect())
            .done()
    }
}

/// The beginning of an element: where it stands, and what is said of it where it is defined.
fn described(defined: &str, path: &str) -> Writer {
    let words = Said::shared().words.get(defined).copied().unwrap_or_default();
    let mut out = Writer(Vec::new());
    // Elements in snapshots have a definition: of what is added to R4 nothing but the name is known.
    let definition = if words.1.is_empty() { path } else { words.1 };
    out.text("id", path)
        .text("path", path)
        .text("short", words.0)
        .text("definition", definition);
    out
}

fn max(max: Option<u32>) -> String {
    max.map_or_else(|| "*".to_owned(), |max| max.to_string())
}

fn base(path: &str, min: u32, most: Option<u32>) -> Tree {
    Tree::object([
        ("path", Tree::string(path)),
        ("min", Tree::number(min)),
        ("max", Tree::string(max(most))),
    ])
}

fn without_base(mut element: Tree) -> Tree {
    element.remove("base");
    element
}

fn invariants(path: &str) -> Vec<Tree> {
    let rows = Said::shared().invariants.get(path).into_iter().flatten();
    let invariant = |[key, severity, expression, human]: &[&str; 4]| {
        Tree::object([
            ("key", Tree::string(*key)),
            ("severity", Tree::string(*severity)),
            ("human", Tree::string(*human)),
            ("expression", Tree::string(*expression)),
        ])
    };
    rows.map(invariant).collect()
}

fn binding(path: &str, out: &mut Writer) {
    let Some([strength, value_set, largest]) = Said::shared().bindings.get(path) else {
        return;
    };
    let mut binding = Writer(Vec::new());
    if !largest.is_empty() {
        let url = format!("{ADDRESS}StructureDefinition/elementdefinition-maxValueSet");
        let extension = Tree::object([("url", Tree::string(url)), ("valueCanonical", Tree::string(*largest))]);
        binding.all("extension", vec![extension]);
    }
    binding.text("strength", strength).text("valueSet", value_set);
    out.put("binding", binding.done());
}

fn sort_code(sort: Sort) -> &'static str {
    match sort {
        Sort::Primitive(_) => "primitive-type",
        Sort::Complex => "complex-type",
        Sort::AnyResource | Sort::Resource => "resource",
    }
}

fn is_abstract(name: &str) -> bool {
    matches!(name, "Element" | "BackboneElement" | "Resource" | "DomainResource")
}

/// The element that a primitive has its value in, which has a type of FHIRPath's.
fn value_of_primitive(name: &str) -> Tree {
    let code = match name {
        "boolean" => "Boolean",
        "integer" | "positiveInt" | "unsignedInt" => "Integer",
        "decimal" => "Decimal",
        "date" => "Date",
        "dateTime" | "instant" => "DateTime",
        "time" => "Time",
        _ => "String",
    };
    let path = format!("{name}.value");
    let kind = Tree::object([("code", Tree::string(format!("http://hl7.org/fhirpath/System.{code}")))]);
    let mut out = Writer(Vec::new());
    out.text("id", &path)
        .text("path", &path)
        .list("representation", ["xmlAttr"])
        .text("definition", "The actual value")
        .put("min", Tree::number(0))
        .text("max", "1")
        .put("base", base(&path, 0, Some(1)))
        .all("type", vec![kind])
        .put("isSummary", Tree::Bool(false));
    out.done()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at<'t>(tree: &'t Tree, element: &str) -> &'t Tree {
        let all = tree.get("snapshot").and_then(|s| s.get("element")).unwrap().items();
        let is = |one: &&Tree| one.get("path").and_then(Tree::as_str) == Some(element);
        all.iter().find(is).unwrap_or_else(|| panic!("no {element}"))
    }

    #[test]
    fn a_type_is_written_as_it_was_read() {
        let r4 = Definitions::r4();
        let patient = r4.structure("Patient").unwrap();
        let text = |element: &str| String::from_utf8(at(&patient, element).to_bytes()).unwrap();
        let table = [
            ("Patient", r#""key":"dom-2""#),
            (
                "Patient.id",
                r#""base":{"path":"Resource.id","min":0,"max":"1"},"type":[{"code":"id"}]"#,
            ),
            (
                "Patient.contact",
                r#""max":"*","base":{"path":"Patient.contact","min":0,"max":"*"},"type":[{"code":"BackboneElement"}],"constraint":[{"key":"pat-1""#,
            ),
            (
                "Patient.contact.modifierExtension",
                r#""base":{"path":"BackboneElement.modifierExtension""#,
            ),
            (
                "Patient.deceased[x]",
                r#""type":[{"code":"boolean"},{"code":"dateTime"}],"isModifier":true"#,
            ),
            (
                "Patient.generalPractitioner",
                r#""targetProfile":["http://hl7.org/fhir/StructureDefinition/Organization""#,
            ),
            (
                "Patient.gender",
                r#""binding":{"strength":"required","valueSet":"http://hl7.org/fhir/ValueSet/administrative-gender|4.0.1"}"#,
            ),
            ("Patient.birthDate", r#""short":"The date of birth for the individual""#),
        ];
        for (element, part) in table {
            let written = text(element);
            assert!(written.contains(part), "{element}: {written}");
        }
        let own = patient
            .get("differential")
            .and_then(|d| d.get("element"))
            .unwrap()
            .items();
        assert!(own.iter().all(|one| one.get("base").is_none()) && own.len() < 30);
        let item = r4.structure("Questionnaire").unwrap();
        let content = at(&item, "Questionnaire.item.item").get("contentReference");
        assert_eq!(content.and_then(Tree::as_str), Some("#Questionnaire.item"));
        assert!(r4.structure("Nothing").is_none() && r4.structures().count() == 212);
    }

    #[test]
    fn parameters_and_compartments_are_written_as_they_were_read() {
        let r4 = Definitions::r4();
        let parameter = |id: &str| {
            let all = r4.search_parameters();
            let found = all
                .iter()
                .find(|one| one.id() == id)
                .unwrap_or_else(|| panic!("no {id}"));
            String::from_utf8(found.resource().to_bytes()).unwrap()
        };
        let birth = parameter("individual-birthdate");
        for part in [
            r#""base":["Patient","Person","RelatedPerson"]"#,
            r#""type":"date""#,
            r#""comparator":["eq""#,
            "The patient's date of birth",
        ] {
            assert!(birth.contains(part), "{part} in {birth}");
        }
        assert!(parameter("Observation-code-value-quantity").contains(r#""component":[{"definition":"#));
        assert!(parameter("ViewDefinition-name").contains("Searches ViewDefinition by name."));
        let all: Vec<String> = r4
            .compartments()
            .iter()
            .map(|one| String::from_utf8(r4.compartment_resource(one).to_bytes()).unwrap())
            .collect();
        let patient = all.iter().find(|text| text.contains(r#""id":"patient""#)).unwrap();
        assert!(
            patient.contains(r#"{"code":"Observation","param":["subject","performer"]}"#),
            "{patient}"
        );
    }
}
