//! `epis demo`: a server with a sample country and sample patients, to try things on.

use std::net::TcpListener;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use fhir::document::Document;
use fhir::parse::Limits;
use interaction::{Caller, Engine, Generations, Method, Request};

use crate::journal::{Journal, Reached};
use crate::load::Load;
use crate::node::Centre;
use crate::progress::Progress;
use crate::refused::RefusedFile;
use crate::settings::Settings;
use crate::source::Source;

/// Serves the samples, loading them first where they are not there yet.
///
/// # Errors
/// A sentence where the address cannot be had, the data cannot be opened or loaded, or the server failed.
pub fn demo(settings: Settings) -> Result<ExitCode, String> {
    let listener = crate::serve::bind(&settings.listen)?;
    let generations = crate::engine::open(&settings, true)?;
    let centre = Centre::new(&settings, &generations)?;
    println!("{}", crate::serve::greeting(&listener, &settings));
    let base = base(&listener);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (own, folder) = (Arc::clone(&generations), settings.data.clone());
        let stop = &stop;
        let loader = scope.spawn(move || load(&own, Path::new(&folder), stop).map(|()| invite(&own.now(), &base)));
        let served = crate::serve::run(listener, generations, centre, settings);
        stop.store(true, Ordering::Relaxed);
        let loaded = loader
            .join()
            .unwrap_or_else(|_| Err("Loading the samples failed by a fault of the program.".to_owned()));
        served.and(loaded)
    })?;
    println!("Stopped.");
    Ok(ExitCode::SUCCESS)
}

fn base(listener: &TcpListener) -> String {
    listener
        .local_addr()
        .map_or(String::new(), |address| format!("http://{address}/fhir"))
}

/// Loads what of the samples is not there yet.
fn load(generations: &Generations, folder: &Path, stop: &AtomicBool) -> Result<(), String> {
    let stages = crate::samples::stages();
    let journal = Journal::open(&folder.join("demo.journal"), false)?;
    let is_new = |source: &&Source| journal.reached(&source.key) != Reached::End;
    let total: u64 = stages
        .iter()
        .flatten()
        .filter(is_new)
        .map(|source| source.key.length)
        .sum();
    if total == 0 {
        println!("The samples are there from an earlier run.");
        return Ok(());
    }
    let refused = RefusedFile::new(&folder.join("demo-refused.ndjson"));
    let progress = Progress::new(
        "Loading the samples",
        stages.iter().flatten().map(|source| source.key.length).sum(),
    );
    let load = Load::new(generations, &journal, &refused, &progress, stop);
    let loaded = progress.show_during(|| stages.iter().try_for_each(|stage| load.stage(stage)));
    loaded.inspect_err(|trouble| eprintln!("epis: {trouble}"))?;
    if stop.load(Ordering::Relaxed) {
        return Err("Stopped before all samples were loaded; the next run goes on from there.".to_owned());
    }
    println!(
        "Loaded {} sample records in {:.1} s.",
        progress.records(),
        progress.elapsed().as_secs_f64()
    );
    if refused.count() > 0 {
        println!(
            "{} were refused; the reasons are in {}.",
            refused.count(),
            refused.path().display()
        );
    }
    Ok(())
}

/// Says what to try, with ids that exist.
fn invite(engine: &Engine, base: &str) {
    let patient = first_id(engine, "Patient", "name=ordonez").or_else(|| first_id(engine, "Patient", ""));
    let patient = patient.unwrap_or_default();
    println!(
        "\nTry, in another terminal:\n\n\
        \x20 read        curl -s '{base}/Patient/{patient}?_pretty=true'\n\
        \x20 search      curl -s '{base}/Patient?name=ordonez&_pretty=true'\n\
        \x20             curl -s '{base}/Observation?patient={patient}&code=http://loinc.org|8302-2&_sort=-date&_count=3&_pretty=true'\n\
        \x20             curl -s '{base}/Location?partof=BT14&_elements=name&_pretty=true'\n\
        \x20 full text   curl -s '{base}/Location?_content=satellite%20clinic&_pretty=true'\n\
        \x20 history     curl -s '{base}/Patient/{patient}/_history?_pretty=true'\n\
        \x20 all it can  curl -s '{base}/metadata?_pretty=true'\n\n\
        Ctrl-C stops it; the data stays for the next run."
    );
}

/// The id of the first record that a search finds.
fn first_id(engine: &Engine, kind: &str, query: &str) -> Option<String> {
    let query = format!("{query}&_count=1");
    let request = Request::new(Method::Get, kind, &query, "http://localhost/fhir");
    let reply = interaction::answer(engine, &Caller::Operator, &request);
    let found = Document::parse(reply.body.bytes(), Limits::default()).ok()?;
    let entry = found.root().get("entry")?.items().next()?;
    entry.get("resource")?.string("id").map(std::borrow::Cow::into_owned)
}
