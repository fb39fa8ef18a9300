//! Where players go who were asked to reconnect: a table of our own beside the engine's, which
//! engines that use the same file do not look at.

use super::{AccountError, SqliteAccounts};

/// Made where it is missing, as the engine's own tables are.
pub(super) const TABLE: &str = "CREATE TABLE IF NOT EXISTS `mesegate_reconnect` (\
     `name` TEXT PRIMARY KEY NOT NULL, \
     `server` TEXT NOT NULL, \
     `expires` INTEGER NOT NULL) WITHOUT ROWID";

impl SqliteAccounts {
    /// Remembers that `name` goes to `server` when they log in before `expires`, in Unix seconds.
    /// Replaces what was remembered; what has expired by `now` is removed for everybody, so the
    /// table holds no more than the players of the last minutes.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn set_reconnect(
        &self,
        name: &str,
        server: &str,
        now: i64,
        expires: i64,
    ) -> Result<(), AccountError> {
        let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        sqlx::query("DELETE FROM mesegate_reconnect WHERE expires <= ?")
            .bind(now)
            .execute(&mut *transaction)
            .await?;
        sqlx::query(
            "INSERT OR REPLACE INTO mesegate_reconnect (name, server, expires) VALUES (?, ?, ?)",
        )
        .bind(name)
        .bind(server)
        .bind(expires)
        .execute(&mut *transaction)
        .await?;
        Ok(transaction.commit().await?)
    }

    /// Where `name` goes if they log in at `now`, in Unix seconds.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn reconnect(&self, name: &str, now: i64) -> Result<Option<String>, AccountError> {
        let query = "SELECT server FROM mesegate_reconnect WHERE name = ? AND expires > ?";
        Ok(sqlx::query_scalar(query).bind(name).bind(now).fetch_optional(&self.pool).await?)
    }

    /// Forgets where `name` was to go.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn clear_reconnect(&self, name: &str) -> Result<(), AccountError> {
        let query = "DELETE FROM mesegate_reconnect WHERE name = ?";
        sqlx::query(query).bind(name).execute(&self.pool).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn fresh() -> (tempfile::TempDir, SqliteAccounts) {
        let dir = tempfile::tempdir().unwrap();
        let accounts = SqliteAccounts::open_path(&dir.path().join("a"), true).await.unwrap();
        (dir, accounts)
    }

    #[tokio::test]
    async fn a_target_is_kept_until_it_expires_or_is_cleared() {
        let (_dir, accounts) = fresh().await;
        assert_eq!(accounts.reconnect("alice", 100).await.unwrap(), None);
        accounts.set_reconnect("alice", "arena", 100, 200).await.unwrap();
        accounts.set_reconnect("alice", "lobby", 100, 300).await.unwrap();
        assert_eq!(accounts.reconnect("alice", 299).await.unwrap().as_deref(), Some("lobby"));
        assert_eq!(accounts.reconnect("alice", 300).await.unwrap(), None);
        assert_eq!(accounts.reconnect("Alice", 100).await.unwrap(), None);
        accounts.clear_reconnect("alice").await.unwrap();
        assert_eq!(accounts.reconnect("alice", 100).await.unwrap(), None);
    }

    #[tokio::test]
    async fn what_has_expired_does_not_pile_up() {
        let (_dir, accounts) = fresh().await;
        for index in 0..10 {
            let now = index * 10;
            accounts.set_reconnect(&index.to_string(), "arena", now, now + 10).await.unwrap();
        }
        let count = "SELECT count(*) FROM mesegate_reconnect";
        let count: i64 = sqlx::query_scalar(count).fetch_one(&accounts.pool).await.unwrap();
        assert_eq!(count, 1);
    }

    #[tokio::test]
    async fn targets_outlive_the_process() {
        let (dir, accounts) = fresh().await;
        accounts.set_reconnect("alice", "arena", 100, 200).await.unwrap();
        accounts.close().await;
        let accounts = SqliteAccounts::open_path(&dir.path().join("a"), false).await.unwrap();
        assert_eq!(accounts.reconnect("alice", 150).await.unwrap().as_deref(), Some("arena"));
    }
}
