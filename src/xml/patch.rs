//! XML Patch (RFC 5261): additions, replacements and removals at places of a document that selectors name.
//!
//! ```xml
//! <diff xmlns="http://hl7.org/fhir">
//!   <replace sel="Patient/birthDate/@value">1980-01-01</replace>
//!   <add sel="Patient/name[1]" pos="after"><name><text value="Dorji"/></name></add>
//!   <remove sel="Patient/telecom[system/@value='fax']" ws="before"/>
//! </diff>
//! ```
//!
//! Each operation sees the document as the one before left it, and must find exactly one node. The document is changed
//! as a text, so that what no operation touches stays as it is, byte for byte. Selectors may use the prefixes that the
//! patch declares; `f` and `h` stand for FHIR and XHTML where it does not.

use fhir::outcome::{Code, Issue};

use crate::document::{Document, Node, What};
use crate::escape::write_attribute;
use crate::fragment;
use crate::namespace::{FHIR, XHTML};
use crate::parse::{Limits, Malformed};
use crate::select::{Failed as Unselected, Selected, pay, select};
use crate::select_parse::{Path, parse};

/// Operations one patch may have: each reads the document anew.
pub const OPERATIONS_MAX: usize = 1_000;
/// Nodes that all operations of one patch may look at; reading a document anew is a look every 16 bytes. A second or so.
const LOOKS_MAX: usize = 20_000_000;

/// A patch, read.
#[derive(Clone, Debug)]
pub struct Patch {
    operations: Vec<Operation>,
    prefixes: Vec<(String, String)>,
}

#[derive(Clone, Debug)]
struct Operation {
    /// Where it stands in the patch, for what is said of it.
    name: String,
    select: Path,
    prefixes: Vec<(String, String)>,
    action: Action,
    content: Content,
}

#[derive(Clone, Debug)]
enum Action {
    Add(Position),
    AddAttribute(String),
    AddDeclaration(String),
    Replace,
    /// Whether white space before it and after it goes with it.
    Remove(bool, bool),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Position {
    Append,
    Prepend,
    Before,
    After,
}

/// What stands within an operation.
#[derive(Clone, Debug, Default)]
struct Content {
    /// As it stands, every element saying its namespaces.
    source: String,
    /// The characters of it.
    text: String,
    /// Of what it is, blanks aside.
    what: Vec<What>,
}

/// Why an operation cannot be carried out: what kind of issue it is, and the end of the sentence.
type Failed = (Code, String);

impl Patch {
    /// Reads a patch.
    ///
    /// # Errors
    /// An issue with [`Code::Structure`], or [`Code::TooCostly`] beyond the limits.
    pub fn read(xml: &[u8], limits: Limits) -> Result<Patch, Issue> {
        let malformed = |e: Malformed| Issue::error(Code::Structure, e.to_string());
        let document = Document::parse(xml, limits).map_err(malformed)?;
        let root = document.root();
        let count = root.elements().count();
        if !matches!(root.name(), "diff" | "patch") || count == 0 {
            let text = "An XML Patch is an element <diff> with operations: <add>, <replace> and <remove>.";
            return Err(Issue::error(Code::Structure, text));
        }
        if count > OPERATIONS_MAX {
            let text = format!("The patch has {count} operations; the limit is {OPERATIONS_MAX}.");
            return Err(Issue::error(Code::TooCostly, text));
        }
        let mut operations = Vec::with_capacity(count);
        for (at, node) in root.elements().enumerate() {
            let operation = Operation::read(node).map_err(|(code, text)| issue(at, &named(node), code, &text))?;
            operations.push(operation);
        }
        Ok(Patch {
            operations,
            prefixes: declared(root),
        })
    }

    /// The document as the patch leaves it.
    ///
    /// # Errors
    /// The issue of the first operation that cannot be carried out, located as `diff[index]`: [`Code::BusinessRule`] where
    /// it does not fit the document. Nothing of the patch holds then.
    pub fn apply(&self, xml: &str, limits: Limits) -> Result<String, Issue> {
        let mut xml = xml.to_owned();
        let mut looks = LOOKS_MAX;
        for (at, operation) in self.operations.iter().enumerate() {
            let step = operation.apply(&xml, &self.prefixes, limits, &mut looks);
            xml = step.map_err(|(code, text)| issue(at, &operation.name, code, &text))?;
        }
        Document::parse(xml.as_bytes(), limits).map_err(|e| {
            issue(
                self.operations.len() - 1,
                "last",
                Code::BusinessRule,
                &format!("leaves no XML: {}", e.what),
            )
        })?;
        Ok(xml)
    }
}

fn issue(at: usize, name: &str, code: Code, text: &str) -> Issue {
    Issue::error(code, format!("Operation {at} of the XML Patch ({name}) {text}.")).at(format!("diff[{at}]"))
}

fn named(node: Node<'_>) -> String {
    let select = node
        .attribute("sel")
        .map(|a| a.value().into_owned())
        .unwrap_or_default();
    format!("{} {select}", node.name())
        .trim_end()
        .chars()
        .take(200)
        .collect()
}

/// The prefixes an element declares, empty for the default namespace.
fn declared(node: Node<'_>) -> Vec<(String, String)> {
    let declarations = node.attributes().filter(Node::is_declaration);
    let pair = |node: Node<'_>| {
        let prefix = if node.prefix().is_empty() { "" } else { node.name() };
        (prefix.to_owned(), node.value().into_owned())
    };
    declarations.map(pair).collect()
}

fn malformed(text: impl Into<String>) -> Failed {
    (Code::Structure, text.into())
}

fn unfit(text: impl Into<String>) -> Failed {
    (Code::BusinessRule, text.into())
}

impl Operation {
    fn read(node: Node<'_>) -> Result<Operation, Failed> {
        let attribute = |name: &str| node.attribute(name).map(|a| a.value().into_owned());
        let known: &[&str] = match node.name() {
            "add" => &["sel", "pos", "type"],
            "replace" => &["sel"],
            "remove" => &["sel", "ws"],
            other => {
                return Err(malformed(format!(
                    "is <{other}>, which is none of add, replace and remove"
                )));
            }
        };
        let unknown = |a: &Node<'_>| !a.is_declaration() && (!a.space().is_empty() || !known.contains(&a.name()));
        if let Some(unknown) = node.attributes().find(unknown) {
            return Err(malformed(format!(
                "has the attribute \"{}\", which it cannot have",
                unknown.name()
            )));
        }
        let select = attribute("sel").ok_or_else(|| malformed("has no \"sel\""))?;
        let action = match node.name() {
            "add" => Action::add(attribute("type"), attribute("pos"))?,
            "replace" => Action::Replace,
            _ => match attribute("ws").as_deref() {
                None => Action::Remove(false, false),
                Some("before") => Action::Remove(true, false),
                Some("after") => Action::Remove(false, true),
                Some("both") => Action::Remove(true, true),
                Some(other) => return Err(malformed(format!("has ws \"{other}\", not before, after or both"))),
            },
        };
        Ok(Operation {
            name: named(node),
            select: parse(&select).map_err(|what| malformed(format!("has the selector {what}")))?,
            prefixes: declared(node),
            action,
            content: Content::of(node),
        })
    }

    fn apply(
        &self,
        xml: &str,
        outer: &[(String, String)],
        limits: Limits,
        looks: &mut usize,
    ) -> Result<String, Failed> {
        let prefixes = |prefix: &str| {
            let mut declared = self.prefixes.iter().chain(outer);
            let found = declared.find(|(declared, _)| declared == prefix);
            let known = [("f", FHIR), ("h", XHTML)];
            let known = known.into_iter().find(|(known, _)| *known == prefix);
            found
                .map(|(_, space)| space.clone())
                .or_else(|| known.map(|(_, space)| space.to_owned()))
        };
        pay(looks, xml.len() / 16).map_err(unselected)?;
        let document = Document::parse(xml.as_bytes(), limits);
        let document = document.map_err(|e| unfit(format!("finds no XML to change: {}", e.what)))?;
        let node = match select(&document, &self.select, &prefixes, looks).map_err(unselected)? {
            Selected::Nodes(nodes) => only(&nodes)?,
            Selected::Declaration(nodes, prefix) => declaration_of(only(&nodes)?, &prefix)
                .ok_or_else(|| unfit(format!("finds no declaration of the prefix \"{prefix}\"")))?,
        };
        let edit = match &self.action {
            Action::Add(position) => self.add(node, *position)?,
            Action::AddAttribute(name) => self.add_attribute(node, name, &prefixes)?,
            Action::AddDeclaration(prefix) => self.add_declaration(node, prefix)?,
            Action::Replace => self.replace(node)?,
            Action::Remove(before, after) => remove(&document, node, *before, *after)?,
        };
        let (span, new) = edit;
        let text = document.text();
        Ok([&text[..span.start], &new, &text[span.end..]].concat())
    }

    fn add(&self, node: Node<'_>, position: Position) -> Result<Edit, Failed> {
        let span = node.span();
        if node.what() == What::Attribute {
            return Err(unfit("would add to an attribute"));
        }
        let at = match position {
            Position::Before => span.start,
            Position::After => span.end,
            _ if !node.is_element() => return Err(unfit("would add into what is no element")),
            _ if node.is_one_tag() => {
                let end = format!("</{}>", full_name(node));
                return Ok((node.inner()..span.end, [">", &self.content.source, &end].concat()));
            }
            Position::Prepend => node.inner(),
            Position::Append => span.start + node.source().rfind("</").unwrap_or(node.source().len()),
        };
        Ok((at..at, self.content.source.clone()))
    }

    fn add_attribute(
        &self,
        node: Node<'_>,
        name: &str,
        prefixes: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Edit, Failed> {
        let value = self.content.attribute()?;
        if !node.is_element() {
            return Err(unfit("would add an attribute to what is no element"));
        }
        let (prefix, local) = name.split_once(':').unwrap_or(("", name));
        let mut declaration = String::new();
        let mut space = String::new();
        if !prefix.is_empty() && prefix != "xml" {
            space = prefixes(prefix).ok_or_else(|| malformed(format!("uses the prefix \"{prefix}\" undeclared")))?;
            if declaration_of(node, prefix).is_none() {
                declaration = format!(" xmlns:{prefix}=\"{}\"", escaped(&space)?);
            }
        }
        if node
            .attributes()
            .any(|a| !a.is_declaration() && a.name() == local && a.space() == space)
        {
            return Err(unfit(format!("adds the attribute \"{name}\", which is there already")));
        }
        let at = node.name_end();
        Ok((at..at, format!("{declaration} {name}=\"{value}\"")))
    }

    fn add_declaration(&self, node: Node<'_>, prefix: &str) -> Result<Edit, Failed> {
        if !node.is_element() || declaration_of(node, prefix).is_some() {
            return Err(unfit(format!(
                "declares the prefix \"{prefix}\" where that cannot be, or is already"
            )));
        }
        let at = node.name_end();
        Ok((at..at, format!(" xmlns:{prefix}=\"{}\"", self.content.attribute()?)))
    }

    fn replace(&self, node: Node<'_>) -> Result<Edit, Failed> {
        let span = node.span();
        if node.what() == What::Attribute {
            return Ok((node.inner()..span.end - 1, self.content.attribute()?));
        }
        let source = &self.content.source;
        match node.what() {
            What::Text if self.content.what.iter().all(|what| *what == What::Text) => Ok((span, source.clone())),
            What::Text => Err(malformed("replaces text by something else")),
            what if self.content.what == [what] => Ok((span, source.trim().to_owned())),
            _ => Err(malformed(
                "replaces a node by something that is not one node of the same kind",
            )),
        }
    }
}

fn unselected(failed: Unselected) -> Failed {
    match failed {
        Unselected::Prefix(prefix) => malformed(format!("uses the prefix \"{prefix}\", which is not declared")),
        Unselected::Costly => (
            Code::TooCostly,
            "looks at more nodes than one patch may; send fewer operations, or plainer selectors".into(),
        ),
    }
}

fn only<'d>(nodes: &[Node<'d>]) -> Result<Node<'d>, Failed> {
    match nodes {
        [node] => Ok(*node),
        _ => Err(unfit(format!("must find one node and finds {}", nodes.len()))),
    }
}

/// What stands in a document, and what shall stand there.
type Edit = (std::ops::Range<usize>, String);

fn full_name(node: Node<'_>) -> String {
    match node.prefix() {
        "" => node.name().to_owned(),
        prefix => format!("{prefix}:{}", node.name()),
    }
}

fn declaration_of<'d>(node: Node<'d>, prefix: &str) -> Option<Node<'d>> {
    let mut declarations = node.attributes().filter(Node::is_declaration);
    declarations.find(|a| !a.prefix().is_empty() && a.name() == prefix)
}

fn escaped(text: &str) -> Result<String, Failed> {
    let mut out = Vec::new();
    write_attribute(&mut out, text).map_err(|_| malformed("has a character XML does not allow"))?;
    Ok(String::from_utf8_lossy(&out).into_owned())
}

fn remove(document: &Document<'_>, node: Node<'_>, before: bool, after: bool) -> Result<Edit, Failed> {
    let std::ops::Range { mut start, mut end } = node.span();
    let text = document.text();
    if node.what() == What::Attribute {
        start = text[..start].trim_end().len();
        return Ok((start..end, String::new()));
    }
    if before {
        let run = document.blanks().find(|run| run.end == start);
        start = run.ok_or_else(|| unfit("finds no white space before the node"))?.start;
    }
    if after {
        let run = document.blanks().find(|run| run.start == end);
        end = run.ok_or_else(|| unfit("finds no white space after the node"))?.end;
    }
    Ok((start..end, String::new()))
}

impl Action {
    fn add(kind: Option<String>, position: Option<String>) -> Result<Action, Failed> {
        let Some(kind) = kind else {
            return Ok(Action::Add(match position.as_deref() {
                None => Position::Append,
                Some("prepend") => Position::Prepend,
                Some("before") => Position::Before,
                Some("after") => Position::After,
                Some(other) => return Err(malformed(format!("has pos \"{other}\", not prepend, before or after"))),
            }));
        };
        if position.is_some() {
            return Err(malformed("has both \"type\" and \"pos\""));
        }
        let is_name = |name: &str| {
            let parts = name.split(':');
            parts.clone().count() <= 2
                && parts
                    .into_iter()
                    .all(|p| !p.is_empty() && crate::name::length(p) == p.len())
        };
        match (kind.strip_prefix('@'), kind.strip_prefix("namespace::")) {
            (Some(name), _) if is_name(name) => Ok(Action::AddAttribute(name.to_owned())),
            (_, Some(prefix)) if is_name(prefix) && !prefix.contains(':') => {
                Ok(Action::AddDeclaration(prefix.to_owned()))
            }
            _ => Err(malformed(format!(
                "has type \"{kind}\", not @name or namespace::prefix"
            ))),
        }
    }
}

impl Content {
    fn of(node: Node<'_>) -> Content {
        let mut content = Content {
            text: node.string_value(),
            ..Content::default()
        };
        for child in node.children() {
            if !child.is_blank() {
                content.what.push(child.what());
            }
            match child.what() {
                What::Element => fragment::write(child, "", &mut content.source),
                _ => content.source.push_str(child.source()),
            }
        }
        content
    }

    /// The content as the value of an attribute.
    fn attribute(&self) -> Result<String, Failed> {
        if self.what.iter().any(|what| *what != What::Text) {
            return Err(malformed(
                "gives something else than text for the value of an attribute",
            ));
        }
        escaped(&self.text)
    }
}

#[cfg(test)]
#[path = "patch_tests.rs"]
mod tests;
