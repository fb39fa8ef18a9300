//! Accounts in the engine's tables.

use std::collections::BTreeSet;

use sqlx::Row as _;

use super::Sql;
use crate::accounts::{Account, NEVER};
use crate::{AccountError, Password, PasswordError};

/// Letter case counts for ASCII only in names, which have no other letters
/// (`player.h`, `PLAYERNAME_ALLOWED_CHARS`).
const TWIN: &str = "SELECT name FROM auth WHERE lower(name) = lower($1) AND name <> $1 LIMIT 1";

impl Sql {
    pub(crate) async fn get(&self, name: &str) -> Result<Option<Account>, AccountError> {
        let rows = sqlx::query(
            "SELECT auth.name, auth.password, auth.last_login, user_privileges.privilege \
             FROM auth LEFT JOIN user_privileges ON user_privileges.id = auth.id \
             WHERE auth.name = $1",
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

    pub(crate) async fn find_case_insensitive(
        &self,
        name: &str,
    ) -> Result<Option<String>, AccountError> {
        Ok(sqlx::query_scalar(TWIN).bind(name).fetch_optional(&self.pool).await?)
    }

    pub(crate) async fn create(
        &self,
        name: &str,
        password: &Password,
        privileges: &[&str],
    ) -> Result<(), AccountError> {
        let mut transaction = self.write(name).await?;
        let twin: Option<String> =
            sqlx::query_scalar(TWIN).bind(name).fetch_optional(&mut *transaction).await?;
        if let Some(twin) = twin {
            return Err(AccountError::Twin(twin));
        }
        let added = sqlx::query_scalar(
            "INSERT INTO auth (name, password, last_login) VALUES ($1, $2, $3) RETURNING id",
        )
        .bind(name)
        .bind(password.format())
        .bind(NEVER)
        .fetch_one(&mut *transaction)
        .await;
        let id: i64 = match added {
            Ok(id) => id,
            Err(sqlx::Error::Database(error)) if error.is_unique_violation() => {
                return Err(AccountError::Exists(name.to_owned()));
            }
            Err(error) => return Err(error.into()),
        };
        for privilege in privileges.iter().copied().collect::<BTreeSet<_>>() {
            sqlx::query("INSERT INTO user_privileges (id, privilege) VALUES ($1, $2)")
                .bind(id)
                .bind(privilege)
                .execute(&mut *transaction)
                .await?;
        }
        Ok(transaction.commit().await?)
    }

    pub(crate) async fn delete(&self, name: &str) -> Result<(), AccountError> {
        let mut transaction = self.write(name).await?;
        // Not left to the foreign key: a table that another program made may have none.
        for statement in [
            "DELETE FROM user_privileges WHERE id IN (SELECT id FROM auth WHERE name = $1)",
            "DELETE FROM mesegate_player WHERE name = $1",
            "DELETE FROM mesegate_reconnect WHERE name = $1",
        ] {
            sqlx::query(statement).bind(name).execute(&mut *transaction).await?;
        }
        let delete = sqlx::query("DELETE FROM auth WHERE name = $1").bind(name);
        changed(name, delete.execute(&mut *transaction).await?.rows_affected())?;
        Ok(transaction.commit().await?)
    }

    pub(crate) async fn set_password(
        &self,
        name: &str,
        password: &Password,
    ) -> Result<(), AccountError> {
        let update = sqlx::query("UPDATE auth SET password = $1 WHERE name = $2")
            .bind(password.format())
            .bind(name);
        changed(name, update.execute(&self.pool).await?.rows_affected())
    }

    pub(crate) async fn set_last_login(
        &self,
        name: &str,
        unix_seconds: i64,
    ) -> Result<(), AccountError> {
        let update = sqlx::query("UPDATE auth SET last_login = $1 WHERE name = $2")
            .bind(unix_seconds)
            .bind(name);
        changed(name, update.execute(&self.pool).await?.rows_affected())
    }

    pub(crate) async fn last_server(&self, name: &str) -> Result<Option<String>, AccountError> {
        let query = "SELECT server FROM mesegate_player WHERE name = $1";
        Ok(sqlx::query_scalar(query).bind(name).fetch_optional(&self.pool).await?)
    }

    pub(crate) async fn set_last_server(
        &self,
        name: &str,
        server: &str,
    ) -> Result<(), AccountError> {
        let query = "INSERT INTO mesegate_player (name, server) VALUES ($1, $2) \
                     ON CONFLICT (name) DO UPDATE SET server = excluded.server";
        sqlx::query(query).bind(name).bind(server).execute(&self.pool).await?;
        Ok(())
    }

    pub(crate) async fn set_reconnect(
        &self,
        name: &str,
        server: &str,
        now: i64,
        expires: i64,
    ) -> Result<(), AccountError> {
        let mut transaction = self.write("mesegate reconnects").await?;
        sqlx::query("DELETE FROM mesegate_reconnect WHERE expires <= $1")
            .bind(now)
            .execute(&mut *transaction)
            .await?;
        sqlx::query(
            "INSERT INTO mesegate_reconnect (name, server, expires) VALUES ($1, $2, $3) \
             ON CONFLICT (name) DO UPDATE SET server = excluded.server, expires = excluded.expires",
        )
        .bind(name)
        .bind(server)
        .bind(expires)
        .execute(&mut *transaction)
        .await?;
        Ok(transaction.commit().await?)
    }

    pub(crate) async fn reconnect(
        &self,
        name: &str,
        now: i64,
    ) -> Result<Option<String>, AccountError> {
        let query = "SELECT server FROM mesegate_reconnect WHERE name = $1 AND expires > $2";
        Ok(sqlx::query_scalar(query).bind(name).bind(now).fetch_optional(&self.pool).await?)
    }

    pub(crate) async fn clear_reconnect(&self, name: &str) -> Result<(), AccountError> {
        let query = "DELETE FROM mesegate_reconnect WHERE name = $1";
        sqlx::query(query).bind(name).execute(&self.pool).await?;
        Ok(())
    }

    #[cfg(test)]
    pub(crate) fn pool(&self) -> &sqlx::AnyPool {
        &self.pool
    }
}

fn changed(name: &str, rows: u64) -> Result<(), AccountError> {
    if rows == 0 { Err(AccountError::Missing(name.to_owned())) } else { Ok(()) }
}
