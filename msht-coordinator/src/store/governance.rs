//! Keys that came and went: changes of partners' keys, endorsements, revocations, handovers of the own key.

use msht_core::crypto::{Digest, IdentityKey};

use super::{Connection, Result, Store, StoreError, Transaction, first, fixed, raise_news, small};

/// An endorsement as it is stored.
pub(crate) struct EndorsementRow<'a> {
    pub(crate) endorser: &'a str,
    pub(crate) partner: &'a str,
    pub(crate) key: &'a IdentityKey,
    pub(crate) signed: &'a [u8],
}

/// The documents that carry the coordinator's signature, one column of one table each.
const SIGNED_DOCUMENTS: [(SignedDocument, &str, &str); 4] = [
    (SignedDocument::Programme, "programmes", "signed"),
    (SignedDocument::Roster, "rosters", "signed"),
    (SignedDocument::Announcement, "rounds", "announcement"),
    (SignedDocument::Abort, "rounds", "abort"),
];

/// What a stored document is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SignedDocument {
    Programme,
    Roster,
    Announcement,
    Abort,
}

impl Store {
    /// Whether this key was revoked or replaced.
    pub(crate) async fn is_retired(&self, key: &IdentityKey) -> Result<bool> {
        let mut connection = self.pool.acquire().await?;
        Self::is_retired_in(&mut connection, key).await
    }

    pub(crate) async fn is_retired_in(
        connection: &mut Connection,
        key: &IdentityKey,
    ) -> Result<bool> {
        let row = sqlx::query("SELECT 1 FROM retired_keys WHERE key = $1")
            .bind(key.as_bytes().as_slice())
            .fetch_optional(connection)
            .await?;
        Ok(row.is_some())
    }

    /// The change by which this key was given up, as it was signed.
    pub(crate) async fn key_change_from_in(
        connection: &mut Connection,
        key: &IdentityKey,
    ) -> Result<Option<Vec<u8>>> {
        let row = sqlx::query("SELECT signed FROM key_changes WHERE old_key = $1")
            .bind(key.as_bytes().as_slice())
            .fetch_optional(connection)
            .await?;
        row.map(|row| first(&row)).transpose()
    }

    /// Whether a round that this partner is invited to is open.
    pub(crate) async fn is_in_open_round_in(
        connection: &mut Connection,
        partner: &str,
    ) -> Result<bool> {
        let row = sqlx::query(
            "SELECT 1 FROM rounds JOIN invitations USING (round) WHERE state = 'open' AND partner = $1",
        )
        .bind(partner)
        .fetch_optional(connection)
        .await?;
        Ok(row.is_some())
    }

    /// Open rounds that this partner is invited to.
    pub(crate) async fn open_rounds_of_in(
        connection: &mut Connection,
        partner: &str,
    ) -> Result<Vec<Digest>> {
        let rows = sqlx::query(
            "SELECT round FROM rounds JOIN invitations USING (round) WHERE state = 'open' AND partner = $1",
        )
        .bind(partner)
        .fetch_all(connection)
        .await?;
        rows.iter().map(|row| fixed(row, "round")).collect()
    }

    /// Gives a partner another key; the old one is retired for good.
    pub(crate) async fn change_key_in(
        transaction: &mut Transaction,
        partner: &str,
        (old, new): (&IdentityKey, &IdentityKey),
        signed: &[u8],
        now: i64,
    ) -> Result<()> {
        sqlx::query("UPDATE partners SET key = $1 WHERE id = $2 AND key = $3")
            .bind(new.as_bytes().as_slice())
            .bind(partner)
            .bind(old.as_bytes().as_slice())
            .execute(&mut **transaction)
            .await?;
        sqlx::query(
            "INSERT INTO key_changes (number, old_key, signed)
             SELECT COALESCE(MAX(number), 0) + 1, $1, $2 FROM key_changes",
        )
        .bind(old.as_bytes().as_slice())
        .bind(signed)
        .execute(&mut **transaction)
        .await?;
        Self::retire_key_in(transaction, partner, old, "replaced by its partner", now).await
    }

    /// Nothing is taken from this key any more.
    async fn retire_key_in(
        transaction: &mut Transaction,
        partner: &str,
        key: &IdentityKey,
        reason: &str,
        now: i64,
    ) -> Result<()> {
        sqlx::query("INSERT INTO retired_keys VALUES ($1, $2, $3, $4)")
            .bind(key.as_bytes().as_slice())
            .bind(partner)
            .bind(reason)
            .bind(now)
            .execute(&mut **transaction)
            .await?;
        raise_news(transaction).await
    }

    /// Takes a partner off the list, with its unused invites and every endorsement by or of it.
    pub(crate) async fn revoke_in(
        transaction: &mut Transaction,
        partner: &str,
        key: &IdentityKey,
        reason: &str,
        now: i64,
    ) -> Result<()> {
        for statement in [
            "DELETE FROM partners WHERE id = $1",
            "DELETE FROM invites WHERE partner = $1 AND used_at IS NULL",
            "DELETE FROM endorsements WHERE endorser = $1 OR partner = $1",
        ] {
            sqlx::query(statement)
                .bind(partner)
                .execute(&mut **transaction)
                .await?;
        }
        Self::retire_key_in(transaction, partner, key, reason, now).await
    }

    /// How many keys of this partner were replaced or revoked.
    pub(crate) async fn count_retired_in(
        connection: &mut Connection,
        partner: &str,
    ) -> Result<usize> {
        let row = sqlx::query("SELECT COUNT(*) FROM retired_keys WHERE partner = $1")
            .bind(partner)
            .fetch_one(connection)
            .await?;
        small(first(&row)?)
    }

    /// Keeps an endorsement; a later one of the same key takes its place. The same one again is no news.
    pub(crate) async fn endorse_in(
        transaction: &mut Transaction,
        row: &EndorsementRow<'_>,
    ) -> Result<()> {
        let kept = sqlx::query("SELECT 1 FROM endorsements WHERE signed = $1")
            .bind(row.signed)
            .fetch_optional(&mut **transaction)
            .await?;
        if kept.is_some() {
            return Ok(());
        }
        sqlx::query(
            "INSERT INTO endorsements VALUES ($1, $2, $3, $4)
             ON CONFLICT (endorser, partner, key) DO UPDATE SET signed = excluded.signed",
        )
        .bind(row.endorser)
        .bind(row.partner)
        .bind(row.key.as_bytes().as_slice())
        .bind(row.signed)
        .execute(&mut **transaction)
        .await?;
        raise_news(transaction).await
    }

    pub(crate) async fn handovers(&self) -> Result<Vec<Vec<u8>>> {
        self.signed_rows("SELECT signed FROM handovers ORDER BY number")
            .await
    }

    pub(crate) async fn key_changes(&self) -> Result<Vec<Vec<u8>>> {
        self.signed_rows("SELECT signed FROM key_changes ORDER BY number")
            .await
    }

    pub(crate) async fn endorsements(&self) -> Result<Vec<Vec<u8>>> {
        self.signed_rows("SELECT signed FROM endorsements ORDER BY partner, endorser")
            .await
    }

    async fn signed_rows(&self, query: &'static str) -> Result<Vec<Vec<u8>>> {
        let rows = sqlx::query(query).fetch_all(&self.pool).await?;
        rows.iter().map(first).collect()
    }

    /// How often the own key was handed over.
    pub(crate) async fn count_handovers_in(connection: &mut Connection) -> Result<usize> {
        let row = sqlx::query("SELECT COUNT(*) FROM handovers")
            .fetch_one(connection)
            .await?;
        small(first(&row)?)
    }

    /// Puts a handover and the sealed new identity in place; invites with the old key stop being good.
    pub(crate) async fn hand_over_in(
        transaction: &mut Transaction,
        signed: &[u8],
        sealed_identity: (&str, &[u8]),
    ) -> Result<()> {
        sqlx::query(
            "INSERT INTO handovers (number, signed)
             SELECT COALESCE(MAX(number), 0) + 1, $1 FROM handovers",
        )
        .bind(signed)
        .execute(&mut **transaction)
        .await?;
        sqlx::query("UPDATE meta SET value = $1 WHERE name = $2")
            .bind(sealed_identity.1)
            .bind(sealed_identity.0)
            .execute(&mut **transaction)
            .await?;
        sqlx::query("DELETE FROM invites WHERE used_at IS NULL")
            .execute(&mut **transaction)
            .await?;
        raise_news(transaction).await
    }

    /// Replaces every stored document by what `sign_again` makes of it.
    pub(crate) async fn replace_signed_in<E: From<StoreError>>(
        transaction: &mut Transaction,
        sign_again: impl Fn(SignedDocument, &[u8]) -> std::result::Result<Vec<u8>, E>,
    ) -> std::result::Result<(), E> {
        for (document, table, column) in SIGNED_DOCUMENTS {
            let all = format!("SELECT {column} FROM {table} WHERE {column} IS NOT NULL");
            // A signed document names what it is about: no two are the same bytes.
            let replace = format!("UPDATE {table} SET {column} = $1 WHERE {column} = $2");
            let rows = sqlx::query(sqlx::AssertSqlSafe(all))
                .fetch_all(&mut **transaction)
                .await
                .map_err(StoreError::from)?;
            for row in rows {
                let bytes: Vec<u8> = first(&row)?;
                sqlx::query(sqlx::AssertSqlSafe(replace.clone()))
                    .bind(sign_again(document, &bytes)?)
                    .bind(bytes)
                    .execute(&mut **transaction)
                    .await
                    .map_err(StoreError::from)?;
            }
        }
        Ok(())
    }
}
