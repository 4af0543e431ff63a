//! Whether the service works, and what it takes.

use std::sync::{Arc, LazyLock};

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header;
use schemars::JsonSchema;
use serde::Serialize;

use crate::Gateway;
use crate::http::openapi::document;
use crate::http::page::{Page, Verb};
use crate::http::routes::Route;
use crate::problem::Problem;

pub(super) fn routes() -> Vec<Route> {
    let page = Page::new("Whether storage answers").gives::<Health>(200, "It does").refuses(&[500, 503]);
    vec![Route::new("/healthz", get(health)).with(Verb::Get, page)]
}

pub(super) fn document_route() -> Vec<Route> {
    let page = Page::new("This document").answer(200, "OpenAPI 3.1");
    vec![Route::new("/openapi.json", get(openapi)).with(Verb::Get, page)]
}

/// What a healthy service says.
#[derive(Serialize, JsonSchema)]
struct Health {
    /// `ok`.
    status: &'static str,
}

async fn health(State(gateway): State<Arc<Gateway>>) -> Result<Response, Problem> {
    gateway.table.ping().await?;
    Ok(axum::Json(Health { status: "ok" }).into_response())
}

async fn openapi() -> Response {
    static DOCUMENT: LazyLock<String> = LazyLock::new(|| document().to_string());
    ([(header::CONTENT_TYPE, "application/json")], DOCUMENT.as_str()).into_response()
}
