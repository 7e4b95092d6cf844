//! What both sides of a round agree on before its first message: announcement, invited partners, numbers.

use super::announcement::{Announcement, MAX_NAME_BYTES, MAX_TABLES};
use super::checks::{Check, Fault, Violation};
use super::params::Params;
use super::roster::{Partner, Roster};
use super::signed::Verified;
use crate::crypto::{Digest, IdentityKey};
use crate::dp::sampler::ExponentialCoin;
use crate::programme::WordSize;
use crate::rational::Rational;

/// The fixed terms of one round, checked against each other.
#[derive(Debug, Clone)]
pub struct RoundContext {
    announcement: Verified<Announcement>,
    roster: Verified<Roster>,
    partners: Vec<Partner>,
    coordinator: IdentityKey,
    params: Params,
    word_size: WordSize,
}

impl RoundContext {
    /// Checks the announcement against the roster it names and against the rules of the protocol.
    ///
    /// # Errors
    /// A [`Fault`] of the coordinator, at N1 (digests), N2 (numbers) or N4 (roster).
    pub fn new(
        announcement: Verified<Announcement>,
        roster: Verified<Roster>,
        coordinator: IdentityKey,
    ) -> Result<Self, Fault> {
        if announcement.roster_digest != roster.digest()
            || announcement.roster_version != roster.version
            || !roster.is_well_formed()
        {
            return Err(Fault::coordinator(Check::N4, Violation::DigestMismatch));
        }
        let bad_number = |_| Fault::coordinator(Check::N2, Violation::Params);
        let params =
            Params::new(announcement.invited.len(), announcement.thresholds).map_err(bad_number)?;
        let partners = invited_partners(&announcement, &roster)?;
        let word_size = WordSize::from_bits(announcement.word_bits)
            .ok_or(Fault::coordinator(Check::N2, Violation::Params))?;
        check_noise_numbers(&announcement, &params)?;
        super::range::check_word_size(&announcement, &params, word_size)?;
        Ok(Self {
            announcement,
            roster,
            partners,
            coordinator,
            params,
            word_size,
        })
    }

    /// The round id.
    #[must_use]
    pub fn round(&self) -> Digest {
        self.announcement.digest()
    }

    /// The announcement.
    #[must_use]
    pub fn announcement(&self) -> &Verified<Announcement> {
        &self.announcement
    }

    /// The roster it names.
    #[must_use]
    pub fn roster(&self) -> &Verified<Roster> {
        &self.roster
    }

    /// n, t, m and c.
    #[must_use]
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// The coordinator's key.
    #[must_use]
    pub fn coordinator(&self) -> &IdentityKey {
        &self.coordinator
    }

    /// Size of a word of the vector.
    #[must_use]
    pub fn word_size(&self) -> WordSize {
        self.word_size
    }

    /// Words of the vector.
    #[must_use]
    pub fn cells(&self) -> usize {
        self.announcement.total_cells()
    }

    /// The invited partner with this index, counted from 1.
    #[must_use]
    pub fn partner(&self, index: u8) -> Option<&Partner> {
        self.partners.get(usize::from(index).checked_sub(1)?)
    }

    /// The key of the invited partner with this index.
    #[must_use]
    pub fn key(&self, index: u8) -> Option<&IdentityKey> {
        self.partner(index).map(|partner| &partner.key)
    }

    /// Indices of all invited partners.
    pub fn indices(&self) -> impl Iterator<Item = u8> + use<> {
        1..=self.params.invited()
    }

    /// Index of the partner with this id.
    #[must_use]
    pub fn index_of(&self, id: &str) -> Option<u8> {
        self.indices()
            .find(|index| self.partner(*index).is_some_and(|partner| partner.id == id))
    }

    /// Ids of the partners with these indices; unknown indices are left out.
    #[must_use]
    pub fn ids(&self, indices: &[u8]) -> Vec<String> {
        let partners = indices.iter().filter_map(|index| self.partner(*index));
        partners.map(|partner| partner.id.clone()).collect()
    }

    /// Whether `members` is a list of invited indices, in order and without repeats.
    #[must_use]
    pub fn is_ordered_subset(&self, members: &[u8]) -> bool {
        members.is_sorted_by(|a, b| a < b)
            && members
                .iter()
                .all(|index| (1..=self.params.invited()).contains(index))
    }

    /// Realised shape of the noise of `survivors` shares, |U₃|/(m − c).
    ///
    /// # Errors
    /// [`crate::rational::RationalError::ZeroDenominator`], which the rules on m and c exclude.
    pub fn realised_shape(
        &self,
        survivors: usize,
    ) -> Result<Rational, crate::rational::RationalError> {
        Rational::new(survivors as u64, u64::from(self.params.least_honest()))
    }
}

fn invited_partners(announcement: &Announcement, roster: &Roster) -> Result<Vec<Partner>, Fault> {
    let refused = |violation| Fault::coordinator(Check::N4, violation);
    if !announcement.invited.is_sorted_by(|a, b| a < b) {
        return Err(refused(Violation::Membership));
    }
    let partner = |id: &String| {
        roster
            .partner(id)
            .cloned()
            .ok_or(refused(Violation::Membership))
    };
    announcement.invited.iter().map(partner).collect()
}

/// N2: shares have shape 1/(m − c), nothing is removable, ε is the sum of what the tables cost.
fn check_noise_numbers(announcement: &Announcement, params: &Params) -> Result<(), Fault> {
    let refused = Err(Fault::coordinator(Check::N2, Violation::Params));
    let shape = Rational::new(1, u64::from(params.least_honest()));
    if shape.as_ref() != Ok(&announcement.share_shape) || announcement.removable_levels != 0 {
        return refused;
    }
    if !within_limits(announcement) {
        return refused;
    }
    let mut epsilon = Rational::zero();
    for table in &announcement.tables {
        if table.cells == 0 || table.sensitivity == 0 || ExponentialCoin::new(&table.rate).is_err()
        {
            return refused;
        }
        epsilon = epsilon.plus(&table.rate.times(&Rational::from_integer(table.sensitivity)));
    }
    if epsilon != announcement.epsilon {
        return refused;
    }
    Ok(())
}

/// Lengths and order, before anything is computed from them.
fn within_limits(announcement: &Announcement) -> bool {
    if !(1..=MAX_TABLES).contains(&announcement.tables.len()) {
        return false;
    }
    let mut names: Vec<&str> = announcement
        .tables
        .iter()
        .map(|table| table.name.as_str())
        .collect();
    names.sort_unstable();
    names.dedup();
    let named_once = names.len() == announcement.tables.len();
    named_once
        && names.iter().all(|name| name.len() <= MAX_NAME_BYTES)
        && announcement.period.len() <= MAX_NAME_BYTES
        && announcement.deadlines.are_ordered()
        && announcement.attempt > 0
}
