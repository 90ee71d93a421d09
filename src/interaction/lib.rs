//! The FHIR interactions and operations, free of HTTP; one file each.

pub mod address;
pub mod refusal;
pub mod reply;
pub mod request;

pub use refusal::{Reason, Refusal};
pub use reply::{Body, Reply};
pub use request::{Caller, Handling, Method, Prefer, Request, Return};
