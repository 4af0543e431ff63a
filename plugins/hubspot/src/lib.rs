//! HubSpot CRM: its webhooks as events.
//!
//! `inbound` is the way of one request, `signature` says whether it is HubSpot's, `change` which kind of change an
//! element of the batch is; each other module reads one kind. What maps to what, and what does not, stands in
//! `README.md` in the provider's words.
//!
//! Source: HubSpot's developer documentation and the tests of its client libraries, read in October 2026.

mod association;
mod batch;
mod change;
mod contact;
mod conversation;
mod inbound;
mod payload;
mod property;
mod settings;
mod signature;

use rapport_sdk::prelude::*;

/// The connector.
pub struct HubSpot;

impl Inbound for HubSpot {
    fn receive(cx: &Context, webhook: &Webhook) -> Result<Receipt, Rejection> {
        inbound::receive(cx, webhook)
    }
}

rapport_sdk::export!(HubSpot: inbound);

#[cfg(test)]
mod tests;
