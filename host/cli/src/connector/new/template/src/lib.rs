//! {{Title}}: its webhooks as events.
//!
//! `inbound` is the way of one request, `payload` the shapes that the provider sends, `settings` what an operator
//! configures. `README.md` says in the provider's words what becomes what.

mod inbound;
mod payload;
mod settings;

use rapport_sdk::prelude::*;

/// The connector.
pub struct {{Type}};

impl Inbound for {{Type}} {
    fn receive(cx: &Context, webhook: &Webhook) -> Result<Receipt, Rejection> {
        inbound::receive(cx, webhook)
    }
}

rapport_sdk::export!({{Type}}: inbound);

#[cfg(test)]
mod tests {
    use crate::{{Type}};

    #[test]
    fn the_connector_keeps_what_every_connector_keeps() {
        rapport_sdk::testing::check::<{{Type}}>(env!("CARGO_MANIFEST_DIR"));
    }
}
