//! What is done for a stick with a server's records: by the server while it runs, else by the command itself.

use std::io::Read;
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use fhir::moment::instant;
use interaction::Generations;
use interaction::answer_node::{Contact, Exchange, Known};
use interaction::ask_centre::{Asker, written};
use interaction::engine::now;
use serde::{Deserialize, Serialize};
use sync::frame::{End, Frame, PIECE_MAX, Standing, What};
use sync::session::{Next, Outcome};

use super::super::agree::{Agreeing, refused, remember};
use super::super::contact::known;
use super::super::register::{Node, Register};
use super::super::status::clock_wrong;

/// Bytes of what was said that are taken at a time.
const BLOCK: usize = 64 << 10;
/// How long another contact of the same node is waited for.
const PATIENCE: Duration = Duration::from_secs(20);

/// What is to be done. What comes with it, and what comes of it, are frames of a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Errand {
    /// At a clinic: takes the centre's answer, where there is one, and asks anew.
    Ask {
        /// Bytes of segments in what is asked; one segment more at most.
        load: u64,
    },
    /// At the centre: takes what a node asks and answers.
    Answer {
        /// The node's number.
        node: u32,
        /// The public key of who asks, 64 hexadecimal digits; `None` where nobody asked.
        key: Option<String>,
        /// Bytes of segments in the answer; one segment more at most.
        room: u64,
        /// Whether what a retired node wrote is taken too.
        retired: bool,
    },
}

/// What came of it, besides the frames.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    /// What came of what was brought, sentences.
    pub taken: String,
    /// Why what was brought was not taken, or not all of it; empty where it was.
    pub refused: String,
    /// What the frames are, a sentence; empty where there are none.
    pub said: String,
    /// The number of the node that the frames are of or for.
    pub number: u32,
    /// Its public key, 64 hexadecimal digits; at the centre.
    pub key: String,
    /// Bytes of the frames.
    pub bytes: u64,
}

/// Whose records.
pub enum Host {
    /// A clinic's, in its data folder, with its contacts over the line while it serves.
    Clinic(Arc<Generations>, String, Option<Arc<Agreeing>>),
    /// The centre's.
    Centre(Arc<Generations>, Arc<Exchange>, Arc<Register>),
}

impl Host {
    /// Runs an errand on what was brought.
    ///
    /// # Errors
    /// A sentence where nothing came of it; what was taken before stays.
    pub fn run(&self, errand: &Errand, brought: &mut dyn Read) -> Result<(Done, Vec<u8>), String> {
        let (mut done, frames) = match (self, errand) {
            (Host::Clinic(generations, data, agreeing), Errand::Ask { load }) => {
                let mut ask = || ask(generations, data, *load, brought);
                match agreeing {
                    Some(agreeing) => agreeing.between(ask),
                    None => ask(),
                }
            }
            (
                Host::Centre(generations, exchange, register),
                Errand::Answer {
                    node,
                    key,
                    room,
                    retired,
                },
            ) => {
                let asked = Asked {
                    node: *node,
                    key: key.as_deref(),
                    room: *room,
                    retired: *retired,
                };
                answer(generations, exchange, register, &asked, brought)
            }
            _ => Err("The server on this data is another than it was: give the command again.".to_owned()),
        }?;
        let frames = written(&frames).concat();
        done.bytes = frames.len() as u64;
        Ok((done, frames))
    }
}

/// Hands over what was brought, block by block, until nobody wants more, and reads on to its end.
fn each(brought: &mut dyn Read, mut take: impl FnMut(&[u8]) -> Result<bool, String>) -> Result<(), String> {
    let (mut block, mut wanted) = (vec![0; BLOCK], Ok(true));
    loop {
        let count = brought
            .read(&mut block)
            .map_err(|e| format!("It cannot be read: {e}."))?;
        if count == 0 {
            return wanted.map(drop);
        }
        if wanted == Ok(true) {
            wanted = take(&block[..count]);
        }
    }
}

fn ask(generations: &Generations, data: &str, load: u64, brought: &mut dyn Read) -> Result<(Done, Vec<Frame>), String> {
    let engine = generations.now();
    let number = engine.store.node();
    let mut done = Done::default();
    let mut asker = Asker::by_stick(&engine, load).map_err(|failed| failed.0)?;
    let mut next = Next::Listen;
    let heard = each(brought, |bytes| {
        next = asker.hear(&engine, bytes).map_err(|failed| failed.0)?;
        Ok(next == Next::Listen)
    });
    let agreed = matches!(next, Next::Close(Outcome::Agreed));
    asker.note(&engine, agreed).map_err(|failed| failed.0)?;
    remember(generations, data)?;
    match (heard, &next, asker.has_all()) {
        (Err(why), ..) => done.refused = why,
        (_, Next::Close(Outcome::Refused(standing)), _) => done.refused = refused(standing),
        (_, _, Some(all)) => {
            let wrong = clock_wrong(asker.ahead().map(|ahead| ahead / 1_000_000));
            done.taken = format!("{} {wrong}", taken(asker.centre_clock(), all))
                .trim_end()
                .to_owned();
        }
        (_, Next::Ask, None) => done.taken = old_copy(number, generations.now().store.node()),
        (_, _, None) => {}
    }
    let engine = generations.now();
    let frames = asker.ask_frames(&engine).map_err(|failed| failed.0)?;
    done.number = engine.store.node();
    done.said = asked(&frames);
    Ok((done, frames))
}

fn taken(clock: Option<i64>, all: bool) -> String {
    let when = clock.map_or(String::new(), |clock| format!(" on {} UTC", minute(clock)));
    match all {
        true => format!("This clinic has everything that the centre had for it{when}."),
        false => format!("The centre had more for this clinic{when} than was on the stick: carry it there once more."),
    }
}

fn old_copy(before: u32, now: u32) -> String {
    match before == now {
        true => "The data of this clinic is an older copy than the centre knows: carry the stick to the centre and back once more."
            .to_owned(),
        false => format!("The data of this clinic was an older copy: it goes on as node {now}."),
    }
}

/// What a request brings.
fn asked(frames: &[Frame]) -> String {
    let hello = frames.iter().find_map(|frame| match frame {
        Frame::Hello(hello) => Some(hello),
        _ => None,
    });
    let offered = frames.iter().rev().find_map(|frame| match frame {
        Frame::Offer(offer) => Some(offer.what),
        _ => None,
    });
    let (last, acked) = hello.map_or((0, 0), |hello| (hello.last, hello.acked));
    let upto = match offered {
        Some(What::Changes { upto, .. }) => upto,
        _ => acked,
    };
    let more = match last.saturating_sub(upto) {
        0 => String::new(),
        more if upto == acked => format!(" {more} versions stay here until the centre has answered."),
        more => format!(" {more} more did not fit and follow with the next one."),
    };
    format!(
        "{} versions that the centre may not have.{more}",
        upto.saturating_sub(acked)
    )
}

/// Who asks the centre.
struct Asked<'a> {
    node: u32,
    key: Option<&'a str>,
    room: u64,
    retired: bool,
}

fn answer(
    generations: &Generations,
    exchange: &Exchange,
    register: &Register,
    asked: &Asked<'_>,
    brought: &mut dyn Read,
) -> Result<(Done, Vec<Frame>), String> {
    let engine = generations.now();
    let node = sender(register, asked)?;
    let known = known(register, &node);
    let succeed = || register.renumber(known.number, now()).map(|node| node.number);
    let mut contact = begun(exchange, &engine, &known, &succeed)?.by_stick(asked.room);
    let mut frames = None;
    match asked.key {
        None => frames = Some(contact.unasked().map_err(|failed| failed.0)?),
        Some(_) => each(brought, |bytes| {
            frames = contact.hear(bytes).map_err(|failed| failed.0)?;
            Ok(frames.is_none())
        })?,
    }
    let mut frames = frames.ok_or("It ends before its end.")?;
    let mut done = Done {
        number: asked.node,
        key: node.key.clone(),
        ..Done::default()
    };
    if let Some(hello) = contact.hello().filter(|_| asked.key.is_some()) {
        register.heard(node.number, hello.clock.min(now()))?;
        let (taken, when) = (contact.taken(), minute(hello.clock));
        done.taken = format!("{taken} versions were not here before; it was written on {when} UTC.");
    }
    drop(contact);
    if let Err(untaken) = exchange.look_after(&engine) {
        eprintln!("epis: what follows from a stick: {untaken}");
    }
    match &node.retired {
        // It gets no more records.
        Some(_) => frames.clear(),
        None => done.said = answered(&frames),
    }
    Ok((done, frames))
}

/// The node that a stick is of: as it is now, where it goes on under another number.
fn sender(register: &Register, asked: &Asked<'_>) -> Result<Node, String> {
    let (wrote, node) = register.sender(asked.node)?;
    if asked.key.is_some_and(|key| key != wrote.key) {
        return Err(format!(
            "It is not signed by node {} ({}): find out who wrote it.",
            wrote.number, wrote.name
        ));
    }
    match &node.retired {
        Some((when, why)) if !asked.retired => Err(format!(
            "Node {} ({}) was retired on {} UTC: {why}. If the machine was never in other hands, take what it wrote with --retired.",
            node.number,
            node.name,
            minute(*when)
        )),
        Some(_) => Ok(node),
        None => register.leased(&node, now()).map(|()| node),
    }
}

fn begun<'a>(
    exchange: &'a Exchange,
    engine: &'a Arc<interaction::Engine>,
    known: &Known,
    succeed: interaction::answer_node::Succeed<'a>,
) -> Result<Contact<'a>, String> {
    let begun = Instant::now();
    loop {
        let contact = exchange
            .answer(engine, known, succeed, PIECE_MAX)
            .map_err(|failed| failed.0)?;
        match contact {
            Some(contact) => return Ok(contact),
            None if begun.elapsed() > PATIENCE => {
                return Err("The same clinic is in contact over its line, or the centre has too much to do: try again in some minutes.".to_owned());
            }
            None => sleep(Duration::from_millis(100)),
        }
    }
}

/// What an answer brings.
fn answered(frames: &[Frame]) -> String {
    let standing = frames.iter().find_map(|frame| match frame {
        Frame::Welcome(welcome) => Some(&welcome.standing),
        _ => None,
    });
    match (standing, frames.last()) {
        (Some(Standing::Good), Some(Frame::End(End { more: 0, .. }))) => {
            "All that this clinic is sent and did not have when it wrote.".to_owned()
        }
        (Some(Standing::Good), _) => {
            "Not all of what this clinic is sent: bring the stick back with its next answer for the rest.".to_owned()
        }
        (Some(Standing::Restored { .. }), _) => "Its data is an older copy; it goes on under a new number.".to_owned(),
        _ => "The centre's own data is an older copy than this clinic knows: whoever runs the centre has to look."
            .to_owned(),
    }
}

/// A moment to the minute, as people read it.
fn minute(micros: i64) -> String {
    instant(micros)[..16].replace('T', " ")
}
