//! What an anchor is compared with: one consistent look at ledger, rounds and doubts.

use std::collections::BTreeMap;

use msht_core::crypto::{Digest, HexBytes};
use msht_core::dp::accountant::{Ledger, LedgerEntry};
use msht_core::secagg::LedgerHead;
use msht_core::secagg::messages::Phase;
use msht_core::secagg::node::{Doubt, Durable, EnrolmentId, Reached};
use sqlx::{Row, Sqlite, Transaction};

use super::documents::digest_from;
use super::ledger::entries;
use super::rounds::Stage;
use super::{Vault, Writing, put_meta};
use crate::error::{Kind, NodeError};

const ENROLMENT: &str = "anchor";
const DOUBT: &str = "doubt";
/// There while rounds that this vault has not heard of may be ones that this node had joined.
const UNSURE: &str = "unsure-of-rounds";

/// The vault as one transaction saw it.
pub(crate) struct StoredState {
    pub(crate) enrolment: Option<EnrolmentId>,
    pub(crate) ledger: Ledger,
    pub(crate) entries: Vec<LedgerEntry>,
    pub(crate) rounds: BTreeMap<Digest, Reached>,
    /// A doubt that is not seen by comparing with the anchor, and that nobody has resolved yet.
    pub(crate) doubt: Option<Doubt>,
}

impl StoredState {
    pub(crate) fn durable(&self) -> Durable<'_> {
        Durable {
            enrolment: self.enrolment,
            ledger: &self.ledger,
            entries: &self.entries,
            rounds: &self.rounds,
        }
    }

    pub(crate) fn head(&self) -> LedgerHead {
        LedgerHead::of(&self.ledger)
    }
}

fn damaged() -> NodeError {
    NodeError::new(Kind::Configuration, "the vault's notes cannot be read")
        .hint("restore the vault from its backup")
}

async fn meta(
    reading: &mut Transaction<'_, Sqlite>,
    key: &str,
) -> Result<Option<Vec<u8>>, NodeError> {
    let row = sqlx::query("SELECT value FROM meta WHERE key = ?")
        .bind(key)
        .fetch_optional(&mut **reading)
        .await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?)
}

async fn reached(
    reading: &mut Transaction<'_, Sqlite>,
) -> Result<BTreeMap<Digest, Reached>, NodeError> {
    let rows = sqlx::query(
        "SELECT round, stage, (SELECT MAX(slot) FROM records WHERE records.round = rounds.round) FROM rounds",
    )
    .fetch_all(&mut **reading)
    .await?;
    let mut rounds = BTreeMap::new();
    for row in rows {
        let stage: String = row.try_get(1)?;
        let stage = Stage::from_word(&stage).ok_or_else(damaged)?;
        let slot: Option<u8> = row.try_get(2)?;
        // A record's slot is the number of the phase whose message rests on it.
        let phase = slot.and_then(|slot| Phase::ALL.get(usize::from(slot)).copied());
        let reached = match (stage.has_ended(), phase) {
            (true, _) => Reached::Ended,
            (false, Some(phase)) => Reached::Stored(phase),
            (false, None) => Reached::Announced,
        };
        rounds.insert(digest_from(row.try_get(0)?)?, reached);
    }
    Ok(rounds)
}

impl Vault {
    /// Everything an anchor can tell about, as of one moment.
    pub(crate) async fn state(&self) -> Result<StoredState, NodeError> {
        let mut reading = self.pool().begin().await?;
        let state = state_in(&mut reading).await;
        reading.rollback().await?;
        state
    }

    /// The same as a writing transaction sees it.
    pub(crate) async fn state_in(&self, writing: &mut Writing) -> Result<StoredState, NodeError> {
        state_in(writing).await
    }

    /// Ties the vault to an anchor.
    pub(crate) async fn store_anchor_id(&self, id: EnrolmentId) -> Result<(), NodeError> {
        let mut writing = self.write().await?;
        put_meta(&mut writing, ENROLMENT, id.as_bytes()).await?;
        Ok(writing.commit().await?)
    }

    /// Keeps a doubt until somebody resolves it.
    pub(crate) async fn store_doubt(&self, doubt: &Doubt) -> Result<(), NodeError> {
        let json = serde_json::to_vec(doubt)
            .map_err(|error| NodeError::new(Kind::Failure, error.to_string()))?;
        let mut writing = self.write().await?;
        put_meta(&mut writing, DOUBT, &json).await?;
        Ok(writing.commit().await?)
    }

    /// Ends every doubt: the vault belongs to another anchor from now on, and is unsure of rounds it does not know.
    pub(crate) async fn end_doubt(
        &self,
        writing: &mut Writing,
        id: EnrolmentId,
    ) -> Result<(), NodeError> {
        sqlx::query("DELETE FROM meta WHERE key = ?")
            .bind(DOUBT)
            .execute(&mut **writing)
            .await?;
        put_meta(writing, UNSURE, &[]).await?;
        put_meta(writing, ENROLMENT, id.as_bytes()).await
    }

    /// Whether this node may have joined rounds that the vault has not heard of.
    pub(crate) async fn is_unsure_of_rounds(&self) -> Result<bool, NodeError> {
        Ok(self.meta(UNSURE).await?.is_some())
    }

    /// Every round that was open when somebody resolved a doubt is known from now on.
    pub(crate) async fn is_sure_of_rounds(&self) -> Result<(), NodeError> {
        sqlx::query("DELETE FROM meta WHERE key = ?")
            .bind(UNSURE)
            .execute(self.pool())
            .await?;
        Ok(())
    }
}

impl Vault {
    /// Notes that this node may have done more in a round than the vault knows.
    pub(crate) async fn forget(
        &self,
        writing: &mut Writing,
        round: Digest,
    ) -> Result<(), NodeError> {
        sqlx::query("INSERT INTO forgotten VALUES (?) ON CONFLICT DO NOTHING")
            .bind(round.as_bytes().as_slice())
            .execute(&mut **writing)
            .await?;
        Ok(())
    }

    /// Whether this node may have done more in a round than the vault knows.
    pub(crate) async fn is_forgotten(&self, round: Digest) -> Result<bool, NodeError> {
        let row = sqlx::query("SELECT 1 FROM forgotten WHERE round = ?")
            .bind(round.as_bytes().as_slice())
            .fetch_optional(self.pool())
            .await?;
        Ok(row.is_some())
    }
}

async fn state_in(reading: &mut Transaction<'_, Sqlite>) -> Result<StoredState, NodeError> {
    let enrolment = match meta(reading, ENROLMENT).await? {
        None => None,
        Some(bytes) => Some(HexBytes(bytes.try_into().map_err(|_| damaged())?)),
    };
    let doubt = match meta(reading, DOUBT).await? {
        None => None,
        Some(json) => Some(serde_json::from_slice(&json).map_err(|_| damaged())?),
    };
    let entries = entries(&mut **reading).await?;
    Ok(StoredState {
        enrolment,
        ledger: Ledger::replay(&entries)?,
        rounds: reached(reading).await?,
        entries,
        doubt,
    })
}
