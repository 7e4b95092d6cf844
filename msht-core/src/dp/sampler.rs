//! Exact samplers: coins, negative binomials and the noise share of a node, with integers only.
//!
//! Sources: the Bernoulli(e^−a) coin is Algorithm 1 of Canonne, Kamath and Steinke, *The Discrete Gaussian for
//! Differential Privacy* (NeurIPS 2020); uniform integers follow Lemire, *Fast Random Integer Generation in an
//! Interval* (ACM TOMACS 2019); that differences of negative binomials of shape 1/h add up to a discrete Laplace
//! is Goryczka and Xiong, *A Comprehensive Comparison of Multiparty Secure Additions with Differential Privacy*
//! (IEEE TDSC 2017).
//!
//! Symbols: `a` is the privacy loss per unit of a cell, p = e^−a, and r the shape of a share, in (0, 1].
//!
//! Left out: constant time. The number of coins grows with the value drawn, so a node draws its noise ahead of
//! time ([`super::pool`]) and sends on a clock. Blocks of random words are erased; intermediate values in registers
//! and on the stack are not.

use std::convert::Infallible;

use rand::{CryptoRng, Rng, TryCryptoRng, TryRng};
use zeroize::Zeroize;

use crate::rational::{Rational, RationalError};

/// Smallest a accepted is one over this: below it one draw needs more than 65 536 coins on average, and values
/// would leave the 32 bits in which they are counted.
pub const MAX_INVERSE_RATE: u64 = 1 << 16;

/// Largest a accepted: above it noise is zero for all practical purposes, so a larger one is a mistake.
pub const MAX_RATE: u64 = 64;

/// Bytes asked of the generator at once where many cells are filled.
const BUFFER_BYTES: usize = 1024;

/// Why parameters cannot be sampled from.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SamplerError {
    /// a is outside 1/[`MAX_INVERSE_RATE`] … [`MAX_RATE`].
    #[error(
        "the privacy loss per unit, {0}, is outside 1/{MAX_INVERSE_RATE} to {MAX_RATE}; change ε, the weights or the bounds of the table"
    )]
    Rate(Rational),
    /// The shape is not in (0, 1].
    #[error(
        "the shape of a noise share must be above 0 and at most 1, not {0}; it is R / (fewest survivors − colluders)"
    )]
    Shape(Rational),
    /// A probability is above one.
    #[error("{0} is not a probability")]
    Probability(Rational),
    /// A parameter does not fit the integers of the samplers.
    #[error(transparent)]
    TooFine(#[from] RationalError),
}

/// A uniform integer in `0..bound`; a bound of zero is read as 2⁶⁴.
#[inline]
pub fn uniform_below<R: Rng + ?Sized>(bound: u64, rng: &mut R) -> u64 {
    if bound == 0 {
        return rng.next_u64();
    }
    match u32::try_from(bound) {
        Ok(bound) => u64::from(uniform_below_u32(bound, rng)),
        Err(_) => uniform_below_wide(bound, rng),
    }
}

/// Lemire's method on 32-bit words, for bounds above zero: a draw is kept unless it falls among the
/// 2³² mod `bound` products that would favour some results.
#[inline]
fn uniform_below_u32<R: Rng + ?Sized>(bound: u32, rng: &mut R) -> u32 {
    let (mut high, mut low) = split_u64(u64::from(rng.next_u32()) * u64::from(bound));
    if low < bound {
        let biased = bound.wrapping_neg() % bound;
        while low < biased {
            (high, low) = split_u64(u64::from(rng.next_u32()) * u64::from(bound));
        }
    }
    high
}

/// The same on 64-bit words.
#[inline]
fn uniform_below_wide<R: Rng + ?Sized>(bound: u64, rng: &mut R) -> u64 {
    let (mut high, mut low) = split_u128(u128::from(rng.next_u64()) * u128::from(bound));
    if low < bound {
        let biased = bound.wrapping_neg() % bound;
        while low < biased {
            (high, low) = split_u128(u128::from(rng.next_u64()) * u128::from(bound));
        }
    }
    high
}

#[inline]
#[expect(
    clippy::cast_possible_truncation,
    reason = "the two halves of the value are what is wanted"
)]
fn split_u64(value: u64) -> (u32, u32) {
    ((value >> 32) as u32, value as u32)
}

#[inline]
#[expect(
    clippy::cast_possible_truncation,
    reason = "the two halves of the value are what is wanted"
)]
fn split_u128(value: u128) -> (u64, u64) {
    ((value >> 64) as u64, value as u64)
}

/// True with probability `numerator / denominator`, for `numerator` ≤ `denominator` and `denominator` > 0.
#[inline]
fn ratio_coin<R: Rng + ?Sized>(numerator: u64, denominator: u64, rng: &mut R) -> bool {
    uniform_below(denominator, rng) < numerator
}

/// A coin with an exact rational probability.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RationalCoin {
    numerator: u32,
    denominator: u32,
}

impl RationalCoin {
    /// The coin that is true with `probability`.
    ///
    /// # Errors
    /// [`SamplerError::Probability`] above one, [`SamplerError::TooFine`] beyond 32 bits.
    pub fn new(probability: &Rational) -> Result<Self, SamplerError> {
        if *probability > Rational::one() {
            return Err(SamplerError::Probability(probability.clone()));
        }
        let (numerator, denominator) = probability.to_u32_parts()?;
        Ok(Self {
            numerator,
            denominator,
        })
    }

    /// One flip.
    #[inline]
    pub fn flip<R: CryptoRng + ?Sized>(&self, rng: &mut R) -> bool {
        ratio_coin(u64::from(self.numerator), u64::from(self.denominator), rng)
    }
}

/// A coin that is true with probability e^−a, for an exact rational a.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExponentialCoin {
    /// ⌊a⌋.
    whole: u32,
    /// a − ⌊a⌋ over `denominator`.
    remainder: u32,
    denominator: u32,
}

impl ExponentialCoin {
    /// The coin for `a` in 1/[`MAX_INVERSE_RATE`] … [`MAX_RATE`].
    ///
    /// # Errors
    /// [`SamplerError::Rate`] outside that range, [`SamplerError::TooFine`] beyond 32 bits.
    pub fn new(a: &Rational) -> Result<Self, SamplerError> {
        let least = Rational::new(1, MAX_INVERSE_RATE)?;
        if *a < least || *a > Rational::from_integer(MAX_RATE) {
            return Err(SamplerError::Rate(a.clone()));
        }
        let (numerator, denominator) = a.to_u32_parts()?;
        Ok(Self {
            whole: numerator / denominator,
            remainder: numerator % denominator,
            denominator,
        })
    }

    /// One flip: e^−a = (e^−1)^⌊a⌋ · e^−(a − ⌊a⌋), so every factor must come up true.
    #[inline]
    pub fn flip<R: CryptoRng + ?Sized>(&self, rng: &mut R) -> bool {
        for _ in 0..self.whole {
            if !small_exponential_coin(1, 1, rng) {
                return false;
            }
        }
        self.remainder == 0 || small_exponential_coin(self.remainder, self.denominator, rng)
    }
}

/// True with probability e^−γ for γ = `numerator / denominator` in (0, 1].
///
/// The first false among coins of probability γ/1, γ/2, γ/3 … has an odd position with probability
/// Σ (−γ)^k/k! = e^−γ.
#[inline]
fn small_exponential_coin<R: Rng + ?Sized>(numerator: u32, denominator: u32, rng: &mut R) -> bool {
    let (numerator, step) = (u64::from(numerator), u64::from(denominator));
    let mut odd = true;
    let mut bound = step;
    while ratio_coin(numerator, bound, rng) {
        odd = !odd;
        // Saturates after 2³² trues in a row at the earliest, an event of probability below 1/(2³²)!.
        bound = bound.saturating_add(step);
    }
    odd
}

/// A negative binomial NB(r, p) with p = e^−a: P(k) = (1−p)^r · p^k · Π_{i=1…k} (i−1+r)/i.
///
/// The sampler is rejection from a geometric with acceptance Π (i−1+r)/i, both interleaved: it needs
/// 1/(1−p) exponential coins on average whatever r is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NegativeBinomial {
    coin: ExponentialCoin,
    shape_numerator: u32,
    shape_denominator: u32,
}

impl NegativeBinomial {
    /// NB(`shape`, e^−`a`).
    ///
    /// # Errors
    /// [`SamplerError`] for a shape outside (0, 1] and as for [`ExponentialCoin::new`].
    pub fn new(a: &Rational, shape: &Rational) -> Result<Self, SamplerError> {
        if shape.is_zero() || *shape > Rational::one() {
            return Err(SamplerError::Shape(shape.clone()));
        }
        let (shape_numerator, shape_denominator) = shape.to_u32_parts()?;
        Ok(Self {
            coin: ExponentialCoin::new(a)?,
            shape_numerator,
            shape_denominator,
        })
    }

    /// One draw.
    pub fn sample<R: CryptoRng + ?Sized>(&self, rng: &mut R) -> u32 {
        let (x, y) = (
            u64::from(self.shape_numerator),
            u64::from(self.shape_denominator),
        );
        let mut k: u32 = 0;
        while self.coin.flip(rng) {
            // With a ≥ 2^−16 the counter is full with probability below e^−65535.
            k = k.saturating_add(1);
            // Keep k with probability (y(k−1)+x)/(yk): at most 2⁶⁴ − 1 as y and k have 32 bits.
            let denominator = y * u64::from(k);
            if !ratio_coin(denominator - y + x, denominator, rng) {
                k = 0;
            }
        }
        k
    }
}

/// The noise one node adds to a cell: NB(r, e^−a) − NB(r, e^−a).
///
/// The sum over independent shares of total shape 1 is exactly discrete Laplace of scale 1/a.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolyaShare {
    a: Rational,
    r: Rational,
    half: NegativeBinomial,
}

impl PolyaShare {
    /// The share of shape `r` in (0, 1] at a privacy loss of `a` per unit.
    ///
    /// # Errors
    /// [`SamplerError`] for parameters outside the ranges of the samplers.
    pub fn new(a: &Rational, r: &Rational) -> Result<Self, SamplerError> {
        Ok(Self {
            half: NegativeBinomial::new(a, r)?,
            a: a.clone(),
            r: r.clone(),
        })
    }

    /// Privacy loss per unit of a cell, of a sum of shares of total shape 1.
    #[must_use]
    pub fn a(&self) -> &Rational {
        &self.a
    }

    /// Shape of the share.
    #[must_use]
    pub fn r(&self) -> &Rational {
        &self.r
    }

    /// One draw.
    pub fn sample<R: CryptoRng + ?Sized>(&self, rng: &mut R) -> i64 {
        i64::from(self.half.sample(rng)) - i64::from(self.half.sample(rng))
    }

    /// Replaces every cell by a draw, asking the generator for whole blocks.
    pub fn fill<R: CryptoRng + ?Sized>(&self, cells: &mut [i64], rng: &mut R) {
        let mut buffered = BufferedRng::new(rng);
        for cell in cells {
            *cell = self.sample(&mut buffered);
        }
    }
}

/// A generator that asks the one below for whole blocks; what is left of the last block is dropped.
struct BufferedRng<'a, R: ?Sized> {
    rng: &'a mut R,
    block: [u8; BUFFER_BYTES],
    used: usize,
}

/// The words in it decided the draws.
impl<R: ?Sized> Drop for BufferedRng<'_, R> {
    fn drop(&mut self) {
        self.block.zeroize();
    }
}

impl<'a, R: CryptoRng + ?Sized> BufferedRng<'a, R> {
    fn new(rng: &'a mut R) -> Self {
        Self {
            rng,
            block: [0; BUFFER_BYTES],
            used: BUFFER_BYTES,
        }
    }

    #[inline]
    fn take<const N: usize>(&mut self) -> [u8; N] {
        loop {
            let rest = self.block.get(self.used..).unwrap_or(&[]);
            if let Some((word, _)) = rest.split_first_chunk::<N>() {
                self.used += N;
                return *word;
            }
            self.rng.fill_bytes(&mut self.block);
            self.used = 0;
        }
    }
}

impl<R: CryptoRng + ?Sized> TryRng for BufferedRng<'_, R> {
    type Error = Infallible;

    #[inline]
    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(u32::from_le_bytes(self.take()))
    }

    #[inline]
    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(u64::from_le_bytes(self.take()))
    }

    fn try_fill_bytes(&mut self, to: &mut [u8]) -> Result<(), Infallible> {
        self.rng.fill_bytes(to);
        Ok(())
    }
}

impl<R: CryptoRng + ?Sized> TryCryptoRng for BufferedRng<'_, R> {}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    fn rational(text: &str) -> Rational {
        text.parse().unwrap()
    }

    /// Share of trues among `flips`, in standard deviations from `probability`.
    fn deviations(probability: f64, flips: u32, mut coin: impl FnMut() -> bool) -> f64 {
        let trues = (0..flips).filter(|_| coin()).count() as f64;
        let flips = f64::from(flips);
        (trues - flips * probability) / (flips * probability * (1.0 - probability)).sqrt()
    }

    #[test]
    fn parameters_outside_the_samplers_are_refused() {
        let one = Rational::one();
        for a in ["0", "1/65537", "65", "3/4294967296"] {
            assert!(PolyaShare::new(&rational(a), &one).is_err(), "a = {a}");
        }
        for r in ["0", "22/15", "1/4294967296"] {
            assert!(PolyaShare::new(&one, &rational(r)).is_err(), "r = {r}");
        }
        assert!(PolyaShare::new(&rational("1/65536"), &one).is_ok());
        assert!(PolyaShare::new(&rational("64"), &rational("1/4294967295")).is_ok());
        assert!(RationalCoin::new(&rational("1.01")).is_err());
    }

    #[test]
    fn uniform_integers_stay_below_their_bound_and_are_even() {
        let mut rng = StdRng::seed_from_u64(1);
        for bound in [1, 2, 3, 7, 1 << 31, (1 << 32) + 1, u64::MAX] {
            for _ in 0..1000 {
                assert!(uniform_below(bound, &mut rng) < bound);
            }
            // The upper third of a bound of 3·2^k is where a biased reduction shows.
        }
        for bound in [3_u64 << 30, 3_u64 << 62] {
            let z = deviations(1.0 / 3.0, 200_000, || {
                uniform_below(bound, &mut rng) >= bound / 3 * 2
            });
            assert!(z.abs() < 4.5, "bound {bound}: {z} standard deviations");
        }
    }

    #[test]
    fn coins_have_their_probability() {
        let mut rng = StdRng::seed_from_u64(2);
        for text in ["1/3", "0.999", "4294967290/4294967291", "1/65536"] {
            let coin = RationalCoin::new(&rational(text)).unwrap();
            let z = deviations(rational(text).to_f64_lossy(), 1_000_000, || {
                coin.flip(&mut rng)
            });
            assert!(z.abs() < 4.5, "{text}: {z} standard deviations");
        }
        for text in ["1/20", "1", "0.7", "22/15", "3", "5.5", "1/1000"] {
            let coin = ExponentialCoin::new(&rational(text)).unwrap();
            let probability = (-rational(text).to_f64_lossy()).exp();
            let z = deviations(probability, 1_000_000, || coin.flip(&mut rng));
            assert!(z.abs() < 4.5, "e^-{text}: {z} standard deviations");
        }
    }

    #[test]
    fn coins_of_probability_zero_and_one_never_err() {
        let mut rng = StdRng::seed_from_u64(3);
        let never = RationalCoin::new(&Rational::zero()).unwrap();
        let always = RationalCoin::new(&Rational::one()).unwrap();
        for _ in 0..1000 {
            assert!(!never.flip(&mut rng));
            assert!(always.flip(&mut rng));
        }
    }

    #[test]
    fn one_seed_gives_one_sequence() {
        let share = PolyaShare::new(&rational("1/20"), &rational("1/15")).unwrap();
        let draw = |seed| {
            let mut cells = [0; 64];
            share.fill(&mut cells, &mut StdRng::seed_from_u64(seed));
            cells
        };
        assert_eq!(draw(4), draw(4));
        assert_ne!(draw(4), draw(5));
    }
}
