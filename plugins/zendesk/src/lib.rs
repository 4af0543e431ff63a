//! Zendesk: its webhooks as events.
//!
//! `inbound` is the way of one request, `signature` says whether it is Zendesk's. What an event subscription sends is
//! an `envelope` around what happened to a `ticket`, a `comment`, a `user`, …; each module reads one kind. What a
//! trigger or an automation sends is whatever an administrator wrote: `trigger` looks for the usual words in it, after
//! `repair` has made JSON of it where placeholders broke it. What maps to what stands in `README.md`.
//!
//! Source: Zendesk's developer documentation and the payloads of open-source integrations, November 2026.

mod comment;
mod envelope;
mod fields;
mod inbound;
mod messaging;
mod payload;
mod repair;
mod satisfaction;
mod scene;
mod settings;
mod signature;
mod survey;
mod ticket;
mod time_zone;
mod trigger;
mod user;

use rapport_sdk::prelude::*;

/// The connector.
pub struct Zendesk;

impl Inbound for Zendesk {
    fn receive(cx: &Context, webhook: &Webhook) -> Result<Receipt, Rejection> {
        inbound::receive(cx, webhook)
    }
}

rapport_sdk::export!(Zendesk: inbound);

#[cfg(test)]
mod tests;
