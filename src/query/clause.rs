//! One search parameter, its name and value, as a condition: modifiers, chains and `_has`.

use std::cell::Cell;

use conformance::ParameterType;
use fhir::identity::{Id, Kind};

use crate::fold;
use crate::literal;
use crate::predicate::Predicate;
use crate::registry::Registry;
use crate::search::{Handling, Problem};
use crate::test::{ReferenceTest, StringTest, Test, UriTest};
use crate::values::ParamId;

/// How deep chains and `_has` may nest.
pub const DEPTH_MAX: u32 = 8;
/// How many conditions one search may branch into.
const CLAUSES_MAX: u32 = 4_000;

/// Reads conditions.
pub(crate) struct Reader<'r> {
    pub(crate) registry: &'r Registry,
    handling: &'r Handling<'r>,
    clauses: Cell<u32>,
}

/// A parameter that all searched kinds have.
struct Common {
    id: ParamId,
    kind: ParameterType,
    targets: Vec<Kind>,
}

impl<'r> Reader<'r> {
    pub(crate) fn new(registry: &'r Registry, handling: &'r Handling<'r>) -> Reader<'r> {
        Reader {
            registry,
            handling,
            clauses: Cell::new(0),
        }
    }

    /// The condition that a parameter puts on records of the kinds.
    pub(crate) fn clause(&self, kinds: &[Kind], name: &str, value: &str, depth: u32) -> Result<Predicate, Problem> {
        self.clauses.set(self.clauses.get() + 1);
        if depth > DEPTH_MAX || self.clauses.get() > CLAUSES_MAX {
            return Err(Problem::Costly(format!(
                "`{name}` joins too many records; name the kinds in the chain (subject:Patient.name) or search in steps."
            )));
        }
        if let Some(rest) = name.strip_prefix("_has:") {
            return self.has(kinds, rest, value, depth);
        }
        let (head, rest) = match name.split_once('.') {
            Some((head, rest)) => (head, Some(rest)),
            None => (name, None),
        };
        let (code, modifier) = match head.split_once(':') {
            Some((code, modifier)) => (code, Some(modifier)),
            None => (head, None),
        };
        match rest {
            Some(rest) => self.chain(kinds, code, modifier, rest, value, depth),
            None => match code {
                "_id" => of_id(modifier, value),
                "_lastUpdated" => self.updated(modifier, value),
                "_text" | "_content" => of_words(code, modifier, value),
                _ => self.plain(kinds, code, modifier, value),
            },
        }
    }

    fn common(&self, kinds: &[Kind], code: &str) -> Result<Common, Problem> {
        let mut common: Option<Common> = None;
        for kind in kinds {
            let found = self
                .registry
                .parameter(kind, code)
                .ok_or_else(|| self.unknown(kind, code))?;
            let common = common.get_or_insert_with(|| Common {
                id: found.id,
                kind: found.kind,
                targets: Vec::new(),
            });
            if common.kind != found.kind {
                return Err(Problem::Unsupported(format!(
                    "`{code}` is a {} on some of the searched kinds and a {} on {kind}; name the kinds with `_type`.",
                    common.kind.as_str(),
                    found.kind.as_str(),
                )));
            }
            let known = |target: &&Kind| !common.targets.contains(target);
            let more: Vec<Kind> = found.targets.iter().filter(known).cloned().collect();
            common.targets.extend(more);
        }
        common.ok_or_else(|| Problem::Unsupported(format!("`{code}` is asked of no kind at all.")))
    }

    fn unknown(&self, kind: &Kind, code: &str) -> Problem {
        if let Some(known) = self.registry.not_searchable(kind, code) {
            let what = known.as_str();
            return Problem::Unsupported(format!(
                "`{code}` of {kind} is a {what} parameter, which is not supported yet."
            ));
        }
        let codes = self.registry.parameters(kind).iter().map(|p| &*p.code);
        let codes: Vec<&str> = ["_id", "_lastUpdated", "_text", "_content", "_has"]
            .into_iter()
            .chain(codes)
            .collect();
        Problem::Unsupported(format!(
            "{kind} has no search parameter `{code}`. It has {}.",
            codes.join(", ")
        ))
    }

    fn plain(&self, kinds: &[Kind], code: &str, modifier: Option<&str>, value: &str) -> Result<Predicate, Problem> {
        let common = self.common(kinds, code)?;
        let param = common.id;
        let name = modifier.map_or(code.to_owned(), |modifier| format!("{code}:{modifier}"));
        if modifier == Some("missing") {
            let present = Predicate::Test {
                param,
                test: Test::Present,
            };
            return match value {
                "true" => Ok(present.negate()),
                "false" => Ok(present),
                _ => Err(wrong(&name, "the value is `true` or `false`")),
            };
        }
        let mut choices = Vec::new();
        for text in literal::alternatives(value).map_err(|why| wrong(&name, &why))? {
            let test = self
                .test(&common, code, modifier, text)?
                .map_err(|why| wrong(&name, &why))?;
            choices.push(Predicate::Test { param, test });
        }
        let any = Predicate::any(choices);
        Ok(if modifier == Some("not") { any.negate() } else { any })
    }

    /// The test of one alternative: the outer error is the modifier's, the inner the value's.
    fn test(
        &self,
        common: &Common,
        code: &str,
        modifier: Option<&str>,
        text: &str,
    ) -> Result<Result<Test, String>, Problem> {
        let unsupported = |supported: &str| {
            let kind = common.kind.as_str();
            let modifier = modifier.unwrap_or_default();
            Problem::Unsupported(format!(
                "`{code}` does not support the modifier `:{modifier}`; a {kind} parameter supports {supported}."
            ))
        };
        Ok(match (common.kind, modifier) {
            (ParameterType::String, None) => literal::folded(text).map(|t| Test::String(StringTest::Prefix(t))),
            (ParameterType::String, Some("exact")) => {
                Ok(Test::String(StringTest::Exact(literal::unescape(text).into())))
            }
            (ParameterType::String, Some("contains")) => {
                literal::folded(text).map(|t| Test::String(StringTest::Contains(t)))
            }
            (ParameterType::String, _) => return Err(unsupported(":exact, :contains and :missing")),
            (ParameterType::Token, None | Some("not")) => literal::token(text).map(Test::Token),
            (ParameterType::Token, Some("text")) => literal::folded(text).map(Test::TokenText),
            (ParameterType::Token, Some("of-type")) => {
                literal::of_type(text).map(|[system, code, value]| Test::OfType { system, code, value })
            }
            (ParameterType::Token, _) => return Err(unsupported(":not, :text, :of-type and :missing")),
            (ParameterType::Reference, Some("identifier")) => {
                literal::token(text).map(|token| Test::Reference(ReferenceTest::Identifier(token)))
            }
            (ParameterType::Reference, modifier) => match self.narrowed(common, modifier) {
                Some(targets) => self.reference(&targets, modifier, text),
                None => return Err(unsupported(":identifier, :missing and the kinds it may refer to")),
            },
            (ParameterType::Date, None) => literal::date(text, self.registry.zone(), self.handling).map(Test::Date),
            (ParameterType::Number, None) => literal::number(text).map(Test::Number),
            (ParameterType::Quantity, None) => literal::quantity(text).map(|(span, unit)| Test::Quantity(span, unit)),
            (ParameterType::Uri, None) => Ok(Test::Uri(UriTest::Exact(literal::unescape(text).into()))),
            (ParameterType::Uri, Some("below")) => Ok(Test::Uri(UriTest::Below(literal::unescape(text).into()))),
            (ParameterType::Uri, Some("above")) => Ok(Test::Uri(UriTest::Above(literal::unescape(text).into()))),
            (ParameterType::Uri, _) => return Err(unsupported(":above, :below and :missing")),
            _ => return Err(unsupported(":missing")),
        })
    }

    fn reference(&self, targets: &[Kind], modifier: Option<&str>, text: &str) -> Result<Test, String> {
        let test = literal::reference(text, targets, self.handling.base)?;
        if let (ReferenceTest::Record { kinds, .. }, Some(named)) = (&test, modifier)
            && kinds.iter().any(|kind| kind.as_str() != named)
        {
            return Err(format!("the modifier names {named}, the value another kind"));
        }
        Ok(Test::Reference(test))
    }

    /// The kinds a reference parameter may point to when a modifier names one of them.
    fn narrowed(&self, common: &Common, modifier: Option<&str>) -> Option<Vec<Kind>> {
        let Some(modifier) = modifier else {
            return Some(common.targets.clone());
        };
        let kind = common.targets.iter().find(|kind| kind.as_str() == modifier)?;
        Some(vec![kind.clone()])
    }

    fn updated(&self, modifier: Option<&str>, value: &str) -> Result<Predicate, Problem> {
        if let Some(modifier) = modifier {
            return Err(Problem::Unsupported(format!(
                "`_lastUpdated` supports no modifier, so not `:{modifier}`."
            )));
        }
        let read = |text: &str| literal::date(text, self.registry.zone(), self.handling).map(Predicate::Updated);
        let parts = literal::alternatives(value).map_err(|why| wrong("_lastUpdated", &why))?;
        let choices: Result<Vec<_>, String> = parts.into_iter().map(read).collect();
        Ok(Predicate::any(choices.map_err(|why| wrong("_lastUpdated", &why))?))
    }

    fn chain(
        &self,
        kinds: &[Kind],
        code: &str,
        modifier: Option<&str>,
        rest: &str,
        value: &str,
        depth: u32,
    ) -> Result<Predicate, Problem> {
        let common = self.common(kinds, code)?;
        if common.kind != ParameterType::Reference {
            return Err(Problem::Unsupported(format!(
                "`{code}` is a {} parameter; only a reference can be followed by `.{rest}`.",
                common.kind.as_str()
            )));
        }
        let Some(targets) = self.narrowed(&common, modifier) else {
            return Err(Problem::Unsupported(format!(
                "`{code}` never refers to {}; it refers to {}.",
                modifier.unwrap_or_default(),
                names(&common.targets)
            )));
        };
        let head = rest.split(['.', ':']).next().unwrap_or_default();
        let (mut choices, mut problem) = (Vec::new(), None);
        for group in self.alike(&targets, head) {
            match self.clause(&group, rest, value, depth + 1) {
                Ok(inner) => choices.push(Predicate::Chain {
                    param: common.id,
                    targets: group,
                    inner: Box::new(inner),
                }),
                Err(costly @ Problem::Costly(_)) => return Err(costly),
                Err(found) => problem = Some(found),
            }
        }
        match (choices.is_empty(), problem) {
            (false, _) => Ok(Predicate::any(choices)),
            (true, Some(problem)) => Err(problem),
            (true, None) => Err(Problem::Unsupported(format!(
                "None of the kinds that `{code}` refers to ({}) has a search parameter `{head}`.",
                names(&targets)
            ))),
        }
    }

    /// The kinds that have the parameter, in groups that read it alike.
    fn alike(&self, kinds: &[Kind], code: &str) -> Vec<Vec<Kind>> {
        if matches!(code, "_id" | "_lastUpdated" | "_text" | "_content" | "_has") {
            return vec![kinds.to_vec()];
        }
        let mut groups: Vec<(ParameterType, Vec<Kind>)> = Vec::new();
        for kind in kinds {
            let Some(found) = self.registry.parameter(kind, code) else {
                continue;
            };
            match groups.iter_mut().find(|(of, _)| *of == found.kind) {
                Some((_, group)) => group.push(kind.clone()),
                None => groups.push((found.kind, vec![kind.clone()])),
            }
        }
        groups.into_iter().map(|(_, group)| group).collect()
    }

    fn has(&self, kinds: &[Kind], rest: &str, value: &str, depth: u32) -> Result<Predicate, Problem> {
        let mut parts = rest.splitn(3, ':');
        let (Some(kind), Some(code), Some(inner)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(wrong("_has", "write it as _has:Kind:reference:parameter"));
        };
        let Some(kind) = self.registry.kind(kind) else {
            return Err(Problem::Unsupported(format!(
                "`_has` names {kind}, which is no kind of record here."
            )));
        };
        let common = self.common(std::slice::from_ref(kind), code)?;
        if !common.targets.iter().any(|target| kinds.contains(target)) {
            return Err(Problem::Unsupported(format!(
                "`{code}` of {kind} never refers to {}.",
                names(kinds)
            )));
        }
        let inner = self.clause(std::slice::from_ref(kind), inner, value, depth + 1)?;
        Ok(Predicate::Has {
            kind: kind.clone(),
            param: common.id,
            inner: Box::new(inner),
        })
    }
}

fn names(kinds: &[Kind]) -> String {
    let names: Vec<&str> = kinds.iter().take(12).map(Kind::as_str).collect();
    let more = if kinds.len() > 12 { " and others" } else { "" };
    format!("{}{more}", names.join(", "))
}

fn wrong(name: &str, why: &str) -> Problem {
    Problem::Wrong(format!("The value of `{name}` can't be read: {why}."))
}

fn of_id(modifier: Option<&str>, value: &str) -> Result<Predicate, Problem> {
    let mut ids = Vec::new();
    for text in literal::alternatives(value).map_err(|why| wrong("_id", &why))? {
        let text = literal::unescape(text);
        let why = || format!("`{text}` is no id; an id has 1 to 64 of A-Z, a-z, 0-9, - and .");
        ids.push(Id::new(&text).ok_or_else(|| wrong("_id", &why()))?);
    }
    match modifier {
        None => Ok(Predicate::Is(ids)),
        Some("not") => Ok(Predicate::Is(ids).negate()),
        Some(modifier) => Err(Problem::Unsupported(format!(
            "`_id` does not support the modifier `:{modifier}`; it supports :not."
        ))),
    }
}

fn of_words(code: &str, modifier: Option<&str>, value: &str) -> Result<Predicate, Problem> {
    if let Some(modifier) = modifier {
        return Err(Problem::Unsupported(format!(
            "`{code}` supports no modifier, so not `:{modifier}`."
        )));
    }
    let mut choices = Vec::new();
    for text in literal::alternatives(value).map_err(|why| wrong(code, &why))? {
        let mut words: Vec<Box<str>> = Vec::new();
        fold::words(&literal::unescape(text), &mut |word| words.push(word.into()));
        if words.is_empty() {
            return Err(wrong(code, "there is no word in it"));
        }
        choices.push(match code {
            "_text" => Predicate::Text(words),
            _ => Predicate::Content(words),
        });
    }
    Ok(Predicate::any(choices))
}
