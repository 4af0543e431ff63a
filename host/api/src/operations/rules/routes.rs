//! The route that previews other identity rules.

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
use rapport_http::page::{BodyRequired, HttpMethod, OperationDoc};
use rapport_http::route::Route;

pub(crate) fn routes() -> Vec<Route<Arc<Api>>> {
    let page = OperationDoc::new("previewRules", "Preview which identifiers other rules would link or separate; nothing is written")
        .described(
            "It reads the whole table, page by page. It costs half a read unit for each 4 KB of the table, plus the evidence \
             around each profile. Evidence that the present rules did not record appears only after a rebuild.",
        )
        .query::<PreviewPage>()
        .takes::<GivenRules>(BodyRequired::Yes)
        .gives::<RulesPreview>(200, "The changes in one part of the table")
        .refuses(&[400, 401, 413, 415, 500, 503]);
    vec![Route::new("/v1/rules/preview", post(preview)).may(HttpMethod::Post, Scope::Operate, page)]
}

rapport_http::inputs!(GivenRules, PreviewPage);

/// A part of the table.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct PreviewPage {
    /// How many items of the table this page reads.
    #[schemars(range(min = 1, max = ITEMS_MAX), extend("default" = ITEMS_DEFAULT))]
    limit: Option<usize>,
    /// `next` of the previous page; leave it out for the first page.
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
