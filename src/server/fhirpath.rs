//! `epis fhirpath`: evaluates an expression on a resource in a file, and prints one JSON object for each item found.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use conformance::Definitions;
use conformance::asked::Asked;
use fhir::document::{Document, Node};
use fhir::parse::{Limits, write_string};
use fhirpath::evaluate::{Context, Tracer};
use fhirpath::expression::Expression;
use fhirpath::value::{Element, Item};

use crate::offline::Offline;
use crate::settings::Settings;

/// What to evaluate.
#[derive(Clone, Debug)]
pub struct Wish {
    /// The expression.
    pub expression: String,
    /// The file with the resource; `-` is standard input. Without one, the expression is evaluated on nothing.
    pub input: Option<PathBuf>,
    /// An expression on each of whose items the other is evaluated.
    pub context: Option<String>,
    /// Variables, each `name=value`.
    pub variables: Vec<String>,
    /// Whether a path that names no element of FHIR is empty instead of a failure.
    pub lenient: bool,
}

/// Evaluates and prints `{"type": …, "value": …}`, one line an item. What `trace()` says goes to standard error.
///
/// # Errors
/// A sentence where the file cannot be read, or the expression is none or cannot be evaluated.
pub fn fhirpath(wish: &Wish) -> Result<ExitCode, String> {
    let document = match &wish.input {
        Some(path) => read(path)?,
        None => Document::parse(b"{}", Limits::default()).map_err(|malformed| malformed.to_string())?,
    };
    let expression = compiled(&wish.expression)?;
    let selector = wish.context.as_deref().map(compiled).transpose()?;
    let variables = wish
        .variables
        .iter()
        .map(|text| variable(text))
        .collect::<Result<Vec<_>, _>>()?;
    let offline = Offline::new();
    let model = &offline.model;
    let traces = Traces { model };
    let asked = Asked(&*offline.terminology);
    let judging = offline.judging();
    let resource = Element::resource(&**model, document.root());
    if !wish.lenient && wish.input.is_some() {
        // Of what the context gives, the type is known only when it is there.
        let first = selector.as_ref().unwrap_or(&expression);
        let checked = first.check(&**model, &resource.kind.map(|kind| vec![kind]), false);
        checked.map_err(|failure| format!("{failure}."))?;
    }
    let mut context = Context::new(&**model, resource, offline.now);
    context.zone = Settings::default().zone.0;
    context.variables = &variables;
    context.terminology = Some(&asked);
    context.profiles = Some(&judging);
    context.tracer = Some(&traces);
    let whole: Vec<Item<'_>> = wish.input.iter().map(|_| Item::Element(resource)).collect();
    let foci = match &selector {
        None => vec![whole],
        Some(selector) => {
            let mut found = Vec::new();
            let evaluated = selector.append_at(&context, &whole, &mut found);
            evaluated.map_err(|failure| format!("{failure}."))?;
            found.into_iter().map(|item| vec![item]).collect()
        }
    };
    let mut out = Vec::new();
    for focus in foci {
        let mut found = Vec::new();
        let evaluated = expression.append_at(&context, &focus, &mut found);
        evaluated.map_err(|failure| format!("{failure}."))?;
        found.iter().for_each(|item| line(model, item, &mut out));
    }
    let written = std::io::stdout().write_all(&out);
    written.map_err(|error| format!("The answer cannot be written: {error}."))?;
    Ok(ExitCode::SUCCESS)
}

fn compiled(text: &str) -> Result<Expression, String> {
    Expression::parse(text).map_err(|invalid| format!("\"{text}\" is no FHIRPath: {invalid}."))
}

/// Reads one resource.
///
/// # Errors
/// A sentence that names the file, and the line where it is malformed.
pub fn read(path: &Path) -> Result<Document, String> {
    parsed(&bytes(path)?).map_err(|malformed| format!("{}: {malformed}", path.display()))
}

/// Reads a file, or standard input for `-`.
///
/// # Errors
/// A sentence that names the file.
pub fn bytes(path: &Path) -> Result<Vec<u8>, String> {
    let failed = |error: std::io::Error| format!("{} cannot be read: {error}.", path.display());
    if path != Path::new("-") {
        return std::fs::read(path).map_err(failed);
    }
    let mut bytes = Vec::new();
    std::io::stdin().read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

/// Parses a resource that is JSON, or XML where it begins like that.
///
/// # Errors
/// A sentence with the line where it is malformed.
pub fn parsed(bytes: &[u8]) -> Result<Document, String> {
    let json = match as_xml(bytes) {
        Some(text) => {
            let json = xml::read(&Definitions::r4(), text, xml::Limits::default());
            json.map_err(|malformed| malformed.to_string())?
        }
        None => bytes.trim_ascii_start().to_vec(),
    };
    Document::parse(&json, Limits::default()).map_err(|malformed| malformed.to_string())
}

/// The text, where it begins as XML does.
pub fn as_xml(bytes: &[u8]) -> Option<&[u8]> {
    let text = bytes.trim_ascii_start();
    let first = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text).first();
    (first == Some(&b'<')).then_some(text)
}

/// A variable from `name=value`: a boolean, an integer or a decimal where it reads as one, otherwise a string.
fn variable(text: &str) -> Result<(&str, Vec<Item<'_>>), String> {
    let Some((name, value)) = text.split_once('=') else {
        return Err(format!("A variable is written NAME=VALUE, not \"{text}\"."));
    };
    let item = match (value.parse(), value.parse(), value.parse()) {
        (Ok(boolean), _, _) => Item::Boolean(boolean),
        (_, Ok(integer), _) => Item::Integer(integer),
        (_, _, Ok(decimal)) => Item::Decimal(decimal),
        _ => Item::String(value.into()),
    };
    Ok((name, vec![item]))
}

fn line(model: &Definitions, item: &Item<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"type\":");
    write_string(out, &item.type_name(model));
    out.extend_from_slice(b",\"value\":");
    item.write_json(model, out);
    out.extend_from_slice(b"}\n");
}

/// Tells what `trace()` says.
struct Traces<'m> {
    model: &'m Definitions,
}

impl Tracer for Traces<'_> {
    fn trace(&self, name: &str, items: &[Item<'_>]) {
        let mut out = Vec::new();
        for item in items {
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b": ");
            line(self.model, item, &mut out);
        }
        // Where standard error is closed, nobody listens.
        let _heard = std::io::stderr().write_all(&out);
    }
}

/// The entries of a Bundle, or the resource itself.
pub fn resources(root: Node<'_>) -> Vec<Node<'_>> {
    let bundle = root.string("resourceType").is_some_and(|kind| kind == "Bundle");
    let entries = root.get("entry").filter(|_| bundle).map(|entries| entries.items());
    match entries {
        Some(entries) => entries.filter_map(|entry| entry.get("resource")).collect(),
        None => vec![root],
    }
}
