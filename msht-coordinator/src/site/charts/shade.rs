//! How dark an area of a map is: a value-suppressing palette.
//!
//! Correll, Moritz and Heer, *Value-Suppressing Uncertainty Palettes* (CHI 2018): the less sure a number is, the fewer
//! colours it can have, so that nobody reads a difference that is not there. Here a number has one of four colours
//! where it is known to a third of itself, one of two greyer colours where it is known less well, and grey hatching
//! where its 95 % interval holds zero.

use crate::site::figure::{Key, Swatch};
use crate::site::numbers::{Estimate, grouped};

/// Classes of sure numbers.
const CLASSES: i64 = 4;
/// A number is precise where its half-width is at most this part of it.
const PRECISE_PART: i64 = 3;
/// Mantissas of the width of a class.
const ROUND_STEPS: [i64; 7] = [1, 2, 3, 4, 5, 6, 8];

/// How an area is filled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::site) enum Shade {
    /// Cannot be told from zero.
    Hatched,
    /// One of four classes, from 1.
    Fine(i64),
    /// One of two classes, from 1.
    Coarse(i64),
}

impl Shade {
    /// Class of the area.
    pub(in crate::site) fn class(self) -> &'static str {
        match self {
            Self::Hatched => "unsure",
            Self::Fine(1) => "v1",
            Self::Fine(2) => "v2",
            Self::Fine(3) => "v3",
            Self::Fine(_) => "v4",
            Self::Coarse(1) => "w1",
            Self::Coarse(_) => "w2",
        }
    }

    /// Class of text upon the area.
    pub(in crate::site) fn text_class(self) -> &'static str {
        match self {
            Self::Hatched => "text-unsure",
            Self::Fine(1) => "text-v1",
            Self::Fine(2) => "text-v2",
            Self::Fine(3) => "text-v3",
            Self::Fine(_) => "text-v4",
            Self::Coarse(1) => "text-w1",
            Self::Coarse(_) => "text-w2",
        }
    }
}

/// Whether the interval reaches no farther from the number than a third of it.
fn is_precise(estimate: Estimate) -> bool {
    let half_width = estimate.high.saturating_sub(estimate.raw);
    half_width.saturating_mul(PRECISE_PART) <= estimate.raw
}

/// Four classes of equal width from zero.
#[derive(Debug, Clone, Copy)]
pub(in crate::site) struct Classes {
    step: i64,
}

impl Classes {
    /// Classes that hold all of these numbers.
    pub(in crate::site) fn over(estimates: impl Iterator<Item = Estimate>) -> Self {
        let most = estimates.map(|estimate| estimate.raw).max().unwrap_or(0);
        let wanted = most.max(1) / CLASSES + 1;
        let mut power = 1_i64;
        loop {
            for step in ROUND_STEPS.map(|step| step.saturating_mul(power)) {
                if step >= wanted {
                    return Self { step };
                }
            }
            power = power.saturating_mul(10);
        }
    }

    fn of(self, value: i64) -> i64 {
        (value.max(0) / self.step + 1).min(CLASSES)
    }

    /// How a number is shown.
    pub(in crate::site) fn shade(self, estimate: Estimate) -> Shade {
        if estimate.is_unsure() {
            return Shade::Hatched;
        }
        let own = self.of(estimate.raw);
        if is_precise(estimate) {
            Shade::Fine(own)
        } else {
            Shade::Coarse((own + 1) / 2)
        }
    }

    /// What the colours that occur mean, the sure ones first.
    pub(in crate::site) fn key(self, shades: &[Shade]) -> Vec<Key> {
        let mut key = Vec::new();
        let range = |first: i64, last: i64| {
            let from = grouped(self.step.saturating_mul(first - 1));
            if last == CLASSES {
                format!("{from} or more")
            } else {
                format!("{from} to {}", grouped(self.step.saturating_mul(last) - 1))
            }
        };
        for class in 1..=CLASSES {
            let shade = Shade::Fine(class);
            if shades.contains(&shade) {
                key.push(Key::new(Swatch::Field(shade.class()), &range(class, class)));
            }
        }
        for half in 1..=CLASSES / 2 {
            let shade = Shade::Coarse(half);
            if shades.contains(&shade) {
                let words = format!(
                    "{}, less sure: the interval reaches a third of the number or farther",
                    range(2 * half - 1, 2 * half)
                );
                key.push(Key::new(Swatch::Field(shade.class()), &words));
            }
        }
        if shades.contains(&Shade::Hatched) {
            key.push(Key::new(
                Swatch::Hatched("unsure"),
                "[u] cannot be told from zero",
            ));
        }
        key
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_less_sure_a_number_is_the_fewer_colours_it_can_have() {
        let classes = Classes::over([Estimate::new(117, 1)].into_iter());
        assert_eq!(classes.step, 30);
        assert_eq!(classes.shade(Estimate::new(117, 10)), Shade::Fine(4));
        assert_eq!(classes.shade(Estimate::new(61, 10)), Shade::Fine(3));
        assert_eq!(classes.shade(Estimate::new(61, 20)), Shade::Fine(3));
        assert_eq!(classes.shade(Estimate::new(61, 21)), Shade::Coarse(2));
        assert_eq!(classes.shade(Estimate::new(45, 40)), Shade::Coarse(1));
        assert_eq!(classes.shade(Estimate::new(45, 45)), Shade::Hatched);
        assert_eq!(classes.shade(Estimate::new(-3, 2)), Shade::Hatched);
    }

    #[test]
    fn classes_hold_every_number_and_the_key_names_those_that_occur() {
        for most in [0, 1, 3, 4, 99, 100, 1_000_003, i64::MAX] {
            let classes = Classes::over([Estimate::new(most, 0)].into_iter());
            assert!(most / CLASSES < classes.step, "{most}");
        }
        let classes = Classes::over([Estimate::new(117, 1)].into_iter());
        let words: Vec<String> = classes
            .key(&[Shade::Coarse(1), Shade::Fine(4), Shade::Hatched])
            .into_iter()
            .map(|key| key.words)
            .collect();
        assert_eq!(words[0], "90 or more");
        assert!(words[1].starts_with("0 to 59"));
        assert_eq!(words[2], "[u] cannot be told from zero");
    }
}
