//! Mutes in a table of the proxy's own. A number that every change counts up tells other proxies
//! when they have to read them again.

use sqlx::{Any, AssertSqlSafe, Row as _, Transaction};

use super::{Sql, groups};
use crate::AccountError;
use crate::mutes::{Mute, Version};

/// Rows in one statement.
const ROWS: usize = 500;

const COLUMNS: &str = "name, reason, author, created, expires";

impl Sql {
    /// All mutes, unless they are still those of the known version.
    pub(crate) async fn read_mutes(
        &self,
        known: Option<Version>,
    ) -> Result<Option<(Version, Vec<Mute>)>, AccountError> {
        if !self.tables.mutes {
            return Ok(Some((Version::default(), Vec::new())));
        }
        // Before the rest: what is read may then be newer than its number, and is read once more.
        let number = "SELECT number FROM mesegate_change WHERE what = 'mutes'";
        let number: i64 = sqlx::query_scalar(number).fetch_one(&self.pool).await?;
        let version = (number, 0, 0);
        if known == Some(version) {
            return Ok(None);
        }
        let query = format!("SELECT {COLUMNS} FROM mesegate_mute");
        let mut mutes = Vec::new();
        for row in sqlx::query(AssertSqlSafe(query)).fetch_all(&self.pool).await? {
            mutes.push(Mute {
                name: row.try_get(0)?,
                reason: row.try_get(1)?,
                author: row.try_get(2)?,
                created: row.try_get(3)?,
                expires: row.try_get(4)?,
            });
        }
        Ok(Some((version, mutes)))
    }

    /// Mutes somebody; false if `most` others are.
    pub(crate) async fn set_mute(&self, mute: &Mute, most: usize) -> Result<bool, AccountError> {
        let mut transaction = self.write("mesegate mutes").await?;
        sqlx::query("DELETE FROM mesegate_mute WHERE name = $1 OR expires <= $2")
            .bind(&mute.name)
            .bind(mute.created)
            .execute(&mut *transaction)
            .await?;
        let others = sqlx::query_scalar("SELECT count(*) FROM mesegate_mute");
        let others: i64 = others.fetch_one(&mut *transaction).await?;
        if others >= most as i64 {
            transaction.rollback().await?;
            return Ok(false);
        }
        add(&mut transaction, std::slice::from_ref(mute)).await?;
        commit(transaction).await?;
        Ok(true)
    }

    /// Removes a mute; false if it did not hold.
    pub(crate) async fn lift_mute(&self, name: &str, now: i64) -> Result<bool, AccountError> {
        let mut transaction = self.write("mesegate mutes").await?;
        let delete = "DELETE FROM mesegate_mute WHERE name = $1 RETURNING expires";
        let row = sqlx::query(delete).bind(name).fetch_optional(&mut *transaction).await?;
        let Some(row) = row else { return Ok(false) };
        let expires: Option<i64> = row.try_get(0)?;
        commit(transaction).await?;
        Ok(crate::bans::holds(expires, now))
    }

    /// Adds or changes mutes, all or none of them.
    pub(crate) async fn put_mutes(&self, mutes: &[Mute]) -> Result<(), AccountError> {
        let mut transaction = self.write("mesegate mutes").await?;
        for mutes in mutes.chunks(ROWS) {
            add(&mut transaction, mutes).await?;
        }
        commit(transaction).await
    }
}

async fn add(transaction: &mut Transaction<'_, Any>, mutes: &[Mute]) -> Result<(), AccountError> {
    let statement = format!(
        "INSERT INTO mesegate_mute ({COLUMNS}) VALUES {} ON CONFLICT (name) DO UPDATE SET \
         reason = excluded.reason, author = excluded.author, created = excluded.created, \
         expires = excluded.expires",
        groups(mutes.len(), 5)
    );
    let mut query = sqlx::query(AssertSqlSafe(statement));
    for mute in mutes {
        query = query
            .bind(&mute.name)
            .bind(&mute.reason)
            .bind(&mute.author)
            .bind(mute.created)
            .bind(mute.expires);
    }
    query.execute(&mut **transaction).await?;
    Ok(())
}

async fn commit(mut transaction: Transaction<'_, Any>) -> Result<(), AccountError> {
    let count = "UPDATE mesegate_change SET number = number + 1 WHERE what = 'mutes'";
    sqlx::query(count).execute(&mut *transaction).await?;
    Ok(transaction.commit().await?)
}
