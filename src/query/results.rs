//! The parameters that shape a search's answer: order, pages, what comes along, how much of each record.

use conformance::ParameterType;
use fhir::identity::Kind;

use crate::registry::{Parameter, Registry};
use crate::search::{Containing, Include, Problem, Search, SortBy, SortKey, Summary, Total};

/// Whether the parameter shapes the answer rather than choosing records.
pub(crate) fn is_result_parameter(name: &str) -> bool {
    let bare = name.split(':').next().unwrap_or(name);
    let known = [
        "_sort",
        "_count",
        "_total",
        "_include",
        "_revinclude",
        "_summary",
        "_elements",
        "_contained",
        "_containedType",
        "_type",
    ];
    known.contains(&bare)
}

/// What the same result parameter was given before, where it can be given once: all can but includes.
pub(crate) fn earlier<'a>(before: &'a [(String, String)], name: &str) -> Option<&'a String> {
    let bare = name.split(':').next().unwrap_or(name);
    if !is_result_parameter(name) || matches!(bare, "_include" | "_revinclude") {
        return None;
    }
    before.iter().find(|(found, _)| found == name).map(|(_, value)| value)
}

/// Two values of a result parameter: whichever was taken, the answer would not be what the other asks for.
pub(crate) fn given_twice(name: &str, first: &str, second: &str) -> Problem {
    let text = format!("`{name}` is given twice, as `{first}` and as `{second}`; give it once.");
    Problem::Wrong(text)
}

/// Puts a result parameter into the search.
pub(crate) fn apply(registry: &Registry, search: &mut Search, name: &str, value: &str) -> Result<(), Problem> {
    let (bare, modifier) = match name.split_once(':') {
        Some((bare, modifier)) => (bare, Some(modifier)),
        None => (name, None),
    };
    if let "_include" | "_revinclude" = bare {
        return include(registry, search, bare, modifier, value);
    }
    if let Some(modifier) = modifier {
        return Err(Problem::Unsupported(format!(
            "`{bare}` supports no modifier, so not `:{modifier}`."
        )));
    }
    match bare {
        "_sort" => search.sort = sort(registry, &search.kinds, value)?,
        "_count" => search.count = Some(count(value)?),
        "_total" => search.total = total(value)?,
        "_summary" => search.summary = summary(value)?,
        "_elements" => search.elements = elements(value)?,
        "_contained" => search.contained = containing(value)?,
        "_containedType" => search.alone = alone(value)?,
        "_type" => {
            let text = "`_type` belongs to a search over all kinds; here the path names the kind.";
            return Err(Problem::Unsupported(text.into()));
        }
        _ => return Err(Problem::Unsupported(format!("`{bare}` is not supported."))),
    }
    Ok(())
}

/// The kinds that `_type` names.
pub(crate) fn kinds(registry: &Registry, value: &str) -> Result<Vec<Kind>, Problem> {
    let mut kinds: Vec<Kind> = Vec::new();
    for name in value.split(',') {
        let kind = registry.kind(name).ok_or_else(|| {
            Problem::Wrong(format!(
                "The value of `_type` can't be read: `{name}` is no kind of record here."
            ))
        })?;
        if !kinds.contains(kind) {
            kinds.push(kind.clone());
        }
    }
    Ok(kinds)
}

fn count(value: &str) -> Result<usize, Problem> {
    let digits = !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit());
    let count = value.parse().ok().filter(|_| digits);
    count.ok_or_else(|| {
        Problem::Wrong(format!(
            "The value of `_count` can't be read: `{value}` is no whole number."
        ))
    })
}

fn total(value: &str) -> Result<Total, Problem> {
    match value {
        "none" => Ok(Total::None),
        "estimate" => Ok(Total::Estimate),
        "accurate" => Ok(Total::Accurate),
        _ => Err(Problem::Wrong(
            "The value of `_total` can't be read: write none, estimate or accurate.".into(),
        )),
    }
}

fn summary(value: &str) -> Result<Summary, Problem> {
    match value {
        "false" => Ok(Summary::False),
        "true" => Ok(Summary::True),
        "text" => Ok(Summary::Text),
        "data" => Ok(Summary::Data),
        "count" => Ok(Summary::Count),
        _ => Err(Problem::Wrong(
            "The value of `_summary` can't be read: write true, text, data, count or false.".into(),
        )),
    }
}

fn containing(value: &str) -> Result<Containing, Problem> {
    match value {
        "false" => Ok(Containing::Records),
        "true" => Ok(Containing::Contained),
        "both" => Ok(Containing::Both),
        _ => Err(Problem::Wrong(
            "The value of `_contained` can't be read: write true, false or both.".into(),
        )),
    }
}

fn alone(value: &str) -> Result<bool, Problem> {
    match value {
        "container" => Ok(false),
        "contained" => Ok(true),
        _ => Err(Problem::Wrong(
            "The value of `_containedType` can't be read: write container or contained.".into(),
        )),
    }
}

/// Takes out of a search of contained resources what cannot be had together; each by its name, with the reason.
pub(crate) fn settle(search: &mut Search) -> Vec<(&'static str, &'static str)> {
    let mut taken = Vec::new();
    if search.contained == Containing::Records {
        search.alone = false;
        return taken;
    }
    if search.contained == Containing::Both && search.alone {
        search.alone = false;
        taken.push((
            "_containedType",
            "`_containedType=contained` goes with `_contained=true`, not with both: ask for the records and for what is contained in two searches.",
        ));
    }
    let inner = |key: &SortKey| search.alone || matches!(key.by, SortBy::Parameter(..) | SortBy::Score);
    if search.sort.iter().any(inner) {
        search.sort.clear();
        taken.push((
            "_sort",
            "What is contained is not sorted by; records that contain something can be sorted by `_id` and `_lastUpdated`.",
        ));
    }
    if search.alone && !search.includes.is_empty() {
        search.includes.clear();
        taken.push(("_include", "`_include` is not followed from contained resources."));
    }
    if search.alone && !search.revincludes.is_empty() {
        search.revincludes.clear();
        taken.push(("_revinclude", "Nothing but its record refers to a contained resource."));
    }
    taken
}

fn elements(value: &str) -> Result<Vec<String>, Problem> {
    let is_name = |name: &str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.');
    let names: Vec<String> = value.split(',').map(|name| name.trim().to_owned()).collect();
    match names.iter().find(|name| !is_name(name)) {
        None => Ok(names),
        Some(name) => Err(Problem::Wrong(format!(
            "The value of `_elements` can't be read: `{name}` is no element's name."
        ))),
    }
}

fn sort(registry: &Registry, kinds: &[Kind], value: &str) -> Result<Vec<SortKey>, Problem> {
    let mut keys = Vec::new();
    for key in value.split(',') {
        keys.extend(sort_keys(registry, kinds, key.trim())?);
    }
    Ok(keys)
}

fn sort_keys(registry: &Registry, kinds: &[Kind], key: &str) -> Result<Vec<SortKey>, Problem> {
    let (code, descending) = match key.strip_prefix('-') {
        Some(code) => (code, true),
        None => (key, false),
    };
    let by = match code {
        "" => {
            return Err(Problem::Wrong(
                "The value of `_sort` can't be read: one of its keys is empty.".into(),
            ));
        }
        "_id" => vec![SortBy::Id],
        "_lastUpdated" => vec![SortBy::Updated],
        "_score" => vec![SortBy::Score],
        code => sort_by(registry, kinds, code)?,
    };
    Ok(by.into_iter().map(|by| SortKey { by, descending }).collect())
}

/// The parameter of a code; of a composite, its components' parameters in their order. Kinds that lack it have no value,
/// so that their records come last; the others have to agree on how its values compare.
fn sort_by(registry: &Registry, kinds: &[Kind], code: &str) -> Result<Vec<SortBy>, Problem> {
    let known = kinds
        .iter()
        .filter_map(|kind| Some((registry.parameter(kind, code)?, kind)));
    let mut by: Option<(&Parameter, &Kind)> = None;
    for (found, kind) in known {
        let (first, of) = *by.get_or_insert((found, kind));
        if first.kind != found.kind {
            return Err(Problem::Unsupported(format!(
                "`_sort` names `{code}`, which {of} and {kind} compare in different ways; name the kinds with `_type`."
            )));
        }
    }
    let Some((found, _)) = by else {
        let of = match kinds {
            [kind] => kind.as_str(),
            _ => "any kind searched",
        };
        let text = format!("`_sort` names `{code}`, which is no search parameter of {of}.");
        return Err(Problem::Unsupported(text));
    };
    match found.kind {
        ParameterType::Composite => {
            let parts = found.components.iter().map(|part| sort_by(registry, kinds, &part.code));
            Ok(parts.collect::<Result<Vec<_>, _>>()?.concat())
        }
        ParameterType::Special => {
            let text = format!("`_sort` names `{code}`, whose values have no order.");
            Err(Problem::Unsupported(text))
        }
        kind => Ok(vec![SortBy::Parameter(found.id, kind)]),
    }
}

fn include(
    registry: &Registry,
    search: &mut Search,
    name: &str,
    modifier: Option<&str>,
    value: &str,
) -> Result<(), Problem> {
    let iterate = match modifier {
        None => false,
        Some("iterate" | "recurse") => true,
        Some(modifier) => {
            let text = format!("`{name}` does not support the modifier `:{modifier}`; it supports :iterate.");
            return Err(Problem::Unsupported(text));
        }
    };
    let reverse = name == "_revinclude";
    let include = include_value(registry, name, value, iterate)?;
    let meets = |kinds: &[Kind]| include.source.as_ref().is_none_or(|source| kinds.contains(source));
    if !reverse && !iterate && !meets(&search.kinds) {
        return Err(Problem::Unsupported(format!(
            "`{name}={value}` starts from a kind that is not searched; write `_include:iterate` to follow what came along."
        )));
    }
    if reverse {
        search.revincludes.push(include);
    } else {
        search.includes.push(include);
    }
    Ok(())
}

fn include_value(registry: &Registry, name: &str, value: &str, iterate: bool) -> Result<Include, Problem> {
    let mut parts = value.split(':');
    let (source, code, target) = (parts.next().unwrap_or_default(), parts.next(), parts.next());
    let wrong = |why: &str| Problem::Wrong(format!("The value of `{name}` can't be read: {why}."));
    if parts.next().is_some() || source.is_empty() {
        return Err(wrong(
            "write it as Kind:parameter, Kind:parameter:TargetKind, Kind:* or *",
        ));
    }
    let kind = |text: &str| match registry.kind(text) {
        Some(kind) => Ok(kind.clone()),
        None => Err(wrong(&format!("`{text}` is no kind of record here"))),
    };
    let target = target.map(kind).transpose()?;
    if source == "*" && code.is_none() {
        return Ok(Include {
            source: None,
            param: None,
            target,
            iterate,
        });
    }
    let source = kind(source)?;
    let param = match code {
        None => {
            return Err(wrong(
                "write it as Kind:parameter, Kind:parameter:TargetKind, Kind:* or *",
            ));
        }
        Some("*") => None,
        Some(code) => Some(reference_of(registry, name, &source, code, target.as_ref())?),
    };
    Ok(Include {
        source: Some(source),
        param,
        target,
        iterate,
    })
}

fn reference_of(
    registry: &Registry,
    name: &str,
    source: &Kind,
    code: &str,
    target: Option<&Kind>,
) -> Result<crate::values::ParamId, Problem> {
    let references = |p: &&Parameter| p.kind == ParameterType::Reference;
    let Some(parameter) = registry.parameter(source, code).filter(references) else {
        let codes: Vec<&str> = registry
            .parameters(source)
            .iter()
            .filter(references)
            .map(|p| &*p.code)
            .collect();
        return Err(Problem::Unsupported(format!(
            "`{name}` names `{code}`, which is no reference parameter of {source}. It has {}.",
            if codes.is_empty() {
                "none".to_owned()
            } else {
                codes.join(", ")
            }
        )));
    };
    match target {
        Some(target) if !parameter.targets.contains(target) => Err(Problem::Unsupported(format!(
            "`{name}` names {target}, which `{code}` of {source} never refers to."
        ))),
        _ => Ok(parameter.id),
    }
}
