//! The filters of a value set (<https://hl7.org/fhir/R4/valueset-filter-operator.html>), and those that came after R4.

use regex::Regex;

use crate::ecl::{Set, pick};
use crate::finding::{Finding, Unable};
use crate::system::{Place, System, is_below, reach};
use crate::value_set::Filter;

const LOINC: &str = "http://loinc.org";
pub(crate) const SNOMED: &str = "http://snomed.info/sct";
/// The filter by which the value set of all reference sets is made.
pub(crate) const REFERENCE_SETS: &str = "referenceSetMembers";
/// What a compiled regular expression may take, in bytes.
const REGEX_BYTES_MAX: usize = 1 << 20;

/// A filter made ready for one system.
pub(crate) enum Test<'f> {
    /// The code and all below it, without itself where `proper`.
    Below { top: u32, proper: bool },
    /// Any code but those.
    NotBelow(u32),
    /// The code and all above it.
    Above(Vec<u32>),
    /// Those directly below a code.
    Child(u32),
    /// Those below a code with none below them.
    Leaf(u32),
    /// None: the filter names a code that the system does not have.
    Nothing,
    /// The code itself, or its display or definition, or a property, put to a comparison.
    Value(&'f str, Compare<'f>),
    /// What only the system knows.
    Own(&'f Filter, &'f str),
    /// Some codes, worked out beforehand.
    Set(Set),
}

pub(crate) enum Compare<'f> {
    Equal(&'f str),
    In(Vec<&'f str>),
    NotIn(Vec<&'f str>),
    Matches(&'f Regex),
    Exists(bool),
}

impl<'f> Test<'f> {
    /// Makes a filter ready.
    ///
    /// # Errors
    /// 422 for a filter without a value, with an operator that is unknown, or with a regular expression that cannot be
    /// used.
    pub(crate) fn of(filter: &'f Filter, system: &dyn System) -> Result<Test<'f>, Unable> {
        let url = &system.facts().url;
        let Filter {
            property, op, value, ..
        } = filter;
        let Some(value) = value.as_deref() else {
            let text = format!("The system {url} filter with property = {property}, op = {op} has no value");
            return Err(invalid(filter, text));
        };
        if system.count().is_none() {
            return Ok(Test::Own(filter, value));
        }
        if let Some(set) = of_members(filter, system, value)? {
            return Ok(Test::Set(set));
        }
        let is_concept = matches!(property.as_str(), "concept" | "code");
        let place = |code: &str| match system.find(code) {
            Some(Place::At(place)) => Some(place),
            _ => None,
        };
        let of_hierarchy = matches!(op.as_str(), "is-a" | "descendent-of" | "is-not-a" | "generalizes");
        if !is_concept && (of_hierarchy || !has_property(system, property)) {
            return Err(unknown(filter, url, value));
        }
        let at = |make: &dyn Fn(u32) -> Test<'f>| place(value).map_or(Test::Nothing, make);
        Ok(match op.as_str() {
            "is-a" => at(&|top| Test::Below { top, proper: false }),
            "descendent-of" => at(&|top| Test::Below { top, proper: true }),
            "is-not-a" => at(&Test::NotBelow),
            "generalizes" => at(&|from| Test::Above(reach(system, from, true))),
            "child-of" if is_concept => at(&Test::Child),
            "descendent-leaf" if is_concept => at(&Test::Leaf),
            "=" => Test::Value(property, Compare::Equal(value)),
            "in" => Test::Value(property, Compare::In(values(value))),
            "not-in" => Test::Value(property, Compare::NotIn(values(value))),
            "exists" => Test::Value(property, Compare::Exists(value != "false")),
            "regex" => Test::Value(property, Compare::Matches(regex(filter, value)?)),
            _ => return Err(unknown(filter, url, value)),
        })
    }

    /// The codes it picks, where they can be named without trying all.
    pub(crate) fn listing(&self, system: &dyn System) -> Option<Vec<u32>> {
        match self {
            Test::Below { top, proper } => {
                let mut all = reach(system, *top, false);
                all.drain(..usize::from(*proper));
                Some(all)
            }
            Test::Above(all) => Some(all.clone()),
            Test::Child(of) => Some(system.children(*of).to_vec()),
            Test::Nothing => Some(Vec::new()),
            Test::Set(all) => Some(all.iter().copied().collect()),
            Test::Value("code" | "concept", Compare::Equal(code)) => Some(places(system, &[code])),
            Test::Value("code" | "concept", Compare::In(codes)) => Some(places(system, codes)),
            _ => None,
        }
    }

    /// Whether it picks a code.
    ///
    /// # Errors
    /// 422 where the system does not know the filter.
    pub(crate) fn picks(&self, system: &dyn System, place: &Place) -> Result<bool, Unable> {
        let number = match place {
            Place::At(number) => *number,
            Place::Written(_) => u32::MAX,
        };
        Ok(match self {
            Test::Below { top, proper } => !(*proper && number == *top) && is_below(system, number, *top),
            Test::NotBelow(top) => !is_below(system, number, *top),
            Test::Above(all) => all.contains(&number),
            Test::Child(of) => system.parents(number).contains(of),
            Test::Leaf(of) => number != *of && system.children(number).is_empty() && is_below(system, number, *of),
            Test::Nothing => false,
            Test::Set(all) => all.contains(&number),
            Test::Value(property, compare) => compare.holds(&values_of(system, place, property)),
            Test::Own(filter, value) => match system.own_filter(&filter.property, &filter.op, value, place) {
                Some(picks) => picks,
                None => return Err(unknown(filter, &system.facts().url, value)),
            },
        })
    }
}

/// The filters that SNOMED CT and LOINC have of their own: an expression, the members of a reference set or of a list, and
/// all reference sets (<https://hl7.org/fhir/R4/snomedct.html#filters>, <https://hl7.org/fhir/R4/loinc.html>).
fn of_members(filter: &Filter, system: &dyn System, value: &str) -> Result<Option<Set>, Unable> {
    let members = |code: &str| match system.find(code) {
        Some(Place::At(number)) => system.members(number).iter().copied().collect(),
        _ => Set::default(),
    };
    let all = 0..system.count().unwrap_or(0);
    Ok(
        match (
            system.facts().url.as_str(),
            filter.property.as_str(),
            filter.op.as_str(),
        ) {
            (SNOMED, "constraint", "=") => {
                let picked = pick(system, value).map_err(|why| {
                    let text = format!("The expression constraint `{value}` cannot be used: {why}");
                    invalid(filter, text)
                })?;
                Some(picked)
            }
            (SNOMED, REFERENCE_SETS, "exists") => {
                Some(all.filter(|number| !system.members(*number).is_empty()).collect())
            }
            (SNOMED, "concept", "in") | (LOINC, "LIST", "=") => {
                Some(members(value)).filter(|members| !members.is_empty())
            }
            _ => None,
        },
    )
}

fn places(system: &dyn System, codes: &[&str]) -> Vec<u32> {
    let place = |code: &&str| match system.find(code) {
        Some(Place::At(place)) => Some(place),
        _ => None,
    };
    codes.iter().filter_map(place).collect()
}

/// What codes may have in every system (<https://hl7.org/fhir/R4/codesystem-concept-properties.html>), or have outright.
const COMMON: [&str; 12] = [
    "child",
    "comment",
    "definition",
    "deprecated",
    "deprecationDate",
    "designation",
    "display",
    "effectiveDate",
    "inactive",
    "notSelectable",
    "parent",
    "status",
];

/// Whether a system has a property: it defines it, or some code of it has a value for it. A filter by another is no
/// question to it (<https://hl7.org/fhir/R4/valueset-definitions.html#ValueSet.compose.include.filter.property>).
fn has_property(system: &dyn System, property: &str) -> bool {
    let is_defined = || system.facts().properties.iter().any(|(code, _)| code == property);
    let has_some = |number| !values_of(system, &Place::At(number), property).is_empty();
    COMMON.contains(&property) || is_defined() || (0..system.count().unwrap_or(0)).any(has_some)
}

/// The values of a property of a code, as filters compare them.
fn values_of(system: &dyn System, place: &Place, property: &str) -> Vec<String> {
    match property {
        "code" | "concept" => vec![system.code(place).into_owned()],
        "display" => system
            .display(place)
            .map(|text| text.into_owned())
            .into_iter()
            .collect(),
        "definition" => system.details(place).definition.into_iter().collect(),
        "parent" | "child" => {
            let Place::At(number) = place else { return Vec::new() };
            let others = match property {
                "parent" => system.parents(*number),
                _ => system.children(*number),
            };
            let code = |other: &u32| system.code(&Place::At(*other)).into_owned();
            others.iter().map(code).collect()
        }
        "designation" => system
            .details(place)
            .designations
            .into_iter()
            .map(|d| d.value)
            .collect(),
        _ => {
            let properties = system.details(place).properties;
            let named = properties.iter().filter(|p| p.code == property);
            let values: Vec<String> = named.map(|p| p.text().into_owned()).collect();
            // What every system may say of its codes, whether or not it wrote it down.
            match (values.is_empty(), property) {
                (true, "inactive") => vec![system.state(place).inactive.to_string()],
                (true, "status") => system.state(place).status.into_iter().collect(),
                _ => values,
            }
        }
    }
}

impl Compare<'_> {
    fn holds(&self, values: &[String]) -> bool {
        match self {
            Compare::Equal(value) => values.iter().any(|has| has == value),
            Compare::In(list) => values.iter().any(|has| list.contains(&has.as_str())),
            Compare::NotIn(list) => !values.iter().any(|has| list.contains(&has.as_str())),
            Compare::Matches(regex) => values.iter().any(|has| regex.is_match(has)),
            Compare::Exists(wanted) => values.is_empty() != *wanted,
        }
    }
}

fn values(list: &str) -> Vec<&str> {
    list.split(',').map(str::trim).collect()
}

/// The whole value has to match. The engine of the expressions takes time in proportion to the text, whatever they say;
/// an expression is compiled once for all codes.
fn regex<'f>(filter: &'f Filter, value: &str) -> Result<&'f Regex, Unable> {
    let build = || {
        let whole = format!("^(?:{value})$");
        regex::RegexBuilder::new(&whole)
            .size_limit(REGEX_BYTES_MAX)
            .build()
            .ok()
    };
    filter.regex.get_or_init(build).as_ref().ok_or_else(|| {
        let text = format!("The regular expression `{value}` is not one that can be used here: mend or shorten it");
        invalid(filter, text)
    })
}

fn invalid(filter: &Filter, text: String) -> Unable {
    let finding = Finding::error("invalid", "vs-invalid", text).at(&filter.expression);
    Unable::unusable(match filter.value {
        None => finding.known_as("UNABLE_TO_HANDLE_SYSTEM_FILTER_WITH_NO_VALUE"),
        Some(_) => finding,
    })
}

fn unknown(filter: &Filter, url: &str, value: &str) -> Unable {
    let (property, op) = (&filter.property, &filter.op);
    let text = format!("The filter \"{property} {op} {value}\" from the code system {url} was not understood");
    Unable::unusable(Finding::error("not-supported", "vs-invalid", text).at(&filter.expression))
}
