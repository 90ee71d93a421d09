//! Names that a view may give to columns and constants, and variables that its paths may ask for.

/// The longest name, in bytes: what most databases take.
const LENGTH_LIMIT: usize = 255;

/// Whether a text can name a column or a constant: a letter, then letters, digits and underscores.
pub(crate) fn is_name(text: &str) -> bool {
    text.len() <= LENGTH_LIMIT
        && text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// The variable with the number of the item that a select is at, from 0.
pub(crate) const ROW_INDEX: &str = "rowIndex";

/// Whether every path has the variable, whatever the view's constants.
pub(crate) fn is_given(variable: &str) -> bool {
    let fixed = ["context", "resource", "rootResource", "sct", "loinc", "ucum", ROW_INDEX];
    fixed.contains(&variable) || variable.starts_with("vs-") || variable.starts_with("ext-")
}
