//! `Patient/$keep-apart`: two records are of two persons, which is remembered with who said so and why.

use store::{Refused, Unit};

use crate::conditional::{self, Attempt};
use crate::engine::Engine;
use crate::inputs::Inputs;
use crate::merge_event::{permit, who};
use crate::merge_party::{Party, refused};
use crate::operation::Call;
use crate::refusal::{Refusal, of_refused};
use crate::reply::Reply;
use crate::request::{Caller, Request};
use crate::worklist::{Decision, Pair};

/// Remembers it: 200 with the Task of the pair, completed. The pair is never proposed again, and registering does not bring it up.
///
/// # Errors
/// 400 for parameters that are missing or cannot be read; 403 where the caller may not; 422 where a record is not here, both are the same, or they are
/// merged.
pub fn keep_apart(engine: &Engine, _caller: &Caller, request: &Request<'_>, call: &Call<'_>) -> Result<Reply, Refusal> {
    let inputs = Inputs::read(engine, request, call)?;
    permit(engine, &inputs)?;
    let one = match call.id {
        Some(id) => Party::read(engine, id)?,
        None => Party::named(engine, &inputs, "patient", None)?,
    };
    let other = Party::named(engine, &inputs, "other", Some(&one.id))?;
    if one.id == other.id {
        return Err(refused(format!("Both are the same record, Patient/{}.", one.id)));
    }
    if one.survivor(engine)? == other.survivor(engine)? {
        let text = format!(
            "Patient/{} and Patient/{} are merged; undo that with $unmerge.",
            one.id, other.id
        );
        return Err(refused(text));
    }
    let pair = Pair::new(&one.id, &other.id);
    let reason = inputs.text("reason");
    let kind = engine.kind("Task")?;
    conditional::persist(engine, || {
        let decided = (who(&inputs), reason.as_deref());
        let write = pair.decided(engine, Decision::NotSame, decided, true)?;
        let write = write.expect("a Task is wanted");
        match engine.store.submit(Unit::one(write)) {
            Ok(_) => {
                let task = engine.record(&kind, &pair.id())?;
                Ok(Attempt::Done(
                    Reply::json(200, task.json.to_vec()).of_version(task.version, task.updated),
                ))
            }
            Err(Refused::Expectation { .. } | Refused::Disturbed) => Ok(Attempt::Disturbed),
            Err(refused) => Err(of_refused(refused, &[(kind.clone(), pair.id())])),
        }
    })
}
