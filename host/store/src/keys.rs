//! The keys of the table. Every partition key starts with the tenant; none holds personal data.
//!
//! | item | pk | sk |
//! |---|---|---|
//! | event | `<t>#E#<eid>` | `V#<event key>` |
//! | webhook of a differently bundled redelivery | `<t>#E#<eid>` | `R#<event key>` |
//! | when an event without a time was first seen | `<t>#E#<eid>` | `F#<event key's hash>` |
//! | delivery of a message | `<t>#E#<eid>` | `T#<message key>#delivery` |
//! | endpoint | `<t>#E#<eid>` | `@` |
//! | conversation head | `<t>#E#<eid>` | `C#<account>` |
//! | trait | `<t>#E#<eid>` | `A#<name>` |
//! | consent | `<t>#E#<eid>` | `K#<purpose>` |
//! | edge | `<t>#E#<lower eid>` | `L#<higher eid>#<rule>` |
//! | root | `<t>#P#<profile>` | `@` |
//! | identity log | `<t>#P#<profile>` | `M#<our ms>#<merged profile>` |
//! | parked webhook | `<t>#N#<connection>#K#<shard>` | `<our ms>-<hash>` |
//! | stream checkpoint | `<t>#N#fold` | `S#<shard>` |
//! | tenant key's fingerprint | `<t>#N#tenant-key` | `@` |

use rapport_model::{Eid, EventKey, ProfileId};

/// Sorts after every key that begins with the same prefix: all key characters are below it.
pub(crate) const END: &str = "~";

pub(crate) const ENDPOINT: &str = "@";
pub(crate) const ROOT: &str = "@";
pub(crate) const EVENTS: &str = "V#";
pub(crate) const HEADS: &str = "C#";
pub(crate) const TRAITS: &str = "A#";
pub(crate) const CONSENTS: &str = "K#";
pub(crate) const EDGES: &str = "L#";

/// Parked webhooks of one connection are spread over this many partitions, since their sort key grows with time and such
/// a partition cannot be split: 4 × 1,000 writes a second.
pub(crate) const PARKED_SHARDS: u8 = 4;

pub(crate) fn endpoint_pk(tenant: &str, eid: &Eid) -> String {
    format!("{tenant}#E#{eid}")
}

/// The endpoint that a partition key belongs to, whatever the tenant.
pub(crate) fn eid_of_pk<'a>(tenant: &str, pk: &'a str) -> Option<&'a str> {
    pk.strip_prefix(tenant)?.strip_prefix("#E#")
}

pub(crate) fn event_sk(key: &EventKey) -> String {
    format!("{EVENTS}{key}")
}

pub(crate) fn event_key_of_sk(sk: &str) -> Option<EventKey> {
    EventKey::parse(sk.strip_prefix(EVENTS)?)
}

pub(crate) fn webhook_sk(key: &EventKey) -> String {
    format!("R#{key}")
}

pub(crate) fn first_seen_sk(key: &EventKey) -> String {
    format!("F#{}", key.hash())
}

pub(crate) fn head_sk(account: &str) -> String {
    format!("{HEADS}{account}")
}

pub(crate) fn delivery_sk(message: &str) -> String {
    format!("T#{message}#delivery")
}

/// An edge is stored once, with its lower endpoint.
pub(crate) fn edge(tenant: &str, a: &Eid, b: &Eid, rule: &str) -> (String, String) {
    let (low, high) = if a <= b { (a, b) } else { (b, a) };
    (endpoint_pk(tenant, low), format!("{EDGES}{high}#{rule}"))
}

pub(crate) fn root_pk(tenant: &str, pid: &ProfileId) -> String {
    format!("{tenant}#P#{pid}")
}

pub(crate) fn parked_pk(tenant: &str, connection: &str, shard: u8) -> String {
    format!("{tenant}#N#{connection}#K#{shard}")
}

pub(crate) fn fold_pk(tenant: &str) -> String {
    format!("{tenant}#N#fold")
}

pub(crate) fn tenant_key_pk(tenant: &str) -> String {
    format!("{tenant}#N#tenant-key")
}
