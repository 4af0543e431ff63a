//! The service under test, however it runs.

use std::fs;
use std::net::SocketAddr;
use std::sync::Mutex;

use rapport_store::Table;
use rapport_store::embedded::Embedded;
use rusqlite::Connection;
use serde_json::Value;
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::connectors;
use crate::support::deployment::{self, Ran, World};
use crate::support::dev::Dev;
use crate::support::events::{Door, Sent};
use crate::support::mapping::Mapping;
use crate::support::{API_KEY, Answer, Item, items, open, send};

/// How providers reach it.
pub const PUBLIC_URL: &str = "https://hooks.example.com";

/// The same configuration, secrets and tenant key in both.
pub enum Subject {
    /// `rapport dev`, asked over HTTP.
    Dev(Box<Local>),
    /// Three functions of the same `bootstrap`, asked by events; a stream mapping between the table and the fold.
    Bootstrap(Box<Deployed>),
}

pub struct Local {
    process: Dev,
    folder: TempDir,
    /// The database's lock, while nobody else can write.
    held: Mutex<Option<Connection>>,
}

pub struct Deployed {
    world: World,
    webhook: Ran,
    api: Ran,
    _mapping: JoinSet<()>,
}

impl Subject {
    pub async fn dev() -> Self {
        let folder = TempDir::new().unwrap();
        let write = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).unwrap();
        let config = deployment::CONFIG.replace("secret:", "file:secret-");
        write("rapport.toml", format!("public-url = \"{PUBLIC_URL}\"\n{config}").as_bytes());
        for (name, texts) in deployment::secrets().as_object().unwrap() {
            let newest = texts.get(0).unwrap_or(texts);
            write(&format!("secret-{name}"), newest.as_str().unwrap().as_bytes());
        }
        // The configuration's words for a connector are here the name of a file, and in a package that of an artefact.
        for (path, component) in connectors::plugins() {
            write(path.file_name().unwrap().to_str().unwrap(), component);
        }
        Self::Dev(Box::new(Local { process: Dev::start(folder.path()).await, folder, held: Mutex::default() }))
    }

    pub async fn bootstrap() -> Self {
        let world = World::new().await;
        let public = [("RAPPORT_PUBLIC_URL", PUBLIC_URL)];
        let (webhook, api) = (world.start_with("webhook", &public).await, world.start_with("api", &public).await);
        let fold = world.start("fold").await;
        let stream = Mapping::of(world.data.embedded.address()).await;
        let mut mapping = JoinSet::new();
        mapping.spawn(stream.run(fold));
        Self::Bootstrap(Box::new(Deployed { world, webhook, api, _mapping: mapping }))
    }

    /// One request and its answer.
    pub async fn ask(&self, sent: Sent) -> Answer {
        match self {
            Self::Dev(local) => {
                let headers: Vec<_> =
                    sent.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
                send(local.process.address, &sent.method, &sent.target(), &headers, &sent.body).await.unwrap()
            }
            // The template sends each path to its function.
            Self::Bootstrap(deployed) => {
                let function = if sent.path.starts_with("/v1") { &deployed.api } else { &deployed.webhook };
                function.ask(&sent.through(Door::HttpApi)).await
            }
        }
    }

    /// The profile of whoever has this identifier; none when nobody with it was seen.
    pub async fn look_up(&self, scheme: &str, value: &str) -> Option<Value> {
        let look_up = Sent::new("GET", "/v1/profiles/lookup", &format!("scheme={scheme}&value={value}"));
        let answer = self.ask(look_up.with_header("authorization", &format!("Bearer {API_KEY}"))).await;
        (answer.status != 404).then(|| {
            assert_eq!(answer.status, 200, "{answer:?}");
            answer.json()
        })
    }

    /// Everything in the table.
    pub async fn items(&self) -> Vec<Item> {
        items(self.database()).await
    }

    pub async fn table(&self) -> Table {
        match self {
            Self::Dev(local) => open(Embedded::at(self.database()), &local.folder.path().join("data")).await,
            Self::Bootstrap(deployed) => deployed.world.data.table.clone(),
        }
    }

    /// Keeps the service from writing: another process has the file's lock, or nothing gets through to the table.
    pub fn close_storage(&self) {
        match self {
            Self::Dev(local) => {
                let database = Connection::open(local.folder.path().join("data/rapport.db")).unwrap();
                database.execute_batch("BEGIN IMMEDIATE").unwrap();
                *local.held.lock().unwrap() = Some(database);
            }
            Self::Bootstrap(deployed) => deployed.world.storage.close(),
        }
    }

    pub fn open_storage(&self) {
        match self {
            Self::Dev(local) => drop(local.held.lock().unwrap().take()),
            Self::Bootstrap(deployed) => deployed.world.storage.open(),
        }
    }

    fn database(&self) -> SocketAddr {
        match self {
            Self::Dev(local) => {
                let address = fs::read_to_string(local.folder.path().join("data/dynamodb-address")).unwrap();
                address.trim().parse().unwrap()
            }
            Self::Bootstrap(deployed) => deployed.world.data.embedded.address(),
        }
    }
}
