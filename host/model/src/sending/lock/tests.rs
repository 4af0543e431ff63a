use super::*;
use crate::identity::tests::event_key;

const NOW: Timestamp = 1_790_668_805_000;

fn id(n: u128) -> IntentId {
    IntentId::new(NOW, n).unwrap()
}

fn ask(n: u128) -> Ask {
    Ask {
        intent: id(n),
        part: 0,
        step: 0,
        token: Token::new(n),
        now: NOW,
        created_at: NOW,
        started: Started { at: NOW, answers: None },
        is_repeatable: false,
        reply: None,
        purpose: None,
        pair_ms: 0,
        seen: None,
    }
}

fn reply(n: u128, turn: u64) -> Ask {
    let reply = Reply { fence: Fence::default(), turn: Some(event_key(turn)), by: "bot".into() };
    Ask { reply: Some(reply), ..ask(n) }
}

#[test]
fn one_request_is_under_way_and_the_next_replaces_only_the_marker_that_it_saw() {
    let lock = Lock::default().marked(&ask(1)).unwrap();
    let marker = ask(1).marker();
    assert_eq!(lock.marked(&ask(2)), Err(Refusal::Taken(marker.clone())));
    assert_eq!(lock.marked(&ask(1)).unwrap(), lock, "a repeated write meets its own token");
    let after = |token| Ask { seen: Some(Seen { token, unknown: Some(id(1)) }), ..ask(2) };
    assert!(lock.marked(&after(Token::new(9))).is_err());
    let next = lock.marked(&after(Token::new(1))).unwrap();
    assert_eq!(next.out.as_ref().unwrap().intent, id(2));
    assert!(next.concerns(&id(1)) && next.concerns(&id(2)) && !next.concerns(&id(3)));
    assert_eq!(next.released(&Token::new(1), true), None);
    assert_eq!(next.released(&Token::new(2), true).unwrap().out, None);
}

#[test]
fn a_lock_names_a_few_unknown_intents_and_says_that_there_are_more() {
    let mut lock = Lock::default().marked(&ask(0)).unwrap();
    for n in 1..40 {
        let seen = Seen { token: Token::new(n - 1), unknown: Some(id(n - 1)) };
        lock = lock.marked(&Ask { seen: Some(seen), ..ask(n) }).unwrap();
    }
    assert_eq!((lock.unsettled.len(), lock.has_more_unsettled), (UNSETTLED_MAX, true));
    assert!(lock.concerns(&id(30)), "it may be one of those that it does not name");
}

#[test]
fn a_request_has_what_is_left_until_the_deadline_that_is_written() {
    let marker = ask(1).marker();
    assert_eq!(marker.time_left(NOW), Some(REQUEST_MS_MAX));
    assert_eq!(marker.time_left(NOW + 10_000), Some(8_000));
    assert_eq!(marker.time_left(NOW + 15_000), Some(REQUEST_MS_MIN));
    assert_eq!(marker.time_left(NOW + 15_001), None);
    assert_eq!(marker.time_left(NOW + 1_000_000), None);
}

#[test]
fn automation_starts_under_the_fence_that_it_read_and_once_a_turn() {
    let lock = Lock::default();
    let taken = lock.moved(&event_key(5), &Holder::Agent(Some("ada".into())), NOW).unwrap();
    assert_eq!((taken.fence, taken.moved(&event_key(5), &Holder::Agent(None), NOW)), (Fence::of(NOW), None));
    assert_eq!(taken.marked(&reply(1, 1)), Err(Refusal::StaleFence));
    assert!(taken.marked(&ask(1)).is_ok(), "an agent and a notice need no fence");
    let back = taken.moved(&event_key(6), &Holder::Automation(None), NOW).unwrap();
    assert_eq!(back.fence, Fence::of(NOW + 1));
    assert_eq!(back.against(&reply(1, 1)), Some(Refusal::StaleFence), "it is not the fence that it read");

    let first = lock.marked(&reply(1, 7)).unwrap();
    assert_eq!(first.holder, Holder::Automation(Some("bot".into())));
    let seen = |ask: Ask| Ask { seen: Some(Seen { token: Token::new(1), unknown: None }), ..ask };
    assert_eq!(first.against(&seen(reply(2, 7))), Some(Refusal::StaleTurn));
    assert_eq!(first.against(&seen(reply(2, 6))), Some(Refusal::StaleTurn));
    assert_eq!(first.against(&seen(reply(2, 8))), None);
    assert_eq!(first.against(&seen(reply(1, 7))), None, "the next part of the same answer");
    let other = Reply { by: "another bot".into(), ..reply(2, 8).reply.unwrap() };
    assert_eq!(first.against(&seen(Ask { reply: Some(other), ..ask(2) })), Some(Refusal::StaleFence));
}

#[test]
fn a_release_without_a_request_gives_the_turn_back() {
    let answered = Lock::default().marked(&reply(1, 7)).unwrap();
    let token = Token::new(1);
    assert_eq!(answered.released(&token, false).unwrap().answered, None);
    let kept = answered.released(&token, true).unwrap();
    assert_eq!(kept.answered, Some(Answered { turn: event_key(7), by: id(1) }));
    let second = kept.marked(&reply(2, 9)).unwrap();
    assert_eq!(second.released(&Token::new(2), false).unwrap().answered, kept.answered);
}

#[test]
fn an_erased_conversation_a_withdrawn_consent_and_the_pair_rate_stop_a_start() {
    let closed = Lock { closed: NOW, ..Lock::default() };
    assert_eq!(closed.against(&ask(1)), Some(Refusal::Closed));
    assert_eq!(closed.against(&Ask { created_at: NOW + 1, ..ask(1) }), None, "the customer wrote again since");
    let paced = Lock::default().marked(&Ask { pair_ms: 6_000, ..ask(1) }).unwrap();
    let next = Ask { seen: Some(Seen { token: Token::new(1), unknown: None }), ..ask(2) };
    assert_eq!(paced.against(&next), Some(Refusal::Wait(NOW + 6_000)));
    assert_eq!(paced.against(&Ask { now: NOW + 6_000, ..next }), None);
    let word = |state| Lock {
        words: [("marketing".to_owned(), Word { event: event_key(1), state })].into(),
        ..Lock::default()
    };
    let offer = Ask { purpose: Some("marketing".into()), ..ask(1) };
    assert_eq!(word(ConsentState::Withdrawn).against(&offer), Some(Refusal::Stopped));
    assert_eq!(word(ConsentState::Granted).against(&offer), None);
    assert_eq!(word(ConsentState::Withdrawn).against(&ask(1)), None);
}

#[test]
fn a_lock_remembers_the_last_control_events() {
    let mut lock = Lock::default();
    for n in 1..=20 {
        lock = lock.moved(&event_key(n), &Holder::OtherApp, NOW).unwrap();
    }
    assert_eq!(lock.moved.len(), MOVED_MAX);
    assert_eq!(lock.moved(&event_key(13), &Holder::OtherApp, NOW), None);
    assert_eq!(lock.fence, Fence::of(NOW + 19));
}

#[test]
fn what_the_table_keeps_of_a_holder_and_a_fence_is_read_back() {
    let holders = [
        Holder::Automation(None),
        Holder::Automation(Some("bot:2".into())),
        Holder::Agent(None),
        Holder::Agent(Some("ada".into())),
        Holder::OtherApp,
    ];
    for holder in holders {
        assert_eq!(Holder::read(&holder.write().unwrap()), Some(holder));
    }
    assert_eq!((Holder::Nobody.write(), Holder::read("nobody"), Holder::read("other_app:x")), (None, None, None));
    let fence: Fence = serde_json::from_str("\"1790668805000\"").unwrap();
    assert_eq!((fence, serde_json::to_string(&fence).unwrap().as_str()), (Fence::of(NOW), "\"1790668805000\""));
    for odd in ["\"\"", "\"-1\"", "\"+1\"", "7", "\"x\""] {
        assert!(serde_json::from_str::<Fence>(odd).is_err(), "{odd}");
    }
}
