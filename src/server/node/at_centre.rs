//! A clinic asks the centre what a person waits for, over a line of its own; and what the centre answers to that.

use std::io::{Read, Write};
use std::sync::{Mutex, Weak};
use std::time::Duration;

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use interaction::clinic::CentreLine;
use interaction::{Caller, Engine, Method, Request};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use super::agree::Agreeing;
use super::identity::Identity;
use super::line::{Line, LineError};

/// The path at which clinics' searches are answered.
pub const PATH: &str = "/node/search";
/// Bytes of a question at most.
pub const QUESTION_MAX: usize = 16 << 10;
/// Bytes of an answer on the line at most: half a minute at 64 kbit/s.
const ANSWER_MAX: usize = 256 << 10;
/// Bytes of an answer at most.
const PAGE_MAX: u64 = 8 << 20;
/// How long a search waits at the centre until others have been answered.
pub const TURN: Duration = Duration::from_secs(10);
/// How long a person waits at most.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a clinic asks.
#[derive(Debug, Serialize, Deserialize)]
struct Question {
    /// The search: `Observation?patient=7`.
    search: String,
    /// The base address of the clinic, for links.
    base: String,
}

/// A clinic's line for what a person waits for.
pub struct AtCentre {
    agreeing: Weak<Agreeing>,
    identity: Identity,
    data: String,
    line: Mutex<Option<Line>>,
}

impl AtCentre {
    /// The line of a node whose data is in a folder; it is made when it is needed.
    pub fn new(agreeing: Weak<Agreeing>, identity: Identity, data: &str) -> AtCentre {
        AtCentre {
            agreeing,
            identity,
            data: data.to_owned(),
            line: Mutex::new(None),
        }
    }
}

impl CentreLine for AtCentre {
    fn hurry(&self) {
        if let Some(agreeing) = self.agreeing.upgrade() {
            agreeing.hurry();
        }
    }

    fn search(&self, question: &str, base: &str) -> Result<Vec<u8>, String> {
        let Ok(mut line) = self.line.try_lock() else {
            return Err("somebody else is asking; the line has room for one.".to_owned());
        };
        let question = Question {
            search: question.to_owned(),
            base: base.to_owned(),
        };
        let question = serde_json::to_vec(&question).map_err(|e| e.to_string())?;
        if question.len() > QUESTION_MAX {
            return Err(format!("the search is longer than {QUESTION_MAX} bytes."));
        }
        if line.is_none() {
            *line = Some(Line::of(&self.identity, &self.data)?);
        }
        let Some(line) = line.as_mut() else {
            return Err("there is no line.".to_owned());
        };
        let packed = line
            .ask_within(PATH, question, ANSWER_MAX, PATIENCE)
            .map_err(|error| match error {
                LineError::Stopped(_) => "its answer is too long for the line; ask for fewer, with _count.".to_owned(),
                other => other.to_string(),
            })?;
        let mut page = Vec::new();
        let unpacked = GzDecoder::new(&packed[..]).take(PAGE_MAX).read_to_end(&mut page);
        unpacked.map_err(|_| "what came is no answer of a centre.".to_owned())?;
        Ok(page)
    }
}

/// So many searches of clinics are answered at once.
pub fn places() -> Semaphore {
    Semaphore::new(search_index::half_the_processors())
}

/// The centre's answer to a clinic's search, packed.
///
/// # Errors
/// A status of HTTP and a sentence.
pub fn answer(engine: &Engine, asked: &[u8]) -> Result<Vec<u8>, (u16, String)> {
    let malformed = || {
        (
            400,
            "This is no search of a clinic: is its program of the same release as the centre's?".to_owned(),
        )
    };
    let question: Question = serde_json::from_slice(asked).map_err(|_| malformed())?;
    let (path, query) = question.search.split_once('?').unwrap_or((&question.search, ""));
    let request = Request::new(Method::Get, path, query, &question.base);
    let reply = interaction::answer_search(engine, &Caller::Operator, &request);
    let body = reply.body.bytes();
    if reply.status != 200 {
        let said: Option<serde_json::Value> = serde_json::from_slice(body).ok();
        let said = said.and_then(|said| Some(said["issue"][0]["diagnostics"].as_str()?.to_owned()));
        return Err((
            reply.status,
            said.unwrap_or_else(|| "The centre cannot answer this.".to_owned()),
        ));
    }
    let mut packer = GzEncoder::new(Vec::new(), Compression::best());
    let packed = packer.write_all(body).and_then(|()| packer.finish());
    packed.map_err(|e| (500, format!("The centre's answer cannot be packed: {e}.")))
}
