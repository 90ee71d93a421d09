//! A clinic's line in user space: a relay for TCP that is as slow, late, lossy and short-lived as it is told to be.
//!
//! What TCP would do about a lost segment is done here to what follows it: it comes later, in order. A cut takes with it what
//! was under way.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::random::Random;

/// Bytes of a segment.
const SEGMENT: usize = 1400;
/// Segments under way in one direction, at most.
const UNDER_WAY: usize = 32;
/// How much later a lost segment comes, beside a round trip: the shortest time after which it would be sent again.
const AGAIN: Duration = Duration::from_millis(200);

/// What a line is like, the same in both directions.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Bytes in a second.
    pub rate: u64,
    /// How long a byte is under way, one way.
    pub delay: Duration,
    /// Of so many segments one is lost; 0 for none.
    pub lost_one_in: u64,
    /// A connection is cut after so many bytes, both directions together; 0 for never.
    pub cut_after: u64,
}

impl Shape {
    /// The line of the remotest clinics: 64 kbit/s, 800 ms there and back, one segment of fifty lost.
    pub const REMOTE: Shape = Shape {
        rate: 8_000,
        delay: Duration::from_millis(400),
        lost_one_in: 50,
        cut_after: 0,
    };
}

/// The line; it ends when it is dropped.
pub struct SlowLine {
    /// Where the clinic calls instead of the centre.
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    target: SocketAddr,
    shape: Shape,
    up: Way,
    down: Way,
    connections: AtomicU64,
    random: Mutex<Random>,
    ended: AtomicBool,
}

/// One direction, which all connections share.
#[derive(Default)]
struct Way {
    bytes: AtomicU64,
    free_at: Mutex<Option<Instant>>,
}

impl SlowLine {
    /// A line to an address, whose losses follow from a seed.
    pub fn new(target: SocketAddr, shape: Shape, seed: u64) -> SlowLine {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port on loopback");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared {
            target,
            shape,
            up: Way::default(),
            down: Way::default(),
            connections: AtomicU64::new(0),
            random: Mutex::new(Random::new(seed)),
            ended: AtomicBool::new(false),
        });
        let own = Arc::clone(&shared);
        thread::spawn(move || {
            for near in listener.incoming().flatten() {
                if own.ended.load(Ordering::Relaxed) {
                    return;
                }
                relay(&own, near);
            }
        });
        SlowLine { address, shared }
    }

    /// Bytes taken from the clinic, bytes taken from the centre, and connections.
    pub fn counted(&self) -> (u64, u64, u64) {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let shared = &self.shared;
        (of(&shared.up.bytes), of(&shared.down.bytes), of(&shared.connections))
    }
}

impl Drop for SlowLine {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
        // Wakes the thread that waits for connections.
        let _ = TcpStream::connect(self.address);
    }
}

/// Connects both ends; each direction has a thread that takes and one that gives.
fn relay(shared: &Arc<Shared>, near: TcpStream) {
    let Ok(far) = TcpStream::connect(shared.target) else {
        return;
    };
    shared.connections.fetch_add(1, Ordering::Relaxed);
    let carried = Arc::new(AtomicU64::new(0));
    for (from, to, is_up) in [(&near, &far, true), (&far, &near, false)] {
        let (Ok(from), Ok(to)) = (from.try_clone(), to.try_clone()) else {
            return;
        };
        let _ = to.set_nodelay(true);
        let (sender, receiver) = sync_channel(UNDER_WAY);
        let (shared, carried, ends) = (Arc::clone(shared), Arc::clone(&carried), ends(&near, &far));
        let cut = Cut {
            after: shared.shape.cut_after,
            carried,
            ends,
        };
        thread::spawn(move || take(&shared, is_up, from, &sender));
        thread::spawn(move || give(to, &receiver, &cut));
    }
}

/// A segment, and when it comes.
type Segment = (Instant, Vec<u8>);

/// Both ends, to cut them.
fn ends(near: &TcpStream, far: &TcpStream) -> Vec<TcpStream> {
    [near, far].iter().filter_map(|end| end.try_clone().ok()).collect()
}

/// When a connection is cut: what has come through on it in both directions.
struct Cut {
    after: u64,
    carried: Arc<AtomicU64>,
    ends: Vec<TcpStream>,
}

impl Cut {
    /// Cuts where so many bytes more are too many; whether it did.
    fn is_due(&self, count: usize) -> bool {
        let all = self.carried.fetch_add(count as u64, Ordering::Relaxed) + count as u64;
        let is_due = self.after > 0 && all > self.after;
        if is_due {
            for end in &self.ends {
                let _ = end.shutdown(Shutdown::Both);
            }
        }
        is_due
    }
}

fn take(shared: &Shared, is_up: bool, mut from: TcpStream, sender: &SyncSender<Segment>) {
    let shape = shared.shape;
    let way = if is_up { &shared.up } else { &shared.down };
    let (mut bytes, mut last) = ([0; SEGMENT], Instant::now());
    while let Ok(count) = from.read(&mut bytes) {
        if count == 0 {
            return;
        }
        way.bytes.fetch_add(count as u64, Ordering::Relaxed);
        let sent = way.sent(count, shape.rate);
        let mut random = shared.random.lock().unwrap_or_else(PoisonError::into_inner);
        let lost = shape.lost_one_in > 0 && random.below(shape.lost_one_in) == 0;
        drop(random);
        let late = if lost { 2 * shape.delay + AGAIN } else { Duration::ZERO };
        last = last.max(sent + shape.delay + late);
        if sender.send((last, bytes[..count].to_vec())).is_err() {
            return;
        }
    }
}

fn give(mut to: TcpStream, receiver: &Receiver<Segment>, cut: &Cut) {
    while let Ok((at, bytes)) = receiver.recv() {
        thread::sleep(at.saturating_duration_since(Instant::now()));
        if cut.is_due(bytes.len()) || to.write_all(&bytes).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}

impl Way {
    /// When so many bytes are on the line, after what is before them.
    fn sent(&self, count: usize, rate: u64) -> Instant {
        let mut free_at = self.free_at.lock().unwrap_or_else(PoisonError::into_inner);
        let begun = free_at.map_or(Instant::now(), |at| at.max(Instant::now()));
        let sent = begun + Duration::from_micros(count as u64 * 1_000_000 / rate);
        *free_at = Some(sent);
        sent
    }
}
