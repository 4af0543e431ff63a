//! HTTP as Lambda hands it over: events of an HTTP API (payload 2.0) or a function URL to requests, and answers back.
//!
//! What reaches a connector is what the provider sent, as far as the event still has it: the body's bytes, the query
//! string as it was, header fields in the event's order. Fields of the same name arrive joined with `,`: API Gateway does
//! that, and nobody can undo it.

mod event;
mod reply;

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use lambda_runtime::{Context, Diagnostic, LambdaEvent};
use rapport_http::Problem;
use rapport_http::RequestId;
use rapport_telemetry::{
    DeadlineReached, RequestAnswered, RequestFailed, RequestNotReady, RequestRefused, RequestUnproven,
};
use serde_json::value::RawValue;
use tower::ServiceExt;
use tracing::Instrument;

use crate::service::Service;
use event::Event;

/// Milliseconds before Lambda's deadline at which the provider is told to come back: Lambda would end the process, and
/// the provider wait for nothing.
pub const DEADLINE_MARGIN_MS: u64 = 300;

/// Answers one request. Whatever goes wrong behind it is an HTTP answer, and none of 2xx.
///
/// # Errors
/// The event is none of an HTTP API or a function URL.
pub async fn answer(service: Arc<Service>, event: LambdaEvent<Box<RawValue>>) -> Result<Box<RawValue>, Diagnostic> {
    let LambdaEvent { payload, context } = event;
    let event = Event::parse(&payload)
        .map_err(|detail| Diagnostic { error_type: "Rapport.NoHttpEvent".to_owned(), error_message: detail })?;
    let started = Instant::now();
    let request_id = context.request_id.clone();
    let span = rapport_telemetry::request(&request_id, event.traceparent());
    let response = respond(service, event, &context).instrument(span.clone()).await;
    let (status, took_ms) = (response.status().as_u16(), started.elapsed().as_secs_f64() * 1_000.0);
    span.in_scope(|| match status {
        500.. => RequestFailed { status, took_ms }.emit(),
        // Whoever proves nothing can make many of them: the door counts them, and writes some.
        401 => RequestUnproven { status, took_ms }.emit(),
        400.. => RequestRefused { status, took_ms }.emit(),
        _ => RequestAnswered { status, took_ms }.emit(),
    });
    Ok(reply::to_json(response).await)
}

async fn respond(service: Arc<Service>, event: Event, context: &Context) -> Response {
    let id = RequestId(context.request_id.clone());
    let work = async move {
        let running = match service.running().await {
            Ok(running) => running,
            Err(error) => {
                RequestNotReady { error: &error }.emit();
                let problem = if error.passes() { Problem::unavailable } else { Problem::internal };
                return problem("the service is not ready; deliver it again").into_response();
            }
        };
        let mut request = match event.into_request(service.public_url()) {
            Ok(request) => request,
            Err(detail) => return Problem::bad_request(detail).into_response(),
        };
        request.extensions_mut().insert(id);
        let Ok(response) = running.router.oneshot(request).await;
        response
    };
    match contained(work, context).await {
        Ok(response) => response,
        Err(Contained::Panicked) => {
            Problem::internal("the request could not be handled; deliver it again").into_response()
        }
        Err(Contained::TooSlow) => {
            DeadlineReached {}.emit();
            Problem::unavailable("the request took too long; deliver it again").into_response()
        }
    }
}

/// Why contained work has no outcome.
pub(crate) enum Contained {
    /// It is in the log already.
    Panicked,
    /// The function's deadline came first.
    TooSlow,
}

/// Does work in a task of its own: what panics in it ends there, and at the function's deadline it is dropped where it
/// waits. Nothing is half done then: every write is whole, and repeated it changes nothing.
pub(crate) async fn contained<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
    context: &Context,
) -> Result<T, Contained> {
    let mut task = tokio::spawn(work.in_current_span());
    match tokio::time::timeout(time_left(context), &mut task).await {
        Ok(outcome) => outcome.map_err(|_| Contained::Panicked),
        Err(_) => {
            task.abort();
            // Its sockets are closed before the function answers: Lambda freezes it then.
            let _ = task.await;
            Err(Contained::TooSlow)
        }
    }
}

/// How long an event may take before the function has to answer.
pub(crate) fn time_left(context: &Context) -> Duration {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Duration::from_millis(context.deadline.saturating_sub(DEADLINE_MARGIN_MS)).saturating_sub(since)
}

/// The request that the router takes.
type Request = http::Request<Body>;
