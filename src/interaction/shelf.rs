//! The folders of the search index: numbered, one of them in use, another perhaps being built.

use std::fs;
use std::path::{Path, PathBuf};

use store::Trouble;

/// The file that names the folder in use.
const CURRENT: &str = "current";
/// What says that an index lies in the folder itself, as earlier programs had it.
const EARLIER: &str = "fingerprint";

/// The folder that holds the numbered folders.
pub(crate) struct Shelf {
    folder: PathBuf,
}

impl Shelf {
    /// Opens the shelf, which is made where it is missing.
    ///
    /// # Errors
    /// A sentence where the folder cannot be used.
    pub(crate) fn open(folder: &Path) -> Result<Shelf, Trouble> {
        let shelf = Shelf {
            folder: folder.to_owned(),
        };
        shelf.prepare().map_err(|error| shelf.trouble(&error))?;
        Ok(shelf)
    }

    fn prepare(&self) -> std::io::Result<()> {
        if self.folder.join(EARLIER).exists() {
            fs::remove_dir_all(&self.folder)?;
        }
        fs::create_dir_all(&self.folder)
    }

    fn trouble(&self, error: &std::io::Error) -> Trouble {
        Trouble::new(format!(
            "The folder {} of the search index cannot be used: {error}.",
            self.folder.display()
        ))
    }

    /// The folder in use, where there is one.
    pub(crate) fn current(&self) -> Option<PathBuf> {
        let name = fs::read_to_string(self.folder.join(CURRENT)).ok()?;
        let number: u64 = name.trim().parse().ok()?;
        let folder = self.folder.join(number.to_string());
        folder.is_dir().then_some(folder)
    }

    /// A folder for the next index; it is not there yet.
    pub(crate) fn next(&self) -> PathBuf {
        let highest = self.numbers().into_iter().max().unwrap_or(0);
        self.folder.join((highest + 1).to_string())
    }

    /// The folder of a build that was left off: the newest, where that is not the one in use.
    pub(crate) fn left_off(&self) -> Option<PathBuf> {
        let newest = self.folder.join(self.numbers().into_iter().max()?.to_string());
        (self.current().as_ref() != Some(&newest)).then_some(newest)
    }

    /// Puts a folder in use: at once and for good, or not at all.
    ///
    /// # Errors
    /// A sentence where it cannot be written down.
    pub(crate) fn choose(&self, folder: &Path) -> Result<(), Trouble> {
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let written = || {
            let draft = self.folder.join(format!("{CURRENT}.new"));
            let mut file = fs::File::create(&draft)?;
            std::io::Write::write_all(&mut file, format!("{name}\n").as_bytes())?;
            file.sync_all()?;
            fs::rename(&draft, self.folder.join(CURRENT))
        };
        written().map_err(|error| self.trouble(&error))
    }

    /// Removes every numbered folder but these.
    pub(crate) fn keep_only(&self, kept: &[&Path]) {
        for number in self.numbers() {
            let folder = self.folder.join(number.to_string());
            if !kept.contains(&folder.as_path()) {
                // What cannot be removed now is removed at the next start.
                let _ = fs::remove_dir_all(folder);
            }
        }
    }

    fn numbers(&self) -> Vec<u64> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        entries
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_come_and_go() {
        let folder = std::env::temp_dir().join(format!("epis-shelf-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(EARLIER), "layout 1").unwrap();
        fs::write(folder.join("meta.json"), "{}").unwrap();
        let shelf = Shelf::open(&folder).unwrap();
        assert!(!folder.join("meta.json").exists());
        assert_eq!(shelf.current(), None);
        let first = shelf.next();
        assert!(first.ends_with("1"));
        fs::create_dir(&first).unwrap();
        shelf.choose(&first).unwrap();
        assert_eq!(shelf.current(), Some(first.clone()));
        let second = shelf.next();
        fs::create_dir(&second).unwrap();
        shelf.keep_only(&[&first]);
        assert!(first.exists() && !second.exists());
        fs::remove_dir_all(&first).unwrap();
        assert_eq!(shelf.current(), None, "a folder that is gone is not in use");
        fs::remove_dir_all(&folder).unwrap();
    }
}
