//! WhatsApp Business Cloud API: Meta's `whatsapp_business_account` webhooks as events, from Meta or by way of AWS.
//!
//! `inbound` is the way of one request, `aws` what AWS wraps it in; each other module reads one kind of element. What maps to what, and
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
mod scene;
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

rapport_sdk::export!(WhatsApp: inbound);

#[cfg(test)]
mod tests;
