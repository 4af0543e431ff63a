//! What a person may ask of whoever keeps their data: to be forgotten, and to be told what is known.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::{HeaderValue, StatusCode, header};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::Gateway;
use crate::erasure::{Receipt, State as Progress};
use crate::export::{Cursor, Export};
use crate::http::input::{InPath, InQuery, inputs, json_body};
use crate::http::page::{Page, Presence, Verb};
use crate::http::profiles::{no_cursor, no_profile, profile_id};
use crate::http::routes::Route;
use crate::links::GivenIdentifier;
use crate::problem::Problem;

pub(super) fn routes() -> Vec<Route> {
    let id = |page: Page| page.parameter("id", "The id of an erasure, as its receipt gives it");
    let location = &[("Location", "Where it goes on")];
    let erase_page = Page::new("Erases a person, over all channels")
        .told(
            "Everything that was said up to now is gone, and stays gone when a provider delivers it again. One call deletes \
             some thousand items and nothing happens between calls: until the answer is 200, ask again, here or there.",
        )
        .takes::<NewErasure>(Presence::Required)
        .gives::<Receipt>(200, "Done: the receipt, without personal data")
        .gives::<Receipt>(202, "Begun: it is to be continued")
        .with_headers(location)
        .refuses(&[400, 401, 404, 409, 413, 415, 500, 503]);
    let receipt_page = id(Page::new("The receipt of an erasure, so far"))
        .gives::<Receipt>(200, "The receipt")
        .refuses(&[400, 401, 404, 500, 503]);
    let go_on_page = id(Page::new("Goes on with an erasure"))
        .gives::<Receipt>(200, "Done: the receipt")
        .gives::<Receipt>(202, "There is more to do")
        .with_headers(location)
        .refuses(&[400, 401, 404, 409, 500, 503]);
    let export_page = Page::new("Everything that is known of a person")
        .told("In pages: the first has all but the events, each has events, whole and newest first.")
        .parameter("id", "The id of a profile, as another answer gave it")
        .query::<ExportPage>()
        .gives::<Export>(200, "A page")
        .refuses(&[400, 401, 404, 500, 503]);
    vec![
        Route::new("/v1/erasures", post(erase)).with(Verb::Post, erase_page),
        Route::new("/v1/erasures/{id}", get(receipt).post(go_on))
            .with(Verb::Get, receipt_page)
            .with(Verb::Post, go_on_page),
        Route::new("/v1/profiles/{id}/export", get(export)).with(Verb::Get, export_page),
    ]
}

inputs!(NewErasure, ExportPage);

/// Whom to forget.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(example = serde_json::json!({"identifier": {"scheme": "email", "value": "ada@example.com"}}))]
struct NewErasure {
    /// Any of the person's.
    identifier: GivenIdentifier,
}

async fn erase(State(gateway): State<Arc<Gateway>>, request: Request) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let new: NewErasure = json_body(&parts.headers, body).await?;
    let named = gateway.named(&new.identifier, "identifier")?;
    let receipt = gateway.erase(&named.eid).await?;
    receipt.map(|receipt| answer(&receipt)).ok_or_else(|| Problem::not_found("nobody with that identifier was seen"))
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
        let location = HeaderValue::try_from(format!("/v1/erasures/{}", receipt.id)).expect("an id is ASCII");
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

/// A page of an export.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ExportPage {
    /// Where it begins: `next` of the page before.
    cursor: Option<String>,
}

async fn export(
    State(gateway): State<Arc<Gateway>>,
    id: InPath<String>,
    InQuery(page): InQuery<ExportPage>,
) -> Result<Response, Problem> {
    let Path(id) = id?;
    let cursor = match page.cursor.as_deref().map(Cursor::parse) {
        Some(None) => return Err(no_cursor()),
        cursor => cursor.flatten(),
    };
    let export = gateway.export(&profile_id(&id)?, cursor.as_ref()).await?;
    export.map(|export| axum::Json(export).into_response()).ok_or_else(no_profile)
}

fn no_erasure() -> Problem {
    Problem::not_found("no erasure of that id")
}
