//! The rules of a programme besides its codebook: privacy, cohort, calendar, word size.

use serde::{Deserialize, Serialize};

use super::definition::{CalendarDefinition, CohortDefinition, PrivacyDefinition};
use super::error::{Problem, ProgrammeError};
use super::limits::{
    LEAST_PARTNERS, MAX_EPSILON_PER_PERIOD, MAX_PHASE_HOURS, MAX_RECORDS_PER_PERSON, MOST_PARTNERS,
};
use super::period::{Period, PeriodKind};
use crate::rational::Rational;

/// Whose addition or removal the noise hides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PrivacyUnit {
    /// One record.
    Record,
    /// All records of one person at one partner in one period, as linked by that partner's person key.
    Person,
}

impl PrivacyUnit {
    /// The word used in programmes and releases.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Record => "record",
            Self::Person => "person",
        }
    }
}

/// What the programme promises each record or person, and what it may spend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Privacy {
    unit: PrivacyUnit,
    max_records: u32,
    epsilon_per_period: Rational,
    epsilon_per_year: Rational,
}

impl Privacy {
    pub(super) fn check(definition: PrivacyDefinition) -> Result<Self, ProgrammeError> {
        let PrivacyDefinition {
            unit,
            max_records,
            epsilon_per_period,
            epsilon_per_year,
        } = definition;
        let most = match unit {
            PrivacyUnit::Record => 1,
            PrivacyUnit::Person => MAX_RECORDS_PER_PERSON,
        };
        check_range("privacy.max_records", max_records, 1, most)?;
        let too_much = epsilon_per_period > Rational::from_integer(MAX_EPSILON_PER_PERIOD);
        if epsilon_per_period.is_zero() || too_much {
            return Err(Problem::EpsilonOutOfRange.at("privacy.epsilon_per_period"));
        }
        if epsilon_per_year < epsilon_per_period {
            return Err(Problem::YearBelowPeriod.at("privacy.epsilon_per_year"));
        }
        Ok(Self {
            unit,
            max_records,
            epsilon_per_period,
            epsilon_per_year,
        })
    }

    /// Whose addition or removal the noise hides.
    #[must_use]
    pub fn unit(&self) -> PrivacyUnit {
        self.unit
    }

    /// Most records counted of one person in a period; 1 where the unit is the record.
    #[must_use]
    pub fn max_records(&self) -> u32 {
        self.max_records
    }

    /// ε that all tables of one period may spend together.
    #[must_use]
    pub fn epsilon_per_period(&self) -> &Rational {
        &self.epsilon_per_period
    }

    /// ε that all periods of one calendar year of data may spend together.
    #[must_use]
    pub fn epsilon_per_year(&self) -> &Rational {
        &self.epsilon_per_year
    }
}

/// Who must take part for a round to be held; numbers left open are derived from the invited list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CohortRules {
    least_partners: u32,
    threshold: Option<u32>,
    survivors: Option<u32>,
    colluders: Option<u32>,
    endorsements: u32,
}

impl CohortRules {
    /// Checks what can be known before the invited list is: the rules of the protocol at the fewest partners.
    pub(super) fn check(definition: &CohortDefinition) -> Result<Self, ProgrammeError> {
        let &CohortDefinition {
            least_partners,
            threshold,
            survivors,
            colluders,
            endorsements,
        } = definition;
        let partners = "cohort.least_partners";
        check_range(partners, least_partners, LEAST_PARTNERS, MOST_PARTNERS)?;
        let least_colluders = colluders.unwrap_or(1);
        check_range("cohort.colluders", least_colluders, 1, least_partners - 2)?;
        if let Some(survivors) = survivors {
            let fewest = least_colluders + 2;
            check_range("cohort.survivors", survivors, fewest, least_partners)?;
        }
        if let Some(threshold) = threshold {
            let fewest = (least_partners + least_colluders) / 2 + 1;
            let most = survivors.unwrap_or(least_partners);
            check_range("cohort.threshold", threshold, fewest, most)?;
        }
        check_range("cohort.endorsements", endorsements, 0, least_partners)?;
        Ok(Self {
            least_partners,
            threshold,
            survivors,
            colluders,
            endorsements,
        })
    }

    /// Fewest partners on the invited list.
    #[must_use]
    pub fn least_partners(&self) -> u32 {
        self.least_partners
    }

    /// t, the shares that open a seed, where the programme fixes it.
    #[must_use]
    pub fn threshold(&self) -> Option<u32> {
        self.threshold
    }

    /// m, the fewest survivors, where the programme fixes it.
    #[must_use]
    pub fn survivors(&self) -> Option<u32> {
        self.survivors
    }

    /// c, the fewest colluders a round must tolerate, where the programme fixes it.
    #[must_use]
    pub fn colluders(&self) -> Option<u32> {
        self.colluders
    }

    /// Partners of the cohort before that must vouch for a new partner; 0 where the programme does not ask.
    #[must_use]
    pub fn endorsements(&self) -> usize {
        self.endorsements as usize
    }
}

/// How long each phase of a round stays open, in hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PhaseHours {
    /// Phase 0.
    pub join: u32,
    /// Phase 1.
    pub share: u32,
    /// Phase 2.
    pub mask: u32,
    /// Phase 3.
    pub confirm: u32,
    /// Phase 4.
    pub unmask: u32,
}

/// When rounds are held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Calendar {
    first: Period,
    hours: PhaseHours,
}

impl Calendar {
    pub(super) fn check(definition: &CalendarDefinition) -> Result<Self, ProgrammeError> {
        let &CalendarDefinition {
            period,
            first,
            hours,
        } = definition;
        if first.kind() != period {
            return Err(Problem::FirstPeriodOfOtherKind(period).at("calendar.first"));
        }
        for (phase, length) in [
            ("join", hours.join),
            ("share", hours.share),
            ("mask", hours.mask),
            ("confirm", hours.confirm),
            ("unmask", hours.unmask),
        ] {
            let path = format!("calendar.hours.{phase}");
            check_range(&path, length, 1, MAX_PHASE_HOURS)?;
        }
        Ok(Self { first, hours })
    }

    /// How long the programme's periods are.
    #[must_use]
    pub fn period_kind(&self) -> PeriodKind {
        self.first.kind()
    }

    /// The first period the programme covers.
    #[must_use]
    pub fn first_period(&self) -> Period {
        self.first
    }

    /// How long each phase of a round stays open.
    #[must_use]
    pub fn phase_hours(&self) -> PhaseHours {
        self.hours
    }

    /// Whether `period` is of the programme's kind and not before its first.
    #[must_use]
    pub fn covers(&self, period: Period) -> bool {
        period.kind() == self.first.kind() && period >= self.first
    }
}

/// The modulus that masked vectors are summed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WordSize {
    /// 2³².
    Bits32,
    /// 2⁶⁴.
    Bits64,
}

impl WordSize {
    /// Checks that the largest cohort's counts stay below half the modulus; the noise tail, which depends on
    /// the cohort, is checked with the announcement.
    pub(super) fn check(bits: u32, max_count_per_cell: u32) -> Result<Self, ProgrammeError> {
        let size = Self::from_bits(bits).ok_or_else(|| Problem::WordBits(bits).at("word_bits"))?;
        let largest_sum = u64::from(MOST_PARTNERS) * u64::from(max_count_per_cell);
        if max_count_per_cell == 0 || largest_sum >= 1 << (size.bits() - 1) {
            return Err(Problem::CellBound { bits }.at("max_count_per_cell"));
        }
        Ok(size)
    }

    /// The size with this many bits: 32 or 64.
    #[must_use]
    pub fn from_bits(bits: u32) -> Option<Self> {
        match bits {
            32 => Some(Self::Bits32),
            64 => Some(Self::Bits64),
            _ => None,
        }
    }

    /// 2^(w−1) − 1: the largest sum that reads back as itself.
    #[must_use]
    pub fn largest(self) -> i64 {
        match self {
            Self::Bits32 => i64::from(i32::MAX),
            Self::Bits64 => i64::MAX,
        }
    }

    /// Bits of a word: 32 or 64.
    #[must_use]
    pub fn bits(self) -> u32 {
        match self {
            Self::Bits32 => 32,
            Self::Bits64 => 64,
        }
    }

    /// Bytes of a word: 4 or 8.
    #[must_use]
    pub fn bytes(self) -> usize {
        match self {
            Self::Bits32 => 4,
            Self::Bits64 => 8,
        }
    }
}

fn check_range(path: &str, found: u32, least: u32, most: u32) -> Result<(), ProgrammeError> {
    if (least..=most).contains(&found) {
        return Ok(());
    }
    Err(Problem::OutOfRange { found, least, most }.at(path))
}
