//! One row of a table: a cell for each column, kept as the text that tables are written with.

use fhir::document::{Node, Shape as JsonShape};
use fhir::parse::write_string;
use fhirpath::model::Model;
use fhirpath::value::{Element, Item};

/// What a cell holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Nothing.
    Null,
    /// A boolean or a number, as JSON writes it.
    Plain,
    /// A string's characters.
    Text,
    /// A list or an object, as JSON.
    Json,
}

/// A value in a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    /// What it holds.
    pub shape: Shape,
    /// The text of it; empty for nothing.
    pub text: String,
}

/// A row. It is filled again and again, so that its memory serves every row of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// A cell for each column of the view, in their order.
    pub cells: Vec<Cell>,
}

impl Row {
    /// A row of so many cells that hold nothing.
    pub(crate) fn empty(columns: usize) -> Row {
        let cell = Cell {
            shape: Shape::Null,
            text: String::new(),
        };
        Row {
            cells: vec![cell; columns],
        }
    }
}

impl Cell {
    /// Appends the JSON of the value.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        match self.shape {
            Shape::Null => out.extend_from_slice(b"null"),
            Shape::Plain | Shape::Json => out.extend_from_slice(self.text.as_bytes()),
            Shape::Text => write_string(out, &self.text),
        }
    }

    pub(crate) fn clear(&mut self) {
        self.shape = Shape::Null;
        self.text.clear();
    }

    /// Takes the value of an item.
    pub(crate) fn set(&mut self, model: &dyn Model, item: &Item<'_>) {
        self.clear();
        let shown = |value: &dyn std::fmt::Display, text: &mut String| {
            // Writing to a string does not fail.
            let _written = std::fmt::Write::write_fmt(text, format_args!("{value}"));
        };
        let text = &mut self.text;
        self.shape = match item {
            Item::Element(element) => return self.set_element(model, element),
            Item::Boolean(value) => {
                shown(value, text);
                Shape::Plain
            }
            Item::Integer(value) | Item::Long(value) => {
                shown(value, text);
                Shape::Plain
            }
            Item::Decimal(value) => {
                shown(value, text);
                Shape::Plain
            }
            Item::String(value) => {
                text.push_str(value);
                Shape::Text
            }
            Item::Date(value) => {
                shown(value, text);
                Shape::Text
            }
            Item::DateTime(value) => {
                shown(value, text);
                Shape::Text
            }
            Item::Time(value) => {
                shown(value, text);
                Shape::Text
            }
            Item::Quantity(value) => {
                shown(value, text);
                Shape::Text
            }
            Item::Type(info) => {
                text.extend([info.namespace, ".", &info.name]);
                Shape::Text
            }
            Item::Elsewhere(elsewhere) => return self.set_json(elsewhere.reference.node),
        };
    }

    fn set_element(&mut self, model: &dyn Model, element: &Element<'_>) {
        let node = element.node;
        self.shape = match node.shape() {
            JsonShape::Null => Shape::Null,
            JsonShape::Bool | JsonShape::Number => {
                self.text.push_str(node.text());
                Shape::Plain
            }
            JsonShape::Plain | JsonShape::Escaped => {
                self.text.push_str(&node.as_str().unwrap_or_default());
                Shape::Text
            }
            JsonShape::Array | JsonShape::Object => {
                // A primitive that has only extensions has no value.
                let name = element.kind.map_or("", |kind| model.type_name(kind));
                if name.starts_with(|c: char| c.is_ascii_lowercase()) {
                    return;
                }
                return self.set_json(node);
            }
        };
    }

    fn set_json(&mut self, node: Node<'_>) {
        let mut json = Vec::with_capacity(node.text().len());
        node.write_compact(&mut json);
        self.text.push_str(&String::from_utf8_lossy(&json));
        self.shape = Shape::Json;
    }

    /// Takes the values of items as a list, which may be empty.
    pub(crate) fn set_list(&mut self, model: &dyn Model, items: &[Item<'_>]) {
        let mut json = vec![b'['];
        for (at, item) in items.iter().enumerate() {
            if at > 0 {
                json.push(b',');
            }
            self.set(model, item);
            self.write_json(&mut json);
        }
        json.push(b']');
        self.clear();
        self.text.push_str(&String::from_utf8_lossy(&json));
        self.shape = Shape::Json;
    }
}
