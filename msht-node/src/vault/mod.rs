//! The vault: everything a node must not lose, in SQLite.
//!
//! Secrets (the identity, noise drawn ahead, frozen contributions, shares) are sealed with a key outside the database. WAL with
//! `synchronous=FULL`, read back when the vault is opened: what is reported as stored survives a power cut.

mod documents;
mod evidence;
mod governance;
mod ledger;
mod noise;
mod rounds;
mod state;
mod statements;

pub use documents::StoredRelease;
pub use evidence::StoredEvidence;
pub use rounds::{RoundRow, Stage};
pub(crate) use state::StoredState;

use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use msht_core::crypto::{Identity, IdentityKey, Secret, open_at_rest, seal_at_rest};
use rand::CryptoRng;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{Connection, Row, Sqlite, Transaction};
use zeroize::Zeroizing;

use crate::error::{Kind, NodeError};

/// Statements that bring a vault from version `k` to `k + 1`, `k` being the position; the list only ever grows.
const MIGRATIONS: [&str; 6] = [
    include_str!("schema/1.sql"),
    include_str!("schema/2.sql"),
    include_str!("schema/3.sql"),
    include_str!("schema/4.sql"),
    include_str!("schema/5.sql"),
    include_str!("schema/6.sql"),
];
/// Longest wait for another process that is writing.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// `PRAGMA synchronous` of FULL.
const SYNCHRONOUS_FULL: i64 = 2;

/// A writing transaction.
pub(crate) type Writing = Transaction<'static, Sqlite>;

/// Who this node is and whom it talks to.
#[derive(Debug, Clone)]
pub struct Enrolment {
    /// Id of the partner.
    pub partner: String,
    /// Name of the partner.
    pub name: String,
    /// `host:port` of the coordinator.
    pub address: String,
    /// Key of the coordinator.
    pub coordinator: IdentityKey,
}

/// An open vault.
pub struct Vault {
    pool: SqlitePool,
    key: Secret,
}

impl Vault {
    /// Opens the vault at `path`, which must exist.
    ///
    /// # Errors
    /// [`Kind::Configuration`] where it does not exist, is not writable, is of another version, or does not keep
    /// what it stores through a power cut.
    pub async fn open(path: &Path, key: Secret) -> Result<Self, NodeError> {
        if !path.exists() {
            let message = format!("there is no vault at {}", path.display());
            return Err(NodeError::new(Kind::Configuration, message)
                .hint("enrol this node first: msht-node enrol INVITE"));
        }
        Self::connect(path, key).await
    }

    /// Opens the vault at `path`, making it where it does not exist.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub async fn create(path: &Path, key: Secret) -> Result<Self, NodeError> {
        Self::connect(path, key).await
    }

    async fn connect(path: &Path, key: Secret) -> Result<Self, NodeError> {
        let options = SqliteConnectOptions::from_str("sqlite:")?
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .pragma("secure_delete", "ON")
            .busy_timeout(BUSY_TIMEOUT);
        let pool = SqlitePoolOptions::new()
            .max_connections(2)
            // After a full disk SQLite has rolled back by itself, and sqlx takes the connection to be in a
            // transaction for ever: such a connection is closed and another one opened.
            .before_acquire(|connection, _| Box::pin(async { Ok(!connection.is_in_transaction()) }))
            .connect_with(options)
            .await?;
        let vault = Self { pool, key };
        vault.check_durability().await?;
        vault.migrate().await?;
        Ok(vault)
    }

    async fn check_durability(&self) -> Result<(), NodeError> {
        let synchronous: i64 = sqlx::query("PRAGMA synchronous")
            .fetch_one(&self.pool)
            .await?
            .try_get(0)?;
        let journal: String = sqlx::query("PRAGMA journal_mode")
            .fetch_one(&self.pool)
            .await?
            .try_get(0)?;
        if synchronous != SYNCHRONOUS_FULL || journal != "wal" {
            let message = format!(
                "the vault does not keep what it stores (synchronous {synchronous}, journal {journal})"
            );
            return Err(NodeError::new(Kind::Configuration, message)
                .hint("keep the vault on a local disk, not on a network share"));
        }
        Ok(())
    }

    async fn migrate(&self) -> Result<(), NodeError> {
        let mut writing = self.write().await?;
        let version: i64 = sqlx::query("PRAGMA user_version")
            .fetch_one(&mut *writing)
            .await?
            .try_get(0)?;
        let known = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
        let done = usize::try_from(version).ok().filter(|_| version <= known);
        let Some(done) = done else {
            let message =
                format!("the vault has version {version}; this program knows version {known}");
            return Err(NodeError::new(Kind::Configuration, message)
                .hint("use the newer program that wrote it"));
        };
        for migration in MIGRATIONS.into_iter().skip(done) {
            sqlx::raw_sql(migration).execute(&mut *writing).await?;
        }
        writing.commit().await?;
        Ok(())
    }

    /// Writes a copy of the database, as of one moment, to an empty file.
    pub(crate) async fn copy_into(&self, file: &Path) -> Result<(), NodeError> {
        let name = file.to_str().ok_or_else(|| {
            NodeError::new(Kind::Usage, "the name of a back-up must be UTF-8 text")
        })?;
        sqlx::query("VACUUM INTO ?")
            .bind(name)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Checks that everything in it can be read: pages, identity, enrolment, and the ledger's chain.
    pub(crate) async fn check_whole(&self) -> Result<(), NodeError> {
        let found: String = sqlx::query("PRAGMA integrity_check")
            .fetch_one(&self.pool)
            .await?
            .try_get(0)?;
        if found != "ok" {
            return Err(NodeError::new(
                Kind::Configuration,
                "the database is damaged",
            ));
        }
        self.enrolment().await?;
        self.identity().await?;
        self.ledger().await?;
        Ok(())
    }

    /// Closes every connection.
    pub(crate) async fn close(&self) {
        self.pool.close().await;
    }

    /// Begins a writing transaction; nobody else writes until it ends.
    pub(crate) async fn write(&self) -> Result<Writing, NodeError> {
        Ok(self.pool.begin_with("BEGIN IMMEDIATE").await?)
    }

    pub(crate) fn pool(&self) -> &SqlitePool {
        &self.pool
    }

    pub(crate) fn key(&self) -> &Secret {
        &self.key
    }

    fn seal<R: CryptoRng + ?Sized>(&self, context: &str, plaintext: &[u8], rng: &mut R) -> Vec<u8> {
        seal_at_rest(&self.key, context.as_bytes(), plaintext, rng)
    }

    fn open_sealed(&self, context: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, NodeError> {
        open_at_rest(&self.key, context.as_bytes(), sealed).map_err(|_| {
            NodeError::new(
                Kind::Configuration,
                "a sealed part of the vault does not open",
            )
            .hint("vault and key file must be the pair that was made together; restore both")
        })
    }

    /// Stores the identity and the coordinator, once.
    ///
    /// # Errors
    /// [`Kind::Configuration`].
    pub async fn store_identity<R: CryptoRng + ?Sized>(
        &self,
        identity: &Identity,
        rng: &mut R,
    ) -> Result<(), NodeError> {
        let sealed = self.seal("identity", identity.seed().expose(), rng);
        let mut writing = self.write().await?;
        put_meta(&mut writing, "identity", &sealed).await?;
        writing.commit().await?;
        Ok(())
    }

    /// The identity, if there is one yet.
    ///
    /// # Errors
    /// [`Kind::Configuration`].
    pub async fn identity(&self) -> Result<Option<Identity>, NodeError> {
        let Some(sealed) = self.meta("identity").await? else {
            return Ok(None);
        };
        let seed = self.open_sealed("identity", &sealed)?;
        let damaged =
            || NodeError::new(Kind::Configuration, "the identity in the vault is damaged");
        Identity::from_seed(Secret::from_slice(&seed).ok_or_else(damaged)?)
            .map(Some)
            .map_err(|_| damaged())
    }

    /// Stores what enrolment settled.
    pub(crate) async fn enrol(
        &self,
        writing: &mut Writing,
        enrolment: &Enrolment,
    ) -> Result<(), NodeError> {
        put_enrolment(writing, enrolment).await
    }

    /// What enrolment settled.
    ///
    /// # Errors
    /// [`Kind::Configuration`] where the node is not enrolled.
    pub async fn enrolment(&self) -> Result<Enrolment, NodeError> {
        let missing = || {
            NodeError::new(Kind::Configuration, "this node is not enrolled")
                .hint("msht-node enrol INVITE, with the invite from the coordinator's operator")
        };
        let coordinator = self.meta("coordinator").await?.ok_or_else(missing)?;
        let coordinator = <[u8; 32]>::try_from(coordinator.as_slice()).map_err(|_| missing())?;
        let mut texts = Vec::new();
        for key in ["partner", "name", "address"] {
            let bytes = self.meta(key).await?.ok_or_else(missing)?;
            texts.push(String::from_utf8(bytes).map_err(|_| missing())?);
        }
        let [partner, name, address] = <[String; 3]>::try_from(texts).map_err(|_| missing())?;
        let coordinator = IdentityKey::from_bytes(coordinator);
        Ok(Enrolment {
            partner,
            name,
            address,
            coordinator,
        })
    }

    async fn meta(&self, key: &str) -> Result<Option<Vec<u8>>, NodeError> {
        let row = sqlx::query("SELECT value FROM meta WHERE key = ?")
            .bind(key)
            .fetch_optional(&self.pool)
            .await?;
        Ok(row.map(|row| row.try_get(0)).transpose()?)
    }
}

async fn put_enrolment(writing: &mut Writing, enrolment: &Enrolment) -> Result<(), NodeError> {
    let Enrolment {
        partner,
        name,
        address,
        coordinator,
    } = enrolment;
    put_meta(writing, "partner", partner.as_bytes()).await?;
    put_meta(writing, "name", name.as_bytes()).await?;
    put_meta(writing, "address", address.as_bytes()).await?;
    put_meta(writing, "coordinator", coordinator.as_bytes()).await
}

async fn put_meta(writing: &mut Writing, key: &str, value: &[u8]) -> Result<(), NodeError> {
    sqlx::query("INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value")
        .bind(key)
        .bind(value)
        .execute(&mut **writing)
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests;
