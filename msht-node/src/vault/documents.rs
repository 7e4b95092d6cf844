//! Signed documents and verified releases.

use msht_core::crypto::Digest;
use msht_core::secagg::{ProgrammeDocument, Roster, Signed};
use msht_core::wire::{MAX_ENCODED_BYTES, decode, encode};
use sqlx::Row;

use super::{Vault, Writing};
use crate::error::{Kind, NodeError};

/// A verified release as it is kept.
#[derive(Debug, Clone)]
pub struct StoredRelease {
    /// The round.
    pub round: Digest,
    /// Id of the programme.
    pub programme: String,
    /// The period.
    pub period: String,
    /// Digest of the release.
    pub digest: Digest,
    /// Whether this node's figures are in it.
    pub ours: bool,
    /// The document.
    pub json: Vec<u8>,
}

fn damaged() -> NodeError {
    NodeError::new(
        Kind::Configuration,
        "a document in the vault cannot be read",
    )
    .hint("restore the vault from its backup")
}

pub(crate) fn digest_from(bytes: &[u8]) -> Result<Digest, NodeError> {
    <[u8; 32]>::try_from(bytes)
        .map(msht_core::crypto::HexBytes)
        .map_err(|_| damaged())
}

impl Vault {
    /// Keeps a programme; a later signature on the same one takes the place of the earlier.
    ///
    /// # Errors
    /// [`Kind::Configuration`].
    pub async fn store_programme(
        &self,
        digest: Digest,
        id: &str,
        document: &Signed<ProgrammeDocument>,
    ) -> Result<(), NodeError> {
        let bytes = encode(document).map_err(|_| damaged())?;
        sqlx::query(
            "INSERT INTO programmes (digest, id, bytes) VALUES (?, ?, ?)
             ON CONFLICT (digest) DO UPDATE SET bytes = excluded.bytes",
        )
        .bind(digest.as_bytes().as_slice())
        .bind(id)
        .bind(bytes)
        .execute(self.pool())
        .await?;
        Ok(())
    }

    /// The programme with this digest.
    ///
    /// # Errors
    /// [`Kind::Configuration`].
    pub async fn programme(
        &self,
        digest: Digest,
    ) -> Result<Option<Signed<ProgrammeDocument>>, NodeError> {
        let row = sqlx::query("SELECT bytes FROM programmes WHERE digest = ?")
            .bind(digest.as_bytes().as_slice())
            .fetch_optional(self.pool())
            .await?;
        decode_row(row)
    }

    /// Every programme with this id that was kept, oldest first.
    ///
    /// # Errors
    /// [`Kind::Configuration`].
    pub async fn programmes_by_id(
        &self,
        id: &str,
    ) -> Result<Vec<Signed<ProgrammeDocument>>, NodeError> {
        let rows = sqlx::query("SELECT bytes FROM programmes WHERE id = ? ORDER BY rowid")
            .bind(id)
            .fetch_all(self.pool())
            .await?;
        let document = |row| decode_row(Some(row))?.ok_or_else(damaged);
        rows.into_iter().map(document).collect()
    }

    /// The latest programme with this id that was kept.
    ///
    /// # Errors
    /// [`Kind::Configuration`].
    pub async fn programme_by_id(
        &self,
        id: &str,
    ) -> Result<Option<Signed<ProgrammeDocument>>, NodeError> {
        let row =
            sqlx::query("SELECT bytes FROM programmes WHERE id = ? ORDER BY rowid DESC LIMIT 1")
                .bind(id)
                .fetch_optional(self.pool())
                .await?;
        decode_row(row)
    }

    /// Keeps a roster version; a later signature on the same one takes the place of the earlier.
    ///
    /// # Errors
    /// [`Kind::Configuration`].
    pub async fn store_roster(
        &self,
        digest: Digest,
        document: &Signed<Roster>,
    ) -> Result<(), NodeError> {
        let version = i64::try_from(document.content.version).map_err(|_| damaged())?;
        sqlx::query(
            "INSERT INTO rosters (version, digest, bytes) VALUES (?, ?, ?)
             ON CONFLICT (version) DO UPDATE SET bytes = excluded.bytes WHERE digest = excluded.digest",
        )
        .bind(version)
        .bind(digest.as_bytes().as_slice())
        .bind(encode(document).map_err(|_| damaged())?)
        .execute(self.pool())
        .await?;
        Ok(())
    }

    /// The roster of this version.
    ///
    /// # Errors
    /// [`Kind::Configuration`].
    pub async fn roster(&self, version: u64) -> Result<Option<Signed<Roster>>, NodeError> {
        let row = sqlx::query("SELECT bytes FROM rosters WHERE version = ?")
            .bind(i64::try_from(version).map_err(|_| damaged())?)
            .fetch_optional(self.pool())
            .await?;
        decode_row(row)
    }

    /// Keeps a verified release.
    pub(crate) async fn store_release(
        &self,
        writing: &mut Writing,
        release: &StoredRelease,
        now: i64,
    ) -> Result<(), NodeError> {
        sqlx::query(
            "INSERT INTO releases (round, programme, period, digest, ours, json, verified_at, line)
             VALUES (?, ?, ?, ?, ?, ?, ?,
             CAST(COALESCE((SELECT value FROM meta WHERE key = 'line'), '0') AS INTEGER)) ON CONFLICT DO NOTHING",
        )
        .bind(release.round.as_bytes().as_slice())
        .bind(&release.programme)
        .bind(&release.period)
        .bind(release.digest.as_bytes().as_slice())
        .bind(release.ours)
        .bind(&release.json)
        .bind(now)
        .execute(&mut **writing)
        .await?;
        Ok(())
    }

    /// Every verified release, oldest first.
    ///
    /// # Errors
    /// [`Kind::Configuration`].
    pub async fn releases(&self) -> Result<Vec<StoredRelease>, NodeError> {
        let rows = sqlx::query(
            "SELECT round, programme, period, digest, ours, json FROM releases ORDER BY sequence",
        )
        .fetch_all(self.pool())
        .await?;
        rows.iter().map(release_from).collect()
    }

    /// The verified release of a round.
    ///
    /// # Errors
    /// [`Kind::Configuration`].
    pub async fn release_of(&self, round: Digest) -> Result<Option<StoredRelease>, NodeError> {
        let row = sqlx::query(
            "SELECT round, programme, period, digest, ours, json FROM releases WHERE round = ?",
        )
        .bind(round.as_bytes().as_slice())
        .fetch_optional(self.pool())
        .await?;
        row.as_ref().map(release_from).transpose()
    }

    /// Digest of the latest verified release of a programme by the present coordinator.
    ///
    /// # Errors
    /// [`Kind::Configuration`].
    pub async fn last_release(&self, programme: &str) -> Result<Option<Digest>, NodeError> {
        let row = sqlx::query(
            "SELECT digest FROM releases WHERE programme = ? AND line =
             CAST(COALESCE((SELECT value FROM meta WHERE key = 'line'), '0') AS INTEGER)
             ORDER BY sequence DESC LIMIT 1",
        )
        .bind(programme)
        .fetch_optional(self.pool())
        .await?;
        row.map(|row| digest_from(row.try_get(0)?)).transpose()
    }
}

fn release_from(row: &sqlx::sqlite::SqliteRow) -> Result<StoredRelease, NodeError> {
    Ok(StoredRelease {
        round: digest_from(row.try_get(0)?)?,
        programme: row.try_get(1)?,
        period: row.try_get(2)?,
        digest: digest_from(row.try_get(3)?)?,
        ours: row.try_get(4)?,
        json: row.try_get(5)?,
    })
}

fn decode_row<T>(row: Option<sqlx::sqlite::SqliteRow>) -> Result<Option<T>, NodeError>
where
    T: serde::Serialize + serde::de::DeserializeOwned,
{
    let Some(row) = row else {
        return Ok(None);
    };
    let bytes: Vec<u8> = row.try_get(0)?;
    decode(&bytes, MAX_ENCODED_BYTES)
        .map(Some)
        .map_err(|_| damaged())
}
