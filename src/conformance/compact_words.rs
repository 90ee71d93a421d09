//! Makes the table of what R4 says of itself in words: of its types, elements and search parameters.
//!
//! ```text
//! words.tsv.gz   key  short  definition
//! ```
//!
//! * key: the path of an element, as in `elements.tsv`; the name of a type; the address of a search parameter, which has
//!   no `short`.

use std::collections::BTreeMap;
use std::io::{self, Write as _};

use fhir::tree::Tree;
use flate2::{Compression, GzBuilder};

use crate::compact::{Step, flat, items, optional, string};

/// The rows.
#[derive(Default)]
pub(crate) struct Words {
    rows: BTreeMap<String, String>,
}

impl Words {
    /// Takes in what a type says of itself and of the elements it defines.
    pub(crate) fn add_type(&mut self, tree: &Tree) -> Step {
        for element in tree
            .get("snapshot")
            .map_or(&[][..], |snapshot| items(snapshot, "element"))
        {
            let path = string(element, "path")?;
            let own = element.get("base").is_none_or(|base| optional(base, "path") == path);
            if own || !path.contains('.') {
                self.add(path, optional(element, "short"), optional(element, "definition"));
            }
        }
        Ok(())
    }

    /// Takes in what a search parameter says of itself.
    pub(crate) fn add_parameter(&mut self, tree: &Tree) -> Step {
        self.add(string(tree, "url")?, "", optional(tree, "description"));
        Ok(())
    }

    fn add(&mut self, key: &str, short: &str, definition: &str) {
        let row = format!("{key}\t{}\t{}\n", flat(short), flat(definition));
        self.rows.insert(key.to_owned(), row);
    }

    /// The table, packed.
    pub(crate) fn into_file(self) -> io::Result<Vec<u8>> {
        let mut packer = GzBuilder::new().write(Vec::new(), Compression::best());
        for row in self.rows.into_values() {
            packer.write_all(row.as_bytes())?;
        }
        packer.finish()
    }
}
