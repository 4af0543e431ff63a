//! Event Streams: CloudEvents about messages, one or a batch, as JSON. Unlike a form, each says its time.

use rapport_sdk::prelude::*;
use serde_json::value::RawValue;

use crate::identity::Direction;
use crate::payload::{CloudEvent, Fields};
use crate::settings::Settings;
use crate::status::Report;
use crate::{message, status};

/// The beginning of every type that is about messages.
const MESSAGING: &str = "com.twilio.messaging.";
/// What is known after it: a message came in. The others are `message.` and a status.
const RECEIVED: &[&str] = &["inbound-message.received", "message.received"];
const STATUS: &str = "message.";

/// Types that are about no customer, October 2026.
const SKIPPED: &[&str] = &[
    // Somebody tests the sink.
    "com.twilio.eventstreams.test-event",
];

/// The events of one body, and what of it could not become one.
#[derive(Default)]
struct Batch {
    events: Vec<Event>,
    unread: Unread,
    /// Which event is being read.
    index: usize,
    /// Of what could not be read: how many are not of a type that is for others.
    malformed: usize,
    foreign: usize,
    unknown: Option<String>,
}

pub fn read(body: &[u8], settings: &Settings, connection: &str) -> Result<Receipt, Rejection> {
    let json = lenient::document(body);
    let malformed =
        |error| Rejection::Malformed(format!("expected one or several CloudEvents, {}", lenient::explain(&error)));
    let elements: Vec<&RawValue> = if json.trim_start().starts_with('[') {
        serde_json::from_str(&json).map_err(malformed)?
    } else {
        vec![serde_json::from_str(&json).map_err(malformed)?]
    };
    let mut batch = Batch::default();
    for (index, element) in elements.into_iter().enumerate() {
        batch.index = index;
        batch.read(element, settings, connection);
    }
    batch.finish()
}

impl Batch {
    fn read(&mut self, raw: &RawValue, settings: &Settings, connection: &str) {
        let event: CloudEvent = lenient::read(raw).unwrap_or_default();
        let Some(kind) = event.kind.as_deref() else { return self.malformed("it has no `type`") };
        if SKIPPED.contains(&kind) {
            return log::debug(&format!("skipped a `{kind}`: it is about no customer"));
        }
        let Some(kind) = kind.strip_prefix(MESSAGING).filter(|kind| is_known(kind)) else {
            return self.unknown(kind);
        };
        let Some(fields) = event.data.and_then(Fields::of_object) else {
            return self.malformed("its `data` is not an object");
        };
        let account_sid = event.source.as_deref().and_then(account_of_source);
        let fields = fields.or("Time", event.time).or("AccountSid", account_sid.map(str::to_owned));
        if !settings.takes(fields.id("AccountSid")) {
            self.foreign += 1;
            return log::debug("skipped an event: its account is not in `account-sids`");
        }
        let Some(id) = fields.any(message::IDS) else { return self.malformed("it has no `messageSid`") };
        let events = match kind.strip_prefix(STATUS).filter(|_| !RECEIVED.contains(&kind)) {
            None => message::read(id, &fields, connection),
            Some(word) => {
                let report = Report { word: word.to_ascii_lowercase(), direction: Direction::Outbound };
                status::read(id, &report, &fields, connection)
            }
        };
        match events {
            Ok(events) => self.events.extend(events),
            Err(reason) => self.malformed(reason),
        }
    }

    fn malformed(&mut self, reason: &str) {
        self.malformed += 1;
        self.unread.add(&format!("[{}]", self.index), reason);
    }

    fn unknown(&mut self, kind: &str) {
        self.unread.add(&format!("[{}]", self.index), &format!("its type `{kind}` is not known"));
        self.unknown.get_or_insert_with(|| kind.to_owned());
    }

    /// What the host is told.
    fn finish(self) -> Result<Receipt, Rejection> {
        if !self.events.is_empty() || self.malformed > 0 {
            return self.unread.receipt(self.events);
        }
        if let Some(kind) = self.unknown {
            return Err(Rejection::Unsupported(format!(
                "expected events about messages, found `{kind}`; fix: subscribe this sink to `{MESSAGING}*` only"
            )));
        }
        if self.foreign > 0 {
            return Err(Rejection::Ignored("expected an account of `account-sids`, found only others".into()));
        }
        Ok(Receipt::events(Vec::new()))
    }
}

fn is_known(kind: &str) -> bool {
    RECEIVED.contains(&kind) || kind.strip_prefix(STATUS).is_some_and(|word| !word.is_empty() && !word.contains('.'))
}

/// The account in `/2010-04-01/Accounts/AC…/Messages/SM….json`: some events name it nowhere else.
fn account_of_source(source: &str) -> Option<&str> {
    let (_, rest) = source.split_once("/Accounts/")?;
    rest.split('/').next().filter(|sid| sid.starts_with("AC"))
}
