//! A connection on which even the HTTP library's own refusals carry an OperationOutcome.
//!
//! The library answers what is no HTTP at all (400), headers beyond its own limit (431) and headers that
//! never end (408) before any handler sees them, and with an empty body. No answer here is ever empty, so
//! the connection puts the body in when such an answer passes. It is recognised by being a 4xx that says
//! `content-length: 0`, which no handler of this server ever sends.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use actix_web::rt::net::TcpStream;
use fhir::outcome::{Code, Issue, write_outcome};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A TCP connection; see above.
#[derive(Debug)]
pub struct Wire {
    stream: TcpStream,
    waiting: Vec<u8>,
    sent: usize,
}

impl Wire {
    /// A connection over a stream.
    pub fn new(stream: TcpStream) -> Wire {
        Wire {
            stream,
            waiting: Vec::new(),
            sent: 0,
        }
    }

    fn drain(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.sent < self.waiting.len() {
            let count = ready!(Pin::new(&mut self.stream).poll_write(context, &self.waiting[self.sent..]))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.sent += count;
        }
        self.waiting.clear();
        self.sent = 0;
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, into)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.drain(context))?;
        let Some(spoken) = spoken(bytes) else {
            return Pin::new(&mut self.stream).poll_write(context, bytes);
        };
        self.waiting = spoken;
        if let Poll::Ready(Err(e)) = self.drain(context) {
            return Poll::Ready(Err(e));
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.drain(context))?;
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.drain(context))?;
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

const EMPTY: &[u8] = b"content-length: 0\r\n";

/// The answer with a body, where it is an empty refusal.
fn spoken(answer: &[u8]) -> Option<Vec<u8>> {
    if !answer.starts_with(b"HTTP/1.") || answer.get(9) != Some(&b'4') || !answer.ends_with(b"\r\n\r\n") {
        return None;
    }
    let at = answer
        .windows(EMPTY.len())
        .position(|part| part.eq_ignore_ascii_case(EMPTY))?;
    let (code, text) = match &answer[9..12] {
        b"408" => (
            Code::Timeout,
            "The request did not arrive in time: send its headers at once.",
        ),
        b"431" => (
            Code::TooLong,
            "The headers of the request are longer than any this server reads: send shorter ones.",
        ),
        _ => (
            Code::Structure,
            "This is no HTTP request: its first line or one of its headers is malformed.",
        ),
    };
    let mut body = Vec::new();
    write_outcome(&[Issue::error(code, text)], &mut body);
    let mut out = answer[..at].to_vec();
    let headers = format!(
        "content-length: {}\r\ncontent-type: application/fhir+json; charset=utf-8\r\n",
        body.len()
    );
    out.extend_from_slice(headers.as_bytes());
    out.extend_from_slice(&answer[at + EMPTY.len()..]);
    out.extend_from_slice(&body);
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_refusals_are_given_a_body() {
        let table = [
            (
                "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
                Some("structure"),
            ),
            (
                "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n",
                Some("timeout"),
            ),
            ("HTTP/1.0 431 Too Large\r\ncontent-length: 0\r\n\r\n", Some("too-long")),
            ("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", None),
            ("HTTP/1.1 404 Not Found\r\ncontent-length: 10\r\n\r\n", None),
            ("", None),
        ];
        for (answer, code) in table {
            let spoken = spoken(answer.as_bytes()).map(|bytes| String::from_utf8(bytes).unwrap());
            assert_eq!(spoken.is_some(), code.is_some(), "{answer}");
            let (Some(spoken), Some(code)) = (spoken, code) else {
                continue;
            };
            let (head, body) = spoken.split_once("\r\n\r\n").unwrap();
            assert!(
                body.contains(code) && head.contains(&format!("content-length: {}", body.len())),
                "{spoken}"
            );
        }
    }
}
