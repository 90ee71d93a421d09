//! When two written names are nearly the same: by the sound of their consonants, or by one or two edits.

/// What stands before the two hashes of a token that was made unreadable.
pub(crate) const HASHED: char = '#';

/// Groups of letters that spell one sound, the longest first, and the sound.
const SOUNDS: [(&str, char); 23] = [
    ("tsh", 'C'),
    ("chh", 'C'),
    ("ts", 'C'),
    ("ch", 'C'),
    ("sh", 's'),
    ("zh", 'z'),
    ("ph", 'p'),
    ("bh", 'b'),
    ("th", 't'),
    ("dh", 'd'),
    ("kh", 'k'),
    ("gh", 'g'),
    ("lh", 'l'),
    ("rh", 'r'),
    ("ng", 'n'),
    ("ny", 'n'),
    ("ck", 'k'),
    ("j", 'z'),
    ("f", 'p'),
    ("v", 'w'),
    ("q", 'k'),
    ("x", 'k'),
    ("c", 'k'),
];

/// The consonants of a folded name as they sound, with its first letter where that is a vowel: `wangdi` and `wangdue`
/// are both `wnd`. Of another script, the name itself; of a hashed token, the hash of the sound.
pub fn sound(token: &str) -> String {
    match written_as_it_sounds(token) {
        Some(sound) => sound.to_owned(),
        None => Sounds::of(token).collect(),
    }
}

/// Whether two folded names sound alike.
fn sound_alike(a: &str, b: &str) -> bool {
    match (written_as_it_sounds(a), written_as_it_sounds(b)) {
        (None, None) => Sounds::of(a).eq(Sounds::of(b)),
        (Some(a), Some(b)) => a == b,
        _ => false,
    }
}

/// The sound of what is not in Latin letters.
fn written_as_it_sounds(token: &str) -> Option<&str> {
    let hashes = match token.as_bytes().first() {
        Some(first) if *first == HASHED as u8 => token.get(1..),
        _ => None,
    };
    match hashes {
        Some(hashes) => Some(hashes.split_once('~').map_or(hashes, |(_, sound)| sound)),
        None => Some(token).filter(|token| !token.is_ascii()),
    }
}

/// The consonants of a name in Latin letters, one by one.
struct Sounds<'a> {
    rest: &'a [u8],
    begun: bool,
    last: char,
}

impl Sounds<'_> {
    fn of(token: &str) -> Sounds<'_> {
        Sounds {
            rest: token.as_bytes(),
            begun: false,
            last: '\0',
        }
    }
}

impl Iterator for Sounds<'_> {
    type Item = char;

    fn next(&mut self) -> Option<char> {
        loop {
            let letter = *self.rest.first()?;
            let begins = |group: &str| group.as_bytes()[0] == letter && self.rest.starts_with(group.as_bytes());
            let group = SOUNDS.iter().find(|(group, _)| begins(group));
            let (length, sound) = group.map_or((1, char::from(letter)), |(group, sound)| (group.len(), *sound));
            self.rest = &self.rest[length..];
            let silent = matches!(sound, 'a' | 'e' | 'i' | 'o' | 'u' | 'y' | 'h') && self.begun;
            self.begun = true;
            if !silent && sound != self.last {
                self.last = sound;
                return Some(sound);
            }
        }
    }
}

/// Whether two folded names are the same but for a slip: they sound alike, or one edit apart; two where they are long.
pub fn similar(a: &str, b: &str) -> bool {
    if a == b || sound_alike(a, b) {
        return true;
    }
    if [a, b]
        .iter()
        .any(|token| token.as_bytes().first() == Some(&(HASHED as u8)))
    {
        return false;
    }
    let allowed = match a.len().min(b.len()) {
        0..4 => 0,
        4..8 => 1,
        _ => 2,
    };
    // An edit brings or takes at most two letters: most words are told apart without looking at their order.
    let near = (letter_bits(a) ^ letter_bits(b)).count_ones() as usize <= 2 * allowed;
    allowed > 0 && near && edits(a, b, allowed) <= allowed
}

/// One bit for each letter of a word.
pub(crate) fn letter_bits(word: &str) -> u32 {
    word.chars().fold(0, |bits, c| bits | 1 << (c as u32 % 32))
}

/// Letters to insert, remove, change or swap with the next to make one of the other; more than `most` counts as one more.
pub fn edits(a: &str, b: &str, most: usize) -> usize {
    if a.is_ascii() && b.is_ascii() {
        return edits_of(a.as_bytes(), b.as_bytes(), most);
    }
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    edits_of(&a, &b, most)
}

/// Longer texts are cut: names are shorter.
const COMPARED_MAX: usize = 63;

fn edits_of<T: PartialEq>(a: &[T], b: &[T], most: usize) -> usize {
    let a = &a[..a.len().min(COMPARED_MAX)];
    let b = &b[..b.len().min(COMPARED_MAX)];
    let most = most.min(COMPARED_MAX);
    if a.len().abs_diff(b.len()) > most {
        return most + 1;
    }
    // Three rows of the table: a swap looks two rows back. Further from the diagonal than `most` all is too much.
    let beyond = most as u8 + 1;
    let mut before = [beyond; COMPARED_MAX + 1];
    let mut last: [u8; COMPARED_MAX + 1] = std::array::from_fn(|j| j as u8);
    for i in 1..=a.len() {
        let (from, to) = (i.saturating_sub(most).max(1), (i + most).min(b.len()));
        let mut row = [beyond; COMPARED_MAX + 1];
        row[0] = i as u8;
        let mut least_of_row = row[from - 1];
        for j in from..=to {
            let change = last[j - 1] + u8::from(a[i - 1] != b[j - 1]);
            let mut least = change.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(before[j - 2] + 1);
            }
            row[j] = least;
            least_of_row = least_of_row.min(least);
        }
        if least_of_row >= beyond {
            return most + 1;
        }
        before = std::mem::replace(&mut last, row);
    }
    usize::from(last[b.len()].min(beyond))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_sound_alike_are_similar() {
        let table = [
            ("wangdi", "wangdue", true),
            ("dorji", "dorjee", true),
            ("tshering", "tsering", true),
            ("tshering", "chhering", true),
            ("zangmo", "jangmo", true),
            ("phurba", "furba", true),
            ("namgay", "namgey", true),
            ("sonam", "sanam", true),
            ("sonam", "sonma", true),
            ("gyeltshen", "gyletsehn", true),
            ("sonam", "pema", false),
            ("dorji", "dechen", false),
            ("om", "am", false),
            ("tashi", "tandin", false),
            ("ཚེ་རིང", "བསོད་ནམས", false),
            ("#aaa~bbb", "#ccc~bbb", true),
            ("#aaa~bbb", "#aab~bbc", false),
        ];
        for (a, b, expected) in table {
            assert_eq!(similar(a, b), expected, "{a} {b}: {} {}", sound(a), sound(b));
            assert_eq!(similar(b, a), expected, "{b} {a}");
        }
    }

    #[test]
    fn edits_are_counted_up_to_a_limit() {
        let table = [
            ("", "", 0),
            ("ab", "ba", 1),
            ("abc", "abd", 1),
            ("abc", "ac", 1),
            ("abcd", "dcba", 3),
            ("a", "abcdef", 3),
        ];
        for (a, b, expected) in table {
            assert_eq!(edits(a, b, 2), expected, "{a} {b}");
        }
    }
}
