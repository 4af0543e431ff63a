//! The business: its API, its webhooks and its fold, on loopback; and the customers, agents and bots that use them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::ops::Bound;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use rapport_api::people::People;
use rapport_api::{Api, CallerState};
use rapport_connections::{Connections, ConnectorHost};
use rapport_egress::{Egress, Network as Reach};
use rapport_inbound::Inbound;
use rapport_inbound::feed::Feeds;
use rapport_model::Eid;
use rapport_model::profile::rfc3339;
use rapport_model::sending::MessageId;
use rapport_model::sending::intent::State;
use rapport_projections::fold::{fold_batch, unreadable};
use rapport_projections::settlement::follow;
use rapport_sandbox::{SigningKey, Target};
use rapport_store::objects::Objects;
use rapport_store::outbox::intents::StoredIntent;
use rapport_store::stream::StreamReader;
use rapport_store::{StoreError, Table};
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinSet;

use super::network::{Entry, Network};
use super::workers::FarWakes;
use super::{now, sleep};
use crate::connectors;
use crate::store::interleavings::Random;
use crate::support::{
    API_KEY, Answer, Data, Gateway, Text, deliver, eventually_within, sandbox, send, usual_keys, wa_eu,
};

/// The connector as all workers load it, in the folder of the data.
pub const ARTEFACT: &str = "whatsapp.artefact";
/// Which of our numbers customers write to.
const ACCOUNT: &str = "106540352242922";
/// Conversations that go on at once.
const AT_ONCE: usize = 40;
/// Times that a request is made of an API whose storage is busy.
const TRIES: usize = 50;
/// Milliseconds after which a message expires that is in a hurry.
const EXPIRES_MS: u64 = 8_000;
/// Milliseconds of the machine until everything has come to rest.
const REST: Duration = Duration::from_secs(400);

/// A conversation, as those who write in it know it.
#[derive(Clone, Debug)]
pub struct Of {
    pub number: u64,
    phone: String,
    profile: Value,
}

/// A message that the API took.
#[derive(Clone, Debug)]
pub struct Posted {
    pub id: MessageId,
    pub conversation: u64,
    /// Its place among everything that was done in its conversation.
    pub place: usize,
    pub is_bot: bool,
    pub parts: usize,
}

/// Somebody took a conversation.
#[derive(Clone, Debug)]
pub struct Taken {
    pub conversation: u64,
    pub place: usize,
    /// When it was answered, by the clock of the proof.
    pub answered_at: u64,
    /// By the API: what it showed as under way. `None`: by a message from elsewhere, whose answer shows nothing.
    pub shown: Option<Option<String>>,
}

/// What was done.
#[derive(Default)]
pub struct Done {
    pub posted: Vec<Posted>,
    pub taken: Vec<Taken>,
    pub cancelled: Vec<MessageId>,
    /// Replies that the API did not take, because their fence or their turn was over.
    pub stale: u64,
}

/// See the module's documentation.
pub struct World {
    pub data: Arc<Data>,
    pub network: Arc<Network>,
    pub wakes: Arc<FarWakes>,
    /// Whom workers trust with the connector.
    pub public: String,
    pub seed: u64,
    pub done: Mutex<Done>,
    address: SocketAddr,
    drawn: AtomicU64,
    /// Reports that are on their way.
    pending: Arc<AtomicU64>,
    _tasks: JoinSet<()>,
}

impl World {
    pub async fn new(seed: u64) -> Arc<Self> {
        let data = Data::new().await;
        let public = artefact(&data);
        let (network, reports) = Network::start(seed).await;
        let wakes = Arc::new(FarWakes(Mutex::new(None), Mutex::new(Random::new(seed + 3))));
        let gateway = gateway(data.table.clone(), Arc::clone(&wakes));
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let routes = gateway.router().into_make_service_with_connect_info::<SocketAddr>();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { axum::serve(listener, routes).await.unwrap() });
        tasks.spawn(fold_for_ever(data.table.clone(), Arc::clone(&gateway.stored), Arc::clone(&wakes)));
        let pending = Arc::new(AtomicU64::new(0));
        tasks.spawn(report_for_ever(reports, Arc::clone(&network), address, Arc::clone(&pending)));
        let (done, drawn) = (Mutex::default(), AtomicU64::new(0));
        Arc::new(Self { data, network, wakes, public, seed, done, address, drawn, pending, _tasks: tasks })
    }

    pub fn table(&self) -> &Table {
        &self.data.table
    }

    pub async fn call(&self, method: &str, target: &str, key: &str, body: &Value) -> Answer {
        let authorization = format!("Bearer {API_KEY}");
        let mut headers = vec![("authorization", authorization.as_str()), ("content-type", "application/json")];
        if !key.is_empty() {
            headers.push(("idempotency-key", key));
        }
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let mut away = None;
        for _ in 0..TRIES {
            match send(self.address, method, target, &headers, body.as_bytes()).await {
                Ok(answer) if answer.status < 500 => return answer,
                other => away = Some(other),
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        panic!("{method} {target}: {away:?}");
    }

    fn draw(&self) -> u64 {
        self.drawn.fetch_add(1, Ordering::Relaxed)
    }

    /// A customer writes.
    async fn hear(&self, phone: &str) {
        let n = self.draw();
        let id = format!("wamid.in.{n}");
        let text = Text { id, at: now() / 1_000, from: phone.to_owned(), text: format!("text {n}") };
        assert_eq!(deliver(self.address, &text.webhook()).await.unwrap().status, 200);
    }

    /// A customer who writes for the first time.
    pub async fn meet(&self, number: u64) -> Of {
        let phone = format!("1650555{number:04}");
        self.hear(&phone).await;
        let target = format!("/v1/profiles/lookup?scheme=phone&value=%2B{phone}");
        for _ in 0..1_200 {
            let answer = self.call("GET", &target, "", &Value::Null).await;
            // A profile is there a moment before the head of its conversation.
            if answer.status == 200 && answer.json()["counters"]["messages_received"] == 1 {
                return Of { number, phone, profile: answer.json()["id"].clone() };
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("nobody folds what `{phone}` said");
    }

    /// A message of an agent that is no reply.
    pub fn notice(&self, of: &Of, texts: &[&str]) -> Value {
        let parts: Vec<Value> = texts.iter().map(|text| json!({"text": text})).collect();
        json!({"to": {"profile": of.profile}, "parts": parts, "kind": "notice", "author": "agent"})
    }

    /// Posts a message, sometimes twice with the same key. `None`: its fence or its turn is over.
    pub async fn post(&self, of: &Of, body: &Value) -> Option<MessageId> {
        let key = format!("key {}", self.draw());
        let answer = self.call("POST", "/v1/messages", &key, body).await;
        if answer.status == 409 && !body["fence"].is_null() {
            self.done.lock().unwrap().stale += 1;
            return None;
        }
        assert_eq!(answer.status, 202, "{answer:?}");
        let message = answer.json();
        if self.network.below(20) == 0 {
            let again = self.call("POST", "/v1/messages", &key, body).await.json();
            assert_eq!(again["id"], message["id"], "one message for one key: {again}");
        }
        let id = MessageId::parse(message["id"].as_str().unwrap()).unwrap();
        let mut done = self.done.lock().unwrap();
        let place = done.posted.len() + done.taken.len();
        let parts = body["parts"].as_array().unwrap().len();
        let is_bot = body["author"] == "automation";
        done.posted.push(Posted { id: id.clone(), conversation: of.number, place, is_bot, parts });
        Some(id)
    }

    /// All conversations, some at once.
    pub async fn talk(self: &Arc<Self>, conversations: u64, each: u64) {
        let mut running = JoinSet::new();
        for number in 0..conversations {
            while running.len() >= AT_ONCE {
                running.join_next().await.unwrap().unwrap();
            }
            running.spawn(Arc::clone(self).converse(number, each));
        }
        running.join_all().await;
    }

    /// What is done in one conversation, one thing after another: some 50 of 100 are notices, of which some expire soon, 30 a
    /// bot's, the rest takeovers by command or from elsewhere, and cancels.
    async fn converse(self: Arc<Self>, number: u64, each: u64) {
        let of = self.meet(number).await;
        let mut random = Random::new(self.seed * 7_919 + number);
        let mut eid = None;
        let mut left = each;
        while left > 0 {
            let (pause, drawn) = (random.below(6_000) as u64, random.below(100));
            match (drawn, &eid) {
                (50..80, Some(eid)) => left = left.saturating_sub(self.answer(&of, eid, &mut random).await),
                (80..88, Some(eid)) => self.take(&of, eid).await,
                (88..92, Some(_)) => self.take_elsewhere(&of).await,
                (drawn, _) => {
                    let texts = ["your order left our house", "it will be with you on Thursday"];
                    let parts = if random.below(6) == 0 { &texts[..] } else { &texts[..1] };
                    let mut notice = self.notice(&of, parts);
                    if drawn < 4 {
                        notice["expires_at"] = json!(rfc3339(now() + EXPIRES_MS));
                    }
                    let id = self.post(&of, &notice).await.expect("a notice has no fence");
                    left -= 1;
                    if drawn >= 96 {
                        self.cancel(&id).await;
                    }
                    eid = Some(id.eid);
                }
            }
            sleep(pause).await;
        }
    }

    /// A bot answers what the customer says, sometimes twice. Gives how many messages were taken.
    async fn answer(&self, of: &Of, eid: &Eid, random: &mut Random) -> u64 {
        self.hear(&of.phone).await;
        let target = format!("/v1/conversations/{eid}");
        let mut control = self.call("GET", &target, "", &Value::Null).await.json();
        if matches!(control["holder"]["role"].as_str(), Some("agent" | "other_app")) {
            control = self.call("POST", &format!("{target}/hand-back"), "", &Value::Null).await.json();
        }
        let reply = json!({
            "to": {"profile": of.profile}, "parts": [{"text": "I am a machine"}], "kind": "reply", "author": "automation",
            "fence": control["fence"], "turn": control["turn"],
        });
        sleep(random.below(2_000) as u64).await;
        let mut taken = 0;
        for _ in 0..1 + usize::from(random.below(3) == 0) {
            taken += u64::from(self.post(of, &reply).await.is_some());
        }
        taken
    }

    async fn take(&self, of: &Of, eid: &Eid) {
        let answer = self.call("POST", &format!("/v1/conversations/{eid}/take"), "", &Value::Null).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let shown = answer.json()["under_way"]["message"].as_str().map(str::to_owned);
        self.took(of, Some(shown));
    }

    /// Somebody answers in the provider's own inbox.
    async fn take_elsewhere(&self, of: &Of) {
        let echo = json!({
            "from": "15550783881", "to": of.phone, "id": format!("wamid.out.{}", self.draw()),
            "timestamp": (now() / 1_000).to_string(), "type": "text", "text": {"body": "I am a human"},
        });
        let value = json!({"message_echoes": [echo]});
        assert_eq!(deliver(self.address, &webhook("smb_message_echoes", value)).await.unwrap().status, 200);
        self.took(of, None);
    }

    fn took(&self, of: &Of, shown: Option<Option<String>>) {
        let answered_at = now();
        let mut done = self.done.lock().unwrap();
        let place = done.posted.len() + done.taken.len();
        done.taken.push(Taken { conversation: of.number, place, answered_at, shown });
    }

    async fn cancel(&self, id: &MessageId) {
        let answer = self.call("POST", &format!("/v1/messages/{id}/cancel"), "", &Value::Null).await;
        if answer.status == 200 && answer.json()["state"] == "cancelled" {
            self.done.lock().unwrap().cancelled.push(id.clone());
        }
    }

    /// The provider reports a message, by a signed webhook.
    pub async fn report(&self, entry: &Entry, status: &str) {
        report(self.address, &self.network, entry, status).await;
    }

    pub async fn intent(&self, id: &MessageId) -> StoredIntent {
        self.table().intent(&id.eid, &id.intent).await.unwrap().expect("nobody is erased")
    }

    /// The parts of a message that stand on the timeline.
    pub async fn timeline_of(&self, id: &MessageId) -> Vec<u32> {
        let events = self.table().newest_events(&id.eid, Bound::Unbounded, 1_000).await.unwrap();
        let origins = events.into_iter().filter_map(|stored| stored.origin);
        let mut parts: Vec<u32> =
            origins.filter(|origin| origin.intent == id.intent).map(|origin| origin.part).collect();
        parts.sort_unstable();
        parts
    }

    /// Every message by its id, as it is now.
    pub async fn intents(&self) -> BTreeMap<String, StoredIntent> {
        let ids: Vec<MessageId> = self.done.lock().unwrap().posted.iter().map(|posted| posted.id.clone()).collect();
        let mut all = BTreeMap::new();
        for id in ids {
            all.insert(id.to_string(), self.intent(&id).await);
        }
        all
    }

    /// Waits until nothing is on its way: no report, no message, and nothing unknown of which the provider spoke.
    pub async fn rest(&self) {
        let tenant = self.table().tenant_key();
        eventually_within(REST, "everything has come to rest", async || {
            if self.pending.load(Ordering::Relaxed) > 0 || !self.table().unfinished().await.ok()?.is_empty() {
                return None;
            }
            let waits = self.intents().await.into_values().any(|intent| {
                let reference = intent.reference(intent.part()).write(tenant);
                matches!(intent.state, State::Unknown { .. }) && self.network.has_reported(&reference)
            });
            (!waits).then_some(())
        })
        .await;
    }
}

/// Compiles the connector for the workers; gives the key that signed it.
fn artefact(data: &Data) -> String {
    static PACKED: OnceLock<Vec<u8>> = OnceLock::new();
    let key = SigningKey::from_seed(&[3; 32]);
    let packed = PACKED.get_or_init(|| {
        let component = connectors::whatsapp();
        let compiled = sandbox().compile(component, Target::host().unwrap()).unwrap();
        rapport_sandbox::artefact::pack(component, &compiled, "whatsapp", &key).unwrap()
    });
    std::fs::write(data.folder().join(ARTEFACT), packed).unwrap();
    key.public().to_string()
}

fn gateway(table: Table, wakes: Arc<FarWakes>) -> Gateway {
    let names = ["wa-eu".to_owned()];
    let api = Api {
        people: People { table: table.clone(), connections: names.clone().into(), now },
        keys: usual_keys(),
        callers: CallerState::default(),
        senders: names.into(),
        wakes,
    };
    let host = Arc::new(ConnectorHost {
        connections: Connections::new([wa_eu()]),
        certificates: Arc::default(),
        egress: Egress::new(Reach::Public),
        tenant_key: table.tenant_key().clone(),
        now,
    });
    let public_url = "https://rapport.example".to_owned();
    let (feeds, objects, stored) = (Feeds::default(), Objects::default(), Arc::new(Notify::new()));
    let inbound = Inbound { table, host, feeds, objects, public_url, stored, now };
    Gateway { inbound: Arc::new(inbound), api: Arc::new(api) }
}

async fn fold_for_ever(table: Table, stored: Arc<Notify>, wakes: Arc<FarWakes>) {
    let mut reader = StreamReader::open(table.clone()).await.unwrap();
    loop {
        match fold(&table, &mut reader, &wakes).await {
            Ok(0) => drop(tokio::time::timeout(Duration::from_millis(50), stored.notified()).await),
            Ok(_) => {}
            Err(_) => reader.rewind(),
        }
    }
}

/// Folds what there is, as a process does that serves.
async fn fold(table: &Table, reader: &mut StreamReader, wakes: &FarWakes) -> Result<usize, StoreError> {
    let mut records = 0;
    for batch in reader.next().await? {
        unreadable(table, &batch.unreadable, now()).await?;
        fold_batch(table, &batch.events, now()).await?;
        for intent in &batch.intents {
            follow(table, intent, wakes, now()).await?;
        }
        let many = batch.events.len() + batch.intents.len() + batch.gone;
        if many > 0 {
            reader.handled(&batch).await?;
        }
        records += many;
    }
    Ok(records)
}

/// The provider's reports, each after a while that may be none: before the worker has its answer, and before it has recorded it.
async fn report_for_ever(
    mut entries: UnboundedReceiver<Entry>,
    network: Arc<Network>,
    address: SocketAddr,
    pending: Arc<AtomicU64>,
) {
    while let Some(entry) = entries.recv().await {
        pending.fetch_add(1, Ordering::Relaxed);
        let (network, pending) = (Arc::clone(&network), Arc::clone(&pending));
        tokio::spawn(async move {
            if network.below(3) > 0 {
                sleep(network.below(8_000) as u64).await;
            }
            match network.below(5) {
                0 => report(address, &network, &entry, "").await,
                1 => report(address, &network, &entry, "sent").await,
                _ => {
                    report(address, &network, &entry, "delivered").await;
                    report(address, &network, &entry, "sent").await;
                }
            }
            pending.fetch_sub(1, Ordering::Relaxed);
        });
    }
}

/// One report. Without a status it is an echo of the message itself.
async fn report(address: SocketAddr, network: &Network, entry: &Entry, status: &str) {
    let (at, to) = ((now() / 1_000).to_string(), entry.to.trim_start_matches('+'));
    let value = if status.is_empty() {
        json!({"messages": [{
            "from": "15550783881", "to": to, "id": entry.id, "timestamp": at, "type": "text",
            "text": {"body": "an echo"}, "biz_opaque_callback_data": entry.reference,
        }]})
    } else {
        json!({"statuses": [{
            "id": entry.id, "status": status, "timestamp": at, "recipient_id": to,
            "biz_opaque_callback_data": entry.reference,
        }]})
    };
    let answer = deliver(address, &webhook("messages", value)).await.unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    network.reported(&entry.reference);
}

fn webhook(field: &str, mut value: Value) -> Vec<u8> {
    value["messaging_product"] = json!("whatsapp");
    value["metadata"] = json!({"display_phone_number": "15550783881", "phone_number_id": ACCOUNT});
    let entry = json!({"id": "102290129340398", "changes": [{"value": value, "field": field}]});
    serde_json::to_vec(&json!({"object": "whatsapp_business_account", "entry": [entry]})).unwrap()
}
