//! Who called the API, and with which keys one may.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use rapport_model::event::Author;
use rapport_model::profile::rfc3339;
use rapport_store::audit::{AuditCursor, Day, KEPT_DAYS, Phase, Record};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::people::answer::routes::no_cursor;
use crate::state::Api;
use rapport_config::scope::Scope;
use rapport_http::Problem;
use rapport_http::input::InQuery;
use rapport_http::page::{HttpMethod, OperationDoc};
use rapport_http::route::Route;

/// Records of a page.
const RECORDS_DEFAULT: usize = 50;
/// Records of a page at most. With ids and a name each is below 1 KB.
const RECORDS_MAX: usize = 200;

pub(crate) fn routes() -> Vec<Route<Arc<Api>>> {
    let audit_page = OperationDoc::new("listAuditRecords", "List the calls of the API on one day, newest first")
        .described(
            "A call that changes something has two records: one from before it begins, and one with its result. Records hold \
             ids and no addresses. They are kept for 400 days, and this service cannot change them. Calls without a valid key \
             are only in the log. With `key`, a page may have fewer items than `limit` and not be the last.",
        )
        .query::<AuditQuery>()
        .gives::<AuditPage>(200, "One page of records")
        .refuses(&[400, 500]);
    let keys_page = OperationDoc::new(
        "listApiKeys",
        "List the API keys: their scopes, when they expire, and when they were last used",
    )
    .described("Keys are created and changed in rapport.toml. The answer contains no secrets.")
    .gives::<Keys>(200, "All keys")
    .refuses(&[500]);
    vec![
        Route::new("/v1/audit", get(audit)).may(HttpMethod::Get, Scope::Operate, audit_page),
        Route::new("/v1/keys", get(keys)).may(HttpMethod::Get, Scope::Operate, keys_page),
    ]
}

const _: () = assert!(KEPT_DAYS == 400, "the page above says how long records are kept");

rapport_http::inputs!(AuditQuery);

/// A part of a day's records.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct AuditQuery {
    /// A day in UTC by Rapport's clock, such as `2026-11-30`; leave it out for today.
    #[schemars(extend("format" = "date"))]
    day: Option<String>,
    /// The name of an API key; leave it out for all keys.
    #[schemars(length(min = 1))]
    key: Option<String>,
    /// The most records on this page.
    #[schemars(range(min = 1, max = RECORDS_MAX), extend("default" = RECORDS_DEFAULT))]
    limit: Option<usize>,
    /// `next` of the previous page; leave it out for the first page.
    cursor: Option<String>,
}

/// A page of the audit.
#[derive(Serialize, JsonSchema)]
struct AuditPage {
    items: Vec<AuditRecord>,
    /// The cursor of the next page; null: this is the last page.
    next: Option<String>,
}

/// One record of a call.
#[derive(Serialize, JsonSchema)]
struct AuditRecord {
    /// When the call arrived: RFC 3339, Rapport's clock.
    #[schemars(extend("format" = "date-time"))]
    at: String,
    /// The `x-request-id` of the answer, which the log also has.
    request_id: String,
    /// The name of the API key.
    key: String,
    /// The person who called, as the caller named them in `by`.
    by: Option<String>,
    /// The operation, by its `x-audit-name` in this document, such as `get-profiles-id`; `none`: no operation has this path.
    route: String,
    phase: CallPhase,
    /// Ids of the profiles, endpoints, links, suggestions and erasures that the call was about.
    subjects: Vec<String>,
    /// The HTTP status of the answer; null: the record was written before the answer.
    status: Option<u16>,
    /// Milliseconds until the answer.
    took_ms: Option<u64>,
}

/// Whether the record was written before or after the call.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum CallPhase {
    /// Written before the call changes something.
    Begun,
    /// Written with the answer.
    Answered,
}

impl From<Record> for AuditRecord {
    fn from(record: Record) -> Self {
        let Record { at, request_id, key, by, route, phase, subjects, status, took_ms } = record;
        let phase = match phase {
            Phase::Begun => CallPhase::Begun,
            Phase::Answered => CallPhase::Answered,
        };
        Self { at: rfc3339(at), request_id, key, by, route, phase, subjects, status, took_ms }
    }
}

async fn audit(State(api): State<Arc<Api>>, InQuery(asked): InQuery<AuditQuery>) -> Result<Response, Problem> {
    let no_day =
        || Problem::bad_request("query parameter `day` is not a day since 1970, such as `2026-11-30`").of_field("day");
    let day = match asked.day.as_deref() {
        Some(text) => Day::parse(text).ok_or_else(no_day)?,
        None => Day::of((api.people.now)()),
    };
    let cursor = match asked.cursor.as_deref().map(AuditCursor::parse) {
        Some(None) => return Err(no_cursor()),
        cursor => cursor.flatten(),
    };
    let limit = asked.limit.unwrap_or(RECORDS_DEFAULT);
    let page = api.people.table.audit(day, asked.key.as_deref(), limit, cursor.as_ref()).await?;
    let items = page.records.into_iter().map(AuditRecord::from).collect();
    Ok(axum::Json(AuditPage { items, next: page.next.map(|next| next.to_string()) }).into_response())
}

/// All keys of the API.
#[derive(Serialize, JsonSchema)]
struct Keys {
    items: Vec<Key>,
}

/// An API key, without its secret.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ApiKey")]
struct Key {
    name: String,
    /// The scopes of the key.
    may: Vec<&'static str>,
    /// As whom the key may send messages.
    authors: Vec<Author>,
    /// When the key expires: RFC 3339; null: never.
    #[schemars(extend("format" = "date-time"))]
    not_after: Option<String>,
    /// The hour in which the key was last used: RFC 3339, Rapport's clock; null: not within 400 days.
    #[schemars(extend("format" = "date-time"))]
    last_used: Option<String>,
}

async fn keys(State(api): State<Arc<Api>>) -> Result<Response, Problem> {
    let mut items = Vec::new();
    for key in api.keys.all() {
        items.push(Key {
            name: key.name.clone(),
            may: key.may.names(),
            authors: key.authors.clone(),
            not_after: key.not_after.map(rfc3339),
            last_used: api.people.table.key_last_used(&key.name).await?.map(rfc3339),
        });
    }
    Ok(axum::Json(Keys { items }).into_response())
}
