//! The suites of others, each counted: what passed, what failed, and what is held to be wrong itself.
//!
//! One module a suite, with a function that gives its [`Tally`], and a row in [`SUITES`]. The page
//! `docs/reference/conformance.md` is written from the tallies, and is out of date where it says anything else.

mod expansions;
mod fhirpath;
mod fhirpath_patch;
mod json_patch;
mod r4_examples;
mod sql_on_fhir;
mod terminology;
mod ucum;
mod validator;
mod xml_patch;

use std::fmt::Write;
use std::path::Path;

/// Every suite, in the order of the page. Each runs on a thread of its own.
const SUITES: &[fn() -> Tally] = &[
    r4_examples::tally,
    r4_examples::validated,
    fhirpath::tally,
    sql_on_fhir::tally,
    json_patch::tally,
    fhirpath_patch::tally,
    xml_patch::tally,
    terminology::tally,
    expansions::tally,
    ucum::tally,
    validator::tally,
    validator::asked_of_a_server,
];

/// What came of one suite.
pub struct Tally {
    /// What it is called and whose it is.
    suite: &'static str,
    /// The release or commit it was taken from, and how much of it.
    version: &'static str,
    /// How many cases came out as they should.
    passed: usize,
    /// The cases that came out otherwise, each with what came of it.
    failed: Vec<(String, String)>,
    /// The cases that are held to be wrong, or that ask for what is not there, each with the reason.
    excused: Vec<(String, &'static str)>,
}

impl Tally {
    /// Counts the cases of a suite: each has a name that no other has, and what is wrong with what came of it.
    /// A case that is excused must fail: one that passes is counted as failed, so that no excuse outlives its reason.
    pub fn of(
        suite: &'static str,
        version: &'static str,
        excuses: &[(&str, &'static str)],
        cases: impl IntoIterator<Item = (String, Result<(), String>)>,
    ) -> Tally {
        let mut tally = Tally {
            suite,
            version,
            passed: 0,
            failed: Vec::new(),
            excused: Vec::new(),
        };
        for (case, outcome) in cases {
            let excuse = excuses.iter().find(|(name, _)| *name == case);
            match (outcome, excuse) {
                (Ok(()), None) => tally.passed += 1,
                (Err(_), Some((_, reason))) => tally.excused.push((case, reason)),
                (Err(why), None) => tally.failed.push((case, why)),
                (Ok(()), Some(_)) => tally.failed.push((case, "passes, though it is excused".into())),
            }
        }
        for (name, _) in excuses {
            let excused = tally.excused.iter().any(|(case, _)| case == name);
            let passed = tally.failed.iter().any(|(case, _)| case == name);
            if !excused && !passed {
                tally
                    .failed
                    .push(((*name).into(), "is excused, and there is no such case".into()));
            }
        }
        tally
    }
}

fn page(tallies: &[Tally]) -> String {
    let mut out = String::from(
        "# Conformance\n\nWhat the test run found, suite by suite; every suite was written by others. Made by the tests: \
         `EPIS_BLESS=1 tests/run conformance` writes it anew.\n\n\
         | suite | version | passed | failed | excused |\n|---|---|---:|---:|---:|\n",
    );
    for tally in tallies {
        let (failed, excused) = (tally.failed.len(), tally.excused.len());
        let Tally {
            suite, version, passed, ..
        } = tally;
        writeln!(out, "| {suite} | {version} | {passed} | {failed} | {excused} |").expect("strings take all");
    }
    list(&mut out, "Failed", tallies, |tally| {
        tally.failed.iter().map(|(case, _)| (&**case, "")).collect()
    });
    list(&mut out, "Excused", tallies, |tally| {
        tally.excused.iter().map(|(case, reason)| (&**case, *reason)).collect()
    });
    out
}

/// Cases by their reasons, in the order in which the reasons come.
fn by_reason<'a>(cases: &[(&'a str, &'a str)]) -> Vec<(&'a str, Vec<&'a str>)> {
    let mut found: Vec<(&str, Vec<&str>)> = Vec::new();
    for (case, reason) in cases {
        match found.iter_mut().find(|(known, _)| known == reason) {
            Some((_, cases)) => cases.push(case),
            None => found.push((reason, vec![case])),
        }
    }
    found
}

/// A chapter that lists cases of each suite that has some.
fn list<'a>(out: &mut String, title: &str, tallies: &'a [Tally], cases: impl Fn(&'a Tally) -> Vec<(&'a str, &'a str)>) {
    let with_cases = tallies.iter().map(|tally| (tally.suite, cases(tally)));
    let with_cases: Vec<_> = with_cases.filter(|(_, cases)| !cases.is_empty()).collect();
    if with_cases.is_empty() {
        return;
    }
    writeln!(out, "\n## {title}").expect("strings take all");
    for (suite, cases) in with_cases {
        writeln!(out, "\n{suite}:\n").expect("strings take all");
        for (reason, cases) in by_reason(&cases) {
            let names: Vec<String> = cases.iter().map(|case| format!("`{case}`")).collect();
            let reason = if reason.is_empty() {
                String::new()
            } else {
                format!(": {reason}")
            };
            writeln!(out, "- {}{reason}", names.join(", ")).expect("strings take all");
        }
    }
}

#[test]
fn the_page_says_what_was_tallied() {
    let tallies: Vec<Tally> = std::thread::scope(|scope| {
        let running: Vec<_> = SUITES.iter().map(|suite| scope.spawn(suite)).collect();
        let joined = running
            .into_iter()
            .map(|thread| thread.join().expect("a suite that runs to its end"));
        joined.collect()
    });
    for (case, reason) in tallies.iter().flat_map(|tally| &tally.excused) {
        let quotes = reason.contains(['"', '`']) && reason.contains("https://");
        assert!(
            quotes,
            "{case} is excused without the rule that says so, and its address: {reason}"
        );
    }
    let page = page(&tallies);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reference/conformance.md");
    if std::env::var_os("EPIS_BLESS").is_some() {
        std::fs::write(&path, &page).expect("the page can be written");
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    let failed = tallies.iter().flat_map(|t| {
        t.failed
            .iter()
            .map(move |(case, why)| format!("{}: {case}: {why}", t.suite))
    });
    let failed: Vec<String> = failed.collect();
    assert!(
        kept == page,
        "conformance.md is out of date: EPIS_BLESS=1 tests/run conformance writes it anew, as\n{page}\n{}",
        failed.join("\n")
    );
}

#[test]
fn an_excuse_holds_only_for_a_case_that_fails() {
    let outcomes = [
        ("a", Ok(())),
        ("b", Err("x".to_owned())),
        ("c", Err("y".into())),
        ("d", Ok(())),
    ];
    let cases = outcomes.map(|(case, outcome)| (case.to_owned(), outcome));
    let tally = Tally::of("s", "1", &[("b", "reason"), ("d", "stale"), ("e", "gone")], cases);
    assert_eq!(tally.passed, 1);
    assert_eq!(tally.excused, [("b".to_owned(), "reason")]);
    let failed: Vec<&str> = tally.failed.iter().map(|(case, _)| &**case).collect();
    assert_eq!(failed, ["c", "d", "e"]);
    let page = page(&[tally]);
    assert!(
        page.contains("| s | 1 | 1 | 3 | 1 |\n") && page.ends_with("## Excused\n\ns:\n\n- `b`: reason\n"),
        "{page}"
    );
}
