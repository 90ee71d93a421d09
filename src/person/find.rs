//! Finds people by what somebody typed, while she types: all words matched first, then nearly, then all but one.
//!
//! Every word means a set of people for each way to match it. Whom all words match is what the sets have in common; where
//! that is many, those are gone through first who match best ([`Question::ways`]), until nobody left can be better than who
//! was found. So the answer is what looking at everybody would give, and the first ten of a longer answer are the answer of
//! ten. [`LOOKED_AT`] bounds the work, whatever is typed.

use std::cell::OnceCell;
use std::cmp::Reverse;
use std::collections::BTreeSet;

use text::Spellings;

use crate::asked::{Asked, TERMS_MAX};
use crate::crowd::Set;
use crate::lookup::{By, TOKENS_TOLD};
use crate::plan::{Level, Plan, Reach};
use crate::register::Register;

/// People who are looked at for one question, at most.
const LOOKED_AT: usize = 20_000;
/// So many people are looked at without asking first who of them may match best.
const AT_ONCE: usize = 64;
/// Words that can match together in more ways than this are not asked which is best.
const WAYS_MAX: usize = 1_024;
/// Where fewer than this match as typed, those who nearly match are looked for.
const FEW: usize = 5;

/// How a word matched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum How {
    /// The name, in whichever spelling.
    Name,
    /// The beginning of the name.
    NameBegun,
    /// A name that sounds alike or is one or two letters off.
    NameNear,
    /// The year of birth, by itself or by age.
    Year,
    /// One year off.
    YearNear,
    /// The date of birth.
    Born,
    /// The number.
    Number,
    /// The beginning of the number.
    NumberBegun,
    /// A citizen number one slip away.
    NumberNear,
    /// The gewog.
    Gewog,
    /// The dzongkhag.
    Dzongkhag,
    /// The beginning of a place's name.
    PlaceBegun,
}

impl How {
    /// How well that matches, in hundredths.
    pub(crate) fn worth(self) -> u32 {
        match self {
            How::Name | How::Year | How::Born | How::Number | How::Gewog | How::Dzongkhag => 100,
            How::NameBegun | How::NumberBegun => 80,
            How::PlaceBegun => 70,
            How::NameNear | How::NumberNear => 50,
            How::YearNear => 40,
        }
    }

    /// Whether it is a name that matched.
    pub(crate) fn is_of_name(self) -> bool {
        matches!(self, How::Name | How::NameBegun | How::NameNear)
    }

    /// Its name in answers.
    pub fn code(self) -> &'static str {
        match self {
            How::Name => "name",
            How::NameBegun => "name-beginning",
            How::NameNear => "name-near",
            How::Year => "birth-year",
            How::YearNear => "birth-year-near",
            How::Born => "birth-date",
            How::Number => "number",
            How::NumberBegun => "number-beginning",
            How::NumberNear => "number-near",
            How::Gewog => "gewog",
            How::Dzongkhag => "dzongkhag",
            How::PlaceBegun => "place-beginning",
        }
    }
}

/// How one word matched somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match {
    /// How.
    pub how: How,
    /// Of a name, the token of it that matched.
    pub token: Option<String>,
}

/// Somebody found.
#[derive(Clone, Debug)]
pub struct Sighting {
    /// The record's id.
    pub id: String,
    /// How well all that was typed matches, above 0 and at most 1.
    pub score: f64,
    /// Of each word how it matched; `None` for one that did not.
    pub matches: Vec<Option<Match>>,
}

/// The score of what matches as well as anything can: 100 hundredths of every word, and the whole of a name.
const WORDS_WORTH: u32 = 1_000;
const WHOLE_NAME_WORTH: u32 = 50;

impl Register {
    /// Those whom what was typed may mean, the best first, at most `most`; equals in the order they were registered.
    /// At most [`LOOKED_AT`] people are looked at.
    pub fn find(&self, asked: &Asked, names: &Spellings, most: usize) -> Vec<Sighting> {
        self.search(asked, names, most, LOOKED_AT).sightings(most)
    }

    /// As [`Register::find`]; `None` where that would take looking at more than so many people.
    pub fn find_within(
        &self,
        asked: &Asked,
        names: &Spellings,
        most: usize,
        looked_at: usize,
    ) -> Option<Vec<Sighting>> {
        let found = self.search(asked, names, most, looked_at);
        (looked_at >= LOOKED_AT || found.left > 0).then(|| found.sightings(most))
    }

    fn search(&self, asked: &Asked, names: &Spellings, most: usize, looked_at: usize) -> Search<'_> {
        // Whether to look further does not depend on how many are wanted: pages are parts of one answer.
        let search = |reach: Reach| Search {
            question: Question::new(self, asked, names, reach),
            best: Best::new(most.max(FEW)),
            left: looked_at,
        };
        let mut found = search(Reach::AsTyped);
        if asked.terms.is_empty() || most == 0 {
            return found;
        }
        found.all_words();
        if found.best.len() < FEW && found.left > 0 {
            found = search(match asked.terms.len() {
                1 => Reach::Near,
                _ => Reach::NearWithOthers,
            });
            found.all_words();
        }
        if found.best.len() == 0 && asked.terms.len() > 1 {
            found.all_but_one();
        }
        found
    }
}

/// A word of the question and the people it means.
struct Word<'r> {
    plan: Plan,
    levels: Vec<Level<'r>>,
}

impl Word<'_> {
    /// How many people it means, at most.
    fn size(&self) -> usize {
        self.levels.iter().map(|level| level.size).sum()
    }
}

/// What is asked.
struct Question<'r> {
    register: &'r Register,
    words: Vec<Word<'r>>,
    /// The people whose names have so many tokens, as far as they were asked for; the last has those of more.
    of_tokens: [OnceCell<Set<'r>>; TOKENS_TOLD + 1],
}

/// One way in which words may match together.
struct Way<'a, 'r> {
    /// The most that anybody can score by it.
    bound: u32,
    /// How each word matches in this way, where it may otherwise.
    parts: Vec<&'a Level<'r>>,
    /// How many tokens their names have, where that counts.
    tokens: Option<usize>,
}

impl<'r> Question<'r> {
    fn new(register: &'r Register, asked: &Asked, names: &Spellings, reach: Reach) -> Question<'r> {
        let word = |term| {
            let plan = Plan::of(register, term, names, reach);
            let levels = plan.levels(register.lookup());
            Word { plan, levels }
        };
        let words = asked.terms.iter().map(word).collect();
        Question {
            register,
            words,
            of_tokens: Default::default(),
        }
    }

    fn of_tokens(&self, count: usize) -> &Set<'r> {
        let listed = || self.register.lookup().listed(By::Tokens(count)).set();
        self.of_tokens[count].get_or_init(listed)
    }

    /// Those whom some of the words match, and where they are few perhaps others.
    fn common(&self, of: &[usize]) -> Set<'_> {
        let mut words: Vec<&Word<'_>> = of.iter().map(|at| &self.words[*at]).collect();
        words.sort_by_cached_key(|word| word.size());
        let mut common: Option<Set<'_>> = None;
        for word in words {
            common = Some(match common {
                None => Level::everybody(&word.levels),
                // Looking at them is less work than putting more sets together.
                Some(common) if common.is_at_most(AT_ONCE) => return common,
                Some(common) => common.and(&Level::everybody(&word.levels)).thinned(),
            });
        }
        common.unwrap_or_default()
    }

    /// The ways in which some of the words may match together, that of the best score first: each word by one of its
    /// levels, and where one is of a name, how much of the whole name that is. `None` where they are too many.
    fn ways(&self, of: &[usize]) -> Option<Vec<Way<'_, 'r>>> {
        let words: Vec<&Word<'r>> = of.iter().map(|at| &self.words[*at]).collect();
        let count = words
            .iter()
            .map(|word| word.levels.len())
            .try_fold(1, usize::checked_mul)?;
        if count > WAYS_MAX / TOKENS_TOLD {
            return None;
        }
        let mut ways = Vec::with_capacity(count);
        for mut number in 0..count {
            let (mut worth, mut names, mut parts) = (0, 0, Vec::new());
            for word in &words {
                let levels = &word.levels;
                let level = &levels[number % levels.len()];
                number /= levels.len();
                worth += level.how.worth();
                names += u32::from(level.how.is_of_name());
                parts.extend((levels.len() > 1).then_some(level));
            }
            let mut add = |tokens: Option<usize>| {
                let whole = tokens.map_or(0, |tokens| whole(names, tokens as u32));
                let bound = self.worth(worth) + whole;
                ways.push(Way {
                    bound,
                    parts: parts.clone(),
                    tokens,
                });
            };
            match names {
                0 => add(None),
                _ => (1..=TOKENS_TOLD).for_each(|tokens| add(Some(tokens))),
            }
        }
        ways.sort_by_key(|way| Reverse(way.bound));
        Some(ways)
    }

    /// What so many hundredths of words are worth.
    fn worth(&self, hundredths: u32) -> u32 {
        hundredths * WORDS_WORTH / (100 * self.words.len() as u32)
    }

    /// The score of somebody; `None` where more than so many words do not match.
    fn score(&self, person: u32, missing: usize) -> Option<u32> {
        let lookup = self.register.lookup();
        let told = lookup.told(person);
        let mut used = Used::default();
        let (mut worth, mut missed) = (0, 0);
        for word in &self.words {
            match word.plan.matches(lookup.dictionary(), (person, &told), used.tokens()) {
                Some((how, token)) => {
                    worth += how.worth();
                    used.add(token);
                }
                None if missed < missing => missed += 1,
                None => return None,
            }
        }
        Some(self.worth(worth) + whole(used.count as u32, told.names.len() as u32))
    }

    fn sighting(&self, score: u32, person: u32) -> Option<Sighting> {
        let lookup = self.register.lookup();
        let (dictionary, told) = (lookup.dictionary(), lookup.told(person));
        let mut used = Used::default();
        let matches = self.words.iter().map(|word| {
            let (how, token) = word.plan.matches(dictionary, (person, &told), used.tokens())?;
            used.add(token);
            let token = token.map(|token| dictionary.token(token).word.to_string());
            Some(Match { how, token })
        });
        let matches = matches.collect();
        Some(Sighting {
            id: self.register.id_of(person)?,
            score: f64::from(score) / f64::from(WORDS_WORTH + WHOLE_NAME_WORTH),
            matches,
        })
    }
}

/// What it is worth that so many tokens of a name of so many matched.
fn whole(matched: u32, tokens: u32) -> u32 {
    (WHOLE_NAME_WORTH * matched / tokens.max(1)).min(WHOLE_NAME_WORTH)
}

/// A question under way.
struct Search<'r> {
    question: Question<'r>,
    best: Best,
    /// People who may still be looked at.
    left: usize,
}

impl Search<'_> {
    /// Those whom all words match.
    fn all_words(&mut self) {
        let all: Vec<usize> = (0..self.question.words.len()).collect();
        self.look(&all, 0);
    }

    /// Those whom all words but one match.
    fn all_but_one(&mut self) {
        let words = self.question.words.len();
        for without in 0..words {
            let others: Vec<usize> = (0..words).filter(|at| *at != without).collect();
            self.look(&others, 1);
        }
    }

    fn sightings(&self, most: usize) -> Vec<Sighting> {
        let best = self.best.in_order().into_iter().take(most);
        best.filter_map(|(score, person)| self.question.sighting(score, person))
            .collect()
    }

    /// Looks at those whom some words match, where so many words may be missing; where they are many, at those first who may
    /// match best.
    fn look(&mut self, of: &[usize], missing: usize) {
        let Search { question, best, left } = self;
        let common = question.common(of);
        let ways = (!common.is_at_most(AT_ONCE)).then(|| question.ways(of)).flatten();
        let ways = ways.unwrap_or_else(|| {
            vec![Way {
                bound: u32::MAX,
                parts: Vec::new(),
                tokens: None,
            }]
        });
        for way in ways {
            if *left == 0 || best.least().is_some_and(|(least, _)| way.bound < least) {
                break;
            }
            let tokens = way.tokens.map(|count| question.of_tokens(count));
            let mut people = common.borrowed();
            for part in way.parts.iter().map(|level| level.people()).chain(tokens) {
                people = people.and(part);
            }
            people.each(&mut |person| {
                // Of equals the first registered is the best, and people come in that order.
                let better = best.least().is_none_or(|least| (way.bound, Reverse(person)) > least);
                if !better || *left == 0 {
                    return false;
                }
                *left -= 1;
                if question.register.lives(person)
                    && let Some(score) = question.score(person, missing)
                {
                    best.offer(score, person);
                }
                true
            });
        }
    }
}

/// Tokens of somebody's names that words were matched by.
#[derive(Default)]
struct Used {
    tokens: [u32; TERMS_MAX],
    count: usize,
}

impl Used {
    fn tokens(&self) -> &[u32] {
        &self.tokens[..self.count]
    }

    fn add(&mut self, token: Option<u32>) {
        if let Some(token) = token {
            self.tokens[self.count] = token;
            self.count += 1;
        }
    }
}

/// The best so far: the score and the person's number.
struct Best {
    found: BTreeSet<(u32, Reverse<u32>)>,
    most: usize,
}

impl Best {
    fn new(most: usize) -> Best {
        Best {
            found: BTreeSet::new(),
            most,
        }
    }

    fn len(&self) -> usize {
        self.found.len()
    }

    /// The least of the best, where there is no room for more.
    fn least(&self) -> Option<(u32, Reverse<u32>)> {
        let full = self.found.len() >= self.most;
        self.found.first().copied().filter(|_| full)
    }

    /// Takes somebody in, where she is among the best.
    fn offer(&mut self, score: u32, person: u32) {
        self.found.insert((score, Reverse(person)));
        if self.found.len() > self.most {
            self.found.pop_first();
        }
    }

    fn in_order(&self) -> Vec<(u32, u32)> {
        let best = self.found.iter().rev();
        best.map(|(score, Reverse(person))| (*score, *person)).collect()
    }
}

#[cfg(test)]
mod tests;
