//! The way of one request of Twilio: prove it, then read a form or a batch of CloudEvents. What AWS delivers goes another.

use rapport_sdk::prelude::*;

use crate::payload::Fields;
use crate::settings::Settings;
use crate::signature::{self, Proven};
use crate::{aws, message, status, stream};

/// An answer that sends nothing. Of any other content type Twilio complains (12300), or sends the body as a message.
const NO_REPLY: &str = r#"<?xml version="1.0" encoding="UTF-8"?><Response/>"#;

pub fn receive(cx: &Context, webhook: &Webhook) -> Result<Receipt, Rejection> {
    if webhook.is_fed() {
        return aws::receive(cx, webhook);
    }
    if !matches!(webhook.method.as_str(), "GET" | "POST") {
        return Err(Rejection::Unsupported(format!("expected GET or POST, found `{}`", webhook.method)));
    }
    let proven = signature::authenticate(webhook)?;
    let settings: Settings = serde_json::from_str(&cx.config)
        .map_err(|error| Rejection::Unsupported(format!("the connection's `config` does not fit: {error}")))?;
    match proven {
        Proven::Document => stream::read(&webhook.body, &settings, &cx.connection),
        Proven::Form(pairs) => {
            let events = form(&Fields::of_form(pairs), &settings, &cx.connection)?;
            Ok(Receipt { events, ..Receipt::respond(200, "text/xml", NO_REPLY) })
        }
    }
}

/// What else Twilio signs the same way, by the field that only it has, October 2026.
const NO_MESSAGES: &[(&str, &str)] = &[
    // The Conversations product, whose message ids are no messages of this one.
    ("ConversationSid", "an event of Twilio Conversations"),
    ("ChatServiceSid", "an event of Twilio Conversations"),
    // Programmable Chat, which Conversations took the place of.
    ("InstanceSid", "an event of Programmable Chat"),
    // TwiML requests and status callbacks of a call.
    ("CallSid", "a voice call"),
    ("ConferenceSid", "a voice conference"),
    ("RecordingSid", "a recording"),
    ("TranscriptionSid", "a transcription"),
    ("FaxSid", "a fax"),
    ("WorkspaceSid", "an event of TaskRouter"),
    // A webhook of the Debugger.
    ("PayloadType", "an entry of Twilio's Debugger"),
];
/// Those of them that name a message as well: of another product.
const OTHER_PRODUCTS: usize = 3;

fn form(fields: &Fields, settings: &Settings, connection: &str) -> Result<Vec<Event>, Rejection> {
    let account_sid = fields.id("AccountSid");
    if !settings.takes(account_sid) {
        return Err(Rejection::Ignored("expected an account of `account-sids`, found another one".into()));
    }
    let id = fields.any(message::IDS);
    let others = if id.is_some() { &NO_MESSAGES[..OTHER_PRODUCTS] } else { NO_MESSAGES };
    if let Some((field, what)) = others.iter().find(|(field, _)| fields.id(field).is_some()) {
        let fix = "give this URL to messages only";
        return Err(Rejection::Unsupported(format!(
            "expected a message or its status, found {what} (it has a `{field}`); fix: {fix}"
        )));
    }
    let Some(id) = id else {
        return Err(Rejection::Malformed(format!("expected one of {}, found none", message::IDS.join(", "))));
    };
    let report = status::Report::of(fields);
    let events = match &report {
        Some(report) => status::read(id, report, fields, connection),
        None => message::read(id, fields, connection),
    };
    events.map_err(|reason| {
        Rejection::Malformed(format!("expected a message or its status, found one that is not whole: {reason}"))
    })
}
