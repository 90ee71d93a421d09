//! A clinic and its centre carry a stick, beside a line or without one: late, twice, to the wrong clinic, in any order.

use query::sample::Random;
use sync::frame::Frame;
use sync::session::{Failed, Next, Outcome};

use crate::answer_node::Known;
use crate::ask_centre::{Asker, Reached, written};
use crate::exchange_tests::{Pair, each, known, of, subject};

/// Bytes of segments on a stick.
const ROOM: u64 = 1 << 20;

impl Pair {
    /// What the clinic writes on a stick.
    fn asks(&self, load: u64) -> Vec<u8> {
        let clinic = self.clinic.engine();
        let mut asker = Asker::by_stick(&clinic, load).expect("read");
        asker.ask(&clinic).expect("a request").concat()
    }

    /// What the centre answers.
    fn answers(&self, known: &Known, asked: &[u8], room: u64) -> Result<Vec<u8>, Failed> {
        let centre = self.centre.engine();
        let succeed = || Err("nobody is given another number".to_owned());
        let contact = self.exchange.answer(&centre, known, &succeed, 64).expect("read");
        let mut contact = contact.expect("nobody else asks").by_stick(room);
        let frames = match asked.is_empty() {
            true => contact.unasked()?,
            false => contact.hear(asked)?.expect("a whole request"),
        };
        Ok(written(&frames).concat())
    }

    /// The clinic takes an answer, and notes how far it is.
    fn reads(&self, answer: &[u8]) -> Result<Next, Failed> {
        let clinic = self.clinic.engine();
        let mut asker = Asker::by_stick(&clinic, 0).expect("read");
        let heard = asker.hear(&clinic, answer);
        let agreed = heard == Ok(Next::Close(Outcome::Agreed));
        asker.note(&clinic, agreed).expect("noted");
        heard
    }

    /// How far the two are, without when they agreed.
    fn reached(&self) -> Reached {
        Reached {
            agreed: 0,
            ..Reached::of(&self.clinic.engine()).expect("read")
        }
    }

    fn heads(&self) -> (u64, u64) {
        (self.centre.engine().store.head(), self.clinic.engine().store.head())
    }
}

#[test]
fn a_stick_brings_both_sides_what_they_lack() {
    each(|pair| {
        let bji = known(&[501]);
        for number in 0..30 {
            pair.centre.put(&format!("Patient/a{number}"), &of("0501"));
            pair.clinic
                .put(&format!("Observation/o{number}"), &subject(&format!("a{number}")));
        }
        let asked = pair.asks(ROOM);
        let answer = pair.answers(&bji, &asked, ROOM).expect("answered");
        assert_eq!(pair.reads(&answer), Ok(Next::Close(Outcome::Agreed)));
        for number in 0..30 {
            assert!(pair.clinic.has(&format!("Patient/a{number}")).is_some());
            assert!(pair.centre.has(&format!("Observation/o{number}")).is_some());
        }
        let reached = pair.reached();
        assert_eq!(reached.acked, 30);
        assert!(Reached::of(&pair.clinic.engine()).expect("read").agreed > 0);
        // The same stick once more, on both sides.
        let heads = pair.heads();
        pair.answers(&bji, &asked, ROOM).expect("answered");
        pair.reads(&answer).expect("read");
        assert_eq!(pair.heads(), heads, "nothing twice");
        assert_eq!(pair.reached().lanes, reached.lanes);
    });
}

#[test]
fn a_new_clinic_begins_from_a_stick() {
    each(|mut pair| {
        let bji = known(&[501]);
        for number in 0..60 {
            pair.centre.put(&format!("Patient/a{number}"), &of("0501"));
            pair.centre
                .put(&format!("Observation/o{number}"), &subject(&format!("a{number}")));
        }
        // A segment of each lane more than it has room for: the next one brings the rest.
        let first = pair.answers(&bji, b"", 1).expect("answered");
        let heard = pair.reads(&first).expect("read");
        assert_eq!(heard, Next::Ask, "more remains");
        assert!(pair.clinic.has("Patient/a59").is_some() && pair.clinic.has("Observation/o59").is_none());
        let rest = pair.answers(&bji, &pair.asks(ROOM), ROOM).expect("answered");
        assert_eq!(pair.reads(&rest), Ok(Next::Close(Outcome::Agreed)));
        assert!(pair.clinic.has("Observation/o59").is_some());
        assert_eq!(pair.contact(&bji), 0, "the line has nothing to add");
    });
}

#[test]
fn what_is_older_than_what_the_line_brought_changes_nothing() {
    each(|mut pair| {
        let bji = known(&[501]);
        pair.centre.put("Patient/a", &of("0501"));
        pair.clinic.put("Observation/o", &subject("a"));
        let old_request = pair.asks(ROOM);
        let old_answer = pair.answers(&bji, &old_request, ROOM).expect("answered");
        pair.contact(&bji);
        pair.centre
            .put("Patient/a", &format!(r#"{},"gender":"female""#, of("0501")));
        pair.clinic
            .put("Observation/o", &subject("a").replace("\"x\"", "\"y\""));
        pair.contact(&bji);
        let (reached, heads) = (pair.reached(), pair.heads());
        pair.reads(&old_answer).expect("read");
        assert_eq!(pair.reached(), reached, "neither lanes nor acknowledgement go back");
        // What is old is not taken for a copy of the clinic's database that was put back.
        let answer = pair.answers(&bji, &old_request, ROOM).expect("answered");
        pair.reads(&answer).expect("read");
        assert_eq!((pair.reached(), pair.heads()), (reached, heads));
        assert!(format!("{:?}", pair.clinic.has("Patient/a")).contains("female"));
    });
}

/// What a stick brings that is not for the clinic as it is: each is refused with a sentence, and nothing changes.
#[test]
fn what_is_not_for_this_clinic_is_refused() {
    each(|mut pair| {
        let bji = known(&[501]);
        let empty = pair.answers(&bji, b"", ROOM).expect("answered");
        pair.centre.put("Patient/a", &of("0501"));
        pair.contact(&bji);
        pair.centre.put("Patient/b", &of("0501"));
        // Written for a clinic that had more than this one: its database is a copy from before.
        let later = pair.answers(&bji, &pair.asks(ROOM), ROOM).expect("answered");
        let mut frames = sync::frame::Frames::default();
        frames.feed(&later);
        let mut said: Vec<Frame> = Vec::new();
        while let Some(frame) = frames.next_frame().expect("frames") {
            said.push(frame);
        }
        let changed = |change: &dyn Fn(&mut sync::frame::Hello)| {
            let mut said = said.clone();
            if let Some(Frame::Hello(hello)) = said.first_mut() {
                change(hello);
            }
            written(&said).concat()
        };
        let table = [
            (changed(&|hello| hello.node = 8), "It is for node 8; this is node 7."),
            (
                changed(&|hello| hello.lanes[2].at += 1_000),
                "It goes on from records that this node does not have",
            ),
            (written(&said[1..]).concat(), "an answer without its request"),
            (pair.asks(ROOM), "a request for an answer"),
            (vec![1, 2, 3, 4], "no frame"),
        ];
        let before = (pair.reached(), pair.heads());
        for (bytes, expected) in table {
            let Failed(why) = pair.reads(&bytes).expect_err(expected);
            assert!(why.contains(expected), "{why}");
            assert_eq!((pair.reached(), pair.heads()), before, "{expected}");
        }
        assert!(
            pair.reads(&empty).is_ok(),
            "what was written before anything was there is old, not wrong"
        );
        pair.reads(&later).expect("read");
        assert!(pair.clinic.has("Patient/b").is_some());
        let foreign = Known {
            number: 8,
            ..bji.clone()
        };
        let refused = pair.answers(&foreign, &pair.asks(ROOM), ROOM).unwrap_err();
        assert!(refused.0.contains("The request is of node 7"), "{}", refused.0);
    });
}

/// Line and stick in any order, both sides writing, sticks of any age, each as often as it likes: all ends alike.
#[test]
fn line_and_stick_in_any_order_end_alike() {
    for seed in 0..6 {
        each(|mut pair| {
            let (mut random, bji) = (Random::new(seed), known(&[501]));
            let (mut asked, mut answered) = (vec![pair.asks(ROOM)], Vec::new());
            for step in 0..60 {
                let path = match random.below(2) {
                    0 => format!("Patient/a{}", random.below(4)),
                    _ => format!("Observation/o{}", random.below(4)),
                };
                let members = match path.starts_with("Patient") {
                    true => format!(r#"{},"birthDate":"19{}""#, of("0501"), 10 + step),
                    false => subject("a0").replace("\"x\"", &format!("\"{step}\"")),
                };
                match random.below(8) {
                    0 => pair.centre.put(&path, &members),
                    1 | 2 => pair.clinic.put(&path, &members),
                    3 => asked.push(pair.asks(random.below(900) as u64)),
                    4 => {
                        let request = asked[random.below(asked.len())].clone();
                        let answer = pair.answers(&bji, &request, 1 + random.below(900) as u64);
                        answered.push(answer.expect("answered"));
                    }
                    5 | 6 if !answered.is_empty() => {
                        let answer = &answered[random.below(answered.len())];
                        pair.reads(answer).expect("every stick of this clinic can be read");
                    }
                    _ => {
                        let cuts = (random.below(900), random.below(900));
                        let mut asker = Asker::new(&pair.clinic.engine()).expect("read");
                        pair.request(&mut asker, &bji, cuts);
                        asker.note(&pair.clinic.engine(), false).expect("noted");
                    }
                }
            }
            pair.contact(&bji);
            for number in 0..4 {
                for path in [format!("Patient/a{number}"), format!("Observation/o{number}")] {
                    assert_eq!(pair.clinic.has(&path), pair.centre.has(&path), "seed {seed}: {path}");
                }
            }
            assert_eq!(pair.reached().acked, pair.clinic.engine().store.counter());
        });
    }
}
