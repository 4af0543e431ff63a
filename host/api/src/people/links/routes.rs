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

use crate::authorisation::Caller;
use crate::people::People;
use crate::people::links::{Attribution, GivenIdentifier, Link, Linked, NewLink, REASON_CHARS_MAX};
use crate::state::Api;
use rapport_config::scope::Scope;
use rapport_http::Problem;
use rapport_http::input::{InPath, InQuery, json_body, json_body_opt};
use rapport_http::page::{BodyRequired, HttpMethod, OperationDoc};
use rapport_http::route::Route;

pub(crate) fn routes() -> Vec<Route<Arc<Api>>> {
    let id = |page: OperationDoc| page.parameter("id", "The id of a link, from another answer");
    let location = &[("Location", "The link")];
    let post_page = OperationDoc::new("createLink", "Link two identifiers of one person")
        .described(
            "The identifiers need not be known yet: a CRM may link them before the first message. If a limit of the rules \
             prevents the link, it is recorded as a conflict, and the answer is 409 with the conflict's id. When you undo the \
             link that it conflicts with, it takes effect automatically.",
        )
        .takes::<NewLink>(BodyRequired::Yes)
        .gives::<Link>(201, "Linked now")
        .with_headers(location)
        .gives::<Link>(200, "The two were already linked by the same rule")
        .with_headers(location)
        .refuses(&[400, 401, 409, 413, 415, 500, 503]);
    let get_page = id(OperationDoc::new("getLink", "Get a link, whether it is in force or not"))
        .gives::<Link>(200, "The link")
        .refuses(&[400, 401, 404, 500, 503]);
    let delete_page = id(OperationDoc::new("undoLink", "Undo a link, for example after a wrong merge"))
        .described(
            "Evidence of the same kind never links the two again; only a person can. A repeated call changes nothing. Send \
             `reason` and `by` in the body or in the query.",
        )
        .query::<Reason>()
        .takes::<Reason>(BodyRequired::No)
        .gives::<Link>(200, "The link, which is now closed")
        .refuses(&[400, 401, 404, 409, 413, 415, 500, 503]);
    vec![
        Route::new("/v1/links", post(link)).may(HttpMethod::Post, Scope::Link, post_page),
        Route::new("/v1/links/{id}", get(read).delete(unlink)).may(HttpMethod::Get, Scope::Read, get_page).may(
            HttpMethod::Delete,
            Scope::Link,
            delete_page,
        ),
    ]
}

rapport_http::inputs!(NewLink, Reason, GivenIdentifier);

/// The reason for a decision, and who makes it.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(example = serde_json::json!({"reason": "two brothers share the number", "by": "ada"}))]
pub(crate) struct Reason {
    /// Why. It is stored with the decision.
    #[schemars(length(max = REASON_CHARS_MAX))]
    reason: Option<String>,
    /// The person who decides, for example an agent's name. It is recorded with the name of the API key.
    #[schemars(length(min = 1, max = REASON_CHARS_MAX))]
    by: Option<String>,
}

impl Reason {
    /// Who decides, and why.
    pub fn attribution(self, caller: &Caller) -> Attribution {
        Attribution { who: caller.signs(self.by.as_deref()), reason: self.reason.unwrap_or_default() }
    }

    /// The fields of this one; what it leaves out comes from the other.
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
        Linked::Created(link) => (StatusCode::CREATED, link),
        Linked::Existing(link) => (StatusCode::OK, link),
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
    let attribution = said.or(asked).attribution(&caller);
    let link = people.unlink(&link_id(&id)?, attribution).await?.ok_or_else(no_link)?;
    Ok(axum::Json(link).into_response())
}

fn link_id(text: &str) -> Result<EdgeId, Problem> {
    EdgeId::parse(text).ok_or_else(no_link)
}

fn no_link() -> Problem {
    Problem::not_found("no link has this id")
}
