//! What one text costs in each connector, natively and in a fresh sandbox: verified, parsed, and made an event.
//!
//! The fixtures are those of the connectors' own tests; HubSpot, which carries no texts, changes a property.

#![allow(clippy::unwrap_used, reason = "a benchmark that cannot be set up says why and ends")]

#[allow(dead_code, reason = "the benchmark needs the plugins only")]
#[path = "../it/connectors.rs"]
mod connectors;

use std::collections::BTreeMap;
use std::sync::OnceLock;

use divan::{Bencher, black_box};
use rapport_cli::connector::test::Sandboxed;
use rapport_sdk::Inbound;
use rapport_sdk::testing::{self, Fixture, Moment, Subject};

/// Folder of the connector, and the fixture.
const TEXTS: [(&str, &str); 8] = [
    ("email", "mailgun/text"),
    ("email", "postmark/text"),
    ("email", "sendgrid/text"),
    ("email", "ses/text"),
    ("hubspot", "contact-email"),
    ("messenger", "text"),
    ("sms", "text"),
    ("whatsapp", "text"),
];

fn main() {
    divan::main();
}

#[divan::bench(args = TEXTS.map(|(plugin, text)| format!("{plugin}: {text}")), sample_count = 1000)]
fn native(bencher: Bencher<'_, '_>, name: &str) {
    let (plugin, fixture) = fixture(name);
    match plugin {
        "email" => bench_native::<rapport_email::Email>(bencher, &fixture),
        "hubspot" => bench_native::<rapport_hubspot::HubSpot>(bencher, &fixture),
        "messenger" => bench_native::<rapport_messenger::Messenger>(bencher, &fixture),
        "sms" => bench_native::<rapport_sms::Sms>(bencher, &fixture),
        "whatsapp" => bench_native::<rapport_whatsapp::WhatsApp>(bencher, &fixture),
        other => panic!("`{other}` is not among the connectors of this benchmark"),
    }
}

#[divan::bench(args = TEXTS.map(|(plugin, text)| format!("{plugin}: {text}")), sample_count = 1000)]
fn fresh_sandbox(bencher: Bencher<'_, '_>, name: &str) {
    static SUBJECTS: OnceLock<BTreeMap<String, Sandboxed>> = OnceLock::new();
    let subjects = SUBJECTS.get_or_init(|| {
        let plugins = connectors::plugins().iter();
        let name = |folder: &std::path::Path| folder.file_name().unwrap().to_str().unwrap().to_owned();
        plugins.map(|(folder, bytes)| (name(folder), Sandboxed::new(bytes, &name(folder)).unwrap())).collect()
    });
    let (plugin, fixture) = fixture(name);
    let moment = Moment::of(&fixture.connection);
    bencher.bench_local(|| subjects[plugin].receive(&fixture.connection, black_box(&fixture.webhook), moment));
}

fn bench_native<C: Inbound>(bencher: Bencher<'_, '_>, fixture: &Fixture) {
    bencher.bench(|| {
        let outcome = fixture.connection.receive::<C>(black_box(&fixture.webhook));
        assert!(outcome.result.is_ok_and(|receipt| !receipt.events.is_empty()));
    });
}

fn fixture(name: &str) -> (&'static str, Fixture) {
    let (plugin, text) = TEXTS.into_iter().find(|(plugin, text)| format!("{plugin}: {text}") == name).unwrap();
    let folder = connectors::repository().join("plugins").join(plugin);
    let fixtures = testing::inbound_fixtures(folder.to_str().expect("this repository's path is UTF-8"));
    (plugin, fixtures.into_iter().find(|fixture| fixture.name == text).expect("the fixture is there"))
}
