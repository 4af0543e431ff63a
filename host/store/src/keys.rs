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
//! | whether what is sent to the endpoint arrives | `<t>#E#<eid>` | `D#` |
//! | edge | `<t>#E#<lower eid>` | `L#<higher eid>#<rule>` |
//! | suggestion of a link | `<t>#E#<lower eid>` | `S#<higher eid>` |
//! | that a suggestion, or an edge that joins nothing, is with the lower one | `<t>#E#<higher eid>` | `Z#<lower eid>` |
//! | a provider's demand to erase the person | `<t>#E#<eid>` | `Q#` |
//! | intent: a message that is to be sent | `<t>#E#<eid>` | `O#<ULID of when it is due>` |
//! | body that is kept: a file that a connector fetched | `<t>#E#<eid>` | `B#<blob>` |
//! | lock of a conversation | `<t>#E#<eid>` | `Y#<account>` |
//! | claim of an idempotency key | `<t>#I#<HMAC(API key, idempotency key)>` | `@` |
//! | what is due in a minute | `<t>#W#<minute>#<shard>` | `C#<eid>#<account>`, `K#<command>` |
//! | how far the due minutes are done | `<t>#W#cursor` | `@` |
//! | what was due and this version could not do | `<t>#W#aside` | as in its minute |
//! | rate of a connection | `<t>#R#<connection>#<bucket>` | `@` |
//! | root | `<t>#P#<profile>` | `@` |
//! | identity log | `<t>#P#<profile>` | `M#<our ms>#<version>` |
//! | what could not be folded | `<t>#G#unfolded` | `<eid>` |
//! | list of open suggestions, of conflicts, of demands | `<t>#G#suggestion#<shard>`, `<t>#G#conflict#<shard>`, `<t>#G#erasure#<shard>` | `<id>` |
//! | erasure: what is being done, then the receipt | `<t>#X#<erasure>` | `@` |
//! | record of the audit | `<t>#U#<day>#<shard>` | `<our ms>-<request id>-<phase>` |
//! | that an API key was used in an hour | `<t>#U#key#<name>` | `<hour>` |
//! | parked webhook | `<t>#N#<connection>#K#<shard>` | `<hash>` |
//! | value that a provider uses once | `<t>#N#nonce#<HMAC>` | `@` |
//! | stream checkpoint | `<t>#N#fold` | `S#<shard>` |
//! | tenant key's fingerprint | `<t>#N#tenant-key` | `@` |

use rapport_model::identity::{EdgeId, Pair};
use rapport_model::sending::IntentId;
use rapport_model::{Eid, EventKey, ProfileId};
use ring::digest::{SHA256, digest};

/// Sorts after every sort key: each begins with a letter, a digit or `@`. To end a range of one kind take [`after`]: what
/// follows the kind, such as the name of a purpose, may begin with anything.
pub(crate) const END: &str = "~";

/// The first key that sorts after all that begin with a prefix, whatever follows it: `K$` for `K#`. It is no key itself,
/// since what ours begin with ends with `#`.
pub(crate) fn after(prefix: &str) -> String {
    let mut end = prefix.to_owned();
    let last = end.pop().map_or('\u{1}', |last| char::from_u32(u32::from(last) + 1).unwrap_or(char::MAX));
    end.push(last);
    end
}

pub(crate) const ENDPOINT: &str = "@";
pub(crate) const ROOT: &str = "@";
pub(crate) const EVENTS: &str = "V#";
pub(crate) const HEADS: &str = "C#";
pub(crate) const TRAITS: &str = "A#";
pub(crate) const CONSENTS: &str = "K#";
pub(crate) const REACH: &str = "D#";
pub(crate) const EDGES: &str = "L#";
pub(crate) const FIRST_SEEN: &str = "F#";
pub(crate) const WEBHOOKS: &str = "R#";
pub(crate) const SUGGESTIONS: &str = "S#";
pub(crate) const DELIVERIES: &str = "T#";
pub(crate) const BACK_REFERENCES: &str = "Z#";
pub(crate) const LOG: &str = "M#";
/// A provider's demand to erase the person: each endpoint has one.
pub(crate) const DEMAND: &str = "Q#";

/// A message that is to be sent, or was.
pub(crate) const INTENTS: &str = "O#";
/// A body that is kept for an endpoint: a file that a connector fetched or uploads.
pub(crate) const KEPT: &str = "B#";
/// Who may speak in a conversation, and what is under way.
pub(crate) const LOCKS: &str = "Y#";

/// What waits for a person's decision is listed in this many partitions, since everything in a list has the list's key:
/// 16 × 1,000 writes a second.
pub(crate) const REVIEW_SHARDS: u8 = 16;

/// Parked webhooks of one connection are spread over this many partitions, by their hash: 4 × 1,000 writes a second.
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
    format!("{WEBHOOKS}{key}")
}

/// Of an event that somebody else's event has the webhook of, though it was stored before with another one.
pub(crate) fn webhook_elsewhere_sk(key: &EventKey, holder: &EventKey) -> String {
    format!("{WEBHOOKS}{key}#{holder}")
}

/// The event whose webhook an item is or names.
pub(crate) fn event_key_of_webhook(sk: &str) -> Option<EventKey> {
    EventKey::parse(sk.strip_prefix(WEBHOOKS)?.split('#').next()?)
}

pub(crate) fn first_seen_sk(key: &EventKey) -> String {
    format!("{FIRST_SEEN}{}", key.hash())
}

pub(crate) fn head_sk(account: &str) -> String {
    format!("{HEADS}{account}")
}

pub(crate) fn delivery_sk(message: &str) -> String {
    format!("{DELIVERIES}{message}#delivery")
}

/// An edge is stored once, with its lower endpoint.
pub(crate) fn edge(tenant: &str, id: &EdgeId) -> (String, String) {
    (endpoint_pk(tenant, id.pair.low()), format!("{}{}", edges_sk(&id.pair), id.rule.name()))
}

/// What the sort keys of all edges of a pair begin with.
pub(crate) fn edges_sk(pair: &Pair) -> String {
    format!("{EDGES}{}#", pair.high())
}

pub(crate) fn suggestion(tenant: &str, pair: &Pair) -> (String, String) {
    (endpoint_pk(tenant, pair.low()), format!("{SUGGESTIONS}{}", pair.high()))
}

pub(crate) fn back_reference(tenant: &str, pair: &Pair) -> (String, String) {
    (endpoint_pk(tenant, pair.high()), format!("{BACK_REFERENCES}{}", pair.low()))
}

/// The part of a list that has an id.
pub(crate) fn review_shard(id: &str) -> u8 {
    digest(&SHA256, id.as_bytes()).as_ref()[0] % REVIEW_SHARDS
}

pub(crate) fn review_pk(tenant: &str, list: &str, shard: u8) -> String {
    format!("{tenant}#G#{list}#{shard:02}")
}

/// What could not be folded is one list: it is empty but for mistakes, and one partition takes 1,000 writes a second.
pub(crate) fn unfolded_pk(tenant: &str) -> String {
    format!("{tenant}#G#unfolded")
}

pub(crate) fn log_sk(at: u64, version: u64) -> String {
    format!("{LOG}{at:013}#{version:08}")
}

pub(crate) fn root_pk(tenant: &str, pid: &ProfileId) -> String {
    format!("{tenant}#P#{pid}")
}

pub(crate) fn parked_pk(tenant: &str, connection: &str, shard: u8) -> String {
    format!("{tenant}#N#{connection}#K#{shard}")
}

/// In a partition of its own, so that no connection has a hot one.
pub(crate) fn nonce_pk(tenant: &str, name: &str) -> String {
    format!("{tenant}#N#nonce#{name}")
}

pub(crate) fn erasure_pk(tenant: &str, id: &str) -> String {
    format!("{tenant}#X#{id}")
}

/// Of a day as `2026-11-30`.
pub(crate) fn audit_pk(tenant: &str, day: &str, shard: u8) -> String {
    format!("{tenant}#U#{day}#{shard}")
}

pub(crate) fn key_use_pk(tenant: &str, key: &str) -> String {
    format!("{tenant}#U#key#{key}")
}

pub(crate) fn intent_sk(id: &IntentId) -> String {
    format!("{INTENTS}{id}")
}

pub(crate) fn intent_id_of_sk(sk: &str) -> Option<IntentId> {
    IntentId::parse(sk.strip_prefix(INTENTS)?)
}

pub(crate) fn kept_sk(blob: &str) -> String {
    format!("{KEPT}{blob}")
}

pub(crate) fn lock_sk(account: &str) -> String {
    format!("{LOCKS}{account}")
}

/// In a partition of its own, so that no client has a hot one.
pub(crate) fn claim_pk(tenant: &str, key: &str) -> String {
    format!("{tenant}#I#{key}")
}

/// Of a minute since 1970: ten digits, so that minutes compare as text.
pub(crate) fn due_pk(tenant: &str, minute: u64, shard: u8) -> String {
    format!("{tenant}#W#{minute:010}#{shard}")
}

pub(crate) fn due_cursor_pk(tenant: &str) -> String {
    format!("{tenant}#W#cursor")
}

/// What was due and nobody could do.
pub(crate) fn due_aside_pk(tenant: &str) -> String {
    format!("{tenant}#W#aside")
}

pub(crate) fn rate_pk(tenant: &str, connection: &str, bucket: &str) -> String {
    format!("{tenant}#R#{connection}#{bucket}")
}

pub(crate) fn fold_pk(tenant: &str) -> String {
    format!("{tenant}#N#fold")
}

pub(crate) fn tenant_key_pk(tenant: &str) -> String {
    format!("{tenant}#N#tenant-key")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What an erasure does about each kind of partition. Whoever adds a kind has to say it here.
    const ERASED: [(&str, &str); 9] = [
        (
            "E",
            "all kinds of an endpoint's items go that the sweep does not name as staying, and the proof looks for each",
        ),
        ("P", "the identity log goes with its birth endpoint; roots and forwards hold hashes only"),
        ("G", "a person is taken off the lists"),
        ("X", "stays: a receipt names no person"),
        ("U", "stays: the audit has ids, and no address"),
        ("N", "parked webhooks are searched; the rest are hashes and places in a stream"),
        ("I", "stays for 30 days: hashes, and the ids of an intent and of an endpoint"),
        ("W", "goes when its minute is done: ids, and the business's account"),
        ("R", "stays: a number of a connection"),
    ];

    #[test]
    fn every_kind_of_partition_says_what_an_erasure_does_about_it() {
        let documented: std::collections::BTreeSet<&str> = include_str!("keys.rs")
            .lines()
            .filter(|line| line.starts_with("//! |"))
            .flat_map(|line| line.split("`<t>#").skip(1))
            .filter_map(|rest| rest.split('#').next())
            .collect();
        let said = ERASED.iter().map(|(kind, _)| *kind).collect();
        assert_eq!(documented, said);
        // In pieces, so that this line is none of them.
        let begin = ["format!(\"", "{tenant}#"].concat();
        let made = include_str!("keys.rs").lines().filter_map(|line| line.trim().strip_prefix(&begin));
        for kind in made.filter_map(|rest| rest.get(..1)) {
            assert!(documented.contains(kind), "`{kind}` is not a kind of the table above");
        }
    }

    #[test]
    fn a_range_of_a_kind_holds_whatever_follows_it() {
        let end = after(CONSENTS);
        assert_eq!(end, "K$");
        for name in ["~", "~~", "маркетинг", "\u{10ffff}", "zz", ""] {
            let key = format!("{CONSENTS}{name}");
            assert!(key.as_str() >= CONSENTS && key < end, "{name}");
        }
        assert!(EDGES > end.as_str());
    }
}
