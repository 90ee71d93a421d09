//! `Patient/[id]/$summary`: the International Patient Summary, made from what is on record now.
//!
//! <https://hl7.org/fhir/uv/ips/OperationDefinition-summary.html>, by the Composition profile of IPS 2.0.0. Problems,
//! allergies and medications are always there; where nothing is on record of them the section says so with an
//! `emptyReason`, never that there is nothing. What was entered in error is left out.

use fhir::identity::{Id, Kind};
use fhir::moment;
use fhir::tree::Tree;
use query::{SortBy, SortKey, Total};

use crate::bundle_document::{DocumentBundle, address, uuid};
use crate::current::criteria;
use crate::engine::{Engine, now};
use crate::find::{concept, reference, unavailable};
use crate::inputs::Inputs;
use crate::operation::Call;
use crate::record::{self, Record};
use crate::refusal::{Reason, Refusal};
use crate::related::{Circle, Gathering};
use crate::reply::Reply;
use crate::request::{Caller, Request};
use crate::search::{Wanted, find};
use crate::summary_narrative::narrative;
use crate::summary_sections::{SECTIONS, Section, belongs};

/// The profile of the Composition, without a version.
const COMPOSITION: &str = "http://hl7.org/fhir/uv/ips/StructureDefinition/Composition-uv-ips";
/// The profile of the Bundle.
const BUNDLE: &str = "http://hl7.org/fhir/uv/ips/StructureDefinition/Bundle-uv-ips";
/// The version of IPS that is followed.
const VERSION: &str = "2.0.0";
/// Records one section lists of one kind, the newest of them.
const LISTED_MAX: usize = 100;

/// 200 with a document Bundle.
///
/// # Errors
/// 404, 410 where there is no such patient; 400 for a profile that is not IPS's, or without a patient; 412 where the
/// identifier is that of several patients; 422 where more is on record than one bundle of this server can hold.
pub fn summary(engine: &Engine, _caller: &Caller, request: &Request<'_>, call: &Call<'_>) -> Result<Reply, Refusal> {
    let inputs = Inputs::read(engine, request, call)?;
    if let Some(profile) = inputs.text("profile") {
        check(&profile)?;
    }
    let kind = call.kind.expect("it is asked of a kind");
    let id = match call.id {
        Some(id) => id.clone(),
        None => identified(engine, kind, &inputs)?,
    };
    let patient = engine.record(kind, &id)?;
    let patient = Record {
        kind: kind.clone(),
        id,
        json: patient.json,
        inside: None,
        score: None,
    };
    Ok(Reply::json(200, made(engine, request.base, &patient)?))
}

fn check(profile: &str) -> Result<(), Refusal> {
    let (url, version) = profile.split_once('|').unwrap_or((profile, VERSION));
    if [COMPOSITION, BUNDLE].contains(&url) && version == VERSION {
        return Ok(());
    }
    let text = format!("There is no summary by {profile} here; there is {COMPOSITION}|{VERSION}.");
    Err(Refusal::because(Reason::NotSupported, text).at("http.profile"))
}

/// The one patient that has an identifier.
fn identified(engine: &Engine, kind: &Kind, inputs: &Inputs) -> Result<Id, Refusal> {
    let Some(identifier) = inputs.text("identifier") else {
        let text = "$summary of no patient in the address needs the parameter identifier, written system|value.";
        return Err(Refusal::because(Reason::Invalid, text).at("http.identifier"));
    };
    let asked = crate::address::with_query("", [("identifier", &*identifier)]);
    let search = criteria(engine, std::slice::from_ref(kind), asked.trim_start_matches('?'))?;
    let wanted = Wanted {
        kinds: std::slice::from_ref(kind),
        predicate: &search.predicate,
        sort: &[],
        limit: 2,
        total: Total::None,
        clock: engine.clock(false),
    };
    let mut hits = find(engine, &wanted, None)?.hits;
    match hits.len() {
        0 => Err(Refusal::because(Reason::NotFound, "No patient has that identifier.").at("http.identifier")),
        1 => Ok(hits.remove(0).id),
        _ => {
            let text = "Several patients have that identifier; name its system, as in identifier=system|value.";
            Err(Refusal::because(Reason::MultipleMatches, text).at("http.identifier"))
        }
    }
}

/// What one section lists, and of how many.
struct Listed {
    section: &'static Section,
    records: Vec<Record>,
    more: bool,
}

fn made(engine: &Engine, base: &str, patient: &Record) -> Result<Vec<u8>, Refusal> {
    let (at, moment) = (engine.head(), now());
    let clock = engine.clock(false);
    let mut sections = Vec::new();
    for section in &SECTIONS {
        let listed = listed(engine, section, &patient.id, &clock)?;
        if section.required || !listed.records.is_empty() {
            sections.push(listed);
        }
    }
    let seed = |what: &str| uuid(&[what.as_bytes(), patient.id.as_str().as_bytes(), &moment.to_le_bytes()]);
    let (composition, author) = (seed("composition"), seed("author"));
    let mut records = vec![patient.clone()];
    for record in sections.iter().flat_map(|section| &section.records) {
        if !records
            .iter()
            .any(|known| (&known.kind, &known.id) == (&record.kind, &record.id))
        {
            records.push(record.clone());
        }
    }
    let gathering = Gathering {
        engine,
        base,
        circle: &Circle(Some(patient.id.clone())),
        center: None,
        apart: None,
        at: at.max(engine.head()),
        clock: &clock,
    };
    let related = gathering.gather(&records)?;
    if related.cut {
        let text = format!(
            "The summary would have more than {} resources.",
            engine.limits.includes_max
        );
        return Err(Refusal::because(Reason::TooCostly, text));
    }
    let mut bundle = DocumentBundle::start(moment, &format!("urn:uuid:{}", seed("bundle")), Some(BUNDLE));
    let written = written(
        base,
        patient,
        &sections,
        &related.records,
        (&composition, &author, moment),
    );
    bundle.add(&format!("urn:uuid:{composition}"), &written.to_bytes());
    bundle.add_record(base, patient);
    bundle.add(&format!("urn:uuid:{author}"), &device(&author).to_bytes());
    let rest = records.iter().skip(1).chain(&related.records);
    rest.for_each(|record| bundle.add_record(base, record));
    Ok(bundle.finish())
}

fn listed(
    engine: &Engine,
    section: &'static Section,
    patient: &Id,
    clock: &search_index::Clock,
) -> Result<Listed, Refusal> {
    let (mut records, mut more) = (Vec::new(), false);
    for list in section.lists {
        let kind = engine.kind(list.kind)?;
        let search = criteria(
            engine,
            std::slice::from_ref(&kind),
            &format!("patient={patient}&{}", list.criteria),
        )?;
        let newest = |code: &str| {
            let parameter = engine.registry.parameter(&kind, code)?;
            Some(SortKey {
                by: SortBy::Parameter(parameter.id, parameter.kind),
                descending: true,
            })
        };
        let wanted = Wanted {
            kinds: std::slice::from_ref(&kind),
            predicate: &search.predicate,
            sort: &list.newest_by.and_then(newest).into_iter().collect::<Vec<_>>(),
            limit: list.most.unwrap_or(LISTED_MAX),
            total: Total::None,
            clock: clock.clone(),
        };
        let found = find(engine, &wanted, None)?;
        more |= found.next.is_some() && list.most.is_none();
        for record in record::fetch(engine, &found.hits, clock)? {
            if belongs(list, &record.json) {
                records.push(record);
            }
        }
    }
    Ok(Listed { section, records, more })
}

/// The Composition. Its references are absolute: under a `urn:uuid:` a relative one could not be resolved.
fn written(
    base: &str,
    patient: &Record,
    sections: &[Listed],
    related: &[Record],
    (id, author, moment): (&str, &str, i64),
) -> Tree {
    let loinc = "http://loinc.org";
    let section = |listed: &Listed| {
        let Section {
            title, code, display, ..
        } = listed.section;
        let mut section = Tree::object([
            ("title", Tree::string(*title)),
            ("code", concept(loinc, code, display)),
            ("text", narrative(title, &listed.records, related, listed.more)),
        ]);
        let entries: Vec<Tree> = listed
            .records
            .iter()
            .map(|record| reference(&address(base, &record.kind, record.id.as_str())))
            .collect();
        match entries.is_empty() {
            true => section.set("emptyReason", unavailable()),
            false => section.set("entry", Tree::Array(entries)),
        }
        section
    };
    let profile = Tree::Array(vec![Tree::string(format!("{COMPOSITION}|{VERSION}"))]);
    Tree::object([
        ("resourceType", Tree::string("Composition")),
        ("id", Tree::string(id)),
        ("meta", Tree::object([("profile", profile)])),
        ("status", Tree::string("final")),
        ("type", concept(loinc, "60591-5", "Patient summary Document")),
        ("subject", reference(&address(base, &patient.kind, patient.id.as_str()))),
        ("date", Tree::string(moment::instant(moment))),
        ("author", Tree::Array(vec![reference(&format!("urn:uuid:{author}"))])),
        ("title", Tree::string("International Patient Summary")),
        ("section", Tree::Array(sections.iter().map(section).collect())),
    ])
}

/// This server, as the author of what it put together.
fn device(id: &str) -> Tree {
    let name = Tree::object([
        ("name", Tree::string("epis, the national record server")),
        ("type", Tree::string("user-friendly-name")),
    ]);
    let version = Tree::object([("value", Tree::string(env!("CARGO_PKG_VERSION")))]);
    Tree::object([
        ("resourceType", Tree::string("Device")),
        ("id", Tree::string(id)),
        ("deviceName", Tree::Array(vec![name])),
        ("version", Tree::Array(vec![version])),
    ])
}
