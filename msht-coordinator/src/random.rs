//! Randomness from the operating system, handed to everything that draws.

use rand::SeedableRng;
use rand::rngs::StdRng;
use ring::rand::{SecureRandom, SystemRandom};

use crate::error::Error;

/// A generator seeded by the operating system.
///
/// # Errors
/// [`Error::Randomness`] where the system has none to give.
pub fn system_rng() -> Result<StdRng, Error> {
    let mut seed = zeroize::Zeroizing::new([0; 32]);
    SystemRandom::new()
        .fill(seed.as_mut_slice())
        .map_err(|_| Error::Randomness)?;
    Ok(StdRng::from_seed(*seed))
}
