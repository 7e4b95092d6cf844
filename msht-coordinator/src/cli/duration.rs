//! Lengths of time as people write them: `30s`, `10m`, `2h`, `3d`.

use std::str::FromStr;

/// Longest length: a quarter, after which the next round would be due.
const MAX_SECONDS: u32 = 92 * 86_400;

/// A length of time in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seconds(pub(super) u32);

/// The text is not a length of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("write a number and a unit, from 1s to 92d: 30s, 10m, 2h or 3d")]
pub(super) struct NotALength;

impl FromStr for Seconds {
    type Err = NotALength;

    fn from_str(text: &str) -> Result<Self, NotALength> {
        let unit = [('s', 1), ('m', 60), ('h', 3_600), ('d', 86_400)]
            .into_iter()
            .find_map(|(unit, seconds)| Some((text.strip_suffix(unit)?, seconds)));
        let (digits, seconds) = unit.ok_or(NotALength)?;
        if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(NotALength);
        }
        let number: u32 = digits.parse().map_err(|_| NotALength)?;
        let length = number.checked_mul(seconds).ok_or(NotALength)?;
        if (1..=MAX_SECONDS).contains(&length) {
            return Ok(Self(length));
        }
        Err(NotALength)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_have_a_number_and_a_unit() {
        for (text, seconds) in [("1s", 1), ("10m", 600), ("2h", 7_200), ("92d", MAX_SECONDS)] {
            assert_eq!(text.parse(), Ok(Seconds(seconds)));
        }
        for text in [
            "",
            "s",
            "0s",
            "+1s",
            "-1s",
            "5",
            "1w",
            "1.5h",
            "93d",
            "99999999999s",
            "1 h",
        ] {
            assert_eq!(text.parse::<Seconds>(), Err(NotALength), "{text:?}");
        }
    }
}
