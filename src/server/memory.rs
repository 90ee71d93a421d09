//! What a server's memory goes to: a clinic's node is to do with 200 MB in all, and has a part of what a centre has.

use crate::settings::Settings;

const MIB: u64 = 1 << 20;

/// The bounds of what grows with the records; most are settings, and these where they are 0.
pub(crate) struct Memory {
    /// Records kept at hand: a clinic's day is some hundreds of people, of a few kilobytes.
    pub records: u64,
    /// Pages of the embedded store: half to write with, half shared by those who read.
    pub database: u64,
    /// What the index takes up before it writes a segment; it needs 15 MB, and smaller segments come together sooner.
    pub index: u64,
    /// What is laid out to sort and count by: four bytes or so a record and order that somebody asked for.
    pub laid_out: u64,
    /// Versions written last, by which it is judged whether what a write was decided on has changed meanwhile, some kilobytes
    /// each: while years of records arrive, as much as those that wait for the index.
    pub recent: usize,
    /// Versions that wait to be committed to the index, some kilobytes each: the most of it while years of records arrive.
    pub tail: usize,
}

const CENTRE: Memory = Memory {
    records: 32 * MIB,
    database: 32 * MIB,
    index: 32 * MIB,
    laid_out: 256 * MIB,
    recent: 16_384,
    tail: 16_384,
};

const NODE: Memory = Memory {
    records: 8 * MIB,
    database: 16 * MIB,
    index: 15 * MIB,
    laid_out: 16 * MIB,
    recent: 2_048,
    tail: 4_096,
};

impl Memory {
    /// What the settings say, and otherwise what is usual at a node, by its number, or at the centre, which has none.
    pub fn of(settings: &Settings, node: Option<u32>) -> Memory {
        let usual = if node.is_some() { NODE } else { CENTRE };
        let said = |bytes: u64, usual: u64| if bytes > 0 { bytes } else { usual };
        Memory {
            records: said(settings.cache_bytes.0, usual.records),
            database: said(settings.database_cache_bytes.0, usual.database),
            index: said(settings.index_bytes.0, usual.index),
            laid_out: said(settings.order_bytes.0, usual.laid_out),
            recent: usual.recent,
            tail: if settings.index_waiting_max > 0 {
                settings.index_waiting_max
            } else {
                usual.tail
            },
        }
    }
}
