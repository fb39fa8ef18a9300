use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use tokio::time::{Instant, timeout_at};

use crate::{EnterError, Step};

/// More addresses than this of one name are not tried.
const MAX_TRIED: usize = 4;

/// Where a server is: an IP address or a name, which is looked up anew for every dial, and a port.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address {
    host: String,
    port: u16,
}

/// Text that is not `HOST:PORT`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not HOST:PORT")]
pub struct AddressError(String);

impl Address {
    /// `host` is a name, an IPv4 address, or an IPv6 address with or without brackets.
    pub fn new(host: &str, port: u16) -> Self {
        let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
        Self { host: bare.to_owned(), port }
    }

    /// Name or IP address, without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// UDP port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The socket addresses to try, in the resolver's order; at least one.
    pub(crate) async fn resolve(&self, deadline: Instant) -> Result<Vec<SocketAddr>, EnterError> {
        if let Ok(ip) = self.host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(ip, self.port)]);
        }
        let lookup = tokio::net::lookup_host((self.host.as_str(), self.port));
        let found = timeout_at(deadline, lookup)
            .await
            .map_err(|_| EnterError::Timeout { step: Step::Resolve })?
            .map_err(|source| EnterError::Unresolved { host: self.host.clone(), source })?;
        let mut addresses: Vec<SocketAddr> = Vec::new();
        for address in found {
            if !addresses.contains(&address) && addresses.len() < MAX_TRIED {
                addresses.push(address);
            }
        }
        if addresses.is_empty() {
            let source = std::io::ErrorKind::NotFound.into();
            return Err(EnterError::Unresolved { host: self.host.clone(), source });
        }
        Ok(addresses)
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Self { host: address.ip().to_string(), port: address.port() }
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let refused = || AddressError(text.to_owned());
        let (host, port) = text.rsplit_once(':').ok_or_else(refused)?;
        let port = port.parse().ok().filter(|port| *port != 0).ok_or_else(refused)?;
        let bracketed = host.starts_with('[') && host.ends_with(']');
        // Without brackets it would be unclear where the port of an IPv6 address begins.
        if host.is_empty() || (host.contains(':') && !bracketed) {
            return Err(refused());
        }
        Ok(Self::new(host, port))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn addresses_are_read_and_written() {
        for text in ["localhost:30000", "10.0.0.1:1", "[::1]:65535", "a.b.svc.cluster.local:30000"]
        {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
        for text in ["", "localhost", ":30000", "localhost:0", "localhost:65536", "::1:30000"] {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
        assert_eq!(Address::new("[::1]", 7), Address::new("::1", 7));
    }

    #[tokio::test]
    async fn names_are_looked_up_and_ip_addresses_are_not() {
        let deadline = Instant::now() + Duration::from_secs(5);
        let found = Address::new("::1", 7).resolve(deadline).await.unwrap();
        assert_eq!(found, ["[::1]:7".parse().unwrap()]);
        let found = Address::new("localhost", 7).resolve(deadline).await.unwrap();
        assert!(found.iter().all(|address| address.ip().is_loopback()) && !found.is_empty());
    }
}
