//! A parsed JSON text as a flat tape of nodes over its own bytes.
//!
//! The tape holds one 16-byte entry a value, in document order, each with the span of its text and
//! the place where its subtree ends. Nothing is copied or converted: a decimal keeps its digits, an
//! object keeps its order, and walking is a matter of indexes. An object's members are laid out as
//! key, value, key, value.

use std::borrow::Cow;

use crate::parse::unescape;

/// What a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// `null`
    Null,
    /// `true` or `false`
    Bool,
    /// A number, kept as written.
    Number,
    /// A string without escapes.
    Plain,
    /// A string that contains at least one escape.
    Escaped,
    /// An array.
    Array,
    /// An object.
    Object,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(crate) shape: Shape,
    pub(crate) start: u32,
    pub(crate) end: u32,
    pub(crate) next: u32,
}

/// A JSON text and the tape over it. Made by [`Document::parse`](crate::parse).
#[derive(Debug)]
pub struct Document {
    pub(crate) text: Box<str>,
    pub(crate) tape: Vec<Entry>,
}

impl Document {
    /// The outermost value.
    pub fn root(&self) -> Node<'_> {
        Node { document: self, at: 0 }
    }

    /// The node at a place that [`Node::place`] gave for this document.
    pub fn node(&self, place: u32) -> Node<'_> {
        assert!((place as usize) < self.tape.len(), "a place of another document");
        Node {
            document: self,
            at: place,
        }
    }

    /// The JSON text this document was parsed from.
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// One value in a document. Copying it is free.
#[derive(Clone, Copy)]
pub struct Node<'a> {
    document: &'a Document,
    at: u32,
}

impl std::fmt::Debug for Node<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.text())
    }
}

impl PartialEq for Node<'_> {
    /// The same place of the same document.
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.document, other.document) && self.at == other.at
    }
}

impl<'a> Node<'a> {
    #[inline]
    fn entry(&self) -> Entry {
        self.document.tape[self.at as usize]
    }

    /// What this node is.
    #[inline]
    pub fn shape(&self) -> Shape {
        self.entry().shape
    }

    /// Where in the tape it stands: a stable name for the node within its document.
    pub fn place(&self) -> u32 {
        self.at
    }

    /// The document it belongs to.
    pub fn document(&self) -> &'a Document {
        self.document
    }

    /// The JSON text of the value, as received; of a string, with its quotes.
    pub fn text(&self) -> &'a str {
        let e = self.entry();
        match e.shape {
            Shape::Plain | Shape::Escaped => &self.document.text[e.start as usize - 1..e.end as usize + 1],
            _ => &self.document.text[e.start as usize..e.end as usize],
        }
    }

    /// Whether it is an object.
    #[inline]
    pub fn is_object(&self) -> bool {
        self.shape() == Shape::Object
    }

    /// Whether it is an array.
    #[inline]
    pub fn is_array(&self) -> bool {
        self.shape() == Shape::Array
    }

    /// Whether it is `null`.
    #[inline]
    pub fn is_null(&self) -> bool {
        self.shape() == Shape::Null
    }

    /// The string's characters, escapes resolved; `None` for anything else.
    #[inline]
    pub fn as_str(&self) -> Option<Cow<'a, str>> {
        let e = self.entry();
        let raw = &self.document.text[e.start as usize..e.end as usize];
        match e.shape {
            Shape::Plain => Some(Cow::Borrowed(raw)),
            Shape::Escaped => Some(Cow::Owned(unescape(raw))),
            _ => None,
        }
    }

    /// The boolean's value.
    pub fn as_bool(&self) -> Option<bool> {
        (self.shape() == Shape::Bool).then(|| self.text() == "true")
    }

    /// The number's digits as written.
    pub fn as_number(&self) -> Option<&'a str> {
        (self.shape() == Shape::Number).then(|| self.text())
    }

    /// The text of a primitive: a string's characters, a number's digits, `true` or `false`.
    pub fn scalar(&self) -> Option<Cow<'a, str>> {
        match self.shape() {
            Shape::Plain | Shape::Escaped => self.as_str(),
            Shape::Bool | Shape::Number => Some(Cow::Borrowed(self.text())),
            _ => None,
        }
    }

    /// The member of an object, by name.
    #[inline]
    pub fn get(&self, name: &str) -> Option<Node<'a>> {
        let mut members = self.members();
        while members.from < members.to {
            let at = members.from;
            let value = members.pass();
            if members.is_named(at, name) {
                return Some(value);
            }
        }
        None
    }

    /// The two halves of a FHIR primitive in an object: the member by name, and the one by that name with
    /// a `_` before it (<https://hl7.org/fhir/R4/json.html#primitive>).
    pub fn halves(&self, name: &str) -> (Option<Node<'a>>, Option<Node<'a>>) {
        let mut found = (None, None);
        let mut members = self.members();
        while members.from < members.to {
            let at = members.from;
            let value = members.pass();
            if members.is_named(at, name) {
                found.0 = Some(value);
            } else if members.is_named_after_underscore(at, name) {
                found.1 = Some(value);
            }
        }
        found
    }

    /// The member's characters, where it is a string.
    pub fn string(&self, name: &str) -> Option<Cow<'a, str>> {
        self.get(name)?.as_str()
    }

    /// The members of an object in their order; nothing for anything else.
    #[inline]
    pub fn members(&self) -> Members<'a> {
        let e = self.entry();
        let (from, to) = if e.shape == Shape::Object {
            (self.at + 1, e.next)
        } else {
            (0, 0)
        };
        Members {
            document: self.document,
            from,
            to,
        }
    }

    /// The items of an array in their order; nothing for anything else.
    #[inline]
    pub fn items(&self) -> Items<'a> {
        let e = self.entry();
        let (from, to) = if e.shape == Shape::Array {
            (self.at + 1, e.next)
        } else {
            (0, 0)
        };
        Items {
            document: self.document,
            from,
            to,
        }
    }

    /// The items of an array, or the value itself: FHIR reads both as a collection.
    #[inline]
    pub fn each(&self) -> Items<'a> {
        if self.is_array() {
            return self.items();
        }
        Items {
            document: self.document,
            from: self.at,
            to: self.entry().next,
        }
    }

    /// Appends the value to `out` without white space, strings and numbers as received.
    pub fn write_compact(&self, out: &mut Vec<u8>) {
        match self.shape() {
            Shape::Array => {
                out.push(b'[');
                for (i, item) in self.items().enumerate() {
                    if i > 0 {
                        out.push(b',');
                    }
                    item.write_compact(out);
                }
                out.push(b']');
            }
            Shape::Object => {
                out.push(b'{');
                for (i, (key, value)) in self.members().enumerate() {
                    if i > 0 {
                        out.push(b',');
                    }
                    crate::parse::write_string(out, &key);
                    out.push(b':');
                    value.write_compact(out);
                }
                out.push(b'}');
            }
            _ => out.extend_from_slice(self.text().as_bytes()),
        }
    }
}

/// The members of an object.
pub struct Members<'a> {
    document: &'a Document,
    from: u32,
    to: u32,
}

impl<'a> Iterator for Members<'a> {
    type Item = (Cow<'a, str>, Node<'a>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.from >= self.to {
            return None;
        }
        let key = Node {
            document: self.document,
            at: self.from,
        }
        .as_str()?;
        let value = Node {
            document: self.document,
            at: self.from + 1,
        };
        self.from = value.entry().next;
        Some((key, value))
    }
}

impl<'a> Members<'a> {
    /// Passes one member and gives its value.
    #[inline]
    fn pass(&mut self) -> Node<'a> {
        let value = self.from + 1;
        self.from = self.document.tape[value as usize].next;
        Node {
            document: self.document,
            at: value,
        }
    }

    /// Whether the key at a place is this name. Lengths differ most often, so they are compared first.
    #[inline]
    fn is_named(&self, at: u32, name: &str) -> bool {
        let key = self.document.tape[at as usize];
        if key.shape == Shape::Escaped {
            return unescape(&self.document.text[key.start as usize..key.end as usize]) == name;
        }
        (key.end - key.start) as usize == name.len()
            && self.document.text.as_bytes()[key.start as usize..key.end as usize] == *name.as_bytes()
    }

    #[inline]
    fn is_named_after_underscore(&self, at: u32, name: &str) -> bool {
        let key = self.document.tape[at as usize];
        let text = self.document.text.as_bytes();
        if key.shape == Shape::Escaped {
            let key = unescape(&self.document.text[key.start as usize..key.end as usize]);
            return key.strip_prefix('_') == Some(name);
        }
        (key.end - key.start) as usize == name.len() + 1
            && text[key.start as usize] == b'_'
            && text[key.start as usize + 1..key.end as usize] == *name.as_bytes()
    }
}

/// The items of an array.
pub struct Items<'a> {
    document: &'a Document,
    from: u32,
    to: u32,
}

impl<'a> Iterator for Items<'a> {
    type Item = Node<'a>;

    #[inline]
    fn next(&mut self) -> Option<Node<'a>> {
        if self.from >= self.to {
            return None;
        }
        let node = Node {
            document: self.document,
            at: self.from,
        };
        self.from = node.entry().next;
        Some(node)
    }
}
