//! One value of a parameter as a condition: what each modifier means for each type of parameter.
//!
//! <https://hl7.org/fhir/R4/search.html#modifiers>. A modifier that a parameter does not support is always an error, as
//! the standard demands: ignoring it would answer another question.

use std::sync::Arc;

use conformance::{Codes, ParameterType, Unanswered};
use fhir::identity::Kind;

use crate::clause::{Common, Reader, names, wrong};
use crate::literal;
use crate::position;
use crate::predicate::{Hierarchy, Predicate};
use crate::search::Problem;
use crate::test::{CodeSet, PartTest, ReferenceTest, StringTest, Test, TokenTest, UriTest, bare};

/// A parameter as one search names it.
pub(crate) struct Asked<'a> {
    pub(crate) common: &'a Common,
    pub(crate) code: &'a str,
    pub(crate) modifier: Option<&'a str>,
}

impl Asked<'_> {
    /// The parameter and its modifier, as written.
    pub(crate) fn name(&self) -> String {
        match self.modifier {
            Some(modifier) => format!("{}:{modifier}", self.code),
            None => self.code.to_owned(),
        }
    }

    pub(crate) fn is(&self, test: Test) -> Predicate {
        Predicate::Test {
            param: self.common.id,
            test,
        }
    }

    pub(crate) fn read<T>(&self, value: Result<T, String>, test: impl FnOnce(T) -> Test) -> Result<Predicate, Problem> {
        match value {
            Ok(value) => Ok(self.is(test(value))),
            Err(why) => Err(wrong(&self.name(), &why)),
        }
    }

    fn unsupported(&self, supported: &str) -> Problem {
        let kind = self.common.kind.as_str();
        let modifier = self.modifier.unwrap_or_default();
        Problem::Refused(format!(
            "`{}` does not support the modifier `:{modifier}`; a {kind} parameter supports {supported}.",
            self.code
        ))
    }
}

impl Reader<'_> {
    /// The condition that a parameter with a modifier puts on records, all alternatives of the value together.
    pub(crate) fn modified(&self, asked: &Asked<'_>, value: &str) -> Result<Predicate, Problem> {
        let name = asked.name();
        if asked.modifier == Some("missing") {
            return missing(asked.is(Test::Present), &name, value);
        }
        let mut choices = Vec::new();
        for text in literal::alternatives(value).map_err(|why| wrong(&name, &why))? {
            choices.push(self.alternative(asked, text)?);
        }
        let any = Predicate::any(choices);
        Ok(match asked.modifier {
            Some("not" | "not-in") => any.negate(),
            _ => any,
        })
    }

    pub(crate) fn alternative(&self, asked: &Asked<'_>, text: &str) -> Result<Predicate, Problem> {
        let plain = || literal::unescape(text).into();
        match (asked.common.kind, asked.modifier) {
            (ParameterType::String, None) => asked.read(literal::folded(text), |t| Test::String(StringTest::Prefix(t))),
            (ParameterType::String, Some("exact")) => Ok(asked.is(Test::String(StringTest::Exact(plain())))),
            (ParameterType::String, Some("contains")) => {
                asked.read(literal::folded(text), |t| Test::String(StringTest::Contains(t)))
            }
            (ParameterType::String, _) => Err(asked.unsupported(":exact, :contains and :missing")),
            (ParameterType::Token, _) => self.token(asked, text),
            (ParameterType::Reference, _) => self.reference(asked, text),
            (ParameterType::Date, None) => {
                asked.read(literal::date(text, self.registry.zone(), self.handling), Test::Date)
            }
            (ParameterType::Number, None) => asked.read(literal::number(text), Test::Number),
            (ParameterType::Quantity, None) => {
                asked.read(literal::quantity(text), |(span, unit)| Test::Quantity(span, unit))
            }
            (ParameterType::Uri, None) => Ok(asked.is(Test::Uri(UriTest::Exact(plain())))),
            (ParameterType::Uri, Some("below")) => Ok(asked.is(Test::Uri(UriTest::Below(plain())))),
            (ParameterType::Uri, Some("above")) => Ok(asked.is(Test::Uri(UriTest::Above(plain())))),
            (ParameterType::Uri, _) => Err(asked.unsupported(":above, :below and :missing")),
            (ParameterType::Special, None) => asked.read(position::near(text), Test::Near),
            (ParameterType::Composite, None) => self.tuple(asked, text),
            _ => Err(asked.unsupported(":missing")),
        }
    }

    /// A tuple, its parts divided by `$` (<https://hl7.org/fhir/R4/search.html#combining>).
    fn tuple(&self, asked: &Asked<'_>, text: &str) -> Result<Predicate, Problem> {
        let texts = literal::split(text, '$');
        let components = &asked.common.components;
        if texts.len() != components.len() || texts.iter().any(|text| text.trim().is_empty()) {
            let codes: Vec<&str> = components.iter().map(|component| &*component.code).collect();
            return Err(wrong(&asked.name(), &format!("write its parts as {}", codes.join("$"))));
        }
        let mut tests = Vec::with_capacity(components.len());
        for (place, (component, text)) in components.iter().zip(texts).enumerate() {
            let part = Asked {
                common: &component.common(),
                code: &component.code,
                modifier: None,
            };
            let Predicate::Test { param, test } = self.alternative(&part, text)? else {
                return Err(asked.unsupported(":missing"));
            };
            tests.push(PartTest {
                place,
                param,
                test,
                passes: true,
            });
        }
        Ok(asked.is(Test::Composite(tests.into())))
    }

    fn token(&self, asked: &Asked<'_>, text: &str) -> Result<Predicate, Problem> {
        match asked.modifier {
            None | Some("not") => asked.read(literal::token(text), Test::Token),
            Some("text") => self.named(asked, text),
            Some("of-type") => asked.read(literal::of_type(text), |[system, code, value]| Test::OfType {
                system,
                code,
                value,
            }),
            Some("in" | "not-in") => {
                let set = value_set(text).map_err(|why| wrong(&asked.name(), &why))?;
                self.among(asked, self.members(&set))
            }
            Some(way @ ("above" | "below")) => {
                let (system, code) = literal::coding(text).map_err(|why| wrong(&asked.name(), &why))?;
                let terminology = self.registry.terminology();
                let found = match way {
                    "above" => terminology.above(&system, &code),
                    _ => terminology.below(&system, &code),
                };
                self.among(asked, found)
            }
            Some(_) => Err(asked.unsupported(":not, :text, :of-type, :in, :not-in, :above, :below and :missing")),
        }
    }

    /// A coded value by a text: one that the record has beside it, or a name that its code has in its system
    /// (<https://hl7.org/fhir/R4/search.html#modifiers>).
    fn named(&self, asked: &Asked<'_>, text: &str) -> Result<Predicate, Problem> {
        let start = literal::folded(text).map_err(|why| wrong(&asked.name(), &why))?;
        let known = self.registry.terminology().starting(&start);
        let written = asked.is(Test::TokenText(start));
        match known {
            Ok(codes) if codes.codes.is_empty() => Ok(written),
            known => Ok(Predicate::any(vec![written, self.among(asked, known)?])),
        }
    }

    /// The codes of a value set: by its url, or by the address of its record on this server.
    pub(crate) fn members(&self, set: &str) -> Result<Codes, Unanswered> {
        let terminology = self.registry.terminology();
        let own = set
            .strip_prefix(self.handling.base)
            .and_then(|rest| rest.strip_prefix('/'));
        match (terminology.members(set), own) {
            (Err(Unanswered::Unknown(_)), Some(own)) if !self.handling.base.is_empty() => terminology.members(own),
            (found, _) => found,
        }
    }

    /// A coded value among the codes that terminology answers. What it cannot answer is an error whatever the handling.
    pub(crate) fn among(&self, asked: &Asked<'_>, found: Result<Codes, Unanswered>) -> Result<Predicate, Problem> {
        match found {
            Ok(codes) => Ok(asked.is(Test::Token(TokenTest::Among(Arc::new(CodeSet::of(&codes)))))),
            Err(why @ Unanswered::TooCostly(_)) => Err(Problem::Costly(format!("{why} (`{}`).", asked.name()))),
            Err(why @ Unanswered::Unknown(_)) => Err(Problem::Wrong(format!("{why} (`{}`).", asked.name()))),
            Err(why @ Unanswered::NotLoaded(_)) => Err(Problem::Refused(format!("{why} (`{}`).", asked.name()))),
        }
    }

    fn reference(&self, asked: &Asked<'_>, text: &str) -> Result<Predicate, Problem> {
        if asked.modifier == Some("identifier") {
            return asked.read(literal::token(text), |token| {
                Test::Reference(ReferenceTest::Identifier(token))
            });
        }
        if let Some(way @ ("above" | "below")) = asked.modifier {
            return self.within(asked, way, text);
        }
        let Some(targets) = narrowed(asked.common, asked.modifier) else {
            let kinds = names(&asked.common.targets);
            return Err(asked.unsupported(&format!(":identifier, :above, :below, :missing and {kinds}")));
        };
        let test = literal::reference(text, &targets, self.handling.base).map_err(|why| wrong(&asked.name(), &why))?;
        if let (ReferenceTest::Record { kinds, .. }, Some(named)) = (&test, asked.modifier)
            && kinds.iter().any(|kind| kind.as_str() != named)
        {
            let why = format!("the modifier names {named}, the value another kind");
            return Err(wrong(&asked.name(), &why));
        }
        Ok(asked.is(Test::Reference(test)))
    }

    /// A reference to a record or to one of those above or below it; of a canonical, to a version and its releases
    /// (<https://hl7.org/fhir/R4/search.html#versions>).
    pub(crate) fn within(&self, asked: &Asked<'_>, way: &str, text: &str) -> Result<Predicate, Problem> {
        let name = asked.name();
        let targets = &asked.common.targets;
        let test = literal::reference(text, targets, self.handling.base).map_err(|why| wrong(&name, &why))?;
        if let (ReferenceTest::Address(address), true, "below") = (&test, asked.common.canonical, way) {
            // Without a version, every version is below.
            let below = match bare(address) == &**address {
                true => test,
                false => ReferenceTest::Release(address.clone()),
            };
            return Ok(asked.is(Test::Reference(below)));
        }
        let ReferenceTest::Record {
            kinds,
            id,
            version: None,
        } = test
        else {
            return Err(wrong(
                &name,
                "a hierarchy starts from a record of this server, an id or Kind/id",
            ));
        };
        let mut choices = Vec::new();
        for kind in kinds.iter().filter(|kind| targets.contains(kind)) {
            if let Some(by) = self.registry.hierarchy(kind) {
                let hierarchy = Hierarchy {
                    kind: kind.clone(),
                    id: id.clone(),
                    by: by.id,
                    up: way == "above",
                };
                let param = asked.common.id;
                choices.push(Predicate::Within { param, hierarchy });
            }
        }
        if choices.is_empty() {
            let kinds = names(&kinds);
            let text = format!("`{name}` needs records that are part of others of their kind, which {kinds} are not.");
            return Err(Problem::Refused(text));
        }
        Ok(Predicate::any(choices))
    }
}

/// The kinds a reference parameter may point to when a modifier names one of them.
pub(crate) fn narrowed(common: &Common, modifier: Option<&str>) -> Option<Vec<Kind>> {
    let Some(modifier) = modifier else {
        return Some(common.targets.clone());
    };
    let kind = common.targets.iter().find(|kind| kind.as_str() == modifier)?;
    Some(vec![kind.clone()])
}

/// `:missing`, given that the value is there.
pub(crate) fn missing(present: Predicate, name: &str, value: &str) -> Result<Predicate, Problem> {
    match value {
        "true" => Ok(present.negate()),
        "false" => Ok(present),
        _ => Err(wrong(name, "the value is `true` or `false`")),
    }
}

/// The address of a value set.
pub(crate) fn value_set(text: &str) -> Result<String, String> {
    let plain = literal::unescape(text);
    match plain.contains(':') || plain.starts_with("ValueSet/") {
        true => Ok(plain),
        false => Err(format!(
            "`{plain}` is no address of a value set; write its url, as in http://hl7.org/fhir/ValueSet/marital-status, or \
             the reference to its record, as in ValueSet/17"
        )),
    }
}
