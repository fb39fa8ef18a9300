//! How the library works, and with which servers.

use std::sync::Arc;
use std::time::Duration;

use mesegate_backend::{Address, Credentials};

/// Limits and timers of a [`Library`](super::Library).
#[derive(Debug, Clone)]
pub struct LibraryConfig {
    /// Name of the account under which the proxy visits the servers. It never gets as far as to
    /// have a character there.
    pub account: String,
    /// Limits and timers of the connections to the servers.
    pub transport: Arc<mesegate_transport::Config>,
    /// Pause between two looks whether a server is up.
    pub check_interval: Duration,
    /// Pause between two comparisons of what a server sends with what is stored.
    pub verify_interval: Duration,
    /// First pause after a failure; it doubles up to `retry_max`.
    pub retry_min: Duration,
    /// Longest pause after a failure.
    pub retry_max: Duration,
    /// Time for a login up to the definitions.
    pub enter_timeout: Duration,
    /// Time for the download of a server's media.
    pub download_timeout: Duration,
    /// Most combinations of version and language in use; the least recently used goes first.
    pub max_pairs: usize,
    /// Most bytes of media of one server.
    pub max_media_bytes: u64,
    /// Base URL under which clients can load all media over HTTP; it must end in `/`. Announced
    /// before the URLs that servers announce.
    pub media_url: Option<String>,
    /// Most bytes of encoded media in memory.
    pub frame_cache_bytes: usize,
    /// How many servers are fetched from at the same time.
    pub parallel_fetches: usize,
}

impl LibraryConfig {
    /// Default settings for an account name.
    pub fn new(account: &str) -> Self {
        Self {
            account: account.to_owned(),
            transport: Arc::default(),
            check_interval: Duration::from_secs(30),
            verify_interval: Duration::from_mins(5),
            retry_min: Duration::from_secs(1),
            retry_max: Duration::from_secs(30),
            enter_timeout: Duration::from_secs(20),
            download_timeout: Duration::from_mins(10),
            max_pairs: 16,
            max_media_bytes: 1024 * 1024 * 1024,
            media_url: None,
            frame_cache_bytes: 64 * 1024 * 1024,
            parallel_fetches: 8,
        }
    }
}

/// One server to fetch from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerSpec {
    /// Its name in the network.
    pub name: String,
    /// Where it is.
    pub address: Address,
    /// Password of the proxy's account there.
    pub credentials: Credentials,
    /// Servers of one pool have the same content: it is fetched from any of them, and players can
    /// enter all of them once it is known of one.
    pub pool: Option<String>,
    /// How it is asked whether it is up, if not as the library's settings say.
    pub probe: Option<Probe>,
}

/// How a server is asked whether it is up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Probe {
    /// Pause between two looks at a server that is up.
    pub interval: Duration,
    /// Time for an answer.
    pub timeout: Duration,
    /// Looks without success in a row after which a server that was up counts as down. One that
    /// players lost counts as down after the first.
    pub threshold: u32,
    /// Looks with success in a row after which a server that was down counts as up.
    pub rise: u32,
}

impl ServerSpec {
    /// Under which name the store keeps its content. No server is called like a pool's entry,
    /// because names of servers hold no colon.
    pub(crate) fn source(&self) -> String {
        self.pool.as_ref().map_or_else(|| self.name.clone(), |pool| format!("pool:{pool}"))
    }
}
