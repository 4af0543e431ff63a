//! SendGrid's Event Webhook: an array of what became of mail that was sent.

use rapport_sdk::prelude::*;
use serde_json::value::RawValue;

use crate::failure::Failure;
use crate::inbound::Scene;
use crate::mail::bare_id;
use crate::notice::{self, Meaning, Notice, extension};
use crate::payload::SendgridEvent;

/// Twilio's words, in the order of its documentation, November 2026.
const MEANINGS: &[(&str, Meaning)] = &[
    // Taken over, about to be sent.
    ("processed", Meaning::Queued),
    // Not sent at all: the address is on a suppression list, or the mail is not allowed.
    ("dropped", Meaning::Failed),
    // The reader's server took it.
    ("delivered", Meaning::Delivered),
    // Refused for now; tried again for three days.
    ("deferred", Meaning::Delayed),
    // Refused, for good or (`type: blocked`) for this time.
    ("bounce", Meaning::Failed),
    ("blocked", Meaning::Failed),
    ("open", Meaning::Read),
    ("click", Meaning::Clicked),
    ("spamreport", Meaning::Complained),
    ("spam_report", Meaning::Complained),
    ("unsubscribe", Meaning::Unsubscribed),
    // One group of mail was left, or joined again.
    ("group_unsubscribe", Meaning::Unsubscribed),
    ("group_resubscribe", Meaning::Resubscribed),
    // Twilio stopped or reviews the whole account.
    ("account_status_change", Meaning::Nobody),
];

/// Reads the array; an element that cannot be read fails none of the others.
pub fn read(json: &str, scene: &Scene) -> Result<Vec<Event>, Rejection> {
    let elements: Vec<&RawValue> = match json.trim_start().as_bytes().first() {
        Some(b'{') => serde_json::from_str(json).map(|one| vec![one]),
        _ => serde_json::from_str(json),
    }
    .map_err(|error| {
        Rejection::Malformed(format!("expected an array of events, or the form of Inbound Parse: {error}"))
    })?;
    let mut events = Vec::new();
    let mut unusable = 0;
    for raw in elements {
        match element(raw, scene) {
            Ok(found) => events.extend(found),
            Err(reason) => {
                unusable += 1;
                log::warn(&format!("skipped an element of the array: {reason}"));
            }
        }
    }
    if events.is_empty() && unusable > 0 {
        return Err(Rejection::Malformed(format!("expected a usable event, found only others: {unusable}")));
    }
    Ok(events)
}

fn element(raw: &RawValue, scene: &Scene) -> Result<Vec<Event>, &'static str> {
    let event: SendgridEvent = lenient::read(raw).ok_or("it is no object")?;
    let word = event.event.as_deref().ok_or("it has no `event`")?;
    let meaning = notice::meaning(MEANINGS, word);
    if meaning == Some(Meaning::Nobody) {
        log::info("skipped an event: it is about the account, not about a reader");
        return Ok(Vec::new());
    }
    let recipient = event.email.as_deref().ok_or("it has no `email`")?;
    let at = event.timestamp.ok_or("it has no `timestamp`")?;
    let smtp_id = event.smtp_id.as_deref().map(bare_id);
    // What sending answered as `X-Message-Id`; behind the first point stands which machine sent it.
    let message = event.sg_message_id.as_deref().and_then(|id| id.split('.').next());
    let message = message.or(smtp_id.as_deref()).filter(|id| !id.is_empty());
    let notice = Notice {
        id: event
            .sg_event_id
            .as_deref()
            .map_or_else(|| format!("{}:{word}:{recipient}:{at}", message.unwrap_or_default()), str::to_owned),
        at,
        account: scene.connection,
        recipient,
        attestation: Attestation::Provider,
        message,
        word,
        verbatim: raw.get(),
        extension: extension(
            "com.sendgrid.event",
            &[
                ("sg_message_id", event.sg_message_id.as_deref()),
                ("smtp_id", smtp_id.as_deref()),
                ("url", event.url.as_deref()),
            ],
        ),
    };
    let events = match meaning {
        // Apple Mail fetches every picture before anybody reads.
        Some(Meaning::Read) if event.sg_machine_open => {
            notice.delivery(DeliveryState::Other("opened-by-machine".into()))
        }
        Some(meaning) => notice.events(meaning, Some(failure(&event, word, raw))),
        None => notice.unknown(),
    };
    if events.is_empty() { Err("its `email` is no address") } else { Ok(events) }
}

fn failure<'e>(event: &'e SendgridEvent, word: &'e str, raw: &RawValue) -> Failure<'e> {
    let is_blocked = word == "blocked" || event.kind.as_deref() == Some("blocked");
    Failure {
        word: if is_blocked { "blocked" } else { word },
        status: event.status.as_deref(),
        diagnostic: event.reason.as_deref().or(event.response.as_deref()),
        detail: raw.get().to_owned(),
        is_temporary: match word {
            "dropped" => Some(false),
            _ if is_blocked => Some(true),
            _ => None,
        },
    }
}
