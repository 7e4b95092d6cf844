//! A programme, and roster, announcement and release of one honest round of three partners under it.

use std::sync::Arc;

use super::cohort::Cohort;
use super::stepwise::Stepwise;
use crate::crypto::{Digest, HexBytes, Identity, Secret};
use crate::programme::Programme;
use crate::rational::Rational;
use crate::release::Release;
use crate::secagg::messages::Phase;
use crate::secagg::{
    Announcement, Deadlines, Fault, LocalPolicy, Partner, PartnerKind, ProgrammeDocument, Proposal,
    Roster, RoundTerms, Signed, accept_terms,
};

/// What the nodes' and the coordinator's choices in the round come from.
const SEED: u64 = 61;
/// When the release was published.
const PUBLISHED_AT: i64 = 1_800_500_000;

/// Documents that fit each other, and the identities that signed them.
pub struct Documents {
    /// The coordinator's identity.
    pub coordinator: Arc<Identity>,
    /// The partners' identities, in list order.
    pub identities: Vec<Arc<Identity>>,
    /// The programme.
    pub programme: Signed<ProgrammeDocument>,
    /// The roster.
    pub roster: Signed<Roster>,
    /// The announcement of the first round.
    pub announcement: Signed<Announcement>,
}

/// The identity of this number.
#[must_use]
#[expect(clippy::expect_used, reason = "test support: any seed makes a key")]
pub fn identity(number: u8) -> Arc<Identity> {
    let secret = Secret::from_bytes([number; 32]);
    Arc::new(Identity::from_seed(secret).expect("any seed makes a key"))
}

/// The policy of a partner that accepts the round.
#[must_use]
pub fn policy() -> LocalPolicy {
    LocalPolicy {
        least_invited: 3,
        least_colluders: 1,
        least_honest: 2,
        most_epsilon: Rational::from_integer(2),
    }
}

#[expect(
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "test support: a programme that does not fit three partners is the test's mistake"
)]
impl Documents {
    /// The documents under the programme with this text.
    #[must_use]
    pub fn of(programme: &str) -> Self {
        let coordinator = identity(1);
        let identities: Vec<_> = (11..=13).map(identity).collect();
        let toml = programme.to_owned();
        let programme = Programme::parse(programme).expect("a valid programme");
        let partner = |(identity, number): (&Arc<Identity>, u8)| Partner {
            id: format!("partner-{number}"),
            name: format!("Partner {number}"),
            kind: PartnerKind::Ngo,
            key: identity.key(),
        };
        let roster = Roster {
            version: 1,
            previous: Digest::ZERO,
            partners: identities.iter().zip(1..).map(partner).collect(),
        };
        let roster = Signed::sign(roster, &coordinator).expect("small");
        let verified = roster.clone().verify(&coordinator.key());
        let verified = verified.expect("signed above");
        let invited = verified.partners.iter().map(|each| each.id.clone());
        let proposal = Proposal {
            period: programme.calendar().first_period(),
            attempt: 1,
            invited: invited.collect(),
            previous_release: HexBytes([4; 32]),
            deadlines: Deadlines {
                join: 1_800_000_000,
                share: 1_800_100_000,
                mask: 1_800_200_000,
                confirm: 1_800_300_000,
                unmask: 1_800_400_000,
            },
        };
        let announcement = Announcement::propose(&programme, &verified, proposal).expect("enough");
        Self {
            programme: Signed::sign(ProgrammeDocument { toml }, &coordinator).expect("small"),
            announcement: Signed::sign(announcement, &coordinator).expect("small"),
            roster,
            coordinator,
            identities,
        }
    }

    /// What a node says to this announcement beside programme and roster.
    ///
    /// # Errors
    /// As [`accept_terms`].
    pub fn accepted(&self, announcement: Signed<Announcement>) -> Result<RoundTerms, Fault> {
        let (programme, roster) = (self.programme.clone(), self.roster.clone());
        let coordinator = self.coordinator.key();
        accept_terms(announcement, programme, roster, coordinator, &policy())
    }

    /// The release of the round, run whole.
    #[must_use]
    pub fn released(&self) -> Signed<Release> {
        let terms = self.accepted(self.announcement.clone());
        let terms = terms.expect("honest terms");
        let mut round = Stepwise::of(Cohort {
            context: Arc::new(terms.context),
            coordinator: Arc::clone(&self.coordinator),
            identities: self.identities.clone(),
            seed: SEED,
        });
        round.advance_to_reply(Phase::Unmask);
        let opened = round.coordinator.opened().expect("everybody took part");
        let context = &round.cohort.context;
        let release = Release::build(context, &terms.programme, opened, PUBLISHED_AT);
        Signed::sign(release.expect("the programme's cells"), &self.coordinator).expect("small")
    }
}
