//! All routes of the API, once: for the router and for the document.

use std::sync::Arc;

use axum::http::Uri;
use axum::{Router, middleware};
use rapport_http::middleware::{no_method, no_route_among};
use rapport_http::route::{Described, Route, audit_name, router};

use crate::authorisation::{Guarded, Operation, authorise, guard};
use crate::openapi;
use crate::operations::{audit, repair, rules};
use crate::people::{answer, erasure, links, review};
use crate::sending;
use crate::state::Api;

/// The routes of the API and the document. `beside` are other routes of the same service, which the document also shows.
pub fn served(api: Arc<Api>, beside: Vec<Described>) -> Router {
    let paths: Arc<[&str]> =
        routes().iter().map(|route| route.path.strip_prefix("/v1").unwrap_or(route.path)).collect();
    let no_route = move |uri: Uri| {
        let problem = no_route_among(&paths, "/v1", uri.path());
        async move { problem }
    };
    let with_key = guarded(routes(), "/v1", &api)
        .fallback(no_route)
        .method_not_allowed_fallback(no_method)
        .layer(middleware::from_fn_with_state(Arc::clone(&api), authorise));
    let open = router(openapi::routes(beside), "");
    open.merge(Router::new().nest("/v1", with_key).with_state(api))
}

/// Those that need an API key; each path begins with `/v1`.
pub fn routes() -> Vec<Route<Arc<Api>>> {
    let mut all = answer::routes::routes();
    all.extend(links::routes::routes());
    all.extend(erasure::routes::routes());
    all.extend(review::routes::routes());
    all.extend(sending::routes::routes());
    all.extend(rules::routes::routes());
    all.extend(repair::routes::routes());
    all.extend(audit::routes());
    all
}

/// Routes as a router, where each operation asks for the scope that its page names.
fn guarded(routes: Vec<Route<Arc<Api>>>, prefix: &str, api: &Arc<Api>) -> Router<Arc<Api>> {
    let guarded = routes.into_iter().map(|route| {
        let guarded = Guarded { api: Arc::clone(api), operations: operations(&route).into() };
        Route { handler: route.handler.route_layer(middleware::from_fn_with_state(guarded, guard)), ..route }
    });
    router(guarded.collect(), prefix)
}

/// What a key has to be allowed, method by method.
fn operations(route: &Route<Arc<Api>>) -> Vec<Operation> {
    let operation = |(verb, page): &(rapport_http::page::HttpMethod, rapport_http::page::OperationDoc)| {
        let name = audit_name(verb.name(), route.path).into();
        page.scope().map(|scope| Operation { verb: *verb, scope, name })
    };
    route.pages.iter().filter_map(operation).collect()
}
