//! Small random records and searches from a seed, for tests that hold two answers against each other.
//!
//! The vocabulary is small on purpose, so that searches find something, and wide enough to meet every
//! search type, modifier, prefix and join. The same seed gives the same sample for ever.

mod filter;
mod join;
mod record;
mod search;

pub use join::{Found, look_up};
pub use record::record;
pub use search::search;

/// A random sequence from a seed (splitmix64).
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The sequence of a seed.
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`, which is not 0.
    pub fn below(&mut self, end: usize) -> usize {
        (self.number() % end as u64) as usize
    }

    /// True once in `times`.
    pub fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    /// One of the items.
    pub fn pick<'a, T: ?Sized>(&mut self, items: &[&'a T]) -> &'a T {
        items[self.below(items.len())]
    }
}

/// The kinds that samples are made of.
pub const KINDS: [&str; 13] = [
    "Patient",
    "Practitioner",
    "Organization",
    "Observation",
    "Condition",
    "Encounter",
    "RiskAssessment",
    "Questionnaire",
    "QuestionnaireResponse",
    "List",
    "Group",
    "DocumentReference",
    "Location",
];
/// How many records of a kind a sample refers to: their ids are `a0`, `a1` and so on.
pub const IDS: usize = 12;

const NAMES: [&str; 12] = [
    "Dorji",
    "DORJI",
    "Dorjé Wangmo",
    "Karma",
    "O'Brien",
    "Müller",
    "van der Berg",
    "Pema Lhamo",
    "ཀརྨ",
    "ཀརྨ་དབང་མོ",
    "Do",
    "Wang",
];
const SYSTEMS: [&str; 3] = ["http://loinc.org", "http://snomed.info/sct", "urn:oid:1.2.3"];
const CODES: [&str; 6] = ["8480-6", "8462-4", "Abc", "abc", "a|b", "a$b"];
const UNITS: [&str; 5] = ["mg", "kg", "mm[Hg]", "tablet", "[degF]"];
/// Amounts that are equal to one another across units, or nearly.
const AMOUNTS: [(&str, &str); 16] = [
    ("5.4", "mg"),
    ("0.0054", "g"),
    ("5400", "ug"),
    ("0.0000054", "kg"),
    ("5.3", "mg{dry}"),
    ("37", "Cel"),
    ("98.6", "[degF]"),
    ("-40", "[degF]"),
    ("233.15", "K"),
    ("120", "mm[Hg]"),
    ("15.99864", "kPa"),
    ("16", "kPa"),
    ("7", "[pH]"),
    ("7.4", "[pH]"),
    ("1e-7", "mol/L"),
    ("100", "nmol/L"),
];
/// A system with a hierarchy, and codes of it: `ACUTE` lies below `IMP`, and that below `_ActEncounterCode`.
const ACT: &str = "http://terminology.hl7.org/CodeSystem/v3-ActCode";
const ACT_CODES: [&str; 5] = ["_ActEncounterCode", "IMP", "ACUTE", "acute", "AMB"];
const VALUE_SETS: [&str; 4] = [
    "http://terminology.hl7.org/ValueSet/v3-ActEncounterCode",
    "http://hl7.org/fhir/ValueSet/observation-codes",
    "http://hl7.org/fhir/ValueSet/administrative-gender|4.0.1",
    "http://hl7.org/fhir/ValueSet/account-type",
];
/// Canonical addresses without a version, and versions.
const URLS: [&str; 3] = ["http://a.bt/q/one", "http://a.bt/q/two", "urn:uuid:7"];
const VERSIONS: [&str; 3] = ["1.0", "2.0-RC", "2.0-rc"];
const NUMBERS: [&str; 9] = ["5", "5.0", "5.4", "5.35", "-1", "0", "100", "99.5", "0.054"];
const DATES: [&str; 10] = [
    "2019",
    "2020",
    "2020-02",
    "2020-02-29",
    "2020-03-01",
    "2020-02-29T10:30:00+06:00",
    "2020-02-29T04:30:00Z",
    "2020-02-29T23:59:59.999-05:00",
    "2021-12-31",
    "2021-12-31T23:00:00Z",
];
const PROFILES: [&str; 5] = [
    "http://a.bt/fhir/one",
    "http://a.bt/fhir/one|1.0",
    "http://a.bt/fhir",
    "http://a.bt/fhir/one/two",
    "urn:uuid:5",
];
/// Latitudes and longitudes: places close to one another, at the date line and at a pole.
const PLACES: [(&str, &str); 8] = [
    ("27.4728", "89.6390"),
    ("27.4305", "89.4134"),
    ("27.3317", "91.5544"),
    ("27.47281", "89.63901"),
    ("-12.5", "179.99"),
    ("-12.5", "-179.99"),
    ("89.99", "10"),
    ("90", "-170"),
];
const RELATIONS: [&str; 3] = ["replaces", "appends", "signs"];
const WORDS: [&str; 7] = [
    "severe asthma",
    "Asthma, mild",
    "no known allergy",
    "éclair",
    "wheezing, HTN, seen by Dorjee",
    "high blood pressure, wheezes",
    "ཁྲག་ཤེད་མཐོ་ནི།",
];
