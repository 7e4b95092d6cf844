//! The coordinator's key: handed over by itself and accepted by a person here, or not trusted any more.

use msht_core::crypto::{Fingerprint, Identity, IdentityKey};
use msht_core::dp::accountant::{Governance, GovernanceAct, Outcome, TombstoneReason};
use msht_core::governance::{
    Countersigned, GovernanceRecord, Handover, MAX_GOVERNANCE_BYTES, succeeds,
};
use msht_core::wire::{Item, decode};

use crate::error::{Kind, NodeError};
use crate::node::Node;
use crate::transport::Link;
use crate::vault::Stage;

impl Node {
    /// The key that answers at the coordinator's address now, where the accepted one handed over to it, with the
    /// handovers. Asked under an identity made for this alone, so that an impostor does not learn who asks.
    ///
    /// # Errors
    /// [`Kind::Network`].
    pub async fn offered_coordinator(
        &self,
    ) -> Result<Option<(IdentityKey, Vec<Countersigned<Handover>>)>, NodeError> {
        let throwaway = Identity::generate(&mut self.surroundings.generator())
            .map_err(|error| NodeError::new(Kind::Failure, error.to_string()))?;
        let address = &self.enrolment.address;
        let (link, key) = Link::connect_unpinned(address, &self.turn, &throwaway).await?;
        let fetched = link.fetch(&Item::Governance).await;
        link.close().await;
        let Some(bytes) = fetched? else {
            return Ok(None);
        };
        let unreadable = |_| {
            NodeError::new(
                Kind::Network,
                "what the coordinator says of its key cannot be read",
            )
        };
        let record: GovernanceRecord = decode(&bytes, MAX_GOVERNANCE_BYTES).map_err(unreadable)?;
        let pinned = self.enrolment.coordinator;
        let follows = key != pinned && succeeds(&record.handovers, &pinned, &key);
        Ok(follows.then_some((key, record.handovers)))
    }

    /// Accepts the coordinator's new key, which its accepted one handed over to; `compared`, where given, must be its
    /// fingerprint.
    ///
    /// # Errors
    /// [`Kind::Usage`] where there is nothing to accept or the fingerprint differs; [`Kind::Network`].
    pub async fn accept_coordinator(
        &self,
        compared: Option<Fingerprint>,
        by: &str,
    ) -> Result<IdentityKey, NodeError> {
        let offered = self.offered_coordinator().await?;
        let (key, chain) = offered.ok_or_else(|| {
            NodeError::new(
                Kind::Usage,
                "the accepted key of the coordinator has not handed over to another one",
            )
            .hint("if another machine answers there: telephone the operator, and revoke if the key was stolen")
        })?;
        let print = key.fingerprint();
        if compared.is_some_and(|compared| compared != print) {
            let message = format!("the coordinator's new key has fingerprint {print}");
            return Err(NodeError::new(Kind::Usage, message).hint(
                "it is not the one you compared: accept nothing, and telephone the operator",
            ));
        }
        let (now, vault) = (self.surroundings.now(), &self.vault);
        let mut writing = vault.write().await?;
        vault.hand_over(&mut writing, &key, &chain).await?;
        let mut ledger = vault.ledger_in(&mut writing).await?;
        let decided = self.about_coordinator(GovernanceAct::CoordinatorAccepted, key, by);
        vault
            .govern(&mut writing, &mut ledger, decided, now)
            .await?;
        self.commit(writing).await?;
        Ok(key)
    }

    fn about_coordinator(&self, act: GovernanceAct, key: IdentityKey, by: &str) -> Governance {
        Governance {
            act,
            subject: self.enrolment.partner.clone(),
            key,
            by: by.to_owned(),
        }
    }

    /// Stops trusting the coordinator: nothing is sent to it or taken from it any more. Open rounds end, their seeds
    /// and shares are erased, reservations are freed and charges stay. Ledger and releases stay.
    ///
    /// # Errors
    /// [`Kind::Configuration`].
    pub async fn revoke_coordinator(&self, by: &str) -> Result<(), NodeError> {
        let (now, vault) = (self.surroundings.now(), &self.vault);
        let rounds = vault.rounds().await?;
        let mut writing = vault.write().await?;
        let mut ledger = vault.ledger_in(&mut writing).await?;
        vault.revoke_coordinator(&mut writing).await?;
        let key = self.enrolment.coordinator;
        let decided = self.about_coordinator(GovernanceAct::CoordinatorRevoked, key, by);
        vault
            .govern(&mut writing, &mut ledger, decided, now)
            .await?;
        for row in rounds.iter().filter(|row| !row.stage.has_ended()) {
            if matches!(
                ledger.outcome(&row.round),
                Some(Outcome::Reserved | Outcome::Charged)
            ) {
                let entry = ledger.tombstone(row.round, TombstoneReason::Withdrawn, now)?;
                vault.append(&mut writing, &entry).await?;
                ledger.append(&entry)?;
            }
            vault.erase_records(&mut writing, row.round).await?;
            let note = "the coordinator is not trusted any more";
            vault
                .set_stage(&mut writing, row.round, Stage::LeftOut, note, now)
                .await?;
        }
        self.commit(writing).await.map(|_trusted| ())
    }

    /// Refuses where somebody here revoked the coordinator.
    ///
    /// # Errors
    /// [`Kind::Unwelcome`].
    pub async fn check_coordinator(&self) -> Result<(), NodeError> {
        if self.vault.coordinator_is_revoked().await? {
            let print = self.enrolment.coordinator.fingerprint();
            let message = format!("the coordinator with fingerprint {print} was revoked here");
            return Err(NodeError::new(Kind::Unwelcome, message).hint(
                "enrol with the new coordinator: msht-node enrol INVITE; ledger and releases stay",
            ));
        }
        Ok(())
    }
}
