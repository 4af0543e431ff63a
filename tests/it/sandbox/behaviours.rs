//! Every way to misbehave, before and after the webhook was verified.

use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use rapport_model::event::{Body, Part};
use rapport_sandbox::{
    Allocation, FailureKind, LOG_LINE_BYTES_MAX, LOG_LINES_MAX, MEMORY_MIB_MAX, Receipt, Received, Rejection,
    WALL_MS_MAX,
};

use super::{GOOD_BODY, assert_good, call, call_with, good, hostile, load_hostile};

/// What the sandbox makes of a behaviour.
enum Expected {
    Fails(FailureKind),
    /// So many events.
    Answers(usize),
    Malformed,
}

use Expected::{Answers, Fails, Malformed};

const BEHAVIOURS: [(&str, Expected); 15] = [
    ("loop", Fails(FailureKind::Deadline)),
    ("allocate", Fails(FailureKind::Memory)),
    ("huge-output", Fails(FailureKind::OutputTooLarge)),
    ("trap", Fails(FailureKind::Trap)),
    ("recurse", Fails(FailureKind::Trap)),
    ("unverified-events", Answers(1)),
    ("malformed", Malformed),
    ("many-logs", Answers(1)),
    ("huge-log", Fails(FailureKind::OutputTooLarge)),
    ("many-checks", Fails(FailureKind::TooManyHostCalls)),
    ("many-events", Fails(FailureKind::OutputTooLarge)),
    ("slow-but-fine", Answers(1)),
    ("nan", Fails(FailureKind::InvalidOutput)),
    ("bad-text", Fails(FailureKind::InvalidOutput)),
    ("bad-status", Fails(FailureKind::InvalidOutput)),
];

#[test]
fn every_misbehaviour_is_its_own_kind_and_the_next_call_is_good() {
    for allocation in [Allocation::Pool, Allocation::OnDemand] {
        let connector = load_hostile(allocation);
        for (behaviour, expected) in &BEHAVIOURS {
            for (when, verified) in [("before", false), ("after", true)] {
                let config = format!(r#"{{"behaviour":"{behaviour}","when":"{when}"}}"#);
                let result = call(&connector, &config, GOOD_BODY);
                let label = format!("`{behaviour}` {when} verifying, {allocation:?}: {result:?}");
                match (expected, result) {
                    (Fails(kind), Err(error)) => {
                        assert_eq!((error.kind, error.verified), (*kind, verified), "{label}");
                    }
                    (Answers(count), Ok(received)) => {
                        assert_eq!(received.verified, verified, "{label}");
                        assert_eq!(received.outcome.map(|receipt| receipt.events.len()), Ok(*count), "{label}");
                    }
                    (Malformed, Ok(received)) => {
                        assert_eq!(received.verified, verified, "{label}");
                        assert_eq!(received.outcome, Err(Rejection::Malformed("as asked".into())), "{label}");
                    }
                    _ => panic!("{label}"),
                }
                assert_good(&connector);
            }
        }
    }
}

#[test]
fn a_good_call_gives_the_event_field_by_field() {
    let Received { outcome: Ok(Receipt { response, events, .. }), verified, log, usage, .. } = good(hostile()).unwrap()
    else {
        panic!("the signature is right");
    };
    assert!(verified && response.is_none() && log.lines.is_empty() && log.dropped == 0);
    assert!(usage.wall_us > 0 && (64 << 10..4 << 20).contains(&usage.peak_memory_bytes), "{usage:?}");
    let [event] = &events[..] else { panic!("{events:?}") };
    assert_eq!((event.id.as_str(), event.at, event.account.as_str()), ("m-1", 1_767_225_600_000, "hostile"));
    assert_eq!(event.contact.identifiers[0].value, "someone");
    let Body::Message(message) = &event.body else { panic!("{event:?}") };
    assert_eq!(message.parts, [Part::Text("hello".into())]);
}

#[test]
fn a_wrong_signature_is_a_rejection_and_nothing_is_verified() {
    for signature in ["", "00", &"00".repeat(32)] {
        let received = call_with(hostile(), "{}", GOOD_BODY, signature).unwrap();
        assert!(!received.verified);
        assert!(matches!(received.outcome, Err(Rejection::Unauthenticated(_))));
    }
}

#[test]
fn the_same_call_twice_gives_the_same_result() {
    let without_time = |mut received: Received| {
        received.usage.wall_us = 0;
        received
    };
    assert_eq!(without_time(good(hostile()).unwrap()), without_time(good(hostile()).unwrap()));
}

#[test]
fn one_connection_can_be_good_and_bad() {
    let config = r#"{"by-body":true}"#;
    let bad = call(hostile(), config, r#"{"behaviour":"trap","when":"after"}"#).unwrap_err();
    assert_eq!((bad.kind, bad.verified), (FailureKind::Trap, true));
    assert!(call(hostile(), config, GOOD_BODY).unwrap().outcome.is_ok());
}

#[test]
fn a_flood_of_log_lines_is_cut_and_counted() {
    let received = call(hostile(), r#"{"behaviour":"many-logs"}"#, GOOD_BODY).unwrap();
    assert_eq!(received.log.lines.len(), LOG_LINES_MAX);
    assert_eq!(received.log.dropped, 10_000 - LOG_LINES_MAX as u64);
    assert_eq!(received.log.lines[0].message, "line 0\\nand more");
    assert!(received.log.lines.iter().all(|line| line.message.len() <= LOG_LINE_BYTES_MAX));
}

#[test]
fn failures_say_what_to_do_and_what_was_used() {
    let memory = call(hostile(), r#"{"behaviour":"allocate"}"#, GOOD_BODY).unwrap_err();
    assert!(memory.to_string().contains("memory-mib"), "{memory}");
    assert!(memory.usage.peak_memory_bytes <= MEMORY_MIB_MAX << 20);
    let field = call(hostile(), r#"{"behaviour":"nan"}"#, GOOD_BODY).unwrap_err();
    assert_eq!(field.detail, "`events[0].parts.place.latitude` is not what the contract allows");
    let events = call(hostile(), r#"{"behaviour":"many-events"}"#, GOOD_BODY).unwrap_err();
    assert_eq!(events.detail, "5001 events, at most 5000 are taken from one call");
}

#[test]
fn a_loop_ends_within_its_deadline_and_good_calls_go_on_beside_it() {
    let started = Instant::now();
    thread::scope(|scope| {
        let loops: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| call(hostile(), r#"{"behaviour":"loop"}"#, GOOD_BODY).unwrap_err()))
            .collect();
        while loops.iter().any(|running| !running.is_finished()) {
            assert_good(hostile());
        }
        for ended in loops {
            let error = ended.join().unwrap();
            assert_eq!(error.kind, FailureKind::Deadline);
            assert!(error.detail.contains("time"), "{error}");
        }
    });
    // Twice the cap of one: machines that run tests are busy.
    assert!(started.elapsed() < 2 * Duration::from_millis(WALL_MS_MAX), "{:?}", started.elapsed());
}

#[test]
fn more_calls_than_slots_wait_for_one() {
    thread::scope(|scope| {
        for _ in 0..40 {
            scope.spawn(|| assert_good(hostile()));
        }
    });
}

#[test]
fn memory_is_flat_over_twenty_thousand_calls() {
    // In a process of its own: the other tests of this one allocate as they like.
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "sandbox::behaviours::twenty_thousand_calls"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout);
    // Under another name it would run nothing, and that is a success, too.
    assert!(child.status.success() && said.contains("1 passed"), "{said}");
}

#[test]
#[ignore = "run by `memory_is_flat_over_twenty_thousand_calls`, in a process of its own"]
fn twenty_thousand_calls() {
    let connector = hostile();
    let calls = |count: usize| {
        for at in 0..count {
            if at % 100 == 0 {
                call(connector, r#"{"behaviour":"trap"}"#, GOOD_BODY).unwrap_err();
            }
            assert_good(connector);
        }
    };
    calls(2_000);
    let before = resident_kib();
    calls(18_000);
    let grown = resident_kib().saturating_sub(before);
    // One leaked page a call would be 72 MiB.
    assert!(grown < 4 * 1024, "{grown} KiB more than {before} KiB");
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
