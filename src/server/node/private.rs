//! Files that only the account of the server may read: keys, and what goes with them.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// Bytes of a private file at most.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Makes a folder that only this account can enter, or makes sure that it is one.
///
/// # Errors
/// A sentence where it cannot be made, or others can enter it.
pub fn folder(path: &Path) -> Result<(), String> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|e| format!("The folder {} cannot be made: {e}.", path.display()))?;
    only_ours(path)
}

/// Reads a file; `None` where there is none.
///
/// # Errors
/// A sentence where it cannot be read, others can read it, or it is longer than 1 MiB.
pub fn read(path: &Path) -> Result<Option<Vec<u8>>, String> {
    let length = match fs::metadata(path) {
        Ok(found) => found.len(),
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(format!("{} cannot be read: {e}.", path.display())),
    };
    only_ours(path)?;
    if length > FILE_BYTES_MAX {
        return Err(format!(
            "{} is longer than {FILE_BYTES_MAX} bytes: it is no file of ours.",
            path.display()
        ));
    }
    let bytes = fs::read(path).map_err(|e| format!("{} cannot be read: {e}.", path.display()))?;
    Ok(Some(bytes))
}

/// Writes a file whole or not at all, durably: it is there after a power cut once this has returned.
///
/// # Errors
/// A sentence where it cannot be written.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), String> {
    let new = path.with_extension("new");
    let written = || -> std::io::Result<()> {
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&new)?;
        file.set_permissions(fs::Permissions::from_mode(0o600))?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&new, path)?;
        path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
    };
    written().map_err(|e| format!("{} cannot be written: {e}.", path.display()))
}

fn only_ours(path: &Path) -> Result<(), String> {
    let found = fs::metadata(path).map_err(|e| format!("{} cannot be read: {e}.", path.display()))?;
    if found.permissions().mode() & 0o077 == 0 {
        return Ok(());
    }
    Err(format!(
        "Other accounts of this machine can read {0}, and it is about keys: find out who did, then close it with chmod go= {0}.",
        path.display()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_can_read_is_refused() {
        let base = std::env::temp_dir().join(format!("epis-private-{}", std::process::id()));
        let kept = base.join("inner");
        folder(&kept).unwrap();
        let file = kept.join("key");
        assert_eq!(read(&file).unwrap(), None);
        write(&file, b"secret").unwrap();
        write(&file, b"another").unwrap();
        assert_eq!(read(&file).unwrap().unwrap(), b"another");
        for path in [&file, &kept] {
            let own = fs::metadata(path).unwrap().permissions();
            assert_eq!(own.mode() & 0o077, 0);
            fs::set_permissions(path, fs::Permissions::from_mode(own.mode() | 0o040)).unwrap();
            let said = if path.is_dir() {
                folder(path).unwrap_err()
            } else {
                read(path).unwrap_err()
            };
            assert!(said.contains("chmod go="), "{said}");
            fs::set_permissions(path, own).unwrap();
        }
        fs::remove_dir_all(&base).unwrap();
    }
}
