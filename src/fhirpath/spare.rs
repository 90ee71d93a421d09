//! Emptied lists, kept for their memory from one evaluation to the next on the same thread.

use std::cell::Cell;

use crate::evaluate::List;

/// Lists kept at most.
pub(crate) const LISTS_MAX: usize = 8;
/// Items that a list may have room for to be kept.
const ROOM_MAX: usize = 1024;

thread_local! {
    static SPARE: Cell<Vec<List<'static>>> = const { Cell::new(Vec::new()) };
}

/// What the last evaluation left; nothing within another evaluation.
pub(crate) fn take<'a>() -> Vec<List<'a>> {
    SPARE.try_with(Cell::take).unwrap_or_default()
}

/// Leaves lists to the next evaluation.
pub(crate) fn leave(lists: Vec<List<'_>>) {
    let small = lists.into_iter().filter(|list| list.capacity() <= ROOM_MAX);
    let lists: Vec<List<'static>> = small.map(emptied).collect();
    // A thread that is ending keeps nothing.
    let _ = SPARE.try_with(|spare| spare.set(lists));
}

/// The same memory for items of another life: none are left in it.
fn emptied<'b>(mut list: List<'_>) -> List<'b> {
    list.clear();
    list.into_iter().map(|_| unreachable!("the list was emptied")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Item;

    #[test]
    fn memory_stays_and_items_go() {
        let text = String::from("a");
        let mut list: List<'_> = Vec::with_capacity(100);
        list.push(Item::String(text.as_str().into()));
        leave(vec![list, Vec::with_capacity(ROOM_MAX + 1)]);
        drop(text);
        let found = take();
        assert_eq!((found.len(), found[0].len(), found[0].capacity()), (1, 0, 100));
        assert!(take().is_empty(), "it is taken once");
    }
}
