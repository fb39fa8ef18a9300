//! A database that accounts, bans and the proxy's own notes are in: a file of SQLite, or a
//! PostgreSQL server.
//!
//! Nothing here depends on being alone: engines may use the same tables. Writes are short
//! transactions, ids stay what they are, and columns and tables that are not known are not
//! touched. Statements are written once, in what both dialects understand; where they differ,
//! [`Dialect::pick`] takes one of two.

mod accounts;
mod bans;
mod failures;
mod mutes;
mod records;
mod schema;

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::str::FromStr as _;
use std::sync::Once;
use std::time::Duration;

use sqlx::any::AnyPoolOptions;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Any, AnyPool, Executor as _, Transaction};

use crate::AccountError;
use crate::url::{StoreUrl, Target};
use schema::Tables;

/// SQLite writes one at a time anyway; a few connections let lookups go on meanwhile.
const SQLITE_CONNECTIONS: u32 = 4;

/// A few logins at once keep a database server busy; the rest waits here, not there.
const POSTGRES_CONNECTIONS: u32 = 8;

/// How long a statement waits for a connection. SQLite waits up to 5 s for another process that
/// has the file locked (the driver's busy timeout).
const SQLITE_PATIENCE: Duration = Duration::from_secs(10);

/// The same for a server: a player who logs in while it is away is told so at once.
const POSTGRES_PATIENCE: Duration = Duration::from_secs(1);

/// How long a whole operation may take.
const SQLITE_LIMIT: Duration = Duration::from_secs(20);
const POSTGRES_LIMIT: Duration = Duration::from_secs(4);

/// What the database speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dialect {
    Sqlite,
    Postgres,
}

impl Dialect {
    /// The statement in this dialect.
    fn pick(self, sqlite: &'static str, postgres: &'static str) -> &'static str {
        match self {
            Self::Sqlite => sqlite,
            Self::Postgres => postgres,
        }
    }
}

/// An open database. Clones share its connections.
#[derive(Debug, Clone)]
pub(crate) struct Sql {
    pool: AnyPool,
    dialect: Dialect,
    tables: Tables,
}

impl Sql {
    /// Opens a database for use: missing tables are made.
    pub(crate) async fn open(url: &StoreUrl) -> Result<Self, AccountError> {
        let mut sql = Self::connect(url).await?;
        sql.tables = sql.prepare_tables().await.map_err(|error| opening(url, error))?;
        Ok(sql)
    }

    /// Opens a database to read what is there; nothing is made or changed.
    pub(crate) async fn open_source(url: &StoreUrl) -> Result<Self, AccountError> {
        let url = url.clone().reading();
        let mut sql = Self::connect(&url).await?;
        sql.tables = sql.find_tables().await.map_err(|error| opening(&url, error))?;
        Ok(sql)
    }

    async fn connect(url: &StoreUrl) -> Result<Self, AccountError> {
        static DRIVERS: Once = Once::new();
        DRIVERS.call_once(sqlx::any::install_default_drivers);
        let (pool, dialect) = match url.target() {
            Target::Sqlite => (connect_sqlite(url).await?, Dialect::Sqlite),
            _ => (connect_postgres(url).await?, Dialect::Postgres),
        };
        Ok(Self { pool, dialect, tables: Tables::default() })
    }

    /// Begins to write about `what`: whoever else does so waits until the transaction ends.
    async fn write(&self, what: &str) -> Result<Transaction<'_, Any>, AccountError> {
        match self.dialect {
            Dialect::Sqlite => Ok(self.pool.begin_with("BEGIN IMMEDIATE").await?),
            Dialect::Postgres => {
                let mut transaction = self.pool.begin().await?;
                // Counted, because the function's own type is nothing that the driver can read.
                sqlx::query("SELECT count(pg_advisory_xact_lock(hashtext(lower($1))))")
                    .bind(what)
                    .execute(&mut *transaction)
                    .await?;
                Ok(transaction)
            }
        }
    }

    /// How long one operation may take.
    pub(crate) fn limit(&self) -> Duration {
        match self.dialect {
            Dialect::Sqlite => SQLITE_LIMIT,
            Dialect::Postgres => POSTGRES_LIMIT,
        }
    }

    /// Whether it is a server, and not a file.
    pub(crate) fn is_server(&self) -> bool {
        self.dialect == Dialect::Postgres
    }

    pub(crate) async fn close(&self) {
        self.pool.close().await;
    }
}

/// Parameters `$first` to `$first + count - 1`, with commas.
fn parameters(first: usize, count: usize) -> String {
    let all: Vec<String> = (first..first + count).map(|number| format!("${number}")).collect();
    all.join(", ")
}

/// `rows` groups of `columns` parameters, as VALUES wants them.
fn groups(rows: usize, columns: usize) -> String {
    let all: Vec<String> =
        (0..rows).map(|row| format!("({})", parameters(row * columns + 1, columns))).collect();
    all.join(", ")
}

fn opening(url: &StoreUrl, error: AccountError) -> AccountError {
    match (url.target(), error) {
        (Target::Sqlite, AccountError::Database(source)) => {
            AccountError::Open { path: url.to_string().into(), source }
        }
        (_, error) => error,
    }
}

async fn connect_sqlite(url: &StoreUrl) -> Result<AnyPool, AccountError> {
    let text = url.expose();
    let not_understood =
        |why: &str| AccountError::Url { url: url.to_string(), why: why.to_owned() };
    let options =
        SqliteConnectOptions::from_str(text).map_err(|error| not_understood(&error.to_string()))?;
    let path = options.get_filename().to_owned();
    if path.as_os_str().is_empty() {
        return Err(not_understood("the path is missing"));
    }
    let create = text.split_once('?').is_some_and(|(_, parameters)| {
        parameters.split('&').any(|parameter| parameter == "mode=rwc")
    });
    if create {
        make_private(&path).map_err(|source| AccountError::File {
            action: "create",
            path: path.clone(),
            source,
        })?;
    }
    let opened = AnyPoolOptions::new()
        .max_connections(SQLITE_CONNECTIONS)
        .acquire_timeout(SQLITE_PATIENCE)
        .after_connect(|connection, _| {
            Box::pin(
                async move { connection.execute("PRAGMA trusted_schema = OFF").await.map(drop) },
            )
        })
        .connect(text)
        .await;
    opened.map_err(|source| AccountError::Open { path, source })
}

async fn connect_postgres(url: &StoreUrl) -> Result<AnyPool, AccountError> {
    let pool = AnyPoolOptions::new()
        .max_connections(POSTGRES_CONNECTIONS)
        .acquire_timeout(POSTGRES_PATIENCE)
        .connect(url.expose());
    pool.await.map_err(|error| match error {
        sqlx::Error::Configuration(why) => {
            AccountError::Url { url: url.to_string(), why: why.to_string() }
        }
        other => other.into(),
    })
}

/// An empty file is an empty database. SQLite gives its journals the mode of the file, so a file
/// that was made private stays private.
fn make_private(path: &Path) -> io::Result<()> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}
