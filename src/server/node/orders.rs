//! What the operator orders about nodes: by `epis node`, through the socket of the running server.
//!
//! The running server has its data to itself. It takes orders at a socket in its data folder, which only its own account
//! can reach: no port, no password. An order and its answer are one line of JSON each.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use fhir::moment::instant;
use interaction::engine::now;
use serde::{Deserialize, Serialize};

use super::authority::fingerprint;
use super::hex::{hex, unhex};
use super::horizon::{Horizon, codes};
use super::private;
use super::register::{Guest, Node, Register};

/// Bytes of an order at most.
const ORDER_MAX: u64 = 64 << 10;
/// How long either side waits for the other.
const PATIENCE: Duration = Duration::from_secs(10);

/// An order.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Order {
    /// Invites a new clinic.
    Invite {
        /// What people call it.
        name: String,
        /// What it holds.
        horizon: Horizon,
    },
    /// Invites a new machine in the place of a node.
    Replace {
        /// The node's number.
        number: u32,
    },
    /// Lists the nodes.
    List,
    /// Retires a node.
    Retire {
        /// The node's number.
        number: u32,
        /// Why.
        reason: String,
    },
    /// Gives a node another catchment.
    Move {
        /// The node's number.
        number: u32,
        /// The place codes of its gewogs.
        gewogs: Vec<String>,
    },
}

/// The answer: what to print, or the sentence of a refusal.
type Answer = Result<String, String>;

/// The folder of a centre's data folder where its authority and its socket are.
pub fn folder(data: &str) -> PathBuf {
    Path::new(data).join("nodes")
}

fn socket(data: &str) -> PathBuf {
    folder(data).join("orders")
}

/// Gives an order to the server that runs on a data folder.
///
/// # Errors
/// A sentence where none runs, or it refuses.
pub fn give(data: &str, order: &Order) -> Answer {
    let stream = UnixStream::connect(socket(data)).map_err(|_| {
        format!("No server for nodes runs on the data folder {data}: start epis serve with --node-listen, or name another folder with --data.")
    })?;
    let exchange = || -> std::io::Result<String> {
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut line = serde_json::to_string(order)?;
        line.push('\n');
        (&stream).write_all(line.as_bytes())?;
        let mut answer = String::new();
        BufReader::new(&stream).read_line(&mut answer)?;
        Ok(answer)
    };
    let answer = exchange().map_err(|e| format!("The server did not answer: {e}."))?;
    serde_json::from_str(&answer).map_err(|_| "The server did not answer; is it of another release?".to_owned())?
}

/// What orders are about.
pub struct Office {
    /// The nodes and the invitations.
    pub register: Arc<Register>,
    /// The fingerprint of the authority, which invitations carry.
    pub fingerprint: [u8; 32],
    /// The port where nodes come in.
    pub port: u16,
}

/// The socket of a server; gone when this is dropped.
#[derive(Debug)]
pub struct Orders {
    socket: PathBuf,
}

impl Orders {
    /// Takes orders from now on, one after another, in a thread of its own.
    ///
    /// # Errors
    /// A sentence where the socket cannot be made.
    pub fn take(data: &str, office: Office) -> Result<Orders, String> {
        private::folder(&folder(data))?;
        let socket = socket(data);
        // What an ended server left: the data folder is ours alone by now.
        let _ = std::fs::remove_file(&socket);
        let listener = UnixListener::bind(&socket).map_err(|e| {
            format!(
                "The socket {} cannot be made: {e}. Its path has at most 107 bytes.",
                socket.display()
            )
        })?;
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // Who hangs up gets no answer; nobody else is the worse for it.
                let _ = serve(&stream, &office);
            }
        });
        Ok(Orders { socket })
    }
}

impl Drop for Orders {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.socket);
    }
}

fn serve(mut stream: &UnixStream, office: &Office) -> std::io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut line = String::new();
    BufReader::new(stream.take(ORDER_MAX)).read_line(&mut line)?;
    let answer: Answer = match serde_json::from_str(&line) {
        Ok(order) => follow(order, office),
        Err(_) => Err("The server does not know this order; is it of another release?".to_owned()),
    };
    let mut line = serde_json::to_string(&answer)?;
    line.push('\n');
    stream.write_all(line.as_bytes())
}

fn follow(order: Order, office: &Office) -> Answer {
    let register = &office.register;
    match order {
        Order::Invite { name, horizon } => invite(office, Guest::New(name, horizon)),
        Order::Replace { number } => invite(office, Guest::Replacing(number)),
        Order::List => Ok(list(&register.nodes())),
        Order::Retire { number, reason } => register.retire(number, &reason, now()).map(|node| {
            format!(
                "Node {number} ({}) is retired. What it had not sent is still on its machine: carry it to the centre on a stick \
                before the machine is wiped.",
                node.name
            )
        }),
        Order::Move { number, gewogs } => register.move_to(number, codes(&gewogs)?).map(|node| {
            format!("Node {number} ({}) now holds the people of {}.", node.name, node.horizon.names())
        }),
    }
}

fn invite(office: &Office, guest: Guest) -> Answer {
    let (code, invitation) = office.register.invite(guest, &office.fingerprint, now())?;
    let replaced = invitation.replaces.map_or(String::new(), |number| {
        format!(" Node {number} is retired once the new machine has enrolled.")
    });
    Ok(format!(
        "{code}\n\nThe code for {}, with the people of {}: it works once, until {}.{replaced}\nAt the clinic: epis node enrol --centre \
        https://HOST:{} --code {code} --data FOLDER",
        invitation.name,
        invitation.horizon.names(),
        minute(invitation.until),
        office.port
    ))
}

/// A moment to the minute, as people read it.
fn minute(micros: i64) -> String {
    format!("{} UTC", instant(micros)[..16].replace('T', " "))
}

fn list(nodes: &[Node]) -> String {
    let mut out = format!(
        "{:>6}  {:<30}  {:<20}  {:<20}  {:<16}  gewogs\n",
        "number", "name", "enrolled", "last contact", "fingerprint"
    );
    for node in nodes {
        let print = unhex(&node.key).map(|key| hex(&fingerprint(&key)[..8]));
        let state = node
            .retired
            .as_ref()
            .map_or(node.horizon.gewogs.join(" "), |(when, why)| {
                format!("retired on {}: {why}", minute(*when))
            });
        out.push_str(&format!(
            "{:>6}  {:<30}  {:<20}  {:<20}  {:<16}  {state}\n",
            node.number,
            node.name,
            minute(node.enrolled),
            node.contact.map_or("never".to_owned(), minute),
            print.unwrap_or_default()
        ));
    }
    let retired = nodes.iter().filter(|node| node.retired.is_some()).count();
    out.push_str(&format!("{} in use, {retired} retired.", nodes.len() - retired));
    out
}
