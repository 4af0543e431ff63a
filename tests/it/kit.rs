//! The suite of the kit on every connector of the tree, in the sandbox. Natively each runs it in its own tests.

use std::path::Path;
use std::thread;

use rapport_cli::connector::inspect::Facts;
use rapport_cli::connector::test::{Pulling, Sandboxed, in_sandbox};
use rapport_inbound::event_checks;
use rapport_model::Event;
use rapport_sandbox::artefact::pack;
use rapport_sandbox::{Options, Sandbox, SigningKey, Target};
use rapport_sdk::testing::outbound::{OutboundOptions, read_polling_fixtures, run_sending_suite};
use rapport_sdk::testing::{self as kit, Budgets, Connection, Expectations, Kind, Moment, Native, Question, Subject};
use serde_json::{Value, json};

use crate::connectors::{hostile, plugins, repository, whatsapp};
use crate::support::Data;

#[test]
fn every_connector_passes_the_suite_in_the_sandbox() {
    let mut failures = Vec::new();
    for pair in plugins().chunks(2) {
        // Two at once: a run is one thread, and few machines have less than two.
        let reports: Vec<Vec<String>> = thread::scope(|scope| {
            let runs: Vec<_> =
                pair.iter().map(|(folder, component)| scope.spawn(|| suite(folder, component))).collect();
            runs.into_iter().map(|run| run.join().unwrap()).collect()
        });
        failures.extend(reports.into_iter().flatten());
    }
    assert!(plugins().len() >= 5, "{}", plugins().len());
    assert!(failures.is_empty(), "\n{}\n", failures.join("\n"));
}

fn suite(folder: &Path, component: &[u8]) -> Vec<String> {
    let name = folder.file_name().unwrap().to_str().unwrap();
    match in_sandbox(folder, component) {
        Ok((_, _, report)) => report.failures().into_iter().map(|failure| format!("{name}: {failure}")).collect(),
        Err(error) => vec![format!("{name}: {error:#}")],
    }
}

#[test]
fn what_a_connector_asks_and_answers_is_the_same_natively_and_in_the_sandbox() {
    let folder = repository().join("plugins/whatsapp");
    let native = Native::<rapport_whatsapp::WhatsApp>::new();
    let sandboxed = Sandboxed::new(whatsapp(), "whatsapp").unwrap();
    for fixture in kit::inbound_fixtures(folder.to_str().unwrap()) {
        let ask = |subject: &dyn Subject| {
            subject.receive(&fixture.connection, &fixture.webhook, Moment::of(&fixture.connection))
        };
        let (here, there) = (ask(&native), ask(&sandboxed));
        assert_eq!(
            (&here.kind, here.verified, &here.log),
            (&there.kind, there.verified, &there.log),
            "{}",
            fixture.name
        );
        assert_eq!(here.asked, there.asked, "{}", fixture.name);
    }
}

#[test]
fn what_the_sandbox_ends_is_a_fault_with_the_name_of_its_kind() {
    let subject = Sandboxed::new(hostile(), "hostile").unwrap();
    let body = r#"{"id":"m-1","at":1767225600000,"from":"someone","text":"hello"}"#;
    let secret = "a signing secret of the tests";
    let tag = kit::sign(rapport_sdk::verify::MacAlgorithm::HmacSha256, secret, body.as_bytes());
    let webhook = kit::parse_request(
        format!(
            "POST /hooks/hostile-test HTTP/1.1\nhost: example.test\nx-hostile-signature: {}\n\n{body}",
            rapport_sdk::encoding::hex::encode(&tag)
        )
        .as_bytes(),
    )
    .unwrap();
    let measure = |config: &str| {
        let connection = Connection::new("hostile-test", config).with_secret("signing-secret", &[secret]);
        subject.measure(&connection, &webhook, Moment::of(&connection))
    };

    let good = measure("{}");
    assert_eq!(good.kind, Kind::Receipt(1));
    assert!(good.usage.fuel.is_some_and(|fuel| fuel > 1_000) && good.usage.peak_memory_bytes.is_some(), "{good:?}");
    assert_eq!(good.usage, measure("{}").usage, "the same call costs the same");
    let asked = &good.asked[0];
    assert_eq!((asked.key.as_str(), asked.answer), ("signing-secret", Some(true)));
    assert!(matches!(asked.question, Question::Mac(_)) && asked.data == body.as_bytes() && asked.proof == tag);

    for (behaviour, expected) in [("trap", "trap"), ("loop", "deadline"), ("allocate", "memory")] {
        let answer = measure(&format!(r#"{{"behaviour":"{behaviour}"}}"#));
        assert!(matches!(&answer.kind, Kind::Fault { kind, .. } if kind == expected), "{behaviour}: {answer:?}");
    }
}

#[test]
fn an_inspection_says_what_a_component_is() {
    let facts = Facts::of("whatsapp.wasm".into(), whatsapp()).unwrap();
    let json = facts.to_json();
    assert_eq!(json["kind"], "component");
    assert_eq!(json["manifest"]["id"], "whatsapp");
    assert_eq!(json["foreign-imports"], serde_json::json!([]));
    let text: Vec<String> = facts.lines().iter().map(|(name, value)| format!("{name}: {value}")).collect();
    let text = text.join("\n");
    for expected in
        ["imports: http, log, types, verify", "exports: inbound", "secret: app-secret: Signs every delivery"]
    {
        assert!(text.contains(expected), "{text}");
    }
}

#[test]
fn an_inspection_says_who_signed_an_artefact_and_whether_it_was_altered() {
    let sandbox = Sandbox::new(Options::default()).unwrap();
    let compiled = sandbox.compile(hostile(), Target::Aarch64).unwrap();
    let key = SigningKey::from_seed(&[7; 32]);
    let mut artefact = pack(hostile(), &compiled, "hostile", &key).unwrap();
    let json = Facts::of("hostile.rapport".into(), &artefact).unwrap().to_json();
    assert_eq!((&json["signature-good"], &json["processor"]), (&true.into(), &"aarch64".into()));
    assert_eq!(json["signed-by"], key.public().to_string());
    let component = Facts::of("hostile.wasm".into(), hostile()).unwrap();
    assert_eq!(json["digest"], component.digest, "the digest is the component's, however it was compiled");

    *artefact.last_mut().unwrap() ^= 1;
    assert_eq!(Facts::of("hostile.rapport".into(), &artefact).unwrap().to_json()["signature-good"], false);
    assert!(Facts::of("x".into(), &artefact[..90]).is_err());
    let neither = Facts::of("x".into(), b"no component").unwrap_err().to_string();
    assert!(neither.starts_with("expected a component"), "{neither}");
}

/// The kit does not depend on the host, so it repeats its rules.
#[tokio::test]
async fn the_kit_refuses_the_events_that_the_host_parks_in_the_same_words() {
    let data = Data::new().await;
    let long = |bytes: usize| Value::from("x".repeat(bytes));
    let identifier = json!({"scheme": "acme", "scope": "w-1", "value": "u-7", "attestation": "provider"});
    let event = json!({
        "id": "m-1", "at": 1_790_668_800_000_u64, "account": "w-1", "extensions": {},
        "contact": {"identifiers": [identifier], "display_name": null, "locale": null, "time_zone": null, "traits": {}},
        "contact_updated": null,
    });
    let changes: Vec<(&str, Value)> = vec![
        ("/id", json!("")),
        ("/id", long(1_024)),
        ("/id", long(1_025)),
        ("/account", json!("")),
        ("/account", long(256)),
        ("/account", long(257)),
        ("/contact/identifiers", json!([])),
        ("/contact/identifiers", vec![identifier.clone(); 32].into()),
        ("/contact/identifiers", vec![identifier.clone(); 33].into()),
        ("/contact/identifiers/0/scheme", json!("LINE User")),
        ("/contact/identifiers/0/scheme", json!(" Acme.User_2-x ")),
        ("/contact/identifiers/0/scheme", json!("äcme")),
        ("/contact/identifiers/0/scheme", json!("")),
        ("/contact/identifiers/0/scheme", long(64)),
        ("/contact/identifiers/0/scheme", long(65)),
        ("/contact/identifiers/0/scheme", json!("phone")),
        ("/contact/identifiers/0/value", json!("")),
        ("/contact/identifiers/0/value", json!(" \u{200b}\u{feff} ")),
        ("/contact/identifiers/0/value", format!("{}\u{200b}", "x".repeat(510)).into()),
        ("/contact/identifiers/0/value", format!("{} ", "x".repeat(512)).into()),
        ("/contact/identifiers/0/value", json!("\u{b}")),
        ("/contact/identifiers/0/value", long(512)),
        ("/contact/identifiers/0/value", long(513)),
        ("/contact/identifiers/0/scope", json!("")),
        ("/contact/identifiers/0/scope", json!(null)),
        ("/contact/identifiers/0/scope", long(513)),
    ];
    let mut refused = 0;
    for (place, value) in changes {
        let mut event = event.clone();
        *event.pointer_mut(place).unwrap() = value.clone();
        let read: Event = serde_json::from_value(event.clone()).unwrap();
        let by_host = event_checks::place(&data.table, &read).err();
        assert_eq!(kit::refused(&event), by_host, "{place}: {value}");
        refused += usize::from(by_host.is_some());
    }
    assert_eq!(refused, 15);
}

/// No connector of the tree pulls yet, so the one of the tests stands for them: its recorded poll, in the sandbox.
#[test]
fn a_recorded_poll_is_run_and_measured_in_the_sandbox() {
    let folder = repository().join("tests/connectors/hostile");
    let fixtures = read_polling_fixtures(folder.to_str().unwrap()).unwrap();
    let component = Sandboxed::new(hostile(), "hostile").unwrap();
    let is_blessing = std::env::var_os("BLESS").is_some_and(|value| value == "1");
    let expectations = if is_blessing { Expectations::Bless } else { Expectations::Values };
    let budgets = |cpu_ms| Some(Budgets::of_limits(cpu_ms, 16, 1_024));
    let run = |expectations, budgets| {
        let options = OutboundOptions { expectations, budgets, answers: 1 };
        run_sending_suite(&Pulling(&component), &fixtures, &options)
    };
    let report = run(expectations, budgets(50));
    assert_eq!(report.failures(), Vec::<String>::new());
    let used = |of: &str| report.maxima.iter().find(|maximum| maximum.of == of).map_or(0, |maximum| maximum.used);
    assert!(used("instructions of a step of polling") > 1_000, "{:?}", report.maxima);
    assert!(used("bytes of memory of a step of polling") > 1 << 16, "{:?}", report.maxima);
    let poor = run(Expectations::Values, Some(Budgets { fuel: 10, ..Budgets::of_limits(50, 16, 1_024) }));
    let told = poor.failures();
    assert!(told.len() == 1 && told[0].contains("the budget is 10; fix: do less in one step"), "{told:?}");
}
