//! Abort statements, the certificates made of them, and who has unmasked.

use msht_core::crypto::Digest;
use msht_core::secagg::coordinator::CoordinatorRecord;
use msht_core::secagg::messages::{Phase, SignedMessage};

use super::{Connection, Result, Store, StoreError, Transaction, first, raise_news, small};

impl Store {
    /// The statement a partner has handed in.
    pub(crate) async fn statement_in(
        connection: &mut Connection,
        round: &Digest,
        partner: u8,
    ) -> Result<Option<Vec<u8>>> {
        let row =
            sqlx::query("SELECT statement FROM abort_statements WHERE round = $1 AND partner = $2")
                .bind(round.as_bytes().as_slice())
                .bind(i64::from(partner))
                .fetch_optional(connection)
                .await?;
        row.map(|row| first(&row)).transpose()
    }

    /// Keeps the first statement of a partner.
    pub(crate) async fn add_statement_in(
        connection: &mut Connection,
        round: &Digest,
        partner: u8,
        statement: &[u8],
    ) -> Result<()> {
        sqlx::query("INSERT INTO abort_statements VALUES ($1, $2, $3)")
            .bind(round.as_bytes().as_slice())
            .bind(i64::from(partner))
            .bind(statement)
            .execute(connection)
            .await?;
        Ok(())
    }

    /// Every statement on a round, in list order.
    pub(crate) async fn statements_in(
        connection: &mut Connection,
        round: &Digest,
    ) -> Result<Vec<Vec<u8>>> {
        let rows =
            sqlx::query("SELECT statement FROM abort_statements WHERE round = $1 ORDER BY partner")
                .bind(round.as_bytes().as_slice())
                .fetch_all(connection)
                .await?;
        rows.iter().map(first).collect()
    }

    /// Indices of the partners whose statement is in.
    pub(crate) async fn stated(&self, round: &Digest) -> Result<Vec<u8>> {
        let rows =
            sqlx::query("SELECT partner FROM abort_statements WHERE round = $1 ORDER BY partner")
                .bind(round.as_bytes().as_slice())
                .fetch_all(&self.pool)
                .await?;
        rows.iter().map(|row| small(first(row)?)).collect()
    }

    /// Whether an Unmask of the partner was accepted in the round.
    pub(crate) async fn has_unmasked_in(
        connection: &mut Connection,
        round: &Digest,
        partner: u8,
    ) -> Result<bool> {
        let row = sqlx::query("SELECT 1 FROM unmasked WHERE round = $1 AND partner = $2")
            .bind(round.as_bytes().as_slice())
            .bind(i64::from(partner))
            .fetch_optional(connection)
            .await?;
        Ok(row.is_some())
    }

    /// Keeps the certificate of a round, which stays the same from now on, and tells nodes that it is there.
    pub(crate) async fn add_certificate_in(
        transaction: &mut Transaction,
        round: &Digest,
        certificate: &[u8],
    ) -> Result<()> {
        sqlx::query("INSERT INTO abort_certificates VALUES ($1, $2)")
            .bind(round.as_bytes().as_slice())
            .bind(certificate)
            .execute(&mut **transaction)
            .await?;
        raise_news(transaction).await
    }

    /// The certificate of a round.
    pub(crate) async fn certificate_in(
        connection: &mut Connection,
        round: &Digest,
    ) -> Result<Option<Vec<u8>>> {
        let row = sqlx::query("SELECT certificate FROM abort_certificates WHERE round = $1")
            .bind(round.as_bytes().as_slice())
            .fetch_optional(connection)
            .await?;
        row.map(|row| first(&row)).transpose()
    }

    /// The certificate of a round.
    pub(crate) async fn certificate(&self, round: &Digest) -> Result<Option<Vec<u8>>> {
        let mut connection = self.pool.acquire().await?;
        Self::certificate_in(&mut connection, round).await
    }
}

/// Remembers whose Unmask is among `records`, because the messages are erased when the round ends.
pub(super) async fn keep_unmasked(
    connection: &mut Connection,
    round: &Digest,
    records: &[CoordinatorRecord],
) -> Result<()> {
    for record in records {
        let CoordinatorRecord::Accepted(bytes) = record else {
            continue;
        };
        let bytes = bytes.as_ref();
        let Ok(message) = SignedMessage::from_bytes(bytes, bytes.len()) else {
            continue;
        };
        if message.phase == Phase::Unmask {
            // The session was asked before; a statement may have come in since.
            let stated = Store::statement_in(connection, round, message.sender).await?;
            if stated.is_some() {
                return Err(StoreError::Overtaken);
            }
            sqlx::query("INSERT INTO unmasked VALUES ($1, $2) ON CONFLICT DO NOTHING")
                .bind(round.as_bytes().as_slice())
                .bind(i64::from(message.sender))
                .execute(&mut *connection)
                .await?;
        }
    }
    Ok(())
}
