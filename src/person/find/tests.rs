//! A small population, and whom what is typed finds first.

use text::Analysis;

use super::*;
use crate::Person;
use crate::sound::sound;
use crate::trial::{person, register};

const PEOPLE: &[(&str, &str)] = &[
    (
        "a",
        "Sonam Dorji, m, 1987-04-09, cid 11404000581, tel 17123456, at BT0805",
    ),
    ("b", "Sonam Dorji, m, 1987-08-30, cid 11404000582, at BT1401"),
    ("c", "Sonam Dorji, m, 1991-04-09, at BT1401"),
    ("d", "Sonam, f, 1987-01-01, at BT0801"),
    ("e", "Pema Lhamo, f, 1990-02-11, cid 11404000002, tel 77000001"),
    ("f", "f, 2026-03-02, mother 11404000002, of Pema Lhamo"),
    ("g", "Jigme Tshultrim, m, 1950, tel 77000002, at BT0104"),
    ("h", "Tashi Sonma, f, 1987-01-01, book HB-0012/24"),
    ("i", "Dorji Wangmo, f, 1960, at BT11"),
    ("j", "Kencho Tashi, m, 2001-05-05, cid 11404000003, at BT0204"),
];

fn population() -> Register {
    PEOPLE.iter().map(|(id, text)| (*id, person(text))).collect()
}

fn found(register: &Register, typed: &str, most: usize) -> Vec<Sighting> {
    let analysis = Analysis::built_in();
    let asked = Asked::read(typed, &analysis.names, 2026);
    register.find(&asked, &analysis.names, most)
}

fn ids(register: &Register, typed: &str, most: usize) -> String {
    let ids: Vec<String> = found(register, typed, most).into_iter().map(|found| found.id).collect();
    ids.join(" ")
}

#[test]
fn what_is_typed_finds_whom_it_should_first() {
    let register = population();
    //            typed                  the first of those found, in order
    let table = [
        ("sonam", "d a b c"),
        ("sonam dorji", "a b c"),
        ("DORJEE sonam", "a b c"),
        ("བསོད་ནམས་རྡོ་རྗེ", "a b c"),
        ("son dor", "a b c"),
        ("sonam 1987 paro", "d a"),
        ("sonam 1987 thimpu", "b"),
        ("sonam dorji 39", "a b"),
        ("sonam 39y", "d a b"),
        ("sonam 1991-04-09", "c"),
        ("09/04/1991", "c"),
        ("11404000581", "a"),
        ("1-14-04-000581", "a"),
        ("1140400058", "a b"),
        ("11404000518", "a"),
        // The number of another, and a name that is not hers.
        ("11404000582", "b"),
        ("pema 11404000003", "e"),
        ("karma 11404000582", "b"),
        ("17123456", "a"),
        ("+975 17 12 34 56", "a"),
        ("7700", "e g"),
        ("HB-0012/24", "h"),
        ("hb001", "h"),
        ("pema", "e f"),
        ("baby of pema lhamo", "e f"),
        ("pema 2026", "f"),
        ("jigmey tsultrim", "g"),
        ("ura", "g"),
        ("tashi 1987", "h"),
        ("samdrup jongkhar", "i"),
        ("wangmo samdrup jongkhar", "i"),
        ("tashi", "h j"),
        ("dorji dorji", "a b c i"),
    ];
    for (typed, expected) in table {
        let most = expected.split(' ').count();
        assert_eq!(
            ids(&register, typed, most),
            expected,
            "{typed}: {:?}",
            found(&register, typed, 5)
        );
    }
    for nobody in ["", "dasho", "zzzz", "12", "99999999999", "x y z"] {
        assert_eq!(ids(&register, nobody, 5), "", "{nobody}");
    }
}

#[test]
fn what_nearly_matches_comes_after_what_does() {
    let register = population();
    assert_eq!(
        ids(&register, "sonam 1987", 10),
        "d a b h",
        "a slip in the name comes last"
    );
    assert_eq!(
        ids(&register, "sanam dorji", 3),
        "a b c",
        "and alone where nothing else matches"
    );
    assert_eq!(ids(&register, "sonam dorji zzzz", 2), "a b", "all words but one");
    let near = found(&register, "11404000518", 1);
    assert_eq!(
        near[0].matches[0].as_ref().map(|found| found.how),
        Some(How::NumberNear)
    );
    let partly = found(&register, "sonam dorji zzzz", 1);
    assert!(partly[0].matches[2].is_none() && partly[0].score < 0.75, "{partly:?}");
}

#[test]
fn what_sounds_alike_is_written_much_alike() {
    let mut register = population();
    register.put("z", &person("Zeko, m, 1990, tel 17999990, at BT0801"));
    assert_eq!(sound("zzzzqqq"), sound("zeko"));
    assert_eq!(ids(&register, "zeeqo", 5), "z");
    assert_eq!(ids(&register, "zzzzqqq", 5), "");
}

#[test]
fn every_result_says_how_it_matched() {
    let register = population();
    let said = |typed: &str| {
        let found = found(&register, typed, 1);
        let how = |found: &Option<Match>| match found {
            Some(Match {
                how,
                token: Some(token),
            }) => format!("{}={token}", how.code()),
            Some(Match { how, token: None }) => how.code().to_owned(),
            None => "-".to_owned(),
        };
        found[0].matches.iter().map(how).collect::<Vec<_>>().join(" ")
    };
    let table = [
        ("sonam 1987 paro", "name=sonam birth-year dzongkhag"),
        ("tseltrim", "name-near=tshultrim"),
        ("jig 1950 ura", "name-beginning=jigme birth-year gewog"),
        ("kenc chhu", "name-beginning=kencho place-beginning"),
        ("sonam 1991-04", "name=sonam birth-date"),
        ("77000002", "number"),
        ("770000", "number-beginning"),
    ];
    for (typed, expected) in table {
        assert_eq!(said(typed), expected, "{typed}");
    }
}

#[test]
fn changes_are_seen() {
    let mut register = population();
    register.remove("d");
    assert_eq!(ids(&register, "sonam paro", 5), "a");
    register.put("d", &person("Sonam Choden, f, 1987, tel 17999999, at BT0801"));
    assert_eq!(ids(&register, "choden", 5), "d");
    assert_eq!(ids(&register, "17999999", 5), "d");
    for round in 0..10_000 {
        register.put(
            "k",
            &person(&format!("Kinley Zam, f, 1999, tel {}", 16_000_000 + round)),
        );
    }
    assert_eq!(ids(&register, "kinley", 5), "k");
    assert_eq!(ids(&register, "16009999", 5), "k");
    assert_eq!(ids(&register, "16000001", 5), "");
}

#[test]
fn everybody_is_found_among_many_by_what_is_known_of_her() {
    let register = register();
    let (mut looked_for, mut first_page) = (0, 0);
    register.each(&mut |id, person| {
        let whole = person.names.first().zip(person.birth).filter(|_| id.ends_with('7'));
        if let Some((name, birth)) = whole {
            let typed = format!("{} {birth}", name.join(" "));
            looked_for += 1;
            first_page += usize::from(found(register, &typed, 10).iter().any(|found| found.id == id));
        }
    });
    assert!(looked_for > 500, "{looked_for}");
    assert_eq!(first_page, looked_for);
}

/// What looking at everybody gives: by the same steps, as far as each word reaches.
fn by_looking_at_everybody(register: &Register, typed: &str) -> Vec<(u32, u32)> {
    let analysis = Analysis::built_in();
    let asked = Asked::read(typed, &analysis.names, 2026);
    let several = asked.terms.len() > 1;
    let near = if several { Reach::NearWithOthers } else { Reach::Near };
    let mut found = Vec::new();
    for (reach, missing, enough) in [(Reach::AsTyped, 0, FEW), (near, 0, 1), (near, usize::from(several), 0)] {
        let question = Question::new(register, &asked, &analysis.names, reach);
        let people = (0..register.len() as u32).filter(|person| register.lives(*person));
        found = people
            .filter_map(|person| Some((question.score(person, missing)?, person)))
            .collect();
        if found.len() >= enough {
            break;
        }
    }
    found.sort_by_key(|(score, person)| (Reverse(*score), *person));
    found
}

#[test]
fn the_best_are_those_that_looking_at_everybody_gives() {
    let register = register();
    let mut random = query::sample::Random::new(11);
    let mut people = Vec::new();
    register.each(&mut |_, person| people.push(person.clone()));
    let particulars = |random: &mut query::sample::Random, person: &Person| -> String {
        let names: Vec<&String> = person.names.iter().flatten().collect();
        let cut = |text: &str, to: usize| text.chars().take(to).collect::<String>();
        match (random.below(9), names.is_empty()) {
            (0 | 1, false) => names[random.below(names.len())].clone(),
            (2 | 3, false) => cut(names[random.below(names.len())], 1 + random.below(4)),
            (4, false) => names[random.below(names.len())].replacen(['a', 'e'], "o", 1),
            (5, _) => person.birth.map_or("1990".to_owned(), |birth| birth.year.to_string()),
            (6, _) => person.birth.map_or("1990-01".to_owned(), |birth| birth.to_string()),
            (7, _) => person
                .citizen
                .map_or("114".to_owned(), |number| cut(&number.to_string(), 3 + random.below(9))),
            _ => ["paro", "thim", "chang", "wangdue", "34y"][random.below(5)].to_owned(),
        }
    };
    let mut several = 0;
    for _ in 0..600 {
        let (one, other) = (&people[random.below(people.len())], &people[random.below(people.len())]);
        let words = (0..1 + random.below(3)).map(|at| particulars(&mut random, if at == 2 { other } else { one }));
        let typed = words.collect::<Vec<_>>().join(" ");
        let most = [1, 3, 11, 60][random.below(4)];
        let expected = by_looking_at_everybody(register, &typed);
        several += usize::from(expected.len() > most);
        let expected: Vec<String> = expected
            .iter()
            .take(most)
            .filter_map(|(_, person)| register.id_of(*person))
            .collect();
        assert_eq!(ids(register, &typed, most), expected.join(" "), "{typed}, {most}");
    }
    assert!(several > 200, "{several}");
}

#[test]
fn whatever_is_typed_is_answered_in_time() {
    let register = register();
    let long = "sonam ".repeat(40);
    let table = [
        "s",
        "s s s s s s s s",
        "sonam dorji tshering pema",
        &long,
        ".*(a|b)+$",
        "1",
        "111",
        "\u{0}\u{1b}",
        "ཀ",
        "ཀ་ཀ་ཀ་ཀ་ཀ་ཀ",
    ];
    let began = std::time::Instant::now();
    for typed in table {
        assert!(found(register, typed, 50).len() <= 50);
    }
    assert!(began.elapsed().as_secs() < 5, "{:?}", began.elapsed());
}
