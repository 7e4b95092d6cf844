//! Amounts of money: from the text of a cell to whole units of the programme.
//!
//! How a number is written is never guessed: 1.234 is one and a bit with a decimal point and over a thousand with a
//! decimal comma, so the mapping says which. An amount is rounded to the nearest unit, a half upwards, and only then
//! clipped (`msht_core::tally`); zero stays zero. All of it is whole-number arithmetic.

use std::fmt;

use msht_core::programme::{Amount, Programme};
use msht_core::rational::{Rational, RationalError};
use serde::{Deserialize, Serialize};

use super::definition::AmountDefinition;
use super::error::{MappingError, MappingProblem};

/// Most digits of an amount, its decimals among them: far beyond all money there is.
const MAX_DIGITS: usize = 24;

/// Most decimals.
const MAX_DECIMALS: u32 = 12;

/// Digits of every group between separators of thousands but the first, which may have fewer.
const GROUP_DIGITS: usize = 3;

/// What stands before the decimals.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum DecimalSign {
    /// `1234.56`.
    #[default]
    #[serde(rename = ".")]
    Point,
    /// `1234,56`.
    #[serde(rename = ",")]
    Comma,
}

/// What stands between thousands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ThousandsSign {
    /// `1,234`.
    #[serde(rename = ",")]
    Comma,
    /// `1.234`.
    #[serde(rename = ".")]
    Point,
    /// `1 234`, also with a non-breaking or narrow space.
    #[serde(rename = " ")]
    Space,
    /// `1'234`.
    #[serde(rename = "'")]
    Apostrophe,
}

impl ThousandsSign {
    fn is(self, c: char) -> bool {
        match self {
            Self::Comma => c == ',',
            Self::Point => c == '.',
            Self::Space => matches!(c, ' ' | '\u{a0}' | '\u{202f}' | '\u{2009}'),
            Self::Apostrophe => matches!(c, '\'' | '\u{2019}'),
        }
    }

    fn sign(self) -> char {
        match self {
            Self::Comma => ',',
            Self::Point => '.',
            Self::Space => ' ',
            Self::Apostrophe => '\'',
        }
    }
}

impl DecimalSign {
    fn sign(self) -> char {
        match self {
            Self::Point => '.',
            Self::Comma => ',',
        }
    }
}

/// Why a cell is not an amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotAnAmount {
    /// It is written in another way.
    OtherFormat,
    /// It is below zero.
    Negative,
}

/// How the cells of one amount are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AmountFormat {
    decimal: DecimalSign,
    thousands: Option<ThousandsSign>,
    currency: String,
    /// One in the column is this many units of the programme, as numerator and denominator.
    units: (u128, u128),
}

impl AmountFormat {
    fn check(
        definition: &AmountDefinition,
        amount: &Amount,
        path: &str,
    ) -> Result<Self, MappingError> {
        if definition.currency != amount.currency() {
            let problem = MappingProblem::OtherCurrency {
                found: definition.currency.clone(),
                expected: amount.currency().to_owned(),
            };
            return Err(problem.at(format!("{path}.currency")));
        }
        let (decimal, thousands) = (definition.decimal, definition.thousands);
        if thousands.is_some_and(|thousands| thousands.is(decimal.sign())) {
            return Err(MappingProblem::SameSign.at(format!("{path}.thousands")));
        }
        let parts = |unit: &Rational| -> Result<(u32, u32), RationalError> { unit.to_u32_parts() };
        let (numerator, denominator) = match &definition.unit {
            None => (1, 1),
            Some(unit) => parts(unit)
                .ok()
                .filter(|(numerator, _)| *numerator > 0)
                .ok_or_else(|| MappingProblem::ColumnUnit.at(format!("{path}.unit")))?,
        };
        Ok(Self {
            decimal,
            thousands,
            currency: amount.currency().to_owned(),
            units: (
                u128::from(numerator),
                u128::from(denominator) * u128::from(amount.unit()),
            ),
        })
    }

    /// The amount in whole units; `None` where the cell is empty.
    pub(super) fn read(&self, cell: &str) -> Result<Option<u64>, NotAnAmount> {
        let cell = cell.trim();
        if cell.is_empty() {
            return Ok(None);
        }
        let (negative, number) = without_sign(self.without_currency(cell));
        let number = self.without_currency(number);
        let (mantissa, decimals) = self.digits(number).ok_or(NotAnAmount::OtherFormat)?;
        if negative && mantissa > 0 {
            return Err(NotAnAmount::Negative);
        }
        let (numerator, denominator) = self.units;
        // Below 10²⁴·2³² and 10¹²·2⁶²: both fit 128 bits, and so do their doubles.
        let units = mantissa * numerator;
        let whole = denominator * 10_u128.pow(decimals);
        let rounded = (2 * units + whole) / (2 * whole);
        Ok(Some(u64::try_from(rounded).unwrap_or(u64::MAX)))
    }

    /// All digits as one number, and how many of them are decimals.
    fn digits(&self, text: &str) -> Option<(u128, u32)> {
        let (whole, decimals) = match text.split_once(self.decimal.sign()) {
            Some((whole, decimals)) => (whole, Some(decimals)),
            None => (text, None),
        };
        let mut digits = self.without_thousands(whole)?;
        if let Some(decimals) = decimals {
            digits.push_str(is_digits(decimals).then_some(decimals)?);
        }
        if digits.len() > MAX_DIGITS {
            return None;
        }
        let length = u32::try_from(decimals.unwrap_or_default().len()).ok()?;
        let value = digits.parse().ok()?;
        (length <= MAX_DECIMALS).then_some((value, length))
    }

    fn without_thousands(&self, whole: &str) -> Option<String> {
        let groups: Vec<&str> = match self.thousands {
            Some(sign) => whole.split(|c| sign.is(c)).collect(),
            None => vec![whole],
        };
        let alone = groups.len() == 1;
        let right = groups.iter().enumerate().all(|(at, group)| {
            let length = match (alone, at) {
                (true, _) => true,
                (false, 0) => group.len() <= GROUP_DIGITS,
                (false, _) => group.len() == GROUP_DIGITS,
            };
            length && is_digits(group)
        });
        right.then(|| groups.concat())
    }

    /// The text without the programme's currency before or behind it.
    fn without_currency<'a>(&self, text: &'a str) -> &'a str {
        let signs = [Some(self.currency.as_str()), sign_of(&self.currency)];
        let mut rest = text;
        for sign in signs.into_iter().flatten() {
            let shorter = rest.strip_prefix(sign);
            rest = shorter.or_else(|| rest.strip_suffix(sign)).unwrap_or(rest);
        }
        rest.trim()
    }
}

/// An amount written as the mapping says, for messages.
impl fmt::Display for AmountFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("1")?;
        if let Some(thousands) = self.thousands {
            write!(f, "{}", thousands.sign())?;
        }
        write!(f, "234{}56", self.decimal.sign())
    }
}

/// Whether a minus sign or accountants' brackets stand around the number, and the number.
fn without_sign(text: &str) -> (bool, &str) {
    let minus = ['-', '\u{2212}'];
    let bracketed = || text.strip_prefix('(')?.strip_suffix(')');
    let signed = || {
        text.strip_prefix(minus)
            .or_else(|| text.strip_suffix(minus))
    };
    match bracketed().or_else(signed) {
        Some(number) => (true, number.trim()),
        None => (false, text),
    }
}

/// The sign of a currency that has one of its own.
fn sign_of(currency: &str) -> Option<&'static str> {
    match currency {
        "GBP" => Some("£"),
        "EUR" => Some("€"),
        "USD" => Some("$"),
        _ => None,
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// One amount and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct MappedAmount {
    pub(super) id: String,
    /// None where the partner's rows do not have it: each adds 0 units.
    pub(super) column: Option<(String, AmountFormat)>,
}

/// The amounts of the mapping in the programme's order.
pub(super) fn check_amounts(
    definitions: &[AmountDefinition],
    programme: &Programme,
) -> Result<Vec<MappedAmount>, MappingError> {
    let amounts = programme.amounts();
    let mut mapped: Vec<Option<MappedAmount>> = amounts.iter().map(|_| None).collect();
    for (at, definition) in definitions.iter().enumerate() {
        let path = format!("amount[{at}]");
        let id = &definition.id;
        let mut slots = amounts.iter().zip(&mut mapped);
        let Some((amount, slot)) = slots.find(|(amount, _)| amount.id() == id) else {
            let ids: Vec<_> = amounts.iter().map(Amount::id).collect();
            let problem = MappingProblem::NoSuchAmount(id.clone(), ids.join(", "));
            return Err(problem.at(format!("{path}.id")));
        };
        if slot.is_some() {
            return Err(MappingProblem::AmountTwice(id.clone()).at(format!("{path}.id")));
        }
        *slot = Some(check_amount(definition, amount, &path)?);
    }
    amounts
        .iter()
        .zip(mapped)
        .map(|(amount, mapped)| {
            let missing = || MappingProblem::MissingAmount(amount.id().to_owned()).at("amount");
            mapped.ok_or_else(missing)
        })
        .collect()
}

fn check_amount(
    definition: &AmountDefinition,
    amount: &Amount,
    path: &str,
) -> Result<MappedAmount, MappingError> {
    let format = AmountFormat::check(definition, amount, path)?;
    let column = match (&definition.column, definition.not_recorded) {
        (Some(column), false) => {
            let column = super::check_column(column, &format!("{path}.column"))?;
            Some((column, format))
        }
        (None, true) => None,
        _ => {
            let id = amount.id().to_owned();
            return Err(MappingProblem::ColumnOrNotRecorded(id).at(path));
        }
    };
    Ok(MappedAmount {
        id: amount.id().to_owned(),
        column,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNIT: u32 = 100;

    fn format(decimal: DecimalSign, thousands: Option<ThousandsSign>) -> AmountFormat {
        AmountFormat {
            decimal,
            thousands,
            currency: "GBP".to_owned(),
            units: (1, u128::from(UNIT)),
        }
    }

    #[test]
    fn amounts_are_rounded_to_the_nearest_unit_a_half_upwards() {
        let format = format(DecimalSign::Point, None);
        for (cell, units) in [
            ("0", 0),
            ("49.99", 0),
            ("49.999999999999", 0),
            ("50", 1),
            ("50.00", 1),
            ("149.99", 1),
            ("150", 2),
            ("12345", 123),
            ("-0.00", 0),
            ("999999999999999999999999", u64::MAX),
        ] {
            assert_eq!(format.read(cell), Ok(Some(units)), "{cell}");
        }
        assert_eq!(format.read(" "), Ok(None));
    }

    #[test]
    fn signs_are_read_as_the_mapping_says() {
        use DecimalSign::{Comma as DecimalComma, Point};
        use ThousandsSign::{Apostrophe, Comma, Point as ThousandsPoint, Space};
        for (decimal, thousands, cell, units) in [
            (Point, Some(Comma), "1,234,567.89", 12_346),
            (Point, Some(Comma), "1234567.89", 12_346),
            (Point, Some(Comma), "£1,200", 12),
            (Point, None, "GBP 1200", 12),
            (Point, None, "1200 GBP", 12),
            (DecimalComma, Some(ThousandsPoint), "1.234,56", 12),
            (DecimalComma, Some(Space), "1\u{a0}234,56", 12),
            (Point, Some(Apostrophe), "12'345.00", 123),
        ] {
            let format = format(decimal, thousands);
            assert_eq!(format.read(cell), Ok(Some(units)), "{cell}");
            assert!(format.read(&format.to_string()).is_ok());
        }
    }

    #[test]
    fn what_is_not_an_amount_is_said_why() {
        use NotAnAmount::{Negative, OtherFormat};
        let format = format(DecimalSign::Point, Some(ThousandsSign::Comma));
        for (cell, why) in [
            ("-1", Negative),
            ("\u{2212}1.00", Negative),
            ("1-", Negative),
            ("(1,234.00)", Negative),
            ("£-5", Negative),
            ("-£5", Negative),
            ("1.234,56", OtherFormat),
            ("1,23", OtherFormat),
            ("1,2345", OtherFormat),
            ("1234,567", OtherFormat),
            (",123", OtherFormat),
            ("1.", OtherFormat),
            (".5", OtherFormat),
            ("1.2.3", OtherFormat),
            ("$5", OtherFormat),
            ("5 EUR", OtherFormat),
            ("1e3", OtherFormat),
            ("+5", OtherFormat),
            ("١٢", OtherFormat),
            ("five", OtherFormat),
            ("-", OtherFormat),
            ("1000000000000000000000000", OtherFormat),
            ("0.1234567890123", OtherFormat),
        ] {
            assert_eq!(format.read(cell), Err(why), "{cell}");
        }
    }

    #[test]
    fn a_column_may_be_in_pence_or_in_thousands() {
        let of = |numerator, denominator| AmountFormat {
            units: (numerator, denominator * u128::from(UNIT)),
            ..format(DecimalSign::Point, None)
        };
        assert_eq!(of(1, 100).read("123456"), Ok(Some(12)));
        assert_eq!(of(1000, 1).read("1.25"), Ok(Some(13)));
        let most = u128::from(u32::MAX);
        let largest = of(most, 1).read("999999999999999999999999");
        assert_eq!(largest, Ok(Some(u64::MAX)));
        assert_eq!(of(1, most).read("0.000000000001"), Ok(Some(0)));
    }
}
