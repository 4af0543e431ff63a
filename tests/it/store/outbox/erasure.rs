//! A person is erased while messages to them are on their way: nothing starts any more, nothing is left, and nothing but their
//! own words brings them back.

use rapport_model::event::{Author, Body, Consent, ConsentState, Covered, Delivery, DeliveryState, ProviderError};
use rapport_model::sending::intent::{Intent, Started};
use rapport_model::sending::lock::{Ask, Holder, Refusal};
use rapport_projections::fold::fold_batch;
use rapport_projections::rebuild_after_erasure::proceed;
use rapport_store::erasure::{ADDRESS, Erasure};
use rapport_store::events::{Logged, NewEvent};
use rapport_store::heads::Sequence;
use rapport_store::outbox::intents::Changed;
use rapport_store::outbox::lock::Marked;
use rapport_store::stream::Inserted;
use rapport_store::{Mistake, RawWebhook, Table};

use super::Outbox;
use crate::people::erasure::said;
use crate::support::NOW;

const ADA: &[(&str, &str)] = &[("whatsapp", "16505551234")];
const SECOND: u64 = 1_000;

/// Puts an event as if it had come alone, and folds it.
async fn hear(table: &Table, new: NewEvent, number: u64) {
    let (eid, key) = (new.eid.clone(), new.key.clone());
    let webhook = RawWebhook { method: "POST".into(), url: String::new(), headers: vec![], body: vec![] };
    table.put_events(vec![new], webhook).await.unwrap();
    let Some(Logged::Event(stored)) = table.logged(&eid, &key).await.unwrap() else { return };
    fold_batch(table, &[Inserted { sequence: Sequence::new(&number.to_string()), stored: *stored }], NOW)
        .await
        .unwrap();
}

/// What somebody says of Ada, at so many seconds after now.
fn says(table: &Table, id: &str, seconds: u64, body: Body) -> NewEvent {
    let at = NOW + seconds * SECOND;
    let mut new = said(table, id, at, ADA, "");
    new.event.body = body;
    new
}

fn own_message(table: &Table, id: &str, at: u64) -> NewEvent {
    let mut new = said(table, id, at, ADA, "your order left our house");
    if let Body::Message(message) = &mut new.event.body {
        message.author = Author::Agent;
    }
    new
}

fn status(table: &Table, id: &str, seconds: u64) -> NewEvent {
    let covers = Covered::Message("wamid.1".into());
    says(table, id, seconds, Body::Delivery(Delivery { covers, state: DeliveryState::Delivered, reference: None }))
}

async fn begin(outbox: &Outbox, now: u64) -> Erasure {
    outbox.table.begin_erasure(&outbox.of.eid, None, now).await.unwrap().unwrap()
}

/// Kinds of items at Ada's endpoint.
fn kinds(outbox: &Outbox) -> Vec<String> {
    let pk = format!("main#E#{}", outbox.of.eid);
    let items = outbox.engine.items();
    let of_ada = items.iter().filter(|item| item["pk"]["S"] == pk);
    let mut kinds: Vec<String> =
        of_ada.map(|item| item["sk"]["S"].as_str().unwrap().split('#').next().unwrap().to_owned()).collect();
    kinds.sort();
    kinds
}

/// Ada has written, and a message to her is due.
async fn world() -> (Outbox, Intent) {
    let mut outbox = Outbox::new().await;
    let hello = said(&outbox.table, "1", NOW - 5 * SECOND, ADA, "hello");
    outbox.of.eid = hello.eid.clone();
    outbox.of.account = hello.event.account.clone();
    hear(&outbox.table, hello, 1).await;
    let intent = outbox.intent(0, &["your order left our house"]);
    (outbox, intent)
}

#[tokio::test]
async fn an_erasure_waits_for_a_message_that_is_under_way_and_then_nothing_is_left() {
    let (outbox, intent) = world().await;
    let table = outbox.table.clone();
    let stored = outbox.put(&intent).await;
    let waits = outbox.put(&outbox.intent(5, &["later"])).await;
    let moved = table.move_control(&outbox.of, &outbox.event_key(1), &Holder::Agent(None), NOW).await.unwrap();
    let ask = Ask::of(&stored, table.draw_token(), NOW);
    let Marked::Won(marker) = table.put_marker(&outbox.of, &moved.lock, &ask).await.unwrap() else { panic!("it may") };

    let mut erasure = begin(&outbox, NOW + 1).await;
    proceed(&table, &mut erasure, &[], NOW + 2).await.unwrap();
    assert_eq!(erasure.completed_at, None, "it is running");
    let lock = table.lock(&outbox.of).await.unwrap();
    assert_eq!(lock.against(&Ask::of(&waits, table.draw_token(), NOW + 2)), Some(Refusal::Closed));
    // Its worker ends after the erasure closed the lock: event and record.
    let event = own_message(&table, "r1", NOW + 3);
    table.put_sent(event.clone(), &stored.origin(0, &marker.started)).await.unwrap();
    proceed(&table, &mut erasure, &[], NOW + 19 * SECOND).await.unwrap();
    assert_eq!(erasure.completed_at, None);
    proceed(&table, &mut erasure, &[], NOW + 21 * SECOND).await.unwrap();
    assert!(erasure.completed_at.is_some());
    assert_eq!(erasure.removed["outgoing_messages"], 2, "{:?}", erasure.removed);
    // Of the event, whose time is later than the request, there is a hash.
    assert_eq!(kinds(&outbox), ["@", "F", "Y"]);
    let lock = table.lock(&outbox.of).await.unwrap();
    assert_eq!(lock.fence, moved.lock.fence, "the fence stays");

    // What comes after the sweep: a record, the event once more, an intent whose put was slow, a status, a foreign echo.
    let late = table.change_intent(&stored, |now| now.undetermined(0, marker.started.clone(), ("timeout", None))).await;
    assert_eq!(late.unwrap(), Changed::Gone);
    table.put_sent(event.clone(), &stored.origin(0, &marker.started)).await.unwrap();
    let Some(Logged::Event(own)) = table.logged(&event.eid, &event.key).await.unwrap() else { panic!("it is there") };
    assert_eq!(own.origin.as_ref().unwrap().intent, stored.id);
    fold_batch(&table, &[Inserted { sequence: Sequence::new("2"), stored: *own }], NOW).await.unwrap();
    hear(&table, status(&table, "s1", 60), 3).await;
    hear(&table, own_message(&table, "echo", NOW + 61 * SECOND), 4).await;
    assert_eq!(kinds(&outbox), ["@", "F", "Y"], "nobody came back");
    let reference = Some(stored.reference(0).write(table.tenant_key()));
    let covers = Covered::Message("wamid.1".into());
    let told = Delivery { covers, state: DeliveryState::Read, reference };
    hear(&table, says(&table, "s-ref", 62, Body::Delivery(told.clone())), 41).await;
    assert_eq!(kinds(&outbox), ["@", "F", "Y"], "nobody came back");
    let slow = outbox.put(&outbox.intent(7, &["slow"])).await;
    let refused = table.put_marker(&outbox.of, &lock, &Ask::of(&slow, table.draw_token(), NOW + 70 * SECOND)).await;
    assert_eq!(refused.unwrap(), Marked::Refused(Refusal::Closed));
    table.delete_intent(&slow).await.unwrap();

    // Her own words do.
    hear(&table, said(&table, "2", NOW + 90 * SECOND, ADA, "it is me again"), 5).await;
    hear(&table, status(&table, "s2", 91), 6).await;
    hear(&table, says(&table, "s-ref-2", 92, Body::Delivery(told)), 61).await;
    assert_eq!(kinds(&outbox), ["@", "C", "F", "T", "V", "V", "Y"]);
    let fresh = Intent::new(
        table.draw_intent_id(NOW + 95 * SECOND).unwrap(),
        rapport_model::sending::intent::Birth { created_at: NOW + 95 * SECOND, ..intent.birth.clone() },
        intent.draft.clone(),
        NOW + 95 * SECOND,
    );
    let fresh = outbox.put(&fresh).await;
    let ask = Ask::of(&fresh, table.draw_token(), NOW + 95 * SECOND);
    let lock = table.lock(&outbox.of).await.unwrap();
    let seen = rapport_model::sending::lock::Seen { token: lock.out.as_ref().unwrap().token.clone(), unknown: None };
    let ask = Ask { seen: Some(seen), ..ask };
    assert!(matches!(table.put_marker(&outbox.of, &lock, &ask).await.unwrap(), Marked::Won(_)));
}

#[tokio::test]
async fn an_opt_out_and_a_bounce_survive_and_bring_nobody_back() {
    let (outbox, _) = world().await;
    let table = outbox.table.clone();
    let consent = |state| Body::Consent(Consent { purpose: "marketing".into(), state, evidence: None });
    hear(&table, says(&table, "stop", 1, consent(ConsentState::Withdrawn)), 2).await;
    let error = ProviderError { code: "550".into(), title: "no such user".into(), detail: None, retryable: false };
    let bounce = Delivery { covers: Covered::Address, state: DeliveryState::Failed(error), reference: None };
    hear(&table, says(&table, "bounce", 2, Body::Delivery(bounce)), 3).await;
    let mut erasure = begin(&outbox, NOW + 5 * SECOND).await;
    proceed(&table, &mut erasure, &[], NOW + 5 * SECOND).await.unwrap();
    assert!(erasure.completed_at.is_some());
    let kept = table.suppressions(&outbox.of.eid).await.unwrap();
    assert!(kept["marketing"].is_on && kept[ADDRESS].is_on, "{kept:?}");
    // A stop that is said after the erasure is kept, and nobody is known for it.
    let service = Body::Consent(Consent { purpose: "service".into(), state: ConsentState::Withdrawn, evidence: None });
    hear(&table, says(&table, "stop-2", 9, service), 4).await;
    assert!(table.suppressions(&outbox.of.eid).await.unwrap()["service"].is_on);
    assert_eq!(kinds(&outbox), ["@"]);
    // A grant is her own word.
    hear(&table, says(&table, "start", 20, consent(ConsentState::Granted)), 5).await;
    assert!(!table.suppressions(&outbox.of.eid).await.unwrap()["marketing"].is_on);
    assert!(kinds(&outbox).contains(&"K".to_owned()));
}

/// The first message of a conversation has no lock that an erasure could close.
#[tokio::test]
async fn a_first_message_that_was_put_after_the_sweep_does_not_start() {
    let (outbox, intent) = world().await;
    let table = outbox.table.clone();
    let mut erasure = begin(&outbox, NOW + 1).await;
    proceed(&table, &mut erasure, &[], NOW + 1).await.unwrap();
    assert_eq!(kinds(&outbox), ["@"]);
    let slow = outbox.put(&intent).await;
    let lock = table.lock(&outbox.of).await.unwrap();
    let ask = Ask::of(&slow, table.draw_token(), NOW + 2);
    let careless = table.clone().with_mistake(Mistake::MarkerIgnoresClosed);
    assert!(matches!(careless.put_marker(&outbox.of, &lock, &ask).await.unwrap(), Marked::Won(_)));
    table.release_marker(&outbox.of, &ask.token, false).await.unwrap();
    let other = outbox.of.clone();
    let other = rapport_store::outbox::intents::Conversation { account: "another".into(), ..other };
    assert_eq!(table.put_marker(&other, &lock, &ask).await.unwrap(), Marked::Refused(Refusal::Closed));
    assert_eq!(table.lock(&other).await.unwrap().out, None, "it is released");
}

#[tokio::test]
async fn what_an_erasure_leaves_out_is_noticed() {
    // It does not wait: the request of a live marker leaves after the erasure is done.
    let (outbox, intent) = world().await;
    let hasty = outbox.table.clone().with_mistake(Mistake::ErasureDoesNotWaitForMarker);
    let stored = outbox.put(&intent).await;
    let lock = hasty.lock(&outbox.of).await.unwrap();
    let marked = hasty.put_marker(&outbox.of, &lock, &Ask::of(&stored, hasty.draw_token(), NOW)).await.unwrap();
    assert!(matches!(marked, Marked::Won(_)));
    let mut erasure = begin(&outbox, NOW + 1).await;
    proceed(&hasty, &mut erasure, &[], NOW + 2).await.unwrap();
    assert!(erasure.completed_at.is_some(), "the mistake");

    // A late event stays.
    let (outbox, intent) = world().await;
    let table = outbox.table.clone().with_mistake(Mistake::LateEventStays);
    let stored = outbox.put(&intent).await;
    let mut erasure = begin(&outbox, NOW + 1).await;
    proceed(&table, &mut erasure, &[], NOW + 2).await.unwrap();
    let started = Started { at: NOW + 5, answers: None };
    let event = own_message(&table, "r1", NOW + 5);
    table.put_sent(event.clone(), &stored.origin(0, &started)).await.unwrap();
    let Some(Logged::Event(own)) = table.logged(&event.eid, &event.key).await.unwrap() else { panic!("it is there") };
    fold_batch(&table, &[Inserted { sequence: Sequence::new("2"), stored: *own.clone() }], NOW).await.unwrap();
    assert!(kinds(&outbox).contains(&"V".to_owned()), "the mistake");
    let (outbox, intent) = world().await;
    let stored = outbox.put(&intent).await;
    let mut erasure = begin(&outbox, NOW + 1).await;
    proceed(&outbox.table, &mut erasure, &[], NOW + 2).await.unwrap();
    outbox.table.put_sent(event, &stored.origin(0, &started)).await.unwrap();
    fold_batch(&outbox.table, &[Inserted { sequence: Sequence::new("2"), stored: *own }], NOW).await.unwrap();
    assert!(!kinds(&outbox).contains(&"V".to_owned()), "{:?}", kinds(&outbox));
}

/// A file that a connector fetched for Ada: no event and no message names it, and it goes with her all the same.
#[tokio::test]
async fn a_body_that_is_kept_goes_with_its_person_and_one_that_is_kept_later_stays() {
    let (outbox, _) = world().await;
    let table = outbox.table.clone();
    let keep = async |what: &str, at: u64| {
        let (pk, sk) = table.keys_of_kept(&outbox.of.eid, what);
        let mut writer = table.begin_blob(&pk, &sk).await.unwrap();
        writer.write(b"a picture of Ada").await.unwrap();
        let name = writer.name();
        table.own_kept(&outbox.of.eid, "wa", &name, at).await.unwrap();
        assert_eq!(writer.finish().await.unwrap(), name);
        name
    };
    let before = keep("before", NOW - SECOND).await;
    let mut erasure = begin(&outbox, NOW + 1).await;
    proceed(&table, &mut erasure, &[], NOW + 60 * SECOND).await.unwrap();
    assert!(erasure.completed_at.is_some());
    assert_eq!(erasure.removed["kept_bodies"], 1, "{:?}", erasure.removed);
    assert_eq!(table.blobs().get(&before).await.unwrap(), None, "nothing is left");
    let after = keep("after", NOW + 600 * SECOND).await;
    table.sweep(&outbox.of.eid, &table.erased(&outbox.of.eid).await.unwrap()).await.unwrap();
    assert!(table.blobs().get(&after).await.unwrap().is_some(), "what is kept of one who came back stays");
}
