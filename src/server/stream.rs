//! Sends an answer while it is being made: pieces go through a short queue, at the pace at which the caller takes them.

use std::io::{self, Write};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::body::{BodySize, MessageBody};
use actix_web::web::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use interaction::{Outlet, Reply, Stream};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

/// Pieces on the way from the thread that makes them to the caller.
const PIECES_WAITING: usize = 2;

/// An answer that was begun.
#[derive(Debug)]
pub struct Begun {
    /// Its head.
    pub head: Reply,
    /// Whether its body is packed.
    pub gzip: bool,
    /// Its body.
    pub body: Pieces,
}

/// The body of an answer, as its pieces come. Where they stop before the end, the connection is closed before the body's
/// end, which is all that HTTP can say then.
#[derive(Debug)]
pub struct Pieces {
    coming: mpsc::Receiver<Bytes>,
    ended: Arc<AtomicBool>,
}

impl MessageBody for Pieces {
    type Error = io::Error;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        let pieces = self.get_mut();
        pieces.coming.poll_recv(context).map(|piece| match piece {
            Some(piece) => Some(Ok(piece)),
            None if pieces.ended.load(Ordering::Acquire) => None,
            None => Some(Err(io::Error::other("the answer could not be completed"))),
        })
    }
}

/// Where one request's answer may be begun.
#[derive(Debug)]
pub struct Opening {
    begun: Mutex<Option<oneshot::Sender<Begun>>>,
    gzip: bool,
    patience: Duration,
}

impl Opening {
    /// An opening, and what comes through it, should the answer be begun. Its pieces are packed where the caller likes it.
    /// A caller who takes no piece for so long is given up.
    pub fn new(gzip: bool, patience: Duration) -> (Opening, oneshot::Receiver<Begun>) {
        let (begun, coming) = oneshot::channel();
        let opening = Opening {
            begun: Mutex::new(Some(begun)),
            gzip,
            patience,
        };
        (opening, coming)
    }
}

impl Outlet for Opening {
    fn begin(&self, head: Reply) -> Box<dyn Stream> {
        let (pieces, coming) = mpsc::channel(PIECES_WAITING);
        let ended = Arc::new(AtomicBool::new(false));
        let begun = Begun {
            head,
            gzip: self.gzip,
            body: Pieces {
                coming,
                ended: Arc::clone(&ended),
            },
        };
        if let Ok(mut waiting) = self.begun.lock()
            && let Some(waiting) = waiting.take()
        {
            // A caller who is gone is noticed at the first piece.
            let _ = waiting.send(begun);
        }
        let pipe = Pipe {
            pieces,
            patience: self.patience,
            ended,
        };
        match self.gzip {
            true => Box::new(Packer(GzEncoder::new(pipe, Compression::fast()))),
            false => Box::new(pipe),
        }
    }
}

/// The end of the queue that pieces are put into, on a blocking thread.
struct Pipe {
    pieces: mpsc::Sender<Bytes>,
    patience: Duration,
    ended: Arc<AtomicBool>,
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = self.pieces.send(Bytes::copy_from_slice(bytes));
        match Handle::current().block_on(async { timeout(self.patience, taken).await }) {
            Ok(Ok(())) => Ok(bytes.len()),
            Ok(Err(_)) => Err(io::Error::new(io::ErrorKind::BrokenPipe, "the caller is gone")),
            Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "the caller takes nothing")),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Stream for Pipe {
    fn end(self: Box<Self>) -> io::Result<()> {
        self.ended.store(true, Ordering::Release);
        Ok(())
    }
}

/// Packs what it is given on the way into the queue.
struct Packer(GzEncoder<Pipe>);

impl Write for Packer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Stream for Packer {
    fn end(self: Box<Self>) -> io::Result<()> {
        Box::new(self.0.finish()?).end()
    }
}
