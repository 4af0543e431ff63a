//! The routes for a person's rights to erasure and access.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::{HeaderValue, StatusCode, header};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::authorisation::Caller;
use crate::people::People;
use crate::people::answer::routes::{no_cursor, no_profile, nobody, profile_id};
use crate::people::erasure::{ErasureReceipt, ParkedDecisions, State as Progress};
use crate::people::export::{Cursor, Export};
use crate::people::links::{Attribution, GivenIdentifier, REASON_CHARS_MAX};
use crate::state::Api;
use rapport_config::scope::Scope;
use rapport_http::Problem;
use rapport_http::input::{InPath, InQuery, json_body};
use rapport_http::page::{BodyRequired, HttpMethod, OperationDoc};
use rapport_http::route::Route;

pub(crate) fn routes() -> Vec<Route<Arc<Api>>> {
    let location = &[("Location", "Where to continue")];
    let done = |page: OperationDoc| {
        let page = page.gives::<ErasureReceipt>(200, "The erasure is complete. The body is its receipt");
        page.gives::<ErasureReceipt>(202, "The erasure is not complete. Call `Location` to continue")
            .with_headers(location)
    };
    let erase_page = done(OperationDoc::new("createErasure", "Erase the person who has an identifier"))
        .described("One call deletes some thousands of items, and nothing happens between calls: repeat until the answer is 200.")
        .takes::<NewErasure>(BodyRequired::Yes)
        .refuses(&[400, 401, 404, 409, 413, 415, 500, 503]);
    let id = |page: OperationDoc| page.parameter("id", "The id of an erasure");
    let receipt_page = id(OperationDoc::new("getErasure", "Get the receipt of an erasure"))
        .gives::<ErasureReceipt>(200, "The receipt so far")
        .refuses(&[400, 401, 404, 500, 503]);
    let parked_page = id(OperationDoc::new("decideParkedWebhooks", "Decide about parked webhooks that may be the person's"))
        .described(
            "The receipt names them in `parked.undecided`. Read one with `rapport parked show` before you delete it: it may \
             contain other people's messages. A repeated call changes nothing.",
        )
        .takes::<ParkedDecisions>(BodyRequired::Yes)
        .gives::<ErasureReceipt>(200, "The receipt")
        .refuses(&[400, 401, 404, 413, 415, 500, 503]);
    let go_on_page =
        done(id(OperationDoc::new("continueErasure", "Continue an erasure"))).refuses(&[400, 401, 404, 409, 500, 503]);
    let export_page =
        OperationDoc::new("exportProfile", "Export everything that is known about a person, page by page")
            .parameter("id", "The id of a profile, from another answer")
            .query::<From>()
            .gives::<Export>(200, "One page of the export")
            .refuses(&[400, 401, 404, 500, 503]);
    vec![
        Route::new("/v1/erasures", post(erase)).may(HttpMethod::Post, Scope::Erase, erase_page),
        Route::new("/v1/erasures/{id}", get(receipt).post(go_on)).may(HttpMethod::Get, Scope::Erase, receipt_page).may(
            HttpMethod::Post,
            Scope::Erase,
            go_on_page,
        ),
        Route::new("/v1/erasures/{id}/parked", post(decide_parked)).may(HttpMethod::Post, Scope::Erase, parked_page),
        Route::new("/v1/profiles/{id}/export", get(export)).may(HttpMethod::Get, Scope::Export, export_page),
    ]
}

rapport_http::inputs!(NewErasure, From, ParkedDecisions);

/// The person to erase.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(example = serde_json::json!({"identifier": {"scheme": "email", "value": "ada@example.com"}}))]
struct NewErasure {
    /// Any identifier of the person.
    identifier: GivenIdentifier,
    /// Why. It is stored in the receipt.
    #[schemars(length(max = REASON_CHARS_MAX))]
    reason: Option<String>,
    /// The person who decides, for example an agent's name. It is recorded with the name of the API key.
    #[schemars(length(min = 1, max = REASON_CHARS_MAX))]
    by: Option<String>,
}

async fn erase(
    State(people): State<People>,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let new: NewErasure = json_body(&parts.headers, body).await?;
    let named = people.named(&new.identifier, "identifier")?;
    let eid = people.known(named.key).await?.map_or(named.eid, |key| people.table.eid(&key));
    caller.touches(&eid);
    let attribution = Attribution { who: caller.signs(new.by.as_deref()), reason: new.reason.unwrap_or_default() };
    let receipt = people.erase(&eid, attribution).await?;
    let receipt = receipt.ok_or_else(|| nobody(&new.identifier.scheme))?;
    caller.touches(&receipt.id);
    Ok(answer(&receipt))
}

async fn receipt(State(people): State<People>, id: InPath<String>) -> Result<Response, Problem> {
    let Path(id) = id?;
    let erasure = people.table.erasure(erasure_id(&id)?).await?.ok_or_else(no_erasure)?;
    Ok(axum::Json(ErasureReceipt::from(&erasure)).into_response())
}

async fn go_on(State(people): State<People>, id: InPath<String>) -> Result<Response, Problem> {
    let Path(id) = id?;
    people.continue_erasure(erasure_id(&id)?).await?.map(|receipt| answer(&receipt)).ok_or_else(no_erasure)
}

async fn decide_parked(
    State(people): State<People>,
    id: InPath<String>,
    request: Request,
) -> Result<Response, Problem> {
    let Path(id) = id?;
    let (parts, body) = request.into_parts();
    let decisions: ParkedDecisions = json_body(&parts.headers, body).await?;
    let (receipt, unknown) = people.decide_parked(erasure_id(&id)?, &decisions).await?.ok_or_else(no_erasure)?;
    if !unknown.is_empty() {
        let detail = "the receipt does not name all of these ids; fix: send ids from `parked.undecided`";
        let field = if decisions.delete.iter().any(|id| unknown.contains(id)) { "delete" } else { "keep" };
        return Err(Problem::bad_request(detail).of_field(field));
    }
    Ok(axum::Json(receipt).into_response())
}

/// 200 with the receipt; 202 and where to go on while there is more to do. Nothing happens between calls.
pub(crate) fn answer(receipt: &ErasureReceipt) -> Response {
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
struct From {
    /// `next` of the previous page; leave it out for the first page.
    cursor: Option<String>,
}

async fn export(
    State(people): State<People>,
    id: InPath<String>,
    InQuery(from): InQuery<From>,
) -> Result<Response, Problem> {
    let Path(id) = id?;
    let cursor = match from.cursor.as_deref().map(Cursor::parse) {
        Some(None) => return Err(no_cursor()),
        cursor => cursor.flatten(),
    };
    let export = people.export(&profile_id(&id)?, cursor.as_ref()).await?;
    export.map(|export| axum::Json(export).into_response()).ok_or_else(no_profile)
}

/// An id that can be one: the table takes no longer keys than 2,048 bytes.
fn erasure_id(text: &str) -> Result<&str, Problem> {
    let is_one =
        text.strip_prefix('x').is_some_and(|hex| hex.len() == 32 && hex.bytes().all(|one| one.is_ascii_hexdigit()));
    is_one.then_some(text).ok_or_else(no_erasure)
}

fn no_erasure() -> Problem {
    Problem::not_found("no erasure has this id")
}
