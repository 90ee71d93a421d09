//! The record of a clinic's machine: the centre writes in it what the clinic is called and holds, and the machine reads it.

use fhir::document::Document;
use fhir::identity::{Id, Kind};
use fhir::parse::Limits;
use fhir::tree::Tree;
use store::{Expect, Operation, Trouble, Write};

use crate::engine::{Engine, spliced};

/// Before the place codes in the note that says what a node holds.
const CATCHMENT: &str = "catchment ";

/// What the centre says of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnDevice {
    /// What people call the clinic.
    pub name: String,
    /// The place codes of the gewogs of its catchment, like `BT0501`, in order.
    pub gewogs: Vec<String>,
}

/// The kind and the id of the record of the node of a number.
fn key(number: u32) -> (Kind, Id) {
    let (kind, id) = (Kind::new("Device"), Id::new(&format!("node-{number}")));
    (kind.expect("a kind"), id.expect("an id"))
}

impl OwnDevice {
    /// The record of the node of a number, as the centre writes it.
    pub fn write(&self, engine: &Engine, number: u32) -> Write {
        let name = [
            ("name", Tree::string(self.name.as_str())),
            ("type", Tree::string("user-friendly-name")),
        ];
        let note = [("text", Tree::string(format!("{CATCHMENT}{}", self.gewogs.join(" "))))];
        let body = Tree::object([
            ("resourceType", Tree::string("Device")),
            ("status", Tree::string("active")),
            ("deviceName", Tree::Array(vec![Tree::object(name)])),
            ("note", Tree::Array(vec![Tree::object(note)])),
        ]);
        let document = Document::parse(&body.to_bytes(), Limits::default()).expect("JSON");
        let (kind, id) = key(number);
        let prepared = engine.as_it_is(&kind, document.root());
        prepared.into_write(kind, id, Operation::Update, Expect::Anything)
    }

    /// What the record of the node of a number says; `None` where there is none, or it says nothing of the kind.
    ///
    /// # Errors
    /// [`Trouble`] where the log cannot be read.
    pub fn read(engine: &Engine, number: u32) -> Result<Option<OwnDevice>, Trouble> {
        let (kind, id) = key(number);
        let current = engine.store.current(&kind, &id)?;
        let Some(version) = current.filter(|version| version.operation.is_live()) else {
            return Ok(None);
        };
        let body = Tree::parse(&spliced(&version)).unwrap_or(Tree::Null);
        let first = |list: &str, member: &str| body.get(list)?.items().first()?.get(member)?.as_str();
        let gewogs = first("note", "text").and_then(|text| text.strip_prefix(CATCHMENT));
        Ok(first("deviceName", "name").zip(gewogs).map(|(name, gewogs)| OwnDevice {
            name: name.to_owned(),
            gewogs: gewogs.split(' ').map(str::to_owned).collect(),
        }))
    }
}
