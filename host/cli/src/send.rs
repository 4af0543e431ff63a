//! `rapport send`: a message to a customer, through the API of a running service.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use ring::rand::{SecureRandom, SystemRandom};
use serde_json::{Map, Value, json};

use crate::sample::Provider;

/// Shown after the help.
pub const EXAMPLE: &str = "Example, with `rapport dev` running and RAPPORT_API_KEY set to a key that may `send`:

  rapport send --to phone:+16505551234 --as agent --kind notice 'Your parcel comes today.'

It prints the id of the message, then its state whenever that changes. `rapport dev` sends to a server on this machine, unless a
connection says `live = true` under `sending`.";

/// How often the state is asked for.
const ASK_EVERY: Duration = Duration::from_millis(250);

#[derive(Args)]
pub struct Arguments {
    /// What to say
    text: String,
    /// The id of a profile, the id of an endpoint, or an address as SCHEME:VALUE
    #[arg(long, value_name = "RECIPIENT")]
    to: String,
    /// Whether it answers the customer
    #[arg(long, value_enum)]
    kind: Kind,
    /// As whom; needed if the API key may be both
    #[arg(long = "as", value_enum)]
    author: Option<Author>,
    /// The connection that sends it; without it, that of the conversation
    #[arg(long, value_name = "NAME")]
    connection: Option<String>,
    /// The business's side; only for an address that nobody wrote from
    #[arg(long, value_name = "ACCOUNT")]
    account: Option<String>,
    /// Of a reply by automation: the fence that it has read
    #[arg(long, value_name = "FENCE")]
    fence: Option<String>,
    /// Of a reply by automation: the `sequence` of the customer's message that it answers
    #[arg(long, value_name = "SEQUENCE")]
    turn: Option<String>,
    /// An idempotency key: the same one for the same message, if it is not sure that the first call arrived
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// The service
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080")]
    url: String,
    /// Seconds to wait for the end of the message
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    wait: u64,
}

#[derive(Clone, Copy, ValueEnum)]
enum Kind {
    Reply,
    Notice,
}

#[derive(Clone, Copy, ValueEnum)]
enum Author {
    Agent,
    Automation,
}

/// Sends a message, and prints how far it is.
///
/// # Errors
/// Nobody answers, the service refuses the message, or it ended otherwise than sent.
pub async fn run(arguments: &Arguments) -> Result<()> {
    if !arguments.url.starts_with("http://") {
        bail!(
            "`--url {}`: expected a URL that begins with http://; fix: name a service on this machine",
            arguments.url
        );
    }
    let key = std::env::var("RAPPORT_API_KEY")
        .context("the environment has no RAPPORT_API_KEY; fix: set it to a key of `[api.keys]` that may `send`")?;
    let service = Provider::of(arguments.url.trim_end_matches('/').to_owned());
    let idempotency_key = arguments.key.clone().unwrap_or_else(drawn_key);
    let (status, answer) = service.message(&body_of(arguments), &key, &idempotency_key).await?;
    if status != 202 {
        bail!("{status} {}: {}", text_of(&answer, "title"), text_of(&answer, "detail"));
    }
    println!("{}", text_of(&answer, "id"));
    println!("{}", text_of(&answer, "state"));
    follow(&service, &answer, &key, Duration::from_secs(arguments.wait)).await
}

fn body_of(arguments: &Arguments) -> Value {
    let mut body = Map::new();
    body.insert("to".into(), recipient(&arguments.to));
    body.insert("parts".into(), json!([{"text": arguments.text}]));
    body.insert("kind".into(), json!(if matches!(arguments.kind, Kind::Reply) { "reply" } else { "notice" }));
    let author = arguments.author.map(|author| match author {
        Author::Agent => "agent".to_owned(),
        Author::Automation => "automation".to_owned(),
    });
    let options = [
        ("author", &author),
        ("connection", &arguments.connection),
        ("account", &arguments.account),
        ("fence", &arguments.fence),
        ("turn", &arguments.turn),
    ];
    body.extend(options.into_iter().filter_map(|(name, value)| Some((name.to_owned(), json!(value.as_ref()?)))));
    Value::Object(body)
}

/// `phone:+16505551234`, the id of an endpoint, or that of a profile.
fn recipient(text: &str) -> Value {
    match text.split_once(':') {
        Some((scheme, value)) => json!({"identifier": {"scheme": scheme, "value": value}}),
        None if rapport_model::Eid::parse(text).is_some() => json!({"conversation": {"endpoint": text}}),
        None => json!({"profile": text}),
    }
}

/// Prints the state whenever it changes, until the message has ended or the time is over.
async fn follow(service: &Provider, message: &Value, key: &str, wait: Duration) -> Result<()> {
    let path = format!("/v1/messages/{}", text_of(message, "id"));
    let (since, mut state, mut waits) = (Instant::now(), text_of(message, "state").to_owned(), String::new());
    while matches!(&state[..], "pending" | "sending") && since.elapsed() < wait {
        tokio::time::sleep(ASK_EVERY).await;
        let Some(now) = service.get(&path, key).await? else { bail!("the message is gone: its customer was erased") };
        if text_of(&now, "state") == state {
            let detail = text_of(&now["why"], "detail");
            if detail != waits {
                waits = detail.to_owned();
                println!("{state}: {detail}{}{}", fix(&now), text_of(&now, "fix"));
            }
            continue;
        }
        state = text_of(&now, "state").to_owned();
        println!("{state}");
        let why = text_of(&now["why"], "kind");
        if !matches!(&state[..], "sending" | "sent") {
            bail!("the message is {state}{}{why}{}{}", comma(why), fix(&now), text_of(&now, "fix"));
        }
    }
    Ok(())
}

fn comma(why: &str) -> &'static str {
    if why.is_empty() { "" } else { ": " }
}

fn fix(message: &Value) -> &'static str {
    if message["fix"].is_string() { "; fix: " } else { "" }
}

fn text_of<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

fn drawn_key() -> String {
    let mut bytes = [0; 16];
    SystemRandom::new().fill(&mut bytes).expect("the operating system's randomness does not end");
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recipient_is_an_address_an_endpoint_or_a_profile() {
        assert_eq!(
            recipient("phone:+16505551234"),
            json!({"identifier": {"scheme": "phone", "value": "+16505551234"}})
        );
        assert_eq!(
            recipient("AAAAAAAAAAAAAAAAAAAAAA"),
            json!({"conversation": {"endpoint": "AAAAAAAAAAAAAAAAAAAAAA"}})
        );
        assert_eq!(recipient("pAAAAAAAAAAAAAAAAAAAAAA"), json!({"profile": "pAAAAAAAAAAAAAAAAAAAAAA"}));
    }
}
