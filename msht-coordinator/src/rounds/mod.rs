//! Open rounds: one session each in memory, rebuilt from its durable records whenever it is not there.
//!
//! A session is taken out of its place while something is done with it and put back only once the records of
//! that are durable (C4). Whatever goes wrong in between, an error, a lost connection or a stopped task, leaves
//! the place empty, and the next one to need the session rebuilds it from the store.
//!
//! Work is done under the round's lease. Where replicas share the store, each takes the lease for as long as it works,
//! and its session first takes in what the others have stored meanwhile.

mod certificates;
mod commands;
mod evidence;
mod open;
mod plan;
mod status;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use msht_core::crypto::Digest;
use msht_core::secagg::coordinator::{CoordinatorRecord, CoordinatorSession, Opened, Progress};
use msht_core::secagg::evidence::Evidence;
use msht_core::secagg::messages::Phase;
use msht_core::secagg::{Abort, AbortNotice, Announcement, Fault, RoundContext, Signed};
use msht_core::wire::{MAX_ENCODED_BYTES, decode, encode};

use crate::coordinator::Coordinator;
use crate::error::Error;
use crate::store::{LEASE_BEAT, Lease, RoundRow, RoundStateRow};

pub use evidence::KeptEvidence;
pub use open::{PhaseSeconds, RoundRequest};
pub use plan::RoundPlan;
pub use status::{AbortStatements, RoundEnd, RoundStage, RoundStatus};

/// Most phases that close one after another: all five, and one look that finds nothing more to do.
const MAX_CLOSES: usize = Phase::ALL.len() + 1;

/// The session of an open round and how many of its records are stored.
struct Live {
    session: CoordinatorSession,
    next_sequence: i64,
    /// Kept between two pieces of work where no other process can want it.
    lease: Option<Lease>,
}

type Place = Arc<tokio::sync::Mutex<Option<Live>>>;

/// A place for the session of each open round.
#[derive(Default)]
pub(crate) struct Rounds(Mutex<BTreeMap<Digest, Place>>);

impl Rounds {
    fn place(&self, round: &Digest) -> Place {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(places.entry(*round).or_default())
    }

    fn forget(&self, round: &Digest) {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        places.remove(round);
    }

    /// Forgets every session, because another process may drive the rounds from now on.
    pub(crate) fn forget_all(&self) {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        places.clear();
    }
}

/// What a piece of work did to a session.
struct Worked<T> {
    live: Live,
    result: Result<T, Fault>,
    records: Vec<CoordinatorRecord>,
    evidence: Vec<Evidence>,
}

/// Does `work`, then closes what can be closed. An error means that the session must not be used any more.
fn work_on<T>(
    mut live: Live,
    now: i64,
    work: impl FnOnce(&mut CoordinatorSession) -> Result<T, Fault>,
) -> Result<Worked<T>, Fault> {
    let result = work(&mut live.session);
    for _ in 0..MAX_CLOSES {
        if !live.session.handle_timeout(now)? {
            break;
        }
    }
    let records = live.session.take_records();
    let evidence = live.session.take_evidence();
    Ok(Worked {
        live,
        result,
        records,
        evidence,
    })
}

fn phase_of(progress: &Progress) -> Phase {
    match progress {
        Progress::Collecting { phase, .. } => *phase,
        Progress::Opened | Progress::Aborted(_) => Phase::Unmask,
    }
}

impl Coordinator {
    /// Does `work` with the session of an open round. What it changed is durable when this returns; the inner
    /// result is that of `work`.
    pub(crate) async fn drive<T: Send + 'static>(
        &self,
        round: &Digest,
        work: impl FnOnce(&mut CoordinatorSession) -> Result<T, Fault> + Send + 'static,
    ) -> Result<Result<T, Fault>, Error> {
        let place = self.0.rounds.place(round);
        let mut place = place.lock().await;
        let known = place.take();
        let lease = match known.as_ref().and_then(|live| live.lease) {
            Some(held) => held,
            None => self.take_lease(round).await?,
        };
        let working = self.drive_under(&lease, round, known, work);
        let driven = if self.store().is_shared() {
            let driven = self.while_beating(&lease, working).await;
            // Without it, the others wait for the lease to run out.
            if let Err(error) = self.store().give_back(&lease).await {
                tracing::debug!(round = %round.short(), %error, "a lease was not given back");
            }
            driven
        } else {
            working.await
        };
        let (live, changed, result) = driven?;
        *place = live.map(|live| Live {
            lease: (!self.store().is_shared()).then_some(lease),
            ..live
        });
        if place.is_none() {
            self.0.rounds.forget(round);
        }
        if changed {
            self.refresh_news().await?;
        }
        Ok(result)
    }

    /// The lease of an open round.
    async fn take_lease(&self, round: &Digest) -> Result<Lease, Error> {
        if let Some(lease) = self.store().take_lease(round).await? {
            return Ok(lease);
        }
        self.0.rounds.forget(round);
        Err(match self.store().round(round).await? {
            Some(_) => Error::RoundEnded(*round),
            None => Error::UnknownRound(round.to_string()),
        })
    }

    /// Shows again and again, until `work` is done, that the holder of the lease is still there.
    async fn while_beating<T>(&self, lease: &Lease, work: impl Future<Output = T>) -> T {
        let beating = async {
            loop {
                tokio::time::sleep(LEASE_BEAT).await;
                if let Err(error) = self.store().beat(lease).await {
                    tracing::debug!(%error, "a lease was not renewed");
                }
            }
        };
        tokio::select! {
            biased;
            done = work => done,
            () = beating => unreachable!("the beat has no end"),
        }
    }

    /// Does `work` with the session, which is brought up to date first. Returns the session if the round goes on, and
    /// whether nodes have something new to learn.
    async fn drive_under<T: Send + 'static>(
        &self,
        lease: &Lease,
        round: &Digest,
        known: Option<Live>,
        work: impl FnOnce(&mut CoordinatorSession) -> Result<T, Fault> + Send + 'static,
    ) -> Result<(Option<Live>, bool, Result<T, Fault>), Error> {
        let live = self.bring_up(round, known).await?;
        let now = self.now();
        let worked = tokio::task::spawn_blocking(move || work_on(live, now, work))
            .await
            .map_err(|_| Error::Worker)?;
        let worked = worked.map_err(|fault| self.damaged(round, fault))?;
        let context = Arc::clone(worked.live.session.context());
        self.keep_evidence(&context, &worked.evidence).await?;
        let settled = self.settle(lease, round, worked.live, worked.records);
        let (live, changed) = settled.await?;
        Ok((live, changed, worked.result))
    }

    /// The session as of what is stored.
    async fn bring_up(&self, round: &Digest, known: Option<Live>) -> Result<Live, Error> {
        let Some(mut live) = known else {
            return self.resume(round).await;
        };
        if !self.store().is_shared() {
            return Ok(live);
        }
        let stored = self.store().next_sequence(round).await?;
        if stored == live.next_sequence {
            return Ok(live);
        }
        let missed = self.store().records(round, live.next_sequence).await?;
        if missed.is_empty() {
            // The round has ended, and its records are erased.
            return self.resume(round).await;
        }
        let missed_count = i64::try_from(missed.len()).unwrap_or(i64::MAX);
        let caught_up = tokio::task::spawn_blocking(move || {
            live.session.catch_up(missed)?;
            Ok(live)
        });
        let caught_up = caught_up.await.map_err(|_| Error::Worker)?;
        let mut live: Live = caught_up.map_err(|fault| self.damaged(round, fault))?;
        live.next_sequence = live.next_sequence.saturating_add(missed_count);
        Ok(live)
    }

    fn damaged(&self, round: &Digest, fault: Fault) -> Error {
        Error::DamagedRound {
            round: *round,
            fault,
        }
    }

    /// Makes the records durable, and the round's end where it has come. Returns the session if it goes on, and
    /// whether nodes have something new to learn.
    async fn settle(
        &self,
        lease: &Lease,
        round: &Digest,
        mut live: Live,
        records: Vec<CoordinatorRecord>,
    ) -> Result<(Option<Live>, bool), Error> {
        let progress = live.session.progress();
        if let Progress::Aborted(abort) = &progress {
            // Masked vectors are not looked at again: only an Unmask is remembered.
            let unmasked: &[_] = match abort.phase {
                Phase::Unmask => &records,
                _ => &[],
            };
            self.end_with_abort(lease, round, abort, unmasked).await?;
            return Ok((None, true));
        }
        if !records.is_empty() {
            let store = self.store();
            let phase = phase_of(&progress);
            store
                .append_records(lease, round, live.next_sequence, &records, phase)
                .await?;
            let stored = i64::try_from(records.len()).unwrap_or(i64::MAX);
            live.next_sequence = live.next_sequence.saturating_add(stored);
        }
        if let Some(opened) = live.session.opened() {
            self.end_with_release(lease, live.session.context(), opened)
                .await?;
            return Ok((None, true));
        }
        let closed = |record: &CoordinatorRecord| matches!(record, CoordinatorRecord::Closed(_));
        let changed = records.iter().any(closed);
        if changed {
            tracing::info!(round = %round.short(), phase = phase_of(&progress).word(), "phase opened");
        }
        Ok((Some(live), changed))
    }

    async fn end_with_release(
        &self,
        lease: &Lease,
        context: &Arc<RoundContext>,
        opened: &Opened,
    ) -> Result<(), Error> {
        let round = context.round();
        let outcome = self.publish(lease, context, opened).await;
        match outcome {
            Err(error @ (Error::Build(_) | Error::Release(_))) => {
                tracing::error!(round = %round.short(), %error, "the sum cannot be published");
                let abort = Abort {
                    phase: Phase::Unmask,
                    reason: msht_core::secagg::AbortReason::Internal,
                    missing: Vec::new(),
                };
                self.end_with_abort(lease, &round, &abort, &[]).await
            }
            outcome => outcome,
        }
    }

    async fn end_with_abort(
        &self,
        lease: &Lease,
        round: &Digest,
        abort: &Abort,
        records: &[CoordinatorRecord],
    ) -> Result<(), Error> {
        let notice = AbortNotice {
            round: *round,
            abort: abort.clone(),
        };
        let notice = Signed::sign(notice, &self.0.identity)?;
        let store = self.store();
        store
            .finish_with_abort(lease, round, &encode(&notice)?, records)
            .await?;
        tracing::warn!(round = %round.short(), phase = abort.phase.word(), reason = %abort.reason, "round aborted");
        Ok(())
    }

    /// The terms of a stored round.
    pub(crate) async fn context(&self, row: &RoundRow) -> Result<Arc<RoundContext>, Error> {
        let damaged = || Error::Damaged("announcement");
        let announcement: Signed<Announcement> =
            decode(&row.announcement, MAX_ENCODED_BYTES).map_err(|_| damaged())?;
        let announcement = announcement.verify(&self.key()).map_err(|_| damaged())?;
        let roster = self.store().roster(announcement.roster_version).await?;
        let roster = self.roster_of(&roster.ok_or(Error::Damaged("roster"))?)?;
        let context = RoundContext::new(announcement, roster, self.key());
        let context = context.map_err(|fault| self.damaged(&row.round, fault))?;
        Ok(Arc::new(context))
    }

    /// Rebuilds the session of an open round from its records.
    async fn resume(&self, round: &Digest) -> Result<Live, Error> {
        let row = self.store().round(round).await?;
        let row = row.ok_or_else(|| Error::UnknownRound(round.to_string()))?;
        if !matches!(row.state, RoundStateRow::Open(_)) {
            return Err(Error::RoundEnded(*round));
        }
        let context = self.context(&row).await?;
        let records = self.store().records(round, 0).await?;
        let next_sequence =
            i64::try_from(records.len()).map_err(|_| Error::Damaged("number of records"))?;
        let identity = Arc::clone(&self.0.identity);
        let resumed = tokio::task::spawn_blocking(move || {
            CoordinatorSession::resume(context, identity, records)
        });
        let resumed = resumed.await.map_err(|_| Error::Worker)?;
        let session = resumed.map_err(|fault| self.damaged(round, fault))?;
        Ok(Live {
            session,
            next_sequence,
            lease: None,
        })
    }

    /// Looks at the session of an open round without changing it.
    pub(crate) async fn look<T>(
        &self,
        round: &Digest,
        look: impl FnOnce(&CoordinatorSession) -> T,
    ) -> Result<T, Error> {
        let place = self.0.rounds.place(round);
        let mut place = place.lock().await;
        let known = place.take();
        let live = self.bring_up(round, known).await?;
        let seen = look(&live.session);
        *place = Some(live);
        Ok(seen)
    }

    /// Closes what is due in an open round; does nothing while somebody else works on it.
    pub(crate) async fn drive_if_due(&self, round: &Digest) -> Result<(), Error> {
        let place = self.0.rounds.place(round);
        let now = self.now();
        let is_due = match place.try_lock() {
            Err(_) => false,
            Ok(place) => place.as_ref().is_none_or(|live| {
                now >= live.session.deadline() || live.session.opened().is_some()
            }),
        };
        if is_due {
            let driven = self.drive(round, |_| Ok(())).await?;
            driven.map_err(|fault| self.damaged(round, fault))?;
        }
        Ok(())
    }
}
