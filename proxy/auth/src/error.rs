//! Why an account or a ban could not be read or written.

use std::io;
use std::path::PathBuf;

use crate::{PasswordError, PrefixError};

/// Why an account operation failed.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// The address is of no known kind, or has options that mean nothing.
    #[error("account store {url:?} is not understood: {why}")]
    Url {
        /// The address, without what could be a password.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// The database could not be opened or made.
    #[error("cannot open account store {}: {source}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: sqlx::Error,
    },
    /// A file or folder of a store could not be read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// A file holds something else than it should.
    #[error("{}: {why}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The proxy's own tables were made by a later release.
    #[error(
        "the account store was used by a later release (tables {found}, this one knows {known})"
    )]
    Newer {
        /// Version of the tables.
        found: i64,
        /// Highest version that this release knows.
        known: i64,
    },
    /// A name that no player can have; stores that make files of names accept no other.
    #[error("{0:?} is no player name: 1 to 20 of a-z, A-Z, 0-9, - and _")]
    Name(String),
    /// An account of that very name exists.
    #[error("account {0:?} exists already")]
    Exists(String),
    /// An account exists whose name differs only in case; the engine refuses such twins too
    /// (`builtin/game/auth.lua`).
    #[error("an account named {0:?} exists already")]
    Twin(String),
    /// No account of that name.
    #[error("there is no account {0:?}")]
    Missing(String),
    /// The stored password cannot be used.
    #[error("account {name:?}: {source}")]
    Password {
        /// Player name.
        name: String,
        /// What is wrong.
        source: PasswordError,
    },
    /// A stored ban cannot be read.
    #[error("the ban of addresses {text:?} cannot be read: {error}")]
    Ban {
        /// What is stored.
        text: String,
        /// What is wrong.
        error: PrefixError,
    },
    /// Another process kept the store locked for longer than 5 s.
    #[error("account store is locked by another process")]
    Busy,
    /// The database server does not answer.
    #[error("account store cannot be reached: {0}")]
    Away(sqlx::Error),
    /// An operation took longer than the limit; whether it was done is not known.
    #[error("account store did not answer in time")]
    Slow,
    /// Work on files was interrupted because the process ends.
    #[error("work on the account store was interrupted")]
    Interrupted,
    /// Any other failure of the database.
    #[error("account store: {0}")]
    Database(sqlx::Error),
}

impl AccountError {
    /// Whether the same operation may succeed later without anybody changing anything but the
    /// store's availability.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Away(_) | Self::Busy | Self::Slow)
    }

    /// One name of the kind, for metrics.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Away(_) => "away",
            Self::Busy => "locked",
            Self::Slow => "slow",
            Self::Password { .. } => "bad_entry",
            _ => "failed",
        }
    }
}

impl From<sqlx::Error> for AccountError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Io(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::WorkerCrashed
            | sqlx::Error::Tls(_) => Self::Away(error),
            sqlx::Error::Database(database) => {
                let code = database.code().unwrap_or_default();
                // SQLITE_BUSY is 5, and extended codes keep it in their low byte. States of
                // PostgreSQL have five characters: 08 is lost connections, 57P0 a server that
                // stops or starts, 53300 one with too many connections, 25006 a read-only standby.
                let postgres = code.len() == 5;
                let gone = ["08", "57P0", "53300", "25006"];
                let lost = postgres && gone.iter().any(|prefix| code.starts_with(prefix));
                let busy = !postgres && code.parse().is_ok_and(|it: u32| it & 0xff == 5);
                match (lost, busy) {
                    (true, _) => Self::Away(error),
                    (_, true) => Self::Busy,
                    _ => Self::Database(error),
                }
            }
            _ => Self::Database(error),
        }
    }
}
