//! `epis terminology`: large code systems from their release files, in a form this server answers from.

use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;
use terminology::System as _;
use terminology::packed::Packed;
use terminology::release::{Kind, files, load};

use crate::command::Set;

/// What is to be done.
#[derive(Debug, Subcommand)]
pub(crate) enum What {
    /// Loads a release: icd-10 (table or ClaML), icd-11 (table of the linearization), loinc (Loinc.csv) or snomed-ct
    /// (concept, description and relationship files of a snapshot, and language reference sets).
    ///
    /// Files may be gzipped. The release takes the place of one with the same version; a server that is running hears of it
    /// within a second.
    Load {
        /// icd-10, icd-11, loinc or snomed-ct
        #[arg(value_parser = kind)]
        kind: Kind,
        /// The files of the release.
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// Its version, where the files do not say or another is meant.
        #[arg(long)]
        version: Option<String>,
        #[command(flatten)]
        set: Set,
    },
    /// Lists what is loaded: address, version, codes, bytes, file.
    List {
        #[command(flatten)]
        set: Set,
    },
}

fn kind(name: &str) -> Result<Kind, String> {
    let found = Kind::ALL.iter().find(|(known, _)| *known == name);
    found.map(|(_, kind)| *kind).ok_or_else(|| {
        let names: Vec<&str> = Kind::ALL.iter().map(|(name, _)| *name).collect();
        format!("there is no such kind; write one of {}", names.join(", "))
    })
}

/// Loads or lists.
///
/// # Errors
/// A sentence that names the file, and the line where there is one.
pub(crate) fn terminology(what: What) -> Result<ExitCode, String> {
    match what {
        What::Load {
            kind,
            files,
            version,
            set,
        } => {
            let folder = Path::new(&set.gather(&[])?.data).join("terminology");
            let (path, codes) =
                load(kind, &files, version.as_deref(), &folder, &mut tell).map_err(|e| e.to_string())?;
            println!("{codes} codes are in {}.", path.display());
        }
        What::List { set } => {
            let folder = Path::new(&set.gather(&[])?.data).join("terminology");
            for path in files(&folder) {
                let system = Packed::open(&path);
                let system =
                    system.map_err(|e| format!("The terminology in {} cannot be used: {e}.", path.display()))?;
                let facts = system.facts();
                let version = facts.version.as_deref().unwrap_or("-");
                let bytes = std::fs::metadata(&path).map_or(0, |metadata| metadata.len());
                let codes = system.count().unwrap_or_default();
                println!("{}\t{version}\t{codes}\t{bytes}\t{}", facts.url, path.display());
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Tells how far reading has come, on a terminal in one line.
fn tell(file: &Path, lines: u64) {
    let mut out = std::io::stderr().lock();
    let name = file
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    let end = if std::io::stderr().is_terminal() { '\r' } else { '\n' };
    // Progress that cannot be told is no reason to stop.
    let _ = write!(out, "{name}: {lines} lines read{end}");
}
