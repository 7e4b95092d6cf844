//! Rounds, their records, releases, evidence and commands in the store.

use msht_core::crypto::Digest;
use msht_core::secagg::coordinator::CoordinatorRecord;
use msht_core::secagg::messages::Phase;
use msht_core::wire::{MAX_ENCODED_BYTES, decode, encode};

use sqlx::any::AnyRow;

use super::certificates::keep_unmasked;
use super::leases::Lease;
use super::{
    Connection, Result, Store, StoreError, Transaction, first, fixed, get, raise_news, small,
};

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

/// What stands as the outcome of a command that was taken and not answered yet.
const TAKEN: &str = "taken";

/// What became of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CommandOutcome {
    /// Nobody has taken it.
    Waiting,
    /// It was taken; if it stays so, whoever took it was stopped on the way.
    Taken,
    /// It was carried out.
    Done,
    /// It was not, for this reason.
    Failed(String),
}

/// A command that waits.
#[derive(Debug, Clone)]
pub(crate) struct Command {
    pub(crate) id: i64,
    pub(crate) round: Digest,
    pub(crate) action: Action,
}

fn state_of(row: &AnyRow) -> Result<RoundStateRow> {
    let state: String = get(row, "state")?;
    match state.as_str() {
        "open" => Ok(RoundStateRow::Open(small(get(row, "phase")?)?)),
        "released" => Ok(RoundStateRow::Released),
        "aborted" => Ok(RoundStateRow::Aborted),
        _ => Err(StoreError::Damaged("state of a round")),
    }
}

fn round_of(row: &AnyRow) -> Result<RoundRow> {
    Ok(RoundRow {
        round: fixed(row, "round")?,
        programme: get(row, "programme")?,
        period: get(row, "period")?,
        attempt: small(get(row, "attempt")?)?,
        announcement: get(row, "announcement")?,
        state: state_of(row)?,
        abort: get(row, "abort")?,
    })
}

impl Store {
    /// Attempts at a period so far.
    pub(crate) async fn attempts_in(
        connection: &mut Connection,
        programme: &str,
        period: &str,
    ) -> Result<u32> {
        let row = sqlx::query(
            "SELECT COALESCE(MAX(attempt), 0) FROM rounds WHERE programme = $1 AND period = $2",
        )
        .bind(programme)
        .bind(period)
        .fetch_one(connection)
        .await?;
        small(first(&row)?)
    }

    /// The open round of a programme.
    pub(crate) async fn open_round_in(
        connection: &mut Connection,
        programme: &str,
    ) -> Result<Option<Digest>> {
        let row = sqlx::query("SELECT round FROM rounds WHERE programme = $1 AND state = 'open'")
            .bind(programme)
            .fetch_optional(connection)
            .await?;
        row.map(|row| fixed(&row, "round")).transpose()
    }

    /// Whether a period has been released.
    pub(crate) async fn is_released_in(
        connection: &mut Connection,
        programme: &str,
        period: &str,
    ) -> Result<bool> {
        let row = sqlx::query("SELECT 1 FROM releases WHERE programme = $1 AND period = $2")
            .bind(programme)
            .bind(period)
            .fetch_optional(connection)
            .await?;
        Ok(row.is_some())
    }

    /// Digest of the latest release of a programme.
    pub(crate) async fn latest_release_in(
        connection: &mut Connection,
        programme: &str,
    ) -> Result<Option<Digest>> {
        let row = sqlx::query(
            "SELECT digest FROM releases WHERE programme = $1 ORDER BY number DESC LIMIT 1",
        )
        .bind(programme)
        .fetch_optional(connection)
        .await?;
        row.map(|row| fixed(&row, "digest")).transpose()
    }

    /// Stores a round that begins.
    pub(crate) async fn add_round_in(
        transaction: &mut Transaction,
        new: &NewRound<'_>,
    ) -> Result<()> {
        sqlx::query(
            "INSERT INTO rounds VALUES
             ($1, (SELECT COALESCE(MAX(number), 0) + 1 FROM rounds), $2, $3, $4, $5, 'open', 0, NULL)",
        )
        .bind(new.round.as_bytes().as_slice())
        .bind(new.programme)
        .bind(new.period)
        .bind(i64::from(new.attempt))
        .bind(new.announcement)
        .execute(&mut **transaction)
        .await?;
        for partner in new.invited {
            sqlx::query("INSERT INTO invitations VALUES ($1, $2)")
                .bind(new.round.as_bytes().as_slice())
                .bind(partner)
                .execute(&mut **transaction)
                .await?;
        }
        Self::add_lease_in(transaction, &new.round).await?;
        raise_news(transaction).await
    }

    /// A round.
    pub(crate) async fn round(&self, round: &Digest) -> Result<Option<RoundRow>> {
        let row = sqlx::query("SELECT * FROM rounds WHERE round = $1")
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
    pub(crate) async fn any_open_round_in(connection: &mut Connection) -> Result<Option<Digest>> {
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
             WHERE state = 'released' OR round IN (SELECT round FROM invitations WHERE partner = $1)
             ORDER BY number DESC LIMIT $2",
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
        let row = sqlx::query("SELECT 1 FROM invitations WHERE partner = $1 AND round = $2")
            .bind(partner)
            .bind(round.as_bytes().as_slice())
            .fetch_optional(&self.pool)
            .await?;
        Ok(row.is_some())
    }

    /// Stores records that follow `next_sequence` ones before, and the phase that is now open (C4).
    pub(crate) async fn append_records(
        &self,
        lease: &Lease,
        round: &Digest,
        next_sequence: i64,
        records: &[CoordinatorRecord],
        phase: Phase,
    ) -> Result<()> {
        let mut transaction = self.begin().await?;
        Self::fence_in(&mut transaction, lease).await?;
        for (record, sequence) in records.iter().zip(next_sequence..) {
            sqlx::query("INSERT INTO records VALUES ($1, $2, $3)")
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
            sqlx::query("UPDATE rounds SET phase = $1 WHERE round = $2 AND state = 'open'")
                .bind(i64::from(phase.number()))
                .bind(round.as_bytes().as_slice())
                .execute(&mut *transaction)
                .await?;
            raise_news(&mut transaction).await?;
        }
        Ok(transaction.commit().await?)
    }

    /// How many records of a round are stored.
    pub(crate) async fn next_sequence(&self, round: &Digest) -> Result<i64> {
        let row =
            sqlx::query("SELECT COALESCE(MAX(sequence) + 1, 0) FROM records WHERE round = $1")
                .bind(round.as_bytes().as_slice())
                .fetch_one(&self.pool)
                .await?;
        first(&row)
    }

    /// The records of a round from number `from` on, in order.
    pub(crate) async fn records(
        &self,
        round: &Digest,
        from: i64,
    ) -> Result<Vec<CoordinatorRecord>> {
        let rows = sqlx::query(
            "SELECT record FROM records WHERE round = $1 AND sequence >= $2 ORDER BY sequence",
        )
        .bind(round.as_bytes().as_slice())
        .bind(from)
        .fetch_all(&self.pool)
        .await?;
        let record = |row: &AnyRow| {
            let bytes: Vec<u8> = first(row)?;
            decode(&bytes, MAX_ENCODED_BYTES).map_err(|_| StoreError::Damaged("record of a round"))
        };
        rows.iter().map(record).collect()
    }

    /// Ends a round with a release: in one transaction the release is stored and every masked vector and share of
    /// the round is erased (C7).
    pub(crate) async fn finish_with_release(
        &self,
        lease: &Lease,
        release: &ReleaseRow,
    ) -> Result<()> {
        let mut transaction = self.begin().await?;
        Self::fence_in(&mut transaction, lease).await?;
        sqlx::query(
            "INSERT INTO releases VALUES
             ($1, (SELECT COALESCE(MAX(number), 0) + 1 FROM releases), $2, $3, $4, $5)",
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
        self.purge().await;
        Ok(())
    }

    /// Ends a round without a release; its masked vectors and shares are erased as well. `records` are those not
    /// stored yet.
    pub(crate) async fn finish_with_abort(
        &self,
        lease: &Lease,
        round: &Digest,
        notice: &[u8],
        records: &[CoordinatorRecord],
    ) -> Result<()> {
        let mut transaction = self.begin().await?;
        Self::fence_in(&mut transaction, lease).await?;
        keep_unmasked(&mut transaction, round, records).await?;
        end_round(&mut transaction, round, "aborted", Some(notice)).await?;
        transaction.commit().await?;
        self.purge().await;
        Ok(())
    }

    /// The release of a round.
    pub(crate) async fn release(&self, round: &Digest) -> Result<Option<ReleaseRow>> {
        let row = sqlx::query("SELECT * FROM releases WHERE round = $1")
            .bind(round.as_bytes().as_slice())
            .fetch_optional(&self.pool)
            .await?;
        row.map(|row| {
            Ok(ReleaseRow {
                round: fixed(&row, "round")?,
                programme: get(&row, "programme")?,
                period: get(&row, "period")?,
                digest: fixed(&row, "digest")?,
                json: get(&row, "json")?,
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
            "INSERT INTO refused SELECT $1, $2, $3, $4
             WHERE (SELECT COUNT(*) FROM refused WHERE round = $1) < $5
             ON CONFLICT DO NOTHING",
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
        let rows = sqlx::query(
            "SELECT partner, reason FROM refused WHERE round = $1 ORDER BY partner, reason, digest",
        )
        .bind(round.as_bytes().as_slice())
        .fetch_all(&self.pool)
        .await?;
        rows.iter()
            .map(|row| Ok((get(row, "partner")?, get(row, "reason")?)))
            .collect()
    }

    /// Leaves a command for whoever drives the rounds.
    pub(crate) async fn add_command(&self, round: &Digest, action: Action) -> Result<i64> {
        let mut transaction = self.begin().await?;
        let row = sqlx::query("SELECT COALESCE(MAX(id), 0) + 1 FROM commands")
            .fetch_one(&mut *transaction)
            .await?;
        let id: i64 = first(&row)?;
        sqlx::query("INSERT INTO commands (id, round, action) VALUES ($1, $2, $3)")
            .bind(id)
            .bind(round.as_bytes().as_slice())
            .bind(action.word())
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(id)
    }

    /// Commands that wait, the oldest first.
    pub(crate) async fn waiting_commands(&self) -> Result<Vec<Command>> {
        let rows = sqlx::query("SELECT * FROM commands WHERE outcome IS NULL ORDER BY id LIMIT $1")
            .bind(MAX_COMMANDS)
            .fetch_all(&self.pool)
            .await?;
        let command = |row: &AnyRow| {
            let action: String = get(row, "action")?;
            Ok(Command {
                id: get(row, "id")?,
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

    /// Takes a command to carry it out: at most one process does, at most once. Returns whether it is this one.
    pub(crate) async fn take_command(&self, id: i64) -> Result<bool> {
        let taken =
            sqlx::query("UPDATE commands SET outcome = $1 WHERE id = $2 AND outcome IS NULL")
                .bind(TAKEN)
                .bind(id)
                .execute(&self.pool)
                .await?;
        Ok(taken.rows_affected() == 1)
    }

    /// Notes what became of a command; empty text for success.
    pub(crate) async fn answer_command(&self, id: i64, outcome: &str) -> Result<()> {
        sqlx::query("UPDATE commands SET outcome = $1 WHERE id = $2")
            .bind(outcome)
            .bind(id)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// What became of a command.
    pub(crate) async fn command_outcome(&self, id: i64) -> Result<CommandOutcome> {
        let row = sqlx::query("SELECT outcome FROM commands WHERE id = $1")
            .bind(id)
            .fetch_one(&self.pool)
            .await?;
        let outcome: Option<String> = first(&row)?;
        Ok(match outcome.as_deref() {
            None => CommandOutcome::Waiting,
            Some(TAKEN) => CommandOutcome::Taken,
            Some("") => CommandOutcome::Done,
            Some(problem) => CommandOutcome::Failed(problem.to_owned()),
        })
    }
}

async fn end_round(
    connection: &mut Connection,
    round: &Digest,
    state: &'static str,
    abort: Option<&[u8]>,
) -> Result<()> {
    let ended =
        sqlx::query("UPDATE rounds SET state = $1, abort = $2 WHERE round = $3 AND state = 'open'")
            .bind(state)
            .bind(abort)
            .bind(round.as_bytes().as_slice())
            .execute(&mut *connection)
            .await?;
    if ended.rows_affected() != 1 {
        return Err(StoreError::Damaged("state of a round"));
    }
    for erase in [
        "DELETE FROM records WHERE round = $1",
        "DELETE FROM leases WHERE round = $1",
    ] {
        sqlx::query(erase)
            .bind(round.as_bytes().as_slice())
            .execute(&mut *connection)
            .await?;
    }
    raise_news(connection).await
}
