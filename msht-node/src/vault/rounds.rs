//! Rounds and the sealed records their sessions are rebuilt from.

use std::fmt;

use msht_core::crypto::Digest;
use msht_core::secagg::node::NodeRecord;
use msht_core::secagg::{Announcement, Signed};
use msht_core::wire::{MAX_ENCODED_BYTES, decode, encode};
use rand::CryptoRng;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::documents::digest_from;
use super::{Vault, Writing};
use crate::error::{Kind, NodeError};

/// Where a round stands for this node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Announced; waits for a decision, or for what stands in the way.
    Announced,
    /// Contribution frozen; messages are on their way.
    Joined,
    /// Shares given up; only the release is to come.
    Unmasked,
    /// Release received and verified.
    Released,
    /// Given up by the coordinator.
    Aborted,
    /// Ended without this node.
    LeftOut,
    /// Refused by this node: a check failed.
    Refused,
}

impl Stage {
    const ALL: [(Self, &'static str); 7] = [
        (Self::Announced, "announced"),
        (Self::Joined, "joined"),
        (Self::Unmasked, "unmasked"),
        (Self::Released, "released"),
        (Self::Aborted, "aborted"),
        (Self::LeftOut, "left-out"),
        (Self::Refused, "refused"),
    ];

    /// The word in the vault and on the screen.
    #[must_use]
    pub fn word(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|(stage, _)| *stage == self)
            .map_or("", |(_, word)| word)
    }

    pub(super) fn from_word(word: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .find(|(_, text)| *text == word)
            .map(|(stage, _)| *stage)
    }

    /// Whether nothing more will happen.
    #[must_use]
    pub fn has_ended(self) -> bool {
        !matches!(self, Self::Announced | Self::Joined | Self::Unmasked)
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// One round.
#[derive(Debug, Clone)]
pub struct RoundRow {
    /// The round id.
    pub round: Digest,
    /// The announcement as it came; its signature was checked before it was kept.
    pub announcement: Signed<Announcement>,
    /// Where it stands.
    pub stage: Stage,
    /// What stands in the way, or why it ended.
    pub note: String,
    /// Whether somebody looked at the own table in a preview.
    pub own_table_seen: bool,
}

fn damaged() -> NodeError {
    NodeError::new(Kind::Configuration, "a round in the vault cannot be read")
        .hint("restore the vault from its backup")
}

fn record_context(round: &Digest, slot: u8) -> String {
    format!("record/{round}/{slot}")
}

fn round_from(row: &SqliteRow) -> Result<RoundRow, NodeError> {
    let announcement: Vec<u8> = row.try_get(1)?;
    let stage: String = row.try_get(2)?;
    Ok(RoundRow {
        round: digest_from(row.try_get(0)?)?,
        announcement: decode(&announcement, MAX_ENCODED_BYTES).map_err(|_| damaged())?,
        stage: Stage::from_word(&stage).ok_or_else(damaged)?,
        note: row.try_get(3)?,
        own_table_seen: row.try_get(4)?,
    })
}

impl Vault {
    /// Keeps a round that was announced.
    ///
    /// # Errors
    /// [`Kind::Configuration`].
    pub async fn store_round(
        &self,
        round: Digest,
        announcement: &Signed<Announcement>,
        stage: Stage,
        note: &str,
        now: i64,
    ) -> Result<(), NodeError> {
        let content = &announcement.content;
        sqlx::query(
            "INSERT INTO rounds (round, programme, period, attempt, announcement, stage, note, updated_at)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        )
        .bind(round.as_bytes().as_slice())
        .bind(&content.programme)
        .bind(&content.period)
        .bind(content.attempt)
        .bind(encode(announcement).map_err(|_| damaged())?)
        .bind(stage.word())
        .bind(note)
        .bind(now)
        .execute(self.pool())
        .await?;
        Ok(())
    }

    /// Every round, oldest first.
    ///
    /// # Errors
    /// [`Kind::Configuration`].
    pub async fn rounds(&self) -> Result<Vec<RoundRow>, NodeError> {
        let rows = sqlx::query(
            "SELECT round, announcement, stage, note, own_table_seen FROM rounds ORDER BY rowid",
        )
        .fetch_all(self.pool())
        .await?;
        rows.iter().map(round_from).collect()
    }

    /// One round.
    ///
    /// # Errors
    /// [`Kind::Configuration`].
    pub async fn round(&self, round: Digest) -> Result<Option<RoundRow>, NodeError> {
        let row = sqlx::query(
            "SELECT round, announcement, stage, note, own_table_seen FROM rounds WHERE round = ?",
        )
        .bind(round.as_bytes().as_slice())
        .fetch_optional(self.pool())
        .await?;
        row.as_ref().map(round_from).transpose()
    }

    /// Notes what stands in the way of a round.
    ///
    /// # Errors
    /// [`Kind::Configuration`].
    pub async fn note(&self, round: Digest, note: &str, now: i64) -> Result<(), NodeError> {
        sqlx::query("UPDATE rounds SET note = ?, updated_at = ? WHERE round = ? AND note <> ?")
            .bind(note)
            .bind(now)
            .bind(round.as_bytes().as_slice())
            .bind(note)
            .execute(self.pool())
            .await?;
        Ok(())
    }

    /// Records that the own table was looked at.
    ///
    /// # Errors
    /// [`Kind::Configuration`].
    pub async fn own_table_was_seen(&self, round: Digest) -> Result<(), NodeError> {
        sqlx::query("UPDATE rounds SET own_table_seen = 1 WHERE round = ?")
            .bind(round.as_bytes().as_slice())
            .execute(self.pool())
            .await?;
        Ok(())
    }

    /// Where a round stands, as this transaction sees it.
    pub(crate) async fn stage_in(
        &self,
        writing: &mut Writing,
        round: Digest,
    ) -> Result<Option<Stage>, NodeError> {
        let row = sqlx::query("SELECT stage FROM rounds WHERE round = ?")
            .bind(round.as_bytes().as_slice())
            .fetch_optional(&mut **writing)
            .await?;
        row.map(|row| {
            let stage: String = row.try_get(0)?;
            Stage::from_word(&stage).ok_or_else(damaged)
        })
        .transpose()
    }

    pub(crate) async fn set_stage(
        &self,
        writing: &mut Writing,
        round: Digest,
        stage: Stage,
        note: &str,
        now: i64,
    ) -> Result<(), NodeError> {
        sqlx::query("UPDATE rounds SET stage = ?, note = ?, updated_at = ? WHERE round = ?")
            .bind(stage.word())
            .bind(note)
            .bind(now)
            .bind(round.as_bytes().as_slice())
            .execute(&mut **writing)
            .await?;
        Ok(())
    }

    /// Stores a record in its slot, which must be free; earlier ones are erased where the record says so.
    pub(crate) async fn store_record<R: CryptoRng + ?Sized>(
        &self,
        writing: &mut Writing,
        round: Digest,
        record: &NodeRecord,
        rng: &mut R,
    ) -> Result<(), NodeError> {
        if record.erases_earlier() {
            self.erase_records(writing, round).await?;
        }
        let plaintext = record.to_bytes().map_err(|_| damaged())?;
        let sealed = self.seal(&record_context(&round, record.slot()), &plaintext, rng);
        sqlx::query("INSERT INTO records (round, slot, sealed) VALUES (?, ?, ?)")
            .bind(round.as_bytes().as_slice())
            .bind(record.slot())
            .bind(sealed)
            .execute(&mut **writing)
            .await?;
        Ok(())
    }

    /// Erases what the session of a round is rebuilt from (seeds, shares, contribution), and unused noise.
    pub(crate) async fn erase_records(
        &self,
        writing: &mut Writing,
        round: Digest,
    ) -> Result<(), NodeError> {
        sqlx::query("DELETE FROM records WHERE round = ?")
            .bind(round.as_bytes().as_slice())
            .execute(&mut **writing)
            .await?;
        self.erase_noise(writing, round).await
    }

    /// The records of a round, in order.
    ///
    /// # Errors
    /// [`Kind::Configuration`] where one does not open or cannot be read.
    pub async fn records(&self, round: Digest) -> Result<Vec<NodeRecord>, NodeError> {
        let rows = sqlx::query("SELECT slot, sealed FROM records WHERE round = ? ORDER BY slot")
            .bind(round.as_bytes().as_slice())
            .fetch_all(self.pool())
            .await?;
        let mut records = Vec::with_capacity(rows.len());
        for row in rows {
            let slot: u8 = row.try_get(0)?;
            let sealed: Vec<u8> = row.try_get(1)?;
            let plaintext = self.open_sealed(&record_context(&round, slot), &sealed)?;
            records.push(NodeRecord::from_bytes(&plaintext).map_err(|_| damaged())?);
        }
        Ok(records)
    }
}
