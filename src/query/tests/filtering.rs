//! `_filter`: what each operator finds, and what is refused.

use fhir::identity::Kind;

use super::matching::{OBSERVATION, PANEL, PATIENT, check_table};
use super::{handling, registry};
use crate::sample::{KINDS, Random};
use crate::search::parse;

const PATIENT_TABLE: &str = r#"
string      _filter=given eq "pema"                                                   1
string      _filter=given eq pem                                                      0
string      _filter=name co "wangmo-dor"                                              1
string      _filter=name sw wang and name ew dorji                                    1
string      _filter=name sw dorji                                                     0
string      _filter=name ew wangmo                                                    0
token       _filter=gender eq female and not (gender eq male)                         1
token       _filter=gender ne male                                                    1
token       _filter=gender ne FEMALE                                                  0
token       _filter=active ne true                                                    0
token       _filter=active ne false                                                   1
token       _filter=email ne pema@druk.bt                                             0
token       _filter=telecom ne pema@druk.bt                                           1
token       _filter=identifier ne 11-a                                                1
token       _filter=identifier ne urn:cid|11-a                                        1
token       _filter=identifier ne urn:cid|                                            1
string      _filter=given ne lhamo                                                    1
string      _filter=family ne "wangmo-dorji"                                          0
string      _filter=address-city ne thimphu                                           0
string      _filter=address-city ne paro                                              1
token       _filter=identifier eq urn:cid|11-a                                        1
token       _filter=identifier eq "x\\|y\\,z"                                         1
token       _filter=gender in http://hl7.org/fhir/ValueSet/administrative-gender      1
token       _filter=gender ni http://hl7.org/fhir/ValueSet/administrative-gender      0
token       _filter=gender ss http://hl7.org/fhir/administrative-gender|female        1
token       _filter=gender sb http://hl7.org/fhir/administrative-gender|male          0
date        _filter=birthdate ge 1980-05 and birthdate lt 1981                        1
date        _filter=birthdate ne 1980-05-06                                           0
date        _filter=death-date po 2019-03-15                                          1
date        _filter=death-date po 2019-04                                             0
date        _filter=_lastUpdated sa 2020 or _lastUpdated po 2020                      1
reference   _filter=organization re Organization/3                                    1
reference   _filter=organization eq 3                                                 1
reference   _filter=organization ne Organization/3                                    0
reference   _filter=general-practitioner ne Practitioner/1                            1
reference   _filter=general-practitioner ne Practitioner/9                            1
reference   _filter=link pr true and organization pr true                             1
reference   _filter=link pr false                                                     0
uri         _filter=_profile sw http://a.bt and _profile ew "/p"                      1
uri         _filter=_profile co "|2"                                                  1
uri         _filter=_profile eq http://a.bt/p                                         1
uri         _filter=_profile ne http://a.bt/p                                         0
uri         _filter=_profile ne http://a.bt/p|2.0                                     0
uri         _filter=_profile ne http://a.bt/p|1.0                                     1
uri         _filter=_source ne http://elsewhere.bt                                    1
version     _filter=_id eq 7 and _id ne 8                                             1
version     _filter=_id eq 8 or _id pr false                                          0
words       _filter=_text co asthma                                                   1
logic       _filter=gender eq male and active eq true or given eq lhamo               1
logic       _filter=gender eq male and (active eq true or given eq lhamo)             0
"#;

const OBSERVATION_TABLE: &str = r#"
quantity    _filter=value-quantity pr true                                            1
quantity    _filter=value-quantity gt 0 and value-quantity lt 100000                  1
"#;

const PANEL_TABLE: &str = r#"
pair        _filter=component-code-value-quantity[component-code eq 8480-6].component-value-quantity gt 140        1
pair        _filter=component-code-value-quantity[component-code eq 8462-4].component-value-quantity gt 140        0
pair        _filter=component-code-value-quantity[component-code eq 8480-6 and component-value-quantity gt 140] pr true    1
pair        _filter=component-code-value-quantity[component-code eq 8462-4 and component-value-quantity gt 140] pr true    0
pair        _filter=component-code-value-quantity[component-code eq 8462-4 or component-code eq 8480-6].component-value-quantity gt 140    1
pair        _filter=component-code-value-quantity[not (component-code eq 8480-6)].component-value-quantity gt 90   1
pair        _filter=component-code-value-quantity[not (component-code eq 8480-6)].component-value-quantity gt 140  0
pair        _filter=component-code-value-quantity[not (component-code eq 8480-6 or component-code eq 8462-4)] pr true      0
pair        _filter=component-code-value-quantity[component-value-quantity gt 100 and component-value-quantity lt 140] pr true     0
pair        _filter=component-code-value-quantity[component-value-quantity gt 90 and component-value-quantity lt 100] pr true      1
pair        _filter=component-code-value-quantity.component-code ne 8480-6                                         1
pair        _filter=component-code-value-quantity[component-code pr false] pr true                                 0
pair        _filter=component-code-value-quantity[component-code pr true] pr true                                  1
pair        _filter=not (component-code-value-quantity[component-code eq 8480-6].component-value-quantity lt 140)  1
pair        _filter=component-code-value-concept eq "arm$left"                                                     1
pair        _filter=component-code-value-concept ne "arm$left"                                                     0
pair        _filter=component-code-value-concept ne "leg$left"                                                     1
pair        _filter=component-code-value-concept ne "arm$right"                                                    1
"#;

#[test]
fn operators_find_what_they_should() {
    check_table(PANEL, PANEL_TABLE);
    check_table(PATIENT, PATIENT_TABLE);
    check_table(OBSERVATION, OBSERVATION_TABLE);
}

#[test]
fn what_a_tuple_cannot_be_asked_is_refused_by_name() {
    let many = format!(
        "code-value-quantity[{}] pr true",
        ["(code eq a or code eq b)"; 7].join(" and ")
    );
    let table = [
        (
            "code-value-quantity[status eq final] pr true",
            "compares its parts: code, value-quantity",
        ),
        ("code-value-quantity[code.text eq x] pr true", "compares its parts"),
        ("code-value-quantity[code eq x] eq 3", "takes `pr true`"),
        ("code-value-quantity[code pr maybe] pr true", "`true` or `false`"),
        (
            "code-value-quantity[code gt 3] pr true",
            "`gt` is not defined for `code`",
        ),
        (&many, "more than 64 cases"),
    ];
    let kind = [Kind::new("Observation").unwrap()];
    for (filter, word) in table {
        let params = [("_filter".to_owned(), filter.to_owned())];
        let issues = parse(&registry(), &kind, &params, &handling(false)).unwrap_err();
        assert!(issues[0].text.contains(word), "{filter}: {}", issues[0].text);
    }
}

#[test]
fn what_cannot_be_asked_is_refused_by_name() {
    let table = [
        ("name", "_filter", "at its end, one of eq"),
        ("foo eq 1", "_filter", "no search parameter `foo`"),
        ("gender co ma", "_filter", "`co` is not defined for `gender`"),
        ("birthdate sw 19", "_filter", "`sw` is not defined for `birthdate`"),
        ("birthdate gt soon", "_filter", "`soon` is no date"),
        ("general-practitioner ne 1", "_filter", "with its kind"),
        (
            "name[use eq official].given eq x",
            "_filter",
            "only references and composites",
        ),
        ("given.family eq x", "_filter", "only references and composites"),
        ("organization:Patient.name eq x", "_filter", "never refers to Patient"),
        ("organization[name eq x] eq 3", "_filter", "takes `pr true`"),
        ("gender ss female", "_filter", "system|code"),
        ("gender in nowhere", "_filter", "write its url"),
        ("gender pr maybe", "_filter", "`true` or `false`"),
        ("_id sw a", "_filter", "not defined for `_id`"),
        ("_lastUpdated co a", "_filter", "not defined for `_lastUpdated`"),
        ("name eq a", "_filter:not", "no modifier"),
    ];
    for (filter, name, word) in table {
        for strict in [true, false] {
            let kind = [Kind::new("Patient").unwrap()];
            let params = [(name.to_owned(), filter.to_owned())];
            let issues = parse(&registry(), &kind, &params, &handling(strict)).unwrap_err();
            assert!(issues[0].text.contains(word), "{filter}: {}", issues[0].text);
        }
    }
}

const NAMES: &[&str] = &[
    "name",
    "_filter",
    "gender",
    "birthdate",
    "_has",
    "_id",
    "_list",
    "subject",
    "patient",
    "code",
    "value-quantity",
    "_sort",
    "_include",
    "_revinclude",
    "_elements",
    "_summary",
    "near",
    "_text",
    "url",
    "item",
    "questionnaire",
    "part-of",
    ":",
    ".",
    ":in",
    ":not-in",
    ":above",
    ":below",
    ":of-type",
    ":identifier",
    ":missing",
    ":Patient",
    ":iterate",
    "é",
    "",
];

const VALUES: &[&str] = &[
    "a",
    "|",
    ",",
    "\\",
    "$",
    "http://x.bt/",
    "ge",
    "2020",
    "-02",
    "T10:00",
    "1e400",
    ".5",
    "Patient/",
    "a1",
    "_history/",
    " eq ",
    "(",
    ")",
    "[",
    "]",
    "\"",
    " and ",
    "not",
    "ཀ",
    "\u{0}",
    "*",
    ":",
    "true",
    "-",
    "urn:uuid:",
    "😀",
];

/// Whatever callers send, the answer is a search or errors.
#[test]
fn no_text_makes_parsing_panic() {
    let mut random = Random::new(11);
    let mut read = 0;
    for _ in 0..30_000 {
        let text = |random: &mut Random, pieces: &[&str], most: usize| -> String {
            let count = random.below(most);
            (0..count).map(|_| random.pick(pieces)).collect()
        };
        let params = [(text(&mut random, NAMES, 5), text(&mut random, VALUES, 7))];
        let kinds: Vec<Kind> = Kind::new(random.pick(&KINDS)).into_iter().collect();
        let strict = random.once_in(2);
        read += usize::from(parse(&registry(), &kinds, &params, &handling(strict)).is_ok());
    }
    assert!(read > 300, "{read}");
}
