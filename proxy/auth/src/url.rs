//! Where a store is, without its password ever being shown.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::AccountError;

/// The address of a store or of a file of accounts. Shown without what could be a password.
#[derive(Clone, PartialEq, Eq)]
pub struct StoreUrl(String);

/// What an address names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// A database of SQLite.
    Sqlite,
    /// A database of a PostgreSQL server.
    Postgres,
    /// A folder in the layout of mt-multiserver-proxy.
    Files(PathBuf),
    /// The engine's `auth.txt`.
    AuthTxt(PathBuf),
    /// The engine's `ipban.txt`.
    IpBan(PathBuf),
}

impl StoreUrl {
    /// The whole address, with its password.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }

    /// Whether a password is part of it.
    pub fn has_password(&self) -> bool {
        let rest = self.0.split_once("://").map_or("", |(_, rest)| rest);
        let user = rest.rsplit_once('@').map_or("", |(user, _)| user);
        user.contains(':') || rest.contains("password=")
    }

    pub(crate) fn target(&self) -> Target {
        let (scheme, rest) = self.0.split_once(':').unwrap_or_default();
        match scheme {
            "sqlite" => Target::Sqlite,
            "files" => Target::Files(rest.into()),
            "authtxt" => Target::AuthTxt(rest.into()),
            "ipban" => Target::IpBan(rest.into()),
            // Nothing else is parsed.
            _ => Target::Postgres,
        }
    }

    /// The same, where a file that is missing is made.
    #[must_use]
    pub fn creating(self) -> Self {
        self.with_mode("rwc")
    }

    /// The same, for reading alone.
    #[must_use]
    pub(crate) fn reading(self) -> Self {
        self.with_mode("ro")
    }

    fn with_mode(mut self, mode: &str) -> Self {
        if self.target() == Target::Sqlite && !self.0.contains('?') {
            self.0 = format!("{}?mode={mode}", self.0);
        }
        self
    }
}

impl FromStr for StoreUrl {
    type Err = AccountError;

    fn from_str(text: &str) -> Result<Self, AccountError> {
        let url = Self(text.trim().to_owned());
        let why = match url.0.split_once(':') {
            Some(("sqlite" | "files" | "authtxt" | "ipban", "")) => "the path is missing",
            Some(("sqlite" | "files" | "authtxt" | "ipban", _)) => return Ok(url),
            Some(("postgres" | "postgresql", rest)) if rest.starts_with("//") => return Ok(url),
            _ => {
                "write sqlite:PATH, postgres://USER@HOST/DATABASE or files:DIR; for import and \
                 export also authtxt:PATH or ipban:PATH"
            }
        };
        Err(AccountError::Url { url: url.to_string(), why: why.into() })
    }
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((scheme, rest)) = self.0.split_once("://") else {
            return f.write_str(&self.0);
        };
        let rest = rest.split_once('?').map_or(rest, |(rest, _)| rest);
        match rest.rsplit_once('@') {
            Some((user, host)) => {
                let user = user.split_once(':').map_or(user, |(user, _)| user);
                write!(f, "{scheme}://{user}@{host}")
            }
            None => write!(f, "{scheme}://{rest}"),
        }
    }
}

impl fmt::Debug for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_shown() {
        for url in [
            "postgres://user:hunter2@db.example:5432/auth",
            "postgresql://user:hunter2@db/auth?password=hunter2&sslmode=require",
            "postgres://user:hun@ter2@db/auth",
            "postgres://db/auth?user=x&password=hunter2",
        ] {
            let parsed: StoreUrl = url.parse().unwrap();
            assert!(parsed.has_password(), "{url}");
            for shown in [format!("{parsed}"), format!("{parsed:?}")] {
                assert!(!shown.contains("ter2"), "{shown}");
                assert!(shown.contains("db"), "{shown}");
            }
        }
        let harmless: StoreUrl = "postgres://user@db/auth".parse().unwrap();
        assert!(!harmless.has_password());
        assert_eq!(harmless.to_string(), "postgres://user@db/auth");
    }

    #[test]
    fn only_known_kinds_are_taken() {
        for good in ["sqlite:a", "files:/x", "authtxt:a.txt", "ipban:i", "postgres://h/d"] {
            assert!(good.parse::<StoreUrl>().is_ok(), "{good}");
        }
        for bad in ["auth.sqlite", "sqlite:", "files:", "mysql://h/d", "postgres:x", ""] {
            assert!(bad.parse::<StoreUrl>().is_err(), "{bad}");
        }
    }
}
