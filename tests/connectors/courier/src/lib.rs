//! A connector that sends, to a provider that no one has. Each part of a message is a request of its own; media is uploaded
//! first.
//!
//! | what | request | answer |
//! |---|---|---|
//! | a text | `POST /v1/messages` `{"to", "reference", "part", "text"}` | `{"id"}` |
//! | a file | `POST /v1/media` with the bytes, then `POST /v1/messages` with `"media"` | `{"id"}` |
//! | a read mark | `POST /v1/read` `{"message"}` | anything |
//! | media of the provider | `GET /v1/media/{id}` | the bytes |
//!
//! The text `trap` makes it crash, and `endless` makes it ask for ever. `sly` makes it send by a request that passes for an
//! upload, and `crowd` beside a request that is one. With `stop` it tells that the customer wants no marketing any more, and
//! with `flood` it tells so forty times. The status 409 is a limit of this customer alone.

use rapport_sdk::http::{FormField, Method, Piece, Request};
use rapport_sdk::sending::{Failure, Operation, Outgoing, Sending, Turn};
use rapport_sdk::steps::{self, Steps, Stop};
use rapport_sdk::{Consent, ConsentState, Contact, Context, Event, EventBody, Identifier, MediaSource, Part};
use serde_json::{Value, json};

/// The connector.
pub struct Courier;

impl Sending for Courier {
    fn run(cx: &Context, operation: &Operation, history: &[rapport_sdk::http::Exchange]) -> Turn {
        steps::run(history, |steps| match operation {
            Operation::Send(message) => send(cx, message, steps),
            Operation::MarkRead(of) => {
                let request = post("/v1/read").json(&json!({"message": of.message})).repeatable();
                steps.perform(request)?.success()?;
                Ok(())
            }
            Operation::FetchMedia(media) => {
                let MediaSource::ProviderId(id) = &media.source else { return Err(operation.unsupported().into()) };
                let url = format!("https://api.courier.example/v1/media/{id}");
                let answer = steps.perform(Request::new(Method::Get, url).bearer("api-key").repeatable().keep())?;
                steps.so_far.media = Some(answer.success()?.kept()?.clone());
                Ok(())
            }
            other => Err(other.unsupported().into()),
        })
    }
}

rapport_sdk::export!(Courier: sending);

fn post(path: &str) -> Request {
    Request::post(format!("https://api.courier.example{path}")).bearer("api-key")
}

/// The customer wants no marketing, as the provider says in the answer about a message. Its id is the same in each turn.
fn stop(message: &Outgoing, id: &str) -> Event {
    let consent = Consent { purpose: "marketing".into(), state: ConsentState::Withdrawn, evidence: None };
    let contact = Contact::new(vec![Identifier::provider(&message.route.to.scheme, &message.route.to.value)]);
    Event::new(format!("stop {id}"), 0, &message.route.account, contact, EventBody::Consent(consent))
}

fn send(cx: &Context, message: &Outgoing, steps: &mut Steps<'_>) -> Result<(), Stop> {
    let config: Value = serde_json::from_str(&cx.config).unwrap_or_default();
    for (number, part) in message.parts.iter().enumerate() {
        let mut body = json!({"to": message.route.to.value, "reference": message.reference, "part": number});
        match part {
            Part::Text(text) if text == "trap" => panic!("it was asked to"),
            Part::Text(text) if text == "endless" => loop {
                steps.perform(Request::new(Method::Get, "https://api.courier.example/v1/media/1").repeatable())?;
            },
            Part::Text(text) if text == "sly" => {
                let fields = vec![FormField::text("text", text)];
                let answer: Value =
                    steps.perform(post("/v1/media").multipart(fields).repeatable())?.success()?.json()?;
                steps.accept(number, answer["id"].as_str().unwrap_or_default())?;
                continue;
            }
            Part::Text(text) if text == "crowd" => {
                let read = Request::new(Method::Get, "https://api.courier.example/v1/media/1").repeatable();
                steps.together(vec![read, post("/v1/messages").json(&body).repeatable()])?;
            }
            Part::Text(text) => body["text"] = json!(text),
            Part::Media(media) => {
                let MediaSource::Blob(key) = &media.source else {
                    return Err(Failure::UnsupportedContent("only files of the blob store".into()).into());
                };
                let upload = post("/v1/media").pieces("application/octet-stream", vec![Piece::Blob(key.clone())]);
                let answer: Value = steps.perform(upload.repeatable())?.success()?.json()?;
                body["media"] = answer["id"].clone();
            }
            _ => return Err(Failure::UnsupportedContent("only texts and files".into()).into()),
        }
        let mut request = post("/v1/messages").json(&body);
        if config["repeatable"] == true {
            request = request.repeatable();
        }
        let answered = steps.perform(request)?;
        if answered.status() == 409 {
            steps.so_far.extensions.push(("rapport.limit".into(), "\"pair\"".into()));
            return Err(Failure::RateLimited(answered.retry_after_ms()).into());
        }
        let answer: Value = answered.success()?.json()?;
        if matches!(part, Part::Text(text) if text == "stop") {
            steps.tell(stop(message, answer["id"].as_str().unwrap_or_default()));
        }
        if matches!(part, Part::Text(text) if text == "flood") {
            (0..40).for_each(|n| steps.tell(stop(message, &n.to_string())));
        }
        steps.accept(number, answer["id"].as_str().unwrap_or_default())?;
    }
    Ok(())
}
