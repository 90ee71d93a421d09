//! A node's line to its centre: one connection of mutual TLS, made for 64 kbit/s, long round trips and cuts.
//!
//! Both directions go on at once. There is no time limit on a request as a whole; the line is given up where nothing
//! moves on it for a minute. The connection is kept for the next request.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use rustls::ClientConfig;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf, ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::answer::{Answer, Each, Wrong};
use super::contact::SILENCE;
use super::enrol::{self, Asked};
use super::identity::Identity;
use super::tls;

/// How much the system may take from us before it is on the line: what it has taken is not counted as waiting, and a
/// quarter of a minute's worth at 64 kbit/s tells a cut from a slow line.
const SEND_BUFFER: usize = 64 << 10;
/// How often it is looked at whether the line moves.
const LOOK: Duration = Duration::from_secs(2);
/// Bytes of an answer to [`Line::ask`] at most.
const ASKED_MAX: usize = 64 << 10;

/// Bytes that went over the line, with everything of TLS and HTTP, without what TCP and IP add.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// To the centre.
    pub sent: u64,
    /// From the centre.
    pub received: u64,
}

/// Why an exchange did not come to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LineError {
    /// There is no connection; nothing was sent.
    Unreachable(String),
    /// The centre refused: a status of HTTP, and a sentence of its own.
    Refused(u16, String),
    /// The line was cut, or silent for a minute; what came before was handed over.
    Cut(String),
    /// Who takes the answer stopped it, with this sentence.
    Stopped(String),
}

impl std::fmt::Display for LineError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            LineError::Refused(_, text)
            | LineError::Unreachable(text)
            | LineError::Cut(text)
            | LineError::Stopped(text) => f.write_str(text),
        }
    }
}

/// A line to the centre.
pub struct Line {
    runtime: Runtime,
    wire: Wire,
    open: Option<TlsStream<Metered>>,
    /// The centre's clock when it last answered, in microseconds since 1970, to the second: what a clinic's clock is told
    /// wrong by.
    pub centre_clock: Option<i64>,
    /// The data folder of the node whose line it is.
    data: Option<String>,
}

/// What a connection is made with.
struct Wire {
    address: String,
    tls: TlsConnector,
    meter: Arc<Meter>,
}

impl Line {
    /// The line of a node whose data is in a folder; nothing is sent yet.
    ///
    /// # Errors
    /// A sentence where its key cannot be read.
    pub fn of(identity: &Identity, data: &str) -> Result<Line, String> {
        let mut line = Line::new(&identity.address, tls_config(identity, data)?)?;
        line.data = Some(data.to_owned());
        Ok(line)
    }

    /// A line to an address, `host:port`.
    ///
    /// # Errors
    /// A sentence where the system gives no means to wait.
    pub fn new(address: &str, config: ClientConfig) -> Result<Line, String> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        Ok(Line {
            runtime: runtime.map_err(|e| format!("The line cannot be waited on: {e}."))?,
            wire: Wire {
                address: address.to_owned(),
                tls: Arc::new(config).into(),
                meter: Arc::default(),
            },
            open: None,
            centre_clock: None,
            data: None,
        })
    }

    /// What went over the line since this was made.
    pub fn counted(&self) -> Counted {
        self.wire.meter.counted()
    }

    /// Ends the connection; the next request makes another.
    pub fn hang_up(&mut self) {
        self.open = None;
    }

    /// Sends a request to `POST /node/sync`, each piece of its body as soon as the line takes it, and hands over each piece of
    /// the answer as it comes, which may be before the request has ended. Must not be called on a thread of a runtime.
    ///
    /// # Errors
    /// [`LineError`]; what was handed over before it stays handed over.
    pub fn exchange(&mut self, body: impl Iterator<Item = Vec<u8>>, each: Each<'_>) -> Result<Counted, LineError> {
        let before = self.counted();
        self.request("/node/sync", body, each, Duration::MAX)?;
        self.renew();
        let after = self.counted();
        Ok(Counted {
            sent: after.sent - before.sent,
            received: after.received - before.received,
        })
    }

    /// Gets a new certificate where the old one is near its end, by the centre's clock. Where that fails, the next contact
    /// tries again: there are years for it.
    fn renew(&mut self) {
        let Some((clock, data)) = self.centre_clock.zip(self.data.clone()) else {
            return;
        };
        let due = |identity: &Identity| clock / 1_000_000 >= identity.renewed_from || identity.shared.is_empty();
        let Some(mut identity) = Identity::kept(&data).ok().flatten().filter(due) else {
            return;
        };
        let mut renewed = || -> Option<TlsConnector> {
            let (_, key) = identity.certified(&data).ok()?;
            let welcome = enrol::ask(self, &Asked::new(None, &key)).ok()?;
            (identity.certificate, identity.renewed_from) = (welcome.certificate, welcome.renewed_from);
            identity.shared = welcome.shared;
            let config = tls_config(&identity, &data).ok()?;
            identity.keep(&data).ok()?;
            Some(Arc::new(config).into())
        };
        if let Some(tls) = renewed() {
            self.wire.tls = tls;
        }
    }

    /// Posts a short body to a path, and returns the short answer.
    ///
    /// # Errors
    /// [`LineError`].
    pub fn ask(&mut self, path: &str, body: Vec<u8>) -> Result<Vec<u8>, LineError> {
        // The line itself is given up where nothing moves on it.
        self.ask_within(path, body, ASKED_MAX, Duration::MAX)
    }

    /// The same with another bound of the answer's bytes, and within a time.
    ///
    /// # Errors
    /// [`LineError`].
    pub fn ask_within(
        &mut self,
        path: &str,
        body: Vec<u8>,
        most: usize,
        patience: Duration,
    ) -> Result<Vec<u8>, LineError> {
        let mut whole = Vec::new();
        let mut each = |piece: &[u8]| {
            whole.extend_from_slice(piece);
            (whole.len() <= most)
                .then_some(())
                .ok_or_else(|| "The centre's answer is longer than it can be.".to_owned())
        };
        self.request(path, std::iter::once(body), &mut each, patience)?;
        Ok(whole)
    }

    /// Posts a short body to a path, and hands over each piece of the answer as it comes.
    ///
    /// # Errors
    /// [`LineError`]; what was handed over before it stays handed over.
    pub fn fetch(&mut self, path: &str, body: Vec<u8>, each: Each<'_>) -> Result<(), LineError> {
        self.request(path, std::iter::once(body), each, SILENCE)
    }

    fn request(
        &mut self,
        path: &str,
        body: impl Iterator<Item = Vec<u8>>,
        each: Each<'_>,
        patience: Duration,
    ) -> Result<(), LineError> {
        let Line {
            runtime,
            wire,
            open,
            centre_clock,
            ..
        } = self;
        let kept = open.take();
        let date;
        let talking = async {
            let kept = match kept {
                Some(mut stream) => is_open(&mut stream).await.then_some(stream),
                None => None,
            };
            let stream = match kept {
                Some(stream) => stream,
                None => wire.connect().await?,
            };
            talk(stream, &wire.meter, path, body, each).await
        };
        let late = |_| {
            cut(&format!(
                "the centre did not answer within {} seconds",
                patience.as_secs()
            ))
        };
        // A timer belongs to the runtime that waits for it.
        (*open, date) = runtime.block_on(async { timeout(patience, talking).await.map_err(late)? })?;
        *centre_clock = date.or(*centre_clock);
        Ok(())
    }
}

impl Wire {
    async fn connect(&self) -> Result<TlsStream<Metered>, LineError> {
        let address = &self.address;
        let unreachable =
            |why: String| LineError::Unreachable(format!("The centre at {address} cannot be reached: {why}."));
        let late = |_| unreachable(format!("no answer for {} seconds", SILENCE.as_secs()));
        let tcp = timeout(SILENCE, TcpStream::connect(address)).await.map_err(late)?;
        let tcp = tcp.map_err(|e| unreachable(e.to_string()))?;
        let _ = tcp.set_nodelay(true);
        let _ = socket2::SockRef::from(&tcp).set_send_buffer_size(SEND_BUFFER);
        let metered = Metered {
            stream: tcp,
            meter: Arc::clone(&self.meter),
        };
        let secured = timeout(SILENCE, self.tls.connect(tls::centre_name(), metered))
            .await
            .map_err(late)?;
        secured.map_err(|e| match e.get_ref().and_then(|e| e.downcast_ref::<rustls::Error>()) {
            Some(rustls::Error::InvalidCertificate(_)) => LineError::Unreachable(format!(
                "What answers at {address} is not the centre that this code or certificate is of: check the address, and do not go on \
                if it is right."
            )),
            _ if e.kind() == io::ErrorKind::UnexpectedEof => unreachable("it hung up".to_owned()),
            _ => unreachable(e.to_string()),
        })
    }
}

fn tls_config(identity: &Identity, data: &str) -> Result<ClientConfig, String> {
    let (certificate, key) = identity.certified(data)?;
    tls::to_centre(&identity.authority()?, Some((certificate, key.private())))
}

/// Whether a connection that was kept can still be used: the centre closes one that is idle for long.
async fn is_open(stream: &mut TlsStream<Metered>) -> bool {
    let mut byte = [0; 1];
    // Nothing is to come; that nothing comes within a moment, not even the end, is as much as can be known.
    timeout(Duration::from_millis(2), stream.read(&mut byte)).await.is_err()
}

/// One request and its answer; the connection, where it can be used again, and the centre's clock.
async fn talk(
    stream: TlsStream<Metered>,
    meter: &Meter,
    path: &str,
    body: impl Iterator<Item = Vec<u8>>,
    each: Each<'_>,
) -> Result<(Option<TlsStream<Metered>>, Option<i64>), LineError> {
    let (mut reader, mut writer) = tokio::io::split(stream);
    let mut answer = Answer::new();
    let (mut sent, mut broken) = (false, None);
    let received = {
        let sending = send(&mut writer, path, body);
        let receiving = receive(&mut reader, &mut answer, each);
        let silence = silence(meter);
        tokio::pin!(sending, receiving, silence);
        loop {
            tokio::select! {
                done = &mut sending, if !sent && broken.is_none() => match done {
                    Ok(()) => sent = true,
                    // The centre may have answered before it broke off.
                    Err(e) => broken = Some(e),
                },
                done = &mut receiving => break done,
                () = &mut silence => break Err(cut(&format!("nothing moved for {} seconds", SILENCE.as_secs()))),
            }
        }
    };
    match (received, broken) {
        (Err(LineError::Cut(_)), Some(e)) => Err(cut_by(&e)),
        (Err(e), _) => Err(e),
        (Ok(()), _) if answer.status != 200 => Err(refused(&answer)),
        (Ok(()), _) if sent && answer.is_kept => Ok((Some(reader.unsplit(writer)), answer.date)),
        (Ok(()), _) => Ok((None, answer.date)),
    }
}

/// Sends a request. A body of one piece goes with its length, which is fewer bytes than chunks are.
async fn send(
    writer: &mut WriteHalf<TlsStream<Metered>>,
    path: &str,
    mut body: impl Iterator<Item = Vec<u8>>,
) -> io::Result<()> {
    let first = body.next().unwrap_or_default();
    let head = |field: String| format!("POST {path} HTTP/1.1\r\nhost:c\r\n{field}\r\n\r\n").into_bytes();
    let Some(second) = body.next() else {
        let mut all = head(format!("content-length:{}", first.len()));
        all.extend_from_slice(&first);
        writer.write_all(&all).await?;
        return writer.flush().await;
    };
    let mut begun = head("transfer-encoding:chunked".to_owned());
    for piece in [first, second]
        .into_iter()
        .chain(body)
        .filter(|piece| !piece.is_empty())
    {
        begun.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
        begun.extend_from_slice(&piece);
        begun.extend_from_slice(b"\r\n");
        writer.write_all(&begun).await?;
        writer.flush().await?;
        begun.clear();
    }
    begun.extend_from_slice(b"0\r\n\r\n");
    writer.write_all(&begun).await?;
    writer.flush().await
}

async fn receive(
    reader: &mut ReadHalf<TlsStream<Metered>>,
    answer: &mut Answer,
    each: Each<'_>,
) -> Result<(), LineError> {
    let mut bytes = vec![0; 16 << 10];
    loop {
        let count = reader.read(&mut bytes).await.map_err(|e| cut_by(&e))?;
        if count == 0 {
            return Err(cut("the centre ended it"));
        }
        match answer.take(&bytes[..count], each) {
            Ok(true) => return Ok(()),
            Ok(false) => {}
            Err(Wrong::Malformed) => return Err(cut("what came is no answer of a centre")),
            Err(Wrong::Stopped(why)) => return Err(LineError::Stopped(why)),
        }
    }
}

/// Ends where nothing has moved on the line for as long as a line may be silent.
async fn silence(meter: &Meter) {
    let (mut last, mut still) = (meter.counted(), Duration::ZERO);
    while still < SILENCE {
        sleep(LOOK).await;
        let now = meter.counted();
        still = if now == last { still + LOOK } else { Duration::ZERO };
        last = now;
    }
}

/// What a socket says of its end, without the library's words for it.
fn cut_by(error: &io::Error) -> LineError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => cut("it broke off"),
        _ => cut(&error.to_string()),
    }
}

fn cut(why: &str) -> LineError {
    LineError::Cut(format!("The line to the centre was cut: {why}."))
}

fn refused(answer: &Answer) -> LineError {
    let text = String::from_utf8_lossy(&answer.refusal);
    let text = text.trim();
    LineError::Refused(
        answer.status,
        if text.is_empty() {
            format!("The centre answered {}.", answer.status)
        } else {
            text.to_owned()
        },
    )
}

#[derive(Debug, Default)]
struct Meter {
    sent: AtomicU64,
    received: AtomicU64,
}

impl Meter {
    fn counted(&self) -> Counted {
        Counted {
            sent: self.sent.load(Ordering::Relaxed),
            received: self.received.load(Ordering::Relaxed),
        }
    }
}

/// A connection whose bytes are counted.
struct Metered {
    stream: TcpStream,
    meter: Arc<Meter>,
}

impl AsyncRead for Metered {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, into);
        let count = into.filled().len() - before;
        self.meter.received.fetch_add(count as u64, Ordering::Relaxed);
        polled
    }
}

impl AsyncWrite for Metered {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(context, bytes);
        if let Poll::Ready(Ok(count)) = &polled {
            self.meter.sent.fetch_add(*count as u64, Ordering::Relaxed);
        }
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
