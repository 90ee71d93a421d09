//! How much one request may ask for; every limit is a setting.

use std::time::Duration;

/// The limits of one server. All are settings; `Default` has what a national server on modest machines keeps.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Bytes of one body that is a single resource or a patch (413).
    pub body_bytes: usize,
    /// Bytes of one body that is a bundle (413).
    pub bundle_bytes: usize,
    /// Nesting of arrays and objects in a body (400).
    pub json_depth: usize,
    /// Entries of one bundle (413).
    pub bundle_entries: usize,
    /// Characters of one query or form (413).
    pub query_bytes: usize,
    /// Matches on a page where no `_count` is given.
    pub page_default: usize,
    /// Matches on a page at most; a greater `_count` is lowered to it.
    pub page_max: usize,
    /// Codes in an expansion where no page is asked for; a page may have ten times as many (422 beyond).
    pub expansion_codes: usize,
    /// Records that `_include` and `_revinclude` may add to one page.
    pub includes_max: usize,
    /// Rounds of `:iterate`.
    pub include_rounds: usize,
    /// Records that one conditional delete may remove; 1 is FHIR's "single".
    pub conditional_delete_max: usize,
    /// Time for answering one search (503 beyond).
    pub search_time: Duration,
    /// Steps that answering one search may take: documents visited, tests asked, records joined (422 beyond).
    pub search_steps: u64,
    /// Searches that may run for longer than a moment at the same time; 0 for one for every second processor.
    pub long_searches: usize,
    /// Searches that may wait to be one of those (503 beyond).
    pub long_searches_waiting: usize,
    /// Bytes of one table that a view is run into (422 beyond).
    pub table_bytes: usize,
    /// How often a conditional interaction starts again when others change what it depends on (503 beyond).
    pub attempts: u32,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            body_bytes: 16 << 20,
            bundle_bytes: 256 << 20,
            json_depth: 64,
            bundle_entries: 20_000,
            query_bytes: 16 << 10,
            page_default: 20,
            page_max: 1000,
            expansion_codes: 1000,
            includes_max: 2000,
            include_rounds: 8,
            conditional_delete_max: 1,
            search_time: Duration::from_secs(30),
            search_steps: 100_000_000,
            long_searches: 0,
            long_searches_waiting: 32,
            table_bytes: 64 << 20,
            attempts: 100,
        }
    }
}
