//! What Meta says went wrong, in the one shape of all its interfaces, and whether trying again can help.

use rapport_sdk::lenient;
use rapport_sdk::prelude::*;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::verbatim;

/// A channel's codes after which the same request may be sent again, later, each with what it means.
pub type Retryable = [(&'static str, &'static str)];

/// The codes that are retryable in every channel.
///
/// Source: Meta's "Handle errors" of the Graph API, read in October 2026.
const RETRYABLE: &Retryable = &[("4", "too many calls of the app")];

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
pub fn first(errors: &[&RawValue], retryable: &Retryable) -> ProviderError {
    let first = errors.first().copied();
    let error: Payload = first.and_then(lenient::read).unwrap_or_default();
    let code = error.code.unwrap_or_else(|| "unknown".into());
    ProviderError {
        retryable: is_retryable(&code, retryable),
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

/// Whether the code is in one of the tables. HTTP's own 5xx appear as codes, too.
pub fn is_retryable(code: &str, retryable: &Retryable) -> bool {
    let is_server_error = code.len() == 3 && code.starts_with('5');
    is_server_error || RETRYABLE.iter().chain(retryable).any(|(retryable, _)| *retryable == code)
}
