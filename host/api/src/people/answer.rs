//! Who a customer is, and what was said: profiles and timelines for the API.

mod described;
pub(crate) mod routes;

use std::collections::BTreeSet;
use std::ops::Bound;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rapport_model::canonical::{NotCanonical, canonicalise, former};
use rapport_model::cloudevent::{EventAddress, cloud_event, unreadable_event};
use rapport_model::event::{Attestation, Author, Body};
use rapport_model::identity::{Rules, is_proven};
use rapport_model::profile::Profile;
use rapport_model::{Basis, Eid, EndpointKey, EventKey, Identifier, MessageKey, ProfileId};
use rapport_store::StoreError;
use rapport_store::erasure::Erased;
use rapport_store::events::{Found, Logged, StoredEvent, UnreadableEvent};
use rapport_store::identity::Root;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use tokio::task::JoinSet;

use crate::people::People;
pub(crate) use crate::people::answer::described::{AnyEvent, SentBy};
use crate::people::merged_logs::Merged;
use crate::people::shortened_event::shown;

/// Events of a page if the caller gives no limit.
pub const PAGE_DEFAULT: usize = 50;
/// Events of a page, if they are small: [`PAGE_BYTES_MAX`] ends a page of large ones earlier.
pub const PAGE_MAX: usize = 200;
/// Bytes of events in a page, as JSON. A Lambda function may answer 6,291,556; the rest is for what else a page has.
pub const PAGE_BYTES_MAX: usize = 4 << 20;
/// Bytes of an event's JSON in one answer. As a JSON text it is at most twice as long: JSON has no control characters.
pub const PART_BYTES_MAX: usize = 2 << 20;
/// Bytes that a delivery's state adds to an event, at most ([`rapport_model::cells::REPORT_BYTES_MAX`] for each of its texts).
const DELIVERY_BYTES: usize = 4 * rapport_model::cells::REPORT_BYTES_MAX;
/// Events that are unpacked at once: one after the other would wait for the blob store each time.
const OPENED_AT_ONCE: usize = 4;
/// Events that one page looks at. Those that were erased and delivered again are not shown, until the fold deletes them.
const LOOKED_AT_MAX: usize = 5 * PAGE_MAX;

/// One page of a timeline, newest first.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Timeline {
    /// Events as CloudEvents 1.0.
    #[schemars(with = "Vec<AnyEvent>")]
    pub items: Vec<Value>,
    /// The cursor of the next page; null: this is the last page.
    #[schemars(with = "Option<String>")]
    pub next: Option<Cursor>,
}

/// One part of an event's JSON.
#[derive(Debug, Serialize, JsonSchema)]
pub struct EventPart {
    /// The size of the whole JSON in bytes (UTF-8).
    pub bytes: usize,
    /// The byte at which this part begins.
    pub offset: usize,
    /// A piece of JSON. Join the texts of all parts, in order, to get the CloudEvent.
    pub text: String,
    /// The offset of the next part; null: this is the last part.
    pub next: Option<usize>,
}

/// Events of a page, and where the next one begins.
pub(crate) struct EventsPage {
    pub items: Vec<Value>,
    pub next: Option<Cursor>,
}

/// A place in a timeline: the last event that was shown, and its endpoint. Opaque to callers.
///
/// New events sort before or after that event, so pages do not repeat or skip anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    key: EventKey,
    eid: Eid,
}

impl Cursor {
    /// A cursor from a query. `None` if the text is not a cursor.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (key, eid) = std::str::from_utf8(&bytes).ok()?.split_once('.')?;
        Some(Self { key: EventKey::parse(key)?, eid: Eid::parse(eid)? })
    }

    /// Where an endpoint's events go on: the order is by key, newest first, and among equal keys by endpoint.
    pub(crate) fn position(&self, eid: &Eid) -> Bound<&EventKey> {
        if *eid > self.eid { Bound::Included(&self.key) } else { Bound::Excluded(&self.key) }
    }
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&URL_SAFE_NO_PAD.encode(format!("{}.{}", self.key, self.eid)))
    }
}

impl Serialize for Cursor {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl People {
    /// The profile that has this identifier, else the profile of a person who claims it. `None` if the identifier was never
    /// seen.
    ///
    /// # Errors
    /// The identifier has no canonical form, or storage failed.
    pub async fn look_up(
        &self,
        scheme: &str,
        scope: Option<&str>,
        value: &str,
    ) -> Result<Result<Option<Profile>, NotCanonical>, StoreError> {
        let identifier = Identifier {
            scheme: scheme.to_owned(),
            scope: scope.map(str::to_owned),
            value: value.to_owned(),
            attestation: Attestation::Agent,
        };
        let key = match canonicalise(&identifier) {
            Ok(key) => key,
            Err(error) => return Ok(Err(error)),
        };
        let Some(key) = self.known(key).await? else { return Ok(Ok(None)) };
        let (eid, _) = self.endpoint_of(&key).await?;
        let root = self.table.find(&eid).await?;
        self.profile_of(root).await.map(|profile| Ok(Some(profile)))
    }

    /// An address has up to three endpoints: proven, claimed and said. This is the one that a bare address means: the proven
    /// one of its present holder, or an unproven one if the proven one was at most named by payloads.
    pub(crate) async fn endpoint_of(&self, key: &EndpointKey) -> Result<(Eid, Basis), StoreError> {
        let proven = self.holder(&self.table.eid(key)).await?;
        let is_known = match self.table.endpoint(&proven).await? {
            Some(state) => !state.is_only_named() || self.table.find(&proven).await?.members.len() > 1,
            None => false,
        };
        for basis in [Basis::Claimed, Basis::Said].into_iter().filter(|_| !is_known) {
            let eid = self.table.tenant_key().eid_of(key, basis);
            if self.table.is_seen(&eid).await? {
                return Ok((eid, basis));
            }
        }
        Ok((proven, Basis::Proven))
    }

    /// The endpoint of the present holder of an address: of all holders, the last one that was seen.
    pub(crate) async fn holder(&self, proven: &Eid) -> Result<Eid, StoreError> {
        for left in self.table.left(proven).await?.into_iter().rev() {
            let since = self.table.tenant_key().since(proven, left);
            if self.table.is_seen(&since).await? {
                return Ok(since);
            }
        }
        Ok(proven.clone())
    }

    /// The endpoint with which the erasure of an address begins, given the first endpoint of the address: the present holder's,
    /// else one that only claims the address. Endpoints that are folded come before those with only stored events.
    pub(crate) async fn whom_to_erase(&self, first: &Eid) -> Result<Eid, StoreError> {
        let unproven = [Basis::Claimed, Basis::Said].map(|basis| self.table.tenant_key().on_basis(first, basis));
        let all: Vec<Eid> = std::iter::once(self.holder(first).await?).chain(unproven).collect();
        for eid in &all {
            if self.table.is_seen(eid).await? {
                return Ok(eid.clone());
            }
        }
        for eid in all {
            if self.table.is_known(&eid).await? {
                return Ok(eid);
            }
        }
        Ok(first.clone())
    }

    /// The key under which an address is in the table: its canonical form, or a former one. `None` if it was never seen.
    ///
    /// # Errors
    /// Storage failed.
    pub(crate) async fn known(&self, key: EndpointKey) -> Result<Option<EndpointKey>, StoreError> {
        let formers = former(&key);
        for key in std::iter::once(key).chain(formers) {
            let (eid, _) = self.endpoint_of(&key).await?;
            // Not what is known of it: an item that cannot be read would keep the person from being erased.
            if self.table.is_seen(&eid).await? {
                return Ok(Some(key));
            }
        }
        Ok(None)
    }

    /// A profile by its id. After a merge it is the surviving profile. `None` if the id was never used.
    ///
    /// # Errors
    /// Storage failed.
    pub async fn profile(&self, pid: &ProfileId) -> Result<Option<Profile>, StoreError> {
        match self.table.find_profile(pid).await? {
            Some(root) => self.profile_of(root).await.map(Some),
            None => Ok(None),
        }
    }

    pub(crate) async fn profile_of(&self, root: Root) -> Result<Profile, StoreError> {
        let mut reads = JoinSet::new();
        for eid in root.members {
            let table = self.table.clone();
            reads.spawn(async move { table.endpoint(&eid).await });
        }
        let mut endpoints = Vec::new();
        while let Some(read) = reads.join_next().await {
            endpoints.extend(read.expect("reading an endpoint does not panic")?);
        }
        Ok(Profile::from_endpoints(root.pid, endpoints))
    }

    /// One page of a person's events from all channels, newest first. `None` if there is no such profile.
    ///
    /// # Errors
    /// Storage failed.
    pub async fn timeline(
        &self,
        pid: &ProfileId,
        limit: usize,
        cursor: Option<&Cursor>,
    ) -> Result<Option<Timeline>, StoreError> {
        let Some(root) = self.table.find_profile(pid).await? else { return Ok(None) };
        let members: Vec<Eid> = root.members.into_iter().collect();
        let EventsPage { items, next } = self.events_page(&members, limit, cursor, PAGE_BYTES_MAX).await?;
        Ok(Some(Timeline { items, next }))
    }

    /// The newest events of several endpoints, as CloudEvents: at most `limit`, and about `bytes` of JSON, but at least one
    /// event.
    ///
    /// Items are merged while they are compressed, and unpacked a few at a time in the order of the page. So a page needs
    /// only the memory of what it shows.
    pub(crate) async fn events_page(
        &self,
        members: &[Eid],
        limit: usize,
        cursor: Option<&Cursor>,
        bytes: usize,
    ) -> Result<EventsPage, StoreError> {
        let mut merged = Merged::of(&self.table, members, limit, cursor).await?;
        let (mut shown, mut total, mut looked_at) = (Vec::<Shown>::new(), 0, 0);
        let mut last: Option<Cursor> = None;
        let mut next_is_there = false;
        'page: loop {
            let window = merged.next(&self.table, OPENED_AT_ONCE).await?;
            if window.is_empty() {
                break;
            }
            // One more than is shown is looked at, so that `next` is there only if something is.
            if shown.len() >= limit || looked_at >= LOOKED_AT_MAX {
                next_is_there = true;
                break;
            }
            let opened = self.open_all(&window).await?;
            for ((found, erased), logged) in window.iter().zip(opened) {
                if shown.len() >= limit {
                    next_is_there = true;
                    break 'page;
                }
                looked_at += 1;
                if let Some(one) = self.show(logged, erased).await? {
                    if !shown.is_empty() && total + one.bytes > bytes {
                        next_is_there = true;
                        break 'page;
                    }
                    total += one.bytes;
                    shown.push(one);
                }
                last = Some(Cursor { key: found.key.clone(), eid: found.eid.clone() });
            }
        }
        let next = last.filter(|_| next_is_there);
        Ok(EventsPage { items: self.with_deliveries(members, shown).await?, next })
    }

    /// What was found, read: a few at once, since each may be in the blob store.
    async fn open_all(&self, window: &[(Found, Erased)]) -> Result<Vec<Logged>, StoreError> {
        let mut reads = JoinSet::new();
        for (place, (found, _)) in window.iter().enumerate() {
            let (table, found) = (self.table.clone(), found.clone());
            reads.spawn(async move { (place, table.open_found(&found).await) });
        }
        let mut opened: Vec<(usize, Logged)> = Vec::with_capacity(window.len());
        while let Some(read) = reads.join_next().await {
            let (place, logged) = read.expect("reading an event does not panic");
            opened.push((place, logged?));
        }
        opened.sort_by_key(|(place, _)| *place);
        Ok(opened.into_iter().map(|(_, logged)| logged).collect())
    }

    /// An event as a page shows it. `None` if it was erased and delivered again.
    async fn show(&self, logged: Logged, erased: &Erased) -> Result<Option<Shown>, StoreError> {
        Ok(match logged {
            Logged::Event(stored) if self.table.is_erased(erased, &stored).await? => None,
            Logged::Unreadable(event) if erased.hides(event.key.at(), &event.connection) => None,
            Logged::Event(stored) => {
                let sent = self.names_of_sent(&stored);
                let (cloud, bytes) = shown(self.cloud_event(&stored));
                Some(Shown { cloud, bytes: bytes + sent.first().map_or(0, |_| DELIVERY_BYTES), sent })
            }
            Logged::Unreadable(UnreadableEvent { eid, key, connection, received_at, bytes, why }) => {
                let place =
                    EventAddress { connection: &connection, eid: &eid, key: &key, verified: false, received_at };
                let (cloud, bytes) = shown(unreadable_event(place, bytes, why.name()));
                Some(Shown { cloud, bytes, sent: Vec::new() })
            }
        })
    }

    /// The CloudEvents; what the business sent says how far it got, in the extension `deliverystate`.
    async fn with_deliveries(&self, members: &[Eid], shown: Vec<Shown>) -> Result<Vec<Value>, StoreError> {
        // Each once: a message may be recorded twice, such as live and in a history.
        let sent: BTreeSet<&MessageKey> = shown.iter().flat_map(|one| &one.sent).collect();
        let wanted = sent.into_iter().flat_map(|message| members.iter().map(|eid| (eid.clone(), message.clone())));
        let deliveries = self.table.deliveries(&wanted.collect::<Vec<_>>()).await?;
        let cloud = |Shown { mut cloud, sent, .. }: Shown| {
            let known = sent.iter().filter_map(|message| deliveries.get(message.as_str()));
            if let Some(delivery) = known.max_by_key(|delivery| delivery.rank) {
                cloud["deliverystate"] = serde_json::to_value(&delivery.state).unwrap_or_default();
            }
            cloud
        };
        Ok(shown.into_iter().map(cloud).collect())
    }

    /// One part of an event's JSON, for events that are too large for a page. `None` if there is no such event.
    ///
    /// # Errors
    /// Storage failed.
    pub async fn event_part(&self, eid: &Eid, key: &EventKey, offset: usize) -> Result<Option<EventPart>, StoreError> {
        let erased = self.table.erased(eid).await?;
        let text = match self.table.logged(eid, key).await? {
            Some(Logged::Event(stored)) if !self.table.is_erased(&erased, &stored).await? => {
                self.cloud_event(&stored).to_string()
            }
            Some(Logged::Unreadable(event)) if !erased.hides(key.at(), &event.connection) => {
                let UnreadableEvent { connection, received_at, bytes, why, .. } = event;
                unreadable_event(
                    EventAddress { connection: &connection, eid, key, verified: false, received_at },
                    bytes,
                    why.name(),
                )
                .to_string()
            }
            _ => return Ok(None),
        };
        let bytes = text.len();
        let from = (0..=offset.min(bytes)).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default();
        let end = (from + PART_BYTES_MAX).min(bytes);
        let end = (from..=end).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(bytes);
        let next = (end < bytes).then_some(end);
        Ok(Some(EventPart { bytes, offset: from, text: text[from..end].to_owned(), next }))
    }

    /// An event as a CloudEvent; one of a message that we sent says who sent it, in the extension `sent`.
    fn cloud_event(&self, stored: &StoredEvent) -> Value {
        let mut cloud = cloud_event(event_address(stored, self.table.rules()), &stored.event);
        if let Some(origin) = &stored.origin {
            cloud["sent"] = serde_json::to_value(SentBy::of(&stored.eid, origin)).unwrap_or_default();
        }
        cloud
    }

    /// The keys under which reports may speak of a message of the business: by the provider's id, and by our reference.
    fn names_of_sent(&self, stored: &StoredEvent) -> Vec<MessageKey> {
        let StoredEvent { event, origin, .. } = stored;
        let Body::Message(message) = &event.body else { return Vec::new() };
        if message.author == Author::Customer {
            return Vec::new();
        }
        let reference = origin.is_some().then_some(&event.id).filter(|reference| **reference != message.id);
        let names = std::iter::once(&message.id).chain(reference);
        names.map(|id| self.table.tenant_key().message_key(&event.account, id)).collect()
    }
}

/// An event on a page.
struct Shown {
    cloud: Value,
    /// Of its JSON.
    bytes: usize,
    /// The keys of a message of the business.
    sent: Vec<MessageKey>,
}

fn event_address<'a>(stored: &'a StoredEvent, rules: &Rules) -> EventAddress<'a> {
    let StoredEvent { eid, key, event, connection, received_at, .. } = stored;
    EventAddress { connection, eid, key, verified: is_proven(&event.contact, rules), received_at: *received_at }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn test_key() -> rapport_model::TenantKey {
        rapport_model::TenantKey::new(&[1; 32]).unwrap()
    }

    #[test]
    fn a_cursor_is_read_back_only_if_it_is_one() {
        let key = test_key().event_key(1, "a", "b").unwrap();
        let cursor = Cursor { key, eid: Eid::parse("abcdefghijklmnopqrstuv").unwrap() };
        assert_eq!(Cursor::parse(&cursor.to_string()), Some(cursor));
        for text in ["", "x", "AAAA", &URL_SAFE_NO_PAD.encode("V#.x")] {
            assert_eq!(Cursor::parse(text), None);
        }
    }
}
