//! Definitions and media of backends: fetched, kept by hash, joined for clients.
//!
//! A [`Library`] visits every server in the background under the proxy's own account, per protocol
//! version and client language in use, and keeps what it finds in a [`ContentStore`]: contents by
//! SHA-1, and per server a list of them. What the servers have is joined into a [`Catalogue`]: what
//! is equal is shared, what conflicts gets another name. From it a client gets its definitions, its
//! media, and the answer whether it can enter a backend with them, and under which names and ids it
//! knows what is there. A server that is down is served from disk.
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
//! let catalogue = library.catalogue(library.network_version(), "de", None, wait).await?;
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

pub use catalogue::{
    AdmitError, Catalogue, ContentReport, LeftOut, MediaMessages, Missing, Names, PartReport,
    Renamed, Share,
};
pub use codec::digest;
pub use error::ContentError;
pub use hash::{Hash, from_hex, sha1, to_hex};
pub use library::{
    ContentMemory, Library, LibraryConfig, Probe, ServerSpec, ServerState, ServerStatus,
    offline_report,
};
pub use remote::RemoteMedia;
pub use store::{BLOB_MAX, ContentStore, Manifest, MediaFile, Pair, Pruned};
pub use union::renamed::Subject;
pub use union::sound_group;
