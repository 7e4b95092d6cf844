//! The programme of a run, and each round as it is announced and as it ends.

use std::fmt::Write as _;
use std::sync::Arc;

use super::plan::{DAY, Plan};
use crate::crypto::{Digest, Identity};
use crate::dp::accountant::Caps;
use crate::programme::{Period, Programme};
use crate::rational::Rational;
use crate::release::Release;
use crate::secagg::{
    AbortNotice, Announcement, Deadlines, Fault, LocalPolicy, Partner, PartnerKind,
    ProgrammeDocument, Proposal, Roster, RoundContext, RoundTerms, Signed, Verified, accept_terms,
};
use crate::tally::{CodedRecord, Counts, Tally};

/// ε that the programme promises for a period.
const PERIOD_EPSILON: u64 = 6;
/// Categories of the table that holds little but noise: enough that two draws are hardly ever alike.
const NOISE_CATEGORIES: u8 = 6;

/// A round as it was announced.
pub(super) struct Offer {
    /// Place among the rounds of the run, from 0.
    pub(super) position: usize,
    /// The terms on which sessions are built.
    pub(super) terms: RoundTerms,
    /// The same terms, as sessions share them.
    pub(super) context: Arc<RoundContext>,
    /// What an honest node's check of the signed documents says.
    pub(super) verdict: Result<(), Fault>,
    /// Attempt at the period.
    pub(super) attempt: u32,
}

impl Offer {
    pub(super) fn round(&self) -> Digest {
        self.context.round()
    }
}

/// How a round ended, as it is served.
pub(super) enum Ending {
    Released(Box<Signed<Release>>),
    Aborted(Signed<AbortNotice>),
}

/// Programme and roster of a run.
pub(super) struct Documents {
    pub(super) programme: Programme,
    signed_programme: Signed<ProgrammeDocument>,
    roster: Verified<Roster>,
    coordinator: Arc<Identity>,
    pub(super) caps: Caps,
}

/// The programme file: one table with a cell a partner, in which each counts one record, and one with little but
/// noise in it.
fn programme_text(plan: &Plan) -> String {
    let params = plan.params();
    let mut who = String::new();
    for partner in 1..=plan.partners {
        let _ = write!(who, "[\"p{partner}\", \"Partner {partner}\"], ");
    }
    let mut noise = String::new();
    for category in 1..=NOISE_CATEGORIES {
        let _ = write!(noise, "[\"c{category}\", \"Category {category}\"], ");
    }
    for categories in [&mut who, &mut noise] {
        categories.push_str("[\"unknown\", \"Not known\"]");
    }
    let parts = 4 * plan.attempts;
    format!(
        r#"
id = "simulated"
version = 1
title = "Simulated"
description = "One record a partner."
promise = "Each partner is counted once."
max_count_per_cell = 1000
word_bits = {word_bits}
privacy = {{ unit = "record", max_records = 1, epsilon_per_period = {PERIOD_EPSILON}, epsilon_per_year = {year} }}
cohort = {{ least_partners = {n}, threshold = {t}, survivors = {m}, colluders = {c} }}
calendar = {{ period = "quarter", first = "2026-Q1", hours = {{ join = 24, share = 24, mask = 24, confirm = 24, unmask = 24 }} }}
dimension = [
    {{ id = "who", title = "Who", categories = [{who}] }},
    {{ id = "noise", title = "Noise", categories = [{noise}] }},
]
table = [
    {{ id = "who", title = "Who", dimensions = ["who"], weight = "3/{parts}" }},
    {{ id = "noise", title = "Noise", dimensions = ["noise"], weight = "1/{parts}" }},
]
"#,
        word_bits = plan.word_bits,
        year = 4 * PERIOD_EPSILON,
        n = params.invited(),
        t = params.threshold(),
        m = params.least_survivors(),
        c = params.colluders(),
    )
}

#[expect(
    clippy::expect_used,
    reason = "test support: a bad plan is the test's mistake"
)]
impl Documents {
    pub(super) fn new(
        plan: &Plan,
        coordinator: &Arc<Identity>,
        identities: &[Arc<Identity>],
    ) -> Self {
        let toml = programme_text(plan);
        let programme = Programme::parse(&toml).expect("a programme");
        let partners = identities.iter().zip(1_u16..);
        let partners = partners.map(|(identity, number)| Partner {
            id: format!("partner-{number:03}"),
            name: format!("Partner {number}"),
            kind: PartnerKind::Other,
            key: identity.key(),
        });
        let roster = Roster {
            version: 1,
            previous: Digest::ZERO,
            partners: partners.collect(),
        };
        let roster = Signed::sign(roster, coordinator).expect("small");
        let roster = roster.verify(&coordinator.key()).expect("signed above");
        let yearly = Rational::from_integer(plan.yearly);
        Self {
            caps: Caps {
                per_period: Rational::from_integer(PERIOD_EPSILON),
                per_year: programme.epsilon_per_round().times(&yearly),
            },
            programme,
            signed_programme: Signed::sign(ProgrammeDocument { toml }, coordinator).expect("small"),
            roster,
            coordinator: Arc::clone(coordinator),
        }
    }

    /// The round at `position`, announced at `now` by the coordinator's clock. `lower_least` announces an m below
    /// the programme's.
    pub(super) fn offer(
        &self,
        position: usize,
        (period, attempt): (Period, u32),
        previous_release: Option<Digest>,
        now: i64,
        lower_least: bool,
    ) -> Offer {
        let proposal = Proposal {
            period,
            attempt,
            invited: self
                .roster
                .partners
                .iter()
                .map(|each| each.id.clone())
                .collect(),
            previous_release: previous_release.unwrap_or(Digest::ZERO),
            deadlines: Deadlines {
                join: now + DAY,
                share: now + 2 * DAY,
                mask: now + 3 * DAY,
                confirm: now + 4 * DAY,
                unmask: now + 5 * DAY,
            },
        };
        let announcement = Announcement::propose(&self.programme, &self.roster, proposal);
        let mut announcement = announcement.expect("a round of the programme");
        if lower_least {
            lower(&mut announcement);
        }
        let signed = Signed::sign(announcement, &self.coordinator).expect("small");
        let key = self.coordinator.key();
        let verified = signed.clone().verify(&key).expect("signed above");
        let context =
            RoundContext::new(verified, self.roster.clone(), key).expect("its own rules hold");
        let accepted = accept_terms(
            signed,
            self.signed_programme.clone(),
            self.roster.as_signed().clone(),
            key,
            &policy(),
        );
        Offer {
            position,
            context: Arc::new(context.clone()),
            terms: RoundTerms {
                context,
                programme: self.programme.clone(),
                period,
            },
            verdict: accepted.map(|_| ()),
            attempt,
        }
    }

    /// What the partner with this index counts: its one record, or `records` of them.
    pub(super) fn counts(&self, index: u8, records: u32) -> Counts {
        let mut tally = Tally::new(&self.programme);
        for _ in 0..records {
            let who = usize::from(index).saturating_sub(1);
            let record = CodedRecord::new(None, vec![vec![who], vec![0]]);
            tally.add(&record).expect("coded for this programme");
        }
        tally.finish()
    }
}

/// m one lower, and everything that follows from m with it, so that only the comparison with the programme tells.
fn lower(announcement: &mut Announcement) {
    let thresholds = &mut announcement.thresholds;
    thresholds.least_survivors = thresholds.least_survivors.saturating_sub(1);
    thresholds.threshold = thresholds.threshold.min(thresholds.least_survivors);
    let honest = thresholds
        .least_survivors
        .saturating_sub(thresholds.colluders);
    if let Ok(shape) = Rational::new(1, u64::from(honest)) {
        announcement.share_shape = shape;
    }
}

fn policy() -> LocalPolicy {
    LocalPolicy {
        least_invited: 3,
        least_colluders: 1,
        least_honest: 2,
        most_epsilon: Rational::from_integer(PERIOD_EPSILON),
    }
}

/// The period after the one of `before` where that was released, else another attempt at it.
#[expect(clippy::expect_used, reason = "test support: a run has a few periods")]
pub(super) fn next_attempt(before: Option<(&Offer, &Ending)>) -> (Period, u32) {
    match before {
        None => ("2026-Q1".parse().expect("a period"), 1),
        Some((offer, Ending::Released(_))) => (offer.terms.period.next().expect("a year later"), 1),
        Some((offer, Ending::Aborted(_))) => (offer.terms.period, offer.attempt + 1),
    }
}
