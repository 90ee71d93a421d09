//! Finds out from which one system all codes of a value set come, for the column `system` of the elements.

use std::collections::{BTreeMap, BTreeSet};

use fhir::tree::Tree;

use crate::compact::{Step, items, optional, string};

/// Of each value set, by address, what it draws on.
#[derive(Default)]
pub(crate) struct ValueSets {
    drawn: BTreeMap<String, Drawn>,
}

#[derive(Default)]
struct Drawn {
    systems: BTreeSet<String>,
    sets: BTreeSet<String>,
}

impl ValueSets {
    pub(crate) fn add(&mut self, tree: &Tree) -> Step {
        let url = string(tree, "url")?;
        let compose = tree.get("compose").ok_or("`compose` is missing")?;
        let mut drawn = Drawn::default();
        for part in items(compose, "include") {
            let system = optional(part, "system");
            drawn.systems.extend((!system.is_empty()).then(|| system.to_owned()));
            let sets = items(part, "valueSet").iter().filter_map(Tree::as_str);
            drawn.sets.extend(sets.map(|set| bare(set).to_owned()));
        }
        self.drawn.insert(url.to_owned(), drawn);
        Ok(())
    }

    /// How many value sets there are.
    pub(crate) fn count(&self) -> usize {
        self.drawn.len()
    }

    /// The one system all codes of a value set come from, where there is one.
    pub(crate) fn system(&self, url: &str) -> Option<&str> {
        let (mut found, mut seen, mut open) = (None, BTreeSet::new(), vec![bare(url)]);
        while let Some(url) = open.pop() {
            if !seen.insert(url) {
                continue;
            }
            let drawn = self.drawn.get(url)?;
            open.extend(drawn.sets.iter().map(String::as_str));
            for system in &drawn.systems {
                if *found.get_or_insert(system.as_str()) != system {
                    return None;
                }
            }
        }
        found
    }
}

fn bare(canonical: &str) -> &str {
    canonical.split_once('|').map_or(canonical, |(bare, _)| bare)
}
