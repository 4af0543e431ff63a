//! What an event must have to be stored: a key and somebody it belongs to. All else is the connector's affair.

use rapport_model::canonical::canonicalise;
use rapport_model::endpoint::TIMESTAMP_MAX;
use rapport_model::{Eid, Event, EventKey};
use rapport_store::Table;

/// `at` of an event whose provider says no time.
pub const NO_TIME: u64 = 0;
/// Bytes. The longest message ids in use (RFC 5322 Message-ID with its angle brackets) have a few hundred.
pub const EVENT_ID_BYTES_MAX: usize = 1_024;
/// Bytes. An account is part of a sort key, which holds 1,024.
pub const ACCOUNT_BYTES_MAX: usize = 256;
/// Identifiers. A CRM record with every address of a person has a dozen.
pub const IDENTIFIERS_MAX: usize = 32;

/// The endpoint and the key of an event.
///
/// # Errors
/// A sentence that says which rule of the contract the event breaks.
pub fn place(table: &Table, event: &Event) -> Result<(Eid, EventKey), String> {
    check_length("id", &event.id, EVENT_ID_BYTES_MAX)?;
    check_length("account", &event.account, ACCOUNT_BYTES_MAX)?;
    let identifiers = &event.contact.identifiers;
    if identifiers.len() > IDENTIFIERS_MAX {
        return Err(format!("`contact.identifiers` has {}; at most {IDENTIFIERS_MAX} are taken", identifiers.len()));
    }
    let first = identifiers.first().ok_or("`contact.identifiers` is empty; the first one is whose event it is")?;
    let endpoint = canonicalise(first).map_err(|error| format!("`contact.identifiers[0]`: {error}"))?;
    let key = table.tenant_key().event_key(event.at, &event.account, &event.id);
    let key = key.ok_or_else(|| format!("`at` is beyond {TIMESTAMP_MAX} ms; is it in another unit?"))?;
    Ok((table.eid(&endpoint), key))
}

fn check_length(name: &str, value: &str, max: usize) -> Result<(), String> {
    match value.len() {
        0 => Err(format!("`{name}` is empty")),
        bytes if bytes > max => Err(format!("`{name}` has {bytes} bytes; at most {max} are taken")),
        _ => Ok(()),
    }
}
