//! Postmark's webhooks about mail that was sent: one object for one reader, told apart by `RecordType`.

use rapport_sdk::prelude::*;
use serde_json::value::RawValue;

use crate::failure::Failure;
use crate::instant;
use crate::notice::{Meaning, Notice, extension};
use crate::payload::PostmarkEvent;
use crate::scene::Scene;

/// Types of bounce whose meaning is not that a mail failed for good, November 2026. Every other type is.
const BOUNCES: &[(&str, Bounce)] = &[
    // The reader's server asks to try again, and Postmark does; a full mailbox, a name server that is down.
    ("Transient", Bounce::Temporary),
    ("SoftBounce", Bounce::Temporary),
    ("DnsError", Bounce::Temporary),
    ("SMTPApiError", Bounce::Temporary),
    ("Undetermined", Bounce::Temporary),
    ("TemplateRenderingFailed", Bounce::Temporary),
    // An answer of a program, a question whether the sender is a person: the mail arrived.
    ("AutoResponder", Bounce::Answer),
    ("AddressChange", Bounce::Answer),
    ("ChallengeVerification", Bounce::Answer),
    ("OpenRelayTest", Bounce::Answer),
    ("VirusNotification", Bounce::Answer),
    ("Unconfirmed", Bounce::Answer),
    ("Subscribe", Bounce::Joined),
    ("Unsubscribe", Bounce::Left),
    ("SpamComplaint", Bounce::Complaint),
];

#[derive(Clone, Copy, PartialEq)]
enum Bounce {
    Temporary,
    Answer,
    Joined,
    Left,
    Complaint,
}

pub fn read(raw: &RawValue, scene: &Scene) -> Result<Vec<Event>, Rejection> {
    let event: PostmarkEvent =
        lenient::read(raw).ok_or_else(|| Rejection::Malformed("expected a JSON object, found another value".into()))?;
    let kind = event.record_type.as_deref().unwrap_or_default();
    let recipient = event.recipient.as_deref().or(event.email.as_deref());
    let recipient =
        recipient.ok_or_else(|| Rejection::Malformed(format!("expected a reader in a `{kind}`, found none")))?;
    let at = [&event.delivered_at, &event.bounced_at, &event.received_at, &event.changed_at];
    let at = at.into_iter().flatten().next();
    // Postmark's own examples, and its button that sends one, have an id of zeros.
    let message = event.message_id.as_deref();
    let key = message.unwrap_or_default();
    let word = kind.to_ascii_lowercase();
    let notice = Notice {
        id: match event.id.as_deref().filter(|id| *id != "0") {
            Some(id) => format!("{word}:{id}"),
            None => format!("{key}:{word}:{recipient}:{}", at.map_or("", |at| at)),
        },
        at: at.and_then(|at| instant::parse(at)).unwrap_or_default(),
        // The sender stands in some kinds only, the server in all.
        account: event.server_id.as_deref().unwrap_or(scene.connection),
        recipient,
        attestation: Attestation::Provider,
        message,
        word: &word,
        verbatim: raw.get(),
        extension: extension(
            "com.postmarkapp.event",
            &[
                ("from", event.from.as_deref()),
                ("tag", event.tag.as_deref()),
                ("type", event.r#type.as_deref()),
                ("link", event.original_link.as_deref()),
                ("suppression_reason", event.suppression_reason.as_deref()),
            ],
        ),
    };
    let events = events(kind, &event, &notice, raw);
    if events.is_empty() {
        Err(Rejection::Malformed("expected an address as reader, found another text".into()))
    } else {
        Ok(events)
    }
}

/// Postmark's kinds of record.
fn events(kind: &str, event: &PostmarkEvent, notice: &Notice, raw: &RawValue) -> Vec<Event> {
    match kind {
        "Delivery" => notice.events(Meaning::Delivered, None),
        "Bounce" => bounce(event, notice, raw),
        "SpamComplaint" => notice.events(Meaning::Complained, None),
        "Open" => notice.events(Meaning::Read, None),
        "Click" => notice.events(Meaning::Clicked, None),
        // The reader's server refused a mail: the address is suppressed, but nobody has left.
        "SubscriptionChange" if event.suppress_sending && event.suppression_reason.as_deref() == Some("HardBounce") => {
            let mut events = notice.events(Meaning::Failed, Some(failure(event, "HardBounce", raw)));
            events.extend(notice.of_address(failure(event, "HardBounce", raw).state()));
            events
        }
        // What Postmark itself no longer sends, or sends again, to this reader, whatever the reader wanted.
        "SubscriptionChange" if event.suppress_sending => {
            let mut events = notice.events(Meaning::Unsubscribed, None);
            let reason = event.suppression_reason.as_deref().unwrap_or("suppressed");
            events.extend(notice.of_address(failure(event, reason, raw).state()));
            events
        }
        "SubscriptionChange" => {
            let mut events = notice.events(Meaning::Resubscribed, None);
            events.extend(notice.of_address(DeliveryState::Other("reactivated".into())));
            events
        }
        _ => notice.unknown(),
    }
}

fn bounce(event: &PostmarkEvent, notice: &Notice, raw: &RawValue) -> Vec<Event> {
    let kind = event.r#type.as_deref().unwrap_or("Bounce");
    let found = BOUNCES.iter().find(|(name, _)| *name == kind).map(|(_, bounce)| *bounce);
    match found {
        Some(Bounce::Answer) => notice.delivery(DeliveryState::Other(kind.to_ascii_lowercase())),
        Some(Bounce::Joined) => notice.events(Meaning::Resubscribed, None),
        Some(Bounce::Left) => notice.events(Meaning::Unsubscribed, None),
        Some(Bounce::Complaint) => notice.events(Meaning::Complained, None),
        temporary => {
            let failure = Failure { is_temporary: Some(temporary.is_some()), ..failure(event, kind, raw) };
            notice.events(Meaning::Failed, Some(failure))
        }
    }
}

/// A failure for good.
fn failure<'e>(event: &'e PostmarkEvent, word: &'e str, raw: &RawValue) -> Failure<'e> {
    Failure {
        word,
        status: None,
        diagnostic: event.details.as_deref().or(event.description.as_deref()),
        detail: raw.get().to_owned(),
        is_temporary: Some(false),
    }
}
