//! The numbers of a round and the rules between them.
//!
//! n is the size of the invited list, t the shares that open a seed, m the fewest survivors, c the colluders
//! tolerated. With 2t > n + c two different survivor sets cannot both gather t confirmations, and with
//! m − c ≥ 2 the noise of the honest survivors is never that of a single partner.

use serde::{Deserialize, Serialize};

/// Fewest partners a round can have.
pub const LEAST_INVITED: usize = 3;
/// Most partners a round can have: share indices are the non-zero elements of GF(2⁸).
pub const MOST_INVITED: usize = 255;
/// Fewest honest survivors planned for.
pub const LEAST_HONEST_SURVIVORS: u8 = 2;

/// n, t, m and c of one round, with every rule between them checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Params {
    invited: u8,
    threshold: u8,
    least_survivors: u8,
    colluders: u8,
}

/// n, t, m and c as they travel, unchecked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Thresholds {
    /// t: shares that open a seed, and confirmations that open a round.
    pub threshold: u8,
    /// m: fewest survivors a sum is opened for.
    pub least_survivors: u8,
    /// c: colluding partners tolerated.
    pub colluders: u8,
}

/// A rule on the numbers of a round that does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParamsError {
    /// n is outside 3…255.
    #[error("a round needs {LEAST_INVITED} to {MOST_INVITED} partners, not {0}")]
    Invited(usize),
    /// c is zero.
    #[error("at least one colluding partner must be tolerated (c ≥ 1)")]
    Colluders,
    /// 2t ≤ n + c.
    #[error(
        "threshold {threshold} is too low for {invited} partners and {colluders} colluders (2t > n + c)"
    )]
    Threshold {
        /// t.
        threshold: u8,
        /// n.
        invited: u8,
        /// c.
        colluders: u8,
    },
    /// Not t ≤ m ≤ n.
    #[error(
        "the fewest survivors ({least_survivors}) must lie between the threshold ({threshold}) and the partners invited ({invited})"
    )]
    Survivors {
        /// m.
        least_survivors: u8,
        /// t.
        threshold: u8,
        /// n.
        invited: u8,
    },
    /// m − c < 2.
    #[error(
        "{least_survivors} survivors of which {colluders} collude leave fewer than {LEAST_HONEST_SURVIVORS} honest partners"
    )]
    Honest {
        /// m.
        least_survivors: u8,
        /// c.
        colluders: u8,
    },
}

impl Params {
    /// Checks every rule of the protocol on the four numbers.
    ///
    /// # Errors
    /// The first rule that does not hold.
    pub fn new(invited: usize, thresholds: Thresholds) -> Result<Self, ParamsError> {
        let Thresholds {
            threshold,
            least_survivors,
            colluders,
        } = thresholds;
        let n = u8::try_from(invited).map_err(|_| ParamsError::Invited(invited))?;
        if invited < LEAST_INVITED {
            return Err(ParamsError::Invited(invited));
        }
        if colluders < 1 {
            return Err(ParamsError::Colluders);
        }
        if 2 * u16::from(threshold) <= u16::from(n) + u16::from(colluders) {
            return Err(ParamsError::Threshold {
                threshold,
                invited: n,
                colluders,
            });
        }
        if threshold > least_survivors || least_survivors > n {
            return Err(ParamsError::Survivors {
                least_survivors,
                threshold,
                invited: n,
            });
        }
        if least_survivors.saturating_sub(colluders) < LEAST_HONEST_SURVIVORS {
            return Err(ParamsError::Honest {
                least_survivors,
                colluders,
            });
        }
        Ok(Self {
            invited: n,
            threshold,
            least_survivors,
            colluders,
        })
    }

    /// t = ⌊2n/3⌋ + 1, c = max(1, ⌈n/3⌉ − 1), m = t.
    ///
    /// # Errors
    /// [`ParamsError::Invited`].
    pub fn defaults(invited: usize) -> Result<Self, ParamsError> {
        let n = u8::try_from(invited).map_err(|_| ParamsError::Invited(invited))?;
        let two_thirds =
            u8::try_from(2 * invited / 3).map_err(|_| ParamsError::Invited(invited))?;
        let threshold = two_thirds.saturating_add(1);
        Self::new(
            invited,
            Thresholds {
                threshold,
                least_survivors: threshold,
                colluders: n.div_ceil(3).saturating_sub(1).max(1),
            },
        )
    }

    /// n: partners invited.
    #[must_use]
    pub fn invited(&self) -> u8 {
        self.invited
    }

    /// t: shares that open a seed.
    #[must_use]
    pub fn threshold(&self) -> u8 {
        self.threshold
    }

    /// m: fewest survivors.
    #[must_use]
    pub fn least_survivors(&self) -> u8 {
        self.least_survivors
    }

    /// c: colluders tolerated.
    #[must_use]
    pub fn colluders(&self) -> u8 {
        self.colluders
    }

    /// m − c: the honest survivors the noise is planned for.
    #[must_use]
    pub fn least_honest(&self) -> u8 {
        self.least_survivors - self.colluders
    }

    /// n − t + 1 + c: statements of distinct partners in an abort certificate, below n for every round within the
    /// rules.
    ///
    /// At most c of them lie, so n − t + 1 partners never unmask and only t − 1 others could: no t shares.
    #[must_use]
    pub fn statements_needed(&self) -> u8 {
        self.invited - self.threshold + 1 + self.colluders
    }

    /// The three numbers beside n, as they travel.
    #[must_use]
    pub fn thresholds(&self) -> Thresholds {
        Thresholds {
            threshold: self.threshold,
            least_survivors: self.least_survivors,
            colluders: self.colluders,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(
        n: usize,
        threshold: u8,
        least_survivors: u8,
        colluders: u8,
    ) -> Result<Params, ParamsError> {
        Params::new(
            n,
            Thresholds {
                threshold,
                least_survivors,
                colluders,
            },
        )
    }

    #[test]
    fn the_defaults_keep_every_rule_for_every_cohort_size() {
        for n in LEAST_INVITED..=MOST_INVITED {
            let params = Params::defaults(n).unwrap();
            assert_eq!(Params::new(n, params.thresholds()), Ok(params), "n = {n}");
        }
        let params = Params::defaults(22).unwrap();
        assert_eq!(
            (
                params.threshold(),
                params.colluders(),
                params.least_honest()
            ),
            (15, 7, 8)
        );
    }

    #[test]
    fn each_rule_refuses_its_violation() {
        assert_eq!(with(2, 2, 2, 1), Err(ParamsError::Invited(2)));
        assert_eq!(with(256, 200, 200, 1), Err(ParamsError::Invited(256)));
        assert_eq!(with(9, 7, 7, 0), Err(ParamsError::Colluders));
        assert!(matches!(
            with(9, 5, 7, 1),
            Err(ParamsError::Threshold { .. })
        ));
        assert!(matches!(
            with(9, 7, 6, 2),
            Err(ParamsError::Survivors { .. })
        ));
        assert!(matches!(
            with(9, 7, 10, 2),
            Err(ParamsError::Survivors { .. })
        ));
        assert!(matches!(with(3, 3, 3, 2), Err(ParamsError::Honest { .. })));
        assert!(with(9, 6, 6, 2).is_ok());
    }
}
