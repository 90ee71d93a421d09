//! What a clinic says of how complete it is, while what it says it of arrives in pieces over a line that is cut.

use fhir::tree::Tree;
use sync::session::Next;

use crate::Method;
use crate::answer_node::Known;
use crate::ask_centre::Asker;
use crate::clinic_tests::{answered, word};
use crate::exchange_tests::{Pair, each, known, of, subject};

/// Observations of one person.
const OBSERVATIONS: usize = 120;

/// Somebody who lives elsewhere, and what was observed of her: texts that do not pack, so that they take many pieces.
fn elsewhere(pair: &Pair, id: &str) {
    pair.centre.put(&format!("Patient/{id}"), &of("0601"));
    for number in 0..OBSERVATIONS {
        let noise = |salt: u8| query::values::hash(&[id.as_bytes(), &number.to_le_bytes(), &[salt]]);
        let text: String = (0..8).map(|salt| format!("{:016x}", noise(salt))).collect();
        let note = format!(r#","note":[{{"text":"{text}"}}]"#);
        pair.centre
            .put(&format!("Observation/{id}{number}"), &(subject(id) + &note));
    }
}

fn here(pair: &Pair, question: &str) -> u64 {
    let (_, body) = answered(&pair.clinic, &format!("{question}&_summary=count"));
    let page = Tree::parse(body.as_bytes()).expect("JSON");
    let Some(Tree::Number(total)) = page.get("total") else {
        panic!("no total: {body}");
    };
    total.parse().expect("a count")
}

/// Brings both to agree over a line that is cut after so many bytes, again and again; whatever is said to be complete is.
/// How often something was said to be still arriving.
fn agree_in_pieces(pair: &mut Pair, known: &Known, id: &str, cut: usize) -> usize {
    let question = format!("Observation?patient={id}");
    let (mut arriving, mut held) = (0, None);
    for contact in 0..200 {
        // Now and then it is started anew, and has to know by what it noted.
        if contact % 8 == 7 {
            pair.clinic.restart();
            held = None;
        }
        let clinic = pair.clinic.engine();
        let mut asker = Asker::new(&clinic).expect("read").going_on(held.take());
        let mut next = Some(Next::Ask);
        while next == Some(Next::Ask) {
            next = pair.request(&mut asker, known, (usize::MAX, cut));
            let agreed = matches!(next, Some(Next::Close(_)));
            asker.note(&clinic, agreed).expect("noted");
            let said = word(&pair.clinic, &question);
            arriving += usize::from(said == "arriving");
            if said == "complete" {
                assert_eq!(here(pair, &question), OBSERVATIONS as u64, "contact {contact}");
            }
            assert!(!agreed || said == "complete", "contact {contact}: {said}");
        }
        if next.is_some() {
            return arriving;
        }
        held = asker.into_held();
    }
    panic!("they do not come to an end");
}

#[test]
fn of_who_comes_into_a_horizon_nothing_is_said_to_be_complete_before_it_is() {
    each(|mut pair| {
        pair.centre.put("Patient/a", &of("0501"));
        pair.centre.put("Observation/a1", &subject("a"));
        elsewhere(&pair, "b");
        elsewhere(&pair, "c");
        pair.contact(&known(&[501]));
        // She comes in person, and a larger catchment brings another.
        let why = r#"{"resourceType":"Parameters","parameter":[{"name":"reason","valueString":"she is here"}]}"#;
        pair.clinic.ask(Method::Post, "Patient/b/$fetch", why);
        assert!(agree_in_pieces(&mut pair, &known(&[501]), "b", 2_600) > 0);
        assert_eq!(word(&pair.clinic, "Observation?patient=a"), "complete");
        // That the catchment grew comes behind its people: until then nothing is claimed of her.
        agree_in_pieces(&mut pair, &known(&[501, 601]), "c", 3_000);
    });
}
