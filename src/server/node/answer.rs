//! Reads an answer of HTTP/1.1 as its bytes come: just what the centre sends (RFC 9112).

use fhir::moment::parse_http_date;

/// Bytes of a head, or of the line before a chunk, at most.
const HEAD_MAX: usize = 4096;
/// Bytes kept of the text of a refusal.
const REFUSAL_MAX: usize = 4096;

/// Who takes the body, piece by piece; a sentence stops the reading.
pub type Each<'a> = &'a mut dyn FnMut(&[u8]) -> Result<(), String>;

/// Why the reading ended before the answer did.
#[derive(Debug, PartialEq, Eq)]
pub enum Wrong {
    /// It is no answer of a centre.
    Malformed,
    /// Who takes the body stopped it.
    Stopped(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Head,
    /// In a body of known length: bytes to come.
    Sized(u64),
    /// Before the length of a chunk.
    Length,
    /// In a chunk: bytes to come.
    Chunk(u64),
    /// At the line's end after a chunk.
    ChunkEnd,
    /// In what comes after the last chunk.
    Trailer,
    End,
}

/// An answer that is coming.
#[derive(Debug)]
pub struct Answer {
    place: Place,
    waiting: Vec<u8>,
    /// The status of HTTP; 0 before the head was there.
    pub status: u16,
    /// Whether the connection can be used for another request after this one.
    pub is_kept: bool,
    /// The centre's clock when it answered, in microseconds since 1970, to the second; `None` where it did not say.
    pub date: Option<i64>,
    /// What a refusal (a status that is not 2xx) says.
    pub refusal: Vec<u8>,
}

impl Answer {
    /// Nothing has come yet.
    pub fn new() -> Answer {
        Answer {
            place: Place::Head,
            waiting: Vec::new(),
            status: 0,
            is_kept: true,
            date: None,
            refusal: Vec::new(),
        }
    }

    /// Takes what came; whether the answer is whole then.
    ///
    /// # Errors
    /// [`Wrong`] where it is none, or was stopped.
    pub fn take(&mut self, mut bytes: &[u8], each: Each<'_>) -> Result<bool, Wrong> {
        loop {
            bytes = match self.place {
                Place::End => {
                    return if bytes.is_empty() {
                        Ok(true)
                    } else {
                        Err(Wrong::Malformed)
                    };
                }
                _ if bytes.is_empty() => return Ok(false),
                Place::Sized(left) => {
                    let (rest, left) = self.body(bytes, left, each)?;
                    self.place = if left == 0 { Place::End } else { Place::Sized(left) };
                    rest
                }
                Place::Chunk(left) => {
                    let (rest, left) = self.body(bytes, left, each)?;
                    self.place = if left == 0 { Place::ChunkEnd } else { Place::Chunk(left) };
                    rest
                }
                Place::Head | Place::Length | Place::ChunkEnd | Place::Trailer => self.line(bytes)?,
            };
        }
    }

    fn body<'a>(&mut self, bytes: &'a [u8], left: u64, each: Each<'_>) -> Result<(&'a [u8], u64), Wrong> {
        let count = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
        let (now, rest) = bytes.split_at(count);
        if (200..300).contains(&self.status) {
            each(now).map_err(Wrong::Stopped)?;
        } else {
            let room = REFUSAL_MAX.saturating_sub(self.refusal.len());
            self.refusal.extend_from_slice(&now[..now.len().min(room)]);
        }
        Ok((rest, left - count as u64))
    }

    /// Takes bytes to the end of a head or of a line, where it is among them.
    fn line<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], Wrong> {
        let end: &[u8] = if self.place == Place::Head {
            b"\r\n\r\n"
        } else {
            b"\r\n"
        };
        for (at, byte) in bytes.iter().enumerate() {
            self.waiting.push(*byte);
            if self.waiting.ends_with(end) {
                let line = std::mem::take(&mut self.waiting);
                let text = std::str::from_utf8(&line[..line.len() - end.len()]).map_err(|_| Wrong::Malformed)?;
                self.place = self.after(text).ok_or(Wrong::Malformed)?;
                return Ok(&bytes[at + 1..]);
            }
            if self.waiting.len() >= HEAD_MAX {
                return Err(Wrong::Malformed);
            }
        }
        Ok(&[])
    }

    fn after(&mut self, line: &str) -> Option<Place> {
        match self.place {
            Place::Head => self.head(line),
            Place::Length => {
                let digits = line.split(';').next().unwrap_or(line).trim();
                let length = u64::from_str_radix(digits, 16)
                    .ok()
                    .filter(|_| !digits.starts_with('+'))?;
                Some(if length == 0 {
                    Place::Trailer
                } else {
                    Place::Chunk(length)
                })
            }
            Place::ChunkEnd => line.is_empty().then_some(Place::Length),
            _ => Some(if line.is_empty() { Place::End } else { Place::Trailer }),
        }
    }

    fn head(&mut self, head: &str) -> Option<Place> {
        let (first, fields) = head.split_once("\r\n").unwrap_or((head, ""));
        let status = first.strip_prefix("HTTP/1.1 ")?.get(..3)?;
        self.status = status.parse().ok().filter(|status| (200..600).contains(status))?;
        let mut place = None;
        for field in fields.split("\r\n").filter(|field| !field.is_empty()) {
            let (name, value) = field.split_once(':')?;
            let value = value.trim();
            match name.to_ascii_lowercase().as_str() {
                "content-length" if place.is_none() => place = Some(Place::Sized(value.parse().ok()?)),
                "transfer-encoding" if place.is_none() && value == "chunked" => place = Some(Place::Length),
                "content-length" | "transfer-encoding" => return None,
                "date" => self.date = parse_http_date(value),
                "connection" if value.eq_ignore_ascii_case("close") => self.is_kept = false,
                _ => {}
            }
        }
        match place.or((self.status == 204).then_some(Place::End))? {
            Place::Sized(0) => Some(Place::End),
            place => Some(place),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads an answer that comes in pieces of some length: its status, its body, whether it is whole.
    fn read(text: &str, piece: usize) -> Result<(u16, String, bool), Wrong> {
        let (mut answer, mut body, mut whole) = (Answer::new(), Vec::new(), false);
        for bytes in text.as_bytes().chunks(piece) {
            whole = answer.take(bytes, &mut |piece| {
                body.extend_from_slice(piece);
                Ok(())
            })?;
        }
        body.extend_from_slice(&answer.refusal);
        Ok((answer.status, String::from_utf8(body).unwrap(), whole))
    }

    #[test]
    fn answers_are_read_however_they_are_cut_up() {
        let table = [
            (
                "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ndate: x\r\n\r\nhello",
                200,
                "hello",
                true,
            ),
            ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200, "", true),
            ("HTTP/1.1 204 No Content\r\n\r\n", 204, "", true),
            (
                "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n1;x\r\n!\r\n0\r\n\r\n",
                200,
                "hello!",
                true,
            ),
            (
                "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nA\r\n0123456789\r\n0\r\na: b\r\n\r\n",
                200,
                "0123456789",
                true,
            ),
            (
                "HTTP/1.1 403 Forbidden\r\ncontent-length: 3\r\n\r\nno.",
                403,
                "no.",
                true,
            ),
            ("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhell", 200, "hell", false),
            (
                "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
                200,
                "hello",
                false,
            ),
        ];
        for (text, status, body, whole) in table {
            for piece in [1, 2, 7, 1000] {
                assert_eq!(
                    read(text, piece),
                    Ok((status, body.to_owned(), whole)),
                    "{text} by {piece}"
                );
            }
        }
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        let long = format!("HTTP/1.1 200 OK\r\na: {}\r\n\r\n", "x".repeat(5000));
        let table = [
            "SSH-2.0\r\n\r\n",
            "HTTP/1.1 20\r\n\r\n",
            "HTTP/1.1 100 Continue\r\n\r\n",
            "HTTP/1.1 200 OK\r\n\r\nno length",
            "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\nx",
            "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\nx",
            "HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nxy",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n+5\r\nhello\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nxy\r\n",
            "HTTP/1.1 200 OK\r\nno colon\r\ncontent-length: 0\r\n\r\n",
            &long,
        ];
        for text in table {
            for piece in [1, 1000] {
                assert_eq!(read(text, piece), Err(Wrong::Malformed), "{text}");
            }
        }
        let mut answer = Answer::new();
        let stopped = answer.take(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nx", &mut |_| {
            Err("full".to_owned())
        });
        assert_eq!(stopped, Err(Wrong::Stopped("full".to_owned())));
        let mut refused = Answer::new();
        let text = format!("HTTP/1.1 500 Oh\r\ncontent-length: 90000\r\n\r\n{}", "x".repeat(90_000));
        assert_eq!(refused.take(text.as_bytes(), &mut |_| Ok(())), Ok(true));
        assert_eq!(refused.refusal.len(), REFUSAL_MAX);
    }
}
