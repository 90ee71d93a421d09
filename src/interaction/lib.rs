//! The FHIR interactions and operations, free of HTTP; one file each.

#[cfg(test)]
mod acts_tests;
pub mod address;
pub mod bundle;
mod bundle_batch;
mod bundle_entry;
mod bundle_links;
mod bundle_plan;
mod bundle_reply;
mod bundle_search;
mod bundle_transaction;
mod bundle_value;
mod cache;
pub mod canonical;
pub mod capabilities;
pub mod compartment;
pub mod conditional;
mod contained;
pub mod convert;
pub mod create;
pub mod cursor;
pub mod delete;
mod distance;
pub mod engine;
pub mod everything;
pub mod format;
pub mod generations;
#[cfg(test)]
mod generations_tests;
pub mod history;
pub mod include;
pub mod inputs;
mod keeper;
pub mod limits;
pub mod operation;
pub mod page;
mod parameters;
#[cfg(test)]
mod parameters_tests;
pub mod patch;
pub mod patch_json;
mod patch_path;
mod patch_place;
mod patch_value;
pub mod read;
pub mod record;
pub mod refusal;
pub mod reindex;
pub mod reply;
pub mod request;
pub mod route;
pub mod search;
pub mod shape;
mod shelf;
pub mod update;
pub mod upkeep;
pub mod validate;
pub mod vread;
pub mod written;

pub use engine::{Engine, Prepared, Settings};
pub use generations::Generations;
pub use limits::Limits;
pub use refusal::{Reason, Refusal};
pub use reply::{Body, FHIR_JSON, FHIR_XML, Reply};
pub use request::{Caller, Handling, Method, Prefer, Request, Return};
pub use route::{answer, ready};
