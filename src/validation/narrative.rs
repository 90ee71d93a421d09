//! Judges narratives (<https://hl7.org/fhir/R4/narrative.html>): links that can be followed, parts that a profile asks for.

use conformance::place::{Place, quoted};
use fhir::document::Node;
use fhir::outcome::Code;
use rustc_hash::FxHashSet;

use crate::around::contained;
use crate::binding::is_absolute;
use crate::focus::Focus;
use crate::shape::{Profile, Shape};
use crate::walk::Walk;

/// Schemes that name something without saying where it is, or that run a program: nothing a reader can follow.
const NOT_FOLLOWED: [&str; 6] = ["urn", "oid", "uuid", "cid", "javascript", "vbscript"];

/// The namespace of a narrative's elements.
const XHTML: &str = "http://www.w3.org/1999/xhtml";

/// Where a part of a narrative may come from, as its class says.
const SOURCES: [&str; 3] = ["boilerplate", "generated", "original"];

impl Walk<'_> {
    /// Judges the namespace and the links of a narrative; its elements and attributes are judged by the rules txt-1 and
    /// txt-2.
    pub(crate) fn narrative(&mut self, focus: &Focus<'_, '_>) {
        let Some(text) = focus.element.node.as_str() else {
            return;
        };
        let outermost = tags(&text).next();
        if outermost.is_some_and(|tag| attribute(tag, "xmlns") != Some(XHTML)) {
            self.found.error(Code::Value, focus.place, || {
                format!("The narrative must say that it is XHTML: `<div xmlns=\"{XHTML}\">`.")
            });
        }
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

/// The start tags of a text, without what encloses them: `a href="#x"`, `br/`.
fn tags(text: &str) -> impl Iterator<Item = &str> {
    let tags = text.split('<').skip(1).filter_map(|tag| tag.split('>').next());
    tags.filter(|tag| tag.starts_with(|c: char| c.is_ascii_alphabetic()))
}

/// Whether a tag is that of an anchor.
fn is_anchor(tag: &str) -> bool {
    let rest = tag.strip_prefix(['a', 'A']);
    rest.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_whitespace()))
}

/// What the anchors of a text link to.
fn links(text: &str) -> impl Iterator<Item = &str> {
    let anchors = tags(text).filter(|tag| is_anchor(tag));
    anchors.filter_map(|tag| attribute(tag, "href")).map(str::trim)
}

/// The ids that the elements of a text have.
pub(crate) fn ids(text: &str) -> impl Iterator<Item = &str> {
    tags(text).filter_map(|tag| attribute(tag, "id"))
}

/// The ids that a text names: links and pictures by `#id`, and `idref`.
fn named(text: &str) -> impl Iterator<Item = &str> {
    tags(text).flat_map(|tag| {
        let local = |name| {
            attribute(tag, name)?
                .trim()
                .strip_prefix('#')
                .filter(|id| !id.is_empty())
        };
        let link = if is_anchor(tag) { local("href") } else { local("src") };
        link.into_iter().chain(attribute(tag, "idref"))
    })
}

impl Walk<'_> {
    /// Says of which names within a narrative there is nothing in its resource, whose ids these are: nobody can follow
    /// such a link (<https://hl7.org/fhir/R4/narrative.html#id>).
    pub(crate) fn narrative_targets(&mut self, focus: &Focus<'_, '_>, ids: &FxHashSet<String>) {
        let narrative = focus.element.node.get("text").and_then(|text| text.get("div"));
        let Some(text) = narrative.as_ref().and_then(Node::as_str) else {
            return;
        };
        let anchors: FxHashSet<&str> = tags(&text).filter_map(|tag| attribute(tag, "name")).collect();
        let within = contained(focus.element.node);
        let is_contained = |id: &str| within.iter().any(|one| one.string("id").is_some_and(|own| own == id));
        let mut told = FxHashSet::default();
        let place = Place::Member(focus.place, "text");
        let place = Place::Member(&place, "div");
        for id in named(&text) {
            if !self.found.step() {
                return;
            }
            if !ids.contains(id) && !anchors.contains(id) && told.insert(id) && !is_contained(id) {
                self.found.warning(Code::NotFound, &place, || {
                    format!(
                        "The narrative names {}, and nothing in this resource has that id.",
                        quoted(id)
                    )
                });
            }
        }
    }
}

/// The value of an attribute of a tag, `a href="…"`.
fn attribute<'t>(tag: &'t str, name: &str) -> Option<&'t str> {
    let mut rest = tag;
    loop {
        let (before, after) = rest.split_once(name)?;
        rest = after;
        let value = after.trim_start().strip_prefix('=').map(str::trim_start);
        let begins = before.ends_with(|c: char| c.is_ascii_whitespace());
        if let Some(value) = value.filter(|_| begins)
            && let Some(quote) = value.chars().next().filter(|c| matches!(c, '"' | '\''))
        {
            return value[1..].split(quote).next();
        }
    }
}

/// What stands right within the outermost element of a narrative: the tag of each element, and "" for each text.
fn sections(text: &str) -> Vec<&str> {
    let (mut found, mut depth, mut rest) = (Vec::new(), 0_usize, text);
    while let Some((before, after)) = rest.split_once('<') {
        if depth == 1 && !before.trim().is_empty() {
            found.push("");
        }
        if let Some(comment) = after.strip_prefix("!--") {
            rest = comment.split_once("-->").map_or("", |(_, after)| after);
            continue;
        }
        let (tag, after) = after.split_once('>').unwrap_or((after, ""));
        rest = after;
        if tag.starts_with('/') {
            depth = depth.saturating_sub(1);
            continue;
        }
        if depth == 1 {
            found.push(tag);
        }
        depth += usize::from(!tag.ends_with('/'));
    }
    found
}

impl Walk<'_> {
    /// Judges a narrative by what a profile says of its sections: HL7's extensions narrative-language-control, of the
    /// languages there are, and narrative-source-control, that each says in its class where it comes from.
    pub(crate) fn narrative_sections(&mut self, focus: &Focus<'_, '_>, profile: &Profile, shape: &Shape) {
        let Some(text) = focus.element.node.string("div") else {
            return;
        };
        let sections = sections(&text);
        let divs = sections.iter().filter(|tag| tag.starts_with("div"));
        let languages: Vec<&str> = divs
            .filter_map(|tag| attribute(tag, "lang").or_else(|| attribute(tag, "xml:lang")))
            .collect();
        let own = focus.scope.resource.node.string("language");
        for control in &shape.languages {
            let wanted = match &**control {
                "_resource" => own.as_deref().unwrap_or_default(),
                language => language,
            };
            let right = match &**control {
                "_yes" => !languages.is_empty(),
                "_no" => languages.is_empty(),
                _ => wanted.is_empty() || languages.contains(&wanted),
            };
            if !right {
                let url = &profile.url;
                self.found.error(Code::Structure, focus.place, || match &**control {
                    "_yes" => format!("The narrative has no sections for languages, which the profile {url} asks for."),
                    "_no" => {
                        format!("The narrative has sections for languages, which the profile {url} does not allow.")
                    }
                    _ => format!("The narrative has no section in {wanted}, which the profile {url} asks for."),
                });
            }
        }
        let said = |tag: &&str| {
            let class = attribute(tag, "class").unwrap_or_default();
            class.split_ascii_whitespace().any(|word| SOURCES.contains(&word))
        };
        if shape.sourced && !sections.iter().all(said) {
            self.found.error(Code::Structure, focus.place, || {
                format!(
                    "Part of the narrative does not say in its class where it comes from ({}), as the profile {} asks.",
                    SOURCES.join(", "),
                    profile.url
                )
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_those_of_anchors() {
        let text = "<div><a name='x'>y</a><a title=\"t\" href = 'http://a'>b</a><abbr href='no'/><a href=\"#c\"/>href=\"d\"</div>";
        assert_eq!(links(text).collect::<Vec<_>>(), ["http://a", "#c"]);
    }

    #[test]
    fn ids_are_told_from_what_names_them() {
        let text = "<div id='a'><a href='#b'/><img src=\"#c\"/><p idref='d' id = 'e'>f</p><a name='g' href='http://h#i'/></div>";
        assert_eq!(ids(text).collect::<Vec<_>>(), ["a", "e"]);
        assert_eq!(named(text).collect::<Vec<_>>(), ["b", "c", "d"]);
    }

    #[test]
    fn sections_are_what_stands_right_within() {
        let text = "<div> <!-- <p> --> <div lang=\"dz\"><p>x</p></div> y <br/><p class='original'>z</p></div>";
        assert_eq!(sections(text), ["div lang=\"dz\"", "", "br/", "p class='original'"]);
        assert_eq!(attribute("div data-lang='a' lang='b'", "lang"), Some("b"));
        assert_eq!(attribute("div lang", "lang"), None);
    }
}
