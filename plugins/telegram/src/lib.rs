//! Telegram: a bot's updates as events.
//!
//! `update` says what each kind of update is; `message` and `content` read what somebody wrote, `party` says whose
//! conversation it is. What maps to what, and what does not, stands in `README.md` in the provider's words.
//!
//! Source: Telegram's Bot API 10.3 of 24 August 2026 and the payloads of open-source bots, read in November 2026.

mod attachment;
mod callback;
mod content;
mod inbound;
mod member;
mod message;
mod party;
mod payload;
mod reaction;
mod settings;
mod update;

use rapport_sdk::prelude::*;

/// The connector.
pub struct Telegram;

impl Inbound for Telegram {
    fn receive(cx: &Context, webhook: &Webhook) -> Result<Receipt, Rejection> {
        inbound::receive(cx, webhook)
    }
}

rapport_sdk::export!(Telegram: inbound);

#[cfg(test)]
mod tests;
