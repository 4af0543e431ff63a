//! The real `bootstrap`, driven as Lambda drives it: a package on disk, events in, answers and a log out.

mod faults;
mod feed;
mod secrets;
mod sending;

use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rapport_store::blobs::INLINE_BYTES_MAX;
use ring::digest::{SHA256, digest};
use serde_json::json;

use crate::support::deployment::{self, Ran, World, signed_by_another, twilio_signature};
use crate::support::events::{Door, Sent, batch, record, records, text_webhook};
use crate::support::{API_KEY, Text};

const ADA: &str = "16505551234";

#[tokio::test]
async fn a_signed_webhook_is_in_the_table_by_whichever_door_and_coding_it_came() {
    let world = World::new().await;
    let function = world.start("webhook").await;
    for (n, door) in [(1, Door::FunctionUrl), (2, Door::HttpApi), (3, Door::Stage)] {
        let answer = function.ask(&text_webhook(&Text::new(ADA, n)).through(door)).await;
        assert_eq!((answer.status, answer.text()), (200, ""), "{door:?}");
        assert_eq!(world.events().await, n as usize);
        let again = function.ask(&text_webhook(&Text::new(ADA, n)).in_base64().through(door)).await;
        assert_eq!((again.status, world.events().await), (200, n as usize), "the same bytes, so a redelivery");
    }
    assert_eq!(world.services.asked(), ["POST /secretsmanager.GetSecretValue"], "once for all events");
    let stored = function.lines("events stored");
    let first = &stored[0];
    assert_eq!(
        (&first["connection"], &first["new"], &first["request_id"]),
        (&"wa-eu".into(), &1.into(), &"invocation-1".into())
    );
    assert_eq!(first["connector"], world.digest());
    assert!(first["sandbox_us"].as_u64() > Some(0) && first["write_units"].as_f64() >= Some(1.0), "{first}");
    assert_eq!((&stored[1]["new"], &stored[1]["duplicates"]), (&0.into(), &1.into()));
}

#[tokio::test]
async fn a_function_answers_at_its_own_addresses_only() {
    let world = World::new().await;
    let (webhook, api) = (world.start("webhook").await, world.start("api").await);
    let text = text_webhook(&Text::new(ADA, 1)).through(Door::HttpApi);
    assert_eq!((api.ask(&text).await.status, world.events().await), (404, 0));
    let with_key = Sent::new("GET", "/v1/profiles/lookup", &format!("scheme=whatsapp&value={ADA}"))
        .with_header("authorization", &format!("Bearer {API_KEY}"));
    assert_eq!(webhook.ask(&with_key.through(Door::HttpApi)).await.status, 404);
    // API Gateway hands over paths decoded: this one is no URI.
    let odd = Sent::new("POST", "/hooks/a b\u{e9}", "").through(Door::HttpApi);
    for (function, status) in [(webhook, 401), (api, 404)] {
        assert_eq!(function.ask(&odd).await.status, status);
        assert_eq!(function.ask(&Sent::new("GET", "/healthz", "").through(Door::FunctionUrl)).await.status, 200);
    }
}

#[tokio::test]
async fn an_event_of_something_else_is_an_error_and_the_process_lives() {
    let world = World::new().await;
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let webhook = world.start("webhook").await;
    for event in [json!(7), json!({"Records": []}), json!({"rawPath": "/", "body": "a name"}), json!(null)] {
        let error = webhook.function.invoke(&event).await.unwrap_err();
        assert_eq!(error["errorType"], "Rapport.NoHttpEvent");
        assert!(!error.to_string().contains("a name"), "{error}");
    }
    let mut text = text_webhook(&Text::new(ADA, 1));
    text.headers.push(("traceparent".to_owned(), trace.to_owned()));
    assert_eq!(webhook.ask(&text.through(Door::FunctionUrl)).await.status, 200);
    assert_eq!(webhook.lines("events stored")[0]["traceparent"], trace);

    let fold = world.start("fold").await;
    for event in [json!(7), json!({"rawPath": "/"})] {
        assert_eq!(fold.function.invoke(&event).await.unwrap_err()["errorType"], "Rapport.NoBatch");
    }
    assert_eq!(fold.function.invoke(&batch([])).await.unwrap(), json!({"batchItemFailures": []}));
}

#[tokio::test]
async fn a_signature_over_the_url_is_good_for_the_url_that_the_provider_called() {
    let world = World::new().await;
    let function = world.start("webhook").await;
    let to = |url: &str| twilio_signature(url);
    let own = "https://abcdefghij.execute-api.eu-west-1.amazonaws.com";
    for (door, url, status) in [
        (Door::HttpApi, format!("{own}/hooks/sms-eu?a=%2F+b"), 200),
        (Door::Stage, format!("{own}/prod/hooks/sms-eu?a=%2F+b"), 200),
        (Door::Stage, format!("{own}/hooks/sms-eu?a=%2F+b"), 401),
        (Door::FunctionUrl, "https://urlid.lambda-url.eu-west-1.on.aws/hooks/sms-eu?a=%2F+b".to_owned(), 200),
        (Door::Domain, "https://hooks.example.com/hooks/sms-eu?a=%2F+b".to_owned(), 200),
        (Door::HttpApi, format!("{own}/hooks/sms-eu?a=/+b"), 401),
    ] {
        assert_eq!(function.ask(&to(&url).through(door)).await.status, status, "{door:?} {url}");
    }
    let named = world.start_with("webhook", &[("RAPPORT_PUBLIC_URL", "https://hooks.example.com/cx/")]).await;
    for door in [Door::Stage, Door::Domain, Door::FunctionUrl] {
        let signed = to("https://hooks.example.com/cx/hooks/sms-eu?a=%2F+b");
        assert_eq!(named.ask(&signed.through(door)).await.status, 200, "{door:?}");
    }
}

#[tokio::test]
async fn a_bad_record_is_skipped_and_the_good_ones_around_it_are_folded_once() {
    let world = World::new().await;
    world.put_texts((1..=4).map(|n| Text::new(ADA, n))).await;
    let mut all = records(&world.data.items().await);
    let item = |sk: &str| json!({"pk": {"S": "main#E#AAAAAAAAAAAAAAAAAAAAAA"}, "sk": {"S": sk}, "b": {"B": "AAAA"}});
    let event_sk = format!("V#{}", "0".repeat(26));
    all.insert(1, record("11", &item(&event_sk)));
    all.insert(2, json!({"eventName": "INSERT", "dynamodb": {"NewImage": 7}}));
    all.insert(3, json!("no record"));
    all.insert(4, json!({"eventName": "MODIFY", "dynamodb": {"SequenceNumber": "12", "NewImage": item("@")}}));
    let fold = world.start("fold").await;
    for _ in 0..2 {
        let answer = fold.function.invoke(&batch(all.clone())).await.unwrap();
        assert_eq!(answer, json!({"batchItemFailures": []}));
    }
    assert_eq!(world.messages_of(ADA).await, 4);
    assert_eq!(fold.lines("a record could not be read; what it is of stays in the table").len(), 4);
    let aside = fold.lines("set aside: not folded");
    assert_eq!((aside.len(), &aside[0]["endpoint"]), (2, &"AAAAAAAAAAAAAAAAAAAAAA".into()), "somebody looks at it");
    assert_eq!(fold.lines("batch folded")[0]["set_aside"], 1);
    let listed = fold.function.invoke(&json!({"fold": "list"})).await.unwrap();
    assert_eq!(listed["set_aside"][0]["reason"], "unreadable event: corrupt");
    let taken_up = fold.function.invoke(&json!({"fold": {"retry": ["AAAAAAAAAAAAAAAAAAAAAA"]}})).await.unwrap();
    let nothing_there = json!({"folded": ["AAAAAAAAAAAAAAAAAAAAAA"], "set_aside": []});
    assert_eq!(taken_up, nothing_there, "its item was never in the table");
    assert_eq!(fold.lines("batch folded")[0]["unreadable"], 3);
}

#[tokio::test]
async fn without_storage_a_webhook_is_503_and_a_batch_comes_again_from_its_first_record() {
    let world = World::new().await;
    let webhook = world.start("webhook").await;
    let fold = world.start("fold").await;
    let text = text_webhook(&Text::new(ADA, 1)).through(Door::HttpApi);
    world.put_texts([Text::new(ADA, 7), Text::new("16505550000", 8)]).await;
    let all = records(&world.data.items().await);
    assert_eq!(fold.function.invoke(&batch([])).await.unwrap(), json!({"batchItemFailures": []}), "it is ready");
    let health = Sent::new("GET", "/healthz", "").through(Door::HttpApi);
    assert_eq!(webhook.ask(&health).await.status, 200, "and it");

    let before = world.data.items().await;
    world.storage.close();
    let cold = world.start("webhook").await;
    let batch_of_all = batch(all.clone());
    // Each request to storage is tried several times, with waits in between; the fold makes two before it gives up.
    let patient = fold.function.invoke_within(&batch_of_all, 25_000);
    let (warm_answer, cold_answer, folded) = tokio::join!(webhook.ask(&text), cold.ask(&text), patient);
    assert_eq!((warm_answer.status, warm_answer.header("retry-after")), (503, Some("1")));
    assert_eq!(webhook.ask(&health).await.status, 503);
    assert_eq!(cold_answer.status, 503, "also by a function that was never ready");
    assert_eq!(webhook.lines("webhook not stored").len(), 1);
    let first = &all[0]["dynamodb"]["SequenceNumber"];
    assert_eq!(folded.unwrap(), json!({"batchItemFailures": [{"itemIdentifier": first}]}));

    assert_eq!(world.data.items().await, before, "nothing is half-written");
    world.storage.open();
    assert_eq!(webhook.ask(&text).await.status, 200);
    assert_eq!(cold.ask(&text).await.status, 200);
    assert_eq!(world.events().await, 3);
    assert_eq!(fold.function.invoke(&batch(all)).await.unwrap(), json!({"batchItemFailures": []}));
    assert_eq!((world.messages_of(ADA).await, world.messages_of("16505550000").await), (1, 1));
}

#[tokio::test]
async fn a_time_out_and_a_kill_lose_nothing_that_was_acknowledged() {
    let world = World::new().await;
    let mut ran = world.start("webhook").await;
    let text = |n| text_webhook(&Text::new(ADA, n)).through(Door::FunctionUrl);
    let late = Ran::answer(ran.function.invoke_within(&text(1), -1_000).await);
    assert_eq!(late.status, 503, "the deadline has passed");
    assert_eq!(ran.ask(&text(1)).await.status, 200);

    let mut acknowledged = 1;
    for n in 2..8 {
        let answer = ran.function.begin(&text(n), 10_000);
        if n % 2 == 0 {
            acknowledged += u64::from(Ran::answer(answer.await.unwrap()).status == 200);
        }
        ran.function.restart().await;
    }
    let stored = world.events().await as u64;
    assert!((acknowledged..=7).contains(&stored), "{stored} of {acknowledged}");
    for n in 1..8 {
        assert_eq!(ran.ask(&text(n)).await.status, 200);
    }
    assert_eq!(world.events().await, 7);
}

#[tokio::test]
async fn an_artefact_that_was_not_signed_like_this_is_refused_before_anything_of_it_runs() {
    let world = World::new().await;
    let good = fs::read(world.artefact("whatsapp")).unwrap();
    let flipped = |at: usize| {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        bytes
    };
    let manifest = good.windows(15).position(|window| window == b"id = \"whatsapp\"").unwrap();
    let text = text_webhook(&Text::new(ADA, 1)).through(Door::FunctionUrl);
    for (what, bytes, expected) in [
        ("code", flipped(good.len() - 100), "fix: "),
        ("manifest", flipped(manifest), "fix: "),
        ("signature", flipped(50), "fix: "),
        ("key", signed_by_another(), "fix: "),
        ("another connector", fs::read(world.artefact("sms")).unwrap(), "expected the component"),
        ("nothing", Vec::new(), "fix: "),
    ] {
        fs::write(world.artefact("whatsapp"), bytes).unwrap();
        let function = world.start("webhook").await;
        assert_eq!(function.ask(&text).await.status, 500, "{what}");
        let lines = function.lines("the connection cannot be set up");
        let error = lines[0]["error"].as_str().unwrap();
        assert!(error.starts_with("connector `whatsapp`, `connectors/whatsapp.artefact`: "), "{what}: {error}");
        assert!(error.contains(expected), "{what}: {error}");
        let sms = twilio_signature("https://urlid.lambda-url.eu-west-1.on.aws/hooks/sms-eu?a=%2F+b");
        if what == "code" {
            assert_eq!(function.ask(&sms.through(Door::FunctionUrl)).await.status, 200, "others are as good as before");
        }
    }
    fs::write(world.artefact("whatsapp"), &good).unwrap();
    assert_eq!(world.start("webhook").await.ask(&text).await.status, 200);
}

#[tokio::test]
async fn a_large_body_goes_to_the_bucket_and_the_fold_reads_it_there() {
    let world = World::new().await;
    let webhook = world.start("webhook").await;
    assert_eq!(webhook.ask(&Sent::new("GET", "/healthz", "").through(Door::HttpApi)).await.status, 200);
    // What does not get smaller by compression.
    let hash = |n: usize| digest(&SHA256, &n.to_le_bytes());
    let noise: Vec<u8> = (0..INLINE_BYTES_MAX / 8).flat_map(|n| hash(n).as_ref().to_vec()).collect();
    let text = Text { text: STANDARD.encode(noise), ..Text::new(ADA, 1) };
    world.services.fail(2);
    assert_eq!(webhook.ask(&text_webhook(&text).through(Door::HttpApi)).await.status, 200, "tried again twice");
    let objects = world.services.objects();
    let path = objects.keys().next().unwrap();
    assert!(objects.len() == 1 && path.starts_with("/rapport-blobs/main/"), "{path}");

    let fold = world.start("fold").await;
    let all = records(&world.data.items().await);
    assert_eq!(fold.function.invoke(&batch([])).await.unwrap(), json!({"batchItemFailures": []}), "it is ready");
    world.services.fail(100);
    let first = all[0]["dynamodb"]["SequenceNumber"].clone();
    let answer = fold.function.invoke(&batch(all.clone())).await.unwrap();
    assert_eq!(
        answer,
        json!({"batchItemFailures": [{"itemIdentifier": first}]}),
        "a bucket that is away is waited for"
    );
    world.services.fail(0);
    assert_eq!(fold.function.invoke(&batch(all)).await.unwrap(), json!({"batchItemFailures": []}));
    assert_eq!(world.messages_of(ADA).await, 1);
}

#[tokio::test]
async fn a_secret_that_cannot_be_had_is_an_answer_and_no_end() {
    let world = World::new().await;
    let text = text_webhook(&Text::new(ADA, 1)).through(Door::FunctionUrl);
    let elsewhere = world.start_with("webhook", &[("RAPPORT_SECRETS", "another")]).await;
    assert_eq!(elsewhere.ask(&text).await.status, 503);
    let lines = elsewhere.lines("not ready");
    assert!(lines[0]["error"].as_str().unwrap().contains("ResourceNotFoundException"), "{lines:?}");

    world.services.put_secret(&json!({"tenant-key": "short"}));
    let function = world.start("webhook").await;
    assert_eq!(function.ask(&text).await.status, 500);
    world.services.put_secret(&deployment::secrets());
    assert_eq!(function.ask(&text).await.status, 200, "it looks again");
    assert_eq!(function.lines("not ready").len(), 1);
    assert!(!format!("{:?}", function.function.log()).contains("short\""));
}
