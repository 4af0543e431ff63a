//! Everything that is known about a person, for a request under privacy law. It comes in pages; the first has everything but
//! the events.
//!
//! A page is read in bounded time for any length of history, and fits an answer of a Lambda function. The webhooks
//! themselves are left out: they may contain other people's messages, and say nothing that their events do not say.

use std::collections::BTreeMap;

use rapport_model::identity::{Edge, Rule, Source};
use rapport_model::profile::{Profile, rfc3339};
use rapport_model::{Eid, ProfileId};
use rapport_store::identity::{Root, Suggestion};
use rapport_store::{StoreError, Table};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use crate::people::People;
use crate::people::answer::{AnyEvent, PAGE_BYTES_MAX, PAGE_MAX};

pub use crate::people::answer::Cursor;

/// One page of an export.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Export {
    /// The profile: identifiers, traits with their sources, consents, conversations, counters. Only the first page has
    /// `profile`, `evidence` and `suggestions`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<Profile>,
    /// Why these identifiers are, or were, one person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Vec<Evidence>>,
    /// Suggested links from this person to other identifiers, with the decisions about them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suggestions: Option<Vec<Suggested>>,
    /// Events as CloudEvents 1.0, newest first. An event of more than 1 MB is shortened: `elided` is the address of the whole
    /// event.
    #[schemars(with = "Vec<AnyEvent>")]
    pub events: Vec<Value>,
    /// The cursor of the next page; null: this is the last page.
    #[schemars(with = "Option<String>")]
    pub next: Option<Cursor>,
}

/// One piece of evidence that two identifiers are one person.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Evidence {
    pub id: String,
    /// Null if the identifier belongs to another person.
    pub a: Option<Value>,
    pub b: Option<Value>,
    pub rule: Rule,
    /// The evidence in one sentence.
    pub explanation: String,
    pub in_force: bool,
    /// The evidence as it is stored: proof, withdrawal, closing, times. Its fields can change without notice.
    pub record: Value,
}

/// One suggested link.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Suggested {
    pub id: String,
    /// Null if the identifier belongs to another person.
    pub a: Option<Value>,
    pub b: Option<Value>,
    /// The suggestion as it is stored. Its fields can change without notice.
    pub record: Value,
}

impl People {
    /// One page of everything about a person. `None` if there is no such profile.
    ///
    /// Pages do not repeat or skip events that were stored before the first page, even if new events arrive.
    ///
    /// # Errors
    /// Storage failed.
    pub async fn export(&self, pid: &ProfileId, cursor: Option<&Cursor>) -> Result<Option<Export>, StoreError> {
        let Some(root) = self.table.find_profile(pid).await? else { return Ok(None) };
        let members: Vec<Eid> = root.members.iter().cloned().collect();
        let mut export = Export { profile: None, evidence: None, suggestions: None, events: Vec::new(), next: None };
        if cursor.is_none() {
            let addresses = addresses(&self.table, &root).await?;
            let evidence = self.table.evidence(&root).await?;
            export.evidence = Some(evidence.iter().map(|edge| reason(edge, &root, &addresses)).collect());
            let suggestions = self.table.suggestions_of(&root).await?;
            export.suggestions = Some(suggestions.iter().map(|one| suggested(one, &addresses)).collect());
            export.profile = Some(self.profile_of(root).await?);
        }
        // What else is on the first page takes its share of it.
        let rest = serde_json::to_vec(&export).map_or(0, |json| json.len());
        let bytes = PAGE_BYTES_MAX.saturating_sub(rest);
        let page = self.events_page(&members, PAGE_MAX, cursor, bytes).await?;
        Ok(Some(Export { events: page.items, next: page.next, ..export }))
    }
}

/// The identifiers of a profile by their ids.
async fn addresses(table: &Table, root: &Root) -> Result<BTreeMap<Eid, Value>, StoreError> {
    let mut addresses = BTreeMap::new();
    for eid in &root.members {
        if let Some(endpoint) = table.endpoint(eid).await? {
            let key = endpoint.key;
            addresses.insert(eid.clone(), json!({"scheme": key.scheme, "scope": key.scope, "value": key.value}));
        }
    }
    Ok(addresses)
}

fn reason(edge: &Edge, root: &Root, addresses: &BTreeMap<Eid, Value>) -> Evidence {
    let pair = &edge.id.pair;
    let both = [pair.low(), pair.high()].iter().all(|end| root.members.contains(*end));
    Evidence {
        id: edge.id.to_string(),
        a: addresses.get(pair.low()).cloned(),
        b: addresses.get(pair.high()).cloned(),
        rule: edge.id.rule,
        explanation: explanation(edge, both),
        in_force: edge.is_in_force(),
        record: serde_json::to_value(edge).unwrap_or_default(),
    }
}

fn explanation(edge: &Edge, both: bool) -> String {
    let said = match edge.proof.as_ref().map(|proof| (&proof.source, rfc3339(proof.at))) {
        Some((Source::Event { attestation, .. }, at)) => {
            let word = serde_json::to_value(attestation).unwrap_or_default();
            format!("an event of {at} names both; attestation: {}", word.as_str().unwrap_or("unknown"))
        }
        Some((Source::Person { .. }, at)) => format!("a person linked them on {at}"),
        None => "no event or person has linked them yet".to_owned(),
    };
    let stands = match edge {
        edge if edge.closed.is_some() => "; a person undid it later",
        edge if edge.set_aside => "; it was set aside",
        edge if !edge.is_in_force() => "; the provider withdrew it later",
        _ if !both => "; it does not join them, because it conflicts with other evidence",
        _ => "",
    };
    said + stands
}

fn suggested(suggestion: &Suggestion, addresses: &BTreeMap<Eid, Value>) -> Suggested {
    let pair = &suggestion.id;
    Suggested {
        id: pair.to_string(),
        a: addresses.get(pair.low()).cloned(),
        b: addresses.get(pair.high()).cloned(),
        record: serde_json::to_value(suggestion).unwrap_or_default(),
    }
}
