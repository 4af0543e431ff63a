//! The errors of AWS End User Messaging Social. Meta's own codes come later, in a status.
//!
//! Source: botocore's model of the service, and AWS's "Common errors", November 2026.

use rapport_sdk::prelude::*;
use rapport_sdk::steps::title;
use serde::Deserialize;

#[derive(Clone, Copy)]
enum Meaning {
    Account,
    Wait,
    Content,
    Unsure,
}

const NAMES: &[(&str, Meaning)] = &[
    // More requests a second than the account may send.
    ("ThrottledRequestException", Meaning::Wait),
    ("ThrottlingException", Meaning::Wait),
    // The role, its policy, its signature; or Meta's word about the account.
    ("AccessDeniedException", Meaning::Account),
    ("AccessDeniedByMetaException", Meaning::Account),
    ("UnrecognizedClientException", Meaning::Account),
    ("InvalidSignatureException", Meaning::Account),
    ("IncompleteSignature", Meaning::Account),
    ("MissingAuthenticationToken", Meaning::Account),
    ("MissingAuthenticationTokenException", Meaning::Account),
    ("ExpiredTokenException", Meaning::Account),
    // The phone number is not of this account and region.
    ("ResourceNotFoundException", Meaning::Account),
    // What is said, or how.
    ("ValidationException", Meaning::Content),
    ("InvalidParametersException", Meaning::Content),
    // AWS or Meta had trouble.
    ("DependencyException", Meaning::Unsure),
    ("InternalServiceException", Meaning::Unsure),
];

#[derive(Deserialize, Default)]
#[serde(default)]
struct Body {
    #[serde(rename = "__type", deserialize_with = "lenient::id")]
    kind: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    message: Option<String>,
    #[serde(rename = "Message", deserialize_with = "lenient::text")]
    capital_message: Option<String>,
}

/// The failure that an answer of AWS means.
pub fn failure(answer: &Answered<'_>) -> Failure {
    let body: Body = answer.try_json().unwrap_or_default();
    let Some(name) = answer.header("x-amzn-errortype").or(body.kind.as_deref()).map(plain) else {
        return answer.failure();
    };
    let said = body.message.or(body.capital_message).unwrap_or_else(|| "an error without words".into());
    let error = ProviderError { detail: answer.error().detail, ..ProviderError::new(name, title(&said)) };
    let meaning = NAMES.iter().find(|(known, _)| *known == name).map(|(_, meaning)| *meaning);
    match meaning {
        Some(Meaning::Wait) if answer.status() < 500 => Failure::RateLimited(answer.retry_after_ms()),
        Some(Meaning::Wait | Meaning::Unsure) => answer.maybe(error),
        Some(Meaning::Account) => Failure::Account(error),
        Some(Meaning::Content) => Failure::UnsupportedContent(format!("{name}: {}", title(&said))),
        None => match answer.failure() {
            Failure::Account(_) => Failure::Account(error),
            Failure::Undetermined(_) => Failure::Undetermined(error),
            Failure::Provider(ProviderError { retryable, .. }) => {
                Failure::Provider(ProviderError { retryable, ..error })
            }
            other => other,
        },
    }
}

/// The name alone: `ValidationException` of `com.amazonaws.socialmessaging#ValidationException:http://…`.
fn plain(name: &str) -> &str {
    let name = name.split(':').next().unwrap_or(name);
    name.rsplit('#').next().unwrap_or(name).trim()
}
