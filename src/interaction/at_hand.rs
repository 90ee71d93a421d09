//! Which requests are answered where they come in, on the thread that reads them: short searches over what is in memory, codes.
//!
//! Handing a request to another thread and back costs as much as a short search. Nobody knows beforehand which search is
//! short, so each is begun on the spot, with a clock that ends it where it would take long or wait; the little that was
//! done then is done again, at leisure. So are questions about a code, as long as the library has kept what they need.

use std::time::Duration;

use search_index::Clock;

use crate::limits::Limits;

/// Steps that a search may take on the spot: some hundred microseconds.
const STEPS_MAX: u64 = 16_384;
/// How long it may take where the machine is slow, or has to fetch parts of the index from the disk.
const TIME_MAX: Duration = Duration::from_millis(5);
/// Modifiers that are answered from terminology, whose records may have to be read.
const MODIFIERS_ELSEWHERE: [&str; 5] = ["in", "not-in", "above", "below", "text"];
/// Parameters that may ask the same, read whole texts, or tell what the long way does.
const PARAMETERS_ELSEWHERE: [&str; 6] = ["_filter", "_list", "_text", "_content", "_contained", "__explain"];

/// The clock of a search on the spot, which may take no more than any.
pub(crate) fn clock(limits: &Limits) -> Clock {
    Clock::at_hand(TIME_MAX.min(limits.search_time), STEPS_MAX.min(limits.search_steps))
}

/// Whether a search with a parameter of this name, modifiers included, may be at hand.
pub(crate) fn may_be(parameter: &str) -> bool {
    let mut parts = parameter.split(':');
    let name = parts.next().unwrap_or_default();
    let elsewhere = |part: &str| MODIFIERS_ELSEWHERE.contains(&part) || PARAMETERS_ELSEWHERE.contains(&part);
    !PARAMETERS_ELSEWHERE.contains(&name) && !parts.any(elsewhere)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_elsewhere_is_not_at_hand() {
        let table = [
            ("code", true),
            ("name:exact", true),
            ("patient.name:contains", true),
            ("_has:Observation:patient:code", true),
            ("_include:iterate", true),
            ("subject:Patient.birthdate", true),
            ("code:in", false),
            ("patient.gender:not-in", false),
            ("_has:Observation:patient:code:below", false),
            ("code:above", false),
            ("code:text", false),
            ("_filter", false),
            ("_list", false),
            ("_content", false),
            ("_text:contains", false),
            ("_has:List:item:_text", false),
            ("__explain", false),
        ];
        for (parameter, expected) in table {
            assert_eq!(may_be(parameter), expected, "{parameter}");
        }
    }
}
