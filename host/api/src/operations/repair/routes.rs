//! The route that repairs endpoints.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use rapport_store::identity::RepairCursor;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::operations::Operations;
use crate::operations::repair::{ITEMS_DEFAULT, ITEMS_MAX, RepairStep};
use crate::people::answer::routes::no_cursor;
use crate::state::Api;
use rapport_config::scope::Scope;
use rapport_http::Problem;
use rapport_http::input::InQuery;
use rapport_http::page::{HttpMethod, OperationDoc};
use rapport_http::route::Route;

pub(crate) fn routes() -> Vec<Route<Arc<Api>>> {
    let page = OperationDoc::new("repairEndpoints", "Repair endpoints that no longer lead to a profile")
        .described(
            "Use it after an error of type `urn:rapport:problem:damaged`. It reads the whole table twice, step by step, while the \
             service is in use. Repeat with `cursor` set to `next` until `next` is null. Sound endpoints are not changed.",
        )
        .query::<RepairPage>()
        .gives::<RepairStep>(200, "The result of one step")
        .refuses(&[400, 401, 500, 503]);
    vec![Route::new("/v1/repairs", post(repair)).may(HttpMethod::Post, Scope::Operate, page)]
}

rapport_http::inputs!(RepairPage);

/// A part of the table.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RepairPage {
    /// How many items of the table this step reads.
    #[schemars(range(min = 1, max = ITEMS_MAX), extend("default" = ITEMS_DEFAULT))]
    limit: Option<usize>,
    /// `next` of the previous step; leave it out for the first step.
    cursor: Option<String>,
}

async fn repair(State(operations): State<Operations>, InQuery(page): InQuery<RepairPage>) -> Result<Response, Problem> {
    let cursor = match page.cursor.as_deref().map(RepairCursor::parse) {
        Some(None) => return Err(no_cursor()),
        cursor => cursor.flatten(),
    };
    let items = page.limit.unwrap_or(ITEMS_DEFAULT);
    Ok(axum::Json(operations.repair(items, cursor.as_ref()).await?).into_response())
}
