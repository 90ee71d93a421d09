//! What merging patients and undoing it have in common: the Provenance that tells of it, one unit of writes, the answer.

use std::borrow::Cow;

use fhir::identity::{Id, Kind};
use fhir::moment;
use fhir::outcome::{Code, Issue, write_outcome};
use fhir::tree::Tree;
use store::{Expect, Operation, Refused, Unit, Write};

use crate::conditional::Attempt;
use crate::engine::{Engine, now, spliced};
use crate::find::reference;
use crate::inputs::Inputs;
use crate::merge_party::{Party, document, refused};
use crate::outputs;
use crate::refusal::{Reason, Refusal, of_refused};
use crate::reply::Reply;
use crate::worklist::{Decision, Pair};

/// Where the codes of what happens to records come from (ISO 21089).
const LIFECYCLE: &str = "http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle";
/// The code of merging.
pub(crate) const MERGE: &str = "merge";
/// The code of its undoing.
pub(crate) const UNMERGE: &str = "unmerge";
/// Who did it, where the request does not say.
const OPERATOR: &str = "The operator of this server";

/// What is to happen, and what is to be told of it.
pub(crate) struct Event<'a> {
    /// [`MERGE`] or [`UNMERGE`].
    pub(crate) code: &'static str,
    inputs: &'a Inputs,
    /// The caller's name for this request: asked again under it, nothing happens twice.
    key: Option<Id>,
    preview: bool,
}

impl<'a> Event<'a> {
    /// Reads what both operations are told beside the patients.
    ///
    /// # Errors
    /// 400 for what cannot be read.
    pub(crate) fn read(code: &'static str, inputs: &'a Inputs) -> Result<Event<'a>, Refusal> {
        let key = inputs.text("key").map(|text| {
            let text_of = format!("key is \"{text}\"; write up to 64 letters, digits, - and .");
            Id::new(&text).ok_or_else(|| Refusal::because(Reason::Invalid, text_of).at("http.key"))
        });
        Ok(Event {
            code,
            inputs,
            key: key.transpose()?,
            preview: inputs.flag("preview")?.unwrap_or(false),
        })
    }

    /// Whether the caller may do this; everybody may look at a preview.
    ///
    /// # Errors
    /// 403 with the reason.
    pub(crate) fn permit(&self, engine: &Engine) -> Result<(), Refusal> {
        match self.preview {
            true => Ok(()),
            false => permit(engine, self.inputs),
        }
    }

    /// The target where it happened already, by its key; `None` where it did not, or there is no key.
    ///
    /// # Errors
    /// 422 where the key stands for something else.
    pub(crate) fn happened(&self, engine: &Engine, source: &Id, target: Option<&Id>) -> Result<Option<Id>, Refusal> {
        let Some(key) = &self.key else {
            return Ok(None);
        };
        let Some(version) = engine.store.current(&provenance_kind(engine)?, key)? else {
            return Ok(None);
        };
        let told = match version.operation.is_live() {
            true => Tree::parse(&spliced(&version))?,
            false => Tree::Null,
        };
        let second = told
            .get("target")
            .and_then(|targets| targets.items().get(1)?.get("reference")?.as_str());
        let second = second.and_then(|reference| Id::new(reference.strip_prefix("Patient/")?));
        let meant = second.filter(|second| {
            target.is_none_or(|target| target == second)
                && told.get("target") == Some(&targets(source, second))
                && told.get("activity") == Some(&self.activity())
        });
        match meant {
            Some(target) => Ok(Some(target)),
            None => Err(refused(format!("The key {key} stands for something else; take another.")).at("http.key")),
        }
    }

    fn activity(&self) -> Tree {
        let coding = Tree::object([("system", Tree::string(LIFECYCLE)), ("code", Tree::string(self.code))]);
        Tree::object([("coding", Tree::Array(vec![coding]))])
    }

    /// The Provenance: what was done to whom, when, by whom and why, and the versions it was done to.
    fn provenance(&self, source: &Party, target: &Party) -> Tree {
        let entity =
            |role: &str, party: &Party| Tree::object([("role", Tree::string(role)), ("what", party.versioned())]);
        let who = who(self.inputs);
        let mut told = Tree::object([
            ("resourceType", Tree::string("Provenance")),
            ("target", targets(&source.id, &target.id)),
            ("recorded", Tree::string(moment::instant(now()))),
        ]);
        if let Some(reason) = self.inputs.text("reason") {
            let concept = Tree::object([("text", Tree::string(reason))]);
            told.set("reason", Tree::Array(vec![concept]));
        }
        told.set("activity", self.activity());
        told.set("agent", Tree::Array(vec![Tree::object([("who", who)])]));
        told.set(
            "entity",
            Tree::Array(vec![entity("source", source), entity("revision", target)]),
        );
        told
    }

    /// Writes what becomes of the two, with the Provenance, as one unit; in a preview, nothing.
    ///
    /// # Errors
    /// 422 where a record would not conform, 409 where an identifier is another's.
    pub(crate) fn carry_out(
        &self,
        engine: &Engine,
        (source, target): (&Party, &Party),
        after: Vec<(&Party, Tree)>,
        text: String,
    ) -> Result<Attempt<Reply>, Refusal> {
        let mut writes = Vec::with_capacity(after.len() + 2);
        // First what was decided: where the rest arrives elsewhere, that is known.
        writes.extend(self.decision(engine, source, target)?);
        for (party, record) in &after {
            writes.push(party.write(engine, record)?);
        }
        self.let_both_have(source, target, &mut writes);
        if self.preview {
            let result = after.into_iter().find(|(party, _)| party.id == target.id);
            let result = result.map_or_else(|| target.record.clone(), |(_, record)| record);
            return Ok(Attempt::Done(self.answer(
                &format!("This is a preview; nothing is written. Else: {text}"),
                result,
            )));
        }
        writes.push(self.provenance_write(engine, source, target)?);
        let names: Vec<(Kind, Id)> = writes
            .iter()
            .map(|write| (write.kind.clone(), write.id.clone()))
            .collect();
        match engine.store.submit(Unit::of(writes)) {
            Ok(_) => Ok(Attempt::Done(self.answer(&text, current(engine, &target.id)?))),
            // Somebody wrote one of them in between: decide again.
            Err(Refused::Expectation { .. } | Refused::Disturbed) => Ok(Attempt::Disturbed),
            Err(refused) => Err(of_refused(refused, &names)),
        }
    }

    /// Two persons again may have one number in their records, as when both were registered with it where there was no line:
    /// the target goes on holding it, and the source has it all the same.
    fn let_both_have(&self, source: &Party, target: &Party, writes: &mut [Write]) {
        let of = |party: &Party, writes: &[Write]| writes.iter().position(|write| write.id == party.id);
        if let (UNMERGE, Some(one), Some(other)) = (self.code, of(source, writes), of(target, writes)) {
            let held = writes[other].claims.clone();
            writes[one].claims.retain(|claim| !held.contains(claim));
        }
    }

    /// What the worklist says from then on. Who undoes a merge has decided that they are two.
    fn decision(&self, engine: &Engine, source: &Party, target: &Party) -> Result<Option<Write>, Refusal> {
        let parts = self.code == UNMERGE;
        let decision = if parts { Decision::NotSame } else { Decision::Same };
        let reason = self.inputs.text("reason");
        let pair = Pair::new(&source.id, &target.id);
        pair.decided(engine, decision, (who(self.inputs), reason.as_deref()), parts)
    }

    fn provenance_write(&self, engine: &Engine, source: &Party, target: &Party) -> Result<Write, Refusal> {
        let kind = provenance_kind(engine)?;
        let document = document(&self.provenance(source, target))?;
        let prepared = engine.prepare(&kind, document.root(), false)?;
        let id = self.key.clone().unwrap_or_else(|| engine.store.mint());
        Ok(prepared.into_write(kind, id, Operation::Create, Expect::New))
    }

    /// 200 where nothing is left to be done.
    ///
    /// # Errors
    /// Those of the store.
    pub(crate) fn done(&self, engine: &Engine, target: &Id, text: &str) -> Result<Attempt<Reply>, Refusal> {
        Ok(Attempt::Done(self.answer(text, current(engine, target)?)))
    }

    /// What was asked, what was done, and what has become of the target.
    fn answer(&self, text: &str, result: Tree) -> Reply {
        let mut all = Vec::new();
        let asked = self
            .inputs
            .root()
            .filter(|root| root.string("resourceType").as_deref() == Some("Parameters"));
        all.extend(asked.map(|asked| outputs::resource("input", Tree::from_node(asked))));
        let mut outcome = Vec::new();
        write_outcome(&[Issue::information(Code::Informational, text)], &mut outcome);
        let outcome = Tree::parse(&outcome).expect("an outcome is written as JSON");
        all.push(outputs::resource("outcome", outcome));
        all.push(outputs::resource("result", result));
        outputs::reply(all)
    }
}

/// Whether the caller may decide who is one person and who is not.
///
/// # Errors
/// 403 with the reason.
pub(crate) fn permit(engine: &Engine, inputs: &Inputs) -> Result<(), Refusal> {
    let given = |text: Option<Cow<'_, str>>| text.is_some_and(|text| !text.trim().is_empty());
    let agent = inputs.object("agent");
    let names = |part: &str| given(agent.and_then(|agent| agent.string(part)));
    let is_named =
        names("display") || names("reference") || agent.is_some_and(|agent| agent.get("identifier").is_some());
    engine.merging.permit(is_named, given(inputs.text("reason")))
}

/// Who did it.
pub(crate) fn who(inputs: &Inputs) -> Tree {
    match inputs.object("agent") {
        Some(agent) => Tree::from_node(agent),
        None => Tree::object([("display", Tree::string(OPERATOR))]),
    }
}

fn provenance_kind(engine: &Engine) -> Result<Kind, Refusal> {
    engine.kind("Provenance")
}

fn targets(source: &Id, target: &Id) -> Tree {
    Tree::Array([source, target].map(|id| reference(&format!("Patient/{id}"))).into())
}

fn current(engine: &Engine, id: &Id) -> Result<Tree, Refusal> {
    Ok(Party::read(engine, id)?.record)
}
