//! An edge: everything that was ever said about two endpoints being one person, under one rule.
//!
//! Whether it is in force is a function of what was said, not of the order in which it came: the first and the last
//! proof, the last withdrawal, and a person's word. What a person closed, only a person opens again.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::endpoint::{Eid, EventKey};
use crate::event::{Attestation, Timestamp};
use crate::identity::author::Author;

/// Why two endpoints are said to be one person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// One payload named both, each attested by the provider or signed by the business.
    SamePayload,
    /// The provider said that one address replaced the other.
    Replaced,
    /// A person linked them.
    Manual,
    /// A person accepted a suggestion.
    Accepted,
}

impl Rule {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::SamePayload, Self::Replaced, Self::Manual, Self::Accepted];

    /// The rule's name in keys and in the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::SamePayload => "same-payload",
            Self::Replaced => "replaced",
            Self::Manual => "manual",
            Self::Accepted => "accepted",
        }
    }

    /// A rule by its name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|rule| rule.name() == name)
    }

    /// Whether events prove it; else it is a person's word.
    pub fn is_automatic(self) -> bool {
        matches!(self, Self::SamePayload | Self::Replaced)
    }
}

/// Two different endpoints, the lower first. As text, `lower.higher`: the id of a suggestion in the API.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pair {
    low: Eid,
    high: Eid,
}

impl Pair {
    /// None: they are one endpoint.
    pub fn new(a: &Eid, b: &Eid) -> Option<Self> {
        let (low, high) = if a <= b { (a, b) } else { (b, a) };
        (low != high).then(|| Self { low: low.clone(), high: high.clone() })
    }

    /// A pair from the API or from a key; none when it cannot be one.
    pub fn parse(text: &str) -> Option<Self> {
        let (low, high) = text.split_once('.')?;
        let (low, high) = (Eid::parse(low)?, Eid::parse(high)?);
        (low < high).then_some(Self { low, high })
    }

    pub fn low(&self) -> &Eid {
        &self.low
    }

    pub fn high(&self) -> &Eid {
        &self.high
    }

    /// The other end; none when `eid` is neither.
    pub fn other(&self, eid: &Eid) -> Option<&Eid> {
        match eid {
            eid if *eid == self.low => Some(&self.high),
            eid if *eid == self.high => Some(&self.low),
            _ => None,
        }
    }
}

impl fmt::Display for Pair {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}.{}", self.low, self.high)
    }
}

/// The id of an edge, and of the conflict that it makes: `lower.higher.rule`. Orders edges of the same age.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EdgeId {
    pub pair: Pair,
    pub rule: Rule,
}

impl EdgeId {
    /// An id from the API or from a key; none when it cannot be one.
    pub fn parse(text: &str) -> Option<Self> {
        let (pair, rule) = text.rsplit_once('.')?;
        Some(Self { pair: Pair::parse(pair)?, rule: Rule::parse(rule)? })
    }
}

impl fmt::Display for EdgeId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}.{}", self.pair, self.rule.name())
    }
}

/// Serialised as their text.
macro_rules! as_text {
    ($($name:ident),*) => {$(
        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                Self::parse(&text).ok_or_else(|| serde::de::Error::custom(concat!("no ", stringify!($name))))
            }
        }
    )*};
}
as_text!(Pair, EdgeId);

/// Who says so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// An event, with the weaker of the two identifiers' attestations.
    Event { key: EventKey, attestation: Attestation },
    /// Somebody who used the API, and why, in their words.
    Person { who: Author, why: String },
}

/// Evidence for an edge.
#[derive(Clone, Debug, PartialEq)]
pub struct Evidence {
    pub rule: Rule,
    pub source: Source,
    /// When it was said first, and last as far as is known: the provider's clock, of a person ours.
    pub at: Timestamp,
    pub last: Timestamp,
    /// The endpoint that gave way, for [`Rule::Replaced`].
    pub old: Option<Eid>,
    /// Our clock.
    pub now: Timestamp,
}

/// The first proof of an edge.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Proof {
    pub source: Source,
    /// The provider's clock, of a person ours. Edges come into force in this order.
    pub at: Timestamp,
    /// The last known one. It is read from conversation heads when it matters: no message pays a write for it.
    pub last: Timestamp,
}

/// Evidence that something is no longer so: the provider said that another identifier took its place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Withdrawal {
    /// The provider's clock. Proofs up to then no longer count.
    pub at: Timestamp,
    pub event: EventKey,
}

/// A person's word that two endpoints are not one person, at least not for this reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closing {
    pub who: Author,
    pub why: String,
    /// Our clock.
    pub at: Timestamp,
}

/// From when to when, by our clock, an edge was in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    pub from: Timestamp,
    /// None: still.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Timestamp>,
}

/// See the module's documentation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Edge {
    pub id: EdgeId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<Proof>,
    /// When the item was first written: our clock.
    pub recorded_at: Timestamp,
    /// Of [`Rule::Replaced`]: the last word on which of the two gave way, and when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gave_way: Option<(Timestamp, Eid)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withdrawn: Option<Withdrawal>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed: Option<Closing>,
    /// Set aside because it would make more than one transaction can hold. A person must look at it.
    #[serde(default, rename = "quarantined", skip_serializing_if = "std::ops::Not::not")]
    pub set_aside: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub spans: Vec<Span>,
}

impl Edge {
    /// An edge of which nothing was said yet.
    pub fn new(id: EdgeId, now: Timestamp) -> Self {
        Self {
            id,
            proof: None,
            recorded_at: now,
            gave_way: None,
            withdrawn: None,
            closed: None,
            set_aside: false,
            spans: Vec::new(),
        }
    }

    /// Whether it says that its ends are one person. Whether they can be one is the partition's question.
    pub fn is_in_force(&self) -> bool {
        let last = self.proof.as_ref().map(|proof| proof.last);
        let stands = last.is_some_and(|last| self.withdrawn.as_ref().is_none_or(|withdrawn| last > withdrawn.at));
        stands && self.closed.is_none() && !self.set_aside
    }

    /// Whether it was in force at an instant of our clock.
    pub fn was_in_force(&self, at: Timestamp) -> bool {
        self.spans.iter().any(|span| span.from <= at && span.to.is_none_or(|to| at < to))
    }

    /// Takes evidence in. A person's evidence opens what a person closed, and it is no longer set aside.
    pub fn prove(&mut self, evidence: &Evidence) {
        match &mut self.proof {
            None => {
                let Evidence { source, at, last, .. } = evidence.clone();
                self.proof = Some(Proof { source, at, last });
            }
            Some(proof) => {
                let key = |source: &Source| match source {
                    Source::Event { key, .. } => Some(key.clone()),
                    Source::Person { .. } => None,
                };
                if (evidence.at, key(&evidence.source)) < (proof.at, key(&proof.source)) {
                    proof.source = evidence.source.clone();
                }
                proof.at = proof.at.min(evidence.at);
                proof.last = proof.last.max(evidence.last);
            }
        }
        if let Some(old) = &evidence.old {
            self.gave_way = self.gave_way.take().max(Some((evidence.last, old.clone())));
        }
        if matches!(evidence.source, Source::Person { .. }) {
            self.closed = None;
            self.set_aside = false;
        }
        self.note(evidence.now);
    }

    /// Takes a withdrawal in; the latest counts.
    pub fn withdraw(&mut self, withdrawal: Withdrawal, now: Timestamp) {
        self.withdrawn = self.withdrawn.take().max(Some(withdrawal));
        self.note(now);
    }

    /// Takes a person's word in. The first one stays.
    pub fn close(&mut self, closing: Closing) {
        let now = closing.at;
        self.close_as(closing, now);
    }

    /// Closes it by the word that was said of the same pair before.
    pub fn close_as(&mut self, closing: Closing, now: Timestamp) {
        self.closed.get_or_insert(closing);
        self.note(now);
    }

    /// Sets it aside.
    pub fn set_aside(&mut self, now: Timestamp) {
        self.set_aside = true;
        self.note(now);
    }

    /// Opens or closes the last span if the state changed.
    fn note(&mut self, now: Timestamp) {
        let is_open = self.spans.last().is_some_and(|span| span.to.is_none());
        match (is_open, self.is_in_force()) {
            (false, true) => self.spans.push(Span { from: now, to: None }),
            (true, false) => {
                if let Some(last) = self.spans.last_mut() {
                    last.to = Some(now.max(last.from));
                }
            }
            _ => {}
        }
        let excess = self.spans.len().saturating_sub(SPANS_MAX);
        self.spans.drain(..excess);
    }
}

/// Spans. Who opens and closes an edge more often needs its identity log; the oldest go first.
pub const SPANS_MAX: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::tests::{eid, event_key};

    fn edge(rule: Rule) -> Edge {
        Edge::new(EdgeId { pair: Pair::new(&eid(2), &eid(1)).unwrap(), rule }, 1)
    }

    fn proof(at: Timestamp, now: Timestamp) -> Evidence {
        let source = Source::Event { key: event_key(at), attestation: Attestation::Provider };
        Evidence { rule: Rule::SamePayload, source, at, last: at, old: None, now }
    }

    fn person(now: Timestamp) -> Evidence {
        let source = Source::Person { who: "ada".into(), why: "she said so".into() };
        Evidence { rule: Rule::Manual, source, at: now, last: now, old: None, now }
    }

    #[test]
    fn ids_are_read_back_only_if_they_can_be_one() {
        let edge = edge(Rule::SamePayload);
        assert_eq!(EdgeId::parse(&edge.id.to_string()), Some(edge.id.clone()));
        assert_eq!(Pair::parse(&edge.id.pair.to_string()), Some(edge.id.pair.clone()));
        let (low, high) = (eid(1), eid(2));
        for text in [
            String::new(),
            format!("{high}.{low}"),
            format!("{low}.{low}"),
            format!("{low}.{high}."),
            format!("{low}.{high}.x"),
            format!("{low}/{high}.manual"),
        ] {
            assert_eq!((EdgeId::parse(&text), Pair::parse(&text)), (None, None), "{text}");
        }
    }

    #[test]
    fn whether_an_edge_is_in_force_does_not_depend_on_the_order_of_what_was_said() {
        let withdrawal = || Withdrawal { at: 20, event: event_key(20) };
        let say: [&dyn Fn(&mut Edge); 3] =
            [&|edge| edge.prove(&proof(10, 100)), &|edge| edge.withdraw(withdrawal(), 100), &|edge| {
                edge.prove(&proof(30, 100))
            }];
        for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            let mut found = edge(Rule::SamePayload);
            order.iter().for_each(|index| say[*index](&mut found));
            let first = found.proof.clone().unwrap();
            assert!(found.is_in_force(), "the last proof is later than the withdrawal");
            assert_eq!((first.at, first.last), (10, 30));
            assert_eq!(first.source, proof(10, 0).source, "{order:?}");
        }
        let mut gone = edge(Rule::SamePayload);
        gone.withdraw(withdrawal(), 100);
        gone.prove(&proof(10, 100));
        assert!(!gone.is_in_force());
    }

    #[test]
    fn what_a_person_closed_only_a_person_opens() {
        let mut edge = edge(Rule::Manual);
        edge.prove(&person(10));
        edge.close(Closing { who: "bob".into(), why: "a mistake".into(), at: 20 });
        edge.prove(&proof(30, 30));
        assert!(!edge.is_in_force());
        edge.prove(&person(40));
        assert!(edge.is_in_force());
        assert_eq!(edge.spans, [Span { from: 10, to: Some(20) }, Span { from: 40, to: None }]);
        assert!([9, 20, 39].iter().all(|at| !edge.was_in_force(*at)));
        assert!([10, 19, 40, 99].iter().all(|at| edge.was_in_force(*at)));
    }
}
