//! Control streams over loopback, and who may have one.
#![allow(clippy::unwrap_used, clippy::panic)]

mod api;
mod bed;
mod claims;
mod gate;
mod listing;
mod stream;
mod trust;
