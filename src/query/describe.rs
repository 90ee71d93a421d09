//! A condition in words, for a person who wants to know what a search asks and why it is slow.

use fhir::identity::Kind;
use fhir::moment::instant;
use text::Word;

use crate::predicate::{Join, Predicate};
use crate::registry::Registry;
use crate::span::{Span, Window, number};
use crate::test::{PartTest, ReferenceTest, StringTest, Test, TokenTest, UnitTest, UriTest};
use crate::values::ParamId;

/// Of a list of names so many are told one by one.
const NAMED_MAX: usize = 8;
/// A text of fewer letters than this begins very many others.
const LETTERS_FEW: usize = 3;
/// More kinds than this are many.
const KINDS_MANY: usize = 8;

impl Predicate {
    /// The condition in words. Of a condition that has others in it, only how it joins them: those are
    /// told by their own headings.
    pub fn heading(&self, registry: &Registry) -> String {
        let code = |param: &ParamId| registry.code(*param).unwrap_or("an unknown parameter").to_owned();
        match self {
            Predicate::All => "every record".into(),
            Predicate::Nothing => "no record".into(),
            Predicate::And(_) => "all of".into(),
            Predicate::Or(_) => "any of".into(),
            Predicate::Not(_) => "not".into(),
            Predicate::Kind(kinds) => format!("is a record of {}", some(kinds.iter().map(Kind::as_str))),
            Predicate::Is(ids) => format!("_id is {}", some(ids.iter().map(|id| id.as_str()))),
            Predicate::Updated(span) => format!("_lastUpdated {}", times(span)),
            Predicate::Test { param, test } => format!("{} {}", code(param), of_test(test)),
            Predicate::Differ { param, by } => format!("{} has values that differ by {}", code(param), by.name()),
            Predicate::Text(words) => format!("_text has {}", all_of(words)),
            Predicate::Content(words) => format!("_content has {}", all_of(words)),
            Predicate::Chain { param, targets, .. } => {
                format!(
                    "{} refers to a record of {} that meets",
                    code(param),
                    some(targets.iter().map(Kind::as_str))
                )
            }
            Predicate::Has { kind, param, .. } => {
                format!("a record of {kind} refers here by {} and meets", code(param))
            }
            Predicate::Contains { by, kinds, inner } => {
                let by = by.map_or(String::new(), |by| format!(", referred to by {},", code(&by)));
                let kinds = some(kinds.iter().map(Kind::as_str));
                format!(
                    "contains a resource of {kinds}{by} that meets ({})",
                    inner.describe(registry)
                )
            }
            Predicate::Within { param, hierarchy } => {
                let way = if hierarchy.up { "above" } else { "below" };
                let (kind, id) = (&hierarchy.kind, &hierarchy.id);
                format!("{} refers to {kind}/{id} or a record {way} it", code(param))
            }
            Predicate::PointsTo { param, set } => {
                format!("{} points to one of {} canonical addresses", code(param), set.len())
            }
            Predicate::RefersTo { param, set } => {
                format!("{} refers to one of {} joined records", code(param), set.len())
            }
            Predicate::OneOf(set) => format!("is one of {} joined records", set.len()),
        }
    }

    /// The conditions directly in this one.
    pub fn inner(&self) -> &[Predicate] {
        match self {
            Predicate::And(list) | Predicate::Or(list) => list,
            Predicate::Not(inner) | Predicate::Chain { inner, .. } | Predicate::Has { inner, .. } => {
                std::slice::from_ref(inner)
            }
            _ => &[],
        }
    }

    /// The whole condition in words, on one line.
    pub fn describe(&self, registry: &Registry) -> String {
        let inner = |word: &str| {
            let parts: Vec<String> = self.inner().iter().map(|part| part.describe(registry)).collect();
            format!("({})", parts.join(word))
        };
        match self {
            Predicate::And(list) if list.is_empty() => Predicate::All.heading(registry),
            Predicate::Or(list) if list.is_empty() => Predicate::Nothing.heading(registry),
            Predicate::And(_) => inner(" and "),
            Predicate::Or(_) => inner(" or "),
            Predicate::Not(_) | Predicate::Chain { .. } | Predicate::Has { .. } => {
                format!("{} {}", self.heading(registry), inner(" "))
            }
            _ => self.heading(registry),
        }
    }
}

impl Join {
    /// The join in words, on one line.
    pub fn describe(&self, registry: &Registry) -> String {
        let (outer, inner) = match self {
            Join::Contains { by, kinds, inner } => {
                let (by, kinds, inner) = (*by, kinds.clone(), Box::new(inner.clone()));
                return Predicate::Contains { by, kinds, inner }.heading(registry);
            }
            Join::Within { param, hierarchy } => {
                let (param, hierarchy) = (*param, hierarchy.clone());
                return Predicate::Within { param, hierarchy }.heading(registry);
            }
            Join::Chain {
                param,
                targets,
                inner,
                canonical,
            } => (
                Predicate::Chain {
                    param: *param,
                    targets: targets.clone(),
                    inner: Box::new(Predicate::All),
                    canonical: *canonical,
                },
                inner,
            ),
            Join::Has {
                kind,
                param,
                inner,
                canonical,
            } => (
                Predicate::Has {
                    kind: kind.clone(),
                    param: *param,
                    inner: Box::new(Predicate::All),
                    canonical: *canonical,
                },
                inner,
            ),
        };
        format!("{} ({})", outer.heading(registry), inner.describe(registry))
    }
}

/// Some names of a list, and how many there are besides.
fn some<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let all: Vec<&str> = names.collect();
    let told = all[..all.len().min(NAMED_MAX)].join(", ");
    match all.len().saturating_sub(NAMED_MAX) {
        0 => told,
        more => format!("{told} and {more} more"),
    }
}

fn of_test(test: &Test) -> String {
    match test {
        Test::Present => "is there".into(),
        Test::Token(test) => format!("is {}", token(test)),
        Test::TokenText(text) => format!("has a display that starts with \"{text}\""),
        Test::OfType { system, code, value } => format!("is \"{value}\" of type {system}|{code}"),
        Test::String(StringTest::Prefix(text)) => format!("starts with \"{text}\""),
        Test::String(StringTest::Exact(text)) => format!("is exactly \"{text}\""),
        Test::String(StringTest::Contains(text)) => format!("contains \"{text}\""),
        Test::String(StringTest::Equal(text)) => format!("is \"{text}\" when folded"),
        Test::String(StringTest::Suffix(text)) => format!("ends with \"{text}\""),
        Test::Reference(test) => reference(test),
        Test::Date(span) => times(span),
        Test::Number(span) => numbers(span),
        Test::Quantity(span, unit) => match unit {
            UnitTest::Any => numbers(span),
            UnitTest::Coded(system, code) => format!("{} in {system}|{code}", numbers(span)),
            UnitTest::Canonical(_) => format!("{} in UCUM's base units", numbers(span)),
            UnitTest::Named(name) => format!("{} in {name}", numbers(span)),
        },
        Test::Uri(UriTest::Exact(uri)) => format!("is {uri}"),
        Test::Uri(UriTest::Starts(text)) => format!("starts with {text}"),
        Test::Uri(UriTest::Contains(text)) => format!("contains {text}"),
        Test::Uri(UriTest::Ends(text)) => format!("ends with {text}"),
        Test::Uri(UriTest::Below(uri)) => format!("is {uri} or lies below it"),
        Test::Uri(UriTest::Above(uri)) => format!("is {uri} or lies above it"),
        Test::Near(near) => format!("is within {} metres of a place", near.metres),
        Test::Composite(tests) => {
            let part = |asked: &PartTest| match asked.passes {
                true => format!("what {}", of_test(&asked.test)),
                false => format!("nothing that {}", of_test(&asked.test)),
            };
            let parts: Vec<String> = tests.iter().map(part).collect();
            format!("has in one element {}", parts.join(", and "))
        }
    }
}

fn token(test: &TokenTest) -> String {
    match test {
        TokenTest::Code(code) => code.to_string(),
        TokenTest::Coded(system, code) => format!("{system}|{code}"),
        TokenTest::System(system) => format!("any code of {system}"),
        TokenTest::Among(set) => format!(
            "one of a set of {} codes and {} whole systems",
            set.coded.len(),
            set.systems.len()
        ),
    }
}

fn reference(test: &ReferenceTest) -> String {
    match test {
        ReferenceTest::Record { kinds, id, version } => {
            let names: Vec<String> = kinds.iter().map(|kind| format!("{kind}/{id}")).collect();
            let version = version.as_ref().map_or(String::new(), |v| format!(", version {v}"));
            format!("refers to {}{version}", some(names.iter().map(String::as_str)))
        }
        ReferenceTest::Address(address) => format!("refers to {address}"),
        ReferenceTest::Release(address) => format!("refers to {address} or a release of it"),
        ReferenceTest::Identifier(test) => format!("refers by the identifier {}", token(test)),
    }
}

/// Words, each with the tokens of which any finds it.
fn all_of(words: &[Word]) -> String {
    let words: Vec<String> = words.iter().map(|word| word.join("|")).collect();
    some(words.iter().map(String::as_str))
}

/// The windows of a span: the words for the least start, the greatest start, the least end, the greatest end.
fn windows(span: &Span, say: impl Fn(usize, i64) -> String) -> String {
    let one = |window: &Window| {
        let bounds = [
            (window.start_min, i64::MIN),
            (window.start_max, i64::MAX),
            (window.end_min, i64::MIN),
            (window.end_max, i64::MAX),
        ];
        let told = bounds.iter().enumerate().filter(|(_, (bound, none))| bound != none);
        let told: Vec<String> = told.map(|(which, (bound, _))| say(which, *bound)).collect();
        told.join(" and ")
    };
    let all: Vec<String> = span.windows.iter().map(one).collect();
    all.join(", or ")
}

fn times(span: &Span) -> String {
    windows(span, |which, bound| match which {
        0 => format!("starts at or after {}", instant(bound)),
        1 => format!("starts before {}", instant(bound.saturating_add(1))),
        2 => format!("ends after {}", instant(bound.saturating_sub(1))),
        _ => format!("ends by {}", instant(bound)),
    })
}

fn numbers(span: &Span) -> String {
    windows(span, |which, bound| match which {
        0 => format!("is at least {}", told(bound)),
        1 => format!("is less than {}", told(bound.saturating_add(1))),
        2 => format!("is more than {}", told(bound.saturating_sub(2))),
        _ => format!("is at most {}", told(bound.saturating_sub(1))),
    })
}

/// A bound as a number; what is just above zero in a few digits, not in hundreds.
fn told(bound: i64) -> String {
    let found = number(bound);
    match found.abs() {
        size if size != 0.0 && !(1e-9..1e15).contains(&size) => format!("{found:e}"),
        _ => found.to_string(),
    }
}

/// How to narrow a search that costs too much: a sentence about what in it costs most.
pub fn advice(kinds: &[Kind], predicate: &Predicate, registry: &Registry) -> String {
    let mut found = None;
    predicate.walk(&mut |part| {
        if found.is_none() {
            found = of_part(part, registry);
        }
    });
    if let Some(found) = found {
        return found;
    }
    if kinds.is_empty() || kinds.len() > KINDS_MANY {
        return "Name the kinds of record with `_type`, and add a patient, a code or a date.".into();
    }
    if !is_led(predicate) {
        return "Nothing in it leads to few records: add a patient, an identifier or a code, beside any date.".into();
    }
    match predicate.joins().first() {
        Some(join) => format!(
            "It joins other records ({}): find those first, and ask for them by their ids; or add a patient or a code.",
            join.heading(registry)
        ),
        None => "Narrow it by a patient, a more special code or a date.".into(),
    }
}

/// What is to be said of a part that is dear by itself.
fn of_part(part: &Predicate, registry: &Registry) -> Option<String> {
    let Predicate::Test { param, test } = part else {
        return None;
    };
    let code = registry.code(*param)?;
    match test {
        Test::String(StringTest::Contains(_)) => Some(format!(
            "`{code}:contains` reads every text of `{code}`: write how the text begins, without :contains."
        )),
        Test::String(StringTest::Prefix(text)) | Test::TokenText(text) if text.chars().count() < LETTERS_FEW => Some(
            format!("Very many records have a `{code}` that starts with \"{text}\": write more letters of it."),
        ),
        _ => None,
    }
}

/// Whether some part lists the records that meet it, so that not all need be looked at.
fn is_led(predicate: &Predicate) -> bool {
    match predicate {
        Predicate::And(list) => list.iter().any(is_led),
        Predicate::Or(list) => !list.is_empty() && list.iter().all(is_led),
        Predicate::All | Predicate::Kind(_) | Predicate::Not(_) | Predicate::Updated(_) | Predicate::OneOf(_) => false,
        Predicate::Test { test, .. } => !matches!(test, Test::Date(_) | Test::Number(_) | Test::Quantity(..)),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use conformance::Definitions;

    use super::*;
    use crate::search::{Handling, parse};

    #[test]
    fn conditions_and_advice_are_in_words() {
        let registry = Registry::new(Arc::clone(&Definitions::r4()), 0);
        let handling = Handling {
            strict: true,
            now: 0,
            base: "",
        };
        let table = "
            Patient?name=dor                  | name starts with \"dor\"          | a more special code
            Patient?name=d                    | name starts with \"d\"            | write more letters
            Patient?name:contains=d           | name contains \"d\"               | without :contains
            Patient?birthdate=gt1987          | birthdate ends after 1988-01-01T00:00:00.000Z | Nothing in it leads
            Patient?birthdate=1987            | birthdate starts at or after 1987-01-01T00:00:00.000Z and ends by 1988-01-01T00:00:00.000Z | Nothing in it leads
            RiskAssessment?probability=gt0.5  | probability is more than 0.5      | Nothing in it leads
            Patient?gender:not=male           | not (gender is male)              | Nothing in it leads
            Observation?subject:Patient.gender=male,female | subject refers to a record of Patient that meets ((gender is male or gender is female)) | find those first
            Patient?_has:Observation:patient:code=8310-5 | a record of Observation refers here by patient and meets (code is 8310-5) | find those first
            Observation?patient=17            | patient refers to Patient/17      | a more special code";
        for line in table.trim().lines() {
            let columns: Vec<&str> = line.split(" | ").map(str::trim).collect();
            let (kind, param) = columns[0].split_once('?').unwrap();
            let (name, value) = param.split_once('=').unwrap();
            let kinds = [Kind::new(kind).unwrap()];
            let search = parse(&registry, &kinds, &[(name.into(), value.into())], &handling).unwrap();
            assert_eq!(search.predicate.describe(&registry), columns[1], "{line}");
            let said = advice(&kinds, &search.predicate, &registry);
            assert!(said.contains(columns[2]), "{line}: {said}");
        }
        assert!(advice(&[], &Predicate::All, &registry).contains("`_type`"));
    }
}
