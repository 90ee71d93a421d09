//! One search parameter, its name and value, as a condition: modifiers, chains and `_has`.

use std::cell::Cell;

use conformance::ParameterType;
use fhir::identity::{Id, Kind};

use crate::literal;
use crate::modifier::{Asked, missing, narrowed};
use crate::predicate::Predicate;
use crate::registry::{Component, Registry};
use crate::search::{Handling, Problem};
use crate::values::ParamId;

/// How deep chains and `_has` may nest.
pub const DEPTH_MAX: u32 = 8;
/// How many conditions one search may branch into.
const CLAUSES_MAX: u32 = 4_000;

/// Reads conditions.
pub(crate) struct Reader<'r> {
    pub(crate) registry: &'r Registry,
    pub(crate) handling: &'r Handling<'r>,
    clauses: Cell<u32>,
}

/// A parameter that all searched kinds have.
pub(crate) struct Common {
    pub(crate) id: ParamId,
    pub(crate) kind: ParameterType,
    pub(crate) targets: Vec<Kind>,
    /// See [`Parameter::canonical`](crate::registry::Parameter::canonical).
    pub(crate) canonical: bool,
    pub(crate) components: Vec<Component>,
}

impl Component {
    /// The component as the parameter it is compared like.
    pub(crate) fn common(&self) -> Common {
        Common {
            id: self.id,
            kind: self.kind,
            targets: self.targets.clone(),
            canonical: false,
            components: Vec::new(),
        }
    }
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
        self.count(name, depth)?;
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
                "_filter" => self.filter(kinds, modifier, value),
                "_list" => self.list(modifier, value),
                "_query" => Err(Problem::Refused(format!(
                    "There is no named query here, so not `{value}` (`_query`)."
                ))),
                "_lastUpdated" => self.updated(modifier, value),
                "_text" | "_content" => self.words(code, modifier, value),
                _ => self.plain(kinds, code, modifier, value),
            },
        }
    }

    /// A condition on the words of the narrative or of the whole record.
    fn words(&self, code: &str, modifier: Option<&str>, value: &str) -> Result<Predicate, Problem> {
        if let Some(modifier) = modifier {
            return Err(Problem::Refused(format!(
                "`{code}` supports no modifier, so not `:{modifier}`."
            )));
        }
        let mut choices = Vec::new();
        for text in literal::alternatives(value).map_err(|why| wrong(code, &why))? {
            let words = self.registry.analysis().words(&literal::unescape(text));
            if words.is_empty() {
                return Err(wrong(code, "there is no word in it that says something"));
            }
            choices.push(match code {
                "_text" => Predicate::Text(words),
                _ => Predicate::Content(words),
            });
        }
        Ok(Predicate::any(choices))
    }

    /// Counts a condition.
    pub(crate) fn count(&self, name: &str, depth: u32) -> Result<(), Problem> {
        self.clauses.set(self.clauses.get() + 1);
        if depth > DEPTH_MAX || self.clauses.get() > CLAUSES_MAX {
            return Err(Problem::Costly(format!(
                "`{name}` joins too many records; name the kinds in the chain (subject:Patient.name) or search in steps."
            )));
        }
        Ok(())
    }

    pub(crate) fn common(&self, kinds: &[Kind], code: &str) -> Result<Common, Problem> {
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
                canonical: false,
                components: found.components.clone(),
            });
            common.canonical |= found.canonical;
            let alike = |(a, b): (&Component, &Component)| a.id == b.id && a.kind == b.kind;
            let same = common.components.iter().zip(&found.components).all(alike);
            if common.kind != found.kind || common.components.len() != found.components.len() || !same {
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
        let codes: Vec<&str> = ["_id", "_lastUpdated", "_text", "_content", "_has", "_list", "_filter"]
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
        let common = &common;
        self.modified(&Asked { common, code, modifier }, value)
    }

    fn updated(&self, modifier: Option<&str>, value: &str) -> Result<Predicate, Problem> {
        if modifier == Some("missing") {
            return missing(Predicate::All, "_lastUpdated:missing", value);
        }
        if let Some(modifier) = modifier {
            return Err(Problem::Refused(format!(
                "`_lastUpdated` supports no modifier but :missing, so not `:{modifier}`."
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
        let Some(targets) = narrowed(&common, modifier) else {
            return Err(Problem::Unsupported(format!(
                "`{code}` never refers to {}; it refers to {}.",
                modifier.unwrap_or_default(),
                names(&common.targets)
            )));
        };
        let head = rest.split(['.', ':']).next().unwrap_or_default();
        self.follow(&common, code, self.alike(&targets, head), &mut |group| {
            self.clause(group, rest, value, depth + 1)
        })
    }

    /// The kinds that have the parameter, in groups that read it alike.
    pub(crate) fn alike(&self, kinds: &[Kind], code: &str) -> Vec<Vec<Kind>> {
        if matches!(code, "_id" | "_lastUpdated" | "_text" | "_content" | "_has" | "_list") {
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

    /// The records that one of some lists holds (<https://hl7.org/fhir/R4/search.html#list>).
    fn list(&self, modifier: Option<&str>, value: &str) -> Result<Predicate, Problem> {
        if let Some(modifier) = modifier {
            let text = format!("`_list` supports no modifier, so not `:{modifier}`.");
            return Err(Problem::Refused(text));
        }
        if let Some(name) = literal::split(value, ',')
            .into_iter()
            .find(|text| text.starts_with('$'))
        {
            let text = format!("The list `{name}` is not kept here; `_list` takes the ids of List records.");
            return Err(Problem::Refused(text));
        }
        let ids = ids("_list", value)?;
        let list = self.registry.kind("List").zip(self.registry.id_of("item"));
        let (kind, param) = list.ok_or_else(|| Problem::Refused("There are no lists here.".into()))?;
        Ok(Predicate::Has {
            kind: kind.clone(),
            param,
            inner: Box::new(Predicate::Is(ids)),
            canonical: false,
        })
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
            canonical: common.canonical,
        })
    }
}

pub(crate) fn names(kinds: &[Kind]) -> String {
    let names: Vec<&str> = kinds.iter().take(12).map(Kind::as_str).collect();
    let more = if kinds.len() > 12 { " and others" } else { "" };
    format!("{}{more}", names.join(", "))
}

pub(crate) fn wrong(name: &str, why: &str) -> Problem {
    Problem::Wrong(format!("The value of `{name}` can't be read: {why}."))
}

fn ids(name: &str, value: &str) -> Result<Vec<Id>, Problem> {
    let mut ids = Vec::new();
    for text in literal::alternatives(value).map_err(|why| wrong(name, &why))? {
        let text = literal::unescape(text);
        let why = || format!("`{text}` is no id; an id has 1 to 64 of A-Z, a-z, 0-9, - and .");
        ids.push(Id::new(&text).ok_or_else(|| wrong(name, &why()))?);
    }
    Ok(ids)
}

fn of_id(modifier: Option<&str>, value: &str) -> Result<Predicate, Problem> {
    if modifier == Some("missing") {
        return missing(Predicate::All, "_id:missing", value);
    }
    let ids = ids("_id", value)?;
    match modifier {
        None => Ok(Predicate::Is(ids)),
        Some("not") => Ok(Predicate::Is(ids).negate()),
        Some(modifier) => Err(Problem::Refused(format!(
            "`_id` does not support the modifier `:{modifier}`; it supports :not and :missing."
        ))),
    }
}
