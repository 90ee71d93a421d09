//! The name of a member with a mark of it, by which it is told from others without looking at its text.

use std::ops::Deref;

/// A name and its mark. What is looked for again and again is marked once; a document marks its own names as it is
/// parsed, so that looking for a member, and for what is known of it, compares numbers and one text at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Name<T = Box<str>> {
    text: T,
    mark: u16,
}

impl<T: Deref<Target = str>> Name<T> {
    /// A name by its text.
    #[inline]
    pub fn of(text: T) -> Name<T> {
        let mark = mark(text.as_bytes());
        Name { text, mark }
    }

    /// A name whose mark is known.
    #[inline]
    pub(crate) fn marked(text: T, mark: u16) -> Name<T> {
        Name { text, mark }
    }

    /// The same name, lent.
    #[inline]
    pub fn lent(&self) -> Name<&str> {
        Name {
            text: &self.text,
            mark: self.mark,
        }
    }

    /// The text.
    #[inline]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it is this text.
    #[inline]
    pub fn is(&self, text: &[u8]) -> bool {
        same(self.text.as_bytes(), text)
    }

    /// The mark: equal for equal names, and mostly different for others.
    #[inline]
    pub fn mark(&self) -> u16 {
        self.mark
    }
}

impl Name<&'static str> {
    /// A name that the program knows: marked when it is built.
    pub const fn fixed(text: &'static str) -> Name<&'static str> {
        let mark = mark(text.as_bytes());
        Name { text, mark }
    }
}

impl<'n> Name<&'n str> {
    /// The text, for as long as it was lent.
    #[inline]
    pub fn into_text(self) -> &'n str {
        self.text
    }
}

/// Whether two texts are the same. Names are a word of the machine or two: comparing those costs less than a call.
#[inline]
pub(crate) fn same(left: &[u8], right: &[u8]) -> bool {
    if left.len() != right.len() {
        return false;
    }
    match left.len() {
        0 => true,
        1..=3 => ends::<1>(left, right) && left[left.len() / 2] == right[left.len() / 2],
        4..=8 => ends::<4>(left, right),
        9..=16 => ends::<8>(left, right),
        17..=32 => ends::<16>(left, right),
        _ => left == right,
    }
}

/// Whether two texts begin with the same `N` bytes and end with the same: of at most twice as many, all there are.
#[inline]
fn ends<const N: usize>(left: &[u8], right: &[u8]) -> bool {
    left.first_chunk::<N>() == right.first_chunk::<N>() && left.last_chunk::<N>() == right.last_chunk::<N>()
}

/// A mark from the length and three of the bytes.
#[inline]
pub(crate) const fn mark(name: &[u8]) -> u16 {
    let [first, .., last] = name else { return 0 };
    let middle = name[name.len() / 2];
    let mixed = u32::from_le_bytes([*first, middle, *last, name.len() as u8]).wrapping_mul(0x9E37_79B1);
    (mixed >> 16) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_same_or_not() {
        let long = "a".repeat(40);
        let other = "a".repeat(39) + "b";
        let names = [
            "",
            "a",
            "b",
            "id",
            "ab",
            "abc",
            "adc",
            "name",
            "nome",
            "number",
            "nuxber",
            "subject1",
            "subjact1",
            "subject",
            "valueInt",
            "valueIntx",
            "valueInxx",
            "valueCodeableConcepf",
            "valueCodeableKoncept",
            "valueCodeableConcept",
            &long,
            &other,
        ];
        for left in names {
            for right in names {
                let (one, two) = (Name::of(left), Name::of(right));
                assert_eq!(one.is(right.as_bytes()), left == right, "{left} {right}");
                assert!(left != right || one.mark() == two.mark(), "{left}");
            }
        }
    }
}
