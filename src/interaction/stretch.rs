//! A page of what is found as a whole: a stretch of the list, named by where it begins or ends.

use std::ops::Range;

use crate::cursor::{Token, Turn};
use crate::refusal::Refusal;
use crate::search::damaged;

/// Which of `all` are on a page of `limit`.
///
/// # Errors
/// 400 for a damaged page link.
pub(crate) fn stretch(all: usize, limit: usize, turn: Option<&Turn>) -> Result<Range<usize>, Refusal> {
    let place = |text: &str| {
        text.parse::<usize>()
            .ok()
            .filter(|place| *place <= all)
            .ok_or_else(damaged)
    };
    let (start, end) = match turn {
        None | Some(Turn::First) => (0, limit),
        Some(Turn::After(text)) => (place(text)?, place(text)?.saturating_add(limit)),
        Some(Turn::Before(text)) => (place(text)?.saturating_sub(limit), place(text)?),
        Some(Turn::Last) => (all.saturating_sub(1) / limit.max(1) * limit, all),
    };
    let end = end.min(all);
    Ok(start.min(end)..end)
}

/// The tokens of the next page and of the page before, of a list that is `all` long at a place in the log.
pub(crate) fn neighbours(at: u64, all: usize, stretch: &Range<usize>) -> (Option<Token>, Option<Token>) {
    let token = |there: bool, turn: Turn| {
        there.then_some(Token {
            at,
            total: Some(all as u64),
            turn,
        })
    };
    let next = token(stretch.end < all, Turn::After(stretch.end.to_string()));
    let previous = token(stretch.start > 0, Turn::Before(stretch.start.to_string()));
    (next, previous)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_stretches_of_the_whole() {
        let after = |place: usize| Some(Turn::After(place.to_string()));
        let before = |place: usize| Some(Turn::Before(place.to_string()));
        let table = [
            (5, 2, None, 0..2),
            (5, 2, after(2), 2..4),
            (5, 2, after(4), 4..5),
            (5, 2, before(4), 2..4),
            (5, 2, before(1), 0..1),
            (5, 2, Some(Turn::Last), 4..5),
            (4, 2, Some(Turn::Last), 2..4),
            (0, 2, Some(Turn::Last), 0..0),
            (5, 0, None, 0..0),
        ];
        for (all, limit, turn, expected) in table {
            assert_eq!(
                stretch(all, limit, turn.as_ref()).unwrap(),
                expected,
                "{all} {limit} {turn:?}"
            );
        }
        assert!(stretch(5, 2, after(9).as_ref()).is_err());
    }
}
