//! Who a player is: SRP-6a as the engine computes it, the stored form of passwords, the stores of
//! accounts, who is kept out, and the secrets with which the proxy itself logs in to backend
//! servers.
//!
//! The crate knows nothing about messages, sockets or sessions: it takes names, passwords and
//! byte strings and returns byte strings. SRP arithmetic costs milliseconds of processor time;
//! async callers use [`srp::blocking`], which keeps it off the runtime's threads.
//!
//! ```
//! use mesegate_auth::srp::{ClientHandshake, ServerHandshake, Verifier};
//!
//! let stored = Verifier::from_password("alice", b"secret");
//! let (client, a) = ClientHandshake::start("alice", b"secret");
//! let (server, b) = ServerHandshake::start("alice", &stored, &a)?;
//! let m = client.respond(&stored.salt, &b)?;
//! assert!(server.verify(&m));
//! # Ok::<(), mesegate_auth::srp::SrpError>(())
//! ```
#![forbid(unsafe_code)]

pub mod accounts;
pub mod backend_key;
pub mod bans;
mod error;
pub mod failures;
mod files;
mod hex;
pub mod mod_token;
pub mod mutes;
mod notes;
pub mod password;
pub mod prefix;
mod sql;
pub mod srp;
pub mod transfer;
mod url;

pub use accounts::{Account, Accounts, DEFAULT_PRIVILEGES, Record};
pub use backend_key::{BackendKey, BackendKeyError};
pub use bans::{Ban, BanError, BanKey, BanNews, BanSubject, Bans, NewBan};
pub use error::AccountError;
pub use failures::{FailedLogins, FailureChange, Failures};
pub use mod_token::ModToken;
pub use mutes::{Mute, MuteError, Mutes};
pub use password::{Password, PasswordError, legacy_hash};
pub use prefix::{Prefix, PrefixError};
pub use url::StoreUrl;
