//! `$fhirpath`: evaluates an expression on a resource, and answers with each item's type and value.
//!
//! Parameters in: `expression`, `resource` (or the bare resource as body, the rest in the address), and perhaps a
//! `context`, an expression of its own on each of whose items the other is evaluated, `variables` as parts, and `lenient`.
//! Parameters out in the shape of public FHIRPath servers: `parameters` says what was evaluated by whom, then there is a
//! `result` for each item of the context, with a part for each item found, named by its type, and a part `trace` for each
//! `trace()`. What Parameters can't hold stands as JSON in an extension.

use std::borrow::Cow;
use std::cell::RefCell;

use conformance::Definitions;
use conformance::asked::Asked;
use fhir::document::Node;
use fhir::name::Name;
use fhir::parse::write_string;
use fhirpath::evaluate::{Context, Failure, Reason as Why, Tracer};
use fhirpath::expression::Expression;
use fhirpath::model::{Child, Model};
use fhirpath::place::place_of;
use fhirpath::value::{Element, Item};

use crate::engine::{Engine, now};
use crate::inputs::Inputs;
use crate::operation::Call;
use crate::refusal::{Reason, Refusal};
use crate::reply::Reply;
use crate::request::{Caller, Request};
use crate::resolver::Records;
use crate::validate;

/// The extension with the JSON of what is no datatype.
const JSON_VALUE: &str = "http://fhir.forms-lab.com/StructureDefinition/json-value";
/// Items of a context at most.
const CONTEXT_MAX: usize = 1_000;
/// Bytes of an answer at most: what a short expression may multiply.
const ANSWER_MAX: usize = 64 << 20;

type Variables<'a> = Vec<(&'a str, Vec<Item<'a>>)>;

/// Evaluates: 200 with Parameters.
///
/// # Errors
/// 400 where the expression or the resource is missing, 422 where an expression is none or cannot be evaluated.
pub fn fhirpath(engine: &Engine, _caller: &Caller, request: &Request<'_>, call: &Call<'_>) -> Result<Reply, Refusal> {
    let inputs = Inputs::read(engine, request, call)?;
    let Some(text) = inputs.text("expression") else {
        let text = "Name the expression: expression=Patient.name.given, or a parameter of that name.";
        return Err(Refusal::because(Reason::Invalid, text).at("http.expression"));
    };
    let Some(resource) = inputs.resource("resource", "resource") else {
        let text = "Send a resource: as the body, or as the parameter \"resource\" of Parameters.";
        return Err(Refusal::because(Reason::Invalid, text).at("http.resource"));
    };
    let (expression, context) = (compiled(&text, "expression")?, inputs.text("context"));
    let selector = context.as_deref().map(|text| compiled(text, "context")).transpose()?;
    let model = &*engine.definitions;
    let named: Vec<(Cow<'_, str>, Item<'_>)> = variables(model, &inputs);
    let variables: Variables<'_> = named.iter().map(|(name, item)| (&**name, vec![item.clone()])).collect();
    let (records, asked) = (Records::of(engine, request.base), Asked(engine.registry.terminology()));
    let shelf = validate::Records(engine);
    let judging = validate::judging(engine, &shelf);
    let traces = Traces {
        model,
        heard: RefCell::default(),
    };
    let element = Element::resource(model, resource);
    let mut surroundings = Context::new(model, element, now());
    surroundings.zone = engine.zone;
    surroundings.resolver = Some(&records);
    surroundings.terminology = Some(&asked);
    surroundings.profiles = Some(&judging);
    surroundings.variables = &variables;
    surroundings.tracer = Some(&traces);
    if inputs.flag("lenient")? != Some(true) {
        // Of what the context gives, the type is known only when it is there.
        let first = selector.as_ref().unwrap_or(&expression);
        first
            .check(model, &element.kind.map(|kind| vec![kind]), false)
            .map_err(|failure| failed(&failure))?;
    }
    let mut out = heading(&text, context.as_deref());
    match &selector {
        None => {
            let whole = (None, Item::Element(element));
            result(&mut out, &expression, &surroundings, &traces, whole)?;
        }
        Some(selector) => {
            let items = selector
                .evaluate(&surroundings, element)
                .map_err(|failure| failed(&failure))?;
            traces.heard.take();
            if items.len() > CONTEXT_MAX {
                let text = format!(
                    "The context has {} items; at most {CONTEXT_MAX} are evaluated.",
                    items.len()
                );
                return Err(Refusal::because(Reason::TooCostly, text).at("http.context"));
            }
            for item in items {
                let place = item.element().map(|found| place_of(resource, found.node));
                result(&mut out, &expression, &surroundings, &traces, (place, item))?;
            }
        }
    }
    out.extend_from_slice(b"]}");
    Ok(Reply::json(200, out))
}

fn compiled(text: &str, parameter: &str) -> Result<Expression, Refusal> {
    Expression::parse(text).map_err(|invalid| {
        let text = format!("\"{text}\" is no FHIRPath: {invalid}.");
        Refusal::because(Reason::Unprocessable, text).at(format!("http.{parameter}"))
    })
}

fn failed(failure: &Failure) -> Refusal {
    let reason = match failure.reason() {
        Why::Limit => Reason::TooCostly,
        Why::Values | Why::Path | Why::Unsupported => Reason::Unprocessable,
    };
    Refusal::because(reason, format!("{failure}.")).at("http.expression")
}

fn variables<'a>(model: &'a Definitions, inputs: &'a Inputs) -> Vec<(Cow<'a, str>, Item<'a>)> {
    let parts = inputs.of("variables").flat_map(|parameter| parameter.parts());
    let item = |parameter: crate::inputs::Parameter<'a>| {
        if let Some(resource) = parameter.resource() {
            return Some((parameter.name(), Item::Element(Element::resource(model, resource))));
        }
        let (member, node) = parameter.value()?;
        let kind = &member["value".len()..];
        let primitive = || Some(kind.get(..1)?.to_ascii_lowercase() + kind.get(1..)?);
        let known = model.type_id(kind).or_else(|| model.type_id(&primitive()?));
        let element = Element {
            node,
            sibling: None,
            kind: known,
        };
        Some((parameter.name(), Item::Element(element)))
    };
    parts.filter_map(item).collect()
}

/// The answer up to the results.
fn heading(expression: &str, context: Option<&str>) -> Vec<u8> {
    let mut out = Vec::with_capacity(1 << 10);
    out.extend_from_slice(b"{\"resourceType\":\"Parameters\",\"id\":\"fhirpath\",\"parameter\":[");
    out.extend_from_slice(b"{\"name\":\"parameters\",\"part\":[");
    let evaluator = format!("epis {} (R4)", env!("CARGO_PKG_VERSION"));
    let said = [
        ("evaluator", Some(&*evaluator)),
        ("context", context),
        ("expression", Some(expression)),
    ];
    for (at, (name, text)) in said
        .iter()
        .filter_map(|(name, text)| Some((name, (*text)?)))
        .enumerate()
    {
        out.extend_from_slice(if at > 0 { b",{\"name\":" } else { b"{\"name\":" });
        write_string(&mut out, name);
        out.extend_from_slice(b",\"valueString\":");
        write_string(&mut out, text);
        out.push(b'}');
    }
    out.extend_from_slice(b"]}");
    out
}

/// Appends the result for one item of the context, with its place where it has one.
fn result(
    out: &mut Vec<u8>,
    expression: &Expression,
    surroundings: &Context<'_>,
    traces: &Traces<'_>,
    (place, focus): (Option<String>, Item<'_>),
) -> Result<(), Refusal> {
    let mut items = Vec::new();
    let evaluated = expression.append_at(surroundings, &[focus], &mut items);
    evaluated.map_err(|failure| failed(&failure))?;
    out.extend_from_slice(b",{\"name\":\"result\"");
    if let Some(place) = place {
        out.extend_from_slice(b",\"valueString\":");
        write_string(out, &place);
    }
    let mut parts = Vec::new();
    for item in &items {
        part(traces.model, item, &mut parts);
        if out.len() + parts.len() > ANSWER_MAX {
            let text = format!("The answer has more than {ANSWER_MAX} bytes; ask for less of the resource.");
            return Err(Refusal::because(Reason::TooCostly, text));
        }
    }
    parts.extend(traces.heard.take());
    if let Some((_, parts)) = parts.split_first() {
        out.extend_from_slice(b",\"part\":[");
        out.extend_from_slice(parts);
        out.push(b']');
    }
    out.push(b'}');
    Ok(())
}

/// Appends a comma and the part that an item is.
fn part(model: &Definitions, item: &Item<'_>, out: &mut Vec<u8>) {
    let name = item.type_name(model);
    if matches!(item, Item::String(text) if text.is_empty()) {
        return out.extend_from_slice(b",{\"name\":\"empty-string\"}");
    }
    out.extend_from_slice(b",{\"name\":");
    write_string(out, &name);
    let mut json = Vec::new();
    item.write_json(model, &mut json);
    let member = value_member(model, &name);
    match (&member, item.element()) {
        (None, Some(_)) if model.is_resource(&name) => {
            out.extend_from_slice(b",\"resource\":");
            out.extend_from_slice(&json);
        }
        (Some(member), element) => {
            if json != b"null" {
                out.extend_from_slice(format!(",\"{member}\":").as_bytes());
                out.extend_from_slice(&json);
            }
            if let Some(half) = element.and_then(|element| other_half(model, &element)) {
                out.extend_from_slice(format!(",\"_{member}\":").as_bytes());
                half.write_compact(out);
            }
        }
        (None, _) => {
            out.extend_from_slice(b",\"extension\":[{\"url\":");
            write_string(out, JSON_VALUE);
            out.extend_from_slice(b",\"valueString\":");
            write_string(out, &String::from_utf8_lossy(&json));
            out.extend_from_slice(b"}]");
        }
    }
    out.push(b'}');
}

/// The member of a parameter that holds values of the type: `valueHumanName`.
fn value_member(model: &Definitions, name: &str) -> Option<String> {
    let (first, rest) = name.split_at_checked(1)?;
    let member = format!("value{}{rest}", first.to_ascii_uppercase());
    match model.child(model.type_id("Parameters.parameter")?, &Name::of("value"))? {
        Child::Choice(choices) => choices.iter().any(|(name, _)| **name == *member).then_some(member),
        Child::One(..) => None,
    }
}

/// The half of a primitive with its id and extensions.
fn other_half<'a>(model: &Definitions, element: &Element<'a>) -> Option<Node<'a>> {
    let primitive = element.kind.is_some_and(|kind| model.is_primitive_type(kind));
    let bare = Some(element.node).filter(|node| primitive && node.is_object());
    element.sibling.or(bare)
}

/// Hears `trace()`, and keeps the parts that the answer has for it.
struct Traces<'m> {
    model: &'m Definitions,
    heard: RefCell<Vec<u8>>,
}

impl Tracer for Traces<'_> {
    fn trace(&self, name: &str, items: &[Item<'_>]) {
        let mut heard = self.heard.borrow_mut();
        if heard.len() > ANSWER_MAX {
            return;
        }
        heard.extend_from_slice(b",{\"name\":\"trace\",\"valueString\":");
        write_string(&mut heard, name);
        let mut parts = Vec::new();
        items.iter().for_each(|item| part(self.model, item, &mut parts));
        if let Some((_, parts)) = parts.split_first() {
            heard.extend_from_slice(b",\"part\":[");
            heard.extend_from_slice(parts);
            heard.push(b']');
        }
        heard.push(b'}');
    }
}
