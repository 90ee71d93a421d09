//! What the walk asks a server, over HTTP as anybody would, and how it is asked again with curl.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::node::answer::Answer;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// Bytes of an answer at most.
const ANSWER_MAX: usize = 16 << 20;
/// Bytes of a body that stands in a line of curl; a longer one is in a file.
const INLINE_MAX: usize = 400;

/// A request.
#[derive(Debug)]
pub struct Request<'a> {
    /// GET, POST, PUT or PATCH.
    pub method: &'a str,
    /// Who is asked.
    pub address: SocketAddr,
    /// What for: the path and the query, without the slash in front.
    pub path: String,
    /// The body, with the type of its media.
    pub body: Option<(&'a str, String)>,
}

impl<'a> Request<'a> {
    /// A question.
    pub fn get(address: SocketAddr, path: impl Into<String>) -> Request<'a> {
        Request {
            method: "GET",
            address,
            path: path.into(),
            body: None,
        }
    }

    /// A record or a bundle to be taken in.
    pub fn post(address: SocketAddr, path: impl Into<String>, body: &Value) -> Request<'a> {
        Request {
            method: "POST",
            address,
            path: path.into(),
            body: Some(("application/fhir+json", body.to_string())),
        }
    }

    /// Changes to a record, as a JSON Patch (RFC 6902).
    pub fn patch(address: SocketAddr, path: impl Into<String>, changes: &Value) -> Request<'a> {
        Request {
            method: "PATCH",
            address,
            path: path.into(),
            body: Some(("application/json-patch+json", changes.to_string())),
        }
    }

    /// Asks; the status and the body as JSON, null where it is none.
    ///
    /// # Errors
    /// A sentence where nobody answers, or what comes is no answer.
    pub fn send(&self) -> Result<(u16, Value), String> {
        let silent = |e: std::io::Error| format!("http://{} does not answer: {e}.", self.address);
        let mut stream = TcpStream::connect(self.address).map_err(silent)?;
        stream.set_read_timeout(Some(PATIENCE)).map_err(silent)?;
        let (media, body) = self
            .body
            .as_ref()
            .map_or(("", ""), |(media, body)| (*media, body.as_str()));
        let media = match media.is_empty() {
            true => String::new(),
            false => format!("content-type: {media}\r\nprefer: return=representation\r\n"),
        };
        let head = format!(
            "{} /{} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n{media}content-length: {}\r\n\r\n",
            self.method,
            self.path,
            self.address,
            body.len()
        );
        stream
            .write_all(&[head.as_bytes(), body.as_bytes()].concat())
            .map_err(silent)?;
        let (status, body) = received(&mut stream).map_err(|why| format!("http://{} {why}.", self.address))?;
        Ok((status, serde_json::from_slice(&body).unwrap_or(Value::Null)))
    }

    /// The same on a command line; a long body is put into a file of this name in a folder.
    ///
    /// # Errors
    /// A sentence where the file cannot be written.
    pub fn curl(&self, folder: &Path, name: &str) -> Result<String, String> {
        let url = format!("'http://{}/{}'", self.address, self.path);
        let Some((media, body)) = &self.body else {
            return Ok(format!("curl -s {url}"));
        };
        let data = match body.len() <= INLINE_MAX && !body.contains('\'') {
            true => format!("'{body}'"),
            false => {
                let file = folder.join(name).with_extension("json");
                std::fs::write(&file, body).map_err(|e| format!("{} cannot be written: {e}.", file.display()))?;
                format!("@{}", file.display())
            }
        };
        let method = self.method;
        Ok(format!(
            "curl -s -X {method} {url} -H 'Content-Type: {media}' -d {data}"
        ))
    }
}

fn received(stream: &mut TcpStream) -> Result<(u16, Vec<u8>), String> {
    let (mut answer, mut body) = (Answer::new(), Vec::new());
    let mut bytes = vec![0; 16 << 10];
    loop {
        let count = stream.read(&mut bytes).map_err(|e| format!("broke off: {e}"))?;
        if count == 0 {
            return Err("broke off".to_owned());
        }
        let mut take = |piece: &[u8]| {
            body.extend_from_slice(piece);
            (body.len() <= ANSWER_MAX).then_some(()).ok_or_else(String::new)
        };
        match answer.take(&bytes[..count], &mut take) {
            Ok(false) => {}
            Ok(true) => break,
            Err(_) => return Err("gave an answer that cannot be read".to_owned()),
        }
    }
    body.append(&mut answer.refusal);
    Ok((answer.status, body))
}
