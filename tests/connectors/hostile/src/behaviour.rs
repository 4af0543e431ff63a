//! The ways to misbehave. Each is what a mistake or an attack would do, with the least code.

use std::hint::black_box;
use std::mem::ManuallyDrop;

use rapport_sdk::bindings::inbound::rapport::connector::{log, verify};
use rapport_sdk::http::Reply;
use rapport_sdk::{Part, Place, Receipt, Rejection};
use serde_json::Value;

use crate::{event, message, stop};

/// Bytes of the one text that every field of a huge output points to.
const HUGE_TEXT_BYTES: usize = 1 << 20;
/// One more than the host takes from a call.
const TOO_MANY_EVENTS: usize = 5_001;
/// Rounds of `slow-but-fine`: some milliseconds.
const SLOW_ROUNDS: u64 = 5_000_000;

pub(crate) fn act(behaviour: &str, body: &Value) -> Result<Receipt, Rejection> {
    match behaviour {
        "good" | "unverified-events" => Ok(events(vec![message(body)])),
        "stop" => Ok(events(vec![stop(body)])),
        "partly" => Ok(partly(body)),
        "unread-with-answer" => {
            let response = Some(Reply { status: 200, headers: Vec::new(), body: b"taken".to_vec() });
            Ok(Receipt { response, ..partly(body) })
        }
        "loop" => spin(),
        "allocate" => allocate(),
        "huge-output" => Ok(huge_output()),
        "trap" => panic!("as asked"),
        "recurse" => Err(Rejection::Ignored(recurse(0).to_string())),
        "nonce" => Ok(events(vec![message(body)]).with_nonce(body["nonce"].as_str().unwrap_or_default())),
        "malformed" => Err(Rejection::Malformed("as asked".into())),
        "many-logs" => Ok(many_logs(body)),
        "huge-log" => Ok(huge_log(body)),
        "many-checks" => Ok(many_checks(body)),
        "many-events" => {
            Ok(events((0..TOO_MANY_EVENTS).map(|_| event(String::new(), String::new(), 0, vec![])).collect()))
        }
        "slow-but-fine" => Ok(slow(body)),
        "nan" => Ok(nan()),
        "bad-text" => Ok(bad_text()),
        "bad-status" => Ok(Receipt {
            response: Some(Reply { status: 99, headers: Vec::new(), body: Vec::new() }),
            ..events(Vec::new())
        }),
        other => Err(Rejection::Unsupported(format!("`{other}`"))),
    }
}

fn events(events: Vec<rapport_sdk::Event>) -> Receipt {
    Receipt::events(events)
}

/// The events of `items`, and a line for each that has no `id`: of `unread` copies, with line ends in it.
fn partly(body: &Value) -> Receipt {
    let items = body["items"].as_array().cloned().unwrap_or_default();
    let (good, bad): (Vec<_>, Vec<_>) = items.iter().enumerate().partition(|(_, item)| item["id"].is_string());
    let copies = body["copies"].as_u64().unwrap_or(1);
    let lines = bad
        .iter()
        .flat_map(|(at, _)| (0..copies).map(move |_| format!("items[{at}]: it has no `id`\n{}", "x".repeat(2_000))));
    events(good.into_iter().map(|(_, item)| message(item)).collect()).with_unread(lines.collect())
}

pub(crate) fn spin() -> ! {
    let mut round = 0u64;
    loop {
        round = black_box(round.wrapping_add(1));
    }
}

fn allocate() -> ! {
    let mut kept = Vec::new();
    loop {
        kept.push(black_box(vec![1u8; 1 << 20]));
    }
}

#[expect(unconditional_recursion, reason = "it is what is asked for")]
fn recurse(depth: u64) -> u64 {
    let frame = black_box([depth; 16]);
    recurse(depth + 1) + frame[0]
}

/// A hundred events of one MiB each, all the same MiB: little for the connector to have, much for the host to copy.
fn huge_output() -> Receipt {
    let text = ManuallyDrop::new("x".repeat(HUGE_TEXT_BYTES));
    let alias = || {
        // SAFETY: none, and that is the point: each of these strings claims the same bytes. They are never dropped,
        // because the host refuses the output and ends the instance.
        unsafe { String::from_raw_parts(text.as_ptr().cast_mut(), text.len(), text.len()) }
    };
    events((0..100).map(|_| event("huge".into(), String::new(), 0, vec![Part::Text(alias())])).collect())
}

fn many_logs(body: &Value) -> Receipt {
    for line in 0..10_000 {
        log::write(log::Level::Info, &format!("line {line}\nand more"));
    }
    events(vec![message(body)])
}

fn huge_log(body: &Value) -> Receipt {
    log::write(log::Level::Info, &"x".repeat(16 << 20));
    events(vec![message(body)])
}

fn many_checks(body: &Value) -> Receipt {
    for guess in 0..1_000 {
        // What a guess would tell is not of interest here.
        let _ = verify::token("signing-secret", &guess.to_string());
    }
    events(vec![message(body)])
}

fn slow(body: &Value) -> Receipt {
    let mut value = 1u64;
    for _ in 0..SLOW_ROUNDS {
        value = black_box(value.wrapping_mul(6_364_136_223_846_793_005));
    }
    events(vec![message(body)])
}

fn nan() -> Receipt {
    let place = Place { latitude: f64::NAN, longitude: 0.0, name: None, address: None };
    events(vec![event("nan".into(), "someone".into(), 0, vec![Part::Place(place)])])
}

fn bad_text() -> Receipt {
    // SAFETY: none: text that is not UTF-8 is what the host must refuse to take.
    let text = unsafe { String::from_utf8_unchecked(vec![0xff, 0xfe]) };
    events(vec![event(text, "someone".into(), 0, Vec::new())])
}
