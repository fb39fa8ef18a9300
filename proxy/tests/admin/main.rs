//! The admin interface, used by a client of its own, over a proxy with players.
#![allow(missing_docs, unreachable_pub, clippy::unwrap_used, clippy::panic, clippy::large_futures)]

#[path = "../support/mod.rs"]
mod support;

mod access;
mod bans;
mod client;
mod failures;
mod moves;
mod players;
mod servers;
mod tools;
