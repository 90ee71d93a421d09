//! HTTP, settings and the command line `epis`; the only room that knows actix-web.

mod ask;
mod body;
pub mod command;
mod country;
mod demo;
mod engine;
mod export;
mod flags;
mod http;
mod import;
mod journal;
mod load;
mod log;
mod pages;
mod progress;
pub mod reference;
mod refused;
mod respond;
mod samples;
mod serve;
pub mod settings;
mod source;
mod terminology;
mod upkeep;
pub mod value;
mod wire;
