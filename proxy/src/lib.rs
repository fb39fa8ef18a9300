//! Mesegate's proxy: one UDP address that is a whole network of Luanti worlds.
//!
//! This crate holds what makes a proxy of the parts: process settings ([`cli`]), the network as
//! documents ([`resource`], [`network`]), sessions (`session`: login, the bridge, hops, chat
//! commands), who is in the game ([`players`]), health and metrics ([`http`], [`metrics`]).
//! It knows no layout of any message: that is `mesegate-protocol`; nor datagrams: that is
//! `mesegate-transport`; nor how definitions are joined: that is `mesegate-content`.
//!
//! One task owns one player, both legs included. What tasks share is immutable and swapped whole.
#![forbid(unsafe_code)]

mod abroad;
mod accounts;
mod admin;
mod admission;
mod app;
mod attendance;
mod banned;
mod base;
mod bucket;
mod claims;
pub mod cli;
mod console;
mod content;
mod control;
mod departures;
mod figures;
pub mod http;
mod lane;
pub mod life;
mod listing;
mod losses;
mod media_http;
pub mod metrics;
mod migrate;
mod mod_api;
mod mod_token;
mod mutes;
pub mod network;
pub mod permissions;
pub mod players;
pub mod resource;
mod selection;
mod session;
mod shared;

pub use accounts::{AccountsError, accounts};
pub use app::{RunError, run};
pub use console::manual as console_manual;
pub use content::content;
pub use migrate::{MigrateError, migrate};
pub use mod_token::mod_token;
