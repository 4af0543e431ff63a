//! What a message holds: its `type` and the field of that name, as parts.

use std::borrow::Cow;

use rapport_meta::{Text, verbatim};
use rapport_sdk::event::json;
use rapport_sdk::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::payload::Message as Envelope;
use crate::{card, interactive};

/// The parts of a message, and what the contract has no part for.
#[derive(Default)]
pub struct Content {
    pub parts: Vec<Part>,
    pub extensions: Extensions,
}

/// Adds what it finds. None: nothing was found or added.
type Reader = fn(&RawValue, &mut Content) -> Option<()>;

/// The types of Meta's `messages` reference in its order, October 2026. Every other type is kept as it came.
const TYPES: &[(&str, Reader)] = &[
    // Words.
    ("text", text),
    // Files; the content is fetched by id for seven days.
    ("image", media),
    ("video", media),
    ("audio", media),
    ("document", media),
    ("sticker", media),
    // A place that the customer shared.
    ("location", location),
    // Cards of an address book.
    ("contacts", card::read),
    // A tapped button, a chosen row, a submitted flow.
    ("interactive", interactive::read),
    // A tapped quick reply of a template.
    ("button", button),
    // A cart of catalogue products.
    ("order", order),
];

/// The types of what WhatsApp itself could not show: `errors` says why.
const UNSUPPORTED: [&str; 3] = ["unsupported", "unknown", "ephemeral"];

const MEDIA: &str = "com.whatsapp.media";
const LOCATION: &str = "com.whatsapp.location";

/// Reads the content of a message. Nothing a customer said is lost: what has no part of its own is kept raw.
pub fn read(envelope: &Envelope, raw: &RawValue) -> Content {
    let mut content = Content::default();
    let kind = envelope.kind.as_deref().unwrap_or("unknown");
    let said = lenient::field(raw, kind);
    let reader = TYPES.iter().find(|(name, _)| *name == kind).map(|(_, read)| read);
    let found = said.and_then(|said| reader.and_then(|read| read(said, &mut content)));
    if !envelope.errors.is_empty() || UNSUPPORTED.contains(&kind) && envelope.kind.is_some() {
        content.parts.push(unsupported(kind, said, &envelope.errors));
    } else if found.is_none() {
        let kept = if envelope.kind.is_some() { said.unwrap_or(RawValue::NULL) } else { raw };
        content.parts.push(Part::Other((kind.into(), verbatim(kept))));
    }
    content
}

fn unsupported(kind: &str, said: Option<&RawValue>, errors: &[&RawValue]) -> Part {
    #[derive(Deserialize, Default)]
    #[serde(default)]
    struct Payload<'a> {
        #[serde(borrow, rename = "type", deserialize_with = "lenient::id")]
        kind: Text<'a>,
    }
    #[derive(Serialize)]
    struct Unsupported<'a> {
        r#type: &'a str,
        errors: &'a [&'a RawValue],
    }
    let payload: Payload = said.and_then(lenient::read).unwrap_or_default();
    let r#type = payload.kind.as_deref().unwrap_or(kind);
    Part::Other(("unsupported".into(), json(&Unsupported { r#type, errors })))
}

fn text(raw: &RawValue, content: &mut Content) -> Option<()> {
    #[derive(Deserialize, Default)]
    #[serde(default)]
    struct Payload {
        #[serde(deserialize_with = "lenient::text")]
        body: Option<String>,
    }
    content.parts.push(Part::Text(lenient::read::<Payload>(raw)?.body?));
    Some(())
}

fn media(raw: &RawValue, content: &mut Content) -> Option<()> {
    #[derive(Deserialize, Default)]
    #[serde(default)]
    struct Payload<'a> {
        #[serde(deserialize_with = "lenient::id")]
        id: Option<String>,
        #[serde(deserialize_with = "lenient::id")]
        mime_type: Option<String>,
        #[serde(deserialize_with = "lenient::id")]
        filename: Option<String>,
        #[serde(deserialize_with = "lenient::id")]
        caption: Option<String>,
        #[serde(borrow, deserialize_with = "lenient::id")]
        url: Text<'a>,
        #[serde(borrow, deserialize_with = "lenient::id")]
        sha256: Text<'a>,
        #[serde(deserialize_with = "lenient::flag")]
        voice: bool,
        #[serde(deserialize_with = "lenient::flag")]
        animated: bool,
    }
    #[derive(Serialize, PartialEq, Default)]
    struct Extension<'a> {
        #[serde(skip_serializing_if = "Option::is_none")]
        url: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        sha256: Option<&'a str>,
        #[serde(skip_serializing_if = "is_unset")]
        voice: bool,
        #[serde(skip_serializing_if = "is_unset")]
        animated: bool,
    }
    let found: Payload = lenient::read(raw)?;
    let url = found.url.as_deref();
    let source = match (found.id, url) {
        (Some(id), _) => MediaSource::ProviderId(id),
        (None, Some(url)) => MediaSource::Url(url.into()),
        (None, None) => return None,
    };
    let (mime_type, file_name) = (found.mime_type, found.filename);
    content.parts.push(Part::Media(Media { source, mime_type, file_name, size: None, content_id: None }));
    content.parts.extend(found.caption.map(Part::Text));
    let sha256 = found.sha256.as_deref();
    let extension = Extension { url, sha256, voice: found.voice, animated: found.animated };
    if extension != Extension::default() {
        content.extensions.push((MEDIA.into(), json(&extension)));
    }
    Some(())
}

fn location(raw: &RawValue, content: &mut Content) -> Option<()> {
    #[derive(Deserialize, Default)]
    #[serde(default)]
    struct Payload<'a> {
        #[serde(deserialize_with = "lenient::number")]
        latitude: Option<f64>,
        #[serde(deserialize_with = "lenient::number")]
        longitude: Option<f64>,
        #[serde(deserialize_with = "lenient::id")]
        name: Option<String>,
        #[serde(deserialize_with = "lenient::id")]
        address: Option<String>,
        #[serde(borrow, deserialize_with = "lenient::id")]
        url: Text<'a>,
    }
    #[derive(Serialize)]
    struct Extension<'a> {
        url: Cow<'a, str>,
    }
    let found: Payload = lenient::read(raw)?;
    let (latitude, longitude) = (found.latitude?, found.longitude?);
    content.parts.push(Part::Place(Place { latitude, longitude, name: found.name, address: found.address }));
    if let Some(url) = found.url {
        content.extensions.push((LOCATION.into(), json(&Extension { url })));
    }
    Some(())
}

/// A quick reply: its payload is what the business gave the button, and may be missing.
fn button(raw: &RawValue, content: &mut Content) -> Option<()> {
    #[derive(Deserialize, Default)]
    #[serde(default)]
    struct Payload {
        #[serde(deserialize_with = "lenient::id")]
        payload: Option<String>,
        #[serde(deserialize_with = "lenient::id")]
        text: Option<String>,
    }
    let found: Payload = lenient::read(raw)?;
    let title = found.text.or_else(|| found.payload.clone())?;
    let id = found.payload.unwrap_or_else(|| title.clone());
    content.parts.push(Part::Chosen(Choice { id, title }));
    Some(())
}

/// A cart, which the contract has no part for, and the words that came with it.
fn order(raw: &RawValue, content: &mut Content) -> Option<()> {
    #[derive(Deserialize, Default)]
    #[serde(default)]
    struct Payload {
        #[serde(deserialize_with = "lenient::id")]
        text: Option<String>,
    }
    let found: Payload = lenient::read(raw)?;
    content.parts.push(Part::Other(("order".into(), verbatim(raw))));
    content.parts.extend(found.text.map(Part::Text));
    Some(())
}

fn is_unset(flag: &bool) -> bool {
    !flag
}
