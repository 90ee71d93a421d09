//! Answers too long to be held: they begin before they are complete, and go out as fast as the caller takes them.
//!
//! The door lends a request an [`Outlet`]; an operation writes into [`Pieces`], which holds what is short and sends what
//! is long. So a short answer has a status of its own, whatever goes wrong with it, and a long one takes no memory.

use std::fmt;
use std::io::{self, Write};
use std::time::Instant;

use crate::reply::{Body, Reply};

/// What is held before it is sent, in bytes.
const PIECE: usize = 64 << 10;

/// Where an answer can go that begins before it is complete.
pub trait Outlet: fmt::Debug + Send + Sync {
    /// Sends the head of the answer; its body is what is written then. It is begun once.
    fn begin(&self, head: Reply) -> Box<dyn Stream>;
}

/// The body of an answer that was begun. One that is dropped before its end is broken off, so that the caller sees that
/// it is not whole.
pub trait Stream: Write {
    /// Ends the body.
    ///
    /// # Errors
    /// Where the caller is gone or takes nothing any more.
    fn end(self: Box<Self>) -> io::Result<()>;
}

/// A body that is being written: held while it is short or there is no outlet, and sent otherwise.
pub(crate) struct Pieces<'a> {
    outlet: Option<&'a dyn Outlet>,
    media: &'static str,
    held: Vec<u8>,
    stream: Option<Box<dyn Stream>>,
    moved: Instant,
}

impl<'a> Pieces<'a> {
    /// An empty body of a type.
    pub(crate) fn new(outlet: Option<&'a dyn Outlet>, media: &'static str) -> Pieces<'a> {
        Pieces {
            outlet,
            media,
            held: Vec::new(),
            stream: None,
            moved: Instant::now(),
        }
    }

    /// How many bytes are held; with an outlet, never many more than a piece.
    pub(crate) fn held(&self) -> usize {
        self.held.len()
    }

    /// When the body last moved: was begun, or sent a piece on.
    pub(crate) fn moved(&self) -> Instant {
        self.moved
    }

    /// Ends the body. Answers with the reply that has it; where it was sent, with one that is as good as sent.
    pub(crate) fn end(mut self) -> io::Result<Reply> {
        let head = self.head();
        match self.stream.take() {
            None => Ok(Reply {
                body: Body::Owned(self.held),
                ..head
            }),
            Some(mut stream) => {
                stream.write_all(&self.held)?;
                stream.end()?;
                Ok(head)
            }
        }
    }

    fn head(&self) -> Reply {
        Reply {
            media: self.media.into(),
            ..Reply::empty(200)
        }
    }
}

impl Write for Pieces<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.held.extend_from_slice(bytes);
        if self.held.len() >= PIECE
            && let Some(outlet) = self.outlet
        {
            let head = self.head();
            let stream = self.stream.get_or_insert_with(|| outlet.begin(head));
            stream.write_all(&self.held)?;
            self.held.clear();
            self.moved = Instant::now();
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// Notes what is sent: bytes, and at the end whether they were all.
    #[derive(Clone, Debug, Default)]
    struct Notes(Arc<Mutex<(Vec<u8>, bool)>>);

    impl Outlet for Notes {
        fn begin(&self, head: Reply) -> Box<dyn Stream> {
            assert_eq!(head.media, "text/csv");
            Box::new(self.clone())
        }
    }

    impl Write for Notes {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().0.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Stream for Notes {
        fn end(self: Box<Self>) -> io::Result<()> {
            self.0.lock().unwrap().1 = true;
            Ok(())
        }
    }

    #[test]
    fn what_is_short_is_held_and_what_is_long_is_sent() {
        for (length, with_outlet, sent) in [(10, true, false), (200_000, true, true), (200_000, false, false)] {
            let notes = Notes::default();
            let outlet = with_outlet.then_some(&notes as &dyn Outlet);
            let mut pieces = Pieces::new(outlet, "text/csv");
            for _ in 0..length / 10 {
                pieces.write_all(b"0123456789").unwrap();
                assert!(!with_outlet || pieces.held() < 2 * PIECE);
            }
            let reply = pieces.end().unwrap();
            let (bytes, ended) = notes.0.lock().unwrap().clone();
            assert_eq!((bytes.len(), ended), (if sent { length } else { 0 }, sent), "{length}");
            assert_eq!(reply.body.bytes().len(), if sent { 0 } else { length });
        }
    }
}
