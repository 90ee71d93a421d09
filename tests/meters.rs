//! Time, CPU, memory and bytes, read from the system.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

/// Clock ticks in a second on Linux, as `/proc` counts them.
const TICKS: f64 = 100.0;

fn stat(process: u32) -> Option<(u32, f64)> {
    let text = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks: f64 = fields[11..15].iter().filter_map(|f| f.parse::<f64>().ok()).sum();
    Some((fields[1].parse().ok()?, ticks / TICKS))
}

/// The CPU seconds of a process and of everything below it.
pub fn cpu_seconds(root: u32) -> f64 {
    let processes: Vec<u32> = fs::read_dir("/proc")
        .expect("Linux")
        .flatten()
        .filter_map(|e| e.file_name().to_str()?.parse().ok())
        .collect();
    let below = |p: u32| {
        let parents = std::iter::successors(Some(p), |p| stat(*p).map(|s| s.0).filter(|parent| *parent > 1));
        parents.take(64).any(|parent| parent == root)
    };
    processes
        .into_iter()
        .filter(|p| below(*p))
        .filter_map(|p| stat(p).map(|s| s.1))
        .sum()
}

/// The CPU seconds of a server's threads that write the search index.
pub fn index_seconds(process: u32) -> f64 {
    let threads = fs::read_dir(format!("/proc/{process}/task"))
        .expect("the server runs")
        .flatten();
    let of_index = |thread: &fs::DirEntry| {
        let name = fs::read_to_string(thread.path().join("comm")).unwrap_or_default();
        ["search-", "thrd-tantivy", "segment_updater", "merge_thread"]
            .iter()
            .any(|start| name.starts_with(start))
    };
    let ticks = |thread: fs::DirEntry| -> Option<f64> {
        let text = fs::read_to_string(thread.path().join("stat")).ok()?;
        let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
        Some(fields[11..13].iter().filter_map(|f| f.parse::<f64>().ok()).sum())
    };
    threads.filter(of_index).filter_map(ticks).sum::<f64>() / TICKS
}

/// What memory a process has, in MiB; nothing of one that is gone.
#[derive(Clone, Copy, Debug, Default)]
pub struct Memory {
    /// All that is resident (`VmRSS`).
    pub resident: f64,
    /// The most that ever was (`VmHWM`).
    pub peak: f64,
    /// Its own (`RssAnon`).
    pub own: f64,
    /// Files that it has mapped, whose pages the system takes back when it needs them (`RssFile`).
    pub mapped: f64,
}

impl Memory {
    /// Of a process, now.
    pub fn of(process: u32) -> Memory {
        let text = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
        let mib = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
            kib.unwrap_or(0.0) / 1024.0
        };
        Memory {
            resident: mib("VmRSS"),
            peak: mib("VmHWM"),
            own: mib("RssAnon"),
            mapped: mib("RssFile"),
        }
    }

    /// The most of each.
    pub fn most(self, other: Memory) -> Memory {
        Memory {
            resident: self.resident.max(other.resident),
            peak: self.peak.max(other.peak),
            own: self.own.max(other.own),
            mapped: self.mapped.max(other.mapped),
        }
    }
}

/// Resident memory of a process, in MiB.
pub fn resident_mib(process: u32) -> f64 {
    Memory::of(process).resident
}

/// Bytes that a folder's files take.
pub fn folder_bytes(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder)
        .map(|d| d.flatten().collect::<Vec<_>>())
        .unwrap_or_default();
    let size = |e: &fs::DirEntry| match e.metadata() {
        Ok(m) if m.is_dir() => folder_bytes(&e.path()),
        Ok(m) => m.len(),
        Err(_) => 0,
    };
    entries.iter().map(size).sum()
}

/// The middle one of 300 durable 4 KiB appends to a file of this disk.
pub fn fsync_median(folder: &Path) -> Duration {
    let path = folder.join("epis-bench-fsync");
    let mut file = fs::File::create(&path).expect("the folder can be written");
    let mut once = || {
        file.write_all(&[7; 4096]).expect("there is room");
        let start = Instant::now();
        file.sync_all().expect("fsync");
        start.elapsed()
    };
    let mut times: Vec<Duration> = (0..300).map(|_| once()).collect();
    drop(fs::remove_file(&path));
    median(&mut times)
}

/// The middle of some times.
pub fn median(times: &mut [Duration]) -> Duration {
    percentile(times, 50)
}

/// A percentile of some times; zero where there are none.
pub fn percentile(times: &mut [Duration], percent: usize) -> Duration {
    times.sort_unstable();
    times
        .get((times.len() * percent / 100).min(times.len().saturating_sub(1)))
        .copied()
        .unwrap_or_default()
}
