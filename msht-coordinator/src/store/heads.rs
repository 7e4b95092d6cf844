//! The latest signed ledger head of each partner, and what was noticed about copies of a node.

use msht_core::crypto::Digest;
use msht_core::secagg::{LedgerHead, head_may_follow};

use sqlx::any::AnyRow;

use super::{Connection, Result, Store, fixed, get, signed, unsigned};

/// Most notices kept of one partner; more would let one partner fill the disk.
const MAX_NOTICED: i64 = 100;

/// A head that a partner signed.
#[derive(Debug, Clone)]
pub(crate) struct SignedHeadRow {
    pub(crate) head: LedgerHead,
    /// Encoding of what shows that it was signed.
    pub(crate) proof: Vec<u8>,
}

/// What became of a head that a partner signed.
#[derive(Debug, Clone)]
pub(crate) enum HeadTaken {
    /// It is the latest known now.
    Followed,
    /// It took the place of this one, which the partner gave up.
    Replaced(SignedHeadRow),
    /// It does not fit this one, which stays.
    Refused(SignedHeadRow),
}

/// Something noticed about a partner's node, in words.
#[derive(Debug, Clone)]
pub(crate) struct Notice<'a> {
    pub(crate) partner: &'a str,
    pub(crate) round: Option<&'a Digest>,
    pub(crate) what: &'a str,
    /// Encodings of the heads that show it, where heads do.
    pub(crate) evidence: Option<(&'a [u8], &'a [u8])>,
}

fn head_of(row: &AnyRow) -> Result<SignedHeadRow> {
    Ok(SignedHeadRow {
        head: LedgerHead {
            length: unsigned(get(row, "length")?)?,
            digest: fixed(row, "head")?,
        },
        proof: get(row, "proof")?,
    })
}

async fn head_in(connection: &mut Connection, partner: &str) -> Result<Option<SignedHeadRow>> {
    let row = sqlx::query("SELECT length, head, proof FROM heads WHERE partner = $1")
        .bind(partner)
        .fetch_optional(connection)
        .await?;
    row.as_ref().map(head_of).transpose()
}

impl Store {
    /// The latest head a partner signed.
    pub(crate) async fn head(&self, partner: &str) -> Result<Option<SignedHeadRow>> {
        let mut connection = self.pool.acquire().await?;
        head_in(&mut connection, partner).await
    }

    /// Takes a head that a partner signed, unless it does not fit the latest one.
    pub(crate) async fn take_head(
        &self,
        partner: &str,
        told: &SignedHeadRow,
        replaces: Option<Digest>,
        now: i64,
    ) -> Result<HeadTaken> {
        let mut transaction = self.begin().await?;
        let known = head_in(&mut transaction, partner).await?;
        let taken = match known {
            Some(known) if known.head == told.head => return Ok(HeadTaken::Followed),
            Some(known) if !head_may_follow(&known.head, &told.head, replaces) => {
                return Ok(HeadTaken::Refused(known));
            }
            Some(known) if replaces == Some(known.head.digest) => HeadTaken::Replaced(known),
            _ => HeadTaken::Followed,
        };
        sqlx::query(
            "INSERT INTO heads (partner, length, head, proof, told_at) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (partner) DO UPDATE SET length = excluded.length, head = excluded.head,
             proof = excluded.proof, told_at = excluded.told_at",
        )
        .bind(partner)
        .bind(signed(told.head.length)?)
        .bind(told.head.digest.as_bytes().as_slice())
        .bind(&told.proof)
        .bind(now)
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(taken)
    }

    /// Keeps a notice; the same one again changes nothing.
    pub(crate) async fn notice(&self, notice: &Notice<'_>, now: i64) -> Result<()> {
        sqlx::query(
            "INSERT INTO noticed (partner, what, round, first, second, noticed_at)
             SELECT $1, $2, $3, $4, $5, $6
             WHERE (SELECT COUNT(*) FROM noticed WHERE partner = $1) < $7
             ON CONFLICT DO NOTHING",
        )
        .bind(notice.partner)
        .bind(notice.what)
        .bind(notice.round.map(|round| round.as_bytes().to_vec()))
        .bind(notice.evidence.map(|(first, _)| first.to_vec()))
        .bind(notice.evidence.map(|(_, second)| second.to_vec()))
        .bind(now)
        .bind(MAX_NOTICED)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Everything noticed: partner, what and when, the oldest first.
    pub(crate) async fn noticed(&self) -> Result<Vec<(String, String, i64)>> {
        let rows = sqlx::query(
            "SELECT partner, what, noticed_at FROM noticed ORDER BY noticed_at, partner, what",
        )
        .fetch_all(&self.pool)
        .await?;
        let notice = |row: &AnyRow| {
            Ok((
                get(row, "partner")?,
                get(row, "what")?,
                get(row, "noticed_at")?,
            ))
        };
        rows.iter().map(notice).collect()
    }

    /// What was noticed in a round, and of its partners outside of any round.
    pub(crate) async fn noticed_in(&self, round: &Digest) -> Result<Vec<(String, String)>> {
        let rows = sqlx::query(
            "SELECT noticed.partner, what FROM noticed
             JOIN invitations ON invitations.partner = noticed.partner AND invitations.round = $1
             WHERE noticed.round = $1 OR noticed.round IS NULL ORDER BY noticed_at, noticed.partner, what",
        )
        .bind(round.as_bytes().as_slice())
        .fetch_all(&self.pool)
        .await?;
        let notice = |row: &AnyRow| Ok((get(row, "partner")?, get(row, "what")?));
        rows.iter().map(notice).collect()
    }
}
