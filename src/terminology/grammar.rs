//! Code systems whose codes a grammar makes: units, languages, media types, addresses.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

use crate::system::{Content, Facts, Place, System};

/// A grammar: what it says of itself, and how it reads a code.
struct Grammar {
    facts: Facts,
    /// The name of a code for people; `None` where it is no code, `Some(None)` where it has no name.
    read: fn(&str) -> Option<Option<String>>,
    /// Whether a code fulfils a filter that only the grammar knows.
    filter: fn(&str, &str, &str, &str) -> Option<bool>,
}

const CODE_MAX: usize = 255;

/// The systems that are known by their grammar.
pub(crate) fn all() -> &'static [Arc<dyn System>] {
    static ALL: OnceLock<Vec<Arc<dyn System>>> = OnceLock::new();
    ALL.get_or_init(|| {
        vec![
            grammar(ucum::SYSTEM, "UCUM", Some("2.2"), true, unit, unit_filter),
            grammar(
                "urn:ietf:bcp:47",
                "Language tags (BCP 47)",
                None,
                false,
                language,
                no_filter,
            ),
            grammar(
                "urn:ietf:bcp:13",
                "Media types (BCP 13)",
                None,
                false,
                media_type,
                no_filter,
            ),
            grammar("urn:ietf:rfc:3986", "URIs (RFC 3986)", None, true, uri, no_filter),
        ]
    })
}

fn grammar(
    url: &str,
    name: &str,
    version: Option<&str>,
    case_sensitive: bool,
    read: fn(&str) -> Option<Option<String>>,
    filter: fn(&str, &str, &str, &str) -> Option<bool>,
) -> Arc<dyn System> {
    let facts = Facts {
        url: url.to_owned(),
        name: name.to_owned(),
        version: version.map(str::to_owned),
        status: "active".to_owned(),
        content: Content::Complete,
        case_sensitive,
        ..Facts::default()
    };
    Arc::new(Grammar { facts, read, filter })
}

impl Grammar {
    fn read(&self, place: &Place) -> Option<String> {
        let Place::Written(code) = place else { return None };
        (self.read)(code).flatten()
    }
}

impl System for Grammar {
    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn find(&self, code: &str) -> Option<Place> {
        if code.len() > CODE_MAX {
            return None;
        }
        (self.read)(code).map(|_| Place::Written(code.into()))
    }

    fn display(&self, place: &Place) -> Option<Cow<'_, str>> {
        self.read(place).map(Cow::Owned)
    }

    fn own_filter(&self, property: &str, op: &str, value: &str, place: &Place) -> Option<bool> {
        let Place::Written(code) = place else { return None };
        (self.filter)(code, property, op, value)
    }
}

fn no_filter(code: &str, property: &str, op: &str, value: &str) -> Option<bool> {
    match (property, op) {
        ("code", "=") => Some(code == value),
        ("code", "in") => Some(value.split(',').any(|one| one.trim() == code)),
        _ => None,
    }
}

/// <https://hl7.org/fhir/R4/ucum.html>: the name is put together from those of the parts.
fn unit(code: &str) -> Option<Option<String>> {
    let unit = ucum::Unit::parse(code).ok()?;
    Some(Some(unit.to_string()))
}

/// `canonical` is the one filter of UCUM: units that can be converted into that one.
fn unit_filter(code: &str, property: &str, op: &str, value: &str) -> Option<bool> {
    if (property, op) != ("canonical", "=") {
        return no_filter(code, property, op, value);
    }
    let wanted = ucum::Unit::parse(value).ok()?;
    Some(ucum::Unit::parse(code).is_ok_and(|unit| unit.comparable(&wanted)))
}

/// A well-formed language tag (RFC 5646, section 2.1): language, script, region, variants, extensions, private use.
fn language(tag: &str) -> Option<Option<String>> {
    let mut parts = tag.split('-').peekable();
    let letters = |part: &str| part.bytes().all(|b| b.is_ascii_alphabetic());
    let mixed = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric());
    let first = parts.next()?;
    if first.eq_ignore_ascii_case("x") || first.eq_ignore_ascii_case("i") {
        let mut rest = parts.peekable();
        return (rest.peek().is_some() && rest.all(|part| mixed(part) && part.len() <= 8)).then_some(None);
    }
    if !letters(first) || !matches!(first.len(), 2..=8) {
        return None;
    }
    let extended = |part: &&str| letters(part) && part.len() == 3;
    for _ in 0..3 {
        parts.next_if(|part| first.len() <= 3 && extended(part));
    }
    parts.next_if(|part| letters(part) && part.len() == 4);
    parts.next_if(|part| {
        (letters(part) && part.len() == 2) || (part.len() == 3 && part.bytes().all(|b| b.is_ascii_digit()))
    });
    let variant = |part: &&str| {
        mixed(part) && (matches!(part.len(), 5..=8) || (part.len() == 4 && part.as_bytes()[0].is_ascii_digit()))
    };
    while parts.next_if(variant).is_some() {}
    while let Some(single) = parts.next() {
        if single.len() != 1 || !mixed(single) || parts.peek().is_none() {
            return None;
        }
        let private = single.eq_ignore_ascii_case("x");
        let long = |part: &&str| mixed(part) && part.len() <= 8 && (private || part.len() >= 2);
        let mut some = false;
        while parts.next_if(long).is_some() {
            some = true;
        }
        if !some {
            return None;
        }
    }
    Some(None)
}

/// `type/subtype` with parameters (RFC 6838, section 4.2, and RFC 2045, section 5.1).
fn media_type(code: &str) -> Option<Option<String>> {
    let mut parts = code.split(';').map(str::trim);
    let name = |text: &str| {
        let fits = |b: u8| b.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&b);
        matches!(text.len(), 1..=127) && text.as_bytes()[0].is_ascii_alphanumeric() && text.bytes().all(fits)
    };
    let (kind, sub) = parts.next()?.split_once('/')?;
    let parameter = |part: &str| {
        part.split_once('=')
            .is_some_and(|(key, value)| name(key) && !value.is_empty())
    };
    (name(kind) && name(sub) && parts.all(parameter)).then_some(None)
}

/// An absolute address: a scheme and something after it.
fn uri(code: &str) -> Option<Option<String>> {
    is_absolute(code).then_some(None)
}

/// Whether an address begins with a scheme (RFC 3986, section 3.1).
pub(crate) fn is_absolute(address: &str) -> bool {
    let Some((scheme, rest)) = address.split_once(':') else {
        return false;
    };
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"+-.".contains(&b);
    scheme.as_bytes().first().is_some_and(u8::is_ascii_alphabetic)
        && scheme.bytes().all(fits)
        && !rest.is_empty()
        && !address.contains(char::is_whitespace)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grammars_tell_codes_from_other_text() {
        let table = [
            (ucum::SYSTEM, "mm[Hg]", true),
            (ucum::SYSTEM, "mmHgg", false),
            ("urn:ietf:bcp:47", "dz", true),
            ("urn:ietf:bcp:47", "zh-Hant-TW", true),
            ("urn:ietf:bcp:47", "de-CH-1996", true),
            ("urn:ietf:bcp:47", "en-u-ca-buddhist", true),
            ("urn:ietf:bcp:47", "en-", false),
            ("urn:ietf:bcp:47", "e", false),
            ("urn:ietf:bcp:47", "en-x", false),
            ("urn:ietf:bcp:13", "application/fhir+json; fhirVersion=4.0", true),
            ("urn:ietf:bcp:13", "text", false),
            ("urn:ietf:bcp:13", "text/", false),
            ("urn:ietf:rfc:3986", "urn:oid:1.2", true),
            ("urn:ietf:rfc:3986", "Location1", false),
        ];
        for (url, code, is) in table {
            let system = all().iter().find(|system| system.facts().url == url).unwrap();
            assert_eq!(system.find(code).is_some(), is, "{url} {code}");
        }
        let units = &all()[0];
        let mass = |code: &str| units.own_filter("canonical", "=", "g", &units.find(code).unwrap());
        assert_eq!((mass("mg"), mass("mL")), (Some(true), Some(false)));
    }
}
