//! Answers to what the business offered: buttons, lists, flows, and its request to call.

use rapport_meta::{Text, verbatim};
use rapport_sdk::event::json;
use rapport_sdk::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::content::Content;
use crate::message::{Incoming, Said};

type Reader = fn(&RawValue, &mut Content) -> Option<()>;

/// The types of `interactive` that are parts of a message, in the order of Meta's reference, October 2026.
const TYPES: &[(&str, Reader)] = &[
    // A reply button under a message.
    ("button_reply", choice),
    // A row of a list.
    ("list_reply", choice),
    // A flow that was filled in and sent.
    ("nfm_reply", flow),
];

/// Extension: the second line of a chosen list row.
const LIST_REPLY: &str = "com.whatsapp.list-reply";
/// Extension: which flow a form belongs to.
const FLOW: &str = "com.whatsapp.flow";

/// Adds what was chosen or filled in.
pub fn read(raw: &RawValue, content: &mut Content) -> Option<()> {
    let kind = kind(raw)?;
    let (name, read) = TYPES.iter().find(|(name, _)| *name == kind)?;
    read(lenient::field(raw, name)?, content)
}

/// The answer to a request to call, which is consent and no message. A group cannot give it.
pub fn permission(incoming: &Incoming, raw: &RawValue) -> Option<Said> {
    #[derive(Deserialize, Default)]
    #[serde(default)]
    struct Payload<'a> {
        #[serde(borrow, deserialize_with = "lenient::id")]
        response: Text<'a>,
    }
    if incoming.side.is_group() {
        return None;
    }
    let reply = lenient::field(raw, "call_permission_reply")?;
    let state = match lenient::read::<Payload>(reply)?.response.as_deref()? {
        "accept" => ConsentState::Granted,
        "reject" => ConsentState::Withdrawn,
        _ => return None,
    };
    Some((EventBody::Consent(Consent { purpose: "calls".into(), state, evidence: Some(verbatim(reply)) }), Vec::new()))
}

fn kind(raw: &RawValue) -> Option<String> {
    #[derive(Deserialize, Default)]
    #[serde(default)]
    struct Payload {
        #[serde(rename = "type", deserialize_with = "lenient::id")]
        kind: Option<String>,
    }
    lenient::read::<Payload>(raw)?.kind
}

fn choice(raw: &RawValue, content: &mut Content) -> Option<()> {
    #[derive(Deserialize, Default)]
    #[serde(default)]
    struct Payload<'a> {
        #[serde(deserialize_with = "lenient::id")]
        id: Option<String>,
        #[serde(deserialize_with = "lenient::text")]
        title: Option<String>,
        #[serde(borrow, deserialize_with = "lenient::id")]
        description: Text<'a>,
    }
    #[derive(Serialize)]
    struct Extension<'a> {
        description: &'a str,
    }
    let found: Payload = lenient::read(raw)?;
    content.parts.push(Part::Chosen(Choice { id: found.id?, title: found.title.unwrap_or_default() }));
    if let Some(description) = found.description.as_deref() {
        content.extensions.push((LIST_REPLY.into(), json(&Extension { description })));
    }
    Some(())
}

/// A submitted flow. `response_json` is JSON in a string that the flow's author wrote, so it may be anything: what is
/// no object is kept as text and marked.
fn flow(raw: &RawValue, content: &mut Content) -> Option<()> {
    #[derive(Deserialize, Default)]
    #[serde(default)]
    struct Payload<'a> {
        #[serde(borrow, deserialize_with = "lenient::id")]
        name: Text<'a>,
        #[serde(borrow)]
        response_json: Option<&'a RawValue>,
    }
    #[derive(Serialize)]
    struct Invalid<'a> {
        response_json: Option<&'a str>,
    }
    #[derive(Serialize)]
    struct Extension<'a> {
        name: &'a str,
    }
    let found: Payload = lenient::read(raw)?;
    let response = found.response_json.map(response_text);
    content.parts.push(match response.as_deref().and_then(object) {
        Some(form) => Part::Form(form),
        None => Part::Other(("invalid-form".into(), json(&Invalid { response_json: response.as_deref() }))),
    });
    if let Some(name) = found.name.as_deref() {
        content.extensions.push((FLOW.into(), json(&Extension { name })));
    }
    Some(())
}

/// What the string holds, or the value itself where Meta sent no string.
fn response_text(raw: &RawValue) -> String {
    serde_json::from_str(raw.get()).unwrap_or_else(|_| raw.get().to_owned())
}

/// `text` as it is, if it is a JSON object. It was a string until now, so it is made safe to keep only here.
fn object(text: &str) -> Option<String> {
    let text = lenient::document(text.trim().as_bytes());
    let is_object = text.starts_with('{') && serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok();
    is_object.then(|| text.into_owned())
}
