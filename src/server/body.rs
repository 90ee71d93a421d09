//! Receives a request's body within its limits, and unpacks it.

use std::io::Read;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use actix_web::rt::time::timeout;
use actix_web::web::Payload;
use futures_core::Stream;
use interaction::{Reason, Refusal};

/// Bytes of bodies that may be held at once, by all requests together.
#[derive(Debug)]
pub struct Budget {
    used: AtomicU64,
    max: u64,
}

impl Budget {
    /// A budget of so many bytes.
    pub fn new(max: u64) -> Arc<Budget> {
        Arc::new(Budget {
            used: AtomicU64::new(0),
            max,
        })
    }
}

/// A body and its share of the budget, given back when it is dropped.
#[derive(Debug)]
pub struct Body {
    /// The bytes.
    pub bytes: Vec<u8>,
    share: u64,
    budget: Arc<Budget>,
}

impl Body {
    fn empty(budget: &Arc<Budget>) -> Body {
        Body {
            bytes: Vec::new(),
            share: 0,
            budget: Arc::clone(budget),
        }
    }

    fn add(&mut self, chunk: &[u8], limit: (&str, usize)) -> Result<(), Refusal> {
        if chunk.len() > limit.1.saturating_sub(self.bytes.len()) {
            return Err(too_large(limit));
        }
        let share = chunk.len() as u64;
        if self.budget.used.fetch_add(share, Ordering::Relaxed) + share > self.budget.max {
            self.budget.used.fetch_sub(share, Ordering::Relaxed);
            let text = "The server is receiving as much as it can hold; send the same request again in a moment.";
            return Err(Refusal::because(Reason::Busy, text));
        }
        self.share += share;
        self.bytes.extend_from_slice(chunk);
        Ok(())
    }

    /// The body unpacked from gzip, within the limit of a setting.
    ///
    /// # Errors
    /// 413 where more comes out, 400 where it is no gzip, 503 where the budget is used up.
    pub fn unpacked(self, limit: (&str, usize)) -> Result<Body, Refusal> {
        let mut out = Body::empty(&self.budget);
        let mut reader = flate2::read::MultiGzDecoder::new(self.bytes.as_slice());
        let mut chunk = vec![0; 64 << 10];
        loop {
            let count = reader.read(&mut chunk).map_err(|_| {
                let text = "The body says Content-Encoding: gzip, but cannot be unpacked: it is damaged or cut short.";
                Refusal::because(Reason::Malformed, text)
            })?;
            if count == 0 {
                return Ok(out);
            }
            out.add(&chunk[..count], limit)?;
        }
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.share, Ordering::Relaxed);
    }
}

fn too_large((setting, max): (&str, usize)) -> Refusal {
    let text = format!("The body is longer than the {max} bytes allowed (setting {setting}): send less at once.");
    Refusal::because(Reason::TooLarge, text)
}

/// Receives the body of a request: at most as many bytes as a setting says, within `seconds`.
///
/// # Errors
/// 413, 408 with [`Reason::Timeout`]'s code, 503, or 400 where the connection broke.
pub async fn receive(
    mut payload: Payload,
    announced: Option<u64>,
    limit: (&str, usize),
    seconds: u64,
    budget: &Arc<Budget>,
) -> Result<Body, Refusal> {
    if announced.is_some_and(|length| length > limit.1 as u64) {
        return Err(too_large(limit));
    }
    let mut body = Body::empty(budget);
    let collect = async {
        while let Some(chunk) = std::future::poll_fn(|context| Pin::new(&mut payload).poll_next(context)).await {
            let broken = |_| Refusal::because(Reason::Malformed, "The body of the request did not arrive whole.");
            body.add(&chunk.map_err(broken)?, limit)?;
        }
        Ok(())
    };
    match timeout(Duration::from_secs(seconds), collect).await {
        Ok(collected) => collected.map(|()| body),
        Err(_) => Err(late(seconds)),
    }
}

fn late(seconds: u64) -> Refusal {
    let text = format!("The body did not arrive within {seconds} seconds (setting body_seconds).");
    let mut refusal = Refusal::because(Reason::Timeout, text);
    refusal.status = 408;
    refusal.retry_after = None;
    refusal
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn packed(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn unpacking_is_bounded_and_gives_its_share_back() {
        let budget = Budget::new(1 << 20);
        let zeros = packed(&vec![0; 300_000]);
        let table: [(Vec<u8>, usize, Result<usize, u16>); 4] = [
            (zeros.clone(), 300_000, Ok(300_000)),
            (zeros.clone(), 299_999, Err(413)),
            (zeros[..zeros.len() - 9].to_vec(), 300_000, Err(400)),
            (packed(&vec![0; 2 << 20]), 4 << 20, Err(503)),
        ];
        for (bytes, max, expected) in table {
            let mut body = Body::empty(&budget);
            body.add(&bytes, ("x", 1 << 20)).unwrap();
            let got = body.unpacked(("x", max)).map(|b| b.bytes.len()).map_err(|r| r.status);
            assert_eq!(got, expected);
            assert_eq!(budget.used.load(Ordering::Relaxed), 0);
        }
    }
}
