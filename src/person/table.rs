//! Values under ascending numbers, many to a page: a value is found with the reading of one page.
//!
//! ```text
//! page      2 bytes used after this, entries
//! entry     the number, less that of the entry before; twice the value's length, and 1 where it lies apart; the value, or
//!           the place where it lies
//! ```
//! Numbers have seven bits a byte, the lowest first. Which number each page begins with is kept in memory, and lies in the
//! file for that.

use std::io::{self, Write};

use crate::pack::{Reader, put};
use crate::pages::{Pages, ROOM, Writer};

/// Longer values lie apart, so that a page has many.
const WITHIN: usize = 512;

/// Writes a table.
#[derive(Default)]
pub(crate) struct TableWriter {
    page: Vec<u8>,
    entry: Vec<u8>,
    last: u64,
    table: Table,
}

impl TableWriter {
    /// Appends a value, whose number is above all before.
    pub fn push<W: Write>(&mut self, out: &mut Writer<W>, number: u64, value: &[u8]) -> io::Result<()> {
        let apart = match value.len() > WITHIN {
            true => Some(out.append(value)?),
            false => None,
        };
        self.entry(number, value, apart);
        if 2 + self.page.len() + self.entry.len() > ROOM {
            self.turn(out)?;
            self.entry(number, value, apart);
        }
        if self.page.is_empty() {
            self.table.firsts.push(number);
        }
        self.page.append(&mut self.entry);
        self.last = number;
        Ok(())
    }

    fn entry(&mut self, number: u64, value: &[u8], apart: Option<u64>) {
        let before = if self.page.is_empty() { 0 } else { self.last };
        self.entry.clear();
        put(&mut self.entry, number - before);
        put(&mut self.entry, (value.len() as u64) << 1 | u64::from(apart.is_some()));
        match apart {
            Some(at) => put(&mut self.entry, at),
            None => self.entry.extend_from_slice(value),
        }
    }

    fn turn<W: Write>(&mut self, out: &mut Writer<W>) -> io::Result<()> {
        let mut page = (self.page.len() as u16).to_le_bytes().to_vec();
        page.append(&mut self.page);
        self.table.pages.push(out.page(&page)? as u32);
        Ok(())
    }

    /// Writes what is left of it.
    pub fn finish<W: Write>(mut self, out: &mut Writer<W>) -> io::Result<Table> {
        if !self.page.is_empty() {
            self.turn(out)?;
        }
        Ok(self.table)
    }
}

/// Where the values of a table lie.
#[derive(Default)]
pub(crate) struct Table {
    /// The number that each page begins with.
    firsts: Vec<u64>,
    pages: Vec<u32>,
}

/// A value.
pub(crate) enum Value {
    /// Here it is.
    Within(Vec<u8>),
    /// It lies at a place, and has so many bytes.
    Apart(u64, u64),
}

impl Value {
    /// All of it; `None` where it cannot be read.
    pub fn bytes(self, pages: &Pages) -> Option<Vec<u8>> {
        match self {
            Value::Within(bytes) => Some(bytes),
            Value::Apart(at, length) => pages.bytes(at, length),
        }
    }
}

impl Table {
    /// Appends it, to be read by [`Table::read`].
    pub fn write(&self, out: &mut Vec<u8>) {
        put(out, self.pages.len() as u64);
        let mut before = 0;
        for (first, page) in self.firsts.iter().zip(&self.pages) {
            put(out, first - before);
            put(out, u64::from(*page));
            before = *first;
        }
    }

    /// Reads what [`Table::write`] wrote; `None` where it is none.
    pub fn read(reader: &mut Reader<'_>) -> Option<Table> {
        let (mut table, mut first) = (Table::default(), 0_u64);
        for _ in 0..reader.number()? {
            first = first.checked_add(reader.number()?)?;
            table.firsts.push(first);
            table.pages.push(u32::try_from(reader.number()?).ok()?);
        }
        Some(table)
    }

    /// The value of a number; `None` where there is none, or it cannot be read.
    pub fn get(&self, pages: &Pages, number: u64) -> Option<Value> {
        let mut found = None;
        self.each_from(pages, number, &mut |other, value| {
            found = (other == number).then_some(value);
            false
        });
        found
    }

    /// Calls `each` with the values of a number and of those above it, as long as it says so.
    pub fn each_from(&self, pages: &Pages, from: u64, each: &mut dyn FnMut(u64, Value) -> bool) {
        let first = self.firsts.partition_point(|first| *first <= from).saturating_sub(1);
        for number in self.pages.iter().skip(first) {
            let Some(page) = pages.page(u64::from(*number)) else {
                return;
            };
            let used = usize::from(u16::from_le_bytes([page[0], page[1]]));
            let mut reader = Reader(&page[2..ROOM.min(2 + used)]);
            if !each_of(&mut reader, from, each) {
                return;
            }
        }
    }
}

/// Goes through the entries of a page; whether to go on with the next.
fn each_of(reader: &mut Reader<'_>, from: u64, each: &mut dyn FnMut(u64, Value) -> bool) -> bool {
    let mut number = 0_u64;
    while let Some(more) = reader.number() {
        number = number.wrapping_add(more);
        let Some(length) = reader.number() else { return false };
        let apart = (length & 1 == 1).then(|| reader.number());
        let within = match apart {
            Some(_) => Some(&[][..]),
            None => reader.bytes((length >> 1) as usize),
        };
        if number < from {
            continue;
        }
        let value = match (apart, within) {
            (Some(Some(at)), _) => Value::Apart(at, length >> 1),
            (None, Some(bytes)) => Value::Within(bytes.to_vec()),
            _ => return false,
        };
        if !each(number, value) {
            return false;
        }
    }
    true
}
