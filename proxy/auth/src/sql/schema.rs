//! The tables: the engine's own, as engines make them, and those of the proxy, which have versions.

use sqlx::{Any, AssertSqlSafe, Transaction};

use super::{Dialect, Sql};
use crate::AccountError;

/// Which tables there are.
#[derive(Debug, Clone, Copy, Default)]
#[allow(clippy::struct_excessive_bools)] // one for each
pub(super) struct Tables {
    pub(super) auth: bool,
    pub(super) privileges: bool,
    pub(super) players: bool,
    pub(super) bans: bool,
    pub(super) mutes: bool,
}

/// As current engines make it (`database/database-sqlite3.cpp`, `AuthDatabaseSQLite3`). Engines up
/// to 5.11 made nullable VARCHAR columns; such files keep them.
const SQLITE_AUTH: &str = "CREATE TABLE `auth` (\
     `id` INTEGER PRIMARY KEY AUTOINCREMENT, \
     `name` TEXT UNIQUE NOT NULL, \
     `password` TEXT NOT NULL, \
     `last_login` INTEGER NOT NULL DEFAULT 0)";

/// As engines make it (`database/database-postgresql.cpp`, `AuthDatabasePostgreSQL`).
const POSTGRES_AUTH: &str = "CREATE TABLE auth (\
     id SERIAL, \
     name TEXT UNIQUE, \
     password TEXT, \
     last_login INT NOT NULL DEFAULT 0, \
     PRIMARY KEY (id))";

const PRIVILEGES: &str = "CREATE TABLE user_privileges (\
     id INTEGER, \
     privilege TEXT, \
     PRIMARY KEY (id, privilege), \
     CONSTRAINT fk_id FOREIGN KEY (id) REFERENCES auth (id) ON DELETE CASCADE)";

/// Finds out at the start whether the tables are what they should be.
const PROBES: [&str; 5] = [
    "SELECT auth.id, name, password, last_login, privilege \
     FROM auth LEFT JOIN user_privileges ON user_privileges.id = auth.id LIMIT 1",
    "SELECT id, name, addresses, reason, note, author, created, expires FROM mesegate_ban LIMIT 1",
    "SELECT mesegate_player.name, mesegate_player.server, mesegate_reconnect.expires \
     FROM mesegate_player, mesegate_reconnect LIMIT 1",
    "SELECT name, reason, author, mesegate_mute.created, expires, number \
     FROM mesegate_mute, mesegate_change LIMIT 1",
    "SELECT name, prefix, number, last FROM mesegate_failure LIMIT 1",
];

/// What changes the proxy's tables from one version to the next, in SQLite and in PostgreSQL. The
/// first tolerates what releases made that did not count versions.
///
/// Numbers of bans are not used again: who lifts a ban by its number must not hit a later one.
const MIGRATIONS: [[&[&str]; 2]; 3] = [
    [
        &[
            "CREATE TABLE IF NOT EXISTS mesegate_reconnect (\
             name TEXT PRIMARY KEY NOT NULL, \
             server TEXT NOT NULL, \
             expires BIGINT NOT NULL)",
            "CREATE TABLE IF NOT EXISTS mesegate_ban (\
             id INTEGER PRIMARY KEY AUTOINCREMENT, \
             name TEXT COLLATE NOCASE, \
             addresses TEXT, \
             reason TEXT NOT NULL, \
             note TEXT NOT NULL, \
             author TEXT NOT NULL, \
             created INTEGER NOT NULL, \
             expires INTEGER, \
             CHECK ((name IS NULL) <> (addresses IS NULL)))",
            "CREATE INDEX IF NOT EXISTS mesegate_ban_name ON mesegate_ban (name)",
            "CREATE INDEX IF NOT EXISTS mesegate_ban_addresses ON mesegate_ban (addresses)",
        ],
        &[
            "CREATE TABLE mesegate_reconnect (\
             name TEXT PRIMARY KEY NOT NULL, \
             server TEXT NOT NULL, \
             expires BIGINT NOT NULL)",
            "CREATE TABLE mesegate_ban (\
             id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, \
             name TEXT, \
             addresses TEXT, \
             reason TEXT NOT NULL, \
             note TEXT NOT NULL, \
             author TEXT NOT NULL, \
             created BIGINT NOT NULL, \
             expires BIGINT, \
             CHECK ((name IS NULL) <> (addresses IS NULL)))",
            "CREATE INDEX mesegate_ban_name ON mesegate_ban (lower(name))",
            "CREATE INDEX mesegate_ban_addresses ON mesegate_ban (addresses)",
        ],
    ],
    [LAST_SERVERS, LAST_SERVERS],
    [MUTES_AND_FAILURES, MUTES_AND_FAILURES],
];

const LAST_SERVERS: &[&str] = &["CREATE TABLE mesegate_player (\
     name TEXT PRIMARY KEY NOT NULL, \
     server TEXT NOT NULL)"];

/// Names are in lower case.
const MUTES_AND_FAILURES: &[&str] = &[
    "CREATE TABLE mesegate_mute (\
     name TEXT PRIMARY KEY NOT NULL, \
     reason TEXT NOT NULL, \
     author TEXT NOT NULL, \
     created BIGINT NOT NULL, \
     expires BIGINT)",
    "CREATE TABLE mesegate_change (what TEXT PRIMARY KEY NOT NULL, number BIGINT NOT NULL)",
    "INSERT INTO mesegate_change (what, number) VALUES ('mutes', 0)",
    "CREATE TABLE mesegate_failure (\
     name TEXT NOT NULL, \
     prefix TEXT NOT NULL, \
     number BIGINT NOT NULL, \
     last BIGINT NOT NULL, \
     PRIMARY KEY (name, prefix))",
    "CREATE INDEX mesegate_failure_last ON mesegate_failure (last)",
];

impl Sql {
    /// Makes the tables that are missing and brings those of the proxy up to date.
    ///
    /// Whether a table exists is asked first: a user who may not create any can still use those
    /// that somebody else made.
    pub(super) async fn prepare_tables(&self) -> Result<Tables, AccountError> {
        let mut transaction = self.write("mesegate tables").await?;
        let auth = self.dialect.pick(SQLITE_AUTH, POSTGRES_AUTH);
        for (table, statement) in [("auth", auth), ("user_privileges", PRIVILEGES)] {
            if !self.has(&mut transaction, table).await? {
                sqlx::query(statement).execute(&mut *transaction).await?;
            }
        }
        self.migrate(&mut transaction).await?;
        for probe in PROBES {
            sqlx::query(probe).execute(&mut *transaction).await?;
        }
        transaction.commit().await?;
        Ok(Tables { auth: true, privileges: true, players: true, bans: true, mutes: true })
    }

    async fn migrate(&self, transaction: &mut Transaction<'_, Any>) -> Result<(), AccountError> {
        if !self.has(transaction, "mesegate_schema").await? {
            let make = "CREATE TABLE mesegate_schema (version BIGINT NOT NULL)";
            sqlx::query(make).execute(&mut **transaction).await?;
            let start = "INSERT INTO mesegate_schema (version) VALUES (0)";
            sqlx::query(start).execute(&mut **transaction).await?;
        }
        let version = "SELECT version FROM mesegate_schema";
        let found: i64 = sqlx::query_scalar(version).fetch_one(&mut **transaction).await?;
        let known = MIGRATIONS.len() as i64;
        if found > known {
            return Err(AccountError::Newer { found, known });
        }
        for (number, [sqlite, postgres]) in (1..).zip(MIGRATIONS) {
            if number <= found {
                continue;
            }
            let statements = if self.dialect == Dialect::Sqlite { sqlite } else { postgres };
            for statement in statements {
                sqlx::query(*statement).execute(&mut **transaction).await?;
            }
            let note = "UPDATE mesegate_schema SET version = $1";
            sqlx::query(note).bind(number).execute(&mut **transaction).await?;
        }
        Ok(())
    }

    /// Looks which tables there are.
    pub(super) async fn find_tables(&self) -> Result<Tables, AccountError> {
        let mut transaction = self.pool.begin().await?;
        let tables = Tables {
            auth: self.has(&mut transaction, "auth").await?,
            privileges: self.has(&mut transaction, "user_privileges").await?,
            players: self.has(&mut transaction, "mesegate_player").await?,
            bans: self.has(&mut transaction, "mesegate_ban").await?,
            mutes: self.has(&mut transaction, "mesegate_mute").await?,
        };
        transaction.rollback().await?;
        Ok(tables)
    }

    async fn has(
        &self,
        transaction: &mut Transaction<'_, Any>,
        table: &str,
    ) -> Result<bool, AccountError> {
        let count = self.dialect.pick(
            "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = $1",
            "SELECT count(*) FROM (SELECT to_regclass($1) AS it) AS found WHERE it IS NOT NULL",
        );
        let query = sqlx::query_scalar(AssertSqlSafe(count)).bind(table);
        let found: i64 = query.fetch_one(&mut **transaction).await?;
        Ok(found > 0)
    }
}
