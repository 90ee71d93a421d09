//! A parsed JSON text as a flat tape of nodes over its own bytes.
//!
//! The tape holds one 16-byte entry a value, in document order, each with the span of its text and
//! the place where its subtree ends. Nothing is copied or converted: a decimal keeps its digits, an
//! object keeps its order, and walking is a matter of indexes. An object's members are laid out as
//! key, value, key, value; a key has a mark of its name, and ends where the next key stands.

use std::borrow::Cow;

use crate::name::{Name, same};
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
    /// Of a key: the first byte of the name, where it has one.
    pub(crate) first: u8,
    /// Of a key: the mark of the name.
    pub(crate) mark: u16,
    pub(crate) start: u32,
    pub(crate) end: u32,
    pub(crate) next: u32,
}

/// A JSON text and the tape over it. Made by [`Document::parse`](crate::parse).
#[derive(Debug)]
pub struct Document {
    pub(crate) text: Box<str>,
    /// The entries; after them the keys of the outermost object once more, side by side, so that a member of it is found
    /// without touching all that stands between. Of such a key, `next` is the place where it stands itself.
    pub(crate) tape: Vec<Entry>,
    /// Where in the tape those keys begin.
    pub(crate) outermost: u32,
    /// Whether some key begins with `_`.
    pub(crate) has_halves: bool,
}

impl Document {
    /// The outermost value.
    pub fn root(&self) -> Node<'_> {
        Node { document: self, at: 0 }
    }

    /// The node at a place that [`Node::place`] gave for this document.
    pub fn node(&self, place: u32) -> Node<'_> {
        assert!(place < self.outermost, "a place of another document");
        Node {
            document: self,
            at: place,
        }
    }

    /// The JSON text this document was parsed from.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether some object has a member whose name begins with `_`: the half of a primitive with its id and extensions.
    #[inline]
    pub fn has_halves(&self) -> bool {
        self.has_halves
    }

    /// What a key or another string says.
    #[inline]
    fn characters(&self, key: &Entry) -> Cow<'_, str> {
        let raw = &self.text[key.start as usize..key.end as usize];
        match key.shape {
            Shape::Escaped => Cow::Owned(unescape(raw)),
            _ => Cow::Borrowed(raw),
        }
    }

    /// Whether a key or another string says a text. Never made part of a search, which asks it once, of what it finds.
    #[inline(never)]
    fn reads(&self, key: &Entry, text: &str) -> bool {
        match key.shape {
            Shape::Escaped => self.characters(key) == text,
            _ => same(
                &self.text.as_bytes()[key.start as usize..key.end as usize],
                text.as_bytes(),
            ),
        }
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
    fn entry(&self) -> &'a Entry {
        &self.document.tape[self.at as usize]
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
        let entry = self.entry();
        match entry.shape {
            Shape::Plain | Shape::Escaped => Some(self.document.characters(entry)),
            _ => None,
        }
    }

    /// Whether it is a string of these characters.
    #[inline]
    pub fn says(&self, text: &str) -> bool {
        let entry = self.entry();
        match entry.shape {
            Shape::Plain | Shape::Escaped => self.document.reads(entry, text),
            _ => false,
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
        self.find(&Name::of(name))
    }

    /// The member of an object, by a name whose mark is known.
    #[inline]
    pub fn find(&self, name: &Name<&str>) -> Option<Node<'a>> {
        let key = self.key(|document, key| key.mark == name.mark() && document.reads(key, name.text()))?;
        Some(Node {
            document: self.document,
            at: key + 1,
        })
    }

    /// The place of the first key of an object that is as wanted.
    #[inline]
    fn key(&self, wanted: impl Fn(&Document, &Entry) -> bool) -> Option<u32> {
        let tape = &*self.document.tape;
        if self.at == 0 {
            let keys = tape.get(self.document.outermost as usize..)?;
            return Some(keys.iter().find(|key| wanted(self.document, key))?.next);
        }
        let object = &tape[self.at as usize];
        if object.shape != Shape::Object {
            return None;
        }
        let mut at = self.at + 1;
        while at < object.next {
            let key = &tape[at as usize];
            if wanted(self.document, key) {
                return Some(at);
            }
            at = key.next;
        }
        None
    }

    /// The two halves of a FHIR primitive in an object: the member by name, and the one by that name with
    /// a `_` before it (<https://hl7.org/fhir/R4/json.html#primitive>).
    #[inline]
    pub fn halves(&self, name: &Name<&str>) -> (Option<Node<'a>>, Option<Node<'a>>) {
        let half = self.document.has_halves.then(|| self.half(name.text()));
        (self.find(name), half.flatten())
    }

    /// The member by a name with a `_` before it.
    pub fn half(&self, name: &str) -> Option<Node<'a>> {
        let key =
            self.key(|document, key| key.first == b'_' && document.characters(key).strip_prefix('_') == Some(name))?;
        Some(Node {
            document: self.document,
            at: key + 1,
        })
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

    /// The keys of an object in their order; nothing for anything else. Each knows its value.
    #[inline]
    pub fn keys(&self) -> impl Iterator<Item = Key<'a>> + use<'a> {
        let outermost = self.at == 0;
        let Members { document, mut from, to } = self.members();
        if outermost {
            from = document.outermost;
        }
        std::iter::from_fn(move || {
            if outermost {
                let key = document.tape.get(from as usize)?;
                from += 1;
                return Some(Key { document, at: key.next });
            }
            let at = from;
            (at < to).then(|| {
                from = document.tape[at as usize].next;
                Key { document, at }
            })
        })
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

/// The key of a member.
#[derive(Clone, Copy)]
pub struct Key<'a> {
    document: &'a Document,
    at: u32,
}

impl<'a> Key<'a> {
    /// What it says.
    #[inline]
    pub fn text(&self) -> Cow<'a, str> {
        self.document.characters(&self.document.tape[self.at as usize])
    }

    /// The name that its text is.
    #[inline]
    pub fn name<'t>(&self, text: &'t str) -> Name<&'t str> {
        Name::marked(text, self.document.tape[self.at as usize].mark)
    }

    /// The first byte of what it says; 0 of an empty key.
    #[inline]
    pub fn first(&self) -> u8 {
        self.document.tape[self.at as usize].first
    }

    /// The value.
    #[inline]
    pub fn value(&self) -> Node<'a> {
        Node {
            document: self.document,
            at: self.at + 1,
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
        let key = &self.document.tape[self.from as usize];
        let value = Node {
            document: self.document,
            at: self.from + 1,
        };
        self.from = key.next;
        Some((self.document.characters(key), value))
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
