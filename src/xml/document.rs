//! A parsed XML text as a flat tape of nodes over its own bytes.
//!
//! The tape holds one entry an element, attribute, run of text, comment and processing instruction, in document order;
//! an element is followed by its attributes and then by its content. Nothing is copied: each entry has the span of its
//! source, so that what is not looked into can be kept byte for byte.

use std::borrow::Cow;

use crate::escape;
use crate::namespace;

/// What a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// An element.
    Element,
    /// An attribute; declarations of namespaces are attributes in the namespace of `xmlns`.
    Attribute,
    /// A run of text, CDATA sections within it included.
    Text,
    /// A comment.
    Comment,
    /// A processing instruction.
    Instruction,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(crate) what: What,
    /// Whether its value is the text as it stands: no references, no line ends to unify.
    pub(crate) plain: bool,
    /// Bytes of the prefix, without its colon.
    pub(crate) prefix: u16,
    /// Bytes of the name, prefix and colon included.
    pub(crate) name: u16,
    /// The number of its namespace.
    pub(crate) space: u16,
    /// The source: of an element from `<` to the end of its end tag.
    pub(crate) start: u32,
    pub(crate) end: u32,
    /// Where the value of an attribute begins, after its quotation mark; where the content of an element begins,
    /// or its `/>`.
    pub(crate) inner: u32,
    /// The entry after the whole of it.
    pub(crate) next: u32,
}

/// An XML text and the tape over it. Made by [`Document::parse`](crate::parse).
#[derive(Debug)]
pub struct Document<'a> {
    pub(crate) text: &'a str,
    pub(crate) tape: Vec<Entry>,
    pub(crate) spaces: Vec<Box<str>>,
    /// The place of the outermost element: comments and instructions may stand before it.
    pub(crate) root: u32,
}

impl<'a> Document<'a> {
    /// The outermost element.
    pub fn root(&self) -> Node<'_> {
        Node {
            document: self,
            at: self.root,
        }
    }

    /// What stands outermost: the element, and comments and processing instructions around it.
    pub fn outermost(&self) -> Nodes<'_> {
        Nodes {
            document: self,
            from: 0,
            to: self.tape.len() as u32,
        }
    }

    /// Where runs of white space alone stand.
    pub(crate) fn blanks(&self) -> impl Iterator<Item = std::ops::Range<usize>> + '_ {
        let nodes = (0..self.tape.len() as u32).map(|at| Node { document: self, at });
        nodes.filter(Node::is_blank).map(|node| node.span())
    }

    /// The text it was parsed from, without a byte order mark.
    pub fn text(&self) -> &'a str {
        self.text
    }
}

/// One node of a document. Copying it is free.
#[derive(Clone, Copy)]
pub struct Node<'d> {
    document: &'d Document<'d>,
    at: u32,
}

impl std::fmt::Debug for Node<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.source())
    }
}

impl PartialEq for Node<'_> {
    /// The same place of the same document.
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.document, other.document) && self.at == other.at
    }
}

impl<'d> Node<'d> {
    #[inline]
    fn entry(&self) -> &'d Entry {
        &self.document.tape[self.at as usize]
    }

    /// Where in the tape it stands: a stable name for the node within its document.
    pub fn place(&self) -> u32 {
        self.at
    }

    /// What it is.
    #[inline]
    pub fn what(&self) -> What {
        self.entry().what
    }

    /// Whether it is an element.
    #[inline]
    pub fn is_element(&self) -> bool {
        self.what() == What::Element
    }

    /// Its name without a prefix; of a processing instruction, its target; empty for the rest.
    #[inline]
    pub fn name(&self) -> &'d str {
        let entry = self.entry();
        let prefix = if entry.prefix > 0 { entry.prefix as usize + 1 } else { 0 };
        &self.full_name()[prefix..]
    }

    /// The prefix of its name; empty for none.
    pub fn prefix(&self) -> &'d str {
        &self.full_name()[..self.entry().prefix as usize]
    }

    fn full_name(&self) -> &'d str {
        let entry = self.entry();
        let start = entry.start as usize
            + match entry.what {
                What::Element => 1,
                What::Instruction => 2,
                _ => 0,
            };
        &self.document.text[start..start + entry.name as usize]
    }

    /// The address of its namespace; empty for none.
    #[inline]
    pub fn space(&self) -> &'d str {
        &self.document.spaces[self.entry().space as usize]
    }

    /// Whether it declares a namespace, as `xmlns="…"` or `xmlns:p="…"`.
    #[inline]
    pub fn is_declaration(&self) -> bool {
        self.what() == What::Attribute && self.entry().space == namespace::DECLARATION
    }

    /// Where its source stands in the text.
    pub fn span(&self) -> std::ops::Range<usize> {
        let entry = self.entry();
        entry.start as usize..entry.end as usize
    }

    /// Its source, from its first character to its last.
    pub fn source(&self) -> &'d str {
        &self.document.text[self.span()]
    }

    /// Where the content of an element begins, or its `/>`; where the value of an attribute begins.
    pub fn inner(&self) -> usize {
        self.entry().inner as usize
    }

    /// Where the name ends, for an element: attributes may follow.
    pub fn name_end(&self) -> usize {
        self.entry().start as usize + 1 + self.entry().name as usize
    }

    /// The value of an attribute or of a run of text, references resolved; nothing for the rest.
    #[inline]
    pub fn value(&self) -> Cow<'d, str> {
        let entry = self.entry();
        let (start, end) = (entry.inner as usize, entry.end as usize);
        let text = &self.document.text;
        match (entry.what, entry.plain) {
            (What::Attribute, true) => Cow::Borrowed(&text[start..end - 1]),
            (What::Text, true) => Cow::Borrowed(&text[start..end]),
            (What::Attribute, false) => Cow::Owned(escape::attribute_value(&text[start..end - 1])),
            (What::Text, false) => Cow::Owned(escape::text_value(&text[start..end])),
            _ => Cow::Borrowed(""),
        }
    }

    /// The element as a document of its own: its namespaces declared where they begin.
    pub fn standalone(&self) -> String {
        let mut out = String::with_capacity(self.source().len() + 40);
        crate::fragment::write(*self, "", &mut out);
        out
    }

    /// All text within an element, or the value of another node: its string value in XPath.
    pub fn string_value(&self) -> String {
        if !self.is_element() {
            return self.value().into_owned();
        }
        let mut out = String::new();
        for at in self.at + 1..self.entry().next {
            let node = Node { at, ..*self };
            if node.what() == What::Text {
                out.push_str(&node.value());
            }
        }
        out
    }

    /// Whether it is text of white space alone.
    pub fn is_blank(&self) -> bool {
        let is_space = |text: &str| text.bytes().all(crate::name::is_space);
        self.what() == What::Text && is_space(&self.value())
    }

    /// The attributes of an element, declarations included.
    #[inline]
    pub fn attributes(&self) -> impl Iterator<Item = Node<'d>> + use<'d> {
        let (document, end) = (self.document, self.entry().next);
        let nodes = (self.at + 1..end).map(move |at| Node { document, at });
        nodes.take_while(|node| node.what() == What::Attribute)
    }

    /// The attribute of that name in no namespace.
    #[inline]
    pub fn attribute(&self, name: &str) -> Option<Node<'d>> {
        let mut attributes = self.attributes();
        attributes.find(|a| a.entry().space == namespace::NONE && a.name() == name)
    }

    /// The content of an element: elements, text, comments and processing instructions.
    #[inline]
    pub fn children(&self) -> Nodes<'d> {
        let end = self.entry().next;
        let tape = &self.document.tape;
        let mut from = self.at + 1;
        while from < end && tape[from as usize].what == What::Attribute {
            from += 1;
        }
        Nodes {
            document: self.document,
            from,
            to: end,
        }
    }

    /// The elements directly within an element.
    #[inline]
    pub fn elements(&self) -> impl Iterator<Item = Node<'d>> + use<'d> {
        self.children().filter(Node::is_element)
    }

    /// Whether the element is written as one tag: `<a/>`.
    pub fn is_one_tag(&self) -> bool {
        let entry = self.entry();
        entry.inner + 2 == entry.end && self.source().ends_with("/>")
    }
}

/// Nodes that stand side by side.
#[derive(Clone)]
pub struct Nodes<'d> {
    document: &'d Document<'d>,
    from: u32,
    to: u32,
}

impl<'d> Iterator for Nodes<'d> {
    type Item = Node<'d>;

    #[inline]
    fn next(&mut self) -> Option<Node<'d>> {
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
