//! What all handles to one store and its writer share.

use std::fs::File;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};
use std::time::{Duration, Instant};

use diesel::prelude::*;
use fhir::identity::{Id, Kind};

use crate::connection::{Db, Purpose, both};
use crate::kinds::Kinds;
use crate::migrate::migrate;
use crate::numbers::Numbers;
use crate::packing::Packer;
use crate::queue::Queue;
use crate::readers::Readers;
use crate::settings::{Place, Settings};
use crate::tables::{dictionary, kind};
use crate::trouble::Trouble;
use crate::unit::{Follower, Unit};

/// Followers, in the order they came. Held while a group is told and the head moves, so that whoever
/// begins to follow knows exactly where.
pub(crate) type Followers = Vec<Arc<dyn Follower>>;

/// The parts of a store.
pub(crate) struct Shared {
    pub settings: Settings,
    pub readers: Readers,
    pub packer: Packer,
    pub numbers: Numbers,
    pub queue: Queue,
    pub followers: Mutex<Followers>,
    pub minting: Minting,
    kinds: RwLock<Kinds>,
    node: AtomicU32,
    head: AtomicU64,
    counter: AtomicU64,
    groups: AtomicU64,
    lock: Mutex<Option<File>>,
}

/// The next id's count, and up to where the head row has reserved.
pub(crate) struct Minting {
    pub next: AtomicU64,
    pub reserved: AtomicU64,
    /// What tells this opening of the database from others.
    epoch: String,
}

/// Characters of an epoch.
const EPOCH: usize = 5;

impl Minting {
    /// Counts are not known yet.
    fn new(opening: Option<u64>) -> Minting {
        // The standard library draws the keys of its hash tables from the operating system's randomness.
        let mut left = opening.unwrap_or_else(|| RandomState::new().build_hasher().finish());
        let mut draw = || {
            let digit = (left % 36) as u32;
            left /= 36;
            char::from_digit(digit, 36).expect("a digit to the base of 36")
        };
        Minting {
            next: AtomicU64::new(0),
            reserved: AtomicU64::new(0),
            epoch: (0..EPOCH).map(|_| draw()).collect(),
        }
    }

    /// What a node's ids begin with. There is one centre, whose database is never an old copy without anybody's noticing:
    /// its ids are the short ones.
    pub fn front(&self, node: u32) -> String {
        match node {
            0 => "0-".to_owned(),
            node => format!("{node}-{}-", self.epoch),
        }
    }
}

impl Shared {
    /// Opens the database and takes it for this process; gives the writer's connection too.
    pub fn open(settings: Settings) -> Result<(Shared, Db), Trouble> {
        let lock = match &settings.place {
            Place::Sqlite(file) => Some(lock_file(file)?),
            Place::Postgres(_) => None,
        };
        let node = settings.node.map(i32::try_from).transpose();
        let node = node.map_err(|_| Trouble::new("A node's number is below 2147483648."))?;
        let mut db = Db::open(&settings, Purpose::Writing)?;
        migrate(&mut db, node)?;
        let query = dictionary::table.order(dictionary::number);
        let dictionaries: Vec<(i32, String, Vec<u8>)> = both!(&mut db, c => query.load(c))?;
        let shared = Shared {
            readers: Readers::new(settings.clone()),
            packer: Packer::new(dictionaries),
            numbers: Numbers::new(),
            queue: Queue::new(&settings),
            followers: Mutex::default(),
            minting: Minting::new(settings.opening),
            settings,
            node: AtomicU32::new(0),
            kinds: RwLock::new(load_kinds(&mut db)?),
            groups: AtomicU64::new(0),
            head: AtomicU64::new(0),
            counter: AtomicU64::new(0),
            lock: Mutex::new(lock),
        };
        Ok((shared, db))
    }

    pub fn kinds(&self) -> RwLockReadGuard<'_, Kinds> {
        self.kinds.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn set_kinds(&self, kinds: Kinds) {
        *self.kinds.write().unwrap_or_else(PoisonError::into_inner) = kinds;
    }

    pub fn head(&self) -> u64 {
        self.head.load(Ordering::Acquire)
    }

    /// This node's number.
    pub fn node(&self) -> u32 {
        self.node.load(Ordering::Acquire)
    }

    pub fn set_node(&self, node: i32) {
        self.node.store(node as u32, Ordering::Release);
    }

    pub fn groups(&self) -> u64 {
        self.groups.load(Ordering::Relaxed)
    }

    pub fn count_group(&self) {
        self.groups.fetch_add(1, Ordering::Relaxed);
    }

    /// How many versions were made here under the present number.
    pub fn counter(&self) -> u64 {
        self.counter.load(Ordering::Acquire)
    }

    pub fn set_head(&self, head: u64, counter: u64) {
        self.counter.store(counter, Ordering::Release);
        self.head.store(head, Ordering::Release);
    }

    pub fn followers(&self) -> MutexGuard<'_, Followers> {
        self.followers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new id. Where the reserve is used up, an empty unit makes the writer reserve more; should that
    /// fail, so will the write that the id is for, and with it nothing can have kept the id.
    pub fn mint(&self) -> Id {
        let count = self.minting.next.fetch_add(1, Ordering::Relaxed);
        if count > self.minting.reserved.load(Ordering::Acquire) {
            // The next write that succeeds reserves past every id given so far.
            let _tried = self.submit(Unit::default());
        }
        let front = self.minting.front(self.node());
        Id::new(&format!("{front}{count}")).expect("numbers, letters and dashes make an id")
    }

    /// Lets go of the database: readers first, the lock last.
    pub fn close(&self) {
        self.readers.close();
        self.followers().clear();
        *self.lock.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// The kinds in the database.
pub(crate) fn load_kinds(db: &mut Db) -> Result<Kinds, Trouble> {
    let rows: Vec<(i16, String)> = both!(db, c => kind::table.order(kind::number).load(c))?;
    let mut kinds = Kinds::default();
    for (number, name) in rows {
        let added = Kind::new(&name).and_then(|kind| kinds.add(&kind));
        if added != Some(number) {
            return Err(Trouble::new(format!(
                "The database's table of kinds is damaged at {number}, {name}."
            )));
        }
    }
    Ok(kinds)
}

/// How long to wait for a process that is just ending to let go of the file.
const LOCK_PATIENCE: Duration = Duration::from_secs(3);

fn lock_file(database: &Path) -> Result<File, Trouble> {
    let folder = database.parent().filter(|p| !p.as_os_str().is_empty());
    let failed = |what: &Path, e: std::io::Error| Trouble::new(format!("{} cannot be made: {e}.", what.display()));
    if let Some(folder) = folder {
        std::fs::create_dir_all(folder).map_err(|e| failed(folder, e))?;
    }
    let mut name = database.as_os_str().to_owned();
    name.push(".lock");
    let path = PathBuf::from(name);
    let file = File::create(&path).map_err(|e| failed(&path, e))?;
    let until = Instant::now() + LOCK_PATIENCE;
    while file.try_lock().is_err() {
        if Instant::now() > until {
            return Err(Trouble::new(format!(
                "The database {} is in use by another process; stop it first.",
                database.display()
            )));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(file)
}
