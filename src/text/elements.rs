//! Which element is read how: an editable table, by the last one or two names of an element's path.

use rustc_hash::FxHashMap;

/// How the text of an element is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Analyzer {
    /// Not at all: nobody would look for it by its words.
    Nothing,
    /// As clinical text: stems and concepts.
    Clinical,
    /// As somebody's name: stems and spellings of names.
    Name,
    /// As text in which people are named: all of it.
    Mixed,
}

impl Analyzer {
    /// The analyzer of that name in the table.
    pub fn named(name: &str) -> Option<Analyzer> {
        match name {
            "none" => Some(Analyzer::Nothing),
            "clinical" => Some(Analyzer::Clinical),
            "name" => Some(Analyzer::Name),
            "mixed" => Some(Analyzer::Mixed),
            _ => None,
        }
    }
}

/// The table.
#[derive(Clone, Debug, Default)]
pub(crate) struct Elements {
    /// By the last name of the path: the name before it, where one is said, and the analyzer; those with one first.
    of: FxHashMap<String, Vec<(Option<String>, Analyzer)>>,
}

impl Elements {
    /// Reads the lines of the table: `name.given` and `name`, `clinical`.
    ///
    /// # Errors
    /// A sentence that names the element.
    pub(crate) fn read<'a>(lines: impl Iterator<Item = (&'a str, &'a str)>) -> Result<Elements, String> {
        let mut elements = Elements::default();
        for (element, said) in lines {
            let analyzer = Analyzer::named(said).ok_or_else(|| {
                format!("The table elements says \"{said}\" of {element}; it can be clinical, name, mixed or none.")
            })?;
            let (before, name) = match element.rsplit_once('.') {
                Some((before, name)) => (Some(before.to_owned()), name),
                None => (None, element),
            };
            if before.as_ref().is_some_and(|before| before.contains('.')) {
                return Err(format!(
                    "The table elements has {element}; it takes one name, or two with a full stop between."
                ));
            }
            let of_name = elements.of.entry(name.to_owned()).or_default();
            of_name.push((before, analyzer));
            of_name.sort_by_key(|(before, _)| before.is_none());
        }
        Ok(elements)
    }

    /// How an element is read, where the table says so: by its name and the name of what it is part of.
    pub(crate) fn of(&self, before: &str, name: &str) -> Option<Analyzer> {
        let mut fitting = self.of.get(name)?.iter();
        let found = fitting.find(|(wanted, _)| wanted.as_ref().is_none_or(|wanted| wanted == before));
        found.map(|(_, analyzer)| *analyzer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longer_path_counts() {
        let lines = [
            ("text", "clinical"),
            ("name.text", "name"),
            ("id", "none"),
            ("a.id", "mixed"),
        ];
        let elements = Elements::read(lines.into_iter()).unwrap();
        let table = [
            ("name", "text", Some(Analyzer::Name)),
            ("code", "text", Some(Analyzer::Clinical)),
            ("", "id", Some(Analyzer::Nothing)),
            ("a", "id", Some(Analyzer::Mixed)),
            ("a", "b", None),
        ];
        for (before, name, expected) in table {
            assert_eq!(elements.of(before, name), expected, "{before}.{name}");
        }
        for wrong in [("a", "fuzzy"), ("a.b.c", "name")] {
            assert!(Elements::read([wrong].into_iter()).is_err(), "{wrong:?}");
        }
    }
}
