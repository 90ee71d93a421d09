//! Where a store keeps its data, and how much of the machine it may use.

use std::path::PathBuf;
use std::time::Duration;

/// Where the log lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A SQLite file; its directory is made if missing, a lock file lies beside it.
    Sqlite(PathBuf),
    /// A PostgreSQL database by URL (`postgres://user:password@host/database`). The bundled client
    /// speaks no TLS: a socket, loopback or a private network.
    Postgres(String),
}

/// How a store works. Every limit is a positive number.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where the log lives.
    pub place: Place,
    /// This node's number in version and record ids, where the database is new; 0 is the centre. A database keeps its
    /// node: opening it under another number is refused. `None` is whichever it has, and 0 for a new one.
    pub node: Option<u32>,
    /// What tells the ids minted by this opening of a node's database from those of any other, also of a copy of it;
    /// `None` draws it. The centre does not use it.
    pub opening: Option<u64>,
    /// Units that may wait to be written; one more is refused as busy.
    pub queue_max: usize,
    /// Writes that small units may bring into one commit; a larger unit is committed alone.
    pub group_max: usize,
    /// Connections for reading.
    pub readers: usize,
    /// Page cache of all SQLite connections together, in bytes. PostgreSQL has its own.
    pub cache_bytes: u64,
    /// Versions appended last that are kept in memory with their attachments, so that a guard can be judged; a guard of
    /// before them counts as disturbed.
    pub recent_max: usize,
    /// How large the SQLite file may grow, in bytes; `None` is as large as the disk allows.
    pub bytes_max: Option<u64>,
    /// How long after a commit the next may wait for more writers, while many keep coming.
    pub gather: Duration,
}

impl Settings {
    /// The usual settings for a place.
    pub fn at(place: Place) -> Settings {
        Settings {
            place,
            node: None,
            opening: None,
            queue_max: 1024,
            group_max: 1024,
            readers: 4,
            cache_bytes: 32 << 20,
            recent_max: 16_384,
            bytes_max: None,
            gather: Duration::from_millis(4),
        }
    }
}
