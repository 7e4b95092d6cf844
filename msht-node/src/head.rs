//! Telling the coordinator where this node's ledger ends, and being told that it once ended elsewhere.

use msht_core::governance::succeeds;
use msht_core::secagg::node::Doubt;
use msht_core::secagg::{HeadProof, HeadStanding, HeadStatement, LedgerHead, head_standing};
use msht_core::wire::{Blob, MAX_FRAME_BYTES, Refusal, Request, Response, decode, encode};

use crate::agent::checked;
use crate::error::{Kind, NodeError};
use crate::node::Node;
use crate::transport::Link;

/// Most statements on one occasion: the first, one after somebody else of this node was heard first, one that gives
/// up a lost head, and one more.
const MAX_STATEMENTS: usize = 4;

fn unfounded() -> NodeError {
    NodeError::new(
        Kind::Network,
        "the coordinator claims that this node has forgotten something, and shows nothing this node signed",
    )
    .hint("nothing was sent; ask the coordinator's operator")
}

impl Node {
    /// States where the ledger ends. A node that is shown a later head with its own signature, and does not hold
    /// it, is an older copy or one of two: it goes into quarantine.
    ///
    /// # Errors
    /// [`Kind::Quarantine`]; [`Kind::Network`].
    pub(crate) async fn state_head(&self, link: &Link) -> Result<(), NodeError> {
        let coordinator = &self.enrolment.coordinator;
        let mut replaces = None;
        for _ in 0..MAX_STATEMENTS {
            let state = self.vault.state().await?;
            let statement =
                HeadStatement::sign(&self.identity, coordinator, state.head(), replaces);
            let statement = encode(&statement)
                .map_err(|error| NodeError::new(Kind::Failure, error.to_string()))?;
            let request = Request::LedgerHead {
                statement: Blob::from(statement),
            };
            let proof = match link.request(&request).await? {
                Response::Accepted => return Ok(()),
                Response::Refused(Refusal::LedgerBehind { proof }) => proof,
                response => {
                    checked(response)?;
                    return Err(unfounded());
                }
            };
            let proof: HeadProof =
                decode(proof.as_ref(), MAX_FRAME_BYTES).map_err(|_| unfounded())?;
            let signed = self.own_head(&proof).await?.ok_or_else(unfounded)?;
            // The ledger may have grown since it was stated, by another process of this node.
            let state = self.vault.state().await?;
            replaces = match head_standing(&signed, &state.ledger, &state.entries) {
                HeadStanding::Held => None,
                HeadStanding::GivenUp => Some(signed.digest),
                HeadStanding::Unknown => {
                    let doubt = Doubt::SignedElsewhere {
                        length: signed.length,
                        head: signed.digest,
                    };
                    return Err(self.enter_quarantine(doubt).await);
                }
            };
        }
        Err(unfounded())
    }

    /// The head in `proof`, where this node signed it: with the key it has or one that key took the place of, for the
    /// coordinator's key of now or one that was handed over.
    async fn own_head(&self, proof: &HeadProof) -> Result<Option<LedgerHead>, NodeError> {
        let record = self.vault.governance_record().await?;
        let partner = &self.enrolment.partner;
        let changes: Vec<_> = record
            .key_changes
            .into_iter()
            .filter(|change| change.content.partner == *partner)
            .collect();
        let present = self.identity.key();
        let mut own = vec![present];
        own.extend(
            changes
                .iter()
                .map(|change| change.content.from)
                .filter(|earlier| succeeds(&changes, earlier, &present)),
        );
        let handovers = self.vault.handovers().await?;
        let mut coordinators = vec![self.enrolment.coordinator];
        coordinators.extend(handovers.iter().map(|handover| handover.content.from));
        Ok(own.iter().find_map(|key| {
            coordinators
                .iter()
                .find_map(|coordinator| proof.head_signed_by(key, coordinator))
        }))
    }
}
