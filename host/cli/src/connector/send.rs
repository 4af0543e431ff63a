//! `rapport connector send`: a fixture, signed now, posted to a running service.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;
use rapport_sdk::Webhook;
use rapport_sdk::testing::Connection;

use super::sign::{Signer, is_forgery};
use crate::sample::Provider;
use crate::service::{self, Settings};
use crate::{Terminal, connector, secrets};

#[derive(Args)]
pub struct Arguments {
    /// A folder with a connector.toml, or the name of one in plugins/
    connector: String,
    /// A file of its fixtures/inbound, without `.http`
    fixture: String,
    /// The connection's URL at a running service, such as http://127.0.0.1:8080/hooks/acme-eu
    #[arg(long, value_name = "URL")]
    to: String,
    /// Signs with the secrets that this configuration gives to the connection in the URL, instead of those of
    /// fixtures/connection.json
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Seconds around the clock of the fixtures in which a number in a header field is a time.
const TIME_SECONDS: u64 = 2 * 24 * 3600;

/// Sends a fixture, and prints the answer.
///
/// # Errors
/// It cannot be sent, or it is genuine and the service refuses it.
pub async fn run(arguments: &Arguments, terminal: &Terminal) -> Result<()> {
    let Arguments { connector, fixture, to, config } = arguments;
    if !to.starts_with("http://") {
        bail!("`--to {to}`: expected a URL that begins with http://; fix: name a service on this machine");
    }
    let signer = Signer::of(&connector::folder(connector, Path::new("."))?, terminal)?;
    let fixture = signer.fixture(fixture)?;
    if fixture.webhook.is_fed() {
        bail!("`{}` is a delivery of AWS, which has no URL; fix: `rapport feed`", fixture.name);
    }
    let now = service::now();
    let connection = with_secrets(fixture.connection.clone(), to, config.as_deref())?;
    let mut webhook = Webhook { url: to.clone(), ..fixture.webhook.clone() };
    let is_forged = is_forgery(fixture);
    if !is_forged && !connection.is_unsigned() {
        let mut current = webhook.clone();
        for (_, value) in &mut current.headers {
            *value = at_another_time(value, connection.now(), now);
        }
        let connection = connection.at(now);
        match signer.sign(&connection, &fixture.webhook, current) {
            Some(signed) => webhook = signed,
            None => eprintln!("note: it cannot be signed with these secrets, and is sent as it is"),
        }
    }
    let (status, body) = Provider::of(String::new()).post(&webhook).await.with_context(|| format!("`{to}`"))?;
    println!("{status}{}{body}", if body.is_empty() { "" } else { "  " });
    match status {
        401 if !is_forged => bail!(
            "the service takes no such signature at this URL; fix: give the connection the secrets of \
             fixtures/connection.json, or name its configuration with --config; `rapport dev` prints the URLs that there are"
        ),
        _ => Ok(()),
    }
}

/// The connection with the secrets of a configuration.
fn with_secrets(connection: Connection, url: &str, config: Option<&Path>) -> Result<Connection> {
    let Some(path) = config else { return Ok(connection) };
    let settings = Settings::read(path)?;
    let name = url.split("/hooks/").nth(1).and_then(|rest| rest.split(['/', '?']).next()).unwrap_or_default();
    let written = settings.config.connections.get(name);
    let written = written.with_context(|| format!("`{}` has no connection `{name}`", path.display()))?;
    let mut connection = connection;
    for (secret, references) in &written.secrets {
        let what = format!("connection `{name}`: secret `{secret}`");
        let mut versions = Vec::new();
        for reference in references {
            let value = secrets::resolve(reference, &what, &settings.base)?;
            versions.push(String::from_utf8_lossy(value.reveal()).into_owned());
        }
        let versions: Vec<&str> = versions.iter().map(String::as_str).collect();
        connection = connection.with_secret(secret, &versions);
    }
    Ok(connection)
}

/// A header field where each number that is a time about `then` is `now`: in seconds or in milliseconds, as it was.
fn at_another_time(value: &str, then: u64, now: u64) -> String {
    let mut changed = String::with_capacity(value.len());
    let mut rest = value;
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        let end = rest[start..].find(|c: char| !c.is_ascii_digit()).map_or(rest.len(), |length| start + length);
        let edges = (rest[..start].chars().next_back(), rest[end..].chars().next());
        let is_word = ![edges.0, edges.1].into_iter().flatten().any(|edge| edge.is_ascii_alphanumeric());
        let number = rest[start..end].parse::<u64>().ok().filter(|_| is_word);
        let is_near = |seconds: u64| seconds.abs_diff(then / 1000) <= TIME_SECONDS;
        changed.push_str(&rest[..start]);
        match (number, end - start) {
            (Some(number), 10) if is_near(number) => changed.push_str(&(now / 1000).to_string()),
            (Some(number), 13) if is_near(number / 1000) => changed.push_str(&now.to_string()),
            _ => changed.push_str(&rest[start..end]),
        }
        rest = &rest[end..];
    }
    changed + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_in_a_header_becomes_todays_and_nothing_else() {
        let (then, now) = (1_767_225_600_000, 1_790_668_800_123);
        for (value, expected) in [
            ("1767225590", "1790668800"),
            ("t=1767225590,v1=0a1767225590", "t=1790668800,v1=0a1767225590"),
            ("1767225590999", "1790668800123"),
            ("1500000000 7", "1500000000 7"),
            ("", ""),
        ] {
            assert_eq!(at_another_time(value, then, now), expected);
        }
    }
}
