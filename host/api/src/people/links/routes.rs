//! Links that people make and undo.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::{HeaderValue, StatusCode, header};
use rapport_model::identity::EdgeId;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::keys::Caller;
use crate::people::People;
use crate::people::links::{GivenIdentifier, Link, Linked, NewLink, WORD_CHARS_MAX, Word};
use crate::state::Api;
use rapport_config::scope::Scope;
use rapport_http::Problem;
use rapport_http::input::{InPath, InQuery, json_body, json_body_opt};
use rapport_http::page::{Page, Presence, Verb};
use rapport_http::route::Route;

pub(crate) fn routes() -> Vec<Route<Arc<Api>>> {
    let id = |page: Page| page.parameter("id", "The id of a link, as another answer gave it");
    let location = &[("Location", "The link")];
    let post_page = Page::new("Links two identifiers: they are one person's")
        .told(
            "An identifier need not have been seen: a CRM may link first. What a limit of the rules stands against is \
             recorded as a conflict and refused with its id: once what stands against it is undone, it links by itself.",
        )
        .takes::<NewLink>(Presence::Required)
        .gives::<Link>(201, "Linked")
        .with_headers(location)
        .gives::<Link>(200, "They were linked already, by the same rule")
        .with_headers(location)
        .refuses(&[400, 401, 409, 413, 415, 500, 503]);
    let get_page = id(Page::new("A link, whether it joins its ends or not"))
        .gives::<Link>(200, "The link")
        .refuses(&[400, 401, 404, 500, 503]);
    let delete_page = id(Page::new("Undoes a link: a wrong merge, for instance"))
        .told(
            "Whatever stands between the two, evidence of the same kind never joins them again; only a person can. Doing it \
             again changes nothing. `reason` and `by` may stand in the body or in the query.",
        )
        .query::<Reason>()
        .takes::<Reason>(Presence::Optional)
        .gives::<Link>(200, "The link, closed")
        .refuses(&[400, 401, 404, 409, 413, 415, 500, 503]);
    vec![
        Route::new("/v1/links", post(link)).may(Verb::Post, Scope::Link, post_page),
        Route::new("/v1/links/{id}", get(read).delete(unlink)).may(Verb::Get, Scope::Read, get_page).may(
            Verb::Delete,
            Scope::Link,
            delete_page,
        ),
    ]
}

rapport_http::inputs!(NewLink, Reason, GivenIdentifier);

/// Why somebody does something, and who it is.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(example = serde_json::json!({"reason": "two brothers share the number", "by": "ada"}))]
pub(crate) struct Reason {
    /// For whoever asks later.
    #[schemars(length(max = WORD_CHARS_MAX))]
    reason: Option<String>,
    /// Who says so. It is recorded beside the name of the API key.
    #[schemars(length(min = 1, max = WORD_CHARS_MAX))]
    by: Option<String>,
}

impl Reason {
    /// Who says so, and why.
    pub fn word(self, caller: &Caller) -> Word {
        Word { who: caller.signs(self.by.as_deref()), reason: self.reason.unwrap_or_default() }
    }

    /// What one of the two says.
    pub fn or(self, other: Self) -> Self {
        Self { reason: self.reason.or(other.reason), by: self.by.or(other.by) }
    }
}

async fn link(
    State(people): State<People>,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let new: NewLink = json_body(&parts.headers, body).await?;
    let who = caller.signs(new.by.as_deref());
    let (status, link) = match people.link(&new, who).await? {
        Linked::Now(link) => (StatusCode::CREATED, link),
        Linked::Before(link) => (StatusCode::OK, link),
    };
    caller.touches(&link.id);
    let location = HeaderValue::try_from(format!("/v1/links/{}", link.id)).expect("an id is ASCII");
    Ok((status, [(header::LOCATION, location)], axum::Json(link)).into_response())
}

async fn read(State(people): State<People>, id: InPath<String>) -> Result<Response, Problem> {
    let Path(id) = id?;
    let link = people.the_link(&link_id(&id)?).await?.ok_or_else(no_link)?;
    Ok(axum::Json(link).into_response())
}

async fn unlink(
    State(people): State<People>,
    Extension(caller): Extension<Caller>,
    id: InPath<String>,
    InQuery(asked): InQuery<Reason>,
    request: Request,
) -> Result<Response, Problem> {
    let Path(id) = id?;
    let (parts, body) = request.into_parts();
    let said: Reason = json_body_opt(&parts.headers, body).await?;
    let word = said.or(asked).word(&caller);
    let link = people.unlink(&link_id(&id)?, word).await?.ok_or_else(no_link)?;
    Ok(axum::Json(link).into_response())
}

fn link_id(text: &str) -> Result<EdgeId, Problem> {
    EdgeId::parse(text).ok_or_else(no_link)
}

fn no_link() -> Problem {
    Problem::not_found("no link of that id")
}
