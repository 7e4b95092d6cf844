//! Why a round was given up, and the signed notice of it.

use serde::{Deserialize, Serialize};

use super::messages::Phase;
use super::signed::Document;
use crate::crypto::{Digest, SignLabel};

/// Why, and for whose lack, a round was given up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Abort {
    /// The phase that could not be closed.
    pub phase: Phase,
    /// Why.
    pub reason: AbortReason,
    /// Ids of the partners whose message of that phase was expected and did not come.
    pub missing: Vec<String>,
}

/// Why a round was given up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum AbortReason {
    /// Fewer messages than the rules ask for when the time had come.
    #[error("only {received} of the {needed} partners needed sent their message in time")]
    TooFew {
        /// Messages received.
        received: u16,
        /// Messages needed.
        needed: u16,
    },
    /// A dealer left fewer than t partners with a good envelope. Both sides are named; neither is proven wrong.
    #[error("envelopes of {} did not open for {}", dealer.join(", "), complainants.join(", "))]
    BadEnvelopes {
        /// The dealer.
        dealer: Vec<String>,
        /// Who could not open its envelope.
        complainants: Vec<String>,
    },
    /// A recovered seed does not match what its dealer committed to (C5).
    #[error("the shares dealt by {} do not fit together", dealer.join(", "))]
    InconsistentDealer {
        /// The dealer.
        dealer: Vec<String>,
    },
    /// The sum lies outside the possible range (C6).
    #[error(
        "the sum of table `{table}` is outside the possible range: a contribution was not honest"
    )]
    OutOfRange {
        /// The table.
        table: String,
    },
    /// The operator closed the round.
    #[error("the operator closed the round")]
    Operator,
    /// A state that no input leads to.
    #[error("internal inconsistency")]
    Internal,
}

/// The notice that a round was given up, under the coordinator's signature.
///
/// A node believes it for tidying up, never for its budget.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AbortNotice {
    /// The round.
    pub round: Digest,
    /// Why, and who was missing.
    pub abort: Abort,
}

impl Document for AbortNotice {
    const LABEL: SignLabel = SignLabel::Abort;
    const DIGEST_LABEL: &'static str = "abort";
}
