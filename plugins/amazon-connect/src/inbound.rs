//! The way of one delivery: only AWS's own, then each document in it for itself.

use rapport_sdk::prelude::*;
use serde_json::value::RawValue;

use crate::payload::{Envelope, Record};
use crate::person::Place;
use crate::settings::Settings;
use crate::{documents, lifecycle, record};

/// The `source` of everything that Amazon Connect gives to EventBridge.
const SOURCE: &str = "aws.connect";
const CONTACT_EVENT: &str = "Amazon Connect Contact Event";

pub fn receive(cx: &Context, webhook: &Webhook) -> Result<Receipt, Rejection> {
    if !webhook.is_fed() {
        return Err(Rejection::Unauthenticated(
            "expected a delivery of AWS, found a request that anybody can send; fix: name the Kinesis stream or \
             `aws.connect` under `feed` of the connection"
                .into(),
        ));
    }
    let settings = Settings::of(cx)?;
    let json = lenient::document(&webhook.body);
    let text = json.strip_prefix('\u{feff}').unwrap_or(&json);
    let documents = documents::split(text).map_err(Rejection::Malformed)?;
    if text.trim_start().is_empty() {
        return Err(Rejection::Malformed("expected contact records or contact events, found an empty body".into()));
    }
    let scene = Scene { connection: &cx.connection, settings: &settings };
    let mut tally = Tally::default();
    for _ in 0..documents.broken {
        tally.unread.add("a document", "it is no JSON object");
    }
    for (index, raw) in documents.records.into_iter().enumerate() {
        match scene.read(raw) {
            Ok(events) => tally.events.extend(events),
            Err(Rejection::Ignored(reason)) => tally.ignored.push(reason),
            Err(_) => tally.unread.add(&format!("[{index}]"), "it is neither a contact record nor a contact event"),
        }
    }
    tally.receipt()
}

/// What came of the documents so far.
#[derive(Default)]
struct Tally {
    events: Vec<Event>,
    ignored: Vec<String>,
    unread: Unread,
}

impl Tally {
    fn receipt(self) -> Result<Receipt, Rejection> {
        if self.events.is_empty() && !self.unread.is_empty() {
            return Err(Rejection::Malformed(
                "expected contact records with a `ContactId`, or events of `aws.connect`, found neither".into(),
            ));
        }
        match self.ignored.into_iter().next() {
            Some(reason) if self.events.is_empty() => return Err(Rejection::Ignored(reason)),
            Some(reason) => log::info(&format!("skipped records or events; the first: {reason}")),
            None => {}
        }
        Ok(Receipt::events(self.events).with_unread(self.unread.into_lines()))
    }
}

/// What a reader needs besides a document.
struct Scene<'a> {
    connection: &'a str,
    settings: &'a Settings,
}

impl Scene<'_> {
    fn read(&self, raw: &RawValue) -> Result<Vec<Event>, Rejection> {
        let malformed = || Rejection::Malformed("it is not an object of Amazon Connect".into());
        let envelope: Envelope = lenient::read(raw).ok_or_else(malformed)?;
        let Some(detail) = envelope.detail else { return self.record(raw) };
        if envelope.source.as_deref() != Some(SOURCE) {
            return Err(Rejection::Ignored(format!("expected events of `{SOURCE}`, found one of another source")));
        }
        if envelope.detail_type.as_deref().is_some_and(|kind| kind != CONTACT_EVENT) {
            // Analyses, rules, evaluations: all about the business's own work.
            return Err(Rejection::Ignored(format!("expected `{CONTACT_EVENT}`, found another kind of event")));
        }
        let record: Record = lenient::read(detail).ok_or_else(malformed)?;
        let instance = self.instance(&record)?;
        lifecycle::event(&envelope, &record, &self.place(&instance)).map(|event| vec![event])
    }

    fn record(&self, raw: &RawValue) -> Result<Vec<Event>, Rejection> {
        let malformed = || Rejection::Malformed("it is not a contact record".into());
        let record: Record = lenient::read(raw).ok_or_else(malformed)?;
        if record.contact_id.is_none() && lenient::field(raw, "CurrentAgentSnapshot").is_some() {
            return Err(Rejection::Ignored("expected contact records, found an agent event".into()));
        }
        let instance = self.instance(&record)?;
        record::events(&record, raw, &self.place(&instance))
    }

    fn place<'a>(&'a self, instance: &'a str) -> Place<'a> {
        Place { instance, settings: self.settings }
    }

    /// The instance of a contact. In the place of one that is not said stands the connection, which is one side, too.
    fn instance(&self, record: &Record) -> Result<String, Rejection> {
        let found = record.instance();
        if !self.settings.takes(found.as_deref()) {
            return Err(Rejection::Ignored("expected an instance of `instance-ids`, found another one".into()));
        }
        Ok(found.unwrap_or_else(|| self.connection.to_owned()))
    }
}
