//! The store in a SQLite file.
//!
//! Write-ahead log with `synchronous = FULL`, both read back at open. Deleted content is overwritten, so that masked
//! vectors do not stay behind in free pages (C7); copies that the file system or a back-up made are outside its reach.

mod schema;

use std::path::Path;

use sqlx::any::AnyConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};

use super::{BUSY_TIMEOUT, Connection, Result, StoreError, first, migrations_after};

use schema::MIGRATIONS;

/// What `PRAGMA synchronous` reads back for FULL.
const SYNCHRONOUS_FULL: i64 = 2;

/// SQLITE_READONLY is 8, SQLITE_CANTOPEN 14.
pub(super) fn is_not_writable(code: Option<&str>) -> bool {
    matches!(primary(code), Some(8 | 14))
}

/// SQLITE_FULL is 13, and SQLITE_IOERR (10) is what a limit on file sizes looks like.
pub(super) fn is_full(code: Option<&str>) -> bool {
    matches!(primary(code), Some(10 | 13))
}

/// SQLite's primary result code: the low byte of what it reports. A code of five characters is PostgreSQL's.
fn primary(code: Option<&str>) -> Option<u32> {
    let code = code.filter(|code| code.len() < 5)?;
    code.parse::<u32>().ok().map(|code| code & 0xff)
}

/// How the file at `path` is reached, made only where `create` says so.
pub(super) fn options(path: &Path, create: bool) -> Result<AnyConnectOptions> {
    let not_a_path =
        || StoreError::Address("the path of the file is not UTF-8, or its folder is missing");
    // Made absolute and without dots, because it goes by way of an address, in which a relative path would be a host.
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let folder =
        std::fs::canonicalize(folder.unwrap_or(Path::new("."))).map_err(|_| not_a_path())?;
    let path = folder.join(path.file_name().ok_or_else(not_a_path)?);
    // sqlx escapes everything else that means something in an address.
    let path = path.to_str().ok_or_else(not_a_path)?.replace('%', "%25");
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(create);
    Ok(AnyConnectOptions::from_url(&options.to_url_lossy())?)
}

/// What every connection to the file is told.
pub(super) async fn set_up(connection: &mut Connection) -> sqlx::Result<()> {
    let busy = format!("PRAGMA busy_timeout = {}", BUSY_TIMEOUT.as_millis());
    for pragma in [
        busy.as_str(),
        "PRAGMA journal_mode = WAL",
        "PRAGMA synchronous = FULL",
        "PRAGMA secure_delete = ON",
        "PRAGMA foreign_keys = ON",
    ] {
        sqlx::raw_sql(sqlx::AssertSqlSafe(pragma))
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

/// Refuses a connection that would acknowledge what it may lose (C4).
pub(super) async fn check_durability(connection: &mut Connection) -> Result<()> {
    let row = sqlx::query("PRAGMA synchronous")
        .fetch_one(&mut *connection)
        .await?;
    let synchronous: i64 = first(&row)?;
    if synchronous != SYNCHRONOUS_FULL {
        return Err(StoreError::NotDurable {
            setting: "synchronous",
            found: synchronous.to_string(),
            needed: "2 (FULL)",
        });
    }
    let row = sqlx::query("PRAGMA journal_mode")
        .fetch_one(&mut *connection)
        .await?;
    let journal: String = first(&row)?;
    if journal != "wal" {
        return Err(StoreError::NotDurable {
            setting: "journal_mode",
            found: journal,
            needed: "wal",
        });
    }
    Ok(())
}

pub(super) async fn migrate(connection: &mut Connection) -> Result<()> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    let row = sqlx::query("PRAGMA user_version")
        .fetch_one(&mut *transaction)
        .await?;
    let found: i64 = first(&row)?;
    for migration in migrations_after(found, &MIGRATIONS)? {
        sqlx::raw_sql(*migration).execute(&mut *transaction).await?;
    }
    transaction.commit().await?;
    Ok(())
}

#[cfg(test)]
mod tests;
