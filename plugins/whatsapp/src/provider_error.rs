//! Why WhatsApp did not deliver, and whether sending again can help.

use rapport_meta::provider_error::Retryable;

/// The user stopped marketing messages of this business.
pub const STOPPED_MARKETING: &str = "131050";

/// The codes after which the same message may be sent again, later, beside those of every channel of Meta. All others
/// need another message, another recipient or a change of the account.
///
/// Source: Meta's "Cloud API error codes", read in October 2026.
pub const RETRYABLE: &Retryable = &[
    ("80007", "too many calls of the WhatsApp Business Account"),
    ("130429", "more messages a second than the phone number may send"),
    ("131000", "something went wrong at Meta"),
    ("131016", "a service is temporarily unavailable"),
    ("131053", "the media could not be fetched or uploaded"),
    ("131056", "too many messages to this recipient in a short time"),
    ("133016", "too many registrations of the phone number"),
];

#[cfg(test)]
mod tests {
    use rapport_meta::provider_error::is_retryable;

    use super::*;

    #[test]
    fn only_what_time_mends_is_retryable() {
        for code in ["130429", "131056", "4", "80007", "131016", "131000", "133016", "500", "503"] {
            assert!(is_retryable(code, RETRYABLE), "{code}");
        }
        for code in ["131047", "131049", "131050", "131026", "190", "0", "132000", "unknown", "5", "50000"] {
            assert!(!is_retryable(code, RETRYABLE), "{code}");
        }
    }
}
