//! Shamir's secret sharing (CACM 1979) of 32-byte seeds, byte by byte over GF(2⁸).
//!
//! The field is that of AES, x⁸+x⁴+x³+x+1. Arithmetic on secret bytes has no table look-up and no branch on
//! them; share indices are public. Coefficients are derived from the seed and a context, never drawn, so that a
//! resend is byte-identical.

use zeroize::Zeroizing;

use super::kdf::{KdfLabel, OutputTooLong, derive_into};
use super::secret::{SECRET_BYTES, Secret};

/// Why shares cannot be made or joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ShamirError {
    /// The threshold is zero, or needs more coefficients than can be derived.
    #[error("a threshold of {0} is out of range")]
    Threshold(u8),
    /// A share index is zero or occurs twice.
    #[error("share index {0} is zero or occurs twice")]
    Index(u8),
}

/// The polynomial that shares one seed.
pub struct Sharing {
    /// Coefficients from the highest degree down to the secret.
    coefficients: Vec<Zeroizing<[u8; SECRET_BYTES]>>,
}

impl Sharing {
    /// The polynomial of degree `threshold - 1` for `seed` in `context`.
    ///
    /// # Errors
    /// [`ShamirError::Threshold`].
    pub fn new(seed: &Secret, threshold: u8, context: &[&[u8]]) -> Result<Self, ShamirError> {
        let random = usize::from(threshold)
            .checked_sub(1)
            .ok_or(ShamirError::Threshold(threshold))?;
        let mut material = Zeroizing::new(vec![0; random * SECRET_BYTES]);
        derive_into(
            seed.expose(),
            &[],
            KdfLabel::ShamirCoefficients,
            context,
            &mut material,
        )
        .map_err(|OutputTooLong| ShamirError::Threshold(threshold))?;
        let mut coefficients = Vec::with_capacity(random + 1);
        for chunk in material.as_chunks::<SECRET_BYTES>().0 {
            coefficients.push(Zeroizing::new(*chunk));
        }
        coefficients.push(Zeroizing::new(*seed.expose()));
        Ok(Self { coefficients })
    }

    /// The share of the holder with the public `index` (1…255).
    ///
    /// # Errors
    /// [`ShamirError::Index`] for index 0, which would be the secret itself.
    pub fn share(&self, index: u8) -> Result<Secret, ShamirError> {
        if index == 0 {
            return Err(ShamirError::Index(index));
        }
        let mut value = Zeroizing::new([0; SECRET_BYTES]);
        for coefficient in &self.coefficients {
            for (byte, term) in value.iter_mut().zip(coefficient.iter()) {
                *byte = multiply(*byte, index) ^ term;
            }
        }
        Ok(Secret::from_bytes(*value))
    }
}

/// Joins `shares` (index, share) into the secret; meaningful where they are at least the threshold many.
///
/// # Errors
/// [`ShamirError::Index`] for a zero or repeated index, [`ShamirError::Threshold`] for no share at all.
pub fn recover(shares: &[(u8, &Secret)]) -> Result<Secret, ShamirError> {
    if shares.is_empty() {
        return Err(ShamirError::Threshold(0));
    }
    let mut secret = Zeroizing::new([0; SECRET_BYTES]);
    for (position, (index, share)) in shares.iter().enumerate() {
        let mut weight = 1;
        for (other_position, (other, _)) in shares.iter().enumerate() {
            if position == other_position {
                continue;
            }
            if other == index {
                return Err(ShamirError::Index(*index));
            }
            weight = multiply(weight, multiply(*other, invert(*other ^ *index)));
        }
        if *index == 0 {
            return Err(ShamirError::Index(0));
        }
        for (byte, value) in secret.iter_mut().zip(share.expose()) {
            *byte ^= multiply(*value, weight);
        }
    }
    Ok(Secret::from_bytes(*secret))
}

/// Product in GF(2⁸), branch-free in both operands.
fn multiply(left: u8, right: u8) -> u8 {
    let (mut left, mut product) = (left, 0u8);
    for bit in 0..8 {
        product ^= left & 0u8.wrapping_sub((right >> bit) & 1);
        let carry = 0u8.wrapping_sub(left >> 7);
        left = (left << 1) ^ (carry & 0x1b);
    }
    product
}

/// Inverse in GF(2⁸) as the 254th power; the inverse of zero is zero.
fn invert(value: u8) -> u8 {
    let mut power = value;
    let mut result = 1;
    for _ in 0..7 {
        power = multiply(power, power);
        result = multiply(result, power);
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    #[test]
    fn every_nonzero_element_has_its_inverse() {
        for value in 1..=255 {
            assert_eq!(multiply(value, invert(value)), 1);
        }
        assert_eq!(
            multiply(0x57, 0x83),
            0xc1,
            "worked example of FIPS 197, section 4.2"
        );
    }

    #[test]
    fn any_threshold_of_shares_recovers_and_one_fewer_does_not() {
        let mut rng = StdRng::seed_from_u64(5);
        for (threshold, holders) in [(1, 1), (2, 3), (15, 22), (46, 68), (171, 255)] {
            let seed = Secret::random(&mut rng);
            let sharing = Sharing::new(&seed, threshold, &[b"context"]).unwrap();
            let mut shares: Vec<(u8, Secret)> = (1..=holders)
                .map(|index| (index, sharing.share(index).unwrap()))
                .collect();
            for position in (1..shares.len()).rev() {
                shares.swap(position, rng.random_range(0..=position));
            }
            let chosen: Vec<(u8, &Secret)> = shares.iter().map(|(i, s)| (*i, s)).collect();
            let enough = &chosen[..usize::from(threshold)];
            assert!(recover(enough).unwrap().ct_eq(&seed));
            assert!(recover(&chosen).unwrap().ct_eq(&seed));
            if threshold > 1 {
                assert!(!recover(&enough[1..]).unwrap().ct_eq(&seed));
            }
        }
    }

    #[test]
    fn contexts_give_unrelated_polynomials_and_bad_indices_are_refused() {
        let seed = Secret::from_bytes([9; 32]);
        let one = Sharing::new(&seed, 3, &[b"one"]).unwrap();
        let two = Sharing::new(&seed, 3, &[b"two"]).unwrap();
        assert!(!one.share(1).unwrap().ct_eq(&two.share(1).unwrap()));
        assert_eq!(one.share(0).err(), Some(ShamirError::Index(0)));
        assert!(Sharing::new(&seed, 0, &[]).is_err());
        let share = one.share(4).unwrap();
        assert_eq!(
            recover(&[(4, &share), (4, &share)]).err(),
            Some(ShamirError::Index(4))
        );
        assert_eq!(recover(&[(0, &share)]).err(), Some(ShamirError::Index(0)));
        assert!(recover(&[]).is_err());
    }
}
