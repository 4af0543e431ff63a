//! Facebook Messenger: Meta's `page` webhooks as events.
//!
//! What it shares with Meta's other channels is in `rapport-meta`: `channel` says how it differs from them, `inbound` is
//! the way of one request. What maps to what, and what does not, stands in `README.md` in the provider's words.
//!
//! Source: Meta's Messenger Platform documentation and the payloads of its open-source integrations, read in November
//! 2026.

mod channel;
mod inbound;
mod payload;
mod settings;

use rapport_sdk::prelude::*;

/// The connector.
pub struct Messenger;

impl Inbound for Messenger {
    fn receive(cx: &Context, webhook: &Webhook) -> Result<Receipt, Rejection> {
        inbound::receive(cx, webhook)
    }
}

rapport_sdk::export!(Messenger: inbound);

#[cfg(test)]
mod tests;
