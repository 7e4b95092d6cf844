//! What the coordinator keeps: one SQLite file, written so that what was acknowledged survives a power cut.
//!
//! Write-ahead log with `synchronous = FULL`, both read back at open. Deleted content is overwritten, so that
//! masked vectors do not stay behind in free pages (C7); copies that the file system or a back-up made are outside
//! its reach. Whatever changes what nodes can read also raises the news number, in the same transaction.

mod baselines;
mod certificates;
mod evidence;
mod governance;
mod heads;
mod members;
mod programmes;
mod rounds;
mod schema;

use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteRow, SqliteSynchronous,
};
use sqlx::{Connection, Row, Sqlite, Transaction};

use schema::MIGRATIONS;

pub(crate) use baselines::{BaselineKept, BaselineRow};
pub(crate) use evidence::EvidenceRow;
pub(crate) use governance::{EndorsementRow, SignedDocument};
pub(crate) use heads::{HeadTaken, Notice, SignedHeadRow};
pub(crate) use members::{InviteRow, InviteUse};
pub(crate) use programmes::ProgrammeRow;
pub(crate) use rounds::{Action, NewRound, ReleaseRow, RoundRow, RoundStateRow};

/// How long a writer waits for another one; a commit takes milliseconds.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// Connections to the file: one writes, the others read meanwhile.
const MAX_CONNECTIONS: u32 = 4;
/// What `PRAGMA synchronous` reads back for FULL.
const SYNCHRONOUS_FULL: i64 = 2;

/// What went wrong in the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// SQLite refused or failed.
    #[error("the database failed: {0}")]
    Database(#[from] sqlx::Error),
    /// The file would lose what was acknowledged when the power fails.
    #[error("the database does not keep what it stores: {setting} is {found}, not {needed}")]
    NotDurable {
        /// The setting.
        setting: &'static str,
        /// Its value.
        found: String,
        /// The value needed.
        needed: &'static str,
    },
    /// A newer program wrote the file.
    #[error("the database has version {found}, newer than the {known} this program knows")]
    Newer {
        /// Version of the file.
        found: i64,
        /// Newest version this program knows.
        known: i64,
    },
    /// A value is not of the form it was stored in.
    #[error("the database holds a damaged {0}")]
    Damaged(&'static str),
    /// A number does not fit the database.
    #[error("a number is too large to be stored")]
    TooLarge,
}

impl StoreError {
    pub(crate) fn is_configuration(&self) -> bool {
        matches!(self, Self::NotDurable { .. } | Self::Newer { .. }) || self.is_not_writable()
    }

    /// The file, or the disk it is on, cannot be written to or not be opened.
    pub(crate) fn is_not_writable(&self) -> bool {
        // SQLITE_READONLY is 8, SQLITE_CANTOPEN 14.
        matches!(self.sqlite_code(), Some(8 | 14))
    }

    /// There is no room: SQLITE_FULL is 13, and SQLITE_IOERR (10) is what a limit on file sizes looks like.
    pub(crate) fn is_full(&self) -> bool {
        matches!(self.sqlite_code(), Some(10 | 13))
    }

    /// SQLite's primary result code: the low byte of what it reports.
    fn sqlite_code(&self) -> Option<u32> {
        let Self::Database(sqlx::Error::Database(error)) = self else {
            return None;
        };
        let code = error.code().and_then(|code| code.parse::<u32>().ok());
        code.map(|code| code & 0xff)
    }
}

type Result<T> = std::result::Result<T, StoreError>;

/// The open database.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    pool: SqlitePool,
}

fn options(path: &Path, create: bool) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(create)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .pragma("secure_delete", "ON")
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT)
}

/// Refuses a connection that would acknowledge what it may lose (C4).
async fn check_durability(connection: &mut SqliteConnection) -> Result<()> {
    let synchronous: i64 = sqlx::query("PRAGMA synchronous")
        .fetch_one(&mut *connection)
        .await?
        .try_get(0)?;
    if synchronous != SYNCHRONOUS_FULL {
        return Err(StoreError::NotDurable {
            setting: "synchronous",
            found: synchronous.to_string(),
            needed: "2 (FULL)",
        });
    }
    let journal: String = sqlx::query("PRAGMA journal_mode")
        .fetch_one(&mut *connection)
        .await?
        .try_get(0)?;
    if journal != "wal" {
        return Err(StoreError::NotDurable {
            setting: "journal_mode",
            found: journal,
            needed: "wal",
        });
    }
    Ok(())
}

async fn migrate(connection: &mut SqliteConnection) -> Result<()> {
    let known = i64::try_from(MIGRATIONS.len()).map_err(|_| StoreError::TooLarge)?;
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    let found: i64 = sqlx::query("PRAGMA user_version")
        .fetch_one(&mut *transaction)
        .await?
        .try_get(0)?;
    if found > known {
        return Err(StoreError::Newer { found, known });
    }
    let done = usize::try_from(found).map_err(|_| StoreError::Damaged("schema version"))?;
    for migration in MIGRATIONS.into_iter().skip(done) {
        sqlx::raw_sql(migration).execute(&mut *transaction).await?;
    }
    transaction.commit().await?;
    Ok(())
}

impl Store {
    /// Opens the file and brings it to this program's version; makes it only where `create` says so.
    pub(crate) async fn open(path: &Path, create: bool) -> Result<Self> {
        let pool = SqlitePoolOptions::new()
            .max_connections(MAX_CONNECTIONS)
            // After a full disk SQLite has rolled back by itself, and sqlx takes the connection to be in a
            // transaction for ever: such a connection is closed and another one opened.
            .before_acquire(|connection, _| Box::pin(async { Ok(!connection.is_in_transaction()) }))
            .connect_with(options(path, create))
            .await?;
        let mut connection = pool.acquire().await?;
        check_durability(&mut connection).await?;
        migrate(&mut connection).await?;
        Ok(Self { pool })
    }

    /// Closes every connection.
    pub(crate) async fn close(&self) {
        self.pool.close().await;
    }

    /// Writes a copy of the database, as of one moment, to an empty file.
    pub(crate) async fn copy_into(&self, file: &Path) -> Result<()> {
        let name = file.to_str().ok_or(StoreError::Damaged("file name"))?;
        sqlx::query("VACUUM INTO ?")
            .bind(name)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Checks that every page can be read.
    pub(crate) async fn check_whole(&self) -> Result<()> {
        let found: String = sqlx::query("PRAGMA integrity_check")
            .fetch_one(&self.pool)
            .await?
            .try_get(0)?;
        if found == "ok" {
            return Ok(());
        }
        Err(StoreError::Damaged("page"))
    }

    /// A transaction that holds the write lock from its beginning, so that what it reads stays true.
    pub(crate) async fn begin(&self) -> Result<Transaction<'static, Sqlite>> {
        Ok(self.pool.begin_with("BEGIN IMMEDIATE").await?)
    }

    pub(crate) async fn meta(&self, name: &str) -> Result<Option<Vec<u8>>> {
        let row = sqlx::query("SELECT value FROM meta WHERE name = ?")
            .bind(name)
            .fetch_optional(&self.pool)
            .await?;
        row.map(|row| Ok(row.try_get(0)?)).transpose()
    }

    pub(crate) async fn put_meta(&self, name: &str, value: &[u8]) -> Result<()> {
        sqlx::query("INSERT INTO meta VALUES (?, ?)")
            .bind(name)
            .bind(value)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Makes every attempt to store a record fail, as a full disk does, or lets it work again.
    #[cfg(test)]
    pub(crate) async fn block_records(&self, block: bool) {
        let statement = if block {
            "CREATE TRIGGER full BEFORE INSERT ON records BEGIN SELECT RAISE(ABORT, 'full'); END"
        } else {
            "DROP TRIGGER full"
        };
        sqlx::query(statement).execute(&self.pool).await.unwrap();
    }

    /// The number of the latest news.
    pub(crate) async fn news_number(&self) -> Result<u64> {
        let row = sqlx::query("SELECT number FROM news")
            .fetch_one(&self.pool)
            .await?;
        unsigned(row.try_get(0)?)
    }
}

/// Raises the news number, with whatever else `connection`'s transaction changes.
async fn raise_news(connection: &mut SqliteConnection) -> Result<()> {
    sqlx::query("UPDATE news SET number = number + 1")
        .execute(connection)
        .await?;
    Ok(())
}

fn unsigned(number: i64) -> Result<u64> {
    u64::try_from(number).map_err(|_| StoreError::Damaged("number"))
}

fn signed(number: u64) -> Result<i64> {
    i64::try_from(number).map_err(|_| StoreError::TooLarge)
}

/// A column that holds exactly `N` bytes.
fn fixed<const N: usize>(
    row: &SqliteRow,
    column: &'static str,
) -> Result<msht_core::crypto::HexBytes<N>> {
    let bytes: Vec<u8> = row.try_get(column)?;
    let bytes = <[u8; N]>::try_from(bytes).map_err(|_| StoreError::Damaged(column))?;
    Ok(msht_core::crypto::HexBytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use sqlx::ConnectOptions;

    #[tokio::test]
    async fn a_connection_that_may_lose_what_it_acknowledged_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("s");
        for (setting, weaker) in [
            (
                "synchronous",
                options(&path, true).synchronous(SqliteSynchronous::Normal),
            ),
            (
                "journal_mode",
                options(&directory.path().join("t"), true).journal_mode(SqliteJournalMode::Memory),
            ),
        ] {
            let mut connection = weaker.connect().await.unwrap();
            let refused = check_durability(&mut connection).await.unwrap_err();
            assert!(
                matches!(refused, StoreError::NotDurable { setting: found, .. } if found == setting)
            );
        }
        let mut connection = options(&path, true).connect().await.unwrap();
        check_durability(&mut connection).await.unwrap();
    }

    #[tokio::test]
    async fn every_connection_of_the_pool_keeps_what_it_stores() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(&directory.path().join("s"), true)
            .await
            .unwrap();
        let mut held = Vec::new();
        for _ in 0..MAX_CONNECTIONS {
            let mut connection = store.pool.acquire().await.unwrap();
            check_durability(&mut connection).await.unwrap();
            held.push(connection);
        }
    }

    #[tokio::test]
    async fn a_missing_or_newer_file_is_refused_and_opening_twice_changes_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("s");
        assert!(Store::open(&path, false).await.is_err());
        let store = Store::open(&path, true).await.unwrap();
        store.put_meta("a", b"b").await.unwrap();
        store.close().await;
        let store = Store::open(&path, false).await.unwrap();
        assert_eq!(store.meta("a").await.unwrap().as_deref(), Some(&b"b"[..]));
        sqlx::query("PRAGMA user_version = 99")
            .execute(&store.pool)
            .await
            .unwrap();
        store.close().await;
        let newer = Store::open(&path, false).await.unwrap_err();
        assert!(matches!(newer, StoreError::Newer { found: 99, .. }));
    }

    /// A database as the program of version `version` left it, with a partner, a programme and a round.
    async fn database_of(path: &Path, version: usize) {
        let mut connection = options(path, true).connect().await.unwrap();
        for migration in &MIGRATIONS[..version] {
            sqlx::raw_sql(*migration)
                .execute(&mut connection)
                .await
                .unwrap();
        }
        sqlx::raw_sql(
            "INSERT INTO meta VALUES ('address', x'61');
             INSERT INTO partners (id, name, kind, key, enrolled_at)
             VALUES ('p1', 'Partner', 'ngo', zeroblob(32), 5);
             INSERT INTO rounds VALUES (zeroblob(32), 1, 'small', '2026-Q3', 1, x'00', 'open', 2, NULL);
             INSERT INTO invitations VALUES (zeroblob(32), 'p1');
             INSERT INTO refused VALUES (zeroblob(32), 'p1', zeroblob(32), 'why');",
        )
        .execute(&mut connection)
        .await
        .unwrap();
        connection.close().await.unwrap();
    }

    #[tokio::test]
    async fn a_database_of_every_earlier_version_opens_whole_and_is_brought_up_to_date() {
        for version in 1..=MIGRATIONS.len() {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("s");
            database_of(&path, version).await;
            for _twice in 0..2 {
                let store = Store::open(&path, false).await.unwrap();
                store.check_whole().await.unwrap();
                assert_eq!(store.partners().await.unwrap()[0].partner.id, "p1");
                let round = store.rounds().await.unwrap().remove(0);
                assert_eq!(round.state, RoundStateRow::Open(2));
                assert!(store.is_invited(&round.round, "p1").await.unwrap());
                assert_eq!(store.refused(&round.round).await.unwrap().len(), 1);
                assert!(store.head("p1").await.unwrap().is_none());
                assert!(store.noticed_in(&round.round).await.unwrap().is_empty());
                assert!(store.baselines().await.unwrap().is_empty());
                store.close().await;
            }
        }
    }

    #[tokio::test]
    async fn a_connection_left_in_a_transaction_is_not_used_again() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(&directory.path().join("s"), true)
            .await
            .unwrap();
        for _ in 0..2 * MAX_CONNECTIONS {
            let mut transaction = store.begin().await.unwrap();
            // What SQLite does by itself when the disk is full.
            sqlx::query("ROLLBACK")
                .execute(&mut *transaction)
                .await
                .unwrap();
            assert!(transaction.commit().await.is_err());
        }
        store.put_meta("a", b"b").await.unwrap();
    }
}
