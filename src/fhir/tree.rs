//! A record's JSON as a tree that can be changed: for patches and for answers built part by part.

use std::borrow::Cow;

use crate::document::{Document, Node, Shape};
use crate::parse::{Limits, Malformed, write_string};

/// A JSON value that owns its parts. Numbers keep their digits, objects their order.
#[derive(Clone, Debug)]
pub enum Tree {
    /// `null`
    Null,
    /// A boolean.
    Bool(bool),
    /// A number as written.
    Number(String),
    /// A string.
    String(String),
    /// An array.
    Array(Vec<Tree>),
    /// An object; names are unique.
    Object(Vec<(String, Tree)>),
}

impl Tree {
    /// A copy of a parsed value.
    pub fn from_node(node: Node<'_>) -> Tree {
        let string = |node: Node<'_>| node.as_str().map(Cow::into_owned).unwrap_or_default();
        match node.shape() {
            Shape::Null => Tree::Null,
            Shape::Bool => Tree::Bool(node.as_bool() == Some(true)),
            Shape::Number => Tree::Number(node.text().to_owned()),
            Shape::Plain | Shape::Escaped => Tree::String(string(node)),
            Shape::Array => Tree::Array(node.items().map(Tree::from_node).collect()),
            Shape::Object => Tree::Object(
                node.members()
                    .map(|(k, v)| (k.into_owned(), Tree::from_node(v)))
                    .collect(),
            ),
        }
    }

    /// Parses a JSON text.
    ///
    /// # Errors
    /// [`Malformed`] as [`Document::parse`].
    pub fn parse(bytes: &[u8]) -> Result<Tree, Malformed> {
        Ok(Tree::from_node(Document::parse(bytes, Limits::default())?.root()))
    }

    /// A string.
    pub fn string(text: impl Into<String>) -> Tree {
        Tree::String(text.into())
    }

    /// A whole number.
    pub fn number(value: impl std::fmt::Display) -> Tree {
        Tree::Number(value.to_string())
    }

    /// An object of the given members.
    pub fn object<const N: usize>(members: [(&str, Tree); N]) -> Tree {
        Tree::Object(members.into_iter().map(|(k, v)| (k.to_owned(), v)).collect())
    }

    /// The member of an object, by name.
    pub fn get(&self, name: &str) -> Option<&Tree> {
        match self {
            Tree::Object(members) => members.iter().find(|(k, _)| k == name).map(|(_, v)| v),
            _ => None,
        }
    }

    /// The member of an object, by name, to change it.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut Tree> {
        match self {
            Tree::Object(members) => members.iter_mut().find(|(k, _)| k == name).map(|(_, v)| v),
            _ => None,
        }
    }

    /// Sets a member of an object: in its place if it is there, else at the end. Nothing for the rest.
    pub fn set(&mut self, name: &str, value: Tree) {
        if let Tree::Object(members) = self {
            match members.iter_mut().find(|(k, _)| k == name) {
                Some(member) => member.1 = value,
                None => members.push((name.to_owned(), value)),
            }
        }
    }

    /// Takes a member out of an object.
    pub fn remove(&mut self, name: &str) -> Option<Tree> {
        match self {
            Tree::Object(members) => {
                let at = members.iter().position(|(k, _)| k == name)?;
                Some(members.remove(at).1)
            }
            _ => None,
        }
    }

    /// The text of a string.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Tree::String(text) => Some(text),
            _ => None,
        }
    }

    /// The items of an array; nothing for the rest.
    pub fn items(&self) -> &[Tree] {
        match self {
            Tree::Array(items) => items,
            _ => &[],
        }
    }

    /// Appends the JSON text, without white space.
    pub fn write(&self, out: &mut Vec<u8>) {
        match self {
            Tree::Null => out.extend_from_slice(b"null"),
            Tree::Bool(true) => out.extend_from_slice(b"true"),
            Tree::Bool(false) => out.extend_from_slice(b"false"),
            Tree::Number(digits) => out.extend_from_slice(digits.as_bytes()),
            Tree::String(text) => write_string(out, text),
            Tree::Array(items) => {
                out.push(b'[');
                for (i, item) in items.iter().enumerate() {
                    if i > 0 {
                        out.push(b',');
                    }
                    item.write(out);
                }
                out.push(b']');
            }
            Tree::Object(members) => {
                out.push(b'{');
                for (i, (name, value)) in members.iter().enumerate() {
                    if i > 0 {
                        out.push(b',');
                    }
                    write_string(out, name);
                    out.push(b':');
                    value.write(out);
                }
                out.push(b'}');
            }
        }
    }

    /// The JSON text, without white space.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.write(&mut out);
        out
    }
}

impl PartialEq for Tree {
    /// JSON equality: numbers by value where both are plain, members in any order (RFC 6902, 4.6).
    fn eq(&self, other: &Tree) -> bool {
        match (self, other) {
            (Tree::Null, Tree::Null) => true,
            (Tree::Bool(a), Tree::Bool(b)) => a == b,
            (Tree::Number(a), Tree::Number(b)) => a == b || a.parse::<f64>().ok() == b.parse::<f64>().ok(),
            (Tree::String(a), Tree::String(b)) => a == b,
            (Tree::Array(a), Tree::Array(b)) => a == b,
            (Tree::Object(a), Tree::Object(b)) => {
                a.len() == b.len()
                    && a.iter().all(|(k, v)| other.get(k) == Some(v))
                    && b.iter().all(|(k, _)| self.get(k).is_some())
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trips_and_compares() {
        let text = r#"{"a":[1.00,"x",null,true],"b":{}}"#;
        let tree = Tree::parse(text.as_bytes()).unwrap();
        assert_eq!(String::from_utf8(tree.to_bytes()).unwrap(), text);
        assert_eq!(tree, Tree::parse(br#"{"b":{},"a":[1,"x",null,true]}"#).unwrap());
        assert_ne!(tree, Tree::parse(br#"{"b":{},"a":["x",1,null,true]}"#).unwrap());
    }
}
