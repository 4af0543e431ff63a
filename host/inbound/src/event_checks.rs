//! Checks that an event can be stored: it needs a key and an identifier. The connector is responsible for everything else.

use rapport_model::canonical::canonicalise;
use rapport_model::endpoint::TIMESTAMP_MAX;
use rapport_model::event::{Body, Covered};
use rapport_model::{Eid, Event, EventKey};
use rapport_store::Table;

/// `at` of an event whose provider says no time.
pub const NO_TIME: u64 = 0;
/// Milliseconds ahead of our clock that a stated time is believed: a local time without its zone is up to 14 hours ahead, and
/// clocks of devices go wrong by hours. What is later would stand above all that comes, and outlive an erasure.
pub const AHEAD_MS_MAX: u64 = 24 * 3600 * 1000;
/// Milliseconds: 1990-01-01T00:00:00Z. No channel is older. What is earlier is a clock that was never set, or seconds in the
/// place of milliseconds.
pub const EARLIEST: u64 = 631_152_000_000;
/// Extension: the time that the payload states, in milliseconds since 1970, where it is not believed.
pub const STATED_TIME: &str = "rapport.stated-time";
/// Bytes. The longest message ids in use (RFC 5322 Message-ID with its angle brackets) have a few hundred.
pub const EVENT_ID_BYTES_MAX: usize = 1_024;
/// Bytes. An account is part of a sort key, which holds 1,024.
pub const ACCOUNT_BYTES_MAX: usize = 256;
/// Identifiers. A CRM record with every address of a person has a dozen.
pub const IDENTIFIERS_MAX: usize = 32;

/// Takes out of an event what its payload says of time and cannot be so. It has no time then, so that it gets that of its
/// first delivery, and a redelivery finds it there, until the stated time can be: then it is another event. What was stated
/// stays in the extension [`STATED_TIME`].
pub fn drop_impossible_times(event: &mut Event, received_at: u64) {
    let latest = received_at.saturating_add(AHEAD_MS_MAX);
    if event.at != NO_TIME && !(EARLIEST..=latest).contains(&event.at) {
        event.extensions.insert(STATED_TIME.to_owned(), event.at.into());
        event.at = NO_TIME;
    }
    if let Body::Delivery(delivery) = &mut event.body
        && let Covered::UpTo(up_to) = &mut delivery.covers
        && *up_to > latest
    {
        // Nothing can have been read that is not sent yet.
        *up_to = received_at;
    }
}

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
    Ok((table.tenant_key().eid_of(&endpoint, table.rules().basis(first.attestation)), key))
}

fn check_length(name: &str, value: &str, max: usize) -> Result<(), String> {
    match value.len() {
        0 => Err(format!("`{name}` is empty")),
        bytes if bytes > max => Err(format!("`{name}` has {bytes} bytes; at most {max} are taken")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rapport_model::event::{Delivery, DeliveryState};

    const NOW: u64 = 1_790_000_000_000;

    fn event(at: u64, body: Body) -> Event {
        Event {
            id: "1".into(),
            at,
            account: "a".into(),
            contact: Default::default(),
            body,
            extensions: Default::default(),
        }
    }

    #[test]
    fn a_time_that_cannot_be_is_kept_beside_the_event() {
        let year_2099 = 4_070_908_800_000;
        for at in [year_2099, NOW + AHEAD_MS_MAX + 1, u64::MAX, 1, NOW / 1000, NOW * 1000, EARLIEST - 1] {
            let mut checked = event(at, Body::ContactUpdated);
            drop_impossible_times(&mut checked, NOW);
            assert_eq!((checked.at, checked.extensions[STATED_TIME].as_u64()), (NO_TIME, Some(at)));
        }
        for at in [NO_TIME, EARLIEST, NOW, NOW + AHEAD_MS_MAX] {
            let mut checked = event(at, Body::ContactUpdated);
            drop_impossible_times(&mut checked, NOW);
            assert_eq!(checked, event(at, Body::ContactUpdated));
        }
    }

    #[test]
    fn nothing_is_read_before_it_is_sent() {
        let up_to = |at| Body::Delivery(Delivery::new(Covered::UpTo(at), DeliveryState::Read));
        let mut checked = event(NOW, up_to(u64::MAX));
        drop_impossible_times(&mut checked, NOW);
        assert_eq!(checked, event(NOW, up_to(NOW)));
    }
}
