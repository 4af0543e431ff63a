//! Mailgun's webhooks: what became of one mail for one reader.

use rapport_sdk::event;
use rapport_sdk::prelude::*;
use serde_json::value::RawValue;

use crate::failure::Failure;
use crate::mail::{bare_id, mailboxes_in};
use crate::multipart::Form;
use crate::notice::{self, Meaning, Notice, extension};
use crate::payload::MailgunEvent;
use crate::scene::Scene;
use crate::{address, mailgun};

/// Mailgun's words, November 2026; the last three are of the webhooks of before 2018.
const MEANINGS: &[(&str, Meaning)] = &[
    // Taken over, about to be sent.
    ("accepted", Meaning::Queued),
    // Refused by Mailgun itself.
    ("rejected", Meaning::Failed),
    ("delivered", Meaning::Delivered),
    // `severity`: `permanent`, or `temporary` and tried again.
    ("failed", Meaning::Failed),
    ("opened", Meaning::Read),
    ("clicked", Meaning::Clicked),
    ("unsubscribed", Meaning::Unsubscribed),
    ("complained", Meaning::Complained),
    // Mail that came was stored; a route's own request brings it.
    ("stored", Meaning::Nobody),
    ("dropped", Meaning::Failed),
    ("bounced", Meaning::Failed),
    ("deferred", Meaning::Delayed),
];

pub fn read(raw: &RawValue, scene: &Scene) -> Result<Vec<Event>, Rejection> {
    let missing = |what: &str| Rejection::Malformed(format!("expected `event-data` with {what}, found none"));
    let event: MailgunEvent = lenient::read(raw).ok_or_else(|| missing("fields"))?;
    let word = event.event.as_deref().ok_or_else(|| missing("an `event`"))?;
    let mut meaning = notice::meaning(MEANINGS, word);
    if meaning == Some(Meaning::Nobody) {
        return Ok(Vec::new());
    }
    let is_temporary = event.severity.as_deref().map(|severity| severity.eq_ignore_ascii_case("temporary"));
    if meaning == Some(Meaning::Failed) && is_temporary == Some(true) {
        meaning = Some(Meaning::Delayed);
    }
    let at = event.timestamp.ok_or_else(|| missing("a `timestamp`"))?;
    let headers = event.message.as_ref().and_then(|message| message.headers.as_ref());
    // Mailgun refused the mail as a whole: its readers stand in its head.
    let named = || headers.and_then(|headers| headers.to.as_deref()).map(mailboxes_in).unwrap_or_default();
    let recipients: Vec<String> = match event.recipient.as_deref() {
        Some(recipient) => vec![recipient.to_owned()],
        None => named().into_iter().map(|found| found.address).collect(),
    };
    let first = recipients.first().ok_or_else(|| missing("a `recipient`"))?;
    let message = headers.and_then(|headers| headers.message_id.as_deref()).map(bare_id);
    let domain = event.domain.as_ref().and_then(|domain| domain.name.as_deref());
    let id = match event.id.as_deref() {
        Some(id) => id.to_owned(),
        None => format!("{}:{word}:{first}:{at}", message.as_deref().unwrap_or_default()),
    };
    let account = account(domain, message.as_deref(), scene);
    let is_machine = event.client_info.as_ref().is_some_and(|client| client.bot.is_some());
    let mut events = Vec::new();
    for (place, recipient) in recipients.iter().enumerate() {
        let notice = Notice {
            id: if place == 0 { id.clone() } else { format!("{id}:{recipient}") },
            at,
            account: &account,
            recipient,
            attestation: Attestation::Provider,
            message: message.as_deref(),
            word,
            verbatim: raw.get(),
            extension: extension(
                "com.mailgun.event",
                &[("severity", event.severity.as_deref()), ("reason", event.reason.as_deref())],
            ),
        };
        events.extend(match meaning {
            // Apple Mail and scanners fetch every picture before anybody reads.
            Some(Meaning::Read) if is_machine => notice.delivery(DeliveryState::Other("opened-by-machine".into())),
            Some(meaning) => notice.events(meaning, Some(failure(&event, word, raw))),
            None => notice.unknown(),
        });
    }
    if events.is_empty() { Err(missing("an address as `recipient`")) } else { Ok(events) }
}

fn failure<'e>(event: &'e MailgunEvent, word: &'e str, raw: &RawValue) -> Failure<'e> {
    let status = event.delivery_status.as_ref();
    let said = status.and_then(|status| status.message.as_deref().or(status.description.as_deref()));
    let rejected = event.reject.as_ref().and_then(|reject| reject.reason.as_deref().or(reject.description.as_deref()));
    let code = status.and_then(|status| status.code.as_deref());
    let enhanced = status.and_then(|status| status.enhanced_code.as_deref());
    Failure {
        word: enhanced.is_none().then_some(code).flatten().or(event.reason.as_deref()).unwrap_or(word),
        status: enhanced,
        diagnostic: said.or(rejected).or(event.reason.as_deref()),
        detail: raw.get().to_owned(),
        is_temporary: Some(event.severity.as_deref() == Some("temporary")),
    }
}

/// A webhook of before 2018, whose event is fields of a form. The variables of the mail stand behind them, and may have
/// their names.
pub fn read_form(form: &Form, scene: &Scene) -> Result<Vec<Event>, Rejection> {
    let missing =
        |what: &str| Rejection::Malformed(format!("expected `{what}` in a webhook of the old kind, found none"));
    let word = form.first_filled("event").ok_or_else(|| missing("event"))?;
    let recipient = form.first_filled("recipient").ok_or_else(|| missing("recipient"))?;
    let at =
        form.filled("timestamp").and_then(|at| at.trim().parse::<u64>().ok()).ok_or_else(|| missing("timestamp"))?
            * 1000;
    let names = ["Message-Id", "message-id", "Message-ID"];
    // Of a mail that bounced there is nothing but its head.
    let of_head = || mailgun::headers(form).first("message-id").map(bare_id);
    let message = names.iter().find_map(|name| form.first_filled(name)).map(|id| bare_id(&id)).or_else(of_head);
    let key = message.as_deref().unwrap_or_default();
    // A mail arrives or fails once; it is opened and clicked often.
    let id = match word.as_ref() {
        "delivered" | "dropped" | "bounced" => format!("{key}:{word}:{recipient}"),
        _ => format!("{key}:{word}:{recipient}:{at}"),
    };
    let domain = form.first_filled("domain");
    let account = account(domain.as_deref(), message.as_deref(), scene);
    let fields = ["event", "code", "error", "reason", "description", "url", "notification"];
    let known: std::collections::BTreeMap<_, _> =
        fields.iter().filter_map(|name| Some((*name, form.first_filled(name)?))).collect();
    let verbatim = event::json(&known);
    let notice = Notice {
        id,
        at,
        account: &account,
        recipient: &recipient,
        attestation: Attestation::Provider,
        message: message.as_deref(),
        word: &word,
        verbatim: &verbatim,
        extension: None,
    };
    let (code, said) = (known.get("code"), known.get("error").or(known.get("description")).or(known.get("reason")));
    let failure = Failure {
        word: code.map_or(word.as_ref(), |code| code.as_ref()),
        status: None,
        diagnostic: said.map(|said| said.as_ref()),
        detail: verbatim.clone(),
        is_temporary: Some(code.is_some_and(|code| code.starts_with('4'))),
    };
    let events = match notice::meaning(MEANINGS, &word) {
        Some(meaning) => notice.events(meaning, Some(failure)),
        None => notice.unknown(),
    };
    if events.is_empty() { Err(missing("recipient")) } else { Ok(events) }
}

/// The domain that sent: no other name of the business stands in every event of a mail.
fn account(domain: Option<&str>, message: Option<&str>, scene: &Scene) -> String {
    let of_message = message.map(address::domain).filter(|domain| !domain.is_empty());
    domain.or(of_message).unwrap_or(scene.connection).to_ascii_lowercase()
}
