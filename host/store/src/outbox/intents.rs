//! Intents: put once, then changed by transitions that compare what was read.

use std::collections::HashMap;

use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};
use rapport_model::endpoint::first_of_millisecond;
use rapport_model::sending::IntentId;
use rapport_model::sending::expiry::EXPIRES_AFTER_MS_MAX;
use rapport_model::sending::intent::{Cause, Intent, OVERTAKEN_AFTER_MS, State};
use rapport_model::{Eid, Timestamp};

use crate::blobs::is_of_one_item;
use crate::error::{StoreError, unavailable};
use crate::identity::ATTEMPTS_MAX;
use crate::items::{Item, Reader, json, n, s};
use crate::keys;
use crate::on_heap::OnHeap;
use crate::outbox::expression::{Expression, Updated};
use crate::outbox::item::{ACCOUNT, STATE, VERSION};
use crate::table::{Mistake, Table};

pub use crate::outbox::item::StoredIntent;

/// Items that one page of a conversation's intents reads: 100 of 1 KB are 25 read units.
const PAGE_ITEMS: i32 = 100;
/// Milliseconds beyond an intent's longest life within which whoever looks at its conversation still ends it.
const ENDS_WITHIN_MS: u64 = 24 * 3_600_000;

/// What putting an intent did.
#[derive(Clone, Debug, PartialEq)]
pub enum PutIntent {
    New,
    /// It was there: put before, by an earlier try.
    Known,
}

/// What came of a change.
#[derive(Clone, Debug, PartialEq)]
pub enum Changed {
    /// It is as it was to be.
    Done(Box<StoredIntent>),
    /// The transition does not apply any more: the intent as it is.
    Late(Box<StoredIntent>),
    /// There is no such intent: it is erased.
    Gone,
}

/// A conversation, by an endpoint and an account of the business.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Conversation {
    pub eid: Eid,
    pub account: String,
}

/// Open intents of a conversation.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OpenIntents {
    /// Oldest due first.
    pub items: Vec<StoredIntent>,
    /// Those that nobody can read, now or ever.
    pub unreadable: Vec<IntentId>,
}

/// A page of a list of intents, newest first.
#[derive(Clone, Debug, PartialEq)]
pub struct IntentPage {
    pub items: Vec<StoredIntent>,
    /// Where the next page begins; `None`: this was the last.
    pub next: Option<IntentId>,
}

impl Table {
    /// Makes an intent durable, once. It is the only write that makes the item.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Blob`]: it may be there; put it again, which is harmless.
    /// [`StoreError::Refused`]: it never will be.
    pub async fn put_intent(&self, intent: &Intent) -> Result<PutIntent, StoreError> {
        let item = self.intent_item(intent).await?;
        let put = self.dynamodb().put_item().table_name(self.name()).set_item(Some(item));
        let put = put
            .condition_expression("attribute_not_exists(pk)")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::None);
        match put.send().on_heap().await {
            Ok(_) => Ok(PutIntent::New),
            Err(error) => match error.as_service_error() {
                // The blob of the same content has the same name: nothing is left over.
                Some(PutItemError::ConditionalCheckFailedException(_)) => Ok(PutIntent::Known),
                _ => Err(unavailable("PutItem")(error)),
            },
        }
    }

    /// An intent, consistently read; `None`: it is erased, or never was.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Blob`], [`StoreError::Corrupt`] or [`StoreError::Missing`].
    pub async fn intent(&self, eid: &Eid, id: &IntentId) -> Result<Option<StoredIntent>, StoreError> {
        let (pk, sk) = self.intent_key(eid, id);
        match self.get(pk, sk).await? {
            Some(item) => self.read_intent(&item).await.map(Some),
            None => Ok(None),
        }
    }

    /// Changes an intent by a transition: a pure function of the intent as it is, which gives nothing if it does not apply. It
    /// is asked again of what others have written meanwhile.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Blob`]: it may be changed; do it again. [`StoreError::Contended`]: others
    /// were faster each time.
    pub async fn change_intent(
        &self,
        intent: &StoredIntent,
        transition: impl Fn(&Intent) -> Option<Intent>,
    ) -> Result<Changed, StoreError> {
        let mut current = intent.clone();
        for _ in 0..ATTEMPTS_MAX {
            let Some(next) = transition(&current) else { return Ok(Changed::Late(Box::new(current))) };
            match self.try_transition(&current, &next).await? {
                Tried::Done(done) => return Ok(Changed::Done(Box::new(done))),
                Tried::Moved(now) => current = now,
                Tried::Gone => return Ok(Changed::Gone),
            }
        }
        Err(StoreError::Contended { operation: "change a message", attempts: ATTEMPTS_MAX })
    }

    async fn try_transition(&self, current: &StoredIntent, next: &Intent) -> Result<Tried, StoreError> {
        let (pk, sk) = self.intent_key(&current.birth.eid, &current.id);
        let expression = self.change_of(current, next).await?;
        let updated = self.update((&pk, &sk), &expression, "change a message").await?;
        let item = match updated {
            Updated::Done(item) => item,
            Updated::Unmet(None) => return Ok(Tried::Gone),
            Updated::Unmet(Some(item)) => {
                let now = self.read_intent(&item).await?;
                // Our own write, whose answer was lost, is what it was to be.
                if now.version != current.version + 1 || now.intent != *next {
                    return Ok(Tried::Moved(now));
                }
                item
            }
        };
        let done = self.read_intent(&item).await?;
        if let Some(old) = current.history_blob.as_ref().filter(|old| done.history_blob.as_ref() != Some(old))
            && is_of_one_item(old)
        {
            self.access.blobs.delete(old).await?;
        }
        Ok(Tried::Done(done))
    }

    /// The write of a change, on the condition that nobody wrote since it was read.
    pub(super) async fn change_of(&self, current: &StoredIntent, next: &Intent) -> Result<Expression, StoreError> {
        let mut expression =
            Expression::default().set(VERSION, n(current.version + 1)).value("seen", n(current.version));
        for (name, value) in self.changing(next).await? {
            expression = expression.put(name, value);
        }
        let (upserts, unguarded) = (self.makes(Mistake::RecordUpserts), self.makes(Mistake::RecordIgnoresPart));
        Ok(match (upserts, unguarded) {
            (false, false) => expression.only_if("attribute_exists(pk)").only_if("#ver = :seen"),
            (true, _) => expression.only_if("attribute_not_exists(pk) OR #ver = :seen"),
            (_, true) => expression.only_if("attribute_exists(pk)").only_if("#ver >= :seen"),
        })
    }

    /// Open intents of a conversation, oldest due first, consistently read: as many of them as decide which is next
    /// (`rapport_model::sending::intent::choose`).
    ///
    /// None that is older than the longest life of a message is read: it has expired, and was ended by whoever looked within a
    /// day after that.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] or [`StoreError::Blob`].
    pub async fn open_intents(&self, of: &Conversation, now: Timestamp) -> Result<Vec<StoredIntent>, StoreError> {
        self.open_and_unreadable(of, now).await.map(|open| open.items)
    }

    /// The same, and those that nobody can read.
    ///
    /// # Errors
    /// As of [`Table::open_intents`].
    pub async fn open_and_unreadable(&self, of: &Conversation, now: Timestamp) -> Result<OpenIntents, StoreError> {
        let (pk, to) = (self.endpoint_pk(&of.eid), keys::after(keys::INTENTS));
        let oldest = now.saturating_sub(EXPIRES_AFTER_MS_MAX + ENDS_WITHIN_MS);
        let from = format!("{}{}", keys::INTENTS, first_of_millisecond(oldest));
        let (mut open, mut start) = (OpenIntents::default(), None);
        loop {
            let query = self
                .dynamodb()
                .query()
                .table_name(self.name())
                .consistent_read(true)
                .key_condition_expression("pk = :pk AND sk BETWEEN :from AND :to")
                .filter_expression("#acc = :account AND #st IN (:pending, :sending)")
                .expression_attribute_names("#acc", ACCOUNT)
                .expression_attribute_names("#st", STATE)
                .expression_attribute_values(":pk", s(&pk))
                .expression_attribute_values(":from", s(&from))
                .expression_attribute_values(":to", s(&to))
                .expression_attribute_values(":account", s(&of.account))
                .expression_attribute_values(":pending", s(State::OPEN[0]))
                .expression_attribute_values(":sending", s(State::OPEN[1]))
                .limit(PAGE_ITEMS)
                .set_exclusive_start_key(start);
            let page = query.send().on_heap().await.map_err(unavailable("Query"))?;
            for item in page.items.unwrap_or_default() {
                match self.read_intent(&item).await {
                    Ok(intent) => open.items.push(intent),
                    Err(StoreError::Corrupt { .. } | StoreError::Missing { .. }) => {
                        let sk = Reader(&item).text("sk")?.to_owned();
                        open.unreadable.extend(keys::intent_id_of_sk(&sk));
                    }
                    Err(error) => return Err(error),
                }
            }
            start = page.last_evaluated_key;
            let decides = |intent: &StoredIntent| intent.due_at <= now + OVERTAKEN_AFTER_MS;
            if start.is_none() || open.items.iter().any(decides) {
                return Ok(open);
            }
        }
    }

    /// Open intents of an endpoint, of all its conversations. Those that nobody can read are left to their worker.
    ///
    /// # Errors
    /// As of [`Table::open_intents`].
    pub async fn open_of_endpoint(&self, eid: &Eid) -> Result<Vec<StoredIntent>, StoreError> {
        let items = self.all(&self.endpoint_pk(eid), keys::INTENTS, &keys::after(keys::INTENTS)).await?;
        let mut open = Vec::new();
        for item in items.iter().filter(|item| State::OPEN.contains(&Reader(item).text_opt(STATE).unwrap_or_default()))
        {
            match self.read_intent(item).await {
                Ok(intent) => open.push(intent),
                Err(StoreError::Corrupt { .. } | StoreError::Missing { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(open)
    }

    /// Ends an open intent that cannot be read, now or ever, so that it holds up nobody.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: do it again, which is harmless.
    pub async fn set_aside_intent(&self, eid: &Eid, id: &IntentId, why: &Cause) -> Result<(), StoreError> {
        let (pk, sk) = self.intent_key(eid, id);
        let state = State::Failed(why.clone());
        let expression = Expression::default()
            .set(STATE, s(state.word()))
            .set("why", json(&state))
            .value("pending", s(State::OPEN[0]))
            .value("sending", s(State::OPEN[1]))
            .only_if(&format!("#{STATE} IN (:pending, :sending)"));
        self.update((&pk, &sk), &expression, "set a message aside").await.map(drop)
    }

    /// Conversations that have open intents, of the whole table: for a process that wakes workers by a channel, which forgets.
    ///
    /// It scans. A sparse index would answer at once, and would cost two write units a message for ever, to be asked once a
    /// start of a process on one machine. On AWS nobody asks: wakes are in a queue there, which forgets nothing.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn unfinished(&self) -> Result<Vec<Conversation>, StoreError> {
        let (mut found, mut start) = (std::collections::BTreeSet::new(), None);
        let of_tenant = format!("{}#E#", self.tenant());
        loop {
            let scan = self
                .dynamodb()
                .scan()
                .table_name(self.name())
                .consistent_read(true)
                .filter_expression("begins_with(pk, :pk) AND begins_with(sk, :sk) AND #st IN (:pending, :sending)")
                .projection_expression("pk, sk, #acc")
                .expression_attribute_names("#acc", ACCOUNT)
                .expression_attribute_names("#st", STATE)
                .expression_attribute_values(":pk", s(&of_tenant))
                .expression_attribute_values(":sk", s(keys::INTENTS))
                .expression_attribute_values(":pending", s(State::OPEN[0]))
                .expression_attribute_values(":sending", s(State::OPEN[1]))
                .set_exclusive_start_key(start);
            let page = scan.send().on_heap().await.map_err(unavailable("Scan"))?;
            found.extend(page.items.unwrap_or_default().iter().filter_map(|item| self.conversation_of(item)));
            start = page.last_evaluated_key;
            if start.is_none() {
                return Ok(found.into_iter().collect());
            }
        }
    }

    /// The conversation of an intent's item, or of its keys and account.
    pub(crate) fn conversation_of(&self, item: &Item) -> Option<Conversation> {
        let reader = Reader(item);
        let eid = keys::eid_of_pk(self.tenant(), reader.text_opt("pk")?).and_then(Eid::parse)?;
        Some(Conversation { eid, account: reader.text_opt(ACCOUNT)?.to_owned() })
    }

    /// Intents of an endpoint, newest due first: up to `limit`, of those that are due before a place.
    ///
    /// # Errors
    /// As of [`Table::intent`].
    pub async fn intents(&self, eid: &Eid, before: Option<&IntentId>, limit: usize) -> Result<IntentPage, StoreError> {
        let pk = self.endpoint_pk(eid);
        let to = before.map_or_else(|| keys::after(keys::INTENTS), keys::intent_sk);
        let wanted = i32::try_from(limit.saturating_add(2)).unwrap_or(i32::MAX);
        let range = crate::table::Range {
            order: crate::table::Order::Descending,
            limit: Some(wanted),
            ..crate::table::Range::new(&pk, keys::INTENTS, &to)
        };
        let page = self.page(range).await?;
        let mut items = Vec::new();
        for item in &page.items {
            let intent = self.read_intent(item).await?;
            if Some(&intent.id) != before {
                items.push(intent);
            }
        }
        let is_cut = page.next.is_some() || items.len() > limit;
        items.truncate(limit);
        let next = items.last().map(|last| last.id.clone()).filter(|_| is_cut);
        Ok(IntentPage { items, next })
    }

    /// Deletes an intent and its blobs: its put came after the erasure of its person. Doing it again is harmless.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Blob`]: do it again.
    pub async fn delete_intent(&self, intent: &StoredIntent) -> Result<(), StoreError> {
        let (pk, sk) = self.intent_key(&intent.birth.eid, &intent.id);
        let Some(item) = self.get(pk, sk).await? else { return Ok(()) };
        self.delete_all(&[&item], std::slice::from_ref(&intent.birth.eid), 0).await
    }
}

enum Tried {
    Done(StoredIntent),
    /// Somebody else wrote: the intent as it is.
    Moved(StoredIntent),
    Gone,
}

/// The key of an item for a transaction.
pub(super) fn key_of((pk, sk): (&str, &str)) -> HashMap<String, AttributeValue> {
    HashMap::from([("pk".to_owned(), s(pk)), ("sk".to_owned(), s(sk))])
}
