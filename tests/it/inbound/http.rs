//! The door for HTTP: what is refused, with which status, and in which words.

use serde_json::{Value, json};

use crate::support::{API_KEY, Answer, Service, Text, exchange, wa_eu};

/// Bytes that the manifest of the WhatsApp connector lets a body have, and one more.
const LARGEST: usize = 3 << 20;
const TOO_LARGE: usize = LARGEST + 1;

/// Every refusal is a problem of RFC 9457, and can be found in the log by its request id.
fn assert_problem(answer: &Answer, status: u16) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{answer:?}");
    let id = answer.header("x-request-id").unwrap_or_default();
    assert!(id.len() == 24 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{answer:?}");
    let problem = answer.json();
    assert_eq!(problem["status"], status);
    assert!(problem["type"].as_str().unwrap().starts_with("urn:rapport:problem:"), "{problem}");
    for sentence in ["title", "detail"] {
        assert!(problem[sentence].as_str().is_some_and(|text| !text.is_empty()), "{problem}");
    }
}

/// Status, method, path and headers.
type Case<'a> = (u16, &'a str, &'a str, &'a [(&'a str, &'a str)]);

#[tokio::test]
async fn every_refusal_is_a_problem_with_a_request_id() {
    let service = Service::start([wa_eu()]).await;
    let body = Text::new("16505551234", 1).webhook();
    let nobody = "pAAAAAAAAAAAAAAAAAAAAAA";
    let key = format!("Bearer {API_KEY}");
    let with_key = [("authorization", key.as_str())];
    let cases: &[Case] = &[
        (401, "POST", "/hooks/wa-eu", &[]),
        (401, "POST", "/hooks/wa-eu", &[("x-hub-signature-256", "sha256=00")]),
        (401, "POST", "/hooks/wa-eu", &[("x-hub-signature", "sha1=2fd4e1c67a2d28fced849ee1bb76e7391b93eb12")]),
        (401, "POST", "/hooks/wa-us", &[]),
        (401, "GET", "/hooks/wa-us", &[]),
        (401, "POST", "/hooks/wa-eu/a-token-where-none-belongs", &[]),
        (404, "POST", "/hooks/wa-eu/", &[]),
        (404, "POST", "/hooks", &[]),
        (404, "GET", "/", &[]),
        (405, "PUT", "/hooks/wa-eu", &[]),
        (405, "DELETE", "/hooks/wa-eu", &[]),
        (405, "POST", "/healthz", &[]),
        (401, "GET", "/v1/profiles/lookup?scheme=phone&value=1", &[]),
        (401, "GET", "/v1/nothing", &[]),
        (404, "GET", "/v1/nothing", &with_key),
        (404, "GET", &format!("/v1/profiles/{nobody}"), &with_key),
        (404, "GET", &format!("/v1/profiles/{nobody}/timeline"), &with_key),
        (404, "GET", "/v1/profiles/nonsense", &with_key),
        (404, "GET", "/v1/profiles/lookup?scheme=phone&value=%2B16505550000", &with_key),
        (405, "POST", &format!("/v1/profiles/{nobody}"), &with_key),
        (400, "GET", "/v1/profiles/lookup", &with_key),
        (400, "GET", "/v1/profiles/lookup?scheme=phone", &with_key),
        (400, "GET", "/v1/profiles/lookup?value=1", &with_key),
        (400, "GET", "/v1/profiles/lookup?scheme=phone&value=", &with_key),
        (400, "GET", "/v1/profiles/lookup?scheme=pho%20ne&value=1", &with_key),
        (400, "GET", "/v1/profiles/lookup?scheme=phone&scheme=email&value=1", &with_key),
        (400, "GET", &format!("/v1/profiles/{nobody}/timeline?limit=0"), &with_key),
        (400, "GET", &format!("/v1/profiles/{nobody}/timeline?limit=201"), &with_key),
        (400, "GET", &format!("/v1/profiles/{nobody}/timeline?limit=-1"), &with_key),
        (400, "GET", &format!("/v1/profiles/{nobody}/timeline?limit=ten"), &with_key),
        (400, "GET", &format!("/v1/profiles/{nobody}/timeline?cursor=nonsense"), &with_key),
        (400, "POST", "/hooks/%FF", &[]),
        (400, "GET", "/v1/profiles/%FF", &with_key),
    ];
    for (status, method, target, headers) in cases {
        let answer = service.send(method, target, headers, &body).await;
        println!("{method} {target}");
        assert_problem(&answer, *status);
    }
}

#[tokio::test]
async fn a_refused_method_is_told_which_ones_are_taken() {
    let service = Service::start([wa_eu()]).await;
    for (target, allowed) in [("/hooks/wa-eu", "GET, POST"), ("/healthz", "GET,HEAD")] {
        let answer = service.send("PUT", target, &[], b"").await;
        assert_eq!((answer.status, answer.header("allow")), (405, Some(allowed)), "{target}");
    }
}

#[tokio::test]
async fn the_api_needs_its_key() {
    let service = Service::start([wa_eu()]).await;
    let target = "/v1/profiles/lookup?scheme=phone&value=%2B16505551234";
    let basic = format!("Basic {API_KEY}");
    let truncated = format!("Bearer {}", &API_KEY[1..]);
    for wrong in ["", "Bearer", "Bearer ", "Bearer wrong", &basic, &truncated, API_KEY] {
        let answer = service.send("GET", target, &[("authorization", wrong)], b"").await;
        assert_problem(&answer, 401);
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"), "{wrong}");
    }
    assert_eq!(service.get(target).await.status, 404, "the key is right, and nobody has that number");
    assert_eq!(service.deliver(&Text::new("16505551234", 1).webhook()).await.status, 200);
    service.settle().await;
    assert_eq!(service.get(target).await.status, 200);
    let lower = format!("bearer {API_KEY}");
    assert_eq!(service.send("GET", target, &[("authorization", &lower)], b"").await.status, 200, "RFC 7235 §2.1");
}

#[tokio::test]
async fn a_body_over_the_manifest_s_limit_is_refused_whether_announced_or_not() {
    let service = Service::start([wa_eu()]).await;
    let before = service.data.items().await;

    // Without a signature nothing of it would be read at all.
    let signature = "0".repeat(64);
    let head = format!("POST /hooks/wa-eu HTTP/1.1\r\nhost: x\r\nx-hub-signature-256: sha256={signature}\r\n");
    let announced = format!("{head}content-length: {TOO_LARGE}\r\n\r\n");
    assert_problem(&exchange(service.address, announced.as_bytes()).await.unwrap(), 413);

    // The last chunk never comes: the answer has to.
    let mut chunked = format!("{head}transfer-encoding: chunked\r\n\r\n{TOO_LARGE:x}\r\n");
    chunked.push_str(&" ".repeat(TOO_LARGE));
    chunked.push_str("\r\n");
    assert_problem(&exchange(service.address, chunked.as_bytes()).await.unwrap(), 413);

    assert_eq!(service.data.items().await, before);
}

#[tokio::test]
async fn a_body_of_the_manifest_s_limit_is_taken() {
    let service = Service::start([wa_eu()]).await;
    let mut text = Text::new("16505551234", 1);
    text.text = "x".repeat(LARGEST - text.webhook().len() + text.text.len());
    let body = text.webhook();
    assert_eq!(body.len(), LARGEST);
    assert_eq!(service.deliver(&body).await.status, 200);
    service.settle().await;
    let profile = service.look_up("whatsapp", "16505551234").await.unwrap();
    // A page shows it cut, and says where the whole of it is.
    let timeline = service.timeline(&profile, 50).await;
    let shown = &timeline[0];
    assert!(shown.to_string().len() <= 1 << 20, "{}", shown.to_string().len());
    let whole =
        format!("/v1/events/{}.{}", shown["partitionkey"].as_str().unwrap(), shown["sequence"].as_str().unwrap());
    let mut json = String::new();
    let mut offset = Some(0);
    while let Some(from) = offset {
        let part = service.read(&format!("{whole}?offset={from}")).await;
        json.push_str(part["text"].as_str().unwrap());
        offset = part["next"].as_u64();
    }
    let event: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(event["data"]["message"]["parts"], json!([{"text": text.text}]));
}

#[tokio::test]
async fn healthz_says_that_storage_answers() {
    let service = Service::start([]).await;
    let answer = service.send("GET", "/healthz", &[], b"").await;
    assert_eq!((answer.status, answer.json()), (200, json!({"status": "ok"})));
    assert_ne!(answer.header("x-request-id"), None);
}

/// 25 texts, read in pages of 4 while older and newer ones arrive.
#[tokio::test]
async fn pages_show_every_event_once_and_the_newest_first_while_others_arrive() {
    let service = Service::start([wa_eu()]).await;
    let from = "16505551234";
    for n in 100..125 {
        assert_eq!(service.deliver(&Text::new(from, n).webhook()).await.status, 200);
    }
    service.settle().await;
    let profile = service.look_up("whatsapp", from).await.unwrap();
    let id = profile["id"].as_str().unwrap();

    let ids =
        |events: &[Value]| events.iter().map(|event| event["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    let expected: Vec<String> = (100..125).rev().map(|n| Text::new(from, n).id).collect();
    assert_eq!(ids(&service.timeline(&profile, 4).await), expected);
    assert_eq!(ids(&service.timeline(&profile, 25).await), expected, "a last page that is full ends the timeline");

    let mut seen = Vec::new();
    let mut cursor = String::new();
    for arrival in 0.. {
        let page = service.read(&format!("/v1/profiles/{id}/timeline?limit=4&cursor={cursor}")).await;
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= 4);
        seen.extend(ids(items));
        let Some(next) = page["next"].as_str() else { break };
        cursor = next.to_owned();
        for late in [arrival, 200 + arrival] {
            assert_eq!(service.deliver(&Text::new(from, late).webhook()).await.status, 200);
        }
    }
    let newer_and_older = seen.iter().filter(|id| !expected.contains(id)).count();
    let of_before: Vec<_> = seen.iter().filter(|id| expected.contains(id)).cloned().collect();
    assert_eq!(of_before, expected);
    assert!(newer_and_older > 0, "the older ones that arrived meanwhile are on the last pages");
    assert!(seen.is_sorted_by(|a, b| a > b), "ids sort by time here: {seen:?}");
}
