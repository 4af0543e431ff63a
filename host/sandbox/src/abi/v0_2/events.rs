//! The contract's types turned into the model's, field by field, without a copy of any text.
//!
//! The one thing that may be wrong with a value here is a number that JSON cannot hold; such a field is named.

use rapport_model::event as model;
use serde_json::Value;

use super::contract::rapport::connector::types as wit;

/// The path of a field within its event.
type Field = &'static str;

pub(super) fn event(event: wit::Event) -> Result<model::Event, Field> {
    Ok(model::Event {
        id: event.id,
        at: event.at,
        account: event.account,
        contact: contact(event.contact),
        body: body(event.body)?,
        extensions: extensions(event.extensions),
    })
}

fn body(body: wit::EventBody) -> Result<model::Body, Field> {
    use wit::EventBody as Wit;
    Ok(match body {
        Wit::Message(message) => model::Body::Message(self::message(message)?),
        Wit::MessageEdited(edit) => {
            model::Body::MessageEdited(model::Edit { message_id: edit.message_id, parts: parts(edit.parts)? })
        }
        Wit::MessageDeleted(id) => model::Body::MessageDeleted(id),
        Wit::Reaction(reaction) => model::Body::Reaction(model::Reaction {
            message_id: reaction.message_id,
            author: author(reaction.author),
            emoji: reaction.emoji,
        }),
        Wit::Delivery(delivery) => model::Body::Delivery(self::delivery(delivery)),
        Wit::ContactUpdated => model::Body::ContactUpdated,
        Wit::IdentifierReplaced(replacement) => model::Body::IdentifierReplaced(model::Replacement {
            old: identifier(replacement.old),
            new: identifier(replacement.new),
        }),
        Wit::ContactErased => model::Body::ContactErased,
        Wit::Consent(consent) => model::Body::Consent(self::consent(consent)),
        Wit::Feedback(feedback) => model::Body::Feedback(self::feedback(feedback)?),
        Wit::Call(call) => model::Body::Call(self::call(call)),
        Wit::Ticket(ticket) => model::Body::Ticket(self::ticket(ticket)),
        Wit::Control(control) => model::Body::Control(self::control(control)),
        Wit::Activity((name, properties)) => model::Body::Activity(name, json(properties)),
        Wit::Other((name, value)) => model::Body::Other(name, json(value)),
    })
}

fn message(message: wit::Message) -> Result<model::Message, Field> {
    Ok(model::Message {
        id: message.id,
        author: author(message.author),
        subject: message.subject,
        parts: parts(message.parts)?,
        in_reply_to: message.in_reply_to,
        thread: message.thread,
        referral: message.referral.map(|referral| model::Referral {
            source: referral.source,
            id: referral.id,
            url: referral.url,
            details: referral.details.and_then(something),
        }),
        forwarded: message.forwarded,
        reference: message.reference,
        references: message.references,
        copies: message.copies.into_iter().map(identifier).collect(),
        participant: message.participant.map(identifier),
        standby: message.standby,
    })
}

fn control(control: wit::Control) -> model::Control {
    model::Control {
        holder: match control.holder {
            wit::Controller::Automation => model::Controller::Automation,
            wit::Controller::Agent => model::Controller::Agent,
            wit::Controller::OtherApp => model::Controller::OtherApp,
        },
        role: control.role,
        by: control.by,
    }
}

fn parts(parts: Vec<wit::Part>) -> Result<Vec<model::Part>, Field> {
    parts.into_iter().map(part).collect()
}

fn part(part: wit::Part) -> Result<model::Part, Field> {
    use wit::Part as Wit;
    Ok(match part {
        Wit::Text(text) => model::Part::Text(text),
        Wit::Html(html) => model::Part::Html(html),
        Wit::Media(media) => model::Part::Media(self::media(media)),
        Wit::Place(place) => model::Part::Place(model::Place {
            latitude: finite(place.latitude, "parts.place.latitude")?,
            longitude: finite(place.longitude, "parts.place.longitude")?,
            name: place.name,
            address: place.address,
        }),
        Wit::ContactCard(contact) => model::Part::ContactCard(self::contact(contact)),
        Wit::Choices(choices) => model::Part::Choices(choices.into_iter().map(choice).collect()),
        Wit::Chosen(choice) => model::Part::Chosen(self::choice(choice)),
        Wit::Form(form) => model::Part::Form(json(form)),
        Wit::Template(template) => model::Part::Template(model::Template {
            name: template.name,
            locale: template.locale,
            parameters: template.parameters.into_iter().map(json).collect(),
        }),
        Wit::Other((name, value)) => model::Part::Other(name, json(value)),
    })
}

fn media(media: wit::Media) -> model::Media {
    model::Media {
        source: match media.source {
            wit::MediaSource::Url(url) => model::MediaSource::Url(url),
            wit::MediaSource::ProviderId(id) => model::MediaSource::ProviderId(id),
            wit::MediaSource::Blob(blob) => model::MediaSource::Blob(blob),
        },
        mime_type: media.mime_type,
        file_name: media.file_name,
        size: media.size,
        content_id: media.content_id,
    }
}

fn choice(choice: wit::Choice) -> model::Choice {
    model::Choice { id: choice.id, title: choice.title }
}

fn author(author: wit::Author) -> model::Author {
    match author {
        wit::Author::Customer => model::Author::Customer,
        wit::Author::Agent => model::Author::Agent,
        wit::Author::Automation => model::Author::Automation,
    }
}

fn contact(contact: wit::Contact) -> model::Contact {
    model::Contact {
        identifiers: contact.identifiers.into_iter().map(identifier).collect(),
        display_name: contact.display_name,
        locale: contact.locale,
        time_zone: contact.time_zone,
        traits: extensions(contact.traits),
    }
}

fn identifier(identifier: wit::Identifier) -> model::Identifier {
    model::Identifier {
        scheme: identifier.scheme,
        scope: identifier.scope,
        value: identifier.value,
        attestation: match identifier.attestation {
            wit::Attestation::Provider => model::Attestation::Provider,
            wit::Attestation::Signature => model::Attestation::Signature,
            wit::Attestation::Agent => model::Attestation::Agent,
            wit::Attestation::Claimed => model::Attestation::Claimed,
            wit::Attestation::Customer => model::Attestation::Customer,
            wit::Attestation::Imported => model::Attestation::Imported,
        },
    }
}

fn delivery(delivery: wit::Delivery) -> model::Delivery {
    model::Delivery {
        covers: match delivery.covers {
            wit::Covered::Message(id) => model::Covered::Message(id),
            wit::Covered::Reference(reference) => model::Covered::Reference(reference),
            wit::Covered::UpTo(instant) => model::Covered::UpTo(instant),
            wit::Covered::Address => model::Covered::Address,
        },
        state: match delivery.state {
            wit::DeliveryState::Queued => model::DeliveryState::Queued,
            wit::DeliveryState::Sent => model::DeliveryState::Sent,
            wit::DeliveryState::Delivered => model::DeliveryState::Delivered,
            wit::DeliveryState::Read => model::DeliveryState::Read,
            wit::DeliveryState::Failed(error) => model::DeliveryState::Failed(provider_error(error)),
            wit::DeliveryState::Other(name) => model::DeliveryState::Other(name),
        },
        reference: delivery.reference,
    }
}

pub(super) fn provider_error(error: wit::ProviderError) -> model::ProviderError {
    model::ProviderError {
        code: error.code,
        title: error.title,
        detail: error.detail.and_then(something),
        retryable: error.retryable,
    }
}

fn consent(consent: wit::Consent) -> model::Consent {
    model::Consent {
        purpose: consent.purpose,
        state: match consent.state {
            wit::ConsentState::Granted => model::ConsentState::Granted,
            wit::ConsentState::Withdrawn => model::ConsentState::Withdrawn,
        },
        evidence: consent.evidence.and_then(something),
    }
}

fn feedback(feedback: wit::Feedback) -> Result<model::Feedback, Field> {
    let (lowest, highest) = feedback.scale;
    Ok(model::Feedback {
        metric: match feedback.metric {
            wit::Metric::Nps => model::Metric::Nps,
            wit::Metric::Csat => model::Metric::Csat,
            wit::Metric::Ces => model::Metric::Ces,
            wit::Metric::Stars => model::Metric::Stars,
            wit::Metric::Thumbs => model::Metric::Thumbs,
            wit::Metric::Other(name) => model::Metric::Other(name),
        },
        score: finite(feedback.score, "feedback.score")?,
        scale: (finite(lowest, "feedback.scale")?, finite(highest, "feedback.scale")?),
        comment: feedback.comment,
        about: feedback.about,
        response_id: feedback.response_id,
    })
}

fn call(call: wit::Call) -> model::Call {
    model::Call {
        id: call.id,
        state: match call.state {
            wit::CallState::Ringing => model::CallState::Ringing,
            wit::CallState::Answered => model::CallState::Answered,
            wit::CallState::Ended => model::CallState::Ended,
            wit::CallState::Missed => model::CallState::Missed,
            wit::CallState::Voicemail => model::CallState::Voicemail,
            wit::CallState::Other(name) => model::CallState::Other(name),
        },
        initiator: author(call.initiator),
        duration: call.duration,
        recording: call.recording.map(media),
    }
}

fn ticket(ticket: wit::Ticket) -> model::Ticket {
    model::Ticket {
        id: ticket.id,
        state: match ticket.state {
            wit::TicketState::Opened => model::TicketState::Opened,
            wit::TicketState::Pending => model::TicketState::Pending,
            wit::TicketState::Solved => model::TicketState::Solved,
            wit::TicketState::Closed => model::TicketState::Closed,
            wit::TicketState::Reopened => model::TicketState::Reopened,
            wit::TicketState::Other(name) => model::TicketState::Other(name),
        },
        subject: ticket.subject,
        url: ticket.url,
    }
}

/// A key that comes twice keeps its last value, as in a JSON object.
pub(super) fn extensions(extensions: wit::Extensions) -> model::Extensions {
    extensions.into_iter().map(|(key, value)| (key, json(value))).collect()
}

/// Levels of arrays and objects in one another that a value may have. It stands up to seven levels deep in its event, and
/// the event three deep in a page: 58 in all. Every parser must read that: that of .NET goes 64 levels deep, Ruby's 100,
/// ours 128.
pub(crate) const JSON_DEPTH_MAX: usize = 48;

/// Text that is not JSON, or that is nested deeper than [`JSON_DEPTH_MAX`], is kept as a string: unknown input is no error,
/// and nothing of it is lost.
fn json(text: String) -> Value {
    match serde_json::from_str(&text) {
        Ok(value) if is_within(&value, JSON_DEPTH_MAX) => value,
        _ => Value::String(text),
    }
}

/// The same, of a field that may be missing; `null` says that it is.
fn something(text: String) -> Option<Value> {
    Some(json(text)).filter(|value| !value.is_null())
}

/// Whether a value has at most so many levels. It was parsed, so it has no more than the parser allows.
fn is_within(value: &Value, levels: usize) -> bool {
    match value {
        Value::Array(items) => levels > 0 && items.iter().all(|item| is_within(item, levels - 1)),
        Value::Object(fields) => levels > 0 && fields.values().all(|field| is_within(field, levels - 1)),
        _ => true,
    }
}

fn finite(number: f64, field: Field) -> Result<f64, Field> {
    if number.is_finite() { Ok(number) } else { Err(field) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_that_is_not_json_is_kept_as_a_string() {
        assert_eq!(json(r#"{"a":1}"#.into()), serde_json::json!({"a": 1}));
        assert_eq!(json("{".into()), Value::String("{".into()));
        assert_eq!(json("1e999".into()), Value::String("1e999".into()));
        let deep = "[".repeat(100_000);
        assert_eq!(json(deep.clone()), Value::String(deep));
        assert_eq!(something("null".into()), None, "it could not be told from nothing when it is read again");
        assert_eq!(something("0".into()), Some(serde_json::json!(0)));
    }

    #[test]
    fn what_is_nested_too_deep_is_kept_as_its_text() {
        let nested = |levels: usize| {
            let (open, close) = (r#"[{"a":"#, "}]");
            let (more, less) = if levels % 2 == 1 { ("[", "]") } else { ("", "") };
            format!("{}{more}1{less}{}", open.repeat(levels / 2), close.repeat(levels / 2))
        };
        for levels in [1, 2, JSON_DEPTH_MAX - 1, JSON_DEPTH_MAX] {
            assert_eq!(json(nested(levels)).to_string(), nested(levels), "{levels}");
        }
        for levels in [JSON_DEPTH_MAX + 1, 124, 127, 128, 5_000] {
            assert_eq!(json(nested(levels)), Value::String(nested(levels)), "{levels}");
        }
    }
}
