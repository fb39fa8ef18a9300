//! The proxy under hostile traffic and on bad paths. Apart from the other tests, which would
//! disturb the measurements.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::large_futures)]

#[path = "../support/mod.rs"]
mod support;

mod bad_content;
mod bad_input;
mod bad_paths;
mod injector;
