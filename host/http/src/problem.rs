//! Errors as RFC 9457 problem details: one kind each, with the status that it means and a sentence for the caller.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use rapport_store::StoreError;
use rapport_telemetry::StorageFailed;
use schemars::JsonSchema;
use serde::Serialize;

const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");

/// An error of the API, as RFC 9457 describes it. `detail` is public: it never contains a secret, a body or personal data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Problem {
    /// The stable name of the error: `urn:rapport:problem:<kind>`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The kind of error in a few words. The same for every error of this `type`.
    pub title: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// What is wrong with this request, and usually how to fix it.
    pub detail: String,
    /// Which part of the request is wrong: a path into its body (`a.value`), or the name of a parameter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// The id of the conflict that prevents the link, as in `GET /v1/conflicts`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conflict: Option<String>,
    /// The state of the message that the request is about, as in `GET /v1/messages/{id}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<&'static str>,
}

impl Problem {
    /// The last part of its kind, for logs.
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

impl Problem {
    /// The same, because the message is in this state.
    pub fn in_state(self, state: &'static str) -> Self {
        Self { state: Some(state), ..self }
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
                    Self { kind, title: $title, status: $status, detail: detail.into(), field: None, conflict: None, state: None }
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
    bad_request "bad-request" "Bad request" 400;
    unauthenticated "unauthenticated" "Authentication required" 401;
    forbidden "forbidden" "Permission denied" 403;
    not_found "not-found" "Not found" 404;
    method_not_allowed "method-not-allowed" "Method not allowed" 405;
    too_slow "too-slow" "Request timeout" 408;
    conflict "conflict" "Conflict" 409;
    stale_control "stale-control" "Control of the conversation has moved" 409;
    stale_turn "stale-turn" "The turn is answered" 409;
    key_in_use "idempotency-key-in-use" "Idempotency key in use" 409;
    no_route "no-route" "No way to send" 409;
    erased "erased" "The address is erased" 409;
    wrong_state "wrong-state" "The message is in another state" 409;
    too_large "too-large" "Body too large" 413;
    unsupported_media_type "unsupported-media-type" "Unsupported media type" 415;
    too_many "too-many-requests" "Too many requests" 429;
    internal "internal" "Internal error" 500;
    connector_failed "connector-failed" "Connector failed" 500;
    incomplete "incomplete" "Erasure incomplete" 500;
    damaged "damaged" "Stored data is inconsistent" 500;
    unavailable "unavailable" "Service unavailable" 503;
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, axum::Json(&self)).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, PROBLEM_JSON);
        // The same request may succeed a moment later, so no cache may keep the error.
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
            StoreError::Corrupt { .. } => Self::internal("a stored item cannot be read"),
            StoreError::Entangled { .. } => Self::conflict(error.to_string()),
            StoreError::Unreachable { .. } => Self::damaged(error.to_string()),
            StoreError::Remains { .. } => Self::incomplete(error.to_string()),
            StoreError::Refused { .. } => Self::internal("storage refused the write"),
            StoreError::Missing { .. } => Self::internal("a stored blob is missing"),
            StoreError::Contended { .. } => {
                Self::unavailable("other requests changed the same profiles at the same time; fix: try again")
            }
            _ => Self::unavailable("storage does not respond; fix: try again"),
        }
    }
}
