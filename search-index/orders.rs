//! What is laid out once for a segment and used by many queries: the order of a sort, records by name, ranges to count.
//!
//! An order is made when it is asked for a second time, and kept while there is room.
//! A segment never changes, so that what was laid out stays true; documents that die later are passed over.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use fhir::identity::Kind;
use query::term::UnitKey;
use query::{ParamId, Predicate, SortKey};
use tantivy::{DocId, TantivyError};

use crate::columns::Columns;
use crate::counted::{self, Counted};

/// Layouts kept, at most.
const MADE_MAX: usize = 1_024;
/// Wishes remembered.
const ASKED_MAX: usize = 256;

/// What is laid out of a segment.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Layout {
    /// The documents of a kind, or all, in an order; values that are missing last, equals by record.
    Sorted(Option<Kind>, Vec<SortKey>),
    /// The records of a kind by the hashes of their names.
    Named(Kind),
    /// The documents of a kind that meet conditions, by their ranges of a parameter where one is asked about.
    Counted(Kind, Vec<Predicate>, Option<(ParamId, UnitKey)>),
}

/// Numbers that a layout consists of: documents, or what its maker says.
pub(crate) type Laid = Arc<[u64]>;

/// The documents of an order. Documents are numbers below 2^31.
pub(crate) type Sorted = Arc<[DocId]>;

#[derive(Clone)]
enum Table {
    Sorted(Sorted),
    Named(Laid),
    Counted(counted::Made),
}

impl Table {
    fn bytes(&self) -> usize {
        match self {
            Table::Sorted(docs) => docs.len() * size_of::<DocId>(),
            Table::Named(names) => names.len() * size_of::<u64>(),
            Table::Counted(counted::Made::Counted(counted)) => counted.bytes(),
            Table::Counted(counted::Made::Never) => 0,
        }
    }
}

struct Made {
    of: Weak<Columns>,
    layout: Layout,
    table: Table,
    used: u64,
}

#[derive(Default)]
struct State {
    made: Vec<Made>,
    asked: VecDeque<Layout>,
    making: Vec<(Weak<Columns>, Layout)>,
    bytes: usize,
    turn: u64,
}

/// The layouts of all segments of an index, in bounded memory.
pub(crate) struct Orders {
    state: Mutex<State>,
    bytes_max: usize,
    from: usize,
}

impl Orders {
    /// None yet; they will take `bytes_max` bytes at most, and fewer than `from` documents are not laid out.
    pub(crate) fn new(bytes_max: usize, from: usize) -> Orders {
        Orders {
            state: Mutex::default(),
            bytes_max,
            from,
        }
    }

    /// Whether so many documents are worth laying out.
    pub(crate) fn worth(&self, documents: u32) -> bool {
        documents as usize >= self.from
    }

    /// Whether a layout of so many bytes can be kept at all.
    pub(crate) fn has_room(&self, bytes: usize) -> bool {
        bytes <= self.bytes_max
    }

    /// Whether a layout was found to be of use before, lately.
    pub(crate) fn was_wished(&self, layout: &Layout) -> bool {
        self.lock().asked.contains(layout)
    }

    /// Remembers that layouts would be of use.
    pub(crate) fn wish(&self, layouts: &[Layout]) {
        let mut state = self.lock();
        for layout in layouts {
            if state.asked.contains(layout) {
                continue;
            }
            state.asked.push_back(layout.clone());
            if state.asked.len() > ASKED_MAX {
                state.asked.pop_front();
            }
        }
    }

    /// A segment's documents in an order. `size` is how many there are; `make` lays them out, or says that it cannot.
    ///
    /// # Errors
    /// Those of `make`.
    pub(crate) fn sorted(
        &self,
        columns: &Arc<Columns>,
        layout: &Layout,
        size: usize,
        make: impl FnOnce() -> Result<Option<Sorted>, TantivyError>,
    ) -> Result<Option<Sorted>, TantivyError> {
        let bytes = size * size_of::<DocId>();
        let table = self.table(columns, layout, bytes, || Ok(make()?.map(Table::Sorted)))?;
        Ok(table.and_then(|table| match table {
            Table::Sorted(docs) => Some(docs),
            Table::Named(_) | Table::Counted(_) => None,
        }))
    }

    /// The records of a kind by name; as [`Orders::sorted`].
    ///
    /// # Errors
    /// Those of `make`.
    pub(crate) fn named(
        &self,
        columns: &Arc<Columns>,
        layout: &Layout,
        size: usize,
        make: impl FnOnce() -> Result<Option<Laid>, TantivyError>,
    ) -> Result<Option<Laid>, TantivyError> {
        let bytes = size * size_of::<u64>();
        let table = self.table(columns, layout, bytes, || Ok(make()?.map(Table::Named)))?;
        Ok(table.and_then(|table| match table {
            Table::Named(names) => Some(names),
            Table::Sorted(_) | Table::Counted(_) => None,
        }))
    }

    /// The documents that meet conditions, to be counted; as [`Orders::sorted`].
    ///
    /// # Errors
    /// Those of `make`.
    pub(crate) fn counted(
        &self,
        columns: &Arc<Columns>,
        layout: &Layout,
        make: impl FnOnce() -> Result<Option<counted::Made>, TantivyError>,
    ) -> Result<Option<Arc<Counted>>, TantivyError> {
        // How much it takes is known only to `make`, which asks whether there is room.
        let table = self.table(columns, layout, 0, || Ok(make()?.map(Table::Counted)))?;
        Ok(table.and_then(|table| match table {
            Table::Counted(counted::Made::Counted(counted)) => Some(counted),
            Table::Counted(counted::Made::Never) | Table::Sorted(_) | Table::Named(_) => None,
        }))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn table(
        &self,
        columns: &Arc<Columns>,
        layout: &Layout,
        bytes: usize,
        make: impl FnOnce() -> Result<Option<Table>, TantivyError>,
    ) -> Result<Option<Table>, TantivyError> {
        let of = Arc::downgrade(columns);
        if !self.has_room(bytes) {
            return Ok(None);
        }
        match self.lock().look(&of, layout) {
            Looked::Made(table) => return Ok(Some(table)),
            Looked::NotNow => return Ok(None),
            Looked::MakeIt => {}
        }
        let made = make();
        let mut state = self.lock();
        state
            .making
            .retain(|(making, what)| !(making.ptr_eq(&of) && what == layout));
        let made = made?;
        if let Some(table) = &made {
            state.keep(of, layout, table.clone(), self.bytes_max);
        }
        Ok(made)
    }
}

enum Looked {
    Made(Table),
    MakeIt,
    NotNow,
}

impl State {
    fn look(&mut self, of: &Weak<Columns>, layout: &Layout) -> Looked {
        self.turn += 1;
        let turn = self.turn;
        if let Some(made) = self
            .made
            .iter_mut()
            .find(|made| made.of.ptr_eq(of) && made.layout == *layout)
        {
            made.used = turn;
            return Looked::Made(made.table.clone());
        }
        // Somebody else is at it.
        if self
            .making
            .iter()
            .any(|(making, what)| making.ptr_eq(of) && what == layout)
        {
            return Looked::NotNow;
        }
        self.making.push((of.clone(), layout.clone()));
        Looked::MakeIt
    }

    /// Keeps a table; what was used longest ago makes room, and what belongs to segments that are gone.
    fn keep(&mut self, of: Weak<Columns>, layout: &Layout, table: Table, bytes_max: usize) {
        self.made.retain(|made| made.of.strong_count() > 0);
        self.bytes = self.made.iter().map(|made| made.table.bytes()).sum::<usize>() + table.bytes();
        self.made.sort_by_key(|made| std::cmp::Reverse(made.used));
        while self.bytes > bytes_max || self.made.len() >= MADE_MAX {
            let Some(oldest) = self.made.pop() else {
                break;
            };
            self.bytes -= oldest.table.bytes();
        }
        self.made.push(Made {
            of,
            layout: layout.clone(),
            table,
            used: self.turn,
        });
    }
}
