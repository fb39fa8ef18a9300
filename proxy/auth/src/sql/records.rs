//! Whole accounts in quantity, for moving them between stores.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::{Any, AssertSqlSafe, Row as _, Transaction};

use super::{Sql, groups, parameters};
use crate::AccountError;
use crate::accounts::Record;

/// Rows in one statement. SQLite takes 32766 parameters, PostgreSQL 65535.
const ROWS: usize = 500;

impl Sql {
    /// The names of all accounts.
    pub(crate) async fn names(&self) -> Result<Vec<String>, AccountError> {
        if !self.tables.auth {
            return Ok(Vec::new());
        }
        let query = "SELECT name FROM auth WHERE name IS NOT NULL";
        Ok(sqlx::query_scalar(query).fetch_all(&self.pool).await?)
    }

    /// The accounts of these names, those that there are.
    pub(crate) async fn records(&self, names: &[String]) -> Result<Vec<Record>, AccountError> {
        let mut found: BTreeMap<String, Record> = BTreeMap::new();
        if !self.tables.auth {
            return Ok(Vec::new());
        }
        let joined = |there: bool, column, join| if there { (column, join) } else { ("NULL", "") };
        let (privilege, privileges) = joined(
            self.tables.privileges,
            "p.privilege",
            "LEFT JOIN user_privileges p ON p.id = a.id",
        );
        let (server, servers) = joined(
            self.tables.players,
            "s.server",
            "LEFT JOIN mesegate_player s ON s.name = a.name",
        );
        for names in names.chunks(ROWS) {
            let wanted = parameters(1, names.len());
            // Nothing in it but fixed parts and numbers of parameters.
            let statement = format!(
                "SELECT a.name, a.password, a.last_login, CAST({privilege} AS TEXT), \
                 CAST({server} AS TEXT) FROM auth a {privileges} {servers} \
                 WHERE a.name IN ({wanted})"
            );
            let mut query = sqlx::query(AssertSqlSafe(statement));
            for name in names {
                query = query.bind(name);
            }
            for row in query.fetch_all(&self.pool).await? {
                let name: String = row.try_get(0)?;
                let record = match found.get_mut(&name) {
                    Some(record) => record,
                    None => found.entry(name.clone()).or_insert(Record {
                        name,
                        password: row.try_get(1)?,
                        last_login: row.try_get::<Option<i64>, _>(2)?.unwrap_or(0),
                        privileges: BTreeSet::new(),
                        last_server: row.try_get(4)?,
                    }),
                };
                record.privileges.extend(row.try_get::<Option<String>, _>(3)?);
            }
        }
        Ok(found.into_values().collect())
    }

    /// Adds accounts that are new and changes others to what is given, all or none of them.
    pub(crate) async fn put(
        &self,
        new: &[&Record],
        changed: &[&Record],
    ) -> Result<(), AccountError> {
        let mut transaction = self.write("mesegate import").await?;
        for records in new.chunks(ROWS) {
            add(&mut transaction, records).await?;
        }
        for record in changed {
            change(&mut transaction, record).await?;
        }
        for records in [new, changed].into_iter().flat_map(|it| it.chunks(ROWS)) {
            put_servers(&mut transaction, records).await?;
        }
        Ok(transaction.commit().await?)
    }
}

async fn add(
    transaction: &mut Transaction<'_, Any>,
    records: &[&Record],
) -> Result<(), AccountError> {
    let statement = format!(
        "INSERT INTO auth (name, password, last_login) VALUES {} RETURNING id, name",
        groups(records.len(), 3)
    );
    let mut query = sqlx::query(AssertSqlSafe(statement));
    for record in records {
        query = query.bind(&record.name).bind(&record.password).bind(record.last_login);
    }
    let mut ids: BTreeMap<String, i64> = BTreeMap::new();
    for row in query.fetch_all(&mut **transaction).await? {
        ids.insert(row.try_get(1)?, row.try_get(0)?);
    }
    let mut rows: Vec<(i64, &str)> = Vec::new();
    for record in records {
        if let Some(id) = ids.get(&record.name) {
            rows.extend(record.privileges.iter().map(|privilege| (*id, privilege.as_str())));
        }
    }
    for rows in rows.chunks(ROWS) {
        let statement =
            format!("INSERT INTO user_privileges (id, privilege) VALUES {}", groups(rows.len(), 2));
        let mut query = sqlx::query(AssertSqlSafe(statement));
        for (id, privilege) in rows {
            query = query.bind(*id).bind(*privilege);
        }
        query.execute(&mut **transaction).await?;
    }
    Ok(())
}

/// The id stays, and so does every column that is not known.
async fn change(
    transaction: &mut Transaction<'_, Any>,
    record: &Record,
) -> Result<(), AccountError> {
    let update = "UPDATE auth SET password = $1, last_login = $2 WHERE name = $3 RETURNING id";
    let id: Option<i64> = sqlx::query_scalar(update)
        .bind(&record.password)
        .bind(record.last_login)
        .bind(&record.name)
        .fetch_optional(&mut **transaction)
        .await?;
    let id = id.ok_or_else(|| AccountError::Missing(record.name.clone()))?;
    let had = "SELECT privilege FROM user_privileges WHERE id = $1";
    let had: Vec<String> = sqlx::query_scalar(had).bind(id).fetch_all(&mut **transaction).await?;
    for privilege in had.iter().filter(|it| !record.privileges.contains(*it)) {
        sqlx::query("DELETE FROM user_privileges WHERE id = $1 AND privilege = $2")
            .bind(id)
            .bind(privilege)
            .execute(&mut **transaction)
            .await?;
    }
    for privilege in record.privileges.iter().filter(|it| !had.contains(it)) {
        sqlx::query("INSERT INTO user_privileges (id, privilege) VALUES ($1, $2)")
            .bind(id)
            .bind(privilege)
            .execute(&mut **transaction)
            .await?;
    }
    Ok(())
}

async fn put_servers(
    transaction: &mut Transaction<'_, Any>,
    records: &[&Record],
) -> Result<(), AccountError> {
    let known: Vec<(&str, &str)> = records
        .iter()
        .filter_map(|it| Some((it.name.as_str(), it.last_server.as_deref()?)))
        .collect();
    if known.is_empty() {
        return Ok(());
    }
    let statement = format!(
        "INSERT INTO mesegate_player (name, server) VALUES {} \
         ON CONFLICT (name) DO UPDATE SET server = excluded.server",
        groups(known.len(), 2)
    );
    let mut query = sqlx::query(AssertSqlSafe(statement));
    for (name, server) in known {
        query = query.bind(name).bind(server);
    }
    query.execute(&mut **transaction).await?;
    Ok(())
}
