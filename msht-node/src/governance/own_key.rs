//! This node's own identity key changes: stored first, then stated by both keys, then in use.
//!
//! A node that is stopped in between has both identities sealed in its vault. The coordinator answers the same
//! statement the same way, so giving the command again, or running the agent, finishes what was begun.

use std::sync::Arc;

use msht_core::crypto::Identity;
use msht_core::governance::{Countersigned, KeyChange, Statement};

use crate::agent::Agent;
use crate::error::{Kind, NodeError};
use crate::node::Node;

/// Whether a change of the own key is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyChangeState {
    /// None is.
    None,
    /// It was begun and is finished now.
    Finished,
}

impl Node {
    /// Changes this node's identity key: works while no round is open for it.
    ///
    /// # Errors
    /// [`Kind::Usage`] while a round is open; [`Kind::Network`]: give the command again, or run the agent.
    pub async fn rotate_key(&self, by: &str) -> Result<(), NodeError> {
        if self.vault.next_identity().await?.is_none() {
            // What the present key still has to say of rounds that ended, such as that it never unmasked.
            let mut agent = Agent::new(Arc::new(self.renewed().await?));
            agent.run_once().await?;
            self.prepare_key_change(by).await?;
        }
        self.finish_key_change().await.map(|_| ())
    }

    /// Makes the next identity and stores it; the present one stays in use. Begun twice, it is still one change.
    ///
    /// # Errors
    /// [`Kind::Usage`] while a round is open.
    pub async fn prepare_key_change(&self, by: &str) -> Result<(), NodeError> {
        let rounds = self.vault.rounds().await?;
        if let Some(open) = rounds.iter().find(|row| !row.stage.has_ended()) {
            let message = format!("round {} is open for this node", open.round.short());
            return Err(NodeError::new(Kind::Usage, message)
                .hint("change the key when it has ended; msht-node status shows where it stands"));
        }
        if self.vault.next_identity().await?.is_some() {
            return Ok(());
        }
        let mut generator = self.surroundings.generator();
        let next = Identity::generate(&mut generator)
            .map_err(|error| NodeError::new(Kind::Failure, error.to_string()))?;
        self.vault
            .store_next_identity(&next, by, &mut generator)
            .await
    }

    /// The statement by which the next identity takes the place of the present one, if a change was begun.
    ///
    /// # Errors
    /// [`Kind::Configuration`].
    pub async fn key_change(&self) -> Result<Option<Countersigned<KeyChange>>, NodeError> {
        let Some((next, _)) = self.vault.next_identity().await? else {
            return Ok(None);
        };
        let content = KeyChange {
            partner: self.enrolment.partner.clone(),
            from: self.identity.key(),
            to: next.key(),
        };
        let signed = Countersigned::sign(content, &self.identity, &next)
            .map_err(|error| NodeError::new(Kind::Failure, error.to_string()))?;
        Ok(Some(signed))
    }

    /// Finishes a change that was begun: stated, acknowledged, and then the old identity is erased. This node still
    /// holds the old one in memory afterwards: open it anew.
    ///
    /// # Errors
    /// [`Kind::Network`]; [`Kind::Failure`] where the coordinator refuses. Both identities stay then.
    pub async fn finish_key_change(&self) -> Result<KeyChangeState, NodeError> {
        let Some(signed) = self.key_change().await? else {
            return Ok(KeyChangeState::None);
        };
        self.state(&Statement::KeyChange(signed)).await?;
        let Some((next, by)) = self.vault.next_identity().await? else {
            return Ok(KeyChangeState::None);
        };
        let (partner, now) = (&self.enrolment.partner, self.surroundings.now());
        let mut generator = self.surroundings.generator();
        let mut writing = self.vault.write().await?;
        self.vault
            .promote_identity(&mut writing, (&next, &by), partner, now, &mut generator)
            .await?;
        self.commit(writing).await?;
        Ok(KeyChangeState::Finished)
    }
}
