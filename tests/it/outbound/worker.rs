//! The real worker, over a real table, with a real connector, to a provider on loopback.

use std::ops::Bound;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use rapport_config::{Config, ConnectionConfig};
use rapport_connections::{Connection, Connections, ConnectorHost, SecretValues};
use rapport_egress::{Egress, Network};
use rapport_inbound::Inbound;
use rapport_model::event::{
    Attestation, Author, Body, Contact, Covered, Delivery, DeliveryState, Identifier, Part, ProviderError,
};
use rapport_model::sending::intent::{Birth, Draft, Intent, State};
use rapport_model::sending::{IntentId, Kind, Route};
use rapport_model::{EndpointKey, Event};
use rapport_outbound::{Ended, Host, Outbound, Worker, wakes};
use rapport_sandbox::{Connector, Options, Sandbox, Secret};
use rapport_store::Table;
use rapport_store::events::{NewEvent, StoredEvent};
use rapport_store::outbox::intents::Conversation;

use super::provider::{Act, Provider};
use crate::connectors;
use crate::support::{Data, NOW, fold_all};

fn courier() -> Connector {
    static CONNECTOR: OnceLock<Connector> = OnceLock::new();
    let load = || Sandbox::new(Options::default()).unwrap().load_component(connectors::courier(), "courier").unwrap();
    CONNECTOR.get_or_init(load).clone()
}

/// A table, a worker, a provider, and a clock that a test moves.
pub struct World {
    pub data: Arc<Data>,
    pub provider: Provider,
    pub worker: Worker,
    pub now: Arc<AtomicU64>,
    pub of: Conversation,
    _woken: wakes::Woken,
}

impl World {
    pub async fn new(config: &str) -> Self {
        Self::over(Data::new().await, Provider::start().await, config).await
    }

    async fn over(data: Arc<Data>, provider: Provider, config: &str) -> Self {
        let now = Arc::new(AtomicU64::new(NOW));
        let (worker, woken) = worker(&data.table, &provider, config, &now);
        let key = EndpointKey { scheme: "phone".into(), scope: None, value: "+16505551234".into() };
        let of = Conversation { eid: data.table.eid(&key), account: "shop".into() };
        Self { data, provider, worker, now, of, _woken: woken }
    }

    pub fn table(&self) -> &Table {
        &self.data.table
    }

    /// Another worker of another process.
    pub(super) fn another(&self) -> (Worker, wakes::Woken) {
        worker(self.table(), &self.provider, "", &self.now)
    }

    pub fn pass(&self, ms: u64) {
        self.now.fetch_add(ms, Ordering::Relaxed);
    }

    /// An intent that is due `n` milliseconds after the start.
    pub async fn put(&self, n: u64, parts: &[&str]) -> IntentId {
        let intent = self.intent(n, parts);
        self.table().put_intent(&intent).await.unwrap();
        intent.id
    }

    pub fn intent(&self, n: u64, parts: &[&str]) -> Intent {
        let value = "+16505551234".into();
        let to = Identifier { scheme: "phone".into(), scope: None, value, attestation: Attestation::Agent };
        let birth = Birth {
            eid: self.of.eid.clone(),
            account: "shop".into(),
            connection: "courier".into(),
            created_at: NOW,
            expires_at: NOW + 24 * 3_600_000,
        };
        let draft = Draft {
            route: Route { to, account: "shop".into() },
            author: Author::Agent,
            by: "desk".into(),
            purpose: "service".into(),
            kind: Kind::Reply,
            subject: None,
            parts: parts.iter().map(|text| Part::Text((*text).to_owned())).collect(),
            in_reply_to: None,
            references: vec![],
            copies: vec![],
            thread: None,
            comment: None,
            extensions: Default::default(),
            client_ref: None,
            fence: None,
            turn: None,
            resends: None,
        };
        Intent::new(IntentId::new(NOW + n, u128::from(n)).unwrap(), birth, draft, NOW)
    }

    pub async fn state(&self, id: &IntentId) -> State {
        self.table().intent(&self.of.eid, id).await.unwrap().unwrap().intent.state
    }

    pub async fn turn(&self) -> Ended {
        self.worker.turn(&self.of).await.unwrap()
    }

    pub async fn events(&self) -> Vec<StoredEvent> {
        self.table().newest_events(&self.of.eid, Bound::Unbounded, 100).await.unwrap()
    }

    /// Texts on the timeline, oldest first.
    pub async fn timeline(&self) -> Vec<String> {
        let texts = self.events().await.into_iter().rev().filter_map(|stored| match stored.event.body {
            Body::Message(message) => match message.parts.as_slice() {
                [Part::Text(text)] => Some(text.clone()),
                other => panic!("{other:?}"),
            },
            _ => None,
        });
        texts.collect()
    }

    /// An event of the customer's number comes, and is folded.
    pub async fn comes(&self, at: u64, body: Body) {
        let value = "+16505551234".into();
        let whose = Identifier { scheme: "phone".into(), scope: None, value, attestation: Attestation::Provider };
        let event = Event {
            id: format!("event {at}"),
            at,
            account: "shop".into(),
            contact: Contact { identifiers: vec![whose], ..Contact::default() },
            body,
            extensions: Default::default(),
        };
        let key = self.table().tenant_key().event_key(at, "shop", &event.id).unwrap();
        let (eid, connection) = (self.of.eid.clone(), "courier".to_owned());
        let new = NewEvent { eid, key, event, connection, connector_digest: "0".repeat(64), received_at: at };
        self.data.put(new).await;
        fold_all(self.table(), &mut self.data.stream().await).await;
    }

    /// The provider reports about the reference of its newest message.
    pub async fn report(&self, state: DeliveryState) {
        let reference = self.provider.ledger().last().unwrap().reference.clone();
        let identifiers = self.intent(0, &[]).draft.route.to;
        let at = self.now.load(Ordering::Relaxed);
        let event = Event {
            id: format!("status-{at}"),
            at,
            account: "shop".into(),
            contact: Contact { identifiers: vec![identifiers], ..Contact::default() },
            body: Body::Delivery(Delivery { covers: Covered::Message("m1".into()), state, reference: Some(reference) }),
            extensions: Default::default(),
        };
        let key = self.table().tenant_key().event_key(at, "shop", &event.id).unwrap();
        let new = NewEvent {
            eid: self.of.eid.clone(),
            key,
            event,
            connection: "courier".into(),
            connector_digest: String::new(),
            received_at: at,
        };
        self.data.put(new).await;
        fold_all(self.table(), &mut self.data.stream().await).await;
    }
}

pub fn worker(table: &Table, provider: &Provider, config: &str, now: &Arc<AtomicU64>) -> (Worker, wakes::Woken) {
    let written = format!(
        "[connections.courier]\nconnector = 'courier'\n{config}\n[connections.courier.sending]\nbase-url = 'http://{}'\n",
        provider.address
    );
    let written: ConnectionConfig = Config::parse(&written).unwrap().connections.remove("courier").unwrap();
    let secrets = [("api-key".to_owned(), vec![Secret::new(*b"key-of-the-courier-0123456789")])];
    let connection =
        Connection::new("courier", courier(), &written, SecretValues::new(secrets.into_iter().collect())).unwrap();
    let host = ConnectorHost {
        connections: Connections::new([connection]),
        certificates: Arc::default(),
        egress: Egress::new(Network::Public),
        tenant_key: table.tenant_key().clone(),
        now: || NOW,
    };
    let host = Arc::new(host);
    let inbound = Arc::new(Inbound {
        table: table.clone(),
        host: Arc::clone(&host),
        feeds: Default::default(),
        objects: Default::default(),
        public_url: String::new(),
        stored: Arc::default(),
        now: || NOW,
    });
    let sender = Host { host, table: table.clone(), aws: None, public_url: None };
    let (near, woken) = wakes::local();
    let clock = Arc::clone(now);
    let outbound =
        Outbound::new(table.clone(), Arc::new(sender), Arc::new(near), move || clock.load(Ordering::Relaxed));
    let outbound = outbound.telling(Arc::new(move |connection, work, events| {
        let inbound = Arc::clone(&inbound);
        Box::pin(async move { inbound.store_told(&connection, &work, events).await })
    }));
    (Worker::new(Arc::new(outbound)), woken)
}

#[tokio::test]
async fn a_text_leaves_once_and_stands_on_the_timeline() {
    let world = World::new("").await;
    let id = world.put(0, &["hello"]).await;
    assert_eq!(world.turn().await, Ended::Rested(None));
    assert_eq!(world.turn().await, Ended::Rested(None));
    assert_eq!(world.state(&id).await, State::Sent);
    assert_eq!(world.provider.texts(), ["hello"]);
    let [stored] = world.events().await.try_into().unwrap();
    let reference = &world.provider.ledger()[0].reference;
    assert_eq!((&stored.event.id, stored.event.at), (reference, NOW));
    let origin = stored.origin.unwrap();
    assert_eq!((&origin.intent, origin.part, origin.by.as_str()), (&id, 0, "desk"));
    let Body::Message(message) = stored.event.body else { panic!("{:?}", stored.event.body) };
    assert_eq!((message.id.as_str(), message.author), ("m1", Author::Agent));
    assert_eq!(message.reference.as_ref(), Some(reference));
    assert_eq!(world.provider.requests(), ["POST /v1/messages HTTP/1.1"]);
}

#[tokio::test]
async fn intents_leave_in_the_order_in_which_they_are_due_and_parts_in_theirs() {
    let world = World::new("").await;
    world.pass(10);
    for (n, parts) in [(3, vec!["c", "d"]), (1, vec!["a"]), (2, vec!["b"])] {
        world.put(n, &parts).await;
    }
    world.turn().await;
    assert_eq!(world.provider.texts(), ["a", "b", "c", "d"]);
    let mut timeline = world.timeline().await;
    timeline.sort();
    assert_eq!(timeline, ["a", "b", "c", "d"]);
}

#[tokio::test]
async fn a_worker_that_dies_between_marker_and_answer_leaves_it_unknown_and_a_report_settles_it() {
    let world = World::new("").await;
    let id = world.put(0, &["hello"]).await;
    let next = world.put(1, &["next"]).await;
    world.provider.next([Act::TakeAndHang]);
    let (worker, of) = (world.worker.clone(), world.of.clone());
    let dies = tokio::spawn(async move { worker.turn(&of).await });
    world.provider.has(1).await;
    dies.abort();
    let _ = dies.await;

    let (other, _woken) = world.another();
    let Ended::Dropped { until } = other.turn(&world.of).await.unwrap() else { panic!("the marker is live") };
    world.pass(until - NOW);
    assert_eq!(other.turn(&world.of).await.unwrap(), Ended::Rested(None));
    assert!(matches!(world.state(&id).await, State::Unknown { .. }));
    assert_eq!(world.state(&next).await, State::Sent, "nobody waits for it");
    assert_eq!(world.provider.texts(), ["hello", "next"]);
    assert!(world.timeline().await == ["next"]);
}

#[tokio::test]
async fn an_unknown_message_is_settled_by_a_report_with_its_reference() {
    let world = World::new("").await;
    for (act, error) in [(Act::TakeAndBreak, "interrupted"), (Act::TakeAndAnswer(500), "500")] {
        let id = world.put(world.now.load(Ordering::Relaxed) - NOW, &["hello"]).await;
        world.provider.next([act]);
        world.turn().await;
        let State::Unknown { error: found, .. } = world.state(&id).await else {
            panic!("{:?}", world.state(&id).await)
        };
        println!("{error}: {found}");
        let before = world.provider.ledger().len();
        world.turn().await;
        assert_eq!(world.provider.ledger().len(), before, "it is not repeated");
        world.report(DeliveryState::Delivered).await;
        assert_eq!(world.state(&id).await, State::Sent);
        world.pass(1_000);
    }
    assert_eq!(world.timeline().await, ["hello", "hello"]);
    assert!(world.table().lock(&world.of).await.unwrap().unsettled.is_empty());
}

#[tokio::test]
async fn a_report_of_failure_settles_an_unknown_message_as_failed() {
    let world = World::new("").await;
    let id = world.put(0, &["hello"]).await;
    world.provider.next([Act::TakeAndBreak]);
    world.turn().await;
    let error = ProviderError { code: "131026".into(), title: "no".into(), detail: None, retryable: false };
    world.report(DeliveryState::Failed(error)).await;
    assert!(matches!(world.state(&id).await, State::Failed(_)));
    assert_eq!(world.timeline().await, [""; 0]);
}

#[tokio::test]
async fn a_refused_rate_waits_and_then_leaves_once() {
    let world = World::new("").await;
    let id = world.put(0, &["hello"]).await;
    world.provider.next([Act::Refuse(429, "retry-after: 7\r\n"), Act::Refuse(429, "retry-after: 0\r\n")]);
    assert_eq!(world.turn().await, Ended::Rested(Some(NOW + 7_000)));
    assert_eq!(world.turn().await, Ended::Rested(Some(NOW + 7_000)), "nothing leaves before");
    world.pass(7_000);
    assert_eq!(world.turn().await, Ended::Rested(Some(NOW + 8_000)));
    world.pass(1_000);
    assert_eq!(world.turn().await, Ended::Rested(None));
    assert_eq!((world.state(&id).await, world.provider.texts()), (State::Sent, vec!["hello".to_owned()]));
}

#[tokio::test]
async fn a_provider_that_is_not_there_gets_it_when_it_is_back() {
    let world = World::new("").await;
    let id = world.put(0, &["hello"]).await;
    let nowhere = World::over(Arc::clone(&world.data), Provider::start().await, "").await;
    drop(nowhere.provider);
    let Ended::Rested(Some(again)) = nowhere.worker.turn(&world.of).await.unwrap() else { panic!() };
    assert_eq!(world.state(&id).await, State::Pending);
    world.pass(again - NOW);
    world.turn().await;
    assert_eq!((world.state(&id).await, world.provider.texts().len()), (State::Sent, 1));
}

#[tokio::test]
async fn two_workers_of_one_conversation_send_once() {
    let world = World::new("").await;
    world.pass(20);
    for n in 0..6 {
        world.put(n, &[&format!("text {n}")]).await;
    }
    let (other, _woken) = world.another();
    for _ in 0..10 {
        let (one, two) = tokio::join!(world.worker.turn(&world.of), other.turn(&world.of));
        one.and(two).unwrap();
    }
    let expected: Vec<String> = (0..6).map(|n| format!("text {n}")).collect();
    assert_eq!(world.provider.texts(), expected);
}
