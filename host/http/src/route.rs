//! A route: a path, its handler, and its pages in the document. The router and the document are made from the same list, so
//! they always agree.

use axum::Router;
use axum::routing::MethodRouter;
use rapport_config::scope::Scope;

use crate::page::{HttpMethod, OperationDoc};

/// See the module's documentation. Its handlers share a state `S`.
pub struct Route<S> {
    pub path: &'static str,
    pub handler: MethodRouter<S>,
    pub pages: Vec<(HttpMethod, OperationDoc)>,
}

/// A route without its handler, for the document.
pub struct Described {
    pub path: &'static str,
    pub pages: Vec<(HttpMethod, OperationDoc)>,
}

impl<S: Clone + Send + Sync + 'static> Route<S> {
    /// A route without a page: each method gets its own.
    pub fn new(path: &'static str, handler: MethodRouter<S>) -> Self {
        Self { path, handler, pages: Vec::new() }
    }

    /// Adds the page of an operation that needs no key.
    pub fn with(mut self, verb: HttpMethod, page: OperationDoc) -> Self {
        self.pages.push((verb, page));
        self
    }

    /// Adds the page of an operation that needs a key with this scope.
    pub fn may(self, verb: HttpMethod, scope: Scope, page: OperationDoc) -> Self {
        self.with(verb, page.needs(scope))
    }

    /// The route without its handler.
    pub fn described(self) -> Described {
        Described { path: self.path, pages: self.pages }
    }
}

/// Routes as a router, without `prefix`.
pub fn router<S: Clone + Send + Sync + 'static>(routes: Vec<Route<S>>, prefix: &str) -> Router<S> {
    routes.into_iter().fold(Router::new(), |router, route| {
        let path = route.path.strip_prefix(prefix).unwrap_or(route.path);
        router.route(path, route.handler)
    })
}

/// What the audit calls an operation: `get /v1/links/{id}` is `get-links-id`. Records keep this name for 400 days, so it is
/// not the document's `operationId`, which may become a better one.
pub fn audit_name(verb: &str, path: &str) -> String {
    let words = path.trim_start_matches("/v1").split(['/', '{', '}', '.']).filter(|word| !word.is_empty());
    std::iter::once(verb).chain(words).collect::<Vec<_>>().join("-")
}
