//! The house's own rules, read off the tree: first lines, arrows between rooms, lengths, words.

use std::fs;
use std::path::{Path, PathBuf};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
const FUNCTION_LINES_MAX: usize = 70;
const FILE_LINES_MAX: usize = 600;

fn rust_files(folder: &Path, out: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        let name = entry.file_name();
        if path.is_dir() && name != "target" && !name.to_string_lossy().starts_with('.') {
            rust_files(&path, out);
        } else if path.extension().is_some_and(|e| e == "rs") {
            out.push(path);
        }
    }
}

fn files() -> Vec<(PathBuf, String)> {
    let mut paths = Vec::new();
    rust_files(Path::new(ROOT), &mut paths);
    assert!(paths.len() > 30, "the tree was not found");
    paths
        .into_iter()
        .map(|p| (p.clone(), fs::read_to_string(&p).expect("UTF-8")))
        .collect()
}

fn none(found: Vec<String>) {
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn every_file_says_in_its_first_line_what_it_is_for() {
    let wrong = |text: &str| {
        let first = text.lines().next().unwrap_or("");
        !first.starts_with("//! ") || !first.ends_with(['.', ':', '?']) || first.len() > 130
    };
    none(
        files()
            .into_iter()
            .filter(|(_, text)| wrong(text))
            .map(|(path, _)| path.display().to_string())
            .collect(),
    );
}

#[test]
fn functions_are_short() {
    let mut found = Vec::new();
    for (path, text) in files() {
        let mut start: Option<(usize, usize, String)> = None;
        for (i, line) in text.lines().enumerate() {
            let indent = line.len() - line.trim_start().len();
            let words = line.trim_start();
            let opens = ["fn ", "pub fn ", "pub(crate) fn ", "async fn ", "pub async fn "]
                .iter()
                .any(|w| words.starts_with(w));
            if opens && !words.ends_with(';') {
                start = Some((i, indent, words.chars().take(60).collect()));
            } else if let Some((from, depth, name)) = &start
                && indent == *depth
                && words.starts_with('}')
            {
                if i - from >= FUNCTION_LINES_MAX {
                    found.push(format!(
                        "{}:{}: {} lines: {name}",
                        path.display(),
                        from + 1,
                        i - from + 1
                    ));
                }
                start = None;
            }
        }
    }
    none(found);
}

#[test]
fn files_are_not_too_long() {
    let long = |text: &str| text.lines().count() > FILE_LINES_MAX;
    none(
        files()
            .into_iter()
            .filter(|(_, t)| long(t))
            .map(|(p, t)| format!("{}: {}", p.display(), t.lines().count()))
            .collect(),
    );
}

/// A word, where it may not stand, and what to write instead.
const BANNED: &[(&str, &[&str], &str)] = &[
    (
        "diesel::",
        &["src/store/"],
        "ask the store: it is the only room that knows SQL",
    ),
    (
        "tantivy::",
        &["search-index/"],
        "ask the index: it is the only room that knows tantivy",
    ),
    (
        "actix_web::",
        &["src/server/"],
        "the server is the only room that knows HTTP's library",
    ),
    (concat!("#[", "allow"), &[], "#[expect(..., reason = ...)]"),
    (concat!("#[", "ignore"), &[], "make the test run, or take it out"),
];

#[test]
fn each_library_is_known_to_one_room() {
    let mut found = Vec::new();
    for (path, text) in files() {
        let name = path.strip_prefix(ROOT).expect("below the root").display().to_string();
        // This file names what it bans.
        for (word, rooms, instead) in BANNED.iter().filter(|_| name != "tests/house.rs") {
            let allowed = rooms.iter().any(|room| name.starts_with(room));
            if !allowed && text.contains(word) {
                found.push(format!("{name}: {word} — {instead}"));
            }
        }
    }
    none(found);
}

/// A room uses only rooms that stand above it in the list of members.
#[test]
fn rooms_use_only_rooms_above_them() {
    let manifest = fs::read_to_string(format!("{ROOT}/Cargo.toml")).expect("the manifest");
    let list = manifest
        .split("members = [")
        .nth(1)
        .expect("members")
        .split(']')
        .next()
        .expect("an end");
    let members: Vec<&str> = list.split('"').skip(1).step_by(2).collect();
    let name = |member: &str| member.rsplit('/').next().expect("a name").to_owned();
    let mut found = Vec::new();
    for (i, member) in members.iter().enumerate() {
        let own = fs::read_to_string(format!("{ROOT}/{member}/Cargo.toml")).expect("a member's manifest");
        let below = members[i + 1..].iter().map(|m| name(m));
        found.extend(
            below
                .filter(|m| own.lines().any(|l| l == format!("{m}.workspace = true")))
                .map(|m| format!("{member} uses {m}")),
        );
    }
    none(found);
}

/// The page says by which test each fault is held off: a function, or an act of a script by the words above it.
#[test]
fn every_test_that_holds_off_a_fault_is_there() {
    let page = fs::read_to_string(format!("{ROOT}/docs/reference/sync.md")).expect("the page");
    let section = page.split("## Faults of other systems").nth(1).expect("its section");
    let rows = section.split("\n## ").next().expect("an end");
    let rows = rows.lines().filter(|line| line.starts_with("| ")).skip(1);
    let scripts: String = [("tests/scripts/bundle.txt"), ("src/interaction/sites.txt")]
        .map(|path| fs::read_to_string(format!("{ROOT}/{path}")).expect("a script"))
        .concat();
    let code: String = files().into_iter().map(|(_, text)| text).collect();
    let (mut found, mut count) = (Vec::new(), 0);
    for row in rows {
        let named: Vec<&str> = row.split('`').skip(1).step_by(2).collect();
        let is_there = |name: &str| match name.split_once(".txt: ") {
            Some((_, words)) => scripts.contains(&format!("\n# {words}")),
            None => code.contains(&format!("fn {name}(")),
        };
        found.extend(
            named
                .iter()
                .filter(|name| !is_there(name))
                .map(|name| format!("{name} is no test")),
        );
        found.extend(named.is_empty().then(|| format!("{row} names no test")));
        count += 1;
    }
    assert_eq!(count, 20, "the faults of the page");
    none(found);
}

#[test]
fn the_architecture_page_is_short() {
    let page = fs::read_to_string(format!("{ROOT}/docs/architecture.md")).expect("docs/architecture.md");
    assert!(page.lines().count() <= 150, "{} lines", page.lines().count());
}
