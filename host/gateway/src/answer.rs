//! Who a customer is, and what was said: profiles and timelines for the API.

use std::collections::BTreeSet;
use std::ops::Bound;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rapport_model::canonical::{NotCanonical, canonicalise};
use rapport_model::cloudevent::{Place, cloud_event};
use rapport_model::event::{Attestation, Author, Body};
use rapport_model::identity::is_proven;
use rapport_model::profile::{Profile, fold};
use rapport_model::{Basis, Eid, EndpointKey, EventKey, Identifier, MessageKey, ProfileId};
use rapport_store::StoreError;
use rapport_store::events::StoredEvent;
use rapport_store::identity::Root;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;
use serde_json::Value;
use tokio::task::JoinSet;

use crate::Gateway;

/// Events of a page when the caller does not say.
pub const PAGE_DEFAULT: usize = 50;
/// Events of a page. At 8 KB each, 1.6 MB: below the 6 MB that a Lambda function may answer.
pub const PAGE_MAX: usize = 200;

/// One page of a timeline, newest first.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Timeline {
    /// CloudEvents 1.0.
    #[schemars(schema_with = "cloud_event_schema")]
    pub items: Vec<Value>,
    /// Where the next page begins; none: this was the last.
    #[schemars(with = "Option<String>")]
    pub next: Option<Cursor>,
}

/// What every item has; the rest is the event's own, and documented with the contract.
pub(crate) fn cloud_event_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "items": {
            "type": "object",
            "required": ["specversion", "id", "source", "type", "time", "verified", "data"],
            "properties": {
                "specversion": {"const": "1.0"},
                "id": {"type": "string"},
                "source": {"type": "string"},
                "type": {"type": "string"},
                "time": {"type": "string", "format": "date-time"},
                "verified": {"type": "boolean"},
                "data": {"type": "object"},
            },
            "additionalProperties": true,
        },
    })
}

/// A place in a timeline: the last event that was shown, and whose it is. Opaque to callers.
///
/// What arrives while somebody pages is newer or older than that event, so pages neither repeat nor skip.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    key: EventKey,
    eid: Eid,
}

impl Cursor {
    /// The place behind an event.
    pub(crate) fn behind(last: &StoredEvent) -> Self {
        Self { key: last.key.clone(), eid: last.eid.clone() }
    }

    /// A cursor from a query; none when it is none of ours.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (key, eid) = std::str::from_utf8(&bytes).ok()?.split_once('.')?;
        Some(Self { key: EventKey::parse(key)?, eid: Eid::parse(eid)? })
    }

    /// Where an endpoint's events go on: the order is by key, newest first, and among equal keys by endpoint.
    fn position(&self, eid: &Eid) -> Bound<&EventKey> {
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

impl Gateway {
    /// The profile of whoever has this identifier, else of whoever says so; none when it was never seen.
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
        let (eid, _) = self.endpoint_of(&key).await?;
        if self.table.endpoint(&eid).await?.is_none() {
            return Ok(Ok(None));
        }
        let root = self.table.find(&eid).await?;
        self.profile_of(root).await.map(|profile| Ok(Some(profile)))
    }

    /// Which of the endpoints of an address somebody means who only gives the address: that of whoever has it now, unless
    /// nothing is known of that but that payloads named it, or not even that, and something is known of an unproven one.
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

    /// Who has an address now: the last of those who had it that was seen.
    async fn holder(&self, proven: &Eid) -> Result<Eid, StoreError> {
        for left in self.table.left(proven).await?.into_iter().rev() {
            let since = self.table.tenant_key().since(proven, left);
            if self.table.is_seen(&since).await? {
                return Ok(since);
            }
        }
        Ok(proven.clone())
    }

    /// Whom to begin with who erases an address, given its first endpoint: whoever has it now, else who only says so.
    pub(crate) async fn seen_of(&self, first: &Eid) -> Result<Eid, StoreError> {
        let holder = self.holder(first).await?;
        if self.table.is_seen(&holder).await? {
            return Ok(holder);
        }
        for basis in [Basis::Claimed, Basis::Said] {
            let eid = self.table.tenant_key().on_basis(first, basis);
            if self.table.is_seen(&eid).await? {
                return Ok(eid);
            }
        }
        Ok(first.clone())
    }

    /// A profile by its id, or the one that it went into; none when there never was one.
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
        Ok(fold(root.pid, endpoints))
    }

    /// A page of everything that happened to a person, over all channels, newest first; none when there is no such
    /// profile.
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
        let mut events = self.newest(&members, limit + 1, cursor).await?;
        let more = events.len() > limit;
        events.truncate(limit);
        let last = events.last().map(Cursor::behind);
        let next = last.filter(|_| more);
        let items = self.cloud_events(&members, &events).await?;
        Ok(Some(Timeline { items, next }))
    }

    /// The newest events of several endpoints: each endpoint's own page, merged.
    pub(crate) async fn newest(
        &self,
        members: &[Eid],
        limit: usize,
        cursor: Option<&Cursor>,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        let mut reads = JoinSet::new();
        for eid in members {
            let (table, eid, cursor) = (self.table.clone(), eid.clone(), cursor.cloned());
            reads.spawn(async move {
                let position = cursor.as_ref().map_or(Bound::Unbounded, |cursor| cursor.position(&eid));
                // What was erased and delivered again is there until it is folded.
                let (events, erased_at) =
                    tokio::join!(table.newest_events(&eid, position, limit), table.erased_at(&eid));
                let (mut events, erased_at) = (events?, erased_at?);
                events.retain(|stored| stored.event.at > erased_at);
                Ok::<_, StoreError>(events)
            });
        }
        let mut events = Vec::new();
        while let Some(read) = reads.join_next().await {
            events.extend(read.expect("reading events does not panic")?);
        }
        events.sort_by(|a, b| (&b.key, &a.eid).cmp(&(&a.key, &b.eid)));
        events.truncate(limit);
        Ok(events)
    }

    /// Events as CloudEvents; what the business sent says how far it got, in the extension `deliverystate`.
    pub(crate) async fn cloud_events(&self, members: &[Eid], events: &[StoredEvent]) -> Result<Vec<Value>, StoreError> {
        // Each once: a message may be recorded twice, such as live and in a history.
        let sent: BTreeSet<MessageKey> = events.iter().filter_map(|stored| self.sent_message(stored)).collect();
        let wanted: Vec<(Eid, MessageKey)> =
            sent.iter().flat_map(|message| members.iter().map(|eid| (eid.clone(), message.clone()))).collect();
        let deliveries = self.table.deliveries(&wanted).await?;
        let cloud = |stored: &StoredEvent| {
            let StoredEvent { eid, key, event, connection, received_at, .. } = stored;
            let verified = is_proven(&event.contact, self.table.rules());
            let mut cloud = cloud_event(Place { connection, eid, key, verified, received_at: *received_at }, event);
            let delivery = self.sent_message(stored).and_then(|message| deliveries.get(message.as_str()));
            if let Some(delivery) = delivery {
                cloud["deliverystate"] = serde_json::to_value(&delivery.state).unwrap_or_default();
            }
            cloud
        };
        Ok(events.iter().map(cloud).collect())
    }

    /// The key of a message of the business.
    fn sent_message(&self, stored: &StoredEvent) -> Option<MessageKey> {
        match &stored.event.body {
            Body::Message(message) if message.author != Author::Customer => {
                Some(self.table.tenant_key().message_key(&stored.event.account, &message.id))
            }
            _ => None,
        }
    }
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
