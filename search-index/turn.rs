//! Which way a page lies from a place in the order of hits: after it, before it, at either end.

use std::cmp::Ordering;

use query::SortKey;

use crate::cursor::Cursor;
use crate::order::Rank;

/// Where a page lies among all hits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Place<'a> {
    /// It is the first.
    #[default]
    First,
    /// It begins after this hit.
    After(&'a Cursor),
    /// It ends before this hit.
    Before(&'a Cursor),
    /// It is the last.
    Last,
}

/// From where hits are gathered, and in which direction.
#[derive(Clone, Copy)]
pub(crate) struct Turn<'a> {
    /// The hit beside which gathering begins; the first or last of all where there is none.
    pub(crate) from: Option<&'a Rank>,
    /// Whether towards the beginning.
    pub(crate) back: bool,
}

impl<'a> Turn<'a> {
    /// The turn to gather the page at a place.
    pub(crate) fn to(place: Place<'a>) -> Turn<'a> {
        match place {
            Place::First => Turn {
                from: None,
                back: false,
            },
            Place::After(cursor) => Turn {
                from: Some(&cursor.0),
                back: false,
            },
            Place::Before(cursor) => Turn {
                from: Some(&cursor.0),
                back: true,
            },
            Place::Last => Turn { from: None, back: true },
        }
    }

    /// Which of two hits is met first.
    pub(crate) fn compare(&self, one: &Rank, other: &Rank, sort: &[SortKey]) -> Ordering {
        if self.back {
            other.compare(one, sort)
        } else {
            one.compare(other, sort)
        }
    }

    /// Whether a hit lies ahead.
    pub(crate) fn meets(&self, rank: &Rank, sort: &[SortKey]) -> bool {
        self.from.is_none_or(|from| self.compare(rank, from, sort).is_gt())
    }
}
