//! The measurements in observations, grouped by what was measured and brought to one unit each.
//!
//! A value counts where it is a quantity in a UCUM unit, without a comparator, of an observation without modifier
//! extensions, and can be converted to the unit of its group: that of its newest measurement.

use std::collections::HashSet;

use fhir::document::Node;
use fhir::identity::Id;
use fhir::tree::Tree;
use query::{ParamId, SortValue, sort_key};
use search_index::{Clock, STEPS_PER_RECORD};
use ucum::{Amount, Unit, convert};

use crate::engine::Engine;
use crate::record::{Record, parsed};
use crate::refusal::Refusal;
use crate::related::local;
use crate::statistics::{Dimension, Figure, Measurement, decimal, figures};

/// The system of the statistics' codes.
const STATISTICS: &str = "http://terminology.hl7.org/CodeSystem/observation-statistics";
/// Microseconds of a day.
const DAY: f64 = 8.64e10;

/// A code asked for; without a system, of any.
pub(crate) struct Code {
    pub(crate) system: Option<String>,
    pub(crate) code: String,
}

impl Code {
    fn is(&self, coding: Node<'_>) -> bool {
        let same = |system: &String| coding.string("system").is_some_and(|own| own == *system);
        coding.string("code").is_some_and(|code| code == self.code) && self.system.as_ref().is_none_or(same)
    }
}

/// What was measured under one code.
pub(crate) struct Group {
    name: String,
    /// The code.
    pub(crate) concept: Tree,
    /// The unit of all of them, as people write it, and by its code.
    unit: Option<(String, Unit)>,
    measurements: Vec<Measurement>,
    total: usize,
}

/// All groups of one call.
pub(crate) struct Measured<'a> {
    engine: &'a Engine,
    base: &'a str,
    codes: &'a [Code],
    date: ParamId,
    /// Whether something was found of each code.
    answered: Vec<bool>,
    groups: Vec<Group>,
    seen: HashSet<(Id, usize)>,
}

impl<'a> Measured<'a> {
    /// None yet. Of no codes every observation is measured, under its first coding.
    pub(crate) fn new(engine: &'a Engine, base: &'a str, codes: &'a [Code], date: ParamId) -> Measured<'a> {
        Measured {
            engine,
            base,
            codes,
            date,
            answered: vec![false; codes.len()],
            groups: Vec::new(),
            seen: HashSet::new(),
        }
    }

    /// How many groups there are.
    pub(crate) fn groups(&self) -> usize {
        self.groups.len()
    }

    /// Takes in what an observation measures. Of a panel, which has no value itself, that is what its components and
    /// its members measure.
    ///
    /// # Errors
    /// Out of time; those of the store.
    pub(crate) fn take(&mut self, record: &Record, observation: Node<'_>, clock: &Clock) -> Result<(), Refusal> {
        let own = observation.get("code").filter(|code| self.wants(*code));
        let panel = own.is_some() && !self.codes.is_empty() && observation.get("valueQuantity").is_none();
        if let Some(code) = own {
            let bare = panel && (observation.get("component").is_some() || observation.get("hasMember").is_some());
            if !bare {
                self.measure((&record.id, 0), code, observation, observation);
            }
        }
        let components = observation.get("component");
        for (place, component) in components.iter().flat_map(|list| list.each()).enumerate() {
            if let Some(code) = component.get("code").filter(|code| panel || self.wants(*code)) {
                self.measure((&record.id, place + 1), code, component, observation);
            }
        }
        if panel {
            self.members(observation, clock)?;
        }
        Ok(())
    }

    fn members(&mut self, panel: Node<'_>, clock: &Clock) -> Result<(), Refusal> {
        let members = panel.get("hasMember");
        for member in members.iter().flat_map(|list| list.each()) {
            let named = member.string("reference").and_then(|text| local(&text, self.base));
            let Some((kind, id, _)) = named.filter(|(kind, ..)| kind.as_str() == "Observation") else {
                continue;
            };
            clock.check(STEPS_PER_RECORD)?;
            let document = match self.engine.record(&kind, &id) {
                Ok(cached) => parsed(&cached.json)?,
                Err(refusal) if matches!(refusal.status, 404 | 410) => continue,
                Err(refusal) => return Err(refusal),
            };
            let observation = document.root();
            let wrong = observation
                .string("status")
                .is_some_and(|status| status == "entered-in-error");
            if let Some(code) = observation.get("code").filter(|_| !wrong) {
                self.measure((&id, 0), code, observation, observation);
            }
        }
        Ok(())
    }

    /// Whether a concept is asked for; remembers by which codes.
    fn wants(&mut self, concept: Node<'_>) -> bool {
        let Some(coding) = self.asked(concept) else {
            return self.codes.is_empty();
        };
        for (code, answered) in self.codes.iter().zip(&mut self.answered) {
            *answered |= code.is(coding);
        }
        true
    }

    /// The coding by which a concept is asked for.
    fn asked<'n>(&self, concept: Node<'n>) -> Option<Node<'n>> {
        let list = concept.get("coding")?;
        let mut codings = list.each();
        codings.find(|coding| self.codes.iter().any(|code| code.is(*coding)))
    }

    /// Takes in one value, once: `holder` has it, `observation` says when it was.
    fn measure(&mut self, (id, place): (&Id, usize), concept: Node<'_>, holder: Node<'_>, observation: Node<'_>) {
        if !self.seen.insert((id.clone(), place)) {
            return;
        }
        let first = || concept.get("coding").and_then(|list| list.each().next());
        let coding = self.asked(concept).or_else(first);
        let name = match coding {
            Some(coding) => {
                let part = |name: &str| coding.string(name).unwrap_or_default().into_owned();
                format!("{}|{}", part("system"), part("code"))
            }
            None => format!("text {}", concept.string("text").unwrap_or_default()),
        };
        let place = self
            .groups
            .iter()
            .position(|group| group.name == name)
            .unwrap_or_else(|| {
                self.groups.push(Group::new(name, concept_of(coding, concept)));
                self.groups.len() - 1
            });
        let exact = observation.get("modifierExtension").is_none() && holder.get("modifierExtension").is_none();
        let value = holder.get("valueQuantity").filter(|_| exact).and_then(quantity);
        let day = self.moment(observation).map(|micros| micros as f64 / DAY);
        self.groups[place].add(day, value);
    }

    fn moment(&self, observation: Node<'_>) -> Option<i64> {
        let kind = self.engine.registry.kind("Observation")?;
        let values = self.engine.registry.extract(kind, observation);
        match sort_key(&values, self.date, false) {
            Some(SortValue::Number(micros)) => Some(micros),
            _ => None,
        }
    }

    /// The groups; for each code that nothing was found of, an empty one.
    pub(crate) fn finish(mut self) -> Vec<Group> {
        let unanswered = self
            .codes
            .iter()
            .zip(&self.answered)
            .filter(|(_, answered)| !**answered);
        for (code, _) in unanswered {
            let mut coding = Tree::Object(Vec::new());
            if let Some(system) = &code.system {
                coding.set("system", Tree::string(system.as_str()));
            }
            coding.set("code", Tree::string(code.code.as_str()));
            let concept = Tree::object([("coding", Tree::Array(vec![coding]))]);
            self.groups.push(Group::new(String::new(), concept));
        }
        self.groups
    }
}

fn concept_of(coding: Option<Node<'_>>, concept: Node<'_>) -> Tree {
    let mut tree = Tree::Object(Vec::new());
    if let Some(coding) = coding {
        tree.set("coding", Tree::Array(vec![Tree::from_node(coding)]));
    }
    if let Some(text) = concept.get("text") {
        tree.set("text", Tree::from_node(text));
    }
    tree
}

/// The amount, the unit as people write it, and the unit.
fn quantity(value: Node<'_>) -> Option<(Amount, String, Unit)> {
    let ucum = value.string("system").is_some_and(|system| system == ucum::SYSTEM);
    if !ucum || value.get("comparator").is_some() {
        return None;
    }
    let code = value.string("code")?;
    let unit = Unit::parse(&code).ok()?;
    let amount = Amount::parse(value.get("value")?.as_number()?)?;
    Some((amount, value.string("unit").unwrap_or(code).into_owned(), unit))
}

impl Group {
    fn new(name: String, concept: Tree) -> Group {
        Group {
            name,
            concept,
            unit: None,
            measurements: Vec::new(),
            total: 0,
        }
    }

    fn add(&mut self, day: Option<f64>, value: Option<(Amount, String, Unit)>) {
        self.total += 1;
        let Some((amount, written, unit)) = value else {
            return;
        };
        let (_, own) = self.unit.get_or_insert_with(|| (written, unit.clone()));
        if let Ok(amount) = convert(amount, &unit, own) {
            let amount = amount.to_f64();
            self.measurements.push(Measurement { day, amount });
        }
    }

    /// The components for a statistic: one, or one for each of its figures.
    pub(crate) fn components(&self, (code, display): &(&str, &str)) -> Vec<Tree> {
        let figures = figures(code, &self.measurements, self.total);
        figures
            .into_iter()
            .map(|figure| self.component(code, display, figure))
            .collect()
    }

    fn component(&self, code: &str, display: &str, (part, value, dimension): Figure) -> Tree {
        let coding = Tree::object([
            ("system", Tree::string(STATISTICS)),
            ("code", Tree::string(code)),
            ("display", Tree::string(display)),
        ]);
        let mut concept = Tree::object([("coding", Tree::Array(vec![coding]))]);
        if let Some(part) = part {
            concept.set("text", Tree::string(part));
        }
        let mut component = Tree::object([("code", concept)]);
        match value {
            Some(value) => component.set("valueQuantity", self.quantity(value, dimension)),
            None => component.set("dataAbsentReason", undefined()),
        }
        component
    }

    fn quantity(&self, value: f64, dimension: Dimension) -> Tree {
        let (written, code) = match (&self.unit, dimension) {
            (_, Dimension::Number) | (None, _) => ("1".to_owned(), "1".to_owned()),
            (Some((written, unit)), Dimension::Unit) => (written.clone(), unit.code().to_owned()),
            (Some((written, unit)), Dimension::Squared) => (format!("({written})²"), format!("({})2", unit.code())),
            (Some((written, unit)), Dimension::PerDay) => (format!("{written}/day"), format!("({})/d", unit.code())),
        };
        let mut quantity = Tree::object([("value", Tree::Number(decimal(value))), ("unit", Tree::string(written))]);
        // A unit such as degrees Celsius has no square.
        if Unit::parse(&code).is_ok() {
            quantity.set("system", Tree::string(ucum::SYSTEM));
            quantity.set("code", Tree::string(code));
        }
        quantity
    }
}

/// Too few measurements for the figure to mean anything.
fn undefined() -> Tree {
    let system = "http://terminology.hl7.org/CodeSystem/data-absent-reason";
    crate::find::concept(system, "not-applicable", "Not Applicable")
}
