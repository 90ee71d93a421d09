//! One connection to either engine, opened the way the log needs it.

use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::{PgConnection, QueryResult, SqliteConnection, sql_query, sql_types};

use crate::settings::{Place, Settings};
use crate::trouble::Trouble;

/// A connection to one of the engines.
pub(crate) enum Db {
    /// SQLite.
    Sqlite(SqliteConnection),
    /// PostgreSQL.
    Postgres(PgConnection),
}

/// Runs one body of code on whichever engine the connection is to; diesel checks it for both.
/// `both!(db, c: Backend => ..)` also names the engine's type, which boxed queries need.
macro_rules! both {
    ($db:expr, $connection:ident => $body:expr) => {
        match $db {
            $crate::connection::Db::Sqlite($connection) => $body,
            $crate::connection::Db::Postgres($connection) => $body,
        }
    };
    ($db:expr, $connection:ident: $backend:ident => $body:expr) => {
        match $db {
            $crate::connection::Db::Sqlite($connection) => {
                type $backend = diesel::sqlite::Sqlite;
                $body
            }
            $crate::connection::Db::Postgres($connection) => {
                type $backend = diesel::pg::Pg;
                $body
            }
        }
    };
}
pub(crate) use both;

/// What a connection is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// The one that writes; takes a PostgreSQL database for itself.
    Writing,
    /// One of the many that read.
    Reading,
}

/// How long to wait for a process that is just ending to let go of the database.
const LOCK_PATIENCE: Duration = Duration::from_secs(3);

/// Bytes in a page of the SQLite file.
const PAGE: u64 = 4096;

#[derive(QueryableByName)]
struct Text {
    #[diesel(sql_type = sql_types::Text)]
    text: String,
}

#[derive(QueryableByName)]
struct Flag {
    #[diesel(sql_type = sql_types::Bool)]
    flag: bool,
}

impl Db {
    /// Opens a connection.
    pub fn open(settings: &Settings, purpose: Purpose) -> Result<Db, Trouble> {
        match &settings.place {
            Place::Sqlite(file) => {
                let name = file.display().to_string();
                let connection = SqliteConnection::establish(&name)
                    .map_err(|e| Trouble::new(format!("The database file {name} cannot be opened: {e}.")))?;
                open_sqlite(connection, settings, purpose).map(Db::Sqlite)
            }
            Place::Postgres(url) => {
                let connection = PgConnection::establish(url).map_err(|e| {
                    let why = e.to_string();
                    Trouble::new(format!("PostgreSQL cannot be reached: {}.", why.trim()))
                })?;
                open_postgres(connection, purpose).map(Db::Postgres)
            }
        }
    }

    /// Runs statements that answer nothing.
    pub fn run(&mut self, statements: &str) -> QueryResult<()> {
        both!(self, c => c.batch_execute(statements))
    }

    /// Begins a transaction that will write.
    pub fn begin(&mut self) -> QueryResult<()> {
        self.run(match self {
            Db::Sqlite(_) => "BEGIN IMMEDIATE",
            Db::Postgres(_) => "BEGIN",
        })
    }
}

fn open_sqlite(mut c: SqliteConnection, settings: &Settings, purpose: Purpose) -> Result<SqliteConnection, Trouble> {
    let kibibytes = settings.cache_bytes / 2 / 1024;
    let role = match purpose {
        Purpose::Writing => format!(
            "PRAGMA page_size = {PAGE}; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
             PRAGMA wal_autocheckpoint = 4000; PRAGMA journal_size_limit = 67108864; PRAGMA cache_size = -{kibibytes};"
        ),
        Purpose::Reading => format!(
            "PRAGMA query_only = ON; PRAGMA cache_size = -{};",
            kibibytes / settings.readers.max(1) as u64
        ),
    };
    c.batch_execute("PRAGMA busy_timeout = 10000; PRAGMA temp_store = MEMORY;")?;
    c.batch_execute(&role)?;
    if let Some(bytes) = settings.bytes_max.filter(|_| purpose == Purpose::Writing) {
        c.batch_execute(&format!("PRAGMA max_page_count = {};", bytes / PAGE))?;
    }
    Ok(c)
}

fn open_postgres(mut c: PgConnection, purpose: Purpose) -> Result<PgConnection, Trouble> {
    c.batch_execute("SET client_min_messages = warning; SET synchronous_commit = on; SET TIME ZONE 'UTC';")?;
    let encoding: Text = sql_query("SELECT current_setting('server_encoding') AS text").get_result(&mut c)?;
    if encoding.text != "UTF8" {
        return Err(Trouble::new(format!(
            "The PostgreSQL database is encoded in {}; create one with ENCODING 'UTF8'.",
            encoding.text
        )));
    }
    match purpose {
        Purpose::Writing => take_alone(&mut c)?,
        Purpose::Reading => c.batch_execute("SET default_transaction_read_only = on;")?,
    }
    Ok(c)
}

/// Takes the schema for this session: there is one writer at a time. The lock ends with the session.
fn take_alone(c: &mut PgConnection) -> Result<(), Trouble> {
    let until = Instant::now() + LOCK_PATIENCE;
    loop {
        let lock = "SELECT pg_try_advisory_lock(hashtextextended('epis log ' || current_schema(), 0)) AS flag";
        let got: Flag = sql_query(lock).get_result(c)?;
        if got.flag {
            return Ok(());
        }
        if Instant::now() > until {
            return Err(Trouble::new(
                "Another process writes to this PostgreSQL database; stop it first, or give this one a database \
                 or a schema of its own.",
            ));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}
