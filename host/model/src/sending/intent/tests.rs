use super::*;
use crate::event::Attestation;
use crate::exchange::{Answer, Response};
use crate::identity::tests::{eid, event_key};
use crate::sending::lock::{Ask, Token};

const NOW: Timestamp = 1_790_668_805_000;

fn intent(parts: usize) -> Intent {
    let id = IntentId::new(NOW, 7).unwrap();
    let to = Identifier {
        scheme: "phone".into(),
        scope: None,
        value: "+16505551234".into(),
        attestation: Attestation::Agent,
    };
    let birth = Birth {
        eid: eid(1),
        account: "shop".into(),
        connection: "wa-eu".into(),
        created_at: NOW,
        expires_at: NOW + 1_000_000,
    };
    let draft = Draft {
        route: Route { to, account: "shop".into() },
        author: Author::Agent,
        by: "desk".into(),
        purpose: "service".into(),
        kind: Kind::Reply,
        subject: None,
        parts: (0..parts).map(|n| Part::Text(n.to_string())).collect(),
        in_reply_to: None,
        references: vec![],
        copies: vec![],
        thread: None,
        comment: None,
        extensions: Extensions::default(),
        client_ref: None,
        fence: None,
        turn: None,
        resends: None,
    };
    Intent::new(id, birth, draft, NOW)
}

fn pin(version: &str) -> Pin {
    Pin { now: NOW, connector: version.into(), configuration: "c".into() }
}

fn answer() -> Exchange {
    Ok(Response { status: 200, headers: vec![], body: Answer::Bytes(vec![]) })
}

/// A report of the next step, after which so many parts are accepted.
fn report(intent: &Intent, accepted: u32, end: Option<End>) -> Report {
    let accepted = (0..accepted).map(|part| Accepted { part, id: format!("m{part}") }).collect();
    let (attempt, step) = (intent.attempt, intent.step);
    Report { attempt, step, pin: pin("1"), exchanges: vec![answer()], is_bound: true, accepted, end }
}

fn started() -> Started {
    Started { at: NOW + 5, answers: Some(event_key(3)) }
}

fn unknown(intent: &Intent) -> Intent {
    intent.undetermined(intent.step, started(), ("timeout", None)).unwrap()
}

fn marker(intent: &Intent) -> Marker {
    Ask::of(intent, Token::new(1), NOW).marker()
}

#[test]
fn a_text_is_sent_in_one_step() {
    let intent = intent(1);
    let sent = intent.recorded(&report(&intent, 1, Some(End::Done))).unwrap();
    assert_eq!((sent.state.word(), sent.part(), sent.step), ("sent", 1, 1));
    assert!(sent.history.is_empty() && sent.pin.is_none(), "what has ended needs no history");
    assert_eq!(sent.recorded(&report(&intent, 1, Some(End::Done))), None, "a second record of the same step");
    for changed in [sent.cancelled(), sent.expired(u64::MAX), sent.refused("r", "h"), sent.failed(&Cause::of("x"))] {
        assert_eq!(changed, None, "it has ended");
    }
}

#[test]
fn what_stops_between_two_parts_is_cut_and_says_why() {
    let whole = intent(3);
    let half = whole.recorded(&report(&whole, 1, None)).unwrap();
    assert_eq!((half.state.word(), half.step, half.history.len()), ("sending", 1, 1));
    let why = |intent: Option<Intent>| match intent.unwrap().state {
        State::Cut { accepted: 1, of: 3, why } => why.kind,
        other => panic!("{other:?}"),
    };
    assert_eq!(why(half.cancelled()), CANCELLED);
    assert_eq!(why(half.expired(NOW + 1_000_001)), EXPIRED);
    assert_eq!(why(half.refused("stale-control", "read the conversation again")), "stale-control");
    assert_eq!(why(half.recorded(&report(&half, 1, Some(End::Failed(Cause::of("outside-window")))))), "outside-window");
    assert_eq!(half.expired(NOW), None, "it has time left");
    assert_eq!(whole.cancelled().unwrap().state, State::Cancelled);
}

/// Found by the first model: put back to `sending`, its second part overtook what had been sent meanwhile.
#[test]
fn a_late_answer_ends_an_unknown_intent_and_never_sets_it_going_again() {
    let two = intent(2);
    let unknown_first = unknown(&two);
    let late = unknown_first.recorded(&report(&two, 1, None)).unwrap();
    assert!(matches!(late.state, State::Cut { accepted: 1, of: 2, .. }), "{late:?}");
    let half = two.recorded(&report(&two, 1, None)).unwrap();
    let unknown_second = unknown(&half);
    assert_eq!(unknown_second.recorded(&report(&half, 2, None)).unwrap().state, State::Sent);
    assert_eq!(unknown_second.recorded(&report(&half, 2, Some(End::Done))).unwrap().state, State::Sent);
    assert_eq!(unknown_second.recorded(&report(&two, 1, None)), None, "an answer to another step");
    let refused = unknown_first.recorded(&report(&two, 0, Some(End::Failed(Cause::of("provider"))))).unwrap();
    assert_eq!(refused.state.word(), "failed");
    for open in [&late, &refused] {
        assert!(!open.is_open());
    }
}

#[test]
fn the_providers_word_settles_what_is_unknown_and_the_last_part_of_what_is_under_way() {
    let (one, two) = (intent(1), intent(2));
    assert_eq!(unknown(&one).confirmed(0, "m0").unwrap().state, State::Sent);
    assert!(matches!(unknown(&two).confirmed(0, "m0").unwrap().state, State::Cut { accepted: 1, of: 2, .. }));
    assert_eq!(unknown(&two).confirmed(1, "m1"), None, "another part");
    // Its worker may be about to record the same: that is then no news.
    let told = one.confirmed(0, "m0").unwrap();
    assert_eq!(told.state, State::Sent);
    assert_eq!(told.recorded(&report(&one, 1, Some(End::Done))), None);
    assert_eq!(two.confirmed(0, "m0"), None, "its worker knows how to go on");
    let why = Cause::of("invalid-recipient");
    assert_eq!(unknown(&one).denied(0, &why).unwrap().state, State::Failed(why.clone()));
    assert_eq!(one.denied(0, &why), None);
}

#[test]
fn a_marker_past_its_deadline_ends_its_intent_or_starts_it_again() {
    let two = intent(2);
    let marker = marker(&two);
    let lost = two.reclaimed(&marker, None, NOW + 30_000).unwrap();
    assert_eq!((lost.state.word(), lost.started.clone()), ("unknown", Some(marker.started.clone())));
    let told = two.reclaimed(&marker, Some("m0"), NOW + 30_000).unwrap();
    assert!(matches!(told.state, State::Cut { accepted: 1, of: 2, .. }), "{told:?}");
    assert_eq!(intent(1).reclaimed(&marker, Some("m0"), NOW).unwrap().state, State::Sent);
    let again = two.reclaimed(&Marker { is_repeatable: true, ..marker.clone() }, None, NOW + 30_000).unwrap();
    assert_eq!((again.state.word(), again.due_at), ("pending", NOW + 30_000));
    assert_eq!(again.started, Some(marker.started.clone()), "its event keeps the time of the first start");
    let half = two.recorded(&report(&two, 1, None)).unwrap();
    assert_eq!(half.reclaimed(&marker, None, NOW), None, "its step is recorded");
}

#[test]
fn a_new_connector_starts_over_only_what_has_started_nothing() {
    let fresh = intent(2);
    assert_eq!(fresh.repinned(&pin("2")), Some(Repinned::Same), "nothing is recorded");
    let uploaded = Report { is_bound: false, ..report(&fresh, 0, None) };
    let uploaded = fresh.recorded(&uploaded).unwrap();
    assert_eq!(uploaded.repinned(&pin("1")), Some(Repinned::Same));
    let Some(Repinned::Changed(over)) = uploaded.repinned(&pin("2")) else { panic!("it has changed") };
    assert_eq!((over.attempt, over.step, over.history.len(), over.pin), (2, 0, 0, None));
    assert_ne!(uploaded.entropy(&key()), fresh_attempt(&uploaded).entropy(&key()));
    let half = fresh.recorded(&report(&fresh, 1, None)).unwrap();
    let Some(Repinned::Changed(cut)) = half.repinned(&pin("2")) else { panic!("it has changed") };
    assert!(matches!(cut.state, State::Cut { accepted: 1, of: 2, why } if why.kind == CONNECTOR_CHANGED));
    let bound = fresh.recorded(&report(&fresh, 0, None)).unwrap();
    let Some(Repinned::Changed(unknown)) = bound.repinned(&pin("2")) else { panic!("it has changed") };
    assert_eq!(unknown.state.word(), "unknown");
}

fn key() -> TenantKey {
    TenantKey::new(&[7; 32]).unwrap()
}

fn fresh_attempt(intent: &Intent) -> Intent {
    Intent { attempt: intent.attempt + 1, ..intent.clone() }
}

#[test]
fn what_was_not_sent_waits_and_is_overtaken_only_after_a_minute() {
    let first = intent(1);
    let second = Intent { id: IntentId::new(NOW + 1, 0).unwrap(), ..intent(1) };
    let second = Intent { due_at: NOW + 1, ..second };
    let at = NOW + 10;
    assert_eq!(choose([&second, &first], at), Choice::Next(&first));
    let soon = first.not_sent(0, at + OVERTAKEN_AFTER_MS, None).unwrap();
    assert_eq!(choose([&soon, &second], at), Choice::Rest(Some(soon.due_at)), "the order is kept");
    let later = first.not_sent(0, at + OVERTAKEN_AFTER_MS + 1, None).unwrap();
    assert_eq!(choose([&later, &second], at), Choice::Next(&second));
    assert_eq!(choose([&later], at), Choice::Rest(Some(later.due_at)));
    assert_eq!(choose([&unknown(&first)], at), Choice::Rest(None));
}

#[test]
fn a_put_that_is_repeated_after_its_time_makes_an_expired_intent() {
    let Intent { id, birth, draft, .. } = intent(1);
    assert_eq!(Intent::new(id, birth, draft, NOW + 1_000_001).state, State::Expired);
}

#[test]
fn an_unknown_one_is_sent_again_once_and_a_later_word_shows_both() {
    let (one, by) = (unknown(&intent(1)), IntentId::new(NOW, 9).unwrap());
    let resent = one.resent(&by).unwrap();
    assert_eq!((resent.state.word(), resent.resent(&by)), ("unknown", None));
    let settled = resent.confirmed(0, "m0").unwrap();
    assert_eq!((settled.state.word(), settled.resent_by), ("sent", Some(by.clone())));
    assert_eq!(intent(1).resent(&by), None);
}
