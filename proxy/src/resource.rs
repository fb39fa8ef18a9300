//! The network as documents (`mesegate-resource`), read from files, checked, and watched for
//! edits.
//!
//! A set of documents is taken whole or not at all: one wrong document leaves the last good set
//! in force, and its [`ResourceError`] says file, line, field and what would be right.

mod assemble;
mod load;
mod place;
mod watch;

pub(crate) use assemble::Read;
pub use load::load;
pub(crate) use load::{check, join_given, read_given};
pub use place::ResourceError;
pub use watch::watch;
