//! The admin interface of a controller, over control streams of proxies that are written out by
//! hand. What needs an API server is tested with one.
#![allow(missing_docs, unreachable_pub, clippy::unwrap_used, clippy::panic, clippy::large_futures)]

mod accounts;
mod asks;
mod bed;
mod cluster;
mod orders;
mod views;
