//! Which version of a code system or value set counts: the parameters that pin one, and what they come to.

use crate::version;

/// The versions a question asks for.
#[derive(Clone, Debug, Default)]
pub struct Pins {
    /// `system-version`: of a system that the value set names without a version.
    pub default: Vec<(String, String)>,
    /// `check-system-version`: another version is an error.
    pub check: Vec<(String, String)>,
    /// `force-system-version`: whatever the value set says.
    pub force: Vec<(String, String)>,
    /// `default-valueset-version`: of a value set that another uses without a version.
    pub sets: Vec<(String, String)>,
}

/// The version that is to be used.
#[derive(Clone, Debug, PartialEq)]
pub struct Pinned {
    /// The version or pattern; `None` for whichever there is.
    pub version: Option<String>,
    /// Whether a parameter brought it about.
    pub by: Option<&'static str>,
}

fn of<'p>(list: &'p [(String, String)], url: &str) -> Option<&'p str> {
    let found = list.iter().find(|(system, _)| system == url)?;
    Some(&found.1)
}

impl Pins {
    /// Reads one parameter's `url|version`; what has no version pins nothing.
    pub fn read(canonical: &str) -> Option<(String, String)> {
        let (url, version) = version::split(canonical);
        Some((url.to_owned(), version?.to_owned()))
    }

    /// The version of a system, where the value set names `version`.
    pub fn of(&self, url: &str, version: Option<&str>) -> Pinned {
        let pinned = |version: &str, by| Pinned {
            version: Some(version.to_owned()),
            by,
        };
        if let Some(force) = of(&self.force, url) {
            return pinned(force, Some("force-system-version"));
        }
        if let Some(version) = version {
            return pinned(version, None);
        }
        if let Some(default) = of(&self.default, url) {
            return pinned(default, Some("system-version"));
        }
        if let Some(check) = of(&self.check, url) {
            return pinned(check, Some("check-system-version"));
        }
        Pinned {
            version: None,
            by: None,
        }
    }

    /// The version of a system that is allowed, where one is.
    pub fn allowed(&self, url: &str) -> Option<&str> {
        of(&self.check, url)
    }

    /// The address by which one value set uses another, with the version that is meant.
    pub fn set(&self, canonical: &str) -> (String, bool) {
        match (version::split(canonical), of(&self.sets, canonical)) {
            ((url, None), Some(version)) => (format!("{url}|{version}"), true),
            _ => (canonical.to_owned(), false),
        }
    }
}
