//! Where imported records come from: files in folders or built in, plain or gzipped, read piece by piece.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::UNIX_EPOCH;

use crate::journal::Key;

/// Something to import.
#[derive(Clone, Debug)]
pub struct Source {
    /// As the journal knows it.
    pub key: Key,
    place: Place,
    lines: bool,
    xml: bool,
}

#[derive(Clone, Debug)]
enum Place {
    File,
    BuiltIn(Cow<'static, [u8]>),
}

/// A part of a source that is stored in one go.
#[derive(Debug)]
pub struct Piece {
    /// One whole text, JSON or XML, or several lines of NDJSON; each with where it begins in the unpacked source.
    pub texts: Vec<(u64, Vec<u8>)>,
    /// Where it ends in the unpacked source; `None` at the end of a source that is one text.
    pub end: Option<u64>,
    /// Bytes of the source, as it is stored, that were read for it.
    pub weight: u64,
}

/// Lines of NDJSON in one piece, at most.
const LINES_MAX: usize = 200;
/// Bytes of NDJSON in one piece, about.
const PIECE_BYTES: usize = 1 << 20;
/// The endings of the files that a folder is searched for.
const ENDINGS: [&str; 4] = [".json", ".ndjson", ".jsonl", ".xml"];

impl Source {
    /// Something built into the program; `lines` says that it is NDJSON.
    pub fn built_in(name: &str, bytes: Cow<'static, [u8]>, lines: bool) -> Source {
        let key = Key {
            path: format!("built-in:{name}"),
            length: bytes.len() as u64,
            modified: 0,
        };
        Source {
            key,
            place: Place::BuiltIn(bytes),
            lines,
            xml: false,
        }
    }

    fn file(path: &Path) -> io::Result<Source> {
        let about = std::fs::metadata(path)?;
        let modified = about
            .modified()
            .ok()
            .and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let path = path.canonicalize()?.to_string_lossy().into_owned();
        let plain = path.strip_suffix(".gz").unwrap_or(&path);
        Ok(Source {
            xml: plain.ends_with(".xml"),
            lines: plain.ends_with(".ndjson") || plain.ends_with(".jsonl"),
            key: Key {
                length: about.len(),
                modified: modified.map_or(0, |time| time.as_secs()),
                path,
            },
            place: Place::File,
        })
    }

    /// Whether it is NDJSON, which comes in pieces.
    pub fn is_lines(&self) -> bool {
        self.lines
    }

    /// Whether it is FHIR XML.
    pub fn is_xml(&self) -> bool {
        self.xml
    }

    /// The files that one argument of an import names, in the order to import them: what others refer
    /// to (Synthea's hospitals and practitioners) comes as a stage of its own in front.
    ///
    /// # Errors
    /// A sentence that names the file or folder.
    pub fn find(path: &Path) -> Result<Vec<Vec<Source>>, String> {
        let failed = |e: io::Error| format!("{} cannot be read: {e}.", path.display());
        let mut paths = Vec::new();
        if path.is_dir() {
            walk(path, &mut paths).map_err(failed)?;
            paths.sort();
        } else {
            paths.push(path.to_owned());
        }
        let (first, then): (Vec<PathBuf>, Vec<PathBuf>) = paths.into_iter().partition(|path| is_referred_to(path));
        let sources = |paths: Vec<PathBuf>| {
            paths
                .iter()
                .map(|path| Source::file(path))
                .collect::<io::Result<Vec<_>>>()
        };
        let stages = [sources(first).map_err(failed)?, sources(then).map_err(failed)?];
        Ok(stages.into_iter().filter(|stage| !stage.is_empty()).collect())
    }

    /// Reads the source from an offset on and hands its pieces over until `take` says no.
    ///
    /// # Errors
    /// A sentence that names the source.
    pub fn read(&self, from: u64, text_max: usize, take: &mut dyn FnMut(Piece) -> bool) -> Result<(), String> {
        let failed = |e: io::Error| format!("{} cannot be read: {e}.", self.key.path);
        let read = Arc::new(AtomicU64::new(0));
        let raw: Box<dyn Read> = match &self.place {
            Place::File => Box::new(File::open(&self.key.path).map_err(failed)?),
            Place::BuiltIn(bytes) => Box::new(io::Cursor::new(bytes.clone())),
        };
        let mut counted = BufReader::with_capacity(
            256 << 10,
            Counted {
                raw,
                read: Arc::clone(&read),
            },
        );
        let packed = counted.fill_buf().map_err(failed)?.starts_with(&[0x1f, 0x8b]);
        let mut text: Box<dyn BufRead> = if packed {
            Box::new(BufReader::with_capacity(
                256 << 10,
                flate2::bufread::MultiGzDecoder::new(counted),
            ))
        } else {
            Box::new(counted)
        };
        if self.lines {
            return read_lines(&mut *text, from, text_max, &read, take).map_err(failed);
        }
        let mut bytes = Vec::new();
        text.take(text_max as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
        take(Piece {
            texts: vec![(0, bytes)],
            end: None,
            weight: self.key.length,
        });
        Ok(())
    }
}

fn walk(folder: &Path, paths: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default();
        let plain = name.strip_suffix(".gz").unwrap_or(&name);
        if path.is_dir() {
            walk(&path, paths)?;
        } else if ENDINGS.iter().any(|ending| plain.ends_with(ending)) {
            paths.push(path);
        }
    }
    Ok(())
}

fn is_referred_to(path: &Path) -> bool {
    let name = path
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    name.starts_with("hospitalInformation") || name.starts_with("practitionerInformation")
}

fn read_lines(
    text: &mut dyn BufRead,
    from: u64,
    text_max: usize,
    read: &AtomicU64,
    take: &mut dyn FnMut(Piece) -> bool,
) -> io::Result<()> {
    let mut end = io::copy(&mut (&mut *text).take(from), &mut io::sink())?;
    let (mut texts, mut bytes, mut weighed) = (Vec::new(), 0, 0);
    loop {
        let mut line = Vec::new();
        let count = (&mut *text).take(text_max as u64 + 1).read_until(b'\n', &mut line)?;
        end += count as u64;
        bytes += count;
        line.truncate(line.trim_ascii_end().len());
        if !line.is_empty() {
            texts.push((end - count as u64, line));
        }
        let full = texts.len() >= LINES_MAX || bytes >= PIECE_BYTES;
        if full || count == 0 {
            let now = read.load(Ordering::Relaxed);
            let piece = Piece {
                texts: std::mem::take(&mut texts),
                end: Some(end),
                weight: now - weighed,
            };
            (bytes, weighed) = (0, now);
            if !take(piece) || count == 0 {
                return Ok(());
            }
        }
    }
}

/// Counts what is read.
struct Counted {
    raw: Box<dyn Read>,
    read: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.raw.read(into)?;
        self.read.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn folders_are_read_in_stages_and_lines_from_an_offset() {
        let folder = std::env::temp_dir().join(format!("epis-source-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("sub")).unwrap();
        let lines: String = (0..450).map(|n| format!("{{\"n\":{n}}}\n")).collect();
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(lines.as_bytes()).unwrap();
        std::fs::write(folder.join("lines.ndjson.gz"), packed.finish().unwrap()).unwrap();
        std::fs::write(folder.join("sub/hospitalInformation1.json"), "{}").unwrap();
        std::fs::write(folder.join("README.md"), "x").unwrap();
        let stages = Source::find(&folder).unwrap();
        assert_eq!(stages.iter().map(Vec::len).collect::<Vec<_>>(), [1, 1]);
        let source = &stages[1][0];
        let collect = |from: u64| {
            let mut pieces = Vec::new();
            let take = &mut |piece: Piece| {
                pieces.push((piece.texts.len(), piece.end));
                true
            };
            source.read(from, 1 << 20, take).unwrap();
            pieces
        };
        let whole = collect(0);
        assert_eq!(whole.iter().map(|p| p.0).collect::<Vec<_>>(), [200, 200, 50]);
        assert_eq!(whole[2].1, Some(lines.len() as u64));
        assert_eq!(collect(whole[0].1.unwrap()), &whole[1..]);
        std::fs::remove_dir_all(folder).unwrap();
    }
}
