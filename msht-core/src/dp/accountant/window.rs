//! The days of data that a round counts.

use std::fmt;

use serde::{Deserialize, Serialize};
use time::Date;

/// A span of days, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Days", into = "Days")]
pub struct DataWindow {
    first: Date,
    last: Date,
}

/// The window ends before it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the data window ends on {last}, before its first day {first}")]
pub struct WindowError {
    first: Date,
    last: Date,
}

impl DataWindow {
    /// The days from `first` to `last`, both included.
    ///
    /// # Errors
    /// [`WindowError`] where `last` is before `first`.
    pub fn new(first: Date, last: Date) -> Result<Self, WindowError> {
        if last < first {
            return Err(WindowError { first, last });
        }
        Ok(Self { first, last })
    }

    /// The first day.
    #[must_use]
    pub fn first(&self) -> Date {
        self.first
    }

    /// The last day, which belongs to the window.
    #[must_use]
    pub fn last(&self) -> Date {
        self.last
    }

    /// Whether `day` belongs to the window.
    #[must_use]
    pub fn contains(&self, day: Date) -> bool {
        (self.first..=self.last).contains(&day)
    }

    /// Whether some day of the calendar year belongs to the window.
    #[must_use]
    pub fn meets_year(&self, year: i32) -> bool {
        self.years().contains(&year)
    }

    /// The calendar years the window meets.
    #[must_use]
    pub fn years(&self) -> std::ops::RangeInclusive<i32> {
        self.first.year()..=self.last.year()
    }
}

impl fmt::Display for DataWindow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {}", self.first, self.last)
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Days {
    #[serde(with = "iso_date")]
    first: Date,
    #[serde(with = "iso_date")]
    last: Date,
}

impl From<DataWindow> for Days {
    fn from(window: DataWindow) -> Self {
        Self {
            first: window.first,
            last: window.last,
        }
    }
}

impl TryFrom<Days> for DataWindow {
    type Error = WindowError;

    fn try_from(days: Days) -> Result<Self, WindowError> {
        Self::new(days.first, days.last)
    }
}

/// Dates as `YYYY-MM-DD` text, in every format.
pub(super) mod iso_date {
    use serde::{Deserialize, Deserializer, Serializer, de, ser};
    use time::Date;
    use time::format_description::StaticFormatDescription;
    use time::macros::format_description;

    const FORM: StaticFormatDescription = format_description!("[year]-[month]-[day]");

    pub(crate) fn serialize<S: Serializer>(date: &Date, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&date.format(FORM).map_err(ser::Error::custom)?)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Date, D::Error> {
        let text = String::deserialize(deserializer)?;
        let date = Date::parse(&text, FORM).map_err(de::Error::custom)?;
        if date.format(FORM).is_ok_and(|canonical| canonical == text) {
            return Ok(date);
        }
        Err(de::Error::custom("a date is written like 2026-07-01"))
    }

    /// The same for a date that may be absent.
    pub(crate) mod option {
        use serde::{Deserialize, Deserializer, Serialize, Serializer};
        use time::Date;

        #[derive(Serialize, Deserialize)]
        struct Day(#[serde(with = "super")] Date);

        pub(crate) fn serialize<S: Serializer>(
            date: &Option<Date>,
            serializer: S,
        ) -> Result<S::Ok, S::Error> {
            date.map(Day).serialize(serializer)
        }

        pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
            deserializer: D,
        ) -> Result<Option<Date>, D::Error> {
            Ok(Option::<Day>::deserialize(deserializer)?.map(|day| day.0))
        }
    }
}

#[cfg(test)]
mod tests {
    use time::macros::date;

    use super::*;

    #[test]
    fn windows_read_as_iso_dates_and_hold_both_ends() {
        let json = r#"{"first":"2026-07-01","last":"2026-09-30"}"#;
        let window: DataWindow = serde_json::from_str(json).unwrap();
        assert_eq!(serde_json::to_string(&window).unwrap(), json);
        assert!(window.contains(date!(2026 - 07 - 01)));
        assert!(window.contains(date!(2026 - 09 - 30)));
        assert!(!window.contains(date!(2026 - 10 - 01)));
        assert!(window.meets_year(2026) && !window.meets_year(2027));
    }

    #[test]
    fn reversed_windows_and_other_forms_of_dates_are_refused() {
        for (first, last) in [
            ("2026-09-30", "2026-07-01"),
            ("2026-7-1", "2026-09-30"),
            ("+2026-07-01", "2026-09-30"),
            ("2026-02-30", "2026-09-30"),
        ] {
            let json = format!(r#"{{"first":"{first}","last":"{last}"}}"#);
            assert!(serde_json::from_str::<DataWindow>(&json).is_err(), "{json}");
        }
    }
}
