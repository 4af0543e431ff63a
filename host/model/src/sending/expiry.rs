//! How long a message may wait before it is not sent any more, unless its sender says otherwise.
//!
//! | purpose | kind | author | default | reason |
//! |---|---|---|---|---|
//! | `authentication` | any | any | 5 minutes | a code that is older is worth nothing |
//! | `marketing` | any | any | 24 hours | what is not sent on its day is sent on no other; the window may close earlier |
//! | another | reply | automation | 10 minutes | after that a person should answer |
//! | another | reply | agent, customer | 24 hours | the shortest window in which channels let a business answer |
//! | another | notice | any | 24 hours | a notice of yesterday confuses |

use crate::event::{Author, Timestamp};
use crate::sending::Kind;

/// The purpose of one-time codes (W3C DPV terms).
pub const AUTHENTICATION: &str = "authentication";
/// The purpose that needs a grant (W3C DPV terms).
pub const MARKETING: &str = "marketing";

const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 60 * MINUTE_MS;

/// Milliseconds. A message may wait so long after it was due: a connection that fails on Friday is mended on Monday. Not longer, so
/// that a worker that looks for what is unfinished reads three days of a conversation.
pub const EXPIRES_AFTER_MS_MAX: u64 = 72 * HOUR_MS;

/// Milliseconds from when a message is due until it expires.
pub fn expires_after_ms(purpose: &str, kind: Kind, author: Author) -> u64 {
    match (purpose, kind, author) {
        (AUTHENTICATION, ..) => 5 * MINUTE_MS,
        (MARKETING, ..) => 24 * HOUR_MS,
        (_, Kind::Reply, Author::Automation) => 10 * MINUTE_MS,
        (_, Kind::Reply, Author::Agent | Author::Customer) | (_, Kind::Notice, _) => 24 * HOUR_MS,
    }
}

/// When a message expires that is due then.
pub fn expires_at(wanted: Option<Timestamp>, due_at: Timestamp, default_ms: u64) -> Timestamp {
    let last = due_at.saturating_add(EXPIRES_AFTER_MS_MAX);
    wanted.unwrap_or_else(|| due_at.saturating_add(default_ms)).min(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_expires_first_and_nothing_lives_for_longer_than_the_maximum() {
        let default = |purpose, kind, author| expires_after_ms(purpose, kind, author) / MINUTE_MS;
        assert_eq!(default(AUTHENTICATION, Kind::Notice, Author::Automation), 5);
        assert_eq!(default("service", Kind::Reply, Author::Automation), 10);
        assert_eq!(default("service", Kind::Reply, Author::Agent), 24 * 60);
        assert_eq!(default("service", Kind::Notice, Author::Automation), 24 * 60);
        assert_eq!(default(MARKETING, Kind::Reply, Author::Automation), 24 * 60);
        assert_eq!(expires_at(None, 1_000, 500), 1_500);
        assert_eq!(expires_at(Some(1_200), 1_000, 500), 1_200);
        assert_eq!(expires_at(Some(u64::MAX), 1_000, 500), 1_000 + EXPIRES_AFTER_MS_MAX);
    }
}
