//! The files of everybody in the country: at the centre those that are carried to clinics, at a clinic those that came.
//!
//! Each is a roster ([`person::roster`]) named by its link ([`person::carry`]). They can be thrown away: the centre makes
//! them anew, a clinic is sent them anew.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use person::carry::Link;
use person::hidden::Key;

use super::private;
use crate::settings::Settings;

/// What clinics are sent of everybody.
pub(crate) enum Privacy {
    /// Nothing.
    Nobody,
    /// Particulars as they are.
    Readable,
    /// Particulars hidden by a key.
    Hidden(Key),
}

impl Privacy {
    /// Reads the settings `person_index` and `person_index_secret`.
    ///
    /// # Errors
    /// A sentence where they cannot be used.
    pub(crate) fn read(settings: &Settings) -> Result<Privacy, String> {
        match (settings.person_index.as_str(), secret(settings)?) {
            ("off", _) => Ok(Privacy::Nobody),
            ("readable", _) => Ok(Privacy::Readable),
            ("hidden", Some(key)) => Ok(Privacy::Hidden(key)),
            ("hidden", None) => Err(
                "The setting `person_index` is hidden: name a file with the secret by `person_index_secret`."
                    .to_owned(),
            ),
            (other, _) => Err(format!(
                "The setting `person_index` is {other:?}; it is off, readable or hidden."
            )),
        }
    }

    /// What tells the key from others; zeros where nothing is hidden.
    pub(crate) fn check(&self) -> [u8; 16] {
        match self {
            Privacy::Hidden(key) => key.check(),
            Privacy::Nobody | Privacy::Readable => [0; 16],
        }
    }
}

/// The key of the setting `person_index_secret`; `None` where it names no file.
///
/// # Errors
/// A sentence where the file cannot be used.
pub(crate) fn secret(settings: &Settings) -> Result<Option<Key>, String> {
    let file = &settings.person_index_secret;
    if file.is_empty() {
        return Ok(None);
    }
    let named = |why: String| format!("The setting `person_index_secret` names {file}: {why}");
    let text = fs::read_to_string(file).map_err(|e| named(format!("it cannot be read: {e}.")))?;
    Key::of(&text).map(Some).map_err(named)
}

/// A folder of them, which only this account can enter.
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// Opens or makes it.
    ///
    /// # Errors
    /// A sentence where it cannot be made, or others can enter it.
    pub(crate) fn open(path: PathBuf) -> Result<Folder, String> {
        private::folder(&path)?;
        Ok(Folder(path))
    }

    /// The links that are there, the earliest first.
    pub(crate) fn links(&self) -> Vec<Link> {
        let entries = fs::read_dir(&self.0).into_iter().flatten().flatten();
        let mut links: Vec<Link> = entries
            .filter_map(|entry| Link::of_name(entry.file_name().to_str()?))
            .collect();
        links.sort_by_key(|link| (link.to, link.from));
        links
    }

    /// The file of a link.
    pub(crate) fn file(&self, link: &Link) -> PathBuf {
        self.0.join(link.name())
    }

    /// The file of a link that is arriving.
    pub(crate) fn part(&self, link: &Link) -> PathBuf {
        self.file(link).with_extension("part")
    }

    /// The link that is arriving, and how many bytes of it there are.
    pub(crate) fn arriving(&self) -> Option<(Link, u64)> {
        let entries = fs::read_dir(&self.0).into_iter().flatten().flatten();
        let mut parts = entries.filter_map(|entry| {
            let name = entry.file_name().to_str()?.strip_suffix("part")?.to_owned();
            Some((Link::of_name(&format!("{name}persons"))?, entry.metadata().ok()?.len()))
        });
        parts.next()
    }

    /// How many bytes a link has.
    pub(crate) fn length(&self, link: &Link) -> u64 {
        fs::metadata(self.file(link)).map_or(0, |found| found.len())
    }

    /// The bytes of a link.
    ///
    /// # Errors
    /// A sentence where they cannot be read.
    pub(crate) fn bytes(&self, link: &Link) -> Result<Vec<u8>, String> {
        let file = self.file(link);
        fs::read(&file).map_err(|e| cannot(&file, "read", &e))
    }

    /// So many bytes of a link from a place on, or as many as there are.
    ///
    /// # Errors
    /// A sentence where they cannot be read.
    pub(crate) fn piece(&self, link: &Link, offset: u64, most: u64) -> Result<Vec<u8>, String> {
        let file = self.file(link);
        let read = || -> std::io::Result<Vec<u8>> {
            let mut opened = File::open(&file)?;
            opened.seek(SeekFrom::Start(offset))?;
            let mut bytes = Vec::new();
            opened.take(most).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        read().map_err(|e| cannot(&file, "read", &e))
    }

    /// Writes a link, whole or not at all.
    ///
    /// # Errors
    /// A sentence where it cannot be written.
    pub(crate) fn keep(&self, link: &Link, bytes: &[u8]) -> Result<(), String> {
        private::write(&self.file(link), bytes)
    }

    /// Removes links.
    ///
    /// # Errors
    /// A sentence where one cannot be removed.
    pub(crate) fn remove<'a>(&self, links: impl IntoIterator<Item = &'a Link>) -> Result<(), String> {
        links.into_iter().try_for_each(|link| remove(&self.file(link)))
    }
}

/// Removes a file, where it is there.
///
/// # Errors
/// A sentence where it cannot be removed.
pub(crate) fn remove(file: &Path) -> Result<(), String> {
    match fs::remove_file(file) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(cannot(file, "removed", &e)),
        _ => Ok(()),
    }
}

fn cannot(file: &Path, what: &str, e: &std::io::Error) -> String {
    format!("{} cannot be {what}: {e}.", file.display())
}
