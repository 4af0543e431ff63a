//! `/openapi.json`: what the routes' pages say, as one document of OpenAPI 3.1. Schemas are those of the types that the
//! routes take and give, and bodies are checked against the same ones (`input`).

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header;
use rapport_config::scope::Scope;
use rapport_http::middleware::routes_of_health;
use rapport_http::page::{Generators, HttpMethod, OperationDoc};
use rapport_http::route::{Described, Route, audit_name};
use schemars::generate::SchemaSettings;
use schemars::transform::ReplaceBoolSchemas;
use serde_json::{Map, Value, json};

use crate::router;

/// The document: the API's own routes, and those beside it.
pub fn document(beside: &[Described]) -> Value {
    let mut generators = Generators {
        takes: settings().for_deserialize().into_generator(),
        gives: settings().for_serialize().into_generator(),
    };
    let mut paths = Map::new();
    let own = vec![Described { path: "/openapi.json", pages: vec![(HttpMethod::Get, page())] }];
    let health = routes_of_health().into_iter().map(|route| route.described());
    let own: Vec<Described> = health.chain(own).collect();
    let api: Vec<Described> = router::routes().into_iter().map(|route| route.described()).collect();
    for route in own.iter().chain(beside).chain(&api) {
        let mut item = Map::new();
        for (verb, page) in &route.pages {
            let mut operation = page.operation(&mut generators);
            operation["tags"] = json!([tag_of(route.path)]);
            if let Some(scope) = page.scope() {
                // Since OpenAPI 3.1 the roles that a key needs may be named for every kind of scheme.
                operation["security"] = json!([{"key": [scope.name()]}]);
                operation["x-scope"] = json!(scope.name());
                operation["x-audit-name"] = json!(audit_name(verb.name(), route.path));
            }
            item.insert(verb.name().to_owned(), operation);
        }
        paths.insert(route.path.to_owned(), Value::Object(item));
    }
    let mut schemas = generators.gives.take_definitions(true);
    // What is taken comes second: an identifier that is given has the same name and more fields are required of it.
    schemas.extend(generators.takes.take_definitions(true));
    let scopes: Map<String, Value> =
        Scope::ALL.into_iter().map(|scope| (scope.name().to_owned(), json!(scope.meaning()))).collect();
    json!({
        "openapi": "3.1.0",
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "info": {
            "title": "Rapport",
            "version": env!("CARGO_PKG_VERSION"),
            "license": {"name": "Apache License 2.0", "identifier": "Apache-2.0"},
            "description": "Find out who a customer is on every channel, what was said, and why identifiers are linked. Send messages. Errors are problem details (RFC 9457).",
        },
        "servers": [{"url": "/", "description": "The service that serves this document"}],
        "tags": TAGS.map(|tag| json!({"name": tag.name, "description": tag.description})),
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer", "description": scheme(), "x-scopes": scopes}},
        },
    })
}

/// The route of the document. `beside` are routes that are not the API's.
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
    vec![Route::new("/openapi.json", get(openapi)).with(HttpMethod::Get, page())]
}

/// The document's own page.
fn page() -> OperationDoc {
    OperationDoc::new("getOpenApiDocument", "Get this OpenAPI document")
        .gives::<BTreeMap<String, Value>>(200, "The document, OpenAPI 3.1")
}

/// Settings of the document's schemas. Any JSON is `{}`: generators of clients stumble over the schema `true`.
fn settings() -> SchemaSettings {
    let mut no_bare_true = ReplaceBoolSchemas::default();
    no_bare_true.skip_additional_properties = true;
    SchemaSettings::draft2020_12()
        .with(|settings| settings.definitions_path = "/components/schemas".into())
        .with_transform(no_bare_true)
}

/// A group of operations. Generators of clients make a module of each, or leave it out.
struct Tag {
    name: &'static str,
    description: &'static str,
    /// What paths of the group contain. The first group that fits has the operation.
    paths: &'static [&'static str],
}

const TAGS: [Tag; 8] = [
    Tag {
        name: "privacy",
        description: "Erase a person, export what is known about a person",
        paths: &["/erasure", "/export"],
    },
    Tag {
        name: "profiles",
        description: "Who a customer is, and what was said",
        paths: &["/v1/profiles", "/v1/events"],
    },
    Tag { name: "links", description: "Link identifiers of one person, and undo links", paths: &["/v1/links"] },
    Tag {
        name: "review",
        description: "What waits for a person's decision",
        paths: &["/v1/suggestions", "/v1/conflicts"],
    },
    Tag {
        name: "sending",
        description: "Send messages, and say who answers a conversation",
        paths: &["/v1/messages", "/v1/conversations"],
    },
    Tag {
        name: "operations",
        description: "For the operator: other rules, repairs, the audit, the keys",
        paths: &["/v1/"],
    },
    Tag { name: "hooks", description: "For providers, not for your programs: webhooks", paths: &["/hooks/"] },
    Tag { name: "service", description: "Health and this document", paths: &["/"] },
];

fn tag_of(path: &str) -> &'static str {
    let is_of = |tag: &&Tag| tag.paths.iter().any(|part| path.contains(part));
    TAGS.iter().find(is_of).map(|tag| tag.name).unwrap_or_default()
}

/// What opens the API, in words.
fn scheme() -> String {
    let scopes = Scope::ALL.map(|scope| format!("`{}`: {}", scope.name(), scope.meaning())).join("; ");
    format!(
        "An API key from the configuration, `[api.keys.NAME]`. Each operation needs one scope, which stands in its `security`. \
         Without this scope the answer is 403. The scopes let a key: {scopes}. Every call is recorded with the key's name."
    )
}
