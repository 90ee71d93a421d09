//! Code systems of others that are a list of codes and names: countries and currencies.

use std::sync::{Arc, OnceLock};

use fhir::document::Document;
use fhir::parse::Limits;
use fhir::tree::Tree;

use crate::recorded::Recorded;
use crate::system::System;

/// Address, name, and the table of codes and names.
const TABLES: [(&str, &str, &str); 2] = [
    (
        "urn:iso:std:iso:3166",
        "Countries (ISO 3166-1)",
        include_str!("../../schema/systems/iso-3166.tsv"),
    ),
    (
        "urn:iso:std:iso:4217",
        "Currencies (ISO 4217)",
        include_str!("../../schema/systems/iso-4217.tsv"),
    ),
];

/// The systems, read when first asked.
pub(crate) fn all() -> &'static [Arc<dyn System>] {
    static ALL: OnceLock<Vec<Arc<dyn System>>> = OnceLock::new();
    ALL.get_or_init(|| TABLES.iter().filter_map(read).collect())
}

fn read((url, name, rows): &(&str, &str, &str)) -> Option<Arc<dyn System>> {
    let concept = |row: &str| {
        let (code, display) = row.split_once('\t')?;
        Some(Tree::object([
            ("code", Tree::string(code)),
            ("display", Tree::string(display)),
        ]))
    };
    let system = Tree::object([
        ("resourceType", Tree::string("CodeSystem")),
        ("url", Tree::string(*url)),
        ("name", Tree::string(*name)),
        ("language", Tree::string("en")),
        ("status", Tree::string("active")),
        // Neither table is the whole of its standard.
        ("content", Tree::string("fragment")),
        ("caseSensitive", Tree::Bool(true)),
        ("concept", Tree::Array(rows.lines().filter_map(concept).collect())),
    ]);
    let document = Document::parse(&system.to_bytes(), Limits::default()).ok()?;
    Some(Arc::new(Recorded::read(Arc::new(document))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn countries_and_currencies_have_their_codes() {
        for (system, code, name) in all()
            .iter()
            .zip([("BT", "Bhutan"), ("BTN", "Bhutanese ngultrum")])
            .map(|(s, (c, n))| (s, c, n))
        {
            let place = system.find(code).unwrap();
            assert_eq!(system.display(&place).unwrap().to_lowercase(), name.to_lowercase());
        }
    }
}
