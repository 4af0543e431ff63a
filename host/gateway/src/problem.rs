//! Errors as RFC 9457 problem details: one kind each, with the status that it means and a sentence for whoever called.

use serde::Serialize;

/// A refusal. Its `detail` is public: it names no secret, no body and no person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// A stable name: `urn:rapport:problem:<kind>`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub title: &'static str,
    pub status: u16,
    pub detail: String,
}

impl Problem {
    /// The last part of its kind: one word, for logs.
    pub fn name(&self) -> &'static str {
        self.kind.rsplit(':').next().unwrap_or(self.kind)
    }
}

/// Every kind: name, title, status.
macro_rules! problems {
    ($($function:ident $kind:literal $title:literal $status:literal;)+) => {
        impl Problem {
            $(
                #[doc = concat!($title, " (", stringify!($status), ").")]
                pub fn $function(detail: impl Into<String>) -> Self {
                    let kind = concat!("urn:rapport:problem:", $kind);
                    Self { kind, title: $title, status: $status, detail: detail.into() }
                }
            )+
        }
    };
}

problems! {
    bad_request "bad-request" "The request cannot be understood" 400;
    unauthenticated "unauthenticated" "Who calls is not proven" 401;
    not_found "not-found" "There is no such thing" 404;
    method_not_allowed "method-not-allowed" "This address does not take that method" 405;
    too_large "too-large" "The body is too large" 413;
    connector_failed "connector-failed" "The connector failed" 500;
    internal "internal" "Something is wrong inside" 500;
    unavailable "unavailable" "Try again" 503;
}
