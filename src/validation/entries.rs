//! The entries of a Bundle by what names them: read once, however many references are followed within it.

use std::cell::RefCell;
use std::rc::Rc;

use fhir::document::Node;
use fhir::identity::Reference;
use rustc_hash::FxHashMap;

use crate::around::entries;

/// The entries of one Bundle, as places of their resources in its document.
pub(crate) struct Entries {
    by_url: FxHashMap<Box<str>, Vec<u32>>,
    by_name: FxHashMap<(Box<str>, Box<str>), u32>,
}

/// The Bundles met during one judgement, by their document and their place in it.
#[derive(Default)]
pub(crate) struct Bundles(RefCell<FxHashMap<(usize, u32), Rc<Entries>>>);

impl Bundles {
    /// The entries of a Bundle.
    pub(crate) fn of(&self, bundle: Node<'_>) -> Rc<Entries> {
        let name = (std::ptr::from_ref(bundle.document()) as usize, bundle.place());
        Rc::clone(
            self.0
                .borrow_mut()
                .entry(name)
                .or_insert_with(|| Rc::new(Entries::read(bundle))),
        )
    }
}

impl Entries {
    fn read(bundle: Node<'_>) -> Entries {
        let (mut by_url, mut by_name) = (FxHashMap::default(), FxHashMap::default());
        for entry in entries(bundle) {
            let Some(resource) = entry.get("resource") else {
                continue;
            };
            if let Some(url) = entry.string("fullUrl") {
                by_url.entry(url.into()).or_insert_with(Vec::new).push(resource.place());
            }
            if let (Some(kind), Some(id)) = (resource.string("resourceType"), resource.string("id")) {
                by_name.entry((kind.into(), id.into())).or_insert(resource.place());
            }
        }
        Entries { by_url, by_name }
    }

    /// The resources that a reference in one of the entries names (<https://hl7.org/fhir/R4/bundle.html#references>): by
    /// fullUrl, and a relative one by the base of the entry's own.
    pub(crate) fn matches<'a>(&self, bundle: Node<'a>, entry: Node<'_>, text: &str) -> Vec<Node<'a>> {
        let own = entry.string("fullUrl").unwrap_or_default();
        let (plain, version) = match text.split_once("/_history/") {
            Some((plain, version)) => (plain, Some(version)),
            None => (text, None),
        };
        let wanted = absolute(&own, plain);
        let mut places: Vec<u32> = self.by_url.get(&*wanted).cloned().unwrap_or_default();
        if wanted != plain {
            places.extend(self.by_url.get(plain).into_iter().flatten());
        }
        let nodes = places.into_iter().map(|place| bundle.document().node(place));
        nodes
            .filter(|node| version.is_none_or(|version| has_version(*node, version)))
            .collect()
    }

    /// As [`Entries::matches`], and where that finds nothing, by type and id: not every Bundle has full URLs.
    pub(crate) fn find<'a>(&self, bundle: Node<'a>, entry: Node<'_>, text: &str) -> Option<Node<'a>> {
        let strict = self.matches(bundle, entry, text).into_iter().next();
        strict.or_else(|| {
            let Reference::Literal { base: "", kind, id, .. } = Reference::parse(text) else {
                return None;
            };
            let place = self.by_name.get(&(kind.into(), id.into()))?;
            Some(bundle.document().node(*place))
        })
    }
}

fn has_version(resource: Node<'_>, version: &str) -> bool {
    let known = resource.get("meta").and_then(|meta| meta.string("versionId"));
    known.is_none_or(|known| known == version)
}

/// A reference as seen from an entry: a relative one takes the base of the entry's own address.
pub(crate) fn absolute(own: &str, reference: &str) -> String {
    if let Reference::Literal { base: "", .. } = Reference::parse(reference)
        && let Reference::Literal { base, .. } = Reference::parse(own)
    {
        return format!("{base}/{reference}");
    }
    reference.to_owned()
}
