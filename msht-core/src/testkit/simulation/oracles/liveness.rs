//! Oracle 6: with at most n − t lost and a fair network the round ends, and honest sides never refuse each other.

use super::{Oracle, Oracles};

/// How one round stood when the run stopped.
pub(in super::super) struct Stood {
    pub(in super::super) position: usize,
    pub(in super::super) has_ended: bool,
    pub(in super::super) was_released: bool,
    /// Partners that are still there and have not learned how it ended.
    pub(in super::super) waiting: Vec<u8>,
}

impl Oracles {
    /// An honest side refused what another honest side sent.
    pub(in super::super) fn refused(&mut self, what: String) {
        self.found(Oracle::Liveness, what);
    }

    /// The run is over: every round must have ended, and in a fair run with a release that everybody knows.
    pub(in super::super) fn stopped(&mut self, fair: bool, stood: &Stood) {
        let position = stood.position;
        if !stood.has_ended {
            self.found(Oracle::Liveness, format!("round {position} never ended"));
        } else if fair && !stood.was_released {
            self.found(Oracle::Liveness, format!("round {position} was given up"));
        }
        if fair && !stood.waiting.is_empty() {
            let what = format!(
                "{:?} never learned how round {position} ended",
                stood.waiting
            );
            self.found(Oracle::Liveness, what);
        }
    }
}
