//! What one word of a question asks, ready to be compared: the sets of people it means, and how it matches one of them.

use std::cell::OnceCell;
use std::cmp::Reverse;

use text::Spellings;

use crate::asked::{Meaning, Term};
use crate::birth::Birth;
use crate::crowd::Set;
use crate::dictionary::Dictionary;
use crate::find::How;
use crate::keys;
use crate::lookup::{By, LETTERS, Listed, Lookup, Numbered, Told, letters};
use crate::register::Register;
use crate::sound::{edits, letter_bits};

/// People whose number begins as was typed, at most.
const BY_NUMBER: usize = 2_000;
/// Fewer letters and digits begin too many numbers.
const NUMBER_MIN: usize = 3;
/// Digits of citizen and telephone numbers.
const CITIZEN_DIGITS: usize = 11;
const TELEPHONE_DIGITS: usize = 8;

/// How far a word reaches.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// As it was typed.
    AsTyped,
    /// Also what is nearly that.
    Near,
    /// Also what is nearly that, and so for a citizen number that somebody has: other words tell who is meant.
    NearWithOthers,
}

/// The people whom a word matches in one way.
pub(crate) struct Level<'r> {
    pub how: How,
    /// How many they are, at most.
    pub size: usize,
    /// Together they are the people.
    parts: Vec<Part<'r>>,
    people: OnceCell<Set<'r>>,
}

/// Some of the people of a level; they may not be read yet.
enum Part<'r> {
    Listed(Listed<'r>),
    People(Set<'r>),
}

impl<'r> Part<'r> {
    fn set(&self) -> Set<'r> {
        match self {
            Part::Listed(listed) => listed.set(),
            Part::People(set) => set.clone(),
        }
    }
}

impl<'r> Level<'r> {
    /// They.
    pub fn people(&self) -> &Set<'r> {
        self.people.get_or_init(|| {
            let sets: Vec<Set<'r>> = self.parts.iter().map(Part::set).collect();
            Set::any(&sets)
        })
    }

    /// The people of some levels.
    pub fn everybody<'l>(levels: &'l [Level<'r>]) -> Set<'l> {
        let sets: Vec<Set<'l>> = levels.iter().map(|level| level.people().borrowed()).collect();
        Set::any(&sets)
    }
}

/// What one word asks.
#[derive(Default)]
pub(crate) struct Plan {
    name: Option<Name>,
    years: Vec<(u16, How)>,
    born: Option<Birth>,
    places: Vec<(u32, How)>,
    /// People by their numbers, the best matches first.
    numbers: Vec<(How, Set<'static>)>,
}

/// A name that is asked for.
struct Name {
    /// The token that it is.
    whole: Option<u32>,
    /// What tokens may begin with.
    beginnings: Vec<String>,
    /// Tokens of which another spelling begins as was typed.
    spelled: Vec<u32>,
    /// Tokens that sound alike or are a letter or two off, ascending.
    near: Vec<u32>,
}

impl Plan {
    pub fn of(register: &Register, term: &Term, names: &Spellings, reach: Reach) -> Plan {
        let near = reach != Reach::AsTyped;
        let mut plan = Plan::default();
        for meaning in &term.meanings {
            match meaning {
                Meaning::Name { typed, name } => plan.name = Some(Name::of(register, typed, name, names, near)),
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
                Meaning::Number(number) => plan.numbers.extend(by_number(register, number, reach)),
                Meaning::Places { numbers, begun } => {
                    let how = |number: u32| match (*begun, number) {
                        (true, _) => How::PlaceBegun,
                        (false, 0..100) => How::Dzongkhag,
                        (false, _) => How::Gewog,
                    };
                    plan.places.extend(numbers.iter().map(|number| (*number, how(*number))));
                }
            }
        }
        plan
    }

    /// The people it means, those of the best matches first.
    pub fn levels<'r>(&self, lookup: &'r Lookup) -> Vec<Level<'r>> {
        let mut kept: Vec<(How, By)> = Vec::new();
        if let Some(name) = &self.name {
            name.kept_by(lookup.dictionary(), &mut kept);
        }
        kept.extend(self.years.iter().map(|(year, how)| (*how, By::Year(*year))));
        if let Some(birth) = self.born {
            kept.extend(days(birth).map(|day| (How::Born, By::Day(birth.year as u16, day))));
        }
        kept.extend(self.places.iter().map(|(number, how)| match *number {
            dzongkhag @ 0..100 => (*how, By::Dzongkhag(dzongkhag)),
            gewog => (*how, By::Gewog(gewog as u16)),
        }));
        let listed = kept.into_iter().map(|(how, by)| {
            let listed = lookup.listed(by);
            (how, listed.len(), Part::Listed(listed))
        });
        let numbers = self
            .numbers
            .iter()
            .map(|(how, people)| (*how, people.count(), Part::People(people.clone())));
        let mut parts: Vec<(How, usize, Part<'r>)> = listed.chain(numbers).collect();
        parts.sort_by_key(|(how, ..)| (Reverse(how.worth()), *how));
        let mut levels: Vec<Level<'r>> = Vec::new();
        for (how, size, part) in parts {
            match levels.last_mut().filter(|level| level.how == how) {
                Some(level) => {
                    level.size += size;
                    level.parts.push(part);
                }
                None => levels.push(Level {
                    how,
                    size,
                    parts: vec![part],
                    people: OnceCell::new(),
                }),
            }
        }
        levels
    }

    /// How it matches somebody best, and by which token of her names; tokens in `used` are those of other words.
    pub fn matches(
        &self,
        dictionary: &Dictionary,
        (person, told): (u32, &Told<'_>),
        used: &[u32],
    ) -> Option<(How, Option<u32>)> {
        let facts = told.facts;
        let mut best: Option<(How, Option<u32>)> = None;
        let mut offer = |how: How, token: Option<u32>| {
            if best.is_none_or(|(known, _)| how.worth() > known.worth()) {
                best = Some((how, token));
            }
        };
        if let Some(name) = &self.name {
            let free = told.names.iter().filter(|token| !used.contains(token));
            free.for_each(|token| {
                name.matches(dictionary, *token)
                    .iter()
                    .for_each(|how| offer(*how, Some(*token)))
            });
        }
        let mut years = self.years.iter();
        let year = years.find(|(year, _)| *year == facts.year && facts.year > 0);
        year.iter().for_each(|(_, how)| offer(*how, None));
        if self.born.is_some_and(|birth| is_born(birth, facts.year, facts.day)) {
            offer(How::Born, None);
        }
        let gewog = u32::from(facts.gewog);
        let mut places = self.places.iter();
        let place = places.find(|(number, _)| *number == gewog || *number == gewog / 100);
        place.iter().for_each(|(_, how)| offer(*how, None));
        let numbers = self.numbers.iter().filter(|(_, people)| people.has(person));
        numbers.for_each(|(how, _)| offer(*how, None));
        best
    }
}

impl Name {
    fn of(register: &Register, typed: &str, name: &str, names: &Spellings, near: bool) -> Name {
        let mut beginnings = vec![name.to_owned()];
        beginnings.extend((typed != name).then(|| typed.to_owned()));
        let begin = names
            .each()
            .filter(|(spelling, name)| !name.is_empty() && spelling.starts_with(typed));
        let mut spelled: Vec<u32> = begin.filter_map(|(_, name)| register.token(name)).collect();
        spelled.sort_unstable();
        spelled.dedup();
        Name {
            whole: register.token(name),
            beginnings,
            spelled,
            near: if near {
                nearly(register.lookup().dictionary(), name)
            } else {
                Vec::new()
            },
        }
    }

    /// What the people are kept by who have such a token.
    fn kept_by(&self, dictionary: &Dictionary, kept: &mut Vec<(How, By)>) {
        let token = |how: How| move |token: &u32| (how, By::Token(*token));
        kept.extend(self.whole.iter().map(token(How::Name)));
        for text in &self.beginnings {
            dictionary.beginning(text, &mut |by| kept.push((How::NameBegun, by)));
        }
        kept.extend(self.spelled.iter().map(token(How::NameBegun)));
        kept.extend(self.near.iter().map(token(How::NameNear)));
    }

    /// How it matches a token.
    fn matches(&self, dictionary: &Dictionary, token: u32) -> Option<How> {
        if self.whole == Some(token) {
            return Some(How::Name);
        }
        let word = &dictionary.token(token).word;
        let begins = self
            .beginnings
            .iter()
            .any(|beginning| word.starts_with(beginning.as_str()));
        if begins || self.spelled.contains(&token) {
            return Some(How::NameBegun);
        }
        self.near.binary_search(&token).ok().map(|_| How::NameNear)
    }
}

/// The tokens that sound like a name, or are written nearly so, ascending.
fn nearly(dictionary: &Dictionary, name: &str) -> Vec<u32> {
    let (bits, length) = (letter_bits(name), name.chars().count());
    let allowed = match length {
        0..4 => 0,
        4..8 => 1,
        _ => 2,
    };
    // What sounds alike is still written much the same: `zzzzqqq` is no way to write Zeko.
    let sounding = length.div_ceil(2);
    let written = |number: u32, most: usize| edits(name, &dictionary.token(number).word, most) <= most;
    let alike = dictionary.sounding(name).iter().copied();
    let mut near: Vec<u32> = alike.filter(|number| written(*number, sounding)).collect();
    if allowed > 0 {
        let shapes = dictionary.shapes().iter().zip(0..);
        // An edit changes two letters at most: one goes and one comes.
        let may_be = shapes.filter(|(shape, _)| {
            (shape.letters ^ bits).count_ones() as usize <= 2 * allowed
                && usize::from(shape.length).abs_diff(length) <= allowed
        });
        near.extend(
            may_be
                .map(|(_, number)| number)
                .filter(|number| written(*number, allowed)),
        );
    }
    near.sort_unstable();
    near.dedup();
    near
}

/// The days of a date as people are kept by them: one, or all of its month.
fn days(birth: Birth) -> impl Iterator<Item = u16> {
    let of = move |day: u32| (birth.month * 32 + day) as u16;
    let (from, to) = if birth.day == 0 {
        (0, 31)
    } else {
        (birth.day, birth.day)
    };
    (from..=to).map(of)
}

/// The people who have a number, or one that begins with it, or nearly have it.
fn by_number(register: &Register, number: &str, reach: Reach) -> Vec<(How, Set<'static>)> {
    if number.len() < NUMBER_MIN {
        return Vec::new();
    }
    let lookup = register.lookup();
    let digits = number.bytes().all(|b| b.is_ascii_digit());
    let (mut whole, mut begun, mut near) = (Vec::new(), Vec::new(), Vec::new());
    for (kind, length) in [
        (Numbered::Citizen, CITIZEN_DIGITS),
        (Numbered::Telephone, TELEPHONE_DIGITS),
    ] {
        if !digits || number.len() > length {
            continue;
        }
        let missing = 10_u64.pow((length - number.len()) as u32);
        let from = number.parse::<u64>().unwrap_or(u64::MAX).saturating_mul(missing);
        let people = if missing == 1 { &mut whole } else { &mut begun };
        people.extend(lookup.numbered(kind, from..from.saturating_add(missing), BY_NUMBER));
    }
    let (code, count) = letters(number);
    if number.len() < LETTERS {
        whole.extend(lookup.numbered(Numbered::Other, code..code + 1, BY_NUMBER));
        begun.extend(lookup.numbered(Numbered::Other, code..code + count, BY_NUMBER));
    } else {
        for person in lookup.numbered(Numbered::Other, code..code + 1, BY_NUMBER) {
            let values = register.of_number(person).map(|(_, person)| person.identifiers);
            let plain = values.iter().flatten().map(|identifier| plain(&identifier.value));
            let begin: Vec<String> = plain.filter(|value| value.starts_with(number)).collect();
            match begin.iter().any(|value| *value == number) {
                true => whole.push(person),
                false => begun.extend((!begin.is_empty()).then_some(person)),
            }
        }
    }
    let alone = whole.is_empty() && begun.is_empty();
    let slips = reach == Reach::NearWithOthers || reach == Reach::Near && alone;
    if slips && digits && number.len() == CITIZEN_DIGITS {
        let others = number.parse().into_iter().flat_map(keys::mistyped);
        near.extend(others.flat_map(|other| lookup.numbered(Numbered::Citizen, other..other + 1, BY_NUMBER)));
    }
    let all = [(How::Number, whole), (How::NumberBegun, begun), (How::NumberNear, near)];
    let some = all.into_iter().filter(|(_, people)| !people.is_empty());
    some.map(|(how, people)| (how, Set::of(people))).collect()
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
