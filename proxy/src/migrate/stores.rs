//! Where the accounts and bans of mt-multiserver-proxy are.

use std::fmt::Write as _;
use std::path::Path;

use mesegate_auth::StoreUrl;

use super::config::Config;

/// The stores that have something, in the order in which they are to be taken over.
///
/// # Errors
/// When the backend is not one of its own, or its connection string is not understood.
pub(super) fn sources(folder: &Path, config: &Config) -> Result<Vec<StoreUrl>, String> {
    let backend = config.authbackend.as_deref().unwrap_or("files");
    let path = |name: &str| folder.join(name);
    let mut found = Vec::new();
    match backend {
        "files" => {
            // `ban` of it are bans of the same layout.
            if path("auth").is_dir() || path("ban").is_dir() {
                found.push(format!("files:{}", folder.display()));
            }
            return parse(&found);
        }
        "mtsqlite3" => {
            let file = path("auth.sqlite");
            if file.is_file() {
                found.push(format!("sqlite:{}", file.display()));
            }
        }
        "mtpostgresql" => found.push(url(&config.authpostgresconn)?),
        other => {
            return Err(format!(
                "AuthBackend {other:?} is a plugin's: only what the program itself has can be \
                 read (files, mtsqlite3, mtpostgresql)"
            ));
        }
    }
    let bans = path("ipban.txt");
    if bans.is_file() {
        found.push(format!("ipban:{}", bans.display()));
    }
    parse(&found)
}

fn parse(found: &[String]) -> Result<Vec<StoreUrl>, String> {
    found
        .iter()
        .map(|text| text.parse().map_err(|error: mesegate_auth::AccountError| error.to_string()))
        .collect()
}

/// A connection string as a URL. Both forms of PostgreSQL's manual are allowed ("Connection
/// Strings"): URLs, and keywords with values.
fn url(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.starts_with("postgres://") || text.starts_with("postgresql://") {
        return Ok(text.to_owned());
    }
    let (mut user, mut password, mut host, mut port, mut name) = Default::default();
    let mut rest: Vec<(String, String)> = Vec::new();
    for (key, value) in keywords(text)? {
        match key.as_str() {
            "user" => user = value,
            "password" => password = value,
            "host" => host = value,
            "port" => port = value,
            "dbname" => name = value,
            "sslmode" => rest.push((key, value)),
            // How long to wait and what the connection is called says nothing about where it is.
            "connect_timeout" | "application_name" | "fallback_application_name" => {}
            _ => return Err(format!("AuthPostgresConn: {key} is not understood; write a URL")),
        }
    }
    let mut url = String::from("postgres://");
    let (user, password): (String, String) = (user, password);
    if !user.is_empty() {
        url.push_str(&encode(&user));
        if !password.is_empty() {
            let _ = write!(url, ":{}", encode(&password));
        }
        url.push('@');
    }
    let host: String = host;
    if host.starts_with('/') {
        rest.push(("host".into(), host));
    } else {
        url.push_str(if host.is_empty() { "localhost" } else { &host });
    }
    let (port, name): (String, String) = (port, name);
    if !port.is_empty() {
        let _ = write!(url, ":{port}");
    }
    let _ = write!(url, "/{}", encode(if name.is_empty() { &user } else { &name }));
    for (number, (key, value)) in rest.iter().enumerate() {
        let _ = write!(url, "{}{key}={}", if number == 0 { '?' } else { '&' }, encode(value));
    }
    Ok(url)
}

/// `key=value` pairs; values with blanks stand in single quotes, a backslash goes before a quote.
fn keywords(text: &str) -> Result<Vec<(String, String)>, String> {
    let wrong = || "AuthPostgresConn is neither a URL nor a list of KEY=VALUE".to_owned();
    let mut pairs = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (key, after) = rest.split_once('=').ok_or_else(wrong)?;
        let after = after.trim_start();
        let (mut value, mut end) = (String::new(), after.len());
        let quoted = after.starts_with('\'');
        let mut characters = after.char_indices().skip(usize::from(quoted));
        let mut closed = !quoted;
        while let Some((at, c)) = characters.next() {
            match c {
                '\\' => value.extend(characters.next().map(|(_, c)| c)),
                '\'' if quoted => {
                    (closed, end) = (true, at + 1);
                    break;
                }
                c if !quoted && c.is_whitespace() => {
                    end = at;
                    break;
                }
                c => value.push(c),
            }
        }
        if !closed {
            return Err(wrong());
        }
        pairs.push((key.trim().to_ascii_lowercase(), value));
        rest = after[end..].trim_start();
    }
    Ok(pairs)
}

/// RFC 3986, 2.1: everything but unreserved characters as `%XX`.
fn encode(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connection_strings_of_both_forms_become_urls() {
        for (text, wanted) in [
            ("postgres://a@h/d", "postgres://a@h/d"),
            ("host=db user=mt password='a b\\'/' dbname=auth", "postgres://mt:a%20b%27%2F@db/auth"),
            (
                " port=5433  user = mt sslmode=disable ",
                "postgres://mt@localhost:5433/mt?sslmode=disable",
            ),
            ("host=/run/pg user=mt dbname=x", "postgres://mt@/x?host=%2Frun%2Fpg"),
        ] {
            assert_eq!(url(text).as_deref(), Ok(wanted), "{text}");
        }
        for text in ["nonsense", "password='x", "krbsrvname=1"] {
            assert!(url(text).unwrap_err().starts_with("AuthPostgresConn"), "{text}");
        }
        assert!(!url("user=a password='hunter2").unwrap_err().contains("hunter2"));
    }

    #[test]
    fn only_what_is_there_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let with =
            |backend: &str| Config { authbackend: Some(backend.into()), ..Config::default() };
        let found = |backend| sources(folder.path(), &with(backend)).map(|it| it.len());
        assert_eq!((found("files"), found("mtsqlite3")), (Ok(0), Ok(0)));
        std::fs::create_dir(folder.path().join("auth")).unwrap();
        std::fs::write(folder.path().join("auth.sqlite"), "").unwrap();
        std::fs::write(folder.path().join("ipban.txt"), "").unwrap();
        assert_eq!((found("files"), found("mtsqlite3")), (Ok(1), Ok(2)));
        assert!(found("forum").unwrap_err().contains("plugin"));
    }
}
