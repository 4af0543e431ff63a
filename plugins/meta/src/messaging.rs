//! The Messenger Platform: `entry[].messaging[]` and `entry[].standby[]`, which Messenger and Instagram share.
//!
//! A channel is a [`Channel`]: the words and lists in which it differs. Its folder calls [`read`] for each entry, and
//! [`read_change`] before it reads a change itself. Each module below reads one kind of element.
//!
//! Source: Meta's Messenger Platform and Instagram messaging documentation and the payloads of open-source
//! integrations, read in November 2026.

mod attachment;
mod edit;
mod feedback;
mod fields;
mod handover;
mod message;
mod notice;
mod optin;
mod postback;
mod reaction;
mod receipt;
mod referral;
mod scene;

use rapport_sdk::prelude::*;
use serde::Deserialize;
use serde_json::value::RawValue;

pub use attachment::Shape;
use fields::Fields;
use scene::{Parties, Scene};

use crate::{Batch, Change, Text};

/// One channel of the platform, as far as it differs from the others.
pub struct Channel {
    /// The scheme of a customer's id, which is unique inside one account. Other addresses are in schemes below it.
    pub scheme: &'static str,
    /// What the keys of its extensions begin with.
    pub extensions: &'static str,
    /// The apps in which Meta lets people answer.
    pub inboxes: &'static [&'static str],
    /// The types of attachments that only this channel has, or that are something else in it.
    pub attachments: &'static [(&'static str, Shape)],
}

/// A connection of a channel, as its settings say.
pub struct Connection<'c> {
    pub channel: &'c Channel,
    /// The accounts that it is for; none: all.
    pub accounts: Option<&'c [lenient::Id]>,
    /// The business's own apps: what they send is automation.
    pub apps: &'c [lenient::Id],
}

impl Connection<'_> {
    /// Whether an account is one that the connection is for.
    pub fn takes(&self, account: &str) -> bool {
        self.accounts.is_none_or(|ids| ids.iter().any(|id| id.0 == account))
    }

    fn is_own(&self, app: &str) -> bool {
        self.apps.iter().any(|id| id.0 == app)
    }

    fn is_inbox(&self, app: &str) -> bool {
        self.channel.inboxes.contains(&app)
    }
}

/// An element of `entry`.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Entry<'a> {
    /// The account, except in test deliveries, where it is `0`.
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub id: Text<'a>,
    /// When Meta put it together, in milliseconds.
    #[serde(deserialize_with = "lenient::time")]
    pub time: Option<u64>,
    #[serde(borrow, deserialize_with = "lenient::list")]
    messaging: Vec<&'a RawValue>,
    /// What happens in conversations that another app holds.
    #[serde(borrow, deserialize_with = "lenient::list")]
    standby: Vec<&'a RawValue>,
    #[serde(borrow, deserialize_with = "lenient::places")]
    changes: Vec<Option<Change<'a>>>,
    /// The entry is a change itself, as Meta's documentation of Instagram Login shows comments.
    #[serde(borrow, deserialize_with = "lenient::id")]
    field: Text<'a>,
    #[serde(borrow)]
    value: Option<&'a RawValue>,
}

impl<'a> Entry<'a> {
    /// What changed beside the conversations; none in the place of what is no object.
    pub fn changes(&self) -> Vec<Option<Change<'a>>> {
        let own = Change { field: self.field.clone(), value: self.value };
        let is_change = own.field.is_some() && own.value.is_some();
        self.changes.iter().cloned().chain(is_change.then_some(Some(own))).collect()
    }
}

type Reader = fn(&RawValue, &Scene, &mut Batch);

/// What an element may be about: the fields of the platform's webhooks in the order of its reference, November 2026.
const KINDS: &[(&str, Reader)] = &[
    // Somebody wrote, unsent what was written, or the business did (`is_echo`).
    ("message", message::read),
    // The customer changed what was written.
    ("message_edit", edit::read),
    // An emoji was put on a message, or taken back.
    ("reaction", reaction::read),
    // A button, the menu, an ice breaker or "Get started" was tapped.
    ("postback", postback::read),
    // What the business sent arrived.
    ("delivery", receipt::delivery),
    // What the business sent was seen.
    ("read", receipt::read),
    // The customer came by a link, an advertisement or a code into a conversation that was there before.
    ("referral", referral::read),
    // The customer wants messages: by a plug-in, for a topic, once; or no more of them.
    ("optin", optin::read),
    // The answers to a customer feedback template.
    ("messaging_feedback", feedback::survey),
    // Thumbs up or down for one message of the business.
    ("response_feedback", feedback::response),
    // The conversation belongs to another app from now on.
    ("pass_thread_control", handover::passed),
    ("take_thread_control", handover::taken),
    // Another app wants the conversation; nothing changes yet.
    ("request_thread_control", notice::thread_control_requested),
    // The customer's account with the business was linked or unlinked.
    ("account_linking", notice::account_linking),
    // Roles of apps, and warnings of Meta's: about the account, rarely about a customer.
    ("app_roles", notice::app_roles),
    ("policy_enforcement", notice::policy_enforcement),
    // The same as Meta wrote it at first.
    ("policy-enforcement", notice::policy_enforcement),
];

/// The kinds that may be about nobody: then they are skipped, and nothing is wrong with them.
const ABOUT_NOBODY: [&str; 4] = ["app_roles", "policy_enforcement", "policy-enforcement", "message_edit"];

/// Extension of everything that arrived under `standby`.
const STANDBY: &str = "standby";

/// Extension of what a customer says after a plug-in or a one-time notification had been sent: what was before it.
const PRIOR_MESSAGE: &str = "prior-message";

/// Reads what an entry says of conversations.
pub fn read(entry: &Entry, connection: &Connection, batch: &mut Batch) {
    if entry.messaging.is_empty() && entry.standby.is_empty() && entry.changes().is_empty() {
        return batch.malformed("entry", "it has no `messaging`, `standby` or `changes`");
    }
    batch.each("messaging", &entry.messaging, |raw, batch| element(raw, "messaging", entry, connection, batch));
    batch.each(STANDBY, &entry.standby, |raw, batch| element(raw, STANDBY, entry, connection, batch));
}

/// Reads a change that is an element of `messaging` in another wrapping, as the dashboard's test deliveries and
/// Instagram Login send them. False for any other change, of which nothing was read.
pub fn read_change(change: &Change, entry: &Entry, connection: &Connection, batch: &mut Batch) -> bool {
    let Some(value) = change.value else { return false };
    let array = if change.field.as_deref() == Some(STANDBY) { STANDBY } else { "changes" };
    let wrapped: Entry = lenient::read(value).unwrap_or_default();
    for raw in wrapped.messaging.iter().chain(&wrapped.standby) {
        element(raw, array, entry, connection, batch);
    }
    if !wrapped.messaging.is_empty() || !wrapped.standby.is_empty() {
        return true;
    }
    let fields = Fields::of(value);
    let has_party = ["sender", "recipient"].iter().any(|name| fields.get(name).is_some());
    let is_element = has_party && KINDS.iter().any(|(kind, _)| fields.get(kind).is_some());
    if is_element {
        element(value, array, entry, connection, batch);
    }
    is_element
}

fn element(raw: &RawValue, array: &str, entry: &Entry, connection: &Connection, batch: &mut Batch) {
    let fields = Fields::of(raw);
    if fields.is_empty() {
        return batch.malformed(array, "it is not an object, or an empty one");
    }
    let parties = Parties::of(&fields, entry.id.as_deref());
    let Some(account) = parties.account.as_deref() else {
        return batch.malformed(array, "it has no `recipient`, and its entry no `id`");
    };
    if !connection.takes(account) {
        return batch.count_foreign();
    }
    batch.count_ours();
    let Some(contact) = parties.contact(account, connection.channel) else {
        return nobody(&fields, &parties, array, batch);
    };
    let (acts, at) = (parties.acts, fields.time("timestamp"));
    let scene = Scene { connection, array, account, contact, acts, at, entry_at: entry.time.filter(|time| *time > 0) };
    let start = batch.position();
    let known: Vec<_> = KINDS.iter().filter_map(|(kind, read)| Some((fields.get(kind)?, read))).collect();
    for (raw, read) in &known {
        read(raw, &scene, batch);
    }
    if known.is_empty() {
        notice::unknown(raw, &scene, batch);
    }
    if array == STANDBY {
        batch.extend_since(start, &scene.extension(STANDBY), &true);
    }
    if let Some(prior) = fields.get("prior_message") {
        batch.extend_since(start, &scene.extension(PRIOR_MESSAGE), prior);
    }
}

fn nobody(fields: &Fields, parties: &Parties, array: &str, batch: &mut Batch) {
    let kind = ABOUT_NOBODY.iter().find(|kind| fields.get(kind).is_some());
    match kind {
        Some(&("policy_enforcement" | "policy-enforcement")) => {
            log::warn("Meta warns or blocks this account (`policy_enforcement`); fix: see the account's support inbox");
        }
        Some(kind) => log::info(&format!("skipped a `{kind}` that is about no customer")),
        None if parties.is_monologue => log::info("skipped what the business said to itself"),
        None => batch.malformed(array, "it names no customer"),
    }
}

#[cfg(test)]
mod tests;
