//! `_filter`: what each operator means for each type of parameter (<https://hl7.org/fhir/R4/search_filter.html>).
//!
//! A filter becomes the same predicate as other parameters. Whatever cannot be expressed is refused by name, also where
//! unknown parameters are ignored: leaving out a part of a filter would answer another question.

use conformance::ParameterType;
use fhir::identity::Kind;

use crate::clause::{Common, Reader, names, wrong};
use crate::filter_parse::{Filter, Operator, Step, parse};
use crate::literal;
use crate::modifier::{Asked, missing, narrowed, value_set};
use crate::predicate::Predicate;
use crate::sameness::Sameness;
use crate::search::Problem;
use crate::span::{Prefix, Span};
use crate::test::{PartTest, StringTest, Test, UriTest};

/// What is compared.
pub(crate) struct Comparison<'f> {
    pub(crate) operator: Operator,
    pub(crate) value: &'f str,
}

impl Reader<'_> {
    /// The condition that a filter puts on records of the kinds.
    pub(crate) fn filter(&self, kinds: &[Kind], modifier: Option<&str>, text: &str) -> Result<Predicate, Problem> {
        if let Some(modifier) = modifier {
            let text = format!("`_filter` supports no modifier, so not `:{modifier}`.");
            return Err(Problem::Refused(text));
        }
        let filter = parse(text).map_err(|why| wrong("_filter", &why))?;
        self.filtered(kinds, &filter, 0).map_err(|problem| match problem {
            Problem::Unsupported(text) => Problem::Refused(text),
            other => other,
        })
    }

    fn filtered(&self, kinds: &[Kind], filter: &Filter, depth: u32) -> Result<Predicate, Problem> {
        Ok(match filter {
            Filter::And(left, right) => {
                let left = self.filtered(kinds, left, depth)?;
                left.and(self.filtered(kinds, right, depth)?)
            }
            Filter::Or(left, right) => {
                let left = self.filtered(kinds, left, depth)?;
                let right = self.filtered(kinds, right, depth)?;
                match left {
                    Predicate::Or(mut any) => {
                        any.push(right);
                        Predicate::Or(any)
                    }
                    left => Predicate::Or(vec![left, right]),
                }
            }
            Filter::Not(inner) => self.filtered(kinds, inner, depth)?.negate(),
            Filter::Compare { path, operator, value } => {
                let comparison = Comparison {
                    operator: *operator,
                    value,
                };
                self.walk(kinds, path, &comparison, depth)?
            }
        })
    }

    /// A path: all steps but the last go through references.
    fn walk(
        &self,
        kinds: &[Kind],
        path: &[Step],
        comparison: &Comparison<'_>,
        depth: u32,
    ) -> Result<Predicate, Problem> {
        let [step, rest @ ..] = path else {
            return Ok(Predicate::All);
        };
        self.count(&step.name, depth)?;
        let (code, narrowing) = match step.name.split_once(':') {
            Some((code, kind)) => (code, Some(kind)),
            None => (step.name.as_str(), None),
        };
        if rest.is_empty() && step.filter.is_none() && narrowing.is_none() {
            return self.compare(kinds, code, comparison);
        }
        let common = self.common(kinds, code)?;
        match common.kind {
            ParameterType::Reference => {}
            ParameterType::Composite if narrowing.is_none() => {
                let asked = Asked {
                    common: &common,
                    code,
                    modifier: None,
                };
                return self.within_tuples(&asked, step.filter.as_ref(), rest, comparison);
            }
            other => {
                let what = other.as_str();
                let text = format!(
                    "`{code}` is a {what} parameter; in `_filter` only references and composites are followed by `.` and `[...]`."
                );
                return Err(Problem::Refused(text));
            }
        }
        let targets = narrowed(&common, narrowing).ok_or_else(|| {
            let (kind, all) = (narrowing.unwrap_or_default(), names(&common.targets));
            Problem::Refused(format!("`{code}` never refers to {kind}; it refers to {all}."))
        })?;
        let groups = match (&step.filter, rest) {
            (None, [next, ..]) => self.alike(&targets, next.name.split(':').next().unwrap_or_default()),
            _ => targets.iter().map(|kind| vec![kind.clone()]).collect(),
        };
        self.follow(&common, code, groups, &mut |group| {
            let inner = match &step.filter {
                Some(filter) => self.filtered(group, filter, depth + 1)?,
                None => Predicate::All,
            };
            if rest.is_empty() {
                return present(inner, comparison, &step.name);
            }
            Ok(inner.and(self.walk(group, rest, comparison, depth + 1)?))
        })
    }

    fn compare(&self, kinds: &[Kind], code: &str, comparison: &Comparison<'_>) -> Result<Predicate, Problem> {
        let Comparison { operator, value } = comparison;
        match (code, operator) {
            ("_id" | "_lastUpdated", Operator::Pr) => {
                return missing(Predicate::All, code, value).map(Predicate::negate);
            }
            ("_id", Operator::Eq) => return self.clause(kinds, "_id", value, 0),
            ("_id", Operator::Ne) => return self.clause(kinds, "_id:not", value, 0),
            ("_text" | "_content", Operator::Co) => return self.clause(kinds, code, value, 0),
            ("_lastUpdated", _) => return Ok(Predicate::Updated(self.dates(code, comparison)?)),
            ("_id" | "_text" | "_content", _) => {
                let text = format!("`{}` is not defined for `{code}` in `_filter`.", operator.as_str());
                return Err(Problem::Refused(text));
            }
            _ => {}
        }
        let common = &self.common(kinds, code)?;
        let asked = Asked {
            common,
            code,
            modifier: None,
        };
        match operator {
            Operator::Pr => missing(asked.is(Test::Present), code, value).map(Predicate::negate),
            Operator::Ne if !is_ordered(common.kind) => self.unequal(&asked, value),
            _ => self.by_type(&asked, comparison),
        }
    }

    pub(crate) fn by_type(&self, asked: &Asked<'_>, comparison: &Comparison<'_>) -> Result<Predicate, Problem> {
        let Comparison { operator, value } = *comparison;
        let text = |test: fn(Box<str>) -> StringTest| asked.read(literal::folded(value), |t| Test::String(test(t)));
        let uri = |test: fn(Box<str>) -> UriTest| Ok(asked.is(Test::Uri(test(literal::unescape(value).into()))));
        let prefixed = format!("{}{value}", operator.as_str());
        if is_ordered(asked.common.kind) && is_comparison(operator) {
            unprefixed(asked.code, asked.common.kind, value)?;
        }
        match (asked.common.kind, operator) {
            (ParameterType::String, Operator::Eq) => text(StringTest::Equal),
            (ParameterType::String, Operator::Co) => text(StringTest::Contains),
            (ParameterType::String, Operator::Sw) => text(StringTest::Prefix),
            (ParameterType::String, Operator::Ew) => text(StringTest::Suffix),
            (ParameterType::Uri, Operator::Co) => uri(UriTest::Contains),
            (ParameterType::Uri, Operator::Sw) => uri(UriTest::Starts),
            (ParameterType::Uri, Operator::Ew) => uri(UriTest::Ends),
            (ParameterType::Date, operator) if is_comparison(operator) || operator == Operator::Po => {
                Ok(asked.is(Test::Date(self.dates(asked.code, comparison)?)))
            }
            (ParameterType::Number, operator) if is_comparison(operator) => {
                asked.read(literal::number(&prefixed), Test::Number)
            }
            (ParameterType::Quantity, operator) if is_comparison(operator) => self.alternative(asked, &prefixed),
            (ParameterType::Token, Operator::Ss | Operator::Sb) => {
                let (system, code) = literal::coding(value).map_err(|why| wrong(asked.code, &why))?;
                let terminology = self.registry.terminology();
                let found = match operator {
                    Operator::Ss => terminology.below(&system, &code),
                    _ => terminology.above(&system, &code),
                };
                self.among(asked, found)
            }
            (ParameterType::Token, Operator::In | Operator::Ni) => {
                let set = value_set(value).map_err(|why| wrong(asked.code, &why))?;
                let within = self.among(asked, self.members(&set))?;
                Ok(if operator == Operator::Ni {
                    within.negate()
                } else {
                    within
                })
            }
            (ParameterType::Reference, Operator::Re) | (_, Operator::Eq) => self.alternative(asked, value),
            (kind, operator) => Err(Problem::Refused(format!(
                "`{}` is not defined for `{}` in `_filter`; a {} parameter takes {}.",
                operator.as_str(),
                asked.code,
                kind.as_str(),
                taken(kind)
            ))),
        }
    }

    /// `ne` says that there is a value which is not equal: none is, or one is and the values differ.
    fn unequal(&self, asked: &Asked<'_>, value: &str) -> Result<Predicate, Problem> {
        let (param, code) = (asked.common.id, asked.code);
        let comparison = Comparison {
            operator: Operator::Eq,
            value,
        };
        let equal = self.by_type(asked, &comparison)?;
        let Predicate::Test { test, .. } = &equal else {
            return Err(wrong(code, "`ne` compares with one value"));
        };
        if let Test::Composite(tests) = test {
            let unequal = |part: &PartTest| asked.is(Test::Composite([part.clone().negate()].into()));
            return Ok(Predicate::any(tests.iter().map(unequal).collect()));
        }
        let by = Sameness::of(test).ok_or_else(|| {
            wrong(
                code,
                "`ne` compares with one value; name a record with its kind, as in Patient/1",
            )
        })?;
        let none = asked.is(Test::Present).and(equal.clone().negate());
        Ok(Predicate::any(vec![none, equal.and(Predicate::Differ { param, by })]))
    }

    fn dates(&self, code: &str, comparison: &Comparison<'_>) -> Result<Span, Problem> {
        let Comparison { operator, value } = comparison;
        let zone = self.registry.zone();
        let span = match operator {
            // Overlapping is what `ap` asks after it has widened the range.
            Operator::Po => literal::range(value, zone).map(|range| Span::new(Prefix::Approximate, range)),
            operator if is_comparison(*operator) => {
                unprefixed(code, ParameterType::Date, value)?;
                literal::date(&format!("{}{value}", operator.as_str()), zone, self.handling)
            }
            operator => {
                let (name, taken) = (operator.as_str(), taken(ParameterType::Date));
                let text = format!("`{name}` is not defined for `{code}` in `_filter`; a date takes {taken}.");
                return Err(Problem::Refused(text));
            }
        };
        span.map_err(|why| wrong(code, &why))
    }

    /// A chain through a reference: `inner` reads what each group of kinds has to meet.
    pub(crate) fn follow(
        &self,
        common: &Common,
        code: &str,
        groups: Vec<Vec<Kind>>,
        inner: &mut dyn FnMut(&[Kind]) -> Result<Predicate, Problem>,
    ) -> Result<Predicate, Problem> {
        let (mut choices, mut problem) = (Vec::new(), None);
        for group in groups {
            match inner(&group) {
                Ok(inner) => choices.push(Predicate::Chain {
                    param: common.id,
                    targets: group,
                    inner: Box::new(inner),
                    canonical: common.canonical,
                }),
                Err(costly @ Problem::Costly(_)) => return Err(costly),
                Err(found) => problem = Some(found),
            }
        }
        match (choices.is_empty(), problem) {
            (false, _) => Ok(Predicate::any(choices)),
            (true, Some(problem)) => Err(problem),
            (true, None) => Err(Problem::Unsupported(format!(
                "None of the kinds that `{code}` refers to ({}) has the search parameter that follows it.",
                names(&common.targets)
            ))),
        }
    }
}

/// A path that ends behind brackets only asks whether there is such a record.
fn present(inner: Predicate, comparison: &Comparison<'_>, name: &str) -> Result<Predicate, Problem> {
    match (comparison.operator, comparison.value) {
        (Operator::Pr, "true") => Ok(inner),
        _ => {
            let text = format!("Behind `{name}[...]`, `_filter` takes `pr true` or a `.` and a search parameter.");
            Err(Problem::Refused(text))
        }
    }
}

/// Whether the type's values have an order, with the prefixes of an ordinary search.
pub(crate) fn is_ordered(kind: ParameterType) -> bool {
    matches!(
        kind,
        ParameterType::Date | ParameterType::Number | ParameterType::Quantity
    )
}

/// Whether the operator is also a prefix of an ordinary search.
fn is_comparison(operator: Operator) -> bool {
    Prefix::parse(operator.as_str()).is_some()
}

/// In a filter the operator stands by itself; a value that begins with letters has none in front of it.
fn unprefixed(code: &str, kind: ParameterType, value: &str) -> Result<(), Problem> {
    match value.starts_with(|c: char| c.is_ascii_alphabetic()) {
        true => Err(wrong(code, &format!("`{value}` is no {}", kind.as_str()))),
        false => Ok(()),
    }
}

fn taken(kind: ParameterType) -> &'static str {
    match kind {
        ParameterType::String | ParameterType::Uri => "eq, ne, co, sw, ew and pr",
        ParameterType::Token => "eq, ne, ss, sb, in, ni and pr",
        ParameterType::Reference => "eq, ne, re and pr",
        ParameterType::Date => "eq, ne, gt, lt, ge, le, sa, eb, ap, po and pr",
        ParameterType::Number | ParameterType::Quantity => "eq, ne, gt, lt, ge, le, sa, eb, ap and pr",
        ParameterType::Composite => "eq, ne and pr",
        ParameterType::Special => "eq and pr",
    }
}
