//! Dates of rows, in the one format that the mapping names.
//!
//! A date is never guessed: 03/04/2023 is read as the format says, and what does not fit the format is a complaint.

use std::fmt;

use msht_core::programme::{MAX_PERIOD_YEAR, MIN_PERIOD_YEAR, PeriodKind};
use serde::{Deserialize, Serialize};
use time::{Date, Month};

/// How the dates of a column are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DateFormat {
    /// `2026-Q3`, also `2026Q3`, `2026 Q3` and `Q3 2026`.
    Quarter,
    /// `2026-07`.
    Month,
    /// `2026`.
    Year,
    /// `2026-07-31`, with or without a time of day behind it.
    Iso,
    /// Day, month, year: `31/07/2026`, also with `-` or `.`, with or without a time of day.
    Dmy,
    /// Month, day, year: `07/31/2026`, also with `-` or `.`, with or without a time of day.
    Mdy,
}

/// Why a cell is not a date of the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotADate {
    /// It is written in another way.
    OtherFormat,
    /// The calendar has no such day, month or quarter, such as 31/02.
    NotInCalendar,
    /// The year has two digits.
    ShortYear,
    /// The year is outside what a period can have.
    YearOutOfRange,
}

impl DateFormat {
    /// The shortest period that these dates decide; `None` for a day.
    #[must_use]
    pub fn coarseness(self) -> Option<PeriodKind> {
        match self {
            Self::Year => Some(PeriodKind::Year),
            Self::Quarter => Some(PeriodKind::Quarter),
            Self::Month => Some(PeriodKind::Month),
            Self::Iso | Self::Dmy | Self::Mdy => None,
        }
    }

    /// The date that `cell` holds; of a month, quarter or year its first day.
    ///
    /// # Errors
    /// [`NotADate`], without the cell.
    pub fn parse(self, cell: &str) -> Result<Date, NotADate> {
        match self {
            Self::Quarter => parse_quarter(cell),
            Self::Month => {
                let (year, month) = cell.split_once('-').ok_or(NotADate::OtherFormat)?;
                calendar_date(digits(year)?, digits(month)?, Digits::ONE)
            }
            Self::Year => calendar_date(digits(cell)?, Digits::ONE, Digits::ONE),
            Self::Iso => {
                let [year, month, day] = parts(without_time(cell), &['-'])?;
                calendar_date(year, month, day)
            }
            Self::Dmy => {
                let [day, month, year] = parts(without_time(cell), &['/', '-', '.'])?;
                calendar_date(year, month, day)
            }
            Self::Mdy => {
                let [month, day, year] = parts(without_time(cell), &['/', '-', '.'])?;
                calendar_date(year, month, day)
            }
        }
    }

    /// An example, for messages.
    #[must_use]
    pub fn example(self) -> &'static str {
        match self {
            Self::Quarter => "2026-Q3",
            Self::Month => "2026-07",
            Self::Year => "2026",
            Self::Iso => "2026-07-31",
            Self::Dmy => "31/07/2026",
            Self::Mdy => "07/31/2026",
        }
    }
}

impl fmt::Display for DateFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Quarter => "quarter",
            Self::Month => "month",
            Self::Year => "year",
            Self::Iso | Self::Dmy | Self::Mdy => "day",
        })
    }
}

/// A whole number and how many digits it was written with.
#[derive(Clone, Copy)]
struct Digits {
    value: u16,
    length: usize,
}

impl Digits {
    const ONE: Self = Self {
        value: 1,
        length: 1,
    };
}

/// One to four digits.
fn digits(text: &str) -> Result<Digits, NotADate> {
    let length = text.len();
    let plain = (1..=4).contains(&length) && text.bytes().all(|byte| byte.is_ascii_digit());
    let value = plain.then(|| text.parse().ok()).flatten();
    let value = value.ok_or(NotADate::OtherFormat)?;
    Ok(Digits { value, length })
}

/// Three numbers with the same sign between them.
fn parts(text: &str, signs: &[char]) -> Result<[Digits; 3], NotADate> {
    let sign = text.chars().find(|c| signs.contains(c));
    let mut parts = text.split(sign.ok_or(NotADate::OtherFormat)?);
    let mut next = || digits(parts.next().unwrap_or_default());
    let three = [next()?, next()?, next()?];
    match parts.next() {
        None => Ok(three),
        Some(_) => Err(NotADate::OtherFormat),
    }
}

/// The text before `T` or a space, where a time of day follows.
fn without_time(text: &str) -> &str {
    let Some((date, time)) = text.split_once(['T', ' ']) else {
        return text;
    };
    let has_colon = time.contains(':');
    let of_time = |c: char| c.is_ascii_digit() || ":.+-Zz AMPamp".contains(c);
    if has_colon && time.chars().all(of_time) {
        date
    } else {
        text
    }
}

fn parse_quarter(cell: &str) -> Result<Date, NotADate> {
    let cell = cell.to_ascii_uppercase();
    let (before, after) = cell.split_once('Q').ok_or(NotADate::OtherFormat)?;
    let (year, quarter) = if before.is_empty() {
        let quarter_and_year = after.split_once([' ', '-']);
        let (quarter, year) = quarter_and_year.ok_or(NotADate::OtherFormat)?;
        (year, quarter)
    } else {
        (before.strip_suffix(['-', ' ']).unwrap_or(before), after)
    };
    let (year, quarter) = (digits(year)?, digits(quarter)?);
    if quarter.length != 1 {
        return Err(NotADate::OtherFormat);
    }
    let month = match quarter.value {
        1 => 1,
        2 => 4,
        3 => 7,
        4 => 10,
        _ => return Err(NotADate::NotInCalendar),
    };
    let month = Digits {
        value: month,
        length: 2,
    };
    calendar_date(year, month, Digits::ONE)
}

fn calendar_date(year: Digits, month: Digits, day: Digits) -> Result<Date, NotADate> {
    if month.length > 2 || day.length > 2 {
        return Err(NotADate::OtherFormat);
    }
    match year.length {
        4 => {}
        2 => return Err(NotADate::ShortYear),
        _ => return Err(NotADate::OtherFormat),
    }
    let year = i32::from(year.value);
    if !(MIN_PERIOD_YEAR..=MAX_PERIOD_YEAR).contains(&year) {
        return Err(NotADate::YearOutOfRange);
    }
    let small = |digits: Digits| u8::try_from(digits.value).map_err(|_| NotADate::NotInCalendar);
    let month = Month::try_from(small(month)?).map_err(|_| NotADate::NotInCalendar)?;
    Date::from_calendar_date(year, month, small(day)?).map_err(|_| NotADate::NotInCalendar)
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::date;

    #[test]
    fn each_format_reads_its_own_dates() {
        use DateFormat::{Dmy, Iso, Mdy, Month, Quarter, Year};
        for (format, cell, expected) in [
            (Quarter, "2022-Q4", date!(2022 - 10 - 01)),
            (Quarter, "2022Q4", date!(2022 - 10 - 01)),
            (Quarter, "2022 q1", date!(2022 - 01 - 01)),
            (Quarter, "Q3 2022", date!(2022 - 07 - 01)),
            (Month, "2022-07", date!(2022 - 07 - 01)),
            (Year, "2022", date!(2022 - 01 - 01)),
            (Iso, "2024-02-29", date!(2024 - 02 - 29)),
            (Iso, "2024-02-29T23:59:59.5+01:00", date!(2024 - 02 - 29)),
            (Dmy, "3/4/2023", date!(2023 - 04 - 03)),
            (Dmy, "03.04.2023", date!(2023 - 04 - 03)),
            (Dmy, "31-12-2023 00:00", date!(2023 - 12 - 31)),
            (Mdy, "3/4/2023", date!(2023 - 03 - 04)),
            (Mdy, "12/31/2023 1:15 PM", date!(2023 - 12 - 31)),
        ] {
            assert_eq!(format.parse(cell), Ok(expected), "{cell}");
            assert!(format.parse(format.example()).is_ok());
        }
    }

    #[test]
    fn what_is_not_a_date_of_the_format_is_said_why() {
        use DateFormat::{Dmy, Iso, Mdy, Month, Quarter, Year};
        use NotADate::{NotInCalendar, OtherFormat, ShortYear, YearOutOfRange};
        for (format, cell, why) in [
            (Dmy, "31/02/2023", NotInCalendar),
            (Dmy, "29/02/2023", NotInCalendar),
            (Dmy, "12/31/2023", NotInCalendar),
            (Dmy, "00/01/2023", NotInCalendar),
            (Mdy, "31/12/2023", NotInCalendar),
            (Dmy, "2023-12-31", OtherFormat),
            (Dmy, "31/12-2023", OtherFormat),
            (Dmy, "31/12/2023/1", OtherFormat),
            (Dmy, "31/12/2023 or so", OtherFormat),
            (Dmy, "31/12/23", ShortYear),
            (Dmy, "31/12/0203", YearOutOfRange),
            (Iso, "31/12/2023", OtherFormat),
            (Iso, "2023-13-01", NotInCalendar),
            (Iso, "45291", OtherFormat),
            (Month, "2023-00", NotInCalendar),
            (Month, "July 2023", OtherFormat),
            (Quarter, "2023-Q5", NotInCalendar),
            (Quarter, "2023-Q12", OtherFormat),
            (Quarter, "2023-03", OtherFormat),
            (Year, "23", ShortYear),
            (Year, "", OtherFormat),
            (Year, "٢٠٢٣", OtherFormat),
        ] {
            assert_eq!(format.parse(cell), Err(why), "{cell}");
        }
    }
}
