//! Composite parameters: tuples of values that stand together in one element of a record.
//!
//! A composite's expression yields base elements, and each of its components an expression from there
//! (<https://hl7.org/fhir/R4/search.html#combining>). The composites of one base share one walk over it.

use conformance::{Definitions, ParameterType};
use fhir::document::Node;
use fhirpath::evaluate::Context;
use fhirpath::expression::Expression;
use fhirpath::model::TypeId;
use fhirpath::value::Element;

use crate::extract::of_item;
use crate::path::{self, Step};
use crate::plan::{Plan, Visit};
use crate::registry::{Component, Registry};
use crate::values::{Entry, ParamId, Value};

/// How many tuples one element may give: beyond it, what has several values for several components is cut.
const TUPLES_MAX: usize = 64;

/// Steps one component's expression may take over one element; beyond it the element gives no tuple.
const STEPS: u64 = 10_000;

/// The base elements of one kind.
#[derive(Default)]
pub(crate) struct Bases {
    list: Vec<Base>,
}

/// One sort of element from which composites start.
struct Base {
    steps: Vec<Step>,
    element: TypeId,
    /// What the composites need of the element, no part twice; its leaves name parts by their numbers.
    plan: Plan,
    parts: Vec<Part>,
    composites: Vec<Composite>,
}

struct Part {
    kind: ParameterType,
    expression: String,
    /// What only the FHIRPath engine can tell.
    computed: Vec<Expression>,
}

struct Composite {
    param: ParamId,
    /// Each component's parameter, and the number of its part.
    components: Vec<(ParamId, usize)>,
}

impl Bases {
    /// Adds a composite of a kind, and to the kind's plan where its base elements are found.
    ///
    /// # Errors
    /// A sentence where the base is no plain path, or a component can't be read.
    pub(crate) fn add(
        &mut self,
        definitions: &Definitions,
        (kind, plan): (TypeId, &mut Plan),
        param: ParamId,
        parts: &path::Parts<'_>,
        components: &[Component],
    ) -> Result<(), String> {
        for part in &parts.list {
            let unknown = || format!("`{}` is no plain path to an element", part.text);
            let steps = part.steps.as_ref().ok_or_else(unknown)?;
            for element in Plan::elements(definitions, kind, steps).ok_or_else(unknown)? {
                let same = |base: &Base| base.steps == *steps && base.element == element;
                let base = self.list.iter().position(same).unwrap_or_else(|| {
                    plan.add_base(definitions, kind, steps, element, self.list.len() as u16);
                    self.list.push(Base::new(steps, element));
                    self.list.len() - 1
                });
                self.list[base].add(definitions, param, components)?;
            }
        }
        Ok(())
    }

    /// Calls `each` with every tuple of a base element.
    pub(crate) fn tuples(
        &self,
        registry: &Registry,
        base: u16,
        (root, node): (Node<'_>, Node<'_>),
        each: &mut dyn FnMut(Entry),
    ) {
        let base = &self.list[usize::from(base)];
        let mut gathered = Gathered {
            zone: registry.zone(),
            values: vec![Vec::new(); base.parts.len()],
        };
        base.plan.walk(node, &mut gathered);
        for (part, values) in base.parts.iter().zip(&mut gathered.values) {
            for expression in &part.computed {
                base.compute(registry, (root, node), part.kind, expression, values);
            }
        }
        for composite in &base.composites {
            composite.tuples(&gathered.values, each);
        }
    }
}

impl Base {
    fn new(steps: &[Step], element: TypeId) -> Base {
        Base {
            steps: steps.to_vec(),
            element,
            plan: Plan::default(),
            parts: Vec::new(),
            composites: Vec::new(),
        }
    }

    fn add(&mut self, definitions: &Definitions, param: ParamId, components: &[Component]) -> Result<(), String> {
        let mut list = Vec::with_capacity(components.len());
        for component in components {
            list.push((component.id, self.part(definitions, component)?));
        }
        self.composites.push(Composite {
            param,
            components: list,
        });
        Ok(())
    }

    /// The number of the part that a component needs, added where no other component needed it before.
    fn part(&mut self, definitions: &Definitions, component: &Component) -> Result<usize, String> {
        let same = |part: &Part| part.kind == component.kind && part.expression == *component.expression;
        if let Some(known) = self.parts.iter().position(same) {
            return Ok(known);
        }
        let (number, mut computed) = (self.parts.len(), Vec::new());
        for part in path::parts_of(&component.expression).list {
            let to = ParamId(number as u32);
            let planned = part
                .steps
                .is_some_and(|steps| self.plan.add(definitions, self.element, &steps, to, component.kind));
            if !planned {
                computed.push(Expression::parse(part.text).map_err(|invalid| invalid.to_string())?);
            }
        }
        if computed.is_empty() && !self.plan.has(ParamId(number as u32)) {
            return Err(format!(
                "`{}` has no values that {} compares",
                component.expression, component.code
            ));
        }
        self.parts.push(Part {
            kind: component.kind,
            expression: component.expression.to_string(),
            computed,
        });
        Ok(number)
    }

    fn compute(
        &self,
        registry: &Registry,
        (root, node): (Node<'_>, Node<'_>),
        kind: ParameterType,
        expression: &Expression,
        values: &mut Vec<Value>,
    ) {
        let definitions = &*registry.definitions;
        let mut context = Context::new(definitions, Element::resource(definitions, root), 0);
        context.zone = registry.zone();
        context.steps = STEPS;
        let focus = Element {
            node,
            sibling: None,
            kind: Some(self.element),
        };
        for item in expression.evaluate(&context, focus).unwrap_or_default() {
            of_item(registry, kind, &item, &mut |value| values.extend(part_of(value)));
        }
    }
}

/// The values of each part of one element.
struct Gathered {
    zone: i32,
    values: Vec<Vec<Value>>,
}

impl Visit for Gathered {
    fn value(&mut self, leaf: &crate::plan::Leaf, node: Node<'_>) {
        let values = &mut self.values[leaf.param.0 as usize];
        leaf.shape.values(leaf.kind, node, self.zone, &mut |value| {
            values.extend(part_of(leaf.complete(value)))
        });
    }

    fn base(&mut self, _: u16, _: Node<'_>) {}
}

/// A value as a part of a tuple; `None` where no test of a component could pass on it.
pub(crate) fn part_of(value: Value) -> Option<Value> {
    match value {
        Value::Token {
            system: None,
            code: None,
            ..
        }
        | Value::OfType { .. } => None,
        Value::Token { system, code, .. } => Some(Value::Token {
            system,
            code,
            text: None,
        }),
        other => Some(other),
    }
}

impl Composite {
    fn tuples(&self, values: &[Vec<Value>], each: &mut dyn FnMut(Entry)) {
        let of = |part: usize| values[part].len();
        let count: usize = self
            .components
            .iter()
            .fold(1, |count, (_, part)| count.saturating_mul(of(*part)));
        for number in 0..count.min(TUPLES_MAX) {
            let mut rest = number;
            let pick = |(param, part): &(ParamId, usize)| {
                let value = values[*part][rest % of(*part)].clone();
                rest /= of(*part);
                Entry { param: *param, value }
            };
            let tuple = self.components.iter().map(pick).collect();
            each(Entry {
                param: self.param,
                value: Value::Composite(tuple),
            });
        }
    }
}
