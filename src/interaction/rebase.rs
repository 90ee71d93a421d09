//! What changed from one version of a record to the next, made again on another: as if it had been written to that.
//!
//! A merge of patients is undone by it, whatever was written since. Lists are taken item by item, so that what was added,
//! changed or taken out of one is so in the other; where both changed the same, the later write counts.

use fhir::tree::Tree;

/// Lists whose lengths multiply to more are not aligned item by item, but place by place.
const ALIGNED_MAX: usize = 1_000_000;

/// `onto` with all that changed from `from` to `to`.
pub(crate) fn rebase(from: &Tree, to: &Tree, onto: &Tree) -> Tree {
    if same(from, to) {
        return onto.clone();
    }
    if same(from, onto) {
        return to.clone();
    }
    match (from, to, onto) {
        (Tree::Object(from), Tree::Object(to), Tree::Object(onto)) => Tree::Object(members(from, to, onto)),
        (Tree::Array(from), Tree::Array(to), Tree::Array(onto)) => Tree::Array(items(from, to, onto)),
        _ => to.clone(),
    }
}

/// Whether two values are written alike, to the digit and in the same order.
fn same(one: &Tree, other: &Tree) -> bool {
    one == other && one.to_bytes() == other.to_bytes()
}

type Members = [(String, Tree)];

fn find<'a>(members: &'a Members, name: &str) -> Option<&'a Tree> {
    members.iter().find(|(known, _)| known == name).map(|(_, value)| value)
}

fn members(from: &Members, to: &Members, onto: &Members) -> Vec<(String, Tree)> {
    let mut made = Vec::with_capacity(onto.len());
    for (name, own) in onto {
        let value = match (find(from, name), find(to, name)) {
            (Some(from), Some(to)) => rebase(from, to, own),
            (Some(_), None) => continue,
            (None, Some(to)) => rebase(&nothing_like(to), to, own),
            (None, None) => own.clone(),
        };
        made.push((name.clone(), value));
    }
    for (place, (name, value)) in to
        .iter()
        .enumerate()
        .filter(|(_, (name, _))| find(onto, name).is_none())
    {
        match find(from, name) {
            Some(from) if same(from, value) => {}
            // It came with what `onto` is without: there, it is written now.
            Some(from) => made.push((name.clone(), rebase(from, value, &nothing_like(value)))),
            None => {
                let last = to[place..].iter().all(|(name, _)| find(from, name).is_none());
                let before = to[..place].iter().rev();
                let before = before
                    .filter_map(|(name, _)| made.iter().position(|(known, _)| known == name))
                    .next();
                let at = if last {
                    made.len()
                } else {
                    before.map_or(0, |place| place + 1)
                };
                made.insert(at, (name.clone(), value.clone()));
            }
        }
    }
    made.retain(|(_, value)| !matches!(value, Tree::Array(items) if items.is_empty()));
    if in_other_order(from, to) {
        order_as(to, &mut made);
    }
    made
}

/// Whether members that both have stand in another order in the second.
fn in_other_order(first: &Members, second: &Members) -> bool {
    let of_both = first
        .iter()
        .map(|(name, _)| name)
        .filter(|name| find(second, name).is_some());
    let again = second
        .iter()
        .map(|(name, _)| name)
        .filter(|name| find(first, name).is_some());
    !of_both.eq(again)
}

/// Orders members as another object has them; one that it lacks stays behind the one it stands behind.
fn order_as(other: &Members, members: &mut Vec<(String, Tree)>) {
    let mut last = 0;
    let placed = members.drain(..).map(|member| {
        let place = other.iter().position(|(name, _)| *name == member.0);
        last = place.unwrap_or(last);
        (last, member)
    });
    let mut placed: Vec<(usize, (String, Tree))> = placed.collect();
    placed.sort_by_key(|(place, _)| *place);
    members.extend(placed.into_iter().map(|(_, member)| member));
}

/// What a list or an object is before anything was put into it.
fn nothing_like(value: &Tree) -> Tree {
    match value {
        Tree::Array(_) => Tree::Array(Vec::new()),
        Tree::Object(_) => Tree::Object(Vec::new()),
        _ => Tree::Null,
    }
}

fn items(from: &[Tree], to: &[Tree], onto: &[Tree]) -> Vec<Tree> {
    let (later, other) = (Aligned::new(from, to), Aligned::new(from, onto));
    let mut made = Vec::with_capacity(onto.len().max(to.len()));
    for place in 0..=from.len() {
        let kept = made.len();
        made.extend(other.inserted(place).map(|at| onto[at].clone()));
        let fresh = later.inserted(place).map(|at| to[at].clone());
        let fresh: Vec<Tree> = fresh
            .filter(|item| !made[kept..].iter().any(|known| same(known, item)))
            .collect();
        made.extend(fresh);
        let Some(item) = from.get(place) else {
            break;
        };
        match (later.of[place], other.of[place]) {
            (None, _) => {}
            (Some(at), Some(own)) => made.push(rebase(item, &to[at], &onto[own])),
            // It came with what `onto` is without: it stays only where somebody changed it since.
            (Some(at), None) if same(item, &to[at]) => {}
            (Some(at), None) => made.push(to[at].clone()),
        }
    }
    made
}

/// Which item of a list became which of another.
struct Aligned {
    /// Of each item of the first, its place in the second.
    of: Vec<Option<usize>>,
    /// Items of the second that are new: before which item of the first they stand, and their place.
    fresh: Vec<(usize, usize)>,
}

impl Aligned {
    /// Items written alike are the same, as many as keep their order; between those, place by place, items were changed.
    fn new(first: &[Tree], second: &[Tree]) -> Aligned {
        let mut aligned = Aligned {
            of: vec![None; first.len()],
            fresh: Vec::new(),
        };
        let (mut a, mut b) = (0, 0);
        for (i, j) in common(first, second).into_iter().chain([(first.len(), second.len())]) {
            let pairs = (i - a).min(j - b);
            for step in 0..pairs {
                aligned.of[a + step] = Some(b + step);
            }
            aligned.fresh.extend((b + pairs..j).map(|at| (i, at)));
            if i < first.len() {
                aligned.of[i] = Some(j);
            }
            (a, b) = (i + 1, j + 1);
        }
        aligned
    }

    /// The new items that stand before an item of the first, or after its last.
    fn inserted(&self, before: usize) -> impl Iterator<Item = usize> {
        let fresh = self.fresh.iter();
        fresh.filter(move |(place, _)| *place == before).map(|(_, at)| *at)
    }
}

/// The longest row of items that two lists have in common, by their places.
fn common(first: &[Tree], second: &[Tree]) -> Vec<(usize, usize)> {
    let (first, second) = (written(first), written(second));
    if first.len().saturating_mul(second.len()) > ALIGNED_MAX {
        return Vec::new();
    }
    // The length of the longest row of what follows each pair of places.
    let mut longest = vec![vec![0_usize; second.len() + 1]; first.len() + 1];
    for i in (0..first.len()).rev() {
        for j in (0..second.len()).rev() {
            longest[i][j] = match first[i] == second[j] {
                true => longest[i + 1][j + 1] + 1,
                false => longest[i + 1][j].max(longest[i][j + 1]),
            };
        }
    }
    let (mut i, mut j, mut row) = (0, 0, Vec::new());
    while i < first.len() && j < second.len() {
        if first[i] == second[j] {
            row.push((i, j));
            (i, j) = (i + 1, j + 1);
        } else if longest[i + 1][j] >= longest[i][j + 1] {
            i += 1;
        } else {
            j += 1;
        }
    }
    row
}

fn written(items: &[Tree]) -> Vec<Vec<u8>> {
    items.iter().map(Tree::to_bytes).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From, to, onto, what comes out.
    const TABLE: &[[&str; 4]] = &[
        [r#"{"a":1}"#, r#"{"a":2}"#, r#"{"a":1,"b":3}"#, r#"{"a":2,"b":3}"#],
        [r#"{"a":1,"b":2}"#, r#"{"b":2}"#, r#"{"a":1,"c":3}"#, r#"{"c":3}"#],
        // the later write counts
        [r#"{"a":1}"#, r#"{"a":2}"#, r#"{"a":3}"#, r#"{"a":2}"#],
        // what came with the merge goes, what was added beside it stays
        [
            r#"{"l":["x","m"]}"#,
            r#"{"l":["x","m","y"]}"#,
            r#"{"l":["x"]}"#,
            r#"{"l":["x","y"]}"#,
        ],
        [
            r#"{"l":["m"]}"#,
            r#"{"l":["m","y"]}"#,
            r#"{"k":1}"#,
            r#"{"k":1,"l":["y"]}"#,
        ],
        [
            r#"{"k":1,"l":["m"]}"#,
            r#"{"k":1,"l":["m"],"n":2}"#,
            r#"{"k":1}"#,
            r#"{"k":1,"n":2}"#,
        ],
        [r#"{"l":["x","m"]}"#, r#"{"l":["m"]}"#, r#"{"l":["x"]}"#, r#"{}"#],
        // an item is changed beside the one that goes
        [
            r#"{"l":[{"v":1},{"v":2}]}"#,
            r#"{"l":[{"v":1,"e":9},{"v":2}]}"#,
            r#"{"l":[{"v":1}]}"#,
            r#"{"l":[{"v":1,"e":9}]}"#,
        ],
        // and so is the one that goes: somebody wanted it
        [
            r#"{"l":[{"v":1},{"v":2}]}"#,
            r#"{"l":[{"v":1},{"v":2,"e":9}]}"#,
            r#"{"l":[{"v":1}]}"#,
            r#"{"l":[{"v":1},{"v":2,"e":9}]}"#,
        ],
        // both added
        [r#"{}"#, r#"{"l":["y"]}"#, r#"{"l":["x"]}"#, r#"{"l":["x","y"]}"#],
        [r#"{}"#, r#"{"l":["y"]}"#, r#"{"l":["y"]}"#, r#"{"l":["y"]}"#],
        // a member stands where it was written
        [
            r#"{"a":1,"z":2,"m":0}"#,
            r#"{"a":1,"b":5,"z":2,"m":0}"#,
            r#"{"a":1,"z":2}"#,
            r#"{"a":1,"b":5,"z":2}"#,
        ],
        // and goes where it went
        [
            r#"{"a":1,"b":2}"#,
            r#"{"b":2,"a":1}"#,
            r#"{"a":1,"c":3,"b":2}"#,
            r#"{"b":2,"a":1,"c":3}"#,
        ],
        // digits count
        [
            r#"{"a":1.0}"#,
            r#"{"a":1.00}"#,
            r#"{"a":1.0,"b":1}"#,
            r#"{"a":1.00,"b":1}"#,
        ],
    ];

    #[test]
    fn what_changed_is_made_again_elsewhere() {
        let read = |text: &str| Tree::parse(text.as_bytes()).unwrap();
        for [from, to, onto, expected] in TABLE {
            let made = rebase(&read(from), &read(to), &read(onto));
            assert_eq!(
                String::from_utf8(made.to_bytes()).unwrap(),
                *expected,
                "{from} -> {to} onto {onto}"
            );
        }
    }
}
