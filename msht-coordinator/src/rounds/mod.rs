//! Open rounds: one session each in memory, rebuilt from its durable records whenever it is not there.
//!
//! A session is taken out of its place while something is done with it and put back only once the records of
//! that are durable (C4). Whatever goes wrong in between, an error, a lost connection or a stopped task, leaves
//! the place empty, and the next one to need the session rebuilds it from the store.

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
use crate::store::{RoundRow, RoundStateRow};

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
        let live = match place.take() {
            Some(live) => live,
            None => self.resume(round).await?,
        };
        let now = self.now();
        let worked = tokio::task::spawn_blocking(move || work_on(live, now, work))
            .await
            .map_err(|_| Error::Worker)?;
        let worked = worked.map_err(|fault| self.damaged(round, fault))?;
        let context = Arc::clone(worked.live.session.context());
        self.keep_evidence(&context, &worked.evidence).await?;
        let (live, changed) = self.settle(round, worked.live, worked.records).await?;
        *place = live;
        if place.is_none() {
            self.0.rounds.forget(round);
        }
        if changed {
            self.refresh_news().await?;
        }
        Ok(worked.result)
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
            self.end_with_abort(round, abort, unmasked).await?;
            return Ok((None, true));
        }
        if !records.is_empty() {
            let store = self.store();
            let phase = phase_of(&progress);
            store
                .append_records(round, live.next_sequence, &records, phase)
                .await?;
            let stored = i64::try_from(records.len()).unwrap_or(i64::MAX);
            live.next_sequence = live.next_sequence.saturating_add(stored);
        }
        if let Some(opened) = live.session.opened() {
            self.end_with_release(live.session.context(), opened)
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
        context: &Arc<RoundContext>,
        opened: &Opened,
    ) -> Result<(), Error> {
        let round = context.round();
        let outcome = self.publish(context, opened).await;
        match outcome {
            Err(error @ (Error::Build(_) | Error::Release(_))) => {
                tracing::error!(round = %round.short(), %error, "the sum cannot be published");
                let abort = Abort {
                    phase: Phase::Unmask,
                    reason: msht_core::secagg::AbortReason::Internal,
                    missing: Vec::new(),
                };
                self.end_with_abort(&round, &abort, &[]).await
            }
            outcome => outcome,
        }
    }

    async fn end_with_abort(
        &self,
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
            .finish_with_abort(round, &encode(&notice)?, records)
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
        let records = self.store().records(round).await?;
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
        let live = match place.take() {
            Some(live) => live,
            None => self.resume(round).await?,
        };
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
