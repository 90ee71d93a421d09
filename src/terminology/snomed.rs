//! SNOMED CT: the snapshot files of a release in its release format 2 (RF2).
//!
//! Which file is which shows in its first line: concepts, descriptions and text definitions, relationships, the language
//! reference set that says which synonym is preferred, and other reference sets, of which the members are read. See <https://hl7.org/fhir/R4/snomedct.html>.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use fhir::tree::Tree;

use crate::packed::Entry;
use crate::release::{Lines, Progress, Release, Unreadable, details, property};

const URL: &str = "http://snomed.info/sct";
const IS_A: u64 = 116_680_003;
const FULL_NAME: u64 = 900_000_000_000_003_001;
const DEFINITION: u64 = 900_000_000_000_550_004;
const PREFERRED: u64 = 900_000_000_000_548_007;
const DEFINED: u64 = 900_000_000_000_073_002;

/// What is read of a concept.
#[derive(Default)]
struct Concept {
    active: bool,
    defined: bool,
    module: u64,
    time: u32,
    parents: Vec<u64>,
    /// The concepts in the reference set that it names.
    members: Vec<u64>,
    /// Group, type and target.
    relations: Vec<(u32, u64, Box<str>)>,
    /// Id, type, language, term.
    names: Vec<(u64, u64, Box<str>, Box<str>)>,
}

#[derive(Default)]
struct Reading {
    concepts: HashMap<u64, Concept>,
    order: Vec<u64>,
    preferred: std::collections::HashSet<u64>,
}

/// Reads the files of a release.
///
/// # Errors
/// Where a file is none of those of a snapshot, or a line is not as it should be.
pub(crate) fn read(files: &[PathBuf], progress: &mut Progress<'_>) -> Result<Release, Unreadable> {
    let mut reading = Reading::default();
    let mut kinds = Vec::new();
    for path in files {
        let mut lines = Lines::open(path, progress)?;
        let head = lines.next()?.unwrap_or_default();
        kinds.push((kind_of(path, &head)?, path));
    }
    // Concepts first: the other files speak of them.
    kinds.sort_by_key(|(kind, _)| *kind);
    for (kind, path) in kinds {
        reading.file(kind, path, progress)?;
    }
    let version = reading.version();
    Ok(Release {
        url: URL,
        name: "SNOMED_CT",
        version,
        language: "en",
        entries: reading.entries(),
    })
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum File {
    Concepts,
    Preferences,
    Members,
    Descriptions,
    Relationships,
}

fn kind_of(path: &Path, head: &str) -> Result<File, Unreadable> {
    let has = |name: &str| head.split('\t').any(|column| column == name);
    Ok(match () {
        () if has("definitionStatusId") => File::Concepts,
        () if has("acceptabilityId") => File::Preferences,
        () if has("refsetId") && has("referencedComponentId") => File::Members,
        () if has("term") && has("conceptId") => File::Descriptions,
        () if has("sourceId") && (has("destinationId") || has("value")) => File::Relationships,
        () => {
            let what = "its first line is of none of the files that are read: concepts, descriptions, relationships, \
                        reference sets";
            return Err(Unreadable::file(path, what));
        }
    })
}

impl Reading {
    fn file(&mut self, kind: File, path: &Path, progress: &mut Progress<'_>) -> Result<(), Unreadable> {
        let mut lines = Lines::open(path, progress)?;
        lines.next()?;
        while let Some(line) = lines.next()? {
            let row: Vec<&str> = line.split('\t').collect();
            let taken = match kind {
                File::Concepts => self.concept(&row),
                File::Preferences => self.preference(&row),
                File::Members => self.member(&row),
                File::Descriptions => self.description(&row),
                File::Relationships => self.relationship(&row),
            };
            taken.ok_or_else(|| lines.wrong("a column is missing or holds no number"))?;
        }
        Ok(())
    }

    /// `id effectiveTime active moduleId definitionStatusId`
    fn concept(&mut self, row: &[&str]) -> Option<()> {
        let &[id, time, active, module, status] = row else {
            return None;
        };
        let id = id.parse().ok()?;
        let concept = Concept {
            active: active == "1",
            defined: status.parse() == Ok(DEFINED),
            module: module.parse().ok()?,
            time: time.parse().ok()?,
            ..Concept::default()
        };
        if self.concepts.insert(id, concept).is_none() {
            self.order.push(id);
        }
        Some(())
    }

    /// `id effectiveTime active moduleId refsetId referencedComponentId acceptabilityId`
    fn preference(&mut self, row: &[&str]) -> Option<()> {
        let &[_, _, active, _, _, of, acceptability] = row else {
            return None;
        };
        if active == "1" && acceptability.parse() == Ok(PREFERRED) {
            self.preferred.insert(of.parse().ok()?);
        }
        Some(())
    }

    /// `id effectiveTime active moduleId refsetId referencedComponentId ...`; members that are no concepts are left out.
    fn member(&mut self, row: &[&str]) -> Option<()> {
        let &[_, _, active, _, set, of, ..] = row else {
            return None;
        };
        let (set, of): (u64, u64) = (set.parse().ok()?, of.parse().ok()?);
        if active == "1"
            && self.concepts.contains_key(&of)
            && let Some(set) = self.concepts.get_mut(&set)
        {
            set.members.push(of);
        }
        Some(())
    }

    /// `id effectiveTime active moduleId conceptId languageCode typeId term caseSignificanceId`
    fn description(&mut self, row: &[&str]) -> Option<()> {
        let &[id, _, active, _, concept, language, kind, term, _] = row else {
            return None;
        };
        let concept = concept.parse::<u64>().ok()?;
        let name = (id.parse().ok()?, kind.parse().ok()?, language.into(), term.into());
        if let Some(concept) = self.concepts.get_mut(&concept).filter(|_| active == "1") {
            concept.names.push(name);
        }
        Some(())
    }

    /// `id effectiveTime active moduleId sourceId destinationId relationshipGroup typeId ...`; of concrete values, `#5` or
    /// `"text"` in place of the destination.
    fn relationship(&mut self, row: &[&str]) -> Option<()> {
        let &[_, _, active, _, source, target, group, kind, ..] = row else {
            return None;
        };
        let (source, group, kind): (u64, u32, u64) = (source.parse().ok()?, group.parse().ok()?, kind.parse().ok()?);
        let concrete = target.starts_with(['#', '"']);
        let id = target.parse::<u64>().ok().filter(|_| !concrete);
        if id.is_none() && !concrete {
            return None;
        }
        if let Some(concept) = self.concepts.get_mut(&source).filter(|_| active == "1") {
            match (kind, id) {
                (IS_A, Some(parent)) => concept.parents.push(parent),
                _ => concept.relations.push((group, kind, target.into())),
            }
        }
        Some(())
    }

    /// The edition and the date of the newest change, as a URI.
    fn version(&self) -> Option<String> {
        let mut modules: HashMap<u64, usize> = HashMap::new();
        for concept in self.concepts.values() {
            *modules.entry(concept.module).or_default() += 1;
        }
        let (module, _) = modules.into_iter().max_by_key(|(module, count)| (*count, *module))?;
        let time = self.concepts.values().map(|concept| concept.time).max()?;
        Some(format!("{URL}/{module}/version/{time}"))
    }

    fn entries(mut self) -> Vec<Entry> {
        let order = std::mem::take(&mut self.order);
        let preferred = std::mem::take(&mut self.preferred);
        let entry = |id: u64| {
            let concept = self.concepts.remove(&id)?;
            Some(concept.into_entry(id, &preferred))
        };
        order.into_iter().filter_map(entry).collect()
    }
}

impl Concept {
    /// The display is the preferred synonym, or else the first, or else the full name.
    fn into_entry(self, id: u64, preferred: &std::collections::HashSet<u64>) -> Entry {
        let synonyms = || {
            self.names
                .iter()
                .filter(|(_, kind, ..)| *kind != FULL_NAME && *kind != DEFINITION)
        };
        let shown = synonyms()
            .find(|(id, ..)| preferred.contains(id))
            .or_else(|| synonyms().next());
        let shown = shown.or_else(|| self.names.first()).map(|(id, ..)| *id);
        let (mut display, mut definition, mut designations) = (String::new(), "", Vec::new());
        for (id, kind, language, term) in &self.names {
            match *kind {
                _ if Some(*id) == shown => display = term.to_string(),
                DEFINITION => definition = term,
                kind => designations.push(designation(kind, language, term)),
            }
        }
        let mut properties = vec![
            property("effectiveTime", "valueString", &self.time.to_string()),
            property("moduleId", "valueCode", &self.module.to_string()),
            Tree::object([
                ("code", Tree::string("sufficientlyDefined")),
                ("valueBoolean", Tree::Bool(self.defined)),
            ]),
        ];
        let relations = self.relations.iter();
        properties.extend(relations.map(|(group, kind, to)| related(*group, *kind, to)));
        Entry {
            code: id.to_string(),
            display,
            parents: self.parents.iter().map(u64::to_string).collect(),
            members: self.members.iter().map(u64::to_string).collect(),
            inactive: !self.active,
            details: details(definition, designations, properties),
            ..Entry::default()
        }
    }
}

/// A relationship as a property, with its group where it is in one.
fn related(group: u32, kind: u64, target: &str) -> Tree {
    let mut found = match (target.strip_prefix('#'), target.strip_prefix('"')) {
        (Some(number), _) => {
            let member = if number.contains('.') {
                "valueDecimal"
            } else {
                "valueInteger"
            };
            Tree::object([("code", Tree::string(kind.to_string())), (member, Tree::number(number))])
        }
        (_, Some(text)) => property(&kind.to_string(), "valueString", text.trim_end_matches('"')),
        _ => property(&kind.to_string(), "valueCode", target),
    };
    if group > 0 {
        found.set("group", Tree::number(group));
    }
    found
}

fn designation(kind: u64, language: &str, term: &str) -> Tree {
    let usage = Tree::object([("system", Tree::string(URL)), ("code", Tree::string(kind.to_string()))]);
    Tree::object([
        ("language", Tree::string(language)),
        ("use", usage),
        ("value", Tree::string(term)),
    ])
}
