//! Virtual time: events in the order of their time, equal times in the order they were made.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::round::{Ending, Offer};
use crate::crypto::Digest;
use crate::secagg::messages::Phase;

/// What a node asks the coordinator.
#[derive(Clone)]
pub(super) enum Request {
    /// Its message of a phase.
    Put {
        round: Digest,
        phase: Phase,
        bytes: Arc<[u8]>,
    },
    /// The coordinator's message of a phase.
    Message { position: usize, phase: Phase },
    /// What is known of the round at a position.
    Round { position: usize },
    /// Its statement that it never unmasks in a round that was given up.
    Statement { round: Digest, bytes: Arc<[u8]> },
    /// The abort certificate of a round.
    Certificate { round: Digest },
}

/// What the coordinator answers.
#[derive(Clone)]
pub(super) enum Reply {
    /// The message is durable, or not needed any more.
    Accepted { round: Digest, phase: Phase },
    /// The message came too late.
    TooLate { round: Digest },
    /// The coordinator's message of a phase.
    Message { round: Digest, bytes: Arc<[u8]> },
    /// The round at a position, and how it ended where it has.
    Round {
        position: usize,
        offer: Arc<Offer>,
        ending: Option<Arc<Ending>>,
    },
    /// The statement is durable.
    StatementTaken { round: Digest },
    /// The abort certificate of a round.
    Certificate { round: Digest, bytes: Arc<[u8]> },
}

/// Something that happens at one time.
pub(super) enum Event {
    NodeTurn(u8),
    NodeRestart(u8),
    NodeResolved(u8),
    CoordinatorTurn,
    CoordinatorRestart,
    OpenRound,
    ToCoordinator {
        from: u8,
        sent: u64,
        request: Request,
    },
    ToNode {
        to: u8,
        sent: u64,
        reply: Reply,
    },
}

/// The queue of what is to happen, and the time.
#[derive(Default)]
pub(super) struct Schedule {
    now: i64,
    sequence: u64,
    queue: BTreeMap<(i64, u64), Event>,
}

impl Schedule {
    pub(super) fn now(&self) -> i64 {
        self.now
    }

    /// A number later than every earlier one.
    pub(super) fn next_sequence(&mut self) -> u64 {
        self.sequence += 1;
        self.sequence
    }

    /// `event` happens `delay` seconds from now.
    pub(super) fn after(&mut self, delay: i64, event: Event) {
        let sequence = self.next_sequence();
        self.queue
            .insert((self.now + delay.max(0), sequence), event);
    }

    /// The next event; time moves on to it.
    pub(super) fn next(&mut self) -> Option<Event> {
        let ((time, _), event) = self.queue.pop_first()?;
        self.now = time;
        Some(event)
    }
}
