//! Which languages a caller wants displays in, written like `Accept-Language`: `de-CH, de;q=0.8, *;q=0`.

/// Languages in the order they are wanted, with the text they were read from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Languages {
    text: String,
    /// Range and weight, in thousandths.
    ranges: Vec<(String, u32)>,
}

/// Ranges read of one list.
const RANGES_MAX: usize = 32;

impl Languages {
    /// Reads a list; what cannot be read in it is left away.
    pub fn parse(text: &str) -> Languages {
        let range = |part: &str| {
            let mut pieces = part.split(';').map(str::trim);
            let tag = pieces.next().filter(|tag| !tag.is_empty())?;
            let weight = pieces.find_map(|piece| piece.strip_prefix("q="));
            let weight = weight.map_or(Some(1.0), |q| q.trim().parse::<f32>().ok())?;
            Some((tag.to_ascii_lowercase(), (weight.clamp(0.0, 1.0) * 1000.0) as u32))
        };
        let mut ranges: Vec<(String, u32)> = text.split(',').take(RANGES_MAX).filter_map(range).collect();
        // A stable sort: of equal weight, what stands first is wanted first.
        ranges.sort_by_key(|(_, weight)| std::cmp::Reverse(*weight));
        Languages {
            text: text.trim().to_owned(),
            ranges,
        }
    }

    /// The text, as it was given.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether nothing was asked for.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// How well a language fits: the place of the range it falls under, the best first; `None` where it is not wanted.
    pub fn rank(&self, tag: Option<&str>) -> Option<usize> {
        let tag = tag.unwrap_or_default().to_ascii_lowercase();
        let named = |range: &str| range == tag || tag.strip_prefix(range).is_some_and(|rest| rest.starts_with('-'));
        let wanted = self.ranges.iter().enumerate().filter(|(_, (_, weight))| *weight > 0);
        let mut wanted = wanted.filter(|(_, (range, _))| range != "*");
        wanted.find(|(_, (range, _))| named(range)).map(|(place, _)| place)
    }

    /// Whether a display in a language nobody asked for may stand in: yes, but where `*;q=0` forbids it.
    pub fn any_other(&self) -> bool {
        !self.ranges.iter().any(|(range, weight)| range == "*" && *weight == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_and_ranked() {
        let table = [
            ("de", Some("de"), Some(0), true),
            ("de", Some("de-CH"), Some(0), true),
            ("de-CH", Some("de"), None, true),
            ("en;q=0.3, de;q=0.9", Some("en-AU"), Some(1), true),
            ("de, *; q=0", Some("en"), None, false),
            ("de,*", Some("en"), None, true),
            ("de;q=0", Some("de"), None, true),
            ("", Some("en"), None, true),
            ("en", None, None, true),
        ];
        for (list, tag, rank, other) in table {
            let languages = Languages::parse(list);
            assert_eq!(
                (languages.rank(tag), languages.any_other()),
                (rank, other),
                "{list} {tag:?}"
            );
        }
    }
}
