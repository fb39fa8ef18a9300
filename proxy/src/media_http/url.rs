//! The address that clients are told.

use std::net::SocketAddr;

/// Longest URL: every announcement carries it, in a field of 65 535 bytes that servers' own URLs
/// share.
const LENGTH: usize = 1000;

/// The base URL that clients are told: the one given, ending in a slash, or that of the address
/// that is listened on.
///
/// # Errors
/// The text says which flag to set to what.
pub(crate) fn base_url(given: Option<&str>, listen: SocketAddr) -> Result<String, String> {
    let Some(url) = given else {
        if listen.ip().is_unspecified() {
            return Err(format!(
                "--media-http {listen} is every address of this machine, which tells clients \
                 nothing: set --media-url to where they reach it, for example \
                 http://play.example.org:{}/",
                listen.port()
            ));
        }
        return Ok(format!("http://{listen}/"));
    };
    let host = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
    if host.is_none_or(|rest| rest.is_empty() || rest.starts_with('/')) {
        return Err(refused(url, "does not begin with http:// or https:// and a host"));
    }
    // Commas separate the URLs of an announcement and blanks around them are cut off
    // (`network/clientpackethandler.cpp`, handleCommand_AnnounceMedia).
    if !url.bytes().all(|byte| byte.is_ascii_graphic() && byte != b',') {
        return Err(refused(url, "has a comma, a blank or a character that URLs do not have"));
    }
    // Clients append to it (`client/clientmedia.cpp`, startRemoteMediaTransfers).
    if url.contains(['?', '#']) {
        return Err(refused(url, "has a query or a fragment, but file names are appended to it"));
    }
    if url.len() > LENGTH {
        return Err(format!("--media-url is longer than {LENGTH} bytes"));
    }
    Ok(if url.ends_with('/') { url.to_owned() } else { format!("{url}/") })
}

fn refused(url: &str, why: &str) -> String {
    format!("--media-url {url:?} {why}; write for example http://play.example.org:30080/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addr(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_of_its_own_needs_no_url() {
        assert_eq!(base_url(None, addr("127.0.0.1:80")).unwrap(), "http://127.0.0.1:80/");
        assert_eq!(base_url(None, addr("[::1]:8080")).unwrap(), "http://[::1]:8080/");
    }

    #[test]
    fn every_address_needs_one() {
        for every in ["0.0.0.0:30080", "[::]:30080"] {
            let error = base_url(None, addr(every)).unwrap_err();
            assert!(error.contains("--media-url"), "{error}");
            assert!(error.contains(":30080/"), "{error}");
        }
    }

    #[test]
    fn a_missing_slash_is_added() {
        let every = addr("[::]:30080");
        for (given, wanted) in [
            ("https://cdn.example.org", "https://cdn.example.org/"),
            ("http://a:1/media", "http://a:1/media/"),
            ("http://a:1/media/", "http://a:1/media/"),
        ] {
            assert_eq!(base_url(Some(given), every).unwrap(), wanted);
        }
    }

    #[test]
    fn what_clients_could_not_use_is_refused() {
        let long = format!("http://{}/", "a".repeat(LENGTH));
        for bad in [
            "",
            "play.example.org",
            "ftp://a/",
            "http://",
            "http:///x",
            "http://a/,http://b/",
            "http://a/ b",
            "http://a/?x=",
            "http://a/#x",
            "http://ä/",
            &long,
        ] {
            let error = base_url(Some(bad), addr("[::]:80")).unwrap_err();
            assert!(error.starts_with("--media-url"), "{error}");
        }
    }
}
