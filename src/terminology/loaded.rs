//! The large systems that were loaded from their releases, heard of while the server runs.
//!
//! A release is one file that is renamed into the folder when it is complete, so that a look at the folder's own time of
//! change tells whether there is news. Files that did not change stay open.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant, SystemTime};

use crate::packed::Packed;
use crate::release::files;
use crate::system::System;

/// How long what was seen is believed.
const BELIEVED: Duration = Duration::from_millis(500);

/// Told of a file that cannot be used.
type Notice = Box<dyn Fn(String) + Send + Sync>;

/// What is loaded, and how often that changed.
#[derive(Clone)]
pub(crate) struct Present {
    pub(crate) changes: u64,
    pub(crate) systems: Arc<[Arc<dyn System>]>,
}

/// The folder of the releases.
pub(crate) struct Loaded {
    folder: Option<PathBuf>,
    notice: Notice,
    looked: Mutex<Looked>,
    present: RwLock<Present>,
}

/// When the folder was last looked at, and what was seen.
struct Looked {
    at: Option<Instant>,
    changed: Option<SystemTime>,
    open: Vec<Open>,
}

/// A file that is open: what it was when it was opened, and the system in it, unless it is of no use.
struct Open {
    path: PathBuf,
    stamp: Option<(SystemTime, u64)>,
    system: Option<Arc<dyn System>>,
}

impl Loaded {
    /// Systems that stay as they are.
    pub(crate) fn fixed(systems: Vec<Arc<dyn System>>) -> Loaded {
        let loaded = Loaded::of(None, Box::new(|_| {}));
        loaded.present.write().unwrap_or_else(PoisonError::into_inner).systems = systems.into();
        loaded
    }

    /// The systems in the files of a folder.
    pub(crate) fn watching(folder: &Path, notice: Notice) -> Loaded {
        let loaded = Loaded::of(Some(folder.to_owned()), notice);
        // What is of no use is told at the start, not at the first question.
        loaded.look(folder);
        loaded
    }

    fn of(folder: Option<PathBuf>, notice: Notice) -> Loaded {
        Loaded {
            folder,
            notice,
            looked: Mutex::new(Looked {
                at: None,
                changed: None,
                open: Vec::new(),
            }),
            present: RwLock::new(Present {
                changes: 0,
                systems: Arc::from([]),
            }),
        }
    }

    /// What is loaded now.
    pub(crate) fn present(&self) -> Present {
        if let Some(folder) = &self.folder {
            self.look(folder);
        }
        self.present.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn look(&self, folder: &Path) {
        // Somebody else is looking: what was there is good enough meanwhile, but for the first.
        let looked = match self.looked.try_lock() {
            Ok(looked) => looked,
            Err(_) if self.present.read().unwrap_or_else(PoisonError::into_inner).changes > 0 => return,
            Err(_) => self.looked.lock().unwrap_or_else(PoisonError::into_inner),
        };
        let mut looked = looked;
        if looked.at.is_some_and(|at| at.elapsed() < BELIEVED) {
            return;
        }
        let changed = folder.metadata().and_then(|metadata| metadata.modified()).ok();
        let news = looked.at.is_none() || looked.changed != changed;
        looked.at = Some(Instant::now());
        if !news {
            return;
        }
        looked.changed = changed;
        let before = std::mem::take(&mut looked.open);
        looked.open = files(folder).into_iter().map(|path| self.open(path, &before)).collect();
        let systems = looked.open.iter().filter_map(|open| open.system.clone());
        let mut present = self.present.write().unwrap_or_else(PoisonError::into_inner);
        present.systems = systems.collect();
        present.changes += 1;
    }

    fn open(&self, path: PathBuf, before: &[Open]) -> Open {
        let metadata = path.metadata();
        let stamp = metadata
            .and_then(|metadata| Ok((metadata.modified()?, metadata.len())))
            .ok();
        if let Some(same) = before.iter().find(|open| open.path == path && open.stamp == stamp) {
            let system = same.system.clone();
            return Open { path, stamp, system };
        }
        let system = match Packed::open(&path) {
            Ok(packed) => Some(Arc::new(packed) as Arc<dyn System>),
            Err(e) => {
                (self.notice)(format!("The terminology in {} cannot be used: {e}.", path.display()));
                None
            }
        };
        Open { path, stamp, system }
    }
}
