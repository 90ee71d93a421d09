//! A fresh place for a store on either engine, for tests; gone when dropped.
//!
//! PostgreSQL is the server that `EPIS_TEST_POSTGRES` names, where the test may make schemas.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection, SqliteConnection};

use crate::settings::{Place, Settings};

/// The environment variable with the URL of PostgreSQL.
pub const POSTGRES: &str = "EPIS_TEST_POSTGRES";

/// An empty place of its own: a folder for SQLite, a schema for PostgreSQL.
pub struct Fresh {
    /// Which engine, for messages.
    pub engine: &'static str,
    /// Where.
    pub place: Place,
    folder: PathBuf,
    schema: Option<(String, String)>,
}

static COUNT: AtomicU32 = AtomicU32::new(0);

fn name() -> String {
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("epis_test_{}_{count}", std::process::id())
}

impl Fresh {
    /// On SQLite.
    pub fn sqlite() -> Fresh {
        let folder = std::env::temp_dir().join(name());
        std::fs::create_dir_all(&folder).expect("the temporary folder can be written");
        Fresh {
            engine: "SQLite",
            place: Place::Sqlite(folder.join("log.sqlite")),
            folder,
            schema: None,
        }
    }

    /// On PostgreSQL.
    ///
    /// # Panics
    /// Where there is no PostgreSQL to test on: that is a failure, not a reason to skip.
    pub fn postgres() -> Fresh {
        let Ok(url) = std::env::var(POSTGRES) else {
            panic!("There is no PostgreSQL to test on ({POSTGRES} is not set): run the tests with tests/run.");
        };
        let name = name();
        let mut connection = PgConnection::establish(&url).expect("PostgreSQL for the tests can be reached");
        let make = format!("DROP SCHEMA IF EXISTS {name} CASCADE; CREATE SCHEMA {name};");
        connection.batch_execute(&make).expect("tests may make schemas");
        let mark = if url.contains('?') { '&' } else { '?' };
        let folder = std::env::temp_dir().join(&name);
        std::fs::create_dir_all(&folder).expect("the temporary folder can be written");
        Fresh {
            engine: "PostgreSQL",
            place: Place::Postgres(format!("{url}{mark}options=-csearch_path%3D{name}")),
            folder,
            schema: Some((url, name)),
        }
    }

    /// One on each engine.
    pub fn both() -> [Fresh; 2] {
        [Fresh::sqlite(), Fresh::postgres()]
    }

    /// The usual settings here.
    pub fn settings(&self) -> Settings {
        Settings::at(self.place.clone())
    }

    /// The bytes that PostgreSQL keeps for this place; 0 on SQLite, whose file lies in the folder.
    pub fn database_bytes(&self) -> u64 {
        let Some((url, name)) = &self.schema else { return 0 };
        let mut connection = PgConnection::establish(url).expect("PostgreSQL can be reached");
        let sum = format!(
            "SELECT coalesce(sum(pg_total_relation_size(oid)), 0)::bigint FROM pg_class \
             WHERE relkind IN ('r') AND relnamespace = '{name}'::regnamespace"
        );
        let sized = diesel::dsl::sql::<diesel::sql_types::BigInt>(&sum);
        diesel::RunQueryDsl::get_result::<i64>(sized, &mut connection).map_or(0, |bytes| bytes as u64)
    }

    /// Changes the body of one version without a word, as a failing disk does.
    pub fn damage(&self, seq: u64) {
        self.tamper(&format!("UPDATE version SET body = hash WHERE seq = {seq}"));
    }

    /// Runs statements behind the store's back.
    pub(crate) fn tamper(&self, statements: &str) {
        let patient = format!("PRAGMA busy_timeout = 5000; {statements}");
        let done = match &self.place {
            Place::Sqlite(file) => SqliteConnection::establish(&file.to_string_lossy())
                .expect("the log can be opened")
                .batch_execute(&patient),
            Place::Postgres(url) => PgConnection::establish(url)
                .expect("PostgreSQL can be reached")
                .batch_execute(statements),
        };
        done.unwrap_or_else(|why| panic!("{statements}: {why}"));
    }

    /// A folder of the test's own, for what lies beside the log.
    pub fn folder(&self) -> &std::path::Path {
        &self.folder
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        if let Some((url, name)) = &self.schema
            && let Ok(mut connection) = PgConnection::establish(url)
        {
            // What is left over does no harm: the next run with this name drops it first.
            let drop = format!("SET client_min_messages = warning; DROP SCHEMA IF EXISTS {name} CASCADE;");
            let _gone = connection.batch_execute(&drop);
        }
        let _gone = std::fs::remove_dir_all(&self.folder);
    }
}
