//! A connection's requests: its manifest, its operator and its secrets, and tokens of OAuth 2.

use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rapport_config::{Config, ConnectionConfig};
use rapport_connections::{Connection, ConnectionError, Connections, ConnectorHost, Step, TableBlobs};
use rapport_egress::{Blobs, Egress, Network, NoBlobs};
use rapport_model::TenantKey;
use rapport_model::exchange::{
    Answer, Authorization, Content, Exchange, Field, Method, Piece, Request, RequestBody, TransportError,
};
use serde_json::json;
use tracing_subscriber::fmt::MakeWriter;

use super::provider::{Act, Provider};
use super::{HOST, NOW, post, request, secret, text};
use crate::support::tls::response;
use crate::support::{self, fed};

const MANIFEST: &str = "unsigned = 'a test'
[hosts]
api = ['api.example.com', '*.wide.example']
[aws]
ses = ['SendEmail']
[secrets]
app-secret = { kind = 'hmac', what = 'Signs webhooks.' }
path-token = { kind = 'token', optional = true, what = 'Makes the URL.' }
access-token = { use = 'bearer', what = 'Sends.' }
api-key = { use = { header = 'x-api-key' }, what = 'Sends, too.' }
bot = { use = { path = '/bot{secret}' }, what = 'Sends, too.' }
pass = { use = 'basic', what = 'Sends, too.' }
[secrets.crm]
what = 'The client of the CRM.'
use = { oauth2 = 'client-credentials', token-url = 'https://api.example.com/oauth2/token', scope = 'send read' }
[secrets.crm-form]
what = 'The client of the CRM.'
use = { oauth2 = 'refresh-token', token-url = 'https://api.example.com/oauth2/token', client = 'form' }
[secrets.crm-jwt]
what = 'The key of the CRM.'
use = { oauth2 = 'jwt-bearer', audience = 'https://login.example.com', scope = 'api' }
";

const SECRETS: [(&str, &str); 5] = [
    ("app-secret", "app-secret-value"),
    ("access-token", "access-token-value"),
    ("api-key", "api-key-value"),
    ("bot", "123:bot/token"),
    ("pass", "basic-password"),
];

/// What an operator writes under `sending`.
fn written(sending: &str) -> ConnectionConfig {
    let text = format!("[connections.a]\nconnector = 'x'\n[connections.a.sending]\n{sending}");
    let written = Config::parse(&text).unwrap().connections["a"].clone();
    ConnectionConfig { config: json!({}), ..written }
}

fn try_connection(sending: &str, more: &[(&str, &str)]) -> Result<Connection, ConnectionError> {
    let all = SECRETS.iter().chain(more).map(|(name, value)| (*name, vec![*value]));
    fed(
        "a",
        MANIFEST,
        written(sending),
        &all.chain([("path-token", vec!["path-token-of-sixteen"])]).collect::<Vec<_>>(),
    )
}

fn connection(sending: &str, more: &[(&str, &str)]) -> Arc<Connection> {
    Arc::new(try_connection(sending, more).unwrap())
}

static CLOCK: AtomicU64 = AtomicU64::new(NOW);

fn host(network: Network) -> ConnectorHost {
    ConnectorHost {
        connections: Connections::default(),
        certificates: Arc::default(),
        egress: Egress::new(network),
        tenant_key: TenantKey::new(&[7; 32]).unwrap(),
        now: || CLOCK.load(Ordering::Relaxed),
    }
}

async fn perform(host: &ConnectorHost, connection: &Connection, requests: &[Request]) -> Vec<Exchange> {
    perform_with(host, connection, requests, Arc::new(NoBlobs)).await
}

async fn perform_with(
    host: &ConnectorHost,
    connection: &Connection,
    requests: &[Request],
    blobs: Arc<dyn Blobs>,
) -> Vec<Exchange> {
    let step = Step {
        work: "intent-1",
        requests,
        limit: Duration::from_secs(10),
        status_url: Some(super::STATUS_URL),
        unsubscribe_url: None,
        blobs,
        aws: None,
        entropy: &[7; 32],
    };
    host.perform(connection, &step).await.unwrap()
}

fn authorized(authorization: Authorization) -> Request {
    Request { authorization, ..post("/v1/messages", "{}") }
}

fn with_token(name: &str) -> Request {
    authorized(Authorization::Oauth2(name.to_owned()))
}

fn json_answer(body: serde_json::Value) -> Act {
    Act::Answer(response("200 OK", body.to_string().as_bytes()))
}

fn token(value: &str, seconds: u64) -> Act {
    json_answer(json!({"access_token": value, "token_type": "Bearer", "expires_in": seconds}))
}

fn statuses(exchanges: Vec<Exchange>) -> Vec<u16> {
    exchanges.into_iter().map(|exchange| exchange.unwrap().status).collect()
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

/// Everything that a request shows, while its provider repeats all that it got.
#[tokio::test]
async fn no_secret_is_in_a_log_line_an_error_or_what_a_connector_sees() {
    let logged = Logged::default();
    let subscriber = tracing_subscriber::fmt().with_writer(logged.clone()).with_max_level(tracing::Level::TRACE);
    // With one subscriber alone, a line that another test's thread writes first would be switched off for all threads.
    let _other = tracing::Dispatch::new(tracing_subscriber::registry());
    let _log = tracing::subscriber::set_default(subscriber.finish());
    let provider = Provider::start(Act::Echo(200)).await;
    let host = host(provider.network.clone());
    let crm = r#"{"client-id": "id-1", "client-secret": "client-secret-value"}"#;
    let connection = connection("live = true", &[("crm", crm)]);
    let in_header = Field { name: "x-api-key".into(), value: vec![secret("api-key")] };
    let in_path = vec![
        text(&format!("https://{HOST}/bot")),
        secret("bot"),
        text("/send?to=%2B15550001111&cb="),
        Piece::StatusUrl,
    ];
    let requests = [
        authorized(Authorization::Bearer("access-token".into())),
        authorized(Authorization::Basic { user: "me".into(), secret: "pass".into() }),
        Request { headers: vec![in_header], ..request(Method::Get, "/v1/users/ann%40example.com") },
        Request { url: in_path, ..request(Method::Post, "/") },
        authorized(Authorization::Bearer("api-key".into())),
        authorized(Authorization::Bearer("app-secret".into())),
        Request {
            body: RequestBody::Content(Content::Pieces(vec![secret("access-token")])),
            ..request(Method::Post, "/")
        },
    ];
    let mut shown = String::new();
    let mut acts = vec![Act::Echo(200), Act::Echo(500), Act::Reset, Act::CutResponse(b"garbage".to_vec())];
    while let Some(act) = acts.pop() {
        for request in &requests {
            provider.next(act.clone());
            let exchanges = perform(&host, &connection, std::slice::from_ref(request)).await;
            for exchange in &exchanges {
                shown.push_str(&format!("{exchange:?}"));
                if let Ok(rapport_model::exchange::Response { body: Answer::Bytes(bytes), .. }) = exchange {
                    shown.push_str(&String::from_utf8_lossy(bytes));
                }
            }
        }
        // A denied request took no connection, and left an act behind.
        provider.forget();
    }
    // The token, and the client's secret.
    provider.next(token("oauth-token-value", 3_600));
    shown.push_str(&format!("{:?}", perform(&host, &connection, &[with_token("crm")]).await));
    shown.push_str(&String::from_utf8_lossy(&logged.0.lock().unwrap()));
    shown.push_str(&format!("{:?}", connection.sender.grants()));
    assert!(
        shown.matches("provider-answered").count() >= 8 || shown.matches("provider answered").count() >= 8,
        "{shown}"
    );
    assert!(shown.contains("no answer of the provider") && shown.contains("a request did not leave"), "{shown}");
    assert!(
        shown.contains("/bot[secret]/send?to=*&cb=*") && shown.contains("https://api.example.com/v1/users/*"),
        "{shown}"
    );
    let pair = "bWU6YmFzaWMtcGFzc3dvcmQ";
    let more = ["bot/token", "bot%2Ftoken", pair, "client-secret-value", "oauth-token-value", "status-token"];
    for value in SECRETS.iter().map(|(_, value)| *value).chain(more) {
        assert!(!shown.contains(value), "{value}\n{shown}");
    }
    let log = String::from_utf8_lossy(&logged.0.lock().unwrap()).into_owned();
    for address in ["15550001111", "ann%40", "ann@"] {
        assert!(!log.contains(address), "{address}\n{log}");
    }
    // All of it did go to the provider.
    let asked = provider.requests().join("\n");
    for value in ["access-token-value", "api-key-value", "123:bot%2Ftoken", pair, "Bearer oauth-token-value"] {
        assert!(asked.contains(value), "{value}");
    }
}

#[tokio::test]
async fn a_token_is_obtained_once_and_kept_until_shortly_before_its_end() {
    let provider = Provider::start(json_answer(json!({"id": "m1"}))).await;
    let host = host(provider.network.clone());
    let crm = r#"{"client-id": "id 1", "client-secret": "p:w&value"}"#;
    let connection = connection("live = true", &[("crm", crm)]);
    provider.next(token("first-token", 3_600));
    // Eight at once ask for one.
    let request = with_token("crm");
    let many = (0..8).map(|_| perform(&host, &connection, std::slice::from_ref(&request)));
    for exchanges in join_all(many).await {
        assert_eq!(statuses(exchanges), [200]);
    }
    let asked = provider.requests();
    let is_token = |request: &&String| request.starts_with("POST /oauth2/token ");
    assert_eq!((asked.len(), asked.iter().filter(is_token).count()), (9, 1), "{asked:?}");
    // RFC 6749 §2.3.1 and §4.4: `id+1` is `id%201` here, which decodes to the same.
    assert!(asked[0].contains("\r\nauthorization: Basic aWQlMjAxOnAlM0F3JTI2dmFsdWU=\r\n"), "{}", asked[0]);
    assert!(asked[0].ends_with("\r\n\r\ngrant_type=client_credentials&scope=send%20read"), "{}", asked[0]);
    assert!(asked[1..].iter().all(|request| request.contains("\r\nauthorization: Bearer first-token\r\n")));

    // 59 s before its end it is not used any more.
    let began = CLOCK.fetch_add(3_600_000 - 61_000, Ordering::Relaxed);
    assert_eq!(statuses(perform(&host, &connection, &[with_token("crm")]).await), [200]);
    assert_eq!(provider.requests().len(), 10);
    CLOCK.fetch_add(2_000, Ordering::Relaxed);
    provider.next(token("second-token", 3_600));
    assert_eq!(statuses(perform(&host, &connection, &[with_token("crm")]).await), [200]);
    assert!(provider.requests().last().unwrap().contains("Bearer second-token"));
    CLOCK.store(began, Ordering::Relaxed);
}

async fn join_all<T>(all: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut all: Vec<_> = all.map(Box::pin).collect();
    let mut done: Vec<Option<T>> = all.iter().map(|_| None).collect();
    std::future::poll_fn(move |context| {
        for (future, done) in all.iter_mut().zip(&mut done) {
            if done.is_none()
                && let std::task::Poll::Ready(value) = future.as_mut().poll(context)
            {
                *done = Some(value);
            }
        }
        if done.iter().all(Option::is_some) {
            std::task::Poll::Ready(done.iter_mut().map(|one| one.take().unwrap()).collect())
        } else {
            std::task::Poll::Pending
        }
    })
    .await
}

#[tokio::test]
async fn a_token_that_is_refused_is_obtained_again_once() {
    let provider = Provider::start(Act::Answer(response("401 Unauthorized", b"{}"))).await;
    let host = host(provider.network.clone());
    let crm = r#"{"client-id": "id-1", "refresh-token": "refresh-token-1"}"#;
    let connection = connection("live = true", &[("crm-form", crm)]);
    let request = [with_token("crm-form")];
    provider.next(json_answer(json!({"access_token": "token-one", "refresh_token": "refresh-token-2"})));
    provider.next(Act::Answer(response("401 Unauthorized", b"{}")));
    provider.next(token("token-two", 3_600));
    provider.next(json_answer(json!({"id": "m1"})));
    assert_eq!(statuses(perform(&host, &connection, &request).await), [200]);
    let asked = provider.requests();
    assert_eq!(asked.len(), 4, "{asked:?}");
    assert!(asked[0].ends_with("\r\n\r\ngrant_type=refresh_token&refresh_token=refresh-token-1&client_id=id-1"));
    assert!(asked[1].contains("Bearer token-one") && asked[3].contains("Bearer token-two"));
    assert!(asked[2].contains("refresh_token=refresh-token-2"), "the new refresh token is used from then on");
    // A second refusal reaches the connector.
    provider.next(Act::Answer(response("401 Unauthorized", b"{}")));
    provider.next(token("token-three", 3_600));
    assert_eq!(statuses(perform(&host, &connection, &request).await), [401]);
    assert_eq!(provider.requests().len(), 7);
}

#[tokio::test]
async fn an_assertion_is_signed_with_the_private_key() {
    let provider = Provider::start(json_answer(json!({"id": "m1"}))).await;
    let host = host(provider.network.clone());
    let pair = rcgen::KeyPair::generate().unwrap();
    let crm = json!({
        "client-id": "id-1", "subject": "user@example.com", "private-key": pair.serialize_pem(),
        "token-url": "https://api.example.com/token",
    });
    let connection = connection("live = true", &[("crm-jwt", &crm.to_string())]);
    provider.next(token("first-token", 3_600));
    assert_eq!(statuses(perform(&host, &connection, &[with_token("crm-jwt")]).await), [200]);
    let asked = provider.requests()[0].clone();
    let start = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=";
    let assertion = asked.split_once(start).unwrap().1.strip_suffix("&scope=api").unwrap();
    let (signed, signature) = assertion.rsplit_once('.').unwrap();
    let decode = |part: &str| base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, part).unwrap();
    let part = |at: usize| -> serde_json::Value {
        serde_json::from_slice(&decode(signed.split('.').nth(at).unwrap())).unwrap()
    };
    assert_eq!(part(0), json!({"alg": "ES256", "typ": "JWT"}));
    let claims = part(1);
    let (iat, exp) = (claims["iat"].as_u64().unwrap(), claims["exp"].as_u64().unwrap());
    assert_eq!(exp - iat, 120);
    let expected = json!({"iss": "id-1", "sub": "user@example.com", "aud": "https://login.example.com", "scope": "api", "iat": iat, "exp": exp});
    assert_eq!(claims, expected);
    let key = ring::signature::UnparsedPublicKey::new(&ring::signature::ECDSA_P256_SHA256_FIXED, pair.public_key_raw());
    key.verify(signed.as_bytes(), &decode(signature)).unwrap();
}

#[tokio::test]
async fn without_a_token_the_request_does_not_leave() {
    let provider = Provider::start(json_answer(json!({"id": "m1"}))).await;
    let host = host(provider.network.clone());
    let crm = r#"{"client-id": "id-1", "client-secret": "client-secret-value"}"#;
    let connection = connection("live = true", &[("crm", crm)]);
    let request = [with_token("crm")];
    // Its server is away: the request may be tried again.
    for act in [Act::Reset, Act::CutResponse(b"x".to_vec())] {
        provider.next(act);
        assert_eq!(perform(&host, &connection, &request).await, [Err(TransportError::Connect)]);
    }
    provider.next(Act::Answer(response("401 Unauthorized", br#"{"error": "invalid_client"}"#)));
    let refused = perform(&host, &connection, &request).await;
    let Err(TransportError::Denied(why)) = &refused[0] else { panic!("{refused:?}") };
    let expected = "no token of the OAuth secret `crm`: the token server refused: status 401, invalid_client; fix: check the \
                    secret at the provider";
    assert_eq!(why, expected);
    // It is not asked again at once: servers lock out whoever is wrong too often.
    assert_eq!(perform(&host, &connection, &request).await, refused);
    assert_eq!(provider.requests().len(), 3);
    let unset = perform(&host, &connection, &[with_token("crm-form")]).await;
    assert!(
        matches!(&unset[0], Err(TransportError::Denied(why)) if why.contains("no OAuth secret `crm-form`")),
        "{unset:?}"
    );
}

#[tokio::test]
async fn what_must_not_be_repeated_stands_alone() {
    let provider = Provider::start(json_answer(json!({"id": "m1"}))).await;
    let host = host(provider.network.clone());
    let connection = connection("live = true", &[]);
    let read = Request { repeatable: true, ..request(Method::Get, "/v1/things") };
    let both = perform(&host, &connection, &[read.clone(), post("/v1/messages", "{}")]).await;
    assert!(
        both.iter().all(|one| matches!(one, Err(TransportError::Denied(why)) if why.contains("stands beside others")))
    );
    assert_eq!(provider.connections(), 0);
    assert_eq!(statuses(perform(&host, &connection, &[read.clone(), read]).await), [200, 200]);
    assert_eq!(statuses(perform(&host, &connection, &[post("/v1/messages", "{}")]).await), [200]);
}

#[tokio::test]
async fn a_file_goes_from_the_provider_into_the_blob_store_and_out_again() {
    let data = support::Data::new().await;
    let provider = Provider::start(json_answer(json!({"id": "m1"}))).await;
    let host = host(provider.network.clone());
    let connection = connection("live = true", &[]);
    let file: Vec<u8> = (0..2_000_000).map(|at: u32| (at % 251) as u8).collect();
    let blobs: Arc<dyn Blobs> = Arc::new(TableBlobs::of(data.table.clone(), "t#E#x".into(), "O#1".into()));
    provider.next(Act::Answer(response("200 OK", &file)));
    let fetch = Request { keep: true, repeatable: true, ..request(Method::Get, "/file") };
    let fetched = perform_with(&host, &connection, &[fetch], Arc::clone(&blobs)).await;
    let Ok(rapport_model::exchange::Response { body: Answer::Kept(kept), .. }) = &fetched[0] else {
        panic!("{fetched:?}")
    };
    let sha256 = ring::digest::digest(&ring::digest::SHA256, &file);
    assert_eq!((kept.bytes, kept.sha256.as_str()), (2_000_000, hex_of(sha256.as_ref()).as_str()));
    assert!(data.table.blobs().get(&kept.blob).await.unwrap().unwrap() == file);
    let body = RequestBody::Content(Content::Pieces(vec![text("<"), Piece::Blob(kept.blob.clone()), text(">")]));
    let upload = Request { body, repeatable: true, ..request(Method::Put, "/file") };
    assert_eq!(statuses(perform_with(&host, &connection, &[upload], blobs).await), [200]);
    assert!(provider.seen.requests.lock().unwrap()[1].ends_with(&[b"<", &file[..], b">"].concat()));
}

fn hex_of(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn a_secret_for_sending_verifies_nothing() {
    use rapport_sandbox::Secrets;

    let connection = connection("live = true", &[]);
    assert!(connection.secrets.versions("app-secret").is_some());
    for name in ["access-token", "api-key", "bot", "pass", "crm"] {
        assert!(connection.secrets.versions(name).is_none(), "{name}");
    }
    assert!(connection.sender.grants().secrets["app-secret"].value.is_none(), "and the other way round");
}

#[test]
fn what_an_operator_writes_wrong_is_named_with_the_fix() {
    let refusal = |sending: &str, more: &[(&str, &str)]| try_connection(sending, more).err().unwrap().to_string();
    assert_eq!(
        refusal("aws = ['ses:SendRawEmail']", &[]),
        "connection `a`: connector `unsigned` does not ask for `ses:SendRawEmail`; fix: remove it from `sending.aws`"
    );
    let silent = "unsigned = 'a test'\n[secrets]\npath-token = { kind = 'token', what = 'Makes the URL.' }";
    let token = [("path-token", vec!["path-token-of-sixteen"])];
    assert_eq!(
        fed("a", silent, written("live = true"), &token).err().unwrap().to_string(),
        "connection `a`: connector `unsigned` sends nothing; fix: remove `sending`"
    );
    let crm = |value: &str| refusal("", &[("crm", value)]);
    assert!(crm("secret").starts_with("connection `a`: secret `crm` is not a JSON object; fix: write `{\"client-id\""));
    assert!(crm("{}").contains("has no `client-id`"));
    assert!(crm(r#"{"client-id": "a"}"#).contains("has no `client-secret`, which its `kind` needs"));
    assert!(
        crm(r#"{"client-id": "a", "client-secret": "bbbbbbbb", "password": "c"}"#).contains("a key that is not known")
    );
    let jwt = r#"{"client-id": "a", "private-key": "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", "token-url": "https://api.example.com/t"}"#;
    assert!(refusal("", &[("crm-jwt", jwt)]).contains("has a `private-key` that is not RSA of 2048 bits or more"));
    let own = |name: &'static str, value: &'static str| {
        let secrets = [
            (name, vec![value]),
            ("path-token", vec!["path-token-of-sixteen"]),
            ("app-secret", vec!["app-secret-value"]),
        ];
        fed("a", MANIFEST, written(""), &secrets).err().unwrap().to_string()
    };
    assert!(own("access-token", "short").contains("secret `access-token` is shorter than 8 bytes"));
    assert!(own("access-token", "two\nlines of it").contains("is not visible ASCII"));
}
