//! `rapport demo`: the whole way of a webhook and of an answer, to be watched.

mod answers;
mod picture;

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use clap::Args;
use serde_json::{Value, json};

use crate::connector;
use crate::demo::answers::{Stand, Telling};
use crate::sample::{Acceptance, Customer, Provider, Sample, SampleConnection, Story};
use crate::service::{self, Data, Settings};
use crate::terminal::Tone;
use crate::{Terminal, secrets};

#[derive(Args)]
pub struct Options {
    /// Address to listen on; without it, a free port of this machine
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Every webhook, all of the profile and of the timeline
    #[arg(long)]
    all: bool,
    /// End after the story instead of serving until Ctrl-C
    #[arg(long)]
    exit: bool,
}

/// A connector with a story: its folder, its sample connection, what it tells.
struct Teller {
    folder: PathBuf,
    connection: SampleConnection,
    story: Story,
}

/// Looks for what the fold makes of an event; it takes a few milliseconds.
const FOLDED_WITHIN: Duration = Duration::from_secs(5);

/// Where the providers of the fixtures believe this service to be: some sign the URL that they call.
const FIXTURES_URL: &str = "https://rapport.example";

/// Tells the stories of all connectors that have one.
///
/// # Errors
/// What keeps it from starting, or an answer that is not what the story expects.
pub async fn run(options: &Options, terminal: &Terminal) -> Result<()> {
    let tellers = tellers()?;
    let folder = tempfile::Builder::new().prefix("rapport-demo-").tempdir()?;
    let api_key = secrets::random_hex(16)?;
    let mut stands = BTreeMap::new();
    for Teller { folder, connection, story } in &tellers {
        if let Some(answers) = &story.answers {
            stands.insert(connection.connection.clone(), Stand::serve(folder, answers).await?);
        }
    }
    let config = write_config(folder.path(), &tellers, &stands, &api_key)?;

    let settings = Settings::read(&config)?;
    let listener = service::listen(options.listen).await?;
    let origin = format!("http://{}", listener.local_addr()?);
    let data = Data::serve(&folder.path().join("data"))?;
    let public_url = FIXTURES_URL.to_owned();
    let service = service::service(&settings, &data, public_url, &|step| terminal.progress(step)).await?;
    terminal.step(&format!("serving {origin}, data in {}", folder.path().display()));
    let host = Arc::clone(&service.inbound.host);
    let serving = tokio::spawn(service::serve(service, listener));

    let provider = Provider::of(origin.clone());
    println!("\n{}", terminal.paint(Tone::Heading, "What providers send, and what they are answered"));
    let (mut surprises, mut untold) = (0, 0);
    for teller in &tellers {
        let told = play(teller, &provider, options.all, terminal).await?;
        surprises += told.surprises;
        untold += told.untold;
    }
    if untold > 0 {
        println!("       {}", terminal.paint(Tone::Quiet, &format!("… and {untold} more; --all prints them")));
    }
    for teller in &tellers {
        let Teller { folder, connection, story } = teller;
        let (Some(answers), Some(customer)) = (&story.answers, &story.customer) else { continue };
        let configured = host.connections.get(&connection.connection).map_err(|error| anyhow!("{error}"))?;
        let configured = configured.context("the demo's connection was set up")?;
        let telling = Telling {
            folder,
            connection: &connection.connection,
            connector: configured.connector.clone(),
            customer,
            answers,
            stand: &stands[&connection.connection],
            provider: &provider,
            origin: &origin,
            key: &api_key,
            terminal,
        };
        surprises += telling.tell().await?;
    }
    for customer in tellers.iter().filter_map(|teller| teller.story.customer.as_ref()) {
        accept(customer, &provider, &api_key, options.all, terminal).await?;
        show(customer, &provider, &api_key, options.all, terminal).await?;
    }
    if surprises > 0 {
        bail!("{surprises} answers were not what the story expects");
    }
    next(terminal);
    if !options.exit {
        invite(&origin, &api_key, folder.path(), terminal);
        tokio::select! {
            served = serving => served??,
            _ = tokio::signal::ctrl_c() => println!(),
        }
    }
    Ok(())
}

/// The connectors of plugins/ that have a story, then the one that misbehaves.
fn tellers() -> Result<Vec<Teller>> {
    let plugins = connector::all_plugins().context("the demo tells the stories of a checkout's connectors")?;
    let root = plugins.first().and_then(|plugin| plugin.ancestors().nth(2)).map(Path::to_owned).unwrap_or_default();
    let folders = plugins.into_iter().chain([root.join("tests/connectors/hostile")]);
    folders.filter(|folder| folder.join("fixtures/demo.json").is_file()).map(teller).collect()
}

fn teller(folder: PathBuf) -> Result<Teller> {
    let mut connection: SampleConnection = read_json(&folder.join("fixtures/connection.json"))?;
    let story: Story = read_json(&folder.join("fixtures/demo.json"))?;
    if story.answers.is_some() {
        let sending: SampleConnection = read_json(&folder.join("fixtures/outbound/connection.json"))?;
        connection.secrets.extend(sending.secrets);
    }
    Ok(Teller { folder, connection, story })
}

fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T> {
    let text = fs::read_to_string(path).with_context(|| format!("`{}`", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("`{}`", path.display()))
}

/// A configuration file as an operator would write it, its secrets in files beside it.
fn write_config(folder: &Path, tellers: &[Teller], stands: &BTreeMap<String, Stand>, api_key: &str) -> Result<PathBuf> {
    let secret = |name: String, value: &str| -> Result<String> {
        fs::write(folder.join(&name), value)?;
        Ok(format!("file:{name}"))
    };
    let mut connections = BTreeMap::new();
    for Teller { folder: connector, connection, .. } in tellers {
        let mut secrets = BTreeMap::new();
        for (name, versions) in &connection.secrets {
            let file =
                |(age, value): (usize, &String)| secret(format!("{}.{name}.{age}", connection.connection), value);
            secrets.insert(name, versions.iter().enumerate().map(file).collect::<Result<Vec<_>>>()?);
        }
        let connector = connector.display().to_string();
        let mut table = json!({"connector": connector, "config": connection.config, "secrets": secrets});
        if let Some(stand) = stands.get(&connection.connection) {
            table["sending"] = json!({"base-url": stand.url()});
        }
        connections.insert(&connection.connection, table);
    }
    let may = ["read", "review", "send"];
    let key = secret("api-key".to_owned(), api_key)?;
    let key = json!({"demo": {"secret": key, "may": may, "authors": ["agent", "automation"]}});
    let path = folder.join("rapport.toml");
    fs::write(&path, toml::to_string(&json!({"api": {"keys": key}, "connections": connections}))?)?;
    Ok(path)
}

/// What was told of a story.
#[derive(Default)]
struct Told {
    /// Answers that were not as expected.
    surprises: usize,
    /// Scenes that were left out.
    untold: usize,
}

/// Sends the webhooks of a story, and tells those that are for everybody, or all.
async fn play(teller: &Teller, provider: &Provider, all: bool, terminal: &Terminal) -> Result<Told> {
    let mut told = Told::default();
    for scene in &teller.story.story {
        let sample = Sample::read(&teller.folder.join(format!("fixtures/inbound/{}.http", scene.send)))?;
        let status = provider.send(&sample).await?;
        let expected = status == scene.expect;
        if expected && !all && !scene.brief {
            told.untold += 1;
            continue;
        }
        let tone = if expected { Tone::Good } else { Tone::Bad };
        let status = terminal.paint(tone, &status.to_string());
        println!("  {status}  {}", scene.say);
        println!("       {}", terminal.paint(Tone::Quiet, &scene.because));
        if !expected {
            println!("       {}", terminal.paint(Tone::Bad, &format!("expected {}", scene.expect)));
            told.surprises += 1;
        }
    }
    Ok(told)
}

/// What an agent decides about suggestions.
async fn accept(customer: &Customer, provider: &Provider, api_key: &str, all: bool, terminal: &Terminal) -> Result<()> {
    if customer.accept.is_empty() {
        return Ok(());
    }
    println!("\n{}", terminal.paint(Tone::Heading, "What an agent decides"));
    for (index, acceptance) in customer.accept.iter().enumerate() {
        let id = suggestion(acceptance, provider, api_key).await?;
        let word = json!({"reason": acceptance.say, "by": "an agent"});
        let accepted = provider.post_json(&format!("/v1/suggestions/{id}/accept"), &word, api_key).await?;
        accepted.context("the suggestion was not accepted")?;
        println!("  {}  {}", terminal.paint(Tone::Good, "yes"), acceptance.say);
        if all || index == 0 {
            println!("       {}", terminal.paint(Tone::Quiet, &acceptance.because));
        }
    }
    Ok(())
}

/// The open suggestion that an address and the same one on another basis are one person's.
async fn suggestion(wanted: &Acceptance, provider: &Provider, api_key: &str) -> Result<String> {
    let deadline = tokio::time::Instant::now() + FOLDED_WITHIN;
    let is_end = |end: &Value, basis: &str| {
        end["scheme"] == wanted.scheme && end["value"] == wanted.value && end["basis"] == basis
    };
    let is_it = |item: &&Value| {
        let [a, b] = [&item["a"], &item["b"]];
        let either = |a, b| is_end(a, "proven") && is_end(b, &wanted.basis);
        either(a, b) || either(b, a)
    };
    while tokio::time::Instant::now() < deadline {
        let page = provider.get("/v1/suggestions?limit=100", api_key).await?.unwrap_or_default();
        let found = page["items"].as_array().and_then(|items| items.iter().find(is_it));
        if let Some(id) = found.and_then(|item| item["id"].as_str()) {
            return Ok(id.to_owned());
        }
        tokio::time::sleep(Duration::from_millis(400)).await;
    }
    bail!("nothing suggests that `{}` is the same person's", wanted.scheme)
}

async fn show(customer: &Customer, provider: &Provider, api_key: &str, all: bool, terminal: &Terminal) -> Result<()> {
    let path = format!("/v1/profiles/lookup?scheme={}&value={}", customer.scheme, customer.value);
    let profile = settled(provider, &path, api_key).await?;
    let id = profile["id"].as_str().context("a profile has an id")?;
    let timeline = provider.get(&format!("/v1/profiles/{id}/timeline"), api_key).await?.unwrap_or_default();
    println!("\n{}", terminal.paint(Tone::Heading, "The resulting profile"));
    picture::profile(&profile, all, terminal);
    let heading = if all { "Its timeline, newest first" } else { "Its timeline: the newest of each kind" };
    println!("\n{}", terminal.paint(Tone::Heading, heading));
    picture::timeline(&timeline, all, terminal);
    Ok(())
}

/// A profile once it stays the same: the fold runs behind the answers.
async fn settled(provider: &Provider, path: &str, api_key: &str) -> Result<Value> {
    let mut last = None;
    let deadline = tokio::time::Instant::now() + FOLDED_WITHIN;
    while tokio::time::Instant::now() < deadline {
        let profile = provider.get(path, api_key).await?;
        if profile.is_some() && profile == last {
            return Ok(profile.unwrap_or_default());
        }
        last = profile;
        tokio::time::sleep(Duration::from_millis(400)).await;
    }
    bail!("the story's customer has no profile after {} s", FOLDED_WITHIN.as_secs())
}

fn next(terminal: &Terminal) {
    println!("\n{}", terminal.paint(Tone::Heading, "What to do next"));
    println!("  rapport connector new acme          makes a connector of your own, with its tests");
    println!(
        "  rapport connector try --help        sends one message of a connector, to a server of yours or for real"
    );
    println!("  rapport dev --help                  a configuration with your own accounts");
    println!("  rapport doctor                      says what is missing on this machine for that");
}

fn invite(origin: &str, api_key: &str, folder: &Path, terminal: &Terminal) {
    let folder = folder.display();
    println!("\n{}", terminal.paint(Tone::Heading, "Still serving; Ctrl-C ends it and removes its folder"));
    println!("  curl -H 'Authorization: Bearer {api_key}' '{origin}/v1/profiles/lookup?scheme=…&value=…'");
    println!("  rapport parked list --config {folder}/rapport.toml --data {folder}/data");
}
