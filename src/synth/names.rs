//! The names of the nation: no family names in most of the country, a few hundred given names, one or two of them a person.

use rustc_hash::FxHashMap;

use crate::random::{Random, Weighted};
use crate::table::tabs;

const GIVEN: &str = include_str!("../../schema/bhutan/names.tsv");
const SOUTHERN: &str = include_str!("../../schema/bhutan/southern-names.tsv");

/// Of a thousand people outside the south, how many have one name only.
const SINGLE: u64 = 25;
/// Of a thousand names of the south, how many have a middle part.
const MIDDLE: u64 = 650;

/// A person's name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Name {
    /// The given names in their order; none for a newborn who has not been named.
    pub given: Vec<String>,
    /// The family name, where there is one.
    pub family: Option<String>,
}

impl Name {
    /// All parts in their order, as they are written and said.
    pub fn text(&self) -> String {
        let parts: Vec<&str> = self.parts().collect();
        parts.join(" ")
    }

    /// All parts in their order.
    pub fn parts(&self) -> impl Iterator<Item = &str> {
        self.given.iter().chain(&self.family).map(String::as_str)
    }
}

/// What is known of a given name.
struct Known {
    name: String,
    dzongkha: String,
    spellings: Vec<String>,
}

/// The tables of names.
pub struct Names {
    known: Vec<Known>,
    by_name: FxHashMap<String, usize>,
    first: Weighted<usize>,
    /// The second of a man's two names, and of a woman's.
    second: [Weighted<usize>; 2],
    /// In the south: given, middle and family names, each of men and of women.
    southern: [[Weighted<String>; 2]; 3],
}

impl Names {
    /// Reads the tables.
    pub fn bhutan() -> Names {
        let rows = tabs(GIVEN);
        let known: Vec<Known> = rows
            .iter()
            .map(|row| Known {
                name: row.get("name").to_owned(),
                dzongkha: row.get("dzongkha").to_owned(),
                spellings: row
                    .get("spellings")
                    .split(',')
                    .filter(|s| !s.is_empty())
                    .map(str::to_owned)
                    .collect(),
            })
            .collect();
        let weighted = |column: &str| rows.iter().map(|row| row.number(column)).zip(0..).collect();
        let southern_rows = tabs(SOUTHERN);
        let southern = |place: &str, column: &str| {
            let here = southern_rows.iter().filter(|row| row.get("place") == place);
            here.map(|row| (row.number(column), row.get("name").to_owned()))
                .collect()
        };
        Names {
            by_name: known.iter().map(|known| known.name.clone()).zip(0..).collect(),
            first: weighted("first"),
            second: ["male", "female"].map(weighted),
            southern: ["given", "middle", "family"]
                .map(|place| ["male", "female"].map(|column| southern(place, column))),
            known,
        }
    }

    /// A name as it is given outside the south.
    pub fn draw(&self, random: &mut Random, female: bool) -> Name {
        let first = *self.first.draw(random);
        let mut given = vec![self.known[first].name.clone()];
        if !random.in_thousand(SINGLE) {
            let second = loop {
                let second = *self.second[usize::from(female)].draw(random);
                if second != first {
                    break second;
                }
            };
            given.push(self.known[second].name.clone());
        }
        Name { given, family: None }
    }

    /// A name of the south, with the family's name where that is handed down.
    pub fn draw_southern(&self, random: &mut Random, female: bool, family: Option<&str>) -> Name {
        let of = |place: usize, random: &mut Random| self.southern[place][usize::from(female)].draw(random).clone();
        let mut given = vec![of(0, random)];
        if random.in_thousand(MIDDLE) {
            let middle = of(1, random);
            if middle != given[0] {
                given.push(middle);
            }
        }
        let family = family.map_or_else(|| of(2, random), str::to_owned);
        Name {
            given,
            family: Some(family),
        }
    }

    /// Another spelling of a part of a name that is in use; the part itself where none is known.
    pub fn other_spelling(&self, random: &mut Random, part: &str) -> String {
        match self.by_name.get(part).map(|at| &self.known[*at].spellings) {
            Some(spellings) if !spellings.is_empty() => random.one_of(spellings).clone(),
            _ => part.to_owned(),
        }
    }

    /// The name in Dzongkha, its parts; `None` where one of them is not known.
    pub fn dzongkha(&self, name: &Name) -> Option<Vec<&str>> {
        let of = |part: &str| {
            let known = &self.known[*self.by_name.get(part)?];
            (!known.dzongkha.is_empty()).then_some(known.dzongkha.as_str())
        };
        name.parts().map(of).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_drawn_as_bhutan_has_them() {
        let names = Names::bhutan();
        let mut random = Random::new(3, 0);
        let drawn: Vec<Name> = (0..4_000).map(|i| names.draw(&mut random, i % 2 == 0)).collect();
        assert!(
            drawn
                .iter()
                .all(|name| name.family.is_none() && (1..=2).contains(&name.given.len()))
        );
        let single = drawn.iter().filter(|name| name.given.len() == 1).count();
        assert!((50..200).contains(&single), "{single}");
        let second = |part: &str, female: usize| {
            let hers = drawn.iter().skip(1 - female).step_by(2);
            hers.filter(|name| name.given.get(1).is_some_and(|second| second == part))
                .count()
        };
        assert!(second("Zangmo", 1) > 50 && second("Zangmo", 0) == 0 && second("Wangdi", 0) > 50);
        let southern = names.draw_southern(&mut random, true, Some("Rai"));
        assert_eq!(southern.family.as_deref(), Some("Rai"));
    }

    #[test]
    fn names_have_other_spellings_and_dzongkha() {
        let names = Names::bhutan();
        let mut random = Random::new(3, 0);
        assert!(["Dorjee", "Dorjey", "Dorje"].contains(&names.other_spelling(&mut random, "Dorji").as_str()));
        assert_eq!(names.other_spelling(&mut random, "Nobody"), "Nobody");
        let name = |given: &[&str]| Name {
            given: given.iter().map(|part| (*part).to_owned()).collect(),
            family: None,
        };
        assert_eq!(names.dzongkha(&name(&["Sonam", "Dorji"])), Some(vec!["བསོད་ནམས", "རྡོ་རྗེ"]));
        assert_eq!(names.dzongkha(&name(&["Sonam", "Nobody"])), None);
    }
}
