//! The sample records built into the program: the country, and synthetic patients made with Synthea.

use crate::source::Source;

macro_rules! synthea {
    ($($name:literal),+ $(,)?) => {
        [$(($name, include_bytes!(concat!("../../../tests/fixtures/synthea/", $name, ".json.gz")) as &[u8])),+]
    };
}

/// Transaction bundles, gzipped; their licence is in `tests/fixtures/synthea/NOTICE`.
const COMMON: [(&str, &[u8]); 2] = synthea![
    "common/hospitalInformation1559319163815",
    "common/practitionerInformation1559319163815",
];

const PATIENTS: [(&str, &[u8]); 18] = synthea![
    "patients/bernardo-ordonez",
    "patients/alfreda-wyman",
    "patients/antony-anderson",
    "patients/buster-hoeger",
    "patients/cary-ohara",
    "patients/catherine-turner",
    "patients/claudie-walsh",
    "patients/jannet-davis",
    "patients/judi-schamberger",
    "patients/kathe-zieme",
    "patients/merlin-howell",
    "patients/nereida-rogahn",
    "patients/oretha-langworth",
    "patients/sina-yundt",
    "patients/stanley-balistreri",
    "patients/terrance-hahn",
    "patients/theola-stoltenberg",
    "patients/trent-donnelly",
];

/// The stages in which the samples are loaded.
pub fn stages() -> Vec<Vec<Source>> {
    let built_in = |(name, bytes): &(&str, &'static [u8])| Source::built_in(name, (*bytes).into(), false);
    vec![
        vec![Source::built_in("country", synth::country::ndjson().into(), true)],
        COMMON.iter().map(built_in).collect(),
        PATIENTS.iter().map(built_in).collect(),
    ]
}
