//! What a person may ask of whoever keeps their data: to be forgotten, and to be told what is known.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::{HeaderValue, StatusCode, header};
use rapport_model::Identifier;
use rapport_model::event::Attestation;
use serde::Deserialize;

use super::{InPath, InQuery, no_profile, profile_id};
use crate::Gateway;
use crate::erasure::{Receipt, State as Progress};
use crate::export::Cursor;
use crate::problem::Problem;

/// Their routes, under `/v1`.
pub(super) fn routes() -> Router<Arc<Gateway>> {
    Router::new()
        .route("/erasures", post(erase))
        .route("/erasures/{id}", get(receipt).post(go_on))
        .route("/profiles/{id}/export", get(export))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    identifier: Address,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Address {
    scheme: String,
    #[serde(default)]
    scope: Option<String>,
    value: String,
}

async fn erase(State(gateway): State<Arc<Gateway>>, body: Bytes) -> Result<Response, Problem> {
    let expected = "expected `{\"identifier\": {\"scheme\", \"value\", \"scope\"?}}`";
    // Where it stopped is said, and not what was there: it is personal.
    let request: Request = serde_json::from_slice(&body).map_err(|error| {
        Problem::bad_request(format!("{expected}; it ends to be that at column {}", error.column()))
    })?;
    let Address { scheme, scope, value } = request.identifier;
    let scope = scope.filter(|scope| !scope.is_empty());
    let identifier = Identifier { scheme, scope, value, attestation: Attestation::Agent };
    match gateway.erase(&identifier).await? {
        Ok(Some(receipt)) => Ok(answer(&receipt)),
        Ok(None) => Err(Problem::not_found("nobody with that identifier was seen")),
        Err(error) => Err(Problem::bad_request(error.to_string())),
    }
}

async fn receipt(State(gateway): State<Arc<Gateway>>, id: InPath<String>) -> Result<Response, Problem> {
    let Path(id) = id?;
    let erasure = gateway.table.erasure(&id).await?.ok_or_else(no_erasure)?;
    Ok(axum::Json(Receipt::from(&erasure)).into_response())
}

async fn go_on(State(gateway): State<Arc<Gateway>>, id: InPath<String>) -> Result<Response, Problem> {
    let Path(id) = id?;
    gateway.continue_erasure(&id).await?.map(|receipt| answer(&receipt)).ok_or_else(no_erasure)
}

/// 200 with the receipt; 202 and where to go on while there is more to do. Nothing happens between calls.
fn answer(receipt: &Receipt) -> Response {
    let mut response = axum::Json(receipt).into_response();
    if receipt.state == Progress::Running {
        *response.status_mut() = StatusCode::ACCEPTED;
        if let Ok(location) = HeaderValue::try_from(format!("/v1/erasures/{}", receipt.id)) {
            response.headers_mut().insert(header::LOCATION, location);
        }
    }
    response
}

#[derive(Deserialize)]
struct From {
    cursor: Option<String>,
}

async fn export(
    State(gateway): State<Arc<Gateway>>,
    id: InPath<String>,
    from: InQuery<From>,
) -> Result<Response, Problem> {
    let (Path(id), Query(from)) = (id?, from?);
    let cursor = match from.cursor.filter(|cursor| !cursor.is_empty()).as_deref().map(Cursor::parse) {
        None => None,
        Some(Some(cursor)) => Some(cursor),
        Some(None) => return Err(Problem::bad_request("`cursor` is none that `next` has given")),
    };
    let export = gateway.export(&profile_id(&id)?, cursor.as_ref()).await?;
    export.map(|export| axum::Json(export).into_response()).ok_or_else(no_profile)
}

fn no_erasure() -> Problem {
    Problem::not_found("no erasure of that id")
}
