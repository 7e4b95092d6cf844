//! The ledger as it is stored: entries as JSON, in order, never changed.

use msht_core::dp::accountant::{Ledger, LedgerEntry};
use sqlx::{Row, Sqlite};

use super::{Vault, Writing};
use crate::error::{Kind, NodeError};

impl Vault {
    /// Every entry, in order.
    ///
    /// # Errors
    /// [`Kind::Configuration`] where an entry cannot be read.
    pub async fn ledger_entries(&self) -> Result<Vec<LedgerEntry>, NodeError> {
        entries(self.pool()).await
    }

    /// The ledger, its chain checked.
    ///
    /// # Errors
    /// [`Kind::Configuration`] where the chain does not hold.
    pub async fn ledger(&self) -> Result<Ledger, NodeError> {
        Ok(Ledger::replay(&self.ledger_entries().await?)?)
    }

    /// The ledger as this transaction sees it.
    pub(crate) async fn ledger_in(&self, writing: &mut Writing) -> Result<Ledger, NodeError> {
        Ok(Ledger::replay(&entries(&mut **writing).await?)?)
    }

    /// Appends an entry made for the ledger as this transaction sees it.
    pub(crate) async fn append(
        &self,
        writing: &mut Writing,
        entry: &LedgerEntry,
    ) -> Result<(), NodeError> {
        let json = serde_json::to_string(entry)
            .map_err(|error| NodeError::new(Kind::Failure, error.to_string()))?;
        let sequence = i64::try_from(entry.sequence())
            .map_err(|_| NodeError::new(Kind::Failure, "the ledger is full"))?;
        sqlx::query("INSERT INTO ledger (sequence, entry) VALUES (?, ?)")
            .bind(sequence)
            .bind(json)
            .execute(&mut **writing)
            .await?;
        Ok(())
    }
}

pub(super) async fn entries<'e, E>(executor: E) -> Result<Vec<LedgerEntry>, NodeError>
where
    E: sqlx::Executor<'e, Database = Sqlite>,
{
    let rows = sqlx::query("SELECT entry FROM ledger ORDER BY sequence")
        .fetch_all(executor)
        .await?;
    let mut entries = Vec::with_capacity(rows.len());
    for row in rows {
        let json: String = row.try_get(0)?;
        entries.push(serde_json::from_str(&json).map_err(|_| {
            NodeError::new(Kind::Configuration, "an entry of the ledger cannot be read").hint(
                "restore the vault from its backup; nothing is sent until the ledger is whole",
            )
        })?);
    }
    Ok(entries)
}
