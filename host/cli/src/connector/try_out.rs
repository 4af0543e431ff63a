//! `rapport connector try`: one operation, its requests and what comes of them.

mod files;
mod recorded;
mod show;

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use clap::Args;
use rapport_config::{ConnectionConfig, SecretRef, SendingConfig};
use rapport_connections::{Asked, Connection, Connections, ConnectorHost, NotRun, SecretValues, Step};
use rapport_egress::{AwsKeys, Egress, Network};
use rapport_model::TenantKey;
use rapport_model::exchange::{Exchange, Request, TransportError};
use rapport_model::sending::{Failure, Next, Operation, Outcome};
use rapport_sandbox::{Options, Sandbox, Secret};
use rapport_sdk::testing::outbound::{read_exchanges, read_operation};
use ring::rand::{SecureRandom, SystemRandom};
use serde_json::{Value, json};

use self::files::Files;
use crate::loopback::Loopback;
use crate::sample::SampleConnection;
use crate::service::{self, Settings};
use crate::{Terminal, connector, secrets};

/// Shown after the help.
pub const EXAMPLE: &str = "Examples, in a checkout. The first needs nothing else: this command answers as the case's .exchanges.json says.

  rapport connector try acme --operation text
  rapport connector try acme --operation text --base-url http://127.0.0.1:9000 --secret access-token=any
  rapport connector try acme --operation text --live --secret access-token=env:ACME_TOKEN --account 1234 --to u-7
  rapport connector try --connection acme-eu --config rapport.toml --operation my.operation.json

An operation is a file as in fixtures/outbound: {\"send\": {\"route\": {\"to\": {\"scheme\": \"acme\", \"value\": \"u-7\"},
\"account\": \"1234\"}, \"parts\": [{\"text\": \"Hello\"}]}}. A medium {\"blob\": \"picture.png\"} is a file beside it. A request
that is not repeatable leaves once, whatever is answered. A secret is shown as its name.";

#[derive(Args)]
pub struct Arguments {
    /// A folder with a connector.toml, the name of one in plugins/, or a component; with --connection it is not given
    #[arg(required_unless_present = "connection", conflicts_with = "connection")]
    connector: Option<String>,
    /// What to do: a file, or a case of the connector's fixtures/outbound, such as `text`
    #[arg(long, value_name = "FILE-OR-CASE")]
    operation: String,
    /// A server of yours on this machine in the provider's place, such as http://127.0.0.1:9000
    #[arg(long, value_name = "URL", conflicts_with = "live")]
    base_url: Option<String>,
    /// Sends to the provider: for real
    #[arg(long)]
    live: bool,
    /// A secret; instead of the value, `env:VARIABLE` or `file:PATH` says where it is. Without --live those of
    /// fixtures/outbound/connection.json are there already
    #[arg(long = "secret", value_name = "NAME=VALUE")]
    secrets: Vec<String>,
    /// The connection's `config`, as JSON; without it that of fixtures/outbound/connection.json
    #[arg(long, value_name = "JSON", conflicts_with = "connection")]
    settings: Option<String>,
    /// The customer's address, in the place of the operation's
    #[arg(long, value_name = "ADDRESS")]
    to: Option<String>,
    /// The account of the business, in the place of the operation's
    #[arg(long, value_name = "ID")]
    account: Option<String>,
    /// A connection of the configuration file: its connector, config, secrets and `sending`
    #[arg(long, value_name = "NAME")]
    connection: Option<String>,
    /// The configuration file of --connection
    #[arg(long, value_name = "FILE", default_value = "rapport.toml")]
    config: PathBuf,
    /// Where files go that the provider gives; without it they are not written
    #[arg(long, value_name = "FOLDER")]
    keep: Option<PathBuf>,
}

/// How long one request may take. The way out has shorter limits for each kind.
const REQUEST_TIME_MAX: Duration = Duration::from_secs(60);
/// How long an operation waits for the sandbox, which nothing else uses here.
const BUSY_TRIES_MAX: usize = 3;

/// Tries one operation, and prints its requests, what came of each, and what was achieved.
///
/// # Errors
/// Something is missing or wrong, nothing left, or the connector says why the operation failed; with the fix.
pub async fn run(arguments: &Arguments, terminal: &Terminal) -> Result<()> {
    let chosen = match &arguments.connection {
        Some(name) => configured(name, arguments, terminal)?,
        None => named(arguments, terminal)?,
    };
    let place = place(&arguments.operation, chosen.folder.as_deref())?;
    let operation = operation(&place, arguments)?;
    let mut written = chosen.written;
    let recorded = if goes_nowhere(&written.sending) { Some(stand_in(&place).await?) } else { None };
    written.sending.base_url = written.sending.base_url.or_else(|| recorded.as_ref().map(|server| server.address));
    println!("{}\n", show::heading(&operation, &written.sending, recorded.is_some()));

    let is_live = written.sending.live;
    let connection = Connection::new(&chosen.name, chosen.connector, &written, SecretValues::new(chosen.secrets))?;
    let host = ConnectorHost {
        connections: Connections::new([connection]),
        certificates: Arc::default(),
        egress: Egress::new(Network::Public),
        tenant_key: TenantKey::new(&random::<32>()?).context("32 bytes are a tenant key")?,
        now: service::now,
    };
    let base = place.parent().unwrap_or(Path::new(".")).to_owned();
    let files = Arc::new(Files { base, kept: arguments.keep.clone() });
    let attempt = Attempt { host, name: chosen.name, operation, files, aws: aws_keys(), is_live };
    attempt.run().await
}

/// What is tried, and with what.
struct Chosen {
    name: String,
    connector: rapport_sandbox::Connector,
    /// Of the connector; none: it is a component alone.
    folder: Option<PathBuf>,
    written: ConnectionConfig,
    secrets: HashMap<String, Vec<Secret>>,
}

/// A connection of a configuration file.
fn configured(name: &str, arguments: &Arguments, terminal: &Terminal) -> Result<Chosen> {
    let path = &arguments.config;
    let settings = Settings::read(path)?;
    let written = settings.config.connections.get(name);
    let mut written = written
        .with_context(|| {
            let names: Vec<String> = settings.config.connections.keys().map(|name| format!("`{name}`")).collect();
            format!("`{}` has no connection `{name}`; fix: name one of {}", path.display(), names.join(", "))
        })?
        .clone();
    if arguments.live || arguments.base_url.is_some() {
        written.sending = SendingConfig { base_url: base_url(arguments)?, live: arguments.live, ..written.sending };
    }
    let mut values: HashMap<String, Vec<Secret>> = HashMap::new();
    for (secret, references) in &written.secrets {
        let what = format!("connection `{name}`: secret `{secret}`");
        let versions = references.iter().map(|reference| secrets::resolve(reference, &what, &settings.base));
        values.insert(secret.clone(), versions.collect::<Result<_>>()?);
    }
    values.extend(given(arguments)?);
    let component = connector::component(&written.connector, &settings.base, &|step| terminal.progress(&step))?;
    let connector = Sandbox::new(Options::default())?.load_component(&component.bytes, &component.id)?;
    Ok(Chosen { name: name.to_owned(), connector, folder: component.folder, written, secrets: values })
}

/// A connector, with what its fixtures are made for, or what the arguments say.
fn named(arguments: &Arguments, terminal: &Terminal) -> Result<Chosen> {
    let words = arguments.connector.as_deref().unwrap_or_default();
    let component = connector::component(words, Path::new("."), &|step| terminal.progress(&step))?;
    let connector = Sandbox::new(Options::default())?.load_component(&component.bytes, &component.id)?;
    if !connector.sends() {
        bail!(
            "connector `{}` does not export `sending`; fix: `rapport_sdk::export!(YourType: inbound, sending);`",
            component.id
        );
    }
    let sample = component.folder.as_deref().map(sample).transpose()?.flatten();
    let (name, config, values) = match sample {
        Some(sample) => (sample.connection, sample.config, sample.secrets),
        None => ("try".to_owned(), json!({}), Default::default()),
    };
    let config = match &arguments.settings {
        Some(text) => {
            serde_json::from_str(text).context("`--settings` is not JSON; fix: write an object such as '{}'")?
        }
        None if config.is_null() => json!({}),
        None => config,
    };
    let manifest = connector.manifest();
    let mut secrets: HashMap<String, Vec<Secret>> = HashMap::new();
    // The provider would not know the test values of the fixtures.
    for (secret, versions) in values.into_iter().filter(|_| !arguments.live) {
        secrets.insert(secret, versions.iter().map(|version| Secret::new(version.as_bytes())).collect());
    }
    if manifest.unsigned.is_some() {
        // No webhook comes here, so it does not matter which one.
        secrets.insert("path-token".to_owned(), vec![Secret::new(secrets::random_hex(16)?.as_bytes())]);
    }
    secrets.extend(given(arguments)?);
    let sending = SendingConfig {
        base_url: base_url(arguments)?,
        live: arguments.live,
        // Whoever tries a connector is its operator.
        hosts: Some(manifest.hosts.api.clone()),
        aws: manifest.aws.clone(),
    };
    let written =
        ConnectionConfig { connector: words.to_owned(), config, secrets: Default::default(), feed: None, sending };
    Ok(Chosen { name, connector, folder: component.folder, written, secrets })
}

/// The connection that the outbound fixtures are made for.
fn sample(folder: &Path) -> Result<Option<SampleConnection>> {
    let places = ["fixtures/outbound/connection.json", "fixtures/connection.json"].map(|place| folder.join(place));
    let Some(path) = places.into_iter().find(|path| path.is_file()) else { return Ok(None) };
    let text = fs::read_to_string(&path).with_context(|| format!("`{}`", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("`{}`", path.display())).map(Some)
}

fn base_url(arguments: &Arguments) -> Result<Option<std::net::SocketAddr>> {
    let read = |url: &String| SendingConfig::stand_in("--base-url", url);
    Ok(arguments.base_url.as_ref().map(read).transpose()?)
}

/// The secrets of the arguments.
fn given(arguments: &Arguments) -> Result<HashMap<String, Vec<Secret>>> {
    let mut given: HashMap<String, Vec<Secret>> = HashMap::new();
    for written in &arguments.secrets {
        // The value may be a secret, so an error does not repeat it.
        let Some((name, value)) = written.split_once('=').filter(|(name, _)| !name.is_empty()) else {
            bail!(
                "`--secret` takes NAME=VALUE; fix: write `--secret access-token=…`, with the secret's name in connector.toml"
            );
        };
        let what = format!("`--secret {name}`");
        let reference = match value.split_once(':') {
            Some(("env", variable)) => Some(SecretRef::Env(variable.to_owned())),
            Some(("file", path)) => Some(SecretRef::File(path.to_owned())),
            _ => None,
        };
        let value = match reference {
            Some(reference) => secrets::resolve(&reference, &what, Path::new("."))?,
            None => Secret::new(value.as_bytes()),
        };
        given.entry(name.to_owned()).or_default().push(value);
    }
    Ok(given)
}

/// Where the operation is: a file, or a case of the connector.
fn place(words: &str, folder: Option<&Path>) -> Result<PathBuf> {
    let path = Path::new(words);
    if path.is_file() {
        return Ok(path.to_owned());
    }
    let outbound = folder.map(|folder| folder.join("fixtures/outbound"));
    let inside = outbound.iter().map(|outbound| outbound.join(format!("{words}.operation.json")));
    let inside = inside.chain(folder.map(|folder| folder.join(words)));
    if let Some(found) = inside.into_iter().find(|path| path.is_file()) {
        return Ok(found);
    }
    let entries = outbound.and_then(|outbound| fs::read_dir(outbound).ok()).into_iter().flatten().flatten();
    let case = |name: String| name.strip_suffix(".operation.json").map(|case| format!("`{case}`"));
    let mut cases: Vec<String> = entries.filter_map(|entry| case(entry.file_name().display().to_string())).collect();
    cases.sort();
    if cases.is_empty() {
        bail!("`--operation {words}`: there is no such file; fix: write one as `--help` shows");
    }
    let cases = cases.join(", ");
    bail!("`--operation {words}`: there is no such file or case; fix: name a file, or one of {cases}")
}

/// The operation of a file, with the arguments' address and account.
fn operation(place: &Path, arguments: &Arguments) -> Result<Operation> {
    let mut written = read_operation(place).map_err(anyhow::Error::msg)?;
    if let Some(Value::Object(fields)) = written.as_object_mut().and_then(|object| object.values_mut().next()) {
        for (words, of_route, alone) in
            [(&arguments.to, "/to/value", "/who/value"), (&arguments.account, "/account", "/account")]
        {
            let Some(words) = words else { continue };
            let mut operation = Value::Object(std::mem::take(fields));
            let places = [format!("/route{of_route}"), format!("/message/route{of_route}"), alone.to_owned()];
            let found = places.iter().find(|place| operation.pointer(place).is_some_and(Value::is_string));
            match found.and_then(|place| operation.pointer_mut(place)) {
                Some(present) => *present = words.as_str().into(),
                None => bail!("the operation has no place for `{words}`; fix: leave out `--to` or `--account`"),
            }
            *fields = operation.as_object_mut().map(std::mem::take).unwrap_or_default();
        }
    }
    serde_json::from_value(written).with_context(|| {
        format!("`{}` is not an operation of the contract; fix: see `wit/sending.wit`", place.display())
    })
}

/// Whether nothing may leave: then the recorded answers are served.
fn goes_nowhere(sending: &SendingConfig) -> bool {
    sending.base_url.is_none() && !sending.live
}

async fn stand_in(place: &Path) -> Result<Loopback> {
    let name = place.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let case = name.strip_suffix(".operation.json").unwrap_or(name);
    let recorded = place.with_file_name(format!("{case}.exchanges.json"));
    let where_to = "`--base-url http://127.0.0.1:9000` sends to a server of yours, `--live` to the provider";
    // A case that comes to no request has no answers either.
    let is_case = place.with_file_name(format!("{case}.outcome.json")).is_file();
    if !recorded.is_file() && !is_case {
        bail!("nothing says where to send, and `{}` does not exist; fix: {where_to}", recorded.display());
    }
    let exchanges = read_exchanges(&recorded).map_err(anyhow::Error::msg)?;
    recorded::serve(exchanges).await.with_context(|| format!("`{}`; fix: {where_to}", recorded.display()))
}

/// The keys of AWS that the variables of every AWS tool name.
fn aws_keys() -> Option<AwsKeys> {
    let read = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    Some(AwsKeys {
        access_key_id: read("AWS_ACCESS_KEY_ID")?,
        secret_access_key: Secret::new(read("AWS_SECRET_ACCESS_KEY")?.into_bytes()),
        session_token: read("AWS_SESSION_TOKEN").map(|token| Secret::new(token.into_bytes())),
    })
}

fn random<const N: usize>() -> Result<[u8; N]> {
    let mut random = [0; N];
    SystemRandom::new().fill(&mut random).ok().context("the system gives no random numbers")?;
    Ok(random)
}

/// One operation, under way.
struct Attempt {
    host: ConnectorHost,
    name: String,
    operation: Operation,
    files: Arc<Files>,
    aws: Option<AwsKeys>,
    is_live: bool,
}

impl Attempt {
    async fn run(&self) -> Result<()> {
        let connection = self.host.connections.get(&self.name).map_err(|error| anyhow!("{error}"))?;
        let connection = connection.context("the connection was set up")?;
        let (now, entropy) = (service::now(), random::<32>()?);
        let mut history: Vec<Exchange> = Vec::new();
        let mut accepted = Vec::new();
        // The sandbox ends a connector that asks for too many steps.
        for step in 0.. {
            let asked = Asked {
                request_id: "try".to_owned(),
                operation: self.operation.clone(),
                history: history.clone(),
                step,
                accepted,
                now,
                entropy,
            };
            let turn = self.ask(&connection, asked).await?;
            accepted = turn.so_far.accepted.clone();
            let requests = match turn.next {
                Next::Done => {
                    print!("{}", show::done(&turn.so_far));
                    return Ok(());
                }
                Next::Failed(failure) => return self.failed(&failure, &turn.so_far),
                Next::Perform(requests) => requests,
            };
            for request in &requests {
                println!("{}", show::request(history.len() + 1, request));
                let began = Instant::now();
                let exchange = self.perform(&connection, request, &entropy).await?;
                if let Err(TransportError::Denied(why)) = &exchange {
                    bail!("nothing left: {why}{}", self.fix_of_denied(why));
                }
                println!("{}", show::exchange(&exchange, began.elapsed()));
                history.push(exchange);
            }
        }
        Ok(())
    }

    async fn ask(&self, connection: &Arc<Connection>, asked: Asked) -> Result<rapport_model::sending::Turn> {
        for _ in 0..BUSY_TRIES_MAX {
            match self.host.run(connection, asked.clone()).await {
                Ok(turn) => return Ok(turn),
                Err(NotRun::Busy) => {}
                Err(NotRun::Broken(why)) => bail!("the connector gives no answer: {why}"),
            }
        }
        bail!("the sandbox is busy; fix: try again")
    }

    async fn perform(&self, connection: &Connection, request: &Request, entropy: &[u8; 32]) -> Result<Exchange> {
        let own_url = (!self.is_live).then_some(show::OWN_URL);
        let step = Step {
            work: "try",
            requests: std::slice::from_ref(request),
            limit: REQUEST_TIME_MAX,
            status_url: own_url,
            unsubscribe_url: own_url,
            blobs: Arc::clone(&self.files) as Arc<dyn rapport_egress::Blobs>,
            aws: self.aws.as_ref(),
            entropy,
        };
        let mut exchanges = self.host.perform(connection, &step).await?;
        exchanges.pop().context("the request was not made")
    }

    /// The fix of a rule names the configuration; here there may be none.
    fn fix_of_denied(&self, why: &str) -> &'static str {
        if why.contains(" is not set; fix: ") {
            ". Here: `--secret NAME=VALUE`"
        } else if why.starts_with("there are no keys of AWS") {
            ". Here: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        } else {
            ""
        }
    }

    fn failed(&self, failure: &Failure, so_far: &Outcome) -> Result<()> {
        print!("{}", show::so_far(so_far));
        bail!("{}", show::failure(failure))
    }
}
