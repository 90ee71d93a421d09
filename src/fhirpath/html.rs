//! Judges a narrative's XHTML (<https://hl7.org/fhir/R4/narrative.html#Narrative.div>).

/// The elements a narrative may have.
const ELEMENTS: &[&str] = &[
    "a",
    "abbr",
    "acronym",
    "address",
    "b",
    "big",
    "blockquote",
    "br",
    "caption",
    "cite",
    "code",
    "col",
    "colgroup",
    "dd",
    "dfn",
    "div",
    "dl",
    "dt",
    "em",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "i",
    "img",
    "kbd",
    "li",
    "map",
    "area",
    "ol",
    "p",
    "pre",
    "q",
    "samp",
    "small",
    "span",
    "strike",
    "strong",
    "sub",
    "sup",
    "table",
    "tbody",
    "td",
    "tfoot",
    "th",
    "thead",
    "tr",
    "tt",
    "ul",
    "var",
    "u",
    "s",
    "ins",
    "del",
    "center",
];
/// How deeply elements may nest.
const NESTING_LIMIT: usize = 200;

/// Whether a text is a narrative: one well-formed `div` of allowed elements, without scripts, with content.
pub(crate) fn is_narrative(text: &str) -> bool {
    judge(text.trim()).unwrap_or(false)
}

/// `None` where the text is not well formed.
fn judge(text: &str) -> Option<bool> {
    let mut open: Vec<&str> = Vec::new();
    let mut content = false;
    let mut rest = text;
    loop {
        if let Some(after) = rest.strip_prefix("<!--") {
            rest = after.split_once("-->")?.1;
        } else if let Some(after) = rest.strip_prefix("</") {
            let (name, after) = after.split_once('>')?;
            if open.pop()? != name.trim_end() {
                return None;
            }
            if open.is_empty() {
                return Some(content && after.trim().is_empty());
            }
            rest = after;
        } else if let Some(after) = rest.strip_prefix('<') {
            let tag = tag(after)?;
            let fits = ELEMENTS.contains(&tag.name) && (!open.is_empty() || tag.name == "div");
            if !fits || open.len() >= NESTING_LIMIT {
                return Some(false);
            }
            content |= tag.name == "img";
            if !tag.closed {
                open.push(tag.name);
            } else if open.is_empty() {
                return Some(false);
            }
            rest = tag.rest;
        } else {
            let length = rest.find('<')?;
            let words = &rest[..length];
            if open.is_empty() || !entities_are_xml(words) {
                return None;
            }
            content |= !words.trim().is_empty();
            rest = &rest[length..];
        }
    }
}

struct Tag<'t> {
    name: &'t str,
    closed: bool,
    rest: &'t str,
}

/// A start tag without its `<`; `None` where it is not well formed or has an attribute that could act.
fn tag(text: &str) -> Option<Tag<'_>> {
    let length = text.find(|c: char| !c.is_ascii_alphanumeric())?;
    let (name, mut rest) = text.split_at(length);
    loop {
        rest = rest.trim_start();
        if let Some(rest) = rest.strip_prefix("/>") {
            return Some(Tag {
                name,
                closed: true,
                rest,
            });
        }
        if let Some(rest) = rest.strip_prefix('>') {
            return Some(Tag {
                name,
                closed: false,
                rest,
            });
        }
        let (attribute, after) = rest.split_once('=')?;
        let attribute = attribute.trim_end();
        let after = after.trim_start();
        let quote = after.chars().next().filter(|c| matches!(c, '"' | '\''))?;
        let (value, after) = after[1..].split_once(quote)?;
        let plain = attribute
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b":-_.".contains(&b));
        let acts = attribute.to_ascii_lowercase().starts_with("on")
            || value.trim_start().to_ascii_lowercase().starts_with("javascript:");
        if attribute.is_empty() || !plain || acts || value.contains('<') || !entities_are_xml(value) {
            return None;
        }
        rest = after;
    }
}

/// Whether each `&` begins an entity that XML has: "there is no support for HTML entities like &nbsp; or &copy; etc.
/// Unicode characters SHALL be used instead" (the page above).
fn entities_are_xml(text: &str) -> bool {
    text.split('&').skip(1).all(|rest| {
        let name = rest.split_once(';').map_or("", |(name, _)| name);
        let number = match (name.strip_prefix("#x"), name.strip_prefix('#')) {
            (Some(digits), _) => u32::from_str_radix(digits, 16).ok(),
            (None, Some(digits)) => digits.parse().ok(),
            (None, None) => return ["amp", "apos", "gt", "lt", "quot"].contains(&name),
        };
        number.and_then(char::from_u32).is_some_and(|c| c != '\0')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn narratives_are_told_from_other_markup() {
        let table = [
            ("<div xmlns=\"http://www.w3.org/1999/xhtml\"><p>a<br/>b</p></div>", true),
            ("<div> <!-- x --> y</div>", true),
            ("<div><img src='#a'/></div>", true),
            ("<div>a &amp; b &lt; c &#160;&#xA0;</div>", true),
            ("<div title=\"&quot;\">a</div>", true),
            ("<div>a&nbsp;b</div>", false),
            ("<div>a & b</div>", false),
            ("<div>&#xD800;</div>", false),
            ("<div title=\"&copy;\">a</div>", false),
            ("<div> </div>", false),
            ("<div/>", false),
            ("<p>a</p>", false),
            ("<div>a</div><div>b</div>", false),
            ("<div><script>a</script></div>", false),
            ("<div onclick=\"x\">a</div>", false),
            ("<div><a href=\"javascript:x\">a</a></div>", false),
            ("<div><p>a</div>", false),
            ("<div>a", false),
            ("a", false),
            ("", false),
        ];
        for (text, expected) in table {
            assert_eq!(is_narrative(text), expected, "{text}");
        }
    }
}
