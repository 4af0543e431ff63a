//! The service of this process: made when it can be, kept while the process lives, its secrets renewed.

use std::fs;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use axum::Router;
use rapport_api::authorisation::wrong_keys::SlowDown;
use rapport_api::people::People;
use rapport_api::{Api, ApiKeys, CallerState, router};
use rapport_config::package::{self, Package, PackageError, ReferenceError, check_references};
use rapport_config::{Config, ConfigError, ConnectionConfig};
use rapport_connections::connections::{Loader, NotLoaded};
use rapport_connections::{self as connections, Connection, Connections, ConnectorHost, SigningRole};
use rapport_egress::{Egress, Network};
use rapport_http::served;
use rapport_inbound::feed::Feeds;
use rapport_inbound::{Inbound, hooks};
use rapport_outbound::{Host, Outbound, Tell, Worker};
use rapport_store::aws::queue::Queue;
use rapport_store::aws::{Aws, TableOf};
use rapport_store::{Claim, StoreError, Table};
use rapport_telemetry::{ConnectionNotSetUp, NoEngineYet, NotReadyYet, SecretMissing, SecretsNotRenewed, StandInUsed};
use tokio::sync::{Mutex, Notify};

use crate::connectors::Connectors;
use crate::environment::{Environment, Role};
use crate::secrets::{SecretTexts, SecretsError};
use crate::signing::AssumedRole;

/// How old the secrets may be: after a rotation the new one is known this much later, and until then the old one is good.
pub const SECRETS_KEPT: Duration = Duration::from_secs(300);

/// What a process has for all its events.
pub struct Service {
    parts: Arc<Parts>,
    running: Mutex<Option<Running>>,
    clock: Clock,
}

/// Says how much time has passed, and nothing of the calendar: [`Instant::now`], or what a test makes of it.
pub type Clock = fn() -> Instant;

/// What never changes.
struct Parts {
    role: Role,
    aws: Aws,
    config: Config,
    connectors: Connectors,
    table: TableOf,
    secrets: Vec<String>,
    public_url: Option<String>,
    wakes: Queue,
    signing: Option<Arc<dyn SigningRole>>,
    /// In the place of every provider. `None`: messages go to providers.
    stand_in: Option<SocketAddr>,
}

/// A service, ready for events.
#[derive(Clone)]
pub struct Running {
    pub inbound: Arc<Inbound>,
    pub api: Arc<Api>,
    pub router: Router,
    pub worker: Worker,
    pub wakes: Queue,
    secrets: Arc<SecretTexts>,
    read_at: Instant,
}

/// The deployment is wrong: the process ends, and says so.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("`{file}`: {source}; fix: make the package with `rapport package`")]
    File { file: &'static str, source: std::io::Error },
    #[error("`rapport.toml`: {0}")]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Package(#[from] PackageError),
    #[error("`rapport.toml`: {0}")]
    Reference(#[from] ReferenceError),
    #[error(
        "connection `{connection}`: connector `{connector}` is not in the package; fix: make the package with this \
         configuration"
    )]
    NotPackaged { connection: String, connector: String },
}

/// The service is not ready.
#[derive(Debug, thiserror::Error)]
pub enum NotReady {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Secrets(#[from] SecretsError),
}

impl NotReady {
    /// Whether it may be over when somebody asks again.
    pub fn passes(&self) -> bool {
        matches!(self, Self::Store(StoreError::Unavailable { .. } | StoreError::Unclaimed))
    }
}

impl Service {
    /// Reads the package. Nothing is connected yet. The clock says when secrets are old.
    ///
    /// # Errors
    /// What is wrong with the deployment, with the fix.
    pub fn new(environment: Environment, clock: Clock) -> Result<Self, StartError> {
        let Environment { role, root, trusted, table, tenant, bucket, secrets, public_url, account, .. } = environment;
        let Environment { wakes, signing_role, stand_in, .. } = environment;
        let read = |file| fs::read_to_string(root.join(file)).map_err(|source| StartError::File { file, source });
        let config = Config::parse(&read(package::CONFIG_FILE)?)?;
        check_references(&config)?;
        let package = Package::parse(&read(package::FILE)?)?;
        let connectors = Connectors::new(root, package, trusted);
        for (name, connection) in &config.connections {
            if !connectors.has(&connection.connector) {
                let (connection, connector) = (name.clone(), connection.connector.clone());
                return Err(StartError::NotPackaged { connection, connector });
            }
        }
        let public_url = public_url.or_else(|| config.public_url.clone());
        let aws = Aws::new(account);
        if let Some(address) = &stand_in {
            StandInUsed { address }.emit();
        }
        let signing = signing_role.map(|arn| Arc::new(AssumedRole(aws.role(arn))) as Arc<dyn SigningRole>);
        let (table, wakes) = (TableOf { table, tenant, bucket }, aws.queue(wakes, now));
        let parts = Parts { role, aws, config, connectors, table, secrets, public_url, wakes, signing, stand_in };
        Ok(Self { parts: Arc::new(parts), running: Mutex::default(), clock })
    }

    /// How providers reach us, if somebody has said.
    pub fn public_url(&self) -> Option<&str> {
        self.parts.public_url.as_deref()
    }

    /// Does while the process starts what the first event would wait for. If it fails, that event tries again.
    pub async fn warm_up(&self) {
        let parts = Arc::clone(&self.parts);
        let engine = tokio::task::spawn_blocking(move || match parts.role {
            Role::Webhook | Role::Feed | Role::Send => parts.connectors.start().map_err(|error| error.to_string()),
            Role::Api | Role::Fold | Role::Due => Ok(()),
        });
        let (running, engine) = tokio::join!(self.running(), engine);
        if let Err(error) = running {
            NotReadyYet { error: &error }.emit();
        }
        if let Ok(Err(error)) = engine {
            NoEngineYet { error: &error }.emit();
        }
    }

    /// The service, made now if there is none.
    ///
    /// # Errors
    /// [`NotReady`]: the next event tries again.
    pub async fn running(&self) -> Result<Running, NotReady> {
        let mut place = self.running.lock().await;
        let now = (self.clock)();
        let running = match place.take() {
            None => self.parts.start(now).await?,
            Some(running) if now.saturating_duration_since(running.read_at) < SECRETS_KEPT => running,
            Some(running) => self.parts.renewed(running, now).await,
        };
        *place = Some(running.clone());
        Ok(running)
    }
}

impl Parts {
    async fn start(self: &Arc<Self>, now: Instant) -> Result<Running, NotReady> {
        // Two services, asked at the same time.
        let (secrets, claimant) = tokio::join!(self.read_secrets(), self.aws.claimant(&self.table));
        // Of two failures, the secret is the one that an operator has in hand.
        let (secrets, claimant) = (secrets?, claimant?);
        let tenant_key = secrets.tenant_key(&self.config)?;
        let claim = match self.role {
            Role::Webhook | Role::Feed => Claim::IfFree,
            Role::Api | Role::Fold | Role::Send | Role::Due => Claim::Never,
        };
        let table =
            self.aws.table(self.table.clone(), tenant_key, claimant, claim).await?.under(self.config.identity.clone());
        self.with_secrets(table, secrets, now).map_err(NotReady::from)
    }

    /// The same with today's secrets; with yesterday's if today's cannot be had.
    async fn renewed(self: &Arc<Self>, running: Running, now: Instant) -> Running {
        let kept = Running { read_at: now, ..running };
        let renewed = match self.read_secrets().await {
            Ok(secrets) if secrets == *kept.secrets => return kept,
            Ok(secrets) => self.with_secrets(kept.inbound.table.clone(), secrets, now).map_err(NotReady::from),
            Err(error) => Err(error),
        };
        renewed.unwrap_or_else(|error| {
            SecretsNotRenewed { error: &error }.emit();
            kept
        })
    }

    async fn read_secrets(&self) -> Result<SecretTexts, NotReady> {
        let texts = self.aws.secrets(&self.secrets).await?;
        Ok(SecretTexts::parse_all(texts.iter().map(String::as_str))?)
    }

    fn with_secrets(
        self: &Arc<Self>,
        table: Table,
        secrets: SecretTexts,
        read_at: Instant,
    ) -> Result<Running, SecretsError> {
        let secrets = Arc::new(secrets);
        let names: Vec<String> = self.config.connections.keys().cloned().collect();
        let api = Arc::new(Api {
            people: People { table: table.clone(), connections: names.clone().into(), now },
            keys: self.api_keys(&secrets)?,
            callers: CallerState::slowed(SlowDown::Refuse),
            senders: self.senders(),
            wakes: Arc::new(self.wakes.clone()),
        });
        let host = Arc::new(ConnectorHost {
            connections: Connections::lazy(names, self.loader(Arc::clone(&secrets))),
            certificates: Arc::default(),
            egress: match self.stand_in {
                None => Egress::of_deployment(Network::Public),
                Some(_) => Egress::new(Network::Public),
            },
            tenant_key: table.tenant_key().clone(),
            now,
        });
        let (aws, public_url) = (self.signing.clone(), self.public_url.clone());
        let sender = Host { host: Arc::clone(&host), table: table.clone(), aws, public_url };
        let inbound = Arc::new(Inbound {
            table: table.clone(),
            host,
            feeds: Feeds::of(&self.config),
            objects: self.aws.objects(),
            public_url: self.public_url.clone().unwrap_or_default(),
            stored: Arc::new(Notify::new()),
            now,
        });
        let worker = Outbound::new(table.clone(), Arc::new(sender), Arc::new(self.wakes.clone()), now);
        let worker = worker.telling(tell(&inbound));
        let routes = match self.role {
            Role::Webhook => hooks::served(Arc::clone(&inbound)),
            Role::Feed | Role::Api | Role::Fold | Role::Send | Role::Due => {
                let beside = hooks::routes().into_iter().map(|route| route.described()).collect();
                router::served(Arc::clone(&api), beside)
            }
        };
        let router = served(routes, table);
        let (worker, wakes) = (Worker::new(Arc::new(worker)), self.wakes.clone());
        Ok(Running { inbound, api, router, worker, wakes, secrets, read_at })
    }

    /// Names of the connections that can send: the API loads no connector, and the package says of each.
    fn senders(&self) -> Arc<[String]> {
        let sends = |connection: &ConnectionConfig| self.connectors.sends(&connection.connector);
        let senders = self.config.connections.iter().filter(|(_, connection)| sends(connection));
        senders.map(|(name, _)| name.clone()).collect()
    }

    /// Only the API's function may read what opens the API.
    fn api_keys(&self, secrets: &SecretTexts) -> Result<ApiKeys, SecretsError> {
        match self.role {
            Role::Api => secrets.api_keys(&self.config),
            Role::Webhook | Role::Feed | Role::Fold | Role::Send | Role::Due => Ok(ApiKeys::default()),
        }
    }

    /// Makes the connection that the first webhook asks for, and no other.
    fn loader(self: &Arc<Self>, secrets: Arc<SecretTexts>) -> Loader {
        let parts = Arc::clone(self);
        Box::new(move |name| {
            let loaded = parts.load(name, &secrets);
            // The others tell whoever called; of a message nobody waits.
            if let (Role::Send, Err(error)) = (parts.role, &loaded) {
                ConnectionNotSetUp { connection: name, error }.emit();
            }
            loaded
        })
    }

    fn load(&self, name: &str, secrets: &SecretTexts) -> Result<Connection, NotLoaded> {
        let mut connection = self.config.connections[name].clone();
        let connector = self.connectors.get(&connection.connector)?;
        if let Some(lacking) = connections::lacking(name, connector.manifest(), &connection) {
            SecretMissing { connection: name, lacking: &lacking }.emit();
        }
        if self.stand_in.is_some() && connector.sends() {
            connection.sending.base_url = self.stand_in;
        }
        let values = secrets.of_connection(name, &connection)?;
        Ok(Connection::new(name, connector, &connection, values)?)
    }
}

pub(crate) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// What connectors tell while they send goes the way of what webhooks bring.
fn tell(inbound: &Arc<Inbound>) -> Tell {
    let inbound = Arc::clone(inbound);
    Arc::new(move |connection, work, events| {
        let inbound = Arc::clone(&inbound);
        Box::pin(async move { inbound.store_told(&connection, &work, events).await })
    })
}
