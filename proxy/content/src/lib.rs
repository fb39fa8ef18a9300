//! Definitions and media of backends: fetched, kept by hash, joined for clients.
//!
//! A [`Library`] visits every server in the background under the proxy's own account, per protocol
//! version and client language in use, and keeps what it finds in a [`ContentStore`]: contents by
//! SHA-1, and per server a list of them. What the servers have is joined by name into a
//! [`Catalogue`], from which a client gets its definitions, its media, and the answer whether it
//! can enter a backend with them. A server that is down is served from disk.
//!
//! The crate does not know players, their connections or why they want to go somewhere.
//!
//! ```no_run
//! # async fn example(servers: Vec<mesegate_content::ServerSpec>) -> Option<()> {
//! use mesegate_content::{ContentStore, Library, LibraryConfig};
//!
//! let store = ContentStore::open("data/content".as_ref()).ok()?;
//! let library = Library::new(store, LibraryConfig::new("mesegate"));
//! library.set_servers(servers);
//! let wait = std::time::Duration::from_secs(5);
//! let catalogue = library.catalogue(library.network_version(), "de", wait).await?;
//! println!("{} bytes of nodes", catalogue.node_def().len());
//! # Some(())
//! # }
//! ```
#![forbid(unsafe_code)]

mod catalogue;
mod codec;
mod error;
mod frames;
mod hash;
mod library;
mod remote;
mod store;
#[cfg(test)]
mod testing;
mod union;

pub use catalogue::{AdmitError, Catalogue, LeftOut, MediaMessages, Missing, Names};
pub use codec::digest;
pub use error::ContentError;
pub use hash::{Hash, from_hex, sha1, to_hex};
pub use library::{Library, LibraryConfig, ServerSpec, ServerState, ServerStatus};
pub use remote::RemoteMedia;
pub use store::{BLOB_MAX, ContentStore, Manifest, MediaFile, Pair, Pruned};
