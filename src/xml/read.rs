//! Reads a resource written as FHIR XML into the record's JSON (<https://hl7.org/fhir/R4/xml.html>, `json.html`).
//!
//! ```text
//! <Patient xmlns="http://hl7.org/fhir">             {"resourceType":"Patient",
//!   <id value="p"/>                                  "id":"p",
//!   <active value="true"/>                           "active":true,
//!   <name id="n"><given value="A"/><given value="B"> "name":[{"id":"n","given":["A","B"],
//!     <extension url="u"><valueCode value="c"/>        "_given":[null,{"extension":[{"url":"u","valueCode":"c"}]}]}],
//!   <contained><Group>…</Group></contained>          "contained":[{"resourceType":"Group",…}]}
//! ```
//!
//! Which names repeat and which values are numbers, booleans, narratives and resources is read off the definitions.
//! This is no judgement: an element the definitions do not have, one too many and a number that is none become JSON that
//! says so, for the judge to report with everything else. Refused is what JSON could not say: text between elements,
//! attributes out of place, foreign namespaces. The order of elements and the comments are lost, as they mean nothing;
//! whether elements stand in their order is told by [`misplaced`](crate::misplaced).

use conformance::{Definitions, Form, JsonMember};
use fhir::parse::{is_number, write_string};
use fhirpath::model::{Model, TypeId};

use crate::document::{Document, Node, Nodes, What};
use crate::namespace::{FHIR, XHTML, XSI};
use crate::narrative;
use crate::parse::{Limits, Malformed};

/// Names that the elements within one may have: more than any type of R4 has members.
const NAMES_MAX: usize = 400;

/// The JSON of the resource in an XML text, without white space.
///
/// # Errors
/// [`Malformed`], with the place in the XML: not well-formed, beyond the limits, or nothing JSON could say.
pub fn read(definitions: &Definitions, xml: &[u8], limits: Limits) -> Result<Vec<u8>, Malformed> {
    let document = Document::parse(xml, limits)?;
    let mut reader = Reader {
        definitions,
        depth_max: limits.depth,
        out: Vec::with_capacity(xml.len()),
        group: Vec::new(),
        names: Vec::new(),
    };
    let wrong = |(at, what)| Malformed::at(document.text().as_bytes(), at, what);
    reader.resource(document.root(), 0).map_err(wrong)?;
    Ok(reader.out)
}

/// Where in the text something is wrong, and what, as the end of a sentence.
type Step<T = ()> = Result<T, (usize, String)>;

fn wrong<T>(node: Node<'_>, what: String) -> Step<T> {
    Err((node.span().start, what))
}

/// What the object being written is.
#[derive(Clone, Copy)]
struct Holder {
    /// Its type, where the definitions know it.
    kind: Option<TypeId>,
    /// Whether its `id` is an attribute: it is one of all but resources.
    id: bool,
    /// Whether its `url` is an attribute: it is one of extensions.
    url: bool,
    /// Whether it may have a `value`, being the other half of a primitive.
    value: bool,
}

struct Reader<'d> {
    definitions: &'d Definitions,
    depth_max: usize,
    out: Vec<u8>,
    /// The elements of one name, for each element being read.
    group: Vec<Node<'d>>,
    /// The names that were met, for each element being read.
    names: Vec<&'d str>,
}

impl<'d> Reader<'d> {
    fn resource(&mut self, node: Node<'d>, depth: usize) -> Step {
        if node.space() != FHIR {
            return wrong(
                node,
                format!("<{}> is a resource and must be in the namespace {FHIR}", node.name()),
            );
        }
        let known = self.definitions.is_resource(node.name());
        let kind = self.definitions.type_id(node.name()).filter(|_| known);
        self.out.extend_from_slice(b"{\"resourceType\":");
        write_string(&mut self.out, node.name());
        self.rest(node, Holder { kind, ..BARE }, depth)
    }

    fn object(&mut self, node: Node<'d>, kind: Option<TypeId>, depth: usize) -> Step {
        let holder = Holder {
            kind,
            id: true,
            url: kind.is_none_or(|kind| kind == self.definitions.extension_type()),
            ..BARE
        };
        self.out.push(b'{');
        self.rest(node, holder, depth)
    }

    /// The members of an object that was begun, and its end.
    fn rest(&mut self, node: Node<'d>, holder: Holder, depth: usize) -> Step {
        self.nest(node, depth)?;
        check_attributes(node, holder)?;
        for name in ["id", "url"] {
            if let Some(attribute) = node.attribute(name) {
                self.key("", name);
                write_string(&mut self.out, &attribute.value());
            }
        }
        let names = self.names.len();
        let mut here = node.children();
        loop {
            let siblings = here.clone();
            let Some(child) = here.next() else { break };
            match child.what() {
                What::Element => self.child(siblings, child, (node, holder), (names, depth))?,
                What::Text if !child.is_blank() => {
                    return wrong(child, format!("text stands in <{}>, where FHIR has none", node.name()));
                }
                _ => {}
            }
        }
        self.names.truncate(names);
        self.out.push(b'}');
        Ok(())
    }

    fn nest(&self, node: Node<'_>, depth: usize) -> Step {
        if depth < self.depth_max {
            return Ok(());
        }
        wrong(
            node,
            format!("values are nested deeper than {} levels of JSON", self.depth_max),
        )
    }

    /// Writes all siblings of the child's name as one member, where it is the first of them.
    fn child(
        &mut self,
        siblings: Nodes<'d>,
        child: Node<'d>,
        (parent, holder): (Node<'d>, Holder),
        (names, depth): (usize, usize),
    ) -> Step {
        let name = child.name();
        let member = holder.kind.and_then(|kind| self.definitions.json_member(kind, name));
        let narrative = member.is_some_and(|member| member.form == Form::Xhtml);
        let space = if narrative { XHTML } else { FHIR };
        if child.space() != space {
            return wrong(child, format!("<{name}> must be in the namespace {space}"));
        }
        // A name that JSON would have twice in one object.
        if holder.takes(name) && (holder.kind.is_some() || parent.attribute(name).is_some()) {
            return wrong(
                child,
                format!("{name} is written as an attribute of <{}>", parent.name()),
            );
        }
        if name.starts_with('_') || name == "resourceType" && !holder.id {
            return wrong(child, format!("<{name}> is no element of any FHIR type"));
        }
        if self.names[names..].iter().rev().any(|met| *met == name) {
            return Ok(());
        }
        if self.names.len() - names >= NAMES_MAX {
            return wrong(
                child,
                format!("<{}> has elements of more than {NAMES_MAX} names", parent.name()),
            );
        }
        self.names.push(name);
        let from = self.group.len();
        self.group
            .extend(siblings.filter(|node| node.is_element() && node.name() == name));
        self.group_member(from, member, depth)?;
        self.group.truncate(from);
        Ok(())
    }

    /// Writes the elements of `group[from..]`, which have one name, as a member.
    fn group_member(&mut self, from: usize, member: Option<JsonMember<'_>>, depth: usize) -> Step {
        let group = from..self.group.len();
        let list = member.is_some_and(|member| member.list) || group.len() > 1;
        let with_value = |node: &Node<'_>| node.attribute("value").is_some();
        let form = match member {
            Some(member) => member.form,
            None if self.group[from..].iter().any(with_value) => Form::String,
            None => Form::Object,
        };
        let name = self.group[from].name();
        let inner = depth + 1 + usize::from(list);
        match form {
            Form::String | Form::Number | Form::Boolean => return self.primitives(from, form, list, depth),
            Form::Xhtml | Form::Object | Form::Resource => self.key("", name),
        }
        self.begin(list, self.group[from], depth)?;
        for at in group {
            let node = self.group[at];
            self.comma(at > from);
            match form {
                Form::Xhtml => write_string(&mut self.out, &narrative::text(node)),
                Form::Resource => self.container(node, inner)?,
                _ => self.object(node, member.map(|member| member.kind), inner)?,
            }
        }
        self.end(list);
        Ok(())
    }

    /// The one resource within an element such as `contained`.
    fn container(&mut self, node: Node<'d>, depth: usize) -> Step {
        check_attributes(node, BARE)?;
        let mut elements = node.elements();
        match (elements.next(), elements.next()) {
            (Some(resource), None) if !has_text(node) => self.resource(resource, depth),
            _ => wrong(
                node,
                format!("<{}> must hold one resource and nothing else", node.name()),
            ),
        }
    }

    fn primitives(&mut self, from: usize, form: Form, list: bool, depth: usize) -> Step {
        let group = from..self.group.len();
        let (mut values, mut halves) = (false, false);
        for at in group.clone() {
            let node = self.group[at];
            check_attributes(node, PRIMITIVE)?;
            if has_text(node) {
                return wrong(node, format!("text stands in <{}>, where FHIR has none", node.name()));
            }
            values |= node.attribute("value").is_some();
            halves |= has_half(node);
        }
        let name = self.group[from].name();
        if values || !halves {
            self.key("", name);
            self.begin(list, self.group[from], depth)?;
            for at in group.clone() {
                self.comma(at > from);
                match self.group[at].attribute("value") {
                    Some(value) => self.scalar(&value.value(), form),
                    None => self.out.extend_from_slice(b"null"),
                }
            }
            self.end(list);
        }
        if halves {
            self.key("_", name);
            self.begin(list, self.group[from], depth)?;
            for at in group {
                self.comma(at > from);
                let node = self.group[at];
                if has_half(node) {
                    self.out.push(b'{');
                    let inner = depth + 1 + usize::from(list);
                    let kind = Some(self.definitions.element_type());
                    self.rest(node, Holder { kind, ..PRIMITIVE }, inner)?;
                } else {
                    self.out.extend_from_slice(b"null");
                }
            }
            self.end(list);
        }
        Ok(())
    }

    fn scalar(&mut self, text: &str, form: Form) {
        let bare = match form {
            Form::Boolean => matches!(text, "true" | "false"),
            Form::Number => is_number(text),
            _ => false,
        };
        match bare {
            true => self.out.extend_from_slice(text.as_bytes()),
            false => write_string(&mut self.out, text),
        }
    }

    fn key(&mut self, before: &str, name: &str) {
        self.comma(self.out.last() != Some(&b'{'));
        // Names of XML have nothing that JSON escapes.
        for part in ["\"", before, name, "\":"] {
            self.out.extend_from_slice(part.as_bytes());
        }
    }

    fn comma(&mut self, wanted: bool) {
        if wanted {
            self.out.push(b',');
        }
    }

    fn begin(&mut self, list: bool, node: Node<'_>, depth: usize) -> Step {
        if list {
            self.nest(node, depth + 1)?;
            self.out.push(b'[');
        }
        Ok(())
    }

    fn end(&mut self, list: bool) {
        if list {
            self.out.push(b']');
        }
    }
}

/// What has no attributes.
const BARE: Holder = Holder {
    kind: None,
    id: false,
    url: false,
    value: false,
};

/// A primitive: it has an `id` and a `value`.
const PRIMITIVE: Holder = Holder {
    id: true,
    value: true,
    ..BARE
};

impl Holder {
    /// Whether this name is one of an attribute that becomes a member.
    fn takes(self, name: &str) -> bool {
        self.id && name == "id" || self.url && name == "url"
    }
}

fn has_text(node: Node<'_>) -> bool {
    let mut children = node.children();
    children.any(|child| child.what() == What::Text && !child.is_blank())
}

/// Whether a primitive has something beside its value.
fn has_half(node: Node<'_>) -> bool {
    node.attribute("id").is_some() || node.elements().next().is_some()
}

/// Refuses attributes that have no place where they stand.
fn check_attributes(node: Node<'_>, holder: Holder) -> Step {
    for attribute in node.attributes() {
        let fits = match (attribute.space(), attribute.name()) {
            ("", "id") => holder.id,
            ("", "url") => holder.url,
            ("", "value") => holder.value,
            // Where schemas are found says nothing about the record.
            (XSI, "schemaLocation" | "noNamespaceSchemaLocation") => true,
            _ => attribute.is_declaration(),
        };
        if !fits {
            let text = format!(
                "<{}> has the attribute \"{}\", which it cannot have",
                node.name(),
                attribute.name()
            );
            return wrong(attribute, text);
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "read_tests.rs"]
mod tests;
