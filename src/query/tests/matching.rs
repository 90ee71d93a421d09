//! One record, one search: does it match?

use fhir::identity::Id;

use super::{Sample, read, registry};
use crate::predicate::Predicate;
use crate::sort::{SortValue, sort_key};

pub(super) const PATIENT: &str = r##"{"resourceType":"Patient","id":"7",
  "meta":{"profile":["http://a.bt/p|2.0"],"tag":[{"system":"http://t","code":"Red","display":"Röd thing"}],
    "source":"http://clinic.bt/a/b","security":[{"code":"R"}]},
  "text":{"status":"generated","div":"<div>Known <b>Asthma</b>&amp;more</div>"},
  "identifier":[{"system":"urn:cid","value":"11-A","type":{"coding":[{"system":"http://v2","code":"MR"}],"text":"Record"}},
    {"value":"x|y,z"}],
  "active":true,"gender":"female","birthDate":"1980-05-06","deceasedDateTime":"2019-03",
  "name":[{"family":"Wangmo-Dorji","given":["Pémà","Lhamo"]},{"text":"ཀརྨ་དབང་མོ"}],
  "telecom":[{"system":"email","value":"Pema@Druk.bt"},{"system":"phone","value":"17-11"}],
  "address":[{"line":["Norzin Lam"],"city":"Thimphu","postalCode":"11001","use":"home"}],
  "maritalStatus":{"text":"Widowed long ago"},
  "contact":[{"name":{"family":"Nobody"}}],
  "communication":[{"language":{"coding":[{"system":"urn:ietf:bcp:47","code":"dz","display":"Dzongkha"}],"text":"རྫོང་ཁ"}}],
  "generalPractitioner":[{"reference":"Practitioner/1/_history/0-5"},{"reference":"http://o.org/fhir/Organization/2"},
    {"reference":"#c"},{"identifier":{"system":"urn:moh","value":"D9"}}],
  "managingOrganization":{"reference":"Organization/3"},
  "link":[{"other":{"reference":"Patient/8"},"type":"refer"}]}"##;

const PATIENT_TABLE: &str = "
string           name=wang                         1
string           name=WANGMO DORJI                 1
string           name=dorji                        0
string           name=pema                         1
string           name=Péma                         1
string           name=ཀརྨ                           1
string           name=ཀརམ                          0
string           name=x,lha                        1
string           name=pema&name=lhamo              1
string           name=pema&name=karma              0
string           family=pema                       0
string           given:exact=Pémà                  1
string           given:exact=Pémà,Karma            1
string           given:exact=pema                  0
string           given:exact=Pém                   0
string           family:contains=MO-DO             1
string           family:contains=mori              0
string           address=norzin                    1
string           address-city=THIM                 1
string           address=home                      0
missing          name:missing=false                1
missing          name:missing=true                 0
missing          phonetic:missing=true             0
missing          death-date:missing=true           0
token            gender=female                     1
token            gender=Female,male                1
token            gender=|female                    0
token            gender=http://hl7.org/fhir/administrative-gender|female  1
token            gender=http://hl7.org/fhir/administrative-gender|        1
token            gender:in=http://hl7.org/fhir/ValueSet/administrative-gender      1
token            gender:not-in=http://hl7.org/fhir/ValueSet/administrative-gender  0
token            gender:not-in=http://hl7.org/fhir/ValueSet/account-type           1
token            gender:below=http://hl7.org/fhir/administrative-gender|male       0
token            gender:above=http://hl7.org/fhir/administrative-gender|female     1
token            identifier:in=http://hl7.org/fhir/ValueSet/administrative-gender  0
missing          _id:missing=false                 1
missing          _id:missing=true                  0
missing          _lastUpdated:missing=true         0
token            gender=male                       0
token            gender:not=male                   1
token            gender:not=male,female            0
token            language:not=dz                   0
token            language=urn:ietf:bcp:47|DZ       1
token            language=urn:ietf:bcp:47|         1
token            language=|dz                      0
token            language:text=dzong               1
token            language:text=རྫོང                 1
token            language:text=khad                0
token            identifier=11-a                   1
token            identifier=urn:cid|11-A           1
token            identifier=urn:cid|               1
token            identifier=|11-A                  0
token            identifier=x\\|y\\,z              1
token            identifier=|x\\|y\\,z             1
token            identifier:of-type=http://v2|MR|11-A  1
token            identifier:of-type=http://v2|SS|11-A  0
token            identifier:text=rec               1
token            active=true                       1
token            active=false                      0
token            deceased=true                     1
token            email=pema@druk.bt                1
token            phone=pema@druk.bt                0
token            telecom=17-11                     1
token            _tag=http://t|red                 1
token            _tag:text=rod                     1
token            _security=r                       1
date             birthdate=1980-05-06              1
date             birthdate=1980                    1
date             birthdate=1980-05-06T10:00        0
date             birthdate=ne1980-05               0
date             birthdate=ne1980-06               1
date             birthdate=gt1980-05-05            1
date             birthdate=gt1980-05               0
date             birthdate=ge1980-05               1
date             birthdate=lt1980-05-07            1
date             birthdate=le1980-05-06            1
date             birthdate=le1980-05-05            0
date             birthdate=sa1980-05-05            1
date             birthdate=sa1980-05               0
date             birthdate=eb1981                  1
date             birthdate=ap1981                  1
date             birthdate=ap2010                  0
date             birthdate=1979,1980               1
date             birthdate=gt1979&birthdate=lt1981 1
date             death-date=2019                   1
date             death-date=2019-03-05             0
date             birthdate=1980-05-05T18:00:00Z    0
date             birthdate=ge1980-05-05T18:00:00Z  1
date             birthdate=sa1980-05-05T17:59:59Z  1
date             birthdate=sa1980-05-05T18:00:00Z  0
reference        organization=3                    1
reference        organization=Organization/3       1
reference        organization=http://host/fhir/Organization/3  1
reference        organization=http://elsewhere/fhir/Organization/3  0
reference        organization:Organization=3       1
reference        organization=4,3                  1
reference        general-practitioner=Practitioner/1  1
reference        general-practitioner=1            1
reference        general-practitioner=Practitioner/1/_history/0-5  1
reference        general-practitioner=Practitioner/1/_history/0-4  0
reference        general-practitioner=http://o.org/fhir/Organization/2  1
reference        general-practitioner=Organization/2  0
reference        general-practitioner:identifier=urn:moh|d9  1
reference        general-practitioner:identifier=D9  1
reference        general-practitioner:identifier=|D9  0
reference        general-practitioner:Organization=1  0
reference        link=Patient/8                    1
uri              _profile=http://a.bt/p            1
uri              _profile=http://a.bt/p\\|2.0      1
uri              _profile=http://a.bt/p\\|3.0      0
uri              _profile:below=http://a.bt        1
uri              _profile:below=http://a.b         0
uri              _profile:above=http://a.bt/p/q    1
uri              _source:below=http://clinic.bt/a/ 1
uri              _source:above=http://clinic.bt    0
id               _id=7                             1
id               _id=8,7                           1
id               _id=8                             0
id               _id:not=8                         1
updated          _lastUpdated=2020-02-29           1
updated          _lastUpdated=gt2020-02-29         0
updated          _lastUpdated=2020-02-29T10:30+06:00  1
updated          _lastUpdated=sa2020-02-29T10:29   1
words            _text=asthma known                1
words            _text=asthm                       0
words            _content=thimphu                  1
words            _content=asthma,zebra             1
words            _content=zebra                    0
";

pub(super) const OBSERVATION: &str = r#"{"resourceType":"Observation","id":"o","status":"final",
  "code":{"coding":[{"system":"http://loinc.org","code":"8480-6"}]},
  "subject":{"reference":"Patient/7"},
  "effectivePeriod":{"start":"2020-01-10","end":"2020-02"},
  "valueQuantity":{"value":5.40,"unit":"milligram","system":"http://unitsofmeasure.org","code":"mg"},
  "component":[{"code":{"text":"low"},"valueQuantity":{"value":100,"comparator":"<","unit":"x"}}]}"#;

const OBSERVATION_TABLE: &str = "
quantity         value-quantity=5.4                1
quantity         value-quantity=5.40               1
quantity         value-quantity=5.41               0
quantity         value-quantity=5                  1
quantity         value-quantity=5.4|http://unitsofmeasure.org|mg  1
quantity         value-quantity=5.4|http://unitsofmeasure.org|g   0
quantity         value-quantity=5.4|http://unitsofmeasure.org|ug     0
quantity         value-quantity=0.0054|http://unitsofmeasure.org|g   1
quantity         value-quantity=5400|http://unitsofmeasure.org|ug    1
quantity         value-quantity=5e3|http://unitsofmeasure.org|ug     0
quantity         value-quantity=5.4e3|http://unitsofmeasure.org|ug   1
quantity         value-quantity=0.01|http://unitsofmeasure.org|g     1
quantity         value-quantity=0.010|http://unitsofmeasure.org|g    0
quantity         value-quantity=gt5300|http://unitsofmeasure.org|ug  1
quantity         value-quantity=gt5400|http://unitsofmeasure.org|ug  0
quantity         value-quantity=ge5400|http://unitsofmeasure.org|ug  1
quantity         value-quantity=lt0.0055|http://unitsofmeasure.org|g 1
quantity         value-quantity=eb0.0055|http://unitsofmeasure.org|g 1
quantity         value-quantity=ne0.0055|http://unitsofmeasure.org|g 1
quantity         value-quantity=ap0.0058|http://unitsofmeasure.org|g 1
quantity         value-quantity=ap0.0070|http://unitsofmeasure.org|g 0
quantity         value-quantity=5.4|http://unitsofmeasure.org|mg{x}  1
quantity         value-quantity=lt5|http://unitsofmeasure.org|kPa    0
quantity         value-quantity=5.4|http://unitsofmeasure.org|milligram 0
quantity         value-quantity=5.4||mg            1
quantity         value-quantity=5.4||milligram     1
quantity         value-quantity=5.4||              1
quantity         value-quantity=gt5.4              0
quantity         value-quantity=ge5.4              1
quantity         value-quantity=lt5.5              1
quantity         value-quantity=le5.4              1
quantity         value-quantity=sa5.3              1
quantity         value-quantity=eb5.5              1
quantity         value-quantity=ne5.4              0
quantity         value-quantity=ne5.5              1
quantity         value-quantity=ap5.8              1
quantity         value-quantity=ap7                0
quantity         value-quantity=lt5||mg,gt5||mg    1
quantity         component-value-quantity=lt50     1
quantity         component-value-quantity=100      0
quantity         combo-value-quantity=5.4          1
date             date=2020                         1
date             date=2020-01                      0
date             date=ge2020-02                    0
date             date=gt2020-01                    1
date             date=lt2020-01-11                 1
date             date=sa2020-01-09                 1
date             date=eb2020-03                    1
date             date=eb2020-02-29                 0
date             date=ap2020-03-05                 1
reference        patient=7                         1
reference        patient=Patient/7                 1
reference        subject=7                         1
reference        subject:Group=7                   0
token            combo-code=8480-6                 1
token            component-code:text=low           1
token            status:not=final                  0
token            category:not=x                    1
";

const OTHER_TABLE: [(&str, &str, bool); 14] = [
    (
        r#"{"resourceType":"Observation","effectiveDateTime":"2020-01-10"}"#,
        "date=ge2020-01-10",
        true,
    ),
    (
        r#"{"resourceType":"Observation","effectivePeriod":{"start":"2020"}}"#,
        "date=gt2090",
        true,
    ),
    (
        r#"{"resourceType":"Observation","effectivePeriod":{"start":"2020"}}"#,
        "date=eb2090",
        false,
    ),
    (
        r#"{"resourceType":"Observation","effectiveTiming":{"event":["2013-01-31","2013-03-24"]}}"#,
        "date=ap2013-02-01",
        true,
    ),
    (
        r#"{"resourceType":"Observation","effectiveTiming":{"repeat":{"boundsPeriod":{"end":"2013"}}}}"#,
        "date=lt1900",
        true,
    ),
    (
        r#"{"resourceType":"Observation","subject":{"reference":"Group/7"}}"#,
        "patient:missing=true",
        true,
    ),
    (
        r#"{"resourceType":"RiskAssessment","prediction":[{"probabilityDecimal":0.20}]}"#,
        "probability=0.2",
        true,
    ),
    (
        r#"{"resourceType":"RiskAssessment","prediction":[{"probabilityDecimal":0.25}]}"#,
        "probability=0.2",
        false,
    ),
    (
        r#"{"resourceType":"RiskAssessment","prediction":[{"probabilityRange":{"low":{"value":1},"high":{"value":3}}}]}"#,
        "probability=gt2",
        true,
    ),
    (
        r#"{"resourceType":"Invoice","totalNet":{"value":12.5,"currency":"BTN"}}"#,
        "totalnet=12.5|urn:iso:std:iso:4217|BTN",
        true,
    ),
    (
        r#"{"resourceType":"Condition","onsetAge":{"value":40,"system":"http://unitsofmeasure.org","code":"a"}}"#,
        "onset-age=gt39||a",
        true,
    ),
    (
        r#"{"resourceType":"Condition","onsetRange":{"low":{"value":10},"high":{"value":20}}}"#,
        "onset-age=15",
        false,
    ),
    (
        r#"{"resourceType":"ValueSet","url":"http://a.bt/vs"}"#,
        "url=http://a.bt/vs,http://b",
        true,
    ),
    (
        r#"{"resourceType":"PlanDefinition","relatedArtifact":[{"type":"depends-on","resource":"http://a.bt/l|1"}]}"#,
        "depends-on=http://a.bt/l",
        true,
    ),
];

fn check(json: &str, query: &str, expected: bool) {
    let sample = Sample::new(json);
    let search = read(sample.kind.as_str(), query);
    let matches = sample.with(|subject| search.predicate.matches(subject));
    assert_eq!(
        matches, expected,
        "{query}\n{:?}\n{:?}",
        search.predicate, sample.values
    );
}

pub(super) fn check_table(json: &str, table: &str) {
    for row in table.lines().filter(|row| !row.is_empty()) {
        let (_, rest) = row.split_once(' ').expect("a search type");
        let (query, expected) = rest.trim().rsplit_once(' ').expect("an expectation");
        check(json, query.trim(), expected == "1");
    }
}

#[test]
fn a_patient_is_found_by_everything_it_says() {
    check_table(PATIENT, PATIENT_TABLE);
}

#[test]
fn an_observation_is_found_by_amounts_and_dates() {
    check_table(OBSERVATION, OBSERVATION_TABLE);
}

pub(super) const PANEL: &str = r#"{"resourceType":"Observation","id":"bp","status":"final",
  "code":{"coding":[{"system":"http://loinc.org","code":"85354-9"},{"system":"http://m.bt","code":"a$b"}],"text":"Blood pressure"},
  "valueDateTime":"2020-03-04",
  "component":[
    {"code":{"coding":[{"system":"http://loinc.org","code":"8480-6"}]},
     "valueQuantity":{"value":150,"unit":"mmHg","system":"http://unitsofmeasure.org","code":"mm[Hg]"}},
    {"code":{"coding":[{"system":"http://loinc.org","code":"8462-4"}]},
     "valueQuantity":{"value":95.5,"unit":"mmHg","system":"http://unitsofmeasure.org","code":"mm[Hg]"}},
    {"code":{"text":"only words"},"valueQuantity":{"value":1}},
    {"code":{"coding":[{"code":"arm"}]},"valueCodeableConcept":{"coding":[{"system":"http://s","code":"left"}],"text":"Left"}}]}"#;

const PANEL_TABLE: &str = "
pair             component-code-value-quantity=http://loinc.org|8480-6$gt140       1
pair             component-code-value-quantity=http://loinc.org|8462-4$gt140       0
pair             component-code-value-quantity=8462-4$gt140,8480-6$lt160           1
pair             component-code-value-quantity=8480-6$150                          1
pair             component-code-value-quantity=8480-6$149.9                        0
pair             component-code-value-quantity=8462-4$96                           1
pair             component-code-value-quantity=8462-4$95.0                         0
pair             component-code-value-quantity=8480-6$gt140||mmHg                  1
pair             component-code-value-quantity=8480-6$gt140|http://unitsofmeasure.org|kPa   0
pair             component-code-value-quantity=http://loinc.org|$lt96              1
pair             component-code-value-quantity=1$1                                 0
pair             component-code-value-concept=arm$http://s|left                    1
pair             component-code-value-concept=arm$left                             1
pair             component-code-value-concept=8480-6$left                          0
pair             combo-code-value-quantity=8480-6$gt140                            1
pair             combo-code-value-quantity=85354-9$gt140                           0
pair             code-value-date=85354-9$2020                                      1
pair             code-value-date=85354-9$2020-03-04                                1
pair             code-value-date=85354-9$gt2020-03-04                              0
pair             code-value-date=a\\$b$2020                                        1
pair             code-value-date:missing=false                                     1
pair             code-value-quantity:missing=true                                  1
pair             component-code-value-quantity:missing=false                       1
";

#[test]
fn tuples_stand_together_in_one_element() {
    check_table(PANEL, PANEL_TABLE);
    let related = r#"{"resourceType":"DocumentReference","relatesTo":[{"code":"replaces","target":{"reference":"DocumentReference/1"}},
        {"code":"signs","target":{"reference":"DocumentReference/2"}}]}"#;
    check(related, "relationship=replaces$DocumentReference/1", true);
    check(related, "relationship=replaces$1", true);
    check(related, "relationship=signs$DocumentReference/1", false);
    let sequence = r#"{"resourceType":"MolecularSequence","referenceSeq":{"chromosome":{"coding":[{"code":"1"}]},"windowStart":5,"windowEnd":9},
        "variant":[{"start":128,"end":129},{"start":777,"end":778}]}"#;
    check(sequence, "chromosome-variant-coordinate=1$lt130$gt128", true);
    check(sequence, "chromosome-variant-coordinate=1$lt130$gt700", false);
    check(sequence, "chromosome-window-coordinate=1$5$9", true);
    check(sequence, "chromosome-window-coordinate=2$5$9", false);
}

#[test]
fn every_data_type_is_compared() {
    for (json, query, expected) in OTHER_TABLE {
        check(json, query, expected);
    }
}

#[test]
fn records_are_sorted_by_their_least_or_greatest() {
    let json = r#"{"resourceType":"Patient","name":[{"family":"Zam"},{"family":"Ärla"}],"birthDate":"2000","gender":"Male",
        "managingOrganization":{"reference":"Organization/3"}}"#;
    let sample = Sample::new(json);
    let text = |text: &str| Some(SortValue::Text(text.into()));
    let table = [
        ("family", false, text("arla")),
        ("family", true, text("zam")),
        ("gender", false, text("male")),
        ("organization", false, text("Organization/3")),
        ("birthdate", false, Some(SortValue::Number(946_663_200_000_000))),
        ("death-date", true, None),
    ];
    for (code, descending, expected) in table {
        let param = registry().parameter(&sample.kind, code).expect("a parameter").id;
        assert_eq!(sort_key(&sample.values, param, descending), expected, "{code}");
    }
}

#[test]
fn compartments_are_conditions() {
    let registry = registry();
    let patient = Id::new("7").expect("an id");
    let table = [
        (
            r#"{"resourceType":"Observation","subject":{"reference":"Patient/7"}}"#,
            Some(true),
        ),
        (
            r#"{"resourceType":"Observation","performer":[{"reference":"Patient/7"}]}"#,
            Some(true),
        ),
        (
            r#"{"resourceType":"Observation","subject":{"reference":"Patient/8"}}"#,
            Some(false),
        ),
        (r#"{"resourceType":"Patient","id":"7"}"#, Some(true)),
        (
            r#"{"resourceType":"Patient","link":[{"other":{"reference":"Patient/7"}}]}"#,
            Some(true),
        ),
        (r#"{"resourceType":"Organization"}"#, None),
    ];
    for (json, expected) in table {
        let sample = Sample::new(json);
        let condition = registry.compartment("Patient", &patient, &sample.kind);
        let matches = condition.map(|condition| sample.with(|subject| condition.matches(subject)));
        assert_eq!(matches, expected, "{json}");
    }
}

#[test]
fn what_is_not_looked_up_matches_nothing() {
    let sample = Sample::new(OBSERVATION);
    let chain = read("Observation", "subject:Patient.name=x").predicate;
    let known = Predicate::Is(vec![sample.id.clone()]);
    let table = [
        (chain.clone(), false),
        (chain.clone().negate(), false),
        (Predicate::Or(vec![chain.clone(), known.clone()]), true),
        (
            Predicate::And(vec![chain.clone(), known.clone().negate()]).negate(),
            true,
        ),
        (Predicate::And(vec![chain, known]), false),
    ];
    for (predicate, expected) in table {
        let matches = sample.with(|subject| predicate.matches(subject));
        assert_eq!(matches, expected, "{predicate:?}");
    }
}
