//! What once slipped between two steps of the protocol.

use std::sync::atomic::Ordering;

use rapport_model::event::{
    Attestation, Author, Body, ConsentState, Covered, Delivery, DeliveryState, Identifier, Message, Part, Replacement,
};
use rapport_model::sending::intent::State;
use rapport_model::sending::lock::{Ask, Fence, LEASE_MS, MARGIN_MS, Word};
use rapport_outbound::Ended;
use rapport_outbound::health::ACCOUNT_PAUSE_MS;
use rapport_store::outbox::due::{Due, Jitter};
use rapport_store::outbox::intents::Conversation;
use rapport_store::outbox::lock::Marked;

use super::provider::Act;
use super::worker::World;
use crate::support::NOW;

/// A number that changed hands: what was written to its former holder reaches nobody.
#[tokio::test]
async fn what_waits_for_the_former_holder_of_an_address_never_reaches_the_new_one() {
    let world = World::new("").await;
    world.put(0, &["before"]).await;
    world.turn().await;
    let scheduled = world.put(3_600_000, &["your balance"]).await;
    let fence = world.table().lock(&world.of).await.unwrap().fence;
    let number = |value: &str| Identifier {
        scheme: "phone".into(),
        scope: None,
        value: value.into(),
        attestation: Attestation::Provider,
    };
    let moved = Replacement { old: number("+16505551234"), new: number("+16505559999") };
    world.comes(NOW + 1_000, Body::IdentifierReplaced(moved)).await;
    let refused = |state: State| match state {
        State::Refused { rule, help } => (rule, help),
        other => panic!("{other:?}"),
    };
    let (rule, help) = refused(world.state(&scheduled).await);
    assert_eq!(rule, "address-changed-hands");
    assert!(help.contains("fix: "), "{help}");
    assert!(
        world.table().lock(&world.of).await.unwrap().fence > fence,
        "no reply starts that was written to the former one"
    );
    // One that is put afterwards, by somebody who looked the address up before.
    world.pass(5_000);
    let late = world.put(5_000, &["late"]).await;
    world.turn().await;
    assert_eq!(refused(world.state(&late).await).0, "address-changed-hands");
    world.pass(4_000_000);
    world.turn().await;
    assert_eq!(world.provider.texts(), ["before"]);
}

#[tokio::test]
async fn what_a_connector_tells_while_it_sends_is_an_event_once_and_stops_the_next_message() {
    let world = World::new("").await;
    let id = world.put(0, &["stop", "second part"]).await;
    world.turn().await;
    assert_eq!(world.state(&id).await, State::Sent);
    let consents = |events: Vec<rapport_store::events::StoredEvent>| {
        events.into_iter().filter(|stored| matches!(stored.event.body, Body::Consent(_))).collect::<Vec<_>>()
    };
    let [told] = consents(world.events().await).try_into().unwrap();
    assert_eq!((told.connection.as_str(), told.connector_digest.is_empty()), ("courier", false));
    let lock = world.table().lock(&world.of).await.unwrap();
    assert!(matches!(lock.words.get("marketing"), Some(Word { state: ConsentState::Withdrawn, .. })), "{lock:?}");
    let mut offer = world.intent(5, &["buy"]);
    offer.draft.purpose = "marketing".into();
    world.table().put_intent(&offer).await.unwrap();
    world.pass(10);
    world.turn().await;
    assert!(matches!(world.state(&offer.id).await, State::Refused { .. }));
    assert_eq!(world.provider.texts(), ["stop", "second part"]);
}

/// Each event is a write while the marker stands.
#[tokio::test]
async fn a_connector_that_tells_too_much_sends_its_message_and_the_rest_of_its_words_is_dropped() {
    let world = World::new("").await;
    let id = world.put(0, &["flood"]).await;
    world.turn().await;
    assert_eq!(world.state(&id).await, State::Sent);
    let told = world.events().await.into_iter().filter(|stored| matches!(stored.event.body, Body::Consent(_)));
    assert_eq!(told.count(), 32);
    assert_eq!(world.provider.texts(), ["flood"]);
}

#[tokio::test]
async fn a_limit_of_one_customer_holds_that_conversation_and_no_other() {
    let world = World::new("").await;
    let id = world.put(0, &["hello"]).await;
    world.put(1, &["next"]).await;
    world.pass(10);
    world.provider.next([Act::Refuse(409, "retry-after: 120\r\n")]);
    assert_eq!(world.turn().await, Ended::Rested(Some(NOW + 120_010)), "the next one would be too much as well");
    assert_eq!(world.table().lock(&world.of).await.unwrap().next_at, NOW + 120_010);
    let other = Conversation { account: "other".into(), ..world.of.clone() };
    let mut elsewhere = world.intent(2, &["elsewhere"]);
    elsewhere.birth.account = "other".into();
    world.table().put_intent(&elsewhere).await.unwrap();
    assert_eq!(world.worker.turn(&other).await.unwrap(), Ended::Rested(None));
    assert_eq!(world.provider.texts(), ["elsewhere"]);
    world.pass(120_000);
    world.turn().await;
    assert_eq!(world.state(&id).await, State::Sent);
    assert_eq!(world.provider.texts(), ["elsewhere", "hello", "next"]);
}

/// A worker that dies after it wrote down that nothing left, and before it took its marker off.
#[tokio::test]
async fn a_crash_between_not_sent_and_the_release_is_not_taken_for_unknown() {
    let world = World::new("").await;
    let id = world.put(0, &["hello"]).await;
    let table = world.table();
    let stored = table.intent(&world.of.eid, &id).await.unwrap().unwrap();
    let ask = Ask::of(&stored, table.draw_token(), NOW);
    let Marked::Won(marker) = table.put_marker(&world.of, &Default::default(), &ask).await.unwrap() else { panic!() };
    table.change_intent(&stored, |intent| intent.not_sent(0, NOW + 5_000, Some(&marker.token))).await.unwrap();
    world.pass(LEASE_MS + MARGIN_MS + 1_000);
    assert_eq!(world.turn().await, Ended::Rested(None));
    assert_eq!((world.state(&id).await, world.provider.texts()), (State::Sent, vec!["hello".to_owned()]));
}

#[tokio::test]
async fn a_report_that_finds_no_start_writes_one_down_by_the_providers_clock() {
    let world = World::new("").await;
    let id = world.put(0, &["hello"]).await;
    let table = world.table();
    let stored = table.intent(&world.of.eid, &id).await.unwrap().unwrap();
    // The provider refused the rate, says the record, and took it all the same.
    let ask = Ask::of(&stored, table.draw_token(), NOW);
    let Marked::Won(marker) = table.put_marker(&world.of, &Default::default(), &ask).await.unwrap() else { panic!() };
    let reference = Some(stored.reference(0).write(table.tenant_key()));
    let report = |covers| Body::Delivery(Delivery { covers, state: DeliveryState::Sent, reference: reference.clone() });
    let until = NOW + 500_000;
    table.change_intent(&stored, |intent| intent.not_sent(0, until, Some(&marker.token))).await.unwrap();
    let unknown = table.intent(&world.of.eid, &id).await.unwrap().unwrap();
    let started = unknown.started.clone();
    assert_eq!(started, None);
    table
        .change_intent(&unknown, |intent| {
            Some(rapport_model::sending::Intent {
                state: State::Unknown { error: "lost".into(), status: None },
                ..intent.clone()
            })
        })
        .await
        .unwrap();
    // Another message has taken the marker's place since, so nothing says when this one was started.
    let next = Ask {
        seen: Some(rapport_model::sending::lock::Seen { token: marker.token.clone(), unknown: Some(id.clone()) }),
        intent: world.intent(7, &[]).id,
        token: table.draw_token(),
        ..ask
    };
    let lock = table.lock(&world.of).await.unwrap();
    assert!(matches!(table.put_marker(&world.of, &lock, &next).await.unwrap(), Marked::Won(_)));
    world.now.store(NOW + 90_000, Ordering::Relaxed);
    world.comes(NOW + 4_000, report(Covered::Message("m1".into()))).await;
    assert_eq!(world.state(&id).await, State::Sent);
    let messages: Vec<_> =
        world.events().await.into_iter().filter(|stored| matches!(stored.event.body, Body::Message(_))).collect();
    let [message] = &messages[..] else { panic!("{messages:?}") };
    assert_eq!(message.event.at, NOW + 4_000, "the provider's time, not that of a fold");
}

#[tokio::test]
async fn a_due_command_that_nobody_can_do_is_set_aside_and_holds_up_nothing() {
    let world = World::new("").await;
    let command = Due::Command("command-of-a-later-version".into());
    world.table().put_due(&command, NOW, Jitter::None, NOW).await.unwrap();
    let conversation = Due::Conversation(world.of.clone());
    world.table().put_due(&conversation, NOW + 600_000, Jitter::None, NOW).await.unwrap();
    world.pass(900_000);
    let mut woken = 0;
    for _ in 0..3 {
        woken += world.worker.tick(world.now.load(Ordering::Relaxed)).await.unwrap().woken;
    }
    assert_eq!(woken, 1);
    let aside: Vec<Due> = world.table().due_aside().await.unwrap().into_iter().map(|item| item.due).collect();
    assert_eq!(aside, [command]);
}

#[tokio::test]
async fn a_paused_connection_sends_again_when_a_person_says_so_in_every_process() {
    let world = World::new("").await;
    world.provider.next(vec![Act::Refuse(401, ""); 3]);
    for n in 0..5 {
        world.put(n, &["x"]).await;
    }
    world.pass(10);
    let Ended::Rested(Some(_)) = world.turn().await else { panic!() };
    let standing = world.table().connection_standing("courier", NOW + 10).await.unwrap();
    assert_eq!((standing.refused_since, standing.paused_until), (Some(NOW + 10), Some(NOW + 10 + ACCOUNT_PAUSE_MS)));
    // The process that was refused stays paused, also when the others would try again.
    world.pass(ACCOUNT_PAUSE_MS);
    world.turn().await;
    assert_eq!(world.provider.texts(), [""; 0]);
    world.table().resume_connection("courier", world.now.load(Ordering::Relaxed)).await.unwrap();
    world.turn().await;
    assert_eq!(world.provider.texts(), ["x", "x"]);
    let standing = world.table().connection_standing("courier", NOW + ACCOUNT_PAUSE_MS + 20).await.unwrap();
    assert_eq!((standing.refused_since, standing.paused_until), (None, None));
}

/// The courier's provider lets a business write for 24 hours after the customer did.
#[tokio::test]
async fn a_window_that_is_over_is_refused_before_anything_leaves_and_an_unfolded_message_opens_it() {
    let world = World::new("").await;
    let customer = |text: &str| Body::Message(Message::new(text, Author::Customer, vec![Part::Text(text.into())]));
    world.comes(NOW, customer("hello")).await;
    world.pass(23 * 3_600_000);
    let hours = |n: u64| n * 3_600_000;
    let mut in_time = world.intent(hours(23), &["in time"]);
    in_time.birth.expires_at = NOW + hours(100);
    world.table().put_intent(&in_time).await.unwrap();
    world.turn().await;
    assert_eq!(world.state(&in_time.id).await, State::Sent);
    world.pass(hours(2));
    let mut late = world.intent(hours(25), &["late"]);
    late.birth.expires_at = NOW + hours(100);
    late.draft.fence = Some(Fence::default());
    world.table().put_intent(&late).await.unwrap();
    world.turn().await;
    let State::Refused { rule, help } = world.state(&late.id).await else {
        panic!("{:?}", world.state(&late.id).await)
    };
    assert!(rule == "outside-window" && help.contains("24 hours"), "{rule}: {help}");
    assert_eq!(world.provider.texts(), ["in time"]);
}
