use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use mesegate_protocol::ProtocolVersion;
use mesegate_transport::Config;

use crate::Address;

/// With what to prove who one is.
#[derive(Clone, PartialEq, Eq)]
pub enum Credentials {
    /// A password. On the first visit it is registered.
    Secret(String),
    /// The empty password, for networks whose servers have accounts without one.
    Empty,
}

impl Credentials {
    pub(crate) fn password(&self) -> &str {
        match self {
            Self::Secret(secret) => secret,
            Self::Empty => "",
        }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Secret(_) => "Secret(..)",
            Self::Empty => "Empty",
        })
    }
}

/// Whom to call, as whom, and how long to try.
#[derive(Debug, Clone)]
pub struct Dial {
    /// The server.
    pub address: Address,
    /// Player name.
    pub name: String,
    /// Password on that server.
    pub credentials: Credentials,
    /// Highest protocol version to agree on.
    pub max_version: ProtocolVersion,
    /// Lowest version that is of use; a server that chooses less is left again.
    pub min_version: ProtocolVersion,
    /// Language code for translations, or empty.
    pub language: String,
    /// Time for everything together, retries included.
    pub deadline: Duration,
    /// When the name is still in use there (the server may not have noticed yet that an earlier
    /// connection ended), try again until the deadline.
    pub retry_already_connected: bool,
    /// Limits and timers of the connection.
    pub transport: Arc<Config>,
}

impl Dial {
    /// A dial with default settings: all protocol versions, no language, 15 s, no retries.
    pub fn new(address: Address, name: &str, credentials: Credentials) -> Self {
        Self {
            address,
            name: name.to_owned(),
            credentials,
            max_version: ProtocolVersion::MAX,
            min_version: ProtocolVersion::MIN,
            language: String::new(),
            deadline: Duration::from_secs(15),
            retry_already_connected: false,
            transport: Arc::default(),
        }
    }
}
