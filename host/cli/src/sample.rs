//! Sample webhooks: a connector's fixtures, sent as the provider would.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rapport_sdk::Webhook;
use serde::Deserialize;
use serde_json::Value;

/// `fixtures/connection.json`: the connection that a connector's fixtures are made for.
#[derive(Deserialize)]
pub(crate) struct SampleConnection {
    pub connection: String,
    #[serde(default)]
    pub config: Value,
    #[serde(default)]
    pub secrets: BTreeMap<String, Vec<String>>,
}

/// `fixtures/demo.json`: what `rapport demo` tells with a connector's fixtures.
#[derive(Deserialize)]
pub(crate) struct Story {
    /// Whose profile the story is about.
    pub customer: Option<Customer>,
    pub story: Vec<Scene>,
    /// What is sent after the story, if the connector sends.
    pub answers: Option<Answers>,
}

/// What the demo sends, and what a provider on this machine does with it.
#[derive(Deserialize)]
pub(crate) struct Answers {
    /// The business's side of the conversation.
    pub account: String,
    /// What a bot answers, too late.
    pub bot: String,
    /// What an agent answers.
    pub agent: String,
    /// The message whose answer is lost.
    pub notice: Notice,
    /// A case of `fixtures/outbound`: its first answer is the provider's.
    pub answered_as: String,
    /// The message's id in that answer. Each message gets one of its own.
    pub id: String,
    /// Where the reference is in a request: a JSON Pointer into its body.
    pub reference: String,
    pub status: Report,
    pub late: Told,
    pub sent: Told,
    pub lost: Told,
    pub settled: Told,
}

#[derive(Deserialize)]
pub(crate) struct Notice {
    /// As in `to.identifier` of a message.
    pub to: Value,
    pub parts: Value,
}

/// A webhook in which the provider says what became of a message.
#[derive(Deserialize)]
pub(crate) struct Report {
    /// The fixture that it is signed like.
    pub like: String,
    /// With `{reference}` and `{id}` in it.
    pub body: Value,
}

/// A sentence and its reason.
#[derive(Deserialize)]
pub(crate) struct Told {
    pub say: String,
    pub because: String,
}

#[derive(Deserialize)]
pub(crate) struct Customer {
    pub scheme: String,
    pub value: String,
    /// Suggestions of more of the same person, which somebody accepts.
    #[serde(default)]
    pub accept: Vec<Acceptance>,
}

/// A suggestion that an agent accepts: that the proven and the unproven endpoint of this address are one person's.
#[derive(Deserialize)]
pub(crate) struct Acceptance {
    pub say: String,
    pub scheme: String,
    pub value: String,
    /// `claimed` or `said`.
    pub basis: String,
    pub because: String,
}

/// One webhook of a story.
#[derive(Deserialize)]
pub(crate) struct Scene {
    /// Told without `--all` too.
    #[serde(default)]
    pub brief: bool,
    pub say: String,
    /// A file of `fixtures/inbound`, without `.http`.
    pub send: String,
    pub expect: u16,
    pub because: String,
}

/// A fixture: one HTTP/1.1 request as text.
pub(crate) struct Sample {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Sample {
    /// Reads a `.http` file: request line, headers, an empty line, the body without the newline at the file's end.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = fs::read(path).with_context(|| format!("`{}`", path.display()))?;
        Self::parse(&bytes).with_context(|| format!("`{}` is not an HTTP request", path.display()))
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let end = bytes.windows(2).position(|pair| pair == b"\n\n")?;
        let head = std::str::from_utf8(&bytes[..end]).ok()?;
        let body = &bytes[end + 2..];
        let body = body.strip_suffix(b"\n").unwrap_or(body);
        let mut lines = head.lines();
        let mut request = lines.next()?.split(' ');
        let (method, target) = (request.next()?.to_owned(), request.next()?.to_owned());
        let header = |line: &str| line.split_once(':').map(|(name, value)| (name.to_owned(), value.trim().to_owned()));
        Some(Self { method, target, headers: lines.map(header).collect::<Option<_>>()?, body: body.to_vec() })
    }
}

/// An HTTP client for this machine.
pub(crate) struct Provider {
    client: Client<HttpConnector, Full<axum::body::Bytes>>,
    origin: String,
}

impl Provider {
    pub fn of(origin: String) -> Self {
        Self { client: Client::builder(TokioExecutor::new()).build_http(), origin }
    }

    /// Sends a sample; gives the status.
    pub async fn send(&self, sample: &Sample) -> Result<u16> {
        let mut request = Request::builder().method(sample.method.as_str()).uri(self.origin.clone() + &sample.target);
        for (name, value) in sample.headers.iter().filter(|(name, _)| !name.eq_ignore_ascii_case("host")) {
            request = request.header(name, value);
        }
        let request = request.body(Full::from(sample.body.clone())).context("a sample is not an HTTP request")?;
        Ok(self.client.request(request).await?.status().as_u16())
    }

    /// Sends a webhook to its URL; gives the status and the body.
    pub async fn post(&self, webhook: &Webhook) -> Result<(u16, String)> {
        let mut request = Request::builder().method(webhook.method.as_str()).uri(&webhook.url);
        let is_of_the_client =
            |name: &str| matches!(name, "host" | "content-length" | "connection" | "transfer-encoding");
        for (name, value) in webhook.headers.iter().filter(|(name, _)| !is_of_the_client(name)) {
            request = request.header(name, value);
        }
        let request = request.body(Full::from(webhook.body.clone())).context("the fixture is not an HTTP request")?;
        let response = self.client.request(request).await.context("nobody answers; fix: `rapport dev` serves it")?;
        let status = response.status().as_u16();
        let body = response.into_body().collect().await?.to_bytes();
        Ok((status, String::from_utf8_lossy(&body).into_owned()))
    }

    /// Asks the API; gives the JSON of a 200, or nothing.
    pub async fn get(&self, path: &str, key: &str) -> Result<Option<Value>> {
        self.call(Request::get(self.origin.clone() + path), None, key).await
    }

    /// Tells the API something; gives the JSON of a 200, or nothing.
    pub async fn post_json(&self, path: &str, body: &Value, key: &str) -> Result<Option<Value>> {
        self.call(Request::post(self.origin.clone() + path), Some(body), key).await
    }

    /// Hands the API a message; gives the status and the JSON of any answer.
    pub async fn message(&self, body: &Value, key: &str, idempotency_key: &str) -> Result<(u16, Value)> {
        self.post_for_status("/v1/messages", body, key, idempotency_key).await
    }

    /// Tells the API something; gives the status and the JSON of any answer.
    pub async fn post_for_status(
        &self,
        path: &str,
        body: &Value,
        key: &str,
        idempotency_key: &str,
    ) -> Result<(u16, Value)> {
        let request = Request::post(self.origin.clone() + path)
            .header("authorization", format!("Bearer {key}"))
            .header("content-type", "application/json")
            .header("idempotency-key", idempotency_key)
            .body(Full::from(body.to_string()))
            .context("a header is not ASCII; fix: another idempotency key or API key")?;
        let response = self.client.request(request).await.context("nobody answers; fix: `rapport dev` serves it")?;
        let status = response.status().as_u16();
        let answer = response.into_body().collect().await?.to_bytes();
        Ok((status, serde_json::from_slice(&answer).unwrap_or_default()))
    }

    async fn call(&self, request: http::request::Builder, body: Option<&Value>, key: &str) -> Result<Option<Value>> {
        let body = body.map(Value::to_string).unwrap_or_default();
        let request = request.header("authorization", format!("Bearer {key}"));
        let request = request.header("content-type", "application/json").body(Full::from(body))?;
        let response = self.client.request(request).await?;
        let found = response.status().is_success();
        let body = response.into_body().collect().await?.to_bytes();
        Ok(found.then(|| serde_json::from_slice(&body)).transpose()?)
    }
}
