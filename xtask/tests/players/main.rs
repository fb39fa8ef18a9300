//! Real clients, and bots beside them, on real servers behind the proxy: what players do, see and
//! read.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic)]

mod backend_loss;
mod bots;
mod company;
mod complaints;
mod console;
mod hops;
mod lossy_path;
mod matrix;
mod media_http;
mod mod_api;
mod refusals;
mod server_list;
#[path = "../support/mod.rs"]
mod support;
mod targets;
