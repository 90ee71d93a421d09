//! A clinic and its centre over a line that is cut: who is sent what, what comes of a moved horizon, and that all arrives.

use query::sample::Random;
use store::testing::Fresh;
use sync::compare::Comparison;
use sync::frame::Place;
use sync::horizon::{Horizons, Whom};
use sync::question::Found;
use sync::session::{Next, Outcome};

use crate::Method;
use crate::answer_node::{Exchange, Known, Progress};
use crate::ask_centre::{Asker, Reached, verified, written};
use crate::catchment::noted;
use crate::engine::now;
use crate::horizon::follow;
use crate::own_device::OwnDevice;
use crate::site::{Site, parameters};

/// A node that has no other name.
pub(crate) fn known(gewogs: &[u32]) -> Known {
    Known {
        number: 7,
        name: "Bji".to_owned(),
        former: Vec::new(),
        gewogs: gewogs.to_vec(),
        within_months: 60,
        clinic: Some("Location/bji".to_owned()),
    }
}

/// A Patient's members: she lives in a gewog.
pub(crate) fn of(gewog: &str) -> String {
    let url = "http://fhir.moh.gov.bt/StructureDefinition/bt-gewog";
    format!(r#""address":[{{"extension":[{{"url":"{url}","valueCoding":{{"code":"BT{gewog}"}}}}]}}]"#)
}

pub(crate) fn subject(patient: &str) -> String {
    format!(r#""status":"final","code":{{"text":"x"}},"subject":{{"reference":"Patient/{patient}"}}"#)
}

pub(crate) struct Pair {
    pub(crate) centre: Site,
    pub(crate) clinic: Site,
    pub(crate) exchange: Exchange,
    /// Records that came to the clinic so far.
    came: u64,
}

/// With the centre on either database; a clinic's is the embedded one.
pub(crate) fn each(test: impl Fn(Pair)) {
    Fresh::both().into_iter().for_each(|place| test(Pair::new(place)));
}

impl Pair {
    pub(crate) fn new(centre: Fresh) -> Pair {
        Pair {
            centre: Site::new(centre, 0),
            clinic: Site::new(Fresh::sqlite(), 7),
            exchange: Exchange::default(),
            came: 0,
        }
    }

    /// One request and its answer, each cut after so many bytes; `None` where the answer broke off.
    pub(crate) fn request(&self, asker: &mut Asker, known: &Known, cuts: (usize, usize)) -> Option<Next> {
        let (centre, clinic) = (self.centre.engine(), self.clinic.engine());
        let request = asker.ask(&clinic).expect("a request").concat();
        let succeed = || Err("nobody is given another number".to_owned());
        let contact = self.exchange.answer(&centre, known, &succeed, 64).expect("read");
        let mut contact = contact.expect("nobody else asks");
        let mut answer = None;
        for piece in request[..cuts.0.min(request.len())].chunks(100) {
            answer = answer.or(contact.hear(piece).expect("taken"));
        }
        let answer = written(&answer?).concat();
        for piece in answer[..cuts.1.min(answer.len())].chunks(77) {
            match asker.hear(&clinic, piece).expect("heard") {
                Next::Listen => {}
                next => return Some(next),
            }
        }
        None
    }

    /// A contact over a good line in which both compare what they have; what that found.
    pub(crate) fn verify(&self, known: &Known) -> Found {
        let clinic = self.clinic.engine();
        let mut asker = Asker::new(&clinic).expect("read");
        asker.verify();
        self.agree(&mut asker, known);
        let Comparison::Done(found) = asker.comparison().clone() else {
            panic!("a comparison ends as {:?}", asker.comparison());
        };
        asker.note(&clinic, true).expect("noted");
        found
    }

    fn agree(&self, asker: &mut Asker, known: &Known) {
        let mut next = self.request(asker, known, (usize::MAX, usize::MAX));
        while next == Some(Next::Ask) {
            next = self.request(asker, known, (usize::MAX, usize::MAX));
        }
        assert_eq!(next, Some(Next::Close(Outcome::Agreed)));
    }

    /// A contact over a good line; how many records came.
    pub(crate) fn contact(&mut self, known: &Known) -> u64 {
        let clinic = self.clinic.engine();
        let own = || clinic.store.counter();
        let before = (clinic.store.head(), own());
        let mut asker = Asker::new(&clinic).expect("read");
        self.agree(&mut asker, known);
        asker.note(&clinic, true).expect("noted");
        self.came = (clinic.store.head() - before.0) - (own() - before.1);
        self.came
    }

    pub(crate) fn progress(&self, known: &Known) -> Progress {
        self.exchange.progress(&self.centre.engine(), known).expect("read")
    }
}

#[test]
fn a_clinic_is_sent_its_horizon_and_then_the_difference() {
    each(|mut pair| {
        let centre = |path: &str, members: &str| pair.centre.put(path, members);
        centre("Patient/a", &of("0501"));
        centre("Patient/b", &of("0601"));
        centre("Observation/a1", &subject("a"));
        centre("Observation/b1", &subject("b"));
        centre("Location/x", r#""name":"Bji BHU""#);
        let bji = known(&[501]);
        assert_eq!(
            pair.contact(&bji),
            4,
            "her people, and what is of nobody: a place and the clinic's machine"
        );
        assert_eq!(pair.contact(&bji), 0, "nothing twice");
        assert!(pair.clinic.has("Observation/a1").is_some() && pair.clinic.has("Patient/b").is_none());

        pair.centre
            .put("Observation/a1", &subject("a").replace("\"x\"", "\"y\""));
        pair.centre
            .put("Observation/b1", &subject("b").replace("\"x\"", "\"y\""));
        assert_eq!(pair.contact(&bji), 1, "what changed of hers");

        pair.clinic.put("Observation/b2", &subject("b"));
        assert_eq!(
            pair.contact(&bji),
            2,
            "a visitor whom the clinic has seen comes with all that is of her"
        );
        assert!(pair.centre.has("Observation/b2").is_some());
        assert_eq!(pair.contact(&bji), 0, "what it wrote itself does not come back");

        pair.centre.put("Patient/c", &of("0701"));
        pair.centre.put("Observation/c1", &subject("c"));
        pair.centre.put("Patient/d", &of("0701"));
        assert_eq!(pair.contact(&bji), 0);
        let both = Known {
            gewogs: vec![501, 701],
            ..bji
        };
        assert_eq!(
            pair.contact(&both),
            4,
            "a larger catchment brings its people, and word of itself"
        );
        pair.centre.put("Patient/e", &of("0601"));
        assert_eq!(pair.contact(&both), 0);
        pair.centre.put("Patient/e", &of("0701"));
        assert_eq!(pair.contact(&both), 1, "who moves there comes");
        assert_eq!(
            pair.progress(&both).behind,
            Some(1),
            "that it came is known when the clinic says so"
        );
        pair.contact(&both);
        let progress = pair.progress(&both);
        assert_eq!(
            (progress.acknowledged, progress.written, progress.behind),
            (1, Some(1), Some(0))
        );
    });
}

#[test]
fn of_who_moves_away_a_clinic_is_sent_that_she_does() {
    each(|mut pair| {
        let khamaed = known(&[701]);
        pair.centre.put("Patient/d", &of("0701"));
        pair.contact(&khamaed);
        pair.contact(&khamaed);
        pair.centre.put("Patient/d", &of("0601"));
        pair.centre.put("Observation/d1", &subject("d"));
        assert_eq!(pair.contact(&khamaed), 2, "with what changed until then");
        pair.centre.put("Observation/d2", &subject("d"));
        pair.centre
            .put("Patient/d", &format!(r#"{},"gender":"female""#, of("0601")));
        assert_eq!(pair.contact(&khamaed), 0, "and nothing more");
    });
}

#[test]
fn who_is_referred_to_a_clinic_comes_with_all_that_is_of_her() {
    let request = |performer: &str| {
        format!(
            r#""status":"active","intent":"order","subject":{{"reference":"Patient/a"}},"performer":[{{"reference":"{performer}"}}]"#
        )
    };
    let owned = |owner: &str| {
        format!(
            r#""status":"requested","intent":"order","for":{{"reference":"Patient/a"}},"owner":{{"reference":"{owner}"}}"#
        )
    };
    let met = |place: &str| {
        format!(
            r#""status":"booked","participant":[{{"actor":{{"reference":"Patient/a"}},"status":"accepted"}},{{"actor":{{"reference":"{place}"}},"status":"accepted"}}]"#
        )
    };
    let table = [
        ("ServiceRequest", request("Location/bji"), 3),
        ("ServiceRequest", request("Location/other"), 0),
        ("Task", owned("Device/node-7"), 3),
        ("Task", owned("Device/node-8"), 0),
        ("Appointment", met("Location/bji"), 3),
    ];
    for (kind, members, come) in table {
        let mut pair = Pair::new(Fresh::sqlite());
        let bji = known(&[501]);
        pair.centre.put("Patient/a", &of("0601"));
        pair.centre.put("Observation/a1", &subject("a"));
        pair.contact(&bji);
        pair.centre.put(&format!("{kind}/r"), &members);
        assert_eq!(pair.contact(&bji), come, "{kind} {members}");
        assert_eq!(pair.contact(&bji), 0, "once");
    }
}

/// Who was seen longer ago than she stays is sent nothing more, and comes back when she is seen again.
#[test]
fn who_was_seen_too_long_ago_leaves_the_horizon() {
    const MONTH: i64 = 30 * 86_400_000_000;
    each(|mut pair| {
        let bji = known(&[501]);
        pair.centre.put("Patient/b", &of("0601"));
        pair.clinic.put("Observation/b1", &subject("b"));
        pair.contact(&bji);
        pair.centre.put("Observation/b2", &subject("b"));
        let mut horizons = Horizons::default();
        follow(&mut horizons, &pair.centre.engine().store).expect("read");
        let catchment = noted(&pair.centre.engine().store, &bji).expect("read").expect("noted");
        let lanes = Reached::of(&pair.clinic.engine()).expect("read").lanes;
        for (months, behind) in [(0, 1), (59, 1), (62, 0)] {
            let whom = Whom {
                numbers: &[7],
                catchment: &catchment,
                now: now() + months * MONTH,
            };
            assert_eq!(horizons.behind(&whom, &lanes), behind, "after {months} months");
        }
    });
}

#[test]
fn who_is_merged_is_in_a_horizon_with_all_her_records() {
    each(|mut pair| {
        let centre = |path: &str, members: &str| pair.centre.put(path, members);
        centre("Patient/a", &of("0501"));
        centre("Patient/b", &of("0601"));
        centre("Patient/c", &of("0701"));
        for patient in ["a", "b", "c"] {
            centre(&format!("Observation/{patient}1"), &subject(patient));
        }
        let bji = known(&[501]);
        pair.contact(&bji);
        assert!(pair.clinic.has("Patient/b").is_none());
        let merge = |source, target| {
            let body = parameters(&[("source-patient", source), ("target-patient", target)]);
            pair.centre.ask(Method::Post, "Patient/$merge", &body);
        };
        merge("a", "b");
        merge("b", "c");
        pair.contact(&bji);
        for path in ["Patient/b", "Patient/c", "Observation/b1", "Observation/c1"] {
            assert!(pair.clinic.has(path).is_some(), "{path}");
        }
        pair.centre.ask(Method::Post, "Patient/b/$unmerge", "");
        pair.centre.put("Observation/c2", &subject("c"));
        pair.contact(&bji);
        let stands = pair.clinic.has("Patient/b").and_then(|b| b.get("active").cloned());
        assert_ne!(
            stands,
            Some(fhir::tree::Tree::Bool(false)),
            "what became of her is told"
        );
        assert!(pair.clinic.has("Observation/c2").is_some(), "who was known stays known");
    });
}

#[test]
fn a_clinic_hears_what_it_is_called() {
    each(|mut pair| {
        let called = |name: &str| Known {
            name: name.to_owned(),
            ..known(&[501])
        };
        for name in ["Bji", "Bji \"new\" BHU"] {
            assert_eq!(pair.contact(&called(name)), 1, "word of its name");
            assert_eq!(pair.contact(&called(name)), 0, "once");
            let told = OwnDevice::read(&pair.clinic.engine(), 7).expect("read").expect("there");
            assert_eq!((told.name.as_str(), told.gewogs.join(" ")), (name, "BT0501".to_owned()));
        }
    });
}

#[test]
fn what_both_wrote_apart_is_joined_and_comes_back() {
    each(|mut pair| {
        let bji = known(&[501]);
        pair.centre
            .put("Patient/a", &format!(r#"{},"gender":"female""#, of("0501")));
        pair.contact(&bji);
        pair.centre
            .put("Patient/a", &format!(r#"{},"gender":"male""#, of("0501")));
        pair.clinic.put(
            "Patient/a",
            &format!(r#"{},"gender":"female","birthDate":"1987""#, of("0501")),
        );
        let reached = Reached::of(&pair.clinic.engine()).expect("read");
        assert!(
            reached.acked < pair.clinic.engine().store.counter(),
            "not yet acknowledged"
        );
        assert_eq!(pair.contact(&bji), 1, "the join");
        let joined = pair.clinic.has("Patient/a").expect("she is there");
        assert_eq!(Some(joined.clone()), pair.centre.has("Patient/a"));
        let text = String::from_utf8(joined.to_bytes()).expect("text");
        assert!(text.contains("\"male\"") && text.contains("1987"), "{text}");
    });
}

#[test]
fn whatever_is_cut_arrives() {
    each(|mut pair| {
        let mut random = Random::new(3);
        let bji = known(&[501]);
        for number in 0..40 {
            pair.centre.put(&format!("Patient/a{number}"), &of("0501"));
            pair.clinic
                .put(&format!("Observation/o{number}"), &subject(&format!("a{number}")));
        }
        let mut asker = Asker::new(&pair.clinic.engine()).expect("read");
        for _ in 0..30 {
            let cuts = (random.below(1_500), random.below(1_500));
            pair.request(&mut asker, &bji, cuts);
            if random.once_in(5) {
                asker.note(&pair.clinic.engine(), false).expect("noted");
                asker = Asker::new(&pair.clinic.engine()).expect("read");
            }
        }
        pair.contact(&bji);
        for number in 0..40 {
            assert!(pair.clinic.has(&format!("Patient/a{number}")).is_some());
            assert!(pair.centre.has(&format!("Observation/o{number}")).is_some());
        }
        let reached = Reached::of(&pair.clinic.engine()).expect("read");
        assert_eq!(reached.acked, pair.clinic.engine().store.counter());
        assert!(reached.has_essentials());
    });
}

#[test]
fn a_clinic_has_the_essentials_when_less_urgent_things_come() {
    let table = [
        ([0, 0, 0, 0], false),
        ([5, 0, 0, 0], false),
        ([5, 5, 0, 0], true),
        ([0, 0, 5, 0], true),
        ([0, 5, 0, 5], true),
    ];
    for (lanes, has) in table {
        let reached = Reached {
            lanes: lanes.map(Place::behind),
            ..Reached::default()
        };
        assert_eq!(reached.has_essentials(), has, "{lanes:?}");
    }
}

/// Where a record's current version is in a site's log.
fn place(site: &Site, kind: &str, id: &str) -> u64 {
    let name = (fhir::identity::Kind::new(kind), fhir::identity::Id::new(id));
    let (kind, id) = (name.0.expect("a kind"), name.1.expect("an id"));
    let store = &site.engine().store;
    let (current, _) = store.name_of(&kind, &id).expect("read").expect("it is there");
    store.place_at(&kind, &id, current).expect("read").expect("it is there")
}

#[test]
fn what_a_disk_has_made_of_records_is_found_and_comes_back() {
    each(|mut pair| {
        let bji = known(&[501]);
        for number in 0..200 {
            pair.centre.put(&format!("Patient/a{number}"), &of("0501"));
            pair.centre
                .put(&format!("Observation/o{number}"), &subject(&format!("a{number}")));
        }
        pair.centre.put("Patient/far", &of("0601"));
        pair.clinic.put("Observation/own", &subject("a7"));
        pair.contact(&bji);
        let nothing = Found {
            records: 402,
            ..Found::default()
        };
        assert_eq!(pair.verify(&bji), nothing);

        let before = pair.clinic.has("Observation/o17");
        for id in ["o17", "o18"] {
            pair.clinic.fresh.damage(place(&pair.clinic, "Observation", id));
        }
        pair.centre
            .put("Observation/o18", &subject("a18").replace("\"x\"", "\"y\""));
        assert_eq!(pair.contact(&bji), 1, "a damaged version keeps no newer one away");
        assert_eq!(pair.verify(&bji), Found { lacked: 1, ..nothing });
        assert_eq!(pair.clinic.has("Observation/o17"), before);
        assert_eq!(pair.verify(&bji), nothing, "once is enough");
        let seen = verified(&pair.clinic.engine()).expect("read");
        assert!(seen.lacked == 1 && seen.when > seen.found && seen.found > 0, "{seen:?}");
        assert_eq!(pair.progress(&bji).verified.lacked, 1);

        pair.centre.fresh.damage(place(&pair.centre, "Observation", "own"));
        assert_eq!(pair.verify(&bji).lacked, 0);
        assert!(pair.centre.has("Observation/own").is_some());
        assert_eq!(pair.progress(&bji).verified.given, 1, "said loudly at the centre");
    });
}

/// What is beyond a clinic's horizon stays there, and is no fault.
#[test]
fn what_is_beyond_the_horizon_is_no_fault() {
    each(|mut pair| {
        pair.centre.put("Patient/a", &of("0501"));
        pair.centre.put("Patient/b", &of("0601"));
        pair.contact(&known(&[501, 601]));
        let bji = known(&[501]);
        pair.contact(&bji);
        assert_eq!(pair.verify(&bji).lacked, 0);
        assert!(pair.clinic.has("Patient/b").is_some());
        assert_eq!(pair.progress(&bji).verified.given, 0);
    });
}

/// Of a record that changed often while the clinic was away the last state comes, once.
#[test]
fn of_a_record_that_changed_often_the_last_comes_once() {
    each(|mut pair| {
        let bji = known(&[501]);
        pair.centre.put("Patient/a", &of("0501"));
        pair.contact(&bji);
        for number in 0..300 {
            pair.centre.put(
                "Patient/a",
                &format!(r#"{},"multipleBirthInteger":{number}"#, of("0501")),
            );
        }
        assert_eq!(pair.contact(&bji), 1);
        let last = pair.clinic.has("Patient/a").expect("she is here");
        assert_eq!(last.get("multipleBirthInteger"), Some(&fhir::tree::Tree::number("299")));
    });
}

/// Two contacts of one node at once, by line or by two machines, would overtake each other.
#[test]
fn a_node_has_one_contact_at_a_time() {
    let pair = Pair::new(Fresh::sqlite());
    let (centre, bji) = (pair.centre.engine(), known(&[501]));
    let succeed = || Err("nobody is given another number".to_owned());
    let first = pair.exchange.answer(&centre, &bji, &succeed, 64).expect("read");
    let second = pair.exchange.answer(&centre, &bji, &succeed, 64).expect("read");
    assert!(first.is_some() && second.is_none());
    drop((first, second));
    assert!(
        pair.exchange
            .answer(&centre, &bji, &succeed, 64)
            .expect("read")
            .is_some()
    );
}
