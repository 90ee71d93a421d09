//! How well the words of a record fit a search, between 0 and 1: `Bundle.entry.search.score`.
//!
//! <https://hl7.org/fhir/R4/bundle-definitions.html#Bundle.entry.search.score>. The score looks at the record and the
//! search alone, never at how often a word occurs elsewhere: it is the same on every page of a snapshot, on every
//! replica, and in the index as for one record, whatever else is written.
//!
//! Of the words asked for (`_text`, `_content`; not those under a negation), `wanted`, the record has `found`, counting
//! the conditions that hold; and it has `distinct` different words. Half of the score says how many of the words asked
//! for it has, half how much of the record they are:
//!
//! ```text
//! score = found/wanted * (1 + found/distinct) / 2
//! ```

use crate::predicate::{Predicate, Subject};

/// The score of a perfect fit, and of every record where no words are asked for: scores are in millionths.
pub const SCORE_MAX: u32 = 1_000_000;

/// A condition on words that counts for the score.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// The condition: [`Predicate::Text`] or [`Predicate::Content`].
    pub condition: &'a Predicate,
    /// How many words it asks for.
    pub words: u32,
    /// Whether no record matches without it.
    pub sure: bool,
}

/// The conditions on words that count: not those under a negation, nor those on other records.
pub fn wanted(predicate: &Predicate) -> Vec<Wanted<'_>> {
    let mut found = Vec::new();
    gather(predicate, true, &mut found);
    found
}

fn gather<'a>(predicate: &'a Predicate, sure: bool, found: &mut Vec<Wanted<'a>>) {
    match predicate {
        Predicate::And(all) => all.iter().for_each(|part| gather(part, sure, found)),
        Predicate::Or(any) => any.iter().for_each(|part| gather(part, false, found)),
        Predicate::Text(words) | Predicate::Content(words) if !words.is_empty() => found.push(Wanted {
            condition: predicate,
            words: u32::try_from(words.len()).unwrap_or(u32::MAX),
            sure,
        }),
        _ => {}
    }
}

/// The score of a record with `found` of the `wanted` words among `distinct` different ones.
pub fn score(found: u32, wanted: u32, distinct: u32) -> u32 {
    if wanted == 0 {
        return SCORE_MAX;
    }
    let (found, wanted) = (u128::from(found.min(wanted)), u128::from(wanted));
    let distinct = u128::from(distinct).max(found).max(1);
    let score = u128::from(SCORE_MAX) * found * (distinct + found) / (2 * wanted * distinct);
    u32::try_from(score).unwrap_or(SCORE_MAX)
}

/// The score of a record that meets a predicate.
pub fn of(predicate: &Predicate, subject: &Subject<'_>) -> u32 {
    let wanted = wanted(predicate);
    if wanted.is_empty() {
        return SCORE_MAX;
    }
    let holds = |wanted: &&Wanted<'_>| wanted.condition.matches(subject);
    let found = wanted.iter().filter(holds).map(|wanted| wanted.words).sum();
    score(
        found,
        wanted.iter().map(|wanted| wanted.words).sum(),
        subject.words.distinct(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_lie_between_nothing_and_one() {
        //          found wanted distinct   score
        let table = [
            (0, 0, 10, 1_000_000),
            (2, 2, 2, 1_000_000),
            (1, 1, 10, 550_000),
            (1, 2, 10, 275_000),
            (2, 2, 10, 600_000),
            (0, 2, 10, 0),
            (3, 3, 1, 1_000_000),
            (u32::MAX, u32::MAX, u32::MAX, 1_000_000),
        ];
        for (found, wanted, distinct, expected) in table {
            assert_eq!(
                score(found, wanted, distinct),
                expected,
                "{found} of {wanted} in {distinct}"
            );
        }
    }

    #[test]
    fn negations_do_not_count() {
        let words = |word: &str| Predicate::Content(vec![[word.into()].into()]);
        let predicate = Predicate::And(vec![
            words("a"),
            Predicate::Or(vec![words("b"), Predicate::Not(Box::new(words("c")))]),
        ]);
        let found: Vec<(u32, bool)> = wanted(&predicate)
            .iter()
            .map(|wanted| (wanted.words, wanted.sure))
            .collect();
        assert_eq!(found, [(1, true), (1, false)]);
    }
}
