//! Who works on an open round: a lease with a fencing token for each.
//!
//! Replicas that share a database take the lease of a round before they work on it and give it back afterwards. Taking it
//! raises its token, and everything that a replica stores of the round is stored only while the token is still the one
//! that it took (fencing): a replica that was held up and comes back finds that it was overtaken and stores nothing.
//!
//! A holder shows that it is there by a beat. No clocks are compared: whoever waits takes the lease over once it has seen
//! the same token with the same beat for [`LEASE_TERM`] of its own time. Where one process has the database to itself,
//! a lease that is not free is one that it left itself before it was stopped, and is taken at once.

use std::time::Duration;

use msht_core::crypto::Digest;
use tokio::time::Instant;

use super::{Connection, Result, Store, StoreError, get};

/// A lease without a beat for so long is taken over.
const LEASE_TERM: Duration = Duration::from_secs(3);
/// Time between the beats of a holder: three may be lost.
pub(crate) const LEASE_BEAT: Duration = Duration::from_millis(750);
/// How often a waiter looks.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How long a waiter waits: longer than a stopped replica's lease lasts.
const MAX_WAIT: Duration = Duration::from_secs(5);

/// The right to work on a round, as of its token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lease {
    round: Digest,
    token: i64,
}

/// A lease as stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seen {
    token: i64,
    beat: i64,
    free: bool,
}

impl Store {
    async fn lease_row(&self, round: &Digest) -> Result<Option<Seen>> {
        let row = sqlx::query("SELECT token, beat, free FROM leases WHERE round = $1")
            .bind(round.as_bytes().as_slice())
            .fetch_optional(&self.pool)
            .await?;
        row.map(|row| {
            Ok(Seen {
                token: get(&row, "token")?,
                beat: get(&row, "beat")?,
                free: get::<i64>(&row, "free")? == 1,
            })
        })
        .transpose()
    }

    /// Takes the lease of a round, waiting while another replica works on it; `None` where the round is not open.
    ///
    /// # Errors
    /// [`StoreError::Busy`] after a while.
    pub(crate) async fn take_lease(&self, round: &Digest) -> Result<Option<Lease>> {
        let began = Instant::now();
        let mut watched: Option<(Seen, Instant)> = None;
        loop {
            let Some(seen) = self.lease_row(round).await? else {
                return Ok(None);
            };
            let since = match watched {
                Some((before, since)) if before == seen => since,
                _ => Instant::now(),
            };
            watched = Some((seen, since));
            let may_be_taken = seen.free || !self.is_shared() || since.elapsed() >= LEASE_TERM;
            if may_be_taken && let Some(lease) = self.try_take(round, seen).await? {
                return Ok(Some(lease));
            }
            if began.elapsed() >= MAX_WAIT {
                return Err(StoreError::Busy);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Takes the lease if it is still as it was seen.
    async fn try_take(&self, round: &Digest, seen: Seen) -> Result<Option<Lease>> {
        let token = seen.token.saturating_add(1);
        let taken = sqlx::query(
            "UPDATE leases SET token = $1, beat = 0, free = 0
             WHERE round = $2 AND token = $3 AND beat = $4 AND free = $5",
        )
        .bind(token)
        .bind(round.as_bytes().as_slice())
        .bind(seen.token)
        .bind(seen.beat)
        .bind(i64::from(seen.free))
        .execute(&self.pool)
        .await?;
        let lease = Lease {
            round: *round,
            token,
        };
        Ok((taken.rows_affected() == 1).then_some(lease))
    }

    /// Shows that the holder is still there. Without effect where it was overtaken.
    pub(crate) async fn beat(&self, lease: &Lease) -> Result<()> {
        sqlx::query(
            "UPDATE leases SET beat = beat + 1 WHERE round = $1 AND token = $2 AND free = 0",
        )
        .bind(lease.round.as_bytes().as_slice())
        .bind(lease.token)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Gives the lease back. Without effect where the holder was overtaken or the round has ended.
    pub(crate) async fn give_back(&self, lease: &Lease) -> Result<()> {
        sqlx::query("UPDATE leases SET free = 1 WHERE round = $1 AND token = $2 AND free = 0")
            .bind(lease.round.as_bytes().as_slice())
            .bind(lease.token)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Makes the lease of a round that begins.
    pub(super) async fn add_lease_in(connection: &mut Connection, round: &Digest) -> Result<()> {
        sqlx::query("INSERT INTO leases VALUES ($1, 0, 0, 1)")
            .bind(round.as_bytes().as_slice())
            .execute(connection)
            .await?;
        Ok(())
    }

    /// Lets the transaction of `connection` go on only if the lease is still held; locks it until the transaction's end.
    ///
    /// # Errors
    /// [`StoreError::Overtaken`].
    pub(super) async fn fence_in(connection: &mut Connection, lease: &Lease) -> Result<()> {
        let held = sqlx::query(
            "UPDATE leases SET beat = beat + 1 WHERE round = $1 AND token = $2 AND free = 0",
        )
        .bind(lease.round.as_bytes().as_slice())
        .bind(lease.token)
        .execute(connection)
        .await?;
        if held.rows_affected() == 1 {
            return Ok(());
        }
        Err(StoreError::Overtaken)
    }
}
