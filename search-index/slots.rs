//! Which column holds which parameter of which kind: a few columns shared by all kinds.
//!
//! A segment pays for every column it has, and a kind has few parameters of each class. So the first
//! date parameter of every kind lies in the first date column, the second in the second, and so on, in
//! the order of the parameters' numbers. The allotment follows from the definitions alone; its
//! fingerprint is kept beside the index, and another fingerprint means another index.

use fhir::identity::Kind;
use query::ParamId;
use query::values::hash;
use rustc_hash::FxHashMap;

/// What a family of columns holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Family {
    /// Dates: start and length.
    Date,
    /// Numbers: start and length.
    Number,
    /// Places: latitude, and how far the longitude lies above it.
    Position,
    /// Quantities: start, length and unit.
    Quantity,
    /// The records referred to, by hash.
    Reference,
    /// Texts to sort by.
    Order,
}

/// All families, in the order of their letters.
pub(crate) const FAMILIES: [Family; 6] = [
    Family::Date,
    Family::Number,
    Family::Position,
    Family::Quantity,
    Family::Reference,
    Family::Order,
];

impl Family {
    /// What the names of the family's columns begin with.
    pub(crate) fn letter(self) -> char {
        match self {
            Family::Date => 'd',
            Family::Number => 'n',
            Family::Position => 'p',
            Family::Quantity => 'q',
            Family::Reference => 'r',
            Family::Order => 'o',
        }
    }
}

/// One shared column: the family and the number in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Slot {
    /// The family.
    pub(crate) family: Family,
    /// The number in the family, from 0.
    pub(crate) number: usize,
}

/// The allotment of columns to the parameters of all kinds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Slots {
    kinds: FxHashMap<Kind, Vec<(ParamId, Slot)>>,
    counts: FxHashMap<Family, usize>,
    fingerprint: u64,
}

impl Slots {
    /// Allots columns to what each kind has, asked for in any order.
    pub(crate) fn allot(mut wanted: Vec<(Kind, ParamId, Family)>) -> Slots {
        wanted.sort();
        wanted.dedup();
        let mut slots = Slots::default();
        let mut taken: FxHashMap<(Kind, Family), usize> = FxHashMap::default();
        for (kind, param, family) in wanted {
            let number = taken.entry((kind.clone(), family)).or_default();
            let slot = Slot {
                family,
                number: *number,
            };
            *number += 1;
            let count = slots.counts.entry(family).or_default();
            *count = (*count).max(*number);
            let (before, param_bytes) = (slots.fingerprint.to_be_bytes(), param.0.to_be_bytes());
            let place = [family.letter() as u8, slot.number as u8];
            slots.fingerprint = hash(&[&before, kind.as_str().as_bytes(), &param_bytes, &place]);
            slots.kinds.entry(kind).or_default().push((param, slot));
        }
        slots
    }

    /// The column of a parameter of a kind.
    pub(crate) fn slot(&self, kind: &Kind, param: ParamId, family: Family) -> Option<Slot> {
        self.of(self.of_kind(kind), param).find(|slot| slot.family == family)
    }

    /// The column of a parameter's dates, numbers or quantities.
    pub(crate) fn ranges(&self, kind: &Kind, param: ParamId) -> Option<Slot> {
        self.of(self.of_kind(kind), param)
            .find(|slot| slot.family <= Family::Quantity)
    }

    /// The columns of a kind by parameter, ascending: looked up once for many values.
    pub(crate) fn of_kind(&self, kind: &Kind) -> &[(ParamId, Slot)] {
        self.kinds.get(kind).map_or(&[], |slots| slots)
    }

    /// The columns of a parameter among those of a kind.
    pub(crate) fn of<'a>(&self, kind: &'a [(ParamId, Slot)], param: ParamId) -> impl Iterator<Item = Slot> + use<'a> {
        let first = kind.partition_point(|(known, _)| *known < param);
        kind[first..]
            .iter()
            .take_while(move |(known, _)| *known == param)
            .map(|(_, slot)| *slot)
    }

    /// How many columns a family has.
    pub(crate) fn count(&self, family: Family) -> usize {
        self.counts.get(&family).copied().unwrap_or(0)
    }

    /// A hash of the whole allotment.
    pub(crate) fn fingerprint(&self) -> u64 {
        self.fingerprint
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_shared_and_stable() {
        let kind = |name: &str| Kind::new(name).unwrap();
        let wanted = vec![
            (kind("B"), ParamId(7), Family::Date),
            (kind("A"), ParamId(9), Family::Date),
            (kind("A"), ParamId(7), Family::Date),
            (kind("A"), ParamId(7), Family::Order),
        ];
        let mut turned = wanted.clone();
        turned.reverse();
        let (slots, again) = (Slots::allot(wanted), Slots::allot(turned));
        let number = |kind, param| slots.slot(&kind, ParamId(param), Family::Date).map(|slot| slot.number);
        assert_eq!(number(kind("A"), 7), Some(0));
        assert_eq!(number(kind("B"), 7), Some(0));
        assert_eq!(number(kind("A"), 9), Some(1));
        assert_eq!(number(kind("B"), 9), None);
        assert_eq!((slots.count(Family::Date), slots.count(Family::Number)), (2, 0));
        assert_eq!(slots.fingerprint(), again.fingerprint());
    }
}
