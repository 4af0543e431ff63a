//! The table: making it, and the handle through which everything else reaches it.

use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
    StreamSpecification, StreamViewType, TimeToLiveSpecification,
};
use rapport_model::identity::Rules;
use rapport_model::{Eid, EndpointKey, TenantKey};

use crate::blobs::Blobs;
use crate::entropy::Entropy;
use crate::error::{StoreError, unavailable};
use crate::items::{Item, Reader, s};
use crate::keys;
use crate::on_heap::OnHeap;

/// The name of the attribute that DynamoDB's time to live looks at: seconds since the epoch.
pub(crate) const TTL: &str = "ttl";

/// What it takes to reach a table: clients, its name, whose data it holds.
pub struct Access {
    pub dynamodb: Client,
    pub streams: aws_sdk_dynamodbstreams::Client,
    /// At least 12 characters: the stream ids of shorter ones are refused by some SDKs.
    pub table: String,
    /// The first part of every key.
    pub tenant: String,
    pub tenant_key: TenantKey,
    pub blobs: Blobs,
    pub entropy: Entropy,
}

/// One tenant's part of one table. Cheap to clone.
#[derive(Clone)]
pub struct Table {
    pub(crate) access: Arc<Access>,
    rules: Arc<Rules>,
    /// What a test leaves out, to see that its checker notices.
    #[cfg(feature = "mutants-for-model-checking")]
    without: Option<Clause>,
    #[cfg(feature = "mutants-for-model-checking")]
    mistake: Option<Mistake>,
}

/// Clauses of the identity protocol without which some interleaving ends wrong; see `ARCHITECTURE.md`, "Identity".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clause {
    /// A root's version moves with its edges although its members stay.
    VersionMoves,
    /// A split rewrites the pointer of every endpoint that it moves.
    EveryPointer,
    /// A root is an endpoint's only if it has it as a member.
    Proof,
}

/// Declares the mistakes and their list together, so that none is missing from it.
macro_rules! mistakes {
    ($($(#[doc = $doc:literal])* $name:ident,)*) => {
        /// Conditions of the sending protocol, each as the mistake of leaving it out, under the names that the model of the
        /// protocol gives them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Mistake { $($(#[doc = $doc])* $name,)* }

        impl Mistake {
            pub const ALL: &[Self] = &[$(Self::$name,)*];
        }
    };
}

mistakes! {
    /// A marker is written over one that is still live.
    MarkerIgnoresLiveMarker,
    /// A marker replaces whatever is there, not only the token that was read as ended.
    ReplacesUnseenMarker,
    /// A bot's marker does not compare fence and controller.
    MarkerIgnoresFence,
    /// A bot's marker does not compare the turn.
    MarkerIgnoresTurn,
    /// The lock keeps the answered turn without the intent that answered it.
    TurnWithoutItsIntent,
    /// A marker that is released without a request keeps the turn.
    ReleaseKeepsTurn,
    /// A marker can be written on a closed lock.
    MarkerIgnoresClosed,
    /// A marker for a purpose that needs consent does not look at what the customer said.
    MarkerIgnoresStop,
    /// A marker does not look at the pair rate.
    MarkerIgnoresPairRate,
    /// The repeated write meets its own token, and takes it for somebody else's.
    OwnTokenIsForeign,
    /// The record does not compare what was read: part, step and state may have moved.
    RecordIgnoresPart,
    /// The record makes an item that an erasure has deleted.
    RecordUpserts,
    /// The lock forgets an intent that is unknown.
    ReclaimForgetsUnsettled,
    /// The lock keeps the key of one control event: the fold moves the fence a second time.
    OneControlKey,
    /// The fold moves control without looking at the keys in the lock.
    FoldMovesAgain,
    /// A cancel looks at the intent alone.
    CancelLooksAtStateOnly,
    /// A cancel looks at the lock alone.
    CancelLooksAtLockOnly,
    /// A repeated POST makes a second intent.
    NoIdempotencyClaim,
    /// A refused rate is not written where other workers see it.
    LimitIsForgotten,
    /// The erasure does not close the lock.
    ErasureLeavesLockOpen,
    /// The erasure does not wait for a marker.
    ErasureDoesNotWaitForMarker,
    /// An event of ours that is put after the sweep stays.
    LateEventStays,
    /// A status makes an erased endpoint known again.
    StatusRevivesEndpoint,
    // Of the worker.
    /// The worker sends on what it read before it held the marker.
    NoRereadUnderMarker,
    /// The read under the marker looks at the intent alone, and not at older ones that have become due.
    RereadLooksAtItselfOnly,
    /// A marker whose intent has not ended is replaced before its deadline.
    ReplacesUnendedMarker,
    /// The worker does not look at the deadline before it sends.
    NoDeadlineCheck,
    /// A request without an answer is sent again.
    RepeatsAfterTimeout,
    /// The exchange is recorded before the event is put: a crash between the two loses the event.
    RecordBeforeEvent,
    /// The event's time is when the answer came.
    EventKeyFromAnswerTime,
    /// The intent is called unknown without holding the marker: its worker may have released it meanwhile.
    ReclaimWithoutOwnMarker,
    /// The intent goes back to pending.
    ReclaimRepeats,
    /// The worker takes any intent that is due.
    OlderDueNotFirst,
    // Of webhooks, the API and the fold.
    /// A status settles only what is unknown already: the worker may die after it.
    StatusSettlesOnlyUnknown,
    /// The fold does not settle an intent by our own event.
    OwnEventSettlesNothing,
    /// Our own echo is stored as a message, and takes the conversation from the bot.
    EchoAsMessage,
    /// A command is answered before the lock has moved.
    TakeoverOnlyAsEvent,
    /// A foreign echo or a stop is acknowledged before the lock has moved.
    DoorLeavesItToTheFold,
    /// The fold does not repeat the second step of a command whose server died.
    FoldLeavesControl,
}

impl Table {
    /// Makes the table if it is not there, and makes sure that it belongs to this tenant key.
    ///
    /// # Errors
    /// [`StoreError::OtherTenantKey`] when the data was made with another key: endpoint ids would never meet.
    pub async fn open(access: Access) -> Result<Self, StoreError> {
        let table = Self::of(access);
        table.create().await?;
        table.claim().await?;
        Ok(table)
    }

    /// A handle of a table that somebody else has made and that belongs to `claimant`, as [`Table::claimant`] gave it.
    ///
    /// # Errors
    /// [`StoreError::OtherTenantKey`]; [`StoreError::Unclaimed`]; [`StoreError::Unavailable`].
    pub async fn attach(access: Access, claimant: Option<String>, claim: Claim) -> Result<Self, StoreError> {
        let table = Self::of(access);
        match (claimant, claim) {
            (Some(fingerprint), _) => table.expect_ours(Some(&fingerprint))?,
            (None, Claim::IfFree) => table.claim().await?,
            (None, Claim::Never) => return Err(StoreError::Unclaimed),
        }
        Ok(table)
    }

    /// The fingerprint of the tenant key that a table belongs to; none: of nobody's yet.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], also when there is no such table.
    pub async fn claimant(dynamodb: &Client, table: &str, tenant: &str) -> Result<Option<String>, StoreError> {
        let item = get(dynamodb, table, (keys::tenant_key_pk(tenant), keys::ENDPOINT.to_owned())).await?;
        item.map(|item| Reader(&item).text("fingerprint").map(str::to_owned)).transpose()
    }

    fn of(access: Access) -> Self {
        Self {
            access: Arc::new(access),
            rules: Arc::default(),
            #[cfg(feature = "mutants-for-model-checking")]
            without: None,
            #[cfg(feature = "mutants-for-model-checking")]
            mistake: None,
        }
    }

    /// The same table under other rules of identity than the default ones.
    pub fn under(mut self, rules: Rules) -> Self {
        self.rules = Arc::new(rules);
        self
    }

    /// The same table by a protocol that lacks a clause. For tests of the model checker alone.
    #[cfg(feature = "mutants-for-model-checking")]
    pub fn without(mut self, clause: Clause) -> Self {
        self.without = Some(clause);
        self
    }

    /// Whether the protocol keeps a clause: always.
    #[cfg(not(feature = "mutants-for-model-checking"))]
    pub(crate) fn keeps(&self, _: Clause) -> bool {
        true
    }

    #[cfg(feature = "mutants-for-model-checking")]
    pub(crate) fn keeps(&self, clause: Clause) -> bool {
        self.without != Some(clause)
    }

    /// The same table by a sending protocol with a mistake. For tests of the model checker alone.
    #[cfg(feature = "mutants-for-model-checking")]
    pub fn with_mistake(mut self, mistake: Mistake) -> Self {
        self.mistake = Some(mistake);
        self
    }

    /// Whether the sending protocol makes a mistake: never.
    #[cfg(not(feature = "mutants-for-model-checking"))]
    pub fn makes(&self, _: Mistake) -> bool {
        false
    }

    /// Whether the sending protocol makes a mistake. Other crates go on with it, and ask as well.
    #[cfg(feature = "mutants-for-model-checking")]
    pub fn makes(&self, mistake: Mistake) -> bool {
        self.mistake == Some(mistake)
    }

    /// By which rules evidence makes profiles.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// The id of an endpoint under this table's tenant key.
    pub fn eid(&self, key: &EndpointKey) -> Eid {
        self.access.tenant_key.eid(key)
    }

    /// The key behind this table's endpoint ids.
    pub fn tenant_key(&self) -> &TenantKey {
        &self.access.tenant_key
    }

    /// Whether the table answers.
    ///
    /// # Errors
    /// What [`StoreError::Unavailable`] says.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.get(keys::tenant_key_pk(self.tenant()), keys::ENDPOINT.to_owned()).await.map(drop)
    }

    pub(crate) fn tenant(&self) -> &str {
        &self.access.tenant
    }

    pub(crate) fn name(&self) -> &str {
        &self.access.table
    }

    pub(crate) fn dynamodb(&self) -> &Client {
        &self.access.dynamodb
    }

    pub(crate) fn endpoint_pk(&self, eid: &Eid) -> String {
        keys::endpoint_pk(self.tenant(), eid)
    }

    /// One item, strongly consistent.
    pub(crate) async fn get(&self, pk: String, sk: String) -> Result<Option<Item>, StoreError> {
        get(self.dynamodb(), self.name(), (pk, sk)).await
    }

    /// One page of a partition's items between two sort keys, both included; strongly consistent.
    pub(crate) async fn page(&self, range: Range<'_>) -> Result<Page, StoreError> {
        let request = self
            .dynamodb()
            .query()
            .table_name(self.name())
            .consistent_read(true)
            .key_condition_expression("pk = :pk AND sk BETWEEN :from AND :to")
            .expression_attribute_values(":pk", s(range.pk))
            .expression_attribute_values(":from", s(range.from))
            .expression_attribute_values(":to", s(range.to))
            .scan_index_forward(range.order == Order::Ascending)
            .set_limit(range.limit)
            .set_exclusive_start_key(range.start);
        let answer = request.send().on_heap().await.map_err(unavailable("Query"))?;
        Ok(Page { items: answer.items.unwrap_or_default(), next: answer.last_evaluated_key })
    }

    /// All items of a partition between two sort keys, page by page.
    pub(crate) async fn all(&self, pk: &str, from: &str, to: &str) -> Result<Vec<Item>, StoreError> {
        let mut items = Vec::new();
        let mut start = None;
        loop {
            let range = Range { start, ..Range::new(pk, from, to) };
            let page = self.page(range).await?;
            items.extend(page.items);
            start = page.next;
            if start.is_none() {
                return Ok(items);
            }
        }
    }

    async fn create(&self) -> Result<(), StoreError> {
        let key = |name: &str, kind| KeySchemaElement::builder().attribute_name(name).key_type(kind).build();
        let attribute = |name: &str| {
            AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S).build()
        };
        let complete = "all required parts are given";
        let stream = StreamSpecification::builder()
            .stream_enabled(true)
            .stream_view_type(StreamViewType::NewAndOldImages)
            .build()
            .expect(complete);
        let made = self
            .dynamodb()
            .create_table()
            .table_name(self.name())
            .billing_mode(BillingMode::PayPerRequest)
            .attribute_definitions(attribute("pk").expect(complete))
            .attribute_definitions(attribute("sk").expect(complete))
            .key_schema(key("pk", KeyType::Hash).expect(complete))
            .key_schema(key("sk", KeyType::Range).expect(complete))
            .stream_specification(stream)
            .send()
            .on_heap()
            .await;
        match made {
            Err(error) if error.code() == Some("ResourceInUseException") => return Ok(()),
            made => made.map_err(unavailable("CreateTable"))?,
        };
        let ttl = TimeToLiveSpecification::builder().enabled(true).attribute_name(TTL).build().expect(complete);
        let request = self.dynamodb().update_time_to_live().table_name(self.name());
        request.time_to_live_specification(ttl).send().on_heap().await.map_err(unavailable("UpdateTimeToLive"))?;
        Ok(())
    }

    /// The first key to come claims the table; a later, different one is refused.
    async fn claim(&self) -> Result<(), StoreError> {
        let fingerprint = self.access.tenant_key.fingerprint();
        let put = self
            .dynamodb()
            .put_item()
            .table_name(self.name())
            .item("pk", s(keys::tenant_key_pk(self.tenant())))
            .item("sk", s(keys::ENDPOINT))
            .item("fingerprint", s(&fingerprint))
            .condition_expression("attribute_not_exists(pk)")
            .send()
            .on_heap()
            .await;
        match put {
            Ok(_) => return Ok(()),
            Err(error) if is_condition_failure(&error) => {}
            Err(error) => return Err(unavailable("PutItem")(error)),
        }
        let claimant = Self::claimant(self.dynamodb(), self.name(), self.tenant()).await?;
        self.expect_ours(claimant.as_deref())
    }

    fn expect_ours(&self, claimant: Option<&str>) -> Result<(), StoreError> {
        let ours = claimant == Some(self.access.tenant_key.fingerprint().as_str());
        ours.then_some(()).ok_or(StoreError::OtherTenantKey)
    }
}

/// What is done with a table that is nobody's yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// It becomes ours.
    IfFree,
    /// It is refused: somebody else has the permission to claim it.
    Never,
}

/// One item, strongly consistent.
async fn get(dynamodb: &Client, table: &str, (pk, sk): (String, String)) -> Result<Option<Item>, StoreError> {
    let request = dynamodb.get_item().table_name(table).consistent_read(true);
    let answer = request.key("pk", s(pk)).key("sk", s(sk)).send().on_heap().await.map_err(unavailable("GetItem"))?;
    Ok(answer.item)
}

/// Which items of a partition a query reads.
pub(crate) struct Range<'a> {
    pub pk: &'a str,
    pub from: &'a str,
    pub to: &'a str,
    pub order: Order,
    pub limit: Option<i32>,
    pub start: Option<Item>,
}

impl<'a> Range<'a> {
    /// From `from` to `to`, both included, ascending, without a limit.
    pub fn new(pk: &'a str, from: &'a str, to: &'a str) -> Self {
        Self { pk, from, to, order: Order::Ascending, limit: None, start: None }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    Ascending,
    Descending,
}

pub(crate) struct Page {
    pub items: Vec<Item>,
    pub next: Option<std::collections::HashMap<String, AttributeValue>>,
}

/// Whether a write did not happen because its condition did not hold.
pub(crate) fn is_condition_failure<E: ProvideErrorMetadata>(
    error: &aws_sdk_dynamodb::error::SdkError<E, aws_sdk_dynamodb::config::http::HttpResponse>,
) -> bool {
    error.code() == Some("ConditionalCheckFailedException")
}

/// Whether a write did not happen because a transaction held its item just then.
pub(crate) fn is_conflict<E: ProvideErrorMetadata>(
    error: &aws_sdk_dynamodb::error::SdkError<E, aws_sdk_dynamodb::config::http::HttpResponse>,
) -> bool {
    error.code() == Some("TransactionConflictException")
}
