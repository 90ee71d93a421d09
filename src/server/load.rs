//! Brings records from sources into the engine: several pieces side by side, each remembered when it is stored.
//!
//! Lines and entries are put in bundles of one transaction each, so that a piece costs one commit; where
//! such a bundle is refused, its records are put one by one and only the faulty ones stay out.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use fhir::document::{Document, Node};
use fhir::outcome::{Code, Issue};
use fhir::parse::Limits;
use interaction::{Caller, Generations, Method, Prefer, Reply, Request, Return};

use crate::journal::{Journal, Reached};
use crate::progress::Progress;
use crate::refused::RefusedFile;
use crate::source::{Piece, Source};

/// Bytes of one JSON text, at most: the reach of a parsed text.
pub const TEXT_MAX: usize = (2 << 30) - 1;
/// Entries that are put together in one transaction.
const PUT_MAX: usize = 200;
/// How often a piece is tried again while the server has too much to do.
const ATTEMPTS: u32 = 50;
/// The base of references inside; nobody sees it.
const BASE: &str = "http://localhost/fhir";

/// Everything a load works with.
pub struct Load<'a> {
    /// What stores the records.
    pub generations: &'a Generations,
    /// What was stored before.
    pub journal: &'a Journal,
    /// Where to say what was refused.
    pub refused: &'a RefusedFile,
    /// Where to say how far it is.
    pub progress: &'a Progress,
    /// Set from outside to end early.
    pub stop: &'a AtomicBool,
    /// Pieces stored side by side.
    pub threads: usize,
    trouble: Mutex<Option<String>>,
    done: Mutex<HashMap<usize, Done>>,
    skipped: AtomicU64,
}

/// The pieces of one source that are stored: the next in order, and those that came before their turn.
#[derive(Default)]
struct Done {
    next: u64,
    early: BTreeMap<u64, Option<u64>>,
}

/// A record and where it stands in its source.
type Placed<'a> = (Node<'a>, String);

struct Work {
    source: usize,
    number: u64,
    piece: Piece,
}

impl<'a> Load<'a> {
    /// A load, ready to run.
    pub fn new(
        generations: &'a Generations,
        journal: &'a Journal,
        refused: &'a RefusedFile,
        progress: &'a Progress,
        stop: &'a AtomicBool,
    ) -> Load<'a> {
        Load {
            generations,
            journal,
            refused,
            progress,
            stop,
            threads: 4,
            trouble: Mutex::new(None),
            done: Mutex::new(HashMap::new()),
            skipped: AtomicU64::new(0),
        }
    }

    /// How many sources were skipped because they were stored before.
    pub fn skipped(&self) -> u64 {
        self.skipped.load(Ordering::Relaxed)
    }

    /// Stores the sources of one stage.
    ///
    /// # Errors
    /// A sentence where a source cannot be read or nothing more can be stored. What is stored is remembered.
    pub fn stage(&self, sources: &[Source]) -> Result<(), String> {
        self.done.lock().unwrap_or_else(PoisonError::into_inner).clear();
        let (give, take) = sync_channel::<Work>(self.threads);
        let take = Mutex::new(take);
        let read = std::thread::scope(|scope| {
            for _ in 0..self.threads.max(1) {
                scope.spawn(|| self.work(sources, &take));
            }
            let give = give;
            sources
                .iter()
                .enumerate()
                .try_for_each(|(at, source)| self.read(at, source, &give))
        });
        match self.trouble.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(trouble) => Err(trouble),
            None => read,
        }
    }

    fn read(&self, at: usize, source: &Source, give: &SyncSender<Work>) -> Result<(), String> {
        let from = match self.journal.reached(&source.key) {
            Reached::End => {
                self.skipped.fetch_add(1, Ordering::Relaxed);
                self.progress.advance(source.key.length);
                return Ok(());
            }
            Reached::Offset(from) => from,
        };
        let mut number = 0;
        let mut whole = true;
        source.read(from, TEXT_MAX, &mut |piece| {
            let work = Work {
                source: at,
                number,
                piece,
            };
            number += 1;
            whole = !self.stop.load(Ordering::Relaxed) && give.send(work).is_ok();
            whole
        })?;
        if whole && source.is_lines() {
            let end = Piece {
                texts: Vec::new(),
                end: None,
                weight: 0,
            };
            let _ = give.send(Work {
                source: at,
                number,
                piece: end,
            });
        }
        Ok(())
    }

    fn work(&self, sources: &[Source], take: &Mutex<Receiver<Work>>) {
        loop {
            let next = take.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let Ok(work) = next else { return };
            if self.stop.load(Ordering::Relaxed) {
                continue;
            }
            let source = &sources[work.source];
            let stored = self
                .store(source, &work.piece)
                .and_then(|()| self.remember(source, &work));
            if let Err(trouble) = stored {
                self.stop.store(true, Ordering::Relaxed);
                self.trouble
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .get_or_insert(trouble);
            }
            self.progress.advance(work.piece.weight);
        }
    }

    /// Writes down how far the source is stored without a hole.
    fn remember(&self, source: &Source, work: &Work) -> Result<(), String> {
        let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        let done = done.entry(work.source).or_default();
        done.early.insert(work.number, work.piece.end);
        let mut reached = None;
        while let Some(end) = done.early.remove(&done.next) {
            done.next += 1;
            reached = Some(end.map_or(Reached::End, Reached::Offset));
        }
        reached.map_or(Ok(()), |reached| self.journal.reach(&source.key, reached))
    }

    fn store(&self, source: &Source, piece: &Piece) -> Result<(), String> {
        match (piece.texts.as_slice(), piece.end) {
            ([(_, xml)], None) if source.is_xml() => {
                return self.json(source, xml).map_or(Ok(()), |text| self.text(source, &text));
            }
            ([(_, text)], None) => return self.text(source, text),
            _ => {}
        }
        let parsed = |(at, text): &(u64, Vec<u8>)| {
            let place = format!("byte {at}");
            Some((self.parse(source, &place, text)?, place))
        };
        let documents: Vec<(Document, String)> = piece.texts.iter().filter_map(parsed).collect();
        let records: Vec<Placed<'_>> = documents.iter().map(|pair| (pair.0.root(), pair.1.clone())).collect();
        self.put(source, &records)
    }

    fn parse(&self, source: &Source, place: &str, text: &[u8]) -> Option<Document> {
        let limits = Limits {
            depth: self.generations.now().limits.json_depth,
            bytes: TEXT_MAX,
        };
        let parsed = Document::parse(text, limits);
        parsed.map_err(|e| self.malformed(source, place, &e)).ok()
    }

    /// The JSON of a file of XML.
    fn json(&self, source: &Source, text: &[u8]) -> Option<Vec<u8>> {
        let engine = self.generations.now();
        let limits = xml::Limits {
            depth: engine.limits.json_depth,
            bytes: TEXT_MAX,
        };
        let read = xml::read(&engine.definitions, text, limits);
        read.map_err(|e| self.malformed(source, "", &e)).ok()
    }

    fn malformed(&self, source: &Source, place: &str, e: &dyn std::error::Error) {
        let issue = Issue::error(Code::Structure, e.to_string());
        let reply = Reply::outcome(400, &[issue]);
        self.refused.add(&source.key.path, place, &reply);
    }

    /// Stores one whole JSON text: a bundle of any type, or a record.
    fn text(&self, source: &Source, text: &[u8]) -> Result<(), String> {
        if announces_execution(text) {
            return self.execute(source, text);
        }
        let Some(document) = self.parse(source, "", text) else {
            return Ok(());
        };
        let root = document.root();
        if root.string("resourceType").as_deref() != Some("Bundle") {
            return self.put(source, &[(root, String::new())]);
        }
        if matches!(root.string("type").as_deref(), Some("transaction" | "batch")) {
            return self.execute(source, text);
        }
        let entries = root.get("entry").into_iter().flat_map(|entries| entries.items());
        let records: Vec<Placed<'_>> = entries
            .enumerate()
            .filter_map(|(at, entry)| Some((entry.get("resource")?, format!("entry {at}"))))
            .collect();
        records.chunks(PUT_MAX).try_for_each(|chunk| self.put(source, chunk))
    }

    /// Executes a transaction or a batch.
    fn execute(&self, source: &Source, text: &[u8]) -> Result<(), String> {
        let mut request = Request::new(Method::Post, "", "", BASE);
        request.body = text;
        let reply = self.submit(request)?;
        if reply.status >= 300 {
            self.refused.add(&source.key.path, "", &reply);
            return Ok(());
        }
        let Ok(answers) = Document::parse(
            reply.body.bytes(),
            Limits {
                depth: 256,
                bytes: TEXT_MAX,
            },
        ) else {
            return Ok(());
        };
        for (at, entry) in answers
            .root()
            .get("entry")
            .into_iter()
            .flat_map(|entries| entries.items())
            .enumerate()
        {
            let status = entry.get("response").and_then(|response| response.string("status"));
            let status = status
                .and_then(|status| status.get(..3)?.parse::<u16>().ok())
                .unwrap_or(200);
            if status < 300 {
                self.progress.count(1);
                continue;
            }
            let outcome = entry.get("response").and_then(|response| response.get("outcome"));
            let outcome = outcome.map_or(Vec::new(), |outcome| outcome.text().as_bytes().to_vec());
            self.refused
                .add(&source.key.path, &format!("entry {at}"), &Reply::json(status, outcome));
        }
        Ok(())
    }

    /// Puts records under their own ids: together, or where that is refused one by one.
    fn put(&self, source: &Source, records: &[Placed<'_>]) -> Result<(), String> {
        if records.len() > 1 {
            let bundle = bundle(records);
            let mut request = Request::new(Method::Post, "", "", BASE);
            request.body = bundle.as_bytes();
            if self.submit(request)?.status < 300 {
                self.progress.count(records.len() as u64);
                return Ok(());
            }
        }
        for (record, place) in records {
            let (method, path) = address(*record);
            let mut request = Request::new(method, &path, "", BASE);
            request.body = record.text().as_bytes();
            let reply = self.submit(request)?;
            if reply.status < 300 {
                self.progress.count(1);
            } else {
                self.refused.add(&source.key.path, place, &reply);
            }
        }
        Ok(())
    }

    /// Asks the engine, and again while it has too much to do.
    fn submit(&self, mut request: Request<'_>) -> Result<Reply, String> {
        request.content_type = Some("application/fhir+json");
        request.prefer = Prefer {
            answer: Some(Return::Minimal),
            ..Prefer::default()
        };
        let mut attempt = 0;
        loop {
            let reply = interaction::answer(&self.generations.now(), &Caller::Operator, &request);
            match reply.status {
                503 if attempt < ATTEMPTS => {
                    attempt += 1;
                    std::thread::sleep(Duration::from_millis(u64::from(attempt) * 20));
                }
                503 => return Err(broke_off("the store has had too much to do for too long", &reply)),
                500 | 507 => return Err(broke_off("the store cannot write", &reply)),
                _ => return Ok(reply),
            }
        }
    }
}

fn broke_off(why: &str, reply: &Reply) -> String {
    let said = Document::parse(reply.body.bytes(), Limits::default()).ok();
    let said = said
        .as_ref()
        .and_then(|outcome| outcome.root().get("issue")?.items().next()?.string("diagnostics"));
    let said = said.map_or(String::new(), |text| format!(" ({text})"));
    format!(
        "The import broke off because {why}{said}. What was stored is remembered; the same command goes on from there."
    )
}

/// Method and path under which a record is stored.
fn address(record: Node<'_>) -> (Method, String) {
    let kind = record.string("resourceType").unwrap_or_default();
    match record.string("id") {
        Some(id) => (Method::Put, format!("{kind}/{id}")),
        None => (Method::Post, kind.into_owned()),
    }
}

/// A transaction that puts the records.
fn bundle(records: &[Placed<'_>]) -> String {
    let length: usize = records.iter().map(|(record, _)| record.text().len() + 120).sum();
    let mut out = String::with_capacity(length + 80);
    out.push_str("{\"resourceType\":\"Bundle\",\"type\":\"transaction\",\"entry\":[");
    for (i, (record, _)) in records.iter().enumerate() {
        let comma = if i > 0 { "," } else { "" };
        let (method, path) = address(*record);
        let method = if method == Method::Put { "PUT" } else { "POST" };
        let mut url = Vec::new();
        fhir::parse::write_string(&mut url, &path);
        let url = String::from_utf8_lossy(&url);
        let _ = write!(
            out,
            "{comma}{{\"request\":{{\"method\":\"{method}\",\"url\":{url}}},\"resource\":{}}}",
            record.text()
        );
    }
    out.push_str("]}");
    out
}

/// Whether the text begins as a transaction or a batch: then it need not be parsed here as well.
fn announces_execution(text: &[u8]) -> bool {
    let Some(start) = text.iter().position(|byte| *byte == b'{') else {
        return false;
    };
    let rest = &text[start + 1..text.len().min(start + 512)];
    let end = rest.iter().position(|byte| b"{[}".contains(byte)).unwrap_or(rest.len());
    let tight: Vec<u8> = rest[..end]
        .iter()
        .copied()
        .filter(|byte| !byte.is_ascii_whitespace())
        .collect();
    let tight = String::from_utf8_lossy(&tight);
    let says = |member: &str| tight.contains(member);
    !says("\\")
        && says("\"resourceType\":\"Bundle\"")
        && (says("\"type\":\"transaction\"") || says("\"type\":\"batch\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bundles_are_told_by_their_beginning() {
        let table = [
            (r#"{"resourceType":"Bundle","type":"transaction","entry":[]}"#, true),
            (
                "{ \"resourceType\": \"Bundle\",\n \"id\": \"a\", \"type\": \"batch\" }",
                true,
            ),
            (r#"{"resourceType":"Bundle","type":"collection","entry":[]}"#, false),
            (r#"{"resourceType":"Bundle","meta":{},"type":"batch"}"#, false),
            (r#"{"resourceType":"Patient"}"#, false),
            ("", false),
        ];
        for (text, expected) in table {
            assert_eq!(announces_execution(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn records_are_put_together_under_their_ids() {
        let texts = [
            r#"{"resourceType":"Patient","id":"a"}"#,
            r#"{"resourceType":"Patient"}"#,
        ];
        let documents = texts.map(|text| Document::parse(text.as_bytes(), Limits::default()).unwrap());
        let bundle = bundle(&documents.each_ref().map(|document| (document.root(), String::new())));
        let parsed = Document::parse(bundle.as_bytes(), Limits::default()).unwrap();
        let entries: Vec<Node<'_>> = parsed.root().get("entry").unwrap().items().collect();
        let said: Vec<&str> = entries
            .iter()
            .map(|entry| entry.get("request").unwrap().text())
            .collect();
        assert_eq!(
            said,
            [
                r#"{"method":"PUT","url":"Patient/a"}"#,
                r#"{"method":"POST","url":"Patient"}"#
            ]
        );
    }
}
