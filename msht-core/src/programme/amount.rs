//! Amounts: what a record may add to a table of sums, in whole units.
//!
//! A record of a bank is about money, and money has no natural bound: one transfer of ten million would need noise of
//! ten million to be hidden. An amount is therefore rounded to units and clipped: one record adds at most `clip` units.
//! What lies above the clip is lost from the sum, which is then a sum of clipped amounts and says so.

use super::definition::AmountDefinition;
use super::error::{Problem, ProgrammeError};
use super::limits::{MAX_AMOUNTS, MAX_CLIP, MAX_TITLE_BYTES, MAX_UNIT, MAX_UNITS_PER_CELL};
use super::text::{check_id, check_text};

/// Letters of a currency code (ISO 4217).
const CURRENCY_LETTERS: usize = 3;

/// What the cells of a table add up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// Records.
    Count,
    /// Clipped amounts, in units; the place of the amount in the programme.
    Sum(usize),
}

/// One amount that records have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Amount {
    id: String,
    title: String,
    currency: String,
    unit: u32,
    clip: u32,
    max_units_per_cell: u64,
}

impl Amount {
    fn check(definition: AmountDefinition, path: &str) -> Result<Self, ProgrammeError> {
        let AmountDefinition {
            id,
            title,
            currency,
            unit,
            clip,
            max_units_per_cell,
        } = definition;
        check_id(&id, &format!("{path}.id"))?;
        check_text(&title, MAX_TITLE_BYTES, &format!("{path}.title"))?;
        let letters = currency.bytes().all(|byte| byte.is_ascii_uppercase());
        if currency.len() != CURRENCY_LETTERS || !letters {
            return Err(Problem::Currency.at(format!("{path}.currency")));
        }
        check_range(&format!("{path}.unit"), unit, MAX_UNIT)?;
        check_range(&format!("{path}.clip"), clip, MAX_CLIP)?;
        if !(u64::from(clip)..=MAX_UNITS_PER_CELL).contains(&max_units_per_cell) {
            let path = format!("{path}.max_units_per_cell");
            return Err(Problem::UnitsPerCell { clip }.at(path));
        }
        Ok(Self {
            id,
            title,
            currency,
            unit,
            clip,
            max_units_per_cell,
        })
    }

    /// The id, unique among the programme's amounts.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The words shown to people.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.title
    }

    /// Code of the currency, such as `GBP` (ISO 4217).
    #[must_use]
    pub fn currency(&self) -> &str {
        &self.currency
    }

    /// How much of the currency one unit is: with 100, a cell of 7 is GBP 700.
    #[must_use]
    pub fn unit(&self) -> u32 {
        self.unit
    }

    /// The unit in words, such as `GBP 100`.
    #[must_use]
    pub fn unit_words(&self) -> String {
        format!("{} {}", self.currency, self.unit)
    }

    /// Most units that one record adds to a cell.
    #[must_use]
    pub fn clip(&self) -> u32 {
        self.clip
    }

    /// The bound, in units, that one partner's sum of one cell is clamped to.
    #[must_use]
    pub fn max_units_per_cell(&self) -> u64 {
        self.max_units_per_cell
    }
}

/// Checks all amounts, in the order of the file.
pub(super) fn check_amounts(
    definitions: Vec<AmountDefinition>,
) -> Result<Vec<Amount>, ProgrammeError> {
    if definitions.len() > MAX_AMOUNTS {
        return Err(Problem::TooManyAmounts(definitions.len()).at("amount"));
    }
    let mut amounts: Vec<Amount> = Vec::with_capacity(definitions.len());
    for (place, definition) in definitions.into_iter().enumerate() {
        let path = format!("amount[{place}]");
        let amount = Amount::check(definition, &path)?;
        if amounts.iter().any(|earlier| earlier.id == amount.id) {
            return Err(Problem::Duplicate(amount.id).at(format!("{path}.id")));
        }
        amounts.push(amount);
    }
    Ok(amounts)
}

/// The measure that a table names: an amount, or none for counts.
pub(super) fn check_measure(
    name: Option<&str>,
    amounts: &[Amount],
    path: &str,
) -> Result<Measure, ProgrammeError> {
    let Some(name) = name else {
        return Ok(Measure::Count);
    };
    let place = amounts.iter().position(|amount| amount.id == name);
    let place = place.ok_or_else(|| Problem::NoSuchAmount(name.to_owned()).at(path))?;
    Ok(Measure::Sum(place))
}

fn check_range(path: &str, found: u32, most: u32) -> Result<(), ProgrammeError> {
    let least = 1;
    if (least..=most).contains(&found) {
        return Ok(());
    }
    Err(Problem::OutOfRange { found, least, most }.at(path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::programme::{Programme, shipped};
    use crate::rational::Rational;

    fn text() -> String {
        let text = shipped("msin").unwrap();
        let (head, _) = text.split_once("[[dimension]]").unwrap();
        let head = head.replace("word_bits = 32", "word_bits = 64");
        format!(
            r#"{head}
[[amount]]
id = "value"
title = "Value"
currency = "GBP"
unit = 100
clip = 50
max_units_per_cell = 1000000

[[dimension]]
id = "type"
title = "Type"
max_values = 2
categories = [["a", "A"], ["b", "B"], ["unknown", "Unknown"]]

[[table]]
id = "count"
title = "Count"
dimensions = ["type"]
weight = 0.5

[[table]]
id = "sum"
title = "Sum"
dimensions = ["type"]
measure = "value"
weight = 0.5
"#
        )
    }

    fn with(from: &str, to: &str) -> Result<Programme, ProgrammeError> {
        assert!(text().contains(from), "{from:?} is there");
        Programme::parse(&text().replacen(from, to, 1))
    }

    #[test]
    fn a_table_of_sums_has_the_sensitivity_of_its_clip_and_a_bound_of_its_own() {
        let programme = Programme::parse(&text()).unwrap();
        let [count, sum] = ["count", "sum"].map(|id| programme.table(id).unwrap());
        assert_eq!(
            (count.measure(), sum.measure()),
            (Measure::Count, Measure::Sum(0))
        );
        assert_eq!((count.sensitivity(), sum.sensitivity()), (2, 100));
        let rate: Rational = "1/100".parse().unwrap();
        assert_eq!(sum.noise_rate(), &rate);
        assert_eq!(programme.cell_bound(count), 10_000);
        assert_eq!(programme.cell_bound(sum), 1_000_000);
        assert!(programme.amount_of(count).is_none());
        assert_eq!(programme.amount_of(sum).unwrap().unit_words(), "GBP 100");
        let epsilon = programme.privacy().epsilon_per_period();
        assert_eq!(&programme.epsilon_per_round(), epsilon);
    }

    #[test]
    fn every_key_of_an_amount_changes_the_digest() {
        let mut digests = vec![Programme::parse(&text()).unwrap().digest()];
        for (from, to) in [
            ("id = \"value\"", "id = \"worth\""),
            ("title = \"Value\"", "title = \"Worth\""),
            ("\"GBP\"", "\"EUR\""),
            ("unit = 100", "unit = 10"),
            ("clip = 50", "clip = 40"),
            ("= 1000000", "= 1000001"),
            ("measure = \"value\"\n", ""),
        ] {
            let text = text().replacen(from, to, 1);
            let text = text.replace(
                "measure = \"value\"",
                match from {
                    "id = \"value\"" => "measure = \"worth\"",
                    _ => "measure = \"value\"",
                },
            );
            let digest = Programme::parse(&text).unwrap().digest();
            assert!(!digests.contains(&digest), "{from:?} left the digest alone");
            digests.push(digest);
        }
    }

    #[test]
    fn broken_amounts_are_refused_at_their_key() {
        let second = "[[amount]]\nid = \"value\"\ntitle = \"V\"\ncurrency = \"GBP\"\nunit = 1\nclip = 1\n\
                      max_units_per_cell = 1\n\n[[dimension]]";
        for (from, to, path) in [
            ("id = \"value\"", "id = \"Value\"", "amount[0].id"),
            ("title = \"Value\"", "title = \"\"", "amount[0].title"),
            ("\"GBP\"", "\"gbp\"", "amount[0].currency"),
            ("\"GBP\"", "\"£\"", "amount[0].currency"),
            ("unit = 100", "unit = 0", "amount[0].unit"),
            ("unit = 100", "unit = 1000000001", "amount[0].unit"),
            ("clip = 50", "clip = 0", "amount[0].clip"),
            ("clip = 50", "clip = 10001", "amount[0].clip"),
            ("= 1000000", "= 49", "amount[0].max_units_per_cell"),
            (
                "= 1000000",
                "= 281474976710657",
                "amount[0].max_units_per_cell",
            ),
            ("[[dimension]]", second, "amount[1].id"),
            (
                "measure = \"value\"",
                "measure = \"worth\"",
                "table[1].measure",
            ),
            ("word_bits = 64", "word_bits = 32", "word_bits"),
            ("clip = 50", "clip = 6000", "table[1].weight"),
        ] {
            match with(from, to) {
                Err(ProgrammeError::Key { path: found, .. }) => assert_eq!(found, path, "{to}"),
                other => panic!("{to} gave {other:?}"),
            }
        }
        for (from, to) in [
            ("unit = 100", "unit = 1.5"),
            ("clip = 50\n", ""),
            ("clip = 50", "clip = 50\nfloor = 1"),
        ] {
            assert!(
                matches!(with(from, to), Err(ProgrammeError::Syntax { .. })),
                "{to}"
            );
        }
    }

    #[test]
    fn amounts_at_their_limits_are_accepted() {
        for (from, to) in [
            ("unit = 100", "unit = 1000000000"),
            ("clip = 50", "clip = 5000"),
            ("= 1000000", "= 281474976710656"),
            ("= 1000000", "= 50"),
        ] {
            assert!(with(from, to).is_ok(), "{to}");
        }
    }
}
