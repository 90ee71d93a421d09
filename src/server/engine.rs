//! Opens the data of a server as its settings say.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use interaction::limits::Limits;
use interaction::policy::{Duplicates, Merging, Newcomers, Policy};
use interaction::upkeep::Pace;
use interaction::{Generations, engine};

use crate::log::Detail;
use crate::memory::Memory;
use crate::settings::Settings;

/// Opens the log and the index in the data folder, which is made where it is missing. In the `background` the index is
/// completed, built anew where there is reason to, and gone over by the patrol; without it the index is complete when
/// this returns.
///
/// # Errors
/// A sentence where either cannot be opened, as when another process has them open.
pub fn open(settings: &Settings, background: bool) -> Result<Arc<Generations>, String> {
    let folder = Path::new(&settings.data);
    std::fs::create_dir_all(folder)
        .map_err(|e| format!("The data folder {} cannot be made: {e}.", folder.display()))?;
    let log = log_settings(settings)?;
    let memory = Memory::of(settings, log.node);
    let mut wanted = engine::Settings::at(log, folder.join("index"));
    wanted.analyzers_folder = analyzers_folder(settings);
    let length = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
    wanted.index.heap_bytes = length(memory.index);
    wanted.index.orders_bytes = length(memory.laid_out);
    (wanted.index.tail_max, wanted.index.commit_records) = (memory.tail, memory.tail / 2);
    let is_quiet = Detail::read(&settings.log)? == Detail::None;
    wanted.index.notice = Arc::new(move |notice: &str| {
        if !is_quiet {
            eprintln!("{notice}");
        }
    });
    wanted.limits = limits(settings);
    wanted.zone = settings.zone.0;
    wanted.cache_bytes = memory.records;
    wanted.unique_systems.clone_from(&settings.unique_identifiers);
    wanted.policy = Policy::read(&settings.validate).map_err(|why| format!("The setting `validate` {why}."))?;
    wanted.duplicates =
        Duplicates::read(&settings.duplicates).map_err(|why| format!("The setting `duplicates` {why}."))?;
    wanted.newcomers = Newcomers::read(&settings.newcomers).map_err(|why| format!("The setting `newcomers` {why}."))?;
    wanted.merging = Merging::read(&settings.merging).map_err(|why| format!("The setting `merging` {why}."))?;
    wanted.pace = Pace {
        background,
        percent: settings.index_build_percent,
        patrol: settings.patrol_records,
    };
    Generations::open(wanted)
        .map(Arc::new)
        .map_err(|trouble| trouble.to_string())
}

/// The folder of tables of one's own for the analyzers.
pub fn analyzers_folder(settings: &Settings) -> PathBuf {
    match settings.analyzers.is_empty() {
        true => Path::new(&settings.data).join("analyzers"),
        false => PathBuf::from(&settings.analyzers),
    }
}

/// Opens the log alone, without an index: for what only reads records.
///
/// # Errors
/// A sentence where there is none, or it cannot be opened.
pub fn log(settings: &Settings) -> Result<store::Store, String> {
    let log = log_settings(settings)?;
    if let store::Place::Sqlite(file) = &log.place
        && !file.exists()
    {
        return Err(format!(
            "There is no data in {}; name the folder with --data.",
            settings.data
        ));
    }
    store::Store::open(log).map_err(|trouble| trouble.to_string())
}

fn log_settings(settings: &Settings) -> Result<store::Settings, String> {
    let place = if settings.store.is_empty() {
        store::Place::Sqlite(Path::new(&settings.data).join("log.sqlite"))
    } else {
        store::Place::Postgres(settings.store.clone())
    };
    let node = crate::node::identity::number(settings)?;
    let memory = Memory::of(settings, node);
    Ok(store::Settings {
        node,
        queue_max: settings.queue_max,
        group_max: settings.group_max,
        readers: settings.readers,
        cache_bytes: memory.database,
        recent_max: memory.recent,
        bytes_max: Some(settings.store_bytes_max.0).filter(|bytes| *bytes > 0),
        ..store::Settings::at(place)
    })
}

fn limits(settings: &Settings) -> Limits {
    Limits {
        body_bytes: settings.body_bytes_max.length(),
        bundle_bytes: settings.bundle_bytes_max.length(),
        json_depth: settings.json_depth_max,
        bundle_entries: settings.bundle_entries_max,
        query_bytes: settings.query_bytes_max.length(),
        page_default: settings.page_size.min(settings.page_size_max),
        page_max: settings.page_size_max,
        expansion_codes: settings.expansion_codes_max,
        includes_max: settings.includes_max,
        include_rounds: settings.include_rounds_max,
        conditional_delete_max: settings.conditional_delete_max,
        search_time: Duration::from_millis(settings.search_ms),
        search_steps: settings.search_steps_max,
        long_searches: settings.long_searches,
        long_searches_waiting: settings.long_searches_waiting_max,
        table_bytes: settings.table_bytes_max.length(),
        attempts: settings.attempts_max,
    }
}
