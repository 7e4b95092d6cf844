//! Published programmes in the store.

use msht_core::crypto::Digest;

use sqlx::any::AnyRow;

use super::{Result, Store, fixed, get, raise_news, small};

/// A published programme.
#[derive(Debug, Clone)]
pub(crate) struct ProgrammeRow {
    pub(crate) id: String,
    pub(crate) version: u32,
    pub(crate) title: String,
    pub(crate) digest: Digest,
    pub(crate) signed: Vec<u8>,
}

fn programme_of(row: &AnyRow) -> Result<ProgrammeRow> {
    Ok(ProgrammeRow {
        id: get(row, "id")?,
        version: small(get(row, "version")?)?,
        title: get(row, "title")?,
        digest: fixed(row, "digest")?,
        signed: get(row, "signed")?,
    })
}

impl Store {
    /// Makes a programme the current version of its id.
    pub(crate) async fn publish_programme(&self, programme: &ProgrammeRow) -> Result<()> {
        let mut transaction = self.begin().await?;
        sqlx::query("UPDATE programmes SET current = 0 WHERE id = $1")
            .bind(&programme.id)
            .execute(&mut *transaction)
            .await?;
        sqlx::query("INSERT INTO programmes VALUES ($1, $2, $3, $4, $5, 1)")
            .bind(&programme.id)
            .bind(i64::from(programme.version))
            .bind(&programme.title)
            .bind(programme.digest.as_bytes().as_slice())
            .bind(&programme.signed)
            .execute(&mut *transaction)
            .await?;
        raise_news(&mut transaction).await?;
        Ok(transaction.commit().await?)
    }

    /// The current version of a programme.
    pub(crate) async fn current_programme(&self, id: &str) -> Result<Option<ProgrammeRow>> {
        let row = sqlx::query("SELECT * FROM programmes WHERE id = $1 AND current = 1")
            .bind(id)
            .fetch_optional(&self.pool)
            .await?;
        row.map(|row| programme_of(&row)).transpose()
    }

    /// The programme with this digest, current or not.
    pub(crate) async fn programme(&self, digest: &Digest) -> Result<Option<ProgrammeRow>> {
        let row = sqlx::query("SELECT * FROM programmes WHERE digest = $1")
            .bind(digest.as_bytes().as_slice())
            .fetch_optional(&self.pool)
            .await?;
        row.map(|row| programme_of(&row)).transpose()
    }

    /// The current programmes in order of id.
    pub(crate) async fn current_programmes(&self) -> Result<Vec<ProgrammeRow>> {
        let rows = sqlx::query("SELECT * FROM programmes WHERE current = 1 ORDER BY id")
            .fetch_all(&self.pool)
            .await?;
        rows.iter().map(programme_of).collect()
    }
}
