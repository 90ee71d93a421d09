//! The weights by which persons are matched: those of the newest record that has them, else the built-in ones.
//!
//! The record is a Library (<https://hl7.org/fhir/R4/library.html>): learned weights are knowledge that is named, dated,
//! versioned, tried as a draft and retired, which is what that resource is for; Basic has none of it and Parameters cannot
//! be stored. Its content is the table that `person::weights` reads.

use std::sync::{Arc, Mutex, PoisonError};

use fhir::base64;
use fhir::document::{Document, Node};
use fhir::identity::Kind;
use fhir::tree::Tree;
use fhirpath::encode::to_base64;
use person::Weights;

use crate::engine::Engine;
use crate::refusal::Refusal;

/// The canonical address of the weights.
pub const ADDRESS: &str = "http://fhir.moh.gov.bt/Library/person-match-weights";
/// The id of the record that learning writes.
pub const ID: &str = "person-match-weights";
/// The kind of record they are kept in.
pub const LIBRARY: &str = "Library";
/// The media type of their table.
pub const MEDIA_TYPE: &str = "text/tab-separated-values";

/// Weights that were read, and after how many changes of definitions that was so.
pub(crate) type KeptWeights = Mutex<Option<(u64, Arc<Weights>)>>;

impl Engine {
    /// The weights in force.
    ///
    /// # Errors
    /// Those of a search; 500 where the record in force cannot be read, with the reason.
    pub fn match_weights(&self) -> Result<Arc<Weights>, Refusal> {
        let changes = self.definitions_written();
        let mut kept = self.weights.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((then, weights)) = &*kept
            && *then == changes
        {
            return Ok(Arc::clone(weights));
        }
        let kind = Kind::new(LIBRARY).expect("it is a kind's name");
        let record = self.canonical(&kind, ADDRESS)?;
        let weights = match record.as_deref().filter(|record| is_active(record)) {
            Some(record) => {
                read(record.root()).map_err(|why| Refusal::broken(format!("{LIBRARY} {ADDRESS}: {why}")))?
            }
            None => Weights::built_in(),
        };
        if !weights.is_calibrated() {
            self.people.tell(&format!(
                "The weights \"{}\" of matching ({LIBRARY}/{ID}) were learned before evidence was calibrated: the probabilities \
                 of $match, and its grades, are too sure. Learn them again, with epis match train.",
                weights.version
            ));
        }
        let weights = Arc::new(weights);
        *kept = Some((changes, Arc::clone(&weights)));
        Ok(weights)
    }
}

fn is_active(record: &Document) -> bool {
    record.root().string("status").is_some_and(|status| status == "active")
}

/// A Library of the weights; `date` is when they were learned, an instant.
pub fn library(weights: &Weights, date: &str) -> Tree {
    let kind = Tree::object([
        (
            "system",
            Tree::string("http://terminology.hl7.org/CodeSystem/library-type"),
        ),
        ("code", Tree::string("asset-collection")),
    ]);
    let content = Tree::object([
        ("contentType", Tree::string(MEDIA_TYPE)),
        ("data", Tree::string(to_base64(weights.write().as_bytes()))),
    ]);
    Tree::object([
        ("resourceType", Tree::string(LIBRARY)),
        ("id", Tree::string(ID)),
        ("url", Tree::string(ADDRESS)),
        ("version", Tree::string(&weights.version)),
        ("name", Tree::string("PersonMatchWeights")),
        ("title", Tree::string("What agreement counts in matching persons")),
        ("status", Tree::string("active")),
        ("type", Tree::object([("coding", Tree::Array(vec![kind]))])),
        ("date", Tree::string(date)),
        ("content", Tree::Array(vec![content])),
    ])
}

/// The weights in a Library.
///
/// # Errors
/// A sentence where it has none, or they cannot be read.
pub fn read(library: Node<'_>) -> Result<Weights, String> {
    let contents = library.get("content").into_iter().flat_map(|content| content.each());
    let table = contents.filter(|content| content.string("contentType").is_some_and(|media| media == MEDIA_TYPE));
    let data = table.filter_map(|content| content.string("data")).next();
    let data = data.ok_or_else(|| format!("It has no content of the type {MEDIA_TYPE}."))?;
    let bytes = base64::decode(&data).ok_or("The data of its content is no base64.")?;
    Weights::read(std::str::from_utf8(&bytes).map_err(|_| "The data of its content is no text.")?)
}
