//! Accounts in the engine's own `auth.sqlite` (`database/database-sqlite3.cpp`,
//! `AuthDatabaseSQLite3`), so that a network can start from the file of an existing server.
//!
//! An engine may have the same file open. Nothing here depends on being alone: the journal mode
//! stays as it is, writes are short immediate transactions, and a locked file is waited for.

use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::str::FromStr as _;
use std::time::Duration;

use sqlx::Row as _;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions};

use crate::{Password, PasswordError, PrefixError};

mod reconnect;
#[cfg(test)]
mod tests;

/// What the engine gives new accounts unless configured otherwise (setting `default_privs`).
pub const DEFAULT_PRIVILEGES: &[&str] = &["interact", "shout"];

/// `last_login` of an account that was never used.
pub const NEVER: i64 = -1;

/// How long a statement waits for another process that has the file locked.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// SQLite writes one at a time anyway; a few connections let lookups go on meanwhile.
const MAX_CONNECTIONS: u32 = 4;

/// A stored account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Player name, spelt as at registration.
    pub name: String,
    /// What logins are checked against.
    pub password: Password,
    /// Privileges by name.
    pub privileges: BTreeSet<String>,
    /// Unix seconds of the last join, [`NEVER`] before the first.
    pub last_login: i64,
}

/// Why an account operation failed.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// The address is not `sqlite:PATH` or has options that mean nothing.
    #[error("account store {url:?} is not understood: {why}")]
    Url {
        /// The address as given.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// The file could not be opened or made.
    #[error("cannot open account store {}: {source}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: sqlx::Error,
    },
    /// The file could not be made.
    #[error("cannot create account store {}: {source}", path.display())]
    Create {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
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
    /// Another process kept the file locked for longer than 5 s.
    #[error("account store is locked by another process")]
    Busy,
    /// Any other failure of the database.
    #[error("account store: {0}")]
    Database(sqlx::Error),
}

impl From<sqlx::Error> for AccountError {
    fn from(error: sqlx::Error) -> Self {
        // SQLITE_BUSY is 5; extended codes keep it in their low byte.
        let code = error.as_database_error().and_then(|e| e.code()?.parse::<u32>().ok());
        if code.is_some_and(|code| code & 0xff == 5) { Self::Busy } else { Self::Database(error) }
    }
}

/// An open account file. Clones share its connections.
#[derive(Debug, Clone)]
pub struct SqliteAccounts {
    pool: SqlitePool,
}

impl SqliteAccounts {
    /// Opens `sqlite:PATH`; with `?mode=rwc` the file is made if it does not exist, with mode 0600.
    /// `%`, `?` and `#` in the path are percent-encoded. Missing tables are created; tables of any
    /// engine release are used as they are.
    pub async fn open(url: &str) -> Result<Self, AccountError> {
        let not_understood =
            |why: &str| AccountError::Url { url: url.to_owned(), why: why.to_owned() };
        if !url.starts_with("sqlite:") {
            return Err(not_understood("only sqlite:PATH is supported"));
        }
        let options = SqliteConnectOptions::from_str(url)
            .map_err(|error| not_understood(&error.to_string()))?;
        let path = options.get_filename().to_owned();
        if path.as_os_str().is_empty() {
            return Err(not_understood("the path is missing"));
        }
        let create = url.split_once('?').is_some_and(|(_, parameters)| {
            parameters.split('&').any(|parameter| parameter == "mode=rwc")
        });
        Self::open_with(options, &path, create).await
    }

    /// Opens the file at `path`; `create` makes it if it does not exist.
    pub async fn open_path(path: &Path, create: bool) -> Result<Self, AccountError> {
        Self::open_with(SqliteConnectOptions::new().filename(path), path, create).await
    }

    async fn open_with(
        options: SqliteConnectOptions,
        path: &Path,
        create: bool,
    ) -> Result<Self, AccountError> {
        if create {
            make_private(path)
                .map_err(|source| AccountError::Create { path: path.to_owned(), source })?;
        }
        let options = options
            .create_if_missing(false)
            .foreign_keys(true)
            .busy_timeout(BUSY_TIMEOUT)
            .pragma("trusted_schema", "OFF");
        let opened = async {
            let pool = SqlitePoolOptions::new()
                .max_connections(MAX_CONNECTIONS)
                .connect_with(options)
                .await?;
            create_tables(&pool).await?;
            Ok(Self { pool })
        };
        opened.await.map_err(|source| AccountError::Open { path: path.to_owned(), source })
    }

    /// The account of exactly this name.
    ///
    /// # Errors
    /// [`AccountError::Password`] for an entry that no login can succeed with.
    pub async fn get(&self, name: &str) -> Result<Option<Account>, AccountError> {
        let rows = sqlx::query(
            "SELECT auth.name, auth.password, auth.last_login, user_privileges.privilege \
             FROM auth LEFT JOIN user_privileges ON user_privileges.id = auth.id \
             WHERE auth.name = ?",
        )
        .bind(name)
        .fetch_all(&self.pool)
        .await?;
        let Some(first) = rows.first() else {
            return Ok(None);
        };
        let broken = |source| AccountError::Password { name: name.to_owned(), source };
        // The engine reads NULL as an empty password, which would let everybody in.
        let field: Option<String> = first.try_get(1)?;
        let field = field.ok_or(broken(PasswordError::Missing))?;
        let mut privileges = BTreeSet::new();
        for row in &rows {
            privileges.extend(row.try_get::<Option<String>, _>(3)?);
        }
        Ok(Some(Account {
            name: first.try_get(0)?,
            password: Password::parse(&field).map_err(broken)?,
            privileges,
            last_login: first.try_get::<Option<i64>, _>(2)?.unwrap_or(0),
        }))
    }

    /// The name of an account that differs from `name` in case only. Reads all names: meant for
    /// players who are not known under the name they gave.
    pub async fn find_case_insensitive(&self, name: &str) -> Result<Option<String>, AccountError> {
        Ok(sqlx::query_scalar(TWIN).bind(name).fetch_optional(&self.pool).await?)
    }

    /// Adds an account that has never logged in.
    ///
    /// # Errors
    /// [`AccountError::Exists`] or [`AccountError::Twin`] when the name is taken.
    pub async fn create(
        &self,
        name: &str,
        password: &Password,
        privileges: &[&str],
    ) -> Result<(), AccountError> {
        let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        let twin: Option<String> =
            sqlx::query_scalar(TWIN).bind(name).fetch_optional(&mut *transaction).await?;
        if let Some(twin) = twin {
            return Err(AccountError::Twin(twin));
        }
        let added = sqlx::query("INSERT INTO auth (name, password, last_login) VALUES (?, ?, ?)")
            .bind(name)
            .bind(password.format())
            .bind(NEVER)
            .execute(&mut *transaction)
            .await;
        let id = match added {
            Ok(added) => added.last_insert_rowid(),
            Err(sqlx::Error::Database(error)) if error.is_unique_violation() => {
                return Err(AccountError::Exists(name.to_owned()));
            }
            Err(error) => return Err(error.into()),
        };
        for privilege in privileges.iter().copied().collect::<BTreeSet<_>>() {
            sqlx::query("INSERT INTO user_privileges (id, privilege) VALUES (?, ?)")
                .bind(id)
                .bind(privilege)
                .execute(&mut *transaction)
                .await?;
        }
        Ok(transaction.commit().await?)
    }

    /// Replaces the password; everything else stays.
    ///
    /// # Errors
    /// [`AccountError::Missing`] when there is no such account.
    pub async fn set_password(&self, name: &str, password: &Password) -> Result<(), AccountError> {
        let update = sqlx::query("UPDATE auth SET password = ? WHERE name = ?")
            .bind(password.format())
            .bind(name);
        changed(name, update.execute(&self.pool).await?.rows_affected())
    }

    /// Notes a join at `unix_seconds`.
    ///
    /// # Errors
    /// [`AccountError::Missing`] when there is no such account.
    pub async fn set_last_login(&self, name: &str, unix_seconds: i64) -> Result<(), AccountError> {
        let update = sqlx::query("UPDATE auth SET last_login = ? WHERE name = ?")
            .bind(unix_seconds)
            .bind(name);
        changed(name, update.execute(&self.pool).await?.rows_affected())
    }

    pub(crate) fn pool(&self) -> &SqlitePool {
        &self.pool
    }

    /// Finishes what is running and closes the file.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

const TWIN: &str = "SELECT name FROM auth WHERE name = ?1 COLLATE NOCASE AND name <> ?1 LIMIT 1";

fn changed(name: &str, rows: u64) -> Result<(), AccountError> {
    if rows == 0 { Err(AccountError::Missing(name.to_owned())) } else { Ok(()) }
}

/// An empty file is an empty database. SQLite gives its journals the mode of the file, so a file
/// that was made private stays private.
fn make_private(path: &Path) -> io::Result<()> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// The schema of current engines. Engines up to 5.11 made nullable VARCHAR columns; such files
/// keep them. The last statement finds out at the start whether the file is what it should be.
async fn create_tables(pool: &SqlitePool) -> Result<(), sqlx::Error> {
    for statement in [
        "CREATE TABLE IF NOT EXISTS `auth` (\
         `id` INTEGER PRIMARY KEY AUTOINCREMENT, \
         `name` TEXT UNIQUE NOT NULL, \
         `password` TEXT NOT NULL, \
         `last_login` INTEGER NOT NULL DEFAULT 0)",
        "CREATE TABLE IF NOT EXISTS `user_privileges` (\
         `id` INTEGER, \
         `privilege` TEXT, \
         PRIMARY KEY (id, privilege), \
         CONSTRAINT fk_id FOREIGN KEY (id) REFERENCES auth (id) ON DELETE CASCADE)",
        reconnect::TABLE,
        "SELECT auth.id, name, password, last_login, privilege \
         FROM auth LEFT JOIN user_privileges ON user_privileges.id = auth.id LIMIT 1",
    ] {
        sqlx::query(statement).execute(pool).await?;
    }
    Ok(())
}
