//! Reads every record that meets a condition, page by page at one place in the log, within the cost of a search.

use fhir::document::Document;
use search_index::STEPS_PER_RECORD;

use crate::cursor::Token;
use crate::engine::Engine;
use crate::record::{self, Record, parsed};
use crate::refusal::{Reason, Refusal};
use crate::search::{Wanted, find};

/// Records one operation may read through.
pub(crate) const SWEPT_MAX: usize = 100_000;

/// Calls `each` with the records in their order, as many at once as `wanted.limit`, as of a place in the log or of now;
/// gives the place in the log that all of them are of.
///
/// # Errors
/// 422 where there are more than [`SWEPT_MAX`]; 503, 422 as any search.
pub(crate) fn sweep(
    engine: &Engine,
    wanted: &Wanted<'_>,
    at: Option<u64>,
    each: &mut dyn FnMut(&Record, &Document) -> Result<(), Refusal>,
) -> Result<u64, Refusal> {
    let (mut token, mut swept) = (at.map(Token::beginning), 0);
    loop {
        let matches = find(engine, wanted, token.as_ref())?;
        swept += matches.hits.len();
        if swept > SWEPT_MAX {
            let text = format!("More than {SWEPT_MAX} records would have to be read; narrow what is asked for.");
            return Err(Refusal::because(Reason::TooCostly, text));
        }
        wanted.clock.check(matches.hits.len() as u64 * STEPS_PER_RECORD)?;
        for record in record::fetch(engine, &matches.hits, &wanted.clock)? {
            each(&record, &parsed(&record.json)?)?;
        }
        match matches.next {
            Some(next) => token = Some(next),
            None => return Ok(matches.at),
        }
    }
}
