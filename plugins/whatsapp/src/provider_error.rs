//! Why WhatsApp did not deliver, and whether sending again can help.

use rapport_sdk::lenient;
use rapport_sdk::prelude::*;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::batch::verbatim;

/// The user stopped marketing messages of this business.
pub const STOPPED_MARKETING: &str = "131050";

/// The codes after which the same message may be sent again, later. All others need another message, another recipient
/// or a change of the account.
///
/// Source: Meta's "Cloud API error codes", read in October 2026.
const RETRYABLE: &[(&str, &str)] = &[
    ("4", "too many calls of the app"),
    ("80007", "too many calls of the WhatsApp Business Account"),
    ("130429", "more messages a second than the phone number may send"),
    ("131000", "something went wrong at Meta"),
    ("131016", "a service is temporarily unavailable"),
    ("131053", "the media could not be fetched or uploaded"),
    ("131056", "too many messages to this recipient in a short time"),
    ("133016", "too many registrations of the phone number"),
];

#[derive(Deserialize, Default)]
#[serde(default)]
struct Payload {
    #[serde(deserialize_with = "lenient::id")]
    code: Option<String>,
    #[serde(deserialize_with = "lenient::id")]
    title: Option<String>,
    #[serde(deserialize_with = "lenient::id")]
    message: Option<String>,
}

/// The first of `errors`, with all that it says as detail.
pub fn first(errors: &[&RawValue]) -> ProviderError {
    let first = errors.first().copied();
    let error: Payload = first.and_then(lenient::read).unwrap_or_default();
    let code = error.code.unwrap_or_else(|| "unknown".into());
    ProviderError {
        retryable: is_retryable(&code),
        title: error.title.or(error.message).unwrap_or_else(|| "failed without a reason".into()),
        detail: first.map(verbatim),
        code,
    }
}

/// The codes of `errors`, for a log line.
pub fn codes(errors: &[&RawValue]) -> String {
    let codes = errors.iter().map(|error| lenient::read::<Payload>(error).and_then(|error| error.code));
    codes.map(|code| code.unwrap_or_else(|| "unknown".into())).collect::<Vec<_>>().join(", ")
}

/// The error with this code, if it is among `errors`.
pub fn find<'a>(errors: &[&'a RawValue], code: &str) -> Option<&'a RawValue> {
    errors
        .iter()
        .copied()
        .find(|error| lenient::read::<Payload>(error).is_some_and(|error| error.code.as_deref() == Some(code)))
}

/// HTTP's own 5xx appear as codes, too.
fn is_retryable(code: &str) -> bool {
    let is_server_error = code.len() == 3 && code.starts_with('5');
    is_server_error || RETRYABLE.iter().any(|(retryable, _)| *retryable == code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_time_mends_is_retryable() {
        for code in ["130429", "131056", "4", "80007", "131016", "131000", "133016", "500", "503"] {
            assert!(is_retryable(code), "{code}");
        }
        for code in ["131047", "131049", "131050", "131026", "190", "0", "132000", "unknown", "5", "50000"] {
            assert!(!is_retryable(code), "{code}");
        }
    }
}
