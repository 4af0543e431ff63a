//! The door for HTTP: routes, limits, status codes. What happens behind it is in the use cases.

mod person;

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use rapport_model::ProfileId;
use rapport_sandbox::{HttpResponse, Secret};
use rapport_store::{RawWebhook, StoreError};
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom, SystemRandom};
use serde::Deserialize;
use serde_json::json;

use crate::Gateway;
use crate::answer::{Cursor, PAGE_DEFAULT, PAGE_MAX};
use crate::problem::Problem;
use crate::receive::Incoming;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");

/// The keys that open `/v1`; several are a rotation.
#[derive(Default)]
pub struct ApiKeys(pub Vec<Secret>);

/// All routes of a gateway.
pub fn router(gateway: Arc<Gateway>) -> Router {
    finished(hooks().merge(api(&gateway)), gateway)
}

/// The routes of providers alone: what answers them need not be able to read a profile.
pub fn webhook_router(gateway: Arc<Gateway>) -> Router {
    finished(hooks(), gateway)
}

/// The routes of whoever has an API key alone.
pub fn api_router(gateway: Arc<Gateway>) -> Router {
    finished(api(&gateway), gateway)
}

fn hooks() -> Router<Arc<Gateway>> {
    Router::new().route("/hooks/{connection}", any(hook)).route("/hooks/{connection}/{token}", any(hook_with_token))
}

fn api(gateway: &Arc<Gateway>) -> Router<Arc<Gateway>> {
    let api = Router::new()
        .route("/profiles/lookup", get(look_up))
        .route("/profiles/{id}", get(profile))
        .route("/profiles/{id}/timeline", get(timeline))
        .merge(person::routes())
        .fallback(no_route)
        .method_not_allowed_fallback(no_method)
        .layer(middleware::from_fn_with_state(Arc::clone(gateway), authorise));
    Router::new().nest("/v1", api)
}

fn finished(routes: Router<Arc<Gateway>>, gateway: Arc<Gateway>) -> Router {
    routes
        .route("/healthz", get(health))
        .fallback(no_route)
        .method_not_allowed_fallback(no_method)
        .layer(middleware::from_fn(with_request_id))
        .with_state(gateway)
}

async fn hook(
    State(gateway): State<Arc<Gateway>>,
    connection: InPath<String>,
    request: Request,
) -> Result<Response, Problem> {
    let Path(connection) = connection?;
    Ok(webhook(&gateway, connection, None, request).await)
}

async fn hook_with_token(
    State(gateway): State<Arc<Gateway>>,
    names: InPath<(String, String)>,
    request: Request,
) -> Result<Response, Problem> {
    let Path((connection, token)) = names?;
    Ok(webhook(&gateway, connection, Some(token), request).await)
}

/// What is not UTF-8 in a path, or not a query of ours, is refused in our own words.
type InPath<T> = Result<Path<T>, PathRejection>;
type InQuery<T> = Result<Query<T>, QueryRejection>;

async fn webhook(gateway: &Gateway, connection: String, token: Option<String>, request: Request) -> Response {
    if !matches!(*request.method(), Method::GET | Method::POST) {
        let mut refusal = Problem::method_not_allowed("a webhook is a GET or a POST").into_response();
        refusal.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, POST"));
        return refusal;
    }
    let request_id = request.extensions().get::<RequestId>().map(|id| id.0.clone()).unwrap_or_default();
    let (parts, body) = request.into_parts();
    let connected = match gateway.connection(&connection) {
        Ok(connected) => connected,
        Err(problem) => return problem.into_response(),
    };
    // Of an unknown connection as much as of a usual one, so that sizes do not tell which exist.
    let limits = connected.map(|found| found.connector.manifest().limits).unwrap_or_default();
    let body = match read_body(&parts.headers, body, limits.body_bytes()).await {
        Ok(body) => body,
        Err(problem) => return problem.into_response(),
    };
    // A token in the path is a secret: no connector and no stored webhook gets to see it.
    let path = token.as_ref().map_or_else(|| parts.uri.path().to_owned(), |_| format!("/hooks/{connection}"));
    let query = parts.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let public_url = parts.extensions.get::<PublicUrl>().map_or(&gateway.public_url, |url| &url.0);
    let webhook = RawWebhook {
        method: parts.method.as_str().to_owned(),
        url: format!("{public_url}{path}{query}"),
        headers: text_headers(&parts.headers),
        body,
    };
    match gateway.receive(Incoming { connection, token, webhook, request_id }).await {
        Ok(response) => provider_response(response),
        Err(problem) => problem.into_response(),
    }
}

async fn read_body(headers: &HeaderMap, body: Body, bytes_max: usize) -> Result<Vec<u8>, Problem> {
    let too_large = || Problem::too_large(format!("a body may have {bytes_max} bytes"));
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > bytes_max) {
        return Err(too_large());
    }
    match to_bytes(body, bytes_max).await {
        Ok(bytes) => Ok(bytes.into()),
        Err(error) if is_limit(&error) => Err(too_large()),
        Err(_) => Err(Problem::bad_request("the body ended before its time")),
    }
}

fn is_limit(error: &axum::Error) -> bool {
    std::error::Error::source(error).is_some_and(|source| source.to_string() == "length limit exceeded")
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
    // A challenge echoed as HTML would be a script of whoever sent it.
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

#[derive(Deserialize)]
struct LookUp {
    scheme: Option<String>,
    scope: Option<String>,
    value: Option<String>,
}

async fn look_up(State(gateway): State<Arc<Gateway>>, query: InQuery<LookUp>) -> Result<Response, Problem> {
    let Query(query) = query?;
    let required = |name: &str| Problem::bad_request(format!("query parameter `{name}` is missing"));
    let scheme = query.scheme.ok_or_else(|| required("scheme"))?;
    let value = query.value.ok_or_else(|| required("value"))?;
    let scope = query.scope.filter(|scope| !scope.is_empty());
    match gateway.look_up(&scheme, scope.as_deref(), &value).await? {
        Ok(Some(profile)) => Ok(axum::Json(profile).into_response()),
        Ok(None) => Err(Problem::not_found("nobody with that identifier was seen")),
        Err(error) => Err(Problem::bad_request(error.to_string())),
    }
}

async fn profile(State(gateway): State<Arc<Gateway>>, id: InPath<String>) -> Result<Response, Problem> {
    let Path(id) = id?;
    match gateway.profile(&profile_id(&id)?).await? {
        Some(profile) => Ok(axum::Json(profile).into_response()),
        None => Err(no_profile()),
    }
}

#[derive(Deserialize)]
struct Page {
    limit: Option<String>,
    cursor: Option<String>,
}

async fn timeline(
    State(gateway): State<Arc<Gateway>>,
    id: InPath<String>,
    page: InQuery<Page>,
) -> Result<Response, Problem> {
    let (Path(id), Query(page)) = (id?, page?);
    let limit = match page.limit.as_deref().map(str::parse) {
        None => PAGE_DEFAULT,
        Some(Ok(limit)) if (1..=PAGE_MAX).contains(&limit) => limit,
        Some(_) => return Err(Problem::bad_request(format!("`limit` is a number from 1 to {PAGE_MAX}"))),
    };
    let cursor = match page.cursor.filter(|cursor| !cursor.is_empty()).as_deref().map(Cursor::parse) {
        None => None,
        Some(Some(cursor)) => Some(cursor),
        Some(None) => return Err(Problem::bad_request("`cursor` is none that `next` has given")),
    };
    match gateway.timeline(&profile_id(&id)?, limit, cursor.as_ref()).await? {
        Some(timeline) => Ok(axum::Json(timeline).into_response()),
        None => Err(no_profile()),
    }
}

fn profile_id(text: &str) -> Result<ProfileId, Problem> {
    ProfileId::parse(text).ok_or_else(no_profile)
}

fn no_profile() -> Problem {
    Problem::not_found("no profile of that id")
}

async fn health(State(gateway): State<Arc<Gateway>>) -> Result<Response, Problem> {
    gateway.table.ping().await?;
    Ok(axum::Json(json!({"status": "ok"})).into_response())
}

async fn no_route() -> Problem {
    Problem::not_found("no such address; there are /hooks/{connection}, /v1/profiles/… and /healthz")
}

async fn no_method() -> Problem {
    Problem::method_not_allowed("this address does not take that method; `Allow` says which it takes")
}

/// Lets only holders of an API key through.
async fn authorise(State(gateway): State<Arc<Gateway>>, request: Request, next: Next) -> Response {
    let given = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let given = given.and_then(|value| value.split_once(' '));
    let token = given.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, token)| token.trim());
    let token = token.unwrap_or_default().as_bytes();
    let known = gateway.api_keys.0.iter().fold(false, |known, key| known | same_secret(key.reveal(), token));
    if known {
        return next.run(request).await;
    }
    let detail = match gateway.api_keys.0.is_empty() {
        true => "no API key is configured; fix: set `keys` under `[api]`",
        false => "`Authorization: Bearer` with an API key is needed",
    };
    let mut refusal = Problem::unauthenticated(detail).into_response();
    refusal.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    refusal
}

/// Whether two secrets are the same, in a time that depends on neither. An empty one is never the same as anything.
pub(crate) fn same_secret(secret: &[u8], candidate: &[u8]) -> bool {
    let (secret_hash, candidate_hash) = (digest(&SHA256, secret), digest(&SHA256, candidate));
    let pairs = secret_hash.as_ref().iter().zip(candidate_hash.as_ref());
    let differences = pairs.fold(0, |differences, (a, b)| differences | (a ^ b));
    std::hint::black_box(differences) == 0 && !secret.is_empty()
}

/// Names every request that has no name yet, in our logs and in the answer.
async fn with_request_id(mut request: Request, next: Next) -> Response {
    let given = request.extensions().get::<RequestId>().map(|id| id.0.clone());
    let id = given.unwrap_or_else(random_id);
    let header = HeaderValue::try_from(&id);
    request.extensions_mut().insert(RequestId(id));
    let mut response = next.run(request).await;
    if let Ok(header) = header {
        response.headers_mut().insert(REQUEST_ID, header);
    }
    response
}

fn random_id() -> String {
    let mut random = [0; 12];
    // Without randomness the name is all zeros: less useful in a log, and nothing depends on it.
    let _ = SystemRandom::new().fill(&mut random);
    random.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What a request is called, as an extension of it: from whoever called the router, or random. Not from a header: a
/// header of that name that a provider sends is the provider's and goes to the connector as it came.
#[derive(Clone, Debug)]
pub struct RequestId(pub String);

/// How the provider reached this very request, without a slash at the end, as an extension of it. None: as
/// [`Gateway::public_url`] says.
#[derive(Clone, Debug)]
pub struct PublicUrl(pub String);

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, axum::Json(&self)).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, PROBLEM_JSON);
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

impl From<PathRejection> for Problem {
    fn from(rejection: PathRejection) -> Self {
        Self::bad_request(rejection.body_text())
    }
}

impl From<QueryRejection> for Problem {
    fn from(rejection: QueryRejection) -> Self {
        Self::bad_request(rejection.body_text())
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "storage failed");
        match error {
            StoreError::Corrupt { .. } => Self::internal("an item of storage cannot be read"),
            _ => Self::unavailable("storage does not answer"),
        }
    }
}
