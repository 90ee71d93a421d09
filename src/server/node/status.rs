//! How far nodes and their centre are: for operators at `/sync`, for programs at `/sync/status`, and `epis sync status`.
//!
//! At the centre there is a row for each node, at a node one for itself. A node is called synced only while the centre has
//! everything that was written at it and it has everything of its horizon.

use std::io::{Read, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fhir::moment::instant;
use interaction::Generations;
use interaction::answer_node::Exchange;
use interaction::ask_centre::{Reached, Verified, verified};
use serde::{Deserialize, Serialize};

use super::agree::Agreeing;
use super::contact::known;
use super::register::{Node, Register};

/// Bytes of a status that is read at most.
const STATUS_MAX: u64 = 4 << 20;
/// From how many seconds on a clock is called wrong.
const WRONG_SECONDS: i64 = 300;

/// What is said of a node that knows of more than the centre has.
const KNOWS_MORE: &str = "KNOWS MORE THAN THIS CENTRE: an old copy of the centre's data was put back. Nothing is exchanged with it; see \
                          docs/operating/look-after.md.";

/// Where this server sits.
pub enum Seat {
    /// It has neither nodes nor a centre.
    Alone,
    /// It is a centre.
    Centre(Arc<Exchange>, Arc<Register>, Arc<Generations>),
    /// It is a node.
    Node(Arc<Agreeing>, Arc<Generations>),
}

/// How far one node is. What is not known is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// Its number.
    pub number: u32,
    /// What people call it.
    pub name: String,
    /// Whether both sides have everything; at the centre, when the node was last in contact.
    pub synced: bool,
    /// Whether the centre refuses it.
    pub retired: bool,
    /// When it was last in contact.
    pub contact: Option<String>,
    /// How many of its versions the centre has.
    pub acknowledged: u64,
    /// How many it has written that the centre has not; at the centre, when it was last in contact.
    pub unsent: Option<u64>,
    /// When the oldest of those was written.
    pub oldest: Option<String>,
    /// How many records it lacks.
    pub behind: Option<u64>,
    /// Whether it has what is urgent and who its people are.
    pub essentials: Option<bool>,
    /// When what it has was last compared with what the centre holds it should have.
    #[serde(default)]
    pub verified: Option<String>,
    /// What that found: a sentence; empty where nothing ever was found.
    #[serde(default)]
    pub found: String,
    /// How many seconds its clock is ahead of the centre's.
    pub clock: Option<i64>,
    /// What is to be said besides, a sentence.
    pub said: String,
}

impl Seat {
    /// A row for each node; nothing where there are none.
    ///
    /// # Errors
    /// A sentence where the log cannot be read.
    pub fn rows(&self) -> Result<Vec<Row>, String> {
        match self {
            Seat::Alone => Ok(Vec::new()),
            Seat::Centre(exchange, register, generations) => {
                let row = |node: &Node| of_node(exchange, register, generations, node);
                register.nodes().iter().map(row).collect()
            }
            Seat::Node(agreeing, generations) => of_itself(agreeing, generations).map(|row| vec![row]),
        }
    }
}

fn of_node(exchange: &Exchange, register: &Register, generations: &Generations, node: &Node) -> Result<Row, String> {
    let mut row = Row {
        number: node.number,
        name: node.name.clone(),
        contact: node.contact.map(instant),
        ..Row::default()
    };
    if let Some((when, why)) = &node.retired {
        row.retired = true;
        row.said = format!("Retired on {}: {why}.", instant(*when));
        return Ok(row);
    }
    let progress = exchange.progress(&generations.now(), &known(register, node));
    let progress = progress.map_err(|failed| failed.0)?;
    row.acknowledged = progress.acknowledged;
    row.behind = progress.behind;
    row.unsent = progress
        .written
        .map(|written| written.saturating_sub(progress.acknowledged));
    row.contact = node.contact.max(progress.asked).map(instant);
    row.clock = progress.written.map(|_| progress.ahead / 1_000_000);
    row.synced = row.unsent == Some(0) && row.behind == Some(0) && !progress.knows_more;
    (row.verified, row.found) = compared(&progress.verified);
    row.said = match (row.contact.is_some(), progress.written) {
        (false, _) => "Was never in contact.".to_owned(),
        (_, None) => "Was not in contact since the centre was started.".to_owned(),
        _ if progress.knows_more => KNOWS_MORE.to_owned(),
        _ => clock_wrong(row.clock),
    };
    Ok(row)
}

fn of_itself(agreeing: &Agreeing, generations: &Generations) -> Result<Row, String> {
    let (engine, last) = (generations.now(), agreeing.last());
    let reached = Reached::of(&engine).map_err(|failed| failed.0)?;
    let unsent = engine.store.counter().saturating_sub(reached.acked);
    let oldest = reached.oldest(&engine).map_err(|failed| failed.0)?;
    let clock = last.ahead.map(|ahead| ahead / 1_000_000);
    let wrong = clock_wrong(clock);
    let said = match last.agreed && unsent > 0 {
        // What the last contact said is not so any more.
        true => "What was written since the last contact goes with the next one.".to_owned(),
        false => last.said,
    };
    // What it sent again the centre may have had.
    let verified = Verified {
        given: 0,
        ..verified(&engine).map_err(|failed| failed.0)?
    };
    let (verified, found) = compared(&verified);
    Ok(Row {
        verified,
        found,
        number: engine.store.node(),
        name: agreeing.name()?,
        synced: last.agreed && unsent == 0,
        contact: (reached.agreed > 0).then(|| instant(reached.agreed)),
        acknowledged: reached.acked,
        unsent: Some(unsent),
        oldest: oldest.map(instant),
        behind: last.agreed.then_some(0),
        essentials: Some(reached.has_essentials()),
        clock,
        said: if wrong.is_empty() { said } else { wrong },
        ..Row::default()
    })
}

/// When a comparison was made, and what was found when anything last was.
fn compared(verified: &Verified) -> (Option<String>, String) {
    let when = (verified.when > 0).then(|| instant(verified.when));
    let mut found = Vec::new();
    if verified.lacked > 0 {
        found.push(format!("{} records came again", verified.lacked));
    }
    if verified.given > 0 {
        found.push(format!("{} LOST AT THE CENTRE came back", verified.given));
    }
    match found.is_empty() {
        true => (when, String::new()),
        false => (
            when,
            format!("{} on {}.", found.join(", "), &instant(verified.found)[..10]),
        ),
    }
}

/// What is wrong with a clock that is so many seconds ahead; nothing where little is.
pub fn clock_wrong(seconds: Option<i64>) -> String {
    match seconds.filter(|seconds| seconds.abs() >= WRONG_SECONDS) {
        None => String::new(),
        Some(seconds) if seconds > 0 => format!("Its clock is {} minutes ahead; set it right.", seconds / 60),
        Some(seconds) => format!("Its clock is {} minutes behind; set it right.", -seconds / 60),
    }
}

/// The rows as JSON.
///
/// # Errors
/// A sentence where the log cannot be read.
pub fn json(seat: &Seat) -> Result<String, String> {
    serde_json::to_string(&seat.rows()?).map_err(|e| e.to_string())
}

const TITLES: [&str; 11] = [
    "Node",
    "Clinic",
    "State",
    "Last contact (UTC)",
    "Sent",
    "Not yet sent",
    "Oldest of those",
    "Behind by",
    "Verified (UTC)",
    "Found",
    "Remark",
];

impl Row {
    fn cells(&self) -> [String; 11] {
        let number = |number: Option<u64>| number.map_or("?".to_owned(), |number| number.to_string());
        let state = match (self.retired, self.synced, self.essentials) {
            (true, ..) => "retired",
            // The centre: what a clinic wrote since is not known there.
            (_, true, None) => "synced at last contact",
            (_, true, _) => "synced",
            (_, _, Some(false)) => "without essentials",
            _ => "not synced",
        };
        let moment = |text: &Option<String>| {
            text.as_deref()
                .map_or("-".to_owned(), |text| text[..19].replace('T', " "))
        };
        [
            self.number.to_string(),
            self.name.clone(),
            state.to_owned(),
            moment(&self.contact),
            self.acknowledged.to_string(),
            number(self.unsent),
            moment(&self.oldest),
            number(self.behind),
            moment(&self.verified),
            self.found.clone(),
            self.said.clone(),
        ]
    }
}

/// The page for operators.
///
/// # Errors
/// A sentence where the log cannot be read.
pub fn page(seat: &Seat) -> Result<String, String> {
    let rows = seat.rows()?;
    let synced = rows.iter().filter(|row| row.synced).count();
    let cells = |cells: &[String]| {
        let cells = cells.iter().map(|cell| format!("<td>{}</td>", escaped(cell)));
        cells.collect::<String>()
    };
    let body: String = rows
        .iter()
        .map(|row| {
            let class = match (row.retired, row.synced) {
                (true, _) => "retired",
                (_, true) => "synced",
                _ => "open",
            };
            format!("<tr class=\"{class}\">{}</tr>\n", cells(&row.cells()))
        })
        .collect();
    let titles: String = TITLES.iter().map(|title| format!("<th>{title}</th>")).collect();
    let summary = match rows.iter().filter(|row| !row.retired).count() {
        0 if rows.is_empty() => "This server has neither clinics nor a centre.".to_owned(),
        all if matches!(seat, Seat::Node(..)) => format!("{synced} of {all} synced."),
        all => format!("{synced} of {all} synced at the last contact."),
    };
    Ok(format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><meta http-equiv=\"refresh\" content=\"10\">\
         <title>Clinics</title><style>{STYLE}</style><h1>Clinics</h1><p>{summary}</p>\
         <div><table><thead><tr>{titles}</tr></thead><tbody>\n{body}</tbody></table></div>"
    ))
}

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;margin:min(2rem,5vw);color:#1b1b1b}div{overflow-x:auto}table{border-collapse:collapse;width:100%}\
    th,td{text-align:left;padding:.4rem .8rem;border-bottom:1px solid #ddd}th{font-weight:600}\
    td:nth-child(-n+4),td:nth-child(9){white-space:nowrap}.retired{color:#666}\
    td:nth-child(1),td:nth-child(5),td:nth-child(6),td:nth-child(8){text-align:right;font-variant-numeric:tabular-nums}\
    .synced td:nth-child(3){color:#0a6b2d}.open td:nth-child(3){color:#a33b00;font-weight:600}";

/// A text as it stands in HTML, also as the value of an attribute.
pub(crate) fn escaped(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    text.replace('"', "&quot;")
}

/// The rows of the server that runs at an address, as lines of text.
///
/// # Errors
/// A sentence where it does not run or is none.
pub fn told(listen: &str) -> Result<String, String> {
    let rows: Vec<Row> = serde_json::from_str(&asked("GET", "/sync/status", listen)?)
        .map_err(|_| format!("What listens at {listen} is no epis of this release."))?;
    if rows.is_empty() {
        return Ok("This server has neither clinics nor a centre.".to_owned());
    }
    let mut table: Vec<Vec<String>> = vec![TITLES.iter().map(|title| (*title).to_owned()).collect()];
    table.extend(rows.iter().map(|row| row.cells().to_vec()));
    let width = |column: usize| table.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..TITLES.len()).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        cells.collect::<Vec<String>>().join("  ").trim_end().to_owned()
    };
    Ok(table.iter().map(line).collect::<Vec<String>>().join("\n"))
}

/// Has the node that runs at an address compare what it has with its centre, and waits for the end: what was found.
///
/// # Errors
/// A sentence where no node runs there, or the centre cannot be reached.
pub fn verify(listen: &str) -> Result<String, String> {
    let row = || -> Result<Row, String> {
        let rows: Vec<Row> = serde_json::from_str(&asked("GET", "/sync/status", listen)?)
            .map_err(|_| format!("What listens at {listen} is no epis of this release."))?;
        let only = rows.into_iter().next();
        only.ok_or_else(|| {
            format!("What listens at {listen} is no clinic: run this where one serves, with epis serve --node.")
        })
    };
    let before = row()?;
    let said = asked("POST", "/sync/verify", listen)?;
    if said.trim() != VERIFYING.trim() {
        return Err(said.trim().to_owned());
    }
    let begun = Instant::now();
    loop {
        std::thread::sleep(Duration::from_millis(200));
        let now = row()?;
        if now.verified != before.verified {
            return Ok(match now.found == before.found {
                true => "What this clinic has is what the centre holds it should have.".to_owned(),
                false => now.found,
            });
        }
        if begun.elapsed() > VERIFY_PATIENCE {
            return Err(format!(
                "It was not compared within {} minutes. {}",
                VERIFY_PATIENCE.as_secs() / 60,
                now.said
            ));
        }
    }
}

/// What the order to compare is answered.
pub const VERIFYING: &str = "Comparing.\n";
/// How long a comparison is waited for.
const VERIFY_PATIENCE: Duration = Duration::from_secs(600);

/// Has this node compare what it has with its centre; the answer, which says so where this is no node.
///
/// # Errors
/// None.
pub fn order_verification(seat: &Seat) -> Result<String, String> {
    Ok(match seat {
        Seat::Node(agreeing, _) => {
            agreeing.verify();
            VERIFYING
        }
        Seat::Alone | Seat::Centre(..) => {
            "This server is no clinic: a clinic compares what it has, by epis sync verify where it serves.\n"
        }
    }
    .to_owned())
}

fn asked(method: &str, path: &str, listen: &str) -> Result<String, String> {
    let silent = |e: std::io::Error| {
        format!("Nothing answers at {listen}: {e}. Start the server, or name where it listens with --listen.")
    };
    let mut line = TcpStream::connect(listen).map_err(silent)?;
    line.set_read_timeout(Some(Duration::from_secs(30))).map_err(silent)?;
    write!(
        line,
        "{method} {path} HTTP/1.1\r\nhost: {listen}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    )
    .map_err(silent)?;
    let mut answer = String::new();
    line.take(STATUS_MAX).read_to_string(&mut answer).map_err(silent)?;
    let body = answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned());
    body.ok_or_else(|| format!("What listens at {listen} is no epis of this release."))
}
