//! The table of units, read once from `schema/ucum/units.tsv`.

use std::collections::HashMap;
use std::sync::OnceLock;

use crate::amount::Amount;
use crate::function::Function;
use crate::parse;
use crate::unit::Scale;

const TABLE: &str = include_str!("../../schema/ucum/units.tsv");

/// A prefix: a code and the factor it stands for.
pub(crate) struct Prefix {
    pub(crate) code: &'static str,
    pub(crate) name: &'static str,
    pub(crate) factor: Amount,
}

/// A unit without prefix.
pub(crate) struct Atom {
    pub(crate) code: &'static str,
    pub(crate) name: &'static str,
    /// Whether it takes prefixes.
    pub(crate) metric: bool,
    pub(crate) definition: Definition,
    scale: OnceLock<Option<Scale>>,
}

/// How a unit is defined.
pub(crate) enum Definition {
    /// By nothing else: a base unit, or an arbitrary unit that compares only with itself.
    Itself,
    /// So many of a unit.
    Multiple(Amount, &'static str),
    /// By a function that leads to so many of a unit.
    Function(Function, Amount, &'static str),
}

/// All prefixes and units.
pub(crate) struct Table {
    pub(crate) prefixes: Vec<Prefix>,
    pub(crate) atoms: Vec<Atom>,
    by_code: HashMap<&'static str, usize>,
}

impl Table {
    /// The number of a unit by its code without prefix.
    pub(crate) fn find(&self, code: &str) -> Option<usize> {
        self.by_code.get(code).copied()
    }

    /// What a unit comes to in base units; `None` where the table itself is out of order.
    pub(crate) fn scale(&self, number: usize) -> Option<&Scale> {
        let atom = self.atoms.get(number)?;
        atom.scale
            .get_or_init(|| match &atom.definition {
                Definition::Itself => Some(Scale::base(number)),
                Definition::Multiple(factor, of) => parse::parse(of).ok()?.scale()?.multiplied(*factor),
                Definition::Function(function, factor, of) => {
                    parse::parse(of).ok()?.scale()?.multiplied(*factor)?.through(*function)
                }
            })
            .as_ref()
    }
}

/// The table.
pub(crate) fn table() -> &'static Table {
    static READ: OnceLock<Table> = OnceLock::new();
    READ.get_or_init(|| {
        let mut table = Table {
            prefixes: Vec::new(),
            atoms: Vec::new(),
            by_code: HashMap::new(),
        };
        for line in TABLE.lines().skip(1) {
            add(&mut table, line);
        }
        table
    })
}

/// Adds a line; one that cannot be read adds nothing, which a test would notice.
fn add(table: &mut Table, line: &'static str) {
    let mut columns = line.split('\t');
    let mut next = || columns.next().unwrap_or("");
    let (kind, code, name, flags) = (next(), next(), next(), next());
    let (value, of, function) = (Amount::parse(next()), next(), next());
    let definition = match (kind, value) {
        ("prefix", Some(factor)) => {
            table.prefixes.push(Prefix { code, name, factor });
            return;
        }
        ("base", _) => Definition::Itself,
        (_, Some(_)) if flags.contains('a') && of == "1" => Definition::Itself,
        (_, Some(factor)) if function.is_empty() => Definition::Multiple(factor, of),
        (_, Some(factor)) => match Function::named(function) {
            Some(function) => Definition::Function(function, factor, of),
            None => return,
        },
        (_, None) => return,
    };
    table.by_code.insert(code, table.atoms.len());
    table.atoms.push(Atom {
        code,
        name,
        metric: flags.contains('m'),
        definition,
        scale: OnceLock::new(),
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_read_and_leads_to_base_units() {
        let table = table();
        let lines = TABLE.lines().count() - 1;
        assert_eq!(table.prefixes.len() + table.atoms.len(), lines);
        assert!(lines > 300, "{lines} lines are not the whole of UCUM");
        for (number, atom) in table.atoms.iter().enumerate() {
            assert!(table.scale(number).is_some(), "{}", atom.code);
            assert!(!atom.name.is_empty(), "{}", atom.code);
            assert_eq!(table.find(atom.code), Some(number), "{}", atom.code);
        }
    }
}
