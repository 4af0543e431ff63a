//! What a deployment has: a table, a bucket and a secret, a package of two connectors, and functions over them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rapport_config::package::{self, Package, PackagedConnector};
use rapport_sandbox::artefact::pack;
use rapport_sandbox::{SigningKey, Target};
use ring::{digest, hmac};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::aws::{QUEUE, Services};
use super::events::Sent;
use super::runtime_api::{Function, Outcome};
use super::{
    API_KEY, Answer, Data, NOW, Proxy, Text, app_secret, fold_all, gateway, gateway_at, is_event, sandbox, wa_eu,
};
use crate::connectors;

/// The configuration, but for where secrets are: `secret:` is a deployment's.
pub const CONFIG: &str = r#"
tenant-key = "secret:tenant-key"
[api.keys.test]
secret = "secret:api-key"
may = ["read", "link", "review", "export", "erase", "operate"]
[connections.wa-eu]
connector = "whatsapp"
config = { phone-number-ids = ["106540352242922", "106540352242999"] }
secrets = { app-secret = "secret:wa-app", verify-token = "secret:wa-verify" }
[connections.sms-eu]
connector = "sms"
secrets = { auth-token = "secret:sms" }
"#;
const SMS_TOKEN: &str = "a test's auth token";

pub struct World {
    pub data: Arc<Data>,
    /// The way to the table.
    pub storage: Proxy,
    pub services: Services,
    package: TempDir,
}

/// A function under test.
pub struct Ran {
    pub function: Function,
}

impl World {
    pub async fn new() -> Self {
        Self::with(&["whatsapp", "sms"], CONFIG).await
    }

    /// One whose package has these connectors of `plugins/`, and this configuration.
    pub async fn with(connectors: &[&str], config: &str) -> Self {
        let data = Data::new().await;
        let storage = Proxy::to(data.embedded.address()).await;
        let package = TempDir::new().unwrap();
        write_package(package.path(), connectors, config);
        Self { data, storage, services: Services::start(&secrets()).await, package }
    }

    pub async fn start(&self, handler: &str) -> Ran {
        self.start_with(handler, &[]).await
    }

    /// A function with more in its environment.
    pub async fn start_with(&self, handler: &str, more: &[(&str, &str)]) -> Ran {
        let environment = self.environment(handler, more);
        let environment: Vec<_> = environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        Ran { function: Function::start(&environment).await }
    }

    /// What the template sets, and more.
    pub fn environment(&self, handler: &str, more: &[(&str, &str)]) -> Vec<(String, String)> {
        let services = format!("http://{}", self.services.address);
        let table = format!("http://{}", self.storage.address);
        let trusted = key().public().to_string();
        let usual = [
            ("_HANDLER", handler),
            ("LAMBDA_TASK_ROOT", self.package.path().to_str().unwrap()),
            ("RAPPORT_TRUSTED_KEYS", &trusted),
            ("RAPPORT_TABLE", "rapport-development"),
            ("RAPPORT_BLOBS_BUCKET", "rapport-blobs"),
            ("RAPPORT_SECRETS", "rapport-secrets"),
            ("RAPPORT_WAKES", QUEUE),
            ("AWS_REGION", "eu-west-1"),
            ("AWS_ACCESS_KEY_ID", "key"),
            ("AWS_SECRET_ACCESS_KEY", "secret"),
            ("AWS_SESSION_TOKEN", "token"),
            ("AWS_ENDPOINT_URL", &services),
            ("AWS_ENDPOINT_URL_DYNAMODB", &table),
        ];
        let kept = usual.into_iter().filter(|(name, _)| !more.iter().any(|(other, _)| other == name));
        kept.chain(more.iter().copied()).map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    pub fn artefact(&self, id: &str) -> PathBuf {
        self.package.path().join(format!("connectors/{id}.artefact"))
    }

    /// The digest of the WhatsApp connector.
    pub fn digest(&self) -> String {
        sha256(connectors::whatsapp())
    }

    /// How many events there are.
    pub async fn events(&self) -> usize {
        self.data.items().await.iter().filter(|item| is_event(item)).count()
    }

    /// Makes texts durable, past the function under test.
    pub async fn put_texts(&self, texts: impl IntoIterator<Item = Text>) {
        self.put_texts_by(|| NOW, texts).await;
    }

    /// The same by another clock: what is later than it counts as said when it came.
    pub async fn put_texts_by(&self, clock: fn() -> u64, texts: impl IntoIterator<Item = Text>) {
        let gateway = gateway_at(self.data.table.clone(), [wa_eu()], clock);
        for text in texts {
            let Sent { method, headers, body, .. } = super::events::text_webhook(&text);
            let webhook = rapport_store::RawWebhook { method, url: String::new(), headers, body };
            let incoming = rapport_inbound::receive::Incoming {
                connection: "wa-eu".to_owned(),
                token: None,
                webhook,
                request_id: String::new(),
            };
            gateway.receive(incoming).await.unwrap();
        }
    }

    /// How many messages a customer's profile counts.
    pub async fn messages_of(&self, wa_id: &str) -> u64 {
        let profile = self.profile("whatsapp", wa_id).await;
        profile.map_or(0, |profile| profile["counters"]["messages_received"].as_u64().unwrap())
    }

    /// The profile of whoever has an identifier.
    pub async fn profile(&self, scheme: &str, value: &str) -> Option<Value> {
        let gateway = gateway(self.data.table.clone(), []);
        let profile = gateway.people().look_up(scheme, None, value).await.unwrap().unwrap();
        profile.map(|profile| serde_json::to_value(profile).unwrap())
    }

    /// Folds all that the table's stream has.
    pub async fn fold(&self) {
        fold_all(&self.data.table, &mut self.data.stream().await).await;
    }
}

impl Ran {
    /// The answer to an HTTP event.
    pub async fn ask(&self, event: &Value) -> Answer {
        Self::answer(self.function.invoke(event).await)
    }

    /// What API Gateway makes of the function's answer.
    pub fn answer(outcome: Outcome) -> Answer {
        let answer = outcome.unwrap_or_else(|error| panic!("no answer: {error}"));
        let status = answer["statusCode"].as_u64().and_then(|status| status.try_into().ok()).unwrap();
        let headers = answer["headers"].as_object().unwrap().iter();
        let headers = headers.map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned())).collect();
        let body = answer["body"].as_str().unwrap();
        let body =
            if answer["isBase64Encoded"].as_bool().unwrap() { STANDARD.decode(body).unwrap() } else { body.into() };
        Answer::new(status, headers, body)
    }

    /// The lines of the log with this message.
    pub fn lines(&self, message: &str) -> Vec<Value> {
        let lines = self.function.log();
        assert!(lines.iter().all(Value::is_object), "{lines:?}");
        lines.into_iter().filter(|line| line["message"] == message).collect()
    }
}

/// What Secrets Manager has.
pub fn secrets() -> Value {
    json!({
        "tenant-key": "\u{7}".repeat(32),
        "api-key": API_KEY,
        "wa-app": [app_secret(), "test-app-secret-of-last-month"],
        "wa-verify": "test-verify-token",
        "wa-access": "test-access-token",
        "sms": SMS_TOKEN,
    })
}

/// A text by SMS, signed for one URL as Twilio does: HMAC-SHA1 over the URL and all fields by name.
pub fn twilio_signature(url: &str) -> Sent {
    let fields = [
        ("AccountSid", "AC00000000000000000000000000000001"),
        ("Body", "hello"),
        ("From", "+16505551234"),
        ("MessageSid", "SM00000000000000000000000000000001"),
        ("To", "+15005550006"),
    ];
    let signed = fields.iter().fold(url.to_owned(), |text, (name, value)| format!("{text}{name}{value}"));
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, SMS_TOKEN.as_bytes()), signed.as_bytes());
    let body: Vec<_> = fields.iter().map(|(name, value)| format!("{name}={}", value.replace('+', "%2B"))).collect();
    let headers = [
        ("content-type", "application/x-www-form-urlencoded; charset=UTF-8".to_owned()),
        ("x-twilio-signature", STANDARD.encode(tag)),
    ];
    Sent {
        headers: headers.map(|(name, value)| (name.to_owned(), value)).to_vec(),
        body: body.join("&").into_bytes(),
        ..Sent::new("POST", "/hooks/sms-eu", "a=%2F+b")
    }
}

/// The WhatsApp artefact under a key that nobody trusts.
pub fn signed_by_another() -> Vec<u8> {
    let compiled = sandbox().compile(connectors::whatsapp(), Target::host().unwrap()).unwrap();
    pack(connectors::whatsapp(), &compiled, "whatsapp", &SigningKey::from_seed(&[9; 32])).unwrap()
}

fn key() -> SigningKey {
    SigningKey::from_seed(&[3; 32])
}

/// What `rapport package` makes, unzipped.
fn write_package(folder: &Path, connectors: &[&str], config: &str) {
    fs::create_dir(folder.join("connectors")).unwrap();
    fs::write(folder.join(package::CONFIG_FILE), config).unwrap();
    let mut package = Package {
        format: package::FORMAT,
        rapport: "0.1.0".to_owned(),
        engine: "the artefacts say".to_owned(),
        arch: "x86_64".to_owned(),
        connectors: [].into(),
        signer: key().public().to_string(),
    };
    for id in connectors {
        let (component, artefact) = artefact(id);
        let file = format!("connectors/{id}.artefact");
        fs::write(folder.join(&file), &artefact).unwrap();
        let packaged = PackagedConnector {
            id: (*id).to_owned(),
            version: "0.1.0".to_owned(),
            file,
            component_sha256: component,
            artefact_sha256: sha256(&artefact),
            bytes: artefact.len() as u64,
            sends: *id == "whatsapp",
        };
        package.connectors.insert((*id).to_owned(), packaged);
    }
    fs::write(folder.join(package::FILE), package.to_text()).unwrap();
}

/// The digest of a connector's component, and its artefact, compiled once.
fn artefact(id: &str) -> (String, Vec<u8>) {
    static ARTEFACTS: Mutex<BTreeMap<String, (String, Vec<u8>)>> = Mutex::new(BTreeMap::new());
    let mut artefacts = ARTEFACTS.lock().unwrap();
    let compiled = || {
        let (_, component) = connectors::plugins().iter().find(|(folder, _)| folder.ends_with(id)).unwrap();
        let compiled = sandbox().compile(component, Target::host().unwrap()).unwrap();
        (sha256(component), pack(component, &compiled, id, &key()).unwrap())
    };
    artefacts.entry(id.to_owned()).or_insert_with(compiled).clone()
}

fn sha256(bytes: &[u8]) -> String {
    digest::digest(&digest::SHA256, bytes).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}
