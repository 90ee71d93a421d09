//! A code system that is not here, known only by the codes that a value set lists of it.

use crate::system::{Content, Facts, Place, System};

/// Address and version, and nothing else.
pub(crate) struct Unlisted(Facts);

impl Unlisted {
    pub(crate) fn new(url: &str, version: Option<&str>) -> Unlisted {
        Unlisted(Facts {
            url: url.to_owned(),
            version: version.map(str::to_owned),
            status: "active".to_owned(),
            content: Content::Absent,
            case_sensitive: true,
            ..Facts::default()
        })
    }
}

impl System for Unlisted {
    fn facts(&self) -> &Facts {
        &self.0
    }

    fn find(&self, code: &str) -> Option<Place> {
        Some(Place::Written(code.into()))
    }
}
