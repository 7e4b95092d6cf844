//! The store on PostgreSQL, which two replicas of one coordinator may share.
//!
//! The session asks for `synchronous_commit = on`; `fsync` and `full_page_writes` are the server's, and a server without
//! them is refused. What a round erases at its end is gone for every reader and is vacuumed, but PostgreSQL does not
//! overwrite it at once, and its write-ahead log and archives keep it for as long as their owner keeps those (C7).
//!
//! A replica that is cut off while it holds the write lock loses it after [`BUSY_TIMEOUT`]: the server ends its idle
//! transaction.

mod schema;
mod url;

use sqlx::Connection as _;

use super::{BUSY_TIMEOUT, Connection, Result, StoreError, first, migrations_after, version_of};

use schema::{MIGRATIONS, VERSION_TABLE};

pub use url::DatabaseUrl;

/// `read_only_sql_transaction`; class 28 and 42501: not let in, or not allowed to; 3D000: no such database.
pub(super) fn is_not_writable(code: Option<&str>) -> bool {
    code.is_some_and(|code| matches!(code, "25006" | "42501" | "3D000") || code.starts_with("28"))
}

/// `disk_full`.
pub(super) fn is_full(code: Option<&str>) -> bool {
    code == Some("53100")
}

/// Class 57: `admin_shutdown`, `crash_shutdown`, `cannot_connect_now`; and class 08: the connection is gone.
pub(super) fn is_starting_or_stopping(code: Option<&str>) -> bool {
    code.is_some_and(|code| code.starts_with("57P") || code.starts_with("08"))
}

/// `unique_violation`, which is what making a table twice at once leads to, `duplicate_table` and `duplicate_object`.
fn is_there_already(code: Option<&str>) -> bool {
    matches!(code, Some("23505" | "42P07" | "42710"))
}

/// A setting that this server does not know at all (`undefined_object`).
const UNKNOWN_SETTING: &str = "42704";

/// What every connection to the server asks for.
pub(super) async fn set_up(connection: &mut Connection) -> sqlx::Result<()> {
    let timeout = BUSY_TIMEOUT.as_millis();
    let mut settings = vec![
        format!("SET lock_timeout = '{timeout}ms'"),
        format!("SET idle_in_transaction_session_timeout = '{timeout}ms'"),
    ];
    // `remote_apply` promises more, and stays where the server's owner has asked for it.
    if setting(connection, "synchronous_commit").await?.as_deref() != Some("remote_apply") {
        settings.push("SET synchronous_commit = 'on'".to_owned());
    }
    for statement in settings {
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement))
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

/// The value of a setting, if this server has it.
async fn setting(connection: &mut Connection, name: &'static str) -> sqlx::Result<Option<String>> {
    let shown = sqlx::query(sqlx::AssertSqlSafe(format!("SHOW {name}")))
        .fetch_one(&mut *connection)
        .await;
    match shown {
        Ok(row) => sqlx::Row::try_get(&row, 0).map(Some),
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some(UNKNOWN_SETTING) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Refuses a server that would acknowledge what it may lose (C4). A setting that a compatible server does not have is its
/// own affair.
pub(super) async fn check_durability(connection: &mut Connection) -> Result<()> {
    for (name, needed, good) in [
        (
            "synchronous_commit",
            "on or remote_apply",
            &["on", "remote_apply"][..],
        ),
        ("fsync", "on", &["on"][..]),
        ("full_page_writes", "on", &["on"][..]),
    ] {
        let found = setting(connection, name).await?;
        if let Some(found) = found.filter(|found| !good.contains(&found.as_str())) {
            return Err(StoreError::NotDurable {
                setting: name,
                found,
                needed,
            });
        }
    }
    Ok(())
}

pub(super) async fn migrate(connection: &mut Connection) -> Result<()> {
    let made = sqlx::raw_sql(VERSION_TABLE).execute(&mut *connection).await;
    // Two replicas may be started at once, and `IF NOT EXISTS` does not keep the server from making a table twice.
    if let Err(error) = made {
        let code = error.as_database_error().and_then(|error| error.code());
        if !is_there_already(code.as_deref()) {
            return Err(error.into());
        }
    }
    sqlx::raw_sql("INSERT INTO schema_version VALUES (1, 0) ON CONFLICT DO NOTHING")
        .execute(&mut *connection)
        .await?;
    let mut transaction = connection.begin().await?;
    // Locked until the tables are there.
    let row = sqlx::query("SELECT version FROM schema_version FOR UPDATE")
        .fetch_one(&mut *transaction)
        .await?;
    let found: i64 = first(&row)?;
    for migration in migrations_after(found, &MIGRATIONS)? {
        sqlx::raw_sql(*migration).execute(&mut *transaction).await?;
    }
    sqlx::query("UPDATE schema_version SET version = $1")
        .bind(version_of(&MIGRATIONS)?)
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await?;
    Ok(())
}

#[cfg(test)]
mod tests;
