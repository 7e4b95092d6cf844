//! Scales: which number stands where in a drawing.

use std::fmt;

use crate::site::numbers::{Estimate, grouped};

/// About this many steps of a scale are marked.
const SCALE_STEPS: i128 = 5;

/// A length in tenths of a drawing unit, so that drawings are exact and repeatable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::site) struct Tenths(pub(in crate::site) i64);

impl fmt::Display for Tenths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0.div_euclid(10), self.0.rem_euclid(10))
    }
}

/// One mark of the scale.
#[derive(Debug)]
pub(in crate::site) struct Tick {
    pub(in crate::site) at: Tenths,
    pub(in crate::site) text: String,
}

/// A stretch of the scale.
#[derive(Debug)]
pub(in crate::site) struct Span {
    pub(in crate::site) at: Tenths,
    pub(in crate::site) length: Tenths,
}

/// The scale: which number stands where.
pub(in crate::site) struct Scale {
    least: i128,
    most: i128,
    start: i64,
    end: i64,
}

impl Scale {
    /// A scale over the intervals of `estimates` and zero, that runs from `start` to `end`.
    pub(in crate::site) fn over(
        estimates: impl Iterator<Item = Estimate>,
        start: i64,
        end: i64,
    ) -> Self {
        let (least, most) = estimates.fold((0, 1), |(least, most), estimate| {
            (estimate.low.min(least), estimate.high.max(most))
        });
        Self {
            least: i128::from(least),
            most: i128::from(most),
            start,
            end,
        }
    }

    /// Where `value` stands.
    pub(in crate::site) fn at(&self, value: i64) -> Tenths {
        let along = (i128::from(value) - self.least) * i128::from(self.end - self.start) * 10
            / (self.most - self.least);
        Tenths(self.start * 10 + i64::try_from(along).unwrap_or(0))
    }

    /// The stretch between two values.
    pub(in crate::site) fn span(&self, from: i64, to: i64) -> Span {
        let (x, end) = (self.at(from), self.at(to));
        Span {
            at: x.min(end),
            length: Tenths((end.0 - x.0).abs()),
        }
    }

    /// Marks at round numbers.
    pub(in crate::site) fn ticks(&self) -> Vec<Tick> {
        let step = round_step((self.most - self.least) / SCALE_STEPS);
        let first = self.least / step * step;
        (0..=2 * SCALE_STEPS)
            .map(|number| first + number * step)
            .take_while(|value| *value <= self.most)
            .filter_map(|value| i64::try_from(value).ok())
            .map(|value| Tick {
                at: self.at(value),
                text: grouped(value),
            })
            .collect()
    }
}

/// The least of 1, 2, 5, 10, 20, 50 … that is not below `wanted`.
fn round_step(wanted: i128) -> i128 {
    let mut power = 1;
    loop {
        for factor in [1, 2, 5] {
            if factor * power >= wanted {
                return factor * power;
            }
        }
        power *= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scale(estimates: &[Estimate]) -> Scale {
        Scale::over(estimates.iter().copied(), 232, 580)
    }

    #[test]
    fn the_scale_is_linear_and_has_round_steps() {
        let scale = scale(&[Estimate::new(95, 5), Estimate::new(-5, 5)]);
        assert_eq!(scale.at(-10), Tenths(2320));
        assert_eq!(scale.at(100), Tenths(5800));
        assert_eq!(scale.at(45), Tenths(4060));
        let texts: Vec<String> = scale.ticks().into_iter().map(|tick| tick.text).collect();
        assert_eq!(texts, ["0", "50", "100"]);
    }

    #[test]
    fn extreme_numbers_stay_inside_the_drawing() {
        let scale = scale(&[Estimate::new(i64::MAX, 9), Estimate::new(i64::MIN, 9)]);
        assert_eq!(scale.at(i64::MAX), Tenths(5800));
        assert!(!scale.ticks().is_empty());
    }

    #[test]
    fn a_scale_may_run_upwards() {
        let scale = Scale::over([Estimate::new(90, 10)].into_iter(), 200, 0);
        assert_eq!((scale.at(0), scale.at(100)), (Tenths(2000), Tenths(0)));
    }
}
