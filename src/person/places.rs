//! Where somebody lives, by place codes; names of dzongkhags and gewogs are read as their codes.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use query::fold;
use rustc_hash::FxHashMap;

const DZONGKHAGS: &str = include_str!("../../schema/bhutan/dzongkhags.csv");
const GEWOGS: &str = include_str!("../../schema/bhutan/gewogs.csv");

/// A place as numbers, the digits of its codes: 14, 1401, 1401003; 0 where it is not known.
///
/// In a register without readable particulars they are hashes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Place {
    /// The dzongkhag.
    pub dzongkhag: u32,
    /// The gewog.
    pub gewog: u32,
    /// The chiwog.
    pub chiwog: u32,
    /// A hash of the chiwog, or the gewog, and the house within it.
    pub house: u64,
}

impl Place {
    /// The place of a code, `BT14`, `BT1401` or `BT1401003`.
    pub fn of_code(code: &str) -> Option<Place> {
        let digits = code.strip_prefix("BT")?;
        let number = digits
            .parse()
            .ok()
            .filter(|_| digits.bytes().all(|b| b.is_ascii_digit()))?;
        match digits.len() {
            2 => Some(Place {
                dzongkhag: number,
                ..Place::default()
            }),
            4 => Some(Place::of_gewog(number)),
            7 => Some(Place {
                chiwog: number,
                ..Place::of_gewog(number / 1_000)
            }),
            _ => None,
        }
    }

    /// The place of a gewog's number.
    pub fn of_gewog(gewog: u32) -> Place {
        Place {
            dzongkhag: gewog / 100,
            gewog,
            ..Place::default()
        }
    }

    /// The place of a dzongkhag's name and of a gewog's in it, as far as they are known.
    pub fn of_names(dzongkhag: &str, gewog: &str) -> Option<Place> {
        let names = names();
        let within = names.dzongkhags.get(&*fold(dzongkhag)).copied();
        let gewogs = names.gewogs.get(&*fold(gewog)).map_or(&[][..], Vec::as_slice);
        let mut fitting = gewogs
            .iter()
            .filter(|gewog| within.is_none_or(|within| **gewog / 100 == within));
        match (fitting.next(), fitting.next()) {
            (Some(gewog), None) => Some(Place::of_gewog(*gewog)),
            _ => within.map(|dzongkhag| Place {
                dzongkhag,
                ..Place::default()
            }),
        }
    }

    /// The names of the gewog and of the dzongkhag, as far as they are known.
    pub fn names(&self) -> [Option<&'static str>; 2] {
        let number = |code: &str| code.trim_start_matches("BT").parse().unwrap_or(0);
        let name = |table: &'static str, wanted: u32, column: usize| {
            let mut rows = table.lines().skip(1).map(|line| line.split(','));
            let row = rows.find(|row| row.clone().next().is_some_and(|code| number(code) == wanted));
            row.filter(|_| wanted > 0)?.nth(column)
        };
        [name(GEWOGS, self.gewog, 2), name(DZONGKHAGS, self.dzongkhag, 1)]
    }

    /// Whether nothing is known.
    pub fn is_unknown(&self) -> bool {
        *self == Place::default()
    }
}

/// The places whose name the words begin with, the longest name first, and of how many words it is. Spellings that differ
/// in an `h` or in doubled letters are one: every place here has several.
pub fn spelled(words: &[String]) -> Option<(Vec<u32>, usize)> {
    let spelled = &names().spelled;
    (1..=words.len().min(WORDS_MAX)).rev().find_map(|used| {
        let numbers = spelled.get(&plain(&words[..used].concat()))?;
        Some((numbers.clone(), used))
    })
}

/// The places whose name begins with a word of a few letters, at most a handful.
pub fn begun(word: &str) -> Vec<u32> {
    if word.chars().count() < BEGUN_MIN {
        return Vec::new();
    }
    let word = plain(word);
    let of_names = names().spelled.range(word.clone()..);
    let begin = of_names.take_while(|(name, _)| name.starts_with(&word));
    begin
        .flat_map(|(_, numbers)| numbers)
        .copied()
        .take(BEGUN_MAX)
        .collect()
}

/// Words of a name, at most.
const WORDS_MAX: usize = 3;
/// Letters that tell a place.
const BEGUN_MIN: usize = 3;
/// Places that a few letters stand for, at most.
const BEGUN_MAX: usize = 16;

/// A name without spaces, without any `h` but the first, doubled letters once.
fn plain(name: &str) -> String {
    let folded = fold(name);
    let mut out = String::with_capacity(folded.len());
    for letter in folded.chars().filter(|c| c.is_alphanumeric() || *c == '\u{f84}') {
        if !out.ends_with(letter) && (letter != 'h' || out.is_empty()) {
            out.push(letter);
        }
    }
    out
}

struct Names {
    /// By [`plain`] name.
    spelled: BTreeMap<String, Vec<u32>>,
    dzongkhags: FxHashMap<String, u32>,
    /// Some names are those of gewogs in several dzongkhags.
    gewogs: FxHashMap<String, Vec<u32>>,
}

fn names() -> &'static Names {
    static NAMES: OnceLock<Names> = OnceLock::new();
    NAMES.get_or_init(|| {
        let number = |code: &str| code.trim_start_matches("BT").parse().unwrap_or(0);
        // The columns read here have neither commas nor quotes.
        let rows = |table: &'static str| table.lines().skip(1).map(|line| line.split(',').collect::<Vec<_>>());
        let dzongkhags = rows(DZONGKHAGS).map(|row| (fold(row[1]).into_owned(), number(row[0])));
        let mut gewogs: FxHashMap<String, Vec<u32>> = FxHashMap::default();
        for row in rows(GEWOGS) {
            for name in [row[2], row[3]].iter().filter(|name| !name.is_empty()) {
                let numbers = gewogs.entry(fold(name).into_owned()).or_default();
                if !numbers.contains(&number(row[0])) {
                    numbers.push(number(row[0]));
                }
            }
        }
        let mut spelled: BTreeMap<String, Vec<u32>> = BTreeMap::new();
        let of_dzongkhags = rows(DZONGKHAGS).flat_map(|row| [(row[1], row[0]), (row[2], row[0])]);
        let of_gewogs = rows(GEWOGS).flat_map(|row| [row[2], row[3], row[4]].map(|name| (name, row[0])));
        for (name, code) in of_dzongkhags.chain(of_gewogs) {
            let numbers = spelled.entry(plain(name)).or_default();
            if !numbers.contains(&number(code)) {
                numbers.push(number(code));
            }
        }
        spelled.remove("");
        Names {
            spelled,
            dzongkhags: dzongkhags.collect(),
            gewogs,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_named() {
        let table = [
            ("BT0104", [Some("Ura"), Some("Bumthang")]),
            ("BT0104002", [Some("Ura"), Some("Bumthang")]),
            ("BT01", [None, Some("Bumthang")]),
            ("BT9999", [None, None]),
        ];
        for (code, names) in table {
            assert_eq!(Place::of_code(code).unwrap().names(), names, "{code}");
        }
        assert_eq!(Place::default().names(), [None, None]);
    }

    #[test]
    fn places_are_read_by_code_and_by_name() {
        let numbers = |place: Option<Place>| place.map(|place| (place.dzongkhag, place.gewog, place.chiwog));
        assert_eq!(numbers(Place::of_code("BT1401003")), Some((14, 1401, 1_401_003)));
        assert_eq!(numbers(Place::of_code("BT14")), Some((14, 0, 0)));
        for code in ["", "BT", "BT1", "BT14010", "14", "BTxx"] {
            assert_eq!(Place::of_code(code), None, "{code}");
        }
        let table = [
            (("Bumthang", "Tang"), Some((1, 103, 0))),
            (("bumthang", ""), Some((1, 0, 0))),
            (("Bumthang", "Chang"), Some((1, 0, 0))),
            (("", "Ura"), Some((1, 104, 0))),
            // Two dzongkhags have one of that name.
            (("", "Gakiling"), None),
            (("Haa", "Gakiling"), Some((5, 502, 0))),
            (("nowhere", "nowhere"), None),
        ];
        for ((dzongkhag, gewog), expected) in table {
            assert_eq!(
                numbers(Place::of_names(dzongkhag, gewog)),
                expected,
                "{dzongkhag} {gewog}"
            );
        }
    }
}
