//! Finds people by what somebody typed, while she types: all words matched first, then nearly, then all but one.
//!
//! Every word has a list of people for each of its meanings. The shortest lists are gone through, and of each person on
//! them the other words are asked. The work is bounded by [`LOOKED_AT`], whatever is typed.

use rustc_hash::{FxHashMap, FxHashSet};
use text::Spellings;

use crate::asked::{Asked, Meaning, Term};
use crate::birth::Birth;
use crate::keys;
use crate::lookup::{LETTERS, Lookup, letter_bits, letters};
use crate::person::Person;
use crate::register::Register;
use crate::sound::{edits, sound};

/// People who are looked at for one question, at most.
const LOOKED_AT: usize = 20_000;
/// Where the page is full of people whom all words match, looking stops after so many: more would only be ranked otherwise.
const ENOUGH: usize = 2_000;
/// Where fewer than this match as typed, those who nearly match are looked for.
const FEW: usize = 5;
/// People whose number begins as was typed, at most.
const BY_NUMBER: usize = 2_000;
/// Fewer letters and digits begin too many numbers.
const NUMBER_MIN: usize = 3;
/// Digits of citizen and telephone numbers.
const CITIZEN_DIGITS: usize = 11;
const TELEPHONE_DIGITS: usize = 8;

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
    fn worth(self) -> u32 {
        match self {
            How::Name | How::Year | How::Born | How::Number | How::Gewog | How::Dzongkhag => 100,
            How::NameBegun | How::NumberBegun => 80,
            How::PlaceBegun => 70,
            How::NameNear | How::NumberNear => 50,
            How::YearNear => 40,
        }
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
    pub fn find(&self, asked: &Asked, names: &Spellings, most: usize) -> Vec<Sighting> {
        if asked.terms.is_empty() || most == 0 {
            return Vec::new();
        }
        let mut search = Search {
            register: self,
            plans: asked
                .terms
                .iter()
                .map(|term| Plan::of(self, term, names, Reach::AsTyped))
                .collect(),
            best: Best::new(most),
            left: LOOKED_AT,
        };
        search.all_words();
        if search.best.found.len() < most.min(FEW) {
            let reach = match asked.terms.len() {
                1 => Reach::Near,
                _ => Reach::NearWithOthers,
            };
            for (plan, term) in search.plans.iter_mut().zip(&asked.terms) {
                *plan = Plan::of(self, term, names, reach);
            }
            search.left = LOOKED_AT;
            search.all_words();
        }
        if search.best.found.is_empty() && asked.terms.len() > 1 {
            search.all_but_one();
        }
        search.sightings()
    }
}

/// How far a word reaches.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// As it was typed.
    AsTyped,
    /// Also what is nearly that.
    Near,
    /// Also what is nearly that, and so for a citizen number that somebody has: other words tell who is meant.
    NearWithOthers,
}

/// What one word asks, ready to be compared.
#[derive(Default)]
struct Plan {
    /// Tokens of names, by number.
    names: FxHashMap<u32, How>,
    years: Vec<(u16, How)>,
    born: Option<Birth>,
    gewogs: Vec<(u16, How)>,
    /// People by their numbers.
    numbers: FxHashMap<u32, How>,
    /// How many people it lists.
    size: usize,
}

impl Plan {
    fn of(register: &Register, term: &Term, names: &Spellings, reach: Reach) -> Plan {
        let near = reach != Reach::AsTyped;
        let lookup = register.lookup();
        let mut plan = Plan::default();
        for meaning in &term.meanings {
            match meaning {
                Meaning::Name { typed, name } => plan.name(lookup, typed, name, names, near),
                Meaning::Years(years) => {
                    let (from, to) = (*years.start(), *years.end());
                    let small = |year: u32| u16::try_from(year).unwrap_or(0);
                    plan.years.extend((from..=to).map(|year| (small(year), How::Year)));
                    if near {
                        plan.years.push((small(from.saturating_sub(1)), How::YearNear));
                        plan.years.push((small(to + 1), How::YearNear));
                    }
                }
                Meaning::Born(birth) => plan.born = Some(*birth),
                Meaning::Number(number) => plan.number(register, number, reach),
                Meaning::Places { numbers, begun } => plan.places(lookup, numbers, *begun),
            }
        }
        plan.size = plan.lists(lookup).map(|(_, list)| list.len()).sum::<usize>() + plan.numbers.len();
        plan
    }

    fn name(&mut self, lookup: &Lookup, typed: &str, name: &str, names: &Spellings, near: bool) {
        let mut add = |number: u32, how: How| {
            let known = self.names.entry(number).or_insert(how);
            *known = (*known).min(how);
        };
        lookup.beginning(name).for_each(|(number, token)| {
            add(
                number,
                if *token.word == *name {
                    How::Name
                } else {
                    How::NameBegun
                },
            )
        });
        if typed != name {
            lookup
                .beginning(typed)
                .for_each(|(number, _)| add(number, How::NameBegun));
        }
        for (_, of) in names
            .each()
            .filter(|(spelling, name)| !name.is_empty() && spelling.starts_with(typed))
        {
            let exact = lookup.beginning(of).find(|(_, token)| *token.word == *of);
            exact.iter().for_each(|(number, _)| add(*number, How::NameBegun));
        }
        if near {
            let sounds = keys::hash("sound", &[&sound(name)]) as u32;
            let (bits, length) = (letter_bits(name), name.chars().count());
            let allowed = match length {
                0..4 => 0,
                4..8 => 1,
                _ => 2,
            };
            // What sounds alike is still written much the same: `zzzzqqq` is no way to write Zeko.
            let sounding = length.div_ceil(2);
            for (number, token) in lookup.tokens() {
                // An edit changes two letters at most: one goes and one comes.
                let may_be = (token.letters ^ bits).count_ones() as usize <= 2 * allowed
                    && usize::from(token.length).abs_diff(length) <= allowed;
                let sounds_alike = token.sound == sounds && edits(name, &token.word, sounding) <= sounding;
                if sounds_alike || allowed > 0 && may_be && edits(name, &token.word, allowed) <= allowed {
                    add(number, How::NameNear);
                }
            }
        }
    }

    fn number(&mut self, register: &Register, number: &str, reach: Reach) {
        if number.len() < NUMBER_MIN {
            return;
        }
        let lookup = register.lookup();
        let digits = number.bytes().all(|b| b.is_ascii_digit());
        let mut add = |people: Vec<u32>, how: How| {
            for person in people {
                let known = self.numbers.entry(person).or_insert(how);
                *known = (*known).min(how);
            }
        };
        for (ordered, length) in [
            (&lookup.citizens, CITIZEN_DIGITS),
            (&lookup.telephones, TELEPHONE_DIGITS),
        ] {
            if !digits || number.len() > length {
                continue;
            }
            let missing = 10_u64.pow((length - number.len()) as u32);
            let from = number.parse::<u64>().unwrap_or(u64::MAX).saturating_mul(missing);
            let how = if missing == 1 { How::Number } else { How::NumberBegun };
            add(ordered.people(from..from.saturating_add(missing), BY_NUMBER), how);
        }
        let (code, count) = letters(number);
        if number.len() < LETTERS {
            add(lookup.identifiers.people(code..code + 1, BY_NUMBER), How::Number);
            add(
                lookup.identifiers.people(code..code + count, BY_NUMBER),
                How::NumberBegun,
            );
        } else {
            for person in lookup.identifiers.people(code..code + 1, BY_NUMBER) {
                let values = register.of_number(person).map(|(_, person)| person.identifiers);
                let plain = values.iter().flatten().map(|identifier| plain(&identifier.value));
                let begin: Vec<String> = plain.filter(|value| value.starts_with(number)).collect();
                match begin.iter().any(|value| *value == number) {
                    true => add(vec![person], How::Number),
                    false if begin.is_empty() => {}
                    false => add(vec![person], How::NumberBegun),
                }
            }
        }
        let near = reach == Reach::NearWithOthers || reach == Reach::Near && self.numbers.is_empty();
        let slipped = near && digits && number.len() == CITIZEN_DIGITS;
        if let Some(number) = number.parse().ok().filter(|_| slipped) {
            for other in keys::mistyped(number) {
                let people = lookup.citizens.people(other..other + 1, BY_NUMBER);
                for person in people {
                    self.numbers.entry(person).or_insert(How::NumberNear);
                }
            }
        }
    }

    fn places(&mut self, lookup: &Lookup, numbers: &[u32], begun: bool) {
        for number in numbers {
            let how = |how: How| if begun { How::PlaceBegun } else { how };
            match *number {
                dzongkhag @ 0..100 => self
                    .gewogs
                    .extend(lookup.gewogs_of(dzongkhag).map(|gewog| (gewog, how(How::Dzongkhag)))),
                gewog => self.gewogs.push((gewog as u16, how(How::Gewog))),
            }
        }
    }

    /// The lists of people, those of the best matches first, but for the people by numbers.
    fn lists<'l>(&'l self, lookup: &'l Lookup) -> impl Iterator<Item = (How, &'l [u32])> {
        let names = self
            .names
            .iter()
            .map(|(number, how)| (*how, lookup.token(*number).people.as_slice()));
        let years = self.years.iter().map(|(year, how)| (*how, lookup.of_year(*year)));
        let born = self
            .born
            .iter()
            .map(|birth| (How::Born, lookup.of_year(birth.year as u16)));
        let gewogs = self.gewogs.iter().map(|(gewog, how)| (*how, lookup.of_gewog(*gewog)));
        names.chain(years).chain(born).chain(gewogs)
    }
}

/// A question under way.
struct Search<'r> {
    register: &'r Register,
    plans: Vec<Plan>,
    best: Best,
    /// People who may still be looked at.
    left: usize,
}

impl Search<'_> {
    /// Those whom all words match.
    fn all_words(&mut self) {
        let lead = (0..self.plans.len()).min_by_key(|at| self.plans[*at].size);
        self.scan(lead.unwrap_or(0), 0);
    }

    /// Those whom all words but one match: led by the two words with the fewest people, of which one must match.
    fn all_but_one(&mut self) {
        let mut places: Vec<usize> = (0..self.plans.len()).collect();
        places.sort_by_key(|at| self.plans[*at].size);
        for lead in places.into_iter().take(2) {
            self.left = LOOKED_AT / 2;
            self.scan(lead, 1);
        }
    }

    /// Goes through the people of one word, the best matches first, and asks the other words of each.
    fn scan(&mut self, lead: usize, missing: usize) {
        let lookup = self.register.lookup();
        let plan = &self.plans[lead];
        let mut lists: Vec<(How, &[u32])> = plan.lists(lookup).collect();
        let numbers: Vec<u32> = plan.numbers.keys().copied().collect();
        lists.push((How::Number, &numbers));
        lists.sort_by_key(|(how, list)| (std::cmp::Reverse(how.worth()), *how, std::cmp::Reverse(list.len())));
        for (_, list) in lists {
            for person in list.iter().copied().filter(|person| self.register.lives(*person)) {
                if self.left == 0 {
                    return;
                }
                self.left -= 1;
                if let Some(score) = self.score(person, missing) {
                    self.best.offer(score, person);
                    let enough = LOOKED_AT - self.left >= ENOUGH && missing == 0 && self.best.is_full();
                    if enough || self.best.is_perfect() {
                        return;
                    }
                }
            }
        }
    }

    /// The score of somebody; `None` where more than so many words do not match.
    fn score(&self, person: u32, missing: usize) -> Option<u32> {
        let mut used = Used::default();
        let (mut worth, mut missed) = (0, 0);
        for plan in &self.plans {
            match self.word(plan, person, &mut used) {
                Some((how, _)) => worth += how.worth(),
                None if missed < missing => missed += 1,
                None => return None,
            }
        }
        let words = worth * WORDS_WORTH / (100 * self.plans.len() as u32);
        let names = self.register.lookup().names(person).len() as u32;
        let whole = WHOLE_NAME_WORTH * used.count / names.max(1);
        Some(words + whole.min(WHOLE_NAME_WORTH))
    }

    /// How one word matches somebody best, and by which token of her names. A token is of one word alone.
    fn word(&self, plan: &Plan, person: u32, used: &mut Used) -> Option<(How, Option<u32>)> {
        let lookup = self.register.lookup();
        let facts = lookup.facts(person);
        let mut best: Option<(How, Option<u32>)> = None;
        let mut offer = |how: How, token: Option<u32>| {
            if best.is_none_or(|(known, _)| how.worth() > known.worth()) {
                best = Some((how, token));
            }
        };
        if !plan.names.is_empty() {
            let free = lookup.names(person).iter().filter(|token| !used.tokens.contains(token));
            free.for_each(|token| plan.names.get(token).iter().for_each(|how| offer(**how, Some(*token))));
        }
        let year = plan
            .years
            .iter()
            .find(|(year, _)| *year == facts.year && facts.year > 0);
        year.iter().for_each(|(_, how)| offer(*how, None));
        if plan.born.is_some_and(|birth| is_born(birth, facts.year, facts.day)) {
            offer(How::Born, None);
        }
        let gewog = plan.gewogs.iter().find(|(gewog, _)| *gewog == facts.gewog);
        gewog.iter().for_each(|(_, how)| offer(*how, None));
        plan.numbers.get(&person).iter().for_each(|how| offer(**how, None));
        if let Some((_, Some(token))) = best {
            used.tokens[used.count as usize % used.tokens.len()] = token;
            used.count += 1;
        }
        best
    }

    fn sightings(self) -> Vec<Sighting> {
        let best = WORDS_WORTH + WHOLE_NAME_WORTH;
        let mut found: Vec<(u32, u32)> = self.best.found.iter().copied().collect();
        found.sort_by_key(|(score, person)| (std::cmp::Reverse(*score), *person));
        let sighting = |(score, person): (u32, u32)| {
            let mut used = Used::default();
            let matches = self.plans.iter().map(|plan| {
                let (how, token) = self.word(plan, person, &mut used)?;
                let token = token.map(|token| self.register.lookup().token(token).word.to_string());
                Some(Match { how, token })
            });
            let matches = matches.collect();
            let (id, _): (String, Person) = self.register.of_number(person)?;
            Some(Sighting {
                id,
                score: f64::from(score) / f64::from(best),
                matches,
            })
        };
        found.into_iter().filter_map(sighting).collect()
    }
}

/// Tokens of somebody's names that words were matched by.
struct Used {
    tokens: [u32; crate::asked::TERMS_MAX],
    count: u32,
}

impl Default for Used {
    fn default() -> Used {
        Used {
            tokens: [u32::MAX; crate::asked::TERMS_MAX],
            count: 0,
        }
    }
}

fn is_born(birth: Birth, year: u16, day: u16) -> bool {
    let whole = (birth.month * 32 + birth.day) as u16;
    u32::from(year) == birth.year && (day == whole || birth.day == 0 && u32::from(day) / 32 == birth.month)
}

/// A number as it is typed: letters and digits alone, in lower case.
fn plain(value: &str) -> String {
    let plain = value.chars().filter(char::is_ascii_alphanumeric);
    plain.map(|c| c.to_ascii_lowercase()).collect()
}

/// The best so far: the score and the person's number.
struct Best {
    found: std::collections::BTreeSet<(u32, u32)>,
    seen: FxHashSet<u32>,
    most: usize,
}

impl Best {
    fn new(most: usize) -> Best {
        Best {
            found: std::collections::BTreeSet::new(),
            seen: FxHashSet::default(),
            most,
        }
    }

    /// Takes somebody in, where she is among the best. Of equals who came first stays.
    fn offer(&mut self, score: u32, person: u32) {
        let full = self.is_full();
        let least = self.found.first().map_or(0, |(least, _)| *least);
        if full && score <= least || !self.seen.insert(person) {
            return;
        }
        self.found.insert((score, person));
        if full {
            // Of the least, the one who was registered last goes.
            let last = self.found.range(..(least + 1, 0)).next_back().copied();
            last.iter().for_each(|last| {
                self.found.remove(last);
            });
        }
    }

    fn is_full(&self) -> bool {
        self.found.len() >= self.most
    }

    /// Whether nobody can be better than the least of them.
    fn is_perfect(&self) -> bool {
        let least = self.found.first().map_or(0, |(least, _)| *least);
        self.is_full() && least >= WORDS_WORTH + WHOLE_NAME_WORTH
    }
}

#[cfg(test)]
mod tests;
