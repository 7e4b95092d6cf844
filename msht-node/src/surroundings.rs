//! Time and randomness, passed in so that tests can replace them.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use rand::rand_core::UnwrapErr;
use rand::rngs::SysRng;

/// A generator that can be handed to the core.
pub type Generator = Box<dyn rand::CryptoRng + Send>;

/// The clock and the source of randomness of a node.
#[derive(Clone)]
pub struct Surroundings {
    clock: Arc<dyn Fn() -> i64 + Send + Sync>,
    generator: Arc<dyn Fn() -> Generator + Send + Sync>,
}

impl Surroundings {
    /// The system clock and the operating system's generator.
    #[must_use]
    pub fn system() -> Self {
        Self::new(system_time, || Box::new(UnwrapErr(SysRng)))
    }

    /// Other surroundings.
    #[must_use]
    pub fn new(
        clock: impl Fn() -> i64 + Send + Sync + 'static,
        generator: impl Fn() -> Generator + Send + Sync + 'static,
    ) -> Self {
        Self {
            clock: Arc::new(clock),
            generator: Arc::new(generator),
        }
    }

    /// Seconds since 1970-01-01 UTC.
    #[must_use]
    pub fn now(&self) -> i64 {
        (self.clock)()
    }

    /// A generator.
    #[must_use]
    pub fn generator(&self) -> Generator {
        (self.generator)()
    }
}

fn system_time() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
