//! What of a patient's record matched the words of a question, and where: her name, birth date, numbers and address in parts.

use std::ops::Range;

use fhir::document::Node;
use fhir::tree::Tree;
use person::asked::{Asked, Meaning, Term, words};
use person::find::{How, Match, Sighting};
use person::{birth, person as particulars, places};
use text::Spellings;

/// Of each kind of particular so many are looked at.
const EACH_MAX: usize = 8;

/// A patient's record, for showing it.
#[derive(Clone, Copy)]
pub(crate) struct Person<'a>(pub(crate) Node<'a>);

/// A text of the record and the part of it that matched, in bytes.
struct Marked {
    element: &'static str,
    text: String,
    hit: Range<usize>,
}

impl<'a> Person<'a> {
    fn each(self, name: &str) -> impl Iterator<Item = Node<'a>> + use<'a> {
        let list = self.0.get(name);
        list.into_iter().flat_map(|list| list.each()).take(EACH_MAX)
    }

    /// Her names as they are written, those that count now first.
    fn names(self) -> Vec<String> {
        let mut names: Vec<Node<'_>> = self.each("name").collect();
        names.sort_by_key(|name| match name.string("use").as_deref() {
            Some("official") | None => 0,
            Some("old") => 2,
            _ => 1,
        });
        names.into_iter().filter_map(written).collect()
    }

    /// The values of her identifiers, citizen numbers first.
    fn identifiers(self) -> Vec<String> {
        let mut identifiers: Vec<Node<'_>> = self.each("identifier").collect();
        identifiers.sort_by_key(|identifier| identifier.string("system").as_deref() != Some(particulars::CITIZEN));
        let values = identifiers
            .into_iter()
            .filter_map(|identifier| identifier.string("value"));
        values.map(|value| value.into_owned()).collect()
    }

    fn telephones(self) -> Vec<String> {
        let phones = self.each("telecom");
        let phones = phones.filter(|telecom| matches!(telecom.string("system").as_deref(), Some("phone" | "sms")));
        phones
            .filter_map(|telecom| Some(telecom.string("value")?.into_owned()))
            .collect()
    }

    /// The texts of her addresses that may name a place.
    fn places(self) -> Vec<String> {
        let mut texts = Vec::new();
        for address in self.each("address") {
            texts.extend(
                ["city", "district", "state", "text"]
                    .iter()
                    .filter_map(|name| address.string(name)),
            );
        }
        texts.into_iter().map(|text| text.into_owned()).collect()
    }

    /// The first address on one line.
    fn address(self) -> Option<String> {
        let address = self.each("address").next()?;
        let lines = address.get("line").into_iter().flat_map(|lines| lines.each());
        let mut parts: Vec<String> = lines.filter_map(|line| Some(line.as_str()?.into_owned())).collect();
        parts.extend(
            ["city", "district"]
                .iter()
                .filter_map(|name| Some(address.string(name)?.into_owned())),
        );
        match parts.is_empty() {
            true => address.string("text").map(|text| text.into_owned()),
            false => Some(parts.join(", ")),
        }
    }
}

/// A HumanName as it is written: its text, or its parts.
fn written(name: Node<'_>) -> Option<String> {
    if let Some(text) = name.string("text") {
        return Some(text.into_owned());
    }
    let given = name.get("given").into_iter().flat_map(|given| given.each());
    let parts: Vec<String> = given
        .chain(name.get("family"))
        .filter_map(|part| Some(part.as_str()?.into_owned()))
        .collect();
    (!parts.is_empty()).then(|| parts.join(" "))
}

/// Adds to a result what tells the person to whoever looks at it.
pub(crate) fn summary(person: Person<'_>, result: &mut Tree) {
    let string = |name: &str| person.0.string(name).map(|text| text.into_owned());
    let facts = [
        ("name", person.names().into_iter().next()),
        ("birthDate", string("birthDate")),
        ("gender", string("gender")),
        ("identifier", person.identifiers().into_iter().next()),
        ("telephone", person.telephones().into_iter().next()),
        ("address", person.address()),
    ];
    for (name, text) in facts {
        text.into_iter().for_each(|text| result.set(name, Tree::string(text)));
    }
}

/// Of each word that matched: how, and the text of the record in parts, those that matched marked as hits.
pub(crate) fn matched(
    person: Person<'_>,
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
        if let Some(marked) = mark(person, term, found, names) {
            entry.set("element", Tree::string(marked.element));
            entry.set("parts", Tree::Array(parts(&marked.text, marked.hit)));
        }
        Some(entry)
    });
    matched.collect()
}

fn mark(person: Person<'_>, term: &Term, found: &Match, names: &Spellings) -> Option<Marked> {
    match found.how {
        How::Name | How::NameBegun | How::NameNear => {
            let token = found.token.as_deref()?;
            let typed = term.meanings.iter().find_map(|meaning| match meaning {
                Meaning::Name { typed, .. } if found.how == How::NameBegun => Some(typed.as_str()),
                _ => None,
            });
            let own = person.names().into_iter().map(|name| ("name", name));
            let contacts = person
                .each("contact")
                .filter_map(|contact| written(contact.get("name")?));
            let mut all = own.chain(contacts.map(|name| ("contact.name", name)));
            all.find_map(|(element, text)| {
                let hit = in_name(&text, token, typed, names)?;
                Some(Marked { element, text, hit })
            })
        }
        How::Year | How::YearNear | How::Born => {
            let text = person.0.string("birthDate")?.into_owned();
            birth::Birth::read(&text)?;
            let hit = 0..if found.how == How::Born { text.len() } else { 4 };
            Some(Marked {
                element: "birthDate",
                text,
                hit,
            })
        }
        How::Number | How::NumberBegun | How::NumberNear => in_numbers(person, term, found.how),
        How::Gewog | How::Dzongkhag | How::PlaceBegun => in_places(person, term),
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

fn in_numbers(person: Person<'_>, term: &Term, how: How) -> Option<Marked> {
    let numbers = term.meanings.iter().filter_map(|meaning| match meaning {
        Meaning::Number(number) => Some(number.as_str()),
        _ => None,
    });
    let identifiers = person.identifiers().into_iter().map(|value| ("identifier", value));
    let all: Vec<(&'static str, String)> = identifiers
        .chain(person.telephones().into_iter().map(|value| ("telecom", value)))
        .collect();
    if how == How::NumberNear {
        // It differs by one slip: all of it is shown.
        let (element, text) = all
            .into_iter()
            .find(|(_, value)| particulars::citizen(value).is_some())?;
        let hit = 0..text.len();
        return Some(Marked { element, text, hit });
    }
    numbers.into_iter().find_map(|number| {
        all.iter().find_map(|(element, value)| {
            Some(Marked {
                element,
                text: value.clone(),
                hit: in_number(value, number)?,
            })
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

fn in_places(person: Person<'_>, term: &Term) -> Option<Marked> {
    let wanted = term.meanings.iter().find_map(|meaning| match meaning {
        Meaning::Places { numbers, .. } => Some(numbers),
        _ => None,
    })?;
    person.places().into_iter().find_map(|text| {
        let words = words(&text);
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
