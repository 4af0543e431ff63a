//! Ways that lead nowhere, mended.

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
use rapport_http::page::{Page, Verb};
use rapport_http::route::Route;

pub(crate) fn routes() -> Vec<Route<Arc<Api>>> {
    let page = Page::new("Brings endpoints back to their profiles whose ways lead nowhere")
        .told(
            "For a table with the fault that the problem `damaged` tells of. It reads the whole table, step by step, twice; \
             the service may be in use. Ask again with `next` until it is null. What is right is not touched.",
        )
        .query::<RepairPage>()
        .gives::<RepairStep>(200, "What one step did")
        .refuses(&[400, 401, 500, 503]);
    vec![Route::new("/v1/repairs", post(repair)).may(Verb::Post, Scope::Operate, page)]
}

rapport_http::inputs!(RepairPage);

/// A part of the table.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RepairPage {
    /// Items of the table that are looked at.
    #[schemars(range(min = 1, max = ITEMS_MAX), extend("default" = ITEMS_DEFAULT))]
    limit: Option<usize>,
    /// Where it begins: `next` of the step before.
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
