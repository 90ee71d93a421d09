//! Puts the same queries to two FHIR servers that hold the same records, and shows where the answers differ.

mod ask;
mod load;
mod queries;

use std::path::PathBuf;

use ask::{Answer, Server};
use queries::Query;

const USAGE: &str = "\
Puts the same queries to two servers and prints, as a page, where their answers differ.

usage: cargo run --release -p tests --bin differ -- --ours URL --theirs URL [--load]
  --ours URL, --theirs URL   base addresses, up to and with /fhir where the server has that
  --load                     first put the sample patients and the hand-made records into both
  --queries FILE             the queries (default: tests/differ/queries.txt)";

struct Arguments {
    ours: String,
    theirs: String,
    load: bool,
    queries: PathBuf,
}

fn arguments() -> Option<Arguments> {
    let home = concat!(env!("CARGO_MANIFEST_DIR"), "/differ/queries.txt");
    let mut found = Arguments {
        ours: String::new(),
        theirs: String::new(),
        load: false,
        queries: home.into(),
    };
    let mut given = std::env::args().skip(1);
    while let Some(name) = given.next() {
        match name.as_str() {
            "--ours" => found.ours = given.next()?,
            "--theirs" => found.theirs = given.next()?,
            "--queries" => found.queries = given.next()?.into(),
            "--load" => found.load = true,
            _ => return None,
        }
    }
    (!found.ours.is_empty() && !found.theirs.is_empty()).then_some(found)
}

fn main() {
    let Some(arguments) = arguments() else {
        eprintln!("{USAGE}");
        std::process::exit(2);
    };
    let servers = [Server::new(&arguments.ours), Server::new(&arguments.theirs)];
    if arguments.load {
        let records = load::records();
        for server in &servers {
            load::put(server, &records);
        }
    }
    let text = std::fs::read_to_string(&arguments.queries).expect("the file of queries can be read");
    let queries = queries::read(&text);
    let differences: Vec<(&Query, [Answer; 2])> = queries
        .iter()
        .map(|query| (query, [servers[0].ask(&query.text), servers[1].ask(&query.text)]))
        .filter(|(_, [ours, theirs])| !ours.is_like(theirs))
        .collect();
    print!("{}", page(queries.len(), &differences));
    let unexplained = differences.iter().filter(|(query, _)| query.why.is_empty()).count();
    eprintln!(
        "{} queries, {} differences, {unexplained} unexplained",
        queries.len(),
        differences.len()
    );
}

fn page(asked: usize, differences: &[(&Query, [Answer; 2])]) -> String {
    let mut page = format!(
        "{} of {asked} queries are answered alike.\n\n| query | ours | theirs | why |\n|---|---|---|---|\n",
        asked - differences.len()
    );
    for (query, [ours, theirs]) in differences {
        let shown = query.shown.replace('|', "\\|");
        let why = if query.why.is_empty() { "?" } else { &query.why };
        let (left, right) = (ours.beside(theirs), theirs.beside(ours));
        page.push_str(&format!("| `{shown}` | {left} | {right} | {why} |\n"));
    }
    page
}
