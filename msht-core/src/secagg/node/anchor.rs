//! The anchor: what a node keeps outside its database to notice that the database was put back to an earlier state.
//!
//! Order: the database commits, then the anchor is durable, then something is sent. So a database may be ahead of
//! its anchor after a crash, and the anchor follows; an anchor that is ahead, or missing, means that the database
//! is an older copy, and the node sends nothing until somebody decides. [`AnchorStep`] and [`Cleared`] keep the
//! order: what is sent needs a [`Cleared`], and only a durable anchor gives one.
//!
//! Left out: an anchor that was put back *together* with the database, as a snapshot of a whole machine does. The
//! head of the ledger that the coordinator holds (`secagg/ledger_head.rs`) is there for that.

use std::collections::BTreeMap;

use rand::CryptoRng;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::crypto::{Digest, HexBytes, Secret, TAG_BYTES, digest, open_at_rest, seal_at_rest};
use crate::dp::accountant::{EncodingError, Ledger, LedgerEntry, Remembered};
use crate::secagg::ledger_head::LedgerHead;
use crate::secagg::messages::Phase;

/// Version of the form of an anchor.
const ANCHOR_VERSION: u32 = 1;
/// What the seal of an anchor is bound to.
const ANCHOR_CONTEXT: &[u8] = b"msht/1/anchor";
/// Longest anchor that is read, in bytes: some ten thousand charges.
pub const MAX_ANCHOR_BYTES: usize = 16 * 1024 * 1024;

/// What ties an anchor to one enrolment: another node's anchor, or an earlier one of this node, does not do.
pub type EnrolmentId = HexBytes<16>;

/// The latest message of one open round that may have left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sent {
    phase: Phase,
    message: Digest,
}

/// What a node remembers outside its database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Anchor {
    version: u32,
    enrolment: EnrolmentId,
    ledger: LedgerHead,
    rounds: BTreeMap<Digest, Sent>,
    charges: Vec<Remembered>,
}

/// The bytes are not an anchor sealed with this key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an anchor of this key")]
pub struct AnchorUnreadable;

/// How far a round is in the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reached {
    /// Nothing is frozen yet.
    Announced,
    /// The record that this phase's message rests on is durable.
    Stored(Phase),
    /// Nothing more is sent for it.
    Ended,
}

/// What the database holds, as far as an anchor can tell about it.
#[derive(Debug)]
pub struct Durable<'a> {
    /// The enrolment its anchor belongs to; none where there was never one.
    pub enrolment: Option<EnrolmentId>,
    /// The ledger, replayed.
    pub ledger: &'a Ledger,
    /// Its entries, in order.
    pub entries: &'a [LedgerEntry],
    /// Every round known.
    pub rounds: &'a BTreeMap<Digest, Reached>,
}

/// Why a node does not trust its own database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
pub enum Doubt {
    /// There is no anchor where there was one.
    #[error("the anchor is missing")]
    Missing,
    /// The anchor does not open with the vault's key.
    #[error("the anchor was damaged, or made with another key")]
    Unreadable,
    /// The anchor belongs to another enrolment.
    #[error("the anchor belongs to another enrolment")]
    OtherEnrolment,
    /// The ledger is shorter than it was.
    #[error("the ledger has {stored} entries and had {anchored}: the vault is an older copy")]
    LedgerBehind {
        /// Entries in the database.
        stored: u64,
        /// Entries in the anchor.
        anchored: u64,
    },
    /// The ledger is not the one that was anchored.
    #[error("entry {at} of the ledger is not the one that was there: the vault is another copy")]
    LedgerDiverged {
        /// Entries up to which the anchor knows the ledger.
        at: u64,
    },
    /// A message of the round left, and the database does not know it.
    #[error(
        "round {} had reached {}, and the vault does not know that: it is an older copy",
        round.short(),
        phase.word()
    )]
    RoundBehind {
        /// The round.
        round: Digest,
        /// The phase whose message may have left.
        phase: Phase,
    },
    /// Another message of this phase may have left.
    #[error(
        "another {} message of round {} may have left than the vault would send: it is another copy",
        phase.word(),
        round.short()
    )]
    MessageDiffers {
        /// The round.
        round: Digest,
        /// The phase.
        phase: Phase,
    },
    /// The coordinator showed a ledger head signed with this node's key that the database does not know.
    #[error(
        "this node's key has signed a ledger of {length} entries that the vault does not hold: it is an older copy, or two copies of this node are running"
    )]
    SignedElsewhere {
        /// Length of the ledger that was signed.
        length: u64,
        /// Its head.
        head: Digest,
    },
}

/// Why a message may not be sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotCleared {
    /// The database may be an older or another copy.
    #[error(transparent)]
    Doubt(#[from] Doubt),
    /// What the message rests on is not the latest record of the round: it is not durable, or another process of
    /// this node has gone on since.
    #[error("the vault does not stand at the {} message of round {}", phase.word(), round.short())]
    NotStored {
        /// The round.
        round: Digest,
        /// The phase of the message.
        phase: Phase,
    },
}

impl Doubt {
    /// The longest ledger this doubt speaks of; none where it does not tell.
    #[must_use]
    pub fn furthest(&self) -> Option<u64> {
        match self {
            Self::LedgerBehind { anchored, .. } => Some(*anchored),
            Self::LedgerDiverged { at } => Some(*at),
            Self::SignedElsewhere { length, .. } => Some(*length),
            Self::Missing
            | Self::Unreadable
            | Self::OtherEnrolment
            | Self::RoundBehind { .. }
            | Self::MessageDiffers { .. } => None,
        }
    }
}

/// The anchor that must be durable next, and behind it what that allows.
#[derive(Debug)]
#[must_use = "what the token allows may be done only after the anchor is durable"]
pub struct AnchorStep<T> {
    anchor: Anchor,
    changed: bool,
    token: T,
}

impl<T> AnchorStep<T> {
    /// The anchor to make durable; none where it is as it was.
    #[must_use]
    pub fn to_store(&self) -> Option<&Anchor> {
        self.changed.then_some(&self.anchor)
    }

    /// States that the anchor is durable.
    #[must_use]
    pub fn made_durable(self) -> T {
        self.token
    }
}

/// The database and its anchor agreed, and nobody has to decide anything.
#[derive(Debug)]
pub struct Trusted(());

/// One message may be sent: its record and the anchor that names it are durable.
#[derive(Debug)]
pub struct Cleared {
    round: Digest,
    phase: Phase,
    message: Vec<u8>,
}

impl Cleared {
    /// The round.
    #[must_use]
    pub fn round(&self) -> Digest {
        self.round
    }

    /// The phase.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// The message, as it was anchored.
    #[must_use]
    pub fn message(&self) -> &[u8] {
        &self.message
    }
}

impl Anchor {
    /// The first anchor of an enrolment, or the one after somebody decided: of the database as it is.
    #[must_use]
    pub fn of(enrolment: EnrolmentId, durable: &Durable<'_>) -> Self {
        Self {
            version: ANCHOR_VERSION,
            enrolment,
            ledger: LedgerHead::of(durable.ledger),
            rounds: BTreeMap::new(),
            charges: durable.ledger.remembered().collect(),
        }
    }

    /// The enrolment it belongs to.
    #[must_use]
    pub fn enrolment(&self) -> EnrolmentId {
        self.enrolment
    }

    /// Where the ledger ended.
    #[must_use]
    pub fn ledger(&self) -> LedgerHead {
        self.ledger
    }

    /// What was reserved, and whether it counted against the caps.
    #[must_use]
    pub fn charges(&self) -> &[Remembered] {
        &self.charges
    }

    /// Checks that the database holds everything that was anchored, and brings the anchor up to it.
    ///
    /// # Errors
    /// [`Doubt`] where the database may be an older or another copy.
    pub fn follow(&self, durable: &Durable<'_>) -> Result<AnchorStep<Trusted>, Doubt> {
        self.check(durable)?;
        let mut next = Self::of(self.enrolment, durable);
        let open = |round: &Digest| durable.rounds.get(round) != Some(&Reached::Ended);
        next.rounds = self
            .rounds
            .iter()
            .filter(|(round, _)| open(round))
            .map(|(round, sent)| (*round, *sent))
            .collect();
        Ok(AnchorStep {
            changed: next != *self,
            anchor: next,
            token: Trusted(()),
        })
    }

    /// Checks as [`Self::follow`], and that `message` is the only one of its phase that can ever have left.
    ///
    /// # Errors
    /// [`NotCleared`].
    pub fn clear(
        &self,
        durable: &Durable<'_>,
        round: Digest,
        phase: Phase,
        message: &[u8],
    ) -> Result<AnchorStep<Cleared>, NotCleared> {
        let AnchorStep {
            anchor: mut next, ..
        } = self.follow(durable)?;
        if durable.rounds.get(&round) != Some(&Reached::Stored(phase)) {
            return Err(NotCleared::NotStored { round, phase });
        }
        let sent = Sent {
            phase,
            message: digest("anchored-message", &[message]),
        };
        if let Some(earlier) = next.rounds.insert(round, sent)
            && earlier.phase == phase
            && earlier != sent
        {
            return Err(Doubt::MessageDiffers { round, phase }.into());
        }
        Ok(AnchorStep {
            changed: next != *self,
            anchor: next,
            token: Cleared {
                round,
                phase,
                message: message.to_vec(),
            },
        })
    }

    fn check(&self, durable: &Durable<'_>) -> Result<(), Doubt> {
        if durable.enrolment.is_some_and(|id| id != self.enrolment) {
            return Err(Doubt::OtherEnrolment);
        }
        let (stored, anchored) = (durable.ledger.length(), self.ledger.length);
        if stored < anchored {
            return Err(Doubt::LedgerBehind { stored, anchored });
        }
        if !self.ledger.is_in(durable.entries) {
            return Err(Doubt::LedgerDiverged { at: anchored });
        }
        for (round, sent) in &self.rounds {
            let phase = sent.phase;
            match durable.rounds.get(round) {
                Some(Reached::Ended) => {}
                Some(Reached::Stored(stored)) if *stored >= phase => {}
                _ => {
                    return Err(Doubt::RoundBehind {
                        round: *round,
                        phase,
                    });
                }
            }
        }
        Ok(())
    }

    /// The anchor as it is stored: sealed, so that nobody without the vault's key can forge or read it.
    ///
    /// # Errors
    /// [`EncodingError`].
    pub fn seal<R: CryptoRng + ?Sized>(
        &self,
        key: &Secret,
        rng: &mut R,
    ) -> Result<Vec<u8>, EncodingError> {
        let text = Zeroizing::new(serde_json::to_vec(self)?);
        Ok(seal_at_rest(key, ANCHOR_CONTEXT, &text, rng))
    }

    /// Opens a stored anchor.
    ///
    /// # Errors
    /// [`AnchorUnreadable`].
    pub fn open(key: &Secret, sealed: &[u8]) -> Result<Self, AnchorUnreadable> {
        if !(TAG_BYTES..=MAX_ANCHOR_BYTES).contains(&sealed.len()) {
            return Err(AnchorUnreadable);
        }
        let text = open_at_rest(key, ANCHOR_CONTEXT, sealed).map_err(|_| AnchorUnreadable)?;
        let anchor: Self = serde_json::from_slice(&text).map_err(|_| AnchorUnreadable)?;
        (anchor.version == ANCHOR_VERSION)
            .then_some(anchor)
            .ok_or(AnchorUnreadable)
    }
}

#[cfg(test)]
mod tests;
