//! Amazon Connect: its contact records and contact events as events. It has no webhooks; AWS delivers both.
//!
//! `inbound` is the way of one delivery, `documents` finds the JSON in it. `record` reads contact records (once called
//! contact trace records, CTR), `lifecycle` contact events; `call` says what became of a call, `person` whose it is, and
//! `survey` what the customer answered. What maps to what stands in `README.md` in Amazon's words.
//!
//! Source: the Amazon Connect administrator guide ("Data model for contact records", "Contact events") and the payloads
//! of open-source integrations, November 2026.

mod call;
mod documents;
mod fingerprint;
mod inbound;
mod lifecycle;
mod payload;
mod person;
mod record;
mod settings;
mod survey;

use rapport_sdk::prelude::*;

/// The connector.
pub struct AmazonConnect;

impl Inbound for AmazonConnect {
    fn receive(cx: &Context, webhook: &Webhook) -> Result<Receipt, Rejection> {
        inbound::receive(cx, webhook)
    }
}

rapport_sdk::export!(AmazonConnect: inbound);

#[cfg(test)]
mod tests;
