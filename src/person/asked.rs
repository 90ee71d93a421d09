//! What somebody typed or scanned to find a person, read: each word with all that it can mean.
//!
//! ```text
//! sonam 1987 paro      a name; a year, or the beginning of a number; a dzongkhag, or a name
//! 1-14-04-000581       a number
//! 34y                  an age
//! ```

use std::ops::{Range, RangeInclusive};

use text::names::SYLLABLES_MAX;
use text::{Spellings, fold};

use crate::birth::Birth;
use crate::person::{CITIZEN_DIGITS, TELEPHONE_DIGITS};
use crate::places;

/// Words that count; the rest is left out.
pub const TERMS_MAX: usize = 8;
/// Characters that are read at most; whoever asks refuses more.
pub const CHARACTERS_MAX: usize = 256;
/// Words that only say what stands beside them.
const BESIDE: [&str; 24] = [
    "age",
    "aged",
    "born",
    "boy",
    "cid",
    "dob",
    "dzongkhag",
    "female",
    "from",
    "gender",
    "gewog",
    "girl",
    "in",
    "male",
    "mobile",
    "name",
    "old",
    "phone",
    "sex",
    "tel",
    "village",
    "year",
    "years",
    "yrs",
];
/// The oldest anybody is.
const AGE_MAX: u32 = 120;
/// The country's telephone code.
const COUNTRY: &str = "975";
/// Words of a place's name, at most.
const PLACE_WORDS: usize = 3;
/// Digits of a telephone number and of a citizen number.
const DIGITS: [usize; 2] = [TELEPHONE_DIGITS, CITIZEN_DIGITS];

/// Everything that was typed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Asked {
    /// The words that say something, in their order.
    pub terms: Vec<Term>,
    /// Whether there were more than [`TERMS_MAX`].
    pub cut: bool,
}

/// One word, or several that belong together.
#[derive(Clone, Debug, PartialEq)]
pub struct Term {
    /// Where it stands, in bytes of the text.
    pub at: Range<usize>,
    /// What it can mean.
    pub meanings: Vec<Meaning>,
}

/// What a word can mean.
#[derive(Clone, Debug, PartialEq)]
pub enum Meaning {
    /// A name or its beginning.
    Name {
        /// As it was typed, folded.
        typed: String,
        /// The name that it is a spelling of; as typed where the table does not have it.
        name: String,
    },
    /// Years of birth.
    Years(RangeInclusive<u32>),
    /// A date of birth.
    Born(Birth),
    /// A number or its beginning: letters and digits alone, in lower case.
    Number(String),
    /// Dzongkhags (14) and gewogs (1401), by their numbers.
    Places {
        /// They.
        numbers: Vec<u32>,
        /// Whether what was typed is only the beginning of their names.
        begun: bool,
    },
}

impl Asked {
    /// Reads a text, spellings by the table; `year` is the present one, from which ages count.
    pub fn read(text: &str, names: &Spellings, year: u32) -> Asked {
        let mut asked = Asked::default();
        let pieces = pieces(text);
        let mut rest = pieces.as_slice();
        while !rest.is_empty() {
            let (term, used) = match (date_in_pieces(rest, year), rest[0].has_digits) {
                (Some(date), _) => (Some(date), 3),
                (None, true) => number(rest, year),
                (None, false) => word(rest, names),
            };
            if let Some(term) = term {
                if asked.terms.len() == TERMS_MAX {
                    asked.cut = true;
                    break;
                }
                asked.terms.push(term);
            }
            rest = &rest[used.clamp(1, rest.len())..];
        }
        asked
    }
}

/// The words of a text without digits, each with where it stands, in bytes, and folded.
pub fn words(text: &str) -> Vec<(Range<usize>, String)> {
    let pieces = pieces(text).into_iter().filter(|piece| !piece.has_digits);
    pieces.map(|piece| (piece.at, piece.folded)).collect()
}

/// A piece of the text between spaces, or where it has no digits between all that is no letter.
struct Piece {
    at: Range<usize>,
    /// Folded; of one with digits letters and digits alone.
    folded: String,
    /// As it was typed, digits as everybody's.
    typed: String,
    has_digits: bool,
}

fn pieces(text: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let between = |c: char| c.is_whitespace() || c.is_control() || matches!(c, ',' | ';' | ':' | '(' | ')' | '"' | '|');
    for (at, chunk) in runs(text, 0, &|c| !between(c)) {
        let typed: String = chunk.chars().map(plain_digit).collect();
        if typed.bytes().any(|b| b.is_ascii_digit()) {
            let folded: String = fold(chunk).chars().filter(|c| c.is_alphanumeric()).collect();
            pieces.push(Piece {
                at,
                folded,
                typed,
                has_digits: true,
            });
            continue;
        }
        // Letters and their marks; an apostrophe or full stop parts no word.
        let of_word = |c: char| c.is_alphanumeric() || matches!(c, '\'' | '.' | '’' | '\u{f84}') || is_mark(c);
        for (at, word) in runs(chunk, at.start, &of_word) {
            let folded = fold(word).into_owned();
            pieces.extend(folded.split(' ').filter(|word| !word.is_empty()).map(|word| Piece {
                at: at.clone(),
                folded: word.to_owned(),
                typed: word.to_owned(),
                has_digits: false,
            }));
        }
    }
    pieces
}

/// Runs of characters that are wanted, with where they stand.
fn runs<'t>(text: &'t str, from: usize, wanted: &dyn Fn(char) -> bool) -> Vec<(Range<usize>, &'t str)> {
    let parts = text.split(|c| !wanted(c)).filter(|part| !part.is_empty());
    parts
        .map(|part| {
            let start = part.as_ptr() as usize - text.as_ptr() as usize;
            (from + start..from + start + part.len(), part)
        })
        .collect()
}

/// Combining marks, and marks within Tibetan syllables that are no letters.
fn is_mark(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}' | '\u{f35}' | '\u{f37}' | '\u{f39}')
}

fn plain_digit(c: char) -> char {
    match c {
        '\u{f20}'..='\u{f29}' => char::from(b'0' + (c as u32 - 0xf20) as u8),
        c => c,
    }
}

/// A number, an age, a year or a date, and of how many pieces it is.
fn number(pieces: &[Piece], year: u32) -> (Option<Term>, usize) {
    let piece = &pieces[0];
    let one = |at: &Range<usize>, meanings: Vec<Meaning>| {
        Some(Term {
            at: at.clone(),
            meanings,
        })
    };
    if let Some((birth, surely)) = date(&piece.typed, year) {
        let mut meanings = vec![Meaning::Born(birth)];
        if !surely {
            meanings.extend(numbers(&piece.folded));
        }
        return (one(&piece.at, meanings), 1);
    }
    if let Some((joined, used)) = joined(pieces, year) {
        let at = piece.at.start..pieces[used - 1].at.end;
        return (one(&at, numbers(&joined)), used);
    }
    let folded = &piece.folded;
    let mut meanings = Vec::new();
    let digits = folded.len() - folded.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (count, unit) = folded.split_at(digits);
    let count: u32 = count.parse().unwrap_or(u32::MAX);
    let is_age = matches!(unit, "" | "y" | "yr" | "yrs" | "year" | "years") && digits <= 3 && count <= AGE_MAX;
    if is_age {
        // Somebody of 34 was born 34 or 35 years ago.
        meanings.push(Meaning::Years(
            year.saturating_sub(count + 1)..=year.saturating_sub(count),
        ));
    }
    if unit.is_empty() && is_year(count, year) {
        meanings.push(Meaning::Years(count..=count));
    }
    if !is_age || unit.is_empty() && digits == 3 {
        meanings.extend(numbers(folded));
    }
    let term = (!meanings.is_empty()).then(|| one(&piece.at, meanings)).flatten();
    (term, 1)
}

fn is_year(count: u32, year: u32) -> bool {
    (year.saturating_sub(AGE_MAX)..=year).contains(&count)
}

fn numbers(folded: &str) -> Vec<Meaning> {
    let national = folded
        .strip_prefix(COUNTRY)
        .filter(|rest| rest.len() == DIGITS[0] && folded.bytes().all(|b| b.is_ascii_digit()));
    [Some(folded), national]
        .into_iter()
        .flatten()
        .map(|number| Meaning::Number(number.to_owned()))
        .collect()
}

/// A telephone or citizen number that was typed with spaces: pieces of digits that together have as many as one.
fn joined(pieces: &[Piece], year: u32) -> Option<(String, usize)> {
    let mut digits = String::new();
    for (used, piece) in pieces.iter().enumerate() {
        let whole: Option<u32> = piece.folded.parse().ok();
        let is_digits = piece.folded.bytes().all(|b| b.is_ascii_digit());
        if !is_digits || piece.folded.len() == 4 && whole.is_some_and(|whole| is_year(whole, year)) {
            return None;
        }
        digits.push_str(&piece.folded);
        if used > 0 && DIGITS.contains(&digits.len()) {
            return Some((digits, used + 1));
        }
    }
    None
}

/// The months as they are written in English; three letters are enough.
const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

fn month(word: &str) -> Option<u32> {
    let mut months = (1..).zip(MONTHS).filter(|(_, name)| name.starts_with(word));
    months.next().filter(|_| word.len() >= 3).map(|(number, _)| number)
}

/// A date in one piece: year, month and perhaps day, or day, month and year; and whether it is surely one.
fn date(typed: &str, year: u32) -> Option<(Birth, bool)> {
    let typed = typed.to_lowercase();
    let parts: Vec<&str> = typed.split(['-', '/', '.']).collect();
    match parts[..] {
        [y, m, d] if y.len() == 4 => Some((born([d, m, y], year)?, true)),
        [d, m, y] => Some((born([d, m, y], year)?, y.len() == 4)),
        [y, m] if y.len() == 4 => {
            let birth = Birth::read(&format!("{y}-{m}"))?;
            is_year(birth.year, year).then_some((birth, true))
        }
        _ => None,
    }
}

/// A date in three pieces: `17 jun 1987`, `jun 17 1987`, `17 06 1987`.
fn date_in_pieces(pieces: &[Piece], year: u32) -> Option<Term> {
    let [first, second, third, ..] = pieces else {
        return None;
    };
    let [d, m, y] = match month(&first.folded) {
        Some(_) => [second, first, third],
        None => [first, second, third],
    };
    let is_named = month(&m.folded).is_some();
    if !is_named && y.folded.len() != 4 {
        return None;
    }
    let birth = born([&d.folded, &m.folded, &y.folded], year)?;
    let mut meanings = vec![Meaning::Born(birth)];
    let joined = [d, m, y].map(|piece| piece.folded.as_str()).concat();
    if !is_named && DIGITS.contains(&joined.len()) {
        meanings.extend(numbers(&joined));
    }
    Some(Term {
        at: first.at.start..third.at.end,
        meanings,
    })
}

/// The date of a day, a month and a year, of which two digits are of the last hundred years.
fn born([d, m, y]: [&str; 3], year: u32) -> Option<Birth> {
    let number = |text: &str, digits: usize| -> Option<u32> {
        let is_number = (1..=digits).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        is_number.then(|| text.parse().ok()).flatten()
    };
    let ordinal = ["st", "nd", "rd", "th"]
        .iter()
        .find_map(|ending| d.strip_suffix(ending));
    let d = number(ordinal.unwrap_or(d), 2)?;
    let m = month(m).or_else(|| number(m, 2))?;
    let y = match (y.len(), number(y, 4)?) {
        (4, y) => y,
        (2, y) if 2000 + y <= year => 2000 + y,
        (2, y) => 1900 + y,
        _ => return None,
    };
    Birth::read(&format!("{y:04}-{m:02}-{d:02}")).filter(|birth| is_year(birth.year, year))
}

/// A name or a place, and of how many pieces it is.
fn word(pieces: &[Piece], names: &Spellings) -> (Option<Term>, usize) {
    let words: Vec<String> = pieces
        .iter()
        .take_while(|piece| !piece.has_digits)
        .take(PLACE_WORDS.max(SYLLABLES_MAX))
        .map(|piece| piece.folded.clone())
        .collect();
    if BESIDE.contains(&words[0].as_str()) {
        return (None, 1);
    }
    let term = |used: usize, meanings: Vec<Meaning>| {
        Some(Term {
            at: pieces[0].at.start..pieces[used - 1].at.end,
            meanings,
        })
    };
    // The longer reading counts: "Samdrup Jongkhar" is no name and a place, but one place.
    let place = places::spelled(&words);
    if let Some((numbers, used)) = place.clone().filter(|(_, used)| *used > 1) {
        return (term(used, vec![Meaning::Places { numbers, begun: false }]), used);
    }
    let known = names.at(&words);
    let (name, used) = match known {
        Some((name, used)) => (name.to_owned(), used),
        None => begun(&words, names),
    };
    if name.is_empty() {
        return (None, used);
    }
    if known.is_none()
        && let Some((numbers, used)) = begun_place(&words)
    {
        return (term(used, vec![Meaning::Places { numbers, begun: true }]), used);
    }
    let typed = words[..used].join(" ");
    let mut meanings = vec![Meaning::Name { typed, name }];
    match place {
        Some((numbers, _)) => meanings.push(Meaning::Places { numbers, begun: false }),
        None if used > 1 || known.is_some() => {}
        None => {
            let numbers = places::begun(&words[0]);
            if !numbers.is_empty() {
                meanings.push(Meaning::Places { numbers, begun: true });
            }
        }
    }
    (term(used, meanings), used)
}

/// The places that several syllables begin, as "ཐིམ་ཕུ" does.
fn begun_place(words: &[String]) -> Option<(Vec<u32>, usize)> {
    let syllables = words.iter().take_while(|word| fold::is_tibetan(word)).count();
    (2..=syllables.min(PLACE_WORDS)).rev().find_map(|used| {
        let numbers = places::begun(&words[..used].concat());
        (!numbers.is_empty()).then_some((numbers, used))
    })
}

/// A name that the table does not have: one word, or as many syllables as begin one in Dzongkha that it has.
fn begun(words: &[String], names: &Spellings) -> (String, usize) {
    let syllables = words.iter().take_while(|word| fold::is_tibetan(word)).count();
    let begins = |used: &usize| {
        let typed = words[..*used].join(" ");
        names.each().any(|(spelling, _)| spelling.starts_with(&typed))
    };
    let used = (2..=syllables.min(SYLLABLES_MAX)).rev().find(begins).unwrap_or(1);
    (words[..used].join(" "), used)
}

#[cfg(test)]
mod tests {
    use text::Analysis;

    use super::*;

    fn shown(text: &str) -> String {
        let asked = Asked::read(text, &Analysis::built_in().names, 2026);
        let meaning = |meaning: &Meaning| match meaning {
            Meaning::Name { typed, name } if typed == name => format!("name {name}"),
            Meaning::Name { typed, name } => format!("name {typed}={name}"),
            Meaning::Years(years) => format!("years {}..{}", years.start(), years.end()),
            Meaning::Born(birth) => format!("born {birth}"),
            Meaning::Number(number) => format!("number {number}"),
            Meaning::Places { numbers, begun } => {
                let numbers: Vec<String> = numbers.iter().map(u32::to_string).collect();
                format!("place{} {}", if *begun { " begun" } else { "" }, numbers.join("+"))
            }
        };
        let term = |term: &Term| {
            let meanings: Vec<String> = term.meanings.iter().map(meaning).collect();
            meanings.join(" | ")
        };
        asked.terms.iter().map(term).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn what_clerks_type_is_read() {
        let table = [
            (
                "sonam 1987 paro",
                "name sonam; years 1987..1987 | number 1987; name paro | place 8",
            ),
            ("SONAM, Dorjee", "name sonam; name dorjee=dorji"),
            ("dasho Tsering", "name tsering=tshering"),
            ("བསོད་ནམས་རྡོ་རྗེ", "name བསོད ནམས=sonam; name རྡོ རྗེ=dorji"),
            ("བསོད་ན", "name བསོད ན"),
            ("ཞཞ་ཀཀ་རྡོ་རྗེ", "name ཞཞ; name ཀཀ; name རྡོ རྗེ=dorji"),
            ("1-14-04-000581", "number 11404000581"),
            ("CID: 11404000581", "number 11404000581"),
            ("༡༡༤༠༤༠༠༠༥༨༡", "number 11404000581"),
            ("1 14 04 000581", "number 11404000581"),
            ("17 12 34 56", "number 17123456"),
            ("+975 17123456", "number 97517123456 | number 17123456"),
            ("+975-17123456", "number 97517123456 | number 17123456"),
            ("M-0012/24", "number m001224"),
            ("34y pema", "years 1991..1992; name pema"),
            ("34 years", "years 1991..1992"),
            ("1987-04-09", "born 1987-04-09"),
            ("09/04/1987", "born 1987-04-09"),
            ("1987-04", "born 1987-04"),
            ("17.06.87", "born 1987-06-17 | number 170687"),
            ("17-Jun-1987", "born 1987-06-17"),
            ("sonam 17 June 1987", "name sonam; born 1987-06-17"),
            ("sep 3rd 2024 pema", "born 2024-09-03; name pema"),
            ("17 06 1987", "born 1987-06-17 | number 17061987"),
            (
                "17 14 1987",
                "years 2008..2009; years 2011..2012; years 1987..1987 | number 1987",
            ),
            ("dec 1987", "name dec | place begun 904; years 1987..1987 | number 1987"),
            ("name: Sonam, female", "name sonam"),
            ("samdrup jongkhar", "place 11"),
            ("thimpu", "name thimpu | place 14"),
            ("thim", "name thim | place begun 14"),
            ("ཐིམ་ཕུག", "place 14"),
            ("ཐིམ་ཕུ", "place begun 14"),
            ("gewog Chang", "name chang | place 1401"),
            ("O'Brien", "name obrien"),
            ("baby of Pema Lhamo", "name pema; name lhamo"),
            ("", ""),
            ("dasho of", ""),
            ("\u{0}\u{7}\u{1b} ,;", ""),
            (".*(a|b)+$", "name a; name b"),
        ];
        for (text, expected) in table {
            assert_eq!(shown(text), expected, "{text}");
        }
    }

    #[test]
    fn words_beyond_the_limit_are_left_out_and_places_are_told() {
        let text = "a b c d e f g h i";
        let asked = Asked::read(text, &Spellings::default(), 2026);
        assert!(asked.cut && asked.terms.len() == TERMS_MAX);
        let text = "རྡོ་རྗེ 1987";
        let asked = Asked::read(text, &Analysis::built_in().names, 2026);
        let parts: Vec<&str> = asked.terms.iter().map(|term| &text[term.at.clone()]).collect();
        assert_eq!(parts, ["རྡོ་རྗེ", "1987"]);
    }

    #[test]
    fn whatever_is_typed_is_read() {
        let mut text = String::new();
        for (at, c) in ('\0'..=char::MAX).step_by(97).enumerate() {
            text.push(c);
            if at % 40 == 0 {
                let asked = Asked::read(&text, &Analysis::built_in().names, 2026);
                assert!(asked.terms.iter().all(|term| text.get(term.at.clone()).is_some()));
                text.clear();
            }
        }
    }
}
