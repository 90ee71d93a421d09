//! Trained compression dictionaries: made from sample bodies, kept in the database by number.
//!
//! A dictionary is zstd's, with its id set to 0 so that no packed body has to carry it: the version's
//! row names the dictionary by the log's own number. Number 0 is no dictionary: the body as it is.
//! A number means the same bytes for ever; better bytes get a new number.

use crate::packing::Packer;
use crate::trouble::Trouble;

/// A dictionary that the program brings along.
pub(crate) struct BuiltIn {
    /// Its number in the log.
    pub number: i32,
    /// The kind whose bodies it packs; empty for every kind without its own.
    pub kind: &'static str,
    /// The dictionary.
    pub bytes: &'static [u8],
}

macro_rules! built_in {
    ($($number:literal $kind:literal $file:literal,)*) => {
        /// Every dictionary ever shipped. Of several for one kind the last packs new bodies.
        pub(crate) const BUILT_IN: &[BuiltIn] = &[$(BuiltIn {
            number: $number,
            kind: $kind,
            bytes: include_bytes!(concat!("../../schema/dictionaries/", $file)),
        },)*];
    };
}

built_in! {
    1 "" "general.zdict",
    2 "AllergyIntolerance" "AllergyIntolerance.zdict",
    3 "CarePlan" "CarePlan.zdict",
    4 "Claim" "Claim.zdict",
    5 "Condition" "Condition.zdict",
    6 "DiagnosticReport" "DiagnosticReport.zdict",
    7 "Encounter" "Encounter.zdict",
    8 "ExplanationOfBenefit" "ExplanationOfBenefit.zdict",
    9 "Goal" "Goal.zdict",
    10 "ImagingStudy" "ImagingStudy.zdict",
    11 "Immunization" "Immunization.zdict",
    12 "MedicationRequest" "MedicationRequest.zdict",
    13 "Observation" "Observation.zdict",
    14 "Organization" "Organization.zdict",
    15 "Patient" "Patient.zdict",
    16 "Practitioner" "Practitioner.zdict",
    17 "Procedure" "Procedure.zdict",
}

/// The sizes tried, in bytes: a larger one may know the training samples too well.
const SIZES: [usize; 3] = [4 << 10, 8 << 10, 16 << 10];
/// Samples kept out of training to choose the size by: one in so many.
const JUDGES: usize = 5;

/// Trains a dictionary from stored bodies of one kind: a few hundred and more, the more alike the better.
///
/// The size is the one that packs best what it was not trained on.
///
/// # Errors
/// [`Trouble`] where the samples are too few or too alike to learn from.
pub fn train(samples: &[Vec<u8>]) -> Result<Vec<u8>, Trouble> {
    let judges: Vec<&Vec<u8>> = samples.iter().step_by(JUDGES).collect();
    let pupils = samples.iter().enumerate().filter(|(i, _)| i % JUDGES != 0);
    let pupils: Vec<&Vec<u8>> = pupils.map(|(_, sample)| sample).collect();
    let weigh = |size: usize| {
        let dictionary = learn(&pupils, size).ok()?;
        let packer = Packer::new(vec![(1, String::new(), dictionary)]);
        Some(
            judges
                .iter()
                .map(|body| packer.pack("", body).bytes.len())
                .sum::<usize>(),
        )
    };
    let best = SIZES.into_iter().filter_map(|size| Some((weigh(size)?, size))).min();
    learn(samples, best.map_or(SIZES[0], |(_, size)| size))
}

fn learn<S: AsRef<[u8]>>(samples: &[S], size: usize) -> Result<Vec<u8>, Trouble> {
    let refused = |why: String| {
        Trouble::new(format!(
            "No dictionary can be learnt from {} samples: {why}.",
            samples.len()
        ))
    };
    let mut dictionary = zstd::dict::from_samples(samples, size).map_err(|e| refused(e.to_string()))?;
    let id = dictionary
        .get_mut(4..8)
        .ok_or_else(|| refused("the result is empty".into()))?;
    id.fill(0);
    Ok(dictionary)
}
