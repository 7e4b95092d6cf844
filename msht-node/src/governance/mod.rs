//! Who takes part, and whose key is whose: what waits for a person, what a policy settles, and what nobody may settle
//! alone (N4).

mod coordinator;
mod own_key;

pub use own_key::KeyChangeState;

use std::collections::BTreeSet;

use msht_core::crypto::{Fingerprint, IdentityKey};
use msht_core::dp::accountant::{Governance, GovernanceAct};
use msht_core::governance::{
    ChangeKind, Endorsement, GovernanceRecord, KnownPartner, RosterChange, Statement, Unendorsed,
    check_endorsed, endorsers, no_longer_invited, roster_changes,
};
use msht_core::secagg::{Partner, Roster, RoundTerms, Signed};
use msht_core::wire::{Blob, Request, Response, encode};

use crate::agent::Agent;
use crate::config::{AcceptKeyChanges, AcceptNewPartners, AcceptSmallerCohorts};
use crate::error::{Kind, NodeError};
use crate::node::Node;
use crate::vault::Stage;

/// How the note of a round begins that has a change somebody here rejected.
pub const REJECTED: &str = "waits: rejected here";
/// How the note of a round begins that has a new partner too few vouch for.
pub const UNENDORSED: &str = "refused until enough partners vouch";

/// Whose name stands in the ledger where a policy accepted.
const BY_POLICY: &str = "the policy in node.toml";

/// A change that waits for somebody, and what speaks for it.
#[derive(Debug, Clone)]
pub struct WaitingChange {
    /// What changed.
    pub change: RosterChange,
    /// Who rejected it, where somebody did.
    pub rejected_by: Option<String>,
    /// Partners accepted here that vouch for its key.
    pub endorsed_by: BTreeSet<String>,
}

/// What the accepted state and the coordinator's statements say, read once for one decision.
struct Known {
    partners: Vec<KnownPartner>,
    record: GovernanceRecord,
    coordinators: Vec<IdentityKey>,
}

impl Known {
    fn accepted(&self) -> Vec<(String, IdentityKey)> {
        let there = self.partners.iter().filter(|each| !each.removed);
        there.map(|each| (each.id.clone(), each.key)).collect()
    }

    fn endorsers_of(&self, change: &RosterChange, roster: &Roster) -> BTreeSet<String> {
        let partner = roster.partner(&change.partner);
        let partner = partner.filter(|partner| partner.key == change.key);
        partner.map_or_else(BTreeSet::new, |partner| {
            let endorsements = &self.record.endorsements;
            endorsers(partner, &self.accepted(), endorsements, &self.coordinators)
        })
    }
}

/// What a change is, in words.
#[must_use]
pub fn describe(change: &RosterChange) -> String {
    let (id, name, print) = (&change.partner, &change.name, change.key.fingerprint());
    match change.kind {
        ChangeKind::Added => format!("new partner: {name} ({id}) {print}"),
        ChangeKind::KeyChanged => {
            format!("CHANGED key, not signed by the key accepted here: {name} ({id}) {print}")
        }
        ChangeKind::KeyRotated => {
            format!("changed key, signed by the key accepted here: {name} ({id}) {print}")
        }
        ChangeKind::Renamed => format!("another name: {name} ({id}) {print}"),
        ChangeKind::Removed => format!("not on the roster any more: {name} ({id})"),
        ChangeKind::NotInvited => format!(
            "not invited any more to {}: {name} ({id})",
            change.programme.as_deref().unwrap_or_default()
        ),
    }
}

impl Node {
    async fn known(&self) -> Result<Known, NodeError> {
        let handovers = self.vault.handovers().await?;
        let earlier = handovers.iter().map(|each| each.content.from);
        Ok(Known {
            partners: self.vault.known_partners().await?,
            record: self.vault.governance_record().await?,
            coordinators: earlier.chain([self.enrolment.coordinator]).collect(),
        })
    }

    fn is_own(&self, change: &RosterChange) -> bool {
        change.partner == self.enrolment.partner && change.key == self.identity.key()
    }

    /// What a round's roster and invited list change against what was accepted here: changes of those invited, and
    /// everybody accepted who is gone.
    ///
    /// # Errors
    /// [`Kind::Configuration`].
    pub async fn changes_of(&self, terms: &RoundTerms) -> Result<Vec<RosterChange>, NodeError> {
        let known = self.known().await?;
        let announcement = terms.context.announcement();
        let roster = terms.context.roster();
        let concerns = |change: &RosterChange| {
            change.kind == ChangeKind::Removed || announcement.invited.contains(&change.partner)
        };
        let mut changes = roster_changes(&known.partners, roster, &known.record.key_changes);
        changes.retain(|change| concerns(change) && !self.is_own(change));
        let before = self.vault.accepted_cohort(terms.programme.id()).await?;
        let invited = &announcement.invited;
        changes.extend(no_longer_invited(
            terms.programme.id(),
            &before,
            invited,
            roster,
        ));
        Ok(changes)
    }

    /// N4: which partner of a round has fewer endorsements than its programme asks for.
    ///
    /// # Errors
    /// [`Kind::Configuration`].
    pub async fn unendorsed(&self, terms: &RoundTerms) -> Result<Option<Unendorsed>, NodeError> {
        let known = self.known().await?;
        let before = self.vault.accepted_cohort(terms.programme.id()).await?;
        let invited: Vec<Partner> = terms
            .context
            .indices()
            .filter_map(|index| terms.context.partner(index).cloned())
            .filter(|partner| partner.id != self.enrolment.partner)
            .collect();
        let checked = check_endorsed(
            terms.programme.cohort().endorsements(),
            &before,
            &invited,
            &known.record.endorsements,
            &known.coordinators,
        );
        Ok(checked.err())
    }

    /// Settles the changes of a round by policy where it allows every one of them. What still stands in the way of
    /// the round, if anything does.
    ///
    /// # Errors
    /// [`Kind::Configuration`].
    pub(crate) async fn settle_changes(
        &self,
        terms: &RoundTerms,
    ) -> Result<Option<String>, NodeError> {
        let changes = self.changes_of(terms).await?;
        let id = terms.context.round().short();
        if let Some((change, by)) = self.first_rejected(&changes).await? {
            return Ok(Some(format!(
                "{REJECTED} by {by} ({}); to accept it after all: msht-node roster accept",
                describe(&change)
            )));
        }
        if !changes.is_empty() {
            if !self.policy_allows(terms, &changes).await? {
                return Ok(Some(waits_for_a_decision(&changes, &id)));
            }
            self.accept_changes(&changes, BY_POLICY).await?;
        }
        let refused = self.unendorsed(terms).await?;
        Ok(refused
            .map(|refused| format!("{UNENDORSED}: {refused}; msht-node roster shows who does")))
    }

    /// The first of these changes that somebody rejected, and who.
    ///
    /// # Errors
    /// [`Kind::Configuration`].
    pub async fn first_rejected(
        &self,
        changes: &[RosterChange],
    ) -> Result<Option<(RosterChange, String)>, NodeError> {
        for change in changes {
            if let Some(by) = self.vault.rejected_by(change).await? {
                return Ok(Some((change.clone(), by)));
            }
        }
        Ok(None)
    }

    /// Whether the policy accepts every one of these changes. A key is accepted only where partners accepted here
    /// signed that they saw it, in a programme that asks for that, or where the key it replaces signed for it.
    async fn policy_allows(
        &self,
        terms: &RoundTerms,
        changes: &[RosterChange],
    ) -> Result<bool, NodeError> {
        let (known, policy) = (self.known().await?, &self.config.policy);
        let needed = terms.programme.cohort().endorsements();
        let endorsed = |change: &RosterChange| {
            let found = known.endorsers_of(change, terms.context.roster()).len();
            policy.accept_new_partners == AcceptNewPartners::Endorsed
                && needed > 0
                && found >= needed
        };
        Ok(changes.iter().all(|change| match change.kind {
            ChangeKind::Added | ChangeKind::KeyChanged => endorsed(change),
            ChangeKind::KeyRotated => {
                policy.accept_key_changes == AcceptKeyChanges::SignedByOldKey || endorsed(change)
            }
            ChangeKind::Removed | ChangeKind::NotInvited => {
                policy.accept_smaller_cohorts == AcceptSmallerCohorts::WithinLimits
            }
            ChangeKind::Renamed => false,
        }))
    }

    /// Everything that waits: what the latest roster changes, and who is not invited any more to a round that waits.
    ///
    /// # Errors
    /// [`Kind::Configuration`].
    pub async fn waiting_changes(&self) -> Result<Vec<WaitingChange>, NodeError> {
        let Some(roster) = self.vault.latest_roster().await? else {
            return Ok(Vec::new());
        };
        let (known, roster) = (self.known().await?, roster.content);
        let mut changes = roster_changes(&known.partners, &roster, &known.record.key_changes);
        changes.retain(|change| !self.is_own(change));
        for row in self.vault.rounds().await? {
            if row.stage != Stage::Announced {
                continue;
            }
            let content = &row.announcement.content;
            let before = self.vault.accepted_cohort(&content.programme).await?;
            for change in no_longer_invited(&content.programme, &before, &content.invited, &roster)
            {
                if !changes.contains(&change) {
                    changes.push(change);
                }
            }
        }
        let mut waiting = Vec::with_capacity(changes.len());
        for change in changes {
            waiting.push(WaitingChange {
                rejected_by: self.vault.rejected_by(&change).await?,
                endorsed_by: known.endorsers_of(&change, &roster),
                change,
            });
        }
        Ok(waiting)
    }

    /// Accepts changes; durable, and in the ledger, when this returns.
    ///
    /// # Errors
    /// [`Kind::Configuration`].
    pub async fn accept_changes(
        &self,
        changes: &[RosterChange],
        by: &str,
    ) -> Result<(), NodeError> {
        let now = self.surroundings.now();
        let mut writing = self.vault.write().await?;
        self.vault
            .accept_changes(&mut writing, changes, by, now)
            .await?;
        self.commit(writing).await.map(|_trusted| ())
    }

    /// Rejects changes; durable, and in the ledger, when this returns. Rounds that have them wait until somebody
    /// accepts them.
    ///
    /// # Errors
    /// [`Kind::Configuration`].
    pub async fn reject_changes(
        &self,
        changes: &[RosterChange],
        by: &str,
    ) -> Result<(), NodeError> {
        let now = self.surroundings.now();
        let mut writing = self.vault.write().await?;
        self.vault
            .reject_changes(&mut writing, changes, by, now)
            .await?;
        self.commit(writing).await.map(|_trusted| ())
    }

    /// Vouches for a partner's key: somebody here saw it before, or compared `fingerprint` now. The key is accepted
    /// here, that is durable, and then the signed endorsement is sent.
    ///
    /// # Errors
    /// [`Kind::Usage`] for a partner that is not there or a fingerprint that differs; [`Kind::Network`].
    pub async fn endorse(
        &self,
        partner: &str,
        fingerprint: Option<Fingerprint>,
        by: &str,
    ) -> Result<Partner, NodeError> {
        Agent::sync(self).await?;
        let roster = self.vault.latest_roster().await?;
        let found = roster.and_then(|roster| roster.content.partner(partner).cloned());
        let found = found.filter(|found| found.id != self.enrolment.partner);
        let found = found.ok_or_else(|| {
            NodeError::new(
                Kind::Usage,
                format!("no other partner `{partner}` is on the roster"),
            )
            .hint("msht-node roster lists the partners")
        })?;
        self.accept_seen(&found, fingerprint, by).await?;
        let content = Endorsement {
            endorser: self.enrolment.partner.clone(),
            partner: found.id.clone(),
            key: found.key,
            coordinator: self.enrolment.coordinator,
        };
        let failed = |error| NodeError::new(Kind::Failure, format!("{error}"));
        let signed = Signed::sign(content, &self.identity).map_err(failed)?;
        self.state(&Statement::Endorsement(signed)).await?;
        Ok(found)
    }

    /// Accepts the key that is vouched for, which somebody must have seen, and notes in the ledger that it is.
    async fn accept_seen(
        &self,
        partner: &Partner,
        fingerprint: Option<Fingerprint>,
        by: &str,
    ) -> Result<(), NodeError> {
        let known = self.vault.known_partners().await?;
        let seen = known
            .iter()
            .any(|each| each.id == partner.id && each.key == partner.key && !each.removed);
        let print = partner.key.fingerprint();
        match fingerprint {
            Some(compared) if compared != print => {
                let message = format!("the key of `{}` has fingerprint {print}", partner.id);
                return Err(NodeError::new(Kind::Usage, message).hint(
                    "it is not the one you compared: vouch for nothing, and call the partner",
                ));
            }
            None if !seen => {
                let message = format!(
                    "nobody here has accepted the key {print} of `{}`",
                    partner.id
                );
                return Err(NodeError::new(Kind::Usage, message).hint(
                    "have the partner read out its fingerprint, and give it with --fingerprint",
                ));
            }
            Some(_) | None => {}
        }
        let waiting = self.waiting_changes().await?;
        let changes: Vec<RosterChange> = waiting
            .into_iter()
            .map(|each| each.change)
            .filter(|change| change.partner == partner.id && change.kind != ChangeKind::NotInvited)
            .collect();
        let (now, vault) = (self.surroundings.now(), &self.vault);
        let mut writing = vault.write().await?;
        vault
            .accept_changes(&mut writing, &changes, by, now)
            .await?;
        let decided = Governance {
            act: GovernanceAct::Endorsed,
            subject: partner.id.clone(),
            key: partner.key,
            by: by.to_owned(),
        };
        let mut ledger = vault.ledger_in(&mut writing).await?;
        vault
            .govern(&mut writing, &mut ledger, decided, now)
            .await?;
        self.commit(writing).await.map(|_trusted| ())
    }

    /// Sends a statement; what was accepted is durable at the coordinator.
    async fn state(&self, statement: &Statement) -> Result<(), NodeError> {
        let failed = |error| NodeError::new(Kind::Failure, format!("{error}"));
        let statement = Blob::from(encode(statement).map_err(failed)?);
        // Without stating the ledger's head first: after a change of key whose answer was lost the coordinator takes
        // nothing from the old key any more but the same change again.
        self.check_coordinator().await?;
        self.settle().await?;
        let link = self.reach().await?;
        let answer = link.request(&Request::State { statement }).await;
        link.close().await;
        match answer? {
            Response::Accepted => Ok(()),
            Response::Refused(refusal) => Err(NodeError::new(Kind::Failure, refusal.to_string())
                .hint(
                    "nothing was lost; give the command again when what stands in the way is over",
                )),
            _ => Err(NodeError::new(
                Kind::Network,
                "the coordinator answered out of turn",
            )),
        }
    }
}

fn waits_for_a_decision(changes: &[RosterChange], round: &str) -> String {
    let keys = changes.iter().all(|change| {
        matches!(
            change.kind,
            ChangeKind::Added | ChangeKind::KeyChanged | ChangeKind::KeyRotated
        )
    });
    if keys {
        return format!(
            "waits for a decision on a cohort with keys nobody here has accepted: msht-node approve {round}"
        );
    }
    let gone: Vec<&str> = changes
        .iter()
        .filter(|change| matches!(change.kind, ChangeKind::Removed | ChangeKind::NotInvited))
        .map(|change| change.partner.as_str())
        .collect();
    let gone = match gone.is_empty() {
        true => String::new(),
        false => format!(" (no longer with us: {})", gone.join(", ")),
    };
    format!(
        "waits for a decision on who takes part{gone}: msht-node roster, then msht-node approve {round} or msht-node roster accept"
    )
}
