//! Intents and claims: put once, changed by whoever is not late, and found again.

use rapport_model::exchange::{Answer, Response};
use rapport_model::sending::Accepted;
use rapport_model::sending::expiry::EXPIRES_AFTER_MS_MAX;
use rapport_model::sending::intent::{Choice, End, Intent, Pin, Report, Started, State, choose};
use rapport_store::blobs::Blobs;
use rapport_store::outbox::claims::{Claim, Claimed};
use rapport_store::outbox::intents::{Changed, Conversation, PutIntent, StoredIntent};
use rapport_store::outbox::lock::{Cancelled, Marked};
use rapport_store::{Mistake, StoreError};

use super::{Outbox, eid, intent};
use crate::support::NOW;
use crate::support::engine::{Fate, interleave, table_of};
use rapport_model::sending::lock::Ask;

fn report(intent: &Intent, accepted: u32, end: Option<End>) -> Report {
    let answer = Response { status: 200, headers: vec![], body: Answer::Bytes(b"{}".to_vec()) };
    Report {
        attempt: intent.attempt,
        step: intent.step,
        pin: Pin { now: NOW, connector: "c1".into(), configuration: "k1".into() },
        exchanges: vec![Ok(answer)],
        is_bound: true,
        accepted: (0..accepted).map(|part| Accepted { part, id: format!("wamid.{part}") }).collect(),
        end,
    }
}

/// Bytes that no compression makes fewer.
fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 7u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 24) as u8
    };
    (0..bytes).map(|_| next()).collect()
}

fn done(changed: Changed) -> StoredIntent {
    match changed {
        Changed::Done(done) => *done,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_intent_is_put_once_and_read_back_in_every_state() {
    let outbox = Outbox::new().await;
    let intent = outbox.intent(0, &["hello", "again"]);
    assert_eq!(outbox.table.put_intent(&intent).await.unwrap(), PutIntent::New);
    assert_eq!(outbox.table.put_intent(&intent).await.unwrap(), PutIntent::Known);
    let stored = outbox.put(&intent).await;
    assert_eq!(*stored, intent);
    let half = done(outbox.table.change_intent(&stored, |now| now.recorded(&report(now, 1, None))).await.unwrap());
    assert_eq!((half.state.word(), half.history.len()), ("sending", 1));
    let started = Started { at: NOW + 1, answers: Some(outbox.event_key(5)) };
    let unknown = |now: &Intent| now.undetermined(1, started.clone(), ("timeout", Some(502)));
    let unknown = done(outbox.table.change_intent(&half, unknown).await.unwrap());
    let read = outbox.table.intent(&outbox.of.eid, &intent.id).await.unwrap().unwrap();
    assert_eq!(read, unknown);
    assert_eq!(read.started, Some(started));
    assert_eq!(read.state, State::Unknown { error: "timeout".into(), status: Some(502) });
    let late = done(outbox.table.change_intent(&half, |now| now.recorded(&report(&half, 2, None))).await.unwrap());
    assert_eq!(late.state, State::Sent, "who read it before may be late, and is heard");
    let again = outbox.table.change_intent(&half, |now| now.recorded(&report(&half, 2, None))).await.unwrap();
    assert_eq!(again, Changed::Late(Box::new(late)));
}

#[tokio::test]
async fn what_is_large_is_in_blobs_which_go_with_it() {
    let outbox = Outbox::new().await;
    let bytes = noise(40_000);
    let noise: String = bytes[..20_000].iter().map(|byte| char::from(b' ' + byte % 94)).collect();
    let stored = outbox.put(&outbox.intent(0, &[&noise, "x"])).await;
    assert_eq!(outbox.blobs(), 1);
    let body = Answer::Bytes(bytes);
    let large = |now: &Intent| {
        let answer = Response { status: 200, headers: vec![], body: body.clone() };
        now.recorded(&Report { exchanges: vec![Ok(answer)], ..report(now, 1, None) })
    };
    let half = done(outbox.table.change_intent(&stored, large).await.unwrap());
    assert_eq!(outbox.blobs(), 2);
    assert_eq!(outbox.table.intent(&outbox.of.eid, &half.id).await.unwrap().unwrap(), half);
    let sent = |now: &Intent| now.recorded(&report(now, 2, Some(End::Done)));
    let sent = done(outbox.table.change_intent(&half, sent).await.unwrap());
    assert_eq!(outbox.blobs(), 1, "what has ended needs no history");
    outbox.table.delete_intent(&sent).await.unwrap();
    assert_eq!((outbox.blobs(), outbox.table.intent(&outbox.of.eid, &sent.id).await.unwrap()), (0, None));
}

#[tokio::test]
async fn a_record_makes_no_item_that_an_erasure_has_deleted() {
    let outbox = Outbox::new().await;
    let stored = outbox.put(&outbox.intent(0, &["hello"])).await;
    outbox.table.delete_intent(&stored).await.unwrap();
    let sent = |now: &Intent| now.recorded(&report(now, 1, Some(End::Done)));
    assert_eq!(outbox.table.change_intent(&stored, sent).await.unwrap(), Changed::Gone);
    assert_eq!(outbox.table.cancel_intent(&stored).await.unwrap(), Cancelled::Gone);
    assert_eq!(outbox.table.intent(&outbox.of.eid, &stored.id).await.unwrap(), None);
    let upserts = outbox.table.clone().with_mistake(Mistake::RecordUpserts);
    let _ = upserts.change_intent(&stored, sent).await;
    let keys = outbox.engine.items();
    assert!(keys.iter().any(|item| item["sk"]["S"] == format!("O#{}", stored.id)), "the mistake brings it back");
}

#[tokio::test]
async fn who_changes_what_somebody_else_has_changed_looks_again() {
    for (mistake, state, accepted) in [(None, "cut", 1), (Some(Mistake::RecordIgnoresPart), "cancelled", 0)] {
        let outbox = Outbox::new().await;
        let table = outbox.table.clone();
        let table = mistake.map_or_else(|| table.clone(), |mistake| table.clone().with_mistake(mistake));
        let stored = outbox.put(&outbox.intent(0, &["hello", "again"])).await;
        done(table.change_intent(&stored, |now| now.recorded(&report(now, 1, None))).await.unwrap());
        let stopped = done(table.change_intent(&stored, Intent::cancelled).await.unwrap());
        assert_eq!((stopped.state.word(), stopped.accepted.len()), (state, accepted), "{mistake:?}");
    }
}

/// A change whose answer is lost is made once, however often it is repeated, and its repetition says that it is made.
#[test]
fn a_lost_answer_to_a_change_is_found_out() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let _entered = runtime.enter();
    let outbox = runtime.block_on(Outbox::new());
    let stored = runtime.block_on(outbox.put(&outbox.intent(0, &["hello"])));
    let sent = |now: &Intent| now.recorded(&report(now, 1, Some(End::Done)));
    outbox.engine.close_the_gate();
    let mut fates = [Fate::Conflict, Fate::Throttled, Fate::AnswerLost].into_iter();
    let task = async {
        let mut lost = 0;
        let changed = loop {
            match outbox.table.change_intent(&stored, sent).await {
                Err(StoreError::Unavailable { .. }) => lost += 1,
                changed => break changed.unwrap(),
            }
        };
        assert_eq!((lost, done(changed).state.clone()), (2, State::Sent));
    };
    interleave(&outbox.engine, vec![Box::pin(task)], |waiting| {
        outbox.engine.decide(waiting[0].0, fates.next().unwrap_or(Fate::Done));
        std::ops::ControlFlow::Continue(())
    });
    outbox.engine.open_the_gate();
    let read = runtime.block_on(outbox.table.intent(&outbox.of.eid, &stored.id)).unwrap().unwrap();
    assert_eq!(read.step, 1);
}

#[tokio::test]
async fn the_oldest_due_intent_is_found_among_many_that_have_ended() {
    let outbox = Outbox::new().await;
    for n in 0..230 {
        let stored = outbox.put(&outbox.intent(n, &["x"])).await;
        if n != 150 && n != 220 {
            done(outbox.table.change_intent(&stored, Intent::cancelled).await.unwrap());
        }
    }
    let other = Conversation { account: "another".into(), ..outbox.of.clone() };
    outbox.table.put_intent(&intent(&other, 900, &["not of this conversation"])).await.unwrap();
    let now = NOW + 1_000;
    let open = outbox.table.open_intents(&outbox.of, now).await.unwrap();
    let Choice::Next(next) = choose(open.iter().map(|stored| &stored.intent), now) else { panic!("{open:?}") };
    assert_eq!(next.id.due_at(), NOW + 150);
    // It waits for long: the one behind it is next.
    let first = outbox.table.intent(&outbox.of.eid, &next.id.clone()).await.unwrap().unwrap();
    done(outbox.table.change_intent(&first, |now| now.not_sent(0, NOW + 600_000, None)).await.unwrap());
    let open = outbox.table.open_intents(&outbox.of, now).await.unwrap();
    let Choice::Next(next) = choose(open.iter().map(|stored| &stored.intent), now) else { panic!("{open:?}") };
    assert_eq!(next.id.due_at(), NOW + 220);
    // After its longest life nobody looks for it any more; whoever looked within a day has ended it.
    let last = NOW + EXPIRES_AFTER_MS_MAX + 24 * 3_600_000;
    assert_eq!(outbox.table.open_intents(&outbox.of, last).await.unwrap().len(), 1);
    assert_eq!(outbox.table.open_intents(&outbox.of, last + 1_000).await.unwrap().len(), 0);

    let found = outbox.table.unfinished().await.unwrap();
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found.contains(&other) && found.contains(&outbox.of));
    let page = outbox.table.intents(&outbox.of.eid, None, 100).await.unwrap();
    assert_eq!(page.items.len(), 100);
    let mut all = page.items.len();
    let mut before = page.next;
    while let Some(place) = before {
        let page = outbox.table.intents(&outbox.of.eid, Some(&place), 100).await.unwrap();
        all += page.items.len();
        before = page.next;
    }
    assert_eq!(all, 231);
}

#[tokio::test]
async fn a_cancel_is_refused_while_a_request_of_it_is_under_way() {
    let outbox = Outbox::new().await;
    let table = &outbox.table;
    let stored = outbox.put(&outbox.intent(0, &["one", "two"])).await;
    let lock = table.lock(&outbox.of).await.unwrap();
    let ask = Ask::of(&stored, table.draw_token(), NOW);
    assert!(matches!(table.put_marker(&outbox.of, &lock, &ask).await.unwrap(), Marked::Won(_)));
    assert_eq!(table.cancel_intent(&stored).await.unwrap(), Cancelled::UnderWay);
    let open = table.intent(&outbox.of.eid, &stored.id).await.unwrap().unwrap();
    assert_eq!(open.state, State::Pending);
    // Its first part is recorded: the marker that still stands names nothing that is under way.
    let half = done(table.change_intent(&open, |now| now.recorded(&report(now, 1, None))).await.unwrap());
    let Cancelled::Done(cut) = table.cancel_intent(&half).await.unwrap() else { panic!("it can be cancelled") };
    assert!(matches!(&cut.state, State::Cut { accepted: 1, of: 2, why } if why.kind == "cancelled"));
    assert!(matches!(table.cancel_intent(&half).await.unwrap(), Cancelled::Late(_)));
    // Whoever read it before somebody else changed it cancels what is left.
    let other = outbox.put(&outbox.intent(1, &["x"])).await;
    done(table.change_intent(&other, |now| now.not_sent(0, NOW + 9, None)).await.unwrap());
    let Cancelled::Done(cancelled) = table.cancel_intent(&other).await.unwrap() else { panic!("it is open") };
    assert_eq!(cancelled.state, State::Cancelled);
}

#[tokio::test]
async fn the_same_request_makes_the_same_intent_and_another_body_is_told_apart() {
    let outbox = Outbox::new().await;
    let table = &outbox.table;
    let claim = |n: u64| Claim {
        intent: outbox.intent(n, &[]).id,
        eid: outbox.of.eid.clone(),
        account: outbox.of.account.clone(),
        connection: "wa-eu".into(),
        created_at: NOW + n,
    };
    let key = ("desk", "order-7");
    assert_eq!(table.claim_intent(key, b"{}", &claim(1)).await.unwrap(), Claimed::Ours(claim(1)));
    // A crash before the intent: the repetition makes the same one.
    assert_eq!(table.claim_intent(key, b"{}", &claim(2)).await.unwrap(), Claimed::Ours(claim(1)));
    assert_eq!(table.claim_intent(key, b"{\"a\":1}", &claim(3)).await.unwrap(), Claimed::Conflict);
    let other = ("shop", "order-7");
    assert_eq!(table.claim_intent(other, b"{}", &claim(4)).await.unwrap(), Claimed::Ours(claim(4)));
    let forgets = table.clone().with_mistake(Mistake::NoIdempotencyClaim);
    assert_eq!(forgets.claim_intent(key, b"{}", &claim(5)).await.unwrap(), Claimed::Ours(claim(5)));
    let items = outbox.engine.items();
    let claims: Vec<String> = items.iter().map(ToString::to_string).filter(|item| item.contains("#I#")).collect();
    assert_eq!(claims.len(), 2);
    for secret in ["order-7", "desk", "16505551234"] {
        assert!(!claims.iter().any(|item| item.contains(secret)), "{secret} is in {claims:?}");
    }
    let elsewhere = table_of(&outbox.engine, "other".into(), Blobs::in_folder(outbox.folder.path())).await;
    assert_eq!(elsewhere.claim_intent(key, b"x", &claim(6)).await.unwrap(), Claimed::Ours(claim(6)));
    assert_ne!(eid(table, "1"), eid(table, "2"));
}
