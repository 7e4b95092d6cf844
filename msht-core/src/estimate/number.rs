//! An interval, and where a number stands to zero.

use super::interval::{IntervalError, NoiseLaw};

/// From `low` to `high`, both included.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Interval {
    /// `value` ± `half_width`.
    #[must_use]
    pub fn around(value: f64, half_width: f64) -> Self {
        Self {
            low: value - half_width,
            high: value + half_width,
        }
    }

    /// The interval of a noisy integer that misses the true sum with at most probability `complement`.
    ///
    /// # Errors
    /// As for [`NoiseLaw::half_width`].
    pub fn of_count(raw: i64, law: &NoiseLaw, complement: f64) -> Result<Self, IntervalError> {
        let half_width = law.half_width(complement)?;
        Ok(Self::around(raw as f64, half_width as f64))
    }

    /// Whether `value` lies in it.
    #[must_use]
    pub fn holds(&self, value: f64) -> bool {
        (self.low..=self.high).contains(&value)
    }

    /// Half the distance of its ends.
    #[must_use]
    pub fn half_width(&self) -> f64 {
        (self.high - self.low) / 2.0
    }

    /// Where a count with this interval stands to zero.
    #[must_use]
    pub fn standing(&self) -> Standing {
        if self.low > 0.0 {
            Standing::AboveZero
        } else {
            Standing::NotDistinguishableFromZero
        }
    }
}

/// Where a count stands to zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Its interval lies above zero.
    AboveZero,
    /// Its interval holds zero or lies below it: nothing shows that anybody was counted.
    NotDistinguishableFromZero,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rational::Rational;

    #[test]
    fn a_count_stands_above_zero_only_with_its_whole_interval() {
        let law = NoiseLaw::new(&"0.5".parse().unwrap(), &Rational::one()).unwrap();
        for (raw, standing) in [
            (-9, Standing::NotDistinguishableFromZero),
            (0, Standing::NotDistinguishableFromZero),
            (6, Standing::NotDistinguishableFromZero),
            (7, Standing::AboveZero),
        ] {
            let interval = Interval::of_count(raw, &law, 0.05).unwrap();
            assert_eq!(interval.half_width(), 6.0);
            assert_eq!(interval.standing(), standing, "{raw}");
            assert!(interval.holds(raw as f64 - 6.0) && !interval.holds(raw as f64 - 6.5));
        }
    }
}
