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
    let text = |body: &str| Part::Text(decoded(body, channel).unwrap_or_else(|| body.to_owned()));
    parts.extend(fields.text("Body").filter(is_told).map(text));
    parts.extend(chosen.map(Part::Chosen));
    if parts.is_empty() {
        parts.push(empty(fields));
    }
    parts
}

/// What a `Body` says that a carrier handed on as base64, as some do with a long text beyond ASCII; none if it is
/// plainly a text of its own.
///
/// Nobody writes fifteen groups of four letters without a space, and of those that somebody might paste next to none
/// are valid UTF-8, have a space in them and nothing that cannot be shown.
/// Source: the messages of RapidPro's Courier, read in November 2026.
pub fn decoded(body: &str, channel: &Channel) -> Option<String> {
    const DIGITS_MIN: usize = 60;
    if *channel != Channel::Sms || body.len() < DIGITS_MIN {
        return None;
    }
    // It may come in lines. A space is no digit.
    let digits: String = body.trim().split(['\r', '\n']).collect();
    let is_whole = digits.len() >= DIGITS_MIN && digits.len().is_multiple_of(4);
    let bytes = is_whole.then(|| base64::decode(&digits)).flatten()?;
    let text = match str::from_utf8(&bytes) {
        Ok(text) => text,
        // A carrier cuts after so many bytes, which may be within a character.
        Err(error) if error.error_len().is_none() => str::from_utf8(&bytes[..error.valid_up_to()]).ok()?,
        Err(_) => return None,
    };
    let is_shown = |character: char| !character.is_control() || character.is_whitespace();
    (text.contains(' ') && text.chars().all(is_shown)).then(|| text.to_owned())
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

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "Guten Tag, meine Bestellung fehlt: zwei Schlüssel, ein Schloß.";

    #[test]
    fn a_body_in_base64_is_read() {
        let body = base64::encode(TEXT.as_bytes());
        assert_eq!(decoded(&body, &Channel::Sms).as_deref(), Some(TEXT));
        assert_eq!(decoded(&format!("{}\r\n{}\n", &body[..40], &body[40..]), &Channel::Sms).as_deref(), Some(TEXT));
        let cut = &[TEXT.as_bytes(), "…".as_bytes()].concat()[..66];
        assert!(str::from_utf8(cut).is_err());
        assert_eq!(decoded(&base64::encode(cut), &Channel::Sms).as_deref(), Some(TEXT));
    }

    #[test]
    fn a_body_that_is_its_own_text_stays_as_it_is() {
        let encoded = base64::encode(TEXT.as_bytes());
        assert_eq!(decoded(&encoded, &Channel::WhatsApp), None);
        for body in [
            "",
            "Hello",
            TEXT,
            // Too short, of a wrong length, more than base64.
            &base64::encode(b"where is my order?"),
            &encoded[..encoded.len() - 1],
            &format!("{encoded} Ada"),
            &format!("{} {}", &encoded[..40], &encoded[40..]),
            // No text, or one without a space.
            &"Donaudampfschiff".repeat(5),
            &"a".repeat(64),
            &base64::encode(&[0; 48]),
            &base64::encode("https://example.com/".repeat(4).as_bytes()),
        ] {
            assert_eq!(decoded(body, &Channel::Sms), None, "{body}");
        }
    }
}
