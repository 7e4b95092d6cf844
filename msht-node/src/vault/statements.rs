//! What the abort statement of a round rests on, and whether it has arrived.

use msht_core::crypto::Digest;
use sqlx::Row;

use super::Vault;
use crate::error::NodeError;

impl Vault {
    /// Whether anything is kept that the session of a round is rebuilt from: seeds, shares, messages.
    ///
    /// # Errors
    /// [`crate::error::Kind::Configuration`].
    pub async fn holds_records(&self, round: Digest) -> Result<bool, NodeError> {
        let row = sqlx::query("SELECT COUNT(*) FROM records WHERE round = ?")
            .bind(round.as_bytes().as_slice())
            .fetch_one(self.pool())
            .await?;
        Ok(row.try_get::<i64, _>(0)? != 0)
    }

    /// Whether the coordinator has this node's abort statement on a round.
    ///
    /// # Errors
    /// [`crate::error::Kind::Configuration`].
    pub async fn statement_acknowledged(&self, round: Digest) -> Result<bool, NodeError> {
        let row = sqlx::query("SELECT 1 FROM abort_statements WHERE round = ?")
            .bind(round.as_bytes().as_slice())
            .fetch_optional(self.pool())
            .await?;
        Ok(row.is_some())
    }

    /// Records that the coordinator has this node's abort statement.
    ///
    /// # Errors
    /// [`crate::error::Kind::Configuration`].
    pub async fn acknowledge_statement(&self, round: Digest, now: i64) -> Result<(), NodeError> {
        sqlx::query("INSERT INTO abort_statements VALUES (?, ?) ON CONFLICT DO NOTHING")
            .bind(round.as_bytes().as_slice())
            .bind(now)
            .execute(self.pool())
            .await?;
        Ok(())
    }
}
