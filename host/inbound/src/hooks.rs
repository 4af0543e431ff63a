//! The routes of providers. A connector gets the request unchanged and decides the answer.

mod body;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use rapport_http::input::InPath;
use rapport_http::page::{HttpMethod, OperationDoc};
use rapport_http::route::{Route, router};
use rapport_http::{Problem, PublicUrl, RequestId};
use rapport_sandbox::HttpResponse;

use crate::admission::RequestHead;
use crate::inbound::Inbound;
use crate::refusal::{Refusal, RefusalKind};

/// The routes of providers, to be served.
pub fn served(inbound: Arc<Inbound>) -> Router {
    router(routes(), "").with_state(inbound)
}

/// The routes of providers.
pub fn routes() -> Vec<Route<Arc<Inbound>>> {
    let page = |page: OperationDoc| {
        let page = page.parameter("connection", "The name of a connection in the configuration");
        let page = page
            .answer(200, "The connector's answer: the webhook is stored, or the challenge is answered")
            .answers_as_connector();
        page.refuses(&[400, 401, 403, 404, 405, 408, 413, 500, 503])
    };
    let with_token = |page: OperationDoc| {
        page.parameter("token", "The secret path token, for a provider that does not sign its webhooks")
    };
    let get =
        |id| page(OperationDoc::new(id, "Answer a provider's challenge, for example when a webhook is subscribed"));
    let post = |id| page(OperationDoc::new(id, "Receive a provider's webhook").takes_bytes());
    vec![
        Route::new("/hooks/{connection}", any(hook))
            .with(HttpMethod::Get, get("answerChallenge"))
            .with(HttpMethod::Post, post("receiveWebhook")),
        Route::new("/hooks/{connection}/{token}", any(hook_with_token))
            .with(HttpMethod::Get, with_token(get("answerChallengeWithToken")))
            .with(HttpMethod::Post, with_token(post("receiveWebhookWithToken"))),
    ]
}

async fn hook(
    State(inbound): State<Arc<Inbound>>,
    connection: InPath<String>,
    request: Request,
) -> Result<Response, Problem> {
    let Path(connection) = connection?;
    Ok(webhook(&inbound, connection, None, request).await)
}

async fn hook_with_token(
    State(inbound): State<Arc<Inbound>>,
    names: InPath<(String, String)>,
    request: Request,
) -> Result<Response, Problem> {
    let Path((connection, token)) = names?;
    Ok(webhook(&inbound, connection, Some(token), request).await)
}

async fn webhook(inbound: &Inbound, connection: String, token: Option<String>, request: Request) -> Response {
    if !matches!(*request.method(), Method::GET | Method::POST) {
        let mut refusal = Problem::method_not_allowed("a webhook must be a GET or a POST").into_response();
        refusal.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, POST"));
        return refusal;
    }
    match received(inbound, connection, token, request).await {
        Ok(response) => provider_response(response),
        Err(problem) => problem.into_response(),
    }
}

/// The head first: of what it does not let in, nothing of the body is read.
async fn received(
    inbound: &Inbound,
    connection: String,
    token: Option<String>,
    request: Request,
) -> Result<HttpResponse, Problem> {
    let request_id = request.extensions().get::<RequestId>().map(|id| id.0.clone()).unwrap_or_default();
    let (parts, body) = request.into_parts();
    // A token in the path is a secret: no connector and no stored webhook gets to see it.
    let path = token.as_ref().map_or_else(|| parts.uri.path().to_owned(), |_| format!("/hooks/{connection}"));
    let query = parts.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let public_url = parts.extensions.get::<PublicUrl>().map_or(&inbound.public_url, |url| &url.0);
    let head = RequestHead {
        connection,
        token,
        method: parts.method.as_str().to_owned(),
        url: format!("{public_url}{path}{query}"),
        headers: text_headers(&parts.headers),
        request_id,
    };
    let mut admitted = inbound.admit(head)?;
    let _room = body::read(&parts.headers, body, &mut admitted).await?;
    Ok(inbound.receive_admitted(admitted).await?)
}

/// Headers as a connector gets them: lower case, in order, repeats kept; bytes that are not UTF-8 as Latin-1 (RFC 9110).
fn text_headers(headers: &HeaderMap) -> Vec<(String, String)> {
    let text = |value: &HeaderValue| match std::str::from_utf8(value.as_bytes()) {
        Ok(text) => text.to_owned(),
        Err(_) => value.as_bytes().iter().map(|byte| char::from(*byte)).collect(),
    };
    headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect()
}

/// Headers that a connector may set: what a handshake needs, and nothing that speaks for the host.
const CONNECTOR_HEADERS: &[HeaderName] =
    &[header::CONTENT_TYPE, header::ALLOW, header::RETRY_AFTER, header::CACHE_CONTROL, header::WWW_AUTHENTICATE];

fn provider_response(answer: HttpResponse) -> Response {
    let mut response = Response::new(Body::from(answer.body));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in answer.headers {
        let name = HeaderName::try_from(name).ok().filter(|name| CONNECTOR_HEADERS.contains(name));
        if let (Some(name), Ok(value)) = (name, HeaderValue::try_from(value)) {
            response.headers_mut().append(name, value);
        }
    }
    // A challenge that is echoed as HTML would run the sender's script.
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// A refusal is a problem only here.
impl From<Refusal> for Problem {
    fn from(Refusal { kind, detail }: Refusal) -> Self {
        match kind {
            RefusalKind::Unauthenticated => Self::unauthenticated(detail),
            RefusalKind::TooLarge => Self::too_large(detail),
            RefusalKind::ConnectorFailed => Self::connector_failed(detail),
            RefusalKind::Internal => Self::internal(detail),
            RefusalKind::Unavailable => Self::unavailable(detail),
        }
    }
}
