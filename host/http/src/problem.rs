//! Errors as RFC 9457 problem details: one kind each, with the status that it means and a sentence for whoever called.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use rapport_store::StoreError;
use rapport_telemetry::StorageFailed;
use schemars::JsonSchema;
use serde::Serialize;

const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");

/// A refusal. Its `detail` is public: it names no secret, no body and no person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Problem {
    /// A stable name: `urn:rapport:problem:<kind>`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub title: &'static str,
    pub status: u16,
    pub detail: String,
    /// What of the request is wrong: a path into its body (`a.value`), or the name of a parameter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// The conflict that stands against it, as `GET /v1/conflicts` names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conflict: Option<String>,
}

impl Problem {
    /// The last part of its kind: one word, for logs.
    pub fn name(&self) -> &'static str {
        self.kind.rsplit(':').next().unwrap_or(self.kind)
    }

    /// The same, of this field.
    pub fn of_field(self, field: impl Into<String>) -> Self {
        Self { field: Some(field.into()), ..self }
    }

    /// The same, because of this conflict.
    pub fn by_conflict(self, conflict: impl ToString) -> Self {
        Self { conflict: Some(conflict.to_string()), ..self }
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
                    Self { kind, title: $title, status: $status, detail: detail.into(), field: None, conflict: None }
                }
            )+

            /// What a status means, for the document; the first of its kinds.
            pub fn title_of(status: u16) -> Option<&'static str> {
                let all = [$(($status, $title)),+];
                all.into_iter().find(|(of, _)| *of == status).map(|(_, title)| title)
            }
        }
    };
}

problems! {
    bad_request "bad-request" "The request cannot be understood" 400;
    unauthenticated "unauthenticated" "Who calls is not proven" 401;
    forbidden "forbidden" "The API key may not do this" 403;
    not_found "not-found" "There is no such thing" 404;
    method_not_allowed "method-not-allowed" "This address does not take that method" 405;
    too_slow "too-slow" "The body took too long" 408;
    conflict "conflict" "Something stands against it" 409;
    too_large "too-large" "The body is too large" 413;
    unsupported_media_type "unsupported-media-type" "The body is of another type" 415;
    too_many "too-many-requests" "Too many requests" 429;
    connector_failed "connector-failed" "The connector failed" 500;
    incomplete "incomplete" "Something was left" 500;
    damaged "damaged" "What is stored contradicts itself" 500;
    internal "internal" "Something is wrong inside" 500;
    unavailable "unavailable" "Try again" 503;
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, axum::Json(&self)).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, PROBLEM_JSON);
        // What is refused now may be good in a moment, and whoever keeps answers must not keep this one.
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response.extensions_mut().insert(self);
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        StorageFailed { error: &error }.emit();
        match error {
            StoreError::Corrupt { .. } => Self::internal("an item of storage cannot be read"),
            StoreError::Entangled { .. } => Self::conflict(error.to_string()),
            StoreError::Unreachable { .. } => Self::damaged(error.to_string()),
            StoreError::Remains { .. } => Self::incomplete(error.to_string()),
            StoreError::Refused { .. } => Self::internal("storage refuses what this would write"),
            StoreError::Missing { .. } => Self::internal("a large body of storage is not there any more"),
            StoreError::Contended { .. } => Self::unavailable("others changed the same profiles; try again"),
            _ => Self::unavailable("storage does not answer"),
        }
    }
}
