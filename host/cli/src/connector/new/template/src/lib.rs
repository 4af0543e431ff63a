//! {{Title}}: its webhooks as events, and messages to its customers.
//!
//! `inbound` is the way of one webhook, `sending` of one operation, `payload` the shapes that the provider sends, `settings`
//! what an operator configures. `README.md` says in the provider's words what becomes what.

mod inbound;
mod payload;
mod sending;
mod settings;

use rapport_sdk::prelude::*;

/// The connector.
pub struct {{Type}};

impl Inbound for {{Type}} {
    fn receive(cx: &Context, webhook: &Webhook) -> Result<Receipt, Rejection> {
        inbound::receive(cx, webhook)
    }
}

impl Sending for {{Type}} {
    fn run(_: &Context, operation: &Operation, history: &[Exchange]) -> Turn {
        sending::run(operation, history)
    }
}

rapport_sdk::export!({{Type}}: inbound, sending);

#[cfg(test)]
mod tests {
    use crate::{{Type}};

    #[test]
    fn the_connector_keeps_what_every_connector_keeps() {
        rapport_sdk::testing::check::<{{Type}}>(env!("CARGO_MANIFEST_DIR"));
    }

    #[test]
    fn the_connector_sends_as_every_connector_sends() {
        rapport_sdk::testing::outbound::check_sending::<{{Type}}>(env!("CARGO_MANIFEST_DIR"));
    }
}
