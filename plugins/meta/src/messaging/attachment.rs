//! What is attached to a message, as parts.

use rapport_sdk::event::json;
use rapport_sdk::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::Channel;
use super::scene::Scene;
use crate::{Text, verbatim};

/// What a type of attachment turns out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A file at a URL.
    Media,
    /// A file at a URL, with words of whoever made it.
    Captioned,
    /// A page that was shared: its title and its URL.
    Link,
    /// A point on the map.
    Place,
    /// Cards and buttons, of the business or of its shop.
    Template,
    /// These words.
    Text(&'static str),
    /// Kept as it came.
    Opaque,
}

/// The types of the platform's `messages` reference, November 2026. Every other type is kept as it came.
const TYPES: &[(&str, Shape)] = &[
    // Files, on Meta's servers for some days.
    ("image", Shape::Media),
    ("video", Shape::Media),
    ("audio", Shape::Media),
    ("file", Shape::Media),
    // The only form of a sticker since 30 August 2026; before it came as an image, and in the summer as both.
    ("sticker", Shape::Media),
    // Short films of others.
    ("reel", Shape::Captioned),
    ("ig_reel", Shape::Captioned),
    // Posts and pages of others.
    ("post", Shape::Link),
    ("ig_post", Shape::Link),
    ("share", Shape::Link),
    ("fallback", Shape::Link),
    // Only of clients of before 2020.
    ("location", Shape::Place),
    // What a business sends, and the products that a customer asks about.
    ("template", Shape::Template),
];

/// The three sizes of the thumb beside Messenger's text field: an answer in words, sent as a sticker.
const THUMBS_UP: [&str; 3] = ["369239263222822", "369239343222814", "369239383222810"];

/// Extensions: of what kind each medium is, in the order of the media parts, and the map that a place is on.
const ATTACHMENTS: &str = "attachments";
const LOCATION: &str = "location";

#[derive(Deserialize, Default)]
#[serde(default)]
struct Attachment<'a> {
    #[serde(borrow, rename = "type", deserialize_with = "lenient::id")]
    kind: Text<'a>,
    /// Title and URL stand here or in the payload.
    #[serde(borrow, deserialize_with = "lenient::id")]
    title: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    url: Text<'a>,
    /// The same in payloads of before 2020.
    #[serde(borrow, rename = "URL", deserialize_with = "lenient::id")]
    url_of_old: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::object")]
    payload: Option<Payload<'a>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Payload<'a> {
    #[serde(borrow, deserialize_with = "lenient::id")]
    url: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    title: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    text: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    name: Text<'a>,
    #[serde(deserialize_with = "lenient::id")]
    mime_type: Option<String>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    sticker_id: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    attachment_id: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    reel_video_id: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    ig_post_media_id: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    story_media_id: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    story_media_url: Text<'a>,
    #[serde(deserialize_with = "lenient::object")]
    coordinates: Option<Coordinates>,
    #[serde(borrow, deserialize_with = "lenient::objects")]
    elements: Vec<Card<'a>>,
    #[serde(borrow, deserialize_with = "lenient::object")]
    product: Option<Cards<'a>>,
    /// Around the cards of a template on Instagram.
    #[serde(borrow, deserialize_with = "lenient::object")]
    generic: Option<Cards<'a>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Coordinates {
    #[serde(deserialize_with = "lenient::number")]
    lat: Option<f64>,
    #[serde(deserialize_with = "lenient::number")]
    long: Option<f64>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Cards<'a> {
    #[serde(borrow, deserialize_with = "lenient::objects")]
    elements: Vec<Card<'a>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Card<'a> {
    #[serde(borrow, deserialize_with = "lenient::id")]
    title: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    subtitle: Text<'a>,
}

/// What a medium is, beyond where it is.
#[derive(Serialize)]
struct Medium {
    r#type: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    sticker_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attachment_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reel_video_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ig_post_media_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    story_media_id: Option<String>,
}

/// What the reader of an attachment has to know of the message.
pub(super) struct Around<'m> {
    pub channel: &'m Channel,
    pub text: &'m str,
    /// The sticker that the message says its only attachment is.
    pub sole_sticker: Option<&'m str>,
}

/// The parts of a message, and what the contract has no part for.
#[derive(Default)]
pub(super) struct Content {
    pub parts: Vec<Part>,
    pub extensions: Extensions,
    media: Vec<Medium>,
    place_url: Option<String>,
}

impl Content {
    /// Adds what was learnt about the parts.
    pub fn finish(mut self, scene: &Scene) -> Self {
        if !self.media.is_empty() {
            self.extensions.push((scene.extension(ATTACHMENTS), json(&self.media)));
        }
        if let Some(url) = self.place_url.take() {
            self.extensions.push((scene.extension(LOCATION), json(&serde_json::json!({ "url": url }))));
        }
        self
    }

    fn has_sticker(&self, id: &str) -> bool {
        self.media.iter().any(|medium| medium.sticker_id.as_deref() == Some(id))
    }
}

/// Adds an attachment. Nothing that was sent is lost: what has no part of its own is kept raw.
pub(super) fn read(raw: &RawValue, around: &Around, content: &mut Content) {
    let mut attachment: Attachment = lenient::read(raw).unwrap_or_default();
    let kind = attachment.kind.take().unwrap_or("attachment".into());
    let types = around.channel.attachments.iter().chain(TYPES);
    let shape = types.into_iter().find(|(name, _)| *name == kind).map_or(Shape::Opaque, |(_, shape)| *shape);
    let found = match shape {
        Shape::Media | Shape::Captioned => media(&kind, &attachment, around, content),
        Shape::Link => link(&attachment, around, content),
        Shape::Place => place(&attachment, content).or_else(|| link(&attachment, around, content)),
        Shape::Text(words) => {
            content.parts.push(Part::Text(words.into()));
            Some(())
        }
        Shape::Template => {
            words_of_cards(&attachment, around, content);
            None
        }
        Shape::Opaque => None,
    };
    if found.is_none() {
        content.parts.push(Part::Other((kind.into_owned(), verbatim(raw))));
    } else if shape == Shape::Captioned {
        add_words(&[attachment.title(), attachment.text()], around, content);
    }
}

/// A file, or a sticker: then the one that is already there is not there twice. A thumb is a word as well.
fn media(kind: &str, attachment: &Attachment, around: &Around, content: &mut Content) -> Option<()> {
    let payload = attachment.payload.as_ref();
    let sticker_id = payload.and_then(|payload| payload.sticker_id.as_deref()).or(around.sole_sticker);
    if sticker_id.is_some_and(|id| content.has_sticker(id)) {
        return Some(());
    }
    let thumb = Part::Text("👍".into());
    let is_thumb = sticker_id.is_some_and(|id| THUMBS_UP.contains(&id));
    if is_thumb && !content.parts.contains(&thumb) {
        content.parts.push(thumb);
    }
    let attachment_id = payload.and_then(|payload| payload.attachment_id.as_deref());
    let source = match (attachment.url(), attachment_id) {
        (Some(url), _) => MediaSource::Url(url.into()),
        (None, Some(id)) => MediaSource::ProviderId(id.into()),
        (None, None) => return is_thumb.then_some(()),
    };
    let name = payload.and_then(|payload| payload.name.as_deref());
    let file_name = name.or_else(|| attachment.title().filter(|_| kind == "file")).map(str::to_owned);
    let mime_type = payload.and_then(|payload| payload.mime_type.clone());
    content.parts.push(Part::Media(Media { source, mime_type, file_name, size: None, content_id: None }));
    let owned = |id: Option<&str>| id.map(str::to_owned);
    content.media.push(Medium {
        r#type: if sticker_id.is_some() { "sticker" } else { kind }.into(),
        sticker_id: owned(sticker_id),
        attachment_id: owned(attachment_id),
        reel_video_id: owned(payload.and_then(|payload| payload.reel_video_id.as_deref())),
        ig_post_media_id: owned(payload.and_then(|payload| payload.ig_post_media_id.as_deref())),
        story_media_id: owned(payload.and_then(|payload| payload.story_media_id.as_deref())),
    });
    Some(())
}

/// A page that was shared. Its URL is usually the text of the message as well, and then not said twice.
fn link(attachment: &Attachment, around: &Around, content: &mut Content) -> Option<()> {
    let words = [attachment.title(), attachment.url()];
    if words.iter().all(Option::is_none) {
        return None;
    }
    add_words(&words, around, content);
    Some(())
}

fn place(attachment: &Attachment, content: &mut Content) -> Option<()> {
    let coordinates = attachment.payload.as_ref()?.coordinates.as_ref()?;
    let (latitude, longitude) = (coordinates.lat?, coordinates.long?);
    let name = attachment.title().map(str::to_owned);
    content.parts.push(Part::Place(Place { latitude, longitude, name, address: None }));
    content.place_url = attachment.url().map(str::to_owned);
    Some(())
}

/// What a template says to whoever reads it; its buttons and pictures are in the part that is kept raw.
fn words_of_cards(attachment: &Attachment, around: &Around, content: &mut Content) {
    let mut words = vec![attachment.title(), attachment.text()];
    if let Some(payload) = &attachment.payload {
        let wrapped = payload.product.iter().chain(&payload.generic).flat_map(|cards| &cards.elements);
        for card in payload.elements.iter().chain(wrapped) {
            words.extend([card.title.as_deref(), card.subtitle.as_deref()]);
        }
    }
    add_words(&words, around, content);
}

/// Adds those words that the message does not already say, a line each.
fn add_words(words: &[Option<&str>], around: &Around, content: &mut Content) {
    let new: Vec<_> = words.iter().flatten().copied().filter(|words| !around.text.contains(words)).collect();
    if !new.is_empty() {
        content.parts.push(Part::Text(new.join("\n")));
    }
}

impl Attachment<'_> {
    fn title(&self) -> Option<&str> {
        self.payload.as_ref().and_then(|payload| payload.title.as_deref()).or(self.title.as_deref())
    }

    fn url(&self) -> Option<&str> {
        let payload = self.payload.as_ref();
        let inner = payload.and_then(|payload| payload.url.as_deref().or(payload.story_media_url.as_deref()));
        inner.or(self.url.as_deref()).or(self.url_of_old.as_deref())
    }

    fn text(&self) -> Option<&str> {
        self.payload.as_ref().and_then(|payload| payload.text.as_deref())
    }
}
