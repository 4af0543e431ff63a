//! Instagram: Meta's `instagram` webhooks as events.
//!
//! Direct messages are read by `rapport-meta`, as Messenger's are: `channel` says how Instagram differs. `comment` reads
//! what is said in public, `inbound` is the way of one request. What maps to what, and what does not, stands in
//! `README.md` in the provider's words.
//!
//! Source: Meta's documentation of Instagram messaging and of Instagram's webhooks, and the payloads of open-source
//! integrations, read in November 2026.

mod channel;
mod comment;
mod inbound;
mod payload;
mod settings;

use rapport_sdk::prelude::*;

/// The connector.
pub struct Instagram;

impl Inbound for Instagram {
    fn receive(cx: &Context, webhook: &Webhook) -> Result<Receipt, Rejection> {
        inbound::receive(cx, webhook)
    }
}

rapport_sdk::export!(Instagram: inbound);

#[cfg(test)]
mod tests;
