//! A small HTTP client for load: one kept-alive connection, no allocation it can avoid.

use std::io::{Read, Write};
use std::net::TcpStream;

/// One connection.
pub struct Client {
    stream: TcpStream,
    address: String,
    buffer: Vec<u8>,
}

/// What came back.
pub struct Answer<'a> {
    /// The status code.
    pub status: u16,
    /// The body.
    pub body: &'a [u8],
}

impl Client {
    /// Connects to `host:port`.
    pub fn connect(address: &str) -> Client {
        let stream = TcpStream::connect(address).expect("the server listens");
        stream.set_nodelay(true).expect("a TCP socket");
        Client {
            stream,
            address: address.to_owned(),
            buffer: Vec::with_capacity(1 << 16),
        }
    }

    /// Sends a request and reads the whole answer.
    pub fn send(&mut self, method: &str, path: &str, body: &[u8]) -> Answer<'_> {
        let length = body.len();
        let content = if length > 0 {
            "Content-Type: application/fhir+json\r\n"
        } else {
            ""
        };
        let mut request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\n{content}Content-Length: {length}\r\n\r\n",
            self.address
        )
        .into_bytes();
        request.extend_from_slice(body);
        self.stream.write_all(&request).expect("the server takes requests");
        self.read()
    }

    fn read(&mut self) -> Answer<'_> {
        self.buffer.clear();
        let mut chunk = [0; 1 << 16];
        let (mut head, mut total) = (0, usize::MAX);
        while self.buffer.len() < total {
            let n = self.stream.read(&mut chunk).expect("the server answers");
            assert!(n > 0, "the server closed the connection");
            self.buffer.extend_from_slice(&chunk[..n]);
            if head == 0
                && let Some(at) = find(&self.buffer, b"\r\n\r\n")
            {
                head = at + 4;
                total = head + content_length(&self.buffer[..head]);
            }
        }
        let status = std::str::from_utf8(&self.buffer[9..12])
            .ok()
            .and_then(|s| s.parse().ok());
        Answer {
            status: status.expect("an HTTP status"),
            body: &self.buffer[head..],
        }
    }
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|w| w == part)
}

fn content_length(head: &[u8]) -> usize {
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    let value = head
        .split("content-length:")
        .nth(1)
        .and_then(|rest| rest.split("\r\n").next());
    value.map_or(0, |v| v.trim().parse().expect("a length"))
}
