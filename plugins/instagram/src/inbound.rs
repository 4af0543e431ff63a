//! The way of one request: Meta's subscription challenge, or a signed delivery.

use rapport_meta::messaging::{self, Connection};
use rapport_meta::{Batch, Change};
use rapport_sdk::prelude::*;

use crate::channel::{ABOUT_NO_CUSTOMER, ACCOUNTS, CHANNEL, CONVERSATIONS, OBJECT};
use crate::comment;
use crate::payload::Entry;
use crate::settings::Settings;

pub fn receive(cx: &Context, webhook: &Webhook) -> Result<Receipt, Rejection> {
    rapport_meta::receive(webhook, |json| {
        let settings: Settings = rapport_meta::settings(cx)?;
        let connection =
            Connection { channel: &CHANNEL, accounts: settings.account_ids.as_deref(), apps: &settings.app_ids };
        let mut batch = Batch::new(&ACCOUNTS);
        let entries = rapport_meta::entries_of_each::<Entry>(json, &OBJECT, &mut batch)?;
        batch.each_object("entry", &entries, |entry, batch| {
            messaging::read(entry, &connection, batch);
            batch.each_object("changes", &entry.changes(), |change, batch| {
                let is_read = comment::read(change, entry, &connection, batch)
                    || messaging::read_change(change, entry, &connection, batch);
                if !is_read {
                    skip(change, batch);
                }
            });
        });
        batch.finish()
    })
}

fn skip(change: &Change, batch: &mut Batch) {
    match change.field.as_deref() {
        // The zeroth edit of a message is the message itself, and names nobody.
        Some("message_edit") => log::debug("skipped an edit that names nobody"),
        Some(field) if CONVERSATIONS.contains(&field) => {
            batch.malformed("changes", &format!("its `{field}` is not an element of a conversation"));
        }
        Some(field) if ABOUT_NO_CUSTOMER.contains(&field) => {
            log::debug(&format!("skipped the field `{field}`, which is about no customer"));
        }
        Some(field) => log::info(&format!("skipped the unknown field `{field}`")),
        None => batch.malformed("changes", "it has no `field`"),
    }
}
