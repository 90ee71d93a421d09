//! Where in a record a judge stands: a chain of steps on the call stack, written out only when there is an issue.

use crate::facts::Element;

/// A step into a record, with the one before it.
#[derive(Clone, Copy)]
pub enum Place<'p> {
    /// The record itself: its kind.
    Root(&'p str),
    /// An element, by its FHIRPath name.
    Member(&'p Place<'p>, &'p str),
    /// A choice, whose JSON name is another, and the type chosen: `value.ofType(Quantity)`.
    Choice(&'p Place<'p>, &'p Element, &'p str),
    /// An item of an array, from 0.
    Item(&'p Place<'p>, usize),
}

/// Characters shown of a name that a record brought.
const NAME_CHARACTERS_MAX: usize = 60;

impl Place<'_> {
    /// The FHIRPath: `Patient.name[0].given[1]`.
    pub fn path(&self) -> String {
        let mut out = String::new();
        self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) {
        match self {
            Place::Root(kind) => out.push_str(kind),
            Place::Member(before, name) => {
                before.write(out);
                out.push('.');
                write_name(name, out);
            }
            Place::Choice(before, element, kind) => {
                Place::Member(before, element.name()).write(out);
                out.push_str(".ofType(");
                out.push_str(kind);
                out.push(')');
            }
            Place::Item(before, at) => {
                before.write(out);
                out.push_str(&format!("[{at}]"));
            }
        }
    }
}

/// A name as FHIRPath writes it: between backticks where it is no plain identifier.
fn write_name(name: &str, out: &mut String) {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if !name.is_empty() && name.chars().all(plain) && name.len() <= NAME_CHARACTERS_MAX {
        out.push_str(name);
        return;
    }
    out.push('`');
    for c in name.chars().take(NAME_CHARACTERS_MAX) {
        match c {
            '`' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => out.push('?'),
            c => out.push(c),
        }
    }
    out.push('`');
}

/// A text as it is quoted in a sentence: its beginning, between backticks.
pub fn quoted(text: &str) -> String {
    let mut out = String::from("`");
    for (i, c) in text.chars().enumerate() {
        if i == NAME_CHARACTERS_MAX {
            out.push('…');
            break;
        }
        out.push(if c.is_control() { ' ' } else { c });
    }
    out.push('`');
    out
}
