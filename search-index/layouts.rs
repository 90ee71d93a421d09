//! Tests of when something is laid out for later searches: not in vain twice, and not by a search that may not wait.

use std::time::Duration;

use fhir::identity::{Id, Kind};
use query::{Handling, Total};

use crate::oracle::{World, Written, soon};
use crate::{Clock, Found, Place, Query, Settings, Trouble};

const RECORDS: usize = 600;
/// Every plan has a date like this.
const DATE: &str = "ge2024-03-01";

/// Plans of care, each with as many activities as said, and each activity with a date of its own.
fn planned(activities: usize) -> World {
    let settings = Settings {
        orders_from: 1,
        ..Settings::default()
    };
    let mut world = World::new(settings);
    for number in 0..RECORDS {
        let dates = (1..=activities).map(|day| {
            let date = format!("2024-03-{day:02}");
            format!(r#"{{"detail":{{"status":"completed","scheduledPeriod":{{"start":"{date}","end":"{date}"}}}}}}"#)
        });
        let dates = dates.collect::<Vec<_>>().join(",");
        let text = format!(
            r#"{{"resourceType":"CarePlan","status":"active","intent":"plan","subject":{{"reference":"Patient/1"}},"activity":[{dates}]}}"#
        );
        world.put(&Written {
            kind: Kind::new("CarePlan").unwrap(),
            id: Id::new(&number.to_string()).unwrap(),
            text: Some(text),
        });
    }
    world.index().flush().unwrap();
    world
}

fn count(world: &World, date: &str, clock: &Clock) -> Result<Found, Trouble> {
    let kinds = vec![Kind::new("CarePlan").unwrap()];
    let params = [("activity-date", date), ("status", "active")].map(|(n, v)| (n.to_owned(), v.to_owned()));
    let handling = Handling {
        strict: true,
        now: 0,
        base: "",
    };
    let search = query::parse(&world.registry, &kinds, &params, &handling).unwrap();
    world.index().find(&Query {
        kinds,
        predicate: search.predicate,
        sort: Vec::new(),
        limit: 0,
        place: Place::First,
        at: None,
        under: false,
        total: Total::Accurate,
        clock: clock.clone(),
    })
}

/// The steps that each of some counts took, one after the other; all find the same.
fn steps(world: &World, date: &str, counts: usize) -> Vec<u64> {
    let one = |_| {
        let clock = Clock::until(soon());
        assert_eq!(count(world, date, &clock).unwrap().total, Some(RECORDS as u64));
        clock.steps()
    };
    (0..counts).map(one).collect()
}

#[test]
fn what_can_be_laid_out_is_then_counted_in() {
    let steps = steps(&planned(1), DATE, 3);
    assert!(steps[2] * 4 < steps[0], "{steps:?}");
}

#[test]
fn what_cannot_be_laid_out_is_tried_once() {
    let steps = steps(&planned(3), DATE, 4);
    assert!(steps[1] > steps[0], "the second count tries: {steps:?}");
    assert_eq!(
        steps[2..],
        [steps[0], steps[0]],
        "later ones visit, and no more: {steps:?}"
    );
}

#[test]
fn a_search_that_may_not_wait_leaves_laying_out_to_others() {
    let world = planned(3);
    let at_hand = || Clock::at_hand(Duration::from_secs(60), u64::MAX);
    let all = Some(RECORDS as u64);
    assert_eq!(
        count(&world, DATE, &at_hand()).unwrap().total,
        all,
        "the first is short enough"
    );
    assert_eq!(
        count(&world, DATE, &at_hand()),
        Err(Trouble::NotAtHand),
        "now it is worth laying out"
    );
    assert_eq!(count(&world, DATE, &Clock::until(soon())).unwrap().total, all);
    assert_eq!(
        count(&world, DATE, &at_hand()).unwrap().total,
        all,
        "and that was tried"
    );
    let short = Clock::at_hand(Duration::from_secs(60), 10);
    assert_eq!(count(&world, DATE, &short), Err(Trouble::NotAtHand));
}
