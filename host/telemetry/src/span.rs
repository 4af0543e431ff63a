//! Spans: fields that all lines of one piece of work share.

use tracing::Span;

/// One HTTP request. `traceparent`: the caller's trace, if it sent one.
pub fn request(request_id: &str, traceparent: Option<&str>) -> Span {
    tracing::info_span!("request", request_id, traceparent)
}

/// One batch of a queue or a stream.
pub fn batch(request_id: &str) -> Span {
    tracing::info_span!("batch", request_id)
}
