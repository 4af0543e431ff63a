//! No secret at rest: whatever came in, stored, parked or refused, neither table nor blobs nor log hold a secret.

use std::collections::BTreeSet;
use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use aws_sdk_dynamodb::types::AttributeValue;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rapport_inbound::receive::Incoming;
use rapport_inbound::replay::Replayed;
use rapport_sandbox::with_manifest;
use rapport_sdk::testing as kit;
use rapport_store::RawWebhook;
use serde_json::json;
use tracing_subscriber::fmt::MakeWriter;

use crate::connectors::{hostile as hostile_component, plugins};
use crate::support::{Data, HOSTILE_SECRET, Service, gateway_at, load, secret_values, written};

/// Bytes of the shortest secret that is searched for, as the host says.
const SEARCHED_BYTES_MIN: usize = 8;

/// Every byte that is stored: of items, unpacked, and of blobs.
async fn stored(data: &Data) -> Vec<u8> {
    let mut bytes = Vec::new();
    let unpacked = |frame: &[u8]| zstd::decode_all(frame).unwrap_or_else(|_| frame.to_vec());
    for item in data.items().await {
        for (name, value) in item {
            bytes.extend_from_slice(name.as_bytes());
            match value {
                AttributeValue::S(text) | AttributeValue::N(text) => bytes.extend_from_slice(text.as_bytes()),
                AttributeValue::Ss(texts) => bytes.extend_from_slice(texts.join("\n").as_bytes()),
                AttributeValue::B(frame) => bytes.extend(unpacked(frame.as_ref())),
                other => panic!("{other:?}"),
            }
            bytes.push(b'\n');
        }
    }
    let mut folders = vec![data.blobs()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { bytes.extend(unpacked(&std::fs::read(path).unwrap())) }
        }
    }
    bytes
}

fn holds(bytes: &[u8], wanted: &[u8]) -> bool {
    memchr::memmem::find(bytes, wanted).is_some()
}

#[derive(Clone, Default)]
struct Logged(Arc<Mutex<Vec<u8>>>);

impl Write for Logged {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Logged {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

static CLOCK: AtomicU64 = AtomicU64::new(0);

/// What proves a fixture whose provider signs nothing, as its operator set it up.
fn with_credentials(connection: &kit::Connection, webhook: &mut RawWebhook) -> Option<String> {
    if let Some(pair) = connection.secret("basic") {
        webhook.headers.push(("authorization".to_owned(), format!("Basic {}", STANDARD.encode(pair))));
        // What a proxy may add.
        webhook.headers.push(("x-original-authorization".to_owned(), format!("Basic {}", STANDARD.encode(pair))));
    }
    connection.secret("path-token").map(str::to_owned)
}

/// S9. All fixtures of all connectors, and of each genuine one a broken copy, which is parked where a token proves it.
#[tokio::test]
async fn after_all_fixtures_of_all_connectors_no_secret_is_in_table_blobs_or_log() {
    let logged = Logged::default();
    let subscriber =
        tracing_subscriber::fmt().with_writer(logged.clone()).with_max_level(tracing::Level::TRACE).finish();
    let _log = tracing::subscriber::set_default(subscriber);
    let data = Data::new().await;
    let (mut secrets, mut statuses, mut parked, mut logged_bytes) = (BTreeSet::new(), BTreeSet::new(), 0, 0);
    for (folder, component) in plugins() {
        let id = folder.file_name().unwrap().to_str().unwrap();
        let connector = load(component, id);
        for fixture in kit::inbound_fixtures(folder.to_str().unwrap()) {
            let of_fixture = &fixture.connection;
            let mut named: Vec<(&str, Vec<&str>)> = Vec::new();
            for (name, versions) in of_fixture.secrets() {
                named.push((name, versions.iter().map(String::as_str).collect()));
            }
            secrets.extend(secrets_of(of_fixture));
            let config = written(serde_json::from_str(of_fixture.config()).unwrap());
            let name = of_fixture.name();
            let made = rapport_connections::Connection::new(name, connector.clone(), &config, secret_values(&named));
            // What AWS alone delivers has no URL.
            let Ok(connection) = made else { continue };
            let gateway = gateway_at(data.table.clone(), [connection], || CLOCK.load(Ordering::Relaxed));
            CLOCK.store(of_fixture.now(), Ordering::Relaxed);
            let kit_webhook = &fixture.webhook;
            let mut whole = RawWebhook {
                method: kit_webhook.method.clone(),
                url: kit_webhook.url.clone(),
                headers: kit_webhook.headers.clone(),
                body: kit_webhook.body.clone(),
            };
            let token = with_credentials(of_fixture, &mut whole);
            let cut = whole.body.len() * 2 / 3;
            let broken = RawWebhook { body: whole.body[..cut].to_vec(), ..whole.clone() };
            for webhook in [whole, broken] {
                let request_id = format!("{id}/{}", fixture.name);
                let incoming = Incoming { connection: name.to_owned(), token: token.clone(), webhook, request_id };
                let status =
                    gateway.receive(incoming).await.map_or_else(|refusal| refusal.status(), |answer| answer.status);
                statuses.insert(status);
            }
            parked += data.table.parked(name).await.unwrap().len();
        }
        // Everything that any crate logs is hundreds of megabytes: it is looked through connector by connector.
        let log = std::mem::take(&mut *logged.0.lock().unwrap());
        logged_bytes += log.len();
        for secret in &secrets {
            for spelling in spellings(secret) {
                assert!(!holds(&log, spelling.as_bytes()), "{id}: `{secret}` is logged");
            }
        }
    }
    assert!(statuses.is_superset(&BTreeSet::from([200, 401, 403])), "{statuses:?}");
    assert!(parked > 20, "{parked}");
    assert!(secrets.len() > 10, "{secrets:?}");
    let stored = stored(&data).await;
    assert!(stored.len() > 100_000 && logged_bytes > 10_000, "{} bytes stored, {logged_bytes} logged", stored.len());
    for secret in &secrets {
        for spelling in spellings(secret) {
            assert!(!holds(&stored, spelling.as_bytes()), "`{secret}` is stored");
        }
    }
}

fn spellings(secret: &str) -> [String; 3] {
    [secret.to_owned(), STANDARD.encode(secret), secret.replace('/', "\\/")]
}

/// What must not be at rest: secrets, but no public key.
fn secrets_of(connection: &kit::Connection) -> Vec<String> {
    let is_public = |name: &str| name.contains("://") || name.contains("public");
    let secrets = connection.secrets().iter().filter(|(name, _)| !is_public(name)).flat_map(|(_, versions)| versions);
    secrets.filter(|version| version.len() >= SEARCHED_BYTES_MIN).cloned().collect()
}

/// A session id of an outbound message is a key to its organization.
#[tokio::test]
async fn a_session_id_is_nowhere_whatever_becomes_of_its_message() {
    let token = "a-path-token-of-tests";
    let config = json!({"organization-id": "00D000000000001AAA"});
    let service =
        Service::start([crate::support::connection("crm", "salesforce", &config, &[("path-token", vec![token])])])
            .await;
    let session = "00D000000000001!SECRETSESSIONKEY.of_tests";
    let message = |rest: &str| {
        format!(
            "<?xml version=\"1.0\"?><soapenv:Envelope xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\"><soapenv:Body>\
             <notifications xmlns=\"http://soap.sforce.com/2005/09/outbound\"><OrganizationId>00D000000000001AAA</OrganizationId>\
             <SessionId>{session}</SessionId>{rest}"
        )
    };
    let whole = message(
        "<Notification><Id>04l000000000001AAA</Id><sObject xsi:type=\"sf:Contact\" \
         xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xmlns:sf=\"urn:sobject.enterprise.soap.sforce.com\">\
         <sf:Id>003000000000001AAA</sf:Id><sf:Email>ada@example.com</sf:Email>\
         <sf:LastModifiedDate>2026-09-29T08:00:00.000Z</sf:LastModifiedDate></sObject></Notification></notifications>\
         </soapenv:Body></soapenv:Envelope>",
    );
    for body in [whole.as_str(), &message("<Notification>cut off"), &message("")] {
        let answer = service.send("POST", &format!("/hooks/crm/{token}"), &[], body.as_bytes()).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    assert!(!service.data.table.parked("crm").await.unwrap().is_empty(), "what was cut off is parked");
    let stored = stored(&service.data).await;
    assert!(holds(&stored, b"SessionId>000000"), "its place is still there");
    assert!(!holds(&stored, b"SECRETSESSIONKEY") && !holds(&stored, token.as_bytes()));
}

/// What stands in for a proof that was taken out: that it was one.
#[tokio::test]
async fn a_parked_webhook_is_replayed_without_the_proof_that_it_came_with_and_after_its_secret_has_gone() {
    let connection = |behaviour: &str, secret: &str| {
        let manifest = "id = 'hostile'\nname = 'Hostile'\nversion = '0.1.0'\ncontract = '0.2'\n[redact]\n\
                        headers = ['x-hostile-signature']\n[secrets]\nsigning-secret = 'x'";
        let component = with_manifest(hostile_component(), manifest).unwrap();
        let connector = load(&component, "hostile");
        let config = json!({"behaviour": behaviour, "when": "after"});
        let secrets = secret_values(&[("signing-secret", vec![secret])]);
        rapport_connections::Connection::new("shop", connector, &written(config), secrets).unwrap()
    };
    let broken = Service::start([connection("trap", HOSTILE_SECRET)]).await;
    let body = json!({"id": "m-1", "from": "someone", "at": 1_790_668_800_000u64, "text": "hello"});
    assert_eq!(broken.deliver_to("shop", &body).await.status, 200);
    let parked = broken.data.table.parked("shop").await.unwrap().remove(0);
    let headers = &parked.webhook.as_ref().unwrap().headers;
    let signature = headers.iter().find(|(name, _)| name == "x-hostile-signature").unwrap();
    assert_eq!(signature.1, "0".repeat(64), "as long, and still hexadecimal");
    assert_eq!(parked.proven, BTreeSet::from(["mac:signing-secret".to_owned()]));

    let fixed = Service::over(broken.data.clone(), [connection("good", "another secret by now")]).await;
    assert_eq!(fixed.gateway.replay(&parked.id).await.unwrap(), Replayed::Stored { events: 1 });
    fixed.settle().await;
    assert!(fixed.look_up("hostile", "someone").await.is_some());

    // Over HTTP what stands in for a proof proves nothing.
    let (zeros, body) = ("0".repeat(64), body.to_string());
    let forged = fixed.send("POST", "/hooks/shop", &[("x-hostile-signature", &zeros)], body.as_bytes()).await;
    assert_eq!(forged.status, 401);
}

/// S9: the token that proves every update was stored with each.
#[tokio::test]
async fn a_token_is_redacted_when_stored_and_when_parked_and_its_name_stands_in_for_it() {
    let token = "tg-secret_token-of-tests";
    let connection = || {
        let secrets = [("secret-token", vec![token])];
        crate::support::connection("tg", "telegram", &json!({}), &secrets)
    };
    let service = Service::start([connection()]).await;
    let header = [("x-telegram-bot-api-secret-token", token), ("x-copy", token)];
    let update = json!({"update_id": 1, "message": {"message_id": 1, "date": 1_790_668_800, "text": format!("see {token}"),
        "from": {"id": 5, "is_bot": false, "first_name": "Ada"}, "chat": {"id": 5, "type": "private", "first_name": "Ada"}}});
    for body in [update.to_string(), format!("{{\"update_id\": 2, \"odd\": \"{token}")] {
        assert_eq!(service.send("POST", "/hooks/tg", &header, body.as_bytes()).await.status, 200);
    }
    let parked = service.data.table.parked("tg").await.unwrap().remove(0);
    let replayed = service.gateway.replay(&parked.id).await.unwrap();
    let Replayed::StillParked { reason, .. } = replayed else { panic!("{replayed:?}") };
    assert_eq!(reason, "malformed", "it is proven, and as malformed as it was");
    let stored = stored(&service.data).await;
    assert!(!holds(&stored, token.as_bytes()));
    assert!(holds(&stored, b"[redacted:secret-token]"));
}
