//! The agent: keeps the node's one connection, learns of rounds, and finishes those it may take part in.
//!
//! It can be stopped at any time: what it has done is in the vault, and it goes on from there.

mod certificate;
mod drive;
mod join;
mod learn;
mod outcome;
pub mod pace;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use msht_core::crypto::{Digest, IdentityKey};
use msht_core::dp::accountant::TombstoneReason;
use msht_core::secagg::messages::Phase;
use msht_core::secagg::node::NodeSession;
use msht_core::wire::{Refusal, Request, Response, RoundNews, RoundState};

use crate::error::{Kind, NodeError};
use crate::governance::KeyChangeState;
use crate::node::Node;
use crate::transport::Link;
use crate::vault::{RoundRow, Stage};

/// First pause before connecting again; doubles up to [`LONGEST_PAUSE`].
pub const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// Longest pause before connecting again.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// How often the agent looks whether somebody decided, while it waits for news.
pub const LOCAL_LOOK: Duration = Duration::from_secs(1);
/// Answers to `Poll` read in one run with `--once`.
const ONCE_POLLS: usize = 1;

/// Something the agent did, for a screen or a log: ids and outcomes, never counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AgentEvent {
    /// The connection stands.
    Connected,
    /// The connection failed or ended; the agent tries again.
    Disconnected {
        /// Why.
        reason: String,
    },
    /// A change of this node's key is finished.
    KeyChanged {
        /// The key it has now.
        key: IdentityKey,
    },
    /// A round is announced or waits.
    Waiting {
        /// The round.
        round: Digest,
        /// For what.
        note: String,
    },
    /// The contribution is frozen and the budget reserved.
    Frozen {
        /// The round.
        round: Digest,
    },
    /// A message was acknowledged.
    Sent {
        /// The round.
        round: Digest,
        /// Its phase.
        phase: Phase,
    },
    /// A release was received and verified.
    Released {
        /// The round.
        round: Digest,
        /// Whether this node's figures are in it.
        ours: bool,
    },
    /// The coordinator has this node's statement that it never unmasked in the round.
    Stated {
        /// The round.
        round: Digest,
    },
    /// The charge of the round came back.
    Returned {
        /// The round.
        round: Digest,
    },
    /// The round ended without a release for this node.
    Ended {
        /// The round.
        round: Digest,
        /// How.
        stage: Stage,
        /// Why.
        note: String,
    },
}

/// Told of everything the agent does; `Break` stops the agent on the spot.
pub type Observer = Arc<dyn Fn(&AgentEvent) -> ControlFlow<()> + Send + Sync>;

/// Whether and how the agent stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stopped {
    /// All that can be done now is done (`once`).
    Done,
    /// The observer stopped it.
    ByObserver,
}

/// Why work on a round was interrupted.
pub(crate) enum Interrupt {
    /// The observer wants to stop.
    Stop,
    /// Something failed.
    Error(NodeError),
}

impl From<NodeError> for Interrupt {
    fn from(error: NodeError) -> Self {
        Self::Error(error)
    }
}

/// The agent of one node.
pub struct Agent {
    pub(crate) node: Arc<Node>,
    observer: Observer,
    pub(crate) sessions: BTreeMap<Digest, NodeSession>,
    /// Rounds that have ended and for which nothing is left to be done.
    settled: BTreeSet<Digest>,
    bytes_sent: u64,
    over_budget: Option<NodeError>,
}

impl Agent {
    /// An agent that tells nobody what it does.
    #[must_use]
    pub fn new(node: Arc<Node>) -> Self {
        Self::observed(node, Arc::new(|_| ControlFlow::Continue(())))
    }

    /// An agent that tells `observer` what it does.
    #[must_use]
    pub fn observed(node: Arc<Node>, observer: Observer) -> Self {
        Self {
            node,
            observer,
            sessions: BTreeMap::new(),
            settled: BTreeSet::new(),
            bytes_sent: 0,
            over_budget: None,
        }
    }

    /// Bytes sent over connections that have ended, as the transport counts them.
    #[must_use]
    pub fn bytes_sent(&self) -> u64 {
        self.bytes_sent
    }

    /// Why a round was not joined although it is approved: it would cost more than may be spent.
    #[must_use]
    pub fn over_budget(&self) -> Option<&NodeError> {
        self.over_budget.as_ref()
    }

    /// The node this agent works for.
    #[must_use]
    pub fn node(&self) -> &Arc<Node> {
        &self.node
    }

    pub(crate) fn tell(&self, event: &AgentEvent) -> Result<(), Interrupt> {
        tracing::info!(?event, "agent");
        match (self.observer)(event) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(Interrupt::Stop),
        }
    }

    /// Does all that can be done now, and returns.
    ///
    /// # Errors
    /// Whatever stands in the way of the connection or the vault.
    pub async fn run_once(&mut self) -> Result<Stopped, NodeError> {
        match self.renew().await {
            Ok(()) => {}
            Err(Interrupt::Stop) => return Ok(Stopped::ByObserver),
            Err(Interrupt::Error(error)) => return Err(error),
        }
        let link = self.node.connect().await?;
        let done = self.work(&link, Some(ONCE_POLLS)).await;
        link.close().await;
        match done {
            Ok(()) => Ok(Stopped::Done),
            Err(Interrupt::Stop) => Ok(Stopped::ByObserver),
            Err(Interrupt::Error(error)) => Err(error),
        }
    }

    /// Runs until the observer stops it or the future is dropped; connects again whenever the connection ends.
    ///
    /// # Errors
    /// What no waiting mends: an identity the coordinator does not know, or a vault that may be an older copy.
    pub async fn run(&mut self) -> Result<Stopped, NodeError> {
        let mut pause = FIRST_PAUSE;
        loop {
            match self.node.settle().await {
                Ok(_) => {
                    if let Err(Interrupt::Stop) = self.expire().await {
                        return Ok(Stopped::ByObserver);
                    }
                }
                Err(error) if error.kind == Kind::Quarantine => return Err(error),
                // Met again, and told, when connecting.
                Err(_) => {}
            }
            let error = match self.one_connection(&mut pause).await {
                Ok(()) => NodeError::new(Kind::Network, "the connection ended"),
                Err(Interrupt::Stop) => return Ok(Stopped::ByObserver),
                Err(Interrupt::Error(error)) if self.is_final(&error).await => return Err(error),
                Err(Interrupt::Error(error)) => error,
            };
            self.sessions.clear();
            let event = AgentEvent::Disconnected {
                reason: error.to_string(),
            };
            if let Err(Interrupt::Stop) = self.tell(&event) {
                return Ok(Stopped::ByObserver);
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Connects, and works until the connection ends.
    async fn one_connection(&mut self, pause: &mut Duration) -> Result<(), Interrupt> {
        self.renew().await?;
        let link = self.node.connect().await?;
        *pause = FIRST_PAUSE;
        let outcome = self.work(&link, None).await;
        self.bytes_sent += link.bytes_sent();
        link.close().await;
        outcome
    }

    /// Whether no waiting mends this: the coordinator does not know this node's key, or was revoked here. A key that
    /// another process changed meanwhile is taken up with the next connection, and so is a coordinator's new key once
    /// somebody accepts it.
    async fn is_final(&self, error: &NodeError) -> bool {
        error.kind == Kind::Quarantine
            || error.kind == Kind::Unwelcome && !self.keys_changed().await.unwrap_or(true)
    }

    /// Goes on with the identity and the coordinator that the vault has now, and finishes a change of the own key that
    /// was interrupted.
    async fn renew(&mut self) -> Result<(), Interrupt> {
        let mut node = self.node.renewed().await?;
        match node.finish_key_change().await {
            Ok(KeyChangeState::None) => {}
            Ok(KeyChangeState::Finished) => {
                node = node.renewed().await?;
                let key = node.identity.key();
                self.tell(&AgentEvent::KeyChanged { key })?;
            }
            // Both identities stay, and the node goes on with the one it had.
            Err(error) => tracing::warn!(%error, "the change of the own key is not finished"),
        }
        self.node = Arc::new(node);
        Ok(())
    }

    /// Whether another process changed the identity or the coordinator since this connection was made.
    async fn keys_changed(&self) -> Result<bool, NodeError> {
        let now = self.node.renewed().await?;
        Ok(self.node.vault.next_identity().await?.is_some()
            || now.identity.key() != self.node.identity.key()
            || now.enrolment.coordinator != self.node.enrolment.coordinator)
    }

    /// Learns of programmes and rounds, and does nothing about them.
    ///
    /// # Errors
    /// Whatever stands in the way of the connection or the vault.
    pub async fn sync(node: &Node) -> Result<(), NodeError> {
        let link = node.connect().await?;
        let learned = learn::learn_all(node, &link).await;
        link.close().await;
        learned
    }

    async fn work(&mut self, link: &Link, polls: Option<usize>) -> Result<(), Interrupt> {
        self.tell(&AgentEvent::Connected)?;
        let (mut seen, mut news, mut left) = (0, Vec::new(), polls);
        loop {
            let request = Request::Poll { seen };
            let poll = link.request(&request);
            let mut poll = std::pin::pin!(poll);
            let response = loop {
                tokio::select! {
                    response = &mut poll => break response?,
                    () = tokio::time::sleep(LOCAL_LOOK) => {
                        self.node.check_coordinator().await?;
                        self.look_at_waiting(link, &news).await?;
                    }
                }
            };
            let Response::News {
                number,
                rounds,
                programmes,
            } = checked(response)?
            else {
                return Err(out_of_turn().into());
            };
            seen = number;
            news = rounds;
            self.expire().await?;
            self.node.check_coordinator().await?;
            learn::sit_out_unknown(&self.node, link, &news).await?;
            learn::learn_programmes(&self.node, link, &programmes).await?;
            learn::learn_governance(&self.node, link).await?;
            for round in &news {
                self.advance_noting(link, round).await?;
            }
            left = left.map(|polls| polls - 1);
            if left == Some(0) {
                return Ok(());
            }
        }
    }

    /// After a round's last deadline nothing more is sent for it: seeds and shares are erased.
    async fn expire(&mut self) -> Result<(), Interrupt> {
        let now = self.node.surroundings.now();
        for row in self.node.vault.rounds().await? {
            let over = now > row.announcement.content.deadlines.unmask;
            if over && matches!(row.stage, Stage::Announced | Stage::Joined) {
                let tombstone = Some(TombstoneReason::DeadlinePassed);
                self.end(
                    &row,
                    Stage::LeftOut,
                    "its last deadline has passed",
                    tombstone,
                )
                .await?;
            }
        }
        Ok(())
    }

    /// While waiting for news: rounds that wait for a decision may have got one.
    async fn look_at_waiting(&mut self, link: &Link, news: &[RoundNews]) -> Result<(), Interrupt> {
        for round in news {
            let row = self.node.vault.round(round.round).await?;
            if row.is_some_and(|row| row.stage == Stage::Announced) {
                self.advance_noting(link, round).await?;
            }
        }
        Ok(())
    }

    /// Gets on with a round; what stands in the way of this round alone is noted and does not stop the others.
    async fn advance_noting(&mut self, link: &Link, news: &RoundNews) -> Result<(), Interrupt> {
        let advanced = match self.advance(link, news).await {
            Ok(()) => self.after_the_end(link, news.round).await,
            stopped => stopped,
        };
        match advanced {
            Err(Interrupt::Error(error))
                if !matches!(error.kind, Kind::Network | Kind::Quarantine) =>
            {
                self.sessions.remove(&news.round);
                let text = match &error.hint {
                    Some(hint) => format!("{error}; {hint}"),
                    None => error.to_string(),
                };
                if error.kind == Kind::Budget {
                    self.over_budget = Some(error);
                }
                self.note(news.round, &text).await
            }
            other => other,
        }
    }

    pub(crate) async fn note(&self, round: Digest, note: &str) -> Result<(), Interrupt> {
        let row = self.node.vault.round(round).await?;
        if row.is_some_and(|row| row.note == note) {
            return Ok(());
        }
        self.node
            .vault
            .note(round, note, self.node.surroundings.now())
            .await?;
        self.tell(&AgentEvent::Waiting {
            round,
            note: note.to_owned(),
        })
    }

    async fn advance(&mut self, link: &Link, news: &RoundNews) -> Result<(), Interrupt> {
        let row: RoundRow = match self.node.vault.round(news.round).await? {
            Some(row) => row,
            None => match learn::learn_round(&self.node, link, news.round).await? {
                Some(row) => {
                    let (round, note) = (row.round, "announced".to_owned());
                    self.tell(&AgentEvent::Waiting { round, note })?;
                    row
                }
                None => return Ok(()),
            },
        };
        match (row.stage, news.state) {
            (Stage::Released, _) => Ok(()),
            (stage, RoundState::Aborted) if !stage.has_ended() => self.aborted(link, &row).await,
            (_, RoundState::Aborted) => Ok(()),
            (_, RoundState::Released) => self.released(link, &row).await,
            (Stage::Announced, RoundState::Open(phase)) if phase == Phase::Join.number() => {
                self.try_join(link, &row).await
            }
            (Stage::Announced, RoundState::Open(_)) => {
                let note = "the time to join was over before this node was ready";
                self.end(&row, Stage::LeftOut, note, None).await
            }
            (Stage::Joined | Stage::Unmasked, RoundState::Open(_)) => self.drive(link, &row).await,
            (Stage::Aborted | Stage::LeftOut | Stage::Refused, RoundState::Open(_)) => Ok(()),
        }
    }
}

fn out_of_turn() -> NodeError {
    NodeError::new(Kind::Network, "the coordinator answered out of turn")
}

pub(crate) fn checked(response: Response) -> Result<Response, NodeError> {
    match response {
        Response::Refused(Refusal::UnknownIdentity) => Err(NodeError::new(
            Kind::Unwelcome,
            Refusal::UnknownIdentity.to_string(),
        )
        .hint("ask the coordinator's operator for an invite, then: msht-node enrol INVITE")),
        Response::Refused(Refusal::Revoked) => Err(NodeError::new(
            Kind::Unwelcome,
            Refusal::Revoked.to_string(),
        )
        .hint("after a change of this node's key run the agent again; after a revocation ask the operator for an invite, then: msht-node enrol --new-key INVITE")),
        Response::Refused(refusal) => Err(NodeError::new(Kind::Network, refusal.to_string())),
        response => Ok(response),
    }
}
