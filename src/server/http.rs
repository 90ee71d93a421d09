//! The door: HTTP requests in, HTTP responses out, within limits.
//!
//! A read or a search whose answer is at hand is answered at once; everything else goes to a blocking thread, of which
//! only so many are busy at once. An answer too long to be held is sent while that thread makes it. A fault of the
//! program is a 500 with an OperationOutcome.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use actix_web::http::header::ACCEPT_ENCODING;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse, web};
use interaction::{Caller, Generations, Reason, Refusal, Reply};

use crate::ask::{self, Asked, Head, ROOT};
use crate::body::{self, Budget};
use crate::log::{self, Detail, Names};
use crate::node::identity;
use crate::node::status::Seat;
use crate::respond::{Packed, respond, respond_begun};
use crate::settings::Settings;
use crate::stream::{Begun, Opening};

/// Bytes of an answer at hand that are packed at once.
const PACKED_AT_ONCE_MAX: usize = 16 << 10;

/// The address of the box for finding people, which is no part of FHIR.
const FIND: &str = "/find";

/// Everything the door needs, shared by all workers.
pub struct Door {
    /// What answers.
    pub generations: Arc<Generations>,
    settings: Settings,
    /// Where it sits among nodes and centre.
    seat: Arc<Seat>,
    /// What is said of this server as a node.
    standing: String,
    detail: Detail,
    names: Names,
    budget: Arc<Budget>,
    busy: AtomicUsize,
}

impl Door {
    /// A door to what answers.
    ///
    /// # Errors
    /// A sentence where a setting cannot be used.
    pub fn new(generations: Arc<Generations>, settings: Settings, seat: Seat) -> Result<Door, String> {
        Ok(Door {
            seat: Arc::new(seat),
            standing: identity::standing(&settings, generations.now().store.node())?,
            generations,
            detail: Detail::read(&settings.log)?,
            names: Names::new(),
            budget: Budget::new(settings.bodies_bytes_max.0),
            busy: AtomicUsize::new(0),
            settings,
        })
    }
}

/// A place among the requests being answered on blocking threads, given back when it is dropped.
struct Place(Arc<Door>);

impl Place {
    fn take(door: &Arc<Door>) -> Result<Place, Refusal> {
        let place = Place(Arc::clone(door));
        if door.busy.fetch_add(1, Ordering::AcqRel) >= door.settings.requests_max {
            let text = "The server is answering as many requests as it can; send the same request again in a moment.";
            return Err(Refusal::because(Reason::Busy, text));
        }
        Ok(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.busy.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Routes everything to the door.
pub fn routes(door: &Data<Door>, config: &mut web::ServiceConfig) {
    config.app_data(door.clone()).default_service(web::to(open));
}

async fn open(http: HttpRequest, payload: Payload, door: Data<Door>) -> HttpResponse {
    let start = Instant::now();
    let given = http.headers().get("x-request-id").and_then(|value| value.to_str().ok());
    let id = door.names.name(given);
    if let Some(page) = crate::pages::page(&http, &door.generations, &door.standing) {
        return page;
    }
    if let Some(page) = crate::pages::clinics(&http, &door.seat).await {
        return page;
    }
    let door = door.into_inner();
    let answer = answer(&http, payload, &door).await;
    let refused = |refusal: Refusal| {
        let definitions = &door.generations.now().definitions;
        Packed::new(ask::wanted(&http).write(definitions, refusal.into()), false)
    };
    let response = match answer.unwrap_or_else(|refusal| Answer::Whole(refused(refusal))) {
        Answer::Whole(packed) => respond(packed, &id),
        Answer::Begun(begun) => respond_begun(begun, &id),
    };
    let status = response.status().as_u16();
    if door.detail == Detail::Requests || (door.detail == Detail::Failures && status >= 500) {
        log::answered(
            &door.generations.now().definitions,
            http.method().as_str(),
            http.path(),
            status,
            start.elapsed(),
            &id,
        );
    }
    response
}

/// An answer: whole, or begun, its body to come.
enum Answer {
    Whole(Packed),
    Begun(Begun),
}

async fn answer(http: &HttpRequest, payload: Payload, door: &Arc<Door>) -> Result<Answer, Refusal> {
    ask::check(http, &door.settings)?;
    let path = below_root(http.uri().path())?;
    let base = ask::base(http, &door.settings);
    let head = ask::head(http, path, &base, &door.settings)?;
    let gzip = door.settings.compress && accepts_gzip(http);
    if let Some(reply) = at_once(door, &head)? {
        return packed(reply, gzip).await.map(Answer::Whole);
    }
    let (announced, packed) = ask::announced(http.headers())?;
    let (setting, max) = body_max(path, &door.settings);
    let body = body::receive(
        payload,
        announced,
        (setting, max),
        door.settings.body_seconds,
        &door.budget,
    )
    .await?;
    let asked = Asked::new(&head, body);
    let place = Place::take(door)?;
    let (opening, begun) = Opening::new(gzip, Duration::from_secs(door.settings.body_seconds));
    let work = move || {
        let reply = work(&place.0, asked, packed.then_some((setting, max)), &opening)?;
        Ok(Packed::new(reply, gzip))
    };
    let whole = web::block(work);
    // Where the work ends without having begun an answer, its opening is gone.
    if let Ok(begun) = begun.await {
        return Ok(Answer::Begun(begun));
    }
    let whole = whole.await.map_err(|_| Refusal::broken("it is stopping."))?;
    whole.map(Answer::Whole)
}

/// The reply, packed where the caller takes that; packing much is no work for the thread that reads requests.
async fn packed(reply: Reply, gzip: bool) -> Result<Packed, Refusal> {
    if !gzip || reply.body.bytes().len() <= PACKED_AT_ONCE_MAX {
        return Ok(Packed::new(reply, gzip));
    }
    let packed = web::block(move || Packed::new(reply, gzip)).await;
    packed.map_err(|_| Refusal::broken("it is stopping."))
}

/// The limit of the body of a request to a path, and its setting: only the base itself takes bundles whole.
fn body_max(path: &str, settings: &Settings) -> (&'static str, usize) {
    match path {
        "" => ("bundle_bytes_max", settings.bundle_bytes_max.length()),
        _ => ("body_bytes_max", settings.body_bytes_max.length()),
    }
}

/// The path below [`ROOT`], without the slash in front.
fn below_root(path: &str) -> Result<&str, Refusal> {
    if path == FIND {
        return Ok(&path[1..]);
    }
    let below = path
        .strip_prefix(ROOT)
        .filter(|rest| rest.is_empty() || rest.starts_with('/'));
    let text = "There is nothing here: FHIR is at /fhir, and /fhir/metadata says what it can do; people are found at /find?q=.";
    let below = below.ok_or_else(|| Refusal::because(Reason::NoSuchPath, text))?;
    Ok(below.strip_prefix('/').unwrap_or(below))
}

fn accepts_gzip(http: &HttpRequest) -> bool {
    let accepted = http
        .headers()
        .get(ACCEPT_ENCODING)
        .and_then(|value| value.to_str().ok())
        .unwrap_or("");
    let mut offers = accepted.split(',').map(|offer| offer.split(';').map(str::trim));
    offers.any(|mut parts| {
        parts.next() == Some("gzip") && !parts.any(|part| ["q=0", "q=0.0", "q=0.00", "q=0.000"].contains(&part))
    })
}

/// The answer, where it is at hand and needs neither disk nor waiting.
fn at_once(door: &Door, head: &Head<'_>) -> Result<Option<Reply>, Refusal> {
    guarded(|| interaction::ready(&door.generations.now(), &Caller::Operator, &head.request)).ok_or_else(fault)
}

/// Answers a request whole; on a blocking thread.
fn work(door: &Door, asked: Asked, packed: Option<(&str, usize)>, opening: &Opening) -> Result<Reply, Refusal> {
    let answered = guarded(|| -> Result<Reply, Refusal> {
        let asked = match packed {
            Some(limit) => asked.unpacked(limit)?,
            None => asked,
        };
        let request = asked.request(&door.settings, opening)?;
        Ok(interaction::answer(
            &door.generations.now(),
            &Caller::Operator,
            &request,
        ))
    });
    answered.unwrap_or_else(|| Err(fault()))
}

/// What the work comes to; `None` where the program itself is at fault. The engine stays usable: what it shares is
/// complete before a lock is let go.
fn guarded<T>(work: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(work)).ok()
}

/// The refusal where the program itself is at fault.
fn fault() -> Refusal {
    Refusal::broken(
        "a fault of the program stopped this request, and nothing of it was stored unless it had been acknowledged. The server goes on; please report X-Request-Id and what you asked.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_of_the_program_is_an_answer() {
        let empty: Vec<u8> = Vec::new();
        assert_eq!(guarded(|| empty[7]), None);
        assert_eq!(guarded(|| 7), Some(7));
        let reply = Reply::from(fault());
        assert_eq!(reply.status, 500);
        assert!(
            reply
                .body
                .bytes()
                .starts_with(b"{\"resourceType\":\"OperationOutcome\"")
        );
    }
}
