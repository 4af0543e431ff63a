//! What keeps a message from leaving: rules, people, pauses; and what waits for its minute.

use std::sync::atomic::Ordering;
use std::time::Duration;

use rapport_model::event::{Author, ConsentState};
use rapport_model::sending::intent::State;
use rapport_model::sending::lock::{Fence, Holder, Word};
use rapport_outbound::health::PAUSE_MS;
use rapport_outbound::{Ended, wakes};
use rapport_store::erasure::{ADDRESS, Suppression};
use rapport_store::outbox::wake::Wakes;

use super::provider::Act;
use super::worker::World;
use crate::support::NOW;

fn rule(state: &State) -> &str {
    match state {
        State::Refused { rule, .. } => rule,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn nothing_leaves_for_a_purpose_that_is_not_wanted_or_to_an_address_that_takes_nothing() {
    let world = World::new("").await;
    let key = world.table().tenant_key().event_key(NOW, "shop", "stop").unwrap();
    let word = Word { event: key.clone(), state: ConsentState::Withdrawn };
    world.table().put_word(&world.of, "service", &word).await.unwrap();
    let stopped = world.put(0, &["a"]).await;
    world.turn().await;
    assert_eq!(rule(&world.state(&stopped).await), "consent-withdrawn");

    let granted = Word {
        event: world.table().tenant_key().event_key(NOW + 1, "shop", "yes").unwrap(),
        state: ConsentState::Granted,
    };
    world.table().put_word(&world.of, "service", &granted).await.unwrap();
    let suppression = Suppression { event: key, is_on: true };
    world.table().put_suppression(&world.of.eid, ADDRESS, &suppression).await.unwrap();
    let bounced = world.put(1, &["b"]).await;
    world.pass(10);
    world.turn().await;
    assert_eq!(rule(&world.state(&bounced).await), "address-suppressed");
    assert_eq!(world.provider.requests(), [""; 0]);
}

#[tokio::test]
async fn a_bot_that_comes_after_a_person_says_nothing() {
    let world = World::new("").await;
    let by = world.table().tenant_key().event_key(NOW, "shop", "take").unwrap();
    let mut late = world.intent(0, &["from a bot"]);
    late.draft.author = Author::Automation;
    late.draft.fence = Some(Fence::default());
    world.table().put_intent(&late).await.unwrap();
    world.table().move_control(&world.of, &by, &Holder::Agent(None), NOW).await.unwrap();
    world.turn().await;
    assert_eq!(rule(&world.state(&late.id).await), "stale-control");
    assert_eq!(world.provider.requests(), [""; 0]);
}

/// A connector that lies about what can be repeated has neither two messages nor one over a person.
#[tokio::test]
async fn a_connector_whose_upload_is_the_message_itself_fails_after_one_request_and_never_over_a_person() {
    let world = World::new("").await;
    let sly = world.put(0, &["sly", "never"]).await;
    let crowd = world.put(1, &["crowd"]).await;
    world.pass(10);
    world.turn().await;
    world.turn().await;
    for (id, fix) in [(&sly, "no `repeatable()`"), (&crowd, "one step for it alone")] {
        let State::Failed(why) = world.state(id).await else { panic!("{:?}", world.state(id).await) };
        assert!(why.kind == "internal" && why.detail.as_ref().unwrap().contains(fix), "{why:?}");
    }
    assert_eq!(world.provider.requests().len(), 1, "{:?}", world.provider.requests());

    let by = world.table().tenant_key().event_key(NOW, "shop", "take").unwrap();
    let mut late = world.intent(20, &["sly"]);
    late.draft.author = Author::Automation;
    late.draft.fence = Some(Fence::default());
    world.table().put_intent(&late).await.unwrap();
    world.table().move_control(&world.of, &by, &Holder::Agent(None), NOW).await.unwrap();
    world.pass(20);
    world.turn().await;
    assert_eq!(rule(&world.state(&late.id).await), "stale-control");
    assert_eq!(world.provider.requests().len(), 1);
}

#[tokio::test]
async fn five_answers_in_a_row_that_say_nothing_pause_the_connection() {
    let world = World::new("").await;
    world.provider.next(vec![Act::TakeAndAnswer(500); 5]);
    for n in 0..6 {
        world.put(n, &["x"]).await;
    }
    world.pass(10);
    assert_eq!(world.turn().await, Ended::Rested(Some(NOW + 10 + PAUSE_MS)));
    assert_eq!(world.provider.ledger().len(), 5);
    // Another process hears of it by the rate's item.
    let (other, _woken) = world.another();
    assert_eq!(other.turn(&world.of).await.unwrap(), Ended::Rested(Some(NOW + 10 + PAUSE_MS)));
    world.pass(PAUSE_MS);
    assert_eq!(world.turn().await, Ended::Rested(None));
    assert_eq!(world.provider.ledger().len(), 6);
}

#[tokio::test]
async fn an_account_that_is_refused_three_times_is_paused_and_loses_no_more_messages() {
    let world = World::new("").await;
    world.provider.next(vec![Act::Refuse(401, ""); 3]);
    let mut ids = Vec::new();
    for n in 0..5 {
        ids.push(world.put(n, &["x"]).await);
    }
    world.pass(10);
    assert!(matches!(world.turn().await, Ended::Rested(Some(_))));
    for id in &ids[..3] {
        let State::Failed(why) = world.state(id).await else { panic!() };
        assert_eq!(why.kind, "account");
    }
    for id in &ids[3..] {
        assert_eq!(world.state(id).await, State::Pending);
    }
}

#[tokio::test]
async fn what_is_due_in_an_hour_is_noted_for_its_minute_and_woken_then() {
    let world = World::new("").await;
    let id = world.put(3_600_000, &["later"]).await;
    assert_eq!(world.turn().await, Ended::Rested(Some(NOW + 3_600_000)));
    assert_eq!(world.worker.tick(NOW).await.unwrap().woken, 0);
    world.pass(3_600_000 + 15 * 60_000);
    let mut woken = 0;
    for _ in 0..3 {
        woken += world.worker.tick(world.now.load(Ordering::Relaxed)).await.unwrap().woken;
    }
    assert_eq!(woken, 1);
    assert_eq!(world.turn().await, Ended::Rested(None));
    assert_eq!(world.state(&id).await, State::Sent);
}

#[tokio::test]
async fn a_process_that_starts_finds_what_is_unfinished_and_then_hears_wakes() {
    let world = World::new("").await;
    world.put(0, &["before"]).await;
    let (near, woken) = wakes::local();
    let running = tokio::spawn(wakes::work(world.worker.clone(), woken));
    world.provider.has(1).await;
    world.pass(5);
    world.put(5, &["after"]).await;
    near.wake(&world.of, NOW).await.unwrap();
    world.provider.has(2).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    running.abort();
    assert_eq!(world.provider.texts(), ["before", "after"]);
}

/// What a client was told "202" about leaves, although the process that took it died at once.
#[tokio::test]
async fn rapport_dev_sends_what_was_put_before_it_started() {
    let provider = super::provider::Provider::start().await;
    let folder = tempfile::TempDir::new().unwrap();
    std::fs::write(folder.path().join("courier.wasm"), crate::connectors::courier()).unwrap();
    std::fs::write(folder.path().join("api-key"), "key-of-the-courier-0123456789").unwrap();
    let written = format!(
        "[connections.courier]\nconnector = 'courier.wasm'\nsecrets = {{ api-key = 'file:api-key' }}\n\
         [connections.courier.sending]\nbase-url = 'http://{}'\n",
        provider.address
    );
    std::fs::write(folder.path().join("rapport.toml"), &written).unwrap();
    let config = rapport_config::Config::parse(&written).unwrap();
    let id = {
        let data = rapport_cli::service::Data::serve(&folder.path().join("data")).unwrap();
        let table = data.table(&config, folder.path()).await.unwrap();
        let mut intent = World::new("").await.intent(0, &["before it started"]);
        let now = u64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_millis()).unwrap();
        let key = rapport_model::EndpointKey { scheme: "phone".into(), scope: None, value: "+16505551234".into() };
        intent.birth.eid = table.eid(&key);
        intent.birth.created_at = now;
        intent.birth.expires_at = now + 600_000;
        intent.id = rapport_model::sending::IntentId::new(now, 1).unwrap();
        intent.due_at = now;
        table.put_intent(&intent).await.unwrap();
        intent.id
    };
    let mut dev = crate::support::dev::Dev::start(folder.path()).await;
    provider.has(1).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    dev.kill().await;
    assert_eq!(provider.texts(), ["before it started"], "{id}");
}
