//! Previews what other identity rules would link or separate, before they are configured.

pub(crate) mod routes;

use std::collections::{BTreeMap, BTreeSet};

use rapport_config::rules_of;
use rapport_http::Problem;
use rapport_model::canonical::VALUE_BYTES_MAX;
use rapport_model::event::Attestation;
use rapport_model::identity::partition::broken_limit;
use rapport_model::identity::{self, Endpoints, MEMBERS_MAX, Rules, Together};
use rapport_model::{Basis, Eid, EndpointKey, ProfileId};
use rapport_store::StoreError;
use rapport_store::identity::{EvidencePage, PreviewEvidence, ScanCursor, Suggestion};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::operations::Operations;
use crate::people::views::{LinkEnd, ends};

/// Items of the table that one page looks at when the caller does not say.
pub const ITEMS_DEFAULT: usize = 500;
/// Items of the table that one page looks at: some hundred read units, a second or two.
pub const ITEMS_MAX: usize = 1_000;
/// Profiles and suggestions that one page computes anew. Each takes a read for every endpoint and profile around it.
const FOUND_MAX: usize = 50;
/// Entries of one list of rules.
const WORDS_MAX: usize = 1_000;

/// Identity rules, with the keys of `[identity]` in the configuration. What you leave out has its default.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "Rules")]
#[schemars(example = serde_json::json!({"attestations": ["provider"], "limits": {"user": 2}}))]
pub struct GivenRules {
    /// The attestations that link automatically.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 5))]
    pub attestations: Option<Vec<Attestation>>,
    /// How many identifiers one profile may have.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = MEMBERS_MAX))]
    pub profile_limit: Option<usize>,
    /// How many records of another system (schemes with a dot) one profile may have in each scope.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = MEMBERS_MAX))]
    pub record_limit: Option<usize>,
    /// How many identifiers of a scheme one profile may have in each scope.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("additionalProperties" = {"type": "integer", "minimum": 1, "maximum": MEMBERS_MAX}))]
    #[schemars(extend("maxProperties" = WORDS_MAX))]
    pub limits: Option<BTreeMap<String, usize>>,
    /// Values that belong to nobody, such as `anonymous`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = WORDS_MAX), inner(length(max = VALUE_BYTES_MAX)))]
    pub junk: Option<Vec<String>>,
    /// Local parts of mailboxes that many people share, such as `info`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = WORDS_MAX), inner(length(max = VALUE_BYTES_MAX)))]
    pub role_mailboxes: Option<Vec<String>>,
    /// Schemes that are never linked; `*.x` means every scheme that ends in `.x`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = WORDS_MAX), inner(length(max = VALUE_BYTES_MAX)))]
    pub never_link: Option<Vec<String>>,
}

/// What other rules would change in one part of the table.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct RulesPreview {
    pub changes: Vec<RulesChange>,
    /// The number of profiles that were computed again.
    pub profiles: u64,
    /// The number of open suggestions that were checked.
    pub suggestions: u64,
    /// The number of profiles that were skipped, because too many others are in conflict with them.
    pub skipped: u64,
    /// The number of items of the table that were read.
    pub items: u64,
    /// The read units of the scan, without the evidence around each profile; null: not known.
    pub read_units: Option<f64>,
    /// The cursor of the next page; null: this is the last page.
    pub next: Option<String>,
}

/// A pair of identifiers that other rules would link or separate.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct RulesChange {
    pub a: LinkEnd,
    pub b: LinkEnd,
    pub change: ChangeTo,
    /// The id of the link or the suggestion about the pair.
    pub evidence: String,
}

/// The change of a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ChangeTo {
    /// The two would become one person.
    Link,
    /// The two would become two people.
    Part,
    /// The link would be held, because it would break a limit.
    Conflict,
}

impl Operations {
    /// What rules would change of the evidence among the next `items` items of the table. Nothing is written.
    ///
    /// # Errors
    /// The rules are not valid, or storage failed.
    pub async fn preview_rules(
        &self,
        given: &GivenRules,
        items: usize,
        cursor: Option<&ScanCursor>,
    ) -> Result<RulesPreview, Problem> {
        let mut rules = rules_of(given).map_err(|error| Problem::bad_request(error.to_string()))?;
        rules.own.clone_from(&self.table.rules().own);
        let EvidencePage { found, next, items, read_units } = self.table.scan_evidence(items, cursor).await?;
        let mut preview = RulesPreview {
            changes: Vec::new(),
            profiles: 0,
            suggestions: 0,
            skipped: 0,
            items,
            read_units,
            next: next.as_ref().map(ScanCursor::to_string),
        };
        // What does not fit comes with the next page.
        if let Some(last) = found.get(FOUND_MAX - 1).filter(|_| found.len() > FOUND_MAX) {
            preview.next = Some(last.after.to_string());
        }
        for found in found.into_iter().take(FOUND_MAX) {
            match found.what {
                PreviewEvidence::Profile(pid) => self.preview_profile(&pid, &rules, &mut preview).await?,
                PreviewEvidence::Suggestion(suggestion) => {
                    preview.suggestions += 1;
                    preview.changes.extend(self.preview_suggestion(&suggestion, &rules).await?);
                }
            }
        }
        Ok(preview)
    }

    async fn preview_profile(
        &self,
        pid: &ProfileId,
        rules: &Rules,
        preview: &mut RulesPreview,
    ) -> Result<(), StoreError> {
        let Some(around) = self.table.evidence_cluster(pid).await? else {
            preview.skipped += 1;
            return Ok(());
        };
        // Profiles that hang together are computed together, once: with the least of their ids that is stored.
        let stored = around.roots.iter().filter(|root| !root.kinds.is_empty()).map(|root| &root.pid);
        if stored.min() != Some(pid) {
            return Ok(());
        }
        preview.profiles += around.roots.len() as u64;
        let ends: Vec<LinkEnd> =
            ends(&self.table, around.kinds.keys().cloned()).await?.into_iter().map(|(end, _)| end).collect();
        let never: BTreeSet<_> =
            ends.iter().filter(|end| !may_link(end, rules)).map(|end| end.endpoint.clone()).collect();
        let profiles: Vec<BTreeSet<_>> = around.roots.into_iter().map(|root| root.members).collect();
        let endpoints = Endpoints { kinds: around.kinds, never };
        for change in identity::preview(&profiles, &around.edges, &endpoints, rules) {
            let end = |eid: &Eid| ends.iter().find(|end| end.endpoint == *eid).cloned();
            let pair = &change.edge.pair;
            if let (Some(a), Some(b)) = (end(pair.low()), end(pair.high())) {
                let to = if change.to == Together::One { ChangeTo::Link } else { ChangeTo::Part };
                preview.changes.push(RulesChange { a, b, change: to, evidence: change.edge.to_string() });
            }
        }
        Ok(())
    }

    /// Whether rules would link what is only suggested. Each by itself: that two suggestions together break a limit does
    /// not show.
    async fn preview_suggestion(
        &self,
        suggestion: &Suggestion,
        rules: &Rules,
    ) -> Result<Option<RulesChange>, StoreError> {
        let pair = [suggestion.id.low().clone(), suggestion.id.high().clone()];
        let ends: [_; 2] = ends(&self.table, pair).await?.try_into().expect("two were asked for");
        let [(a, root_a), (b, root_b)] = ends;
        let believed = rules.linking.contains(&suggestion.attestation) && may_link(&a, rules) && may_link(&b, rules);
        if !believed || root_a.pid == root_b.pid {
            return Ok(None);
        }
        let mut kinds = root_a.kinds.clone();
        kinds.extend(root_b.kinds.clone());
        for end in [&a, &b] {
            if let Some(key) = key_of(end) {
                let is_proven = end.basis == Some(Basis::Proven);
                let kind = if is_proven { identity::Kind::of(&key) } else { identity::Kind::unproven() };
                kinds.insert(end.endpoint.clone(), kind);
            }
        }
        let retired = |eid: &&Eid| root_a.retired.contains_key(*eid) || root_b.retired.contains_key(*eid);
        let counted = kinds.iter().filter(|(eid, _)| !retired(eid)).map(|(_, kind)| kind);
        let size = root_a.members.len() + root_b.members.len();
        let change = if broken_limit(counted, size, rules).is_some() { ChangeTo::Conflict } else { ChangeTo::Link };
        Ok(Some(RulesChange { a, b, change, evidence: suggestion.id.to_string() }))
    }
}

/// Whether events may link it. An endpoint that was never seen has no scheme to check, so it keeps its links.
fn may_link(end: &LinkEnd, rules: &Rules) -> bool {
    key_of(end).is_none_or(|key| rules.may_link(&key))
}

fn key_of(end: &LinkEnd) -> Option<EndpointKey> {
    let (scheme, value) = (end.scheme.clone()?, end.value.clone()?);
    Some(EndpointKey { scheme, scope: end.scope.clone(), value })
}
