//! Every plain path of a kind in one tree, so that one walk over a record finds all of its values.

use conformance::{Definitions, ParameterType};
use fhir::document::Node;
use fhir::identity::Reference;
use fhir::name::Name;
use fhirpath::model::{Child, Model, TypeId};

use crate::path::{Filter, Step};
use crate::shape::Shape;
use crate::values::{ParamId, Value};

/// The tree; its first place is the record.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    places: Vec<Place>,
}

/// What to do with the elements found at one place.
#[derive(Debug, Default)]
pub(crate) struct Place {
    /// Where to go on by JSON member name.
    children: Vec<(Box<str>, u32)>,
    /// Where to go on with the same element if it passes.
    filters: Vec<(Filter, u32)>,
    /// What the element is a value of.
    leaves: Vec<Leaf>,
    /// The base elements of composites that this is, by number.
    bases: Vec<u16>,
}

/// Hears what a walk finds.
pub(crate) trait Visit {
    /// An element that has values of a parameter.
    fn value(&mut self, leaf: &Leaf, node: Node<'_>);
    /// A base element of composites, by its number.
    fn base(&mut self, base: u16, node: Node<'_>);
}

/// An element at this place is a value of the parameter; below a base element, of the part with that number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Leaf {
    pub(crate) param: ParamId,
    pub(crate) kind: ParameterType,
    pub(crate) shape: Shape,
    /// The system that a code here has without saying so.
    pub(crate) system: Option<&'static str>,
}

impl Leaf {
    /// A value found here, a code with the system it implies.
    pub(crate) fn complete(&self, value: Value) -> Value {
        match (value, self.system) {
            (
                Value::Token {
                    system: None,
                    code,
                    text,
                },
                Some(system),
            ) => Value::Token {
                system: Some(system.into()),
                code,
                text,
            },
            (value, _) => value,
        }
    }
}

/// One way a path can go: the edges from the record, and the type where it stands.
struct Way {
    edges: Vec<Edge>,
    kind: TypeId,
    /// See [`Leaf::system`].
    system: Option<&'static str>,
}

#[derive(Clone)]
enum Edge {
    Member(Box<str>),
    Filter(Filter),
}

impl Plan {
    /// Adds the path of a parameter from an element of the type; false, and nothing added, where the definitions don't know an element on
    /// the way or the engine is needed.
    pub(crate) fn add(
        &mut self,
        definitions: &Definitions,
        from: TypeId,
        steps: &[Step],
        param: ParamId,
        search: ParameterType,
    ) -> bool {
        let Some(ways) = ways(definitions, from, steps) else {
            return false;
        };
        let leaves: Vec<Option<Shape>> = ways.iter().map(|way| Shape::of(definitions, way.kind)).collect();
        if leaves.contains(&None) {
            return false;
        }
        for (way, shape) in ways.iter().zip(leaves.into_iter().flatten()) {
            if !shape.serves(search) {
                continue;
            }
            let leaf = Leaf {
                param,
                kind: search,
                shape,
                system: way.system.filter(|_| shape == Shape::Primitive),
            };
            let place = way.edges.iter().fold(self.record(), |at, edge| self.follow(at, edge));
            let leaves = &mut self.places[place as usize].leaves;
            if !leaves.contains(&leaf) {
                leaves.push(leaf);
            }
        }
        true
    }

    /// The types of the elements that a path leads to; `None` where the definitions don't know an element on the way.
    pub(crate) fn elements(definitions: &Definitions, from: TypeId, steps: &[Step]) -> Option<Vec<TypeId>> {
        let ways = ways(definitions, from, steps)?;
        let mut elements: Vec<TypeId> = Vec::new();
        for way in ways {
            if !elements.contains(&way.kind) {
                elements.push(way.kind);
            }
        }
        Some(elements)
    }

    /// Marks the elements of the type that a path leads to as a base of composites.
    pub(crate) fn add_base(
        &mut self,
        definitions: &Definitions,
        from: TypeId,
        steps: &[Step],
        element: TypeId,
        base: u16,
    ) {
        let ways = ways(definitions, from, steps).unwrap_or_default();
        for way in ways.iter().filter(|way| way.kind == element) {
            let place = way.edges.iter().fold(self.record(), |at, edge| self.follow(at, edge));
            self.places[place as usize].bases.push(base);
        }
    }

    /// Whether any element is a value of the parameter.
    pub(crate) fn has(&self, param: ParamId) -> bool {
        self.places
            .iter()
            .any(|place| place.leaves.iter().any(|leaf| leaf.param == param))
    }

    fn record(&mut self) -> u32 {
        if self.places.is_empty() {
            self.places.push(Place::default());
        }
        0
    }

    fn follow(&mut self, at: u32, edge: &Edge) -> u32 {
        let fresh = self.places.len() as u32;
        let place = &mut self.places[at as usize];
        let known = match edge {
            Edge::Member(name) => place.children.iter().find(|(n, _)| n == name).map(|(_, to)| *to),
            Edge::Filter(filter) => place.filters.iter().find(|(f, _)| f == filter).map(|(_, to)| *to),
        };
        if let Some(known) = known {
            return known;
        }
        match edge {
            Edge::Member(name) => place.children.push((name.clone(), fresh)),
            Edge::Filter(filter) => place.filters.push((filter.clone(), fresh)),
        }
        self.places.push(Place::default());
        fresh
    }

    /// Tells of every element that is a value or a base.
    pub(crate) fn walk(&self, root: Node<'_>, found: &mut dyn Visit) {
        if !self.places.is_empty() {
            self.visit(0, root, root, found);
        }
    }

    fn visit<'a>(&self, at: u32, root: Node<'a>, node: Node<'a>, found: &mut dyn Visit) {
        let place = &self.places[at as usize];
        for leaf in &place.leaves {
            found.value(leaf, node);
        }
        for base in &place.bases {
            found.base(*base, node);
        }
        for (filter, to) in &place.filters {
            if passes(filter, root, node) {
                self.visit(*to, root, node, found);
            }
        }
        if place.children.is_empty() || !node.is_object() {
            return;
        }
        for (name, value) in node.members() {
            if let Some((_, to)) = place.children.iter().find(|(child, _)| **child == *name) {
                for item in value.each() {
                    self.visit(*to, root, item, found);
                }
            }
        }
    }
}

fn ways(definitions: &Definitions, from: TypeId, steps: &[Step]) -> Option<Vec<Way>> {
    let mut ways = vec![Way {
        edges: Vec::new(),
        kind: from,
        system: None,
    }];
    for step in steps {
        match step {
            Step::Child(name) => {
                let further = ways.iter().map(|way| children(definitions, way, name));
                ways = further.collect::<Option<Vec<_>>>()?.into_iter().flatten().collect();
            }
            Step::Type(name) => {
                let wanted = type_named(definitions, name)?;
                ways.retain(|way| definitions.is_a(way.kind, wanted));
            }
            Step::Filter(filter) => {
                for way in &mut ways {
                    way.edges.push(Edge::Filter(filter.clone()));
                }
            }
        }
    }
    Some(ways)
}

/// A type by name. R4 writes one primitive with a capital: `value.as(DateTime)` in `code-value-date`.
fn type_named(definitions: &Definitions, name: &str) -> Option<TypeId> {
    let lowered = || {
        let mut name = name.to_owned();
        name.get_mut(..1)?.make_ascii_lowercase();
        definitions.type_id(&name)
    };
    definitions.type_id(name).or_else(lowered)
}

fn children(definitions: &Definitions, way: &Way, name: &str) -> Option<Vec<Way>> {
    let step = |member: &str, kind: TypeId| {
        let mut edges = way.edges.clone();
        edges.push(Edge::Member(member.into()));
        let system = definitions.implied_system(way.kind, name);
        Way { edges, kind, system }
    };
    let mut at = Some(way.kind);
    while let Some(kind) = at {
        match definitions.child(kind, &Name::of(name)) {
            Some(Child::One(kind, _)) => return Some(vec![step(name, kind)]),
            Some(Child::Choice(choices)) => return Some(choices.iter().map(|(m, kind)| step(m, *kind)).collect()),
            None => at = definitions.base(kind),
        }
    }
    None
}

fn passes(filter: &Filter, root: Node<'_>, node: Node<'_>) -> bool {
    match filter {
        Filter::Resolves(kind) => names_kind(root, node, kind),
        Filter::Equals(name, value) => node.get(name).is_some_and(|member| {
            member
                .each()
                .any(|item| item.scalar().is_some_and(|text| text == value.as_str()))
        }),
        Filter::HasExtension(url) => node.get("extension").is_some_and(|list| {
            list.each()
                .any(|extension| extension.string("url").is_some_and(|found| found == url.as_str()))
        }),
    }
}

/// Whether a reference names a record of the kind, or a resource of the kind in this one, by its text or by its `type`.
fn names_kind(root: Node<'_>, reference: Node<'_>, wanted: &str) -> bool {
    if let Some(text) = reference.string("reference") {
        match Reference::parse(&text) {
            Reference::Literal { kind, .. } | Reference::Conditional { kind, .. } => return kind == wanted,
            Reference::Contained(id) => {
                let mut held = root.get("contained").into_iter().flat_map(|list| list.items());
                let held = held.find(|held| held.string("id").is_some_and(|found| *found == *id));
                if let Some(held) = held {
                    return held.string("resourceType").is_some_and(|kind| *kind == *wanted);
                }
            }
            _ => {}
        }
    }
    reference.string("type").is_some_and(|kind| kind == wanted)
}
