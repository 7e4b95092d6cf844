//! What the cells of a column look like.
//!
//! Guesses for a person to judge. A column is named where enough of its cells look alike; the cells themselves are
//! forgotten at once.

use serde::Serialize;

/// What a column looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Look {
    /// Its header speaks of names.
    Names,
    /// Ten digits with a right check digit.
    NhsNumbers,
    /// National Insurance numbers.
    NiNumbers,
    /// E-mail addresses.
    EmailAddresses,
    /// Telephone numbers.
    PhoneNumbers,
    /// Full postcodes of the United Kingdom.
    Postcodes,
    /// Dates, some of which can only be of one format and some only of another.
    DatesInTwoFormats,
}

impl Look {
    /// In words, behind "looks like".
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Names => "names",
            Self::NhsNumbers => "NHS numbers",
            Self::NiNumbers => "National Insurance numbers",
            Self::EmailAddresses => "e-mail addresses",
            Self::PhoneNumbers => "telephone numbers",
            Self::Postcodes => "postcodes",
            Self::DatesInTwoFormats => "dates in two formats",
        }
    }
}

/// One in so many filled cells makes a column look like something. One in eleven random numbers of ten digits has a
/// right NHS check digit, so it must be well below eleven.
const ONE_IN: u64 = 5;

/// Longer cells are free text, in which none of these is looked for.
const MAX_LOOKED_AT_BYTES: usize = 100;

/// What was seen of one column.
#[derive(Default)]
pub(super) struct Seen {
    filled: u64,
    nhs_numbers: u64,
    ni_numbers: u64,
    email_addresses: u64,
    phone_numbers: u64,
    postcodes: u64,
    iso_dates: u64,
    day_first_dates: u64,
    month_first_dates: u64,
}

impl Seen {
    /// Looks at one cell.
    pub(super) fn see(&mut self, cell: &str) {
        if cell.is_empty() {
            return;
        }
        self.filled += 1;
        if cell.len() > MAX_LOOKED_AT_BYTES {
            return;
        }
        for (looks, seen) in [
            (is_nhs_number(cell), &mut self.nhs_numbers),
            (is_ni_number(cell), &mut self.ni_numbers),
            (is_email_address(cell), &mut self.email_addresses),
            (is_phone_number(cell), &mut self.phone_numbers),
            (is_postcode(cell), &mut self.postcodes),
        ] {
            *seen += u64::from(looks);
        }
        match date_order(cell) {
            Some(DateOrder::Iso) => self.iso_dates += 1,
            Some(DateOrder::DayFirst) => self.day_first_dates += 1,
            Some(DateOrder::MonthFirst) => self.month_first_dates += 1,
            None => {}
        }
    }

    /// What the column with this header looks like.
    pub(super) fn looks(&self, header: &str) -> Vec<Look> {
        let often = |seen: u64| seen > 0 && seen.saturating_mul(ONE_IN) >= self.filled;
        let orders = [self.iso_dates, self.day_first_dates, self.month_first_dates];
        let two_orders = orders.iter().filter(|seen| **seen > 0).count() > 1;
        [
            (speaks_of_names(header), Look::Names),
            (often(self.nhs_numbers), Look::NhsNumbers),
            (often(self.ni_numbers), Look::NiNumbers),
            (often(self.email_addresses), Look::EmailAddresses),
            (often(self.phone_numbers), Look::PhoneNumbers),
            (often(self.postcodes), Look::Postcodes),
            (two_orders, Look::DatesInTwoFormats),
        ]
        .into_iter()
        .filter_map(|(looks, look)| looks.then_some(look))
        .collect()
    }
}

fn speaks_of_names(header: &str) -> bool {
    let header = header.to_lowercase();
    ["name", "alias", "also known as", "initials"]
        .iter()
        .any(|word| header.contains(word))
}

/// The digits of a cell that has nothing else but the given signs.
fn digits_among(cell: &str, signs: &[char]) -> Option<Vec<u8>> {
    let mut digits = Vec::with_capacity(cell.len());
    for c in cell.chars() {
        match c.to_digit(10).and_then(|digit| u8::try_from(digit).ok()) {
            Some(digit) => digits.push(digit),
            None if signs.contains(&c) => {}
            None => return None,
        }
    }
    Some(digits)
}

/// Ten digits d₁…d₁₀ with Σ d_i·(11 − i) divisible by 11 (NHS Data Dictionary); all-equal digits are placeholders.
fn is_nhs_number(cell: &str) -> bool {
    let Some(digits) = digits_among(cell, &[' ', '-']).filter(|digits| digits.len() == 10) else {
        return false;
    };
    let weights = (1..=10u32).rev();
    let sum: u32 = digits
        .iter()
        .zip(weights)
        .map(|(digit, weight)| u32::from(*digit) * weight)
        .sum();
    let all_equal = digits.iter().all(|digit| Some(digit) == digits.first());
    sum.is_multiple_of(11) && !all_equal
}

/// Capitals and digits without the space between them.
fn packed(cell: &str) -> Vec<u8> {
    let bytes = cell.bytes().filter(|byte| *byte != b' ');
    bytes.map(|byte| byte.to_ascii_uppercase()).collect()
}

/// Two letters, six digits, A to D.
fn is_ni_number(cell: &str) -> bool {
    let packed = packed(cell);
    let [first, second, digits @ .., last] = packed.as_slice() else {
        return false;
    };
    let prefix = |letter: &u8| letter.is_ascii_uppercase() && !b"DFIQUV".contains(letter);
    prefix(first)
        && prefix(second)
        && *second != b'O'
        && digits.len() == 6
        && digits.iter().all(u8::is_ascii_digit)
        && (b'A'..=b'D').contains(last)
}

fn is_email_address(cell: &str) -> bool {
    let Some((before, after)) = cell.split_once('@') else {
        return false;
    };
    let plain = |c: char| !c.is_whitespace() && c != '@';
    let dotted = after
        .split_once('.')
        .is_some_and(|(domain, rest)| !domain.is_empty() && !rest.is_empty());
    !before.is_empty() && dotted && before.chars().all(plain) && after.chars().all(plain)
}

/// Ten or eleven digits with a leading 0, or a + and ten to fifteen digits.
fn is_phone_number(cell: &str) -> bool {
    let (plus, rest) = match cell.strip_prefix('+') {
        Some(rest) => (true, rest),
        None => (false, cell),
    };
    let Some(digits) = digits_among(rest, &[' ', '-', '(', ')', '.']) else {
        return false;
    };
    match (plus, digits.first()) {
        (true, _) => (10..=15).contains(&digits.len()),
        (false, Some(0)) => {
            (10..=11).contains(&digits.len())
                || (digits.starts_with(&[0, 0]) && (12..=17).contains(&digits.len()))
        }
        (false, _) => false,
    }
}

/// One or two letters, a digit, perhaps a letter or digit; a digit, two letters.
fn is_postcode(cell: &str) -> bool {
    let packed = packed(cell);
    let Some((outward, inward)) = packed.split_last_chunk::<3>() else {
        return false;
    };
    let [sector, unit @ ..] = inward;
    let letters = outward
        .iter()
        .take_while(|byte| byte.is_ascii_uppercase())
        .count();
    let district = outward.get(letters..).unwrap_or_default();
    let district = match district {
        [digit] => digit.is_ascii_digit(),
        [digit, last] => digit.is_ascii_digit() && last.is_ascii_alphanumeric(),
        _ => false,
    };
    (1..=2).contains(&letters)
        && district
        && sector.is_ascii_digit()
        && unit.iter().all(u8::is_ascii_uppercase)
}

enum DateOrder {
    Iso,
    DayFirst,
    MonthFirst,
}

/// The order of a numeric date, where there is only one that it can have.
fn date_order(cell: &str) -> Option<DateOrder> {
    let date = cell.split(['T', ' ']).next().unwrap_or_default();
    let sign = date.chars().find(|c| matches!(c, '-' | '/' | '.'))?;
    let numbers: Option<Vec<(usize, u16)>> = date
        .split(sign)
        .map(|part| Some((part.len(), part.parse().ok()?)))
        .collect();
    match numbers?.as_slice() {
        [(4, _), (1..=2, 1..=12), (1..=2, 1..=31)] => Some(DateOrder::Iso),
        [(1..=2, 13..=31), (1..=2, 1..=12), (2 | 4, _)] => Some(DateOrder::DayFirst),
        [(1..=2, 1..=12), (1..=2, 13..=31), (2 | 4, _)] => Some(DateOrder::MonthFirst),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn looks(header: &str, cells: &[&str]) -> Vec<Look> {
        let mut seen = Seen::default();
        for cell in cells {
            seen.see(cell);
        }
        seen.looks(header)
    }

    #[test]
    fn each_kind_is_recognised_and_its_near_miss_is_not() {
        for (cell, near_miss, look) in [
            ("943 476 5919", "943 476 5918", Look::NhsNumbers),
            ("AB 12 34 56 C", "DB 12 34 56 C", Look::NiNumbers),
            (
                "a.b@example.org",
                "a.b at example.org",
                Look::EmailAddresses,
            ),
            ("020 7946 0958", "120 7946 0958", Look::PhoneNumbers),
            ("+44 7700 900123", "+44 7700", Look::PhoneNumbers),
            ("sw1a 1aa", "sw1a 1a1", Look::Postcodes),
            ("M1 1AE", "SW1A", Look::Postcodes),
        ] {
            assert_eq!(looks("x", &[cell]), [look], "{cell}");
            assert_eq!(looks("x", &[near_miss]), [], "{near_miss}");
        }
        assert_eq!(looks("Family name", &[]), [Look::Names]);
        assert_eq!(
            looks("x", &["1111111111", "0000000000"]),
            [Look::PhoneNumbers]
        );
    }

    #[test]
    fn dates_in_two_formats_need_a_cell_of_each() {
        let two = [Look::DatesInTwoFormats];
        assert_eq!(looks("x", &["31/01/2023", "01/31/2023"]), two);
        assert_eq!(looks("x", &["2023-01-31", "31/01/2023"]), two);
        assert_eq!(looks("x", &["31/01/2023", "01/02/2023"]), []);
        assert_eq!(looks("x", &["2023-Q1", "2023-01"]), []);
    }

    #[test]
    fn a_rare_likeness_is_not_enough() {
        let mut cells = vec!["1234567890"; 5];
        cells.push("9434765919");
        assert_eq!(looks("x", &cells), []);
    }
}
