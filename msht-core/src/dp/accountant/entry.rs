//! What a ledger consists of.

use serde::{Deserialize, Serialize};
use time::Date;

use super::budget::Caps;
use super::charge::Charge;
use super::window::iso_date;
use crate::crypto::{Digest, IdentityKey, digest};

/// Label of the digest that chains entries; the number changes with the form of an entry.
const ENTRY_LABEL: &str = "msht/1/ledger-entry";

/// What somebody decided on a programme or one of its rounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decision {
    /// May contribute.
    Approved,
    /// May not contribute.
    Declined,
    /// An earlier approval no longer holds.
    Withdrawn,
}

/// A decision on taking part, made before anything is counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Approval {
    /// Id of the programme.
    pub programme: String,
    /// Version of the programme; another version needs another decision.
    pub programme_version: u32,
    /// The one round decided on, or none for all rounds of the programme.
    pub round: Option<Digest>,
    /// What was decided.
    pub decision: Decision,
    /// Who decided.
    pub approver: String,
    /// Last day on which an approval holds; none for no end.
    #[serde(with = "iso_date::option")]
    pub until: Option<Date>,
}

/// What was decided about who takes part, and whose key is whose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GovernanceAct {
    /// A partner was accepted with this key.
    PartnerAccepted,
    /// Another key of a known partner was accepted.
    KeyAccepted,
    /// Another name of a known partner was accepted.
    NameAccepted,
    /// That a partner is not on the roster any more was accepted.
    RemovalAccepted,
    /// That a partner is not invited any more was accepted.
    SmallerCohortAccepted,
    /// A change was rejected.
    ChangeRejected,
    /// This node vouched for the partner's key.
    Endorsed,
    /// This node changed its own key to this one.
    OwnKeyChanged,
    /// The coordinator's new key, handed over by its old one, was accepted.
    CoordinatorAccepted,
    /// The coordinator with this key is not trusted any more.
    CoordinatorRevoked,
    /// This node enrolled with another coordinator, which has this key.
    CoordinatorEnrolled,
}

/// A decision about who takes part, or whose key is whose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Governance {
    /// What was decided.
    pub act: GovernanceAct,
    /// The partner, or the programme where the act is about its cohort.
    pub subject: String,
    /// The key it is about.
    pub key: IdentityKey,
    /// Who decided, or which policy.
    pub by: String,
}

/// Why a node will never go on with a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TombstoneReason {
    /// A deadline of the round passed.
    DeadlinePassed,
    /// The round was aborted.
    Aborted,
    /// A check of the protocol failed.
    CheckFailed,
    /// The node was not among the survivors.
    LeftOut,
    /// Somebody at the partner withdrew.
    Withdrawn,
    /// The node lost or doubts the state of the round.
    StateLost,
}

/// The evidence on which a charge was returned, by digest, as the ledger records it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReturnGround {
    /// Enough partners signed that they never opened the round and never will.
    AbortCertificate(Digest),
    /// Enough partners confirmed survivors among which this node is not.
    ConfirmedWithout(Digest),
}

/// Verified evidence that a round can never be opened with this node's vector.
///
/// Only the checks of this library make one: of an abort certificate, and of a release without the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReturnEvidence {
    round: Digest,
    ground: ReturnGround,
}

impl ReturnEvidence {
    /// To be called where the evidence was just verified, and nowhere else.
    pub(crate) fn verified(round: Digest, ground: ReturnGround) -> Self {
        Self { round, ground }
    }

    /// The round it is about.
    #[must_use]
    pub fn round(&self) -> Digest {
        self.round
    }

    /// What the ledger records of it.
    #[must_use]
    pub fn ground(&self) -> ReturnGround {
        self.ground
    }
}

/// What somebody decided about a node that was found to have forgotten something, or might have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resolution {
    /// Who decided.
    pub by: String,
    /// What had been found, in words.
    pub found: String,
    /// The longest length this ledger is known to have had; entries up to there may be lost.
    pub furthest: u64,
}

/// Something that happened to the privacy budget.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum LedgerEvent {
    /// Somebody decided on taking part.
    Approval(Approval),
    /// Budget was set aside: the contribution is frozen.
    Reservation {
        /// What it costs.
        charge: Box<Charge>,
        /// The caps it was held against, for the record.
        caps: Caps,
    },
    /// The budget is spent: the first byte of Mask may leave.
    Charged {
        /// Id of the round.
        round: Digest,
    },
    /// Unmask may leave: from now on the charge is final.
    Unmasked {
        /// Id of the round.
        round: Digest,
    },
    /// The node will never go on with the round.
    Tombstone {
        /// Id of the round.
        round: Digest,
        /// Why.
        reason: TombstoneReason,
    },
    /// A charge came back because the round can never be opened with this node's vector.
    Returned {
        /// Id of the round.
        round: Digest,
        /// The evidence.
        ground: ReturnGround,
    },
    /// The release of the round was received.
    Released {
        /// Id of the round.
        round: Digest,
        /// Digest of the release.
        release: Digest,
    },
    /// Somebody decided who takes part, or whose key is whose.
    Governance(Governance),
    /// Somebody let a node go on that had stopped itself because it may have forgotten something.
    Resolved(Resolution),
}

impl LedgerEvent {
    /// The round the event is about; none for approvals, resolutions and who takes part.
    #[must_use]
    pub fn round(&self) -> Option<Digest> {
        match self {
            Self::Approval(_) | Self::Governance(_) | Self::Resolved(_) => None,
            Self::Reservation { charge, .. } => Some(charge.round()),
            Self::Charged { round }
            | Self::Unmasked { round }
            | Self::Tombstone { round, .. }
            | Self::Returned { round, .. }
            | Self::Released { round, .. } => Some(*round),
        }
    }

    /// What the event does, for messages.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Approval(_) => "approval",
            Self::Reservation { .. } => "reservation",
            Self::Charged { .. } => "charge",
            Self::Unmasked { .. } => "unmasking",
            Self::Tombstone { .. } => "tombstone",
            Self::Returned { .. } => "return",
            Self::Released { .. } => "release",
            Self::Governance(_) => "governance",
            Self::Resolved(_) => "resolution",
        }
    }
}

/// One link of the ledger: made by a [`Ledger`](super::Ledger), or read back from storage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LedgerEntry {
    sequence: u64,
    previous: Digest,
    recorded_at: i64,
    event: LedgerEvent,
}

/// An entry has no canonical form.
#[derive(Debug, thiserror::Error)]
#[error("the ledger entry cannot be encoded: {0}")]
pub struct EncodingError(#[from] serde_json::Error);

impl LedgerEntry {
    pub(super) fn new(
        sequence: u64,
        previous: Digest,
        recorded_at: i64,
        event: LedgerEvent,
    ) -> Self {
        Self {
            sequence,
            previous,
            recorded_at,
            event,
        }
    }

    /// 1 for the first entry, then one more each.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Digest of the entry before; zero for the first.
    #[must_use]
    pub fn previous(&self) -> Digest {
        self.previous
    }

    /// When it was recorded by the node's clock, seconds since 1970-01-01 UTC. Clocks are set back at times, so
    /// nothing rests on its order.
    #[must_use]
    pub fn recorded_at(&self) -> i64 {
        self.recorded_at
    }

    /// What happened.
    #[must_use]
    pub fn event(&self) -> &LedgerEvent {
        &self.event
    }

    /// Digest of the entry: of its JSON text without spaces, fields in their order, under a label. Anyone with
    /// the exported entries can recompute it.
    ///
    /// # Errors
    /// [`EncodingError`] if the entry cannot be written as JSON.
    pub fn digest(&self) -> Result<Digest, EncodingError> {
        Ok(digest(ENTRY_LABEL, &[&serde_json::to_vec(self)?]))
    }
}
