//! The way of one request: verify, parse, one event for each message.

use rapport_sdk::prelude::*;
use serde_json::value::RawValue;

use crate::payload::{Item, Root};
use crate::settings::Settings;

/// The secret that signs every delivery.
const SIGNING_SECRET: &str = "signing-secret";
/// The header field with the signature: HMAC-SHA256 of the body, in hex.
const SIGNATURE: &str = "x-{{name}}-signature";
/// Identifiers of this provider.
const SCHEME: &str = "{{name}}";

pub fn receive(cx: &Context, webhook: &Webhook) -> Result<Receipt, Rejection> {
    let tag = hex::decode(webhook.header_once(SIGNATURE)?).unwrap_or_default();
    verify::require_mac(MacAlgorithm::HmacSha256, SIGNING_SECRET, &webhook.body, &tag)?;

    let json = lenient::document(&webhook.body);
    let root: Root = lenient::root(&json).map_err(Rejection::Malformed)?;
    let account = root.workspace.ok_or_else(|| Rejection::Malformed("expected a `workspace`, found none".into()))?;
    // `config` is JSON as text. An error here is one between `settings.rs` and `[config]` of connector.toml.
    let settings: Settings = serde_json::from_str(&cx.config)
        .map_err(|error| Rejection::Unsupported(format!("this connection's `config`: {error}")))?;
    if !settings.takes(&account) {
        let reason = format!("workspace `{account}` is not one of `workspaces` in this connection's `config`");
        return Err(Rejection::Ignored(reason));
    }
    let (mut events, mut unread) = (Vec::new(), Unread::default());
    for (index, raw) in root.messages.iter().enumerate() {
        match event(&account, raw) {
            Some(event) => events.push(event),
            None => unread.add(&format!("messages[{index}]"), "it has no `id`, `sent_at` or `user`"),
        }
    }
    // The host stores the events, and keeps the whole webhook besides while anything in it is unread.
    unread.receipt(events)
}

/// One element of `messages`; none without the fields that make an event.
fn event(account: &str, raw: &RawValue) -> Option<Event> {
    let item: Item = lenient::read(raw)?;
    let (id, at, user) = (item.id?, item.sent_at?, item.user?);
    let contact = Contact::new(vec![Identifier::provider(SCHEME, user).within(account)]).named(item.name);
    let part = match (item.kind.as_deref(), item.text) {
        (None | Some("text"), Some(text)) => Part::Text(text),
        // A type of tomorrow is kept as it came.
        (kind, _) => Part::Other((kind.unwrap_or("unknown").to_owned(), rapport_sdk::event::json(raw))),
    };
    let message = Message::new(id.clone(), Author::Customer, vec![part]);
    Some(Event::new(id, at, account, contact, EventBody::Message(message)))
}
