//! Whether words begin words of a code's names: what `filter` of `$expand` and the term filter of ECL ask.

use crate::system::{Place, System};

/// The words of a text, in lower case.
pub(crate) fn of(text: &str) -> Vec<String> {
    text.to_lowercase().split_whitespace().map(str::to_owned).collect()
}

/// Whether each word, in lower case, begins some word of a text.
pub(crate) fn begin(words: &[String], text: &str) -> bool {
    let lower = text.to_lowercase();
    let mut words = words.iter();
    words.all(|word| {
        let mut starts = lower.match_indices(word.as_str());
        starts.any(|(at, _)| !lower[..at].ends_with(char::is_alphanumeric))
    })
}

/// Whether the words begin words of one of the names of a code.
pub(crate) fn name(words: &[String], system: &dyn System, place: &Place) -> bool {
    system.display(place).is_some_and(|display| begin(words, &display))
        || (words.iter().all(|word| system.may_name(place, word))
            && system
                .details(place)
                .designations
                .iter()
                .any(|designation| begin(words, &designation.value)))
}
