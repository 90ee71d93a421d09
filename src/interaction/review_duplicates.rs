//! `Patient/$review-duplicates`: POST has everybody looked for among all others, beside other work; GET tells how far it is.
//!
//! What `epis match review` does without a server. Both answer with a Parameters resource; one review at a time: whoever asks
//! while one is under way is told of that one. With `pairs` it pauses when so many are new on the worklist, and whoever asks
//! next has it go on from there. A server that was stopped meanwhile goes on when it is started.

use fhir::moment;
use fhir::tree::Tree;

use crate::engine::Engine;
use crate::inputs::Inputs;
use crate::operation::Call;
use crate::outputs;
use crate::refusal::Refusal;
use crate::reply::Reply;
use crate::request::{Caller, Method, Request};
use crate::review::Standing;
use crate::upkeep::ReviewState;

/// By POST, asks for a review: 202. Otherwise tells of the review under way, or else of the last: 200.
///
/// # Errors
/// 400 for a parameter that cannot be read.
pub fn review_duplicates(
    engine: &Engine,
    _caller: &Caller,
    request: &Request<'_>,
    call: &Call<'_>,
) -> Result<Reply, Refusal> {
    let most = Inputs::read(engine, request, call)?.number("pairs")?;
    let asks = request.method == Method::Post;
    let state = match asks {
        true => engine.upkeep.ask_for_review(most),
        false => engine.upkeep.review(),
    };
    let (code, reached, failed) = match &state {
        ReviewState::None => ("none", None, None),
        ReviewState::Waiting(_) => ("waiting", None, None),
        ReviewState::Running(reached) => ("running", Some(reached), None),
        ReviewState::Ended(reached) if reached.standing == Standing::Paused => ("paused", Some(reached), None),
        ReviewState::Ended(reached) => ("done", Some(reached), None),
        ReviewState::Failed(why) => ("failed", None, Some(why)),
    };
    let mut all = vec![outputs::value("state", "valueCode", Tree::string(code))];
    if let Some(reached) = reached {
        let numbers = [
            ("people", reached.people),
            ("of", reached.of),
            ("pairs", reached.pairs),
            ("new", reached.put),
        ];
        all.extend(numbers.map(|(name, number)| outputs::value(name, "valueDecimal", Tree::number(number as u64))));
        let began = Tree::string(moment::instant(reached.began));
        all.push(outputs::value("began", "valueInstant", began));
    }
    all.extend(failed.map(|why| outputs::value("why", "valueString", Tree::string(why))));
    Ok(Reply::json(
        if asks { 202 } else { 200 },
        outputs::parameters(all).to_bytes(),
    ))
}
