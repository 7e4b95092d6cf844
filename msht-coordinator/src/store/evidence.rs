//! Proof of misbehaviour in the store, in the form in which it is handed on.

use msht_core::crypto::Digest;

use sqlx::any::AnyRow;

use super::{Result, Store, get};

/// Most pieces of evidence kept of one round, one for each partner it can have; more would let one partner fill the
/// disk.
const MAX_EVIDENCE: i64 = 255;

/// A piece of evidence as stored.
#[derive(Debug, Clone)]
pub(crate) struct EvidenceRow {
    /// Id of the partner accused.
    pub(crate) partner: String,
    /// What is proven.
    pub(crate) offence: String,
    /// When it was found, seconds since 1970-01-01 UTC.
    pub(crate) found_at: i64,
    /// The bytes of the file.
    pub(crate) file: Vec<u8>,
}

impl Store {
    /// Keeps a piece of evidence; the same one again changes nothing.
    pub(crate) async fn keep_evidence(
        &self,
        round: &Digest,
        digest: &Digest,
        row: &EvidenceRow,
    ) -> Result<()> {
        sqlx::query(
            "INSERT INTO evidence SELECT $1, $2, $3, $4, $5, $6
             WHERE (SELECT COUNT(*) FROM evidence WHERE round = $1) < $7
             ON CONFLICT DO NOTHING",
        )
        .bind(round.as_bytes().as_slice())
        .bind(digest.as_bytes().as_slice())
        .bind(&row.partner)
        .bind(&row.offence)
        .bind(row.found_at)
        .bind(&row.file)
        .bind(MAX_EVIDENCE)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// The evidence of a round, the oldest first.
    pub(crate) async fn evidence(&self, round: &Digest) -> Result<Vec<EvidenceRow>> {
        let rows = sqlx::query("SELECT * FROM evidence WHERE round = $1 ORDER BY found_at, digest")
            .bind(round.as_bytes().as_slice())
            .fetch_all(&self.pool)
            .await?;
        let evidence = |row: &AnyRow| {
            Ok(EvidenceRow {
                partner: get(row, "partner")?,
                offence: get(row, "offence")?,
                found_at: get(row, "found_at")?,
                file: get(row, "file")?,
            })
        };
        rows.iter().map(evidence).collect()
    }
}
