//! Who a customer is, was, and why.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{HeaderValue, StatusCode, header};
use rapport_model::canonical::{SCHEME_BYTES_MAX, VALUE_BYTES_MAX};
use rapport_model::profile::{Profile, parse_rfc3339};
use rapport_model::{Eid, EventKey, ProfileId};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::authorisation::Caller;
use crate::people::People;
use crate::people::answer::{Cursor, EventPart, PAGE_DEFAULT, PAGE_MAX, Timeline};
use crate::people::links::{Explained, GivenIdentifier, PastProfile};
use crate::state::Api;
use rapport_config::scope::Scope;
use rapport_http::Problem;
use rapport_http::input::{InPath, InQuery, json_body, json_text};
use rapport_http::page::{BodyRequired, HttpMethod, OperationDoc};
use rapport_http::route::Route;

pub(crate) fn routes() -> Vec<Route<Arc<Api>>> {
    let id = |page: OperationDoc| page.parameter("id", "The id of a profile, from another answer");
    let found = |page: OperationDoc| page.gives::<Profile>(200, "The profile").refuses(&[400, 404, 500]);
    let look_up_page = found(OperationDoc::new("lookUpProfile", "Look up a profile by an identifier")).query::<LookUp>().described(
        "If nobody is known to have the identifier, the answer is the profile of the person who claims it, with \
         `verified: false`. In a query `+` means a space: write `%2B` for `+`. Proxies log URLs: to keep an address out of \
         their logs, use `POST`, which takes the identifier in the body.",
    );
    let post_look_up_page =
        found(OperationDoc::new("lookUpProfileByBody", "Look up a profile by an identifier in the body"))
            .takes::<GivenIdentifier>(BodyRequired::Yes)
            .refuses(&[413, 415]);
    let profile_page = id(OperationDoc::new("getProfile", "Get a profile, as it is now or as it was"))
        .described(
            "A profile id stays valid forever. After a merge it leads to the surviving profile. After the merge is undone, it \
             leads to its own profile again.",
        )
        .query::<AsOf>()
        .gives::<ProfileOrPast>(200, "The profile. With `as-of`: which identifiers belonged to it then, and why")
        .gives::<Profile>(301, "Merged. The body is the surviving profile")
        .with_headers(&[("Location", "The surviving profile")])
        .refuses(&[400, 401, 404, 500, 503]);
    let timeline_page =
        id(OperationDoc::new("getTimeline", "Get a person's timeline: events from all channels, newest first"))
            .query::<TimelinePage>()
            .gives::<Timeline>(200, "One page of events")
            .refuses(&[400, 401, 404, 500, 503]);
    let explained = |page: OperationDoc| {
        page.gives::<Explained>(200, "The evidence that links the two, or that fails to").refuses(&[400, 404, 500])
    };
    let explain_page = explained(id(OperationDoc::new(
        "explainProfile",
        "Explain why two identifiers are one person, or why not",
    )))
    .query::<FromTo>()
    .described(
        "`from` must belong to this profile. `to` may belong to any profile. Each is an identifier as JSON, such as \
         `{\"scheme\":\"email\",\"value\":\"ada@example.com\"}`, or the id of an endpoint from another answer.",
    );
    let post_explain_page = explained(id(OperationDoc::new(
        "explainProfileByBody",
        "Explain why two identifiers in the body are one person, or why not",
    )))
    .takes::<Ends>(BodyRequired::Yes)
    .refuses(&[413, 415]);
    let event_page = OperationDoc::new("getEventPart", "Get one event's JSON, part by part")
        .described(
            "Use it for an event that a timeline or an export shortened (`elided`). Join the `text` of all parts, in order, to \
             get the whole event as JSON.",
        )
        .parameter("id", "The event's `partitionkey` and `sequence`, joined by `.`")
        .query::<FromOffset>()
        .gives::<EventPart>(200, "One part of at most 2 MB")
        .refuses(&[400, 401, 404, 500, 503]);
    vec![
        Route::new("/v1/events/{id}", get(event)).may(HttpMethod::Get, Scope::Read, event_page),
        Route::new("/v1/profiles/lookup", get(look_up).post(look_up_by_body))
            .may(HttpMethod::Get, Scope::Read, look_up_page)
            .may(HttpMethod::Post, Scope::Read, post_look_up_page),
        Route::new("/v1/profiles/{id}", get(profile)).may(HttpMethod::Get, Scope::Read, profile_page),
        Route::new("/v1/profiles/{id}/timeline", get(timeline)).may(HttpMethod::Get, Scope::Read, timeline_page),
        Route::new("/v1/profiles/{id}/explain", get(explain).post(explain_by_body))
            .may(HttpMethod::Get, Scope::Read, explain_page)
            .may(HttpMethod::Post, Scope::Read, post_explain_page),
    ]
}

rapport_http::inputs!(LookUp, AsOf, TimelinePage, FromTo, Ends, FromOffset);

/// An identifier, in a query.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct LookUp {
    /// The kind of identifier: `phone`, `email`, or a name that a connector defines, of a-z, 0-9, `.`, `_` and `-`. Capitals are
    /// read as small letters.
    #[schemars(length(min = 1, max = SCHEME_BYTES_MAX))]
    scheme: String,
    /// The account inside which the value is unique; leave it out if the value is unique in the world.
    #[schemars(length(max = VALUE_BYTES_MAX))]
    scope: Option<String>,
    /// The identifier. A telephone number or a mailbox may have any spelling; write any other id as its provider writes it.
    #[schemars(length(min = 1, max = VALUE_BYTES_MAX))]
    value: String,
}

async fn look_up(
    State(people): State<People>,
    Extension(caller): Extension<Caller>,
    InQuery(LookUp { scheme, scope, value }): InQuery<LookUp>,
) -> Result<Response, Problem> {
    refuse_lost_plus(&value, "query parameter `value`", "value")?;
    find(&people, &caller, &GivenIdentifier { scheme, value, scope }).await
}

async fn look_up_by_body(
    State(people): State<People>,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    find(&people, &caller, &json_body(&parts.headers, body).await?).await
}

async fn find(people: &People, caller: &Caller, given: &GivenIdentifier) -> Result<Response, Problem> {
    // An empty scope in a query is how forms leave one out.
    let scope = given.scope.as_deref().filter(|scope| !scope.is_empty());
    match people.look_up(&given.scheme, scope, &given.value).await? {
        Ok(Some(profile)) => {
            caller.touches(&profile.id);
            Ok(axum::Json(profile).into_response())
        }
        Ok(None) => Err(nobody(&given.scheme)),
        Err(error) => Err(Problem::bad_request(error.to_string())),
    }
}

/// Refuses a value of a query that begins with a space: it was a `+`, which means a space there (`application/x-www-form-urlencoded`).
/// Without this check, the answer for a telephone number would be a misleading 404.
fn refuse_lost_plus(value: &str, what: &str, field: &str) -> Result<(), Problem> {
    if value.starts_with(' ') {
        let detail =
            format!("{what} begins with a space, because `+` means a space in a query; fix: write `%2B` for `+`");
        Err(Problem::bad_request(detail).of_field(field))
    } else {
        Ok(())
    }
}

/// The instant that a question is about.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct AsOf {
    /// An instant (RFC 3339, Rapport's clock): show who the profile was then. Leave it out to get the profile as it is now.
    #[serde(rename = "as-of")]
    #[schemars(extend("format" = "date-time"))]
    as_of: Option<String>,
}

#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "it is only described: each handler answers one of the two")]
enum ProfileOrPast {
    Now(Box<Profile>),
    Then(PastProfile),
}

async fn profile(
    State(people): State<People>,
    id: InPath<String>,
    query: Result<InQuery<AsOf>, Problem>,
) -> Result<Response, Problem> {
    let Path(id) = id?;
    refuse_reserved(&id)?;
    let InQuery(AsOf { as_of }) = query?;
    let id = profile_id(&id)?;
    if let Some(text) = as_of {
        let no_instant = || {
            Problem::bad_request(
                "query parameter `as-of` is not an RFC 3339 instant since 1970; fix: write it as `2026-09-29T08:00:00Z`",
            )
        };
        let at = parse_rfc3339(&text).ok_or_else(|| no_instant().of_field("as-of"))?;
        let past = people.profile_as_of(&id, at).await?.ok_or_else(no_profile)?;
        return Ok(axum::Json(past).into_response());
    }
    let profile = people.profile(&id).await?.ok_or_else(no_profile)?;
    if profile.id == id {
        return Ok(axum::Json(profile).into_response());
    }
    let location = format!("/v1/profiles/{}", profile.id);
    let mut moved = (StatusCode::MOVED_PERMANENTLY, axum::Json(profile)).into_response();
    moved.headers_mut().insert(header::LOCATION, HeaderValue::try_from(location).expect("an id is ASCII"));
    // The merge can be undone, so no cache may keep the redirect.
    moved.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(moved)
}

/// A page of a timeline.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct TimelinePage {
    /// The most events on this page.
    #[schemars(range(min = 1, max = PAGE_MAX), extend("default" = PAGE_DEFAULT))]
    limit: Option<usize>,
    /// `next` of the previous page; leave it out for the first page.
    cursor: Option<String>,
}

async fn timeline(
    State(people): State<People>,
    id: InPath<String>,
    InQuery(page): InQuery<TimelinePage>,
) -> Result<Response, Problem> {
    let Path(id) = id?;
    let cursor = match page.cursor.as_deref().map(Cursor::parse) {
        Some(None) => return Err(no_cursor()),
        cursor => cursor.flatten(),
    };
    let limit = page.limit.unwrap_or(PAGE_DEFAULT);
    match people.timeline(&profile_id(&id)?, limit, cursor.as_ref()).await? {
        Some(timeline) => Ok(axum::Json(timeline).into_response()),
        None => Err(no_profile()),
    }
}

/// Where a part of an event begins.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct FromOffset {
    /// `next` of the previous part; leave it out for the first part.
    offset: Option<usize>,
}

async fn event(
    State(people): State<People>,
    id: InPath<String>,
    InQuery(FromOffset { offset }): InQuery<FromOffset>,
) -> Result<Response, Problem> {
    let Path(id) = id?;
    let no_event = || Problem::not_found("no event has this id");
    let (endpoint, sequence) = id.split_once('.').ok_or_else(no_event)?;
    let (eid, key) = Eid::parse(endpoint).zip(EventKey::parse(sequence)).ok_or_else(no_event)?;
    let part = people.event_part(&eid, &key, offset.unwrap_or_default()).await?.ok_or_else(no_event)?;
    Ok(axum::Json(part).into_response())
}

/// The two identifiers of a question, in a query.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct FromTo {
    /// An identifier of this profile: as JSON, or the id of an endpoint.
    #[schemars(length(min = 1))]
    from: String,
    /// Any identifier: as JSON, or the id of an endpoint.
    #[schemars(length(min = 1))]
    to: String,
}

/// The two identifiers of a question.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "FromTo")]
#[schemars(example = serde_json::json!({
    "from": {"scheme": "email", "value": "ada@example.com"},
    "to": {"scheme": "phone", "value": "+1 650 555 1234"}
}))]
struct Ends {
    /// An identifier of this profile, or the id of an endpoint.
    from: End,
    /// Any identifier, or the id of an endpoint.
    to: End,
}

/// An identifier, or the id of an endpoint.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
enum End {
    Identifier(GivenIdentifier),
    /// The id of an endpoint, from another answer.
    Endpoint(#[schemars(length(min = 1))] String),
}

async fn explain(
    State(people): State<People>,
    Extension(caller): Extension<Caller>,
    id: InPath<String>,
    InQuery(ends): InQuery<FromTo>,
) -> Result<Response, Problem> {
    let Path(id) = id?;
    let pid = profile_id(&id)?;
    let [from, to] = [endpoint(&people, "from", &ends.from).await?, endpoint(&people, "to", &ends.to).await?];
    [&from, &to].into_iter().for_each(|end| caller.touches(end));
    Ok(axum::Json(people.explain(&pid, &from, &to).await?).into_response())
}

async fn explain_by_body(
    State(people): State<People>,
    Extension(caller): Extension<Caller>,
    id: InPath<String>,
    request: Request,
) -> Result<Response, Problem> {
    let Path(id) = id?;
    let pid = profile_id(&id)?;
    let (parts, body) = request.into_parts();
    let Ends { from, to } = json_body(&parts.headers, body).await?;
    let eid = async |name: &str, end: End| match end {
        End::Identifier(given) => Ok(people.named_as_seen(&given, name).await?.eid),
        End::Endpoint(text) => Eid::parse(&text).ok_or_else(|| {
            Problem::bad_request(format!("`{name}` is not an identifier or the id of an endpoint")).of_field(name)
        }),
    };
    let [from, to] = [eid("from", from).await?, eid("to", to).await?];
    [&from, &to].into_iter().for_each(|end| caller.touches(end));
    Ok(axum::Json(people.explain(&pid, &from, &to).await?).into_response())
}

/// An endpoint by its id, or by its identifier as JSON.
async fn endpoint(people: &People, name: &str, text: &str) -> Result<Eid, Problem> {
    if let Some(eid) = Eid::parse(text) {
        return Ok(eid);
    }
    if !text.trim_start().starts_with('{') {
        let detail = format!("query parameter `{name}` is not an identifier as JSON or the id of an endpoint");
        return Err(Problem::bad_request(detail).of_field(name));
    }
    let identifier: GivenIdentifier = json_text(text, "field").map_err(|refusal| Problem {
        detail: format!("query parameter `{name}`: {}", refusal.detail),
        field: Some(refusal.field.map_or_else(|| name.to_owned(), |field| format!("{name}.{field}"))),
        ..refusal
    })?;
    refuse_lost_plus(&identifier.value, &format!("`value` of query parameter `{name}`"), name)?;
    Ok(people.named_as_seen(&identifier, name).await?.eid)
}

pub(crate) fn profile_id(text: &str) -> Result<ProfileId, Problem> {
    refuse_reserved(text)?;
    ProfileId::parse(text).ok_or_else(no_profile)
}

/// Refuses words that people try in the place of a profile's id. They can never be ids.
fn refuse_reserved(text: &str) -> Result<(), Problem> {
    let fix = match text {
        "search" => "look a person up by an identifier, `POST /v1/profiles/lookup`",
        "lookup" => "call `POST /v1/profiles/lookup` first, and take the `id` of its answer",
        "export" => "call `GET /v1/profiles/{id}/export`",
        _ => return Ok(()),
    };
    Err(Problem::not_found(format!("`{text}` is not the id of a profile; fix: {fix}")))
}

/// No profile has the identifier. The refusal names the scheme, because it may be misspelt.
pub(crate) fn nobody(scheme: &str) -> Problem {
    let fix = "check the value and the scheme: `phone`, `email`, or one that a connector defines";
    Problem::not_found(format!("no profile has this identifier of scheme `{scheme}`; fix: {fix}"))
}

pub(crate) fn no_profile() -> Problem {
    Problem::not_found("no profile has this id")
}

pub(crate) fn no_cursor() -> Problem {
    Problem::bad_request("`cursor` is not a value of `next` from an earlier answer").of_field("cursor")
}
