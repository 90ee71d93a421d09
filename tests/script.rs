//! Runs a text table of requests and what must come of them against a server.
//!
//! ```text
//! # a remark
//! PUT Patient/a  If-Match: W/"{v}"          => 200 etag $v=.meta.versionId .active=true !.name
//! { "resourceType": "Patient", "id": "a" }
//!
//! ```
//! One block an act: method, path, headers (two or more spaces apart), `=>`, the status and facts; the
//! body on the lines that follow, up to the next act. `{name}` stands for a value kept by `$name=…`.
//! Facts: `.a.0.b=x` a member equals, `!.a` it is absent, `.a~x` it contains, `#a.b=3` an array's
//! length, `body~x` the body as it came contains, `body=x` it is that text (`\\n` for a line's end), `$n=.a` keep a member,
//! `$n=@header` keep a header, `header` there is such a header,
//! `header~x` it contains, `matches=a,b` the ids of the matches in any order, `ordered=a,b` in this
//! order, `includes=a` of the included; `issue=code` an OperationOutcome with that code.

use std::collections::HashMap;

use conformance::Definitions;
use fhir::document::Document;
use fhir::parse::Limits;
use serde_json::Value;

use crate::world::{Answer, World};

/// One request and its facts.
struct Act {
    line: usize,
    request: String,
    facts: String,
    body: String,
}

/// Runs a script; panics at the end with every act that did not come out as written.
pub fn run(world: &World, text: &str) {
    run_as(world, text, false);
}

/// Runs a script with every record sent as XML and every answer wanted as XML, but where an act says its formats itself.
pub fn run_in_xml(world: &World, text: &str) {
    run_as(world, text, true);
}

fn run_as(world: &World, text: &str, xml: bool) {
    let mut kept = HashMap::new();
    let mut failures = Vec::new();
    for act in acts(text) {
        if let Err(what) = perform(world, &act, &mut kept, xml) {
            failures.push(format!("line {}: {}\n    {what}", act.line, act.request));
        }
    }
    assert!(
        failures.is_empty(),
        "{} acts failed:\n{}",
        failures.len(),
        failures.join("\n")
    );
}

fn acts(text: &str) -> Vec<Act> {
    let mut out: Vec<Act> = Vec::new();
    for (i, line) in text.lines().enumerate() {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        match line
            .split_once(" => ")
            .filter(|_| line.starts_with(|c: char| c.is_ascii_uppercase()))
        {
            Some((request, facts)) => out.push(Act {
                line: i + 1,
                request: request.trim().into(),
                facts: facts.trim().into(),
                body: String::new(),
            }),
            None => {
                let act = out
                    .last_mut()
                    .unwrap_or_else(|| panic!("line {}: a body before any act", i + 1));
                act.body.push_str(line);
                act.body.push('\n');
            }
        }
    }
    out
}

fn fill(text: &str, kept: &HashMap<String, String>) -> String {
    kept.iter().fold(text.to_owned(), |text, (name, value)| {
        text.replace(&format!("{{{name}}}"), value)
    })
}

fn perform(world: &World, act: &Act, kept: &mut HashMap<String, String>, xml: bool) -> Result<(), String> {
    let request = fill(&act.request, kept);
    let mut parts = request.split("  ").map(str::trim).filter(|p| !p.is_empty());
    let (method, path) = parts
        .next()
        .and_then(|p| p.split_once(' '))
        .unwrap_or((request.as_str(), ""));
    let mut headers: Vec<(&str, &str)> = parts.filter_map(|p| p.split_once(": ")).collect();
    let mut body = fill(act.body.trim(), kept).into_bytes();
    if xml {
        speak_xml(&mut headers, &mut body);
    }
    let answer = world.send(method, path, &headers, &body);
    let facts = fill(&act.facts, kept);
    let mut facts = facts.split_whitespace();
    let status = facts.next().unwrap_or("");
    if status != answer.status.to_string() {
        return Err(format!("answered {}: {:.600}", answer.status, answer.body));
    }
    if answer.status >= 400 && method != "HEAD" && answer.json()["resourceType"] != "OperationOutcome" {
        return Err(format!("no OperationOutcome: {:.600}", answer.body));
    }
    facts.try_for_each(|fact| hold(fact, &answer, kept).map_err(|e| format!("{fact}: {e} in {:.900}", answer.body)))
}

/// Makes a request one of XML: what it sends, where that is a record that can be said so, and what it accepts.
fn speak_xml(headers: &mut Vec<(&str, &str)>, body: &mut Vec<u8>) {
    let says = |name: &str| headers.iter().any(|(header, _)| header.eq_ignore_ascii_case(name));
    let (accepts, sends) = (says("accept"), says("content-type"));
    if !accepts {
        headers.push(("Accept", "application/fhir+xml"));
    }
    let record = Document::parse(body, Limits::default()).ok().filter(|_| !sends);
    if let Some(xml) = record.and_then(|record| xml::write(&Definitions::r4(), record.root(), true).ok()) {
        *body = xml;
        headers.push(("Content-Type", "application/fhir+xml"));
    }
}

fn member(json: &Value, path: &str) -> Option<Value> {
    let steps = path.trim_start_matches('.').split('.').filter(|s| !s.is_empty());
    steps.into_iter().try_fold(json.clone(), |value, step| match value {
        Value::Array(items) => items.get(step.parse::<usize>().ok()?).cloned(),
        Value::Object(members) => members.get(step).cloned(),
        _ => None,
    })
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn sorted(mut items: Vec<String>) -> Vec<String> {
    items.sort();
    items
}

fn hold(fact: &str, answer: &Answer, kept: &mut HashMap<String, String>) -> Result<(), String> {
    let json = answer.json();
    let same = |found: Vec<String>, wanted: &str| {
        let wanted: Vec<String> = wanted.split(',').filter(|w| !w.is_empty()).map(str::to_owned).collect();
        if found == wanted {
            Ok(())
        } else {
            Err(format!("found {found:?}"))
        }
    };
    if let Some(rest) = fact.strip_prefix('$') {
        let (name, from) = rest.split_once('=').ok_or("no =")?;
        let value = match from.strip_prefix('@') {
            Some(header) => answer.header(header).map(str::to_owned),
            None => member(&json, from).map(|v| plain(&v)),
        };
        kept.insert(name.to_owned(), value.ok_or("absent")?);
        return Ok(());
    }
    if let Some(path) = fact.strip_prefix('!') {
        let there = if path.starts_with('.') {
            member(&json, path).is_some()
        } else {
            answer.header(path).is_some()
        };
        return if there { Err("is there".into()) } else { Ok(()) };
    }
    if let Some(part) = fact.strip_prefix("body~") {
        let there = answer.body.contains(part);
        return if there { Ok(()) } else { Err("is not there".into()) };
    }
    match fact.split_once('=') {
        Some(("matches", ids)) => {
            return same(
                sorted(answer.ids("match")),
                &sorted(ids.split(',').map(str::to_owned).collect()).join(","),
            );
        }
        Some(("ordered", ids)) => return same(answer.ids("match"), ids),
        Some(("includes", ids)) => {
            return same(
                sorted(answer.ids("include")),
                &sorted(ids.split(',').map(str::to_owned).collect()).join(","),
            );
        }
        Some(("issue", code)) => {
            let issues = json["issue"].as_array().cloned().unwrap_or_default();
            return if issues.iter().any(|i| i["code"] == code) {
                Ok(())
            } else {
                Err("no such issue".into())
            };
        }
        _ => {}
    }
    if let Some(rest) = fact.strip_prefix('#') {
        let (path, wanted) = rest.split_once('=').ok_or("no =")?;
        let found = member(&json, path)
            .and_then(|v| v.as_array().map(Vec::len))
            .unwrap_or(0);
        return if found.to_string() == wanted {
            Ok(())
        } else {
            Err(format!("has {found}"))
        };
    }
    compare(fact, &json, answer)
}

fn compare(fact: &str, json: &Value, answer: &Answer) -> Result<(), String> {
    let at = fact.find(['=', '~']).unwrap_or(fact.len());
    let (name, test) = fact.split_at(at);
    let found = if name.starts_with('.') {
        member(json, name).map(|v| plain(&v))
    } else if name == "body" {
        Some(answer.body.replace('\n', "\\n"))
    } else {
        answer.header(name).map(str::to_owned)
    };
    let found = found.ok_or("absent")?;
    let fits = match test.split_at_checked(1) {
        Some(("=", wanted)) => found == wanted,
        Some(("~", part)) => found.contains(part),
        _ => true,
    };
    if fits { Ok(()) } else { Err(format!("found {found}")) }
}
