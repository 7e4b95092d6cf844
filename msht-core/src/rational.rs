//! Exact rational numbers for privacy parameters.
//!
//! Privacy losses are never rounded on the way from a programme file to a sampler or a ledger, so they
//! travel as rationals. Text forms accepted: `2`, `0.25`, `1/3`. Human-readable formats (TOML, JSON) carry a
//! number where the value is a short exact decimal and the string `n/d` otherwise; binary formats carry the
//! string.

use std::fmt;
use std::str::FromStr;

use dashu::base::Sign;
use dashu::integer::{IBig, UBig};
use dashu::rational::RBig;
use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Longest text accepted for a rational, in bytes.
pub const MAX_RATIONAL_TEXT_BYTES: usize = 64;

/// Most decimal places written before a value is shown as a fraction.
const MAX_DECIMAL_PLACES: usize = 12;

/// Most digits of a value that is a number in JSON: any 15 are exact in a double.
const MAX_JSON_DIGITS: usize = 15;

/// A non-negative exact rational number.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rational(RBig);

/// Why a text is not a rational.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RationalError {
    /// The text is not `n`, `n.f` or `n/d`.
    #[error("`{0}` is not a non-negative number; write it like 2, 0.25 or 1/3")]
    Malformed(String),
    /// The text, or the fraction it stands for, is longer than [`MAX_RATIONAL_TEXT_BYTES`].
    #[error("the number, or its fraction, is longer than {MAX_RATIONAL_TEXT_BYTES} characters")]
    TooLong,
    /// The denominator is zero.
    #[error("the denominator of a fraction must not be zero")]
    ZeroDenominator,
    /// Numerator or denominator does not fit 32 bits, the range the exact samplers work in.
    #[error(
        "{0} needs a numerator or denominator above 4294967295, the range of the exact samplers"
    )]
    TooFine(String),
}

impl Rational {
    /// Zero.
    #[must_use]
    pub fn zero() -> Self {
        Self(RBig::ZERO)
    }

    /// One.
    #[must_use]
    pub fn one() -> Self {
        Self(RBig::ONE)
    }

    /// `numerator / denominator`, reduced.
    ///
    /// # Errors
    /// [`RationalError::ZeroDenominator`].
    pub fn new(numerator: u64, denominator: u64) -> Result<Self, RationalError> {
        if denominator == 0 {
            return Err(RationalError::ZeroDenominator);
        }
        Ok(Self(RBig::from_parts(
            IBig::from(numerator),
            UBig::from(denominator),
        )))
    }

    /// The whole number `value`.
    #[must_use]
    pub fn from_integer(value: u64) -> Self {
        Self(RBig::from(value))
    }

    /// Whether the value is zero.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        self.0.is_zero()
    }

    /// Exact sum.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        Self(&self.0 + &other.0)
    }

    /// Exact product.
    #[must_use]
    pub fn times(&self, other: &Self) -> Self {
        Self(&self.0 * &other.0)
    }

    /// Exact difference, or `None` where it would be negative.
    #[must_use]
    pub fn checked_minus(&self, other: &Self) -> Option<Self> {
        (self >= other).then(|| Self(&self.0 - &other.0))
    }

    /// Exact quotient.
    ///
    /// # Errors
    /// [`RationalError::ZeroDenominator`].
    pub fn divided_by(&self, other: &Self) -> Result<Self, RationalError> {
        if other.is_zero() {
            return Err(RationalError::ZeroDenominator);
        }
        Ok(Self(&self.0 / &other.0))
    }

    /// Numerator and denominator in lowest terms, as the exact samplers need them.
    ///
    /// # Errors
    /// [`RationalError::TooFine`] where either does not fit 32 bits.
    pub fn to_u32_parts(&self) -> Result<(u32, u32), RationalError> {
        let numerator = u32::try_from(self.0.numerator());
        let denominator = u32::try_from(self.0.denominator());
        match (numerator, denominator) {
            (Ok(numerator), Ok(denominator)) => Ok((numerator, denominator)),
            _ => Err(RationalError::TooFine(self.to_string())),
        }
    }

    /// Nearest double, for display and estimates only, never for sampling or accounting.
    #[must_use]
    pub fn to_f64_lossy(&self) -> f64 {
        self.0.to_f64().value()
    }

    /// The underlying big rational.
    #[must_use]
    pub fn as_rbig(&self) -> &RBig {
        &self.0
    }

    fn to_short_decimal(&self) -> Option<String> {
        let denominator = self.0.denominator();
        let mut scale = UBig::ONE;
        for places in 0..=MAX_DECIMAL_PLACES {
            if (&scale % denominator).is_zero() {
                let digits = self.0.numerator() * IBig::from(&scale / denominator);
                return Some(place_point(&digits.to_string(), places));
            }
            scale *= UBig::from(10u8);
        }
        None
    }
}

fn place_point(digits: &str, places: usize) -> String {
    if places == 0 {
        return digits.to_owned();
    }
    let padded = format!("{digits:0>width$}", width = places + 1);
    let (whole, fraction) = padded.split_at(padded.len() - places);
    format!("{whole}.{fraction}")
}

impl fmt::Display for Rational {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.to_short_decimal() {
            Some(decimal) => f.write_str(&decimal),
            None => write!(f, "{}/{}", self.0.numerator(), self.0.denominator()),
        }
    }
}

impl fmt::Debug for Rational {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Rational {
    type Err = RationalError;

    fn from_str(text: &str) -> Result<Self, RationalError> {
        if text.len() > MAX_RATIONAL_TEXT_BYTES {
            return Err(RationalError::TooLong);
        }
        let value = Self::from_digits(text)?;
        // A long decimal is a longer fraction, which a ledger or an announcement could not be read back with.
        if value.to_string().len() > MAX_RATIONAL_TEXT_BYTES {
            return Err(RationalError::TooLong);
        }
        Ok(value)
    }
}

impl Rational {
    fn from_digits(text: &str) -> Result<Self, RationalError> {
        let malformed = || RationalError::Malformed(text.to_owned());
        let natural = |digits: &str| -> Result<UBig, RationalError> {
            let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
            if !plain {
                return Err(malformed());
            }
            UBig::from_str_radix(digits, 10).map_err(|_| malformed())
        };
        if let Some((numerator, denominator)) = text.split_once('/') {
            let (numerator, denominator) = (natural(numerator)?, natural(denominator)?);
            if denominator.is_zero() {
                return Err(RationalError::ZeroDenominator);
            }
            return Ok(Self(RBig::from_parts(numerator.into(), denominator)));
        }
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        let scale = UBig::from(10u8).pow(fraction.len());
        let numerator = natural(whole)? * &scale + natural(fraction)?;
        Ok(Self(RBig::from_parts(
            IBig::from_parts(Sign::Positive, numerator),
            scale,
        )))
    }
}

impl Serialize for Rational {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = self.to_string();
        if serializer.is_human_readable() {
            if let Ok(whole) = text.parse::<u32>() {
                return serializer.serialize_u32(whole);
            }
            // Readers of JSON are exact up to 2⁵³ only, and a whole number is written with one digit more.
            let digits = text.bytes().filter(u8::is_ascii_digit).count();
            let whole = usize::from(!text.contains('.'));
            if digits + whole <= MAX_JSON_DIGITS
                && let Ok(number) = text.parse::<f64>()
                && number.to_string() == text
            {
                return serializer.serialize_f64(number);
            }
        }
        serializer.serialize_str(&text)
    }
}

struct RationalVisitor;

impl Visitor<'_> for RationalVisitor {
    type Value = Rational;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a non-negative number such as 2, 0.25 or \"1/3\"")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Rational, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Rational, E> {
        Ok(Rational::from_integer(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Rational, E> {
        u64::try_from(value)
            .map(Rational::from_integer)
            .map_err(|_| E::custom(RationalError::Malformed(value.to_string())))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Rational, E> {
        value.to_string().parse().map_err(E::custom)
    }
}

impl<'de> Deserialize<'de> for Rational {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            deserializer.deserialize_any(RationalVisitor)
        } else {
            deserializer.deserialize_str(RationalVisitor)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rational(text: &str) -> Rational {
        text.parse().unwrap()
    }

    #[test]
    fn text_forms_of_one_value_are_equal() {
        assert_eq!(rational("0.25"), rational("1/4"));
        assert_eq!(rational("2"), rational("4/2"));
        assert_eq!(rational("0.10").to_string(), "0.1");
        assert_eq!(rational("22/15").to_string(), "22/15");
        assert_eq!(rational("100").to_string(), "100");
        assert_eq!(rational("0.05").to_string(), "0.05");
    }

    #[test]
    fn a_decimal_whose_fraction_would_be_too_long_to_read_back_is_refused() {
        let fine = format!("0.{}", "3".repeat(30));
        assert_eq!(rational(&rational(&fine).to_string()), rational(&fine));
        let too_fine = format!("0.{}", "3".repeat(40));
        assert_eq!(too_fine.parse::<Rational>(), Err(RationalError::TooLong));
    }

    #[test]
    fn malformed_texts_are_refused() {
        for text in [
            "", "-1", "1/0", "1e3", "one", "1.2.3", "1/-2", ".5", "5.", "1 /2",
        ] {
            assert!(text.parse::<Rational>().is_err(), "{text:?} was accepted");
        }
    }

    #[test]
    fn json_round_trips_numbers_and_fractions() {
        for text in ["1", "0.25", "22/15", "0.1", "3", "2133333333333333"] {
            let json = serde_json::to_string(&rational(text)).unwrap();
            assert_eq!(
                serde_json::from_str::<Rational>(&json).unwrap(),
                rational(text)
            );
        }
        assert_eq!(serde_json::to_string(&rational("0.25")).unwrap(), "0.25");
        assert_eq!(serde_json::to_string(&rational("1/3")).unwrap(), "\"1/3\"");
    }

    #[test]
    fn arithmetic_is_exact() {
        let third = rational("1/3");
        assert_eq!(third.plus(&third).plus(&third), Rational::one());
        assert_eq!(third.checked_minus(&Rational::one()), None);
        assert_eq!(Rational::one().divided_by(&rational("3")).unwrap(), third);
        assert!(rational("1/4294967296").to_u32_parts().is_err());
    }
}
