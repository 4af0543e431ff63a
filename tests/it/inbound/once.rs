//! What a provider uses once, and what it says no time of: sent again it is a duplicate or refused, however late.

use std::sync::Arc;

use rapport_store::nonces::NonceOwner;
use serde_json::{Value, json};

use crate::support::faults::{Faults, Weather};
use crate::support::{Data, NOW, Service, gateway_at, hostile, open, unverified};
use rapport_store::embedded::Embedded;

fn message(nonce: &str, id: &str) -> Value {
    json!({"id": id, "from": "someone", "at": 1_790_668_800_000u64, "text": "hello", "nonce": nonce})
}

/// S11: a token of a signature that does not cover the body was good for any body for a day.
#[tokio::test]
async fn a_value_that_is_used_once_is_its_first_bodys_and_leaves_nothing_of_another() {
    let once = || hostile("shop", json!({"behaviour": "nonce", "when": "after"}));
    let service = Service::start([once(), hostile("other", json!({"behaviour": "nonce", "when": "after"}))]).await;
    assert_eq!(service.deliver_to("shop", &message("n-1", "m-1")).await.status, 200);
    let before = service.data.items().await;
    for _ in 0..3 {
        assert_eq!(service.deliver_to("shop", &message("n-1", "m-1")).await.status, 200, "a redelivery");
        assert_eq!(service.deliver_to("shop", &message("n-1", "m-2")).await.status, 401, "another body");
    }
    service.settle().await;
    let events = |items: &[crate::support::table::Item]| {
        items.iter().filter(|item| crate::support::table::is_event(item)).count()
    };
    let after = service.data.items().await;
    assert_eq!((events(&before), events(&after)), (1, 1));
    let claims =
        after.iter().filter(|item| crate::support::table::text(item, "pk").contains("#nonce#")).collect::<Vec<_>>();
    assert_eq!(claims.len(), 1);
    assert!(!format!("{claims:?}").contains("n-1"), "neither the value nor the body is kept");
    assert_eq!(service.deliver_to("shop", &message("n-2", "m-2")).await.status, 200, "its own value");
    assert_eq!(service.deliver_to("other", &message("n-1", "m-3")).await.status, 200, "another connection's");
}

/// Claims over a way that throttles, resets and loses answers.
#[tokio::test]
async fn a_lost_answer_of_a_claim_is_harmless_and_no_two_bodies_have_one_value() {
    let data = Data::new().await;
    let way = Faults::between(data.embedded.address(), Weather { per_mille: 400, throttled: 0 }, 20_261_130).await;
    let table = open(Embedded::at(way.address), data.folder()).await;
    let mut failed = 0;
    for n in 0..60 {
        let nonce = format!("n-{n}");
        let claimed = loop {
            match table.claim_nonce("shop", &nonce, b"first", NOW).await {
                Ok(claimed) => break claimed,
                Err(_) => failed += 1,
            }
        };
        assert_eq!(claimed, NonceOwner::Ours, "{nonce}: whoever asks again has it");
        let other = loop {
            match table.claim_nonce("shop", &nonce, b"second", NOW).await {
                Ok(claimed) => break claimed,
                Err(_) => failed += 1,
            }
        };
        assert_eq!(other, NonceOwner::Taken, "{nonce}");
    }
    assert!(way.fired().len() >= 5, "{:?} and {failed} that were asked again", way.fired());
}

fn untimed() -> Vec<u8> {
    json!({"id": "m-1", "from": "someone", "at": 0, "text": "hello"}).to_string().into_bytes()
}

/// S11: a captured form that says no time was a new message of today after eight days, also of an erased person.
#[tokio::test]
async fn an_event_without_a_time_stays_a_duplicate_for_ever_also_of_an_erased_person() {
    let token = "a-path-token-of-tests";
    let connection =
        || unverified("open", "unsigned = 'a test of it'", json!({}), &[("path-token", vec![token])]).unwrap();
    let service = Service::start([connection()]).await;
    let target = format!("/hooks/open/{token}");
    assert_eq!(service.send("POST", &target, &[], &untimed()).await.status, 200);
    // DynamoDB takes away what has a `ttl` that is over: nothing of this may have one.
    for item in service.data.items().await {
        let first_seen = crate::support::table::text(&item, "sk").starts_with("F#");
        assert!(!first_seen || !item.contains_key("ttl"), "{item:?}");
    }
    let at = |now: fn() -> u64| {
        Service::of(gateway_at(service.data.table.clone(), [connection()], now), Arc::clone(&service.data))
    };
    let next_year = at(|| NOW + 400 * 24 * 3600 * 1000).await;
    assert_eq!(next_year.send("POST", &target, &[], &untimed()).await.status, 200);
    service.settle().await;
    let profile = service.look_up("hostile", "someone").await.unwrap();
    assert_eq!(service.timeline(&profile, 50).await.len(), 1);

    let identifier = json!({"identifier": {"scheme": "hostile", "value": "someone"}});
    assert_eq!(next_year.post("/v1/erasures", &identifier).await.status, 200);
    let two_years = at(|| NOW + 800 * 24 * 3600 * 1000).await;
    assert_eq!(two_years.send("POST", &target, &[], &untimed()).await.status, 200);
    two_years.settle().await;
    assert_eq!(two_years.look_up("hostile", "someone").await, None, "it stays gone");
}
