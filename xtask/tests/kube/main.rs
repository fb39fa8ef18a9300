//! The custom resource definitions in a real API server.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic)]

mod columns;
mod documents;
mod support;
