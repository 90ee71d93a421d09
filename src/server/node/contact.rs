//! What a contact of a node is answered: the seam between the wire and what travels over it.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::body::{BodySize, MessageBody};
use actix_web::rt::task::spawn_blocking;
use actix_web::web::{self, Bytes, Payload};
use futures_core::Stream;
use interaction::Generations;
use interaction::answer_node::{Exchange, Known};
use interaction::ask_centre::written;
use interaction::engine::now;
use sync::frame::{Frame, PIECE_MAX};
use sync::session::{Failed, busy};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::register::{Node, Register};

/// How long the line may be silent before a contact is given up.
pub const SILENCE: Duration = Duration::from_secs(60);
/// Pieces on the way to the node that are not yet taken by the line.
const PIECES_WAITING: usize = 4;

/// The line was cut, or silent for a minute. What came before stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut;

/// What a contact was refused for: a status of HTTP and a sentence, before anything was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The status of HTTP.
    pub status: u16,
    /// A sentence for the person at the node.
    pub text: String,
}

/// What comes from the node, piece by piece as the line brings it.
pub struct Incoming(Payload);

impl Incoming {
    /// The body of a request.
    pub fn new(payload: Payload) -> Incoming {
        Incoming(payload)
    }

    /// The next piece, as soon as it is there; `None` at the end of the request.
    ///
    /// # Errors
    /// [`Cut`] where there will be no more, and this was not the end.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Cut> {
        let piece = poll_fn(|context| Pin::new(&mut self.0).poll_next(context));
        match timeout(SILENCE, piece).await {
            Ok(None) => Ok(None),
            Ok(Some(Ok(piece))) => Ok(Some(piece)),
            Ok(Some(Err(_))) | Err(_) => Err(Cut),
        }
    }
}

/// What goes to the node.
#[derive(Clone)]
pub struct Outgoing {
    pieces: mpsc::Sender<Bytes>,
}

impl Outgoing {
    /// Sends a piece, waiting while the line is full. The first makes the answer a good one (200).
    ///
    /// # Errors
    /// [`Cut`] where nobody takes it.
    pub async fn send(&self, piece: impl Into<Bytes>) -> Result<(), Cut> {
        match timeout(SILENCE, self.pieces.send(piece.into())).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(Cut),
        }
    }

    /// As [`send`](Outgoing::send), for a thread that may wait.
    ///
    /// # Errors
    /// [`Cut`] where nobody takes it.
    pub fn send_blocking(&self, piece: impl Into<Bytes>) -> Result<(), Cut> {
        self.pieces.blocking_send(piece.into()).map_err(|_| Cut)
    }
}

/// One contact: who it is, and what it works on.
pub struct Contact {
    /// The node, as the register has it now.
    pub node: Node,
    /// What answers.
    pub generations: Arc<Generations>,
}

/// How a contact ends.
pub type Ending = Pin<Box<dyn Future<Output = Result<(), Refused>>>>;

/// Answers contacts.
pub type Answerer = Arc<dyn Fn(Contact, Incoming, Outgoing) -> Ending + Send + Sync>;

/// What this server answers.
pub fn answerer(exchange: Arc<Exchange>, register: Arc<Register>) -> Answerer {
    Arc::new(move |contact, incoming, outgoing| {
        let (exchange, register) = (Arc::clone(&exchange), Arc::clone(&register));
        Box::pin(answer(exchange, register, contact, incoming, outgoing))
    })
}

/// Answers one contact at `POST /node/sync`. Pieces are taken as they come: a cut keeps what came before it.
///
/// # Errors
/// [`Refused`], which the node is told where nothing was sent yet; later the answer is cut, which is all HTTP can say then.
async fn answer(
    exchange: Arc<Exchange>,
    register: Arc<Register>,
    contact: Contact,
    mut incoming: Incoming,
    outgoing: Outgoing,
) -> Result<(), Refused> {
    let (pieces, coming) = mpsc::channel(PIECES_WAITING);
    let after = (Arc::clone(&exchange), Arc::clone(&contact.generations));
    let work = web::block(move || work(&exchange, &register, &contact, coming, &outgoing));
    let feed = async move {
        while let Ok(Some(piece)) = incoming.next().await {
            if pieces.send(piece).await.is_err() {
                return;
            }
        }
    };
    let (work, feed) = (pin!(work), pin!(feed));
    let mut work = work;
    let ended = tokio::select! {
        ended = &mut work => ended,
        () = feed => work.await,
    };
    let ended = ended.unwrap_or_else(|_| Err(refused(500, "A fault of the program ended the contact.")));
    if ended.is_ok() {
        // The node has its answer, and does not wait for what follows from what it sent.
        drop(spawn_blocking(move || look_after(&after.0, &after.1)));
    }
    ended
}

/// Looks at what follows from what nodes sent; trouble is told to whoever runs the centre.
fn look_after(exchange: &Exchange, generations: &Generations) {
    if let Err(untaken) = exchange.look_after(&generations.now()) {
        eprintln!("epis: what follows from a contact: {untaken}");
    }
}

/// What holds of a node for whoever answers it.
pub fn known(register: &Register, node: &Node) -> Known {
    let nodes = register.nodes();
    let mut former = Vec::new();
    let mut before = node.replaces;
    while let Some(number) = before.filter(|number| !former.contains(number)) {
        former.push(number);
        before = nodes
            .iter()
            .find(|node| node.number == number)
            .and_then(|node| node.replaces);
    }
    let digits = |code: &String| code.trim_start_matches("BT").parse().ok();
    Known {
        number: node.number,
        name: node.name.clone(),
        former,
        gewogs: node.horizon.gewogs.iter().filter_map(digits).collect(),
        within_months: node.horizon.seen_within_months,
        clinic: node.horizon.place.clone(),
    }
}

/// Takes the request piece by piece, and sends the answer when it has ended.
fn work(
    exchange: &Exchange,
    register: &Register,
    contact: &Contact,
    mut coming: mpsc::Receiver<Bytes>,
    outgoing: &Outgoing,
) -> Result<(), Refused> {
    let engine = contact.generations.now();
    let known = known(register, &contact.node);
    let succeed = || register.renumber(known.number, now()).map(|node| node.number);
    let failed = |failed: Failed| {
        eprintln!("epis: a contact of node {}: {}", known.number, failed.0);
        refused(500, &failed.0)
    };
    let answering = exchange.answer(&engine, &known, &succeed, PIECE_MAX).map_err(failed)?;
    let Some(mut answering) = answering else {
        return sent(&busy(now()), outgoing);
    };
    while let Some(piece) = coming.blocking_recv() {
        if let Some(frames) = answering.hear(&piece).map_err(failed)? {
            return sent(&frames, outgoing);
        }
    }
    Err(refused(400, "The request broke off; what came is kept."))
}

fn sent(frames: &[Frame], outgoing: &Outgoing) -> Result<(), Refused> {
    let mut pieces = written(frames).into_iter();
    let sent = pieces.try_for_each(|piece| outgoing.send_blocking(piece));
    sent.map_err(|Cut| refused(500, "The line was cut."))
}

fn refused(status: u16, text: &str) -> Refused {
    let text = text.to_owned();
    Refused { status, text }
}

/// How long a second piece is waited for before an answer is begun without its length: nothing beside a round trip.
const SECOND_PIECE: Duration = Duration::from_millis(5);

/// The body of an answer that was begun, as its pieces come. Where they stop before the end, the connection is closed
/// before the body's end.
pub struct Pieces {
    begun: VecDeque<Bytes>,
    coming: mpsc::Receiver<Bytes>,
    whole: Arc<AtomicBool>,
}

impl MessageBody for Pieces {
    type Error = io::Error;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        if let Some(piece) = self.begun.pop_front() {
            return Poll::Ready(Some(Ok(piece)));
        }
        self.coming.poll_recv(context).map(|piece| match piece {
            Some(piece) => Some(Ok(piece)),
            None if self.whole.load(Ordering::Acquire) => None,
            None => Some(Err(io::Error::other("the contact could not be completed"))),
        })
    }
}

/// How an answer begins.
pub enum Begun {
    /// It is whole: all there is to say.
    Whole(Bytes),
    /// It goes on.
    Going(Pieces),
}

/// Lets an answerer work until it has begun to answer; it goes on by itself.
///
/// # Errors
/// What it refused, where it has sent nothing.
pub async fn begin(answerer: &Answerer, contact: Contact, incoming: Incoming) -> Result<Begun, Refused> {
    let (pieces, mut coming) = mpsc::channel(PIECES_WAITING);
    let whole = Arc::new(AtomicBool::new(false));
    let outgoing = Outgoing { pieces };
    let ending = answerer(contact, incoming, outgoing.clone());
    let is_whole = Arc::clone(&whole);
    let ending = actix_web::rt::spawn(async move {
        let ended = ending.await;
        is_whole.store(ended.is_ok(), Ordering::Release);
        // Only now is the end of the pieces seen.
        drop(outgoing);
        ended
    });
    let Some(first) = coming.recv().await else {
        let fault = |_| Refused {
            status: 500,
            text: "A fault of the program ended the contact.".to_owned(),
        };
        return ending.await.map_err(fault)?.map(|()| Begun::Whole(Bytes::new()));
    };
    let mut begun = VecDeque::from([first]);
    match timeout(SECOND_PIECE, coming.recv()).await {
        Ok(Some(second)) => begun.push_back(second),
        // A short answer, as to a node that has nothing to say, goes with its length, which is fewer bytes.
        Ok(None) if whole.load(Ordering::Acquire) => return Ok(Begun::Whole(begun.pop_front().unwrap_or_default())),
        Ok(None) | Err(_) => {}
    }
    Ok(Begun::Going(Pieces { begun, coming, whole }))
}
