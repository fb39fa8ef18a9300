//! Worlds with different content behind one proxy: what players get of each is what its own server
//! would have given them.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic)]

mod comparison;
#[path = "../players/complaints.rs"]
mod complaints;
mod equality;
mod pictures;
mod servers;
mod sharing;
mod visit;
