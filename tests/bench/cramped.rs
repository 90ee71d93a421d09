//! Counts on a server whose memory is smaller than its index: a control group bounds what it may use, page cache included.

use std::time::Duration;

use crate::phases::{Asked, Rate, Target, in_turns, millis};
use crate::{Plan, Report};
use tests::control_group::{ControlGroup, forget};
use tests::meters::{folder_bytes, resident_mib};

/// Codes that are counted.
const CODES: usize = 24;

/// Starts the server anew with so much memory, its files out of the page cache, and compares counts with plain ones.
pub fn measure(plan: &Plan, target: &mut Target, report: &mut Report) {
    let Some(mib) = plan.memory_mib else {
        return;
    };
    let codes = codes(target);
    target.world.kill();
    forget(target.world.folder());
    let group = ControlGroup::with_memory(mib).expect("a control group can be made: run this as root");
    target.start();
    group.take(target.process).expect("a process of this user's");
    let index = folder_bytes(&target.world.folder().join("index")) as f64 / f64::from(1 << 20);
    report.note(
        "memory the server may use, page cache included",
        format!("{mib} MiB; the index has {index:.0} MiB"),
    );
    let count = |query: &str| -> Vec<String> {
        let of = |code: &String| format!("/fhir/Observation?code={code}{query}&_summary=count");
        codes.iter().map(of).collect()
    };
    let years: Vec<String> = (2005..2018)
        .flat_map(|year| count(&format!("&date=ge{year}-07")))
        .collect();
    let amounts: Vec<String> = (1..60)
        .flat_map(|amount| count(&format!("&value-quantity=gt{}", amount * 3)))
        .collect();
    let lists = [&count("")[..], &years, &amounts];
    let lists = lists.map(|paths| Asked { target, paths });
    // The second round counts: what is laid out is laid out when it is asked for again.
    in_turns(plan, &lists);
    let rates = in_turns(plan, &lists);
    let (plain, filtered) = rates.split_first().expect("three lists were measured");
    for (name, found) in ["date", "quantity"].into_iter().zip(filtered) {
        let ratio = found.median.as_secs_f64() / plain.median.as_secs_f64();
        let figure = format!("{}, plain {}", told(found), told(plain));
        report.goal(
            &format!("count by code and {name}, cramped"),
            figure,
            ratio,
            "plain counts by code",
            "at most 2",
        );
    }
    report.note(
        "of it used by the server itself",
        format!("{:.0} MiB", resident_mib(target.process)),
    );
    target.world.kill();
}

fn told(rate: &Rate) -> String {
    let (median, p99): (Duration, Duration) = (rate.median, rate.p99);
    format!("median {:.3} ms, p99 {:.3} ms", millis(median), millis(p99))
}

/// The codes that Observations have, as they come.
fn codes(target: &Target) -> Vec<String> {
    let bundle = target.json("Observation?_count=1000&_elements=code");
    let entries = bundle["entry"].as_array().cloned().unwrap_or_default();
    let code = |entry: &serde_json::Value| {
        entry["resource"]["code"]["coding"][0]["code"]
            .as_str()
            .map(str::to_owned)
    };
    let mut codes: Vec<String> = Vec::new();
    for code in entries.iter().filter_map(code) {
        if !codes.contains(&code) && codes.len() < CODES {
            codes.push(code);
        }
    }
    codes
}
