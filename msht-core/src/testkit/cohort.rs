//! A ready-made cohort: identities, roster, announcement and context, all from one seed.

use std::sync::Arc;

use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::crypto::{Digest, HexBytes, Identity};
use crate::programme::Programme;
use crate::rational::Rational;
use crate::secagg::node::{Frozen, NodeSession};
use crate::secagg::{
    AnnouncedTable, Announcement, Deadlines, Params, Partner, PartnerKind, Proposal, Roster,
    RoundContext, Signed, Thresholds, Verified,
};

/// Seconds between the deadlines of two phases in a test round: a virtual day.
pub const PHASE_SECONDS: i64 = 86_400;

/// Partners, coordinator and terms of one test round.
pub struct Cohort {
    /// The terms of the round.
    pub context: Arc<RoundContext>,
    /// The coordinator's identity.
    pub coordinator: Arc<Identity>,
    /// The partners' identities, in list order.
    pub identities: Vec<Arc<Identity>>,
    /// What every random choice of this cohort comes from.
    pub seed: u64,
}

/// What a cohort is made of.
pub struct CohortOptions {
    /// Partners invited.
    pub partners: u8,
    /// t, m and c; the defaults of the protocol where none.
    pub thresholds: Option<Thresholds>,
    /// Cells of the only table.
    pub cells: u32,
    /// 32 or 64.
    pub word_bits: u32,
    /// Attempt number, to make otherwise equal rounds differ.
    pub attempt: u32,
}

impl Default for CohortOptions {
    fn default() -> Self {
        Self {
            partners: 5,
            thresholds: None,
            cells: 8,
            word_bits: 32,
            attempt: 1,
        }
    }
}

impl Cohort {
    /// A cohort whose every key follows from `seed`.
    #[must_use]
    pub fn new(options: &CohortOptions, seed: u64) -> Self {
        Self::on_terms(options.partners, seed, |roster| Announcement {
            roster_digest: roster.digest(),
            ..announcement(options, &roster.partners)
        })
    }

    /// A cohort in the first round of a programme that a coordinator would announce for `period`.
    #[must_use]
    #[expect(
        clippy::expect_used,
        reason = "test support: a bad option is the test's mistake"
    )]
    pub fn of_programme(
        programme: &Programme,
        period: &str,
        partners: u8,
        previous_release: Digest,
        seed: u64,
    ) -> Self {
        Self::on_terms(partners, seed, |roster| {
            let proposal = Proposal {
                period: period.parse().expect("a period"),
                attempt: 1,
                invited: roster.partners.iter().map(|p| p.id.clone()).collect(),
                previous_release,
                deadlines: deadlines(),
            };
            Announcement::propose(programme, roster, proposal).expect("options within the rules")
        })
    }

    #[expect(
        clippy::expect_used,
        reason = "test support: a bad option is the test's mistake"
    )]
    fn on_terms(
        partners: u8,
        seed: u64,
        announce: impl FnOnce(&Verified<Roster>) -> Announcement,
    ) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let identity =
            |rng: &mut StdRng| Arc::new(Identity::generate(rng).expect("any seed makes a key"));
        let coordinator = identity(&mut rng);
        let identities: Vec<_> = (0..partners).map(|_| identity(&mut rng)).collect();
        let partners: Vec<Partner> = identities
            .iter()
            .zip(1..)
            .map(|(identity, number): (_, u16)| Partner {
                id: format!("partner-{number:03}"),
                name: format!("Partner {number}"),
                kind: PartnerKind::Other,
                key: identity.key(),
            })
            .collect();
        let roster = Roster {
            version: 1,
            previous: Digest::ZERO,
            partners,
        };
        let roster = Signed::sign(roster, &coordinator)
            .expect("small")
            .verify(&coordinator.key());
        let roster = roster.expect("signed above");
        let announcement = Signed::sign(announce(&roster), &coordinator).expect("small");
        let announcement = announcement
            .verify(&coordinator.key())
            .expect("signed above");
        let context = RoundContext::new(announcement, roster, coordinator.key());
        let context = Arc::new(context.expect("options within the rules"));
        Self {
            context,
            coordinator,
            identities,
            seed,
        }
    }

    /// The identity of the partner with this index, counted from 1.
    #[must_use]
    #[expect(
        clippy::expect_used,
        reason = "test support: an unknown index is the test's mistake"
    )]
    pub fn identity(&self, index: u8) -> Arc<Identity> {
        let position = usize::from(index)
            .checked_sub(1)
            .expect("indices count from 1");
        Arc::clone(self.identities.get(position).expect("index of this cohort"))
    }

    /// A contribution that tells each partner apart in the sum: cell k holds index · k, every third one −1.
    #[must_use]
    pub fn contribution(&self, index: u8) -> Vec<i64> {
        (1..)
            .take(self.context.cells())
            .map(|cell| {
                if cell % 3 == 0 {
                    -1
                } else {
                    i64::from(index) * cell
                }
            })
            .collect()
    }

    /// The sum of the contributions of `survivors`.
    #[must_use]
    pub fn expected_sum(&self, survivors: &[u8]) -> Vec<i64> {
        let mut sum = vec![0; self.context.cells()];
        for survivor in survivors {
            for (total, value) in sum.iter_mut().zip(self.contribution(*survivor)) {
                *total += value;
            }
        }
        sum
    }

    /// A node session around the partner's contribution, seeds drawn from the cohort's seed.
    #[must_use]
    #[expect(
        clippy::expect_used,
        reason = "test support: the contribution fits the announcement"
    )]
    pub fn node(&self, index: u8) -> NodeSession {
        let frozen = self.frozen(index, &self.contribution(index));
        NodeSession::start(Arc::clone(&self.context), self.identity(index), frozen)
            .expect("the identity is on the roster")
    }

    /// A frozen contribution with these values.
    #[must_use]
    #[expect(
        clippy::expect_used,
        reason = "test support: the caller gives the announced length"
    )]
    pub fn frozen(&self, index: u8, values: &[i64]) -> Frozen {
        let mut rng = StdRng::seed_from_u64(self.seed ^ (u64::from(index) << 32));
        let id = &self
            .context
            .partner(index)
            .expect("index of this cohort")
            .id;
        Frozen::draw(&self.context, id, values, (0, HexBytes::ZERO), &mut rng)
            .expect("announced length")
    }
}

#[expect(
    clippy::expect_used,
    reason = "test support: a bad option is the test's mistake"
)]
fn announcement(options: &CohortOptions, partners: &[Partner]) -> Announcement {
    let params = match options.thresholds {
        Some(thresholds) => Params::new(partners.len(), thresholds),
        None => Params::defaults(partners.len()),
    }
    .expect("options within the rules");
    let rate = Rational::one();
    Announcement {
        programme: "test".to_owned(),
        programme_digest: Digest::ZERO,
        roster_version: 1,
        roster_digest: Digest::ZERO,
        previous_release: Digest::ZERO,
        period: "2026-Q3".to_owned(),
        attempt: options.attempt,
        invited: partners.iter().map(|partner| partner.id.clone()).collect(),
        thresholds: params.thresholds(),
        epsilon: rate.clone(),
        tables: vec![AnnouncedTable {
            name: "cells".to_owned(),
            cells: options.cells,
            sensitivity: 1,
            rate,
            cell_bound: 1_000_000,
        }],
        share_shape: Rational::new(1, u64::from(params.least_honest())).expect("m − c ≥ 2"),
        removable_levels: 0,
        word_bits: options.word_bits,
        deadlines: deadlines(),
    }
}

/// A virtual day a phase.
fn deadlines() -> Deadlines {
    Deadlines {
        join: PHASE_SECONDS,
        share: 2 * PHASE_SECONDS,
        mask: 3 * PHASE_SECONDS,
        confirm: 4 * PHASE_SECONDS,
        unmask: 5 * PHASE_SECONDS,
    }
}
