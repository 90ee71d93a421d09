//! Compiles a StructureDefinition (<https://hl7.org/fhir/R4/structuredefinition.html>) to a [`Profile`].
//!
//! What R4 says of the type is not repeated: the walk judges by it anyway. So a snapshot is read as it is, and where
//! there is only a differential its base is compiled first and the differential laid over it; that is what a snapshot
//! would say.

use std::sync::Arc;

use conformance::Definitions;
use fhir::document::{Document, Node};
use fhir::outcome::Severity;
use fhirpath::expression::Expression;
use fhirpath::model::{Model, TypeId};

use crate::rules::{Binding, Invariant, Rules, Strength};
use crate::shape::{
    Aggregation, By, Context, ContextKind, Discriminator, Fixed, Openness, PathStep, Profile, Shape, Slicing, TypeRule,
    Value,
};

/// Elements of one definition, at most.
const ELEMENTS_MAX: usize = 10_000;
/// Parts of one path, at most.
const PARTS_MAX: usize = 40;

/// An erratum of R4: the components of all vital signs are bound to twelve units, as required, though none of them is of
/// a flow of oxygen; HL7's own validator holds it to be extensible.
const VITAL_UNITS: &str = "http://hl7.org/fhir/ValueSet/ucum-vitals-common";

/// A definition being compiled.
struct Compiler<'c> {
    definitions: &'c Definitions,
    rules: &'c Rules,
    document: &'c Arc<Document>,
    shapes: Vec<Shape>,
    /// The shape that each path stands for now, for elements whose id does not say it.
    current: Vec<(String, usize)>,
    faults: Vec<String>,
}

/// Compiles a definition of a type over the shapes of its base profile, empty where that is the type itself.
pub(crate) fn compile(
    definitions: &Definitions,
    rules: &Rules,
    document: &Arc<Document>,
    kind: TypeId,
    base: Vec<Shape>,
) -> Profile {
    let root = document.root();
    let mut compiler = Compiler {
        definitions,
        rules,
        document,
        shapes: base,
        current: Vec::new(),
        faults: Vec::new(),
    };
    if compiler.shapes.is_empty() {
        compiler.shapes.push(Shape {
            name: definitions.type_name(kind).into(),
            kind: Some(kind),
            ..Shape::default()
        });
    }
    for (at, element) in elements(root).enumerate() {
        if at == ELEMENTS_MAX {
            compiler
                .faults
                .push(format!("it has more than {ELEMENTS_MAX} elements"));
            break;
        }
        compiler.element(element);
    }
    let contexts = root.get("context").into_iter().flat_map(|list| list.each());
    let invariants = root.get("contextInvariant").into_iter().flat_map(|list| list.each());
    let parsed = invariants.filter_map(|text| Expression::parse(&text.as_str()?).ok());
    Profile {
        url: root.string("url").unwrap_or_default().into(),
        kind,
        modifier: elements(root).any(|element| {
            let whole = element.string("path").is_some_and(|path| path == "Extension");
            whole && element.get("isModifier").and_then(|is| is.as_bool()) == Some(true)
        }),
        contexts: contexts.filter_map(context).collect(),
        context_invariants: parsed.collect(),
        shapes: compiler.shapes,
        faults: compiler.faults,
    }
}

/// Whether a definition has a snapshot, which says all that its base does.
pub(crate) fn has_snapshot(definition: Node<'_>) -> bool {
    definition
        .get("snapshot")
        .is_some_and(|snapshot| snapshot.get("element").is_some())
}

fn elements(definition: Node<'_>) -> impl Iterator<Item = Node<'_>> {
    let view = if has_snapshot(definition) {
        "snapshot"
    } else {
        "differential"
    };
    let list = definition.get(view).and_then(|view| view.get("element"));
    list.into_iter().flat_map(|list| list.each())
}

fn context(node: Node<'_>) -> Option<Context> {
    let kind = match &*node.string("type")? {
        "element" => ContextKind::Element,
        "extension" => ContextKind::Extension,
        _ => ContextKind::Fhirpath,
    };
    Some(Context {
        kind,
        expression: node.string("expression")?.into(),
    })
}

/// A part of an element's path: its name, and the slice within it.
struct Part<'t> {
    name: &'t str,
    slice: Option<&'t str>,
}

impl Compiler<'_> {
    fn element(&mut self, element: Node<'_>) {
        let Some(path) = element.string("path") else { return };
        let at = self.locate(element, &path);
        self.cardinality(at, element);
        self.types(at, element);
        self.values(at, element);
        self.binding(at, element);
        self.constraints(at, element);
        self.slicing(at, element);
    }

    /// The shape that an element speaks of, made where it is new.
    fn locate(&mut self, element: Node<'_>, path: &str) -> usize {
        let id = element.string("id").unwrap_or_default();
        let slice = element.string("sliceName");
        let parts: Vec<&str> = id.split('.').collect();
        let stripped: Vec<&str> = parts
            .iter()
            .map(|part| part.split(':').next().unwrap_or(part))
            .collect();
        let named = |part: &&str| part.contains(':');
        let by_id = parts.iter().any(named) && stripped.join(".") == path && parts.len() <= PARTS_MAX;
        if by_id {
            let parts = parts.iter().skip(1).map(|part| match part.split_once(':') {
                Some((name, slice)) => Part {
                    name,
                    slice: Some(slice),
                },
                None => Part {
                    name: part,
                    slice: None,
                },
            });
            let at = parts.collect::<Vec<_>>().iter().fold(0, |at, part| self.part(at, part));
            self.stand(path, at);
            return at;
        }
        self.by_path(path, slice.as_deref())
    }

    /// Finds an element by its path alone: below a slice where the slice came last.
    fn by_path(&mut self, path: &str, slice: Option<&str>) -> usize {
        let Some((parent, name)) = path.rsplit_once('.') else {
            return 0;
        };
        let known = self.current.iter().rev().find(|(known, _)| known == parent);
        let above = match known {
            Some((_, at)) => *at,
            None if path.split('.').count() > PARTS_MAX => 0,
            None => self.by_path(parent, None),
        };
        let at = self.part(above, &Part { name, slice });
        self.stand(path, at);
        at
    }

    fn stand(&mut self, path: &str, at: usize) {
        let below = |known: &str| known == path || known.strip_prefix(path).is_some_and(|rest| rest.starts_with('.'));
        self.current.retain(|(known, _)| !below(known));
        self.current.push((path.to_owned(), at));
    }

    /// The child of a shape, and within it the slice.
    fn part(&mut self, above: usize, part: &Part<'_>) -> usize {
        let kind = self.shapes[above].kind;
        let bare = part.name.trim_end_matches("[x]");
        let (name, typed) = match kind.and_then(|kind| self.choice(kind, bare)) {
            Some((name, of)) => (name, Some(of)),
            None => (bare, None),
        };
        let child = match self.shapes[above].child(name) {
            Some(child) => child,
            None => self.new_child(above, name),
        };
        let choice = typed.is_some() || part.name.ends_with("[x]");
        let at = match typed {
            Some(of) => self.typed_slice(child, bare, of),
            None => child,
        };
        let Some(slice) = part.slice else { return at };
        if typed.is_some() && slice == bare {
            return at;
        }
        slice.split('/').fold(at, |at, name| self.named_slice(at, name, choice))
    }

    /// The choice that a name carries a type of: `value` and Quantity for `valueQuantity`.
    fn choice(&self, kind: TypeId, name: &str) -> Option<(&'static str, TypeId)> {
        let step = self.definitions.step(kind, name).filter(|step| step.typed)?;
        Some((step.element.name(), step.kind))
    }

    fn new_child(&mut self, above: usize, name: &str) -> usize {
        let full = format!("{}.{name}", self.shapes[above].name);
        let Some(parent) = self.shapes[above].kind else {
            let at = self.push(full, None);
            self.shapes[above].children.push((name.into(), at));
            return at;
        };
        let Some((_, element)) = self.definitions.own_element(parent, name) else {
            // What the type does not have can neither be there nor be missed.
            self.faults.push(format!("R4 has no element {full}"));
            return self.push(full, None);
        };
        let at = self.push(full, (!element.is_choice()).then(|| element.types[0].kind));
        self.shapes[above].children.push((name.into(), at));
        at
    }

    fn push(&mut self, name: String, kind: Option<TypeId>) -> usize {
        self.shapes.push(Shape {
            name: name.into(),
            kind,
            ..Shape::default()
        });
        self.shapes.len() - 1
    }

    fn typed_slice(&mut self, child: usize, name: &str, of: TypeId) -> usize {
        let at = self.named_slice(child, name, true);
        self.only_type(at, of);
        at
    }

    fn only_type(&mut self, at: usize, of: TypeId) {
        let shape = &mut self.shapes[at];
        shape.kind = Some(of);
        if shape.types.is_empty() {
            shape.types.push(TypeRule {
                kind: Some(of),
                profiles: Vec::new(),
                targets: Vec::new(),
                aggregation: Aggregation::default(),
            });
        }
    }

    /// The slice of a shape with a name, made where it is new; `choice` says that the element has several types.
    fn named_slice(&mut self, of: usize, name: &str, choice: bool) -> usize {
        if let Some(at) = self.shapes[of].slice(name) {
            return at;
        }
        let kind = self.shapes[of].kind;
        let at = self.push(format!("{}:{name}", self.shapes[of].name), kind);
        self.shapes[of].slices.push((name.into(), at));
        // A slice of a choice that is named for one of its types has that type.
        if choice {
            let element = self.shapes[of].name.rsplit(['.', ':']).next().unwrap_or_default();
            let of_type = name.strip_prefix(element).and_then(|rest| self.type_named(rest));
            if let Some(of_type) = of_type {
                self.only_type(at, of_type);
            }
        }
        if self.shapes[of].slicing.is_none() {
            self.shapes[of].slicing = implied_slicing(&self.shapes[of].name, choice);
        }
        at
    }

    fn type_named(&self, name: &str) -> Option<TypeId> {
        let mut letters = name.chars();
        let first = letters.next()?;
        let small = format!("{}{}", first.to_ascii_lowercase(), letters.as_str());
        self.definitions
            .type_id(name)
            .or_else(|| self.definitions.type_id(&small))
    }

    fn cardinality(&mut self, at: usize, element: Node<'_>) {
        let shape = &mut self.shapes[at];
        if let Some(min) = element.get("min").and_then(|min| min.as_number()?.parse().ok()) {
            shape.min = Some(min);
        }
        if let Some(max) = element.string("max") {
            shape.max = match &*max {
                "*" => Some(u32::MAX),
                digits => digits.parse().ok(),
            };
        }
    }

    fn types(&mut self, at: usize, element: Node<'_>) {
        let Some(list) = element.get("type") else { return };
        let rules: Vec<TypeRule> = list.each().filter_map(|one| self.type_rule(one)).collect();
        let shape = &mut self.shapes[at];
        if let [rule] = &rules[..]
            && let Some(kind) = rule.kind
        {
            // A backbone element keeps the type of its path.
            let wider = shape.kind.is_some_and(|own| self.definitions.is_a(own, kind));
            shape.kind = if wider { shape.kind } else { Some(kind) };
        }
        shape.types = rules;
    }

    fn type_rule(&self, one: Node<'_>) -> Option<TypeRule> {
        let code = one.string("code")?;
        let part = |at: usize| profile_part(one, at);
        let strings = |name: &str| -> Vec<Box<str>> {
            let list = one.get(name).into_iter().flat_map(|list| list.each());
            list.filter_map(|text| Some(text.as_str()?.into())).collect()
        };
        let modes = strings("aggregation");
        let has = |mode: &str| modes.iter().any(|own| **own == *mode);
        Some(TypeRule {
            kind: self.definitions.type_id(&code),
            profiles: strings("profile")
                .into_iter()
                .enumerate()
                .map(|(at, url)| with_part(url, part(at)))
                .collect(),
            targets: strings("targetProfile"),
            aggregation: Aggregation {
                contained: has("contained"),
                referenced: has("referenced"),
                bundled: has("bundled"),
            },
        })
        .filter(|rule| rule.kind.is_some() || !code.starts_with("http://hl7.org/fhirpath/"))
    }

    fn values(&mut self, at: usize, element: Node<'_>) {
        let shape = &mut self.shapes[at];
        let value = |node: Node<'_>| Value::new(self.document, node);
        for (name, node) in element.members() {
            match &*name {
                "maxLength" => shape.length_max = node.as_number().and_then(|digits| digits.parse().ok()),
                name if name.starts_with("fixed") || name.starts_with("pattern") => {
                    shape.fixed = Some(Fixed {
                        value: value(node),
                        exact: name.starts_with("fixed"),
                    });
                }
                name if name.starts_with("minValue") => shape.least = Some(value(node)),
                name if name.starts_with("maxValue") => shape.greatest = Some(value(node)),
                "extension" => node.each().for_each(|extension| said_by_extension(shape, extension)),
                _ => {}
            }
        }
    }

    fn binding(&mut self, at: usize, element: Node<'_>) {
        let Some(binding) = element.get("binding") else { return };
        let mut largest = None;
        let mut additional = Vec::new();
        for extension in binding.get("extension").into_iter().flat_map(|list| list.each()) {
            let url = extension.string("url").unwrap_or_default();
            if url.ends_with("/elementdefinition-maxValueSet") {
                largest = value_of(extension).map(Into::into);
            }
            if url.ends_with("-ElementDefinition.binding.additional") || url.ends_with("/additional-binding") {
                additional.extend(additional_binding(extension));
            }
        }
        let value_set = binding.string("valueSet").unwrap_or_default();
        let strength = match Strength::from_code(&binding.string("strength").unwrap_or_default()) {
            Strength::Required if value_set.starts_with(VITAL_UNITS) => Strength::Extensible,
            strength => strength,
        };
        self.shapes[at].binding = Some(Binding {
            strength,
            value_set: value_set.into(),
            largest,
            additional,
        });
    }

    fn constraints(&mut self, at: usize, element: Node<'_>) {
        for constraint in element.get("constraint").into_iter().flat_map(|list| list.each()) {
            let (Some(key), Some(text)) = (constraint.string("key"), constraint.string("expression")) else {
                continue;
            };
            let human = constraint.string("human").unwrap_or_default();
            let judged = matches!(&*key, "dom-3" | "ele-1" | "ext-1");
            let repeated = self.shapes[at].invariants.iter().any(|own| *own.key == *key);
            if judged || repeated || self.rules.is_known(&key, &human) {
                continue;
            }
            let warns = constraint
                .string("severity")
                .is_some_and(|severity| severity == "warning");
            match Expression::parse(&text) {
                Ok(expression) => self.shapes[at].invariants.push(Arc::new(Invariant {
                    key: key.into(),
                    severity: if warns { Severity::Warning } else { Severity::Error },
                    human: human.into(),
                    expression,
                })),
                Err(why) => self
                    .faults
                    .push(format!("the rule {key} is no FHIRPath: {}", why.message)),
            }
        }
    }

    fn slicing(&mut self, at: usize, element: Node<'_>) {
        let Some(slicing) = element.get("slicing") else { return };
        let mut discriminators = Vec::new();
        for one in slicing.get("discriminator").into_iter().flat_map(|list| list.each()) {
            let by = match &*one.string("type").unwrap_or_default() {
                "exists" => By::Exists,
                "type" => By::Type,
                "profile" => By::Profile,
                _ => By::Value,
            };
            let path = one.string("path").unwrap_or_default();
            match PathStep::parse(&path) {
                Some(path) => discriminators.push(Discriminator { by, path }),
                None => self.faults.push(format!("the discriminator {path} is not understood")),
            }
        }
        self.shapes[at].slicing = Some(Slicing {
            discriminators,
            ordered: slicing.get("ordered").and_then(|ordered| ordered.as_bool()) == Some(true),
            rules: match &*slicing.string("rules").unwrap_or_default() {
                "closed" => Openness::Closed,
                "openAtEnd" => Openness::OpenAtEnd,
                _ => Openness::Open,
            },
        });
    }
}

/// The element of a type's profile that is meant, where it is not the whole of it.
fn profile_part(one: Node<'_>, at: usize) -> Option<String> {
    let half = one.get("_profile")?.each().nth(at)?;
    let mut extensions = half.get("extension")?.each();
    let is_it = |one: &Node<'_>| {
        one.string("url")
            .is_some_and(|url| url.ends_with("/elementdefinition-profile-element"))
    };
    value_of(extensions.find(is_it)?)
}

fn with_part(url: Box<str>, part: Option<String>) -> Box<str> {
    match part {
        Some(part) => format!("{url}#{part}").into(),
        None => url,
    }
}

/// Extensions are told apart by their url, choices by their type, without a definition saying so.
fn implied_slicing(name: &str, choice: bool) -> Option<Slicing> {
    let last = name.rsplit('.').next().unwrap_or(name);
    let discriminator = match last {
        "extension" | "modifierExtension" => Discriminator {
            by: By::Value,
            path: vec![PathStep::Child("url".into())],
        },
        _ if choice => Discriminator {
            by: By::Type,
            path: Vec::new(),
        },
        _ => return None,
    };
    Some(Slicing {
        discriminators: vec![discriminator],
        ordered: false,
        rules: Openness::Open,
    })
}

fn value_of(extension: Node<'_>) -> Option<String> {
    let mut members = extension.members();
    let value = members.find(|(name, _)| name.starts_with("value"))?.1;
    value.scalar().map(|text| text.into_owned())
}

/// What R5 says with elements of its own, and R4 with extensions.
fn said_by_extension(shape: &mut Shape, extension: Node<'_>) {
    let url = extension.string("url").unwrap_or_default();
    let last = url.rsplit('/').next().unwrap_or_default();
    match last {
        "minLength" => shape.length_min = value_of(extension).and_then(|digits| digits.parse().ok()),
        "narrative-language-control" => shape.languages.extend(value_of(extension).map(Box::from)),
        "narrative-source-control" => shape.sourced = true,
        "extension-ElementDefinition.mustHaveValue" => {
            shape.valued = value_of(extension).is_some_and(|text| text == "true");
        }
        "extension-ElementDefinition.valueAlternatives" => {
            shape.alternatives.extend(value_of(extension).map(Box::from));
        }
        _ => {}
    }
}

fn additional_binding(extension: Node<'_>) -> Option<(Strength, Box<str>)> {
    let part = |name: &str| {
        let mut parts = extension.get("extension")?.each();
        value_of(parts.find(|part| part.string("url").is_some_and(|url| url == name))?)
    };
    let strength = match &*part("purpose")? {
        "required" | "maximum" => Strength::Required,
        "extensible" => Strength::Extensible,
        _ => return None,
    };
    // A binding that only holds in some circumstances is not judged.
    part("usage").is_none().then_some((strength, part("valueSet")?.into()))
}
