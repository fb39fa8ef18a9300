//! Accounts that real servers made, in the databases that they made them in.
//!
//! `cargo xtask test` runs these as the stage `accounts`.

mod away;
mod lab;
mod round_trip;
#[path = "../support/mod.rs"]
mod support;
mod worlds;
