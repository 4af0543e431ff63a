//! WhatsApp Business Cloud API: Meta's `whatsapp_business_account` webhooks as events, and messages to customers as requests,
//! by Meta or by way of AWS.
//!
//! `inbound` is the way of one webhook, `aws` what AWS wraps it in, `sending` the way out; each other module reads one kind of element. What maps to what, and
//! what does not, stands in `README.md` in the provider's words.
//!
//! Source: Meta's Cloud API documentation and the payloads of its open-source integrations, read in October 2026;
//! AWS End User Messaging Social's documentation, November 2026.

mod aws;
mod call;
mod card;
mod change;
mod content;
mod handover;
mod history;
mod identity;
mod inbound;
mod interactive;
mod message;
mod payload;
mod preference;
mod provider_error;
mod reference;
mod scene;
mod sending;
mod settings;
mod status;
mod sync;
mod system;

use rapport_sdk::prelude::*;

/// The connector.
pub struct WhatsApp;

impl Inbound for WhatsApp {
    fn receive(cx: &Context, webhook: &Webhook) -> Result<Receipt, Rejection> {
        inbound::receive(cx, webhook)
    }
}

impl Sending for WhatsApp {
    fn run(cx: &Context, operation: &Operation, history: &[Exchange]) -> Turn {
        sending::run(cx, operation, history)
    }
}

rapport_sdk::export!(WhatsApp: inbound, sending);

#[cfg(test)]
mod tests;
