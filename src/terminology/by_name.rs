//! Codes by the beginnings of their names, of all systems that stand in records: what `:text` of a search asks for.

use std::sync::{Arc, OnceLock};

use fhir::document::Document;
use rustc_hash::FxHashMap;
use text::fold;

use crate::built_in::BuiltIn;
use crate::recorded::Recorded;
use crate::system::{Content, Place, System};
use crate::{tables, version};

/// What the names and codes of all systems may take together, in bytes.
const BYTES_MAX: usize = 64 << 20;

/// A name of a code.
struct Row {
    /// Folded.
    name: Box<str>,
    /// Which of the systems the code is of.
    system: u32,
    code: Box<str>,
}

/// All names of some systems, in order.
pub(crate) struct ByName {
    systems: Vec<Box<str>>,
    rows: Vec<Row>,
}

impl ByName {
    /// What the standard defines.
    pub(crate) fn standard() -> &'static ByName {
        static SHARED: OnceLock<ByName> = OnceLock::new();
        SHARED.get_or_init(|| {
            let mut names = Gathered::default();
            for document in BuiltIn::shared().all("CodeSystem") {
                names.add(&Recorded::read(document));
            }
            tables::all().iter().for_each(|system| names.add(&**system));
            names.sorted()
        })
    }

    /// Those of CodeSystem records; of a supplement, the names it adds to the codes of its system. `None` where they would
    /// take too much memory.
    pub(crate) fn of(records: &[Arc<Document>]) -> Option<ByName> {
        let mut names = Gathered::default();
        for document in records {
            names.add(&Recorded::read(Arc::clone(document)));
            if names.bytes > BYTES_MAX {
                return None;
            }
        }
        Some(names.sorted())
    }

    /// System and code of all that have a name which begins with a folded text. Those with several come several times.
    pub(crate) fn starting<'s>(&'s self, start: &'s str) -> impl Iterator<Item = (&'s str, &'s str)> {
        let first = self.rows.partition_point(|row| *row.name < *start);
        let rows = self.rows[first..]
            .iter()
            .take_while(move |row| row.name.starts_with(start));
        rows.map(|row| (&*self.systems[row.system as usize], &*row.code))
    }
}

#[derive(Default)]
struct Gathered {
    numbers: FxHashMap<Box<str>, u32>,
    systems: Vec<Box<str>>,
    rows: Vec<Row>,
    bytes: usize,
}

impl Gathered {
    fn add(&mut self, system: &dyn System) {
        let facts = system.facts();
        let url = match (facts.content, facts.supplements.as_deref()) {
            (Content::Supplement, Some(base)) => version::split(base).0,
            _ => facts.url.as_str(),
        };
        let number = match self.numbers.get(url) {
            Some(number) => *number,
            None => {
                let number = self.systems.len() as u32;
                self.systems.push(url.into());
                self.numbers.insert(url.into(), number);
                number
            }
        };
        for place in (0..system.count().unwrap_or(0)).map(Place::At) {
            if self.bytes > BYTES_MAX {
                return;
            }
            let display = system.display(&place);
            let others = system.details(&place).designations;
            let others = others.iter().map(|designation| designation.value.as_str());
            for name in display.as_deref().into_iter().chain(others) {
                let row = Row {
                    name: fold(name).as_ref().into(),
                    system: number,
                    code: system.code(&place).as_ref().into(),
                };
                self.bytes += size_of::<Row>() + row.name.len() + row.code.len();
                self.rows.push(row);
            }
        }
    }

    fn sorted(mut self) -> ByName {
        self.rows.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        self.rows.shrink_to_fit();
        ByName {
            systems: self.systems,
            rows: self.rows,
        }
    }
}
