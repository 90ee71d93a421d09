//! The release files of large code systems, as their owners distribute them, made into files of this server's own form.
//!
//! What a ministry obtains under its own licence is read here: ICD-10 and ICD-11 of the WHO, LOINC, SNOMED CT. Nothing of
//! it is part of the product.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use fhir::tree::Tree;

use crate::packed::{Entry, write};
use crate::{icd10, icd11, loinc, snomed};

/// Why a release could not be loaded: the file, the line where there is one, and what is wrong.
#[derive(Debug)]
pub struct Unreadable(pub String);

impl std::fmt::Display for Unreadable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unreadable {}

impl Unreadable {
    pub(crate) fn file(path: &Path, what: impl std::fmt::Display) -> Unreadable {
        Unreadable(format!("{} cannot be read: {what}.", path.display()))
    }
}

/// A kind of release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// ICD-10 of the WHO: a table of code, type, parent and title, or ClaML.
    Icd10,
    /// The linearization of ICD-11 for mortality and morbidity statistics: a table.
    Icd11,
    /// LOINC: `Loinc.csv`.
    Loinc,
    /// SNOMED CT: the snapshot files of a release (RF2).
    Snomed,
}

impl Kind {
    /// All kinds, by name.
    pub const ALL: [(&'static str, Kind); 4] = [
        ("icd-10", Kind::Icd10),
        ("icd-11", Kind::Icd11),
        ("loinc", Kind::Loinc),
        ("snomed-ct", Kind::Snomed),
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        Kind::ALL
            .iter()
            .find(|(_, kind)| *kind == self)
            .map_or("", |(name, _)| name)
    }
}

/// A release, read.
pub(crate) struct Release {
    pub(crate) url: &'static str,
    pub(crate) name: &'static str,
    /// What the files say their version is.
    pub(crate) version: Option<String>,
    pub(crate) language: &'static str,
    pub(crate) entries: Vec<Entry>,
}

/// Told how far reading has come: the file, the lines read of it.
pub type Progress<'a> = dyn FnMut(&Path, u64) + 'a;

/// Reads the files of a release and writes them as one file into a folder. Answers with its path and how many codes it has.
///
/// # Errors
/// [`Unreadable`], naming the file and the line.
pub fn load(
    kind: Kind,
    files: &[PathBuf],
    version: Option<&str>,
    folder: &Path,
    progress: &mut Progress<'_>,
) -> Result<(PathBuf, usize), Unreadable> {
    let release = match kind {
        Kind::Icd10 => icd10::read(files, progress)?,
        Kind::Icd11 => icd11::read(files, progress)?,
        Kind::Loinc => loinc::read(files, progress)?,
        Kind::Snomed => snomed::read(files, progress)?,
    };
    if release.entries.is_empty() {
        return Err(Unreadable(
            "The files hold no codes; name the files of a release.".to_owned(),
        ));
    }
    let version = version.map(str::to_owned).or(release.version);
    let mut about = Tree::object([
        ("resourceType", Tree::string("CodeSystem")),
        ("url", Tree::string(release.url)),
        ("name", Tree::string(release.name)),
        ("status", Tree::string("active")),
        ("content", Tree::string("complete")),
        ("caseSensitive", Tree::Bool(true)),
        ("language", Tree::string(release.language)),
    ]);
    let mut name = kind.name().to_owned();
    if let Some(version) = version {
        let plain = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' };
        name = format!("{name}-{}", version.chars().map(plain).collect::<String>());
        about.set("version", Tree::string(version));
    }
    std::fs::create_dir_all(folder).map_err(|e| Unreadable::file(folder, e))?;
    let path = folder.join(format!("{name}.{EXTENSION}"));
    let count = release.entries.len();
    write(&path, &about, &release.entries)
        .map_err(|e| Unreadable(format!("{} cannot be written: {e}.", path.display())))?;
    Ok((path, count))
}

/// What the names of the files end in.
pub const EXTENSION: &str = "terminology";

/// The lines of a text file, plain or gzipped.
pub(crate) struct Lines<'p, 'f> {
    path: PathBuf,
    reader: BufReader<Box<dyn Read>>,
    count: u64,
    progress: &'p mut Progress<'f>,
}

/// A line at most, in bytes.
const LINE_MAX: u64 = 4 << 20;
/// Lines between two reports.
const REPORTED: u64 = 100_000;

impl<'p, 'f> Lines<'p, 'f> {
    pub(crate) fn open(path: &Path, progress: &'p mut Progress<'f>) -> Result<Lines<'p, 'f>, Unreadable> {
        let file = File::open(path).map_err(|e| Unreadable::file(path, e))?;
        let reader: Box<dyn Read> = match path.extension().is_some_and(|extension| extension == "gz") {
            true => Box::new(flate2::read::MultiGzDecoder::new(file)),
            false => Box::new(file),
        };
        Ok(Lines {
            path: path.to_owned(),
            reader: BufReader::with_capacity(1 << 20, reader),
            count: 0,
            progress,
        })
    }

    /// The next line without its end; `None` after the last.
    pub(crate) fn next(&mut self) -> Result<Option<String>, Unreadable> {
        let mut line = Vec::new();
        let read = self.reader.by_ref().take(LINE_MAX).read_until(b'\n', &mut line);
        let read = read.map_err(|e| self.wrong(e))?;
        if read == 0 {
            (self.progress)(&self.path, self.count);
            return Ok(None);
        }
        self.count += 1;
        if self.count.is_multiple_of(REPORTED) {
            (self.progress)(&self.path, self.count);
        }
        while matches!(line.last(), Some(b'\n' | b'\r')) {
            line.pop();
        }
        let text = String::from_utf8(line).map_err(|_| self.wrong("it is not UTF-8"))?;
        Ok(Some(match self.count {
            1 => text.trim_start_matches('\u{feff}').to_owned(),
            _ => text,
        }))
    }

    /// What is wrong with the line that was read last.
    pub(crate) fn wrong(&self, what: impl std::fmt::Display) -> Unreadable {
        Unreadable(format!(
            "{}, line {}, cannot be read: {what}.",
            self.path.display(),
            self.count
        ))
    }
}

/// The columns of a table by their names, in lower case.
pub(crate) struct Columns(HashMap<String, usize>);

impl Columns {
    pub(crate) fn of<'n>(names: impl IntoIterator<Item = &'n str>) -> Columns {
        let named = names
            .into_iter()
            .enumerate()
            .map(|(at, name)| (name.trim().to_lowercase(), at));
        Columns(named.collect())
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// The cell of a row in a column; empty where there is none.
    pub(crate) fn cell<'r, S: AsRef<str>>(&self, row: &'r [S], name: &str) -> &'r str {
        let at = self.0.get(name).copied().unwrap_or(usize::MAX);
        row.get(at).map(AsRef::as_ref).unwrap_or_default()
    }
}

/// A property as a concept of a CodeSystem writes it.
pub(crate) fn property(code: &str, member: &str, value: &str) -> Tree {
    Tree::object([("code", Tree::string(code)), (member, Tree::string(value))])
}

/// What is known of a concept, as JSON; nothing where all is empty.
pub(crate) fn details(definition: &str, designations: Vec<Tree>, properties: Vec<Tree>) -> Vec<u8> {
    let mut details = Tree::object([]);
    if !definition.is_empty() {
        details.set("definition", Tree::string(definition));
    }
    for (name, list) in [("designation", designations), ("property", properties)] {
        if !list.is_empty() {
            details.set(name, Tree::Array(list));
        }
    }
    match &details {
        Tree::Object(members) if members.is_empty() => Vec::new(),
        details => details.to_bytes(),
    }
}

/// The files of a folder that hold loaded systems, by name.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == EXTENSION));
    paths.sort();
    paths
}
