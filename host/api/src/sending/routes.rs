//! Routes of messages and of control.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use rapport_config::scope::Scope;
use rapport_http::Problem;
use rapport_http::input::{InPath, json_body};
use rapport_http::page::{BodyRequired, HttpMethod, OperationDoc};
use rapport_http::route::Route;
use rapport_model::event::Author;
use rapport_model::sending::MessageId;

use crate::authorisation::Caller;
use crate::sending::Sending;
use crate::sending::connections::ConnectionView;
use crate::sending::control::{Command, ControlView};
use crate::sending::message::{IDEMPOTENCY_KEY_CHARS_MAX, NewMessage};
use crate::sending::views::{MessageView, NamedConversation};
use crate::state::Api;

const IDEMPOTENCY_KEY: &str = "idempotency-key";

pub(crate) fn routes() -> Vec<Route<Arc<Api>>> {
    let mut all = messages();
    all.extend(conversations());
    all.extend(connections());
    all
}

fn connections() -> Vec<Route<Arc<Api>>> {
    let name = |page: OperationDoc| page.parameter("name", "The name of a connection that sends");
    let get_page = name(OperationDoc::new("getSendingConnection", "Get whether a connection sends"))
        .gives::<ConnectionView>(200, "Whether it sends, and what would help")
        .refuses(&[400, 404, 500]);
    let resume_page = name(OperationDoc::new("resumeConnection", "Let a paused connection send again"))
        .described(
            "A connection is paused when the provider has refused its account three times in a row: the token, the payment or the \
             policy state. Correct that first. Messages that wait are sent within 10 minutes.",
        )
        .gives::<ConnectionView>(200, "The connection as it is now")
        .refuses(&[400, 404, 500]);
    vec![
        Route::new("/v1/connections/{name}", get(connection)).may(HttpMethod::Get, Scope::Operate, get_page),
        Route::new("/v1/connections/{name}/resume", post(resume)).may(HttpMethod::Post, Scope::Operate, resume_page),
    ]
}

fn messages() -> Vec<Route<Arc<Api>>> {
    let id = |page: OperationDoc| page.parameter("id", "The id of a message, from another answer");
    let location = &[("Location", "The message")];
    let post_page = OperationDoc::new("sendMessage", "Send a message to a customer")
        .described(
            "202 means that the message is stored: it is sent at most once, and `GET /v1/messages/{id}` says how far it is. The \
             recipient is looked up now, and does not change later. A reply answers the customer; an agent's reply also takes the \
             conversation. A notice answers nothing. A reply by automation needs `fence` and `turn`: it is refused (409) if \
             control moved, or if the turn is answered. A repeated request with the same `Idempotency-Key` and the same body gives \
             the same message.",
        )
        .header("Idempotency-Key", "A text of your own, another one for each message. It is remembered for 30 days")
        .takes::<NewMessage>(BodyRequired::Yes)
        .gives::<MessageView>(202, "The message, stored")
        .with_headers(location)
        .refuses(&[400, 404, 409, 413, 415, 500]);
    let get_page = id(OperationDoc::new("getMessage", "Get a message that is or was to be sent"))
        .gives::<MessageView>(200, "The message")
        .refuses(&[400, 404, 500]);
    let cancel_page = id(OperationDoc::new("cancelMessage", "Cancel what is left of a message"))
        .described("409 with the `state` if it has ended, or if a request of it is under way.")
        .gives::<MessageView>(200, "The message: cancelled, or cut if some of its parts arrived")
        .refuses(&[400, 404, 409, 500]);
    let resend_page = id(OperationDoc::new("resendMessage", "Send an unknown message again"))
        .described(
            "Only for a message in the state `unknown`, and only by a key that may be `agent`: the customer may get it twice, so a \
             person decides. A repeated call gives the same new message.",
        )
        .gives::<MessageView>(202, "The new message, stored")
        .with_headers(location)
        .refuses(&[400, 404, 409, 500]);
    vec![
        Route::new("/v1/messages", post(send)).may(HttpMethod::Post, Scope::Send, post_page),
        Route::new("/v1/messages/{id}", get(read)).may(HttpMethod::Get, Scope::Send, get_page),
        Route::new("/v1/messages/{id}/cancel", post(cancel)).may(HttpMethod::Post, Scope::Send, cancel_page),
        Route::new("/v1/messages/{id}/resend", post(resend)).may(HttpMethod::Post, Scope::Send, resend_page),
    ]
}

fn conversations() -> Vec<Route<Arc<Api>>> {
    let id = |page: OperationDoc| {
        page.parameter(
            "id",
            "The id of a conversation, from another answer; or the id of an endpoint that has one conversation",
        )
    };
    let get_page = id(OperationDoc::new("getConversation", "Get who answers a conversation"))
        .described("A bot reads `fence` and `turn` here, and gives both back with its reply.")
        .gives::<ControlView>(200, "Who answers, and the customer's newest message")
        .refuses(&[400, 404, 409, 500]);
    let take_page = id(OperationDoc::new("takeConversation", "Let a human answer a conversation"))
        .described(
            "When the answer is there, no reply by automation starts any more that did not know of it. What is on its way already \
             is in `under_way`. Automation may also call it, to ask for a human.",
        )
        .gives::<ControlView>(200, "Who answers now")
        .refuses(&[400, 404, 409, 500]);
    let back_page = id(OperationDoc::new("handBackConversation", "Let automation answer a conversation again"))
        .described("Only by a key that may be `agent`: a program does not take a conversation from a human.")
        .gives::<ControlView>(200, "Who answers now")
        .refuses(&[400, 404, 409, 500]);
    vec![
        Route::new("/v1/conversations/{id}", get(control)).may(HttpMethod::Get, Scope::Send, get_page),
        Route::new("/v1/conversations/{id}/take", post(take)).may(HttpMethod::Post, Scope::Send, take_page),
        Route::new("/v1/conversations/{id}/hand-back", post(hand_back)).may(HttpMethod::Post, Scope::Send, back_page),
    ]
}

rapport_http::inputs!(NewMessage);

async fn send(
    State(sending): State<Sending>,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let new: NewMessage = json_body(&parts.headers, body).await?;
    let sender = caller.sends_as(new.author)?;
    let key = idempotency_key(&parts.headers)?;
    let message = sending.take(new, sender, &key).await?;
    Ok(accepted(&caller, message))
}

fn accepted(caller: &Caller, message: MessageView) -> Response {
    caller.touches(&message.id);
    let location = HeaderValue::try_from(format!("/v1/messages/{}", message.id)).expect("an id is ASCII");
    (StatusCode::ACCEPTED, [(header::LOCATION, location)], axum::Json(message)).into_response()
}

fn idempotency_key(headers: &HeaderMap) -> Result<String, Problem> {
    let wrong = |detail: String| Problem::bad_request(detail).of_field("Idempotency-Key");
    let Some(value) = headers.get(IDEMPOTENCY_KEY) else {
        return Err(wrong(
            "the header `Idempotency-Key` is missing: without it a repeated request would send the message twice; fix: send a \
             text of your own, another one for each message"
                .to_owned(),
        ));
    };
    let text = value.to_str().unwrap_or_default().trim();
    if text.is_empty() || text.len() > IDEMPOTENCY_KEY_CHARS_MAX {
        return Err(wrong(format!(
            "the header `Idempotency-Key` is not 1 to {IDEMPOTENCY_KEY_CHARS_MAX} characters of visible ASCII"
        )));
    }
    Ok(text.to_owned())
}

async fn read(State(sending): State<Sending>, id: InPath<String>) -> Result<Response, Problem> {
    let Path(id) = id?;
    Ok(axum::Json(sending.message(&message_id(&id)?).await?).into_response())
}

async fn cancel(State(sending): State<Sending>, id: InPath<String>) -> Result<Response, Problem> {
    let Path(id) = id?;
    Ok(axum::Json(sending.cancel(&message_id(&id)?).await?).into_response())
}

async fn resend(
    State(sending): State<Sending>,
    Extension(caller): Extension<Caller>,
    id: InPath<String>,
) -> Result<Response, Problem> {
    let Path(id) = id?;
    let sender = caller.sends_as(Some(Author::Agent))?;
    let message = sending.resend(&message_id(&id)?, sender).await?;
    Ok(accepted(&caller, message))
}

async fn control(State(sending): State<Sending>, id: InPath<String>) -> Result<Response, Problem> {
    let Path(id) = id?;
    Ok(axum::Json(sending.control(conversation(&id)?).await?).into_response())
}

async fn take(
    State(sending): State<Sending>,
    Extension(caller): Extension<Caller>,
    id: InPath<String>,
) -> Result<Response, Problem> {
    let Path(id) = id?;
    let sender = caller.sends()?;
    Ok(axum::Json(sending.command(conversation(&id)?, Command::Take, &sender).await?).into_response())
}

async fn hand_back(
    State(sending): State<Sending>,
    Extension(caller): Extension<Caller>,
    id: InPath<String>,
) -> Result<Response, Problem> {
    let Path(id) = id?;
    let sender = caller.sends_as(Some(Author::Agent))?;
    Ok(axum::Json(sending.command(conversation(&id)?, Command::HandBack, &sender).await?).into_response())
}

async fn connection(State(sending): State<Sending>, name: InPath<String>) -> Result<Response, Problem> {
    let Path(name) = name?;
    Ok(axum::Json(sending.connection(&name).await?).into_response())
}

async fn resume(
    State(sending): State<Sending>,
    Extension(caller): Extension<Caller>,
    name: InPath<String>,
) -> Result<Response, Problem> {
    let Path(name) = name?;
    caller.touches(&name);
    Ok(axum::Json(sending.resume(&name).await?).into_response())
}

fn message_id(text: &str) -> Result<MessageId, Problem> {
    MessageId::parse(text).ok_or_else(|| Problem::not_found("no message has this id"))
}

fn conversation(text: &str) -> Result<NamedConversation, Problem> {
    NamedConversation::parse(text).ok_or_else(|| Problem::not_found("no conversation has this id"))
}
