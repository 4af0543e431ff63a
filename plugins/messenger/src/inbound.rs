//! The way of one request: Meta's subscription challenge, or a signed delivery.

use rapport_meta::messaging::{self, Connection};
use rapport_meta::{Batch, Change};
use rapport_sdk::prelude::*;

use crate::channel::{ABOUT_NO_CUSTOMER, ACCOUNTS, CHANNEL, OBJECT};
use crate::payload::{Entry, Settings};

pub fn receive(cx: &Context, webhook: &Webhook) -> Result<Receipt, Rejection> {
    rapport_meta::receive(webhook, |json| {
        let settings: Settings = rapport_meta::settings(cx)?;
        let connection =
            Connection { channel: &CHANNEL, accounts: settings.page_ids.as_deref(), apps: &settings.app_ids };
        let mut batch = Batch::new(&ACCOUNTS);
        for entry in rapport_meta::entries::<Entry>(json, &OBJECT)? {
            messaging::read(&entry, &connection, &mut batch);
            for change in &entry.changes() {
                if !messaging::read_change(change, &entry, &connection, &mut batch) {
                    skip(change);
                }
            }
        }
        batch.finish()
    })
}

fn skip(change: &Change) {
    match change.field.as_deref() {
        Some(field) if ABOUT_NO_CUSTOMER.contains(&field) => {
            log::debug(&format!("skipped the field `{field}`, which is about no customer"));
        }
        Some(field) => log::info(&format!("skipped the unknown field `{field}`")),
        None => log::info("skipped a change without a `field`"),
    }
}
