//! Announces a network to the public server list, as engines do (`server/serverlist.cpp`).
//!
//! The list is a web service. A server says that it is there (`start`), says so again before it is
//! forgotten (`update`) and says goodbye (`delete`). The list then asks the announced UDP port for
//! a sign of life before it shows the server to anybody.
//!
//! [`announce`] does all that for whatever a [`Subject`] tells of.
#![forbid(unsafe_code)]

mod announcement;
mod announcer;
mod answer;
mod form;
mod post;

pub use announcement::Facts;
pub use announcer::{Subject, Wanted, announce};
