//! A unit's name for people, put together from the names of its parts.

use std::fmt::{self, Write};

use crate::parse::{Component, Term};
use crate::table::table;
use crate::unit::Unit;

/// The names of its parts: `(milligram) / (deciliter)`.
impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        term(self.term(), f)
    }
}

fn term(of: &Term, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for (place, (divides, part)) in of.parts.iter().enumerate() {
        f.write_str(match (place, divides) {
            (0, true) => "1 / ",
            (0, false) => "",
            (_, true) => " / ",
            (_, false) => " * ",
        })?;
        component(part, f)?;
    }
    Ok(())
}

fn component(of: &Component, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match of {
        Component::Simple { prefix, atom, exponent } => {
            let table = table();
            let prefix = prefix.map_or("", |prefix| table.prefixes[prefix].name);
            write!(f, "({prefix}{}", table.atoms[*atom].name)?;
            if *exponent != 1 {
                write!(f, " ^ {exponent}")?;
            }
            f.write_char(')')
        }
        Component::Factor(number) => write!(f, "{number}"),
        Component::Annotation(text) => write!(f, "{{{text}}}"),
        Component::Group(inner) => {
            f.write_char('(')?;
            term(inner, f)?;
            f.write_char(')')
        }
    }
}
