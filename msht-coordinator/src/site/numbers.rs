//! One published number with its interval, and how numbers are written for people.

/// Mark of a number whose interval does not lie above zero.
pub(super) const UNSURE_MARK: &str = "[u]";
/// What [`UNSURE_MARK`] stands for.
pub(super) const UNSURE_WORDS: &str = "cannot be told from zero";
/// What is said of every other number.
pub(super) const ABOVE_ZERO_WORDS: &str = "above zero";

/// A noisy count and the ends of its 95 % interval, not cut off at zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Estimate {
    pub(super) raw: i64,
    pub(super) low: i64,
    pub(super) high: i64,
}

impl Estimate {
    /// The number `raw` with an interval of `raw ± half_width`.
    pub(super) fn new(raw: i64, half_width: u64) -> Self {
        Self {
            raw,
            low: raw.saturating_sub_unsigned(half_width),
            high: raw.saturating_add_unsigned(half_width),
        }
    }

    /// Whether zero cannot be ruled out. An interval wholly below zero does not rule it out either: true counts
    /// are never negative.
    pub(super) fn is_unsure(&self) -> bool {
        self.low <= 0
    }

    /// This number less an exact one.
    pub(super) fn less(&self, exact: i64) -> Self {
        Self {
            raw: self.raw.saturating_sub(exact),
            low: self.low.saturating_sub(exact),
            high: self.high.saturating_sub(exact),
        }
    }

    /// Distance of the ends of the interval.
    pub(super) fn width(&self) -> u64 {
        self.high.abs_diff(self.low)
    }

    /// Whether the whole interval lies above the whole of `other`.
    pub(super) fn lies_above(&self, other: &Self) -> bool {
        self.low > other.high
    }

    /// The number as people read it.
    pub(super) fn number(&self) -> String {
        grouped(self.raw)
    }

    /// The interval as people read it beside its number.
    pub(super) fn range(&self) -> String {
        format!("{} to {}", grouped(self.low), grouped(self.high))
    }

    /// The state in words, with the mark where there is one.
    pub(super) fn state(&self) -> String {
        if self.is_unsure() {
            format!("{UNSURE_MARK} {UNSURE_WORDS}")
        } else {
            ABOVE_ZERO_WORDS.to_owned()
        }
    }
}

/// `value` with commas between thousands and a true minus sign.
pub(super) fn grouped(value: i64) -> String {
    let digits = value.unsigned_abs().to_string();
    let mut text = String::with_capacity(digits.len() * 2);
    if value < 0 {
        text.push('\u{2212}');
    }
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `x` with one decimal place, rounded up: factors of privacy loss are never shown smaller than they are.
pub(super) fn rounded_up(x: f64) -> String {
    /// Beyond this a factor says nothing more to a reader.
    const LARGEST_SHOWN: f64 = 10_000.0;
    if x.is_nan() || x > LARGEST_SHOWN {
        return "more than 10,000".to_owned();
    }
    let text = format!("{:.1}", (x * 10.0).ceil() / 10.0);
    let grouped = text.split_once('.').and_then(|(whole, tenths)| {
        let whole = whole.parse().ok()?;
        Some(format!("{}.{tenths}", grouped(whole)))
    });
    grouped.unwrap_or(text)
}

/// `one` or `many` after the number, by the number.
pub(super) fn counted(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// `a, b and c`.
pub(super) fn listed(items: &[&str]) -> String {
    match items {
        [] => String::new(),
        [only] => (*only).to_owned(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_grouped_and_minus_is_a_minus() {
        let cases = [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (-12, "−12"),
            (-1_234_567, "−1,234,567"),
            (i64::MIN, "−9,223,372,036,854,775,808"),
        ];
        for (value, text) in cases {
            assert_eq!(grouped(value), text);
        }
    }

    #[test]
    fn zero_is_ruled_out_only_by_an_interval_above_it() {
        assert!(Estimate::new(3, 3).is_unsure());
        assert!(!Estimate::new(4, 3).is_unsure());
        assert!(Estimate::new(-9, 3).is_unsure());
    }

    #[test]
    fn intervals_at_the_ends_of_the_range_do_not_wrap() {
        let widest = Estimate::new(i64::MAX, u64::MAX);
        assert_eq!(widest.high, i64::MAX);
        assert_eq!(Estimate::new(i64::MIN, 1).low, i64::MIN);
    }

    #[test]
    fn factors_are_rounded_up() {
        assert_eq!(rounded_up(1.0_f64.exp()), "2.8");
        assert_eq!(rounded_up(8103.08), "8,103.1");
        assert_eq!(rounded_up(1e9), "more than 10,000");
    }

    #[test]
    fn lists_read_as_sentences() {
        assert_eq!(listed(&["a"]), "a");
        assert_eq!(listed(&["a", "b", "c"]), "a, b and c");
    }
}
