//! Shows how far a long piece of work is: a line that renews itself on a terminal, plain lines elsewhere.

use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The state of a piece of work, changed by its workers and shown by a ticker.
#[derive(Debug)]
pub struct Progress {
    what: &'static str,
    total: u64,
    done: AtomicU64,
    records: AtomicU64,
    start: Instant,
    ended: AtomicBool,
}

/// How often the line is renewed on a terminal, and written elsewhere.
const TICK: Duration = Duration::from_millis(100);
const PLAIN_TICKS: u32 = 50;

impl Progress {
    /// Work on `total` units, which need not be the records that are counted beside them. 0 for unknown.
    pub fn new(what: &'static str, total: u64) -> Progress {
        Progress {
            what,
            total,
            done: AtomicU64::new(0),
            records: AtomicU64::new(0),
            start: Instant::now(),
            ended: AtomicBool::new(false),
        }
    }

    /// Some units more are done.
    pub fn advance(&self, units: u64) {
        self.done.fetch_add(units, Ordering::Relaxed);
    }

    /// So many units are done in all.
    pub fn reach(&self, units: u64) {
        self.done.store(units, Ordering::Relaxed);
    }

    /// Some records more are done.
    pub fn count(&self, records: u64) {
        self.records.fetch_add(records, Ordering::Relaxed);
    }

    /// The records so far.
    pub fn records(&self) -> u64 {
        self.records.load(Ordering::Relaxed)
    }

    /// Since the work began.
    pub fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// Runs the work and shows its progress on standard error meanwhile.
    pub fn show_during<T>(&self, work: impl FnOnce() -> T) -> T {
        std::thread::scope(|scope| {
            let ticker = scope.spawn(|| self.tick());
            let _ended = End(self);
            let result = work();
            drop(_ended);
            let _ = ticker.join();
            result
        })
    }

    fn tick(&self) {
        let terminal = std::io::stderr().is_terminal();
        let mut ticks = 0u32;
        while !self.ended.load(Ordering::Acquire) {
            std::thread::park_timeout(TICK);
            ticks += 1;
            if terminal {
                eprint!("\r{}\x1b[K", self.line());
                let _ = std::io::stderr().flush();
            } else if ticks.is_multiple_of(PLAIN_TICKS) {
                eprintln!("{}", self.line());
            }
        }
        if terminal {
            eprint!("\r\x1b[K");
        }
    }

    fn line(&self) -> String {
        let done = self.done.load(Ordering::Relaxed);
        let seconds = self.elapsed().as_secs_f64();
        let records = self.records();
        let rate = records as f64 / seconds.max(0.001);
        let mut line = format!("{}: ", self.what);
        if self.total > 0 {
            line.push_str(&format!(
                "{:.0} %",
                (100.0 * done as f64 / self.total as f64).min(100.0)
            ));
        }
        if records > 0 || self.total == 0 {
            let comma = if self.total > 0 { ", " } else { "" };
            line.push_str(&format!("{comma}{records} records, {rate:.0}/s"));
        }
        if self.total > done && done > 0 {
            let left = seconds * (self.total - done) as f64 / done as f64;
            line.push_str(&format!(", {} left", duration(left as u64)));
        }
        line
    }
}

/// Ends the ticker even where the work panics.
struct End<'a>(&'a Progress);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.ended.store(true, Ordering::Release);
    }
}

/// A time span for people: `12 s`, `3 min 20 s`, `2 h 05 min`.
pub fn duration(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} min", seconds / 3600, seconds / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_says_how_far_and_how_long() {
        let progress = Progress::new("Importing", 200);
        progress.advance(50);
        progress.count(7);
        let line = progress.line();
        assert!(
            line.starts_with("Importing: 25 %, 7 records, ") && line.ends_with(" left"),
            "{line}"
        );
        for (seconds, text) in [(5, "5 s"), (200, "3 min 20 s"), (7500, "2 h 05 min")] {
            assert_eq!(duration(seconds), text);
        }
        assert_eq!(progress.show_during(|| 3), 3);
    }
}
