//! The way of one operation: a request for each part, and the id that the provider gives it.

use rapport_sdk::prelude::*;
use serde::Deserialize;
use serde_json::json;

/// The secret by which the provider knows the business.
const ACCESS_TOKEN: &str = "access-token";
/// Where messages are sent to.
const MESSAGES: &str = "https://api.{{name}}.example/v1/messages";

/// What the provider answers to a message.
#[derive(Deserialize)]
struct Sent {
    id: String,
}

/// What the provider answers to a message that it does not take.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Refusal {
    #[serde(deserialize_with = "lenient::text")]
    code: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    message: Option<String>,
}

pub fn run(operation: &Operation, history: &[Exchange]) -> Turn {
    steps::run(history, |steps| match operation {
        Operation::Send(message) => send(message, steps),
        other => Err(other.unsupported().into()),
    })
}

fn send(message: &Outgoing, steps: &mut Steps<'_>) -> Result<(), Stop> {
    // Looked at before the first request, so that no message is cut because of its last part.
    let texts: Vec<&str> = message.parts.iter().map(text).collect::<Result<_, _>>()?;
    for (part, text) in texts.into_iter().enumerate() {
        let body = json!({ "to": message.route.to.value, "text": text, "reference": message.reference });
        let answer = steps.perform(Request::post(MESSAGES).bearer(ACCESS_TOKEN).json(&body))?;
        if !answer.is_success() {
            return Err(failure(&answer).into());
        }
        let sent: Sent = answer.json()?;
        steps.accept(part, sent.id)?;
    }
    Ok(())
}

fn text(part: &Part) -> Result<&str, Failure> {
    match part {
        Part::Text(text) => Ok(text),
        _ => Err(Failure::UnsupportedContent("{{Title}} takes text alone".into())),
    }
}

/// The provider's table of errors; what is not in it means what its status means everywhere.
fn failure(answer: &Answered<'_>) -> Failure {
    let refusal: Refusal = answer.try_json().unwrap_or_default();
    match (answer.status(), refusal.code.as_deref()) {
        (404, Some("unknown_user")) => {
            Failure::InvalidRecipient(refusal.message.unwrap_or_else(|| "the provider does not know the user".into()))
        }
        _ => answer.failure(),
    }
}
