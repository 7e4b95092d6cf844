//! What a node states to the coordinator, and what the coordinator has collected.

use serde::{Deserialize, Serialize};

use super::endorsement::Endorsement;
use super::succession::{Countersigned, Handover, KeyChange};
use crate::secagg::Signed;

/// Longest encoding of a [`Statement`], in bytes: two ids, two keys, two signatures and lengths are below 400.
pub const MAX_STATEMENT_BYTES: usize = 1024;
/// Longest encoding of a [`GovernanceRecord`], in bytes: some 60,000 statements.
pub const MAX_GOVERNANCE_BYTES: usize = 16 * 1024 * 1024;

/// An endorsement under the endorser's signature.
pub type SignedEndorsement = Signed<Endorsement>;

/// Something a partner signs outside rounds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Statement {
    /// It changes its identity key.
    KeyChange(Countersigned<KeyChange>),
    /// It saw another partner's key.
    Endorsement(SignedEndorsement),
}

/// Every statement that the coordinator has, and the handovers of its own key, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GovernanceRecord {
    /// Changes of the coordinator's key.
    pub handovers: Vec<Countersigned<Handover>>,
    /// Changes of partners' keys.
    pub key_changes: Vec<Countersigned<KeyChange>>,
    /// Endorsements.
    pub endorsements: Vec<SignedEndorsement>,
}
