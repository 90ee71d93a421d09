//! `$validate-code` of a ValueSet and of a CodeSystem.
//!
//! See <https://hl7.org/fhir/R4/valueset-operation-validate-code.html> and
//! <https://hl7.org/fhir/R4/codesystem-operation-validate-code.html>.

use std::sync::Arc;

use fhir::tree::Tree;
use terminology::validate::{Coding, Subject, Terms, validate};
use terminology::{Session, Unable, ValueSet};

use crate::engine::Engine;
use crate::operation::Call;
use crate::refusal::Refusal;
use crate::reply::Reply;
use crate::request::{Caller, Request};
use crate::terminology_call::{Asked, No, answer, coding, needs, own, wrong};

/// Whether a value set has a code.
///
/// # Errors
/// 404 where the value set is not known; 422 where it cannot be worked out; 400 where no code or no value set is named.
pub fn of_value_set(
    engine: &Engine,
    _caller: &Caller,
    request: &Request<'_>,
    call: &Call<'_>,
) -> Result<Reply, Refusal> {
    answer(engine, request, call, in_value_set)
}

/// Whether the value set that is asked about has the code.
pub(crate) fn in_value_set(asked: &Asked<'_>, session: &mut Session<'_>) -> Result<Tree, No> {
    let set = asked.value_set(session)?;
    let set = set.ok_or_else(|| needs("a value set: a url, or a valueSet that is sent along"))?;
    if asked.request.at_hand && !set.is_light() {
        return Err(Unable::Unread.into());
    }
    for supplement in &set.supplements {
        session.supplement(supplement)?;
    }
    let subject = subject(asked, "systemVersion")?;
    Ok(validate(session, Some(&set), &subject, &terms(asked, Some(&set))?)?)
}

/// Whether a code system has a code.
///
/// # Errors
/// 400 where no code or no system is named, or they are of two systems.
pub fn of_code_system(
    engine: &Engine,
    _caller: &Caller,
    request: &Request<'_>,
    call: &Call<'_>,
) -> Result<Reply, Refusal> {
    answer(engine, request, call, in_code_system)
}

/// Whether the code system that is asked about has the code.
pub(crate) fn in_code_system(asked: &Asked<'_>, session: &mut Session<'_>) -> Result<Tree, No> {
    let url = system(asked, session)?;
    let mut subject = subject(asked, "version")?;
    if let Some((url, version)) = url {
        let settle = |coding: &mut Coding| -> Result<(), No> {
            if coding.system.as_ref().is_some_and(|system| *system != url) {
                let text = format!("The code is of another system than {url}, about which it is asked");
                return Err(wrong(text));
            }
            coding.system = Some(url.clone());
            coding.version = coding.version.take().or_else(|| version.clone());
            Ok(())
        };
        match &mut subject {
            Subject::Code(coding) | Subject::Coding(coding) => settle(coding)?,
            Subject::Concept(codings, _) => codings.retain_mut(|coding| settle(coding).is_ok()),
        }
    }
    let unnamed = match &subject {
        Subject::Code(coding) | Subject::Coding(coding) => coding.system.is_none(),
        Subject::Concept(codings, _) => codings.is_empty(),
    };
    if unnamed {
        return Err(needs("the code system: a url, or a coding with a system"));
    }
    Ok(validate(session, None, &subject, &terms(asked, None)?)?)
}

/// The system that is asked about, with the version of it.
fn system(asked: &Asked<'_>, session: &mut Session<'_>) -> Result<Option<(String, Option<String>)>, No> {
    let given = asked.inputs.resource("codeSystem", "codeSystem").map(own).transpose()?;
    let record = match asked.record()? {
        Some(record) => Some(record),
        None => given,
    };
    if let Some(record) = record {
        let text = |name: &str| record.root().string(name).map(|text| text.into_owned());
        let found = (text("url").unwrap_or_default(), text("version"));
        session.add(Arc::clone(&record));
        return Ok(Some(found));
    }
    Ok(asked.inputs.text("url").map(|url| (url.into_owned(), None)))
}

/// What is to be validated.
fn subject(asked: &Asked<'_>, version: &str) -> Result<Subject, No> {
    if let Some(node) = asked.inputs.object("codeableConcept") {
        let list = node.get("coding").into_iter().flat_map(|list| list.each());
        return Ok(Subject::Concept(list.map(coding).collect(), Tree::from_node(node)));
    }
    if let Some(node) = asked.inputs.object("coding") {
        return Ok(Subject::Coding(coding(node)));
    }
    let text = |name: &str| asked.inputs.text(name).map(|text| text.into_owned());
    let code = text("code").ok_or_else(|| needs("a code: a code with its system, a coding or a codeableConcept"))?;
    Ok(Subject::Code(Coding {
        system: text("system"),
        version: text(version),
        code,
        display: text("display"),
    }))
}

fn terms(asked: &Asked<'_>, set: Option<&ValueSet>) -> Result<Terms, No> {
    let flag = |name: &str| asked.inputs.flag(name);
    Ok(Terms {
        languages: asked.languages(set),
        lenient: flag("lenient-display-validation")? == Some(true),
        concrete_only: flag("abstract")? == Some(false),
        active_only: flag("activeOnly")? == Some(true),
        membership_only: flag("valueset-membership-only")? == Some(true),
    })
}
