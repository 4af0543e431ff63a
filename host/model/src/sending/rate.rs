//! How fast a connection may send: the generic cell rate algorithm (GCRA).
//!
//! One number says when the next token would come if there were no burst (`tat`, the theoretical arrival time). A worker takes
//! several tokens at once, before the start marker, so that not every message writes the number.

use serde::{Deserialize, Serialize};

use crate::event::Timestamp;

/// Tokens that one worker takes at once. A worker that dies loses them: a second's worth for a connection of 20 a second.
pub const LEASE_TOKENS_MAX: u32 = 20;
/// Milliseconds. A `tat` that is farther ahead than the burst and this was written by a clock that went back since.
pub const AHEAD_MS_MAX: u64 = 3_600_000;
/// Milliseconds. A provider that asks for a longer pause is asked again after this.
pub const PAUSE_MS_MAX: u64 = 24 * 3_600_000;

/// What a bucket gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rate {
    /// Tokens in [`Rate::per_ms`].
    pub tokens: u32,
    pub per_ms: u64,
    /// Tokens at once, after a pause.
    pub burst: u32,
}

impl Rate {
    /// Microseconds from one token to the next; at least one.
    pub fn interval_us(&self) -> u64 {
        (self.per_ms * 1_000 / u64::from(self.tokens.max(1))).max(1)
    }

    /// Microseconds by which `tat` may be ahead before a token is taken, and still be within the burst.
    pub fn tolerance_us(&self, taken: u32) -> u64 {
        let ahead = u64::from(self.burst.max(1)).saturating_sub(u64::from(taken.max(1)));
        ahead * self.interval_us()
    }

    /// How many tokens a worker takes at once, if it wants so many.
    pub fn lease(&self, wanted: u32) -> u32 {
        wanted.clamp(1, LEASE_TOKENS_MAX.min(self.burst.max(1)))
    }

    /// The new `tat` if so many tokens can be taken now, or when to ask again. All but `now` in microseconds.
    ///
    /// # Errors
    /// The instant, in milliseconds, from which on there are so many.
    pub fn take(&self, tat_us: Option<u64>, taken: u32, now: Timestamp) -> Result<u64, Timestamp> {
        let now_us = now * 1_000;
        let from = self.believed(tat_us, now).unwrap_or(now_us).max(now_us);
        let latest = now_us + self.tolerance_us(taken);
        if from > latest {
            return Err((from - self.tolerance_us(taken)).div_ceil(1_000));
        }
        Ok(from + u64::from(taken) * self.interval_us())
    }

    /// A `tat` that is not absurd.
    fn believed(&self, tat_us: Option<u64>, now: Timestamp) -> Option<u64> {
        tat_us.filter(|tat| *tat <= self.absurd_us(now))
    }

    /// What `tat` does not exceed, in microseconds, unless the clock went back.
    pub fn absurd_us(&self, now: Timestamp) -> u64 {
        (now + AHEAD_MS_MAX) * 1_000 + (u64::from(self.burst) + u64::from(LEASE_TOKENS_MAX)) * self.interval_us()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { tokens: 10, per_ms: 1_000, burst: 5 };
    const NOW: Timestamp = 1_790_668_805_000;

    #[test]
    fn a_burst_is_given_at_once_and_then_one_token_an_interval() {
        let mut tat = None;
        for _ in 0..5 {
            tat = Some(RATE.take(tat, 1, NOW).unwrap());
        }
        assert_eq!(RATE.take(tat, 1, NOW), Err(NOW + 100));
        assert!(RATE.take(tat, 1, NOW + 99).is_err());
        let tat = Some(RATE.take(tat, 1, NOW + 100).unwrap());
        assert_eq!(RATE.take(tat, 1, NOW + 100), Err(NOW + 200));
    }

    #[test]
    fn over_a_long_time_no_more_is_given_than_the_rate_and_one_burst() {
        let (mut tat, mut given) = (None, 0);
        for now in NOW..NOW + 10_000 {
            for taken in [3, 1] {
                if let Ok(new) = RATE.take(tat, taken, now) {
                    (tat, given) = (Some(new), given + taken);
                }
            }
        }
        assert!((100..=105).contains(&given), "{given}");
    }

    #[test]
    fn a_lease_fits_the_burst_and_a_clock_that_went_back_stops_nobody_for_long() {
        assert_eq!((RATE.lease(100), RATE.lease(0)), (5, 1));
        assert_eq!(Rate { burst: 1_000, ..RATE }.lease(100), LEASE_TOKENS_MAX);
        let absurd = RATE.absurd_us(NOW);
        assert!(RATE.take(Some(absurd), 1, NOW).is_err());
        assert!(RATE.take(Some(absurd + 1), 1, NOW).is_ok());
        // Within an hour ahead it is believed.
        assert_eq!(RATE.take(Some((NOW + 1_000) * 1_000), 1, NOW), Err(NOW + 600));
    }
}
