//! The value sets that a system implies by their address, without any record.
//!
//! ```text
//! [system]?fhir_vs                     all its codes
//! [system]?fhir_vs=isa/[code]          a code and all below it
//! http://snomed.info/sct?fhir_vs=refset          all reference sets
//! http://snomed.info/sct?fhir_vs=refset/[code]   the members of one
//! http://snomed.info/sct?fhir_vs=ecl/[constraint]
//! http://snomed.info/sct/[edition]/version/[date]?fhir_vs...   the same of one version
//! http://loinc.org/vs                  all codes
//! http://loinc.org/vs/LL...            the answers in a list
//! http://loinc.org/vs/LP...            all below a part
//! ```
//!
//! See <https://hl7.org/fhir/R4/snomedct.html#implicit> and <https://hl7.org/fhir/R4/loinc.html#implicit>.

use std::sync::Arc;

use fhir::document::Document;
use fhir::parse::Limits;
use fhir::tree::Tree;

use crate::filter::{REFERENCE_SETS, SNOMED};

/// The value set of an address, where a system implies it.
pub(crate) fn implied(url: &str) -> Option<Arc<Document>> {
    let (system, filter) = of_snomed(url).or_else(|| of_loinc(url))?;
    let mut include = Tree::object([]);
    let (address, version) = match system.strip_prefix(SNOMED) {
        Some(edition) if edition.starts_with('/') => (SNOMED, Some(system)),
        _ => (system, None),
    };
    include.set("system", Tree::string(address));
    if let Some(version) = version {
        include.set("version", Tree::string(version));
    }
    if let Some((property, op, value)) = filter {
        let filter = [("property", property), ("op", op), ("value", &value)];
        let filter = filter.map(|(name, text)| (name, Tree::string(text)));
        include.set("filter", Tree::Array(vec![Tree::object(filter)]));
    }
    let compose = Tree::object([("include", Tree::Array(vec![include]))]);
    let set = Tree::object([
        ("resourceType", Tree::string("ValueSet")),
        ("url", Tree::string(url)),
        ("status", Tree::string("active")),
        ("compose", compose),
    ]);
    Document::parse(&set.to_bytes(), Limits::default()).ok().map(Arc::new)
}

/// A system, and the filter of its codes: property, operator, value.
type Implied<'u> = (&'u str, Option<(&'static str, &'static str, String)>);

fn of_snomed(url: &str) -> Option<Implied<'_>> {
    let (system, asked) = url.split_once("?fhir_vs")?;
    let filter = match asked.strip_prefix('=') {
        None if asked.is_empty() => None,
        Some(asked) => match asked.split_once('/') {
            Some(("isa", code)) => Some(("concept", "is-a", code.to_owned())),
            Some(("refset", code)) => Some(("concept", "in", code.to_owned())),
            Some(("ecl", expression)) => Some(("constraint", "=", unescaped(expression)?)),
            None if asked == "refset" => Some((REFERENCE_SETS, "exists", "true".to_owned())),
            _ => return None,
        },
        None => return None,
    };
    Some((system, filter))
}

fn of_loinc(url: &str) -> Option<Implied<'_>> {
    const LOINC: &str = "http://loinc.org";
    let filter = match url.strip_prefix(LOINC)?.strip_prefix("/vs")?.strip_prefix('/') {
        None => None,
        Some(code) if code.starts_with("LL") => Some(("LIST", "=", code.to_owned())),
        Some(code) if code.starts_with("LP") => Some(("concept", "is-a", code.to_owned())),
        Some(_) => return None,
    };
    let exact = filter.is_some() || url.ends_with("/vs");
    exact.then_some((LOINC, filter))
}

/// Percent-encoding undone: an expression is written in an address.
fn unescaped(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let hex = (*first == b'%').then(|| after.get(..2)).flatten();
        let hex = hex.and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        bytes.push(hex.unwrap_or(*first));
        rest = if hex.is_some() { &after[2..] } else { after };
    }
    String::from_utf8(bytes).ok()
}
