//! The way of one request: Meta's subscription challenge, or a signed delivery.

use rapport_meta::{Accounts, Batch, Object};
use rapport_sdk::prelude::*;
use serde::Deserialize;

use crate::change;
use crate::payload::Entry;

const OBJECT: Object = Object { name: "whatsapp_business_account", title: "WhatsApp Business Account" };

const ACCOUNTS: Accounts = Accounts {
    element: ("a change", "changes"),
    field: "phone_number_id",
    noun: "a phone number",
    setting: "phone-number-ids",
};

/// The settings of a connection, as `connector.toml` describes them.
#[derive(Deserialize, Default)]
#[serde(default, rename_all = "kebab-case")]
pub struct Settings {
    phone_number_ids: Option<Vec<lenient::Id>>,
}

impl Settings {
    /// Whether events of this phone number belong to the connection.
    pub fn takes(&self, phone_number_id: &str) -> bool {
        self.phone_number_ids.as_ref().is_none_or(|ids| ids.iter().any(|id| id.0 == phone_number_id))
    }
}

pub fn receive(cx: &Context, webhook: &Webhook) -> Result<Receipt, Rejection> {
    rapport_meta::receive(webhook, |json| {
        let settings: Settings = rapport_meta::settings(cx)?;
        let mut batch = Batch::new(&ACCOUNTS);
        for entry in rapport_meta::entries::<Entry>(json, &OBJECT)? {
            if entry.changes.is_empty() {
                batch.malformed("entry", "it has no `changes`");
            }
            for change in &entry.changes {
                change::read(change, &settings, &mut batch);
            }
        }
        batch.finish()
    })
}
