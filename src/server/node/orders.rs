//! What the operator orders about nodes: by `epis node`, through the socket of the running server.
//!
//! The running server has its data to itself. It takes orders at a socket in its data folder, which only its own account
//! can reach: no port, no password. An order and its answer are one line of JSON each.

use std::io::{BufRead, BufReader, Read, Write, copy};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use fhir::moment::instant;
use interaction::engine::now;
use serde::{Deserialize, Serialize};

use super::authority::fingerprint;
use super::hex::{hex, unhex};
use super::horizon::{Horizon, Moved};
use super::private;
use super::register::{Guest, Register};
use super::stick::errand::{Done, Errand, Host};

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
    /// Gives a node another horizon or another name.
    Move {
        /// The node's number.
        number: u32,
        /// What becomes another.
        #[serde(flatten)]
        moved: Moved,
    },
    /// Takes in a node again whose lease has ended.
    Renew {
        /// The node's number.
        number: u32,
    },
    /// Runs an errand for a stick. What a stick brings comes behind the order, until the end; what it takes along behind the
    /// answer.
    Stick(Errand),
}

/// The answer: what to print, or the sentence of a refusal.
type Answer = Result<String, String>;

/// The folder of a centre's data folder where its authority and its socket are.
pub fn folder(data: &str) -> PathBuf {
    Path::new(data).join("nodes")
}

/// The socket in a folder that is a server's own.
fn socket(folder: &Path) -> PathBuf {
    folder.join("orders")
}

/// Whether a server takes orders in a folder.
pub fn are_taken(folder: &Path) -> bool {
    UnixStream::connect(socket(folder)).is_ok()
}

/// Has the server that takes orders in a folder run an errand on what a stick brings.
///
/// # Errors
/// A sentence where it refuses, or stopped meanwhile.
pub fn errand(folder: &Path, errand: &Errand, brought: &mut dyn Read) -> Result<(Done, Vec<u8>), String> {
    let broken = |e: std::io::Error| {
        format!(
            "The server stopped, or what the stick brings cannot be read: {e}. Nothing is lost; give the command again."
        )
    };
    let mut stream = UnixStream::connect(socket(folder)).map_err(broken)?;
    let mut line = serde_json::to_string(&Order::Stick(errand.clone())).map_err(|e| e.to_string())?;
    line.push('\n');
    stream.write_all(line.as_bytes()).map_err(broken)?;
    // A server that wants no more hangs up, and says why.
    let sent = copy(brought, &mut stream);
    let shut = stream.shutdown(Shutdown::Write);
    let mut answer = BufReader::new(stream);
    let mut line = String::new();
    answer.read_line(&mut line).map_err(broken)?;
    let Ok(said) = serde_json::from_str::<Answer>(&line) else {
        sent.map_err(broken)?;
        shut.map_err(broken)?;
        return Err(
            "The server stopped, or is of another release. Nothing is lost; give the command again.".to_owned(),
        );
    };
    let done: Done = serde_json::from_str(&said?).map_err(|_| "The server is of another release.".to_owned())?;
    let mut frames = Vec::new();
    answer.take(done.bytes).read_to_end(&mut frames).map_err(broken)?;
    match frames.len() as u64 == done.bytes {
        true => Ok((done, frames)),
        false => Err("The server stopped. Nothing is lost; give the command again.".to_owned()),
    }
}

/// Gives an order to the server that runs on a data folder.
///
/// # Errors
/// A sentence where none runs, or it refuses.
pub fn give(data: &str, order: &Order) -> Answer {
    let stream = UnixStream::connect(socket(&folder(data))).map_err(|_| {
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

/// What orders are about at a centre.
pub struct Office {
    /// The nodes and the invitations.
    pub register: Arc<Register>,
    /// The fingerprint of the authority, which invitations carry.
    pub fingerprint: [u8; 32],
    /// The port where nodes come in.
    pub port: u16,
    /// Who runs errands.
    pub host: Host,
}

/// Who takes orders.
pub enum Desk {
    /// A centre.
    Centre(Office),
    /// A clinic, of errands alone.
    Clinic(Host),
}

impl Desk {
    fn host(&self) -> &Host {
        match self {
            Desk::Centre(office) => &office.host,
            Desk::Clinic(host) => host,
        }
    }
}

/// The socket of a server; gone when this is dropped.
#[derive(Debug)]
pub struct Orders {
    socket: PathBuf,
}

impl Orders {
    /// Takes orders from now on at a socket in a folder, each in a thread of its own.
    ///
    /// # Errors
    /// A sentence where the socket cannot be made.
    pub fn take(folder: &Path, desk: Desk) -> Result<Orders, String> {
        private::folder(folder)?;
        let socket = socket(folder);
        let desk = Arc::new(desk);
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
                let desk = Arc::clone(&desk);
                std::thread::spawn(move || {
                    // Who hangs up gets no answer; nobody else is the worse for it.
                    let _ = serve(&stream, &desk);
                });
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

fn serve(mut stream: &UnixStream, desk: &Desk) -> std::io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut line = String::new();
    let mut reader = BufReader::new(stream);
    reader.by_ref().take(ORDER_MAX).read_line(&mut line)?;
    let mut frames = Vec::new();
    let answer: Answer = match (serde_json::from_str(&line), desk) {
        (Ok(Order::Stick(errand)), desk) => desk.host().run(&errand, &mut reader).and_then(|(done, said)| {
            frames = said;
            serde_json::to_string(&done).map_err(|e| e.to_string())
        }),
        (Ok(order), Desk::Centre(office)) => follow(order, office),
        (Ok(_), Desk::Clinic(_)) => Err("A clinic has no nodes: give the order at the centre.".to_owned()),
        (Err(_), _) => Err("The server does not know this order; is it of another release?".to_owned()),
    };
    let mut line = serde_json::to_string(&answer)?;
    line.push('\n');
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(line.as_bytes())?;
    stream.write_all(&frames)
}

fn follow(order: Order, office: &Office) -> Answer {
    let register = &office.register;
    match order {
        Order::Invite { name, horizon } => invite(office, Guest::New(name, horizon)),
        Order::Replace { number } => invite(office, Guest::Replacing(number)),
        Order::List => Ok(list(register)),
        Order::Retire { number, reason } => register.retire(number, &reason, now()).map(|node| {
            format!(
                "Node {number} ({}) is retired. What it had not sent is still on its machine: carry it to the centre on a stick \
                before the machine is wiped.",
                node.name
            )
        }),
        Order::Move { number, moved } => register.move_to(number, moved.checked()?).map(|node| {
            let referred = node.horizon.place.as_ref();
            let referred = referred.map_or(String::new(), |place| format!(", and whoever is referred to {place}"));
            format!(
                "Node {number} ({}) now holds the people of {}, whoever was seen there within {} months{referred}.",
                node.name,
                node.horizon.names(),
                node.horizon.seen_within_months
            )
        }),
        Order::Renew { number } => register.renew(number, now()).map(|node| {
            let until = register.until(&node).map_or("for ever".to_owned(), |until| format!("until {}", minute(until)));
            format!("Node {number} ({}) is taken in {until}, and longer by every contact.", node.name)
        }),
        Order::Stick(_) => Err("An errand is run beside the orders.".to_owned()),
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

fn list(register: &Register) -> String {
    let nodes = register.nodes();
    let mut out = format!(
        "{:>6}  {:<30}  {:<20}  {:<20}  {:<20}  {:<16}  gewogs\n",
        "number", "name", "enrolled", "last contact", "leased until", "fingerprint"
    );
    for node in &nodes {
        let print = unhex(&node.key).map(|key| hex(&fingerprint(&key)[..8]));
        let state = node
            .retired
            .as_ref()
            .map_or(node.horizon.gewogs.join(" "), |(when, why)| {
                format!("retired on {}: {why}", minute(*when))
            });
        out.push_str(&format!(
            "{:>6}  {:<30}  {:<20}  {:<20}  {:<20}  {:<16}  {state}\n",
            node.number,
            node.name,
            minute(node.enrolled),
            node.contact.map_or("never".to_owned(), minute),
            register
                .until(node)
                .filter(|_| node.retired.is_none())
                .map_or("-".to_owned(), minute),
            print.unwrap_or_default()
        ));
    }
    let retired = nodes.iter().filter(|node| node.retired.is_some()).count();
    out.push_str(&format!("{} in use, {retired} retired.", nodes.len() - retired));
    out
}
