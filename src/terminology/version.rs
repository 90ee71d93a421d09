//! Business versions of definitions: which is newer, and which one a pattern such as `1.0.x` means.

use std::cmp::Ordering;

/// A canonical address taken apart at `|`.
pub fn split(canonical: &str) -> (&str, Option<&str>) {
    match canonical.split_once('|') {
        Some((url, version)) => (url, Some(version).filter(|version| !version.is_empty())),
        None => (canonical, None),
    }
}

/// An address with its version, where it has one.
pub fn join(url: &str, version: Option<&str>) -> String {
    version.map_or_else(|| url.to_owned(), |version| format!("{url}|{version}"))
}

/// Orders versions part by part, whole numbers by their value: `1.9` before `1.10`, `2019-01` before `2020`.
pub fn compare(a: &str, b: &str) -> Ordering {
    let parts = |text: &str| -> Vec<(Option<u64>, String)> {
        let split = text.split(['.', '-', '+', '_', '/']);
        split.map(|part| (part.parse().ok(), part.to_owned())).collect()
    };
    for (a, b) in parts(a).iter().zip(&parts(b)) {
        let order = match (a, b) {
            ((Some(a), _), (Some(b), _)) => a.cmp(b),
            // A number is later than a word: 1.0.0 is later than 1.0.alpha.
            ((Some(_), _), (None, _)) => Ordering::Greater,
            ((None, _), (Some(_), _)) => Ordering::Less,
            ((None, a), (None, b)) => a.cmp(b),
        };
        if order != Ordering::Equal {
            return order;
        }
    }
    parts(a).len().cmp(&parts(b).len())
}

/// Whether a version is one that a pattern means: the same text, or `x` and `*` for parts; the last for all that follow.
pub fn matches(pattern: &str, version: &str) -> bool {
    if pattern == version {
        return true;
    }
    let wild = |part: &str| matches!(part, "x" | "X" | "*");
    let (mut asked, mut had) = (pattern.split('.').peekable(), version.split('.'));
    if !pattern.split('.').any(wild) {
        return false;
    }
    while let Some(part) = asked.next() {
        match had.next() {
            Some(_) if wild(part) && asked.peek().is_none() => return true,
            Some(has) if wild(part) || has == part => {}
            _ => return false,
        }
    }
    had.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_ordered_by_their_parts() {
        let rising = [
            "", "0.9", "1.alpha", "1.0", "1.0.1", "1.9", "1.10", "2.0", "2019-01", "2020",
        ];
        for pair in rising.windows(2) {
            assert_eq!(compare(pair[0], pair[1]), Ordering::Less, "{pair:?}");
            assert_eq!(compare(pair[1], pair[1]), Ordering::Equal);
        }
    }

    #[test]
    fn patterns_mean_versions() {
        let table = [
            ("1.0.x", "1.0.0", true),
            ("1.0.x", "1.0.7.2", true),
            ("1.x.x", "1.2.0", true),
            ("1.x", "1.2.0", true),
            ("1.x.0", "1.2.1", false),
            ("1", "1.0.0", false),
            ("1.0.x", "1.0", false),
            ("2.x", "1.0", false),
            ("max", "max", true),
        ];
        for (pattern, version, means) in table {
            assert_eq!(matches(pattern, version), means, "{pattern} {version}");
        }
    }
}
