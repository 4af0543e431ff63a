//! Refused webhooks in the log: all are counted, and only some are written.
//!
//! A forged webhook costs its sender nothing. One line for each would cost the operator.

use std::sync::{Mutex, PoisonError};

use rapport_model::Timestamp;

/// Lines a minute of one connection. Who sets a connection up sees each of their tries; of a flood ten are enough.
const LINES_A_MINUTE_MAX: u32 = 10;
const MINUTE_MS: u64 = 60_000;

/// The refusals of one connection, or of all unknown names.
#[derive(Default)]
pub struct Refusals(Mutex<Minute>);

#[derive(Default)]
struct Minute {
    began: Timestamp,
    lines: u32,
    suppressed: u64,
}

impl Refusals {
    /// Counts one. Some: it is to be written, and stands for so many more that were not.
    pub fn count(&self, now: Timestamp) -> Option<u64> {
        let mut minute = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if now.saturating_sub(minute.began) >= MINUTE_MS || now < minute.began {
            (minute.began, minute.lines) = (now, 0);
        }
        if minute.lines >= LINES_A_MINUTE_MAX {
            minute.suppressed += 1;
            return None;
        }
        minute.lines += 1;
        Some(std::mem::take(&mut minute.suppressed))
    }

    /// How many were not written, once their minute is over; then they are.
    pub fn rest(&self, now: Timestamp) -> Option<u64> {
        let mut minute = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = minute.suppressed > 0 && now.saturating_sub(minute.began) >= MINUTE_MS;
        is_due.then(|| std::mem::take(&mut minute.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_counted_whole_and_written_ten_times_a_minute() {
        let refusals = Refusals::default();
        let counts: Vec<Option<u64>> =
            (0..1_000).map(|second_100th| refusals.count(1_000_000 + second_100th * 10)).collect();
        assert_eq!(counts.iter().filter(|count| count.is_some()).count(), 10);
        assert_eq!(refusals.rest(1_050_000), None, "the minute is not over");
        assert_eq!(refusals.count(1_060_000), Some(990));
        (0..20).for_each(|_| assert_ne!(refusals.count(1_060_001), Some(1)));
        assert_eq!(refusals.rest(1_120_000), Some(11));
        assert_eq!(refusals.rest(1_120_000), None);
    }
}
