//! Typeform: its webhooks as events.
//!
//! `inbound` is the way of one request. `form` puts the answers beside the questions of the form's definition; `score`
//! reads those that measure something, `submission` all of them as one message, `person` who answered. What maps to
//! what stands in `README.md` in the provider's words.
//!
//! Source: Typeform's developer documentation and the payloads of open-source integrations, November 2026.

mod form;
mod inbound;
mod payload;
mod person;
mod score;
mod settings;
mod submission;

use rapport_sdk::prelude::*;

/// The connector.
pub struct Typeform;

impl Inbound for Typeform {
    fn receive(cx: &Context, webhook: &Webhook) -> Result<Receipt, Rejection> {
        inbound::receive(cx, webhook)
    }
}

rapport_sdk::export!(Typeform: inbound);

#[cfg(test)]
mod tests;
