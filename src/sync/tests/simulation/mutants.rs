//! Programs that are broken on purpose: the simulation finds each of them out, so it is a test that can fail.

use std::panic::catch_unwind;

use super::seeds::run;

/// One way in which a program is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// The centre notes that it has what a clinic sent, and writes none of it.
    SegmentDropped,
    /// The centre notes that it has what a clinic sent, before the disk has it.
    AcknowledgedBeforeKept,
    /// The centre passes over the first record of a segment, and says that the lane is further.
    RecordSkipped,
    /// The centre takes what was written last for what versions come to that did not know of each other.
    LastWriterWins,
    /// What sites disagree on of a person is on nobody's worklist.
    ConflictForgotten,
    /// An old copy of a clinic's disk is taken for a new one.
    OldCopyNotSeen,
    /// A user is told that a write is kept, and then the power fails.
    ToldBeforeKept,
    /// A clinic notes how far it has a lane, before the disk has the records.
    LaneBeforeRecords,
    /// What comes from the centre hides what was written at the clinic meanwhile.
    OwnHidden,
    /// A clinic leaves out what it does not know.
    UnknownDropped,
    /// What was there when a horizon grew is not sent.
    GrownHorizonNotSent,
    /// Who was referred to a clinic is not in its horizon.
    ReferralIgnored,
    /// Whoever was seen once stays in a horizon.
    NobodyForgotten,
    /// What comes again of what a disk has lost is not written.
    RepairDropped,
}

/// Each with the number of seeds within which it must be found out.
const MUTANTS: [(Mutant, u64); 14] = [
    (Mutant::SegmentDropped, 5),
    (Mutant::AcknowledgedBeforeKept, 20),
    (Mutant::RecordSkipped, 5),
    (Mutant::LastWriterWins, 5),
    (Mutant::ConflictForgotten, 20),
    (Mutant::OldCopyNotSeen, 60),
    (Mutant::ToldBeforeKept, 20),
    (Mutant::LaneBeforeRecords, 60),
    (Mutant::OwnHidden, 10),
    (Mutant::UnknownDropped, 10),
    (Mutant::GrownHorizonNotSent, 10),
    (Mutant::ReferralIgnored, 10),
    (Mutant::NobodyForgotten, 10),
    (Mutant::RepairDropped, 20),
];

#[test]
fn every_broken_program_is_found_out() {
    for (mutant, seeds) in MUTANTS {
        let found = (0..seeds).find(|seed| catch_unwind(|| run(*seed, Some(mutant))).is_err());
        println!("{mutant:?}: {found:?}");
        assert!(found.is_some(), "{mutant:?} is not found out within {seeds} seeds");
    }
}
