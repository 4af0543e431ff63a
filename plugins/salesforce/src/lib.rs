//! Salesforce: its outbound messages and change events as events.
//!
//! `inbound` is the way of one request. `soap` reads outbound messages, XML by the small strict reader in `xml`;
//! `change` reads change events and platform events, JSON as an event relay hands them to EventBridge. Both make
//! [`record::Record`]s, of which `subject` says whose they are, and `story` what they become. What maps to what stands in
//! `README.md` in the provider's words.
//!
//! Source: Salesforce's developer documentation and the payloads of open-source integrations, November 2026.

mod change;
mod fields;
mod id;
mod inbound;
mod payload;
mod record;
mod scene;
mod settings;
mod soap;
mod story;
mod subject;
mod xml;

use rapport_sdk::prelude::*;

/// The connector.
pub struct Salesforce;

impl Inbound for Salesforce {
    fn receive(cx: &Context, webhook: &Webhook) -> Result<Receipt, Rejection> {
        inbound::receive(cx, webhook)
    }
}

rapport_sdk::export!(Salesforce: inbound);

#[cfg(test)]
mod tests;
