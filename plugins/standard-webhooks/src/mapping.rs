//! What the settings make of a delivery.

use rapport_sdk::prelude::*;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::settings::{Kind, Mapping, Medium, Pointer, Progress};
use crate::{contact, pointer};

/// A delivery that was proven.
pub struct Delivery<'d> {
    /// The same on every redelivery.
    pub id: &'d str,
    pub account: &'d str,
    pub body: &'d RawValue,
    pub kind: Option<&'d str>,
}

/// Where the specification recommends to put what happened, and when.
const DATA: &str = "/data";
const TIMESTAMP: &str = "/timestamp";

/// An event for each mapping of the delivery's type. One that finds nothing does not fail the others, and is told.
///
/// # Errors
/// `Unsupported` if no mapping is for the type: the delivery is parked, so that one that is added later can have it.
/// `Malformed` if none of them finds what it needs.
pub fn events(delivery: &Delivery, mappings: &[Mapping]) -> Result<Receipt, Rejection> {
    let is_for = |mapping: &&Mapping| mapping.types.iter().any(|kind| matches(kind, delivery.kind));
    let mut chosen: Vec<&Mapping> = mappings.iter().filter(is_for).collect();
    if chosen.is_empty() {
        chosen = mappings.iter().filter(|mapping| mapping.types.is_empty()).collect();
    }
    if chosen.is_empty() {
        return Err(Rejection::Unsupported(format!(
            "expected a mapping for the type `{}`, found none; fix: add one to `mappings`, or one whose `event` is \
             `ignore`",
            delivery.kind.unwrap_or("(none)")
        )));
    }
    chosen.retain(|mapping| holds(mapping, delivery.body));
    let (mut events, mut unread, mut first) = (Vec::new(), Unread::default(), None);
    for (index, mapping) in chosen.iter().enumerate() {
        match event(delivery, mapping, index) {
            Ok(event) => events.extend(event),
            Err(reason) => {
                unread.add(&format!("for `mappings[{index}]` of this type"), &reason);
                first.get_or_insert(reason);
            }
        }
    }
    match first.filter(|_| events.is_empty()) {
        Some(reason) => Err(Rejection::Malformed(format!("{reason}; fix: see the settings' `mappings`"))),
        None => Ok(Receipt::events(events).with_unread(unread.into_lines())),
    }
}

/// `survey.*` is for every type that begins with `survey.`.
fn matches(pattern: &str, kind: Option<&str>) -> bool {
    let Some(kind) = kind else { return false };
    match pattern.strip_suffix('*') {
        Some(beginning) => kind.starts_with(beginning),
        None => pattern == kind,
    }
}

fn holds(mapping: &Mapping, body: &RawValue) -> bool {
    let value = |place: &str| serde_json::from_str::<Value>(pointer::find(body, place)?.get()).ok();
    mapping.when.iter().all(|(place, expected)| value(place).as_ref() == Some(expected))
}

/// What the body names, or else the delivery's id; of the second event of a delivery another one.
fn id(delivery: &Delivery, place: &Option<Pointer>, index: usize) -> String {
    let named = place.as_deref().and_then(|place| pointer::text(delivery.body, place));
    let id = named.unwrap_or_else(|| delivery.id.to_owned());
    if index == 0 { id } else { format!("{id}:{}", index + 1) }
}

type Made<T> = Result<T, String>;

fn event(delivery: &Delivery, mapping: &Mapping, index: usize) -> Made<Option<Event>> {
    let body = delivery.body;
    let id = id(delivery, &mapping.id, index);
    let made = match mapping.event {
        Kind::Ignore => return Ok(None),
        Kind::Message => EventBody::Message(message(body, mapping, &id)?),
        Kind::Delivery => EventBody::Delivery(progress(delivery, mapping)?),
        Kind::Feedback => EventBody::Feedback(feedback(delivery, mapping, index)?),
        Kind::Activity => EventBody::Activity(activity(delivery, mapping)),
        Kind::ContactUpdated => EventBody::ContactUpdated,
        Kind::ContactErased => EventBody::ContactErased,
        Kind::Consent => EventBody::Consent(consent(body, mapping)?),
    };
    let contact = contact::find(body, mapping).ok_or_else(|| {
        let places: Vec<_> = mapping.identifiers.iter().map(|identity| format!("`{}`", identity.value)).collect();
        format!("expected an identifier at {}, found none", places.join(", "))
    })?;
    let at = pointer::time(body, mapping.at.as_deref().unwrap_or(TIMESTAMP)).unwrap_or_default();
    Ok(Some(Event::new(id, at, delivery.account, contact, made)))
}

fn message(body: &RawValue, mapping: &Mapping, id: &str) -> Made<Message> {
    let text = |place: &Option<Pointer>| pointer::text(body, place.as_deref()?);
    let words = |place: &Option<Pointer>| pointer::words(body, place.as_deref()?);
    let mut parts: Vec<Part> = words(&mapping.text).map(Part::Text).into_iter().collect();
    parts.extend(words(&mapping.html).map(Part::Html));
    parts.extend(mapping.media.iter().filter_map(|medium| media(body, medium)));
    if parts.is_empty() {
        return Err("expected a message at its `text`, `html` or `media`, found nothing".into());
    }
    let author = mapping.author.map_or(Author::Customer, Author::from);
    let mut message = Message::new(text(&mapping.message_id).unwrap_or_else(|| id.to_owned()), author, parts);
    message.subject = text(&mapping.subject);
    message.thread = text(&mapping.thread);
    message.in_reply_to = text(&mapping.in_reply_to);
    Ok(message)
}

/// A report about the message that the body names, or else about the address.
fn progress(delivery: &Delivery, mapping: &Mapping) -> Made<rapport_sdk::Delivery> {
    let text = |place: &Option<Pointer>| pointer::text(delivery.body, place.as_deref()?);
    let covers = match &mapping.message_id {
        Some(place) => Covered::Message(
            pointer::text(delivery.body, place)
                .ok_or_else(|| format!("expected a message's id at `{place}`, found none"))?,
        ),
        None => Covered::Address,
    };
    let state = match mapping.delivery.ok_or("expected `delivery` in a mapping to a delivery")? {
        Progress::Queued => DeliveryState::Queued,
        Progress::Sent => DeliveryState::Sent,
        Progress::Delivered => DeliveryState::Delivered,
        Progress::Read => DeliveryState::Read,
        Progress::Failed => {
            let code =
                text(&mapping.code).or_else(|| delivery.kind.map(str::to_owned)).unwrap_or_else(|| "failed".into());
            DeliveryState::Failed(ProviderError {
                title: text(&mapping.reason).unwrap_or_else(|| code.clone()),
                code,
                detail: Some(pointer::find(delivery.body, DATA).unwrap_or(delivery.body).get().to_owned()),
                retryable: mapping.retryable,
            })
        }
    };
    Ok(rapport_sdk::Delivery::new(covers, state))
}

fn media(body: &RawValue, medium: &Medium) -> Option<Part> {
    let text = |place: &Option<Pointer>| pointer::text(body, place.as_deref()?);
    Some(Part::Media(Media {
        source: MediaSource::Url(pointer::text(body, &medium.url)?),
        mime_type: text(&medium.mime_type),
        file_name: text(&medium.file_name),
        size: None,
        content_id: None,
    }))
}

/// The words of the settings are the contract's; every other metric is the sender's own.
const METRICS: &[(&str, Metric)] = &[
    ("nps", Metric::Nps),
    ("csat", Metric::Csat),
    ("ces", Metric::Ces),
    ("stars", Metric::Stars),
    ("thumbs", Metric::Thumbs),
];

fn feedback(delivery: &Delivery, mapping: &Mapping, index: usize) -> Made<Feedback> {
    let body = delivery.body;
    let (Some(name), Some(place), Some(scale)) = (&mapping.metric, &mapping.score, mapping.scale) else {
        return Err("expected `metric`, `score` and `scale` in a mapping to feedback".into());
    };
    let score = pointer::number(body, place).ok_or_else(|| format!("expected a score at `{place}`, found none"))?;
    let (low, high) = (scale.0.min(scale.1), scale.0.max(scale.1));
    if !(low..=high).contains(&score) {
        return Err(format!("expected a score from {low} to {high} at `{place}`, found one off this scale"));
    }
    let known = METRICS.iter().find(|(known, _)| known == name).map(|(_, metric)| metric.clone());
    Ok(Feedback {
        metric: known.unwrap_or_else(|| Metric::Other(name.clone())),
        score,
        scale,
        comment: mapping.comment.as_deref().and_then(|place| pointer::words(body, place)),
        about: mapping.about.as_deref().and_then(|place| pointer::text(body, place)),
        response_id: response_id(delivery, mapping, index),
    })
}

/// Several answers of one survey are responses of their own, or the second would be taken for a new version of the first.
fn response_id(delivery: &Delivery, mapping: &Mapping, index: usize) -> String {
    id(delivery, if mapping.response_id.is_some() { &mapping.response_id } else { &mapping.id }, index)
}

fn activity(delivery: &Delivery, mapping: &Mapping) -> (String, Json) {
    let name = mapping.name.as_deref().or(delivery.kind).unwrap_or("activity");
    let properties = match &mapping.properties {
        Some(place) => pointer::find(delivery.body, place).map_or("null", RawValue::get),
        None => data(delivery.body),
    };
    (name.to_owned(), properties.to_owned())
}

fn consent(body: &RawValue, mapping: &Mapping) -> Made<Consent> {
    let (Some(purpose), Some(state)) = (&mapping.purpose, mapping.state) else {
        return Err("expected `purpose` and `state` in a mapping to consent".into());
    };
    Ok(Consent { purpose: purpose.clone(), state: state.into(), evidence: Some(data(body).to_owned()) })
}

/// What happened: what stands where the specification recommends it, or all there is.
fn data(body: &RawValue) -> &str {
    pointer::find(body, DATA).unwrap_or(body).get()
}
