//! Where controllers are.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tonic::transport::Uri;

/// Addresses that are used at once. There are two or three controllers.
const MOST: usize = 16;

/// One value of `--controller`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Site {
    /// As it was given.
    pub(super) uri: Uri,
    /// Without the brackets of an IPv6 address.
    pub(super) host: String,
    pub(super) port: u16,
    /// Whether it is `https`.
    pub(super) tls: bool,
}

impl Site {
    /// Reads a URL.
    ///
    /// # Errors
    /// The text names the flag.
    pub(super) fn parse(url: &str) -> Result<Self, String> {
        let wrong = |why: &str| {
            format!("--controller {url:?}: {why}; write for example https://controller:7443")
        };
        let uri: Uri = url.parse().map_err(|_| wrong("that is no URL"))?;
        let tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(wrong("only http:// and https:// are known")),
        };
        let host = uri.host().filter(|it| !it.is_empty()).ok_or_else(|| wrong("there is no host"));
        let host = host?.trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = uri.port_u16().unwrap_or(if tls { 443 } else { 80 });
        Ok(Self { uri, host, port, tls })
    }

    /// What its host stands for now.
    async fn addresses(&self) -> io::Result<Vec<SocketAddr>> {
        Ok(tokio::net::lookup_host((self.host.as_str(), self.port)).await?.collect())
    }
}

/// Addresses of all sites, of which each belongs to one.
pub(super) type Addresses = BTreeMap<SocketAddr, Arc<Site>>;

/// Looks all hosts up. Of a host that is not found, the addresses in `before` stay. The log tells of
/// it when it joins `unknown`, and when it leaves: this is done twice a second while there is none.
pub(super) async fn look_up(
    sites: &[Arc<Site>],
    before: &Addresses,
    unknown: &mut BTreeSet<String>,
) -> Addresses {
    let mut all = Addresses::new();
    for site in sites {
        match site.addresses().await {
            Ok(found) => {
                if unknown.remove(&site.host) {
                    tracing::info!(host = site.host, "a controller's address is known again");
                }
                for addr in found {
                    all.entry(addr).or_insert_with(|| Arc::clone(site));
                }
            }
            Err(error) => {
                if unknown.insert(site.host.clone()) {
                    tracing::warn!(host = site.host, %error, "a controller's address is not known");
                }
                let own = before.iter().filter(|(_, it)| *it == site);
                all.extend(own.map(|(addr, site)| (*addr, Arc::clone(site))));
            }
        }
    }
    while all.len() > MOST {
        all.pop_last();
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read() {
        let site = |url| Site::parse(url).unwrap();
        let plain = site("http://127.0.0.1:7443");
        assert_eq!((&*plain.host, plain.port, plain.tls), ("127.0.0.1", 7443, false));
        let secure = site("https://[::1]/");
        assert_eq!((&*secure.host, secure.port, secure.tls), ("::1", 443, true));
        for wrong in ["controller:7443", "ftp://a", "http://", "127.0.0.1", ""] {
            let error = Site::parse(wrong).unwrap_err();
            assert!(error.contains("--controller") && error.contains("https://c"), "{error}");
        }
    }

    #[tokio::test]
    async fn every_address_counts_once_and_what_is_not_found_stays() {
        let site = |url: &str| Arc::new(Site::parse(url).unwrap());
        let sites =
            [site("http://127.0.0.1:1"), site("http://[::1]:2"), site("http://127.0.0.1:1")];
        let all = look_up(&sites, &Addresses::new(), &mut BTreeSet::new()).await;
        let text: Vec<String> = all.keys().map(ToString::to_string).collect();
        assert_eq!(text, ["127.0.0.1:1", "[::1]:2"]);
        let gone = site("http://nowhere.invalid:3");
        let before = Addresses::from(
            [([127, 0, 0, 9].into(), Arc::clone(&gone))]
                .map(|(ip, site): (std::net::IpAddr, _)| (SocketAddr::new(ip, 3), site)),
        );
        let mut unknown = BTreeSet::new();
        assert_eq!(look_up(&[gone], &before, &mut unknown).await, before);
        assert_eq!(Vec::from_iter(unknown), ["nowhere.invalid"]);
    }
}
