//! Who a customer is, was, and why.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{HeaderValue, StatusCode, header};
use rapport_model::profile::{Profile, parse_rfc3339};
use rapport_model::{Eid, ProfileId};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::Gateway;
use crate::answer::{Cursor, PAGE_DEFAULT, PAGE_MAX, Timeline};
use crate::http::input::{InPath, InQuery, inputs, json_text};
use crate::http::page::{Page, Verb};
use crate::http::routes::Route;
use crate::links::{Explained, GivenIdentifier, PastProfile};
use crate::problem::Problem;

pub(super) fn routes() -> Vec<Route> {
    let id = |page: Page| page.parameter("id", "The id of a profile, as another answer gave it");
    let look_up_page = Page::new("The profile of whoever has an identifier")
        .query::<LookUp>()
        .gives::<Profile>(200, "The profile")
        .refuses(&[400, 401, 404, 500, 503]);
    let profile_page = id(Page::new("A profile, as it is or as it was"))
        .told(
            "An id means the person of the endpoint that it was made for, for ever: after a merge it leads to the profile \
             that it went into, after the merge was undone to what it was before.",
        )
        .query::<AsOf>()
        .gives::<ProfileOrPast>(200, "The profile; with `as-of`, who belonged to it then, and why")
        .gives::<Profile>(301, "It went into another profile, which is here, too")
        .with_headers(&[("Location", "The profile that it went into")])
        .refuses(&[400, 401, 404, 500, 503]);
    let timeline_page = id(Page::new("Everything that happened to a person, over all channels, newest first"))
        .query::<TimelinePage>()
        .gives::<Timeline>(200, "A page")
        .refuses(&[400, 401, 404, 500, 503]);
    let explain_page = id(Page::new("Why two identifiers are one person, or why not"))
        .told(
            "`from` belongs to the profile, `to` to whomever. Each is an identifier as JSON, such as \
             `{\"scheme\":\"email\",\"value\":\"ada@example.com\"}`, or the id of an endpoint, as answers give it.",
        )
        .query::<FromTo>()
        .gives::<Explained>(200, "The evidence between them")
        .refuses(&[400, 401, 404, 500, 503]);
    vec![
        Route::new("/v1/profiles/lookup", get(look_up)).with(Verb::Get, look_up_page),
        Route::new("/v1/profiles/{id}", get(profile)).with(Verb::Get, profile_page),
        Route::new("/v1/profiles/{id}/timeline", get(timeline)).with(Verb::Get, timeline_page),
        Route::new("/v1/profiles/{id}/explain", get(explain)).with(Verb::Get, explain_page),
    ]
}

inputs!(LookUp, AsOf, TimelinePage, FromTo);

/// An identifier, in a query.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct LookUp {
    /// `phone`, `email`, or what a connector calls its addresses.
    scheme: String,
    /// Whose address space it is, where the scheme has several.
    scope: Option<String>,
    /// In whatever spelling.
    value: String,
}

async fn look_up(State(gateway): State<Arc<Gateway>>, InQuery(query): InQuery<LookUp>) -> Result<Response, Problem> {
    match gateway.look_up(&query.scheme, query.scope.as_deref(), &query.value).await? {
        Ok(Some(profile)) => Ok(axum::Json(profile).into_response()),
        Ok(None) => Err(Problem::not_found("nobody with that identifier was seen")),
        Err(error) => Err(Problem::bad_request(error.to_string())),
    }
}

/// The instant that a question is about.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct AsOf {
    /// RFC 3339, our clock: who the profile was then. Not given: now, with all that is known.
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
    State(gateway): State<Arc<Gateway>>,
    id: InPath<String>,
    InQuery(AsOf { as_of }): InQuery<AsOf>,
) -> Result<Response, Problem> {
    let Path(id) = id?;
    let id = profile_id(&id)?;
    if let Some(text) = as_of {
        let no_instant = || Problem::bad_request("query parameter `as-of` is no instant of RFC 3339 since 1970");
        let at = parse_rfc3339(&text).ok_or_else(|| no_instant().of_field("as-of"))?;
        let past = gateway.profile_as_of(&id, at).await?.ok_or_else(no_profile)?;
        return Ok(axum::Json(past).into_response());
    }
    let profile = gateway.profile(&id).await?.ok_or_else(no_profile)?;
    if profile.id == id {
        return Ok(axum::Json(profile).into_response());
    }
    let location = format!("/v1/profiles/{}", profile.id);
    let mut moved = (StatusCode::MOVED_PERMANENTLY, axum::Json(profile)).into_response();
    moved.headers_mut().insert(header::LOCATION, HeaderValue::try_from(location).expect("an id is ASCII"));
    // For ever, unless somebody undoes the merge: no cache may keep it.
    moved.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(moved)
}

/// A page of a timeline.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct TimelinePage {
    /// Events of the page.
    #[schemars(range(min = 1, max = PAGE_MAX), extend("default" = PAGE_DEFAULT))]
    limit: Option<usize>,
    /// Where it begins: `next` of the page before.
    cursor: Option<String>,
}

async fn timeline(
    State(gateway): State<Arc<Gateway>>,
    id: InPath<String>,
    InQuery(page): InQuery<TimelinePage>,
) -> Result<Response, Problem> {
    let Path(id) = id?;
    let cursor = match page.cursor.as_deref().map(Cursor::parse) {
        Some(None) => return Err(no_cursor()),
        cursor => cursor.flatten(),
    };
    let limit = page.limit.unwrap_or(PAGE_DEFAULT);
    match gateway.timeline(&profile_id(&id)?, limit, cursor.as_ref()).await? {
        Some(timeline) => Ok(axum::Json(timeline).into_response()),
        None => Err(no_profile()),
    }
}

/// Two ends of a question.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct FromTo {
    /// An identifier of the profile: as JSON, or the id of an endpoint.
    from: String,
    /// Any identifier: as JSON, or the id of an endpoint.
    to: String,
}

async fn explain(
    State(gateway): State<Arc<Gateway>>,
    id: InPath<String>,
    InQuery(ends): InQuery<FromTo>,
) -> Result<Response, Problem> {
    let Path(id) = id?;
    let pid = profile_id(&id)?;
    let [from, to] = [endpoint(&gateway, "from", &ends.from).await?, endpoint(&gateway, "to", &ends.to).await?];
    let explained = gateway.explain(&pid, &from, &to).await?;
    Ok(axum::Json(explained).into_response())
}

/// An endpoint by its id, or by its identifier as JSON.
async fn endpoint(gateway: &Gateway, name: &str, text: &str) -> Result<Eid, Problem> {
    if let Some(eid) = Eid::parse(text) {
        return Ok(eid);
    }
    if !text.trim_start().starts_with('{') {
        let detail = format!("query parameter `{name}` is neither an identifier as JSON nor the id of an endpoint");
        return Err(Problem::bad_request(detail).of_field(name));
    }
    let identifier: GivenIdentifier = json_text(text, "field").map_err(|refusal| Problem {
        detail: format!("query parameter `{name}`: {}", refusal.detail),
        field: Some(refusal.field.map_or_else(|| name.to_owned(), |field| format!("{name}.{field}"))),
        ..refusal
    })?;
    Ok(gateway.named_as_seen(&identifier, name).await?.eid)
}

pub(super) fn profile_id(text: &str) -> Result<ProfileId, Problem> {
    ProfileId::parse(text).ok_or_else(no_profile)
}

pub(super) fn no_profile() -> Problem {
    Problem::not_found("no profile of that id")
}

pub(super) fn no_cursor() -> Problem {
    Problem::bad_request("`cursor` is none that `next` has given").of_field("cursor")
}
