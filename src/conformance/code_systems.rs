//! The code systems of the standard and their hierarchies, read system by system when asked.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use rustc_hash::FxHashMap;

use crate::terminology::{Codes, Unanswered};

/// All code systems, by address.
#[derive(Debug)]
pub(crate) struct CodeSystems {
    systems: FxHashMap<&'static str, Entry>,
}

/// One system: what its row says, and its codes once they were asked for.
#[derive(Debug)]
struct Entry {
    version: &'static str,
    complete: bool,
    case: bool,
    rows: &'static str,
    read: OnceLock<CodeSystem>,
}

/// The codes of one system. Codes are known by their place in the definition.
#[derive(Debug)]
pub(crate) struct CodeSystem {
    url: &'static str,
    case: bool,
    codes: Vec<&'static str>,
    places: FxHashMap<&'static str, u32>,
    /// Of each code: those directly below it.
    children: Vec<Vec<u32>>,
    /// Of each code: those directly above it.
    parents: Vec<Vec<u32>>,
}

/// The rows of a table taken apart: each row that is not set in, with those that are below it.
pub(crate) fn sections(table: &'static str) -> impl Iterator<Item = (&'static str, &'static str)> {
    let mut rest = table;
    std::iter::from_fn(move || {
        let end = rest.find('\n')?;
        let mut after = end + 1;
        while rest[after..].starts_with('\t') {
            after += rest[after..].find('\n').map_or(rest.len() - after, |at| at + 1);
        }
        let section = (&rest[..end], &rest[end + 1..after]);
        rest = &rest[after..];
        Some(section)
    })
}

impl CodeSystems {
    pub(crate) fn read(table: &'static str) -> CodeSystems {
        let entry = |(head, rows): (&'static str, &'static str)| {
            let mut columns = head.split('\t');
            let mut next = || columns.next().unwrap_or_default();
            let (url, version, content, flags) = (next(), next(), next(), next());
            let entry = Entry {
                version,
                complete: content == "complete",
                case: flags == "C",
                rows,
                read: OnceLock::new(),
            };
            (url, entry)
        };
        CodeSystems {
            systems: sections(table).map(entry).collect(),
        }
    }

    /// A system whose codes are all here; `address` may ask for a version.
    pub(crate) fn complete(&self, address: &str) -> Option<&CodeSystem> {
        let (url, version) = match address.split_once('|') {
            Some((url, version)) => (url, Some(version)),
            None => (address, None),
        };
        let (url, entry) = self.systems.get_key_value(url)?;
        let fits = entry.complete && version.is_none_or(|version| version == entry.version);
        fits.then(|| entry.read.get_or_init(|| CodeSystem::read(url, entry.case, entry.rows)))
    }

    /// A system and the place of one of its codes.
    ///
    /// # Errors
    /// Where the system is not loaded or does not have the code.
    pub(crate) fn find(&self, system: &str, code: &str) -> Result<(&CodeSystem, u32), Unanswered> {
        let known = self.complete(system).ok_or_else(|| {
            Unanswered::NotLoaded(format!(
                "The code system {system} is not loaded here, so what lies above and below its codes is not known"
            ))
        })?;
        let place = known
            .place(code)
            .ok_or_else(|| Unanswered::Unknown(format!("The code system {system} has no code `{code}`")))?;
        Ok((known, place))
    }

    #[cfg(test)]
    pub(crate) fn each(&self) -> impl Iterator<Item = (&'static str, &CodeSystem)> {
        self.systems.keys().filter_map(|url| Some((*url, self.complete(url)?)))
    }
}

impl CodeSystem {
    fn read(url: &'static str, case: bool, rows: &'static str) -> CodeSystem {
        let (mut codes, mut places) = (Vec::new(), FxHashMap::default());
        let mut edges: Vec<(u32, u32)> = Vec::new();
        let mut further: Vec<(u32, &'static str)> = Vec::new();
        // The places of the codes that the next row may stand below.
        let mut open: Vec<u32> = Vec::new();
        for row in rows.lines() {
            let text = row.trim_start_matches('\t');
            let depth = row.len() - text.len();
            let mut columns = text.split('\t');
            let place = codes.len() as u32;
            let code = columns.next().unwrap_or_default();
            codes.push(code);
            places.entry(code).or_insert(place);
            open.truncate(depth - 1);
            edges.extend(open.last().map(|parent| (*parent, place)));
            open.push(place);
            further.extend(columns.skip(1).map(|child| (place, child)));
        }
        edges.extend(
            further
                .iter()
                .filter_map(|(parent, child)| Some((*parent, *places.get(child)?))),
        );
        let (mut children, mut parents) = (vec![Vec::new(); codes.len()], vec![Vec::new(); codes.len()]);
        for (parent, child) in edges {
            children[parent as usize].push(child);
            parents[child as usize].push(parent);
        }
        CodeSystem {
            url,
            case,
            codes,
            places,
            children,
            parents,
        }
    }

    /// The place of a code; case counts only where the definition says so.
    pub(crate) fn place(&self, code: &str) -> Option<u32> {
        let exact = self.places.get(code).copied();
        let folded = || self.codes.iter().position(|known| known.eq_ignore_ascii_case(code));
        exact.or_else(|| folded().filter(|_| !self.case).map(|place| place as u32))
    }

    /// Whether it has a code, case counting.
    pub(crate) fn has(&self, code: &str) -> bool {
        self.places.contains_key(code)
    }

    /// All codes, in the order of the definition.
    pub(crate) fn codes(&self) -> impl Iterator<Item = &'static str> {
        self.codes.iter().copied()
    }

    /// How many codes there are.
    pub(crate) fn len(&self) -> usize {
        self.codes.len()
    }

    /// A code and all those below it.
    pub(crate) fn below(&self, place: u32) -> BTreeSet<u32> {
        reach(&self.children, place)
    }

    /// A code and all those above it.
    pub(crate) fn above(&self, place: u32) -> BTreeSet<u32> {
        reach(&self.parents, place)
    }

    /// The codes at some places.
    pub(crate) fn codes_at(&self, places: &BTreeSet<u32>) -> Codes {
        Codes::of(self.url, places.iter().map(|place| self.codes[*place as usize]))
    }
}

fn reach(edges: &[Vec<u32>], from: u32) -> BTreeSet<u32> {
    let (mut found, mut open) = (BTreeSet::from([from]), vec![from]);
    while let Some(at) = open.pop() {
        let fresh = edges[at as usize].iter().filter(|next| found.insert(**next));
        open.extend(fresh);
    }
    found
}
