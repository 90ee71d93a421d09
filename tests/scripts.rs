//! The scripts of acts, each on both engines.

use tests::script::{run, run_in_xml};
use tests::world::{Engine, World};

fn interactions(engine: Engine) {
    run(&World::new(engine), include_str!("scripts/interactions.txt"));
}

fn malformed(engine: Engine) {
    run(&World::new(engine), include_str!("scripts/malformed.txt"));
}

fn conditional(engine: Engine) {
    run(&World::new(engine), include_str!("scripts/conditional.txt"));
}

fn patch(engine: Engine) {
    run(&World::new(engine), include_str!("scripts/patch.txt"));
}

fn bundle(engine: Engine) {
    run(&World::new(engine), include_str!("scripts/bundle.txt"));
}

fn search(engine: Engine) {
    run(&World::new(engine), include_str!("scripts/search.txt"));
}

fn contained(engine: Engine) {
    run(&World::new(engine), include_str!("scripts/contained.txt"));
}

fn pages(engine: Engine) {
    run(&World::new(engine), include_str!("scripts/pages.txt"));
}

fn quantity(engine: Engine) {
    run(&World::new(engine), include_str!("scripts/quantity.txt"));
}

fn terminology(engine: Engine) {
    run(&World::new(engine), include_str!("scripts/terminology.txt"));
}

fn codes(engine: Engine) {
    run(&World::new(engine), include_str!("scripts/codes.txt"));
}

fn hierarchy(engine: Engine) {
    run(&World::new(engine), include_str!("scripts/hierarchy.txt"));
}

fn merge(engine: Engine) {
    run(&World::new(engine), include_str!("scripts/merge.txt"));
}

fn filter(engine: Engine) {
    run(&World::new(engine), include_str!("scripts/filter.txt"));
}

fn validate(engine: Engine) {
    run(&World::new(engine), include_str!("scripts/validate.txt"));
}

fn xml(engine: Engine) {
    run(&World::new(engine), include_str!("scripts/xml.txt"));
}

/// Whatever is said in JSON can be said in XML: every script once more, in XML.
#[test]
fn every_script_in_xml() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts");
    let scripts = std::fs::read_dir(folder)
        .expect("the scripts")
        .flatten()
        .map(|file| file.path());
    let mut ran = 0;
    // What is malformed as JSON cannot be said in XML, what is about XML, tables or content says its formats
    // itself, and what is about duplicates or who may merge wants a server of its own.
    let own = [
        "binary.txt",
        "malformed.txt",
        "views.txt",
        "xml.txt",
        "duplicates.txt",
        "merging.txt",
    ];
    for path in scripts.filter(|path| !own.iter().any(|name| path.ends_with(name))) {
        run_in_xml(
            &World::new(Engine::Sqlite),
            &std::fs::read_to_string(&path).expect("UTF-8"),
        );
        ran += 1;
    }
    assert!(ran >= 12, "only {ran} scripts");
}

fn views(engine: Engine) {
    run(&World::new(engine), include_str!("scripts/views.txt"));
}

fn fhirpath(engine: Engine) {
    run(&World::new(engine), include_str!("scripts/fhirpath.txt"));
}

fn texts(engine: Engine) {
    run(&World::new(engine), include_str!("scripts/texts.txt"));
}

fn find(engine: Engine) {
    run(&World::new(engine), include_str!("scripts/find.txt"));
}

fn matching(engine: Engine) {
    run(&World::new(engine), include_str!("scripts/match.txt"));
}

fn duplicates(engine: Engine) {
    let world = World::with(engine, &["--duplicates", "refuse"]);
    run(&world, include_str!("scripts/duplicates.txt"));
}

fn merging(engine: Engine) {
    let world = World::with(engine, &["--merging", "named"]);
    run(&world, include_str!("scripts/merging.txt"));
}

fn built_in(engine: Engine) {
    run(&World::new(engine), include_str!("scripts/built-in.txt"));
}

fn binary(engine: Engine) {
    run(&World::new(engine), include_str!("scripts/binary.txt"));
}

fn operations(engine: Engine) {
    run(&World::new(engine), include_str!("scripts/operations.txt"));
}

on_both!(
    xml,
    interactions,
    built_in,
    binary,
    operations,
    matching,
    find,
    texts,
    duplicates,
    malformed,
    conditional,
    patch,
    bundle,
    search,
    contained,
    pages,
    quantity,
    terminology,
    codes,
    hierarchy,
    merge,
    merging,
    filter,
    validate,
    views,
    fhirpath
);
