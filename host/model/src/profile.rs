//! The profile: one person, put together from the endpoints that evidence says are theirs.

mod parts;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::cells::{ConsentCell, ReachCell, ReachFailure, TraitCell};
use crate::conversation::Head;
use crate::endpoint::{Basis, Eid, EndpointKey, EventKey};
use crate::event::{Attestation, ConsentState, Controller, Timestamp};
use crate::identity::ProfileId;
use crate::trust::Strength;

/// Everything that the table holds of one endpoint, besides its events.
#[derive(Clone, Debug, PartialEq)]
pub struct EndpointState {
    pub eid: Eid,
    pub key: EndpointKey,
    pub basis: Basis,
    /// The value as the provider first wrote it.
    pub raw: String,
    pub first_seen: Timestamp,
    /// By business account.
    pub heads: BTreeMap<String, Head>,
    pub traits: Vec<TraitCell>,
    pub consents: Vec<ConsentCell>,
    /// What the newest report about the address itself says.
    pub reach: Option<ReachCell>,
}

impl EndpointState {
    /// Whether nothing ever happened at it: payloads named it beside something else.
    pub fn is_only_named(&self) -> bool {
        self.heads.is_empty() && self.traits.is_empty() && self.consents.is_empty()
    }
}

/// A profile as the API shows it.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Profile {
    pub id: ProfileId,
    /// Whether at least one identifier is proven to be the person's. False if the identifiers come only from a form, an SMS or
    /// an unauthenticated mail.
    pub verified: bool,
    pub identifiers: Vec<ProfileIdentifier>,
    pub traits: BTreeMap<String, ProfileTrait>,
    pub consents: BTreeMap<String, ProfileConsent>,
    pub channels: Vec<Channel>,
    /// The number of events by kind, over all channels; `events` is their sum.
    pub counters: BTreeMap<String, u64>,
    /// The time of the first event: RFC 3339, the provider's clock.
    #[schemars(extend("format" = "date-time"))]
    pub first_seen: Option<String>,
    /// The time of the last event: RFC 3339, the provider's clock.
    #[schemars(extend("format" = "date-time"))]
    pub last_seen: Option<String>,
    /// The channel on which the person writes most, or wrote last if two are equal; null: the person never wrote.
    pub preferred_channel: Option<PreferredChannel>,
    /// The value of the trait `locale`: a BCP 47 language tag.
    pub language: Option<String>,
    /// The value of the trait `time_zone`: an IANA name.
    pub time_zone: Option<String>,
}

/// Where to reach a person.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct PreferredChannel {
    pub channel: String,
    pub scope: Option<String>,
    pub address: String,
    pub account: String,
}

/// One identifier of the person.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct ProfileIdentifier {
    pub scheme: String,
    pub scope: Option<String>,
    /// The canonical form of the identifier.
    pub value: String,
    /// The value as the provider first wrote it.
    pub raw: String,
    /// Whether it is proven to be the person's. The same identifier can appear twice: once proven, and once only claimed or
    /// said.
    pub verified: bool,
    pub basis: Basis,
    /// The time of its first event: RFC 3339, the provider's clock.
    #[schemars(extend("format" = "date-time"))]
    pub first_seen: String,
    /// The time of its last event: RFC 3339, the provider's clock.
    #[schemars(extend("format" = "date-time"))]
    pub last_seen: String,
    /// What a provider reported about the address itself, such as a bounce that names no mail; null: no report.
    pub reachability: Option<Reachability>,
}

/// Whether messages to an address arrive, by the newest report about the address.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Reachability {
    /// `failed`, `delivered`, `queued`, `sent`, `read`, or a provider's own state.
    pub state: String,
    /// If `state` is `failed`: the reason that the provider gave.
    pub failure: Option<ReachFailure>,
    /// The account of the business that received the report.
    pub account: String,
    /// Who vouches for the address in the report. A report that arrived as a mail is `claimed`.
    pub attestation: Attestation,
    /// The `sequence` of the event with the report.
    pub source: EventKey,
    #[schemars(extend("format" = "date-time"))]
    pub at: String,
}

/// The current value of a trait, with its source: the newest of the strongest statements.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct ProfileTrait {
    pub value: Value,
    /// The scheme of the identifier that the statement is about.
    pub channel: String,
    /// The `sequence` of the event with the statement.
    pub source: EventKey,
    #[schemars(extend("format" = "date-time"))]
    pub at: String,
    pub attestation: Attestation,
    /// A newer but weaker statement with another value; null: there is none.
    pub newer: Option<WeakerWord>,
    #[serde(skip)]
    order: Order,
}

/// What decides between two words on a trait: strength, the millisecond, the better attestation, the event.
type Order = (Strength, String, std::cmp::Reverse<Attestation>, EventKey);

fn order(cell: &TraitCell) -> Order {
    // An event's key begins with its time in ten characters. A better attestation is the lesser one.
    let millisecond = cell.source.as_str()[..10].to_owned();
    (cell.strength(), millisecond, std::cmp::Reverse(cell.attestation), cell.source.clone())
}

fn words_of(endpoint: &EndpointState) -> impl Iterator<Item = &TraitCell> {
    endpoint.traits.iter().chain(endpoint.heads.values().flat_map(|head| head.words.values()))
}

/// A newer statement about a trait that is too weak to replace the current value.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct WeakerWord {
    pub value: Value,
    /// The scheme of the identifier that the statement is about.
    pub channel: String,
    /// The `sequence` of the event with the statement.
    pub source: EventKey,
    #[schemars(extend("format" = "date-time"))]
    pub at: String,
    pub attestation: Attestation,
}

/// The consent for one purpose: the most restrictive statement.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct ProfileConsent {
    pub state: ConsentState,
    pub channel: String,
    pub source: EventKey,
    #[schemars(extend("format" = "date-time"))]
    pub at: String,
    /// Who vouches for the statement; null: an old version of Rapport recorded it without that.
    pub attestation: Option<Attestation>,
    pub evidence: Option<Value>,
    #[serde(skip)]
    order: (bool, Strength, EventKey),
}

/// The conversation of one address with one account of the business.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Channel {
    pub channel: String,
    pub scope: Option<String>,
    pub address: String,
    /// Whether the people who write here are proven to have the address.
    pub verified: bool,
    pub account: String,
    #[schemars(extend("format" = "date-time"))]
    pub first_seen: String,
    #[schemars(extend("format" = "date-time"))]
    pub last_seen: String,
    #[schemars(extend("format" = "date-time"))]
    pub last_received: Option<String>,
    #[schemars(extend("format" = "date-time"))]
    pub last_sent: Option<String>,
    /// The time of the customer's first unanswered message; null: nothing waits for an answer.
    #[schemars(extend("format" = "date-time"))]
    pub waiting_since: Option<String>,
    pub controller: Option<Controller>,
}

impl Profile {
    /// The profile of its endpoints.
    ///
    /// Traits: the strongest word wins ([`Strength`]), of equally strong ones the newest, and of the same instant the better
    /// attested one. What a weaker word has said otherwise since stands beside it. Consents: the most restrictive wins, among
    /// equals the strongest, then the newest.
    pub fn from_endpoints(id: ProfileId, mut endpoints: Vec<EndpointState>) -> Self {
        endpoints.sort_by(|a, b| (a.first_seen, &a.key).cmp(&(b.first_seen, &b.key)));
        let identifiers: Vec<ProfileIdentifier> =
            endpoints.iter().map(|endpoint| identifier(endpoint, &endpoints)).collect();
        let mut profile = Self {
            id,
            verified: identifiers.iter().any(|identifier| identifier.verified),
            identifiers,
            traits: BTreeMap::new(),
            consents: BTreeMap::new(),
            channels: Vec::new(),
            counters: BTreeMap::new(),
            first_seen: endpoints.iter().map(|endpoint| seen(endpoint, &endpoints).0).min().map(rfc3339),
            last_seen: endpoints.iter().map(|endpoint| seen(endpoint, &endpoints).1).max().map(rfc3339),
            preferred_channel: preferred_channel(&endpoints),
            language: None,
            time_zone: None,
        };
        for endpoint in &endpoints {
            profile.add_traits(endpoint);
            profile.add_consents(endpoint);
            profile.add_heads(endpoint);
        }
        profile.add_weaker_statements(&endpoints);
        parts::assemble(&mut profile.traits);
        profile.settle_waiting(&endpoints);
        let events = profile.counters.values().sum();
        profile.counters.insert("events".to_owned(), events);
        profile.language = profile.text("locale");
        profile.time_zone = profile.text("time_zone");
        profile
    }
}

fn preferred_channel(endpoints: &[EndpointState]) -> Option<PreferredChannel> {
    let conversations = endpoints.iter().flat_map(|endpoint| endpoint.heads.iter().map(move |head| (endpoint, head)));
    let written = conversations.filter_map(|(endpoint, (account, head))| {
        let last = head.customer_at?;
        Some(((head.counters.get("messages_received"), last, &endpoint.key, account), endpoint, account))
    });
    let (_, endpoint, account) = written.max_by(|(a, ..), (b, ..)| a.cmp(b))?;
    let EndpointKey { scheme, scope, value } = endpoint.key.clone();
    Some(PreferredChannel { channel: scheme, scope, address: value, account: account.clone() })
}

/// When anything was heard of an address first and last.
fn seen(endpoint: &EndpointState, all: &[EndpointState]) -> (Timestamp, Timestamp) {
    let own = endpoint.heads.values().map(|head| (head.first_at, head.last_at));
    let named = all.iter().flat_map(|other| other.heads.values()).filter_map(|head| head.names.get(&endpoint.eid));
    own.chain(named.copied())
        .fold((endpoint.first_seen, endpoint.first_seen), |seen, said| (seen.0.min(said.0), seen.1.max(said.1)))
}

fn identifier(endpoint: &EndpointState, all: &[EndpointState]) -> ProfileIdentifier {
    let (first_seen, last_seen) = seen(endpoint, all);
    ProfileIdentifier {
        scheme: endpoint.key.scheme.clone(),
        scope: endpoint.key.scope.clone(),
        value: endpoint.key.value.clone(),
        raw: endpoint.raw.clone(),
        basis: endpoint.basis,
        verified: endpoint.basis == Basis::Proven && (all.len() > 1 || !endpoint.is_only_named()),
        first_seen: rfc3339(first_seen),
        last_seen: rfc3339(last_seen),
        reachability: endpoint.reach.as_ref().map(reachability),
    }
}

fn reachability(cell: &ReachCell) -> Reachability {
    Reachability {
        state: cell.state.clone(),
        failure: cell.failure.clone(),
        account: cell.account.clone(),
        attestation: cell.attestation,
        source: cell.source.clone(),
        at: rfc3339(cell.at),
    }
}

impl Profile {
    /// What a trait says, if it is a text.
    fn text(&self, name: &str) -> Option<String> {
        self.traits.get(name)?.value.as_str().map(str::to_owned)
    }

    fn add_traits(&mut self, endpoint: &EndpointState) {
        for cell in words_of(endpoint) {
            let known = self.traits.get(&cell.name);
            if known.is_some_and(|known| order(cell) <= known.order) {
                continue;
            }
            let strongest = ProfileTrait {
                value: cell.value.clone(),
                channel: endpoint.key.scheme.clone(),
                source: cell.source.clone(),
                at: rfc3339(cell.at),
                attestation: cell.attestation,
                newer: None,
                order: order(cell),
            };
            self.traits.insert(cell.name.clone(), strongest);
        }
    }

    /// What weaker words said otherwise after the one that stands.
    fn add_weaker_statements(&mut self, endpoints: &[EndpointState]) {
        let words = endpoints.iter().flat_map(|endpoint| words_of(endpoint).map(move |cell| (endpoint, cell)));
        for (endpoint, cell) in words {
            let Some(stands) = self.traits.get_mut(&cell.name) else { continue };
            let is_newest = stands.newer.as_ref().is_none_or(|newer| newer.source < cell.source);
            if cell.source > stands.source && cell.value != stands.value && is_newest {
                stands.newer = Some(WeakerWord {
                    value: cell.value.clone(),
                    channel: endpoint.key.scheme.clone(),
                    source: cell.source.clone(),
                    at: rfc3339(cell.at),
                    attestation: cell.attestation,
                });
            }
        }
    }

    fn add_consents(&mut self, endpoint: &EndpointState) {
        let order = |cell: &ConsentCell| (cell.state == ConsentState::Withdrawn, cell.strength(), cell.source.clone());
        for cell in &endpoint.consents {
            if self.consents.get(&cell.purpose).is_none_or(|known| known.order < order(cell)) {
                let consent = ProfileConsent {
                    state: cell.state,
                    channel: endpoint.key.scheme.clone(),
                    source: cell.source.clone(),
                    at: rfc3339(cell.at),
                    attestation: cell.attestation,
                    evidence: cell.evidence.clone(),
                    order: order(cell),
                };
                self.consents.insert(cell.purpose.clone(), consent);
            }
        }
    }

    fn add_heads(&mut self, endpoint: &EndpointState) {
        for (account, head) in &endpoint.heads {
            for (name, count) in &head.counters {
                *self.counters.entry(name.clone()).or_default() += count;
            }
            self.channels.push(Channel {
                channel: endpoint.key.scheme.clone(),
                scope: endpoint.key.scope.clone(),
                address: endpoint.key.value.clone(),
                verified: endpoint.basis == Basis::Proven,
                account: account.clone(),
                first_seen: rfc3339(head.first_at),
                last_seen: rfc3339(head.last_at),
                last_received: head.customer_at.map(rfc3339),
                last_sent: head.last_sent().map(rfc3339),
                waiting_since: head.waiting_since.map(rfc3339),
                controller: head.controller.as_ref().map(|(_, controller)| *controller),
            });
        }
    }
}

impl Profile {
    /// A person who is known to one account under two addresses of a channel is answered under either: who wrote under
    /// one and was answered under the other does not wait.
    fn settle_waiting(&mut self, endpoints: &[EndpointState]) {
        let heads = || endpoints.iter().flat_map(|endpoint| endpoint.heads.iter().map(move |head| (endpoint, head)));
        for (channel, (endpoint, (account, head))) in self.channels.iter_mut().zip(heads()) {
            let beside =
                heads().filter(|(other, (theirs, _))| other.key.scheme == endpoint.key.scheme && *theirs == account);
            let answered = beside.filter_map(|(_, (_, head))| head.business_at).max();
            if answered >= head.customer_at {
                channel.waiting_since = None;
            }
        }
    }
}

/// The last millisecond that RFC 3339 can say: 9999-12-31T23:59:59.999Z.
const RFC_3339_MAX: Timestamp = 253_402_300_799_999;

/// An instant in RFC 3339, UTC, with milliseconds only where there are some. What is beyond the year 9999 is its end.
pub fn rfc3339(at: Timestamp) -> String {
    let instant = time::OffsetDateTime::from_unix_timestamp_nanos(i128::from(at.min(RFC_3339_MAX)) * 1_000_000)
        .unwrap_or(time::OffsetDateTime::UNIX_EPOCH);
    instant.format(&time::format_description::well_known::Rfc3339).unwrap_or_default()
}

/// An instant of RFC 3339, with any offset, in milliseconds. `None` if the text is not an instant, or if the instant is before
/// 1970.
pub fn parse_rfc3339(text: &str) -> Option<Timestamp> {
    let instant = time::OffsetDateTime::parse(text, &time::format_description::well_known::Rfc3339).ok()?;
    Timestamp::try_from(instant.unix_timestamp_nanos().div_euclid(1_000_000)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn test_key() -> crate::TenantKey {
        crate::TenantKey::new(&[1; 32]).unwrap()
    }

    fn endpoint(scheme: &str, first_seen: Timestamp) -> EndpointState {
        let eid = Eid::parse(&format!("{scheme:_<22}")).unwrap();
        let key = EndpointKey { scheme: scheme.into(), scope: None, value: "1".into() };
        EndpointState {
            eid,
            key,
            basis: Basis::Proven,
            raw: "1".into(),
            first_seen,
            heads: BTreeMap::new(),
            traits: vec![],
            consents: vec![],
            reach: None,
        }
    }

    fn consent(at: Timestamp, state: ConsentState) -> ConsentCell {
        let source = test_key().event_key(at, "a", "c").unwrap();
        ConsentCell {
            purpose: "marketing".into(),
            state,
            evidence: None,
            source,
            at,
            attestation: Some(Attestation::Provider),
            strength: None,
        }
    }

    fn named(at: Timestamp, name: &str) -> TraitCell {
        TraitCell {
            name: "display_name".into(),
            value: name.into(),
            source: test_key().event_key(at, "a", "t").unwrap(),
            at,
            attestation: Attestation::Provider,
            strength: None,
        }
    }

    #[test]
    fn traits_are_the_newest_and_consents_the_most_restrictive_word() {
        let (mut a, mut b) = (endpoint("email", 5), endpoint("whatsapp", 3));
        a.traits = vec![named(10, "Old")];
        b.traits = vec![named(20, "New")];
        a.consents = vec![consent(1, ConsentState::Withdrawn)];
        b.consents = vec![consent(2, ConsentState::Granted)];
        let id = ProfileId::implied(&a.eid);
        let profile = Profile::from_endpoints(id.clone(), vec![a.clone(), b.clone()]);
        assert_eq!(profile.traits["display_name"].value, "New");
        assert_eq!(profile.consents["marketing"].state, ConsentState::Withdrawn);
        assert_eq!(profile.identifiers[0].scheme, "whatsapp", "the address that was seen first comes first");
        assert_eq!(profile, Profile::from_endpoints(id, vec![b, a]), "the order of endpoints does not matter");
    }

    #[test]
    fn of_two_words_of_one_instant_the_better_attested_one_stands() {
        let (mut a, mut b) = (endpoint("crm", 5), endpoint("chat", 3));
        let word = |id: &str, name: &str, attestation| TraitCell {
            source: test_key().event_key(10, "a", id).unwrap(),
            attestation,
            ..named(10, name)
        };
        for ids in [["1", "2"], ["2", "1"]] {
            a.traits = vec![word(ids[0], "Imported", Attestation::Imported)];
            b.traits = vec![word(ids[1], "Provider", Attestation::Provider)];
            let profile = Profile::from_endpoints(ProfileId::implied(&a.eid), vec![a.clone(), b.clone()]);
            assert_eq!(profile.traits["display_name"].value, "Provider");
            a.traits[0] = named(11, "Later");
            let profile = Profile::from_endpoints(ProfileId::implied(&a.eid), vec![a.clone(), b.clone()]);
            assert_eq!(profile.traits["display_name"].value, "Later", "a newer word that is as strong wins");
        }
    }

    #[test]
    fn a_newer_weaker_word_stands_beside_the_stronger_one() {
        let (mut a, mut b) = (endpoint("form", 5), endpoint("chat", 3));
        for (weak, strong) in [
            (Attestation::Customer, Attestation::Provider),
            (Attestation::Imported, Attestation::Agent),
            (Attestation::Agent, Attestation::Signature),
        ] {
            a.basis = Basis::Said;
            a.traits = vec![TraitCell { attestation: weak, ..named(20, "Mallory") }];
            b.traits = vec![TraitCell { attestation: strong, ..named(10, "Ada") }];
            let mut endpoints = vec![a.clone(), b.clone()];
            for _ in 0..2 {
                let profile = Profile::from_endpoints(ProfileId::implied(&a.eid), endpoints.clone());
                let name = &profile.traits["display_name"];
                assert_eq!((name.value.as_str(), name.attestation), (Some("Ada"), strong));
                assert_eq!(name.newer.as_ref().map(|newer| newer.value.as_str()), Some(Some("Mallory")));
                assert!(profile.verified);
                assert_eq!(profile.identifiers.iter().filter(|identifier| identifier.verified).count(), 1);
                endpoints.reverse();
            }
            b.traits = vec![TraitCell { attestation: strong, ..named(30, "Ada") }];
            let profile = Profile::from_endpoints(ProfileId::implied(&a.eid), vec![a.clone(), b.clone()]);
            assert_eq!(profile.traits["display_name"].newer, None, "an older word changes nothing");
        }
        assert!(!Profile::from_endpoints(ProfileId::implied(&a.eid), vec![a]).verified);
    }

    #[test]
    fn the_preferred_channel_is_where_the_customer_writes_most() {
        let with = |scheme: &str, received: u64, at: Timestamp| {
            let counters = [("messages_received".to_owned(), received)].into();
            let head = Head { first_at: at, last_at: at, customer_at: Some(at), counters, ..Head::default() };
            EndpointState { heads: [("acc".to_owned(), head)].into(), ..endpoint(scheme, at) }
        };
        let preferred = |endpoints: Vec<EndpointState>| {
            let profile = Profile::from_endpoints(ProfileId::implied(&endpoints[0].eid), endpoints);
            profile.preferred_channel.map(|channel| channel.channel)
        };
        assert_eq!(preferred(vec![with("chat", 3, 10), with("sms", 2, 20)]), Some("chat".to_owned()));
        assert_eq!(preferred(vec![with("chat", 2, 10), with("sms", 2, 20)]), Some("sms".to_owned()));
        assert_eq!(preferred(vec![endpoint("phone", 1)]), None);
    }

    #[test]
    fn instants_are_rfc_3339() {
        assert_eq!(rfc3339(1_700_000_000_000), "2023-11-14T22:13:20Z");
        assert_eq!(rfc3339(1_700_000_000_120), "2023-11-14T22:13:20.12Z");
        let end = "9999-12-31T23:59:59.999Z";
        assert_eq!((rfc3339(RFC_3339_MAX).as_str(), rfc3339(crate::endpoint::TIMESTAMP_MAX).as_str()), (end, end));
    }

    #[test]
    fn an_instant_is_read_back_in_whatever_offset_it_was_said() {
        for at in [0, 1, 1_790_668_805_000, 1_790_668_805_123] {
            assert_eq!(parse_rfc3339(&rfc3339(at)), Some(at));
        }
        assert_eq!(parse_rfc3339("2026-09-29T08:00:05.5+02:00"), parse_rfc3339("2026-09-29T06:00:05.500Z"));
        for text in ["", "2026-09-29", "2026-09-29T08:00:05", "1969-12-31T23:59:59Z", "2026-02-30T00:00:00Z"] {
            assert_eq!(parse_rfc3339(text), None, "{text}");
        }
    }
}
