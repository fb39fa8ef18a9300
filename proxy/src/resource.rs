//! The network as documents: the kinds that describe servers and the proxy, read from files,
//! checked, and watched for edits.
//!
//! A set of documents is taken whole or not at all: one wrong document leaves the last good set
//! in force, and its [`ResourceError`] says file, line, field and what would be right.

mod load;
mod model;
mod watch;

pub use load::{ResourceError, load};
pub use model::{
    API_VERSION, BackendAuth, Endpoint, Limits, Messages, Name, PasswordPolicy, ProxySpec,
    ServerSpec, Target,
};
pub use watch::watch;
