//! What a message holds: text, media, a place, a choice, a form.

use rapport_sdk::event::json;
use rapport_sdk::prelude::*;
use serde::Serialize;

use crate::identity::Channel;
use crate::payload::{Fields, document};

/// What a choice consists of: the field of its id, the field of its title, and what it is.
const CHOICES: &[(&str, &str)] = &[
    // A row of a list.
    ("ListId", "ListTitle"),
    // A quick reply under a template, or a suggestion under an RCS message. An old one has a text only.
    ("ButtonPayload", "ButtonText"),
];

/// The answers of a form (WhatsApp Flows), which are JSON in a text.
const FORMS: &[&str] = &["InteractiveData", "FlowData"];

/// The parts of a message, in the order in which a phone shows them; at least one.
pub fn parts(fields: &Fields, channel: &Channel) -> Vec<Part> {
    let mut parts = media(fields);
    parts.extend(place(fields).map(Part::Place));
    let form = FORMS.iter().find_map(|name| fields.id(name));
    parts.extend(form.map(self::form));
    // What was chosen stands in the text once more, in whatever words.
    let chosen = if *channel == Channel::Sms { None } else { choice(fields) };
    let is_told = |body: &&str| chosen.is_none() && Some(*body) != form;
    parts.extend(fields.text("Body").filter(is_told).map(|body| Part::Text(body.into())));
    parts.extend(chosen.map(Part::Chosen));
    if parts.is_empty() {
        parts.push(empty(fields));
    }
    parts
}

/// `MediaUrl0`, … with any holes; `NumMedia` may be missing or wrong.
fn media(fields: &Fields) -> Vec<Part> {
    #[derive(Serialize)]
    struct Elsewhere {
        count: u32,
    }
    let types = fields.numbered("MediaContentType");
    let media_type = |number: u32| types.iter().find(|(found, _)| *found == number).map(|(_, name)| (*name).to_owned());
    let part = |(number, url): (u32, &str)| {
        Part::Media(Media {
            source: MediaSource::Url(url.into()),
            mime_type: media_type(number),
            file_name: None,
            size: None,
            content_id: None,
        })
    };
    let parts: Vec<Part> = fields.numbered("MediaUrl").into_iter().map(part).collect();
    // A CloudEvent counts the media and does not say where they are.
    match fields.id("NumMedia").and_then(|number| number.parse().ok()) {
        Some(count) if count > 0 && parts.is_empty() => {
            vec![Part::Other(("media".into(), json(&Elsewhere { count })))]
        }
        _ => parts,
    }
}

fn place(fields: &Fields) -> Option<Place> {
    let latitude = fields.number("Latitude").filter(|degrees| degrees.abs() <= 90.0)?;
    let longitude = fields.number("Longitude").filter(|degrees| degrees.abs() <= 180.0)?;
    let text = |name: &str| fields.id(name).map(str::to_owned);
    Some(Place { latitude, longitude, name: text("Label"), address: text("Address") })
}

fn choice(fields: &Fields) -> Option<Choice> {
    CHOICES.iter().find_map(|(id, title)| {
        let (id, title) = (fields.id(id), fields.id(title));
        let title = title.or(fields.id("Body").filter(|_| id.is_some()));
        let id = id.or(title)?;
        Some(Choice { id: id.to_owned(), title: title.unwrap_or_default().to_owned() })
    })
}

/// The form's author wrote what is in the text, so it may be anything: what is no object is kept as text and marked.
fn form(text: &str) -> Part {
    #[derive(Serialize)]
    struct Invalid<'a> {
        response_json: &'a str,
    }
    match document(text).filter(|json| json.starts_with('{')) {
        Some(form) => Part::Form(form),
        None => Part::Other(("invalid-form".into(), json(&Invalid { response_json: text }))),
    }
}

/// A message of which nothing is known but its type, or not even that: an SMS may be empty.
fn empty(fields: &Fields) -> Part {
    match fields.id("MessageType").filter(|kind| *kind != "text") {
        Some(kind) => Part::Other((kind.to_owned(), fields.all())),
        None => Part::Text(String::new()),
    }
}
