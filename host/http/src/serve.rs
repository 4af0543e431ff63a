//! The door for HTTP: routes, limits, status codes. What happens behind it is in the use cases.
//!
//! | what | file |
//! |---|---|
//! | every address, once, for the router and the document | `routes` |
//! | providers | `hooks`, and their bodies `body` |
//! | profiles, timelines, why two identifiers are one person | `profiles` |
//! | links that people make and undo | `links` |
//! | what a person may ask of whoever keeps their data | `person` |
//! | what waits for a person | `review` |
//! | other rules, tried out | `rules` |
//! | being forgotten, being told what is known | `person` |
//! | health, the document | `service` |
//! | who may call, and that it is recorded | `keys`, `wrong_keys` |
//! | who called, and with which keys one may | `audit` |
//! | reading and checking what a request says | `input` |
//! | a page of the document, and all of them | `page`, `openapi` |

mod audit;
mod body;
mod hooks;
mod input;
mod keys;
mod links;
mod openapi;
mod page;
mod person;
mod profiles;
mod repair;
mod review;
mod routes;
mod rules;
mod service;
mod wrong_keys;

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, StatusCode, header};
use rapport_store::StoreError;
use ring::rand::{SecureRandom, SystemRandom};

use crate::Gateway;
use crate::problem::Problem;

pub use input::BODY_BYTES_MAX;
pub(crate) use keys::same_secret;
pub use keys::{ClientAddress, Door};
pub use openapi::document;
pub use wrong_keys::Manner;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");

/// All routes of a gateway.
pub fn router(gateway: Arc<Gateway>) -> Router {
    let open = routes::router(hooks::routes(), "").merge(routes::router(service::document_route(), ""));
    finished(open.merge(api(&gateway)), gateway)
}

/// The routes of providers alone: what answers them need not be able to read a profile.
pub fn webhook_router(gateway: Arc<Gateway>) -> Router {
    finished(routes::router(hooks::routes(), ""), gateway)
}

/// The routes of whoever has an API key alone, and what documents them.
pub fn api_router(gateway: Arc<Gateway>) -> Router {
    finished(routes::router(service::document_route(), "").merge(api(&gateway)), gateway)
}

fn api(gateway: &Arc<Gateway>) -> Router<Arc<Gateway>> {
    let api = routes::guarded(routes::api(), "/v1", gateway)
        .fallback(no_route)
        .method_not_allowed_fallback(no_method)
        .layer(middleware::from_fn_with_state(Arc::clone(gateway), keys::authorise));
    Router::new().nest("/v1", api)
}

fn finished(routes: Router<Arc<Gateway>>, gateway: Arc<Gateway>) -> Router {
    routes
        .merge(routes::router(service::routes(), ""))
        .fallback(no_route)
        .method_not_allowed_fallback(no_method)
        .layer(middleware::from_fn(with_request_id))
        .with_state(gateway)
}

async fn no_route() -> Problem {
    Problem::not_found("no such address; /openapi.json names all there are")
}

async fn no_method() -> Problem {
    Problem::method_not_allowed("the header `Allow` says which methods this address takes")
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
        tracing::error!(%error, "storage failed");
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
