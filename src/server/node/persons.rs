//! The files of everybody in the country: at the centre those that are carried to clinics, at a clinic those that came.
//!
//! Each is a roster ([`person::roster`]) named by its link ([`person::carry`]). A clinic has beside them everybody at rest as of
//! a moment ([`person::Settler`]), where people are found; that is made of them. They can be thrown away: the centre makes
//! them anew, a clinic is sent them anew.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use person::Settler;
use person::carry::{Link, Moment};
use person::hidden::Key;
use person::roster::Head;

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

/// What the names of files of people at rest end in.
const AT_REST: &str = "rest";

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
        let read = || -> io::Result<Vec<u8>> {
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

    /// Keeps a link that has arrived, durably.
    ///
    /// # Errors
    /// A sentence where that cannot be done.
    pub(crate) fn keep_part(&self, link: &Link) -> Result<(), String> {
        let part = self.part(link);
        let keep = || -> io::Result<()> {
            File::open(&part)?.sync_all()?;
            fs::rename(&part, self.file(link))?;
            File::open(&self.0)?.sync_all()
        };
        keep().map_err(|e| cannot(&part, "kept", &e))
    }

    /// The moments as of which everybody is at rest, the latest last.
    pub(crate) fn at_rest(&self) -> Vec<Moment> {
        let entries = fs::read_dir(&self.0).into_iter().flatten().flatten();
        let mut moments: Vec<Moment> = entries
            .filter_map(|entry| {
                let name = entry.file_name().to_str()?.strip_suffix(AT_REST)?.to_owned();
                Some(Link::of_name(&format!("{name}persons"))?.to)
            })
            .collect();
        moments.sort_unstable();
        moments
    }

    /// The file of everybody at rest as of a moment.
    pub(crate) fn rest(&self, to: Moment) -> PathBuf {
        let from = Moment::default();
        self.file(&Link { from, to }).with_extension(AT_REST)
    }

    /// Writes everybody at rest as of a moment, whole or not at all, durably; `people` puts them.
    ///
    /// # Errors
    /// A sentence where it cannot be written, or that of `people`.
    pub(crate) fn settle(
        &self,
        to: Moment,
        head: Head,
        people: impl FnOnce(&mut Settler) -> Result<(), String>,
    ) -> Result<(), String> {
        let file = self.rest(to);
        let new = file.with_extension("new");
        let empty = |path: &Path| {
            let mut options = File::options();
            options.read(true).write(true).create(true).truncate(true).mode(0o600);
            options.open(path)
        };
        let scratch = new.with_extension("scratch");
        let opened = || -> io::Result<Settler> {
            let out = empty(&new)?;
            let sorted = empty(&scratch)?;
            // It is gone as soon as it is closed, whatever happens.
            fs::remove_file(&scratch)?;
            Ok(Settler::new(out, sorted))
        };
        let mut settler = opened().map_err(|e| cannot(&new, "written", &e))?;
        let kept = people(&mut settler).and_then(|()| {
            let keep = || -> io::Result<()> {
                settler.finish(head)?;
                fs::rename(&new, &file)?;
                File::open(&self.0)?.sync_all()
            };
            keep().map_err(|e| cannot(&file, "written", &e))
        });
        if kept.is_err() {
            remove(&new)?;
        }
        kept
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
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(cannot(file, "removed", &e)),
        _ => Ok(()),
    }
}

fn cannot(file: &Path, what: &str, e: &io::Error) -> String {
    format!("{} cannot be {what}: {e}.", file.display())
}
