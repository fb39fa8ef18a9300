//! The proxy's behaviour towards players, servers and operators, seen from outside.
//!
//! One program, because linking several takes longer than running them.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::large_futures)]

#[path = "../support/mod.rs"]
mod support;

mod admission;
mod bans;
mod commands;
mod company;
mod console;
mod draining;
mod groups;
mod hops;
mod login;
mod lost_servers;
mod media_http;
mod merged;
mod operators;
mod pages;
mod passwords;
mod reconnects;
mod remembered;
mod sequences;
mod server_list;
mod stopping;
mod targets;
mod traces;
