//! The same service wherever it runs: every scenario against `rapport dev` and against `bootstrap`, both as real processes.

mod subject;

use serde_json::{Value, json};

use crate::support::deployment::twilio_signature;
use crate::support::events::{self, Sent, text_webhook};
use crate::support::{Answer, Item, Text, app_secret, eventually, fixture, is_event, readable};
use subject::{PUBLIC_URL, Subject};

const ADA: &str = "16505551234";
/// Bytes that the manifest of the WhatsApp connector lets a body have.
const LARGEST: usize = 3 << 20;

/// A test of each scenario for each subject.
macro_rules! everywhere {
    ($($scenario:ident)+) => {
        mod rapport_dev {
            $(
                #[tokio::test]
                async fn $scenario() {
                    super::$scenario(&super::Subject::dev().await).await;
                }
            )+
        }
        mod bootstrap {
            $(
                #[tokio::test]
                async fn $scenario() {
                    super::$scenario(&super::Subject::bootstrap().await).await;
                }
            )+
        }
    };
}

everywhere! {
    only_the_right_verify_token_gets_the_challenge_back
    a_signed_webhook_is_in_the_table_when_it_is_answered_and_then_in_a_profile
    a_duplicate_changes_nothing
    what_nobody_signed_is_401_and_leaves_nothing
    an_unknown_connection_is_401_and_another_method_405
    a_body_that_is_too_large_is_413_and_the_largest_is_taken
    header_fields_of_any_case_and_number_arrive
    a_signature_over_the_url_is_over_the_raw_query
    bytes_that_are_no_text_are_parked_as_they_were_sent
    the_api_answers_whoever_has_the_key
    what_storage_does_not_take_is_503_and_there_once_when_it_is_delivered_again
}

async fn only_the_right_verify_token_gets_the_challenge_back(subject: &Subject) {
    let before = subject.items().await;
    let subscribe = async |token: &str| {
        let query = format!("hub.mode=subscribe&hub.verify_token={token}&hub.challenge=1158201444");
        subject.ask(Sent::new("GET", "/hooks/wa-eu", &query)).await
    };
    let right = subscribe("test-verify-token").await;
    assert_eq!((right.status, right.text()), (200, "1158201444"));
    assert_eq!(right.header("content-type"), Some("text/plain"));
    assert_eq!(right.header("x-content-type-options"), Some("nosniff"));
    for wrong in ["", "test-verify-toke", "test-verify-token2", "test-app-secret"] {
        let answer = subscribe(wrong).await;
        assert_eq!(answer.status, 403, "{wrong}");
        assert!(!answer.text().contains("1158201444"), "{answer:?}");
    }
    assert_eq!(subject.items().await, before, "a handshake leaves nothing");
}

async fn a_signed_webhook_is_in_the_table_when_it_is_answered_and_then_in_a_profile(subject: &Subject) {
    let answer = subject.ask(text_webhook(&Text::new(ADA, 1))).await;
    assert_eq!((answer.status, answer.text()), (200, ""));
    assert_eq!(events(subject).await.len(), 1, "durable before the answer");

    let profile = profile_with(subject, 1).await;
    assert_eq!(subject.look_up("phone", "%2B1%20650-555-1234").await.as_ref(), Some(&profile));
    assert_eq!(profile["traits"]["display_name"]["value"], "Ada Lovelace");
    let id = profile["id"].as_str().unwrap();
    let timeline = subject.ask(with_key(Sent::new("GET", &format!("/v1/profiles/{id}/timeline"), "limit=10"))).await;
    let items = &timeline.json()["items"];
    assert_eq!(items[0]["data"]["message"]["parts"], json!([{"text": "text 1"}]), "{items}");
    assert_eq!(items.as_array().map(Vec::len), Some(1));
}

async fn a_duplicate_changes_nothing(subject: &Subject) {
    let text = text_webhook(&Text::new(ADA, 1));
    assert_eq!(subject.ask(text.clone()).await.status, 200);
    profile_with(subject, 1).await;
    let before = subject.items().await;
    // The same bytes in another coding are the same webhook.
    for again in [text.clone(), text.clone().in_base64(), text] {
        assert_eq!(subject.ask(again).await.status, 200);
    }
    assert_eq!(subject.ask(text_webhook(&Text::new(ADA, 2))).await.status, 200);
    profile_with(subject, 2).await;
    let first = before.iter().filter(|item| is_event(item)).collect::<Vec<_>>();
    let after = events(subject).await;
    assert_eq!((first.len(), after.len()), (1, 2));
    assert!(after.contains(first[0]), "the first delivery's item stays as it was");
}

async fn what_nobody_signed_is_401_and_leaves_nothing(subject: &Subject) {
    let before = subject.items().await;
    let good = text_webhook(&Text::new(ADA, 1));
    let signed_as = |value: &str| {
        let mut sent = good.clone();
        sent.headers.retain(|(name, _)| name != "x-hub-signature-256");
        sent.with_header("x-hub-signature-256", value)
    };
    let right = good.headers.iter().find(|(name, _)| name == "x-hub-signature-256").unwrap().1.clone();
    for (what, sent) in [
        ("another body", Sent { body: [&good.body[..], b" "].concat(), ..good.clone() }),
        ("a cut body", Sent { body: good.body[1..].to_vec(), ..good.clone() }),
        ("no header field", Sent { headers: vec![], ..good.clone() }),
        ("another secret", signed_as(&format!("sha256={}", "0".repeat(64)))),
        ("no hex", signed_as("sha256=x")),
        ("the right one twice", good.clone().with_header("X-Hub-Signature-256", &right)),
    ] {
        for sent in [sent.clone(), sent.in_base64()] {
            assert_problem(&subject.ask(sent).await, 401, what);
        }
    }
    assert_eq!(subject.items().await, before);
}

async fn an_unknown_connection_is_401_and_another_method_405(subject: &Subject) {
    let before = subject.items().await;
    let good = text_webhook(&Text::new(ADA, 1));
    // A name that is none is answered as one that there is, without a proof.
    for (status, path) in [
        (401, "/hooks/wa-us"),
        (401, "/hooks/wa-eu/a-token-where-none-belongs"),
        (401, "/hooks/%20"),
        (404, "/hooks/wa-eu/"),
        (404, "/hooks"),
        (404, "/"),
    ] {
        let sent = Sent { path: path.to_owned(), ..good.clone() };
        assert_problem(&subject.ask(sent).await, status, path);
    }
    for method in ["PUT", "DELETE"] {
        let refused = subject.ask(Sent { method: method.to_owned(), ..good.clone() }).await;
        assert_problem(&refused, 405, method);
        assert_eq!(refused.header("allow"), Some("GET, POST"));
    }
    assert_eq!(subject.ask(Sent::new("GET", "/healthz", "")).await.json(), json!({"status": "ok"}));
    assert_eq!(subject.items().await, before);
}

async fn a_body_that_is_too_large_is_413_and_the_largest_is_taken(subject: &Subject) {
    let before = subject.items().await;
    let of_bytes = |bytes: usize| {
        let mut text = Text::new(ADA, 1);
        text.text = "x".repeat(bytes - text.webhook().len() + text.text.len());
        let sent = text_webhook(&text);
        assert_eq!(sent.body.len(), bytes);
        sent
    };
    assert_problem(&subject.ask(of_bytes(LARGEST + 1)).await, 413, "text");
    assert_problem(&subject.ask(of_bytes(LARGEST + 1).in_base64()).await, 413, "its length is that of the bytes");
    assert_eq!(subject.items().await, before);
    assert_eq!(subject.ask(of_bytes(LARGEST).in_base64()).await.status, 200);
    profile_with(subject, 1).await;
}

async fn header_fields_of_any_case_and_number_arrive(subject: &Subject) {
    let mut sent = signed(b"signed, and no webhook of anybody's");
    for (name, _) in &mut sent.headers {
        *name = name.to_uppercase();
    }
    sent = sent.with_header("X-Several", "1").with_header("Cookie", "a=1; b=2").with_header("x-several", "2");
    sent = (0..50).fold(sent, |sent, n| sent.with_header(&format!("x-many-{n}"), "of many"));
    assert_eq!(subject.ask(sent).await.status, 200, "the signature was found among them");

    let parked = subject.table().await.parked("wa-eu").await.unwrap();
    let fields = &parked[0].webhook.as_ref().unwrap().headers;
    let of = |name: &str| {
        let found: Vec<_> = fields.iter().filter(|(found, _)| found == name).map(|(_, value)| value.as_str()).collect();
        found.join(",")
    };
    assert_eq!(of("x-several"), "1,2", "API Gateway joins what came as two fields");
    assert_eq!(of("content-type"), "application/json");
    assert_eq!(fields.iter().filter(|(name, _)| name.starts_with("x-many-")).count(), 50);
    assert_eq!(of("cookie"), "", "not kept");
}

async fn a_signature_over_the_url_is_over_the_raw_query(subject: &Subject) {
    for (signed_url, status) in [("a=/+b", 401), ("a=%2F b", 401), ("a=%2f+b", 401), ("a=%2F+b", 200)] {
        let sent = twilio_signature(&format!("{PUBLIC_URL}/hooks/sms-eu?{signed_url}"));
        assert_eq!(sent.target(), "/hooks/sms-eu?a=%2F+b");
        assert_eq!(subject.ask(sent).await.status, status, "{signed_url}");
    }
    assert_eq!(events(subject).await.len(), 1);
}

async fn bytes_that_are_no_text_are_parked_as_they_were_sent(subject: &Subject) {
    let body = b"{\"object\":\"whatsapp_business_account\",\"entry\":[\xff\0 and so on";
    let answer = subject.ask(signed(body)).await;
    assert_eq!((answer.status, answer.text()), (200, ""));
    let parked = subject.table().await.parked("wa-eu").await.unwrap();
    assert_eq!(parked.len(), 1);
    let webhook = parked[0].webhook.as_ref().unwrap();
    assert_eq!((parked[0].reason.as_str(), webhook.body.as_slice()), ("malformed", body.as_slice()));
    assert_eq!((webhook.method.as_str(), webhook.url.as_str()), ("POST", "https://hooks.example.com/hooks/wa-eu"));
    assert_eq!(events(subject).await, Vec::<Item>::new());
}

async fn the_api_answers_whoever_has_the_key(subject: &Subject) {
    assert_eq!(subject.ask(text_webhook(&Text::new(ADA, 1))).await.status, 200);
    profile_with(subject, 1).await;
    let look_up = Sent::new("GET", "/v1/profiles/lookup", &format!("scheme=whatsapp&value={ADA}"));
    assert_eq!(subject.ask(with_key(look_up.clone())).await.status, 200);
    let wrong = look_up.clone().with_header("authorization", "Bearer wrong");
    let basic = look_up.clone().with_header("authorization", "Basic YTpi");
    for sent in [look_up, wrong, basic, Sent::new("GET", "/v1/nothing", "")] {
        let refused = subject.ask(sent).await;
        assert_problem(&refused, 401, "no key");
        assert_eq!(refused.header("www-authenticate"), Some("Bearer"));
        assert!(!refused.text().contains("Ada"));
    }
    assert_eq!(subject.look_up("whatsapp", "16505550000").await, None);
}

async fn what_storage_does_not_take_is_503_and_there_once_when_it_is_delivered_again(subject: &Subject) {
    let (first, second) = (text_webhook(&Text::new(ADA, 1)), text_webhook(&Text::new(ADA, 2)));
    assert_eq!(subject.ask(first.clone()).await.status, 200);
    profile_with(subject, 1).await;
    subject.close_storage();
    let refused = subject.ask(second.clone()).await;
    assert_problem(&refused, 503, "storage is away");
    assert_eq!(refused.header("retry-after"), Some("1"));

    subject.open_storage();
    // As a provider does: again until it is taken, and once more because an answer was lost.
    let taken = async || (subject.ask(second.clone()).await.status == 200).then_some(());
    eventually("storage is back", taken).await;
    eventually("storage is back", taken).await;
    profile_with(subject, 2).await;
    assert_eq!(events(subject).await.len(), 2);
}

/// A merge of identities, a batch, states of deliveries, a redelivery.
#[tokio::test]
async fn the_same_webhooks_leave_the_same_table() {
    let (mut tables, started) = (Vec::new(), now_ms());
    for subject in [Subject::dev().await, Subject::bootstrap().await] {
        for name in ["user-id-only", "user-id-and-number", "text", "batch", "status-sent-delivered-read", "text"] {
            assert_eq!(subject.ask(signed(&fixture(name).webhook.body)).await.status, 200, "{name}");
        }
        let complete = async || {
            let all = events(&subject).await.len();
            let profile = subject.look_up("whatsapp", ADA).await?;
            (profile["counters"]["events"].as_u64() == Some(all as u64)).then_some(())
        };
        eventually("all is folded into one profile", complete).await;
        tables.push(without_clocks(&readable(&subject.items().await), started));
    }
    for (of_dev, of_bootstrap) in tables[0].iter().zip(&tables[1]) {
        assert_eq!(of_dev, of_bootstrap);
    }
    assert!(tables[0].len() > 20 && tables[0].len() == tables[1].len());
}

fn signed(body: &[u8]) -> Sent {
    events::signed(body, app_secret())
}

fn with_key(sent: Sent) -> Sent {
    sent.with_header("authorization", &format!("Bearer {}", crate::support::API_KEY))
}

/// Ada's profile, once it counts as many messages.
async fn profile_with(subject: &Subject, messages: u64) -> Value {
    let counted = async || {
        let profile = subject.look_up("whatsapp", ADA).await?;
        (profile["counters"]["messages_received"] == messages).then_some(profile)
    };
    eventually("the message is folded", counted).await
}

async fn events(subject: &Subject) -> Vec<Item> {
    subject.items().await.into_iter().filter(is_event).collect()
}

/// A refusal is a problem of RFC 9457, with a request id.
fn assert_problem(answer: &Answer, status: u16, what: &str) {
    assert_eq!(answer.status, status, "{what}: {answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{what}");
    assert!(answer.header("x-request-id").is_some_and(|id| !id.is_empty()), "{what}: {answer:?}");
    assert_eq!(answer.json()["status"], status);
}

/// A table without what the process's own clock said, which is all that came after the test began.
fn without_clocks(table: &str, started: u64) -> Vec<Value> {
    let mut items: Vec<Value> = serde_json::from_str(table).unwrap();
    for item in &mut items {
        hide_clocks(item, started);
        // The identity log is in the order of its time.
        if let Some((_, profile)) = item["sk"].as_str().and_then(|sk| sk.strip_prefix("M#")?.split_once('#')) {
            item["sk"] = json!(format!("M#[time]#{profile}"));
        }
    }
    items.sort_by_key(Value::to_string);
    items
}

fn hide_clocks(value: &mut Value, started: u64) {
    match value {
        Value::Number(number) if number.as_u64().is_some_and(|number| number >= started) => *value = json!("[time]"),
        Value::Array(parts) => parts.iter_mut().for_each(|part| hide_clocks(part, started)),
        Value::Object(parts) => parts.values_mut().for_each(|part| hide_clocks(part, started)),
        _ => {}
    }
}

fn now_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    u64::try_from(since.as_millis()).unwrap()
}
