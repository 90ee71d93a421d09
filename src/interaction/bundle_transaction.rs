//! A transaction: all entries or none, in one unit of the log (<https://hl7.org/fhir/R4/http.html#trules>).
//!
//! The bundle is read once. What its entries depend on is searched and decided, links are rewritten while the stored
//! form of each resource is copied out of the bundle, and everything is written as one unit, guarded against whoever
//! changed what was decided upon. Reads come last and see the writes.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use fhir::body::{self, Header};
use fhir::document::{Document, Node};
use fhir::identity::{Id, Kind, VersionId};
use fhir::outcome::Issue;
use fhir::parse;
use query::replaced;
use store::{Done, Expect, Operation, Refused, Unit, Write};

use crate::bundle_batch::single;
use crate::bundle_entry::Entry;
use crate::bundle_links::base_of;
use crate::bundle_plan::{Act, Plan, Step, at_entry, together};
use crate::bundle_reply::{self, Answer};
use crate::bundle_search::Searches;
use crate::bundle_value;
use crate::conditional::{self, Attempt};
use crate::delete::deletion;
use crate::duplicates::{Beside, Likely, Newcomer};
use crate::engine::{Engine, Prepared};
use crate::patch::{self, Patch};
use crate::refusal::{Reason, Refusal, of_refused};
use crate::reply::Reply;
use crate::request::{Caller, Request, Return};

/// How often a unit that was disturbed is submitted again while its searches still find the same.
const SUBMITS: usize = 8;

/// Carries out all entries or none: 200 with their answers.
///
/// # Errors
/// What refuses any entry, with the status of the first and every issue located at its entry; 503 where others kept
/// changing what the transaction depends on.
pub fn transaction(
    engine: &Engine,
    caller: &Caller,
    request: &Request<'_>,
    nodes: &[Node<'_>],
) -> Result<Reply, Refusal> {
    let (entries, issues) = read(request, nodes);
    if !issues.is_empty() {
        return Err(Refusal::with(Reason::Invalid, issues));
    }
    let mut answers = conditional::persist(engine, || attempt(engine, request, &entries))?;
    for entry in entries.iter().filter(|entry| entry.is_reading()) {
        answers[entry.index] = single(engine, caller, request, entry);
    }
    Ok(Reply::json(200, bundle_reply::write("transaction-response", &answers)))
}

fn read<'a>(request: &Request<'_>, nodes: &[Node<'a>]) -> (Vec<Entry<'a>>, Vec<Issue>) {
    let mut entries = Vec::with_capacity(nodes.len());
    let mut issues = Vec::new();
    for (index, node) in nodes.iter().enumerate() {
        match Entry::read(index, *node, request.base) {
            Ok(entry) => entries.push(entry),
            Err(issue) => issues.push(issue),
        }
    }
    (entries, issues)
}

/// One write of the unit, and what its answer needs.
struct Piece {
    step: usize,
    write: Write,
    issues: Vec<Issue>,
    /// Whom the patient may be whom it registers.
    likely: Likely,
}

fn attempt(engine: &Engine, request: &Request<'_>, entries: &[Entry<'_>]) -> Result<Attempt<Vec<Answer>>, Refusal> {
    let searches = Searches::new(engine);
    let plan = Plan::make(engine, &searches, entries)?;
    check_reads(engine, &plan, entries)?;
    let mut pieces = prepare(engine, request, &searches, &plan)?;
    let Some(mut answers) = unwritten(engine, request, &plan, entries.len())? else {
        return Ok(Attempt::Disturbed);
    };
    let Some(done) = submit(engine, &searches, &plan, &pieces)? else {
        return Ok(Attempt::Disturbed);
    };
    for (piece, done) in pieces.iter_mut().zip(done) {
        piece
            .issues
            .extend(engine.put_on_worklist(&piece.write.id, &piece.likely));
        piece.issues.append(&mut piece.likely.issues);
        let step = &plan.steps[piece.step];
        answers[step.entry.index] = answer(request, step, piece, done);
    }
    Ok(Attempt::Done(answers))
}

/// The answers of the entries that write nothing, the others still empty; `None` where a record found is gone.
fn unwritten(
    engine: &Engine,
    request: &Request<'_>,
    plan: &Plan<'_, '_>,
    entries: usize,
) -> Result<Option<Vec<Answer>>, Refusal> {
    let mut answers = vec![Answer::default(); entries];
    for step in &plan.steps {
        let answer = &mut answers[step.entry.index];
        match &step.act {
            Act::Existing(id) => match existing(engine, request, &step.kind, id)? {
                Some(found) => *answer = found,
                None => return Ok(None),
            },
            // A conditional delete that found nothing.
            _ => answer.status = 204,
        }
    }
    Ok(Some(answers))
}

/// A read of a record that will not be there fails the transaction before anything is written.
fn check_reads(engine: &Engine, plan: &Plan<'_, '_>, entries: &[Entry<'_>]) -> Result<(), Refusal> {
    let mut refusals = Vec::new();
    let mut writers = None;
    for entry in entries.iter().filter(|entry| entry.is_reading()) {
        let Some((kind, id)) = entry.path.split_once('/') else {
            continue;
        };
        let (Ok(kind), Some(id)) = (engine.kind(kind), Id::new(id)) else {
            continue;
        };
        let writers = writers.get_or_insert_with(|| plan.writers());
        let refusal = match writers.get(&(&kind, &id)).map(|at| &plan.steps[*at].act) {
            Some(Act::Delete(_)) => {
                let text = format!("This transaction deletes {kind}/{id}, so it cannot read it.");
                Some(Refusal::because(Reason::Deleted, text))
            }
            Some(_) => None,
            None => engine.record(&kind, &id).err(),
        };
        refusals.extend(refusal.map(|refusal| at_entry(entry, refusal)));
    }
    together(refusals).map_or(Ok(()), Err)
}

/// Makes the writes, in the order of processing.
fn prepare(
    engine: &Engine,
    request: &Request<'_>,
    searches: &Searches<'_>,
    plan: &Plan<'_, '_>,
) -> Result<Vec<Piece>, Refusal> {
    let mut order: Vec<usize> = (0..plan.steps.len()).collect();
    order.sort_by_key(|at| plan.steps[*at].act.rank());
    let mut pieces = Vec::with_capacity(order.len());
    let (mut refusals, mut beside) = (Vec::new(), Beside::default());
    for at in order {
        let step = &plan.steps[at];
        let made = likely(engine, request, step, &mut beside)
            .and_then(|likely| Ok((writes(engine, searches, plan, step)?, likely)));
        match made {
            Ok((made, mut likely)) => pieces.extend(made.into_iter().map(|(write, issues)| Piece {
                step: at,
                write,
                issues,
                likely: std::mem::take(&mut likely),
            })),
            Err(refusal) => refusals.push(at_entry(step.entry, refusal)),
        }
    }
    together(refusals).map_or(Ok(pieces), Err)
}

/// Whom the patient may be whom a step registers, of those who are here and of those whom steps before register.
fn likely(engine: &Engine, request: &Request<'_>, step: &Step<'_, '_>, beside: &mut Beside) -> Result<Likely, Refusal> {
    let id = match &step.act {
        Act::Create(id) if step.kind == *replaced::kind() => id,
        Act::Put(id) if engine.registers(&step.kind, id)? => id,
        _ => return Ok(Likely::default()),
    };
    let Some(record) = step.entry.resource else {
        return Ok(Likely::default());
    };
    let newcomer = Newcomer {
        id,
        entry: step.entry.index,
        record,
    };
    engine.likely_beside(&request.prefer, &newcomer, beside)
}

/// The writes of a step, with what is to be said of each.
fn writes(
    engine: &Engine,
    searches: &Searches<'_>,
    plan: &Plan<'_, '_>,
    step: &Step<'_, '_>,
) -> Result<Vec<(Write, Vec<Issue>)>, Refusal> {
    let made = made(engine, searches, plan, step)?;
    for (write, _) in &made {
        let stays_merged = engine.stays_merged(std::slice::from_ref(write));
        stays_merged.map_err(|(_, refusal)| refusal)?;
    }
    Ok(made)
}

fn made(
    engine: &Engine,
    searches: &Searches<'_>,
    plan: &Plan<'_, '_>,
    step: &Step<'_, '_>,
) -> Result<Vec<(Write, Vec<Issue>)>, Refusal> {
    let kind = &step.kind;
    let no_resource = || Refusal::because(Reason::Malformed, "The entry has no resource.");
    let (prepared, id, operation, expect) = match &step.act {
        Act::Existing(_) => return Ok(Vec::new()),
        Act::Delete(ids) => {
            let deletions = ids.iter().map(|id| deletion(kind, id, step.expect));
            return Ok(deletions.map(|write| (write, Vec::new())).collect());
        }
        Act::Create(id) => {
            let resource = step.entry.resource.ok_or_else(no_resource)?;
            let prepared = linked(engine, searches, plan, step, resource)?;
            (prepared, id, Operation::Create, step.expect)
        }
        Act::Put(id) => {
            let resource = step.entry.resource.ok_or_else(no_resource)?;
            let prepared = linked(engine, searches, plan, step, resource)?;
            (prepared, id, Operation::Update, step.expect)
        }
        Act::Patch(id) => {
            let resource = step.entry.resource.ok_or_else(no_resource)?;
            let (version, document) = patched(engine, step, id, resource)?;
            let prepared = linked(engine, searches, plan, step, document.root())?;
            (prepared, id, Operation::Update, Expect::Version(version))
        }
    };
    let mut prepared = prepared;
    let issues = std::mem::take(&mut prepared.issues);
    Ok(vec![(
        prepared.into_write(kind.clone(), id.clone(), operation, expect),
        issues,
    )])
}

fn patched(
    engine: &Engine,
    step: &Step<'_, '_>,
    id: &Id,
    resource: Node<'_>,
) -> Result<(VersionId, Document), Refusal> {
    let current = patch::current(engine, &step.kind, id, step.expect)?;
    let (media, bytes) = bundle_value::patch(resource).map_err(|text| Refusal::because(Reason::Malformed, text))?;
    let request = Request {
        content_type: Some(media),
        body: &bytes,
        ..Request::new(crate::Method::Patch, "", "", "")
    };
    let document = Patch::of_request(engine, &request)?.apply(engine, &current)?;
    Ok((current.version, document))
}

/// A resource with its links rewritten, judged and ready to be written.
fn linked(
    engine: &Engine,
    searches: &Searches<'_>,
    plan: &Plan<'_, '_>,
    step: &Step<'_, '_>,
    record: Node<'_>,
) -> Result<Prepared, Refusal> {
    let base = step.entry.full_url.as_deref().and_then(base_of);
    let unresolved = RefCell::new(Vec::new());
    let own = |kind: &Kind, criteria: &str| plan.conditions.get(&(kind.clone(), criteria.to_owned())).cloned();
    let conditional = |text: &str| {
        searches.reference(text, &own).unwrap_or_else(|refusal| {
            unresolved.borrow_mut().push(refusal);
            None
        })
    };
    let rewrite = |name: &str, text: &str| {
        plan.links
            .rewrite(name, text, base, engine.definitions.uri_members(), &conditional)
    };
    let prepared = rewritten(engine, &step.kind, record, &rewrite)?;
    together(unresolved.into_inner()).map_or(Ok(prepared), Err)
}

/// As [`Engine::prepare`], with some strings replaced on the way into the stored form.
fn rewritten(engine: &Engine, kind: &Kind, record: Node<'_>, rewrite: body::Rewrite<'_>) -> Result<Prepared, Refusal> {
    let issues = engine.judged(kind, record, false)?;
    let changed = Cell::new(false);
    let body = body::store_rewritten(record, &|name, text| {
        let new = rewrite(name, text)?;
        changed.set(true);
        Some(new)
    });
    let found_by = if changed.get() {
        let mut json = Vec::new();
        // What the server says of a version is no search value; any header makes the record whole again.
        let id = Id::new("0").expect("one digit is an id");
        let version = VersionId { node: 0, counter: 0 };
        let header = Header {
            kind,
            id: &id,
            version,
            updated: 0,
        };
        body::splice(header, &body, &mut json);
        let document = Document::parse(&json, parse::Limits::default())
            .map_err(|e| Refusal::broken(format!("a record with its links rewritten cannot be read. {e}")))?;
        search_index::Prepared::new(&engine.registry, kind, document.root())
    } else {
        search_index::Prepared::new(&engine.registry, kind, record)
    };
    Ok(Prepared {
        body,
        claims: engine.claims(kind, &found_by.values),
        found_by: Arc::new(found_by),
        issues,
    })
}

/// Writes the unit; `None` where it was disturbed and has to be decided anew.
fn submit(
    engine: &Engine,
    searches: &Searches<'_>,
    plan: &Plan<'_, '_>,
    pieces: &[Piece],
) -> Result<Option<Vec<Done>>, Refusal> {
    if pieces.is_empty() {
        return Ok(Some(Vec::new()));
    }
    for _ in 0..SUBMITS {
        let writes: Vec<Write> = pieces.iter().map(|piece| piece.write.clone()).collect();
        let stays_merged = engine.stays_merged(&writes);
        let stays_merged =
            stays_merged.map_err(|(at, refusal)| at_entry(plan.steps[pieces[at].step].entry, refusal))?;
        let unit = Unit {
            writes,
            guard: conditional::both(searches.guard(), stays_merged),
            ..Unit::default()
        };
        match engine.store.submit(unit) {
            Ok(done) => return Ok(Some(done)),
            Err(Refused::Disturbed) if searches.still_hold()? => {}
            Err(Refused::Disturbed) => return Ok(None),
            Err(Refused::Expectation { write, .. }) if decides_again(plan, pieces, write) => return Ok(None),
            Err(refused) => return Err(located(refused, plan, pieces)),
        }
    }
    Ok(None)
}

/// Whether the write expected what this transaction itself had found, not what its entry says: a minted id that
/// somebody took in between, a record that somebody changed while it was being patched.
fn decides_again(plan: &Plan<'_, '_>, pieces: &[Piece], write: usize) -> bool {
    let Some(step) = pieces.get(write).map(|piece| &plan.steps[piece.step]) else {
        return false;
    };
    match step.act {
        Act::Create(_) => true,
        Act::Patch(_) => !matches!(step.expect, Expect::Version(_)),
        _ => false,
    }
}

fn located(refused: Refused, plan: &Plan<'_, '_>, pieces: &[Piece]) -> Refusal {
    let write = match &refused {
        Refused::Expectation { write, .. } | Refused::Claimed { write, .. } => Some(*write),
        _ => None,
    };
    let names: Vec<(Kind, Id)> = pieces
        .iter()
        .map(|p| (p.write.kind.clone(), p.write.id.clone()))
        .collect();
    let refusal = of_refused(refused, &names);
    match write.and_then(|write| pieces.get(write)) {
        Some(piece) => at_entry(plan.steps[piece.step].entry, refusal),
        None => refusal,
    }
}

fn answer(request: &Request<'_>, step: &Step<'_, '_>, piece: &Piece, done: Done) -> Answer {
    let Write { kind, id, body, .. } = &piece.write;
    let wrote = done.seq > 0;
    let mut answer = Answer {
        etag: wrote.then_some(done.version),
        last_modified: wrote.then_some(done.updated),
        ..Answer::default()
    };
    if matches!(step.act, Act::Delete(_)) {
        answer.status = 204;
        return answer;
    }
    answer.status = if done.existed { 200 } else { 201 };
    answer.location = Some(format!("{}/{kind}/{id}/_history/{}", request.base, done.version));
    let header = Header {
        kind,
        id,
        version: done.version,
        updated: done.updated,
    };
    show(&mut answer, request, header, body, &piece.issues);
    answer
}

/// Adds the body that the request prefers: none, unless it says so.
fn show(answer: &mut Answer, request: &Request<'_>, header: Header<'_>, body: &[u8], issues: &[Issue]) {
    match request.prefer.answer {
        Some(Return::Representation) => body::splice(header, body, &mut answer.resource),
        Some(Return::Outcome) => {
            let done = match answer.status {
                201 => "created",
                _ => "stored",
            };
            let text = format!("{}/{} is {done} as version {}.", header.kind, header.id, header.version);
            let mut all = vec![Issue::information(fhir::outcome::Code::Informational, text)];
            all.extend_from_slice(issues);
            fhir::outcome::write_outcome(&all, &mut answer.outcome);
        }
        Some(Return::Minimal) | None => {}
    }
}

/// The answer of a conditional create that found the record; `None` where it is gone in the meantime.
fn existing(engine: &Engine, request: &Request<'_>, kind: &Kind, id: &Id) -> Result<Option<Answer>, Refusal> {
    let Some(current) = engine
        .store
        .current(kind, id)?
        .filter(|version| version.operation.is_live())
    else {
        return Ok(None);
    };
    let mut answer = Answer {
        status: 200,
        location: Some(format!("{}/{kind}/{id}/_history/{}", request.base, current.version)),
        etag: Some(current.version),
        last_modified: Some(current.updated),
        ..Answer::default()
    };
    show(
        &mut answer,
        request,
        crate::engine::header(&current),
        &current.body,
        &[],
    );
    Ok(Some(answer))
}
