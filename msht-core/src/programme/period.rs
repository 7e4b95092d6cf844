//! Periods: the time windows that tables cover.
//!
//! A period is a calendar year (`2026`), quarter (`2026-Q3`) or month (`2026-07`) of *data*: a record belongs
//! to the one period that contains its date. Periods of one kind neither overlap nor leave gaps, which is
//! what lets the ledger add charges up by day.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use time::{Date, Month};

/// Earliest year a period may lie in; older data has no place in a programme and points to a typing error.
pub const MIN_PERIOD_YEAR: i32 = 1900;

/// Latest year a period may lie in, so that a year always has four digits.
pub const MAX_PERIOD_YEAR: i32 = 2999;

const MONTHS_A_YEAR: u8 = 12;

/// How long the periods of a programme are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PeriodKind {
    /// A calendar month.
    Month,
    /// Three calendar months, beginning in January, April, July or October.
    Quarter,
    /// A calendar year.
    Year,
}

impl PeriodKind {
    fn months(self) -> u8 {
        match self {
            Self::Month => 1,
            Self::Quarter => 3,
            Self::Year => MONTHS_A_YEAR,
        }
    }
}

impl fmt::Display for PeriodKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Month => "month",
            Self::Quarter => "quarter",
            Self::Year => "year",
        })
    }
}

/// A year, quarter or month; ordered by its first day, then by its last.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Period {
    first: Date,
    last: Date,
    kind: PeriodKind,
}

/// Why a text or a date is not a period.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PeriodError {
    /// The text is not `YYYY`, `YYYY-Qn` or `YYYY-MM`.
    #[error("`{0}` is not a period; write it like 2026, 2026-Q3 or 2026-07")]
    Malformed(String),
    /// The year is outside [`MIN_PERIOD_YEAR`]..=[`MAX_PERIOD_YEAR`].
    #[error(
        "the year {0} is not between {MIN_PERIOD_YEAR} and {MAX_PERIOD_YEAR}; check how it was typed"
    )]
    YearOutOfRange(i32),
}

/// Longest text quoted back in an error.
const MAX_QUOTED_CHARS: usize = 20;

impl Period {
    /// The period of length `kind` that contains `date`.
    ///
    /// # Errors
    /// [`PeriodError::YearOutOfRange`].
    pub fn containing(kind: PeriodKind, date: Date) -> Result<Self, PeriodError> {
        let month = u8::from(date.month());
        let months = kind.months();
        let first_month = month - (month - 1) % months;
        Self::from_months(kind, date.year(), first_month)
    }

    fn from_months(kind: PeriodKind, year: i32, first_month: u8) -> Result<Self, PeriodError> {
        let out_of_range = || PeriodError::YearOutOfRange(year);
        if !(MIN_PERIOD_YEAR..=MAX_PERIOD_YEAR).contains(&year) {
            return Err(out_of_range());
        }
        let month = |number: u8| Month::try_from(number).map_err(|_| out_of_range());
        let (from, to) = (month(first_month)?, month(first_month + kind.months() - 1)?);
        let day = |month: Month, day: u8| {
            Date::from_calendar_date(year, month, day).map_err(|_| out_of_range())
        };
        Ok(Self {
            first: day(from, 1)?,
            last: day(to, to.length(year))?,
            kind,
        })
    }

    /// How long the period is.
    #[must_use]
    pub fn kind(&self) -> PeriodKind {
        self.kind
    }

    /// The calendar year the period lies in.
    #[must_use]
    pub fn year(&self) -> i32 {
        self.first.year()
    }

    /// The first day.
    #[must_use]
    pub fn first_day(&self) -> Date {
        self.first
    }

    /// The last day, which belongs to the period.
    #[must_use]
    pub fn last_day(&self) -> Date {
        self.last
    }

    /// Whether `date` lies in the period.
    #[must_use]
    pub fn contains(&self, date: Date) -> bool {
        (self.first..=self.last).contains(&date)
    }

    /// The period of the same kind that begins the day after, or `None` after [`MAX_PERIOD_YEAR`].
    #[must_use]
    pub fn next(&self) -> Option<Self> {
        Self::containing(self.kind, self.last.next_day()?).ok()
    }

    /// The period of the same kind that ends the day before, or `None` before [`MIN_PERIOD_YEAR`].
    #[must_use]
    pub fn previous(&self) -> Option<Self> {
        Self::containing(self.kind, self.first.previous_day()?).ok()
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month) = (self.first.year(), u8::from(self.first.month()));
        match self.kind {
            PeriodKind::Year => write!(f, "{year:04}"),
            PeriodKind::Quarter => write!(f, "{year:04}-Q{}", month.div_ceil(3)),
            PeriodKind::Month => write!(f, "{year:04}-{month:02}"),
        }
    }
}

impl fmt::Debug for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Period {
    type Err = PeriodError;

    fn from_str(text: &str) -> Result<Self, PeriodError> {
        let malformed = || PeriodError::Malformed(text.chars().take(MAX_QUOTED_CHARS).collect());
        let number = |digits: &str, length: usize| -> Result<u16, PeriodError> {
            let plain = digits.len() == length && digits.bytes().all(|b| b.is_ascii_digit());
            plain
                .then(|| digits.parse().ok())
                .flatten()
                .ok_or_else(malformed)
        };
        let (year, rest) = text
            .split_once('-')
            .map_or((text, None), |(year, rest)| (year, Some(rest)));
        let year = i32::from(number(year, 4)?);
        let (kind, count) = match rest {
            None => (PeriodKind::Year, 1),
            Some(rest) => match rest.strip_prefix('Q') {
                Some(quarter) => (PeriodKind::Quarter, number(quarter, 1)?),
                None => (PeriodKind::Month, number(rest, 2)?),
            },
        };
        let count = u8::try_from(count).map_err(|_| malformed())?;
        if count == 0 || count > MONTHS_A_YEAR / kind.months() {
            return Err(malformed());
        }
        Self::from_months(kind, year, (count - 1) * kind.months() + 1)
    }
}

impl TryFrom<String> for Period {
    type Error = PeriodError;

    fn try_from(text: String) -> Result<Self, PeriodError> {
        text.parse()
    }
}

impl From<Period> for String {
    fn from(period: Period) -> Self {
        period.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::date;

    fn period(text: &str) -> Period {
        text.parse().unwrap()
    }

    #[test]
    fn the_three_forms_round_trip_and_know_their_days() {
        for (text, first, last) in [
            ("2026", date!(2026 - 01 - 01), date!(2026 - 12 - 31)),
            ("2026-Q1", date!(2026 - 01 - 01), date!(2026 - 03 - 31)),
            ("2026-Q4", date!(2026 - 10 - 01), date!(2026 - 12 - 31)),
            ("2024-02", date!(2024 - 02 - 01), date!(2024 - 02 - 29)),
            ("2026-07", date!(2026 - 07 - 01), date!(2026 - 07 - 31)),
        ] {
            let period = period(text);
            assert_eq!(period.to_string(), text);
            assert_eq!((period.first_day(), period.last_day()), (first, last));
            assert!(period.contains(first) && period.contains(last));
            assert!(!period.contains(first.previous_day().unwrap()));
            assert!(!period.contains(last.next_day().unwrap()));
            let json = serde_json::to_string(&period).unwrap();
            assert_eq!(json, format!("\"{text}\""));
            assert_eq!(serde_json::from_str::<Period>(&json).unwrap(), period);
        }
    }

    #[test]
    fn texts_that_are_not_periods_are_refused() {
        for text in [
            "",
            "26",
            "2026-",
            "2026-Q0",
            "2026-Q5",
            "2026-Q12",
            "2026-q1",
            "2026-00",
            "2026-13",
            "2026-7",
            "2026-07-01",
            "+026",
            "02026",
            "1899",
            "3000-Q1",
            "2026 ",
            "٢٠٢٦",
        ] {
            assert!(text.parse::<Period>().is_err(), "{text:?} was accepted");
        }
        assert!(serde_json::from_str::<Period>("2026").is_err());
    }

    #[test]
    fn neighbours_touch_without_overlap() {
        for (text, next) in [
            ("2026-Q4", "2027-Q1"),
            ("2026-12", "2027-01"),
            ("2026", "2027"),
        ] {
            assert_eq!(period(text).next(), Some(period(next)));
            assert_eq!(period(next).previous(), Some(period(text)));
        }
        assert_eq!(period("2999-Q4").next(), None);
        assert_eq!(period("1900-01").previous(), None);
    }

    #[test]
    fn every_date_has_one_period_of_each_kind() {
        let mut date = date!(2023 - 12 - 25);
        while date < date!(2025 - 01 - 10) {
            for kind in [PeriodKind::Month, PeriodKind::Quarter, PeriodKind::Year] {
                let period = Period::containing(kind, date).unwrap();
                assert!(period.contains(date));
                assert_eq!(period.to_string().parse(), Ok(period));
            }
            date = date.next_day().unwrap();
        }
        assert!(Period::containing(PeriodKind::Month, date!(1899 - 12 - 31)).is_err());
    }
}
