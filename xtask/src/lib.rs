//! Real Luanti servers and real Luanti clients for demos and tests.
//!
//! This library owns the *lab*: root folders of Debian suites, each with one generation of the
//! engine, and the means to run its server and its graphical client there without a screen. Every
//! engine process lives in a [`capsule`] of its own, so nothing stays mounted and nothing keeps
//! running when its owner goes away, whichever way that happens.
//!
//! It refuses to know anything about the protocol or the inside of the proxy: it starts programs,
//! types on their keyboard, reads their logs and looks at their picture.
//!
//! ```no_run
//! use xtask::{engine::{Server, ServerSpec}, lab::{Generation, Lab}};
//! let lab = Lab::ensure(&[Generation::V5_10])?;
//! let server = Server::start(&lab, ServerSpec::new("lobby", Generation::V5_10))?;
//! println!("listening on {}", server.address());
//! # Ok::<(), xtask::Error>(())
//! ```
#![forbid(unsafe_code)]

pub mod bots;
pub mod capsule;
pub mod chart;
pub mod client;
pub mod controller;
pub mod engine;
mod error;
pub mod http;
pub mod image;
pub mod images;
pub mod kube;
pub mod lab;
pub mod node;
pub mod oci;
pub mod paths;
pub mod ports;
pub mod postgres;
mod program;
pub mod proxy;
pub mod run;
pub mod tools;
pub mod wait;

pub use error::Error;

/// What everything here that can fail returns.
pub type Result<T> = std::result::Result<T, Error>;
