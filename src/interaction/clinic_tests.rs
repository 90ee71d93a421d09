//! How complete a clinic says that its answers are: on its way, agreed, started again, and asked on at the centre.

use std::sync::Arc;

use fhir::tree::Tree;
use store::testing::Fresh;

use crate::ask_centre::{Asker, Reached};
use crate::clinic::CentreLine;
use crate::exchange_tests::{Pair, each, known, of, subject};
use crate::site::Site;
use crate::{Caller, Engine, Method, Request, answer};

/// What a site says of an answer: how complete it is, and its body.
pub(crate) fn answered(site: &Site, question: &str) -> (String, String) {
    let (path, query) = question.split_once('?').unwrap_or((question, ""));
    let request = Request::new(Method::Get, path, query, "http://clinic/fhir");
    let reply = answer(&site.engine(), &Caller::Operator, &request);
    let body = String::from_utf8_lossy(reply.body.bytes()).into_owned();
    (reply.completeness.unwrap_or_default(), body)
}

/// The first word of what a site says of how complete an answer is.
pub(crate) fn word(site: &Site, question: &str) -> String {
    let (said, body) = answered(site, question);
    let word = said.split(';').next().unwrap_or_default().to_owned();
    // A page says the same to a person.
    assert!(
        !body.contains("searchset") || said.is_empty() || body.contains("\"mode\":\"outcome\""),
        "{question}: {body}"
    );
    assert_eq!(
        said.contains("; as-of=2"),
        ["complete", "clinic", "left"].contains(&&*word),
        "{said}"
    );
    word
}

#[test]
fn a_clinic_says_how_complete_its_answers_are() {
    each(|mut pair| {
        let bji = known(&[501]);
        pair.centre.put("Patient/a", &of("0501"));
        pair.centre.put("Observation/a1", &subject("a"));
        pair.centre.put("Patient/b", &of("0601"));
        pair.centre.put("Observation/b1", &subject("b"));
        assert_eq!(word(&pair.clinic, "Observation?patient=a"), "arriving");
        pair.contact(&bji);
        let table = [
            ("Observation?patient=a", "complete"),
            ("Observation?subject=Patient/a&status=final", "complete"),
            ("Observation?patient=a,b", "unknown"),
            ("Observation?patient=b", "unknown"),
            ("Observation", "clinic"),
            ("Observation?performer=Patient/a", "clinic"),
            ("Patient?_id=a", "complete"),
            ("Patient?gender=female", "clinic"),
            ("Patient/a/Immunization", "complete"),
            // Others may have been observed by her.
            ("Patient/a/Observation", "clinic"),
            ("Patient/a", "complete"),
            ("Observation/a1", "complete"),
            ("Location?name=x", "complete"),
            ("AuditEvent", "local"),
            ("_history", ""),
        ];
        for (question, expected) in table {
            assert_eq!(word(&pair.clinic, question), expected, "{question}");
            assert_eq!(word(&pair.centre, question), "", "the centre: {question}");
        }
        let why = r#"{"resourceType":"Parameters","parameter":[{"name":"reason","valueString":"she is here"}]}"#;
        pair.clinic.ask(Method::Post, "Patient/b/$fetch", why);
        assert_eq!(word(&pair.clinic, "Observation?patient=b"), "unknown", "not yet");
        assert_eq!(pair.contact(&bji), 2, "who was asked for comes with all that is of her");
        assert_eq!(word(&pair.clinic, "Observation?patient=a,b"), "complete");
        pair.centre
            .put("Observation/a1", &subject("a").replace("\"x\"", "\"y\""));
        pair.centre.put("Patient/a", &of("0601"));
        assert_eq!(pair.contact(&bji), 2, "that she left, and what changed before");
        for question in ["Observation?patient=a", "Patient/a", "Observation?patient=a,b"] {
            assert_eq!(word(&pair.clinic, question), "left", "{question}");
        }
        assert_eq!(pair.verify(&bji).lacked, 0);
    });
}

/// After a start it is known as of when the clinic agreed; of whose records it has, only once the log was read.
#[test]
fn a_clinic_that_was_started_says_what_it_knows_yet() {
    let mut pair = Pair::new(Fresh::sqlite());
    pair.centre.put("Patient/a", &of("0501"));
    pair.centre.put("Observation/a1", &subject("a"));
    let bji = known(&[501]);
    pair.contact(&bji);
    let agreed = answered(&pair.clinic, "Observation").0;
    pair.clinic.restart();
    let clinic = pair.clinic.engine();
    let reached = Reached::of(&clinic).expect("read");
    clinic.clinic.recall(&clinic, &reached).expect("read");
    let table = [
        ("Observation?patient=a", "starting", "complete"),
        ("Observation/a1", "starting", "complete"),
        ("Observation?patient=b", "starting", "unknown"),
        ("Location?name=x", "complete", "complete"),
        ("AuditEvent", "local", "local"),
    ];
    let says = |when: fn(&(&'static str, &'static str, &'static str)) -> &'static str| {
        for row in &table {
            assert_eq!(word(&pair.clinic, row.0), when(row), "{}", row.0);
        }
        assert_eq!(answered(&pair.clinic, "Observation").0, agreed);
    };
    says(|row| row.1);
    Asker::new(&clinic).expect("read");
    says(|row| row.2);
}

/// A line that is another site of the test.
struct Near(Arc<Engine>);

impl CentreLine for Near {
    fn hurry(&self) {}

    fn search(&self, question: &str, base: &str) -> Result<Vec<u8>, String> {
        let (path, query) = question.split_once('?').unwrap_or((question, ""));
        let reply = answer(
            &self.0,
            &Caller::Operator,
            &Request::new(Method::Get, path, query, base),
        );
        Ok(reply.body.bytes().to_vec())
    }
}

#[test]
fn a_search_goes_on_at_the_centre() {
    let mut pair = Pair::new(Fresh::sqlite());
    for number in 0..3 {
        pair.centre.put(&format!("Observation/b{number}"), &subject("b"));
    }
    pair.contact(&known(&[501]));
    let (_, body) = answered(&pair.clinic, "Observation?patient=b&_centre=true");
    assert!(body.contains("The centre cannot be asked now"), "{body}");
    pair.clinic.engine().clinic.attach(Box::new(Near(pair.centre.engine())));
    let (said, body) = answered(
        &pair.clinic,
        "Observation?patient=b&_count=2&_total=accurate&_centre=true",
    );
    assert!(said == "centre" && body.contains("\"total\":3"), "{said} {body}");
    let page = Tree::parse(body.as_bytes()).expect("JSON");
    let links = page.get("link").map(Tree::items).unwrap_or_default();
    let next = links
        .iter()
        .find(|link| link.get("relation").and_then(Tree::as_str) == Some("next"));
    let next = next.and_then(|link| link.get("url")?.as_str()).expect("a next page");
    let question = next
        .strip_prefix("http://clinic/fhir/")
        .expect("the clinic's own links");
    assert!(question.contains("_centre=true"), "{question}");
    let (said, body) = answered(&pair.clinic, question);
    assert!(
        said == "centre" && body.contains("This page is the centre's"),
        "{said} {body}"
    );
    assert_eq!(word(&pair.clinic, "Observation?patient=b"), "unknown");
}
