//! `ViewDefinition/$viewdefinition-run`: the rows of a view over this server's records, or over records sent with it.
//!
//! See <https://sql-on-fhir.org/ig/latest/OperationDefinition-ViewDefinitionRun.html>. The view is sent as
//! `viewResource`, named by `viewReference`, or is the record that the operation is asked of. Rows are written one by
//! one and sent in pieces, as fast as the caller takes them; within a bundle the table is held, and bounded by a limit.

use std::time::Duration;

use analytics::{Fault, Format, Row, Runner, Surroundings, Table, View, each_record};
use conformance::asked::Asked;
use fhir::document::{Document, Node};
use fhir::identity::{Id, Kind, Reference};
use fhir::parse::Limits;
use query::Total;
use query::predicate::Predicate;

use crate::engine::{Engine, VIEW_DEFINITION, now};
use crate::inputs::Inputs;
use crate::operation::Call;
use crate::outlet::Pieces;
use crate::record;
use crate::refusal::{Reason, Refusal};
use crate::reply::Reply;
use crate::request::{Caller, Request};
use crate::search::{Wanted, find};
use crate::validate;

/// Records of patients, or of a group, that one run reads at most.
const RECORDS_MAX: usize = 100_000;
/// Patients whose records one run reads at most.
const PATIENTS_MAX: usize = 1_000;
/// Records read at once.
const PAGE: usize = 500;

/// Runs a view: 200 with its rows.
///
/// # Errors
/// 400 for parameters that are not understood, 404 where there is no such view or kind of record, 406 for a format that
/// is none of the three, 422 for a view that cannot be run, with every fault, and for a table that is too large to be held. What goes wrong
/// after the first piece was sent breaks the answer off.
pub fn viewdefinition_run(
    engine: &Engine,
    _caller: &Caller,
    request: &Request<'_>,
    call: &Call<'_>,
) -> Result<Reply, Refusal> {
    let inputs = Inputs::read(engine, request, call)?;
    let format = format(request, call, &inputs)?;
    let view = view(engine, call, &inputs)?;
    let asked = Asked(engine.registry.terminology());
    let shelf = validate::Records(engine);
    let judging = validate::judging(engine, &shelf);
    let surroundings = Surroundings {
        model: &*engine.definitions,
        now: now(),
        zone: engine.zone,
        resolver: None,
        terminology: Some(&asked),
        profiles: Some(&judging),
    };
    let header = inputs.flag("header")?.unwrap_or(true);
    let pieces = Pieces::new(request.outlet, media(format));
    let table = Table::begin(format, view.columns(), header, pieces).map_err(Refusal::broken)?;
    let mut run = Run {
        runner: Runner::new(&view, surroundings),
        table,
        left: inputs.number("_limit")?.unwrap_or(usize::MAX),
        bytes_max: engine.limits.table_bytes,
        patience: engine.limits.search_time,
        refusal: None,
    };
    if run.left > 0 {
        run.over(engine, &inputs, view.resource())?;
    }
    if let Some(refusal) = run.refusal {
        return Err(refusal);
    }
    let (pieces, _) = run.table.end().map_err(Refusal::broken)?;
    pieces.end().map_err(Refusal::broken)
}

fn media(format: Format) -> &'static str {
    match format {
        Format::Csv => "text/csv; charset=utf-8",
        Format::Ndjson => "application/x-ndjson; charset=utf-8",
        Format::Json => "application/json; charset=utf-8",
    }
}

/// The format asked for: by the parameter, or by the first that is known in `Accept`; JSON where nothing is said.
fn format(request: &Request<'_>, call: &Call<'_>, inputs: &Inputs) -> Result<Format, Refusal> {
    let names = "csv, ndjson or json";
    if let Some(name) = call.format.map(Into::into).or_else(|| inputs.text("_format")) {
        return Format::named(&name)
            .or((&*name == "application/fhir+json").then_some(Format::Json))
            .ok_or_else(|| {
                let text = format!("_format is \"{name}\"; a table is written as {names}.");
                Refusal::because(Reason::NotAcceptable, text).at("http._format")
            });
    }
    let accept = request.accept.unwrap_or("*/*");
    let ranges = accept
        .split(',')
        .map(|range| range.split(';').next().unwrap_or_default().trim());
    let known = |range: &str| match range {
        "*/*" | "application/*" | "application/fhir+json" | "" => Some(Format::Json),
        "text/*" => Some(Format::Csv),
        name => Format::named(name),
    };
    ranges.filter_map(known).next().ok_or_else(|| {
        let text = format!("Accept names no format that a table is written in; ask for {names} by _format.");
        Refusal::because(Reason::NotAcceptable, text).at("http.Accept")
    })
}

/// The view: sent, named, or the record that is asked.
fn view(engine: &Engine, call: &Call<'_>, inputs: &Inputs) -> Result<View, Refusal> {
    let stored: Document;
    let kind = engine.kind(VIEW_DEFINITION)?;
    let sent = inputs.resource("viewResource", "viewResource");
    let definition = match (call.id, sent, references(inputs, "viewReference").first()) {
        (Some(id), None, None) => {
            stored = read(engine, &kind, id)?;
            stored.root()
        }
        (None, Some(sent), None) => sent,
        (None, None, Some(reference)) => {
            stored = named(engine, &kind, reference)?;
            stored.root()
        }
        _ => {
            let text = "Name one view: as viewResource, as viewReference, or by the address of its record.";
            return Err(Refusal::because(Reason::Invalid, text));
        }
    };
    View::compile(&*engine.definitions, definition).map_err(|faults| Refusal::with(Reason::Unprocessable, faults))
}

fn read(engine: &Engine, kind: &Kind, id: &Id) -> Result<Document, Refusal> {
    Ok(Document::parse(&engine.record(kind, id)?.json, Limits::default())?)
}

/// A view by reference, or by its canonical address.
fn named(engine: &Engine, kind: &Kind, reference: &str) -> Result<Document, Refusal> {
    if let Reference::Literal { kind: named, id, .. } = Reference::parse(reference)
        && named == kind.as_str()
        && let Some(id) = Id::new(id)
        && let Ok(found) = read(engine, kind, &id)
    {
        return Ok(found);
    }
    match engine.canonical(kind, reference)? {
        Some(found) => Ok(Document::parse(found.text().as_bytes(), Limits::default())?),
        None => {
            let text = format!("There is no view {reference}: name it as ViewDefinition/id, or by its url.");
            Err(Refusal::because(Reason::NotFound, text).at("http.viewReference"))
        }
    }
}

/// The references under a name: as texts, or in a Reference.
fn references(inputs: &Inputs, name: &str) -> Vec<String> {
    let objects = inputs.of(name).filter_map(|parameter| parameter.value());
    let objects = objects.filter_map(|(_, node)| Some(node.string("reference")?.into_owned()));
    inputs
        .texts(name)
        .map(|text| text.into_owned())
        .chain(objects)
        .collect()
}

/// A run under way.
struct Run<'a> {
    runner: Runner<'a>,
    table: Table<Pieces<'a>>,
    /// How many rows may still be written.
    left: usize,
    bytes_max: usize,
    /// How long it may take to fill a piece.
    patience: Duration,
    /// Why it stopped early, where that is no fault of the view.
    refusal: Option<Refusal>,
}

impl Run<'_> {
    /// Goes over the records: those that were sent; else this server's.
    fn over(&mut self, engine: &Engine, inputs: &Inputs, resource: &str) -> Result<(), Refusal> {
        let scope = ["_since", "patient", "group"];
        let mut sent = inputs
            .of("resource")
            .filter_map(|parameter| parameter.resource())
            .peekable();
        if sent.peek().is_some() {
            if let Some(name) = scope
                .iter()
                .find(|name| inputs.of(name).next().is_some() || inputs.text(name).is_some())
            {
                let text =
                    format!("{name} chooses among this server's records; leave it out where resources are sent.");
                return Err(Refusal::because(Reason::Invalid, text).at(format!("http.{name}")));
            }
            for record in sent {
                if !self.record(record).map_err(refused)? {
                    break;
                }
            }
            return Ok(());
        }
        let kind = kind(engine, resource)?;
        let since = inputs.text("_since").map(|text| moment(engine, &text)).transpose()?;
        let patients = patients(engine, inputs)?;
        if patients.is_empty() {
            let each = &mut |record: Node<'_>| self.record(record);
            return each_record(&engine.store, &kind, engine.store.head(), since, each).map_err(refused);
        }
        self.of_patients(engine, &kind, since, &patients)
    }

    /// Writes the rows of a record; `false` where no more are wanted.
    fn record(&mut self, record: Node<'_>) -> Result<bool, Fault> {
        let Run {
            runner,
            table,
            left,
            bytes_max,
            patience,
            refusal,
        } = self;
        let mut stopped = false;
        let mut take = |row: &mut Row| {
            if *left == 0 || refusal.is_some() {
                return Ok(());
            }
            *left -= 1;
            table.row(row).map_err(Fault::Taker)?;
            if table.writer().held() > *bytes_max {
                *refusal = Some(too_large(*bytes_max));
            }
            Ok(())
        };
        runner.record(record, &mut take)?;
        if table.writer().moved().elapsed() > *patience {
            *refusal = Some(Refusal::because(
                Reason::TooCostly,
                "Running the view takes longer than this server allows; ask for less by _since, patient or _limit, or use `epis view run`.",
            ));
        }
        stopped |= *left == 0 || refusal.is_some();
        Ok(!stopped)
    }

    fn of_patients(
        &mut self,
        engine: &Engine,
        kind: &Kind,
        since: Option<i64>,
        patients: &[Id],
    ) -> Result<(), Refusal> {
        let patient = engine.kind("Patient")?;
        let belong = |id: &Id| {
            let belonging = engine.compartments.of(&engine.registry, &patient, id, Some(kind));
            belonging.map(|belonging| belonging.predicate)
        };
        let predicates: Vec<Predicate> = patients.iter().map(belong).collect::<Result<_, _>>()?;
        let wanted = Wanted {
            kinds: std::slice::from_ref(kind),
            predicate: &Predicate::any(predicates),
            sort: &[],
            limit: RECORDS_MAX,
            total: Total::None,
            clock: engine.clock(false),
        };
        let matches = find(engine, &wanted, None)?;
        if matches.next.is_some() {
            let text =
                format!("These patients have more than {RECORDS_MAX} records of {kind}; ask for fewer patients.");
            return Err(Refusal::because(Reason::TooCostly, text));
        }
        for page in matches.hits.chunks(PAGE) {
            for found in record::fetch(engine, page, &wanted.clock)? {
                let document = Document::parse(&found.json, Limits::default())?;
                let recent = since.is_none_or(|since| written(engine, document.root()) >= since);
                if recent && !self.record(document.root()).map_err(refused)? {
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}

/// When a record was written, in microseconds since 1970.
fn written(engine: &Engine, record: Node<'_>) -> i64 {
    let updated = record.get("meta").and_then(|meta| meta.string("lastUpdated"));
    let stretch = updated.and_then(|text| fhir::moment::stretch(&text, engine.zone));
    stretch.map_or(fhir::moment::BEGINNING, |stretch| stretch.start)
}

fn refused(fault: Fault) -> Refusal {
    match fault {
        Fault::View(sentence) => Refusal::because(Reason::Unprocessable, sentence),
        Fault::Taker(_) | Fault::Store(_) => Refusal::broken(fault),
    }
}

fn too_large(bytes_max: usize) -> Refusal {
    let text = format!(
        "The table has more than {bytes_max} bytes; ask for less by _limit, _since or patient, or use `epis view run`."
    );
    Refusal::because(Reason::TooCostly, text)
}

/// The kind of record that a view is of: one of FHIR's, or another that was stored.
fn kind(engine: &Engine, resource: &str) -> Result<Kind, Refusal> {
    let stored = engine.store.kinds().into_iter().find(|kind| kind.as_str() == resource);
    stored.map_or_else(|| engine.kind(resource), Ok)
}

fn moment(engine: &Engine, text: &str) -> Result<i64, Refusal> {
    let stretch = fhir::moment::stretch(text, engine.zone);
    stretch.map(|stretch| stretch.start).ok_or_else(|| {
        let text = format!("_since is \"{text}\"; write a date or a date with time.");
        Refusal::because(Reason::Invalid, text).at("http._since")
    })
}

/// The patients named by `patient`, and those who are members of a `group`.
fn patients(engine: &Engine, inputs: &Inputs) -> Result<Vec<Id>, Refusal> {
    let mut patients = Vec::new();
    for reference in references(inputs, "patient") {
        patients.push(id_of(&reference, "Patient", "patient")?);
    }
    let groups = references(inputs, "group");
    for reference in &groups {
        let id = id_of(reference, "Group", "group")?;
        let group = read(engine, &engine.kind("Group")?, &id)?;
        let members = group
            .root()
            .get("member")
            .into_iter()
            .flat_map(|members| members.each());
        let named = members.filter_map(|member| member.get("entity")?.string("reference"));
        patients.extend(named.filter_map(|reference| id_of(&reference, "Patient", "group").ok()));
    }
    if patients.len() > PATIENTS_MAX {
        let text = format!("Ask for at most {PATIENTS_MAX} patients, not {}.", patients.len());
        return Err(Refusal::because(Reason::TooCostly, text));
    }
    if patients.is_empty() && !groups.is_empty() {
        let text = "The group has no patients among its members.";
        return Err(Refusal::because(Reason::Unprocessable, text).at("http.group"));
    }
    Ok(patients)
}

fn id_of(reference: &str, kind: &str, parameter: &str) -> Result<Id, Refusal> {
    let id = match Reference::parse(reference) {
        Reference::Literal { kind: named, id, .. } => Some(id).filter(|_| named == kind),
        _ => Some(reference),
    };
    id.and_then(Id::new).ok_or_else(|| {
        let text = format!("{parameter} is \"{reference}\"; write {kind}/id.");
        Refusal::because(Reason::Invalid, text).at(format!("http.{parameter}"))
    })
}
