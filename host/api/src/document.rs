//! The route of the document.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header;
use rapport_http::page::{Page, Verb};
use rapport_http::route::{Described, Route};
use serde_json::Value;

use crate::openapi::document;

pub(crate) fn routes(beside: Vec<Described>) -> Vec<Route<()>> {
    // Made at the first request.
    let made: Arc<(Vec<Described>, OnceLock<String>)> = Arc::new((beside, OnceLock::new()));
    let openapi = move || {
        let made = Arc::clone(&made);
        async move {
            let (beside, made) = &*made;
            let text = made.get_or_init(|| document(beside).to_string()).clone();
            let response: Response = ([(header::CONTENT_TYPE, "application/json")], text).into_response();
            response
        }
    };
    vec![Route::new("/openapi.json", get(openapi)).with(Verb::Get, page())]
}

/// The document's own page.
pub(crate) fn page() -> Page {
    Page::new("getOpenApiDocument", "Get this OpenAPI document")
        .gives::<BTreeMap<String, Value>>(200, "The document, OpenAPI 3.1")
}
