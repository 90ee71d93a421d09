//! What sites wrote apart and only a person can settle, as a Task on the worklist: what it is about, and what each side said.

use fhir::identity::{Id, Kind, VersionId};
use fhir::moment;
use fhir::tree::Tree;
use store::{Expect, Operation, Write};
use sync::lanes::lane;

use crate::engine::{Engine, now, spliced};
use crate::find::{concept, reference};
use crate::merge_party::document;
use crate::refusal::Refusal;

/// Where the codes of the worklist come from.
const SYSTEM: &str = "urn:epis:bt:conflict";
/// The code of a Task that is completed because a later version of the record settled it.
const SETTLED: &str = "settled";
/// Characters told of what one version said.
const SAID_MAX: usize = 4_000;

/// A question.
pub(crate) struct Question<'a> {
    /// The record that it is about.
    pub(crate) focus: (&'a Kind, &'a Id),
    /// That record as it is shown; `None` where it is deleted.
    pub(crate) record: Option<&'a Tree>,
    /// The element of it.
    pub(crate) element: String,
    /// What happened and what is to be done, a sentence or two.
    pub(crate) description: String,
    /// Each version that said something, as a reference, and what it said: `None` where it took the element out, empty
    /// where it wrote inside of it.
    pub(crate) sides: Vec<(String, Option<String>)>,
}

impl Question<'_> {
    /// The write that puts it on the worklist, or again where it was settled by what was undone since, or adds what more was
    /// said; `None` where it says so already.
    ///
    /// # Errors
    /// Those of the store.
    pub(crate) fn raised(&self, engine: &Engine, task: &Id) -> Result<Option<Write>, Refusal> {
        let inputs = self.inputs();
        let (expect, mut told) = match current(engine, task)? {
            Some((_, told)) if told.get("input") == Some(&inputs) && !is_settled(&told) => return Ok(None),
            Some((version, told)) => (Expect::Current(Some(version)), told),
            None => (Expect::Absent, self.fresh()),
        };
        told.set("input", inputs);
        // A person who thought that it was settled has not seen what came since.
        told.set("status", Tree::string("requested"));
        told.remove("businessStatus");
        told.set("lastModified", Tree::string(moment::instant(now())));
        write(engine, task, &told, expect).map(Some)
    }

    fn fresh(&self) -> Tree {
        let now = moment::instant(now());
        let (kind, id) = self.focus;
        let mut told = Tree::object([
            ("resourceType", Tree::string("Task")),
            ("status", Tree::Null),
            ("intent", Tree::string("proposal")),
            (
                "code",
                concept(SYSTEM, "settle-conflict", "Settle what sites wrote apart"),
            ),
            ("description", Tree::string(self.description.clone())),
            ("focus", reference(&format!("{kind}/{id}"))),
        ]);
        // It goes to the clinics that hold her records, as the record does.
        if let Some(patient) = self.patient() {
            told.set("for", reference(&format!("Patient/{patient}")));
        }
        told.set("authoredOn", Tree::string(now.clone()));
        told.set("lastModified", Tree::string(now));
        told
    }

    /// Whom the record is of.
    fn patient(&self) -> Option<Id> {
        let (kind, id) = self.focus;
        match kind.as_str() {
            "Patient" => Some(id.clone()),
            kind => lane(kind).patient(document(self.record?).ok()?.root()),
        }
    }

    /// The element, then each version that said something of it, and what.
    fn inputs(&self) -> Tree {
        let input = |code: &str, display: &str, member: &str, value: Tree| {
            Tree::object([("type", concept(SYSTEM, code, display)), (member, value)])
        };
        let mut all = vec![input(
            "element",
            "The element",
            "valueString",
            Tree::string(self.element.clone()),
        )];
        for (version, said) in &self.sides {
            all.push(input("version", "A version", "valueReference", reference(version)));
            match said.as_deref() {
                None => all.push(input(
                    "removed",
                    "It took the element out",
                    "valueBoolean",
                    Tree::Bool(true),
                )),
                // Something inside of the element was written.
                Some("") => {}
                Some(said) => {
                    let said: String = said.chars().take(SAID_MAX).collect();
                    all.push(input("said", "It said", "valueString", Tree::string(said)));
                }
            }
        }
        Tree::Array(all)
    }
}

/// The write that completes a Task, and why; `None` where somebody has.
///
/// # Errors
/// Those of the store.
pub(crate) fn completed(engine: &Engine, task: &Id, why: &str) -> Result<Option<Write>, Refusal> {
    let Some((version, mut told)) = current(engine, task)?.filter(|(_, told)| !is_closed(told)) else {
        return Ok(None);
    };
    told.set("status", Tree::string("completed"));
    told.set("businessStatus", concept(SYSTEM, SETTLED, why));
    told.set("lastModified", Tree::string(moment::instant(now())));
    write(engine, task, &told, Expect::Current(Some(version))).map(Some)
}

/// Whether nobody is asked any more.
pub(crate) fn is_closed(task: &Tree) -> bool {
    matches!(
        task.get("status").and_then(Tree::as_str),
        Some("completed" | "cancelled" | "rejected" | "entered-in-error")
    )
}

/// Whether nobody is asked any more because of what was written, and not because a person said so.
fn is_settled(task: &Tree) -> bool {
    let coding = task
        .get("businessStatus")
        .and_then(|status| status.get("coding")?.items().first());
    is_closed(task) && coding.and_then(|coding| coding.get("code")?.as_str()) == Some(SETTLED)
}

/// A Task as it is now; `None` where there is none.
///
/// # Errors
/// Those of the store.
pub(crate) fn current(engine: &Engine, task: &Id) -> Result<Option<(VersionId, Tree)>, Refusal> {
    let version = engine.store.current(&engine.kind("Task")?, task)?;
    let living = version.filter(|version| version.operation.is_live());
    living
        .map(|version| Ok((version.version, Tree::parse(&spliced(&version))?)))
        .transpose()
}

fn write(engine: &Engine, id: &Id, task: &Tree, expect: Expect) -> Result<Write, Refusal> {
    let kind = engine.kind("Task")?;
    let operation = match expect {
        Expect::Absent => Operation::Create,
        _ => Operation::Update,
    };
    let prepared = engine.as_it_is(&kind, document(task)?.root());
    Ok(prepared.into_write(kind, id.clone(), operation, expect))
}
