//! The members of every type, found by name: the judge's and the evaluator's hottest question.
//!
//! Each type has a run of members, inherited ones first, and a small open table over it: the slot of a name comes from
//! its mark, and the next free slots take what falls on the same one. Tables are at least twice as large as what they
//! hold, so a search ends within a few slots; a slot carries its name's mark, so that few names are compared in vain.

use fhir::name::Name;
use fhirpath::model::{self, TypeId};

use crate::definitions::Sort;

/// What a name is within a type.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Member {
    /// Where its name stands in the text of all names.
    name: (u32, u32),
    /// The type of the value.
    pub(crate) kind: TypeId,
    /// The place in `Definitions::elements`.
    pub(crate) element: u32,
    /// The number of the element within its type.
    pub(crate) bit: u8,
    pub(crate) list: bool,
    pub(crate) role: Role,
    pub(crate) sort: Sort,
    /// The same as paths tell sorts apart.
    pub(crate) for_paths: model::Sort,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// A name in JSON and in FHIRPath alike.
    Plain,
    /// The JSON name of one type of a choice: `valueQuantity`.
    Typed,
    /// The FHIRPath name of a choice: `value`.
    Bare,
}

/// The members of one type: where they and their slots begin, and how many there are.
#[derive(Clone, Copy, Debug, Default)]
struct Run {
    members: u32,
    count: u32,
    slots: u32,
    /// The number of slots less one: a power of two less one.
    mask: u32,
}

/// The members of every type.
#[derive(Debug, Default)]
pub(crate) struct Members {
    names: Vec<u8>,
    members: Vec<Member>,
    slots: Vec<Slot>,
    runs: Vec<Run>,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    /// Counted from the first member of the type; `FREE` where there is none.
    number: u16,
    mark: u16,
}

const FREE: u16 = u16::MAX;

impl Members {
    /// Room for a number of types, all still without members.
    pub(crate) fn of_types(count: usize) -> Members {
        Members {
            names: Vec::with_capacity(count * 96),
            members: Vec::with_capacity(count * 16),
            slots: Vec::with_capacity(count * 48),
            runs: vec![Run::default(); count],
        }
    }

    /// Begins a type's members with those of its base, which must be complete.
    pub(crate) fn begin(&mut self, kind: TypeId, base: Option<TypeId>) {
        let begin = self.members.len();
        if let Some(base) = base {
            let run = self.runs[base.0 as usize];
            let inherited = run.members as usize..(run.members + run.count) as usize;
            self.members.extend_from_within(inherited);
        }
        self.runs[kind.0 as usize].members = begin as u32;
    }

    /// Adds a member to the type begun last.
    pub(crate) fn add(&mut self, name: &str, make: impl FnOnce((u32, u32)) -> Member) {
        let span = (self.names.len() as u32, name.len() as u32);
        self.names.extend_from_slice(name.as_bytes());
        self.members.push(make(span));
    }

    /// Ends the type begun last.
    pub(crate) fn end(&mut self, kind: TypeId) {
        let begin = self.runs[kind.0 as usize].members as usize;
        let count = self.members.len() - begin;
        let size = (2 * count).next_power_of_two().max(2);
        let (slots, mask) = (self.slots.len(), size - 1);
        let free = Slot { number: FREE, mark: 0 };
        self.slots.resize(slots + size, free);
        for (number, member) in self.members[begin..].iter().enumerate() {
            let mark = Name::of(self.name_of(member)).mark();
            let mut at = usize::from(mark) & mask;
            while self.slots[slots + at].number != FREE {
                at = (at + 1) & mask;
            }
            self.slots[slots + at] = Slot {
                number: number as u16,
                mark,
            };
        }
        let run = &mut self.runs[kind.0 as usize];
        (run.count, run.slots, run.mask) = (count as u32, slots as u32, mask as u32);
    }

    /// The member of a type by its name in JSON or in FHIRPath.
    #[inline]
    pub(crate) fn find(&self, kind: TypeId, name: &Name<&str>) -> Option<&Member> {
        let run = self.runs[kind.0 as usize];
        let slots = &self.slots[run.slots as usize..][..=run.mask as usize];
        let mut at = u32::from(name.mark());
        loop {
            let slot = slots[(at & run.mask) as usize];
            if slot.number == FREE {
                return None;
            }
            if slot.mark == name.mark() {
                let member = &self.members[run.members as usize + slot.number as usize];
                if name.is(self.name(member)) {
                    return Some(member);
                }
            }
            at = at.wrapping_add(1);
        }
    }

    /// The name of a member.
    pub(crate) fn name_of(&self, member: &Member) -> &str {
        std::str::from_utf8(self.name(member)).expect("a member's name was added as a text")
    }

    fn name(&self, member: &Member) -> &[u8] {
        let (begin, length) = (member.name.0 as usize, member.name.1 as usize);
        &self.names[begin..begin + length]
    }
}

impl Member {
    /// A member whose name stands at `name`; see [`Members::add`].
    pub(crate) fn new(
        name: (u32, u32),
        element: u32,
        bit: usize,
        list: bool,
        role: Role,
        of: (TypeId, Sort),
    ) -> Member {
        Member {
            name,
            kind: of.0,
            element,
            bit: bit as u8,
            list,
            role,
            sort: of.1,
            for_paths: of.1.for_paths(),
        }
    }
}
