//! `epis validate`: judges resources in files by R4 and by profiles, and prints every issue, one line each.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use conformance::Definitions;
use fhir::document::{Document, Node};
use fhir::identity::Kind;
use fhir::outcome::{Code, Issue, Severity, write_outcome};
use fhir::parse::Limits;
use interaction::engine::now;
use terminology::{Answers, Library};
use validation::{Asked, Given, Purpose, Validator};

use crate::fhirpath::{as_xml, bytes, parsed, read, resources};

/// What to judge, and by what.
#[derive(Clone, Debug)]
pub struct Wish {
    /// The files, each with a resource in JSON or XML; `-` is standard input.
    pub files: Vec<PathBuf>,
    /// Addresses of profiles that each shall conform to, besides those it claims itself.
    pub profiles: Vec<String>,
    /// Files with profiles, value sets and other definitions to judge by, or Bundles of them; or folders of such files.
    pub definitions: Vec<PathBuf>,
    /// Whether an OperationOutcome is printed for each file, one a line.
    pub outcome: bool,
}

/// Judges each file. Fails where there is an error in one.
///
/// # Errors
/// A sentence where a file cannot be read.
pub fn validate(wish: &Wish) -> Result<ExitCode, String> {
    let given = Given::new(1, definitions(&wish.definitions)?);
    let codes = Answers::new(Arc::new(Library::new(Vec::new())), given.clone());
    let validator = Validator::new(Definitions::r4());
    let asked = Asked {
        profiles: &wish.profiles,
        now: now(),
        purpose: Purpose::Asking,
    };
    let (mut out, mut failed) = (Vec::new(), false);
    for path in &wish.files {
        let bytes = bytes(path)?;
        let document = parsed(&bytes).map_err(|malformed| format!("{}: {malformed}", path.display()))?;
        let root = document.root();
        let mut issues = out_of_order(&bytes);
        issues.extend(match root.string("resourceType").and_then(|name| Kind::new(&name)) {
            Some(kind) => validator.validate(&given, &codes, &kind, root, &asked),
            None => vec![Issue::error(
                Code::Structure,
                "`resourceType` is missing; it must name the resource's type.",
            )],
        });
        failed |= issues.iter().any(|issue| issue.severity >= Severity::Error);
        if wish.outcome {
            write_outcome(&issues, &mut out);
            out.push(b'\n');
        } else {
            tell(path, &issues, &mut out);
        }
    }
    let written = std::io::stdout().write_all(&out);
    written.map_err(|error| format!("The answer cannot be written: {error}."))?;
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// What of a file in XML stands out of its order. It was read before, so it can be.
fn out_of_order(bytes: &[u8]) -> Vec<Issue> {
    let told = |xml| xml::misplaced(&Definitions::r4(), xml, xml::Limits::default());
    as_xml(bytes).and_then(|xml| told(xml).ok()).unwrap_or_default()
}

fn tell(path: &Path, issues: &[Issue], out: &mut Vec<u8>) {
    for issue in issues {
        let line = format!(
            "{}: {}: {}: {}\n",
            path.display(),
            issue.severity.as_str(),
            issue.expression,
            issue.text
        );
        out.extend_from_slice(line.as_bytes());
    }
}

fn definitions(paths: &[PathBuf]) -> Result<Vec<Arc<Document>>, String> {
    let mut found = Vec::new();
    for path in paths {
        if path.is_dir() {
            let failed = |error: std::io::Error| format!("{} cannot be read: {error}.", path.display());
            let entries = std::fs::read_dir(path).map_err(failed)?;
            let mut files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
            files.retain(|file| file.extension().is_some_and(|end| end == "json" || end == "xml"));
            files.sort();
            for file in files {
                found.extend(each(read(&file)?)?);
            }
        } else {
            found.extend(each(read(path)?)?);
        }
    }
    Ok(found)
}

/// The resource, or those that a Bundle holds.
fn each(document: Document) -> Result<Vec<Arc<Document>>, String> {
    let own = |node: Node<'_>| {
        let parsed = Document::parse(node.text().as_bytes(), Limits::default());
        parsed.map(Arc::new).map_err(|malformed| malformed.to_string())
    };
    resources(document.root()).into_iter().map(own).collect()
}
