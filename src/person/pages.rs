//! A file of pages, each with its own sum: written one after the other, read through a cache of bounded size.
//!
//! What is written is one sequence of bytes; a place in it is counted without the sums. A page is 4,092 bytes of it and the
//! CRC-32 of the page's number and these. So what a disk has lost or changed is found where it is read, and opening a file
//! costs nothing.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use quick_cache::sync::Cache;

/// Bytes of a page in the file, and of them its own.
const PAGE: usize = 4_096;
pub(crate) const ROOM: usize = PAGE - 4;
/// Pages that are kept in memory, 8 MiB: what the questions of a day's people touch again and again. All others are the
/// system's to keep, which gives them up where memory is short.
const CACHED: usize = 2_048;

fn sum(number: u64, page: &[u8]) -> [u8; 4] {
    let mut hasher = crc32fast::Hasher::new_with_initial(number as u32);
    hasher.update(page);
    hasher.finalize().to_le_bytes()
}

/// Writes pages.
pub(crate) struct Writer<W> {
    out: W,
    page: Vec<u8>,
    number: u64,
}

impl<W: Write> Writer<W> {
    /// Begins with the first page.
    pub fn new(out: W) -> Writer<W> {
        Writer {
            out,
            page: Vec::with_capacity(PAGE),
            number: 0,
        }
    }

    /// Appends bytes; the place at which they begin.
    pub fn append(&mut self, mut bytes: &[u8]) -> io::Result<u64> {
        let at = self.number * ROOM as u64 + self.page.len() as u64;
        while !bytes.is_empty() {
            let (now, rest) = bytes.split_at(bytes.len().min(ROOM - self.page.len()));
            self.page.extend_from_slice(now);
            bytes = rest;
            if self.page.len() == ROOM {
                self.turn()?;
            }
        }
        Ok(at)
    }

    /// Appends bytes of at most [`ROOM`] as a page of their own; its number.
    pub fn page(&mut self, bytes: &[u8]) -> io::Result<u64> {
        self.turn()?;
        let number = self.number;
        self.append(bytes)?;
        self.turn()?;
        Ok(number)
    }

    /// Ends a page that has anything on it.
    fn turn(&mut self) -> io::Result<()> {
        if self.page.is_empty() {
            return Ok(());
        }
        self.page.resize(ROOM, 0);
        let sum = sum(self.number, &self.page);
        self.page.extend_from_slice(&sum);
        self.out.write_all(&self.page)?;
        self.page.clear();
        self.number += 1;
        Ok(())
    }

    /// Hands everything over to whatever is below.
    pub fn finish(mut self) -> io::Result<W> {
        self.turn()?;
        self.out.flush()?;
        Ok(self.out)
    }
}

/// Reads pages, by any number of threads.
pub(crate) struct Pages {
    file: File,
    count: u64,
    cache: Cache<u64, Arc<[u8]>>,
    failed: AtomicBool,
}

impl Pages {
    /// Of a file; `None` where it has no page, or a part of one.
    pub fn open(file: File) -> io::Result<Option<Pages>> {
        let length = file.metadata()?.len();
        let whole = length > 0 && length.is_multiple_of(PAGE as u64);
        Ok(whole.then(|| Pages {
            file,
            count: length / PAGE as u64,
            cache: Cache::new(CACHED),
            failed: AtomicBool::new(false),
        }))
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Whether one could not be read, or was not what was written: what was said since may lack something.
    pub fn failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }

    fn fail<T>(&self) -> Option<T> {
        self.failed.store(true, Ordering::Relaxed);
        None
    }

    /// A page; `None` where it cannot be read.
    pub fn page(&self, number: u64) -> Option<Arc<[u8]>> {
        if let Some(page) = self.cache.get(&number) {
            return Some(page);
        }
        let mut page = [0; PAGE];
        self.read(number, &mut page)?;
        let page: Arc<[u8]> = page[..ROOM].into();
        self.cache.insert(number, Arc::clone(&page));
        Some(page)
    }

    /// The bytes from a place on, however many pages they lie on; those of several are not kept in memory.
    pub fn bytes(&self, at: u64, length: u64) -> Option<Vec<u8>> {
        let (first, within) = (at / ROOM as u64, (at % ROOM as u64) as usize);
        if length > (self.count.saturating_sub(first) * ROOM as u64).saturating_sub(within as u64) {
            return self.fail();
        }
        let end = within + length as usize;
        if end <= ROOM {
            return Some(self.page(first)?[within..end].to_vec());
        }
        let mut pages = vec![0; end.div_ceil(ROOM) * PAGE];
        self.read(first, &mut pages)?;
        // The sums between are closed over.
        for at in 1..pages.len() / PAGE {
            pages.copy_within(at * PAGE..at * PAGE + ROOM, at * ROOM);
        }
        pages.truncate(end);
        pages.drain(..within);
        Some(pages)
    }

    /// Reads pages, and holds each to its sum.
    fn read(&self, first: u64, pages: &mut [u8]) -> Option<()> {
        if self.file.read_exact_at(pages, first * PAGE as u64).is_err() {
            return self.fail();
        }
        let mut numbered = (first..).zip(pages.chunks(PAGE));
        match numbered.all(|(number, page)| sum(number, &page[..ROOM]) == page[ROOM..]) {
            true => Some(()),
            false => self.fail(),
        }
    }
}
