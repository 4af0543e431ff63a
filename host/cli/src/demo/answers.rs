//! What the demo sends: to a provider on this machine, which takes one message and loses its answer to the next.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use axum::body::Bytes;
use rapport_model::exchange::{Answer, Exchange, Response};
use rapport_sandbox::Connector;
use rapport_sdk::Webhook;
use rapport_sdk::testing::outbound::read_exchanges;
use serde::Deserialize;
use serde_json::{Value, json};

use super::FOLDED_WITHIN;
use crate::Terminal;
use crate::connector::sign::Signer;
use crate::loopback::{Loopback, Reply};
use crate::sample::{Answers, Customer, Provider, Told};
use crate::terminal::Tone;

/// How often the state of a message is asked for.
const ASK_EVERY: Duration = Duration::from_millis(20);
/// How long a message may take on this machine.
const SENT_WITHIN: Duration = Duration::from_secs(10);

/// The provider: what came, and whether it answers.
#[derive(Default)]
struct Ledger {
    came: Mutex<Vec<Value>>,
    is_silent: AtomicBool,
}

/// A provider's API on this machine.
pub(super) struct Stand {
    ledger: Arc<Ledger>,
    server: Loopback,
}

impl Stand {
    /// Serves what a connector's fixture was answered, with another id for each message.
    ///
    /// # Errors
    /// The fixture cannot be read, or no port is free.
    pub async fn serve(folder: &Path, answers: &Answers) -> Result<Self> {
        let path = folder.join(format!("fixtures/outbound/{}.exchanges.json", answers.answered_as));
        let recorded = read_exchanges(&path).map_err(anyhow::Error::msg)?;
        let first = recorded.first().with_context(|| format!("`{}` is empty", path.display()))?;
        let first = Exchange::deserialize(first).with_context(|| format!("`{}`", path.display()))?;
        let Ok(Response { status, headers, body: Answer::Bytes(body) }) = first else {
            bail!("`{}`: the first answer is not one with a body", path.display())
        };
        let text = String::from_utf8(body).with_context(|| format!("`{}` is not text", path.display()))?;
        let ledger = Arc::new(Ledger::default());
        let (kept, id) = (Arc::clone(&ledger), answers.id.clone());
        let answer = move |body: Bytes| {
            let number = kept.take(&body);
            if kept.is_silent.load(Ordering::SeqCst) {
                return None;
            }
            let body = text.replace(&id, &numbered(&id, number)).into_bytes();
            Some(Reply { status, headers: headers.clone(), body })
        };
        Ok(Self { ledger, server: Loopback::serve(answer).await? })
    }

    /// Where it listens.
    pub fn url(&self) -> String {
        format!("http://{}", self.server.address)
    }
}

impl Ledger {
    /// Writes a request down; gives its number.
    fn take(&self, body: &[u8]) -> usize {
        let mut ledger = self.came.lock().unwrap_or_else(PoisonError::into_inner);
        ledger.push(serde_json::from_slice(body).unwrap_or_default());
        ledger.len()
    }

    fn requests(&self) -> Vec<Value> {
        self.came.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The id of the message with this number.
fn numbered(id: &str, number: usize) -> String {
    format!("{id}{number}")
}

/// All that the telling needs.
pub(super) struct Telling<'a> {
    pub folder: &'a Path,
    pub connection: &'a str,
    pub connector: Connector,
    pub customer: &'a Customer,
    pub answers: &'a Answers,
    pub stand: &'a Stand,
    pub provider: &'a Provider,
    pub origin: &'a str,
    pub key: &'a str,
    pub terminal: &'a Terminal,
}

impl Telling<'_> {
    /// A bot that comes too late, an agent's answer, a message of which nobody knows, and the report that settles it. Gives how
    /// many answers were not as expected.
    ///
    /// # Errors
    /// The service does not answer.
    pub async fn tell(&self) -> Result<usize> {
        let answers = self.answers;
        println!("\n{}", self.terminal.paint(Tone::Heading, "What it sends, to a provider on this machine"));
        let (conversation, read) = self.read_by_the_bot().await?;
        let taken = self.post(&format!("/v1/conversations/{conversation}/take"), &json!({}), "take").await?;
        let late = json!({
            "to": {"conversation": {"endpoint": conversation, "account": answers.account}}, "kind": "reply", "author": "automation",
            "parts": [{"text": answers.bot}], "fence": read["fence"], "turn": read["turn"],
        });
        let (status, refused) = self.post("/v1/messages", &late, "bot").await?;
        let is_late = status == 409 && refused["type"] == "urn:rapport:problem:stale-control" && taken.0 == 200;
        let mut surprises = self.line("409", &answers.late, is_late, &refused);

        let answer = json!({
            "to": {"identifier": {"scheme": self.customer.scheme, "value": self.customer.value}}, "kind": "reply",
            "author": "agent", "parts": [{"text": answers.agent}],
        });
        let (_, state) = self.send(&answer, "agent").await?;
        surprises += self.line("sent", &answers.sent, state["state"] == "sent", &state);

        self.stand.ledger.is_silent.store(true, Ordering::SeqCst);
        let notice = json!({
            "to": {"identifier": answers.notice.to}, "connection": self.connection, "account": answers.account,
            "kind": "notice", "author": "agent", "parts": answers.notice.parts,
        });
        let (id, state) = self.send(&notice, "notice").await?;
        surprises += self.line("unknown", &answers.lost, state["state"] == "unknown", &state);

        let settled = self.settled(&id).await?;
        let requests = self.stand.ledger.requests().len();
        let is_settled = settled["state"] == "sent" && requests == 2;
        Ok(surprises + self.line("sent", &answers.settled, is_settled, &settled))
    }

    /// Tells one scene; 1 if it was not as expected.
    fn line(&self, word: &str, told: &Told, is_expected: bool, found: &Value) -> usize {
        let tone = if is_expected { Tone::Good } else { Tone::Bad };
        println!("  {}  {}", self.terminal.paint(tone, &format!("{word:<7}")), told.say);
        println!("           {}", self.terminal.paint(Tone::Quiet, &told.because));
        if !is_expected {
            println!("           {}", self.terminal.paint(Tone::Bad, &format!("found {found}")));
        }
        usize::from(!is_expected)
    }

    /// The customer's conversation, and what a bot reads of it.
    async fn read_by_the_bot(&self) -> Result<(String, Value)> {
        let Customer { scheme, value, .. } = self.customer;
        let path = format!("/v1/profiles/lookup?scheme={scheme}&value={value}");
        let source = format!("/connections/{}/accounts/{}", self.connection, self.answers.account);
        let deadline = tokio::time::Instant::now() + FOLDED_WITHIN;
        while tokio::time::Instant::now() < deadline {
            let profile = self.provider.get(&path, self.key).await?.unwrap_or_default();
            let timeline = format!("/v1/profiles/{}/timeline", profile["id"].as_str().unwrap_or_default());
            let timeline = self.provider.get(&timeline, self.key).await?.unwrap_or_default();
            let is_it = |event: &&Value| event["source"] == source && event["data"]["message"]["author"] == "customer";
            let event = timeline["items"].as_array().and_then(|events| events.iter().find(is_it)).cloned();
            if let Some(endpoint) = event.as_ref().and_then(|event| event["partitionkey"].as_str()) {
                let read = self.provider.get(&format!("/v1/conversations/{endpoint}"), self.key).await?;
                let mut read = read.context("the conversation cannot be read")?;
                if read["turn"].is_null() {
                    read["turn"] = event.as_ref().map(|event| event["sequence"].clone()).unwrap_or_default();
                }
                return Ok((endpoint.to_owned(), read));
            }
            tokio::time::sleep(ASK_EVERY).await;
        }
        bail!("the story's customer has no conversation after {} s", FOLDED_WITHIN.as_secs())
    }

    async fn post(&self, path: &str, body: &Value, name: &str) -> Result<(u16, Value)> {
        self.provider.post_for_status(path, body, self.key, &format!("demo {name}")).await
    }

    /// Hands a message over, and waits until nothing of it is under way.
    async fn send(&self, message: &Value, name: &str) -> Result<(String, Value)> {
        let (status, answer) = self.post("/v1/messages", message, name).await?;
        let Some(id) = answer["id"].as_str().filter(|_| status == 202) else { return Ok((String::new(), answer)) };
        let state = self.state(id, |state| !["pending", "sending"].contains(&state)).await?;
        Ok((id.to_owned(), state))
    }

    async fn state(&self, id: &str, is_wanted: impl Fn(&str) -> bool) -> Result<Value> {
        let deadline = tokio::time::Instant::now() + SENT_WITHIN;
        loop {
            let message = self.provider.get(&format!("/v1/messages/{id}"), self.key).await?.unwrap_or_default();
            let is_over = tokio::time::Instant::now() >= deadline;
            if is_over || message["state"].as_str().is_some_and(&is_wanted) {
                return Ok(message);
            }
            tokio::time::sleep(ASK_EVERY).await;
        }
    }

    /// The provider reports about the message whose answer was lost.
    async fn settled(&self, id: &str) -> Result<Value> {
        let answers = self.answers;
        let requests = self.stand.ledger.requests();
        let last = requests.last().context("no request came to the provider")?;
        let reference = last.pointer(&answers.reference).and_then(Value::as_str);
        let reference = reference.context("the request holds no reference of ours")?;
        let body = answers.status.body.to_string();
        let body = body.replace("{reference}", reference).replace("{id}", &numbered(&answers.id, requests.len()));
        let signer = Signer::loaded(self.connector.clone(), self.folder)?;
        let fixture = signer.fixture(&answers.status.like)?;
        let changed = Webhook { body: body.into_bytes(), ..fixture.webhook.clone() };
        let signed =
            signer.sign(&fixture.connection, &fixture.webhook, changed).context("the report cannot be signed")?;
        let url = format!("{}/hooks/{}", self.origin, self.connection);
        let (status, said) = self.provider.post(&Webhook { url, ..signed }).await?;
        if status != 200 {
            bail!("the report of the provider is answered {status}: {said}");
        }
        self.state(id, |state| state != "unknown").await
    }
}
