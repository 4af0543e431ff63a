//! The way of one request: Meta's subscription challenge, a signed delivery, or what AWS delivers in Meta's place.

use rapport_meta::{Accounts, Batch, Object};
use rapport_sdk::prelude::*;

use crate::payload::Entry;
use crate::settings::Settings;
use crate::{aws, change};

const OBJECT: Object = Object { name: "whatsapp_business_account", title: "WhatsApp Business Account" };

/// What a connection is limited to.
pub const ACCOUNTS: Accounts = Accounts {
    element: ("a change", "changes"),
    field: "phone_number_id",
    noun: "a phone number",
    setting: "phone-number-ids",
};

pub fn receive(cx: &Context, webhook: &Webhook) -> Result<Receipt, Rejection> {
    if webhook.is_fed() {
        return aws::receive(&lenient::document(&webhook.body), &rapport_meta::settings(cx)?);
    }
    rapport_meta::receive(webhook, |json| {
        let mut batch = Batch::new(&ACCOUNTS);
        delivery(json, &rapport_meta::settings(cx)?, &mut batch)?;
        batch.finish()
    })
}

/// Reads a delivery of Meta's: the `object`, and what happened to it.
pub fn delivery(json: &str, settings: &Settings, batch: &mut Batch) -> Result<(), Rejection> {
    batch.each_object("entry", &rapport_meta::entries::<Entry>(json, &OBJECT)?, |found, batch| {
        entry(found, settings, batch);
    });
    Ok(())
}

/// Reads an element of `entry`: what happened to one WhatsApp Business Account.
pub fn entry(entry: &Entry, settings: &Settings, batch: &mut Batch) {
    if entry.changes.is_empty() {
        batch.malformed("entry", "it has no `changes`");
    }
    batch.each_object("changes", &entry.changes, |change, batch| change::read(change, settings, batch));
}
