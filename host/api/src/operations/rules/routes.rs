//! Other rules of identity, tried out.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use rapport_store::identity::ScanCursor;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::operations::Operations;
use crate::operations::rules::{GivenRules, ITEMS_DEFAULT, ITEMS_MAX, RulesPreview};
use crate::people::answer::routes::no_cursor;
use crate::state::Api;
use rapport_config::scope::Scope;
use rapport_http::Problem;
use rapport_http::input::{InQuery, json_body};
use rapport_http::page::{Page, Presence, Verb};
use rapport_http::route::Route;

pub(crate) fn routes() -> Vec<Route<Arc<Api>>> {
    let page = Page::new("The pairs that other rules would link or part; nothing is written")
        .told(
            "It reads the whole table, page by page: half a read unit for each 4 KB of it, and the evidence of each profile \
             on top. What the rules of its time kept from being recorded shows when its events are folded again.",
        )
        .query::<PreviewPage>()
        .takes::<GivenRules>(Presence::Required)
        .gives::<RulesPreview>(200, "What one part of the table comes to")
        .refuses(&[400, 401, 413, 415, 500, 503]);
    vec![Route::new("/v1/rules/preview", post(preview)).may(Verb::Post, Scope::Operate, page)]
}

rapport_http::inputs!(GivenRules, PreviewPage);

/// A part of the table.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct PreviewPage {
    /// Items of the table that are looked at.
    #[schemars(range(min = 1, max = ITEMS_MAX), extend("default" = ITEMS_DEFAULT))]
    limit: Option<usize>,
    /// Where it begins: `next` of the page before.
    cursor: Option<String>,
}

async fn preview(
    State(operations): State<Operations>,
    InQuery(page): InQuery<PreviewPage>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let rules: GivenRules = json_body(&parts.headers, body).await?;
    let cursor = match page.cursor.as_deref().map(ScanCursor::parse) {
        Some(None) => return Err(no_cursor()),
        cursor => cursor.flatten(),
    };
    let items = page.limit.unwrap_or(ITEMS_DEFAULT);
    Ok(axum::Json(operations.preview_rules(&rules, items, cursor.as_ref()).await?).into_response())
}
