//! Why the proxy does not run.

use std::net::SocketAddr;
use std::path::PathBuf;

use mesegate_admin::AdminError;
use mesegate_auth::{AccountError, BackendKeyError};
use mesegate_content::ContentError;

use crate::resource::ResourceError;

/// Why the proxy does not run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A flag's value.
    #[error("{0}")]
    Option(String),
    /// The data folder.
    #[error("cannot use the data folder {path}: {error}")]
    Data {
        /// The folder.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The documents.
    #[error("{0}")]
    Resource(#[from] ResourceError),
    /// The account database.
    #[error("{0}")]
    Accounts(#[from] AccountError),
    /// The backend key.
    #[error("{0}")]
    Key(#[from] BackendKeyError),
    /// The content store.
    #[error("{0}")]
    Store(#[from] ContentError),
    /// An address.
    #[error("cannot listen on {what} {addr}: {error}")]
    Listen {
        /// Flag that names it.
        what: &'static str,
        /// The address.
        addr: SocketAddr,
        /// Why.
        error: std::io::Error,
    },
    /// The runtime or its signal handlers.
    #[error("cannot start: {0}")]
    Start(#[from] std::io::Error),
    /// The admin interface.
    #[error("{0}")]
    Admin(#[from] AdminError),
    /// The metrics.
    #[error("cannot register metrics: {0}")]
    Metrics(#[from] prometheus::Error),
}
