//! Makes a synthetic nation: people on the shape of a census, who they are to each other, and their visits.
//!
//! Pure: a [`Plan`] in, records out, the same bytes for the same plan on every machine. Nothing is kept but what the
//! chiwog at hand needs and the counters of what was handed out, so a nation of any size streams.
//!
//! 1. [`places`] reads the census: chiwogs, gewogs, dzongkhags (`schema/bhutan/`).
//! 2. [`village`] draws the people of one chiwog and joins them to families: couples, children, twins, elders.
//! 3. [`registration`] says what a clerk wrote down of a person; [`damage`] what a second clerk made of the same person.
//! 4. [`patient`] and [`visits`] write that as FHIR; [`nation`] hands it out record by record.

pub mod country;
pub mod damage;
pub mod figures;
pub mod names;
pub mod nation;
mod numbers;
pub mod patient;
pub mod person;
pub mod places;
pub mod random;
pub mod registration;
mod table;
pub mod village;
pub mod visits;

pub use nation::{Entry, Nation, Plan};
