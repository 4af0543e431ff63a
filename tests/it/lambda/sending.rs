//! Functions that send, driven as Lambda drives them: a message is taken, its wake comes through a queue, and a provider on loopback
//! has a ledger.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use rapport_model::EndpointKey;
use rapport_store::outbox::due::{Due, Jitter};
use rapport_store::outbox::intents::Conversation;
use rapport_store::outbox::wake;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::support::aws::SIGNING_ROLE;
use crate::support::deployment::{Ran, World};
use crate::support::events::{Door, Sent, batch, records, records_of_intents, signed, text_webhook};
use crate::support::faults::{CLEAR, Faults, Weather};
use crate::support::{API_KEY, TABLE, Text, app_secret, client, eventually, text};

const ADA: &str = "16505551234";
const GRACE: &str = "16505550000";
const NUMBER: &str = "106540352242922";
/// More requests than an outage of a test has.
const ALL: u32 = 1_000;
/// Milliseconds that the template gives to the function that sends.
const SEND_MS: i64 = 125_000;

/// Requests to the table for one text: of the call that takes it, and of the turn that sends it.
const API_REQUESTS_MAX: u64 = 18;
const TURN_REQUESTS_MAX: u64 = 18;

const CONFIG: &str = r#"
tenant-key = "secret:tenant-key"
[api.keys.desk]
secret = "secret:api-key"
may = ["read", "send"]
authors = ["agent"]
[connections.wa-eu]
connector = "whatsapp"
config = { phone-number-ids = ["106540352242922"] }
secrets = { app-secret = "secret:wa-app", verify-token = "secret:wa-verify", access-token = "secret:wa-access" }
"#;
const BY_AWS: &str = r#"
config = { phone-number-ids = ["106540352242922"], aws = { region = "eu-west-1", phone-numbers = { 106540352242922 = "phone-number-id-1" } } }
sending = { hosts = ["social-messaging.eu-west-1.amazonaws.com"], aws = ["social-messaging:SendWhatsAppMessage"] }
"#;

/// Meta's API, and AWS's in its place: takes every message and gives it an id.
struct Provider {
    address: SocketAddr,
    ledger: Arc<Ledger>,
    _task: JoinSet<()>,
}

#[derive(Default)]
struct Ledger {
    taken: Mutex<Vec<Taken>>,
    /// It takes a message and does not answer.
    is_silent: AtomicBool,
}

#[derive(Clone)]
struct Taken {
    path: String,
    authorization: String,
    session: String,
    body: Value,
}

impl Provider {
    async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let (address, ledger) = (listener.local_addr().unwrap(), Arc::<Ledger>::default());
        let routes = Router::new().fallback(take).with_state(Arc::clone(&ledger));
        let mut task = JoinSet::new();
        task.spawn(async move { axum::serve(listener, routes).await.unwrap() });
        Self { address, ledger, _task: task }
    }

    fn ledger(&self) -> Vec<Taken> {
        self.ledger.taken.lock().unwrap().clone()
    }

    /// The texts that it has, in the order in which they came.
    fn texts(&self) -> Vec<String> {
        self.ledger().iter().map(|taken| taken.body["text"]["body"].as_str().unwrap_or_default().to_owned()).collect()
    }
}

async fn take(State(ledger): State<Arc<Ledger>>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let header = |name: &str| headers.get(name).map_or("", |value| value.to_str().unwrap()).to_owned();
    let (authorization, session) = (header("authorization"), header("x-amz-security-token"));
    let body = serde_json::from_slice(&body).unwrap_or_default();
    let id = {
        let mut taken = ledger.taken.lock().unwrap();
        taken.push(Taken { path: uri.path().to_owned(), authorization, session, body });
        format!("wamid.OUT{}", taken.len())
    };
    if ledger.is_silent.load(Ordering::Relaxed) {
        std::future::pending::<()>().await;
    }
    Json(json!({"messageId": id, "messages": [{"id": id}], "contacts": [{"input": ADA, "wa_id": ADA}]})).into_response()
}

/// A deployment, and who writes to it.
struct Deployed {
    world: World,
    provider: Provider,
    api: Ran,
    send: Ran,
    asked: Mutex<u32>,
}

impl Deployed {
    async fn new() -> Self {
        Self::with(CONFIG).await
    }

    async fn with(config: &str) -> Self {
        let world = World::with(&["whatsapp"], config).await;
        let table = format!("http://{}", world.storage.address);
        Self::on(world, [&table, &table]).await
    }

    /// With these ways to the table: of the API, and of the sender.
    async fn on(world: World, [api, send]: [&str; 2]) -> Self {
        let provider = Provider::start().await;
        let stand_in = provider.address.to_string();
        let way = |table| ("AWS_ENDPOINT_URL_DYNAMODB", table);
        let more = [way(send), ("RAPPORT_STAND_IN", stand_in.as_str()), ("RAPPORT_SIGNING_ROLE", SIGNING_ROLE)];
        let (api, send) = (world.start_with("api", &[way(api)]).await, world.start_with("send", &more).await);
        Self { world, provider, api, send, asked: Mutex::default() }
    }

    /// A customer writes now, and the fold has seen it.
    async fn writes(&self, customer: &str) {
        self.world.put_texts_by(now_ms, [Text { at: now_ms() / 1_000, ..Text::new(customer, 1) }]).await;
        self.world.fold().await;
    }

    /// An agent answers; gives the message.
    async fn answer(&self, customer: &str, words: &str) -> Value {
        let profile = self.world.profile("whatsapp", customer).await.unwrap()["id"].clone();
        let body = json!({"to": {"profile": profile}, "parts": [{"text": words}], "kind": "reply"}).to_string();
        let key = {
            let mut asked = self.asked.lock().unwrap();
            *asked += 1;
            format!("request-{asked}")
        };
        let sent = Sent { body: body.into_bytes(), ..Sent::new("POST", "/v1/messages", "") };
        let sent = sent.with_header("content-type", "application/json").with_header("idempotency-key", &key);
        let answer = self.ask(sent).await;
        assert_eq!(answer.0, 202, "{}", answer.1);
        answer.1
    }

    async fn ask(&self, sent: Sent) -> (u16, Value) {
        let sent = sent.with_header("authorization", &format!("Bearer {API_KEY}"));
        let answer = self.api.ask(&sent.through(Door::HttpApi)).await;
        (answer.status, serde_json::from_str(answer.text()).unwrap())
    }

    /// How far a message is.
    async fn message(&self, message: &Value) -> Value {
        let path = format!("/v1/messages/{}", message["id"].as_str().unwrap());
        let (status, answer) = self.ask(Sent::new("GET", &path, "")).await;
        assert_eq!(status, 200, "{answer}");
        answer
    }

    /// Hands wakes to the sender, as the queue does; gives the names of those that come again.
    async fn wake(&self, bodies: &[String]) -> Vec<String> {
        given_back(&self.send, bodies, SEND_MS).await
    }

    fn of(&self, customer: &str) -> Conversation {
        let key = EndpointKey { scheme: "whatsapp".into(), scope: None, value: customer.into() };
        Conversation { eid: self.world.data.table.eid(&key), account: NUMBER.into() }
    }

    /// Somebody writes over a lock what no worker can read.
    async fn spoil_lock(&self, customer: &str) {
        let of = self.of(customer);
        let items = self.world.data.items().await;
        let lock = items
            .iter()
            .find(|item| text(item, "sk") == format!("Y#{NUMBER}") && text(item, "pk").ends_with(of.eid.as_str()));
        let mut lock = lock.expect("an agent's reply has taken control").clone();
        lock.insert("hold".to_owned(), aws_sdk_dynamodb::types::AttributeValue::S("a newer word".to_owned()));
        let put = client(self.world.data.embedded.address())
            .put_item()
            .table_name(TABLE)
            .set_item(Some(lock.into_iter().collect()));
        put.send().await.unwrap();
    }
}

/// The bodies of the wakes that wait in the queue.
fn queued(deployed: &Deployed) -> Vec<String> {
    let bodies = deployed.world.services.take_queue().into_iter();
    bodies.map(|message| message["MessageBody"].as_str().unwrap().to_owned()).collect()
}

/// A batch of a queue; the names of its messages are `m-0`, `m-1`, ….
fn batch_of(bodies: &[String]) -> Value {
    let message = |(index, body): (usize, &String)| {
        json!({"messageId": format!("m-{index}"), "receiptHandle": "r", "body": body, "attributes": {},
            "eventSource": "aws:sqs", "eventSourceARN": "arn:aws:sqs:eu-west-1:111122223333:rapport-wakes"})
    };
    json!({"Records": bodies.iter().enumerate().map(message).collect::<Vec<_>>()})
}

/// Gives a batch to a function; gives the names that come again.
async fn given_back(function: &Ran, bodies: &[String], timeout_ms: i64) -> Vec<String> {
    let answer = function.function.invoke_within(&batch_of(bodies), timeout_ms).await.unwrap();
    let failures = answer["batchItemFailures"].as_array().unwrap();
    failures.iter().map(|failure| failure["itemIdentifier"].as_str().unwrap().to_owned()).collect()
}

fn now_ms() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

/// What Meta says of the newest message of its ledger.
fn status(provider: &Provider, state: &str) -> Sent {
    let ledger = provider.ledger();
    let reference = &ledger.last().unwrap().body["biz_opaque_callback_data"];
    let status = json!({"id": format!("wamid.OUT{}", ledger.len()), "status": state, "recipient_id": ADA,
        "timestamp": (now_ms() / 1_000).to_string(), "biz_opaque_callback_data": reference});
    let value = json!({"messaging_product": "whatsapp", "statuses": [status],
        "metadata": {"display_phone_number": "15550783881", "phone_number_id": NUMBER}});
    let entry = json!({"id": "102290129340398", "changes": [{"value": value, "field": "messages"}]});
    signed(json!({"object": "whatsapp_business_account", "entry": [entry]}).to_string().as_bytes(), app_secret())
}

#[tokio::test]
async fn a_message_leaves_once_and_its_status_comes_back() {
    let deployed = Deployed::new().await;
    let (world, provider) = (&deployed.world, &deployed.provider);
    let (webhook, fold) = (world.start("webhook").await, world.start("fold").await);
    let hello = Text { at: now_ms() / 1_000, ..Text::new(ADA, 1) };
    assert_eq!(webhook.ask(&text_webhook(&hello).through(Door::HttpApi)).await.status, 200);
    let folded = fold.function.invoke(&batch(records(&world.data.items().await))).await.unwrap();
    assert_eq!(folded, json!({"batchItemFailures": []}));

    let message = deployed.answer(ADA, "Your order 4711 is on its way.").await;
    assert_eq!((&message["state"], &message["connection"]), (&"pending".into(), &"wa-eu".into()));
    let wakes = world.services.take_queue();
    assert_eq!(wakes.len(), 1, "the API wakes a worker");
    assert_eq!((&wakes[0]["DelaySeconds"], wakes[0]["MessageGroupId"].as_str().unwrap().len()), (&0.into(), 32));
    let wake = wakes[0]["MessageBody"].as_str().unwrap().to_owned();
    assert_eq!(wake::read(&wake), Ok(deployed.of(ADA)));
    assert!(!wake.contains(ADA), "it names nobody");
    assert_eq!(deployed.wake(&[wake.clone(), wake.clone()]).await, [""; 0]);
    let taken = provider.ledger();
    assert_eq!((taken.len(), taken[0].path.as_str()), (1, "/v25.0/106540352242922/messages"));
    assert_eq!(taken[0].authorization, "Bearer test-access-token");
    assert_eq!(queued(&deployed), [""; 0], "nothing more is due");
    assert_eq!(deployed.message(&message).await["state"], "sent");

    // The fold follows the message, and finds it sent: that is all of the net's price.
    let followed = fold.function.invoke(&batch(records_of_intents(&world.data.items().await))).await.unwrap();
    assert_eq!((followed, queued(&deployed).len()), (json!({"batchItemFailures": []}), 0));

    assert_eq!(webhook.ask(&status(provider, "delivered").through(Door::HttpApi)).await.status, 200);
    world.fold().await;
    let profile = world.profile("whatsapp", ADA).await.unwrap()["id"].as_str().unwrap().to_owned();
    let (status, timeline) = deployed.ask(Sent::new("GET", &format!("/v1/profiles/{profile}/timeline"), "")).await;
    assert_eq!(status, 200, "{timeline}");
    let ours: Vec<&Value> = timeline["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|item| item["data"]["message"]["parts"][0]["text"] == "Your order 4711 is on its way.")
        .collect();
    assert_eq!((ours.len(), provider.ledger().len()), (1, 1), "{timeline}");
    assert!(timeline.to_string().contains("delivered"), "{timeline}");
}

#[tokio::test]
async fn one_bad_wake_does_not_stop_the_batch() {
    let deployed = Deployed::new().await;
    for customer in [ADA, GRACE] {
        deployed.writes(customer).await;
        deployed.answer(customer, &format!("to {customer}")).await;
    }
    deployed.spoil_lock(GRACE).await;
    let of = |customer: &str| wake::write(&deployed.of(customer));
    let newer = of(ADA).replace("\"form\":1", "\"form\":2");
    let bodies = ["no wake".to_owned(), of(GRACE), newer, of(ADA)];
    assert_eq!(deployed.wake(&bodies).await, ["m-0", "m-2", "m-1"]);
    assert_eq!(deployed.provider.texts(), [format!("to {ADA}")]);
    assert_eq!(deployed.send.lines("a wake cannot be read").len(), 2);
    assert_eq!(deployed.send.lines("a worker's turn failed; it is made again").len(), 1);
    let made = &deployed.send.lines("turns made")[0];
    assert_eq!((&made["wakes"], &made["turns"], &made["given_back"]), (&4.into(), &2.into(), &3.into()));
}

#[tokio::test]
async fn a_turn_for_which_there_is_no_time_has_a_new_wake_and_nothing_leaves() {
    let deployed = Deployed::new().await;
    deployed.writes(ADA).await;
    let message = deployed.answer(ADA, "hello").await;
    let wakes = queued(&deployed);
    let none = "it does not count as an attempt: twenty of those would end the message";
    assert_eq!(given_back(&deployed.send, &wakes, 20_000).await, [""; 0], "less than a request may take; {none}");
    assert_eq!(queued(&deployed), wakes);
    deployed.world.services.block_queue(ALL);
    assert_eq!(given_back(&deployed.send, &wakes, 20_000).await, ["m-0"], "no wake is lost with the queue");
    deployed.world.services.block_queue(0);
    assert_eq!((deployed.provider.texts().len(), &deployed.message(&message).await["state"]), (0, &"pending".into()));
    let lock = deployed.world.data.table.lock(&deployed.of(ADA)).await.unwrap();
    assert_eq!(lock.out, None, "nothing was begun");
    assert_eq!(deployed.wake(&wakes).await, [""; 0]);
    assert_eq!((deployed.provider.texts().len(), &deployed.message(&message).await["state"]), (1, &"sent".into()));
}

#[tokio::test]
async fn an_outage_of_storage_ends_no_message() {
    let deployed = Deployed::new().await;
    deployed.writes(ADA).await;
    let message = deployed.answer(ADA, "hello").await;
    let wakes = queued(&deployed);
    assert_eq!(deployed.wake(&[]).await, [""; 0], "it is ready");
    deployed.world.storage.close();
    assert_eq!(deployed.wake(&wakes).await, [""; 0], "it does not count as an attempt");
    let [again] = deployed.world.services.take_queue().try_into().unwrap();
    assert_eq!(again["MessageBody"].as_str(), Some(wakes[0].as_str()));
    assert!(again["DelaySeconds"].as_u64() > Some(50), "{again}");
    assert_eq!(deployed.send.lines("a worker's turn failed; it is made again").len(), 1);
    deployed.world.storage.open();
    assert_eq!(deployed.wake(&wakes).await, [""; 0]);
    assert_eq!((deployed.provider.texts().len(), &deployed.message(&message).await["state"]), (1, &"sent".into()));
}

#[tokio::test]
async fn a_dead_letter_ends_its_message_and_wakes_the_others() {
    let deployed = Deployed::new().await;
    let due = deployed.world.start("due").await;
    deployed.writes(ADA).await;
    let (first, second) = (deployed.answer(ADA, "one").await, deployed.answer(ADA, "two").await);
    deployed.writes(GRACE).await;
    let third = deployed.answer(GRACE, "three").await;
    deployed.spoil_lock(GRACE).await;
    queued(&deployed);

    let dead = ["no wake".to_owned(), wake::write(&deployed.of(ADA)), wake::write(&deployed.of(GRACE))];
    assert_eq!(given_back(&due, &dead, 60_000).await, ["m-0"], "what nobody can read stays in the dead letters");
    for ended in [&first, &third] {
        let ended = deployed.message(ended).await;
        assert_eq!((&ended["state"], &ended["why"]["kind"]), (&"failed".into(), &"internal".into()), "{ended}");
    }
    assert_eq!(deployed.message(&second).await["state"], "pending");
    let wakes = queued(&deployed);
    assert_eq!(wakes, [wake::write(&deployed.of(ADA)), wake::write(&deployed.of(GRACE))]);
    assert_eq!(deployed.wake(&wakes[..1]).await, [""; 0]);
    assert_eq!(deployed.provider.texts(), ["two"]);

    // The same dead letter again: nothing is left to end.
    assert_eq!(given_back(&due, &dead[1..], 60_000).await, [""; 0]);
    assert_eq!(deployed.message(&second).await["state"], "sent");
    assert_eq!(due.lines("a message was set aside").len(), 2);
}

#[tokio::test]
async fn a_lost_wake_of_the_api_is_made_good_by_the_fold_and_one_of_the_fold_by_a_note() {
    let deployed = Deployed::new().await;
    let (world, fold) = (&deployed.world, deployed.world.start("fold").await);
    deployed.writes(ADA).await;
    world.services.block_queue(ALL);
    let message = deployed.answer(ADA, "hello").await;
    assert_eq!(
        (queued(&deployed).len(), deployed.api.lines("a worker was not woken; the fold repeats it").len()),
        (0, 1)
    );

    let put = batch(records_of_intents(&world.data.items().await));
    let followed = fold.function.invoke_within(&put, 60_000).await.unwrap();
    assert_eq!(followed, json!({"batchItemFailures": []}), "a queue that is away holds up no fold");
    let notes = world
        .data
        .items()
        .await
        .iter()
        .filter(|item| text(item, "sk").starts_with("C#") && text(item, "pk").contains("#W#"))
        .count();
    assert_eq!((notes, fold.lines("a worker was not woken; a note wakes it").len()), (1, 1));

    world.services.block_queue(0);
    assert_eq!(fold.function.invoke(&put).await.unwrap(), json!({"batchItemFailures": []}));
    let wakes = queued(&deployed);
    assert_eq!(wakes, [wake::write(&deployed.of(ADA))]);
    assert_eq!(deployed.wake(&wakes).await, [""; 0]);
    let sent = deployed.message(&message).await;
    assert_eq!(sent["state"], "sent", "{sent}");
    assert_eq!(deployed.provider.texts(), ["hello"]);
}

#[tokio::test]
async fn what_was_noted_for_a_minute_is_woken_when_the_minute_has_passed() {
    let deployed = Deployed::new().await;
    let due = deployed.world.start("due").await;
    let tick = json!({"due": "tick"});
    let earlier = now_ms() - 600_000;
    let noted = Due::Conversation(deployed.of(ADA));
    deployed.world.data.table.put_due(&noted, earlier, Jitter::None, earlier).await.unwrap();
    let later = Due::Conversation(deployed.of(GRACE));
    deployed.world.data.table.put_due(&later, now_ms() + 600_000, Jitter::None, now_ms()).await.unwrap();

    deployed.world.services.block_queue(ALL);
    let failed = due.function.invoke_within(&tick, 60_000).await;
    assert!(failed.is_err(), "the next minute tries again: {failed:?}");
    deployed.world.services.block_queue(0);
    for wakes in [vec![wake::write(&deployed.of(ADA))], vec![]] {
        assert_eq!(due.function.invoke_within(&tick, 60_000).await.unwrap(), json!({"batchItemFailures": []}));
        assert_eq!(queued(&deployed), wakes);
    }
    assert_eq!(due.function.invoke(&json!({"due": "tock"})).await.unwrap_err()["errorType"], "Rapport.NoBatch");
}

#[tokio::test]
async fn what_goes_to_aws_is_signed_by_a_role_of_its_own() {
    let config = CONFIG.replace("config = { phone-number-ids = [\"106540352242922\"] }", BY_AWS.trim());
    let deployed = Deployed::with(&config).await;
    deployed.writes(ADA).await;
    let message = deployed.answer(ADA, "hello").await;
    assert_eq!(deployed.wake(&queued(&deployed)).await, [""; 0]);
    assert_eq!(deployed.message(&message).await["state"], "sent");
    let [taken] = deployed.provider.ledger().try_into().ok().unwrap();
    assert_eq!((taken.path.as_str(), taken.session.as_str()), ("/v1/whatsapp/send", "signing-token"));
    assert!(taken.authorization.contains("Credential=ASIASIGNING/"), "{}", taken.authorization);
    assert!(taken.authorization.contains("/eu-west-1/social-messaging/aws4_request"), "{}", taken.authorization);
    assert!(!format!("{:?}", deployed.send.function.log()).contains("signing-"), "no key is in the log");
}

#[tokio::test]
async fn a_message_of_a_connection_that_cannot_be_set_up_waits_and_the_log_says_why() {
    let deployed = Deployed::new().await;
    deployed.writes(ADA).await;
    let message = deployed.answer(ADA, "hello").await;
    let wakes = queued(&deployed);
    std::fs::write(deployed.world.artefact("whatsapp"), b"no artefact").unwrap();
    let more = [("RAPPORT_STAND_IN", deployed.provider.address.to_string())];
    let more: Vec<(&str, &str)> = more.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let broken = deployed.world.start_with("send", &more).await;
    assert_eq!(given_back(&broken, &wakes, SEND_MS).await, [""; 0]);
    assert_eq!(broken.lines("the connection cannot be set up").len(), 1);
    let [again] = deployed.world.services.take_queue().try_into().unwrap();
    assert!(again["DelaySeconds"].as_u64() >= Some(50), "{again}");
    assert_eq!((&deployed.message(&message).await["state"], deployed.provider.texts().len()), (&"pending".into(), 0));
}

/// Of a customer who wrote before, by functions that are warm: the figures of infra/README.md.
#[tokio::test]
async fn what_a_text_costs_in_requests() {
    let world = World::with(&["whatsapp"], CONFIG).await;
    let address = world.data.embedded.address();
    let (of_api, of_send) = (Faults::between(address, CLEAR, 0).await, Faults::between(address, CLEAR, 0).await);
    let ways = [&of_api, &of_send].map(|way| format!("http://{}", way.address));
    let deployed = Deployed::on(world, [&ways[0], &ways[1]]).await;
    let total = |way: &Faults| way.asked().values().sum::<u64>();
    for n in 0..2 {
        let customer = format!("1650555000{n}");
        deployed.writes(&customer).await;
        let before = (deployed.world.services.asked().len(), total(&of_api), total(&of_send));
        let message = deployed.answer(&customer, "Your order 4711 is on its way.").await;
        let wakes = queued(&deployed);
        assert_eq!(wakes.len(), 1);
        assert_eq!(deployed.wake(&wakes).await, [""; 0]);
        assert_eq!(queued(&deployed).len(), 0, "one wake, one turn");
        let asked = deployed.world.services.asked();
        let after = (asked.len() - before.0, total(&of_api) - before.1, total(&of_send) - before.2);
        // The first one is asked of functions that have just started.
        if n == 1 {
            println!("of the table, API: {:?}", of_api.asked());
            println!("of the table, sender: {:?}", of_send.asked());
            println!("a text: {} of SQS, {} of the table by the API, {} by the sender", after.0, after.1, after.2);
            assert_eq!((after.0, asked.last().map(String::as_str)), (1, Some("POST /AmazonSQS.SendMessage")));
            assert!(after.1 <= API_REQUESTS_MAX && after.2 <= TURN_REQUESTS_MAX, "{after:?}");
        }
        assert_eq!(deployed.message(&message).await["state"], "sent");
    }
}

#[tokio::test]
async fn a_function_that_is_killed_while_a_request_is_under_way_does_not_send_again_and_the_report_settles_it() {
    let mut deployed = Deployed::new().await;
    let webhook = deployed.world.start("webhook").await;
    deployed.writes(ADA).await;
    let message = deployed.answer(ADA, "hello").await;
    let wakes = queued(&deployed);
    deployed.provider.ledger.is_silent.store(true, Ordering::Relaxed);
    let event = batch_of(&wakes);
    drop(deployed.send.function.begin(&event, SEND_MS));
    let provider = &deployed.provider;
    eventually("the provider has it", async || (!provider.ledger().is_empty()).then_some(())).await;
    deployed.send.function.restart().await;
    deployed.provider.ledger.is_silent.store(false, Ordering::Relaxed);

    // The queue hands the wake in again, and more than once.
    for _ in 0..2 {
        assert_eq!(deployed.wake(&wakes).await, [""; 0], "whoever has the marker looks after it");
    }
    assert_eq!((deployed.provider.ledger().len(), &deployed.message(&message).await["state"]), (1, &"pending".into()));
    let report = status(&deployed.provider, "sent");
    assert_eq!(webhook.ask(&report.through(Door::HttpApi)).await.status, 200);
    deployed.world.fold().await;
    assert_eq!(deployed.message(&message).await["state"], "sent");
    assert_eq!(deployed.wake(&wakes).await, [""; 0]);
    assert_eq!(deployed.provider.ledger().len(), 1);
}

#[tokio::test]
async fn while_storage_fails_nobody_gets_a_message_twice_and_each_is_where_its_state_says() {
    const CUSTOMERS: usize = 12;
    let world = World::with(&["whatsapp"], CONFIG).await;
    let address = world.data.embedded.address();
    let clear = format!("http://{address}");
    let storm = Faults::between(address, Weather { per_mille: 250, throttled: 12 }, 20_261_201).await;
    let way = format!("http://{}", storm.address);
    let deployed = Deployed::on(world, [&clear, &way]).await;
    let mut messages = Vec::new();
    for n in 0..CUSTOMERS {
        let customer = format!("165055501{n:02}");
        deployed.writes(&customer).await;
        messages.push(deployed.answer(&customer, &customer).await);
    }
    let wakes = queued(&deployed);
    assert_eq!(wakes.len(), CUSTOMERS);
    let (some, others) = wakes.split_at(CUSTOMERS / 2);
    for batch in [some, others, some, others] {
        given_back(&deployed.send, batch, SEND_MS).await;
    }
    assert!(storm.fired().values().sum::<u64>() > 20, "{:?}", storm.fired());
    let mut copies: BTreeMap<String, usize> = BTreeMap::new();
    deployed.provider.texts().into_iter().for_each(|text| *copies.entry(text).or_default() += 1);
    assert!(copies.values().all(|many| *many == 1), "{copies:?}");
    let mut sent = 0;
    for (n, message) in messages.iter().enumerate() {
        let state = deployed.message(message).await["state"].as_str().unwrap().to_owned();
        let has = copies.contains_key(&format!("165055501{n:02}"));
        match state.as_str() {
            "sent" => assert!(has, "{n}"),
            // Under way, or to be tried again: what left is not said to be gone.
            "pending" | "unknown" => {}
            other => panic!("{other}"),
        }
        sent += usize::from(state == "sent");
    }
    assert!(sent > 0, "some get through");
}
