//! Where a round stands, for the operator and for whoever waits for its end.

use std::time::Duration;

use msht_core::crypto::Digest;
use msht_core::secagg::coordinator::Progress;
use msht_core::secagg::messages::Phase;
use msht_core::secagg::{Abort, AbortNotice, Signed};
use msht_core::wire::{MAX_ENCODED_BYTES, decode};

use crate::coordinator::Coordinator;
use crate::error::Error;
use crate::store::{RoundRow, RoundStateRow};

/// How often the end of a round is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Seconds after the last deadline within which a running coordinator has ended a round.
const GRACE_SECONDS: i64 = 60;

/// Where a round stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoundStage {
    /// A phase is open.
    Collecting {
        /// The phase.
        phase: Phase,
        /// Ids of the partners whose message is in.
        received: Vec<String>,
        /// Ids of the partners whose message is awaited.
        awaited: Vec<String>,
        /// When the phase closes, seconds since 1970-01-01 UTC.
        deadline: i64,
    },
    /// The sum is open and will be published.
    Opened,
    /// The release is published.
    Released {
        /// Digest of the release.
        digest: Digest,
    },
    /// The round was given up.
    Aborted(Abort),
}

/// A round as the operator sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoundStatus {
    /// The round.
    pub round: Digest,
    /// Id of the programme.
    pub programme: String,
    /// The period.
    pub period: String,
    /// Attempt at it.
    pub attempt: u32,
    /// Where it stands.
    pub stage: RoundStage,
    /// Partner and reason of messages that were refused.
    pub refused: Vec<(String, String)>,
    /// Who signed that it never unmasked.
    pub statements: AbortStatements,
    /// Partner and what was noticed about copies of its node.
    pub noticed: Vec<(String, String)>,
}

/// How far the abort certificate of a round has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AbortStatements {
    /// Ids of the partners whose statement is in.
    pub received: Vec<String>,
    /// Statements that make a certificate: n − t + 1 + c.
    pub needed: u8,
    /// Whether the certificate is there.
    pub certified: bool,
}

/// How a round ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoundEnd {
    /// With a release.
    Released {
        /// Digest of the release.
        digest: Digest,
        /// The bytes of its `release.json`.
        json: Vec<u8>,
    },
    /// Without.
    Aborted(Abort),
}

impl Coordinator {
    /// The round whose id begins with these hexadecimal digits.
    ///
    /// # Errors
    /// [`Error::UnknownRound`], [`Error::AmbiguousRound`].
    pub async fn find_round(&self, digits: &str) -> Result<Digest, Error> {
        let rounds = self.store().rounds().await?;
        let wanted = digits.to_lowercase();
        let mut found = rounds
            .iter()
            .map(|row| row.round)
            .filter(|round| !wanted.is_empty() && round.to_string().starts_with(&wanted));
        match (found.next(), found.next()) {
            (Some(round), None) => Ok(round),
            (Some(_), Some(_)) => Err(Error::AmbiguousRound(digits.to_owned())),
            (None, _) => Err(Error::UnknownRound(digits.to_owned())),
        }
    }

    /// Where a round stands, read from what is stored.
    ///
    /// # Errors
    /// [`Error::UnknownRound`]; a damaged store.
    pub async fn round_status(&self, round: &Digest) -> Result<RoundStatus, Error> {
        let row = self.store().round(round).await?;
        let row = row.ok_or_else(|| Error::UnknownRound(round.to_string()))?;
        self.status_of(row).await
    }

    /// Where every round stands, the oldest first.
    ///
    /// # Errors
    /// A damaged store.
    pub async fn round_statuses(&self) -> Result<Vec<RoundStatus>, Error> {
        let mut statuses = Vec::new();
        for row in self.store().rounds().await? {
            statuses.push(self.status_of(row).await?);
        }
        Ok(statuses)
    }

    async fn status_of(&self, row: RoundRow) -> Result<RoundStatus, Error> {
        let stage = match row.state {
            RoundStateRow::Open(_) => self.open_stage(&row.round).await?,
            RoundStateRow::Aborted => RoundStage::Aborted(abort_of(&row)?),
            RoundStateRow::Released => {
                let release = self.store().release(&row.round).await?;
                let digest = release.ok_or(Error::Damaged("release"))?.digest;
                RoundStage::Released { digest }
            }
        };
        Ok(RoundStatus {
            statements: self.statements_of(&row).await?,
            refused: self.store().refused(&row.round).await?,
            noticed: self.store().noticed_in(&row.round).await?,
            round: row.round,
            programme: row.programme,
            period: row.period,
            attempt: row.attempt,
            stage,
        })
    }

    async fn statements_of(&self, row: &RoundRow) -> Result<AbortStatements, Error> {
        let context = self.context(row).await?;
        let certificate = self.store().certificate(&row.round).await?;
        Ok(AbortStatements {
            received: context.ids(&self.store().stated(&row.round).await?),
            needed: context.params().statements_needed(),
            certified: certificate.is_some(),
        })
    }

    /// From the stored records and not from a session in memory, which another process may have.
    async fn open_stage(&self, round: &Digest) -> Result<RoundStage, Error> {
        let session = match self.resume(round).await {
            Ok(live) => live.session,
            Err(Error::RoundEnded(_)) => return Ok(RoundStage::Opened),
            Err(error) => return Err(error),
        };
        let ids = |indices: &[u8]| session.context().ids(indices);
        Ok(match session.progress() {
            Progress::Opened => RoundStage::Opened,
            Progress::Aborted(abort) => RoundStage::Aborted(abort),
            Progress::Collecting {
                phase,
                received,
                awaited,
            } => RoundStage::Collecting {
                phase,
                received: ids(&received),
                awaited: ids(&awaited),
                deadline: session.deadline(),
            },
        })
    }

    /// Waits until a round has ended, which a running coordinator sees to.
    ///
    /// # Errors
    /// [`Error::NotEnded`] a while after the last deadline.
    pub async fn wait_for_end(&self, round: &Digest) -> Result<RoundEnd, Error> {
        let row = self.store().round(round).await?;
        let row = row.ok_or_else(|| Error::UnknownRound(round.to_string()))?;
        let deadlines = self.context(&row).await?.announcement().deadlines;
        let last = deadlines.unmask.saturating_add(GRACE_SECONDS);
        loop {
            if let Some(end) = self.end_of(round).await? {
                return Ok(end);
            }
            if self.now() > last {
                return Err(Error::NotEnded(*round));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    async fn end_of(&self, round: &Digest) -> Result<Option<RoundEnd>, Error> {
        let row = self.store().round(round).await?;
        let row = row.ok_or_else(|| Error::UnknownRound(round.to_string()))?;
        match row.state {
            RoundStateRow::Open(_) => Ok(None),
            RoundStateRow::Aborted => Ok(Some(RoundEnd::Aborted(abort_of(&row)?))),
            RoundStateRow::Released => {
                let release = self.store().release(round).await?;
                let release = release.ok_or(Error::Damaged("release"))?;
                Ok(Some(RoundEnd::Released {
                    digest: release.digest,
                    json: release.json,
                }))
            }
        }
    }
}

fn abort_of(row: &RoundRow) -> Result<Abort, Error> {
    let damaged = || Error::Damaged("abort notice");
    let bytes = row.abort.as_deref().ok_or_else(damaged)?;
    let notice: Signed<AbortNotice> = decode(bytes, MAX_ENCODED_BYTES).map_err(|_| damaged())?;
    Ok(notice.content.abort)
}
