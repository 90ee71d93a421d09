//! `POST [base]` with a Bundle: a batch or a transaction (<https://hl7.org/fhir/R4/http.html#transaction>).

use fhir::document::Node;

use crate::engine::Engine;
use crate::refusal::{Reason, Refusal};
use crate::reply::Reply;
use crate::request::{Caller, Request};
use crate::{bundle_batch, bundle_transaction};

/// Carries out a Bundle's entries: each for itself in a batch, all or none in a transaction. 200 with the answers in
/// the order of the entries.
///
/// # Errors
/// 400 where the body is no batch and no transaction, 413 where it is too large; of a transaction, whatever refuses one
/// of its entries, located as `Bundle.entry[index]`.
pub fn bundle(engine: &Engine, caller: &Caller, request: &Request<'_>) -> Result<Reply, Refusal> {
    let document = engine.parse(request, engine.limits.bundle_bytes)?;
    let root = document.root();
    if root.string("resourceType").as_deref() != Some("Bundle") {
        let text = "POST to the base takes a Bundle of type batch or transaction; a record is POSTed to its type.";
        return Err(Refusal::because(Reason::Malformed, text).at("resourceType"));
    }
    let entries = entries(engine, root)?;
    match root.string("type").as_deref() {
        Some("batch") => Ok(bundle_batch::batch(engine, caller, request, &entries)),
        Some("transaction") => bundle_transaction::transaction(engine, caller, request, &entries),
        Some(other) => {
            let text = format!(
                "This server carries out Bundles of type batch and transaction; a {other} is data: POST it to /Bundle to keep it."
            );
            Err(Refusal::because(Reason::Invalid, text).at("Bundle.type"))
        }
        None => {
            Err(Refusal::because(Reason::Invalid, "The Bundle has no type: batch or transaction.").at("Bundle.type"))
        }
    }
}

fn entries<'a>(engine: &Engine, root: Node<'a>) -> Result<Vec<Node<'a>>, Refusal> {
    let Some(list) = root.get("entry") else {
        return Ok(Vec::new());
    };
    if !list.is_array() {
        return Err(Refusal::because(Reason::Malformed, "The entries of a Bundle are an array.").at("Bundle.entry"));
    }
    let entries: Vec<Node<'a>> = list.items().collect();
    let most = engine.limits.bundle_entries;
    if entries.len() > most {
        let text = format!(
            "The Bundle has {} entries; this server takes {most}. Send it in parts.",
            entries.len()
        );
        return Err(Refusal::because(Reason::TooLarge, text).at("Bundle.entry"));
    }
    Ok(entries)
}
