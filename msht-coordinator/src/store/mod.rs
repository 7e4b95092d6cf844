//! What the coordinator keeps: a SQLite file of its own, or a PostgreSQL database that two replicas may share.
//!
//! Both are written so that what was acknowledged survives a power cut, which is read back at open and refused
//! otherwise. Every statement below is one that both understand; what only one of them does is in `sqlite` and
//! `postgres`. One transaction writes at a time: it holds the write lock from its beginning, so that what it reads stays
//! true. Whatever changes what nodes can read also raises the news number, in the same transaction.

mod baselines;
mod certificates;
mod evidence;
mod governance;
mod heads;
mod leases;
mod members;
mod postgres;
mod programmes;
mod rounds;
mod sqlite;

use std::path::Path;
use std::time::Duration;

use sqlx::any::{Any, AnyConnectOptions, AnyPoolOptions, AnyRow};
use sqlx::{AnyConnection, AnyPool, Row as _};

pub(crate) use baselines::{BaselineKept, BaselineRow};
pub(crate) use evidence::EvidenceRow;
pub(crate) use governance::{EndorsementRow, SignedDocument};
pub(crate) use heads::{HeadTaken, Notice, SignedHeadRow};
pub(crate) use leases::{LEASE_BEAT, Lease};
pub(crate) use members::{InviteRow, InviteUse};
pub use postgres::DatabaseUrl;
pub(crate) use programmes::ProgrammeRow;
pub(crate) use rounds::{Action, CommandOutcome, NewRound, ReleaseRow, RoundRow, RoundStateRow};

/// How long a writer waits for another one; a commit takes milliseconds.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// Connections to the database: one writes, the others read meanwhile.
const MAX_CONNECTIONS: u32 = 4;

/// What went wrong in the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database refused or failed.
    #[error("the database failed: {0}")]
    Database(#[from] sqlx::Error),
    /// The database would lose what was acknowledged when the power fails.
    #[error("the database does not keep what it stores: {setting} is {found}, not {needed}")]
    NotDurable {
        /// The setting.
        setting: &'static str,
        /// Its value.
        found: String,
        /// The value needed.
        needed: &'static str,
    },
    /// A newer program wrote the database.
    #[error("the database has version {found}, newer than the {known} this program knows")]
    Newer {
        /// Version of the database.
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
    /// Not the address of a database.
    #[error("the address of the database cannot be used: {0}")]
    Address(&'static str),
    /// Another replica works on the round now.
    #[error("another replica of the coordinator works on the round")]
    Busy,
    /// Another replica, or another message, came first; nothing was stored.
    #[error("another replica of the coordinator came first; nothing was stored")]
    Overtaken,
}

impl StoreError {
    pub(crate) fn is_configuration(&self) -> bool {
        matches!(
            self,
            Self::NotDurable { .. } | Self::Newer { .. } | Self::Address(_)
        ) || self.is_not_writable()
    }

    /// The database, or the disk it is on, cannot be written to or not be opened.
    pub(crate) fn is_not_writable(&self) -> bool {
        let code = self.code();
        let code = code.as_deref();
        sqlite::is_not_writable(code) || postgres::is_not_writable(code)
    }

    /// There is no room.
    pub(crate) fn is_full(&self) -> bool {
        let code = self.code();
        let code = code.as_deref();
        sqlite::is_full(code) || postgres::is_full(code)
    }

    /// The database cannot be reached, which passes by itself.
    pub(crate) fn is_unreachable(&self) -> bool {
        let Self::Database(error) = self else {
            return false;
        };
        matches!(error, sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut)
            || postgres::is_starting_or_stopping(self.code().as_deref())
    }

    /// What the database calls it: SQLite a number, PostgreSQL five letters and digits.
    fn code(&self) -> Option<String> {
        let Self::Database(sqlx::Error::Database(error)) = self else {
            return None;
        };
        error.code().map(std::borrow::Cow::into_owned)
    }
}

type Result<T> = std::result::Result<T, StoreError>;

/// A connection to either database.
pub(crate) type Connection = AnyConnection;
/// A transaction of either database; what it did not commit is undone when it is dropped.
pub(crate) type Transaction = sqlx::Transaction<'static, Any>;

/// Which database it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A file that one process at a time works on: the lock of the data directory sees to it.
    Sqlite,
    /// A server that replicas share.
    Postgres,
}

/// The open database.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    pool: AnyPool,
    kind: Kind,
}

impl Store {
    /// Opens the SQLite file and brings it to this program's version; makes it only where `create` says so.
    pub(crate) async fn open(path: &Path, create: bool) -> Result<Self> {
        let options = sqlite::options(path, create)?;
        Self::connect(Kind::Sqlite, options).await
    }

    /// Opens the PostgreSQL database and brings it to this program's version.
    pub(crate) async fn open_at(database: &DatabaseUrl) -> Result<Self> {
        Self::connect(Kind::Postgres, database.options()).await
    }

    async fn connect(kind: Kind, options: AnyConnectOptions) -> Result<Self> {
        sqlx::any::install_default_drivers();
        let pool = AnyPoolOptions::new()
            .max_connections(MAX_CONNECTIONS)
            .acquire_timeout(BUSY_TIMEOUT)
            .after_connect(move |connection, _| {
                Box::pin(async move {
                    match kind {
                        Kind::Sqlite => sqlite::set_up(connection).await,
                        Kind::Postgres => postgres::set_up(connection).await,
                    }
                })
            })
            // After a full disk SQLite has rolled back by itself, and sqlx takes the connection to be in a
            // transaction for ever: such a connection is closed and another one opened.
            .before_acquire(|connection, _| {
                let is_fit = !sqlx::Connection::is_in_transaction(connection);
                Box::pin(async move { Ok(is_fit) })
            })
            .connect_with(options)
            .await?;
        let mut connection = pool.acquire().await?;
        match kind {
            Kind::Sqlite => {
                sqlite::check_durability(&mut connection).await?;
                sqlite::migrate(&mut connection).await?;
            }
            Kind::Postgres => {
                postgres::check_durability(&mut connection).await?;
                postgres::migrate(&mut connection).await?;
            }
        }
        drop(connection);
        Ok(Self { pool, kind })
    }

    /// Whether other processes may work on the rounds in it too.
    pub(crate) fn is_shared(&self) -> bool {
        self.kind == Kind::Postgres
    }

    /// Closes every connection.
    pub(crate) async fn close(&self) {
        self.pool.close().await;
    }

    /// Writes a copy of the SQLite database, as of one moment, to an empty file.
    pub(crate) async fn copy_into(&self, file: &Path) -> Result<()> {
        let name = file.to_str().ok_or(StoreError::Damaged("file name"))?;
        sqlx::query("VACUUM INTO $1")
            .bind(name)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Checks that every page of the SQLite database can be read.
    pub(crate) async fn check_whole(&self) -> Result<()> {
        let found: String = first(
            &sqlx::query("PRAGMA integrity_check")
                .fetch_one(&self.pool)
                .await?,
        )?;
        if found == "ok" {
            return Ok(());
        }
        Err(StoreError::Damaged("page"))
    }

    /// A transaction that holds the write lock from its beginning, so that what it reads stays true.
    pub(crate) async fn begin(&self) -> Result<Transaction> {
        match self.kind {
            Kind::Sqlite => Ok(self.pool.begin_with("BEGIN IMMEDIATE").await?),
            Kind::Postgres => {
                let mut transaction = self.pool.begin().await?;
                sqlx::query("SELECT number FROM news FOR UPDATE")
                    .fetch_one(&mut *transaction)
                    .await?;
                Ok(transaction)
            }
        }
    }

    /// What was erased is taken out of the files too, as far as the database can; a reader may prevent it, and the next
    /// round's end tries again.
    async fn purge(&self) {
        let statement = match self.kind {
            // The write-ahead log, which still holds what was erased, is moved into the file and emptied.
            Kind::Sqlite => "PRAGMA wal_checkpoint(TRUNCATE)",
            Kind::Postgres => "VACUUM records",
        };
        if let Err(error) = sqlx::query(statement).fetch_all(&self.pool).await {
            tracing::warn!(%error, "what was erased is still in the files of the database");
        }
    }

    pub(crate) async fn meta(&self, name: &str) -> Result<Option<Vec<u8>>> {
        let row = sqlx::query("SELECT value FROM meta WHERE name = $1")
            .bind(name)
            .fetch_optional(&self.pool)
            .await?;
        row.map(|row| first(&row)).transpose()
    }

    /// Stores what a coordinator is, once. Returns whether this was the once.
    pub(crate) async fn found(&self, values: &[(&str, &[u8])]) -> Result<bool> {
        let mut transaction = self.begin().await?;
        for (name, value) in values {
            let done = sqlx::query("INSERT INTO meta VALUES ($1, $2) ON CONFLICT DO NOTHING")
                .bind(*name)
                .bind(*value)
                .execute(&mut *transaction)
                .await?;
            if done.rows_affected() == 0 {
                return Ok(false);
            }
        }
        transaction.commit().await?;
        Ok(true)
    }

    /// Makes every attempt to store a record fail, as a full disk does, or lets it work again.
    #[cfg(test)]
    pub(crate) async fn block_records(&self, block: bool) {
        let statement = match (self.kind, block) {
            (Kind::Sqlite, true) => {
                "CREATE TRIGGER full BEFORE INSERT ON records BEGIN SELECT RAISE(ABORT, 'full'); END"
            }
            (Kind::Sqlite, false) => "DROP TRIGGER full",
            (Kind::Postgres, true) => {
                "ALTER TABLE records ADD CONSTRAINT no_room CHECK (sequence < 0) NOT VALID"
            }
            (Kind::Postgres, false) => "ALTER TABLE records DROP CONSTRAINT no_room",
        };
        sqlx::query(statement).execute(&self.pool).await.unwrap();
    }

    /// The number of the latest news.
    pub(crate) async fn news_number(&self) -> Result<u64> {
        let row = sqlx::query("SELECT number FROM news")
            .fetch_one(&self.pool)
            .await?;
        unsigned(first(&row)?)
    }
}

/// The version that a database has after all of these migrations.
fn version_of(migrations: &[&'static str]) -> Result<i64> {
    i64::try_from(migrations.len()).map_err(|_| StoreError::TooLarge)
}

/// What brings a database of version `found` to this program's.
fn migrations_after<'a>(found: i64, migrations: &'a [&'static str]) -> Result<&'a [&'static str]> {
    let known = version_of(migrations)?;
    let done = usize::try_from(found).map_err(|_| StoreError::Damaged("schema version"))?;
    let missing = migrations.get(done..);
    missing.ok_or(StoreError::Newer { found, known })
}

/// Raises the news number, with whatever else `connection`'s transaction changes.
async fn raise_news(connection: &mut Connection) -> Result<()> {
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

/// What a column holds. What is wrong with it is not told further: the driver's message would show the value.
fn get<'r, T>(row: &'r AnyRow, column: &'static str) -> Result<T>
where
    T: sqlx::Decode<'r, Any> + sqlx::Type<Any>,
{
    row.try_get(column).map_err(|_| StoreError::Damaged(column))
}

/// What the only column holds.
fn first<'r, T>(row: &'r AnyRow) -> Result<T>
where
    T: sqlx::Decode<'r, Any> + sqlx::Type<Any>,
{
    row.try_get(0).map_err(|_| StoreError::Damaged("value"))
}

/// A number that is smaller than the database's.
fn small<T: TryFrom<i64>>(number: i64) -> Result<T> {
    T::try_from(number).map_err(|_| StoreError::Damaged("number"))
}

/// A column that holds exactly `N` bytes.
fn fixed<const N: usize>(
    row: &AnyRow,
    column: &'static str,
) -> Result<msht_core::crypto::HexBytes<N>> {
    let bytes: Vec<u8> = get(row, column)?;
    let bytes = <[u8; N]>::try_from(bytes).map_err(|_| StoreError::Damaged(column))?;
    Ok(msht_core::crypto::HexBytes(bytes))
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
