//! What every HTTP surface has: an id for each request, a health check, and an answer for unknown paths.

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{HeaderName, HeaderValue};
use rapport_model::spelling::nearest;
use rapport_store::Table;
use ring::rand::{SecureRandom, SystemRandom};
use schemars::JsonSchema;
use serde::Serialize;

use crate::page::{HttpMethod, OperationDoc};
use crate::problem::Problem;
use crate::route::{Route, router};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Routes, ready to be served.
pub fn served(routes: Router, table: Table) -> Router {
    router(routes_of_health(), "")
        .with_state(table)
        .merge(routes)
        .fallback(no_route)
        .method_not_allowed_fallback(no_method)
        .layer(middleware::from_fn(with_request_id))
}

/// The route that says whether the service works.
pub fn routes_of_health() -> Vec<Route<Table>> {
    let page = OperationDoc::new("checkHealth", "Check that the service can reach its storage")
        .gives::<Health>(200, "Storage responds")
        .refuses(&[500, 503]);
    vec![Route::new("/healthz", get(health)).with(HttpMethod::Get, page)]
}

/// The answer of a healthy service.
#[derive(Serialize, JsonSchema)]
struct Health {
    /// Always `ok`.
    status: &'static str,
}

async fn health(State(table): State<Table>) -> Result<Response, Problem> {
    table.ping().await?;
    Ok(axum::Json(Health { status: "ok" }).into_response())
}

pub async fn no_route() -> Problem {
    Problem::not_found(NO_ROUTE)
}

/// The same, with the route of these that the path is a slip of, if it is one. Both are without `prefix`.
pub fn no_route_among(paths: &[&str], prefix: &str, path: &str) -> Problem {
    // What stands in the place of a parameter is as it should be.
    let filled = |route: &str| {
        let (given, parts): (Vec<&str>, Vec<&str>) = (path.split('/').collect(), route.split('/').collect());
        let pairs = given.iter().zip(&parts).map(|(given, part)| if part.starts_with('{') { *given } else { *part });
        (given.len() == parts.len()).then(|| pairs.collect::<Vec<_>>().join("/"))
    };
    let routes: Vec<(String, &str)> = paths.iter().filter_map(|route| Some((filled(route)?, *route))).collect();
    let known: Vec<&str> = routes.iter().map(|(filled, _)| filled.as_str()).collect();
    let near = nearest(path, &known);
    match routes.iter().find(|(filled, _)| Some(filled.as_str()) == near) {
        Some((_, route)) => Problem::not_found(format!("no route at this path; fix: call `{prefix}{route}`")),
        None => Problem::not_found(NO_ROUTE),
    }
}

const NO_ROUTE: &str = "no route at this path; fix: see /openapi.json for all routes";

pub async fn no_method() -> Problem {
    Problem::method_not_allowed("this path does not accept the method; fix: use a method of the `Allow` header")
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

/// The id of a request, as an extension of it. The caller of the router sets it, or it is random. It is not taken from a
/// header: a header `x-request-id` from a provider belongs to the provider and goes to the connector unchanged.
#[derive(Clone, Debug)]
pub struct RequestId(pub String);

/// The public URL at which the provider sent this request, without a slash at the end, as an extension of it. Without it,
/// the configuration's `public-url` applies.
#[derive(Clone, Debug)]
pub struct PublicUrl(pub String);
