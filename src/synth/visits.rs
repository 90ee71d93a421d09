//! Years of visits: when a person was seen at a facility, what was measured and found, what was prescribed and given.

use std::ops::RangeInclusive;

use fhir::moment::days_from_civil;
use fhir::tree::Tree;

use crate::patient::{claims, list};
use crate::person::Person;
use crate::places::Places;
use crate::random::{Random, Weighted};

const LOINC: &str = "http://loinc.org";
const UCUM: &str = "http://unitsofmeasure.org";
const ICD_10: &str = "http://hl7.org/fhir/sid/icd-10";
const ATC: &str = "http://www.whocc.no/atc";
const CATEGORY: &str = "http://terminology.hl7.org/CodeSystem/observation-category";

/// Why people come: the ICD-10 code, its words, how often of children, of adults and of elders, and the medicines given
/// for it, by their places in [`MEDICINES`].
type Reason = (&'static str, &'static str, [u64; 3], &'static [usize]);

/// All reasons.
const REASONS: &[Reason] = &[
    ("J06.9", "Acute upper respiratory infection", [300, 180, 120], &[0, 1]),
    ("A09", "Gastroenteritis and colitis", [110, 40, 30], &[2, 3]),
    ("J18.9", "Pneumonia", [40, 10, 30], &[4, 0]),
    ("L30.9", "Dermatitis", [90, 60, 40], &[5, 1]),
    ("H10.9", "Conjunctivitis", [50, 25, 25], &[6]),
    ("B82.9", "Intestinal parasitism", [50, 10, 5], &[7]),
    ("I10", "Essential hypertension", [0, 110, 260], &[8, 9]),
    ("E11.9", "Type 2 diabetes mellitus", [0, 45, 90], &[10, 8]),
    ("K29.7", "Gastritis", [5, 120, 90], &[11, 12]),
    ("M54.5", "Low back pain", [0, 90, 110], &[13, 0]),
    ("N39.0", "Urinary tract infection", [15, 45, 40], &[14, 0]),
    ("K02.9", "Dental caries", [60, 60, 30], &[4, 13]),
    ("S61.9", "Open wound of wrist and hand", [30, 40, 20], &[15, 0]),
    ("F32.9", "Depressive episode", [0, 15, 15], &[16]),
    ("J44.9", "Chronic obstructive pulmonary disease", [0, 5, 50], &[17, 18]),
];

/// What is given: the ATC code, its words, and how it is taken.
const MEDICINES: &[(&str, &str, &str)] = &[
    (
        "N02BE01",
        "Paracetamol 500 mg tablet",
        "1 tablet every 6 hours for 3 days",
    ),
    (
        "R06AB04",
        "Chlorphenamine 4 mg tablet",
        "1 tablet every 8 hours for 5 days",
    ),
    (
        "A07CA",
        "Oral rehydration salts",
        "1 sachet in 1 litre after each loose stool",
    ),
    ("A12CB01", "Zinc sulfate 20 mg tablet", "1 tablet daily for 10 days"),
    (
        "J01CA04",
        "Amoxicillin 500 mg capsule",
        "1 capsule every 8 hours for 7 days",
    ),
    (
        "D07AA02",
        "Hydrocortisone 1% cream",
        "apply thinly twice daily for 7 days",
    ),
    (
        "S01AA01",
        "Chloramphenicol 0.5% eye drops",
        "1 drop every 4 hours for 5 days",
    ),
    ("P02CA03", "Albendazole 400 mg tablet", "1 tablet once"),
    ("C08CA01", "Amlodipine 5 mg tablet", "1 tablet daily for 30 days"),
    ("C09AA02", "Enalapril 5 mg tablet", "1 tablet daily for 30 days"),
    ("A10BA02", "Metformin 500 mg tablet", "1 tablet twice daily for 30 days"),
    (
        "A02BC01",
        "Omeprazole 20 mg capsule",
        "1 capsule before breakfast for 14 days",
    ),
    ("A02AB10", "Antacid tablet", "1 tablet after meals for 7 days"),
    (
        "M01AE01",
        "Ibuprofen 400 mg tablet",
        "1 tablet every 8 hours for 5 days",
    ),
    (
        "J01XE01",
        "Nitrofurantoin 100 mg capsule",
        "1 capsule twice daily for 5 days",
    ),
    ("J07AM01", "Tetanus toxoid injection", "0.5 ml once"),
    ("N06AB03", "Fluoxetine 20 mg capsule", "1 capsule daily for 30 days"),
    ("R03AC02", "Salbutamol inhaler", "2 puffs when needed"),
    ("H02AB06", "Prednisolone 5 mg tablet", "6 tablets daily for 5 days"),
];

/// What is measured: LOINC code, its words, unit, lowest and highest value in tenths.
const SIGNS: &[(&str, &str, &str, i64, i64)] = &[
    ("8310-5", "Body temperature", "Cel", 358, 392),
    ("8867-4", "Heart rate", "/min", 580, 1_150),
    ("9279-1", "Respiratory rate", "/min", 120, 320),
    ("2708-6", "Oxygen saturation in Arterial blood", "%", 880, 990),
];

/// What visits are drawn from.
pub(crate) struct Clinic {
    years: RangeInclusive<i64>,
    reasons: [Weighted<&'static Reason>; 3],
}

/// One visit's records and the moment they tell of.
struct Visit<'a> {
    patient: &'a str,
    id: String,
    /// When it began, with Bhutan's zone.
    moment: String,
    facility: &'a str,
}

impl Clinic {
    pub fn new(years: RangeInclusive<i64>) -> Clinic {
        let of = |group: usize| REASONS.iter().map(|reason| (reason.2[group], reason)).collect();
        Clinic {
            years,
            reasons: [of(0), of(1), of(2)],
        }
    }

    /// The records of all visits of a person, in the order of time: of each visit the encounter, what was measured,
    /// what was found, what was prescribed and given. `registrations` are the ids she goes by: a clerk finds one of them.
    pub fn visits(
        &self,
        random: &mut Random,
        places: &Places,
        person: &Person,
        registrations: &[String],
        each: &mut dyn FnMut(&'static str, Tree),
    ) {
        let gewog = &places.gewogs[places.chiwogs[person.chiwog].gewog];
        let facilities = match places.dzongkhags[gewog.dzongkhag].facilities.as_slice() {
            [] => places
                .dzongkhags
                .iter()
                .find(|d| !d.facilities.is_empty())
                .map_or(&[][..], |d| &d.facilities),
            some => some,
        };
        let mut count = 0;
        for year in self.years.clone() {
            let age = year - person.papers.year;
            let most = match age {
                ..0 => continue,
                0..5 => 5,
                5..50 => 2,
                _ => 4,
            };
            for _ in 0..random.below(most + 1) {
                let day = days_from_civil(year, 1, 1) + random.between(0, 364);
                if day < person.born || facilities.is_empty() {
                    continue;
                }
                count += 1;
                let facility: &String = random.one_of(facilities);
                let patient = random.one_of(registrations);
                let visit = Visit {
                    patient,
                    id: format!("{}-v{count}", registrations[0]),
                    moment: moment(random, day),
                    facility,
                };
                each("Encounter", visit.encounter());
                self.measure(random, &visit, age, each);
                let group = usize::from(age >= 15) + usize::from(age >= 60);
                let (code, words, _, medicines) = *self.reasons[group].draw(random);
                each("Condition", visit.condition(code, words));
                for (place, medicine) in medicines.iter().enumerate() {
                    let (code, words, taken) = MEDICINES[*medicine];
                    each("MedicationRequest", visit.request(place, (code, words), taken));
                    each("MedicationDispense", visit.dispense(place, (code, words)));
                }
            }
        }
    }

    fn measure(&self, random: &mut Random, visit: &Visit<'_>, age: i64, each: &mut dyn FnMut(&'static str, Tree)) {
        for (code, words, unit, low, high) in SIGNS {
            let value = quantity(random.between(*low, *high), unit);
            each("Observation", visit.observation(code, words, ("valueQuantity", value)));
        }
        let kilograms = if age < 15 { 35 + age * 25 } else { 550 };
        let weight = quantity(kilograms + random.between(-kilograms / 8, kilograms / 4), "kg");
        each(
            "Observation",
            visit.observation("29463-7", "Body weight", ("valueQuantity", weight)),
        );
        if age >= 15 {
            let systolic = random.between(95, 130 + age / 2);
            let diastolic = systolic * 5 / 8 + random.between(-4, 6);
            let part = |code: &str, words: &str, value: i64| {
                Tree::object([
                    ("code", concept(LOINC, code, words)),
                    ("valueQuantity", quantity(value * 10, "mm[Hg]")),
                ])
            };
            let parts = list([
                part("8480-6", "Systolic blood pressure", systolic),
                part("8462-4", "Diastolic blood pressure", diastolic),
            ]);
            each(
                "Observation",
                visit.observation("85354-9", "Blood pressure panel", ("component", parts)),
            );
        }
    }
}

/// A moment of a day between eight and four, when clinics see people.
fn moment(random: &mut Random, day: i64) -> String {
    let (year, month, day) = fhir::moment::civil_from_days(day);
    let (hour, minute) = (random.between(8, 15), random.between(0, 59));
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:00+06:00")
}

fn concept(system: &str, code: &str, words: &str) -> Tree {
    let coding = Tree::object([
        ("system", Tree::string(system)),
        ("code", Tree::string(code)),
        ("display", Tree::string(words)),
    ]);
    Tree::object([("coding", list([coding])), ("text", Tree::string(words))])
}

/// A concept of which the code says enough.
fn coded(system: &str, code: &str) -> Tree {
    let coding = Tree::object([("system", Tree::string(system)), ("code", Tree::string(code))]);
    Tree::object([("coding", list([coding]))])
}

fn quantity(tenths: i64, unit: &str) -> Tree {
    let value = match tenths % 10 {
        0 => (tenths / 10).to_string(),
        rest => format!("{}.{rest}", tenths / 10),
    };
    Tree::object([
        ("value", Tree::number(value)),
        ("unit", Tree::string(unit)),
        ("system", Tree::string(UCUM)),
        ("code", Tree::string(unit)),
    ])
}

fn reference(kind: &str, id: &str) -> Tree {
    Tree::object([("reference", Tree::string(format!("{kind}/{id}")))])
}

impl Visit<'_> {
    fn encounter(&self) -> Tree {
        let class = Tree::object([
            (
                "system",
                Tree::string("http://terminology.hl7.org/CodeSystem/v3-ActCode"),
            ),
            ("code", Tree::string("AMB")),
        ]);
        let period = [
            ("start", Tree::string(&self.moment)),
            ("end", Tree::string(&self.moment)),
        ];
        Tree::object([
            ("resourceType", Tree::string("Encounter")),
            ("id", Tree::string(&self.id)),
            ("meta", claims("bt-encounter")),
            ("status", Tree::string("finished")),
            ("class", class),
            ("subject", reference("Patient", self.patient)),
            ("period", Tree::object(period)),
            ("serviceProvider", reference("Organization", self.facility)),
        ])
    }

    fn observation(&self, code: &str, words: &str, (member, value): (&str, Tree)) -> Tree {
        Tree::object([
            ("resourceType", Tree::string("Observation")),
            ("id", Tree::string(format!("{}-{code}", self.id))),
            ("meta", claims("bt-vital-signs")),
            ("status", Tree::string("final")),
            ("category", list([coded(CATEGORY, "vital-signs")])),
            ("code", concept(LOINC, code, words)),
            ("subject", reference("Patient", self.patient)),
            ("encounter", reference("Encounter", &self.id)),
            ("effectiveDateTime", Tree::string(&self.moment)),
            ("performer", list([reference("Organization", self.facility)])),
            (member, value),
        ])
    }

    fn condition(&self, code: &str, words: &str) -> Tree {
        let status = |system: &str, code: &str| coded(&format!("http://terminology.hl7.org/CodeSystem/{system}"), code);
        Tree::object([
            ("resourceType", Tree::string("Condition")),
            ("id", Tree::string(format!("{}-dx", self.id))),
            ("meta", claims("bt-condition")),
            ("clinicalStatus", status("condition-clinical", "active")),
            ("verificationStatus", status("condition-ver-status", "confirmed")),
            ("category", list([status("condition-category", "encounter-diagnosis")])),
            ("code", concept(ICD_10, code, words)),
            ("subject", reference("Patient", self.patient)),
            ("encounter", reference("Encounter", &self.id)),
            ("recordedDate", Tree::string(&self.moment)),
        ])
    }

    fn request(&self, place: usize, (code, words): (&str, &str), taken: &str) -> Tree {
        Tree::object([
            ("resourceType", Tree::string("MedicationRequest")),
            ("id", Tree::string(format!("{}-rx{place}", self.id))),
            ("meta", claims("bt-medication-request")),
            ("status", Tree::string("completed")),
            ("intent", Tree::string("order")),
            ("medicationCodeableConcept", concept(ATC, code, words)),
            ("subject", reference("Patient", self.patient)),
            ("encounter", reference("Encounter", &self.id)),
            ("authoredOn", Tree::string(&self.moment)),
            ("requester", reference("Organization", self.facility)),
            (
                "dosageInstruction",
                list([Tree::object([("text", Tree::string(taken))])]),
            ),
        ])
    }

    fn dispense(&self, place: usize, (code, words): (&str, &str)) -> Tree {
        let request = reference("MedicationRequest", &format!("{}-rx{place}", self.id));
        Tree::object([
            ("resourceType", Tree::string("MedicationDispense")),
            ("id", Tree::string(format!("{}-given{place}", self.id))),
            ("status", Tree::string("completed")),
            ("medicationCodeableConcept", concept(ATC, code, words)),
            ("subject", reference("Patient", self.patient)),
            ("context", reference("Encounter", &self.id)),
            ("authorizingPrescription", list([request])),
            ("whenHandedOver", Tree::string(&self.moment)),
        ])
    }
}
