//! Pairs of a code and a person put in order in bounded memory: sorted runs in a file, merged.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use crate::pack::{Reader, put};

/// Pairs of one run: 8 MiB of memory.
const RUN: usize = 1 << 19;
/// Bytes of a run that are read at once: of some forty runs together less than 2 MiB.
const READ: usize = 32 << 10;
/// Bytes of a pair in the file at most.
const PAIR_MAX: usize = 10 + 5;

/// Takes pairs in any order.
pub(crate) struct Sorter {
    scratch: File,
    end: u64,
    pairs: Vec<(u64, u32)>,
    runs: Vec<(u64, u64)>,
}

impl Sorter {
    /// A sorter whose runs are written to a file, over whatever it has.
    pub fn new(scratch: File) -> Sorter {
        Sorter {
            scratch,
            end: 0,
            pairs: Vec::new(),
            runs: Vec::new(),
        }
    }

    /// Takes a pair.
    pub fn push(&mut self, code: u64, person: u32) -> io::Result<()> {
        self.pairs.push((code, person));
        if self.pairs.len() < RUN {
            return Ok(());
        }
        self.run()
    }

    fn run(&mut self) -> io::Result<()> {
        self.pairs.sort_unstable();
        let (from, mut before, mut bytes) = (self.end, 0, Vec::with_capacity(READ + PAIR_MAX));
        for (code, person) in self.pairs.drain(..) {
            put(&mut bytes, code - before);
            put(&mut bytes, u64::from(person));
            before = code;
            if bytes.len() >= READ {
                self.scratch.write_all_at(&bytes, self.end)?;
                self.end += bytes.len() as u64;
                bytes.clear();
            }
        }
        self.scratch.write_all_at(&bytes, self.end)?;
        self.end += bytes.len() as u64;
        self.runs.push((from, self.end));
        Ok(())
    }

    /// Calls `each` with every code and all its people, both ascending, each once.
    pub fn each(mut self, each: &mut dyn FnMut(u64, &[u32]) -> io::Result<()>) -> io::Result<()> {
        self.run()?;
        self.pairs = Vec::new();
        let scratch = &self.scratch;
        let mut runs: Vec<Run<'_>> = self.runs.iter().map(|(at, end)| Run::new(scratch, *at, *end)).collect();
        let mut heap = BinaryHeap::new();
        for (at, run) in runs.iter_mut().enumerate() {
            heap.extend(run.next()?.map(|pair| Reverse((pair, at))));
        }
        let (mut of, mut people) = (0, Vec::new());
        while let Some(Reverse(((code, person), at))) = heap.pop() {
            heap.extend(runs[at].next()?.map(|pair| Reverse((pair, at))));
            if code != of && !people.is_empty() {
                each(of, &people)?;
                people.clear();
            }
            of = code;
            if people.last() != Some(&person) {
                people.push(person);
            }
        }
        match people.is_empty() {
            true => Ok(()),
            false => each(of, &people),
        }
    }
}

/// A sorted run as it is read.
struct Run<'a> {
    scratch: &'a File,
    at: u64,
    end: u64,
    bytes: Vec<u8>,
    used: usize,
    code: u64,
}

impl<'a> Run<'a> {
    fn new(scratch: &'a File, at: u64, end: u64) -> Run<'a> {
        Run {
            scratch,
            at,
            end,
            bytes: Vec::new(),
            used: 0,
            code: 0,
        }
    }

    fn next(&mut self) -> io::Result<Option<(u64, u32)>> {
        if self.bytes.len() - self.used < PAIR_MAX && self.at < self.end {
            self.bytes.drain(..self.used);
            let kept = self.bytes.len();
            let more = (self.end - self.at).min(READ as u64) as usize;
            self.bytes.resize(kept + more, 0);
            self.scratch.read_exact_at(&mut self.bytes[kept..], self.at)?;
            (self.used, self.at) = (0, self.at + more as u64);
        }
        let mut reader = Reader(&self.bytes[self.used..]);
        let (Some(more), Some(person)) = (reader.number(), reader.number()) else {
            return Ok(None);
        };
        self.used = self.bytes.len() - reader.0.len();
        self.code += more;
        Ok(Some((self.code, person as u32)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_of_many_runs_come_in_order_and_once() {
        let path = std::env::temp_dir().join(format!("epis-sort-{}", std::process::id()));
        let scratch = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(&path);
        let mut sorter = Sorter::new(scratch.unwrap());
        std::fs::remove_file(path).unwrap();
        let count = 3 * RUN as u64 / 2;
        let code = |at: u64| ((at * 2_654_435_761) % 1_000) << 40;
        for at in 0..count {
            sorter.push(code(at), (at % 700) as u32).unwrap();
        }
        let mut expected = std::collections::BTreeMap::<u64, std::collections::BTreeSet<u32>>::new();
        (0..count).for_each(|at| {
            expected.entry(code(at)).or_default().insert((at % 700) as u32);
        });
        let mut expected = expected.into_iter();
        sorter
            .each(&mut |code, people| {
                let (of, those) = expected.next().unwrap();
                assert_eq!((code, people.to_vec()), (of, those.into_iter().collect()));
                Ok(())
            })
            .unwrap();
        assert_eq!(expected.next(), None);
    }
}
