//! What waits for a person: suggestions of links, and conflicts.
//!
//! Items name endpoints by their ids and hold no address. Each list is spread over partitions by the hash of an id, and
//! read partition by partition.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem};
use rapport_model::event::Attestation;
use rapport_model::identity::{Author, EdgeId, Evidence, Held, Pair, Rule, Source};
use rapport_model::{Eid, EventKey, Timestamp};
use rapport_telemetry::{ConflictLeftOut, SuggestionLeftOut, TooManySuggestions};
use serde::{Deserialize, Serialize};

use crate::error::StoreError;
use crate::identity::{ATTEMPTS_MAX, Outcome, Party};
use crate::items::{Item, Reader, json, n, s};
use crate::keys;
use crate::table::{Range, Table};

/// Open suggestions of one endpoint. A person looks through so many; whoever fills in a form a thousand times with somebody's
/// address makes no more. What is left out is in its event, and can be linked by hand.
pub const SUGGESTIONS_MAX: usize = 50;

/// Two endpoints that may be one person, on a word that does not link by itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Suggestion {
    pub id: Pair,
    pub state: SuggestionState,
    /// The first event that said so.
    pub source: EventKey,
    pub attestation: Attestation,
    /// The provider's clock.
    pub at: Timestamp,
    /// Our clock.
    pub recorded_at: Timestamp,
    /// Who decided; none while it is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided: Option<Decision>,
}

/// Items of one look at an endpoint's suggestions: as many as one `BatchGetItem` takes.
const SUGGESTIONS_A_PAGE: i32 = 100;

/// Where a suggestion is in its life. What was decided stays, whatever is said later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SuggestionState {
    Open,
    Accepted,
    Dismissed,
}

/// A person's decision.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    pub who: Author,
    pub why: String,
    /// Our clock.
    pub at: Timestamp,
}

/// Evidence that does not join its ends, and that nobody but a person can decide about.
#[derive(Clone, Debug, PartialEq)]
pub struct Conflict {
    pub id: EdgeId,
    /// None: it was set aside, since what it would make does not fit one transaction.
    pub held: Option<Held>,
    /// Our clock.
    pub since: Timestamp,
}

/// One page of a list.
#[derive(Clone, Debug, PartialEq)]
pub struct ReviewPage<T> {
    pub items: Vec<T>,
    /// Where the next page begins; none: this was the last.
    pub next: Option<ReviewCursor>,
}

/// A place in a list: the id of the last item. Opaque to callers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReviewCursor {
    shard: u8,
    after: String,
}

impl ReviewCursor {
    /// A cursor from a query; none when it is none of ours.
    pub fn parse(text: &str) -> Option<Self> {
        let is_id = EdgeId::parse(text).is_some() || Pair::parse(text).is_some() || Eid::parse(text).is_some();
        is_id.then(|| Self { shard: keys::review_shard(text), after: text.to_owned() })
    }
}

impl std::fmt::Display for ReviewCursor {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&self.after)
    }
}

impl Table {
    /// Records that two endpoints may be one person, unless they are, or somebody decided about them. Gives whether it
    /// did. Doing it again is harmless.
    ///
    /// # Errors
    /// As [`Table::find`].
    pub async fn suggest(&self, a: &Party, b: &Party, evidence: &Evidence) -> Result<bool, StoreError> {
        let (Some(pair), Source::Event { key, attestation }) = (Pair::new(&a.eid, &b.eid), &evidence.source) else {
            return Ok(false);
        };
        if self.suggestion(&pair).await?.is_some() || self.find(&a.eid).await?.pid == self.find(&b.eid).await?.pid {
            return Ok(false);
        }
        for end in [pair.low(), pair.high()] {
            match self.open_suggestions(end).await? {
                open if open >= SUGGESTIONS_MAX => return Ok(false),
                // Said once, and not for each that is left out.
                open if open + 1 == SUGGESTIONS_MAX => {
                    TooManySuggestions { endpoint: end, open: open + 1 }.emit();
                }
                _ => {}
            }
        }
        let suggestion = Suggestion {
            id: pair,
            state: SuggestionState::Open,
            source: key.clone(),
            attestation: *attestation,
            at: evidence.at,
            recorded_at: evidence.now,
            decided: None,
        };
        let listed = suggestion.id.to_string();
        let put = Put::builder()
            .table_name(self.name())
            .item("pk", s(keys::review_pk(self.tenant(), "suggestion", keys::review_shard(&listed))))
            .item("sk", s(listed))
            .item("since", n(evidence.now))
            .build()
            .expect("table and item are given");
        let listed = TransactWriteItem::builder().put(put).build();
        let first = self.put_suggestion(&suggestion, None);
        // Whoever was faster has recorded it.
        self.send(vec![first, listed, self.back_reference(&suggestion.id)]).await
    }

    /// How many suggestions of an endpoint are open; it stops to count at [`SUGGESTIONS_MAX`].
    async fn open_suggestions(&self, eid: &Eid) -> Result<usize, StoreError> {
        let pk = self.endpoint_pk(eid);
        let is_open = |item: &Item| {
            let suggestion: Result<Suggestion, _> = Reader(item).json("sug");
            suggestion.is_ok_and(|suggestion| suggestion.state == SuggestionState::Open)
        };
        let mut open = 0;
        for prefix in [keys::SUGGESTIONS, keys::BACK_REFERENCES] {
            let (to, mut start) = (keys::after(prefix), None);
            loop {
                let range = Range { start, limit: Some(SUGGESTIONS_A_PAGE), ..Range::new(&pk, prefix, &to) };
                let page = self.page(range).await?;
                let suggestions = match prefix {
                    keys::SUGGESTIONS => page.items,
                    // The suggestions themselves are with the lower endpoint; of an edge there is none.
                    _ => self.referred_to(eid, &page.items).await?,
                };
                open += suggestions.iter().filter(|item| is_open(item)).count();
                start = page.next;
                if open >= SUGGESTIONS_MAX || start.is_none() {
                    break;
                }
            }
        }
        Ok(open)
    }

    /// The suggestions that back references of an endpoint name.
    async fn referred_to(&self, eid: &Eid, references: &[Item]) -> Result<Vec<Item>, StoreError> {
        let pair = |item: &Item| {
            let low = Eid::parse(Reader(item).text_opt("sk")?.strip_prefix(keys::BACK_REFERENCES)?)?;
            Pair::new(&low, eid)
        };
        let key = |pair: Pair| {
            let (pk, sk) = keys::suggestion(self.tenant(), &pair);
            HashMap::from([("pk".to_owned(), s(pk)), ("sk".to_owned(), s(sk))])
        };
        let keys: Vec<_> = references.iter().filter_map(pair).map(key).collect();
        if keys.is_empty() { Ok(Vec::new()) } else { self.batch_get(keys).await }
    }

    /// A suggestion by its id; none when nobody ever made it.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] or [`StoreError::Corrupt`].
    pub async fn suggestion(&self, id: &Pair) -> Result<Option<Suggestion>, StoreError> {
        let (pk, sk) = keys::suggestion(self.tenant(), id);
        self.get(pk, sk).await?.map(|item| Reader(&item).json("sug")).transpose()
    }

    /// Links what a suggestion suggests, on a person's word, by [`Rule::Accepted`]. None: there is no such suggestion. One
    /// that was dismissed can still be accepted; doing it again is harmless.
    ///
    /// # Errors
    /// As [`Table::prove`].
    pub async fn accept(&self, id: &Pair, decision: &Decision) -> Result<Option<Outcome>, StoreError> {
        if self.decide(id, SuggestionState::Accepted, decision).await?.is_none() {
            return Ok(None);
        }
        let [a, b] = self.parties(id).await?;
        let Decision { who, why, at } = decision.clone();
        let evidence =
            Evidence { rule: Rule::Accepted, source: Source::Person { who, why }, at, last: at, old: None, now: at };
        self.prove(&a, &b, &evidence).await
    }

    /// Takes a suggestion off the list, for good: no evidence of the same kind makes it again. None: there is no such
    /// suggestion. One that was accepted stays accepted; its link is undone with [`Table::unlink`].
    ///
    /// # Errors
    /// [`StoreError::Contended`], [`StoreError::Unavailable`].
    pub async fn dismiss(&self, id: &Pair, decision: &Decision) -> Result<Option<Suggestion>, StoreError> {
        self.decide(id, SuggestionState::Dismissed, decision).await
    }

    async fn decide(
        &self,
        id: &Pair,
        state: SuggestionState,
        decision: &Decision,
    ) -> Result<Option<Suggestion>, StoreError> {
        for attempt in 0..ATTEMPTS_MAX {
            let Some(known) = self.suggestion(id).await? else { return Ok(None) };
            if known.state == state || known.state == SuggestionState::Accepted {
                return Ok(Some(known));
            }
            let decided = Suggestion { state, decided: Some(decision.clone()), ..known.clone() };
            let writes =
                vec![self.put_suggestion(&decided, Some(&known)), self.delete_from_list("suggestion", &id.to_string())];
            if self.send(writes).await? {
                return Ok(Some(decided));
            }
            self.back_off(attempt).await;
        }
        Err(StoreError::Contended { operation: "decide", attempts: ATTEMPTS_MAX })
    }

    /// Open suggestions, in no order that means anything. Those whose ends have become one person are left out, so a page
    /// may be shorter than `limit` and not be the last.
    ///
    /// # Errors
    /// As [`Table::find`].
    pub async fn suggestions(
        &self,
        limit: usize,
        cursor: Option<&ReviewCursor>,
    ) -> Result<ReviewPage<Suggestion>, StoreError> {
        let page = self.listed("suggestion", limit, cursor).await?;
        let mut items = Vec::new();
        for item in &page.items {
            let reader = Reader(item);
            let Some(id) = Pair::parse(reader.text("sk")?) else { continue };
            let open = match self.suggestion(&id).await {
                // One that cannot be read hides no other.
                Err(error) if !error.is_passing() => {
                    SuggestionLeftOut { suggestion: &id, error: &error }.emit();
                    continue;
                }
                open => open?.filter(|found| found.state == SuggestionState::Open),
            };
            let Some(open) = open else { continue };
            match (self.find(id.low()).await, self.find(id.high()).await) {
                (Ok(low), Ok(high)) if low.pid == high.pid => {}
                (Ok(_), Ok(_)) => items.push(open),
                (Err(error), _) | (_, Err(error)) if !error.is_passing() => {
                    SuggestionLeftOut { suggestion: &id, error: &error }.emit();
                }
                (Err(error), _) | (_, Err(error)) => return Err(error),
            }
        }
        Ok(ReviewPage { items, next: page.next })
    }

    /// Conflicts, in no order that means anything.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] or [`StoreError::Corrupt`].
    pub async fn conflicts(
        &self,
        limit: usize,
        cursor: Option<&ReviewCursor>,
    ) -> Result<ReviewPage<Conflict>, StoreError> {
        let page = self.listed("conflict", limit, cursor).await?;
        let conflict = |item: &Item| {
            let reader = Reader(item);
            let id = EdgeId::parse(reader.text("sk")?).ok_or_else(|| reader.corrupt("`sk` is not an edge"))?;
            let held = reader.text_opt("held").map(|_| reader.json("held")).transpose()?;
            Ok::<_, StoreError>(Conflict { id, held, since: reader.number("since")? })
        };
        // One that cannot be read hides no other.
        let left_out = |error: &StoreError| ConflictLeftOut { error }.emit();
        let items = page.items.iter().filter_map(|item| conflict(item).inspect_err(left_out).ok()).collect();
        Ok(ReviewPage { items, next: page.next })
    }

    /// A page of a list, partition by partition.
    pub(crate) async fn listed(
        &self,
        list: &str,
        limit: usize,
        cursor: Option<&ReviewCursor>,
    ) -> Result<ReviewPage<Item>, StoreError> {
        let mut items: Vec<Item> = Vec::new();
        for shard in cursor.map_or(0, |cursor| cursor.shard)..keys::REVIEW_SHARDS {
            let pk = keys::review_pk(self.tenant(), list, shard);
            let after = cursor.filter(|cursor| cursor.shard == shard).map(|cursor| {
                HashMap::<String, AttributeValue>::from([
                    ("pk".to_owned(), s(&pk)),
                    ("sk".to_owned(), s(&cursor.after)),
                ])
            });
            // One more than is asked for says whether there are more.
            let wanted = limit + 1 - items.len();
            let range = Range { limit: i32::try_from(wanted).ok(), start: after, ..Range::new(&pk, " ", keys::END) };
            items.extend(self.page(range).await?.items);
            if items.len() > limit {
                items.truncate(limit);
                let last = items.last().map(|item| Reader(item).text("sk")).transpose()?;
                let next = last.map(|after| ReviewCursor { shard: keys::review_shard(after), after: after.to_owned() });
                return Ok(ReviewPage { items, next });
            }
        }
        Ok(ReviewPage { items, next: None })
    }

    fn put_suggestion(&self, suggestion: &Suggestion, known: Option<&Suggestion>) -> TransactWriteItem {
        let (pk, sk) = keys::suggestion(self.tenant(), &suggestion.id);
        let put =
            Put::builder().table_name(self.name()).item("pk", s(pk)).item("sk", s(sk)).item("sug", json(suggestion));
        let put = match known {
            None => put.condition_expression("attribute_not_exists(pk)"),
            Some(known) => put.condition_expression("sug = :sug").expression_attribute_values(":sug", json(known)),
        };
        TransactWriteItem::builder().put(put.build().expect("table and item are given")).build()
    }
}
