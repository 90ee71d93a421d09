//! Refuses a dependency whose licence does not fit a product under Apache-2.0.

use std::process::Command;

use serde_json::Value;

/// Licences that may be built into the product.
const FITTING: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "ISC",
    "MIT",
    "MIT-0",
    "PostgreSQL",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Whether an SPDX expression can be met with fitting licences alone.
fn fits(expression: &str) -> bool {
    let expression = expression.trim();
    if let Some(inner) = expression.strip_prefix('(').and_then(|e| e.strip_suffix(')'))
        && !inner.contains(['(', ')'])
    {
        return fits(inner);
    }
    let split = |word: &str| outside_brackets(expression, word);
    if let Some((left, right)) = split(" OR ").or_else(|| split("/")) {
        return fits(left) || fits(right);
    }
    if let Some((left, right)) = split(" AND ") {
        return fits(left) && fits(right);
    }
    FITTING.contains(&expression)
}

fn outside_brackets<'a>(text: &'a str, word: &str) -> Option<(&'a str, &'a str)> {
    let depth = |at: usize| text[..at].matches('(').count() - text[..at].matches(')').count();
    let (at, _) = text.match_indices(word).find(|(at, _)| depth(*at) == 0)?;
    Some((&text[..at], &text[at + word.len()..]))
}

#[test]
fn every_dependency_fits() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let arguments = ["metadata", "--format-version", "1", "--locked", "--offline"];
    let output = Command::new(env!("CARGO"))
        .args(arguments)
        .current_dir(root)
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo writes JSON");
    let packages = metadata["packages"].as_array().expect("packages");
    assert!(packages.len() > 50, "the metadata is not this workspace's");
    let unfit: Vec<String> = packages
        .iter()
        .filter(|p| !p["license"].as_str().is_some_and(fits))
        .map(|p| format!("{} {}: {}", p["name"], p["version"], p["license"]))
        .collect();
    assert!(unfit.is_empty(), "licences that do not fit: {unfit:#?}");
}

#[test]
fn expressions_are_read() {
    for (expression, fit) in [
        ("MIT OR Apache-2.0", true),
        ("MIT/GPL-3.0", true),
        ("GPL-3.0-only", false),
        ("(MIT OR Apache-2.0) AND Unicode-3.0", true),
        ("MIT AND GPL-2.0", false),
        ("", false),
    ] {
        assert_eq!(fits(expression), fit, "{expression}");
    }
}
