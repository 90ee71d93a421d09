//! Judges the links of a narrative (<https://hl7.org/fhir/R4/narrative.html>): that a reader can follow them, and safely.

use conformance::place::quoted;
use fhir::outcome::Code;

use crate::binding::is_absolute;
use crate::focus::Focus;
use crate::walk::Walk;

/// Schemes that name something without saying where it is, or that run a program: nothing a reader can follow.
const NOT_FOLLOWED: [&str; 6] = ["urn", "oid", "uuid", "cid", "javascript", "vbscript"];

impl Walk<'_> {
    /// Judges the links of a narrative; its elements and attributes are judged by the rules txt-1 and txt-2.
    pub(crate) fn narrative(&mut self, focus: &Focus<'_, '_>) {
        let Some(text) = focus.element.node.as_str() else {
            return;
        };
        for target in links(&text) {
            if !self.found.step() {
                return;
            }
            let scheme = target.split(':').next().unwrap_or_default().to_ascii_lowercase();
            if is_absolute(target) && NOT_FOLLOWED.contains(&&*scheme) {
                self.found.error(Code::Value, focus.place, || {
                    format!("The narrative links to {}, which nobody can follow.", quoted(target))
                });
            }
        }
    }
}

/// What the anchors of a text link to.
fn links(text: &str) -> impl Iterator<Item = &str> {
    let tags = text.split('<').skip(1);
    let anchors = tags.filter(|tag| {
        tag.strip_prefix(['a', 'A'])
            .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_whitespace()))
    });
    anchors.filter_map(|tag| {
        let inside = tag.split('>').next()?;
        let (_, value) = inside.split_once("href")?;
        let value = value.trim_start().strip_prefix('=')?.trim_start();
        let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''))?;
        value[1..].split(quote).next().map(str::trim)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_those_of_anchors() {
        let text = "<div><a name='x'>y</a><a title=\"t\" href = 'http://a'>b</a><abbr href='no'/><a href=\"#c\"/>href=\"d\"</div>";
        assert_eq!(links(text).collect::<Vec<_>>(), ["http://a", "#c"]);
    }
}
