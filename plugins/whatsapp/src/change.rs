//! One change: which of Meta's fields it is, whose phone number it belongs to, and which arrays it brings.

use rapport_meta::{Batch, Change, provider_error};
use rapport_sdk::prelude::*;
use serde_json::value::RawValue;

use crate::message::{self, Sender, Source};
use crate::payload::Value;
use crate::scene::Scene;
use crate::settings::Settings;
use crate::{call, handover, history, preference, status, sync, system};

#[derive(Clone, Copy, PartialEq)]
enum Reading {
    /// Messages, echoes, statuses, calls, preferences: whatever arrays are there.
    Conversation,
    /// A conversation that somebody else answers.
    Standby,
    History,
    Handover,
    Skipped,
}

/// Meta's webhook fields for a WhatsApp Business Account, in the order of its reference, read in October 2026.
const FIELDS: &[(&str, Reading)] = &[
    // What customers and the business say to each other, and what became of it.
    ("messages", Reading::Conversation),
    // What the business sent from the WhatsApp Business app (coexistence).
    ("smb_message_echoes", Reading::Conversation),
    // The app's address book.
    ("smb_app_state_sync", Reading::Conversation),
    // The app's chats from before the connection.
    ("history", Reading::History),
    // Voice calls.
    ("calls", Reading::Conversation),
    // A user stops or resumes marketing messages.
    ("user_preferences", Reading::Conversation),
    // The same as `messages` while Meta's Business Agent or another app holds the conversation (August 2026).
    ("standby", Reading::Standby),
    // Who holds the conversation from now on (August 2026).
    ("messaging_handovers", Reading::Handover),
    // A user's id changed; only in early documentation, now a `system` message.
    ("user_id_update", Reading::Conversation),
    // Groups, their members and settings.
    ("group_lifecycle_update", Reading::Skipped),
    ("group_participants_update", Reading::Skipped),
    ("group_settings_update", Reading::Skipped),
    ("group_status_update", Reading::Skipped),
    // The account, its numbers, limits and reviews.
    ("account_update", Reading::Skipped),
    ("account_alerts", Reading::Skipped),
    ("account_review_update", Reading::Skipped),
    ("account_settings_update", Reading::Skipped),
    ("business_capability_update", Reading::Skipped),
    ("business_username_update", Reading::Skipped),
    ("phone_number_name_update", Reading::Skipped),
    ("phone_number_quality_update", Reading::Skipped),
    // Templates.
    ("message_template_status_update", Reading::Skipped),
    ("message_template_quality_update", Reading::Skipped),
    ("message_template_components_update", Reading::Skipped),
    ("template_category_update", Reading::Skipped),
    ("template_correct_category_detection", Reading::Skipped),
    // Payments, partners, flows, PINs and detected events.
    ("payment_configuration_update", Reading::Skipped),
    ("partner_solutions", Reading::Skipped),
    ("flows", Reading::Skipped),
    ("security", Reading::Skipped),
    ("automatic_events", Reading::Skipped),
    ("tracking_events", Reading::Skipped),
];

/// Extension: errors that stand beside messages, statuses and calls.
const VALUE_ERRORS: &str = "com.whatsapp.value-errors";

/// Extension of everything that arrived under `standby`.
const STANDBY: &str = "com.whatsapp.standby";

pub fn read(change: &Change, settings: &Settings, batch: &mut Batch) {
    let Some(field) = change.field.as_deref() else { return batch.malformed("changes", "it has no `field`") };
    let reading = FIELDS.iter().find(|(name, _)| *name == field).map(|(_, reading)| *reading);
    match (reading, change.value) {
        (None, _) => log::info(&format!("skipped the unknown field `{field}`")),
        (Some(Reading::Skipped), _) => log::debug(&format!("skipped the field `{field}`, which is about no customer")),
        (Some(reading), Some(raw)) => value(reading, raw, settings, batch),
        (Some(_), None) => batch.malformed("changes", "it has no `value`"),
    }
}

fn value(reading: Reading, raw: &RawValue, settings: &Settings, batch: &mut Batch) {
    let Some(value) = lenient::read::<Value>(raw) else {
        return batch.malformed("changes", "its `value` is not an object");
    };
    let number = value.metadata.as_ref().or(value.recipient.as_ref());
    let Some(account) = number.and_then(|number| number.phone_number_id.as_deref()) else {
        return batch.malformed("changes", "its `value` has no `metadata.phone_number_id`");
    };
    if !settings.takes(account) {
        return batch.count_foreign();
    }
    batch.count_ours();
    batch.each_object("contacts", &value.contacts, |_, _| {});
    let scene = Scene {
        account,
        display_number: number.and_then(|number| number.display_phone_number.as_deref()),
        contacts: &value.contacts,
        elements: value.elements(),
    };
    match reading {
        Reading::Conversation => conversation(&value, Sender::Business(Author::Agent), &scene, batch),
        Reading::Standby => standby(&value, &scene, batch),
        Reading::History => history::read(&value, &scene, batch),
        Reading::Handover => handover::read(raw, &scene, batch),
        Reading::Skipped => {}
    }
}

/// Everything under `standby`, of which current payloads have a second level and early ones have not.
///
/// An echo there was sent by whoever holds the conversation: Meta's Business Agent, a machine.
fn standby(value: &Value, scene: &Scene, batch: &mut Batch) {
    let start = batch.position();
    let echo_sender = Sender::Business(Author::Automation);
    conversation(value, echo_sender, scene, batch);
    let inner = value.standby.filter(|raw| raw.get() != "null").map(lenient::read::<Value>);
    if inner.as_ref().is_some_and(Option::is_none) {
        batch.malformed("standby", "it is not an object");
    }
    if let Some(inner) = inner.flatten() {
        let contacts = if inner.contacts.is_empty() { scene.contacts } else { &inner.contacts };
        batch.each_object("contacts", &inner.contacts, |_, _| {});
        let elements = inner.elements();
        conversation(&inner, echo_sender, &Scene { contacts, elements, ..*scene }, batch);
    }
    batch.extend_since(start, STANDBY, &true);
}

/// Adds the errors of a value to every event of it: Meta names neither the message nor the call that they are about.
fn conversation(value: &Value, echo_sender: Sender, scene: &Scene, batch: &mut Batch) {
    let start = batch.position();
    let by_number = Source { array: "messages", sender: Sender::ByNumber, thread: None };
    let echo = Source { array: "message_echoes", sender: echo_sender, thread: None };
    batch.each("messages", &value.messages, |raw, batch| message::read(raw, &by_number, scene, batch));
    batch.each("message_echoes", &value.message_echoes, |raw, batch| message::read(raw, &echo, scene, batch));
    batch.each("statuses", &value.statuses, |raw, batch| status::read(raw, scene, batch));
    batch.each("calls", &value.calls, |raw, batch| call::read(raw, scene, batch));
    batch.each("user_preferences", &value.user_preferences, |raw, batch| preference::read(raw, scene, batch));
    batch.each("user_id_update", &value.user_id_update, |raw, batch| system::read_update(raw, scene, batch));
    batch.each("state_sync", &value.state_sync, |raw, batch| sync::read(raw, scene, batch));
    if value.errors.is_empty() {
        return;
    }
    if batch.position() > start {
        return batch.extend_since(start, VALUE_ERRORS, &value.errors);
    }
    // Of the system, the app or the account: documented, about no customer, and nothing that a replay could read better.
    log::error(&format!("Meta reports errors of no message: {}", provider_error::codes(&value.errors)));
}
