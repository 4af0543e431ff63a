//! SMS, MMS and RCS by Twilio Programmable Messaging or AWS End User Messaging, and WhatsApp or Messenger through Twilio,
//! as events.
//!
//! `inbound` is the way of one request; `signature` proves it; `message` and `status` read what it is about, whether it
//! came as a form or as a CloudEvent. What maps to what, and what does not, stands in `README.md` in the provider's
//! words. `aws` reads what AWS delivers, which shares with Twilio who somebody is and what they allow.
//!
//! Source: Twilio's Messaging, Webhooks Security and Event Streams documentation, the tests of its seven SDKs, and the
//! payloads of open-source integrations, read in October and November 2026; those of AWS in `aws`.

mod aws;
mod content;
mod identity;
mod inbound;
mod instant;
mod message;
mod opt_out;
mod payload;
mod provider_error;
mod settings;
mod signature;
mod status;
mod stream;

use rapport_sdk::prelude::*;

/// The connector.
pub struct Sms;

impl Inbound for Sms {
    fn receive(cx: &Context, webhook: &Webhook) -> Result<Receipt, Rejection> {
        inbound::receive(cx, webhook)
    }
}

rapport_sdk::export!(Sms: inbound);

#[cfg(test)]
mod tests;
