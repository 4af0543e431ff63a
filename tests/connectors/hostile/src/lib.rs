//! A connector that misbehaves on request, in every way that the sandbox has to withstand.
//!
//! What it does is said by the connection's configuration, `{"behaviour": "loop", "when": "after"}`; with
//! `{"by-body": true}` the body may say it instead, so that one connection is good and bad.

mod behaviour;
mod sending;

use rapport_sdk::bindings::inbound::rapport::connector::verify::{self, MacAlgorithm};
use rapport_sdk::polling::Step;
use rapport_sdk::sending::{Operation, Turn};
use rapport_sdk::{
    Attestation, Author, Consent, ConsentState, Contact, Context, Event, EventBody, Exchange, Identifier, Inbound,
    Message, Part, Polling, Receipt, Rejection, Sending, Webhook,
};
use serde_json::Value;

/// The connector.
pub struct Hostile;

impl Inbound for Hostile {
    fn receive(cx: &Context, webhook: &Webhook) -> Result<Receipt, Rejection> {
        let config: Value = serde_json::from_str(&cx.config).map_err(malformed)?;
        let body: Value = serde_json::from_slice(&webhook.body).unwrap_or_default();
        let said = |key: &str| {
            let by_body = config["by-body"] == true;
            body[key].as_str().filter(|_| by_body).or(config[key].as_str()).unwrap_or_default()
        };
        let behaviour = match said("behaviour") {
            "" => "good",
            named => named,
        };
        if behaviour == "good" || said("when") == "after" {
            require_signature(webhook)?;
        }
        behaviour::act(behaviour, &body)
    }
}

impl Sending for Hostile {
    fn run(cx: &Context, operation: &Operation, history: &[Exchange]) -> Turn {
        sending::run(cx, operation, history)
    }
}

impl Polling for Hostile {
    fn poll(_: &Context, cursor: Option<&str>, history: &[Exchange]) -> Step {
        sending::poll(cursor, history)
    }
}

rapport_sdk::export!(Hostile: inbound, polling, sending);

fn require_signature(webhook: &Webhook) -> Result<(), Rejection> {
    let header = webhook.headers.iter().find(|(name, _)| name == "x-hostile-signature");
    let tag = header.map(|(_, value)| unhex(value)).unwrap_or_default();
    match verify::mac(MacAlgorithm::HmacSha256, "signing-secret", &webhook.body, &tag) {
        Ok(true) => Ok(()),
        Ok(false) => Err(Rejection::Unauthenticated("the signature does not fit".into())),
        Err(error) => Err(Rejection::Unauthenticated(format!("{error:?}"))),
    }
}

fn unhex(text: &str) -> Vec<u8> {
    text.as_bytes()
        .chunks(2)
        .filter_map(|pair| std::str::from_utf8(pair).ok())
        .filter_map(|pair| u8::from_str_radix(pair, 16).ok())
        .collect()
}

fn malformed(error: serde_json::Error) -> Rejection {
    Rejection::Malformed(error.to_string())
}

/// The event of a good webhook: `{"id", "at", "from", "text"}`; with `"author": "agent"` of the business, and perhaps with a
/// `reference`.
fn message(body: &Value) -> Event {
    let text = |key: &str| body[key].as_str().unwrap_or_default().to_owned();
    let mut event =
        event(text("id"), text("from"), body["at"].as_u64().unwrap_or_default(), vec![Part::Text(text("text"))]);
    if let EventBody::Message(message) = &mut event.body
        && body["author"] == "agent"
    {
        message.author = Author::Agent;
        message.reference = body["reference"].as_str().map(str::to_owned);
    }
    event
}

/// The customer says that a purpose is not wanted any more: `{"id", "at", "from", "purpose"}`.
fn stop(body: &Value) -> Event {
    let purpose = body["purpose"].as_str().unwrap_or_default().to_owned();
    let consent = Consent { purpose, state: ConsentState::Withdrawn, evidence: None };
    Event { body: EventBody::Consent(consent), ..message(body) }
}

fn event(id: String, from: String, at: u64, parts: Vec<Part>) -> Event {
    let identifier =
        Identifier { scheme: "hostile".into(), scope: None, value: from, attestation: Attestation::Provider };
    let contact = Contact {
        identifiers: vec![identifier],
        display_name: None,
        locale: None,
        time_zone: None,
        traits: Vec::new(),
    };
    let message = Message::new(id.clone(), Author::Customer, parts);
    Event { id, at, account: "hostile".into(), contact, body: EventBody::Message(message), extensions: Vec::new() }
}
