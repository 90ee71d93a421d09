//! The base rules of R4, compiled once: bindings and invariants by element and by type.

use conformance::Definitions;
use fhir::outcome::Severity;
use fhirpath::expression::Expression;
use fhirpath::model::{Model, TypeId};
use rustc_hash::{FxHashMap, FxHashSet};

/// How strongly a value set binds (<https://hl7.org/fhir/R4/valueset-binding-strength.html>).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Strength {
    /// It shows what is meant.
    Example,
    /// It is encouraged.
    Preferred,
    /// It is to be used where it has the concept.
    Extensible,
    /// It has all there is.
    Required,
}

impl Strength {
    pub(crate) fn from_code(code: &str) -> Strength {
        match code {
            "required" => Strength::Required,
            "extensible" => Strength::Extensible,
            "preferred" => Strength::Preferred,
            _ => Strength::Example,
        }
    }
}

/// Which codes an element may have.
#[derive(Clone, Debug)]
pub(crate) struct Binding {
    pub(crate) strength: Strength,
    pub(crate) value_set: Box<str>,
    /// What no code may lie outside of, however weak the binding.
    pub(crate) largest: Option<Box<str>>,
    /// Value sets that bind besides, each required or not.
    pub(crate) additional: Vec<(Strength, Box<str>)>,
}

/// What must be true of an element.
#[derive(Debug)]
pub(crate) struct Invariant {
    pub(crate) key: Box<str>,
    pub(crate) severity: Severity,
    /// What it says, for people.
    pub(crate) human: Box<str>,
    pub(crate) expression: Expression,
}

/// The rules of the standard.
pub(crate) struct Rules {
    /// By an element's place.
    bindings: Vec<Option<Binding>>,
    /// By type: of Age, Duration and the like.
    type_bindings: FxHashMap<TypeId, Binding>,
    /// By an element's place: what concerns that element, not its type.
    of_element: Vec<Vec<Invariant>>,
    /// By type: its own, not those it inherits.
    of_type: Vec<Vec<Invariant>>,
    /// Key and sentence of every invariant, by which profiles that repeat them are known.
    known: FxHashSet<(Box<str>, Box<str>)>,
}

impl Rules {
    /// Reads the tables.
    ///
    /// # Panics
    /// On a row that does not fit: the tables are part of the program.
    pub(crate) fn r4(definitions: &Definitions) -> Rules {
        let mut rules = Rules {
            bindings: vec![None; definitions.element_count()],
            type_bindings: FxHashMap::default(),
            of_element: Vec::new(),
            of_type: Vec::new(),
            known: FxHashSet::default(),
        };
        rules.of_element.resize_with(definitions.element_count(), Vec::new);
        rules.of_type.resize_with(definitions.type_count(), Vec::new);
        for row in include_str!("../../schema/fhir/bindings.tsv").lines() {
            rules.binding(definitions, row);
        }
        for row in include_str!("../../schema/fhir/invariants.tsv").lines() {
            rules.invariant(definitions, row);
        }
        rules
    }

    fn binding(&mut self, definitions: &Definitions, row: &str) {
        let columns: Vec<&str> = row.split('\t').collect();
        let [path, strength, value_set, largest] = columns[..] else {
            panic!("four columns in: {row}")
        };
        let binding = Binding {
            strength: Strength::from_code(strength),
            value_set: value_set.into(),
            largest: (!largest.is_empty()).then(|| largest.into()),
            additional: Vec::new(),
        };
        if let Some(kind) = definitions.type_id(path) {
            self.type_bindings.insert(kind, binding);
            return;
        }
        let place = element_place(definitions, path).unwrap_or_else(|| panic!("no such element: {row}"));
        self.bindings[place as usize] = Some(binding);
    }

    fn invariant(&mut self, definitions: &Definitions, row: &str) {
        let columns: Vec<&str> = row.split('\t').collect();
        let [path, key, severity, expression, human] = columns[..] else {
            panic!("five columns in: {row}")
        };
        let severity = if severity == "error" {
            Severity::Error
        } else {
            Severity::Warning
        };
        let invariant = Invariant {
            key: key.into(),
            severity,
            human: human.into(),
            expression: Expression::parse(expression).unwrap_or_else(|why| panic!("{row}: {why}")),
        };
        self.known.insert((key.into(), human.into()));
        if let Some(kind) = definitions.type_id(path) {
            self.of_type[kind.0 as usize].push(invariant);
            return;
        }
        let place = element_place(definitions, path).unwrap_or_else(|| panic!("no such element: {row}"));
        self.of_element[place as usize].push(invariant);
    }

    /// The binding of an element, by its place.
    pub(crate) fn binding_of(&self, place: u32) -> Option<&Binding> {
        self.bindings[place as usize].as_ref()
    }

    /// The binding of a type.
    pub(crate) fn binding_of_type(&self, kind: TypeId) -> Option<&Binding> {
        self.type_bindings.get(&kind)
    }

    /// The invariants of an element, by its place.
    pub(crate) fn of_element(&self, place: u32) -> &[Invariant] {
        &self.of_element[place as usize]
    }

    /// The invariants of a type and of those it specialises.
    pub(crate) fn of_type(&self, definitions: &Definitions, kind: TypeId) -> impl Iterator<Item = &Invariant> {
        let up = std::iter::successors(Some(kind), |kind| definitions.base(*kind));
        up.flat_map(|kind| &self.of_type[kind.0 as usize])
    }

    /// Whether a profile's invariant is one of the standard's, repeated.
    pub(crate) fn is_known(&self, key: &str, human: &str) -> bool {
        let human: Vec<&str> = human.split_ascii_whitespace().collect();
        self.known.contains(&(key.into(), human.join(" ").into()))
    }
}

fn element_place(definitions: &Definitions, path: &str) -> Option<u32> {
    let (parent, name) = path.rsplit_once('.')?;
    let kind = definitions.type_id(parent)?;
    definitions.own_element(kind, name).map(|(place, _)| place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_has_its_place() {
        let definitions = Definitions::r4();
        let rules = Rules::r4(&definitions);
        let (place, _) = definitions
            .own_element(definitions.type_id("Patient").unwrap(), "gender")
            .unwrap();
        assert_eq!(rules.binding_of(place).unwrap().strength, Strength::Required);
        let contact = definitions.type_id("Patient.contact").unwrap();
        assert!(
            rules
                .of_type(&definitions, contact)
                .any(|invariant| &*invariant.key == "pat-1")
        );
        let (place, _) = definitions
            .own_element(definitions.type_id("Narrative").unwrap(), "div")
            .unwrap();
        assert_eq!(rules.of_element(place).len(), 2);
        assert!(rules.is_known("per-1", "If present, start SHALL have a lower  value than end"));
    }
}
