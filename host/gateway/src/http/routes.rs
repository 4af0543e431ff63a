//! A route: an address, what answers there, and its pages in the document. The router and the document are made of the
//! same list, so neither knows an address that the other does not.

use std::sync::Arc;

use axum::Router;
use axum::routing::MethodRouter;

use crate::Gateway;
use crate::http::page::{Page, Verb};
use crate::http::{hooks, links, person, profiles, repair, review, rules, service};

/// See the module's documentation.
pub(super) struct Route {
    pub path: &'static str,
    pub handler: MethodRouter<Arc<Gateway>>,
    pub pages: Vec<(Verb, Page)>,
}

impl Route {
    /// A route without a page: each method gets its own.
    pub fn new(path: &'static str, handler: MethodRouter<Arc<Gateway>>) -> Self {
        Self { path, handler, pages: Vec::new() }
    }

    /// The same, with a page.
    pub fn with(mut self, verb: Verb, page: Page) -> Self {
        self.pages.push((verb, page));
        self
    }
}

/// All routes: for the document.
pub(super) fn all() -> Vec<Route> {
    let mut all = service::routes();
    all.extend(service::document_route());
    all.extend(hooks::routes());
    all.extend(api());
    all
}

/// Those that need an API key; each path begins with `/v1`.
pub(super) fn api() -> Vec<Route> {
    let mut all = profiles::routes();
    all.extend(links::routes());
    all.extend(person::routes());
    all.extend(review::routes());
    all.extend(rules::routes());
    all.extend(repair::routes());
    all
}

/// Routes as a router, without `prefix`.
pub(super) fn router(routes: Vec<Route>, prefix: &str) -> Router<Arc<Gateway>> {
    routes.into_iter().fold(Router::new(), |router, route| {
        let path = route.path.strip_prefix(prefix).unwrap_or(route.path);
        router.route(path, route.handler)
    })
}
