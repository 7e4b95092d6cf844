//! Seven oracles that watch a run from outside: everything that leaves a node, everything that becomes durable,
//! every sum that is opened. They know what the shells under test do not: what each partner counted and which noise
//! it drew, and they judge by the programme, not by what the coordinator announced.

mod budget;
mod liveness;
mod payload;
mod releases;
mod shares;
mod sums;

pub(super) use liveness::Stood;

use std::collections::BTreeMap;

use super::disk::NodeDisk;
use super::plan::Plan;
use super::round::Offer;
use crate::crypto::{Digest, digest};
use crate::dp::accountant::Caps;
use crate::secagg::Params;
use crate::secagg::coordinator::Opened;
use crate::secagg::messages::SignedMessage;
use crate::wire::MAX_ENCODED_BYTES;

/// Most findings kept of one run: one is enough to fail it.
const MAX_FINDINGS: usize = 64;

/// What must always hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Oracle {
    /// 1: the sum shows each survivor exactly once and nobody else.
    EachSurvivorOnce,
    /// 2: never t shares of both kinds of one partner.
    OneKindOfShare,
    /// 3: one payload a mask key, byte-identical on resend.
    OnePayload,
    /// 4: budget is reserved before the first byte and never comes back after Mask without a certificate, or t
    /// confirmations of survivors without the partner; never after Unmask.
    BudgetFirst,
    /// 5: no release below m, none over two survivor sets.
    OneRelease,
    /// 6: with no more lost than the rules allow and a fair network, the round ends; honest sides never refuse each
    /// other.
    Liveness,
    /// 7: the honest noise in a sum never falls below the announced shape, and each share of it is in once.
    EnoughNoise,
}

impl Oracle {
    /// Every oracle, by its number.
    pub const ALL: [Self; 7] = [
        Self::EachSurvivorOnce,
        Self::OneKindOfShare,
        Self::OnePayload,
        Self::BudgetFirst,
        Self::OneRelease,
        Self::Liveness,
        Self::EnoughNoise,
    ];
}

/// Something an oracle noticed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Which oracle.
    pub oracle: Oracle,
    /// Virtual seconds since the run began.
    pub at: i64,
    /// What it saw; ids, positions and numbers of test data only.
    pub what: String,
}

/// A round as the programme means it.
struct Facts {
    position: usize,
    window: (time::Date, i32),
    epsilon: crate::rational::Rational,
    share_shape: crate::rational::Rational,
}

/// All seven.
pub(super) struct Oracles {
    params: Params,
    caps: Caps,
    now: i64,
    rounds: BTreeMap<Digest, Facts>,
    sums: sums::Sums,
    shares: shares::Shares,
    payloads: payload::Payloads,
    budget: budget::Budget,
    releases: releases::Releases,
    sent: Digest,
    findings: Vec<Finding>,
}

impl Oracles {
    pub(super) fn new(plan: &Plan, caps: Caps) -> Self {
        Self {
            params: plan.params(),
            caps,
            now: 0,
            rounds: BTreeMap::new(),
            sums: sums::Sums::default(),
            shares: shares::Shares::default(),
            payloads: payload::Payloads::default(),
            budget: budget::Budget::default(),
            releases: releases::Releases::default(),
            sent: Digest::ZERO,
            findings: Vec::new(),
        }
    }

    /// Time went on.
    pub(super) fn at(&mut self, now: i64) {
        self.now = now;
    }

    pub(super) fn found(&mut self, oracle: Oracle, what: String) {
        if self.findings.len() < MAX_FINDINGS {
            let at = self.now;
            self.findings.push(Finding { oracle, at, what });
        }
    }

    /// Digest of everything that left, in order.
    pub(super) fn sent(&self) -> Digest {
        self.sent
    }

    pub(super) fn findings(self) -> Vec<Finding> {
        self.findings
    }

    /// A round was announced. What is kept is the programme's word, not the announcement's.
    pub(super) fn announced(&mut self, offer: &Offer) {
        let announcement = offer.context.announcement();
        let first = offer.terms.period.first_day();
        let honest = u64::from(self.params.least_honest());
        let share_shape = crate::rational::Rational::new(1, honest);
        let facts = Facts {
            position: offer.position,
            window: (first, offer.terms.period.year()),
            epsilon: announcement.epsilon.clone(),
            share_shape: share_shape.unwrap_or_else(|_| crate::rational::Rational::zero()),
        };
        self.rounds.insert(offer.round(), facts);
    }

    /// Bytes leave the machine of a partner, whichever process or copy sends them.
    pub(super) fn left(&mut self, partner: u8, bytes: &[u8], disk: &NodeDisk) {
        self.sent = digest("sent", &[self.sent.as_bytes(), &[partner], bytes]);
        let Ok(message) = SignedMessage::from_bytes(bytes, MAX_ENCODED_BYTES) else {
            return self.found(
                Oracle::OnePayload,
                format!("partner {partner} sent no message"),
            );
        };
        self.payload_left(partner, &message, bytes);
        self.shares_left(partner, &message);
        self.budget_when_left(partner, &message, disk);
    }

    /// After every step of a node: its disk as it is durable.
    pub(super) fn durable(&mut self, partner: u8, disk: &NodeDisk) {
        self.budget_durable(partner, disk);
    }

    /// A sum was opened.
    pub(super) fn opened(&mut self, round: &Digest, opened: &Opened) {
        self.sum_opened(round, opened);
        self.survivors_opened(round, opened);
    }
}
