//! Whether the vault can be trusted: compared with its anchor before anything is sent, and what a person decides
//! where it cannot.
//!
//! Order: the vault commits, the anchor is durable, then something is sent. [`Node::connect`](crate::node::Node)
//! and every upload go through here, so a node in quarantine sends nothing; it can still be read.

use msht_core::crypto::{Digest, HexBytes};
use msht_core::dp::accountant::Resolution;
use msht_core::secagg::messages::Phase;
use msht_core::secagg::node::{
    Anchor, AnchorStep, Cleared, Doubt, EnrolmentId, NotCleared, Reached, Trusted,
};

use crate::anchor::{AnchorFile, AnchorLock};
use crate::error::{Kind, NodeError};
use crate::node::Node;
use crate::surroundings::Surroundings;
use crate::vault::{Stage, StoredState, Vault, Writing};

/// Longest account of a doubt in the ledger, in bytes; every doubt is shorter.
const MAX_FOUND_BYTES: usize = 200;

/// A vault and the anchor it is compared with.
pub(crate) struct Guard<'a> {
    pub(crate) vault: &'a Vault,
    pub(crate) anchor: &'a AnchorFile,
    pub(crate) surroundings: &'a Surroundings,
}

/// The anchor that was found, brought up to the vault; none where there was never one.
fn compare(
    found: &Result<Anchor, Doubt>,
    state: &StoredState,
) -> Result<Option<AnchorStep<Trusted>>, Doubt> {
    if let Some(doubt) = &state.doubt {
        return Err(doubt.clone());
    }
    match found {
        // A vault from before there were anchors, or one that was just made.
        Err(Doubt::Missing) if state.enrolment.is_none() => Ok(None),
        Err(doubt) => Err(doubt.clone()),
        Ok(anchor) => anchor.follow(&state.durable()).map(Some),
    }
}

impl Guard<'_> {
    fn fresh_id(&self) -> EnrolmentId {
        let mut id = [0; 16];
        self.surroundings.generator().fill_bytes(&mut id);
        HexBytes(id)
    }

    fn write(&self, lock: &AnchorLock, anchor: &Anchor) -> Result<(), NodeError> {
        let mut generator = self.surroundings.generator();
        self.anchor
            .write(lock, anchor, self.vault.key(), &mut generator)
    }

    fn store<T>(&self, lock: &AnchorLock, step: AnchorStep<T>) -> Result<T, NodeError> {
        if let Some(anchor) = step.to_store() {
            self.write(lock, anchor)?;
        }
        Ok(step.made_durable())
    }

    /// The anchor, made where there was never one, and the vault it agrees with.
    async fn agreed(&self, lock: &AnchorLock) -> Result<(Anchor, StoredState), NodeError> {
        let found = self.anchor.read(self.vault.key())?;
        let state = self.vault.state().await?;
        let anchor = match (compare(&found, &state)?, found) {
            (None, _) | (_, Err(_)) => {
                let anchor = Anchor::of(self.fresh_id(), &state.durable());
                self.write(lock, &anchor)?;
                anchor
            }
            (Some(_), Ok(anchor)) => anchor,
        };
        if state.enrolment.is_none() {
            self.vault.store_anchor_id(anchor.enrolment()).await?;
        }
        Ok((anchor, state))
    }

    /// Compares vault and anchor and brings the anchor up to the vault, durably.
    pub(crate) async fn settle(&self) -> Result<Trusted, NodeError> {
        let lock = self.anchor.lock().await?;
        let (anchor, state) = self.agreed(&lock).await?;
        self.store(&lock, anchor.follow(&state.durable())?)
    }

    /// The same, and that `message` is the only one of its phase that can ever have left.
    async fn clear(
        &self,
        round: Digest,
        phase: Phase,
        message: &[u8],
    ) -> Result<Option<Cleared>, NodeError> {
        let lock = self.anchor.lock().await?;
        let (anchor, state) = self.agreed(&lock).await?;
        match anchor.clear(&state.durable(), round, phase, message) {
            Ok(step) => self.store(&lock, step).map(Some),
            Err(NotCleared::NotStored { .. }) => Ok(None),
            Err(NotCleared::Doubt(doubt)) => {
                self.vault.store_doubt(&doubt).await?;
                Err(doubt.into())
            }
        }
    }

    async fn doubt(&self) -> Result<Option<Doubt>, NodeError> {
        let found = self.anchor.read(self.vault.key())?;
        let state = self.vault.state().await?;
        Ok(compare(&found, &state).err())
    }
}

/// What a resolution did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// What had been found.
    pub doubt: Doubt,
    /// Rounds that were given up.
    pub abandoned: Vec<Digest>,
    /// Whether the anchor still told what had been spent.
    pub charges_known: bool,
}

impl Node {
    fn guard(&self) -> Guard<'_> {
        Guard {
            vault: &self.vault,
            anchor: &self.anchor,
            surroundings: &self.surroundings,
        }
    }

    /// Why this node is in quarantine; none where it is not. Changes nothing.
    ///
    /// # Errors
    /// [`Kind::Configuration`].
    pub async fn doubt(&self) -> Result<Option<Doubt>, NodeError> {
        self.guard().doubt().await
    }

    /// Whether the anchor is on the same volume as the vault, where a snapshot takes both.
    #[must_use]
    pub fn anchor_shares_volume(&self) -> bool {
        self.anchor.shares_volume_with(&self.config.vault.path)
    }

    /// Compares the vault with its anchor and brings the anchor up to the vault. Whoever signs or sends anything
    /// needs what this returns.
    ///
    /// # Errors
    /// [`Kind::Quarantine`] where the vault may be an older copy; [`Kind::Configuration`] where the anchor cannot
    /// be read or written.
    pub async fn settle(&self) -> Result<Trusted, NodeError> {
        self.guard().settle().await
    }

    /// Makes a transaction durable, and its ledger entries in the anchor as well.
    pub(crate) async fn commit(&self, writing: Writing) -> Result<Trusted, NodeError> {
        writing.commit().await?;
        self.settle().await
    }

    /// Allows one message to be sent: what it rests on is durable, and the anchor that names it. None where the
    /// vault does not stand at this message, because another process of this node has gone on.
    pub(crate) async fn clear(
        &self,
        round: Digest,
        phase: Phase,
        message: &[u8],
    ) -> Result<Option<Cleared>, NodeError> {
        self.guard().clear(round, phase, message).await
    }

    /// Whether this node may have done more in a round than its vault knows: it signs nothing about such a round.
    pub(crate) async fn may_have_forgotten(&self, round: Digest) -> Result<bool, NodeError> {
        Ok(self.vault.is_forgotten(round).await? || self.doubt().await?.is_some())
    }

    /// Stops this node until somebody resolves `doubt`.
    pub(crate) async fn enter_quarantine(&self, doubt: Doubt) -> NodeError {
        match self.vault.store_doubt(&doubt).await {
            Ok(()) => doubt.into(),
            Err(error) => error,
        }
    }

    /// Lets the node go on, on somebody's word: every round that is open is given up for ever, what may have been
    /// spent stays spent, and the decision enters the ledger.
    ///
    /// # Errors
    /// [`Kind::Usage`] where the node is not in quarantine, or nobody decides.
    pub async fn resolve(&self, by: &str) -> Result<Resolved, NodeError> {
        let guard = self.guard();
        let lock = self.anchor.lock().await?;
        let found = self.anchor.read(self.vault.key())?;
        let mut writing = self.vault.write().await?;
        let state = self.vault.state_in(&mut writing).await?;
        let Err(doubt) = compare(&found, &state) else {
            return Err(NodeError::new(
                Kind::Usage,
                "this node is not in quarantine; there is nothing to resolve",
            )
            .hint("msht-node status shows where its rounds stand"));
        };
        let anchor = found.ok();
        let remembered = anchor.as_ref().map(Anchor::charges).unwrap_or_default();
        let lengths = [
            doubt.furthest(),
            anchor.as_ref().map(|anchor| anchor.ledger().length),
            Some(state.ledger.length()),
        ];
        let resolution = Resolution {
            by: by.to_owned(),
            found: doubt.to_string().chars().take(MAX_FOUND_BYTES).collect(),
            furthest: lengths.into_iter().flatten().max().unwrap_or_default(),
        };
        let (caps, now) = (self.config.caps(), self.surroundings.now());
        for entry in state.ledger.recovery(remembered, resolution, &caps, now)? {
            self.vault.append(&mut writing, &entry).await?;
        }
        for round in remembered.iter().map(|known| known.charge.round()) {
            if state.ledger.outcome(&round).is_none() {
                self.vault.forget(&mut writing, round).await?;
            }
        }
        let abandoned = self.abandon(&mut writing, &state, now).await?;
        let id = guard.fresh_id();
        self.vault.end_doubt(&mut writing, id).await?;
        writing.commit().await?;
        // A crash here leaves the old anchor, which does not fit any more: the node stays in quarantine.
        let state = self.vault.state().await?;
        guard.write(&lock, &Anchor::of(id, &state.durable()))?;
        Ok(Resolved {
            doubt,
            abandoned,
            charges_known: anchor.is_some(),
        })
    }

    async fn abandon(
        &self,
        writing: &mut Writing,
        state: &StoredState,
        now: i64,
    ) -> Result<Vec<Digest>, NodeError> {
        let mut abandoned = Vec::new();
        for (round, reached) in &state.rounds {
            if *reached == Reached::Ended {
                continue;
            }
            let note = "given up: the node was in quarantine while this round was open";
            self.vault.forget(writing, *round).await?;
            self.vault.erase_records(writing, *round).await?;
            self.vault
                .set_stage(writing, *round, Stage::LeftOut, note, now)
                .await?;
            abandoned.push(*round);
        }
        Ok(abandoned)
    }
}
