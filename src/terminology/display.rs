//! What is said of a display that is not one of the code's names, or not one in the language that was asked for.

use crate::finding::Finding;
use crate::names::{Fit, Names};
use crate::validate::{Coding, Paths, Terms};

/// What is wrong with the display of a coding, if anything is.
pub(crate) fn judge_display(terms: &Terms, coding: &Coding, names: &Names, paths: &Paths) -> Option<Finding> {
    let given = coding.display.as_deref()?;
    let code = format!("{}#{}", coding.system.as_deref().unwrap_or_default(), coding.code);
    let asked = match terms.languages.is_empty() {
        true => "--",
        false => terms.languages.text(),
    };
    let finding = match names.fit(given, &terms.languages) {
        Fit::Right => return None,
        Fit::Withdrawn => {
            let text = format!(
                "'{given}' is no longer considered a correct display for code '{}'",
                coding.code
            );
            Finding::warning("invalid", "display-comment", text).known_as("INACTIVE_DISPLAY_FOUND")
        }
        Fit::OtherLanguage => {
            let text = format!(
                "There are no valid display names found for the code {code} for language(s) '{asked}'. The display is \
                 '{given}' which is a valid display for the default language"
            );
            Finding::information("invalid", "invalid-display", text).known_as("NO_VALID_DISPLAY_FOUND_NONE_FOR_LANG_OK")
        }
        Fit::Wrong { spacing, right } => wrong(terms, &format!("'{given}' for {code}"), asked, spacing, &right, names)?,
    };
    Some(finding.at(paths.at("display")).spoken())
}

fn wrong(
    terms: &Terms,
    given: &str,
    asked: &str,
    spacing: bool,
    right: &[(String, Option<String>)],
    names: &Names,
) -> Option<Finding> {
    let (what, mut message) = match spacing {
        true => (
            "Wrong whitespace in Display Name",
            "Display_Name_WS_for__should_be_one_of__instead_of",
        ),
        false => ("Wrong Display Name", "Display_Name_for__should_be_one_of__instead_of"),
    };
    let named = |(text, language): &(String, Option<String>)| match language {
        Some(language) => format!("'{text}' ({language})"),
        None => format!("'{text}'"),
    };
    let list: Vec<String> = right.iter().map(named).collect();
    let valid = match list.as_slice() {
        [] => {
            message = "NO_VALID_DISPLAY_FOUND_NONE_FOR_LANG_ERR";
            let default = names.display.as_deref()?;
            format!("There are no valid display names found for language(s) '{asked}'. Default display is '{default}'")
        }
        [one] => format!("Valid display is {one} (for the language(s) '{asked}')"),
        [first @ .., last] => format!(
            "Valid display is one of {} choices: {} or {last} (for the language(s) '{asked}')",
            list.len(),
            first.join(", ")
        ),
    };
    let text = format!("{what} {given}. {valid}");
    let finding = match terms.lenient {
        true => Finding::warning("invalid", "invalid-display", text),
        false => Finding::error("invalid", "invalid-display", text),
    };
    Some(finding.known_as(message))
}
