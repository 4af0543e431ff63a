//! A route: an address, what answers there, and its pages in the document. The router and the document are made of the
//! same list, so neither knows an address that the other does not.

use std::sync::Arc;

use axum::routing::MethodRouter;
use axum::{Router, middleware};

use crate::Gateway;
use crate::http::keys::{Guarded, Operation, guard};
use crate::http::openapi::id_of;
use crate::http::page::{Page, Verb};
use crate::http::{audit, hooks, links, person, profiles, repair, review, rules, service};
use crate::scope::Scope;

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

    /// The same, with a page of an operation that asks for no key.
    pub fn with(mut self, verb: Verb, page: Page) -> Self {
        self.pages.push((verb, page));
        self
    }

    /// The same, with a page of an operation that a key may do which has this scope.
    pub fn may(self, verb: Verb, scope: Scope, page: Page) -> Self {
        self.with(verb, page.needs(scope))
    }

    /// What a key has to be allowed, method by method.
    fn operations(&self) -> Vec<Operation> {
        let operation = |(verb, page): &(Verb, Page)| {
            let name = id_of(verb.name(), self.path).into();
            page.scope().map(|scope| Operation { verb: *verb, scope, name })
        };
        self.pages.iter().filter_map(operation).collect()
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
    all.extend(audit::routes());
    all
}

/// Routes as a router, without `prefix`.
pub(super) fn router(routes: Vec<Route>, prefix: &str) -> Router<Arc<Gateway>> {
    routes.into_iter().fold(Router::new(), |router, route| {
        let path = route.path.strip_prefix(prefix).unwrap_or(route.path);
        router.route(path, route.handler)
    })
}

/// The same, where each operation asks for the scope that its page names.
pub(super) fn guarded(routes: Vec<Route>, prefix: &str, gateway: &Arc<Gateway>) -> Router<Arc<Gateway>> {
    let guarded = routes.into_iter().map(|route| {
        let guarded = Guarded { gateway: Arc::clone(gateway), operations: route.operations().into() };
        Route { handler: route.handler.route_layer(middleware::from_fn_with_state(guarded, guard)), ..route }
    });
    router(guarded.collect(), prefix)
}
