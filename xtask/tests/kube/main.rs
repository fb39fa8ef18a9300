//! The custom resource definitions and the control plane with a real API server.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic)]

mod columns;
mod control;
mod credentials;
mod desk;
mod documents;
mod drain;
mod failures;
mod faults;
mod fleet;
mod managed;
mod names;
mod operators;
mod players;
mod programs;
mod repeats;
mod support;
mod together;

#[path = "../support/mod.rs"]
mod screen;
