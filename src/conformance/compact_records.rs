//! Makes the pack of HL7's terminology and operations: CodeSystems, ValueSets and the like, without what nobody asks for.
//!
//! ```text
//! terminology.ndjson.gz   one resource a line, each line packed by itself; `gzip -dc` reads the whole
//! terminology.tsv         kind  url  version  id  offset  length: where each packed line lies
//! ```
//!
//! Left out are narratives, contacts and the like, the displays of codes of others that a value set lists (many belong to
//! terminologies with licences of their own), and the definitions of DICOM's concepts, which are NEMA's.

use std::fmt::Write as _;
use std::io::Write as _;

use fhir::tree::Tree;
use flate2::{Compression, GzBuilder};

use crate::compact::{Step, items, optional, string};

/// Members of a definition that no question of terminology needs.
const LEFT_OUT: [&str; 10] = [
    "text",
    "meta",
    "contact",
    "copyright",
    "description",
    "identifier",
    "implicitRules",
    "jurisdiction",
    "purpose",
    "useContext",
];
const STANDARDS_STATUS: &str = "http://hl7.org/fhir/StructureDefinition/structuredefinition-standards-status";
const DICOM: &str = "http://dicom.nema.org/";

/// The resources, packed, and the index to them.
#[derive(Default)]
pub(crate) struct Records {
    lines: Vec<(String, Vec<u8>)>,
}

impl Records {
    pub(crate) fn add(&mut self, tree: &Tree) -> Step {
        let mut tree = tree.clone();
        let (kind, url) = (
            string(&tree, "resourceType")?.to_owned(),
            string(&tree, "url")?.to_owned(),
        );
        let row = format!(
            "{kind}\t{url}\t{}\t{}",
            optional(&tree, "version"),
            string(&tree, "id")?
        );
        let described = kind == "OperationDefinition";
        let left_out = LEFT_OUT.iter().filter(|name| !(described && **name == "description"));
        left_out.for_each(|name| drop(tree.remove(name)));
        keep_standards_status(&mut tree);
        if url.starts_with(DICOM) {
            without_definitions(tree.get_mut("concept"));
        }
        if let Some(Tree::Object(compose)) = tree.get_mut("compose") {
            for (_, rules) in compose
                .iter_mut()
                .filter(|(name, _)| name == "include" || name == "exclude")
            {
                without_displays(rules);
            }
        }
        let mut line = tree.to_bytes();
        line.push(b'\n');
        let mut packer = GzBuilder::new().write(Vec::new(), Compression::best());
        let packed = packer.write_all(&line).and_then(|()| packer.finish());
        self.lines.push((row, packed.map_err(|e| e.to_string())?));
        Ok(())
    }

    /// The pack and its index.
    pub(crate) fn into_files(mut self) -> (Vec<u8>, String) {
        self.lines.sort();
        let (mut pack, mut index) = (Vec::new(), String::new());
        for (row, packed) in self.lines {
            writeln!(index, "{row}\t{}\t{}", pack.len(), packed.len()).expect("a String");
            pack.extend(packed);
        }
        (pack, index)
    }
}

fn keep_standards_status(tree: &mut Tree) {
    let kept: Vec<Tree> = items(tree, "extension")
        .iter()
        .filter(|extension| optional(extension, "url") == STANDARDS_STATUS)
        .cloned()
        .collect();
    tree.remove("extension");
    if !kept.is_empty() {
        tree.set("extension", Tree::Array(kept));
    }
}

fn without_definitions(concepts: Option<&mut Tree>) {
    if let Some(Tree::Array(concepts)) = concepts {
        for concept in concepts {
            concept.remove("definition");
            without_definitions(concept.get_mut("concept"));
        }
    }
}

fn without_displays(rules: &mut Tree) {
    let Tree::Array(rules) = rules else { return };
    for rule in rules {
        let system = optional(rule, "system");
        let own = system.contains("//hl7.org/") || system.contains(".hl7.org/") || system.starts_with("urn:");
        if own {
            continue;
        }
        if let Some(Tree::Array(concepts)) = rule.get_mut("concept") {
            for concept in concepts {
                concept.remove("display");
                concept.remove("designation");
            }
        }
    }
}
