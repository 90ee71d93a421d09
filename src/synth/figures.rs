//! How far names tell people apart in a nation: what makes finding the right person hard.

use std::hash::{Hash, Hasher};

use rustc_hash::{FxHashMap, FxHasher};

use crate::person::Person;

/// Counts of people by what they are told by.
#[derive(Default)]
pub struct Figures {
    people: u64,
    names: FxHashMap<u64, u32>,
    names_and_years: FxHashMap<u64, u32>,
    names_and_dates: FxHashMap<u64, u32>,
    heaped: u64,
}

impl Figures {
    /// Counts a person who has a name.
    pub fn count(&mut self, person: &Person) {
        let name = person.name.text();
        if name.is_empty() {
            return;
        }
        self.people += 1;
        self.heaped += u64::from(person.papers.day == Some((1, 1)));
        let mut add = |counts: fn(&mut Figures) -> &mut FxHashMap<u64, u32>, key: u64| {
            *counts(self).entry(key).or_default() += 1;
        };
        add(|figures| &mut figures.names, key(&name));
        add(|figures| &mut figures.names_and_years, key((&name, person.papers.year)));
        add(|figures| &mut figures.names_and_dates, key((&name, person.papers)));
    }

    /// The figures in lines for people to read.
    pub fn lines(&self) -> Vec<String> {
        let of = |counts: &FxHashMap<u64, u32>| {
            let shared: u64 = counts
                .values()
                .filter(|count| **count > 1)
                .map(|count| u64::from(*count))
                .sum();
            format!("{:.1} %", 100.0 * shared as f64 / self.people.max(1) as f64)
        };
        let most = self.names.values().max().copied().unwrap_or(0);
        let heaped = 100.0 * self.heaped as f64 / self.people.max(1) as f64;
        vec![
            format!("people with a name: {}", self.people),
            format!("share their full name with somebody: {}", of(&self.names)),
            format!("held by most people: a name of {most}"),
            format!("not alone with name and year of birth: {}", of(&self.names_and_years)),
            format!(
                "not alone with name and date of birth as in the papers: {}",
                of(&self.names_and_dates)
            ),
            format!("born on a first of January, by their papers: {heaped:.1} %"),
        ]
    }
}

fn key(of: impl Hash) -> u64 {
    let mut hasher = FxHasher::default();
    of.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Entry, Nation, Plan};

    #[test]
    fn figures_count_who_shares_a_name() {
        let plan = Plan {
            people: 3_000,
            seed: 1,
            duplicates: 0,
            visits: None,
            today: 20_000,
        };
        let mut figures = Figures::default();
        Nation::new(plan).each(&mut |entry| {
            if let Entry::Person(person) = entry {
                figures.count(person);
            }
            true
        });
        let lines = figures.lines();
        assert!(lines[0].starts_with("people with a name: 29"), "{lines:?}");
        let share = |line: &str| line.rsplit(' ').nth(1).unwrap().parse::<f64>().unwrap();
        // In a small nation fewer share a name; more share it than share the year too.
        assert!(
            share(&lines[1]) > 10.0 && share(&lines[1]) > 5.0 * share(&lines[3]),
            "{lines:?}"
        );
    }
}
