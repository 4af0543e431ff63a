//! The service under test: every real part in one process, on loopback, with clock, keys and secrets given.

pub mod api;
pub mod aws;
pub mod deployment;
pub mod dev;
pub mod engine;
pub mod events;
pub mod faults;
mod http;
pub mod mapping;
mod proxy;
pub mod runtime_api;
pub mod table;
pub mod tls;
mod whatsapp;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rapport_api::people::People;
use rapport_api::sending::NobodyToWake;
use rapport_api::{Api, ApiKey, ApiKeys, CallerState, router};
use rapport_config::ConnectionConfig;
use rapport_config::scope::Scopes;
use rapport_connections::{Connection, ConnectionError, Connections, ConnectorHost, SecretValues};
use rapport_egress::{Egress, Network};
use rapport_http::served;
use rapport_inbound::{Inbound, hooks};
use rapport_model::TenantKey;
use rapport_model::event::Author;
use rapport_projections::fold::fold_batch;
use rapport_sandbox::{Connector, Options, Sandbox, Secret, with_manifest};
use rapport_store::blobs::Blobs;
use rapport_store::embedded::Embedded;
use rapport_store::events::NewEvent;
use rapport_store::objects::Objects;
use rapport_store::stream::StreamReader;
use rapport_store::{RawWebhook, Table};
use ring::hmac;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::{Mutex, Notify};
use tokio::task::JoinSet;

use crate::connectors;

pub use http::{Answer, exchange, send};
pub use proxy::Proxy;
pub use table::{Item, TABLE, client, is_event, items, readable, text};
pub use whatsapp::{Text, app_secret, deliver, fixture, new_event, recorded};

/// What every clock in a test says, in milliseconds: a few seconds after the fixtures' messages.
pub const NOW: u64 = 1_790_668_805_000;
pub const API_KEY: &str = "a test's API key";
/// A key that may do nothing that any route asks for.
pub const POWERLESS_KEY: &str = "a test's powerless key";
pub const HOSTILE_SECRET: &str = "a test's signing secret";

/// One database, made by the test and gone with it.
pub struct Data {
    pub embedded: Embedded,
    pub table: Table,
    folder: TempDir,
}

impl Data {
    pub async fn new() -> Arc<Self> {
        let folder = TempDir::new().unwrap();
        let embedded = Embedded::start(&folder.path().join("rapport.db")).unwrap();
        let table = open(embedded, folder.path()).await;
        Arc::new(Self { embedded, table, folder })
    }

    /// Everything in the table, but the stream's reader's place.
    pub async fn items(&self) -> Vec<Item> {
        items(self.embedded.address()).await
    }

    /// The whole table for a snapshot: payloads readable, what differs from run to run redacted.
    pub async fn readable(&self) -> String {
        readable(&self.items().await)
    }

    /// Takes one item away, as no one should.
    pub async fn delete(&self, item: &Item) {
        table::delete(self.embedded.address(), item).await;
    }

    /// Where everything is.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where blobs are.
    pub fn blobs(&self) -> std::path::PathBuf {
        self.folder.path().join("blobs")
    }

    /// Makes one event durable, as if it had come alone.
    pub async fn put(&self, event: NewEvent) {
        let webhook = RawWebhook { method: "POST".into(), url: String::new(), headers: vec![], body: vec![] };
        self.table.put_events(vec![event], webhook).await.unwrap();
    }

    /// A reader at the start of the stream.
    pub async fn stream(&self) -> StreamReader {
        StreamReader::open(self.table.clone()).await.unwrap()
    }
}

/// The table of a database whose blobs are in a folder's `blobs`.
pub async fn open(embedded: Embedded, folder: &Path) -> Table {
    table_of(embedded, Blobs::in_folder(folder.join("blobs"))).await
}

/// The table of a database, with other blobs.
pub async fn table_of(embedded: Embedded, blobs: Blobs) -> Table {
    embedded.table(TenantKey::new(&[7; 32]).unwrap(), blobs).await.unwrap()
}

/// Folds what the stream has, until it has no more.
pub async fn fold_all(table: &Table, reader: &mut StreamReader) {
    loop {
        let batches = reader.next().await.unwrap();
        if batches.is_empty() {
            return;
        }
        for batch in &batches {
            rapport_projections::fold::unreadable(table, &batch.unreadable, NOW).await.unwrap();
            fold_batch(table, &batch.events, NOW).await.unwrap();
            if !batch.events.is_empty() {
                reader.handled(batch).await.unwrap();
            }
        }
    }
}

/// All use cases over a table, without a listener.
pub struct Gateway {
    pub inbound: Arc<Inbound>,
    pub api: Arc<Api>,
}

/// Most tests receive.
impl std::ops::Deref for Gateway {
    type Target = Inbound;

    fn deref(&self) -> &Inbound {
        &self.inbound
    }
}

impl Gateway {
    /// Those of people.
    pub fn people(&self) -> &People {
        &self.api.people
    }

    /// All routes.
    pub fn router(&self) -> axum::Router {
        let beside = hooks::routes().into_iter().map(|route| route.described()).collect();
        let routes = hooks::served(Arc::clone(&self.inbound)).merge(router::served(Arc::clone(&self.api), beside));
        served(routes, self.inbound.table.clone())
    }
}

/// The document of all routes.
pub fn document() -> Value {
    rapport_api::document(&hooks::routes().into_iter().map(|route| route.described()).collect::<Vec<_>>())
}

/// The use cases over a table.
pub fn gateway(table: Table, connections: impl IntoIterator<Item = Connection>) -> Arc<Gateway> {
    gateway_with(table, connections, Objects::default())
}

/// The same, with what stands for S3.
pub fn gateway_with(table: Table, connections: impl IntoIterator<Item = Connection>, objects: Objects) -> Arc<Gateway> {
    gateway_of(table, connections, objects, (usual_keys(), || NOW))
}

/// The same, by another clock.
pub fn gateway_at(table: Table, connections: impl IntoIterator<Item = Connection>, now: fn() -> u64) -> Arc<Gateway> {
    gateway_of(table, connections, Objects::default(), (usual_keys(), now))
}

/// The keys of most tests: one that may do everything, and one that may do nothing that any route asks for.
pub fn usual_keys() -> ApiKeys {
    api_keys(&[("test", API_KEY, Scopes::all()), ("powerless", POWERLESS_KEY, Scopes::none())])
}

/// The use cases, of everything that they need.
pub fn gateway_of(
    table: Table,
    connections: impl IntoIterator<Item = Connection>,
    objects: Objects,
    (keys, now): (ApiKeys, fn() -> u64),
) -> Arc<Gateway> {
    let connections: Vec<_> = connections.into_iter().collect();
    let feeds = connections.iter().filter_map(|connection| Some((&connection.name, connection.feed.as_ref()?)));
    let feeds = feeds.flat_map(|(name, feed)| feed.from.iter().map(|origin| (origin.clone(), name.clone())));
    let feeds = feeds.collect();
    let names: Vec<String> = connections.iter().map(|connection| connection.name.clone()).collect();
    // An API without connectors is beside other processes that have them.
    let senders = if names.is_empty() { vec!["wa-eu".to_owned()] } else { names.clone() };
    let api = Api {
        people: People { table: table.clone(), connections: names.into(), now },
        keys,
        callers: CallerState::default(),
        senders: senders.into(),
        wakes: Arc::new(NobodyToWake),
    };
    let host = Arc::new(ConnectorHost {
        connections: Connections::new(connections),
        certificates: Arc::default(),
        egress: Egress::new(Network::Public),
        tenant_key: table.tenant_key().clone(),
        now,
    });
    let public_url = "https://rapport.example".to_owned();
    let inbound = Inbound { table, host, feeds, objects, public_url, stored: Arc::new(Notify::new()), now };
    Arc::new(Gateway { inbound: Arc::new(inbound), api: Arc::new(api) })
}

/// Keys of the API: name, secret, scopes.
pub fn api_keys(keys: &[(&str, &str, Scopes)]) -> ApiKeys {
    let keys = keys.iter().map(|(name, secret, may)| {
        let key = ApiKey {
            name: (*name).to_owned(),
            may: *may,
            authors: vec![Author::Agent, Author::Automation],
            not_after: None,
        };
        (key, vec![Secret::new(secret.as_bytes())])
    });
    ApiKeys::new(keys).unwrap()
}

/// A gateway that listens, and the task that folds what it stores.
pub struct Service {
    pub address: SocketAddr,
    pub gateway: Arc<Gateway>,
    pub data: Arc<Data>,
    reader: Arc<Mutex<StreamReader>>,
    _tasks: JoinSet<()>,
}

impl Service {
    /// A service over an empty table.
    pub async fn start(connections: impl IntoIterator<Item = Connection>) -> Self {
        Self::over(Data::new().await, connections).await
    }

    /// A service over data that is there.
    pub async fn over(data: Arc<Data>, connections: impl IntoIterator<Item = Connection>) -> Self {
        let table = data.table.clone();
        Self::of(gateway(table, connections), data).await
    }

    /// A service of a gateway; its fold reads the data directly.
    pub async fn of(gateway: Arc<Gateway>, data: Arc<Data>) -> Self {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let reader = Arc::new(Mutex::new(data.stream().await));
        let mut tasks = JoinSet::new();
        let routes = gateway.router();
        let routes = routes.into_make_service_with_connect_info::<SocketAddr>();
        tasks.spawn(async move { axum::serve(listener, routes).await.unwrap() });
        tasks.spawn(fold_for_ever(data.table.clone(), Arc::clone(&reader), Arc::clone(&gateway.stored)));
        Self { address, gateway, data, reader, _tasks: tasks }
    }

    /// Waits until all that was stored before is folded.
    pub async fn settle(&self) {
        fold_all(&self.data.table, &mut *self.reader.lock().await).await;
    }

    /// One request.
    pub async fn send(&self, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        http::send(self.address, method, target, headers, body).await.unwrap()
    }

    /// A GET with the API key.
    pub async fn get(&self, target: &str) -> Answer {
        let authorization = format!("Bearer {API_KEY}");
        self.send("GET", target, &[("authorization", &authorization)], b"").await
    }

    /// A POST of JSON with the API key.
    pub async fn post(&self, target: &str, body: &Value) -> Answer {
        let authorization = format!("Bearer {API_KEY}");
        let headers = [("authorization", authorization.as_str()), ("content-type", "application/json")];
        self.send("POST", target, &headers, body.to_string().as_bytes()).await
    }

    /// The JSON of a GET that must succeed.
    pub async fn read(&self, target: &str) -> Value {
        let answer = self.get(target).await;
        assert_eq!(answer.status, 200, "{target}: {answer:?}");
        answer.json()
    }

    /// A signed webhook of the connection `wa-eu`.
    pub async fn deliver(&self, body: &[u8]) -> Answer {
        deliver(self.address, body).await.unwrap()
    }

    /// A webhook for the hostile connector, signed for it.
    pub async fn deliver_to(&self, connection: &str, body: &Value) -> Answer {
        let body = body.to_string();
        let signature = hex(&hmac::Key::new(hmac::HMAC_SHA256, HOSTILE_SECRET.as_bytes()), body.as_bytes());
        let target = format!("/hooks/{connection}");
        self.send("POST", &target, &[("x-hostile-signature", &signature)], body.as_bytes()).await
    }

    /// The profile of an identifier; none when nobody with it was seen.
    pub async fn look_up(&self, scheme: &str, value: &str) -> Option<Value> {
        let value = api::escaped(value);
        let answer = self.get(&format!("/v1/profiles/lookup?scheme={scheme}&value={value}")).await;
        match answer.status {
            404 => None,
            status => {
                assert_eq!(status, 200, "{answer:?}");
                Some(answer.json())
            }
        }
    }

    /// Everything that happened to a profile, newest first, read in pages of `limit`.
    pub async fn timeline(&self, profile: &Value, limit: usize) -> Vec<Value> {
        let id = profile["id"].as_str().unwrap();
        let mut events = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = self.read(&format!("/v1/profiles/{id}/timeline?limit={limit}&cursor={cursor}")).await;
            events.extend(page["items"].as_array().unwrap().iter().cloned());
            match page["next"].as_str() {
                Some(next) => cursor = next.to_owned(),
                None => return events,
            }
        }
    }
}

async fn fold_for_ever(table: Table, reader: Arc<Mutex<StreamReader>>, stored: Arc<Notify>) {
    loop {
        fold_all(&table, &mut *reader.lock().await).await;
        // The bound is for a second gateway over the same data, which wakes only its own fold.
        let _ = tokio::time::timeout(Duration::from_millis(100), stored.notified()).await;
    }
}

/// Looks again and again until there is something to see.
pub async fn eventually<T>(what: &str, look: impl AsyncFnMut() -> Option<T>) -> T {
    eventually_within(Duration::from_secs(20), what, look).await
}

/// The same, for what takes longer.
pub async fn eventually_within<T>(wait: Duration, what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let since = std::time::Instant::now();
    while since.elapsed() < wait {
        if let Some(found) = look().await {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("not within {} seconds: {what}", wait.as_secs())
}

/// Does the same for each of many, all at once, and gives what came of it, in no order.
pub async fn all_at_once<I, F: Future<Output: Send> + Send + 'static>(
    many: impl IntoIterator<Item = I>,
    work: impl Fn(I) -> F,
) -> Vec<F::Output> {
    let mut running = JoinSet::new();
    for one in many {
        running.spawn(work(one));
    }
    running.join_all().await
}

/// The connection of the WhatsApp connector's fixtures.
pub fn wa_eu() -> Connection {
    let secrets = [
        ("app-secret", vec![app_secret(), "test-app-secret-of-last-month"]),
        ("verify-token", vec!["test-verify-token"]),
    ];
    let config = json!({"phone-number-ids": ["106540352242922", "106540352242999"]});
    Connection::new("wa-eu", whatsapp(), &written(config), secret_values(&secrets)).unwrap()
}

/// A connection of the hostile connector: `config` says what it does, see its documentation.
pub fn hostile(name: &str, config: Value) -> Connection {
    let secrets = secret_values(&[("signing-secret", vec![HOSTILE_SECRET])]);
    Connection::new(name, load(connectors::hostile(), "hostile"), &written(config), secrets).unwrap()
}

/// A connection of a provider that signs nothing: its connector verifies nothing, and `token` stands in the URL.
pub fn unsigned(name: &str, token: &str) -> Connection {
    let secrets = [("path-token", vec![token, "the token of last month"])];
    unverified(name, "unsigned = 'a test of it'", json!({}), &secrets).unwrap()
}

/// A connection of a connector that verifies nothing, whose manifest goes on with these lines.
pub fn unverified(
    name: &str,
    lines: &str,
    config: Value,
    secrets: &[(&str, Vec<&str>)],
) -> Result<Connection, ConnectionError> {
    fed(name, lines, written(config), secrets)
}

/// The same, with what AWS delivers to it.
pub fn fed(
    name: &str,
    lines: &str,
    mut written: ConnectionConfig,
    secrets: &[(&str, Vec<&str>)],
) -> Result<Connection, ConnectionError> {
    let manifest = format!("id = 'unsigned'\nname = 'Unsigned'\nversion = '0.1.0'\ncontract = '0.2'\n{lines}\n");
    let component = with_manifest(connectors::hostile(), &manifest).unwrap();
    let connector = load(&component, "unsigned");
    if written.config.get("behaviour").is_none() {
        written.config["behaviour"] = json!("unverified-events");
    }
    Connection::new(name, connector, &written, secret_values(secrets))
}

/// A connection of a connector in `plugins/`.
pub fn connection(name: &str, plugin: &str, config: &Value, secrets: &[(&str, Vec<&str>)]) -> Connection {
    try_connection(name, plugin, config, secrets).unwrap()
}

/// The same, or why it cannot be one.
pub fn try_connection(
    name: &str,
    plugin: &str,
    config: &Value,
    secrets: &[(&str, Vec<&str>)],
) -> Result<Connection, ConnectionError> {
    Connection::new(name, plugin_connector(plugin), &written(config.clone()), secret_values(secrets))
}

/// What an operator writes of a connection, its secrets aside.
pub fn written(config: Value) -> ConnectionConfig {
    ConnectionConfig { connector: String::new(), config, secrets: [].into(), feed: None, sending: Default::default() }
}

/// A connection of a connector in `plugins/`, without secrets.
pub fn connection_as_written(name: &str, plugin: &str, written: &ConnectionConfig) -> Connection {
    Connection::new(name, plugin_connector(plugin), written, secret_values(&[])).unwrap()
}

fn plugin_connector(plugin: &str) -> Connector {
    let (_, component) = connectors::plugins().iter().find(|(folder, _)| folder.ends_with(plugin)).unwrap();
    load(component, plugin)
}

/// The connector in `plugins/whatsapp`.
pub fn whatsapp() -> Connector {
    load(connectors::whatsapp(), "whatsapp")
}

/// A connector of the sandbox that the tests share. Each component is compiled once: that takes a second.
pub fn load(component: &[u8], id: &str) -> Connector {
    static LOADED: std::sync::Mutex<BTreeMap<[u8; 32], Connector>> = std::sync::Mutex::new(BTreeMap::new());
    let digest = ring::digest::digest(&ring::digest::SHA256, component).as_ref().try_into().unwrap();
    let mut loaded = LOADED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    loaded.entry(digest).or_insert_with(|| sandbox().load_component(component, id).unwrap()).clone()
}

/// Rounds of a test that draws by seeds: `usual` of them, or `full` where `RAPPORT_TESTS=full` asks for all, as `.ci/run` does.
pub fn rounds(usual: u64, full: u64) -> u64 {
    if std::env::var("RAPPORT_TESTS").is_ok_and(|text| text == "full") { full } else { usual }
}

pub fn sandbox() -> &'static Sandbox {
    static SANDBOX: OnceLock<Sandbox> = OnceLock::new();
    SANDBOX.get_or_init(|| Sandbox::new(Options::default()).unwrap())
}

pub fn secret_values(secrets: &[(&str, Vec<&str>)]) -> SecretValues {
    let versions = |versions: &[&str]| versions.iter().map(|version| Secret::new(version.as_bytes())).collect();
    SecretValues::new(secrets.iter().map(|(name, all)| ((*name).to_owned(), versions(all))).collect())
}

pub fn hex(key: &hmac::Key, data: &[u8]) -> String {
    hmac::sign(key, data).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}
