//! No secret at rest: what proves a webhook, and what its manifest names, is taken out of it before it is stored.
//!
//! Two kinds of values go. Secrets of the connection, wherever they stand: a token in a header field, a password in a URL.
//! And values that only the webhook knows, by their place: a session id, a signature that covers no body. Both are looked
//! for as they are and as JSON, XML, a URL or a form escapes them, in the URL, in every header field, in the body's bytes,
//! in events and in log lines. So a body that nothing can parse is stored all the same, without them.

mod escaped;
mod places;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rapport_model::Event;
use rapport_model::exchange::{Answer, Response};
use rapport_sandbox::{LogLine, Redact};
use rapport_store::RawWebhook;

use crate::credentials::BASIC;
use crate::secrets::SecretValues;

/// Bytes of the shortest secret that is looked for inside of other text: a shorter one is part of words, and taking it out
/// would ruin what customers wrote. It is taken out where it is a whole header field, or a whole parameter of the URL.
const SEARCHED_BYTES_MIN: usize = 8;

/// Values of one webhook that are looked for everywhere. A provider sends a handful; each costs a look at every byte. What
/// more there are go where they stand.
const NAMED_SEARCHED_MAX: usize = 64;

/// What stands for the secrets of a connection.
#[derive(Default)]
pub struct Known(Vec<Needle>);

/// A value that is taken out, and what takes its place.
#[derive(Clone)]
struct Needle {
    value: Vec<u8>,
    stand_in: String,
}

/// What is taken out of one webhook.
pub struct Redaction<'a> {
    known: &'a [Needle],
    /// Values that the manifest names, as they are in this webhook.
    named: Vec<Needle>,
}

impl Known {
    /// All versions of all secrets. Of Basic credentials also the password, and both as they are sent.
    pub fn of(secrets: &SecretValues) -> Self {
        let mut needles = Vec::new();
        for (name, version) in secrets.all() {
            let stand_in = format!("[redacted:{name}]");
            let mut put = |value: &[u8]| needles.push(Needle { value: value.to_vec(), stand_in: stand_in.clone() });
            put(version);
            if let Some(key) = version.strip_prefix(b"whsec_") {
                put(key);
            }
            if name == BASIC {
                put(STANDARD.encode(version).as_bytes());
                let colon = version.iter().position(|byte| *byte == b':');
                colon.into_iter().for_each(|colon| put(&version[colon + 1..]));
            }
        }
        needles.retain(|needle| !needle.value.is_empty());
        // What holds another one goes first.
        needles.sort_by_key(|needle| std::cmp::Reverse(needle.value.len()));
        Self(needles)
    }
}

impl<'a> Redaction<'a> {
    /// Of this webhook.
    pub fn of(known: &'a Known, redact: &Redact, webhook: &RawWebhook) -> Self {
        let mut named: Vec<Needle> = Vec::new();
        if !redact.is_empty() {
            let values = places::values(redact, webhook).into_iter().filter(|value| !value.is_empty());
            named.extend(values.map(|value| Needle { stand_in: zeros(&value), value }));
            named.sort_by_key(|needle| std::cmp::Reverse(needle.value.len()));
            named.dedup_by(|a, b| a.value == b.value);
            named.truncate(NAMED_SEARCHED_MAX);
        }
        Self { known: &known.0, named }
    }

    /// For an unproven webhook. Nothing of it is stored, so only the connection's own secrets matter. A search for the rest
    /// would take as long as the sender likes.
    pub fn of_unproven(known: &'a Known) -> Self {
        Self { known: &known.0, named: Vec::new() }
    }

    /// The webhook as it may be stored.
    pub fn webhook(&self, redact: &Redact, mut webhook: RawWebhook) -> RawWebhook {
        // By their place first: a short value is not looked for anywhere else.
        webhook.body = places::without(redact, &webhook.headers, webhook.body);
        for (name, value) in &mut webhook.headers {
            if redact.headers.contains(name) {
                *value = zeros(value.as_bytes());
            }
            if let Some(needle) = self.needles().find(|needle| needle.value == value.as_bytes()) {
                value.clone_from(&needle.stand_in);
            }
            self.replace_text(value);
        }
        webhook.url = self.query(redact, webhook.url);
        self.replace_text(&mut webhook.url);
        if let Some(body) = escaped::replaced(&webhook.body, self.searched()) {
            webhook.body = body;
        }
        webhook
    }

    /// Events without them: a connector sees header fields and the body, and may repeat what it saw.
    pub fn events(&self, events: Vec<Event>) -> Vec<Event> {
        if self.searched().next().is_none() {
            return events;
        }
        events.into_iter().map(|event| self.event(event)).collect()
    }

    fn event(&self, event: Event) -> Event {
        let Ok(json) = serde_json::to_vec(&event) else { return event };
        let Some(without) = escaped::replaced(&json, self.searched()) else { return event };
        // What stands in holds nothing that JSON escapes, so this stays an event.
        serde_json::from_slice(&without).unwrap_or(event)
    }

    /// What a provider answered.
    pub fn response(&self, mut response: Response) -> Response {
        for (_, value) in &mut response.headers {
            self.replace_text(value);
        }
        if let Answer::Bytes(body) = &mut response.body
            && let Some(without) = escaped::replaced(body, self.searched())
        {
            *body = without;
        }
        response
    }

    /// A line for the log.
    pub fn line(&self, mut text: String) -> String {
        self.replace_text(&mut text);
        text
    }

    /// Lines that a connector logged.
    pub fn lines(&self, lines: &[LogLine]) -> Vec<LogLine> {
        lines.iter().map(|line| LogLine { level: line.level, message: self.line(line.message.clone()) }).collect()
    }

    fn needles(&self) -> impl Iterator<Item = &Needle> {
        self.named.iter().chain(self.known)
    }

    /// Values that are looked for everywhere, each with what takes its place; the longer ones first.
    fn searched(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let long = self.needles().filter(|needle| needle.value.len() >= SEARCHED_BYTES_MIN);
        long.map(|needle| (needle.value.as_slice(), needle.stand_in.as_bytes()))
    }

    fn replace_text(&self, text: &mut String) {
        if let Some(without) = escaped::replaced(text.as_bytes(), self.searched()) {
            *text = String::from_utf8_lossy(&without).into_owned();
        }
    }

    /// A URL whose parameters are no secret.
    fn query(&self, redact: &Redact, url: String) -> String {
        let Some((path, query)) = url.split_once('?') else { return url };
        let field = |field: &str| -> String {
            let Some((name, value)) = field.split_once('=') else { return field.to_owned() };
            let (plain_name, plain) = (places::component(name.as_bytes()), places::component(value.as_bytes()));
            if redact.query.iter().any(|named| named.as_bytes() == plain_name) {
                return format!("{name}={}", zeros(&plain));
            }
            match self.needles().find(|needle| needle.value == plain) {
                Some(needle) => format!("{name}={}", needle.stand_in),
                None => field.to_owned(),
            }
        };
        format!("{path}?{}", query.split('&').map(field).collect::<Vec<_>>().join("&"))
    }
}

/// What stands for a value whose place the manifest names: as long, and still hexadecimal or base64 where that was its
/// form, so that a connector which reads it again gets as far as asking `verify`, which remembers its answer.
fn zeros(value: &[u8]) -> String {
    let padding = value.iter().rev().take_while(|byte| **byte == b'=').count();
    format!("{}{}", "0".repeat(value.len() - padding), "=".repeat(padding))
}

#[cfg(test)]
mod tests;
