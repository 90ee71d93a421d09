//! Particulars that nobody can read without the key: keyed hashes in place of names, numbers, dates and places.
//!
//! A clinic that loses such a file loses no names. Whoever has the key still finds who was hidden by it, by what agrees
//! exactly or sounds alike: edits, mistyped digits and years nearby cannot be seen any more. The sex is left out: of two
//! hashes anybody can guess which is which. The key must not lie beside the file.

use crate::birth::Birth;
use crate::person::{Identifier, Person, Sex};
use crate::places::Place;
use crate::sound::{HASHED, sound};

/// A key that hides.
#[derive(Clone)]
pub struct Key([u8; 32]);

/// Above all real citizen numbers, so that a hash is never taken for one.
const BEYOND_NUMBERS: u64 = 1 << 40;
const LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

impl Key {
    /// The key of a secret: a text of at least 16 bytes that is kept elsewhere.
    ///
    /// # Errors
    /// A sentence where it is shorter.
    pub fn of(secret: &str) -> Result<Key, String> {
        let secret = secret.trim();
        if secret.len() < 16 {
            return Err(format!("The secret has {} bytes; it needs 16 at least.", secret.len()));
        }
        Ok(Key(blake3::derive_key(
            "epis 2026 persons hidden in a roster",
            secret.as_bytes(),
        )))
    }

    /// What tells this key from others, and nothing about it.
    pub fn check(&self) -> [u8; 16] {
        let mut check = [0; 16];
        check.copy_from_slice(&self.hash("check", "").as_bytes()[..16]);
        check
    }

    fn hash(&self, purpose: &str, text: &str) -> blake3::Hash {
        blake3::keyed_hash(&self.0, format!("{purpose}\n{text}").as_bytes())
    }

    fn number(&self, purpose: &str, text: &str, bits: u32) -> u64 {
        let hash = self.hash(purpose, text);
        let number = hash
            .as_bytes()
            .iter()
            .take(8)
            .fold(0, |number, byte| number << 8 | u64::from(*byte));
        // 0 stands for what is not known.
        (number >> (64 - bits)).max(1)
    }

    fn letters(&self, purpose: &str, text: &str, count: usize) -> String {
        let hash = self.hash(purpose, text);
        let letters = hash
            .as_bytes()
            .iter()
            .take(count)
            .map(|byte| LETTERS[usize::from(byte & 31)]);
        letters.map(char::from).collect()
    }

    /// A person as a hidden register knows her, and as she is looked for in it.
    pub fn hide(&self, person: &Person) -> Person {
        let token = |token: &String| {
            let sound = self.letters("sound", &sound(token), 7);
            format!("{HASHED}{}~{sound}", self.letters("token", token, 11))
        };
        let identifier = |it: &Identifier| Identifier {
            system: it.system.clone(),
            value: self.letters(&it.system, &it.value, 11),
        };
        let telephone = |number: &u64| self.number("telephone", &number.to_string(), 32);
        Person {
            names: person
                .names
                .iter()
                .map(|name| name.iter().map(token).collect())
                .collect(),
            birth: person.birth.map(|birth| self.hide_birth(&birth)),
            sex: Sex::Unknown,
            citizen: person
                .citizen
                .map(|number| BEYOND_NUMBERS + self.number("citizen", &number.to_string(), 40)),
            identifiers: person.identifiers.iter().map(identifier).collect(),
            telephones: person.telephones.iter().map(telephone).collect(),
            place: Place {
                gewog: match person.place.gewog {
                    0 => 0,
                    gewog => self.number("gewog", &gewog.to_string(), 31) as u32,
                },
                ..Place::default()
            },
            ..Person::default()
        }
    }

    fn hide_birth(&self, birth: &Birth) -> Birth {
        let hash = |text: String| self.number("birth", &text, 30) as u32;
        let year = hash(birth.year.to_string());
        match birth.tells_day() {
            // So many are heaped on the first of January that it says no more than the year.
            false => Birth::of_year(year),
            true => Birth {
                year,
                month: hash(format!("{}-{}", birth.year, birth.month)),
                day: hash(birth.to_string()),
            },
        }
    }
}
