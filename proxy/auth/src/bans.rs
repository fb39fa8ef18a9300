//! Who is kept out: a table of the proxy's own in the account file. Engines that have the file
//! open do not look at it.

mod cache;
#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::sync::Arc;

use sqlx::Row as _;
use sqlx::sqlite::{SqlitePool, SqliteRow};

use crate::{AccountError, Prefix, SqliteAccounts};
use cache::Cache;

/// Whom a ban concerns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BanSubject {
    /// The player of that name; ASCII letter case does not count.
    Name(String),
    /// Whoever connects from there.
    Addresses(Prefix),
}

impl BanSubject {
    /// Whether it is about this player.
    pub fn concerns(&self, name: &str, address: IpAddr) -> bool {
        match self {
            Self::Name(banned) => banned.eq_ignore_ascii_case(name),
            Self::Addresses(prefix) => prefix.contains(address),
        }
    }

    /// One name of the kind, for metrics: `name` or `address`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Name(_) => "name",
            Self::Addresses(_) => "address",
        }
    }

    fn columns(&self) -> (Option<&str>, Option<String>) {
        match self {
            Self::Name(name) => (Some(name), None),
            Self::Addresses(prefix) => (None, Some(prefix.to_string())),
        }
    }
}

/// What a ban says. Times are Unix seconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewBan {
    /// Whom it concerns.
    pub subject: BanSubject,
    /// What the player reads.
    pub reason: String,
    /// What only operators read.
    pub note: String,
    /// Who made it.
    pub author: String,
    /// When it was made.
    pub created: i64,
    /// When it ends by itself.
    pub expires: Option<i64>,
}

/// A stored ban.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ban {
    /// Never used for another one.
    pub id: i64,
    /// What it says.
    pub terms: NewBan,
}

impl Ban {
    /// Whether it has not ended by itself.
    pub fn holds(&self, now: i64) -> bool {
        self.terms.expires.is_none_or(|expires| expires > now)
    }
}

/// Which ban.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BanKey {
    /// By its number.
    Id(i64),
    /// The one in force about exactly this subject.
    Subject(BanSubject),
}

/// Why a ban was not made or lifted.
#[derive(Debug, thiserror::Error)]
pub enum BanError {
    /// The very subject is banned already.
    #[error("there is such a ban already, number {}", .0.id)]
    Exists(Box<Ban>),
    /// No such ban.
    #[error("there is no such ban")]
    Missing,
    /// The file.
    #[error(transparent)]
    Store(#[from] AccountError),
}

impl From<sqlx::Error> for BanError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

/// The bans of a network. Clones share the file and what is remembered of it.
#[derive(Debug, Clone)]
pub struct Bans {
    pool: SqlitePool,
    cache: Arc<Cache>,
}

impl SqliteAccounts {
    /// The bans in the same file; their table is made if it is missing.
    ///
    /// # Errors
    /// When the file does not let itself be changed, or has another table of that name.
    pub async fn bans(&self) -> Result<Bans, AccountError> {
        let pool = self.pool().clone();
        for statement in TABLE {
            sqlx::query(statement).execute(&pool).await?;
        }
        Ok(Bans { pool, cache: Arc::default() })
    }
}

/// Numbers are not used again: who lifts a ban by its number must not hit a later one. The last
/// statement finds out at the start whether the table is what it should be.
const TABLE: [&str; 4] = [
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
    "SELECT id, name, addresses, reason, note, author, created, expires FROM mesegate_ban LIMIT 1",
];

const SAME_SUBJECT: &str = "SELECT id, name, addresses, reason, note, author, created, expires \
     FROM mesegate_ban WHERE (name = ?1 OR addresses = ?2) AND (expires IS NULL OR expires > ?3) \
     ORDER BY id LIMIT 1";

impl Bans {
    /// Bans.
    ///
    /// # Errors
    /// [`BanError::Exists`] while a ban about the very subject is in force.
    pub async fn create(&self, terms: NewBan) -> Result<Ban, BanError> {
        let (name, addresses) = terms.subject.columns();
        let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        let same = sqlx::query(SAME_SUBJECT)
            .bind(name)
            .bind(&addresses)
            .bind(terms.created)
            .fetch_optional(&mut *transaction)
            .await?;
        if let Some(row) = same {
            return Err(BanError::Exists(Box::new(read(&row)?)));
        }
        let made = sqlx::query(
            "INSERT INTO mesegate_ban (name, addresses, reason, note, author, created, expires) \
             VALUES (?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(name)
        .bind(&addresses)
        .bind(&terms.reason)
        .bind(&terms.note)
        .bind(&terms.author)
        .bind(terms.created)
        .bind(terms.expires)
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        self.cache.forget();
        Ok(Ban { id: made.last_insert_rowid(), terms })
    }

    /// Lifts a ban and returns what it was.
    ///
    /// # Errors
    /// [`BanError::Missing`].
    pub async fn delete(&self, key: &BanKey, now: i64) -> Result<Ban, BanError> {
        let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        let found = match key {
            BanKey::Id(id) => {
                let query = sqlx::query(
                    "SELECT id, name, addresses, reason, note, author, created, expires \
                     FROM mesegate_ban WHERE id = ?",
                );
                query.bind(id).fetch_optional(&mut *transaction).await?
            }
            BanKey::Subject(subject) => {
                let (name, addresses) = subject.columns();
                let query = sqlx::query(SAME_SUBJECT).bind(name).bind(addresses).bind(now);
                query.fetch_optional(&mut *transaction).await?
            }
        };
        let ban = read(&found.ok_or(BanError::Missing)?)?;
        let delete = sqlx::query("DELETE FROM mesegate_ban WHERE id = ?").bind(ban.id);
        delete.execute(&mut *transaction).await?;
        transaction.commit().await?;
        self.cache.forget();
        Ok(ban)
    }

    /// At most `limit` bans with numbers above `after`, in the order of their numbers: those that
    /// hold at `now`, or all.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn list(
        &self,
        after: i64,
        limit: u32,
        with_expired: bool,
        now: i64,
    ) -> Result<Vec<Ban>, AccountError> {
        let rows = sqlx::query(
            "SELECT id, name, addresses, reason, note, author, created, expires \
             FROM mesegate_ban WHERE id > ?1 AND (?2 OR expires IS NULL OR expires > ?3) \
             ORDER BY id LIMIT ?4",
        )
        .bind(after)
        .bind(with_expired)
        .bind(now)
        .bind(limit)
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(read).collect()
    }

    /// The ban that keeps a player out at `now`, if any: the oldest.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn check(
        &self,
        name: Option<&str>,
        address: Option<IpAddr>,
        now: i64,
    ) -> Result<Option<Arc<Ban>>, AccountError> {
        let name = name.map(str::to_ascii_lowercase);
        let who = (name, address.map(|address| address.to_canonical()));
        let ticket = match self.cache.get(&who, now) {
            Ok(known) => return Ok(known),
            Err(ticket) => ticket,
        };
        // As a JSON array, because a statement has a fixed number of parameters.
        let prefixes: Vec<String> = address.map_or_else(Vec::new, |address| {
            Prefix::covering(address).map(|prefix| format!("\"{prefix}\"")).collect()
        });
        let row = sqlx::query(
            "SELECT id, name, addresses, reason, note, author, created, expires \
             FROM mesegate_ban \
             WHERE (name = ?1 OR addresses IN (SELECT value FROM json_each(?2))) \
             AND (expires IS NULL OR expires > ?3) ORDER BY id LIMIT 1",
        )
        .bind(&who.0)
        .bind(format!("[{}]", prefixes.join(",")))
        .bind(now)
        .fetch_optional(&self.pool)
        .await?;
        let ban = row.as_ref().map(read).transpose()?.map(Arc::new);
        self.cache.put(ticket, who, ban.clone());
        Ok(ban)
    }
}

fn read(row: &SqliteRow) -> Result<Ban, AccountError> {
    let subject = match (row.try_get::<Option<String>, _>(1)?, row.try_get::<Option<String>, _>(2)?)
    {
        (Some(name), _) => BanSubject::Name(name),
        (None, addresses) => {
            let text = addresses.unwrap_or_default();
            let prefix = text.parse().map_err(|error| AccountError::Ban { text, error })?;
            BanSubject::Addresses(prefix)
        }
    };
    let terms = NewBan {
        subject,
        reason: row.try_get(3)?,
        note: row.try_get(4)?,
        author: row.try_get(5)?,
        created: row.try_get(6)?,
        expires: row.try_get(7)?,
    };
    Ok(Ban { id: row.try_get(0)?, terms })
}
