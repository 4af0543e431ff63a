//! The same for what sends and pulls: the name of an `other` operation, or the cursor, says what it does.

use rapport_sdk::http::{Exchange, Kept, Piece, Request};
use rapport_sdk::polling::{self, Batch, Step};
use rapport_sdk::sending::{Accepted, Failure, Operation, Outcome, Turn};
use rapport_sdk::{Contact, Context, Event, EventBody, Identifier, Part, Place};

use crate::behaviour;

const URL: &str = "https://api.hostile.test/v1/messages";

pub(crate) fn run(cx: &Context, operation: &Operation, history: &[Exchange]) -> Turn {
    let Operation::Other((name, argument)) = operation else { return echo(cx, operation, history) };
    let nothing = Outcome::nothing();
    let perform = |requests| Turn::perform(Outcome::nothing(), requests);
    match name.as_str() {
        "good" if history.is_empty() => perform(vec![Request::post(URL).bearer("access-token").json(argument)]),
        "good" => Turn::done(accepted(0)),
        "trap" => panic!("as asked"),
        "loop" => behaviour::spin(),
        "endless" => perform(vec![Request::get(URL)]),
        "not-alone" => perform(vec![Request::get(URL), Request::post(URL)]),
        "plain-http" => perform(vec![Request::post("http://api.hostile.test/")]),
        "secret-host" => perform(vec![Request { url: vec![Piece::Secret("host".into())], ..Request::get(URL) }]),
        "secret-in-body" => perform(vec![Request::post(URL).pieces("a/b", vec![Piece::Secret("access-token".into())])]),
        "foreign-blob-url" => {
            perform(vec![Request::post(URL).pieces("a/b", vec![Piece::BlobUrl("b-of-others".into())])])
        }
        "foreign-blob" => perform(vec![Request::post(URL).blob("a/b", "b-of-others")]),
        "out-of-range" => Turn::done(accepted(7)),
        "takes-back" => Turn::done(nothing),
        "forged-media" => {
            let media = Kept { blob: "b-of-others".into(), bytes: 1, mime_type: None, sha256: "00".into() };
            Turn::done(Outcome { media: Some(media), ..nothing })
        }
        "huge-output" => perform(vec![Request::post(URL).bytes("a/b", vec![0; 8 << 20])]),
        "large-body" => perform(vec![Request::post(URL).bytes("a/b", vec![0; 2 << 20])]),
        "nan" => {
            let place = Place { latitude: f64::NAN, longitude: 0.0, name: None, address: None };
            let contact = Contact::new(vec![Identifier::provider("hostile", "someone")]);
            let message = rapport_sdk::Message::new("m", rapport_sdk::Author::Customer, vec![Part::Place(place)]);
            let event = Event::new("e", 1, "hostile", contact, EventBody::Message(message));
            Turn::done(Outcome { events: vec![event], ..nothing })
        }
        "long-sentence" => Turn::failed(nothing, Failure::Other(format!("a\nb{}", "x".repeat(5_000)))),
        other => Turn::failed(nothing, Failure::Other(format!("`{other}`"))),
    }
}

pub(crate) fn poll(cursor: Option<&str>, history: &[Exchange]) -> Step {
    match cursor {
        None if history.is_empty() => Step::Perform(vec![Request::get(URL).bearer("access-token")]),
        None => Step::Done(Batch { again_in_ms: Some(60_000), ..Batch::nothing(Some("next".into())) }),
        Some("not-repeatable") => Step::Perform(vec![Request::post(URL)]),
        Some("long-cursor") => Step::Done(Batch::nothing(Some("x".repeat(5_000)))),
        Some("many-unread") => Step::Done(Batch { unread: vec!["`a`".into(); 65], ..Batch::nothing(None) }),
        Some("limited") => Step::Failed(polling::Failure::RateLimited(Some(7_000))),
        Some("trap") => panic!("as asked"),
        Some(other) => Step::Failed(polling::Failure::Other(format!("`{other}`"))),
    }
}

/// A request whose body is all that the connector was given, as JSON.
fn echo(cx: &Context, operation: &Operation, history: &[Exchange]) -> Turn {
    let given = serde_json::json!({
        "connection": cx.connection, "now": cx.now, "operation": operation, "history": history,
    });
    Turn::perform(Outcome::nothing(), vec![Request::post(URL).json(&given)])
}

fn accepted(part: u32) -> Outcome {
    Outcome { accepted: vec![Accepted { part, id: "m-1".into() }], ..Outcome::nothing() }
}
