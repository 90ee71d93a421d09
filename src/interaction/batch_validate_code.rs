//! `$batch-validate-code`: many questions of `$validate-code` in one request.
//!
//! As public terminology servers have it: each parameter `validation` holds the Parameters of one question, each is
//! answered by a parameter of that name with the Parameters, or the OperationOutcome, that it would have been answered
//! with alone. All other parameters, `tx-resource` among them, hold for every question.

use fhir::tree::Tree;
use terminology::Session;

use crate::engine::Engine;
use crate::operation::Call;
use crate::refusal::{Reason, Refusal};
use crate::reply::Reply;
use crate::request::{Caller, Request};
use crate::terminology_call::{Asked, No, answer, answer_part};
use crate::validate_code;

/// The name of the parameter that holds a question, and of the one that holds its answer.
const VALIDATION: &str = "validation";
/// Questions in one request.
const QUESTIONS_MAX: usize = 1_000;

/// Answers every question: 200, in their order.
///
/// # Errors
/// 400 where a question is no Parameters resource, or strictly taken has a parameter that is not known; 422 where there are too many.
pub fn batch_validate_code(
    engine: &Engine,
    _caller: &Caller,
    request: &Request<'_>,
    call: &Call<'_>,
) -> Result<Reply, Refusal> {
    answer(engine, request, call, |asked, session| {
        if asked.inputs.of(VALIDATION).count() > QUESTIONS_MAX {
            let text = format!("Ask at most {QUESTIONS_MAX} questions at once.");
            return Err(Refusal::because(Reason::TooCostly, text).into());
        }
        let mut answers = Vec::new();
        for (i, question) in asked.inputs.of(VALIDATION).enumerate() {
            let place = format!("Parameters.parameter.where(name='{VALIDATION}')[{i}]");
            let inputs = asked
                .inputs
                .with(question, VALIDATION)
                .and_then(|inputs| inputs.held(request, call))
                .map_err(|refusal| refusal.at(place))?;
            let answer = answer_part(asked, session, inputs, validated)?;
            answers.push(Tree::object([("name", Tree::string(VALIDATION)), ("resource", answer)]));
        }
        Ok(Tree::object([
            ("resourceType", Tree::string("Parameters")),
            ("parameter", Tree::Array(answers)),
        ]))
    })
}

/// One question is about a value set where it names one, and about a code system otherwise.
fn validated(asked: &Asked<'_>, session: &mut Session<'_>) -> Result<Tree, No> {
    let names_set = asked.inputs.text("url").is_some() || asked.inputs.of("valueSet").next().is_some();
    match names_set && asked.call.kind.is_none_or(|kind| kind.as_str() != "CodeSystem") {
        true => validate_code::in_value_set(asked, session),
        false => validate_code::in_code_system(asked, session),
    }
}
