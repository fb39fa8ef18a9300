//! Accounts that real servers made, in the databases that they made them in.
//!
//! `cargo xtask test` runs these as the stage `accounts`.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic)]

mod away;
mod brute_force;
mod lab;
mod migrate;
mod proxies;
mod round_trip;
mod worlds;
