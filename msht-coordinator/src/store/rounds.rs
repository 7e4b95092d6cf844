//! Rounds, their records, releases, evidence and commands in the store.

use msht_core::crypto::Digest;
use msht_core::secagg::coordinator::CoordinatorRecord;
use msht_core::secagg::messages::Phase;
use msht_core::wire::{MAX_ENCODED_BYTES, decode, encode};
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{Row, Sqlite, Transaction};

use super::certificates::keep_unmasked;
use super::{Result, Store, StoreError, fixed, raise_news};

/// Most refused messages kept of one round; more would let one partner fill the disk.
const MAX_REFUSED: i64 = 1_000;
/// Most commands carried out at once; the rest waits for the next look.
const MAX_COMMANDS: i64 = 16;

/// A round to be stored.
pub(crate) struct NewRound<'a> {
    pub(crate) round: Digest,
    pub(crate) programme: &'a str,
    pub(crate) period: &'a str,
    pub(crate) attempt: u32,
    pub(crate) announcement: &'a [u8],
    pub(crate) invited: &'a [String],
}

/// Where a stored round stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RoundStateRow {
    Open(u8),
    Released,
    Aborted,
}

/// A round as stored.
#[derive(Debug, Clone)]
pub(crate) struct RoundRow {
    pub(crate) round: Digest,
    pub(crate) programme: String,
    pub(crate) period: String,
    pub(crate) attempt: u32,
    pub(crate) announcement: Vec<u8>,
    pub(crate) state: RoundStateRow,
    pub(crate) abort: Option<Vec<u8>>,
}

/// A release as stored: the bytes of its file.
#[derive(Debug, Clone)]
pub(crate) struct ReleaseRow {
    pub(crate) round: Digest,
    pub(crate) programme: String,
    pub(crate) period: String,
    pub(crate) digest: Digest,
    pub(crate) json: Vec<u8>,
}

/// What an operator asks of a running coordinator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    Close,
    Abort,
}

impl Action {
    fn word(self) -> &'static str {
        match self {
            Self::Close => "close",
            Self::Abort => "abort",
        }
    }
}

/// A command that waits.
#[derive(Debug, Clone)]
pub(crate) struct Command {
    pub(crate) id: i64,
    pub(crate) round: Digest,
    pub(crate) action: Action,
}

fn state_of(row: &SqliteRow) -> Result<RoundStateRow> {
    let state: String = row.try_get("state")?;
    match state.as_str() {
        "open" => Ok(RoundStateRow::Open(row.try_get("phase")?)),
        "released" => Ok(RoundStateRow::Released),
        "aborted" => Ok(RoundStateRow::Aborted),
        _ => Err(StoreError::Damaged("state of a round")),
    }
}

fn round_of(row: &SqliteRow) -> Result<RoundRow> {
    Ok(RoundRow {
        round: fixed(row, "round")?,
        programme: row.try_get("programme")?,
        period: row.try_get("period")?,
        attempt: row.try_get("attempt")?,
        announcement: row.try_get("announcement")?,
        state: state_of(row)?,
        abort: row.try_get("abort")?,
    })
}

impl Store {
    /// Attempts at a period so far.
    pub(crate) async fn attempts_in(
        connection: &mut SqliteConnection,
        programme: &str,
        period: &str,
    ) -> Result<u32> {
        let row = sqlx::query(
            "SELECT COALESCE(MAX(attempt), 0) FROM rounds WHERE programme = ? AND period = ?",
        )
        .bind(programme)
        .bind(period)
        .fetch_one(connection)
        .await?;
        Ok(row.try_get(0)?)
    }

    /// The open round of a programme.
    pub(crate) async fn open_round_in(
        connection: &mut SqliteConnection,
        programme: &str,
    ) -> Result<Option<Digest>> {
        let row = sqlx::query("SELECT round FROM rounds WHERE programme = ? AND state = 'open'")
            .bind(programme)
            .fetch_optional(connection)
            .await?;
        row.map(|row| fixed(&row, "round")).transpose()
    }

    /// Whether a period has been released.
    pub(crate) async fn is_released_in(
        connection: &mut SqliteConnection,
        programme: &str,
        period: &str,
    ) -> Result<bool> {
        let row = sqlx::query("SELECT 1 FROM releases WHERE programme = ? AND period = ?")
            .bind(programme)
            .bind(period)
            .fetch_optional(connection)
            .await?;
        Ok(row.is_some())
    }

    /// Digest of the latest release of a programme.
    pub(crate) async fn latest_release_in(
        connection: &mut SqliteConnection,
        programme: &str,
    ) -> Result<Option<Digest>> {
        let row = sqlx::query(
            "SELECT digest FROM releases WHERE programme = ? ORDER BY number DESC LIMIT 1",
        )
        .bind(programme)
        .fetch_optional(connection)
        .await?;
        row.map(|row| fixed(&row, "digest")).transpose()
    }

    /// Stores a round that begins.
    pub(crate) async fn add_round_in(
        transaction: &mut Transaction<'static, Sqlite>,
        new: &NewRound<'_>,
    ) -> Result<()> {
        sqlx::query(
            "INSERT INTO rounds VALUES
             (?, (SELECT COALESCE(MAX(number), 0) + 1 FROM rounds), ?, ?, ?, ?, 'open', 0, NULL)",
        )
        .bind(new.round.as_bytes().as_slice())
        .bind(new.programme)
        .bind(new.period)
        .bind(new.attempt)
        .bind(new.announcement)
        .execute(&mut **transaction)
        .await?;
        for partner in new.invited {
            sqlx::query("INSERT INTO invitations VALUES (?, ?)")
                .bind(new.round.as_bytes().as_slice())
                .bind(partner)
                .execute(&mut **transaction)
                .await?;
        }
        raise_news(transaction).await
    }

    /// A round.
    pub(crate) async fn round(&self, round: &Digest) -> Result<Option<RoundRow>> {
        let row = sqlx::query("SELECT * FROM rounds WHERE round = ?")
            .bind(round.as_bytes().as_slice())
            .fetch_optional(&self.pool)
            .await?;
        row.map(|row| round_of(&row)).transpose()
    }

    /// All rounds, the oldest first.
    pub(crate) async fn rounds(&self) -> Result<Vec<RoundRow>> {
        let rows = sqlx::query("SELECT * FROM rounds ORDER BY number")
            .fetch_all(&self.pool)
            .await?;
        rows.iter().map(round_of).collect()
    }

    /// The open rounds, the oldest first.
    pub(crate) async fn open_rounds(&self) -> Result<Vec<Digest>> {
        let rows = sqlx::query("SELECT round FROM rounds WHERE state = 'open' ORDER BY number")
            .fetch_all(&self.pool)
            .await?;
        rows.iter().map(|row| fixed(row, "round")).collect()
    }

    /// An open round of any programme.
    pub(crate) async fn any_open_round_in(
        connection: &mut SqliteConnection,
    ) -> Result<Option<Digest>> {
        let row = sqlx::query("SELECT round FROM rounds WHERE state = 'open' LIMIT 1")
            .fetch_optional(connection)
            .await?;
        row.map(|row| fixed(&row, "round")).transpose()
    }

    /// The newest `most` rounds a partner is invited to or that were released, the oldest of them first: releases
    /// are public, and a partner that sat one out needs it to follow the chain.
    pub(crate) async fn rounds_of(
        &self,
        partner: &str,
        most: usize,
    ) -> Result<Vec<(Digest, RoundStateRow)>> {
        let rows = sqlx::query(
            "SELECT round, state, phase FROM rounds
             WHERE state = 'released' OR round IN (SELECT round FROM invitations WHERE partner = ?)
             ORDER BY number DESC LIMIT ?",
        )
        .bind(partner)
        .bind(i64::try_from(most).map_err(|_| StoreError::TooLarge)?)
        .fetch_all(&self.pool)
        .await?;
        rows.iter()
            .rev()
            .map(|row| Ok((fixed(row, "round")?, state_of(row)?)))
            .collect()
    }

    /// Whether a partner is invited to a round.
    pub(crate) async fn is_invited(&self, round: &Digest, partner: &str) -> Result<bool> {
        let row = sqlx::query("SELECT 1 FROM invitations WHERE partner = ? AND round = ?")
            .bind(partner)
            .bind(round.as_bytes().as_slice())
            .fetch_optional(&self.pool)
            .await?;
        Ok(row.is_some())
    }

    /// Stores records that follow `next_sequence` ones before, and the phase that is now open (C4).
    pub(crate) async fn append_records(
        &self,
        round: &Digest,
        next_sequence: i64,
        records: &[CoordinatorRecord],
        phase: Phase,
    ) -> Result<()> {
        let mut transaction = self.begin().await?;
        for (record, sequence) in records.iter().zip(next_sequence..) {
            sqlx::query("INSERT INTO records VALUES (?, ?, ?)")
                .bind(round.as_bytes().as_slice())
                .bind(sequence)
                .bind(encode(record).map_err(|_| StoreError::TooLarge)?)
                .execute(&mut *transaction)
                .await?;
        }
        if phase == Phase::Unmask {
            keep_unmasked(&mut transaction, round, records).await?;
        }
        if records
            .iter()
            .any(|record| !matches!(record, CoordinatorRecord::Accepted(_)))
        {
            sqlx::query("UPDATE rounds SET phase = ? WHERE round = ? AND state = 'open'")
                .bind(phase.number())
                .bind(round.as_bytes().as_slice())
                .execute(&mut *transaction)
                .await?;
            raise_news(&mut transaction).await?;
        }
        Ok(transaction.commit().await?)
    }

    /// The records of a round, in order.
    pub(crate) async fn records(&self, round: &Digest) -> Result<Vec<CoordinatorRecord>> {
        let rows = sqlx::query("SELECT record FROM records WHERE round = ? ORDER BY sequence")
            .bind(round.as_bytes().as_slice())
            .fetch_all(&self.pool)
            .await?;
        let record = |row: &SqliteRow| {
            let bytes: Vec<u8> = row.try_get(0)?;
            decode(&bytes, MAX_ENCODED_BYTES).map_err(|_| StoreError::Damaged("record of a round"))
        };
        rows.iter().map(record).collect()
    }

    /// Ends a round with a release: in one transaction the release is stored and every masked vector and share of
    /// the round is erased (C7).
    pub(crate) async fn finish_with_release(&self, release: &ReleaseRow) -> Result<()> {
        let mut transaction = self.begin().await?;
        sqlx::query(
            "INSERT INTO releases VALUES
             (?, (SELECT COALESCE(MAX(number), 0) + 1 FROM releases), ?, ?, ?, ?)",
        )
        .bind(release.round.as_bytes().as_slice())
        .bind(&release.programme)
        .bind(&release.period)
        .bind(release.digest.as_bytes().as_slice())
        .bind(&release.json)
        .execute(&mut *transaction)
        .await?;
        end_round(&mut transaction, &release.round, "released", None).await?;
        transaction.commit().await?;
        self.empty_log().await;
        Ok(())
    }

    /// Ends a round without a release; its masked vectors and shares are erased as well. `records` are those not
    /// stored yet.
    pub(crate) async fn finish_with_abort(
        &self,
        round: &Digest,
        notice: &[u8],
        records: &[CoordinatorRecord],
    ) -> Result<()> {
        let mut transaction = self.begin().await?;
        keep_unmasked(&mut transaction, round, records).await?;
        end_round(&mut transaction, round, "aborted", Some(notice)).await?;
        transaction.commit().await?;
        self.empty_log().await;
        Ok(())
    }

    /// Moves the write-ahead log, which still holds erased records, into the file and empties it. A reader may
    /// prevent it; the next round's end tries again.
    async fn empty_log(&self) {
        let emptied = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)")
            .fetch_one(&self.pool)
            .await;
        if let Err(error) = emptied {
            tracing::warn!(%error, "the write-ahead log could not be emptied");
        }
    }

    /// The release of a round.
    pub(crate) async fn release(&self, round: &Digest) -> Result<Option<ReleaseRow>> {
        let row = sqlx::query("SELECT * FROM releases WHERE round = ?")
            .bind(round.as_bytes().as_slice())
            .fetch_optional(&self.pool)
            .await?;
        row.map(|row| {
            Ok(ReleaseRow {
                round: fixed(&row, "round")?,
                programme: row.try_get("programme")?,
                period: row.try_get("period")?,
                digest: fixed(&row, "digest")?,
                json: row.try_get("json")?,
            })
        })
        .transpose()
    }

    /// Rounds with a release, in the order of publishing.
    pub(crate) async fn released_rounds(&self) -> Result<Vec<Digest>> {
        let rows = sqlx::query("SELECT round FROM releases ORDER BY number")
            .fetch_all(&self.pool)
            .await?;
        rows.iter().map(|row| fixed(row, "round")).collect()
    }

    /// Keeps that a message was refused, and why; the first [`MAX_REFUSED`] of a round.
    ///
    /// Of the message only a digest: two different vectors of one partner would tell their difference.
    pub(crate) async fn keep_refused(
        &self,
        round: &Digest,
        partner: &str,
        digest: &Digest,
        reason: &str,
    ) -> Result<()> {
        sqlx::query(
            "INSERT OR IGNORE INTO refused SELECT ?1, ?2, ?3, ?4
             WHERE (SELECT COUNT(*) FROM refused WHERE round = ?1) < ?5",
        )
        .bind(round.as_bytes().as_slice())
        .bind(partner)
        .bind(digest.as_bytes().as_slice())
        .bind(reason)
        .bind(MAX_REFUSED)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Partners and reasons of the refused messages of a round.
    pub(crate) async fn refused(&self, round: &Digest) -> Result<Vec<(String, String)>> {
        let rows =
            sqlx::query("SELECT partner, reason FROM refused WHERE round = ? ORDER BY rowid")
                .bind(round.as_bytes().as_slice())
                .fetch_all(&self.pool)
                .await?;
        rows.iter()
            .map(|row| Ok((row.try_get("partner")?, row.try_get("reason")?)))
            .collect()
    }

    /// Leaves a command for whoever drives the rounds.
    pub(crate) async fn add_command(&self, round: &Digest, action: Action) -> Result<i64> {
        let done = sqlx::query("INSERT INTO commands (round, action) VALUES (?, ?)")
            .bind(round.as_bytes().as_slice())
            .bind(action.word())
            .execute(&self.pool)
            .await?;
        Ok(done.last_insert_rowid())
    }

    /// Commands that wait, the oldest first.
    pub(crate) async fn waiting_commands(&self) -> Result<Vec<Command>> {
        let rows = sqlx::query("SELECT * FROM commands WHERE outcome IS NULL ORDER BY id LIMIT ?")
            .bind(MAX_COMMANDS)
            .fetch_all(&self.pool)
            .await?;
        let command = |row: &SqliteRow| {
            let action: String = row.try_get("action")?;
            Ok(Command {
                id: row.try_get("id")?,
                round: fixed(row, "round")?,
                action: if action == Action::Abort.word() {
                    Action::Abort
                } else {
                    Action::Close
                },
            })
        };
        rows.iter().map(command).collect()
    }

    /// Notes what became of a command; empty text for success.
    pub(crate) async fn answer_command(&self, id: i64, outcome: &str) -> Result<()> {
        sqlx::query("UPDATE commands SET outcome = ? WHERE id = ?")
            .bind(outcome)
            .bind(id)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// What became of a command, once it was carried out.
    pub(crate) async fn command_outcome(&self, id: i64) -> Result<Option<String>> {
        let row = sqlx::query("SELECT outcome FROM commands WHERE id = ?")
            .bind(id)
            .fetch_one(&self.pool)
            .await?;
        Ok(row.try_get(0)?)
    }
}

async fn end_round(
    connection: &mut SqliteConnection,
    round: &Digest,
    state: &'static str,
    abort: Option<&[u8]>,
) -> Result<()> {
    let ended =
        sqlx::query("UPDATE rounds SET state = ?, abort = ? WHERE round = ? AND state = 'open'")
            .bind(state)
            .bind(abort)
            .bind(round.as_bytes().as_slice())
            .execute(&mut *connection)
            .await?;
    if ended.rows_affected() != 1 {
        return Err(StoreError::Damaged("state of a round"));
    }
    sqlx::query("DELETE FROM records WHERE round = ?")
        .bind(round.as_bytes().as_slice())
        .execute(&mut *connection)
        .await?;
    raise_news(connection).await
}
