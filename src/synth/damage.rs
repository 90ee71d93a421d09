//! How the second registration of a person differs from the first: one table of what goes wrong, and how often.
//!
//! Each row is tried on its own, so that one record may suffer several. The frequencies are chosen, not measured:
//! `docs/reference/synthetic-nation.md` lists them, and a report says with which it was made.

use crate::names::{Name, Names};
use crate::person::{Birth, Identifier};
use crate::places::Places;
use crate::random::Random;
use crate::registration::{Home, Registration};

/// What second registrations are damaged with.
pub struct Workshop<'a> {
    /// Spellings.
    pub names: &'a Names,
    /// Other places to have moved to.
    pub places: &'a Places,
    /// A telephone nobody had before.
    pub new_telephone: String,
    /// A number for those who come without papers.
    pub temporary: String,
}

type Hurt = fn(&mut Registration, &mut Random, &Workshop<'_>);

/// What goes wrong, of how many in a thousand, and how.
pub const DAMAGES: &[(&str, u64, Hurt)] = &[
    ("a part of the name in another spelling", 150, respell),
    (
        "a slip of the pen in the name: one letter more, less, other or swapped",
        100,
        slip_in_name,
    ),
    ("the parts of the name in another order", 30, reorder),
    ("one of two names left out", 40, leave_out_part),
    ("another name taken since", 10, rename),
    ("of the birth date only the year", 80, year_only),
    ("the first of January of the year of birth", 80, first_of_january),
    (
        "the year guessed, one or two off, with the first of January",
        40,
        guess_year,
    ),
    (
        "day and month swapped, where both can be months",
        20,
        swap_day_and_month,
    ),
    ("another day of the month", 30, other_day),
    ("the other sex", 3, other_sex),
    ("no citizen number", 200, no_citizen_number),
    (
        "a digit of the citizen number mistyped, or two swapped",
        40,
        mistype_citizen_number,
    ),
    ("the citizen number of the mother instead", 10, mothers_number),
    ("no health book, permit or other number", 400, no_other_numbers),
    ("no telephone", 150, no_telephone),
    ("a new telephone", 120, new_telephone),
    ("moved to another gewog", 80, move_house),
    ("no house and no chiwog", 200, no_house),
    ("no gewog either", 50, no_gewog),
    ("no mother", 250, no_mother),
    ("no father", 300, no_father),
    ("the name in Dzongkha left out", 500, no_dzongkha),
];

impl Registration {
    /// The same person as somebody else wrote her down.
    pub fn damaged(mut self, random: &mut Random, workshop: &Workshop<'_>) -> Registration {
        for (_, often, hurt) in DAMAGES {
            if random.in_thousand(*often) {
                hurt(&mut self, random, workshop);
            }
        }
        // The national profile asks for one number at least.
        if self.citizen_number.is_none() && self.identifiers.is_empty() {
            let value = workshop.temporary.clone();
            self.identifiers.push(Identifier {
                system: "temporary",
                value,
            });
        }
        self
    }
}

fn some_part<'a>(random: &mut Random, name: &'a mut Name) -> Option<&'a mut String> {
    let count = name.given.len() as u64;
    name.given.get_mut(random.below(count) as usize)
}

fn respell(it: &mut Registration, random: &mut Random, workshop: &Workshop<'_>) {
    if let Some(part) = some_part(random, &mut it.name) {
        *part = workshop.names.other_spelling(random, part);
    }
}

fn slip_in_name(it: &mut Registration, random: &mut Random, _workshop: &Workshop<'_>) {
    if let Some(part) = some_part(random, &mut it.name) {
        *part = slip(random, part);
    }
}

/// One letter more, less, other, or swapped with the next; the first stays, as slips there are seldom.
fn slip(random: &mut Random, word: &str) -> String {
    let mut letters: Vec<char> = word.chars().collect();
    if letters.len() < 3 {
        return word.to_owned();
    }
    let at = 1 + random.below(letters.len() as u64 - 1) as usize;
    let letter = char::from(b'a' + random.below(26) as u8);
    match random.below(4) {
        0 => letters.insert(at, letter),
        1 => {
            letters.remove(at);
        }
        2 => letters[at] = letter,
        _ => letters.swap(at, (at + 1).min(word.chars().count() - 1)),
    }
    letters.into_iter().collect()
}

fn reorder(it: &mut Registration, _random: &mut Random, _workshop: &Workshop<'_>) {
    it.name.given.reverse();
}

fn leave_out_part(it: &mut Registration, random: &mut Random, _workshop: &Workshop<'_>) {
    if it.name.given.len() > 1 {
        let at = random.below(it.name.given.len() as u64) as usize;
        it.name.given.remove(at);
    }
}

fn rename(it: &mut Registration, random: &mut Random, workshop: &Workshop<'_>) {
    if !it.is_unnamed() {
        it.name = workshop.names.draw(random, it.female);
    }
}

fn year_only(it: &mut Registration, _random: &mut Random, _workshop: &Workshop<'_>) {
    it.birth = it.birth.map(|birth| Birth { day: None, ..birth });
}

fn first_of_january(it: &mut Registration, _random: &mut Random, _workshop: &Workshop<'_>) {
    it.birth = it.birth.map(|birth| Birth {
        day: Some((1, 1)),
        ..birth
    });
}

fn guess_year(it: &mut Registration, random: &mut Random, _workshop: &Workshop<'_>) {
    // Of small children the age is known.
    it.birth = it.birth.map(|birth| match birth.year < 2015 {
        true => Birth {
            year: birth.year + *random.one_of(&[-2, -1, 1, 2]),
            day: Some((1, 1)),
        },
        false => birth,
    });
}

fn swap_day_and_month(it: &mut Registration, _random: &mut Random, _workshop: &Workshop<'_>) {
    if let Some(Birth {
        year,
        day: Some((month, day @ 1..=12)),
    }) = it.birth
    {
        it.birth = Some(Birth {
            year,
            day: Some((day, month)),
        });
    }
}

fn other_day(it: &mut Registration, random: &mut Random, _workshop: &Workshop<'_>) {
    if let Some(Birth {
        year,
        day: Some((month, _)),
    }) = it.birth
    {
        it.birth = Some(Birth {
            year,
            day: Some((month, random.between(1, 28))),
        });
    }
}

fn other_sex(it: &mut Registration, _random: &mut Random, _workshop: &Workshop<'_>) {
    it.female = !it.female;
}

fn no_citizen_number(it: &mut Registration, _random: &mut Random, _workshop: &Workshop<'_>) {
    it.citizen_number = None;
}

fn mistype_citizen_number(it: &mut Registration, random: &mut Random, _workshop: &Workshop<'_>) {
    let Some(number) = &mut it.citizen_number else {
        return;
    };
    let mut digits: Vec<u8> = number.bytes().collect();
    let at = 1 + random.below(digits.len() as u64 - 2) as usize;
    match random.in_thousand(300) {
        true => digits.swap(at, at + 1),
        false => digits[at] = b'0' + (digits[at] - b'0' + 1 + random.below(9) as u8) % 10,
    }
    *number = digits.into_iter().map(char::from).collect();
}

fn mothers_number(it: &mut Registration, _random: &mut Random, _workshop: &Workshop<'_>) {
    let young = it.birth.is_some_and(|birth| birth.year > 2010);
    if let Some(number) = it.mother.as_ref().and_then(|mother| mother.citizen_number.clone())
        && young
    {
        it.citizen_number = Some(number);
    }
}

fn no_other_numbers(it: &mut Registration, _random: &mut Random, _workshop: &Workshop<'_>) {
    it.identifiers.clear();
}

fn no_telephone(it: &mut Registration, _random: &mut Random, _workshop: &Workshop<'_>) {
    it.telephones.clear();
}

fn new_telephone(it: &mut Registration, _random: &mut Random, workshop: &Workshop<'_>) {
    it.telephones = vec![workshop.new_telephone.clone()];
}

fn move_house(it: &mut Registration, random: &mut Random, workshop: &Workshop<'_>) {
    let chiwog = random.below(workshop.places.chiwogs.len() as u64) as usize;
    it.home = Some(Home::at(workshop.places, chiwog, random.below(200)));
}

fn no_house(it: &mut Registration, _random: &mut Random, _workshop: &Workshop<'_>) {
    if let Some(home) = &mut it.home {
        (home.chiwog, home.house) = (None, None);
    }
}

fn no_gewog(it: &mut Registration, random: &mut Random, workshop: &Workshop<'_>) {
    no_house(it, random, workshop);
    if let Some(home) = &mut it.home {
        home.gewog = None;
    }
}

fn no_mother(it: &mut Registration, _random: &mut Random, _workshop: &Workshop<'_>) {
    // Without a name the mother is all that is known.
    if !it.is_unnamed() {
        it.mother = None;
    }
}

fn no_father(it: &mut Registration, _random: &mut Random, _workshop: &Workshop<'_>) {
    it.father = None;
}

fn no_dzongkha(it: &mut Registration, _random: &mut Random, _workshop: &Workshop<'_>) {
    it.dzongkha = None;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registration() -> Registration {
        Registration {
            name: Name {
                given: vec!["Sonam".into(), "Dorji".into()],
                family: None,
            },
            dzongkha: None,
            female: false,
            birth: Some(Birth {
                year: 1987,
                day: Some((4, 9)),
            }),
            citizen_number: Some("11404000581".into()),
            identifiers: Vec::new(),
            mother: None,
            father: None,
            birth_order: None,
            telephones: vec!["17123456".into()],
            home: None,
        }
    }

    #[test]
    fn damage_is_as_frequent_as_the_table_says_and_leaves_a_number() {
        let (names, places) = (Names::bhutan(), Places::bhutan());
        let workshop = Workshop {
            names: &names,
            places: &places,
            new_telephone: "77000001".into(),
            temporary: "T1".into(),
        };
        let mut random = Random::new(5, 5);
        let all: Vec<Registration> = (0..4_000)
            .map(|_| registration().damaged(&mut random, &workshop))
            .collect();
        let share = |of: &dyn Fn(&Registration) -> bool| all.iter().filter(|r| of(r)).count() * 1_000 / all.len();
        let without = share(&|r| r.citizen_number.is_none());
        let mistyped = share(&|r| r.citizen_number.as_deref().is_some_and(|n| n != "11404000581"));
        assert!(
            (175..225).contains(&without) && (20..45).contains(&mistyped),
            "{without}, {mistyped}"
        );
        assert!(
            all.iter()
                .all(|r| r.citizen_number.is_some() || !r.identifiers.is_empty())
        );
        assert!((170..330).contains(&share(&|r| r.name.text() != "Sonam Dorji")));
        assert!((1..8).contains(&share(&|r| r.female)));
    }

    #[test]
    fn the_page_lists_what_goes_wrong() {
        let page = include_str!("../../docs/reference/synthetic-nation.md");
        for (what, often, _) in DAMAGES {
            assert!(page.contains(&format!("| {what} | {often} |")), "{what} | {often}");
        }
    }

    #[test]
    fn a_slip_changes_at_most_two_letters_and_not_the_first() {
        let mut random = Random::new(6, 6);
        for _ in 0..1_000 {
            let slipped = slip(&mut random, "Tshering");
            assert!(slipped.starts_with('T') && slipped.len().abs_diff(8) <= 1, "{slipped}");
        }
        assert_eq!(slip(&mut random, "Om"), "Om");
    }
}
