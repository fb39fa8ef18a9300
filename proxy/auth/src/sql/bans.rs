//! Bans in a table of the proxy's own beside the engine's, which engines do not look at.

use std::net::IpAddr;

use sqlx::any::AnyRow;
use sqlx::{Any, AssertSqlSafe, Row as _, Transaction};

use super::{Sql, groups};
use crate::bans::{Ban, BanError, BanKey, BanSubject, NewBan};
use crate::{AccountError, Prefix};

/// Rows in one statement.
const ROWS: usize = 500;

/// Names are compared by the index of the dialect.
const SQLITE_SAME: &str = "SELECT id, name, addresses, reason, note, author, created, expires \
     FROM mesegate_ban WHERE (name = $1 OR addresses = $2) AND (expires IS NULL OR expires > $3) \
     ORDER BY id LIMIT 1";
const POSTGRES_SAME: &str = "SELECT id, name, addresses, reason, note, author, created, expires \
     FROM mesegate_ban WHERE (lower(name) = lower($1) OR addresses = $2) \
     AND (expires IS NULL OR expires > $3) ORDER BY id LIMIT 1";

/// The prefixes come as one text with commas, because a statement has a fixed number of
/// parameters.
const SQLITE_CHECK: &str = "SELECT id, name, addresses, reason, note, author, created, expires \
     FROM mesegate_ban WHERE (name = $1 OR addresses IN \
     (SELECT value FROM json_each('[\"' || replace($2, ',', '\",\"') || '\"]'))) \
     AND (expires IS NULL OR expires > $3) ORDER BY id LIMIT 1";
const POSTGRES_CHECK: &str = "SELECT id, name, addresses, reason, note, author, created, expires \
     FROM mesegate_ban WHERE (lower(name) = $1 OR addresses = ANY (string_to_array($2, ','))) \
     AND (expires IS NULL OR expires > $3) ORDER BY id LIMIT 1";

impl Sql {
    pub(crate) async fn create_ban(&self, terms: NewBan) -> Result<Ban, BanError> {
        let mut transaction = self.write("mesegate bans").await?;
        let same = self.same_ban(&mut transaction, &terms.subject, terms.created).await?;
        if let Some(ban) = same {
            return Err(BanError::Exists(Box::new(ban)));
        }
        let (name, addresses) = terms.subject.columns();
        let id = sqlx::query_scalar(
            "INSERT INTO mesegate_ban (name, addresses, reason, note, author, created, expires) \
             VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING id",
        )
        .bind(name)
        .bind(&addresses)
        .bind(&terms.reason)
        .bind(&terms.note)
        .bind(&terms.author)
        .bind(terms.created)
        .bind(terms.expires)
        .fetch_one(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(Ban { id, terms })
    }

    /// Adds bans without a look at those that are there, all or none of them.
    pub(crate) async fn put_bans(&self, bans: &[NewBan]) -> Result<(), AccountError> {
        let mut transaction = self.write("mesegate bans").await?;
        for bans in bans.chunks(ROWS) {
            let statement = format!(
                "INSERT INTO mesegate_ban \
                 (name, addresses, reason, note, author, created, expires) VALUES {}",
                groups(bans.len(), 7)
            );
            let mut query = sqlx::query(AssertSqlSafe(statement));
            for ban in bans {
                let (name, addresses) = ban.subject.columns();
                query = query
                    .bind(name)
                    .bind(addresses)
                    .bind(&ban.reason)
                    .bind(&ban.note)
                    .bind(&ban.author)
                    .bind(ban.created)
                    .bind(ban.expires);
            }
            query.execute(&mut *transaction).await?;
        }
        Ok(transaction.commit().await?)
    }

    pub(crate) async fn delete_ban(&self, key: &BanKey, now: i64) -> Result<Ban, BanError> {
        let mut transaction = self.write("mesegate bans").await?;
        let found = match key {
            BanKey::Id(id) => {
                let query = sqlx::query(
                    "SELECT id, name, addresses, reason, note, author, created, expires \
                     FROM mesegate_ban WHERE id = $1",
                );
                let row = query.bind(id).fetch_optional(&mut *transaction).await?;
                row.as_ref().map(read).transpose()?
            }
            BanKey::Subject(subject) => self.same_ban(&mut transaction, subject, now).await?,
        };
        let ban = found.ok_or(BanError::Missing)?;
        let delete = sqlx::query("DELETE FROM mesegate_ban WHERE id = $1").bind(ban.id);
        delete.execute(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(ban)
    }

    pub(crate) async fn list_bans(
        &self,
        after: i64,
        limit: u32,
        with_expired: bool,
        now: i64,
    ) -> Result<Vec<Ban>, AccountError> {
        if !self.tables.bans {
            return Ok(Vec::new());
        }
        let rows = sqlx::query(
            "SELECT id, name, addresses, reason, note, author, created, expires \
             FROM mesegate_ban WHERE id > $1 AND ($2 OR expires IS NULL OR expires > $3) \
             ORDER BY id LIMIT $4",
        )
        .bind(after)
        .bind(with_expired)
        .bind(now)
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(read).collect()
    }

    /// The oldest ban that keeps a player out; `name` is in lower case.
    pub(crate) async fn check_ban(
        &self,
        name: Option<&str>,
        address: Option<IpAddr>,
        now: i64,
    ) -> Result<Option<Ban>, AccountError> {
        let prefixes: Vec<String> = address.map_or_else(Vec::new, |address| {
            Prefix::covering(address).map(|prefix| prefix.to_string()).collect()
        });
        let row = sqlx::query(self.dialect.pick(SQLITE_CHECK, POSTGRES_CHECK))
            .bind(name)
            .bind(prefixes.join(","))
            .bind(now)
            .fetch_optional(&self.pool)
            .await?;
        row.as_ref().map(read).transpose()
    }

    async fn same_ban(
        &self,
        transaction: &mut Transaction<'_, Any>,
        subject: &BanSubject,
        now: i64,
    ) -> Result<Option<Ban>, AccountError> {
        let (name, addresses) = subject.columns();
        let row = sqlx::query(self.dialect.pick(SQLITE_SAME, POSTGRES_SAME))
            .bind(name)
            .bind(addresses)
            .bind(now)
            .fetch_optional(&mut **transaction)
            .await?;
        row.as_ref().map(read).transpose()
    }
}

fn read(row: &AnyRow) -> Result<Ban, AccountError> {
    let terms = NewBan {
        subject: BanSubject::from_columns(row.try_get(1)?, row.try_get(2)?)?,
        reason: row.try_get(3)?,
        note: row.try_get(4)?,
        author: row.try_get(5)?,
        created: row.try_get(6)?,
        expires: row.try_get(7)?,
    };
    Ok(Ban { id: row.try_get(0)?, terms })
}
