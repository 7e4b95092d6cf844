//! When what was worked out may leave: on a clock, not when the work is done.
//!
//! How long drawing noise takes depends on the noise, and how long counting takes depends on the records. So
//! whatever the node sends after such work waits for a tick, counted from the moment the work *began*: 1, 2, 4, 8 …
//! intervals later. Work that fits into one interval, as it does unless there are millions of rows, leaves after
//! exactly one; longer work shows no more than which power of two it took. Ticks of a wall clock would show more:
//! who chooses the moment at which work begins could make it end just before or just after one.
//!
//! The phases after Join do not wait: masking, confirming and revealing take a time that depends on the number of
//! cells and partners alone (`benches/timing.rs` measures it).

use std::time::Duration;

use tokio::time::Instant;

/// Longest wait, in intervals: work beyond it leaves when it is done. With intervals of a second, half a day.
const MOST_INTERVALS: u32 = 1 << 15;

/// How long after the work began its results leave, where it took `elapsed`.
///
/// An interval of zero means no waiting.
#[must_use]
pub fn departure(elapsed: Duration, interval: Duration) -> Duration {
    let mut ticks = 1u32;
    while ticks < MOST_INTERVALS && interval.saturating_mul(ticks) < elapsed {
        ticks *= 2;
    }
    interval.saturating_mul(ticks).max(elapsed)
}

/// A stretch of work whose length nobody outside may see.
pub(super) struct Hidden {
    began: Instant,
    interval: Duration,
}

impl Hidden {
    /// The work begins now.
    pub(super) fn begin(interval: Duration) -> Self {
        Self {
            began: Instant::now(),
            interval,
        }
    }

    /// Waits until what the work brought may leave.
    pub(super) async fn departure(self) {
        let after = departure(self.began.elapsed(), self.interval);
        tokio::time::sleep_until(self.began + after).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_millis(1000);

    #[test]
    fn whatever_fits_into_an_interval_leaves_at_one_moment() {
        for milliseconds in [0, 1, 7, 500, 999, 1000] {
            assert_eq!(
                departure(Duration::from_millis(milliseconds), INTERVAL),
                INTERVAL
            );
        }
    }

    #[test]
    fn longer_work_shows_which_power_of_two_it_took_and_no_more() {
        for (milliseconds, ticks) in [
            (1001, 2),
            (2000, 2),
            (2001, 4),
            (4000, 4),
            (4001, 8),
            (100_000, 128),
        ] {
            let after = departure(Duration::from_millis(milliseconds), INTERVAL);
            assert_eq!(after, INTERVAL * ticks, "{milliseconds} ms");
        }
    }

    #[test]
    fn there_is_an_end_to_waiting_and_no_interval_means_none() {
        let week = Duration::from_secs(7 * 86_400);
        assert_eq!(departure(week, INTERVAL), week);
        let work = Duration::from_millis(5);
        assert_eq!(departure(work, Duration::ZERO), work);
    }
}
