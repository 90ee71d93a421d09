//! The record of a clinic's machine: the centre writes in it what the clinic is called and holds, and the machine reads it.

use fhir::document::Document;
use fhir::identity::{Id, Kind};
use fhir::parse::Limits;
use fhir::tree::Tree;
use store::{Expect, Operation, Trouble, Write};

use crate::engine::{Engine, spliced};

const GEWOGS: &str = "catchment";
const MONTHS: &str = "seen within months";
const FORMER: &str = "former numbers";

/// What the centre says of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnDevice {
    /// What people call the clinic.
    pub name: String,
    /// The place codes of the gewogs of its catchment, like `BT0501`, in order.
    pub gewogs: Vec<String>,
    /// For how many months whoever was seen there stays in its horizon; `None` where an older program wrote it.
    pub within_months: Option<u32>,
    /// The record of the clinic itself.
    pub clinic: Option<String>,
    /// The numbers that the node had before.
    pub former: Vec<u32>,
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
        let text = |text: &str| Tree::object([("text", Tree::string(text))]);
        let quantity = |number: &u32| Tree::object([("value", Tree::number(number))]);
        let property = |what: &str, member: &str, values: Vec<Tree>| {
            let property = Tree::object([("type", text(what)), (member, Tree::Array(values.clone()))]);
            (!values.is_empty()).then_some(property)
        };
        let gewogs = self.gewogs.iter().map(|gewog| text(gewog)).collect();
        let properties = [
            property(GEWOGS, "valueCode", gewogs),
            property(
                MONTHS,
                "valueQuantity",
                self.within_months.iter().map(quantity).collect(),
            ),
            property(FORMER, "valueQuantity", self.former.iter().map(quantity).collect()),
        ];
        let mut body = Tree::object([
            ("resourceType", Tree::string("Device")),
            ("status", Tree::string("active")),
            ("deviceName", Tree::Array(vec![Tree::object(name)])),
            ("property", Tree::Array(properties.into_iter().flatten().collect())),
        ]);
        if let Some(clinic) = &self.clinic {
            let is_organization = clinic.starts_with("Organization/");
            let member = if is_organization { "owner" } else { "location" };
            body.set(member, Tree::object([("reference", Tree::string(clinic.as_str()))]));
        }
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
        let names = body.get("deviceName").map(Tree::items).unwrap_or_default();
        let name = names.first().and_then(|name| name.get("name")?.as_str());
        let gewog = |value: &Tree| value.get("text")?.as_str().map(str::to_owned);
        let gewogs: Vec<String> = values(&body, GEWOGS, "valueCode").iter().filter_map(gewog).collect();
        let number = |value: &Tree| String::from_utf8_lossy(&value.get("value")?.to_bytes()).parse().ok();
        let numbers = |what: &str| {
            values(&body, what, "valueQuantity")
                .iter()
                .filter_map(number)
                .collect::<Vec<u32>>()
        };
        let place = body.get("location").or_else(|| body.get("owner"));
        let clinic = place.and_then(|place| place.get("reference")?.as_str());
        Ok(name.filter(|_| !gewogs.is_empty()).map(|name| OwnDevice {
            name: name.to_owned(),
            within_months: numbers(MONTHS).first().copied(),
            clinic: clinic.map(str::to_owned),
            former: numbers(FORMER),
            gewogs,
        }))
    }
}

/// The values of a property of a device.
fn values<'a>(device: &'a Tree, what: &str, member: &str) -> &'a [Tree] {
    let properties = device.get("property").map(Tree::items).unwrap_or_default();
    let is_it = |property: &&Tree| property.get("type").and_then(|of| of.get("text")?.as_str()) == Some(what);
    let found = properties.iter().find(is_it).and_then(|property| property.get(member));
    found.map(Tree::items).unwrap_or_default()
}
