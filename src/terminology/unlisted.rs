//! A code system that is not here, known only by the codes that a value set lists of it.

use std::borrow::Cow;

use crate::system::{Content, Details, Facts, Place, State, System};

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

    fn code<'s>(&'s self, place: &'s Place) -> Cow<'s, str> {
        match place {
            Place::Written(code) => Cow::Borrowed(code),
            Place::At(_) => Cow::Borrowed(""),
        }
    }

    fn display(&self, _place: &Place) -> Option<Cow<'_, str>> {
        None
    }

    fn state(&self, _place: &Place) -> State {
        State::default()
    }

    fn details(&self, _place: &Place) -> Details {
        Details::default()
    }

    fn count(&self) -> Option<u32> {
        None
    }

    fn parents(&self, _place: u32) -> Cow<'_, [u32]> {
        Cow::Borrowed(&[])
    }

    fn children(&self, _place: u32) -> Cow<'_, [u32]> {
        Cow::Borrowed(&[])
    }
}
