//! What goes wrong: on the way of a message, and by chance at each occasion.

use rand::RngExt;

use super::plan::{HOUR, Hazard};
use super::schedule::{Event, Reply, Request};
use super::{BEGINNING, COORDINATOR, Simulation};

impl Simulation {
    pub(super) fn count(&mut self, kind: &'static str) {
        *self.injected.entry(kind).or_default() += 1;
    }

    pub(super) fn chance(&mut self, per_mille: u32) -> bool {
        per_mille > 0 && self.rng.random_range(0..1000) < per_mille
    }

    /// Whether `hazard` strikes a side now; `kind` is what its strikes in one round are counted under.
    pub(super) fn strikes(&mut self, side: u8, kind: &'static str, hazard: Hazard) -> bool {
        if !self.chance(hazard.per_mille) {
            return false;
        }
        let strikes = self.strikes.entry((side, kind)).or_default();
        if *strikes >= hazard.most {
            return false;
        }
        *strikes += 1;
        true
    }

    /// A duration within that of `hazard`.
    pub(super) fn duration(&mut self, hazard: Hazard) -> i64 {
        self.rng.random_range(1..=hazard.longest_s.max(1))
    }

    pub(super) fn send_request(&mut self, from: u8, request: &Request) {
        self.transmit(|sent| Event::ToCoordinator {
            from,
            sent,
            request: request.clone(),
        });
    }

    pub(super) fn send_reply(&mut self, to: u8, reply: &Reply) {
        self.transmit(|sent| Event::ToNode {
            to,
            sent,
            reply: reply.clone(),
        });
    }

    /// A message on its way: it may be lost, doubled, and takes its time.
    fn transmit(&mut self, make: impl Fn(u64) -> Event) {
        let weather = self.plan.weather;
        let sent = self.schedule.next_sequence();
        if self.chance(weather.lost_per_mille) {
            return self.count("message lost");
        }
        let mut copies = 1;
        if self.chance(weather.doubled_per_mille) {
            self.count("message doubled");
            copies = 2;
        }
        for _ in 0..copies {
            let delay = self.rng.random_range(0..=weather.longest_delay_s);
            if delay > HOUR {
                self.count("message delayed by more than an hour");
            }
            self.schedule.after(delay, make(sent));
        }
    }

    /// Counts a message that one sent after it has overtaken.
    pub(super) fn note_overtaking(&mut self, link: (u8, bool), sent: u64) {
        let latest = self.latest.entry(link).or_default();
        if sent < *latest {
            self.count("message reordered");
        } else {
            *latest = sent;
        }
    }

    /// Whether a side's disk refuses to write now. A refused write begins a time in which all are.
    pub(super) fn disk_refuses(&mut self, side: u8) -> bool {
        let (hazard, kind) = match side {
            COORDINATOR => (self.plan.coordinator_disk, "coordinator write refused"),
            _ => (self.plan.node_disk, "node write refused"),
        };
        let now = self.schedule.now();
        let begins = self.strikes(side, kind, hazard);
        let duration = if begins { self.duration(hazard) } else { 0 };
        let full_until = match self.nodes.get_mut(&side) {
            Some(node) => &mut node.disk.full_until,
            None => &mut self.coordinator.disk.full_until,
        };
        *full_until = (*full_until).max(now + duration);
        let refuses = now < *full_until;
        if refuses {
            self.count(kind);
        }
        refuses
    }

    /// Whether a side that has no session in memory waits with rebuilding it: its disk refuses writes just now.
    pub(super) fn waits_for_disk(&self, side: u8) -> bool {
        let full_until = match self.nodes.get(&side) {
            Some(node) => node.disk.full_until,
            None => self.coordinator.disk.full_until,
        };
        self.schedule.now() < full_until
    }

    /// A side's clock may jump.
    pub(super) fn clock_may_jump(&mut self, side: u8) {
        let (hazard, kinds) = match side {
            COORDINATOR => (
                self.plan.coordinator_clock,
                [
                    "coordinator clock jumped ahead",
                    "coordinator clock jumped back",
                ],
            ),
            _ => (
                self.plan.node_clock,
                ["node clock jumped ahead", "node clock jumped back"],
            ),
        };
        if !self.strikes(side, "clock", hazard) {
            return;
        }
        let [ahead, back] = kinds;
        let seconds = self.duration(hazard);
        let (kind, jump) = if self.rng.random_bool(0.5) {
            (ahead, seconds)
        } else {
            (back, -seconds)
        };
        self.count(kind);
        match self.nodes.get_mut(&side) {
            Some(node) => node.clock_offset += jump,
            None => self.coordinator.clock_offset += jump,
        }
    }

    /// The time by a side's clock, seconds since 1970-01-01 UTC.
    pub(super) fn clock(&self, side: u8) -> i64 {
        let offset = match self.nodes.get(&side) {
            Some(node) => node.clock_offset,
            None => self.coordinator.clock_offset,
        };
        BEGINNING + self.schedule.now() + offset
    }
}
