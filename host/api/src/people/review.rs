//! What waits for a person: suggestions of links, and conflicts.

pub(crate) mod routes;

use std::collections::BTreeSet;

use rapport_http::Problem;
use rapport_model::event::Attestation;
use rapport_model::identity::{Author, Held, Pair, Rule};
use rapport_model::profile::rfc3339;
use rapport_model::{Eid, EventKey};
use rapport_store::StoreError;
use rapport_store::identity::{self, Decision, ReviewCursor};
use schemars::JsonSchema;
use serde::Serialize;

use crate::people::People;
use crate::people::links::{Attribution, Link, refuse_conflict};
use crate::people::views::{LinkEnd, ends, limit_text};

/// Items of a page if the caller gives no limit.
pub const REVIEW_DEFAULT: usize = 50;
/// Items of a page. Each takes five reads: its own, and those of its two ends and their profiles.
pub const REVIEW_MAX: usize = 100;

/// A suggested link: the evidence is too weak to link the two identifiers automatically.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Suggestion {
    pub id: String,
    pub a: LinkEnd,
    pub b: LinkEnd,
    pub state: SuggestionState,
    /// The `sequence` of the first event that suggests it.
    pub event: EventKey,
    /// The weaker attestation of the two identifiers.
    pub attestation: Attestation,
    /// When the event happened: RFC 3339, the provider's clock.
    #[schemars(extend("format" = "date-time"))]
    pub at: String,
    /// When it was recorded: RFC 3339, Rapport's clock.
    #[schemars(extend("format" = "date-time"))]
    pub recorded_at: String,
    /// The decision; null: it is open.
    pub decided: Option<Decided>,
}

/// The state of a suggestion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SuggestionState {
    Open,
    Accepted,
    Dismissed,
}

/// Who decided, and why.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Decided {
    /// The name of the API key that decided it.
    pub key: Option<String>,
    /// The person, as the caller named them in `by`.
    pub by: Option<String>,
    pub reason: String,
    /// When: RFC 3339, Rapport's clock.
    #[schemars(extend("format" = "date-time"))]
    pub at: String,
}

/// A link that is held because it would break a limit of the rules. Only a person can resolve it.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Conflict {
    /// The id of the link: `GET /v1/links/{id}` shows its evidence, `DELETE` undoes it.
    pub id: String,
    pub a: LinkEnd,
    pub b: LinkEnd,
    pub rule: Rule,
    /// Why it is held.
    pub reason: String,
    /// The limit on a kind of identifier that it would break; null: another limit.
    pub limit: Option<LimitBroken>,
    /// Since when it is held: RFC 3339, Rapport's clock.
    #[schemars(extend("format" = "date-time"))]
    pub since: String,
}

/// A limit that a link would break.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct LimitBroken {
    pub scheme: String,
    pub scope: Option<String>,
    /// How many identifiers of this kind one profile may have.
    pub max: Option<usize>,
}

/// A page of suggestions.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct SuggestionPage {
    pub items: Vec<Suggestion>,
    /// The cursor of the next page; null: this is the last page.
    pub next: Option<String>,
}

/// A page of conflicts.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ConflictPage {
    pub items: Vec<Conflict>,
    /// The cursor of the next page; null: this is the last page.
    pub next: Option<String>,
}

impl People {
    /// Open suggestions.
    ///
    /// # Errors
    /// Storage failed.
    pub async fn suggestions(&self, limit: usize, cursor: Option<&ReviewCursor>) -> Result<SuggestionPage, StoreError> {
        let page = self.table.suggestions(limit, cursor).await?;
        let items = self.shown(page.items).await?;
        Ok(SuggestionPage { items, next: page.next.map(|next| next.to_string()) })
    }

    /// A suggestion by its id. `None` if there never was such a suggestion.
    ///
    /// # Errors
    /// Storage failed.
    pub async fn the_suggestion(&self, id: &Pair) -> Result<Option<Suggestion>, StoreError> {
        match self.table.suggestion(id).await? {
            Some(suggestion) => Ok(self.shown(vec![suggestion]).await?.pop()),
            None => Ok(None),
        }
    }

    /// Accepts a suggestion: links its two identifiers. `None` if there is no such suggestion.
    ///
    /// # Errors
    /// A limit stands against it (then it is recorded as a conflict), or storage failed.
    pub async fn accept(&self, id: &Pair, attribution: Attribution) -> Result<Option<Link>, Problem> {
        let Some(outcome) = self.table.accept(id, &self.decision(attribution)).await? else { return Ok(None) };
        refuse_conflict(&outcome)?;
        Ok(self.the_link(&outcome.edge).await?)
    }

    /// Dismisses a suggestion permanently. `None` if there is no such suggestion.
    ///
    /// # Errors
    /// It was accepted, or storage failed.
    pub async fn dismiss(&self, id: &Pair, attribution: Attribution) -> Result<Option<Suggestion>, Problem> {
        match self.table.dismiss(id, &self.decision(attribution)).await? {
            Some(suggestion) if suggestion.state == identity::SuggestionState::Accepted => {
                let link = rapport_model::identity::EdgeId { pair: id.clone(), rule: Rule::Accepted };
                Err(Problem::conflict(format!(
                    "the suggestion is already accepted; fix: undo its link, `DELETE /v1/links/{link}`"
                )))
            }
            Some(suggestion) => Ok(self.shown(vec![suggestion]).await?.pop()),
            None => Ok(None),
        }
    }

    /// Conflicts.
    ///
    /// # Errors
    /// Storage failed.
    pub async fn conflicts(&self, limit: usize, cursor: Option<&ReviewCursor>) -> Result<ConflictPage, StoreError> {
        let page = self.table.conflicts(limit, cursor).await?;
        let ends = self.ends_of(page.items.iter().map(|conflict| &conflict.id.pair)).await?;
        let shown = |conflict: identity::Conflict| {
            let [a, b] = both(&ends, &conflict.id.pair)?;
            let limit = conflict.held.as_ref().and_then(|held| match held {
                Held::Unique(kind) => Some(LimitBroken {
                    scheme: kind.scheme.clone(),
                    scope: kind.scope.clone(),
                    max: self.table.rules().limit(kind),
                }),
                Held::Size | Held::Superseded => None,
            });
            Some(Conflict {
                id: conflict.id.to_string(),
                a,
                b,
                rule: conflict.id.rule,
                reason: limit_text(conflict.held.as_ref()),
                limit,
                since: rfc3339(conflict.since),
            })
        };
        let items = page.items.into_iter().filter_map(shown).collect();
        Ok(ConflictPage { items, next: page.next.map(|next| next.to_string()) })
    }

    fn decision(&self, attribution: Attribution) -> Decision {
        Decision { who: attribution.who, why: attribution.reason, at: (self.now)() }
    }

    /// Suggestions with the identifiers of their ends.
    async fn shown(&self, suggestions: Vec<identity::Suggestion>) -> Result<Vec<Suggestion>, StoreError> {
        let ends = self.ends_of(suggestions.iter().map(|suggestion| &suggestion.id)).await?;
        let shown = |suggestion: identity::Suggestion| {
            let [a, b] = both(&ends, &suggestion.id)?;
            let decided = suggestion.decided.map(|Decision { who: Author { key, by }, why, at }| Decided {
                key,
                by,
                reason: why,
                at: rfc3339(at),
            });
            Some(Suggestion {
                id: suggestion.id.to_string(),
                a,
                b,
                state: match suggestion.state {
                    identity::SuggestionState::Open => SuggestionState::Open,
                    identity::SuggestionState::Accepted => SuggestionState::Accepted,
                    identity::SuggestionState::Dismissed => SuggestionState::Dismissed,
                },
                event: suggestion.source,
                attestation: suggestion.attestation,
                at: rfc3339(suggestion.at),
                recorded_at: rfc3339(suggestion.recorded_at),
                decided,
            })
        };
        Ok(suggestions.into_iter().filter_map(shown).collect())
    }

    async fn ends_of(&self, pairs: impl Iterator<Item = &Pair>) -> Result<Vec<LinkEnd>, StoreError> {
        let eids: BTreeSet<Eid> = pairs.flat_map(|pair| [pair.low().clone(), pair.high().clone()]).collect();
        Ok(ends(&self.table, eids).await?.into_iter().map(|(end, _)| end).collect())
    }
}

fn both(ends: &[LinkEnd], pair: &Pair) -> Option<[LinkEnd; 2]> {
    let find = |eid: &Eid| ends.iter().find(|end| end.endpoint == *eid).cloned();
    Some([find(pair.low())?, find(pair.high())?])
}
