//! Clinics as the centre sees them: each enrolled, with a line of its own and segments of what it wrote while cut off.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::thread::sleep;
use std::time::Duration;

use interaction::ask_centre::written;
use server::node::identity::Identity;
use server::node::line::Line;
use sync::digest::Table;
use sync::frame::{Frames, Lanes, Seal, What};
use sync::session::{Failed, Next, NodeLog, NodeSession, Outcome, Packed};
use sync::{Change, segment};
use tests::world::{World, binary};

use crate::clinic::clinic;

/// How long a clinic waits that was told to come again.
const PAUSE: Duration = Duration::from_secs(2);

/// What a clinic wrote, packed as it travels, and what came to it.
#[derive(Default)]
struct Stock {
    /// After which of its versions each segment is, and its bytes.
    segments: Vec<(u64, Vec<u8>)>,
    seals: Vec<Seal>,
    received: usize,
}

impl NodeLog for Stock {
    fn last(&self) -> u64 {
        self.seals.len() as u64
    }

    fn seal(&self, counter: u64) -> Result<Seal, Failed> {
        let found = counter.checked_sub(1).and_then(|at| self.seals.get(at as usize));
        Ok(found.copied().unwrap_or_default())
    }

    fn pack(&mut self, after: u64, _: u8) -> Result<Option<Packed>, Failed> {
        if after >= self.last() {
            return Ok(None);
        }
        let at = self.segments.partition_point(|(begins, _)| *begins <= after) - 1;
        let (begins, bytes) = &self.segments[at];
        let upto = self.segments.get(at + 1).map_or(self.last(), |next| next.0);
        let what = What::Changes { after: *begins, upto };
        Ok(Some(Packed::new(what, bytes.clone())))
    }

    fn take(&mut self, _: What, bytes: &[u8], _: &Lanes) -> Result<(), Failed> {
        let states = segment::unpack(bytes).map_err(|why| Failed(why.to_string()))?;
        self.received += states.len();
        Ok(())
    }

    fn renumber(&mut self, _: u64, _: u32) -> Result<(), Failed> {
        Err(Failed("This clinic's data is no older copy.".to_owned()))
    }

    fn table(&mut self) -> Result<Arc<Table>, Failed> {
        Err(Failed("This clinic compares nothing.".to_owned()))
    }

    fn pack_again(&mut self, _: &[u64], _: u8) -> Result<Option<(Packed, u64)>, Failed> {
        Ok(None)
    }
}

/// One clinic.
pub struct Clinic {
    folder: PathBuf,
    line: Line,
    session: NodeSession,
    stock: Stock,
}

/// What a clinic met until it had sent and received everything.
#[derive(Clone, Copy, Debug, Default)]
pub struct Met {
    /// Versions that it sent.
    pub sent: usize,
    /// Records that came.
    pub received: usize,
    /// Bytes over its line, both ways, with TLS and HTTP.
    pub bytes: u64,
    /// How often it was told to come again later, or was cut off.
    pub put_off: usize,
    /// Bytes of a contact where nothing is to say, both ways: on the connection that was kept, and on a new one.
    pub idle: (u64, u64),
}

impl Clinic {
    /// A clinic of a gewog, enrolled at a centre, that has seen as many visits as it will send.
    pub fn enrolled(centre: &World, gewog: &str, visits: usize) -> Clinic {
        let folder = centre.folder().join(format!("clinic-of-{gewog}"));
        let folder = (0..)
            .map(|n| folder.with_extension(n.to_string()))
            .find(|folder| !folder.exists());
        let folder = folder.expect("a folder that is not there");
        let said = ordered(centre.folder(), &["invite", "--name", gewog, "--gewog", gewog]);
        let port = said.split_once("https://HOST:").expect("an address").1;
        let port = port.split_whitespace().next().expect("a port");
        let address = format!("https://127.0.0.1:{port}");
        let code = said.lines().next().expect("a code");
        ordered(&folder, &["enrol", "--centre", &address, "--code", code]);
        let data = folder.to_str().expect("a path that is text");
        let identity = Identity::kept(data).expect("readable").expect("an identity");
        Clinic {
            line: Line::of(&identity, data).expect("a line"),
            session: NodeSession::new(identity.number),
            stock: Stock::of(identity.number, gewog, visits),
            folder,
        }
    }

    /// How many versions the clinic has to send.
    pub fn written(&self) -> usize {
        self.stock.seals.len()
    }

    /// Exchanges until both sides have everything.
    pub fn come_back(mut self) -> Met {
        let mut put_off = 0;
        while self.contact() != Ok(Outcome::Agreed) {
            put_off += 1;
            sleep(PAUSE);
        }
        let bytes = self.bytes();
        let kept = self.idle();
        self.line.hang_up();
        let idle = (kept, self.idle());
        let _ = std::fs::remove_dir_all(&self.folder);
        Met {
            sent: self.stock.seals.len(),
            received: self.stock.received,
            bytes,
            put_off,
            idle,
        }
    }

    fn bytes(&self) -> u64 {
        let counted = self.line.counted();
        counted.sent + counted.received
    }

    /// The bytes of one contact more.
    fn idle(&mut self) -> u64 {
        let before = self.bytes();
        // Others may have written of its people meanwhile, or the centre be busy: then it is no idle one.
        let received = self.stock.received;
        let agreed = self.contact() == Ok(Outcome::Agreed) && self.stock.received == received;
        if agreed { self.bytes() - before } else { 0 }
    }

    fn contact(&mut self) -> Result<Outcome, String> {
        loop {
            let frames = self.session.ask(&mut self.stock, interaction::engine::now());
            let request = written(&frames.map_err(|failed| failed.0)?);
            let (mut coming, mut next) = (Frames::default(), Next::Listen);
            let exchanged = self.line.exchange(request.into_iter(), &mut |bytes| {
                coming.feed(bytes);
                while next == Next::Listen
                    && let Some(frame) = coming.next_frame().map_err(|_| "no frame".to_owned())?
                {
                    let heard = self.session.hear(frame, &mut self.stock);
                    next = heard.map_err(|failed| failed.0)?;
                }
                Ok(())
            });
            exchanged.map_err(|error| error.to_string())?;
            match next {
                Next::Ask => {}
                Next::Close(outcome) => return Ok(outcome),
                Next::Listen => return Err("The answer broke off.".to_owned()),
            }
        }
    }
}

impl Stock {
    /// What a clinic wrote: its people and so many visits.
    fn of(number: u32, gewog: &str, visits: usize) -> Stock {
        // A person comes some seven times in five years.
        let people = (visits as u64 / 6).max(10);
        let (registered, seen) = clinic(number, u64::from(number), people, Some(&format!("BT{gewog}")));
        let changes: Vec<_> = registered
            .into_iter()
            .chain(seen.into_iter().take(visits).flatten())
            .collect();
        let mut stock = Stock {
            seals: changes.iter().map(short).collect(),
            ..Stock::default()
        };
        let mut rest = changes.as_slice();
        while let Some(first) = rest.first() {
            let (now, later) = rest.split_at(segment::fitting(rest));
            let bytes = segment::pack(now, segment::DICTIONARY).expect("packed");
            stock.segments.push((first.version.counter - 1, bytes));
            rest = later;
        }
        stock
    }
}

/// Runs `epis node` on a data folder: what it printed.
pub(crate) fn ordered(data: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new(binary());
    let output = command.arg("node").args(arguments).arg("--data").arg(data).output();
    let output = output.expect("epis runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

/// As much of a version's seal as travels.
fn short(change: &Change) -> Seal {
    *change.seal().first_chunk().expect("16 bytes begin with 8")
}
