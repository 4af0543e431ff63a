//! SendGrid's Event Webhook: an array of what became of mail that was sent.

use rapport_sdk::prelude::*;
use serde_json::value::RawValue;

use crate::failure::Failure;
use crate::mail::bare_id;
use crate::notice::{self, Meaning, Notice, extension};
use crate::payload::SendgridEvent;
use crate::scene::Scene;

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

/// Events of one webhook: as many as the host takes from a call.
const BATCH_MAX: usize = 5_000;

/// Reads the array; an element that cannot be read fails none of the others.
pub fn read(json: &str, scene: &Scene) -> Result<Receipt, Rejection> {
    let elements = lenient::batch(json, BATCH_MAX)
        .map_err(|error| Rejection::Malformed(format!("{error}; nor is it the form of Inbound Parse")))?;
    let mut events = Vec::new();
    let mut unread = Unread::default();
    for (place, raw) in elements.into_iter().enumerate() {
        match element(raw, scene) {
            Ok(found) => events.extend(found),
            Err(reason) => unread.add(&format!("[{place}]"), reason),
        }
    }
    unread.receipt(events)
}

fn element(raw: &RawValue, scene: &Scene) -> Result<Vec<Event>, &'static str> {
    let event: SendgridEvent = lenient::read(raw).ok_or("it is not an object")?;
    let word = event.event.as_deref().ok_or("it has no `event`")?;
    let meaning = notice::meaning(MEANINGS, word);
    if meaning == Some(Meaning::Nobody) {
        log::info("skipped an event: it is about the account, not about a reader");
        return Ok(Vec::new());
    }
    let recipient = event.email.as_deref().ok_or("it has no `email`")?;
    let at = event.timestamp.ok_or("it has no `timestamp`")?;
    let smtp_id = event.smtp_id.as_deref().map(bare_id);
    let message = message(event.sg_message_id.as_deref(), smtp_id.as_deref());
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
    if events.is_empty() { Err("its `email` is not an address") } else { Ok(events) }
}

/// What sending answered as `X-Message-Id`, behind which `sg_message_id` says which machine sent it. Of a mail that was
/// dropped there may be only the machine; then the id stands in front of the `smtp-id`.
fn message<'e>(sg_message_id: Option<&'e str>, smtp_id: Option<&'e str>) -> Option<&'e str> {
    const MACHINES: &[&str] = &["filter", "recvd"];
    let begins_machine = |text: &str| MACHINES.iter().any(|machine| text.starts_with(machine));
    let id = sg_message_id.filter(|id| !begins_machine(id)).map(|id| {
        // Ids of before 2015 have points of their own.
        let end = id.match_indices('.').map(|(at, _)| at).find(|at| begins_machine(&id[at + 1..]));
        end.map_or_else(|| id.split('.').next().unwrap_or(id), |end| &id[..end])
    });
    let of_smtp = smtp_id.map(|id| match id.rsplit_once('@') {
        Some((local, domain)) if domain.ends_with("sendgrid.net") => local,
        _ => id,
    });
    id.filter(|id| !id.is_empty()).or(of_smtp).or(sg_message_id).filter(|id| !id.is_empty())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_has_one_id_whatever_machine_speaks_of_it() {
        const SMTP: Option<&str> = Some("x1@ismtpd0006p1sjc2.sendgrid.net");
        for (sg_message_id, smtp_id, expected) in [
            (Some("x1.filterdrecv-p3mdw1-756b745b58-kmzbl-18-5F5FC76C-9.0"), None, Some("x1")),
            (Some("x1.recvd-7b8c7f6d5-abcde-1-65A1B2C3-1.0"), SMTP, Some("x1")),
            (Some("14c5d75ce93.dfd.64b469.filter0001.16648.5515E0B88.0"), None, Some("14c5d75ce93.dfd.64b469")),
            (Some("x1.elsewhere.0"), None, Some("x1")),
            (Some("filter0093p1las1.9128.5717FB8127.0"), SMTP, Some("x1")),
            (Some("filter0093p1las1.9128.5717FB8127.0"), None, Some("filter0093p1las1.9128.5717FB8127.0")),
            (None, Some("2@example.com"), Some("2@example.com")),
            (Some(""), None, None),
            (None, None, None),
        ] {
            assert_eq!(message(sg_message_id, smtp_id), expected, "{sg_message_id:?} {smtp_id:?}");
        }
    }
}
