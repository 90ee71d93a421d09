//! The code of an invitation: what a person reads out over the telephone so that a clinic's machine may join.
//!
//! It holds a secret of 80 bits, by which the centre knows the invitation, and the first 80 bits of the authority's
//! fingerprint, by which the clinic knows the centre: so enrolling needs no trust from before. Both are written in
//! base32 without the letters I, L, O and U (Crockford's), with one more character that tells a slip: any one character
//! changed, or two changed over, is found before anybody is asked.

use std::fmt;
use std::str::FromStr;

use ring::digest::{Context, SHA256};
use ring::rand::{SecureRandom, SystemRandom};

use super::hex::hex;

/// Bytes of the secret, and of the fingerprint, in a code.
pub const HALF: usize = 10;
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Characters of a code, without the one that checks.
const LENGTH: usize = 32;
/// Characters read together.
const GROUP: usize = 4;

/// A code.
#[derive(Clone, PartialEq, Eq)]
pub struct Code {
    /// What only who was invited knows.
    secret: [u8; HALF],
    /// How the fingerprint of the centre's authority begins.
    pub authority: [u8; HALF],
}

impl Code {
    /// A new code of the centre whose authority has this fingerprint.
    ///
    /// # Errors
    /// A sentence where the machine gives no random bytes.
    pub fn new(fingerprint: &[u8; 32]) -> Result<Code, String> {
        let mut secret = [0; HALF];
        let filled = SystemRandom::new().fill(&mut secret);
        filled.map_err(|_| "This machine gives no random bytes.".to_owned())?;
        let mut authority = [0; HALF];
        authority.copy_from_slice(&fingerprint[..HALF]);
        Ok(Code { secret, authority })
    }

    /// What the centre keeps of it: 64 hexadecimal digits from which nobody gets the secret.
    pub fn hashed(&self) -> String {
        let mut context = Context::new(&SHA256);
        context.update(b"epis invitation\0");
        context.update(&self.secret);
        hex(context.finish().as_ref())
    }
}

/// As a person reads it: `8TQ3-K0WM-…`.
impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = [self.secret, self.authority].concat();
        let values: Vec<u8> = bytes.chunks_exact(5).flat_map(spread).collect();
        for (at, value) in values.iter().chain([&check(&values)]).enumerate() {
            let dash = if at > 0 && at % GROUP == 0 { "-" } else { "" };
            write!(f, "{dash}{}", char::from(ALPHABET[usize::from(*value)]))?;
        }
        Ok(())
    }
}

/// Nothing of the code, which is a secret.
impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Code")
    }
}

impl FromStr for Code {
    type Err = String;

    fn from_str(text: &str) -> Result<Code, String> {
        let mut values = Vec::with_capacity(LENGTH + 1);
        for letter in text.chars().filter(|c| !c.is_whitespace() && *c != '-') {
            let value = value(letter)
                .ok_or_else(|| format!("{letter:?} is in no code: a code has digits and letters, but no U."))?;
            if values.len() > LENGTH {
                return Err(length("more than"));
            }
            values.push(value);
        }
        match values.split_last() {
            Some((last, values)) if values.len() == LENGTH => {
                if check(values) != *last {
                    return Err(
                        "The code has a slip: compare it letter by letter with the one that was given.".to_owned(),
                    );
                }
                let bytes: Vec<u8> = values.chunks_exact(8).flat_map(gather).collect();
                let half = |from: usize| std::array::from_fn(|at| bytes[from + at]);
                Ok(Code {
                    secret: half(0),
                    authority: half(HALF),
                })
            }
            _ => Err(length("fewer than")),
        }
    }
}

fn length(how: &str) -> String {
    format!("The code has {how} {} letters and digits: write all of it.", LENGTH + 1)
}

/// The value of a character, as people write it: I and L are ones, O is a nought.
fn value(letter: char) -> Option<u8> {
    let letter = match letter.to_ascii_uppercase() {
        'I' | 'L' => '1',
        'O' => '0',
        other => other,
    };
    let at = ALPHABET.iter().position(|known| char::from(*known) == letter)?;
    u8::try_from(at).ok()
}

/// Five bytes as eight values of five bits.
fn spread(bytes: &[u8]) -> [u8; 8] {
    let whole = bytes.iter().fold(0u64, |whole, byte| whole << 8 | u64::from(*byte));
    std::array::from_fn(|at| (whole >> (35 - 5 * at) & 31) as u8)
}

/// Eight values of five bits as five bytes.
fn gather(values: &[u8]) -> [u8; 5] {
    let whole = values.iter().fold(0u64, |whole, value| whole << 5 | u64::from(*value));
    std::array::from_fn(|at| (whole >> (32 - 8 * at)) as u8)
}

/// The values as a polynomial over the field of 32 elements, at its generator: every value counts with a factor of its own,
/// none of them nought, and the character that checks with one; so one changed value, or two neighbours exchanged, give
/// another sum.
fn check(values: &[u8]) -> u8 {
    values.iter().fold(0, |sum, value| doubled(sum ^ value))
}

/// A value of the field times its generator.
fn doubled(value: u8) -> u8 {
    let twice = value << 1;
    if twice > 31 { twice ^ 0b10_0101 } else { twice }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code() -> Code {
        Code {
            secret: [0x8a, 1, 2, 3, 4, 0xff, 0, 7, 8, 0x5b],
            authority: [9, 8, 7, 6, 5, 4, 3, 2, 1, 0xe0],
        }
    }

    #[test]
    fn a_code_is_read_as_people_write_it() {
        let text = code().to_string();
        assert_eq!((text.len(), text.matches('-').count()), (33 + 8, 8), "{text}");
        let loose = text
            .replace('-', " ")
            .to_lowercase()
            .replace('0', "o")
            .replace('1', "l");
        for written in [&text, &loose, &text.replace('-', ""), &format!("  {text}\n")] {
            assert_eq!(written.parse::<Code>().as_ref(), Ok(&code()), "{written}");
        }
        assert_eq!(format!("{:?}", code()), "Code");
    }

    #[test]
    fn every_slip_of_one_letter_or_two_changed_over_is_told() {
        let text = code().to_string().replace('-', "");
        let letters: Vec<char> = text.chars().collect();
        let mut slips = 0;
        for at in 0..letters.len() {
            for other in ALPHABET.iter().map(|byte| char::from(*byte)) {
                let mut slip = letters.clone();
                slip[at] = other;
                slips += usize::from(slip != letters);
                let read = slip.iter().collect::<String>().parse::<Code>();
                assert_eq!(read.is_ok(), slip == letters, "{at} {other}");
            }
            let mut slip = letters.clone();
            slip.swap(at, (at + 1).min(letters.len() - 1));
            let read = slip.iter().collect::<String>().parse::<Code>();
            assert_eq!(read.is_ok(), slip == letters, "{at} exchanged");
        }
        assert_eq!(slips, 33 * 31);
    }

    #[test]
    fn what_is_no_code_says_what_is_wrong() {
        let text = code().to_string();
        let table = [
            (String::new(), "fewer than 33"),
            (text[..text.len() - 2].to_owned(), "fewer than 33"),
            (format!("{text}0"), "more than 33"),
            (text.replacen('-', "U", 1), "'U' is in no code"),
            (text.replacen('-', "é", 1), "'é' is in no code"),
        ];
        for (text, expected) in table {
            let said = text.parse::<Code>().unwrap_err();
            assert!(said.contains(expected), "{text} said {said}");
        }
    }

    #[test]
    fn what_is_kept_tells_secrets_apart_and_nothing_else() {
        let (one, other) = (Code::new(&[7; 32]).unwrap(), Code::new(&[7; 32]).unwrap());
        assert_ne!(one.hashed(), other.hashed());
        assert_eq!((one.authority, one.hashed().len()), ([7; HALF], 64));
        let moved = Code {
            authority: [0; HALF],
            ..one.clone()
        };
        assert_eq!(moved.hashed(), one.hashed());
    }
}
