//! Periods and times as people say them.

use time::OffsetDateTime;
use time::macros::format_description;

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// `2026-Q3` as "July to September 2026", `2026-07` as "July 2026"; any other period as it is.
pub(super) fn period_words(period: &str) -> String {
    let Some((year, part)) = period.split_once('-') else {
        return period.to_owned();
    };
    let is_year = year.len() == 4 && year.bytes().all(|b| b.is_ascii_digit());
    let words = match part {
        "Q1" => Some("January to March"),
        "Q2" => Some("April to June"),
        "Q3" => Some("July to September"),
        "Q4" => Some("October to December"),
        _ => month(part),
    };
    match words {
        Some(words) if is_year => format!("{words} {year}"),
        _ => period.to_owned(),
    }
}

/// A period in two short lines: `2026-Q3` as "Q3" and "2026"; any other as it is and nothing.
pub(super) fn short_period(period: &str) -> [String; 2] {
    match period.split_once('-') {
        Some((year, part)) => [part.to_owned(), year.to_owned()],
        None => [period.to_owned(), String::new()],
    }
}

fn month(number: &str) -> Option<&'static str> {
    let position = number.parse::<usize>().ok()?.checked_sub(1)?;
    (number.len() == 2).then(|| MONTHS.get(position).copied())?
}

/// Seconds since 1970 as a day and time in UTC.
pub(super) fn time_words(seconds: i64) -> String {
    let format =
        format_description!("[day padding:none] [month repr:long] [year], [hour]:[minute] UTC");
    OffsetDateTime::from_unix_timestamp(seconds)
        .ok()
        .and_then(|time| time.format(format).ok())
        .unwrap_or_else(|| format!("{seconds} seconds after 1970-01-01 UTC"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quarters_and_months_are_said_in_words() {
        assert_eq!(period_words("2026-Q3"), "July to September 2026");
        assert_eq!(period_words("2026-02"), "February 2026");
        for odd in ["2026", "2026-Q5", "2026-13", "2026-7", "later-Q1", ""] {
            assert_eq!(period_words(odd), odd);
        }
    }

    #[test]
    fn times_out_of_range_are_still_shown() {
        assert_eq!(time_words(0), "1 January 1970, 00:00 UTC");
        assert!(time_words(i64::MAX).contains("9223372036854775807"));
    }
}
