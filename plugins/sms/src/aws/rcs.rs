//! What else than a text comes to an RCS agent: AWS puts it into the `messageBody`, as JSON.

use rapport_sdk::prelude::*;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Text, is_rcs};
use crate::{instant, payload};

/// What a customer did in an RCS conversation.
pub enum Said {
    Parts(Vec<Part>),
    /// The state, and the notification as evidence.
    Consent(ConsentState, String),
    /// A session that AWS bills as one began, as it came.
    Conversation(String),
    /// Nothing that stays.
    Nothing,
}

/// What was said, and when, where the body says it.
pub struct Rcs {
    pub said: Said,
    pub at: Option<u64>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Body<'a> {
    #[serde(borrow, rename = "type", deserialize_with = "lenient::id")]
    kind: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::text")]
    text: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    postback_data: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    received_at: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    start_time: Text<'a>,
    /// Of a file: a notification about one has no `type`.
    #[serde(borrow, deserialize_with = "lenient::id")]
    media_status: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    s3_bucket: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    s3_key: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    mime_type: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    file_name: Text<'a>,
    #[serde(deserialize_with = "lenient::integer")]
    file_size_bytes: Option<u64>,
    #[serde(borrow, deserialize_with = "lenient::object")]
    location: Option<Location<'a>>,
}

/// A place: AWS documents that there are some, and no sample.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Location<'a> {
    #[serde(deserialize_with = "lenient::number")]
    latitude: Option<f64>,
    #[serde(deserialize_with = "lenient::number")]
    longitude: Option<f64>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    label: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    address: Text<'a>,
}

/// Reads the body of a notification for an RCS agent; none where it is the text that the customer wrote.
pub fn said(text: &str, business: Option<&str>) -> Option<Rcs> {
    let is_object = business.is_some_and(is_rcs) && text.trim_start().starts_with('{');
    let json = payload::document(text).filter(|_| is_object)?;
    let raw: &RawValue = serde_json::from_str(&json).ok()?;
    let body: Body = lenient::read(raw)?;
    // Whoever writes JSON to a business means the JSON.
    if body.kind.is_none() && body.media_status.is_none() {
        return None;
    }
    let at = [&body.received_at, &body.start_time].into_iter().flatten().find_map(|time| instant::parse(time));
    let said = match body.kind.as_deref() {
        None => Said::Parts(vec![file(&body, &json)]),
        // A reply or an action under a message was tapped.
        Some("SUGGESTION") => Said::Parts(vec![chosen(&body, &json)]),
        Some("LOCATION") => Said::Parts(vec![place(&body, raw, &json)]),
        Some("TEXT") if body.text.is_some() => Said::Parts(vec![Part::Text(owned(&body.text).unwrap_or_default())]),
        Some("UNSUBSCRIBE") => Said::Consent(ConsentState::Withdrawn, json),
        Some("SUBSCRIBE") => Said::Consent(ConsentState::Granted, json),
        Some("CONVERSATION_STARTED") => Said::Conversation(json),
        // The customer is typing.
        Some("RCS_TYPING") => Said::Nothing,
        Some(kind) => Said::Parts(vec![Part::Other((kind.to_ascii_lowercase(), json.clone()))]),
    };
    Some(Rcs { said, at })
}

/// A file that AWS put into the business's bucket; otherwise why it could not.
fn file(body: &Body, json: &str) -> Part {
    match (body.s3_bucket.as_deref(), body.s3_key.as_deref()) {
        (Some(bucket), Some(key)) => Part::Media(Media {
            source: MediaSource::Url(format!("s3://{bucket}/{key}")),
            mime_type: owned(&body.mime_type),
            file_name: owned(&body.file_name),
            size: body.file_size_bytes,
            content_id: None,
        }),
        _ => Part::Other(("media".into(), json.to_owned())),
    }
}

fn chosen(body: &Body, json: &str) -> Part {
    let title = owned(&body.text).unwrap_or_default();
    match owned(&body.postback_data).or_else(|| Some(title.clone()).filter(|title| !title.is_empty())) {
        Some(id) => Part::Chosen(Choice { id, title }),
        None => Part::Other(("suggestion".into(), json.to_owned())),
    }
}

fn place(body: &Body, raw: &RawValue, json: &str) -> Part {
    let outer = lenient::read::<Location>(raw);
    let places = [body.location.as_ref(), outer.as_ref()];
    let found = places.into_iter().flatten().find_map(|location| {
        let latitude = location.latitude.filter(|degrees| degrees.abs() <= 90.0)?;
        let longitude = location.longitude.filter(|degrees| degrees.abs() <= 180.0)?;
        Some(Place { latitude, longitude, name: owned(&location.label), address: owned(&location.address) })
    });
    found.map_or_else(|| Part::Other(("location".into(), json.to_owned())), Part::Place)
}

fn owned(text: &Text) -> Option<String> {
    text.as_deref().map(str::to_owned)
}
