//! An erasure by request goes by our clock: whatever time an event claims, it goes if it was here.

use rapport_projections::fold::fold_batch;
use rapport_projections::rebuild_after_erasure::proceed;
use rapport_store::events::NewEvent;
use serde_json::{Value, json};

use super::{ADA, BOB, TRACES, World, record, said, traces};
use crate::support::api::Api;
use crate::support::{NOW, Service, wa_eu};

/// 2099-01-01, and a day of 1970.
const FUTURE: u64 = 4_070_908_800_000;
const PAST: u64 = 86_400_000;

#[tokio::test]
async fn what_claims_to_be_of_the_future_or_of_the_past_is_erased_with_everything_that_follows_of_it() {
    let service = Service::start([wa_eu()]).await;
    let table = &service.data.table;
    for (id, at) in [("future", FUTURE), ("past", PAST), ("soon", NOW + 3_600_000), ("now", NOW - 1)] {
        let mut new = said(table, id, at, ADA, "an engine");
        new.event.contact.display_name = Some("Ada Lovelace".into());
        new.event.contact.traits.insert("surname".into(), json!("Lovelace"));
        service.data.put(new).await;
    }
    service.settle().await;
    assert!(service.look_up("phone", "+16505551234").await.is_some());

    let request =
        json!({"identifier": {"scheme": "whatsapp", "value": "16505551234"}, "by": "ada", "reason": "she asked"});
    let receipt = service.post("/v1/erasures", &request).await.json();
    assert_eq!((&receipt["state"], &receipt["removed"]["events"]), (&json!("completed"), &json!(4)), "{receipt:#}");
    assert_eq!(receipt["requested_by"]["reason"], "she asked");
    assert!(receipt["requested_by"].to_string().contains("ada"), "{receipt:#}");
    assert_eq!(traces(&service.data, &TRACES).await, [] as [String; 0]);
    for (scheme, value) in ADA {
        assert_eq!(service.look_up(scheme, value).await, None);
    }
    assert_eq!(service.post("/v1/erasures", &request).await.json(), receipt, "asked again, it says the same");

    // Delivered again: also what is of a time that is still to come, but is believed.
    for (id, at) in [("past", PAST), ("soon", NOW + 3_600_000), ("now", NOW - 1)] {
        service.data.put(said(table, id, at, ADA, "an engine")).await;
    }
    service.settle().await;
    assert_eq!(traces(&service.data, &TRACES).await, [] as [String; 0]);

    let new = NewEvent { received_at: NOW + 5, ..said(table, "new", NOW + 5, ADA, "hello again") };
    service.data.put(new).await;
    service.settle().await;
    let fresh = service.look_up("whatsapp", "16505551234").await.expect("a new message is a new contact");
    assert_eq!(fresh["counters"]["events"], 1, "though something was erased that claimed to be later");
}

/// What was received since, by our clock, is folded anew: also what came while it went on.
#[test]
fn what_is_received_since_stays_whatever_it_says_of_what_was_before() {
    let world = World::new(3);
    let (table, runtime) = (&world.table, &world.runtime);
    runtime.block_on(async {
        fold_batch(table, &world.records(), NOW).await.unwrap();
        let eid = world.events[0].eid.clone();
        let mut erasure = table.begin_erasure(&eid, None, NOW).await.unwrap().unwrap();
        table.continue_erasure(&mut erasure, &[], NOW).await.unwrap();
        // All is swept, and nothing folded anew yet.
        let new = NewEvent { received_at: NOW + 7, ..said(table, "new", NOW + 7, ADA, "hello") };
        let webhook =
            rapport_store::RawWebhook { method: "POST".into(), url: String::new(), headers: vec![], body: vec![] };
        table.put_events(vec![new.clone()], webhook).await.unwrap();
        proceed(table, &mut erasure, &[], NOW + 8).await.unwrap();
        assert!(erasure.completed_at.is_some());
        let record = record(&new, 99);
        fold_batch(table, &[record], NOW + 9).await.unwrap();
        let state = table.endpoint(&eid).await.unwrap().expect("the new contact is there");
        assert_eq!(state.heads.values().map(|head| head.counters["messages_received"]).sum::<u64>(), 1);
    });
}

/// An erasure that cannot prove that all is gone says so, and is not completed.
#[test]
fn an_erasure_that_leaves_something_is_not_completed() {
    let world = World::new(5);
    let (table, runtime) = (&world.table, &world.runtime);
    runtime.block_on(async {
        fold_batch(table, &world.records(), NOW).await.unwrap();
        let eid = world.events[0].eid.clone();
        let mut erasure = table.begin_erasure(&eid, None, NOW).await.unwrap().unwrap();
        table.continue_erasure(&mut erasure, &[], NOW).await.unwrap();
        assert!(erasure.to_rebuild().is_some(), "all is swept");
        // A fold of before writes a cell late.
        let mut said = world.events[0].event.clone();
        said.contact.traits.insert("surname".into(), json!("Lovelace"));
        let late = rapport_model::cells::traits(&world.events[0].key, &said, table.rules());
        table.put_trait(&eid, &late[0]).await.unwrap();
        table.complete_erasure(&mut erasure, NOW).await.unwrap();
        assert!(erasure.completed_at.is_none(), "it is swept again first");
        proceed(table, &mut erasure, &[], NOW).await.unwrap();
        assert!(erasure.completed_at.is_some());
        assert_eq!(world.left(), [] as [String; 0]);
    });
}

/// Items that nobody can read go like the rest, and hold nothing up.
#[tokio::test]
async fn what_cannot_be_read_is_erased_as_well() {
    let api = Api::new().await;
    let world: Vec<NewEvent> =
        (0..3).map(|n| said(&api.table, &format!("{n}"), NOW - 10 + n, ADA, "an engine")).collect();
    let webhook =
        rapport_store::RawWebhook { method: "POST".into(), url: String::new(), headers: vec![], body: b"{}".to_vec() };
    let bob = said(&api.table, "bob", NOW - 20, BOB, "good morning");
    api.table.put_events([vec![bob], world.clone()].concat(), webhook).await.unwrap();
    fold_batch(&api.table, &[record(&world[0], 1)], NOW).await.unwrap();
    let pk = format!("main#E#{}", world[0].eid);
    for item in api.engine.items().iter().filter(|item| item["pk"]["S"] == *pk) {
        let sk = item["sk"]["S"].as_str().unwrap();
        let (name, broken) = match sk {
            sk if sk.starts_with("V#") => ("b", json!({"B": "AAAA"})),
            sk if sk.starts_with("C#") => ("head", json!({"S": "{"})),
            sk if sk.starts_with("L#") || sk == "@" => continue,
            _ => ("cell", json!({"S": "{"})),
        };
        api.engine.damage(&pk, sk, name, &broken);
    }
    let request = json!({"identifier": {"scheme": "whatsapp", "value": "16505551234"}});
    let receipt = api.expect(200, ("POST", "/v1/erasures"), Some(request)).await;
    assert_eq!((&receipt["state"], &receipt["removed"]["events"]), (&json!("completed"), &json!(3)), "{receipt:#}");
    let left: Vec<Value> = api.engine.items().into_iter().filter(|item| item["pk"]["S"] == *pk).collect();
    assert!(left.iter().all(|item| item["sk"]["S"] == "@" && item["addr"].is_null()), "{left:#?}");
}
