//! The text of XHTML and HTML: tags become spaces, the common entities characters; scripts and styles are no text.

/// Elements whose content nobody reads.
const UNREAD: [&str; 2] = ["script", "style"];
/// Characters of an entity, at most.
const ENTITY_MAX: usize = 10;

/// The text of a piece of markup, however it is formed.
pub fn without_markup(markup: &str) -> String {
    let mut out = String::with_capacity(markup.len());
    let mut rest = markup;
    while let Some(at) = rest.find(['<', '&']) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let length = match rest.starts_with('<') {
            true => tag(rest, &mut out),
            false => entity(rest, &mut out),
        };
        rest = &rest[length..];
    }
    out.push_str(rest);
    out
}

/// Reads what begins with `<`; how long it is.
fn tag(rest: &str, out: &mut String) -> usize {
    out.push(' ');
    if rest.starts_with("<!--") {
        return rest.find("-->").map_or(rest.len(), |at| at + 3);
    }
    let Some(end) = rest.find('>') else { return 1 };
    let name: String = rest[1..].chars().take_while(char::is_ascii_alphanumeric).collect();
    let name = name.to_ascii_lowercase();
    if !UNREAD.contains(&name.as_str()) || rest[..end].ends_with('/') {
        return end + 1;
    }
    let close = format!("</{name}");
    let mut ends = rest.match_indices("</").map(|(at, _)| at);
    let closes = |at: &usize| {
        rest.as_bytes()[*at..].len() >= close.len()
            && rest.as_bytes()[*at..*at + close.len()].eq_ignore_ascii_case(close.as_bytes())
    };
    ends.find(closes).unwrap_or(rest.len())
}

/// Reads what begins with `&`; how long it is.
fn entity(rest: &str, out: &mut String) -> usize {
    let Some(length) = rest.find(';').filter(|length| *length <= ENTITY_MAX) else {
        out.push(' ');
        return 1;
    };
    match &rest[..length] {
        "&amp" => out.push('&'),
        "&lt" => out.push('<'),
        "&gt" => out.push('>'),
        "&quot" => out.push('"'),
        "&apos" | "&#39" => out.push('\''),
        entity => out.push(character(entity).unwrap_or(' ')),
    }
    length + 1
}

/// The character of a numeric entity without its semicolon: `&#233`, `&#xE9`.
fn character(entity: &str) -> Option<char> {
    let number = entity.strip_prefix("&#")?;
    let code = match number.strip_prefix(['x', 'X']) {
        Some(hex) => u32::from_str_radix(hex, 16).ok()?,
        None => number.parse().ok()?,
    };
    char::from_u32(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_gives_its_text() {
        let table = [
            ("<div><p>Caf&#233; &amp; <b>tea</b></p></div>", "  Café &  tea   "),
            ("a &unknown; b & c < d", "a   b   c   d"),
            ("&#xE9;&#x110000;", "é "),
            (
                "a<script type=\"x\">if (a < b) c();</SCRIPT>d<style>p{}</style>",
                "a  d  ",
            ),
            ("a<!-- not > this -->b", "a b"),
            ("a<script>never ends", "a "),
            ("a<script/>b", "a b"),
            ("<!--", " "),
        ];
        for (markup, text) in table {
            assert_eq!(without_markup(markup), text, "{markup}");
        }
    }
}
