//! What of a person matched the words of a question, and where: her name, birth date, numbers and address in parts.

use std::ops::Range;

use fhir::tree::Tree;
use person::asked::{Asked, Meaning, Term, words};
use person::find::{How, Match, Sighting};
use person::{birth, person as particulars, places};
use text::Spellings;

use crate::card::Card;

/// A text of the record and the part of it that matched, in bytes.
struct Marked<'a> {
    element: &'static str,
    text: &'a str,
    hit: Range<usize>,
}

/// Of each word that matched: how, and the text of the record in parts, those that matched marked as hits.
pub(crate) fn matched(
    card: &Card<'_>,
    typed: &str,
    asked: &Asked,
    sighting: &Sighting,
    names: &Spellings,
) -> Vec<Tree> {
    let words = asked.terms.iter().zip(&sighting.matches);
    let matched = words.filter_map(|(term, found)| {
        let found = found.as_ref()?;
        let mut entry = Tree::object([
            ("term", Tree::string(typed.get(term.at.clone()).unwrap_or_default())),
            ("how", Tree::string(found.how.code())),
        ]);
        if let Some(marked) = mark(card, term, found, names) {
            entry.set("element", Tree::string(marked.element));
            entry.set("parts", Tree::Array(parts(marked.text, marked.hit)));
        }
        Some(entry)
    });
    matched.collect()
}

fn mark<'a>(card: &Card<'a>, term: &Term, found: &Match, names: &Spellings) -> Option<Marked<'a>> {
    match found.how {
        How::Name | How::NameBegun | How::NameNear => {
            let token = found.token.as_deref()?;
            let typed = term.meanings.iter().find_map(|meaning| match meaning {
                Meaning::Name { typed, .. } if found.how == How::NameBegun => Some(typed.as_str()),
                _ => None,
            });
            let own = card.names.iter().map(|name| ("name", *name));
            let mut all = own.chain(card.contacts.iter().map(|name| ("contact.name", *name)));
            all.find_map(|(element, text)| {
                let hit = in_name(text, token, typed, names)?;
                Some(Marked { element, text, hit })
            })
        }
        How::Year | How::YearNear | How::Born => {
            let text = card.birth_date?;
            birth::Birth::read(text)?;
            let hit = 0..if found.how == How::Born { text.len() } else { 4 };
            Some(Marked {
                element: "birthDate",
                text,
                hit,
            })
        }
        How::Number | How::NumberBegun | How::NumberNear => in_numbers(card, term, found.how),
        How::Gewog | How::Dzongkhag | How::PlaceBegun => in_places(card, term),
    }
}

/// Where a name has a token; of one that was only begun, as many letters as were typed.
fn in_name(text: &str, token: &str, typed: Option<&str>, names: &Spellings) -> Option<Range<usize>> {
    let words = words(text);
    let folded: Vec<String> = words.iter().map(|(_, word)| word.clone()).collect();
    let mut at = 0;
    while at < words.len() {
        let (name, used) = names.at(&folded[at..]).unwrap_or((folded[at].as_str(), 1));
        if name == token {
            let whole = words[at].0.start..words[at + used - 1].0.end;
            let begun = typed.filter(|typed| text[whole.clone()].is_ascii() && folded[at].starts_with(*typed));
            return Some(begun.map_or(whole.clone(), |typed| whole.start..whole.start + typed.len()));
        }
        at += used;
    }
    None
}

fn in_numbers<'a>(card: &Card<'a>, term: &Term, how: How) -> Option<Marked<'a>> {
    let identifiers = card.identifiers.iter().map(|value| ("identifier", *value));
    let mut all = identifiers.chain(card.telephones.iter().map(|value| ("telecom", *value)));
    if how == How::NumberNear {
        // It differs by one slip: all of it is shown.
        let (element, text) = all.find(|(_, value)| particulars::citizen(value).is_some())?;
        let hit = 0..text.len();
        return Some(Marked { element, text, hit });
    }
    let mut numbers = term.meanings.iter().filter_map(|meaning| match meaning {
        Meaning::Number(number) => Some(number.as_str()),
        _ => None,
    });
    numbers.find_map(|number| {
        all.clone().find_map(|(element, text)| {
            let hit = in_number(text, number)?;
            Some(Marked { element, text, hit })
        })
    })
}

/// Where a number has the letters and digits of another, whatever stands between them.
fn in_number(value: &str, number: &str) -> Option<Range<usize>> {
    let places: Vec<usize> = value
        .char_indices()
        .filter(|(_, c)| c.is_ascii_alphanumeric())
        .map(|(at, _)| at)
        .collect();
    let plain: String = places
        .iter()
        .map(|at| value.as_bytes()[*at].to_ascii_lowercase() as char)
        .collect();
    let from = plain.find(number)?;
    Some(places[from]..places[from + number.len() - 1] + 1)
}

fn in_places<'a>(card: &Card<'a>, term: &Term) -> Option<Marked<'a>> {
    let wanted = term.meanings.iter().find_map(|meaning| match meaning {
        Meaning::Places { numbers, .. } => Some(numbers),
        _ => None,
    })?;
    card.places.iter().find_map(|text| {
        let words = words(text);
        let folded: Vec<String> = words.iter().map(|(_, word)| word.clone()).collect();
        let (at, used) = (0..words.len()).find_map(|at| {
            let (numbers, used) = places::spelled(&folded[at..])?;
            numbers
                .iter()
                .any(|number| wanted.contains(number))
                .then_some((at, used))
        })?;
        Some(Marked {
            element: "address",
            hit: words[at].0.start..words[at + used - 1].0.end,
            text,
        })
    })
}

/// A text in parts: before what matched, that, and after it.
fn parts(text: &str, hit: Range<usize>) -> Vec<Tree> {
    let all = [(0..hit.start, false), (hit.clone(), true), (hit.end..text.len(), false)];
    let parts = all.into_iter().filter_map(|(part, hit)| Some((text.get(part)?, hit)));
    let shown = parts.filter(|(text, _)| !text.is_empty());
    shown
        .map(|(text, hit)| Tree::object([("text", Tree::string(text)), ("hit", Tree::Bool(hit))]))
        .collect()
}
