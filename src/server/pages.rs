//! The few pages beside FHIR: what this is, how it is, the worklist of duplicates, and a fixed answer to measure against.

use std::sync::Arc;

use actix_web::http::{Method, header};
use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse};
use fhir::moment::instant;
use interaction::{Engine, Generations};

use crate::node::status::{self, Seat};

const WELCOME: &str = "epis keeps national patient records and speaks FHIR R4 (JSON and XML).\n\n\
    /fhir/metadata   what it can do\n\
    /fhir/Patient    records of one kind\n\
    /find?q=sonam    people, by whatever is known of them\n\
    /duplicates      patients who may be registered twice, to be decided\n\
    /health          whether it is well\n\
    /sync            how far clinics and the centre are\n";

/// The worklist of possible duplicates for a registrar, drawn in the browser from what `/fhir` answers.
const DUPLICATES: &str = include_str!("duplicates.html");

/// The answer of `/ping`: about as long as a small record.
const PING: &[u8] = b"{\"resourceType\":\"OperationOutcome\",\"issue\":[{\"severity\":\"information\",\"code\":\"informational\",\"diagnostics\":\"This answer is fixed: it measures what HTTP itself costs here.\"}]}";

/// The page at a path beside FHIR, where there is one.
pub fn page(http: &HttpRequest, generations: &Generations, standing: &str) -> Option<HttpResponse> {
    if http.method() != Method::GET && http.method() != Method::HEAD {
        return None;
    }
    match http.path() {
        "/" => Some(text(
            "text/plain; charset=utf-8",
            Bytes::from_static(WELCOME.as_bytes()),
        )),
        "/duplicates" => Some(text(
            "text/html; charset=utf-8",
            Bytes::from_static(DUPLICATES.as_bytes()),
        )),
        "/ping" => Some(text("application/fhir+json; charset=utf-8", Bytes::from_static(PING))),
        "/health" => Some(text(
            "application/json",
            Bytes::from(health(&generations.now(), standing)),
        )),
        _ => None,
    }
}

/// The page that shows how far clinics are, or the same for programs; it reads the log, on a thread that may wait.
pub async fn clinics(http: &HttpRequest, seat: &Arc<Seat>) -> Option<HttpResponse> {
    type Written = fn(&Seat) -> Result<String, String>;
    let (format, written): (_, Written) = match http.path() {
        "/sync" if http.method() == Method::GET => ("text/html; charset=utf-8", status::page),
        "/sync/status" if http.method() == Method::GET => ("application/json", status::json),
        "/sync/verify" if http.method() == Method::POST => ("text/plain; charset=utf-8", status::order_verification),
        _ => return None,
    };
    let seat = Arc::clone(seat);
    let said = web::block(move || written(&seat)).await;
    Some(told(
        format,
        said.unwrap_or_else(|_| Err("a fault of the program".to_owned())),
    ))
}

fn told(format: &'static str, said: Result<String, String>) -> HttpResponse {
    match said {
        Ok(said) => text(format, Bytes::from(said)),
        Err(why) => {
            eprintln!("epis: how far nodes are: {why}");
            HttpResponse::InternalServerError().body("How far nodes are cannot be read now.\n")
        }
    }
}

fn text(format: &'static str, body: Bytes) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, header::HeaderValue::from_static(format)))
        .body(body)
}

/// Where the log ends, how far the index has followed it, in how many segments it lies and whether they rest, how many
/// commits there were since the start, which node this is and of whom, whether the index is being built, whether the patients
/// are in memory to be found and matched, and what the patrol has found.
fn health(engine: &Engine, standing: &str) -> String {
    let head = engine.store.head();
    let index = engine.index.position();
    let ((segments, _), resting) = (engine.index.size(), engine.index.is_resting());
    let groups = engine.store.groups();
    let rounds = engine.upkeep.rounds();
    let (passed, of) = rounds.reached;
    let ended = rounds
        .ended
        .map_or("null".to_owned(), |ended| format!("\"{}\"", instant(ended)));
    let building = match engine.upkeep.job() {
        Some(job) if job.ended.is_none() => format!("{{\"read\":{},\"of\":{}}}", job.reached.0, job.reached.1),
        _ => "null".to_owned(),
    };
    let patrol = format!(
        "{{\"rounds\":{},\"ended\":{ended},\"records\":{},\"deep\":{},\"findings\":{},\"repairs\":{},\
        \"passed\":{passed},\"of\":{of}}}",
        rounds.complete, rounds.records.0, rounds.records.1, rounds.findings, rounds.repairs
    );
    let (ready, read) = engine.people_read();
    let country = match engine.country().told() {
        None => "null".to_owned(),
        Some(told) => {
            let people = told.people.map_or("null".to_owned(), |people| people.to_string());
            let when = told
                .people
                .map_or("null".to_owned(), |_| format!("\"{}\"", instant(told.when)));
            format!("{{\"people\":{people},\"asOf\":{when}}}")
        }
    };
    let people = format!("{{\"ready\":{ready},\"read\":{read},\"country\":{country}}}");
    format!(
        "{{\"status\":\"ok\",\"head\":{head},\"index\":{index},\"segments\":{segments},\"resting\":{resting},\"groups\":{groups},\
        \"node\":{standing},\"building\":{building},\"people\":{people},\"patrol\":{patrol}}}\n"
    )
}
