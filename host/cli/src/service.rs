//! The service as one local process: what receives, what answers, the fold, and an embedded DynamoDB.

use std::collections::HashMap;
use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use axum::extract::ConnectInfo;
use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rapport_api::people::People;
use rapport_api::{Api, ApiKey, ApiKeys, CallerState, router};
use rapport_config::{Config, ConnectionConfig, SecretRef};
use rapport_connections::{self as connections, Connection, Connections, ConnectorHost, SecretValues};
use rapport_egress::{Egress, Network};
use rapport_http::served;
use rapport_inbound::feed::Feeds;
use rapport_inbound::{Inbound, hooks};
use rapport_outbound::wakes::{self, LocalWakes, Woken};
use rapport_outbound::{Host, Outbound, Tell, Worker};
use rapport_projections::fold::{self, fold_batch};
use rapport_projections::settlement;
use rapport_sandbox::{Connector, Options, Sandbox};
use rapport_store::blobs::Blobs;
use rapport_store::embedded::Embedded;
use rapport_store::objects::Objects;
use rapport_store::stream::StreamReader;
use rapport_store::{StoreError, Table};
use rapport_telemetry::{ClientNotAccepted, FoldWaits, NotTakenUp};
use tokio::net::TcpListener;
use tokio::sync::{Notify, Semaphore};

use crate::connector::{self, Progress};
use crate::secrets;

/// How often the stream is looked at when nothing wakes the fold.
const FOLD_EVERY: Duration = Duration::from_millis(250);
/// How often it looks whether somebody who was set aside is due.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long the fold waits after storage failed.
const FOLD_RETRY: Duration = Duration::from_secs(1);

/// A data folder that this process has to itself, or shares with the one that serves it.
pub struct Data {
    folder: PathBuf,
    /// Held for as long as this process serves the database.
    lock: Option<File>,
    embedded: Embedded,
    /// What stands for S3.
    objects: Objects,
}

impl Data {
    /// Opens a data folder to serve it.
    ///
    /// # Errors
    /// Another process serves it, or it cannot be written.
    pub fn serve(folder: &Path) -> Result<Self> {
        match lock(folder)? {
            Some(lock) => Self::start(folder, lock),
            None => bail!(
                "`{}` is served by another `rapport dev`; fix: stop it, or give another folder with --data",
                folder.display()
            ),
        }
    }

    /// Opens a data folder to look at it: through the process that serves it, or by itself.
    ///
    /// # Errors
    /// It is no data folder, or cannot be read.
    pub fn join(folder: &Path) -> Result<Self> {
        refuse_file(folder)?;
        if !folder.join(DATABASE).exists() {
            bail!("`{}` holds no data of `rapport dev`; fix: name its folder with --data", folder.display());
        }
        if let Some(lock) = lock(folder)? {
            return Self::start(folder, lock);
        }
        let path = folder.join(ADDRESS);
        let address = fs::read_to_string(&path).with_context(|| format!("`{}`", path.display()))?;
        let address = address.trim().parse().with_context(|| format!("`{}`", path.display()))?;
        Ok(Self::new(folder, None, Embedded::at(address)))
    }

    /// The same; a folder that is not there is made, as `rapport dev` would.
    ///
    /// # Errors
    /// It cannot be read or made.
    pub fn join_or_make(folder: &Path) -> Result<Self> {
        if folder.join(DATABASE).exists() { Self::join(folder) } else { Self::serve(folder) }
    }

    fn start(folder: &Path, lock: File) -> Result<Self> {
        let embedded = Embedded::start(&folder.join(DATABASE))?;
        fs::write(folder.join(ADDRESS), embedded.address().to_string())?;
        Ok(Self::new(folder, Some(lock), embedded))
    }

    fn new(folder: &Path, lock: Option<File>, embedded: Embedded) -> Self {
        Self { folder: folder.to_owned(), lock, embedded, objects: Objects::default() }
    }

    /// The same, with a folder in the place of S3: `<folder>/<bucket>/<key>`.
    pub fn with_objects(self, folder: Option<&Path>) -> Self {
        Self { objects: folder.map_or_else(Objects::default, Objects::in_folder), ..self }
    }

    /// Folds what was stored, where no other process does it.
    ///
    /// # Errors
    /// Storage failed; what is not folded waits.
    pub async fn fold_here(&self, inbound: &Inbound) -> Result<()> {
        if self.is_served_here() {
            let mut reader = StreamReader::open(inbound.table.clone()).await?;
            // Nobody sends here: whoever serves next finds what is unfinished.
            let (wakes, _woken) = wakes::local();
            while fold_once(&mut reader, inbound, &wakes).await? > 0 {}
        }
        Ok(())
    }

    /// Whether this process serves the database.
    fn is_served_here(&self) -> bool {
        self.lock.is_some()
    }

    /// The table of a configuration, as whoever serves it has it.
    ///
    /// # Errors
    /// The tenant key cannot be read, or is another one.
    pub async fn table(&self, config: &Config, base: &Path) -> Result<Table> {
        let tenant_key = secrets::tenant_key(config.tenant_key.as_ref(), &self.folder, base)?;
        let blobs = Blobs::in_folder(self.folder.join("blobs"));
        if self.is_served_here() {
            // Unnamed files take space and harm nobody, so they do not stop a start.
            let _ = blobs.delete_left_over().await;
        }
        let table = self.embedded.table(tenant_key, blobs).await;
        let table = table.map(|table| table.under(config.identity.clone()));
        table.with_context(|| format!("data folder `{}`", self.folder.display()))
    }
}

const DATABASE: &str = "rapport.db";
/// Where the process that serves the database listens for the others.
const ADDRESS: &str = "dynamodb-address";

/// The folder's lock; none when another process has it. The system lets go of it when a process ends, however it ends.
fn lock(folder: &Path) -> Result<Option<File>> {
    refuse_file(folder)?;
    let path = folder.join("lock");
    let open = || -> std::io::Result<File> {
        private_folder(folder)?;
        File::options().create(true).truncate(false).write(true).open(&path)
    };
    let file = open().with_context(|| format!("`{}`", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(fs::TryLockError::WouldBlock) => Ok(None),
        Err(fs::TryLockError::Error(error)) => Err(error).with_context(|| format!("`{}`", path.display())),
    }
}

fn refuse_file(folder: &Path) -> Result<()> {
    if folder.is_file() {
        bail!("`{}` is a file, expected a folder; fix: name a folder with --data", folder.display());
    }
    Ok(())
}

/// Whether a process serves the data folder. Nothing is made or changed.
pub(crate) fn is_served(folder: &Path) -> bool {
    File::open(folder.join("lock")).is_ok_and(|file| matches!(file.try_lock(), Err(fs::TryLockError::WouldBlock)))
}

/// Makes a folder that only its owner reads: the database holds what customers wrote.
fn private_folder(folder: &Path) -> std::io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(folder)
}

/// A configuration file, and the folder that its paths are relative to.
pub struct Settings {
    pub config: Config,
    /// As it was written.
    pub text: String,
    pub base: PathBuf,
}

impl Settings {
    /// Reads a configuration file.
    ///
    /// # Errors
    /// It cannot be read, or something in it is wrong.
    pub fn read(path: &Path) -> Result<Self> {
        let name = path.display();
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                bail!(
                    "`{name}` does not exist; fix: write one (`rapport dev --help` shows how), or name it with --config"
                )
            }
            Err(_) if path.is_dir() => {
                let inner = path.join("rapport.toml");
                bail!("`{name}` is a folder, expected a file; fix: `--config {}`", inner.display())
            }
            Err(error) => bail!("`{name}`: {error}; fix: make it a text file that you may read, or name another"),
        };
        if let Err(error) = toml::from_str::<toml::Table>(&text) {
            // The line's text may be a secret.
            bail!("`{name}`: line {} is not TOML: {}", toml_line(&text, &error), error.message());
        }
        let config = Config::parse(&text).with_context(|| format!("`{name}`"))?;
        let base = path.parent().filter(|base| !base.as_os_str().is_empty()).unwrap_or(Path::new("."));
        Ok(Self { config, text, base: base.to_owned() })
    }
}

/// The line that is not TOML, counted from 1.
pub(crate) fn toml_line(text: &str, error: &toml::de::Error) -> usize {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    before.matches('\n').count() + 1
}

/// What one process does: it receives, it answers, and it sends.
#[derive(Clone)]
pub struct Service {
    pub inbound: Arc<Inbound>,
    pub api: Arc<Api>,
    pub worker: Worker,
    /// Where this process wakes its worker.
    pub wakes: LocalWakes,
    /// Taken by the one who serves.
    woken: Arc<Mutex<Option<Woken>>>,
}

/// Makes a service of a configuration: connectors built and compiled, secrets resolved.
///
/// # Errors
/// The first thing that is missing or wrong, named with the fix.
pub async fn service(
    settings: &Settings,
    data: &Data,
    public_url: String,
    progress: &dyn Fn(&Progress),
) -> Result<Service> {
    let Settings { config, base, .. } = settings;
    let sandbox = Sandbox::new(Options::default())?;
    let mut connectors: HashMap<&str, Connector> = HashMap::new();
    let mut connections = Vec::with_capacity(config.connections.len());
    for (name, connection) in &config.connections {
        if !connectors.contains_key(connection.connector.as_str()) {
            // What is not found, or does not build, names the connector by itself.
            let component = connector::component(&connection.connector, base, &|step| progress(&step))
                .with_context(|| format!("connection `{name}`"))?;
            let connector = sandbox
                .load_component(&component.bytes, &component.id)
                .with_context(|| format!("connection `{name}`: connector `{}`", connection.connector))?;
            connectors.insert(&connection.connector, connector);
        }
        let secrets = resolve_secrets(name, connection, base)?;
        let connector = connectors[connection.connector.as_str()].clone();
        let connection = Connection::new(name, connector, connection, secrets)?;
        if let Some(error) = connection.left_out.first() {
            bail!("{error}");
        }
        connections.push(connection);
    }
    let table = data.table(config, base).await?;
    let senders = connections.iter().filter(|connection| connection.connector.sends());
    let senders: Vec<String> = senders.map(|connection| connection.name.clone()).collect();
    let connections = Connections::new(connections);
    let names: Vec<String> = connections.names().map(str::to_owned).collect();
    let (wakes, woken) = wakes::local();
    let api = Api {
        people: People { table: table.clone(), connections: names.into(), now },
        keys: api_keys(config, base)?,
        callers: CallerState::default(),
        senders: senders.into(),
        wakes: Arc::new(wakes.clone()),
    };
    let host = Arc::new(ConnectorHost {
        connections,
        certificates: Arc::default(),
        egress: Egress::new(Network::Public),
        tenant_key: table.tenant_key().clone(),
        now,
    });
    let reached_at = Some(public_url.clone()).filter(|url| !url.is_empty());
    let sender = Host { host: Arc::clone(&host), table: table.clone(), aws: None, public_url: reached_at };
    let inbound = Arc::new(Inbound {
        table: table.clone(),
        host,
        feeds: Feeds::of(config),
        objects: data.objects.clone(),
        public_url,
        stored: Arc::new(Notify::new()),
        now,
    });
    let outbound = Outbound::new(table, Arc::new(sender), Arc::new(wakes.clone()), now);
    let outbound = outbound.telling(tell(&inbound));
    Ok(Service {
        inbound,
        api: Arc::new(api),
        worker: Worker::new(Arc::new(outbound)),
        wakes,
        woken: Arc::new(Mutex::new(Some(woken))),
    })
}

/// What connectors tell while they send goes the way of what webhooks bring.
fn tell(inbound: &Arc<Inbound>) -> Tell {
    let inbound = Arc::clone(inbound);
    Arc::new(move |connection, work, events| {
        let inbound = Arc::clone(&inbound);
        Box::pin(async move { inbound.store_told(&connection, &work, events).await })
    })
}

/// Serves a service, folds its stream and sends what is due, until the process ends.
///
/// # Errors
/// The stream cannot be opened, or the listener fails.
pub async fn serve(service: Service, listener: TcpListener) -> Result<()> {
    let Service { inbound, api, worker, wakes: near, woken } = service;
    let table = inbound.table.clone();
    let reader = StreamReader::open(table.clone()).await?;
    tokio::spawn(fold_for_ever(reader, Arc::clone(&inbound), near));
    let woken = woken.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(woken) = woken {
        tokio::spawn(wakes::work(worker, woken));
    }
    let described = hooks::routes().into_iter().map(|route| route.described()).collect();
    let routes = hooks::served(inbound).merge(router::served(api, described));
    listen_for_ever(listener, served(routes, table), HEAD_TIME_MAX).await
}

/// How long a client may take for the head of a request, from its first byte or from the end of the one before.
const HEAD_TIME_MAX: Duration = Duration::from_secs(10);
/// Bytes that the head of a request may have, and that are buffered of a connection besides its body.
const HEAD_BYTES_MAX: usize = 64 << 10;
/// Connections at once; more wait to be accepted. With [`HEAD_BYTES_MAX`] each, unfinished heads take 32 MiB at most.
const CONNECTIONS_MAX: usize = 512;

/// Accepts connections. Whoever does not finish a request's head is cut off, so that nobody can hold them all.
async fn listen_for_ever(listener: TcpListener, router: Router, head_time_max: Duration) -> Result<()> {
    let connections = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let permit = Arc::clone(&connections).acquire_owned().await.context("the listener failed")?;
        let (stream, client) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                // A client that went away, or no descriptor left: the next one may do.
                ClientNotAccepted { error: &error }.emit();
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        // Whose wrong keys are counted is said by the connection.
        let service = TowerToHyperService::new(router.clone().layer(Extension(ConnectInfo(client))));
        tokio::spawn(async move {
            let mut server = http1::Builder::new();
            server.timer(TokioTimer::new()).header_read_timeout(head_time_max).max_buf_size(HEAD_BYTES_MAX);
            // How a client's connection ends is the client's affair.
            let _ = server.serve_connection(TokioIo::new(stream), service).await;
            drop(permit);
        });
    }
}

/// Reads what `--listen` takes: an address with a port, or a port of this machine alone.
///
/// # Errors
/// A sentence that says what it takes.
pub fn listen_address(text: &str) -> Result<SocketAddr, String> {
    let local = |port: &str| port.parse::<u16>().ok().map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
    let of_port = local(text).or_else(|| local(text.strip_prefix("localhost:").or_else(|| text.strip_prefix(':'))?));
    let expected = "expected ADDRESS:PORT, such as `127.0.0.1:8080` or `0.0.0.0:8080`, or a port alone";
    of_port.or_else(|| text.parse().ok()).ok_or_else(|| expected.to_owned())
}

/// Listens, with a message that says what to do when the address is taken.
///
/// # Errors
/// The address is taken or not this machine's.
pub async fn listen(address: SocketAddr) -> Result<TcpListener> {
    let fix = || format!("cannot listen on {address}; fix: stop what listens there, or give another with --listen");
    TcpListener::bind(address).await.with_context(fix)
}

async fn fold_for_ever(mut reader: StreamReader, inbound: Arc<Inbound>, wakes: LocalWakes) {
    let mut looked_at = Instant::now();
    loop {
        if looked_at.elapsed() >= LOOK_EVERY {
            looked_at = Instant::now();
            if let Err(error) = fold::aside::take_up_due(&inbound.table, (inbound.now)()).await {
                NotTakenUp { error: &error }.emit();
            }
        }
        match fold_once(&mut reader, &inbound, &wakes).await {
            Ok(0) => {
                let _ = tokio::time::timeout(FOLD_EVERY, inbound.stored.notified()).await;
            }
            Ok(_) => {}
            Err(error) => {
                FoldWaits { error: &error }.emit();
                reader.rewind();
                tokio::time::sleep(FOLD_RETRY).await;
            }
        }
    }
}

/// Folds what the stream has now; gives how many records there were.
///
/// # Errors
/// Storage failed: after [`StreamReader::rewind`] the same records come again.
pub async fn fold_once(reader: &mut StreamReader, inbound: &Inbound, wakes: &LocalWakes) -> Result<usize, StoreError> {
    let mut records = 0;
    for mut batch in reader.next().await? {
        let now = (inbound.now)();
        fold::unreadable(&inbound.table, &batch.unreadable, now).await?;
        let (waits, aside) = fold::waiting(&inbound.table, std::mem::take(&mut batch.waiting), now).await;
        fold_batch(&inbound.table, &batch.events, now).await?;
        for intent in &batch.intents {
            settlement::follow(&inbound.table, intent, wakes, now).await?;
        }
        // Whoever was set aside is folded from the log: what came after it of theirs is there.
        if let Some(waits) = waits {
            return Err(waits.error);
        }
        let work = batch.events.len() + batch.intents.len() + batch.unreadable.len() + batch.gone + aside;
        // The position itself is a record, too: to store it where nothing happened would go on for ever.
        if work > 0 {
            reader.handled(&batch).await?;
        }
        if batch.is_cut {
            reader.rewind();
            return Ok(records + work);
        }
        records += work;
    }
    Ok(records)
}

fn api_keys(config: &Config, base: &Path) -> Result<ApiKeys> {
    let resolved = config.api_keys.iter().map(|key| {
        let versions = key.secrets.iter().map(|reference| secrets::resolve(reference, &key.used_as(), base));
        Ok((ApiKey::of(key), versions.collect::<Result<Vec<_>>>()?))
    });
    Ok(ApiKeys::new(resolved.collect::<Result<Vec<_>>>()?)?)
}

/// What works and should be otherwise: in the configuration, and of connections that no webhook can be verified for.
pub fn warnings(config: &Config, service: &Service) -> Vec<String> {
    let lacking = config.connections.iter().filter_map(|(name, written)| {
        let connection = service.inbound.host.connections.get(name).ok().flatten()?;
        connections::lacking(name, connection.connector.manifest(), written)
    });
    let mut warnings = config.warnings();
    if service.api.keys.is_empty() {
        warnings.push(
            "no API key is configured, so `/v1` is closed to everybody; fix: `[api.keys.NAME]` with `secret = \"env:…\"` and \
             `may = [\"read\"]`"
                .to_owned(),
        );
    }
    warnings.extend(lacking);
    warnings
}

fn resolve_secrets(name: &str, connection: &ConnectionConfig, base: &Path) -> Result<SecretValues> {
    let mut values = HashMap::new();
    for (secret, references) in &connection.secrets {
        let what = format!("connection `{name}`: secret `{secret}`");
        let resolve = |reference: &SecretRef| secrets::resolve(reference, &what, base);
        values.insert(secret.clone(), references.iter().map(resolve).collect::<Result<Vec<_>>>()?);
    }
    Ok(SecretValues::new(values))
}

pub(crate) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_to_listen_on_may_be_a_port_alone() {
        let local = |port| SocketAddr::from(([127, 0, 0, 1], port));
        for (text, address) in [
            ("8080", local(8080)),
            (":8080", local(8080)),
            ("localhost:0", local(0)),
            ("127.0.0.1:7", local(7)),
            ("0.0.0.0:80", SocketAddr::from(([0, 0, 0, 0], 80))),
        ] {
            assert_eq!(listen_address(text), Ok(address), "{text}");
        }
        for wrong in ["", "127.0.0.1", "65536", "rapport.example:80"] {
            assert!(listen_address(wrong).unwrap_err().starts_with("expected ADDRESS:PORT"), "{wrong}");
        }
    }
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    /// S17: an unfinished request was still open after 40 s.
    #[tokio::test]
    async fn who_does_not_finish_a_head_is_cut_off_and_who_does_is_answered() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().route("/", get(|| async { "hello" }));
        let server = tokio::spawn(listen_for_ever(listener, router, Duration::from_millis(200)));

        let mut unfinished = TcpStream::connect(address).await.unwrap();
        unfinished.write_all(b"POST /hooks/a HTTP/1.1\r\nhost: a\r\nx-slow: ").await.unwrap();
        let mut answer = Vec::new();
        let ended = tokio::time::timeout(Duration::from_secs(20), unfinished.read_to_end(&mut answer)).await;
        assert!(ended.is_ok(), "the connection is still open");

        let mut finished = TcpStream::connect(address).await.unwrap();
        finished.write_all(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        finished.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("hello"), "{answer}");
        server.abort();
    }
}
