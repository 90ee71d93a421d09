//! Writes a resource's JSON as FHIR XML: the inverse of [`read`](crate::read), by the definitions.
//!
//! Elements come in the order of the definitions, as the standard asks. Numbers keep their digits, narratives stay as
//! they are, an element that is empty in JSON is empty in XML. What XML cannot say is an error and is never left away.

use std::borrow::Cow;

use conformance::{Definitions, Form, JsonMember};
use fhir::document::Node;
use fhirpath::model::{Model, TypeId};

use crate::escape::write_attribute;
use crate::namespace::FHIR;
use crate::narrative;

/// Why a record cannot be said in XML.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unwritable {
    /// Where, as FHIRPath: `Patient.text.div`.
    pub place: String,
    /// What is in the way, as the end of a sentence that starts with the place.
    pub what: String,
}

impl Unwritable {
    fn because(what: impl Into<String>) -> Unwritable {
        Unwritable {
            place: String::new(),
            what: what.into(),
        }
    }

    fn under(mut self, name: &str) -> Unwritable {
        let dot = if self.place.is_empty() { "" } else { "." };
        self.place = format!("{name}{dot}{}", self.place);
        self
    }
}

impl std::fmt::Display for Unwritable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}.", self.place, self.what)
    }
}

impl std::error::Error for Unwritable {}

/// The XML of a record: one line, or where it shall be `pretty`, an element a line with two blanks a level.
///
/// # Errors
/// [`Unwritable`]: a member no definition has, a value of another form than the definition gives it, a narrative that is
/// not well-formed, a character XML does not allow.
pub fn write(definitions: &Definitions, record: Node<'_>, pretty: bool) -> Result<Vec<u8>, Unwritable> {
    let mut writer = Writer {
        definitions,
        pretty,
        out: Vec::with_capacity(record.document().text().len() * 3 / 2),
        slots: Vec::new(),
    };
    writer
        .out
        .extend_from_slice(b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>");
    writer.resource(record, 0)?;
    Ok(writer.out)
}

type Step<T = ()> = Result<T, Unwritable>;

/// A member of an object, both halves.
#[derive(Clone, Copy)]
struct Slot<'a> {
    member: JsonMember<'a>,
    value: Option<Node<'a>>,
    half: Option<Node<'a>>,
}

struct Writer<'a> {
    definitions: &'a Definitions,
    pretty: bool,
    out: Vec<u8>,
    /// The members of every object being written.
    slots: Vec<Slot<'a>>,
}

impl<'a> Writer<'a> {
    fn resource(&mut self, node: Node<'a>, depth: usize) -> Step {
        let name = node.string("resourceType").unwrap_or_default();
        let definitions = self.definitions;
        let kind = definitions.type_id(&name).filter(|_| definitions.is_resource(&name));
        let kind = kind.ok_or_else(|| Unwritable::because(format!("\"{name}\" is no resource type")))?;
        let name = definitions.type_name(kind);
        self.open(name, depth);
        if depth == 0 {
            self.put(&[" xmlns=\"", FHIR, "\""]);
        }
        let from = self.slots.len();
        let done = self.collect(node, kind, true);
        let done = done.and_then(|()| self.content(name, from, depth));
        self.slots.truncate(from);
        done.map_err(|e| e.under(name))
    }

    fn put(&mut self, parts: &[&str]) {
        for part in parts {
            self.out.extend_from_slice(part.as_bytes());
        }
    }

    fn open(&mut self, name: &str, depth: usize) {
        self.line(depth);
        self.put(&["<", name]);
    }

    fn line(&mut self, depth: usize) {
        if self.pretty {
            self.out.push(b'\n');
            self.out.resize(self.out.len() + depth * 2, b' ');
        }
    }

    /// Puts the members of an object on the slots, in the order of its type.
    fn collect(&mut self, node: Node<'a>, kind: TypeId, resource: bool) -> Step {
        let from = self.slots.len();
        for (key, value) in node.members() {
            if resource && key == "resourceType" {
                continue;
            }
            let (name, half) = key.strip_prefix('_').map_or((&*key, false), |name| (name, true));
            let met = self.slots[from..]
                .iter_mut()
                .rev()
                .find(|slot| slot.member.name == name);
            let slot = match met {
                Some(slot) => slot,
                None => {
                    let member = self.definitions.json_member(kind, name);
                    let unknown = || Unwritable::because("is no element that R4 defines").under(name);
                    self.slots.push(Slot {
                        member: member.ok_or_else(unknown)?,
                        value: None,
                        half: None,
                    });
                    self.slots.last_mut().expect("one was pushed")
                }
            };
            *(if half { &mut slot.half } else { &mut slot.value }) = Some(value);
        }
        let slots = &mut self.slots[from..];
        if !slots.is_sorted_by_key(|slot| slot.member.order) {
            slots.sort_by_key(|slot| slot.member.order);
        }
        Ok(())
    }

    /// Ends a start tag, writes the members on the slots from a place on, and the end tag.
    fn content(&mut self, name: &str, from: usize, depth: usize) -> Step {
        if self.slots.len() == from {
            self.put(&["/>"]);
            return Ok(());
        }
        self.out.push(b'>');
        for at in from..self.slots.len() {
            let slot = self.slots[at];
            self.member(slot, depth + 1).map_err(|e| e.under(slot.member.name))?;
        }
        self.line(depth);
        self.put(&["</", name, ">"]);
        Ok(())
    }

    fn member(&mut self, slot: Slot<'a>, depth: usize) -> Step {
        let member = slot.member;
        match member.form {
            Form::String | Form::Number | Form::Boolean => return self.primitives(slot, depth),
            _ if slot.half.is_some() => return Err(Unwritable::because("has a second half, as only primitives have")),
            _ => {}
        }
        for item in slot.value.iter().flat_map(|value| value.each()) {
            match member.form {
                Form::Xhtml => {
                    let text = item.as_str().ok_or_else(|| Unwritable::because("is no string"))?;
                    let element = narrative::element(&text).map_err(Unwritable::because)?;
                    self.line(depth);
                    self.put(&[&element]);
                }
                Form::Resource => {
                    self.open(member.name, depth);
                    self.put(&[">"]);
                    self.resource(item, depth + 1)?;
                    self.line(depth);
                    self.put(&["</", member.name, ">"]);
                }
                _ => self.object(member, item, depth)?,
            }
        }
        Ok(())
    }

    fn object(&mut self, member: JsonMember<'a>, node: Node<'a>, depth: usize) -> Step {
        if !node.is_object() {
            return Err(Unwritable::because("is no object"));
        }
        self.open(member.name, depth);
        let extension = member.kind == self.definitions.extension_type();
        let from = self.slots.len();
        self.collect(node, member.kind, false)?;
        self.attributes(from, extension)?;
        self.content(member.name, from, depth)?;
        self.slots.truncate(from);
        Ok(())
    }

    /// Writes what XML has as attributes, `id` and an extension's `url`, and takes it off the slots.
    fn attributes(&mut self, from: usize, extension: bool) -> Step {
        let mut at = from;
        while let Some(slot) = self.slots.get(at).copied() {
            let name = slot.member.name;
            if name != "id" && !(extension && name == "url") {
                at += 1;
                continue;
            }
            self.slots.remove(at);
            if slot.half.is_some() {
                return Err(Unwritable::because("is an attribute in XML, which has no extensions").under(name));
            }
            self.attribute(name, slot.value).map_err(|e| e.under(name))?;
        }
        Ok(())
    }

    fn attribute(&mut self, name: &str, value: Option<Node<'_>>) -> Step {
        let text: Cow<'_, str> = match value {
            None => return Ok(()),
            Some(value) if value.is_null() => return Ok(()),
            Some(value) => value.scalar().ok_or_else(|| Unwritable::because("is no primitive"))?,
        };
        self.put(&[" ", name, "=\""]);
        write_attribute(&mut self.out, &text).map_err(|character| {
            Unwritable::because(format!(
                "has the character U+{:04X}, which XML does not allow",
                u32::from(character)
            ))
        })?;
        self.out.push(b'"');
        Ok(())
    }

    fn primitives(&mut self, slot: Slot<'a>, depth: usize) -> Step {
        let mut values = slot.value.iter().flat_map(|value| value.each());
        let mut halves = slot.half.iter().flat_map(|half| half.each());
        loop {
            let (value, half) = (values.next(), halves.next());
            if value.is_none() && half.is_none() {
                return Ok(());
            }
            let name = slot.member.name;
            self.open(name, depth);
            let from = self.slots.len();
            if let Some(half) = half.filter(|half| !half.is_null()) {
                if !half.is_object() {
                    return Err(Unwritable::because("has a second half that is no object"));
                }
                self.collect(half, self.definitions.element_type(), false)?;
            }
            self.attributes(from, false)?;
            self.attribute("value", value)?;
            self.content(name, from, depth)?;
            self.slots.truncate(from);
        }
    }
}

#[cfg(test)]
#[path = "write_tests.rs"]
mod tests;
