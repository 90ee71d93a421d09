//! A connection at the gate: whose it is not known yet has one of few places, so that strangers cannot take them all.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use actix_web::rt::net::TcpStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::contact::SILENCE;

/// Connections without a node's certificate at once: those that begin, and those that enrol.
pub const STRANGERS_MAX: usize = 256;

/// A connection over TLS.
pub struct Guest {
    /// The connection.
    pub stream: TlsStream<TcpStream>,
    /// The place of one that has no certificate, for as long as it lasts.
    _place: Option<OwnedSemaphorePermit>,
}

impl Guest {
    /// Agrees on TLS with who has called, once there is a place for it.
    ///
    /// # Errors
    /// Where there is none for a minute, or nothing is agreed upon within another.
    pub async fn received(stream: TcpStream, acceptor: TlsAcceptor, places: Arc<Semaphore>) -> io::Result<Guest> {
        let late = |_| io::Error::from(io::ErrorKind::TimedOut);
        let place = timeout(SILENCE, places.acquire_owned()).await.map_err(late)?;
        let place = place.map_err(io::Error::other)?;
        let stream = timeout(SILENCE, acceptor.accept(stream)).await.map_err(late)??;
        let is_node = stream.get_ref().1.peer_certificates().is_some();
        Ok(Guest {
            stream,
            _place: (!is_node).then_some(place),
        })
    }
}

impl AsyncRead for Guest {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, into)
    }
}

impl AsyncWrite for Guest {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
