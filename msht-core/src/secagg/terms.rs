//! From programme to announcement, and back: what the coordinator proposes and what a node accepts.

use rand::CryptoRng;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::announcement::{AnnouncedTable, Announcement, Deadlines};
use super::checks::{Check, Fault, Violation};
use super::context::RoundContext;
use super::params::{Params, ParamsError};
use super::roster::Roster;
use super::signed::{Document, Signed, Verified};
use crate::crypto::{Digest, IdentityKey, SignLabel};
use crate::dp::calibration::{CalibrationError, share_shape};
use crate::dp::contribution::{ContributionError, NoisyTable};
use crate::dp::pool::NoiseDraw;
use crate::programme::{Period, Programme};
use crate::rational::Rational;
use crate::tally::Counts;

/// A programme as it is signed and sent: its text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgrammeDocument {
    /// The programme file.
    pub toml: String,
}

impl Document for ProgrammeDocument {
    const LABEL: SignLabel = SignLabel::Programme;
    const DIGEST_LABEL: &'static str = "programme-document";
}

/// What the operator chooses when a round is opened; everything else follows from programme and roster.
#[derive(Debug, Clone)]
pub struct Proposal {
    /// The period to count.
    pub period: Period,
    /// Attempt at it, from 1.
    pub attempt: u32,
    /// Ids of the partners to invite.
    pub invited: Vec<String>,
    /// Digest of the programme's latest release; zero before the first.
    pub previous_release: Digest,
    /// Latest times of the phases.
    pub deadlines: Deadlines,
}

/// Why a proposal is not a round.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProposalError {
    /// The programme does not count such a period.
    #[error("the programme counts periods like {example}, from then on; `{found}` is not one")]
    Period {
        /// The period asked for.
        found: String,
        /// The programme's first period.
        example: String,
    },
    /// The programme asks for more partners.
    #[error("the programme asks for at least {needed} partners; {found} are invited")]
    TooFewPartners {
        /// Partners invited.
        found: usize,
        /// Partners the programme asks for.
        needed: u32,
    },
    /// A partner is not on the roster.
    #[error("`{0}` is not on the roster")]
    NotOnRoster(String),
    /// The numbers break a rule.
    #[error(transparent)]
    Params(#[from] ParamsError),
    /// The noise cannot be shared out.
    #[error(transparent)]
    Noise(#[from] CalibrationError),
    /// The deadlines are not in order.
    #[error("each phase must end after the one before")]
    Deadlines,
}

/// n, t, m and c of a programme for a cohort of `invited`: its own where it fixes them, else the defaults.
///
/// # Errors
/// [`ParamsError`].
pub fn planned_params(programme: &Programme, invited: usize) -> Result<Params, ParamsError> {
    let mut thresholds = Params::defaults(invited)?.thresholds();
    let rules = programme.cohort();
    let number = |fixed: Option<u32>, default: u8| match fixed {
        Some(value) => u8::try_from(value).map_err(|_| ParamsError::Invited(invited)),
        None => Ok(default),
    };
    thresholds.threshold = number(rules.threshold(), thresholds.threshold)?;
    let least = thresholds.least_survivors.max(thresholds.threshold);
    thresholds.least_survivors = number(rules.survivors(), least)?;
    thresholds.colluders = number(rules.colluders(), thresholds.colluders)?;
    Params::new(invited, thresholds)
}

/// The tables of a programme as every announcement of it lists them.
#[must_use]
pub fn announced_tables(programme: &Programme) -> Vec<AnnouncedTable> {
    let tables = programme.tables().iter();
    tables
        .map(|table| AnnouncedTable {
            name: table.id().to_owned(),
            cells: u32::try_from(table.cells()).unwrap_or(u32::MAX),
            sensitivity: table.sensitivity(),
            rate: table.noise_rate().clone(),
            cell_bound: programme.cell_bound(table),
        })
        .collect()
}

impl Announcement {
    /// The announcement of a proposed round.
    ///
    /// # Errors
    /// [`ProposalError`].
    pub fn propose(
        programme: &Programme,
        roster: &Verified<Roster>,
        proposal: Proposal,
    ) -> Result<Self, ProposalError> {
        let Proposal {
            period,
            attempt,
            mut invited,
            previous_release,
            deadlines,
        } = proposal;
        if !programme.calendar().covers(period) {
            let example = programme.calendar().first_period().to_string();
            return Err(ProposalError::Period {
                found: period.to_string(),
                example,
            });
        }
        invited.sort_unstable();
        invited.dedup();
        let needed = programme.cohort().least_partners();
        if u32::try_from(invited.len()).is_ok_and(|found| found < needed) {
            return Err(ProposalError::TooFewPartners {
                found: invited.len(),
                needed,
            });
        }
        if let Some(stranger) = invited.iter().find(|id| roster.partner(id).is_none()) {
            return Err(ProposalError::NotOnRoster(stranger.clone()));
        }
        if !deadlines.are_ordered() {
            return Err(ProposalError::Deadlines);
        }
        let params = planned_params(programme, invited.len())?;
        let (least, colluders) = (params.least_survivors(), params.colluders());
        Ok(Self {
            programme: programme.id().to_owned(),
            programme_digest: programme.digest(),
            roster_version: roster.version,
            roster_digest: roster.digest(),
            previous_release,
            period: period.to_string(),
            attempt,
            invited,
            thresholds: params.thresholds(),
            epsilon: programme.epsilon_per_round(),
            tables: announced_tables(programme),
            share_shape: share_shape(&Rational::one(), least, colluders)?,
            removable_levels: 0,
            word_bits: programme.word_size().bits(),
            deadlines,
        })
    }
}

/// What a partner allows without being asked again, in absolute numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalPolicy {
    /// Fewest partners in a cohort.
    pub least_invited: u8,
    /// Fewest colluders that must be tolerated.
    pub least_colluders: u8,
    /// Fewest honest survivors the noise must be planned for, m − c.
    pub least_honest: u8,
    /// Largest ε of one round.
    pub most_epsilon: Rational,
}

impl LocalPolicy {
    fn allows(&self, context: &RoundContext) -> bool {
        let params = context.params();
        params.invited() >= self.least_invited
            && params.colluders() >= self.least_colluders
            && params.least_honest() >= self.least_honest
            && context.announcement().epsilon <= self.most_epsilon
    }
}

/// The terms of a round that a node has checked whole.
#[derive(Debug, Clone)]
pub struct RoundTerms {
    /// Announcement, roster and numbers.
    pub context: RoundContext,
    /// The programme.
    pub programme: Programme,
    /// The period.
    pub period: Period,
}

impl RoundTerms {
    /// The counts with this node's fresh noise share on every cell: what is to be frozen, once.
    ///
    /// # Errors
    /// [`ContributionError`]: the counts are of another programme.
    pub fn noisy_contribution<R: CryptoRng + ?Sized>(
        &self,
        counts: &Counts,
        rng: &mut R,
    ) -> Result<Zeroizing<Vec<i64>>, ContributionError> {
        self.contribution(counts, self.draw_noise(rng)?)
    }

    /// This node's noise share for every cell of the round, drawn ahead of the counts; keep it sealed.
    ///
    /// # Errors
    /// [`ContributionError::Sampler`], which no accepted terms cause.
    pub fn draw_noise<R: CryptoRng + ?Sized>(
        &self,
        rng: &mut R,
    ) -> Result<NoiseDraw, ContributionError> {
        let announcement = self.context.announcement();
        let tables = announcement.tables.iter().map(|table| NoisyTable {
            cells: table.cells as usize,
            rate: &table.rate,
        });
        let round = self.context.round();
        NoiseDraw::draw(round, tables, &announcement.share_shape, rng)
    }

    /// The counts with the noise drawn for this round on them: what is to be frozen, once. It uses the draw up.
    ///
    /// # Errors
    /// [`ContributionError`]: the counts are of another programme, the noise of another round.
    pub fn contribution(
        &self,
        counts: &Counts,
        noise: NoiseDraw,
    ) -> Result<Zeroizing<Vec<i64>>, ContributionError> {
        if counts.programme() != self.programme.digest() {
            return Err(ContributionError::OtherProgramme);
        }
        noise.add_to(self.context.round(), counts)
    }
}

/// N1 (signatures and digests), N2 (rules on numbers; a, R, ε and tables equal the programme's; local policy) and
/// the documents' part of N4.
///
/// # Errors
/// A [`Fault`] of the coordinator that names the check.
pub fn accept_terms(
    announcement: Signed<Announcement>,
    programme: Signed<ProgrammeDocument>,
    roster: Signed<Roster>,
    coordinator: IdentityKey,
    policy: &LocalPolicy,
) -> Result<RoundTerms, Fault> {
    let unsigned = |_| Fault::coordinator(Check::N1, Violation::Signature);
    let announcement = announcement.verify(&coordinator).map_err(unsigned)?;
    let programme = programme.verify(&coordinator).map_err(unsigned)?;
    let roster = roster.verify(&coordinator).map_err(unsigned)?;
    let differs = Fault::coordinator(Check::N1, Violation::Announcement);
    let programme = Programme::parse(&programme.toml).map_err(|_| differs)?;
    if programme.digest() != announcement.programme_digest {
        return Err(Fault::coordinator(Check::N1, Violation::DigestMismatch));
    }
    let period: Period = announcement.period.parse().map_err(|_| differs)?;
    let context = RoundContext::new(announcement, roster, coordinator)?;
    check_against_programme(&context, &programme, period)?;
    if !policy.allows(&context) {
        return Err(Fault::coordinator(Check::N2, Violation::Policy));
    }
    Ok(RoundTerms {
        context,
        programme,
        period,
    })
}

/// t, m and c, and with them R/(m − c) and D, are those of the programme: with a smaller c or a larger m each
/// share would be smaller than the colluders the partners agreed on allow.
fn check_against_programme(
    context: &RoundContext,
    programme: &Programme,
    period: Period,
) -> Result<(), Fault> {
    let announcement = context.announcement();
    let params = context.params();
    let rules = programme.cohort();
    let same = announcement.programme == programme.id()
        && period.to_string() == announcement.period
        && programme.calendar().covers(period)
        && announcement.tables == announced_tables(programme)
        && announcement.epsilon == programme.epsilon_per_round()
        && announcement.epsilon <= *programme.privacy().epsilon_per_period()
        && announcement.word_bits == programme.word_size().bits()
        && u32::from(params.invited()) >= rules.least_partners()
        && planned_params(programme, announcement.invited.len()).as_ref() == Ok(params);
    if same {
        Ok(())
    } else {
        Err(Fault::coordinator(Check::N2, Violation::Announcement))
    }
}
