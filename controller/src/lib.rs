//! The controller: watches the custom resources of a namespace, gives them to proxies over
//! [control streams](stream), and writes down what became of them.
//!
//! [`cluster`] watches, [`compile`] turns what is there into sets of documents and verdicts,
//! [`stream`] gives the sets to proxies, [`fleet`] keeps what these report, [`status`] and
//! [`writer`] bring it all back into the objects. Every replica serves; the one that holds the
//! [`lease`] writes. [`trust`] asks the cluster who somebody is, [`claims`] keeps who has which
//! name, and [`events`] tells people what happened. [`managed`] runs servers. [`admin`] is what operators see and order.
#![forbid(unsafe_code)]

pub mod admin;
mod app;
pub mod claims;
pub mod cli;
mod clock;
pub mod cluster;
pub mod compile;
pub mod events;
pub mod fleet;
mod http;
pub mod janitor;
pub mod known;
pub mod lease;
pub mod listing;
pub mod managed;
pub mod metrics;
mod pauses;
pub mod set;
pub mod status;
pub mod stream;
pub mod sync;
pub mod trust;
pub mod world;
pub mod writer;

pub use app::{RunError, run};
