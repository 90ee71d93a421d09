//! Whether what the tables and the places say in Tibetan script are syllables that its spelling has.
//!
//! A syllable is, in this order: perhaps a prefix, a root perhaps with a letter above it and letters below it, perhaps a
//! vowel, perhaps a suffix and a second one; which go together is a closed set. Whatever is spelled otherwise is a slip of the
//! tables, or a word from Sanskrit, of which there are few and which are named here. That a word means what the tables say
//! cannot be seen so: somebody who reads Dzongkha has to.

use crate::tables::Table;

const PLACES: [&str; 2] = [
    include_str!("../../../schema/bhutan/dzongkhags.csv"),
    include_str!("../../../schema/bhutan/gewogs.csv"),
];

/// Words of other spelling: Sanskrit's karma, padma and vajra with what is typed for them, dhi; and a doctor's word for fever
/// as it is spoken.
const OTHERS: [&str; 8] = ["ཀརྨ", "ཀརམ", "པདྨ", "པདམ", "བཛྲ", "བཛར", "དྷི", "ཚདཔ"];

const ROOTS: &str = "ཀཁགངཅཆཇཉཏཐདནཔཕབམཙཚཛཝཞཟའཡརལཤསཧཨ";
/// A letter above, and the roots that it stands above.
const ABOVE: [(char, &str); 3] = [('ར', "ཀགངཇཉཏདནབམཙཛ"), ('ལ', "ཀགངཅཇཏདཔབཧ"), ('ས', "ཀགངཉཏདནཔབམཙ")];
/// A letter below, and the roots that it stands below.
const BELOW: [(char, &str); 4] = [
    ('ྱ', "ཀཁགཔཕབམཧ"),
    ('ྲ', "ཀཁགཏཐདནཔཕབམསཧ"),
    ('ླ', "ཀགབརསཟ"),
    ('ྭ', "ཀཁགཅཉཏདཙཚཞཟརལཤསཧ"),
];
/// A prefix, and the roots that it stands before where nothing is above them.
const PREFIXES: [(char, &str); 5] = [
    ('ག', "ཅཉཏདནཙཞཟཡཤས"),
    ('ད', "ཀགངཔབམ"),
    ('བ', "ཀགཅཏདཙཞཟཤས"),
    ('མ', "ཁགངཆཇཉཐདནཚཛ"),
    ('འ', "ཁགཆཇཐདཕབཚཛ"),
];
const VOWELS: &str = "ིེོུ";
const SUFFIXES: &str = "གངདནབམའརལས";
/// A second suffix, and those that it stands after.
const SECOND: [(char, &str); 2] = [('ས', "གངབམ"), ('ད', "ནརལ")];

fn goes_with(table: &[(char, &str)], letter: char, root: char) -> bool {
    table
        .iter()
        .any(|(known, roots)| *known == letter && roots.contains(root))
}

fn is_syllable(letters: &[char]) -> bool {
    let prefixed = letters.split_first();
    is_stack(letters, None) || prefixed.is_some_and(|(prefix, rest)| is_stack(rest, Some(*prefix)))
}

/// From the root's stack on.
fn is_stack(letters: &[char], prefix: Option<char>) -> bool {
    let [first, rest @ ..] = letters else { return false };
    // Below another letter a root has a form of its own, at a fixed distance.
    let below = |letter: &char| char::from_u32(*letter as u32 - 0x50).filter(|_| ('ྐ'..='ྸ').contains(letter));
    let under = rest
        .first()
        .and_then(below)
        .filter(|root| goes_with(&ABOVE, *first, *root));
    let stacked = under.is_some_and(|root| {
        let fits = prefix.is_none_or(|prefix| prefix == 'བ');
        fits && is_rest(root, &rest[1..])
    });
    let fits = prefix.is_none_or(|prefix| goes_with(&PREFIXES, prefix, *first));
    // A root after a prefix and with nothing behind it would be a suffix.
    let told = prefix.is_none() || !rest.is_empty();
    stacked || (ROOTS.contains(*first) && fits && told && is_rest(*first, rest))
}

/// What follows a root: letters below it, a vowel, suffixes.
fn is_rest(root: char, letters: &[char]) -> bool {
    let count = letters
        .iter()
        .take_while(|letter| BELOW.iter().any(|below| below.0 == **letter))
        .count();
    if !letters[..count].iter().all(|letter| goes_with(&BELOW, *letter, root)) {
        return false;
    }
    let mut rest = &letters[count..];
    if let [vowel, behind @ ..] = rest
        && VOWELS.contains(*vowel)
    {
        rest = behind;
    }
    match rest {
        [] => true,
        [suffix] => SUFFIXES.contains(*suffix),
        // The genitive and its like are written on.
        ['འ', end] => VOWELS.contains(*end) || ['ང', 'མ'].contains(end),
        [suffix, second] => SUFFIXES.contains(*suffix) && goes_with(&SECOND, *second, *suffix),
        _ => false,
    }
}

/// The runs of Tibetan script of a text, comments left out.
fn runs(text: &str) -> impl Iterator<Item = &str> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let runs = lines.flat_map(|line| line.split(|c: char| !('\u{f00}'..='\u{fff}').contains(&c)));
    runs.filter(|run| !run.is_empty())
}

#[test]
fn what_stands_in_tibetan_script_is_spelled_as_it_can_be() {
    let tables = [Table::Names, Table::Synonyms, Table::Words].map(Table::built_in);
    let (mut syllables, mut wrong) = (0, Vec::new());
    for run in tables.into_iter().chain(PLACES).flat_map(runs) {
        for syllable in run.split(['་', '༌', '།']).filter(|syllable| !syllable.is_empty()) {
            syllables += 1;
            let letters: Vec<char> = syllable.chars().collect();
            if !is_syllable(&letters) && !OTHERS.contains(&syllable) {
                wrong.push(format!("{run}: {syllable}"));
            }
        }
    }
    assert!(syllables > 600, "{syllables}");
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn slips_are_no_syllables() {
    let table = [
        ("བསོད", true),
        ("ནམས", true),
        ("རྡོ", true),
        ("འབྲུག", true),
        ("བསྟན", true),
        ("བསྒྲུབས", true),
        ("དྭ", true),
        ("པའི", true),
        ("", false),
        // Two vowels; a prefix that does not go with the root; a root below none; a wrong second suffix; no root.
        ("སོོད", false),
        ("གཀར", false),
        ("ཀྡོ", false),
        ("ནམད", false),
        ("ིན", false),
        ("རྨཀཀ", false),
    ];
    for (syllable, expected) in table {
        let letters: Vec<char> = syllable.chars().collect();
        assert_eq!(is_syllable(&letters), expected, "{syllable}");
    }
}
