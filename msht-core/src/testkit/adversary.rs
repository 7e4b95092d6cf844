//! Adversaries: what stands between honest sessions and does as it likes, with the keys of whoever it has corrupted.
//!
//! [`play`] runs a round of honest sessions through an [`Adversary`] and says what came of it: who refused what and
//! whom that blames, what was confirmed and given up, and what is proven. A node that refuses a message leaves the
//! round, as the real one does.

mod behaviours;

use std::collections::BTreeMap;

use super::cohort::Cohort;
use super::forge::body_of;
use super::stepwise::Stepwise;
use crate::secagg::Fault;
use crate::secagg::coordinator::{Opened, Progress};
use crate::secagg::evidence::Evidence;
use crate::secagg::messages::{ConfirmBody, Phase, UnmaskBody};

pub use behaviours::{
    Coordinator, Partner, Replaying, SplitSurvivors, Vanishing, signed_confirmations,
    signed_survivors,
};

/// What is done to the messages of one round. Left out, a direction is honest.
pub trait Adversary {
    /// What arrives at the coordinator in place of a partner's message: nothing, one message or several.
    fn partner_sends(
        &mut self,
        cohort: &Cohort,
        phase: Phase,
        from: u8,
        honest: Vec<u8>,
    ) -> Vec<Vec<u8>> {
        let _ = (cohort, phase, from);
        vec![honest]
    }

    /// What arrives at a partner in place of the coordinator's message, which is none where an honest coordinator
    /// would have none for it.
    fn partner_is_sent(
        &mut self,
        cohort: &Cohort,
        phase: Phase,
        to: u8,
        honest: Option<Vec<u8>>,
    ) -> Vec<Vec<u8>> {
        let _ = (cohort, phase, to);
        Vec::from_iter(honest)
    }
}

/// Nobody lies.
pub struct Honest;

impl Adversary for Honest {}

/// Two adversaries that work together: the second one sees what the first one left.
impl<A: Adversary, B: Adversary> Adversary for (A, B) {
    fn partner_sends(
        &mut self,
        cohort: &Cohort,
        phase: Phase,
        from: u8,
        honest: Vec<u8>,
    ) -> Vec<Vec<u8>> {
        let first = self.0.partner_sends(cohort, phase, from, honest);
        let second = |bytes| self.1.partner_sends(cohort, phase, from, bytes);
        first.into_iter().flat_map(second).collect()
    }

    fn partner_is_sent(
        &mut self,
        cohort: &Cohort,
        phase: Phase,
        to: u8,
        honest: Option<Vec<u8>>,
    ) -> Vec<Vec<u8>> {
        let first = self.0.partner_is_sent(cohort, phase, to, honest);
        if first.is_empty() {
            return self.1.partner_is_sent(cohort, phase, to, None);
        }
        let second = |bytes| self.1.partner_is_sent(cohort, phase, to, Some(bytes));
        first.into_iter().flat_map(second).collect()
    }
}

/// What came of a round.
pub struct Played {
    /// What nodes refused, by the node that did.
    pub node_refusals: Vec<(u8, Fault)>,
    /// What the coordinator refused, by the partner that had sent it.
    pub coordinator_refusals: Vec<(u8, Fault)>,
    /// What each node confirmed.
    pub confirmed: BTreeMap<u8, ConfirmBody>,
    /// The shares each node gave up.
    pub unmasked: BTreeMap<u8, UnmaskBody>,
    /// What the coordinator has proof of.
    pub evidence: Vec<Evidence>,
    /// What nodes have proof of, by the node.
    pub contradictions: Vec<(u8, Evidence)>,
    /// Where the honest coordinator inside the adversary stands.
    pub progress: Progress,
    /// Its sum.
    pub opened: Option<Opened>,
    /// The round as it was left.
    pub round: Stepwise,
}

/// Plays a round, from wherever it is, to its end.
#[must_use]
pub fn play(round: Stepwise, adversary: &mut dyn Adversary) -> Played {
    let mut played = Played {
        node_refusals: Vec::new(),
        coordinator_refusals: Vec::new(),
        confirmed: BTreeMap::new(),
        unmasked: BTreeMap::new(),
        evidence: Vec::new(),
        contradictions: Vec::new(),
        progress: round.coordinator.progress(),
        opened: None,
        round,
    };
    for phase in Phase::ALL {
        played.collect(phase, adversary);
        played.answer(phase, adversary);
    }
    played.progress = played.round.coordinator.progress();
    played.opened = played.round.coordinator.opened().cloned();
    played
}

impl Played {
    /// Every message of the phase goes to the coordinator, which closes it.
    fn collect(&mut self, phase: Phase, adversary: &mut dyn Adversary) {
        let round = &mut self.round;
        for (index, session) in &mut round.nodes {
            if session.phase() != phase {
                continue;
            }
            let Some(honest) = session.poll_transmit().map(<[u8]>::to_vec) else {
                continue;
            };
            match phase {
                Phase::Confirm => drop(self.confirmed.insert(*index, body_of(&honest))),
                Phase::Unmask => drop(self.unmasked.insert(*index, body_of(&honest))),
                _ => {}
            }
            for bytes in adversary.partner_sends(&round.cohort, phase, *index, honest) {
                if let Err(fault) = round.coordinator.handle_message(&bytes) {
                    self.coordinator_refusals.push((*index, fault));
                }
            }
            session.acknowledged();
        }
        round.records.extend(round.coordinator.take_records());
        if matches!(round.coordinator.progress(), Progress::Collecting { phase: open, .. } if open == phase)
        {
            round.close();
        }
        self.evidence.extend(round.coordinator.take_evidence());
    }

    /// Every node is given what the adversary has for it.
    fn answer(&mut self, phase: Phase, adversary: &mut dyn Adversary) {
        let waiting = |(index, session): (&u8, &crate::secagg::node::NodeSession)| {
            (session.awaiting() == Some(phase)).then_some(*index)
        };
        let indices: Vec<u8> = self.round.nodes.iter().filter_map(waiting).collect();
        for index in indices {
            let round = &mut self.round;
            let honest = round.coordinator.message_for(phase, index);
            let honest = honest.map(|bytes| bytes.to_vec());
            for bytes in adversary.partner_is_sent(&round.cohort, phase, index, honest) {
                let Some(session) = round.nodes.get_mut(&index) else {
                    break;
                };
                let handled = session.handle_message(&bytes);
                let proof = session.contradiction(&bytes);
                self.contradictions
                    .extend(proof.map(|proof| (index, proof)));
                match handled {
                    Ok(_) => round.store(index),
                    Err(fault) => {
                        self.node_refusals.push((index, fault));
                        round.lose(index);
                    }
                }
            }
        }
    }
}
