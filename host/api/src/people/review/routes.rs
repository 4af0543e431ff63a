//! What waits for a person: suggestions of links, and conflicts.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use rapport_model::Eid;
use rapport_model::identity::Pair;
use rapport_store::identity::ReviewCursor;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::authorisation::Caller;
use crate::people::People;
use crate::people::answer::routes::no_cursor;
use crate::people::erasure::routes::answer;
use crate::people::erasure::{DemandPage, ErasureDemand, ErasureReceipt};
use crate::people::links::Link;
use crate::people::links::routes::Reason;
use crate::people::review::{ConflictPage, REVIEW_DEFAULT, REVIEW_MAX, Suggestion, SuggestionPage};
use crate::state::Api;
use rapport_config::scope::Scope;
use rapport_http::Problem;
use rapport_http::input::{InPath, InQuery, json_body_opt};
use rapport_http::page::{BodyRequired, HttpMethod, OperationDoc};
use rapport_http::route::Route;

pub(crate) fn routes() -> Vec<Route<Arc<Api>>> {
    let id = |page: OperationDoc| page.parameter("id", "The id of a suggestion, from the list");
    let suggestions_page = OperationDoc::new(
        "listSuggestions",
        "List suggested links: the evidence is too weak to link automatically",
    )
    .described(
        "Only open suggestions. The order of the items is not defined. A page may have fewer items than `limit` and not be the last.",
    )
    .query::<ListPage>()
    .gives::<SuggestionPage>(200, "One page of suggestions")
    .refuses(&[400, 401, 500, 503]);
    let accept_page = id(OperationDoc::new("acceptSuggestion", "Accept a suggestion: link its two identifiers"))
        .described("A dismissed suggestion can still be accepted. A repeated call changes nothing.")
        .takes::<Reason>(BodyRequired::No)
        .gives::<Link>(200, "The link")
        .refuses(&[400, 401, 404, 409, 413, 415, 500, 503]);
    let dismiss_page = id(OperationDoc::new("dismissSuggestion", "Dismiss a suggestion permanently"))
        .described("Evidence of the same kind never suggests it again. A repeated call changes nothing.")
        .takes::<Reason>(BodyRequired::No)
        .gives::<Suggestion>(200, "The suggestion")
        .refuses(&[400, 401, 404, 409, 413, 415, 500, 503]);
    let conflicts_page = OperationDoc::new("listConflicts", "List conflicts: links that are held because they would break a limit of the rules")
        .described("The order of the items is not defined. To resolve a conflict, undo it, or undo the link that it conflicts with: `DELETE /v1/links/{id}`.")
        .query::<ListPage>()
        .gives::<ConflictPage>(200, "One page of conflicts")
        .refuses(&[400, 401, 500, 503]);
    let demand_id = |page: OperationDoc| page.parameter("id", "The id of a demand, from the list");
    let demands_page = OperationDoc::new("listErasureDemands", "List providers' demands to erase a person")
        .described(
            "What the provider's connection said about the identifier is already erased. The rest of the person waits for your \
             decision. Only open demands. The order of the items is not defined.",
        )
        .query::<ListPage>()
        .gives::<DemandPage>(200, "One page of demands")
        .refuses(&[400, 401, 500, 503]);
    let location = &[("Location", "Where to continue")];
    let accept_demand_page = demand_id(OperationDoc::new("acceptErasureDemand", "Accept a demand: erase the whole person"))
        .described("It erases the person on every channel, like `POST /v1/erasures`, and cannot be undone. A dismissed demand can still be accepted.")
        .takes::<Reason>(BodyRequired::No)
        .gives::<ErasureReceipt>(200, "The erasure is complete. The body is its receipt")
        .gives::<ErasureReceipt>(202, "The erasure is not complete. Call `Location` to continue")
        .with_headers(location)
        .refuses(&[400, 401, 404, 409, 413, 415, 500, 503]);
    let dismiss_demand_page =
        demand_id(OperationDoc::new("dismissErasureDemand", "Dismiss a demand: keep the rest of the person"))
            .described("A later demand of the provider opens it again. A repeated call changes nothing.")
            .takes::<Reason>(BodyRequired::No)
            .gives::<ErasureDemand>(200, "The demand")
            .refuses(&[400, 401, 404, 413, 415, 500, 503]);
    vec![
        Route::new("/v1/erasure-demands", get(demands)).may(HttpMethod::Get, Scope::Review, demands_page),
        Route::new("/v1/erasure-demands/{id}/accept", post(accept_demand)).may(
            HttpMethod::Post,
            Scope::Erase,
            accept_demand_page,
        ),
        Route::new("/v1/erasure-demands/{id}/dismiss", post(dismiss_demand)).may(
            HttpMethod::Post,
            Scope::Review,
            dismiss_demand_page,
        ),
        Route::new("/v1/suggestions", get(suggestions)).may(HttpMethod::Get, Scope::Review, suggestions_page),
        Route::new("/v1/suggestions/{id}/accept", post(accept)).may(HttpMethod::Post, Scope::Review, accept_page),
        Route::new("/v1/suggestions/{id}/dismiss", post(dismiss)).may(HttpMethod::Post, Scope::Review, dismiss_page),
        Route::new("/v1/conflicts", get(conflicts)).may(HttpMethod::Get, Scope::Review, conflicts_page),
    ]
}

rapport_http::inputs!(ListPage);

/// A page of a list.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ListPage {
    /// The maximum number of items on this page.
    #[schemars(range(min = 1, max = REVIEW_MAX), extend("default" = REVIEW_DEFAULT))]
    limit: Option<usize>,
    /// `next` of the previous page; leave it out for the first page.
    cursor: Option<String>,
}

impl ListPage {
    fn place(&self) -> Result<(usize, Option<ReviewCursor>), Problem> {
        let limit = self.limit.unwrap_or(REVIEW_DEFAULT);
        match self.cursor.as_deref().map(ReviewCursor::parse) {
            Some(None) => Err(no_cursor()),
            cursor => Ok((limit, cursor.flatten())),
        }
    }
}

async fn suggestions(State(people): State<People>, InQuery(page): InQuery<ListPage>) -> Result<Response, Problem> {
    let (limit, cursor) = page.place()?;
    Ok(axum::Json(people.suggestions(limit, cursor.as_ref()).await?).into_response())
}

async fn conflicts(State(people): State<People>, InQuery(page): InQuery<ListPage>) -> Result<Response, Problem> {
    let (limit, cursor) = page.place()?;
    Ok(axum::Json(people.conflicts(limit, cursor.as_ref()).await?).into_response())
}

async fn accept(
    State(people): State<People>,
    Extension(caller): Extension<Caller>,
    id: InPath<String>,
    request: Request,
) -> Result<Response, Problem> {
    let (pair, reason) = decision(id, request).await?;
    let link = people.accept(&pair, reason.attribution(&caller)).await?.ok_or_else(no_suggestion)?;
    Ok(axum::Json(link).into_response())
}

async fn dismiss(
    State(people): State<People>,
    Extension(caller): Extension<Caller>,
    id: InPath<String>,
    request: Request,
) -> Result<Response, Problem> {
    let (pair, reason) = decision(id, request).await?;
    let suggestion = people.dismiss(&pair, reason.attribution(&caller)).await?.ok_or_else(no_suggestion)?;
    Ok(axum::Json(suggestion).into_response())
}

async fn demands(State(people): State<People>, InQuery(page): InQuery<ListPage>) -> Result<Response, Problem> {
    let (limit, cursor) = page.place()?;
    Ok(axum::Json(people.demands(limit, cursor.as_ref()).await?).into_response())
}

async fn accept_demand(
    State(people): State<People>,
    Extension(caller): Extension<Caller>,
    id: InPath<String>,
    request: Request,
) -> Result<Response, Problem> {
    let (endpoint, reason) = demand_decision(id, request).await?;
    caller.touches(&endpoint);
    let receipt = people.accept_demand(&endpoint, reason.attribution(&caller)).await?.ok_or_else(no_demand)?;
    caller.touches(&receipt.id);
    Ok(answer(&receipt))
}

async fn dismiss_demand(
    State(people): State<People>,
    Extension(caller): Extension<Caller>,
    id: InPath<String>,
    request: Request,
) -> Result<Response, Problem> {
    let (endpoint, reason) = demand_decision(id, request).await?;
    caller.touches(&endpoint);
    let demand = people.dismiss_demand(&endpoint, reason.attribution(&caller)).await?.ok_or_else(no_demand)?;
    Ok(axum::Json(demand).into_response())
}

async fn demand_decision(id: InPath<String>, request: Request) -> Result<(Eid, Reason), Problem> {
    let Path(id) = id?;
    let (parts, body) = request.into_parts();
    let reason: Reason = json_body_opt(&parts.headers, body).await?;
    Ok((Eid::parse(&id).ok_or_else(no_demand)?, reason))
}

fn no_demand() -> Problem {
    Problem::not_found("no demand has this id")
}

async fn decision(id: InPath<String>, request: Request) -> Result<(Pair, Reason), Problem> {
    let Path(id) = id?;
    let (parts, body) = request.into_parts();
    let reason: Reason = json_body_opt(&parts.headers, body).await?;
    Ok((Pair::parse(&id).ok_or_else(no_suggestion)?, reason))
}

fn no_suggestion() -> Problem {
    Problem::not_found("no suggestion has this id")
}
