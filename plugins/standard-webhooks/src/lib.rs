//! Standard Webhooks: any sender that signs by that specification, mapped to events by configuration.
//!
//! `signature` proves a delivery, `mapping` makes of it what the connection's settings say, by the places in the body
//! that they name. `README.md` shows settings for several senders.
//!
//! Source: the Standard Webhooks specification 1.0.0 and its reference libraries, and Svix's documentation, read in
//! November 2026.

mod contact;
mod inbound;
mod instant;
mod mapping;
mod pointer;
mod settings;
mod signature;

use rapport_sdk::prelude::*;

/// The connector.
pub struct StandardWebhooks;

impl Inbound for StandardWebhooks {
    fn receive(cx: &Context, webhook: &Webhook) -> Result<Receipt, Rejection> {
        inbound::receive(cx, webhook)
    }
}

rapport_sdk::export!(StandardWebhooks: inbound);

#[cfg(test)]
mod tests;
