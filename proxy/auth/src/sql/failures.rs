//! Failed logins in a table of the proxy's own.

use sqlx::{Any, AssertSqlSafe, Row as _, Transaction};

use super::{Sql, groups};
use crate::AccountError;
use crate::failures::{FailedLogins, FailureChange};

/// Rows in one statement.
const ROWS: usize = 500;

impl Sql {
    pub(crate) async fn write_failures(
        &self,
        changes: &[FailureChange],
        stale: i64,
        most: u32,
    ) -> Result<(), AccountError> {
        let mut transaction = self.write("mesegate failures").await?;
        let of = |afresh| -> Vec<&FailedLogins> {
            changes.iter().filter(|it| it.afresh == afresh).map(|it| &it.added).collect()
        };
        // What another proxy counted of the same attempts adds up; what is stale does not count.
        let sum = format!(
            "excluded.number + CASE WHEN mesegate_failure.last < {stale} THEN 0 \
             ELSE mesegate_failure.number END"
        );
        for rows in of(false).chunks(ROWS) {
            upsert(&mut transaction, rows, &sum).await?;
        }
        for rows in of(true).chunks(ROWS) {
            upsert(&mut transaction, rows, "excluded.number").await?;
        }
        let delete = sqlx::query("DELETE FROM mesegate_failure WHERE last < $1").bind(stale);
        delete.execute(&mut *transaction).await?;
        sqlx::query(
            "DELETE FROM mesegate_failure WHERE last <= \
             (SELECT last FROM mesegate_failure ORDER BY last DESC LIMIT 1 OFFSET $1)",
        )
        .bind(i64::from(most))
        .execute(&mut *transaction)
        .await?;
        Ok(transaction.commit().await?)
    }

    pub(crate) async fn failures_since(
        &self,
        after: i64,
        most: u32,
    ) -> Result<Vec<FailedLogins>, AccountError> {
        let rows = sqlx::query(
            "SELECT name, prefix, number, last FROM mesegate_failure WHERE last >= $1 \
             ORDER BY last DESC LIMIT $2",
        )
        .bind(after)
        .bind(i64::from(most))
        .fetch_all(&self.pool)
        .await?;
        let mut all = Vec::with_capacity(rows.len());
        for row in rows {
            let (prefix, count): (String, i64) = (row.try_get(1)?, row.try_get(2)?);
            // Nobody waits for what cannot be read.
            let Ok(prefix) = prefix.parse() else { continue };
            let count = u32::try_from(count.max(0)).unwrap_or(u32::MAX);
            all.push(FailedLogins { name: row.try_get(0)?, prefix, count, last: row.try_get(3)? });
        }
        Ok(all)
    }
}

async fn upsert(
    transaction: &mut Transaction<'_, Any>,
    rows: &[&FailedLogins],
    number: &str,
) -> Result<(), AccountError> {
    let statement = format!(
        "INSERT INTO mesegate_failure (name, prefix, number, last) VALUES {} \
         ON CONFLICT (name, prefix) DO UPDATE SET number = {number}, last = CASE \
         WHEN excluded.last > mesegate_failure.last THEN excluded.last \
         ELSE mesegate_failure.last END",
        groups(rows.len(), 4)
    );
    let mut query = sqlx::query(AssertSqlSafe(statement));
    for row in rows {
        query = query
            .bind(&row.name)
            .bind(row.prefix.to_string())
            .bind(i64::from(row.count))
            .bind(row.last);
    }
    query.execute(&mut **transaction).await?;
    Ok(())
}
