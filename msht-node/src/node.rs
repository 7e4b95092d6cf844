//! An enrolled node: settings, vault, identity, and the decisions a person takes on it.

use std::path::Path;
use std::sync::Arc;

use msht_core::crypto::{Digest, Identity, IdentityKey};
use msht_core::dp::accountant::{Approval, Decision, Outcome};
use msht_core::governance::{ChangeKind, RosterChange};
use msht_core::secagg::{Check, Fault, Partner, RoundContext, RoundTerms, Violation, accept_terms};
use time::{Date, OffsetDateTime};

use crate::addresses::Turn;
use crate::anchor::AnchorFile;
use crate::config::Config;
use crate::enrolment::identity_of;
use crate::error::{Kind, NodeError};
use crate::governance::describe;
use crate::surroundings::Surroundings;
use crate::transport::Link;
use crate::vault::{Enrolment, RoundRow, Stage, Vault};

/// An enrolled node.
pub struct Node {
    /// Its settings.
    pub config: Config,
    /// What it must not lose.
    pub vault: Arc<Vault>,
    /// Who it is and whom it talks to.
    pub enrolment: Enrolment,
    /// Its identity.
    pub identity: Arc<Identity>,
    /// Time and randomness.
    pub surroundings: Surroundings,
    pub(crate) anchor: AnchorFile,
    /// Which of the coordinator's addresses is tried next, whatever else is renewed.
    pub(crate) turn: Arc<Turn>,
}

/// A decision on a round, or on all rounds of its programme.
pub struct Choice {
    /// What was decided.
    pub decision: Decision,
    /// Who decided.
    pub by: String,
    /// Whether it holds for later rounds of the programme, too.
    pub standing: bool,
}

impl Node {
    /// Opens an enrolled node.
    ///
    /// # Errors
    /// [`Kind::Configuration`].
    pub async fn open(home: &Path, surroundings: Surroundings) -> Result<Self, NodeError> {
        let config = Config::read(home)?;
        if !config.vault.path.exists() {
            let message = format!("there is no vault at {}", config.vault.path.display());
            return Err(NodeError::new(Kind::Configuration, message)
                .hint("enrol this node first: msht-node enrol INVITE"));
        }
        let key = config.vault.key()?.read()?;
        let vault = Arc::new(Vault::open(&config.vault.path, key).await?);
        let enrolment = vault.enrolment().await?;
        let identity = Arc::new(identity_of(&vault, &surroundings).await?);
        let anchor = AnchorFile::new(&config.vault.anchor, &config.vault.path);
        Ok(Self {
            anchor,
            config,
            vault,
            enrolment,
            identity,
            surroundings,
            turn: Arc::default(),
        })
    }

    /// This node with identity and enrolment as the vault has them now: another process may have changed them.
    ///
    /// # Errors
    /// [`Kind::Configuration`].
    pub async fn renewed(&self) -> Result<Self, NodeError> {
        Ok(Self {
            anchor: AnchorFile::new(&self.config.vault.anchor, &self.config.vault.path),
            config: self.config.clone(),
            vault: Arc::clone(&self.vault),
            enrolment: self.vault.enrolment().await?,
            identity: Arc::new(identity_of(&self.vault, &self.surroundings).await?),
            surroundings: self.surroundings.clone(),
            turn: Arc::clone(&self.turn),
        })
    }

    /// Connects to the coordinator and states where the ledger ends; only where vault and anchor agree.
    ///
    /// # Errors
    /// [`Kind::Network`]; [`Kind::Quarantine`]; [`Kind::NotApproved`] where the coordinator has another key that nobody
    /// here has accepted; [`Kind::Unwelcome`] where it was revoked here.
    pub async fn connect(&self) -> Result<Link, NodeError> {
        self.check_coordinator().await?;
        self.settle().await?;
        let link = self.reach().await?;
        if let Err(error) = self.state_head(&link).await {
            link.close().await;
            return Err(error);
        }
        Ok(link)
    }

    /// A connection to the coordinator that is accepted here, or what it says of another key.
    pub(crate) async fn reach(&self) -> Result<Link, NodeError> {
        let Enrolment {
            address,
            coordinator,
            ..
        } = &self.enrolment;
        let error = match Link::connect(address, &self.turn, &self.identity, *coordinator).await {
            Err(error) if error.kind == Kind::OtherKey => error,
            connected => return connected,
        };
        match self.offered_coordinator().await {
            Ok(Some((key, _))) => {
                let print = key.fingerprint();
                let message = format!(
                    "the coordinator has another key now, {print}, signed by the one accepted here"
                );
                Err(NodeError::new(Kind::NotApproved, message).hint(
                    "compare the fingerprint by telephone, then: msht-node coordinator accept --by NAME",
                ))
            }
            _ => Err(error),
        }
    }

    /// Today, by the clock passed in.
    #[must_use]
    pub fn today(&self) -> Date {
        OffsetDateTime::from_unix_timestamp(self.surroundings.now())
            .unwrap_or(OffsetDateTime::UNIX_EPOCH)
            .date()
    }

    /// The round whose id begins with `prefix`.
    ///
    /// # Errors
    /// [`Kind::Usage`] where none or several do.
    pub async fn round_by_prefix(&self, prefix: &str) -> Result<RoundRow, NodeError> {
        let mut matching: Vec<RoundRow> = self
            .vault
            .rounds()
            .await?
            .into_iter()
            .filter(|row| row.round.to_string().starts_with(&prefix.to_lowercase()))
            .collect();
        let found = matching.pop().ok_or_else(|| {
            NodeError::new(Kind::Usage, format!("no round here begins with `{prefix}`"))
                .hint("msht-node status lists the rounds")
        })?;
        if !matching.is_empty() {
            return Err(NodeError::new(
                Kind::Usage,
                format!("several rounds begin with `{prefix}`"),
            )
            .hint("give more digits; msht-node status lists the rounds"));
        }
        Ok(found)
    }

    /// The checked terms of a round whose documents are here: N1, N2 and the documents' part of N4.
    ///
    /// # Errors
    /// [`Kind::Configuration`] where a document is missing; the inner error is the check that failed.
    pub async fn terms(&self, row: &RoundRow) -> Result<Result<RoundTerms, Fault>, NodeError> {
        let announcement = row.announcement.clone();
        let digest = announcement.content.programme_digest;
        let programme = self.vault.programme(digest).await?.ok_or_else(missing)?;
        let version = announcement.content.roster_version;
        let roster = self.vault.roster(version).await?.ok_or_else(missing)?;
        let (coordinator, policy) = (self.enrolment.coordinator, self.config.policy());
        Ok(accept_terms(
            announcement,
            programme,
            roster,
            coordinator,
            &policy,
        ))
    }

    /// The numbers, partners and keys of a round, apart from what the local policy says of it now.
    ///
    /// # Errors
    /// As [`Self::terms`].
    pub async fn context(&self, row: &RoundRow) -> Result<Result<RoundContext, Fault>, NodeError> {
        let version = row.announcement.content.roster_version;
        let roster = self.vault.roster(version).await?.ok_or_else(missing)?;
        // What was kept of a round that ended carries the key of its time.
        let handovers = self.vault.handovers().await?;
        let earlier = handovers.iter().map(|each| each.content.from);
        let mut keys = earlier.chain([self.enrolment.coordinator]);
        let signed = |key: &IdentityKey| row.announcement.clone().verify(key).is_ok();
        let coordinator = keys.find(signed).unwrap_or(self.enrolment.coordinator);
        let unsigned = |_| Fault::coordinator(Check::N1, Violation::Signature);
        let announcement = row.announcement.clone().verify(&coordinator);
        // A roster may have been fetched again since, with the present key's signature on the same content.
        let again = roster.clone().verify(&self.enrolment.coordinator);
        let roster = roster.verify(&coordinator).or(again);
        let documents = announcement.and_then(|announcement| Ok((announcement, roster?)));
        Ok(documents
            .map_err(unsigned)
            .and_then(|(announcement, roster)| {
                RoundContext::new(announcement, roster, coordinator)
            }))
    }

    /// Invited partners whose identity key nobody here has accepted yet, or whose key changed.
    ///
    /// # Errors
    /// [`Kind::Configuration`].
    pub async fn unaccepted(&self, terms: &RoundTerms) -> Result<Vec<Partner>, NodeError> {
        let changes = self.changes_of(terms).await?;
        let is_new = |partner: &&Partner| {
            changes.iter().any(|change| {
                change.partner == partner.id
                    && change.key == partner.key
                    && !matches!(change.kind, ChangeKind::Removed | ChangeKind::NotInvited)
            })
        };
        let invited = terms.context.indices();
        let invited = invited.filter_map(|index| terms.context.partner(index));
        Ok(invited.filter(is_new).cloned().collect())
    }

    /// Records a decision. Approving accepts what the round changes of who takes part: new keys, partners that are
    /// gone, a smaller invited list. Declining after the own table was seen applies from the next period, because
    /// taking part must not depend on the data.
    ///
    /// # Errors
    /// [`Kind::Usage`] for a round that has ended, [`Kind::Failure`] where its terms are refused,
    /// [`Kind::NotApproved`] to an approval where somebody rejected one of its changes or endorsements are missing.
    pub async fn decide(&self, row: &RoundRow, choice: &Choice) -> Result<Decided, NodeError> {
        if row.stage.has_ended() {
            let message = format!("round {} has ended ({})", row.round.short(), row.stage);
            return Err(NodeError::new(Kind::Usage, message)
                .hint("msht-node status lists the rounds that wait for a decision"));
        }
        self.settle().await?;
        let terms = self.terms(row).await??;
        let now = self.surroundings.now();
        let declines = choice.decision != Decision::Approved;
        let changes = match declines {
            true => Vec::new(),
            false => self.acceptable_changes(&terms).await?,
        };
        let from_next_period = declines && (row.own_table_seen || row.stage != Stage::Announced);
        let standing = choice.standing || from_next_period;
        let approval = Approval {
            programme: terms.programme.id().to_owned(),
            programme_version: terms.programme.version(),
            round: (!standing).then_some(row.round),
            decision: choice.decision,
            approver: choice.by.clone(),
            until: None,
        };
        let mut writing = self.vault.write().await?;
        let ledger = self.vault.ledger_in(&mut writing).await?;
        let holds = ledger
            .approval(
                &approval.programme,
                approval.programme_version,
                &row.round,
                self.today(),
            )
            .cloned();
        self.vault
            .append(&mut writing, &ledger.decide(approval, now)?)
            .await?;
        if from_next_period && let Some(earlier) = holds {
            // Recorded behind the refusal, so that it holds for this round: what was seen cannot end it.
            let ledger = self.vault.ledger_in(&mut writing).await?;
            let kept = Approval {
                round: Some(row.round),
                ..earlier
            };
            self.vault
                .append(&mut writing, &ledger.decide(kept, now)?)
                .await?;
        }
        if !declines {
            self.vault
                .accept_changes(&mut writing, &changes, &choice.by, now)
                .await?;
            let programme = terms.programme.id();
            self.vault
                .accept_cohort(&mut writing, programme, Self::members(&terms))
                .await?;
        }
        self.commit(writing).await?;
        Ok(if from_next_period {
            Decided::FromNextPeriod
        } else {
            Decided::Now
        })
    }

    /// What approving a round accepts, where nothing forbids that.
    async fn acceptable_changes(&self, terms: &RoundTerms) -> Result<Vec<RosterChange>, NodeError> {
        let changes = self.changes_of(terms).await?;
        if let Some((change, by)) = self.first_rejected(&changes).await? {
            let message = format!("{by} rejected a change: {}", describe(&change));
            return Err(NodeError::new(Kind::NotApproved, message)
                .hint("to accept it after all: msht-node roster accept --by NAME"));
        }
        if let Some(refused) = self.unendorsed(terms).await? {
            return Err(NodeError::new(Kind::NotApproved, refused.to_string())
                .hint("partners vouch with msht-node endorse; msht-node roster shows who has"));
        }
        Ok(changes)
    }

    /// Who takes part in a round, to compare later cohorts of its programme with.
    pub(crate) fn members(terms: &RoundTerms) -> impl Iterator<Item = (&str, &IdentityKey)> {
        let partners = terms.context.indices();
        let partners = partners.filter_map(|index| terms.context.partner(index));
        partners.map(|partner| (partner.id.as_str(), &partner.key))
    }
}

/// From when a decision applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decided {
    /// From this round on.
    Now,
    /// From the next period on: the own table of this round was seen, or is frozen.
    FromNextPeriod,
}

fn missing() -> NodeError {
    NodeError::new(
        Kind::Configuration,
        "a document of the round is missing in the vault",
    )
    .hint("run msht-node run --once to fetch it again")
}

/// Where rounds stand, for `status`.
#[derive(Debug, serde::Serialize)]
pub struct RoundStatus {
    /// The round id.
    pub round: Digest,
    /// Id of the programme.
    pub programme: String,
    /// The period.
    pub period: String,
    /// Attempt at it.
    pub attempt: u32,
    /// Where it stands.
    pub stage: Stage,
    /// What stands in the way, or why it ended.
    pub note: String,
    /// What the ledger says of it, none where nothing was reserved.
    pub budget: Option<String>,
    /// Whether the coordinator has this node's statement that it never unmasked.
    pub abort_statement: bool,
}

impl Node {
    /// Where every round stands, oldest first.
    ///
    /// # Errors
    /// [`Kind::Configuration`].
    pub async fn statuses(&self) -> Result<Vec<RoundStatus>, NodeError> {
        let ledger = self.vault.ledger().await?;
        let mut statuses = Vec::new();
        for row in self.vault.rounds().await? {
            let outcome = ledger.outcome(&row.round);
            let stated = self.vault.statement_acknowledged(row.round).await?;
            statuses.push(RoundStatus::new(&row, outcome, stated));
        }
        Ok(statuses)
    }
}

impl RoundStatus {
    fn new(row: &RoundRow, outcome: Option<Outcome>, abort_statement: bool) -> Self {
        let content = &row.announcement.content;
        Self {
            budget: outcome.map(|outcome| outcome.to_string()),
            abort_statement,
            round: row.round,
            programme: content.programme.clone(),
            period: content.period.clone(),
            attempt: content.attempt,
            stage: row.stage,
            note: row.note.clone(),
        }
    }
}
