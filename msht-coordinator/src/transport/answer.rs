//! What each request is answered with.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use msht_core::crypto::{Digest, IdentityKey, digest};
use msht_core::secagg::coordinator::Receipt;
use msht_core::secagg::messages::{Phase, SignedMessage};
use msht_core::secagg::{Check, Fault, LedgerHead, Partner, Violation};
use msht_core::wire::{
    Item, MAX_NEWS_ROUNDS, ProgrammeNews, Refusal, Request, Response, RoundNews, RoundState,
    part_of,
};

use super::Answers;
use super::upload::{Piece, UploadId, Uploads};
use crate::coordinator::Coordinator;
use crate::error::Error;
use crate::store::{InviteUse, RoundStateRow};

/// Longest wait of a poll for news, well below the idle time-out of a connection.
const POLL_WAIT: Duration = Duration::from_secs(20);

/// Answers requests on behalf of a coordinator.
pub(crate) struct Service {
    coordinator: Coordinator,
    uploads: Mutex<Uploads>,
}

/// The other end of one connection.
pub(crate) struct Peer {
    key: IdentityKey,
    /// Where it said, on this connection, that its ledger ends.
    stated: Mutex<Option<LedgerHead>>,
}

impl Peer {
    /// A peer that proved to hold `key`.
    pub(crate) fn new(key: IdentityKey) -> Self {
        Self {
            key,
            stated: Mutex::default(),
        }
    }

    pub(crate) fn key(&self) -> &IdentityKey {
        &self.key
    }

    fn stated(&self) -> Option<LedgerHead> {
        *self.stated.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn states(&self, head: LedgerHead) {
        *self.stated.lock().unwrap_or_else(PoisonError::into_inner) = Some(head);
    }
}

/// A piece of a message as it came.
struct Put {
    round: Digest,
    phase: u8,
    total: u64,
    offset: u64,
    bytes: Vec<u8>,
}

fn refused_message(reason: impl std::fmt::Display) -> Response {
    Response::Refused(Refusal::Message {
        reason: reason.to_string(),
    })
}

impl Answers for Service {
    async fn knows(&self, key: &IdentityKey) -> bool {
        let partner = self.coordinator.store().partner_by_key(key).await;
        partner.is_ok_and(|partner| partner.is_some())
    }

    async fn answer(&self, peer: &Peer, request: Request) -> Response {
        let kind = kind_of(&request);
        let answer = self.try_answer(peer, request).await;
        let outcome = match &answer {
            Ok(Response::Refused(_)) => "refused",
            Ok(_) => "answered",
            Err(_) => "failed",
        };
        self.coordinator.0.metrics.request(kind, outcome);
        answer.unwrap_or_else(|error| {
            if error.is_somebody_elses_turn() {
                tracing::debug!(%error, "a request could not be answered now");
            } else {
                tracing::error!(%error, "a request could not be answered");
            }
            Response::Refused(Refusal::Unavailable)
        })
    }
}

/// The kind of a request, as metrics name it.
fn kind_of(request: &Request) -> &'static str {
    match request {
        Request::Enrol { .. } => "enrol",
        Request::State { .. } => "state",
        Request::LedgerHead { .. } => "ledger_head",
        Request::Poll { .. } => "poll",
        Request::Fetch { .. } => "fetch",
        Request::Put { .. } => "put",
        Request::NeverUnmasked { .. } => "never_unmasked",
    }
}

impl Service {
    pub(crate) fn new(coordinator: Coordinator) -> Arc<Self> {
        Arc::new(Self {
            coordinator,
            uploads: Mutex::default(),
        })
    }

    async fn try_answer(&self, peer: &Peer, request: Request) -> Result<Response, Error> {
        let key = peer.key();
        if let Request::Enrol { token } = &request {
            let used = self.coordinator.enrol(token, key).await?;
            return Ok(enrolled(used));
        }
        let partner = self.coordinator.store().partner_by_key(key).await?;
        if let Request::State { statement } = &request {
            let taken = self.coordinator.take_key_statement(key, statement.as_ref());
            return Ok(match taken.await? {
                Ok(()) => Response::Accepted,
                Err(refusal) => Response::Refused(refusal),
            });
        }
        let Some(partner) = partner else {
            return self.answer_stranger(key, &request).await;
        };
        match request {
            Request::Enrol { .. } | Request::State { .. } => {
                Ok(Response::Refused(Refusal::Malformed))
            }
            Request::LedgerHead { statement } => {
                let taken = self.coordinator.take_head(&partner, statement.as_ref());
                Ok(match taken.await? {
                    Ok(head) => {
                        peer.states(head);
                        Response::Accepted
                    }
                    Err(refusal) => Response::Refused(refusal),
                })
            }
            Request::Poll { seen } => self.poll(&partner, seen).await,
            Request::Fetch { item, offset } => self.fetch(&partner, &item, offset).await,
            Request::Put {
                round,
                phase,
                total,
                offset,
                bytes,
            } => {
                let bytes = bytes.into_vec();
                let put = Put {
                    round,
                    phase,
                    total,
                    offset,
                    bytes,
                };
                self.put(peer, &partner, put).await
            }
            Request::NeverUnmasked { round, statement } => {
                self.take_statement(&partner, &round, statement.as_ref())
                    .await
            }
        }
    }

    /// Somebody who is no partner may read how the coordinator's key changed, and nothing else.
    async fn answer_stranger(
        &self,
        key: &IdentityKey,
        request: &Request,
    ) -> Result<Response, Error> {
        if let Request::Fetch {
            item: Item::Governance,
            offset,
        } = request
        {
            let record = self.coordinator.governance_record(false).await?;
            return Ok(part_of(&record, *offset).unwrap_or(Response::NotYet));
        }
        Ok(Response::Refused(
            match self.coordinator.store().is_retired(key).await? {
                true => Refusal::Revoked,
                false => Refusal::UnknownIdentity,
            },
        ))
    }

    async fn poll(&self, partner: &Partner, seen: u64) -> Result<Response, Error> {
        let mut news = self.coordinator.0.news.subscribe();
        let newer = news.wait_for(|number| *number > seen);
        // With or without something newer, the answer is what is there now.
        drop(tokio::time::timeout(POLL_WAIT, newer).await);
        let store = self.coordinator.store();
        // The number first: what changes after it makes the next poll return at once.
        let number = store.news_number().await?;
        let rounds = store.rounds_of(&partner.id, MAX_NEWS_ROUNDS).await?;
        let programmes = store.current_programmes().await?.into_iter();
        Ok(Response::News {
            number,
            rounds: rounds.into_iter().map(round_news).collect(),
            programmes: programmes
                .map(|row| ProgrammeNews {
                    id: row.id,
                    digest: row.digest,
                })
                .collect(),
        })
    }

    async fn fetch(&self, partner: &Partner, item: &Item, offset: u64) -> Result<Response, Error> {
        let store = self.coordinator.store();
        if let Item::Message { round, .. } | Item::Abort(round) | Item::AbortCertificate(round) =
            item
            && !store.is_invited(round, &partner.id).await?
        {
            return Ok(Response::Refused(Refusal::UnknownRound));
        }
        let bytes = match item {
            Item::Programme(digest) => store.programme(digest).await?.map(|row| row.signed),
            Item::Roster(version) => match i64::try_from(*version) {
                Ok(_) => store.roster(*version).await?,
                Err(_) => None,
            },
            Item::Announcement(round) => store.round(round).await?.map(|row| row.announcement),
            Item::Abort(round) => store.round(round).await?.and_then(|row| row.abort),
            Item::AbortCertificate(round) => store.certificate(round).await?,
            Item::CurrentRoster => Some(self.coordinator.published_roster().await?),
            Item::Governance => Some(self.coordinator.governance_record(true).await?),
            Item::Release(round) => store.release(round).await?.map(|row| row.json),
            Item::Message { round, phase } => {
                return self.fetch_message(partner, round, *phase, offset).await;
            }
        };
        let part = bytes.and_then(|bytes| part_of(&bytes, offset));
        Ok(part.unwrap_or(Response::NotYet))
    }

    async fn fetch_message(
        &self,
        partner: &Partner,
        round: &Digest,
        phase: u8,
        offset: u64,
    ) -> Result<Response, Error> {
        let Some(phase) = phase_of(phase) else {
            return Ok(Response::Refused(Refusal::Malformed));
        };
        let id = partner.id.clone();
        let looked = self.coordinator.look(round, move |session| {
            let index = session.context().index_of(&id)?;
            session.message_for(phase, index)
        });
        match looked.await {
            Ok(message) => {
                let part = message.and_then(|bytes| part_of(&bytes, offset));
                Ok(part.unwrap_or(Response::NotYet))
            }
            Err(Error::RoundEnded(_)) => Ok(Response::NotYet),
            Err(error) => Err(error),
        }
    }

    /// An invited partner's statement that it never unmasked, while the round runs or after it.
    async fn take_statement(
        &self,
        partner: &Partner,
        round: &Digest,
        statement: &[u8],
    ) -> Result<Response, Error> {
        let coordinator = &self.coordinator;
        if !coordinator.store().is_invited(round, &partner.id).await? {
            return Ok(Response::Refused(Refusal::UnknownRound));
        }
        let taken = coordinator.take_abort_statement(&partner.id, round, statement);
        Ok(match taken.await? {
            Ok(()) => Response::Accepted,
            Err(fault) => refused_message(fault),
        })
    }

    async fn put(&self, peer: &Peer, partner: &Partner, put: Put) -> Result<Response, Error> {
        let Some(phase) = phase_of(put.phase) else {
            return Ok(Response::Refused(Refusal::Malformed));
        };
        let round = put.round;
        if !self
            .coordinator
            .store()
            .is_invited(&round, &partner.id)
            .await?
        {
            return Ok(Response::Refused(Refusal::UnknownRound));
        }
        let id = partner.id.clone();
        let looked = self.coordinator.look(&round, move |session| {
            (
                session.message_limit(phase),
                session.context().index_of(&id),
            )
        });
        let (limit, index) = match looked.await {
            Ok((limit, Some(index))) => (limit, index),
            Ok((_, None)) => return Ok(Response::Refused(Refusal::UnknownRound)),
            Err(Error::RoundEnded(_)) => return self.put_after_the_end(&round, phase).await,
            Err(error) => return Err(error),
        };
        // C2: before anything of this upload is kept.
        let total = usize::try_from(put.total)
            .ok()
            .filter(|total| *total <= limit);
        let (Some(total), Ok(offset)) = (total, usize::try_from(put.offset)) else {
            return Ok(Response::Refused(Refusal::Upload));
        };
        let upload = UploadId {
            round,
            phase,
            total,
        };
        match self.take_piece(&partner.id, upload, offset, put.bytes) {
            Piece::Next(offset) => Ok(Response::Continue {
                offset: offset as u64,
            }),
            Piece::TooLong => Ok(Response::Refused(Refusal::Upload)),
            Piece::NoRoom => Ok(Response::Refused(Refusal::Unavailable)),
            Piece::Whole(message) => {
                if phase == Phase::Join {
                    let checked = self
                        .coordinator
                        .check_join(partner, peer.stated(), &message);
                    if let Err(refusal) = checked.await? {
                        return Ok(Response::Refused(refusal));
                    }
                }
                self.accept_message(partner, index, upload, message).await
            }
        }
    }

    fn take_piece(&self, partner: &str, id: UploadId, offset: usize, bytes: Vec<u8>) -> Piece {
        let mut uploads = self.uploads.lock().unwrap_or_else(PoisonError::into_inner);
        uploads.take(partner, id, offset, bytes, self.coordinator.now())
    }

    /// Hands a whole message to its round; what is answered here is durable (C4).
    async fn accept_message(
        &self,
        partner: &Partner,
        index: u8,
        upload: UploadId,
        message: Vec<u8>,
    ) -> Result<Response, Error> {
        let received = digest("refused", &[&message]);
        let (round, phase, total) = (upload.round, upload.phase, upload.total);
        let denied = phase == Phase::Unmask && self.coordinator.has_stated(&round, index).await?;
        let driven = self.coordinator.drive(&round, move |session| {
            check_sender(&message, phase, index)?;
            if denied {
                return Err(Fault::partner(
                    Check::C3,
                    index,
                    Violation::UnmaskedAndDenied,
                ));
            }
            session.handle_message(&message)
        });
        let result = match driven.await {
            Ok(result) => result,
            Err(Error::RoundEnded(_)) => return self.put_after_the_end(&round, phase).await,
            Err(error) => return Err(error),
        };
        let fault = match result {
            Ok(receipt) => {
                if receipt == Receipt::Stored {
                    tracing::info!(round = %round.short(), partner = partner.id, phase = phase.word(), bytes = total, "message stored");
                }
                return Ok(Response::Accepted);
            }
            Err(fault) => fault,
        };
        let reason = fault.to_string();
        if fault.violation != Violation::PhaseNotOpen {
            tracing::warn!(round = %round.short(), partner = partner.id, phase = phase.word(), reason, "message refused");
            let store = self.coordinator.store();
            store
                .keep_refused(&round, &partner.id, &received, &reason)
                .await?;
        }
        if fault.violation == Violation::Equivocation {
            self.coordinator
                .notice_second_message(partner, &round, phase)
                .await?;
        }
        Ok(refused_message(reason))
    }

    /// A released round needs no Confirm and no Unmask any more; whatever else comes too late is refused.
    async fn put_after_the_end(&self, round: &Digest, phase: Phase) -> Result<Response, Error> {
        let row = self.coordinator.store().round(round).await?;
        let released = row.is_some_and(|row| row.state == RoundStateRow::Released);
        if released && phase >= Phase::Confirm {
            return Ok(Response::Accepted);
        }
        Ok(refused_message("the round has ended"))
    }

    /// Bytes of partial uploads kept at the moment.
    #[cfg(test)]
    pub(crate) fn buffered(&self) -> usize {
        let uploads = self.uploads.lock().unwrap_or_else(PoisonError::into_inner);
        uploads.buffered()
    }
}

/// C1: a partner sends its own messages only, and in the phase whose limit they were read under.
fn check_sender(message: &[u8], phase: Phase, index: u8) -> Result<(), Fault> {
    let fault = |check, violation| Fault::partner(check, index, violation);
    let message = SignedMessage::from_bytes(message, message.len())
        .map_err(|violation| fault(Check::C2, violation))?;
    if message.sender != index || message.phase != phase {
        return Err(fault(Check::C1, Violation::Misdirected));
    }
    Ok(())
}

fn phase_of(number: u8) -> Option<Phase> {
    Phase::ALL
        .into_iter()
        .find(|phase| phase.number() == number)
}

fn round_news((round, state): (Digest, RoundStateRow)) -> RoundNews {
    let state = match state {
        RoundStateRow::Open(phase) => RoundState::Open(phase),
        RoundStateRow::Released => RoundState::Released,
        RoundStateRow::Aborted => RoundState::Aborted,
    };
    RoundNews { round, state }
}

fn enrolled(used: InviteUse) -> Response {
    match used {
        InviteUse::Enrolled(Partner { id, name, .. }) => {
            tracing::info!(partner = id, "partner enrolled");
            Response::Enrolled { partner: id, name }
        }
        InviteUse::Unknown => Response::Refused(Refusal::UnknownInvite),
        InviteUse::Expired => Response::Refused(Refusal::ExpiredInvite),
        InviteUse::Revoked => Response::Refused(Refusal::Revoked),
        InviteUse::AlreadyEnrolled(partner) => {
            Response::Refused(Refusal::AlreadyEnrolled { partner })
        }
    }
}
