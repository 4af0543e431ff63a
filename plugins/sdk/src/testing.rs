//! Running a connector against recorded requests, with this module in the place of the host.
//!
//! ```ignore
//! #[test]
//! fn the_connector_keeps_the_rules_of_the_house() {
//!     rapport_sdk::testing::check::<Acme>(env!("CARGO_MANIFEST_DIR"));
//! }
//! ```
//!
//! `fixtures/connection.json` says which connection the fixtures are for; `fixtures/inbound/<case>.http` is a request
//! as it came over the wire and `<case>.events.json` beside it what the connector makes of it. `BLESS=1 cargo test`
//! writes the second from the first; read what it wrote. `rapport connector test` runs the same suite natively and in
//! the sandbox.

mod connection;
mod fixture;
pub(crate) mod host;
mod public_key;
mod render;
mod report;
mod signing;
mod subject;
mod suite;

use std::fs;
use std::path::PathBuf;

pub use connection::{Connection, NOW_MS, Outcome};
pub use fixture::{Fixture, inbound_fixtures, parse_request};
pub use host::sign;
pub use render::{pretty, render, render_outcome};
pub use report::{FAILURES_TOLD_MAX, Findings, Maximum, Report};
pub use subject::{Answer, Asked, Kind, Moment, Native, Question, Subject, Usage};
pub use suite::{Budgets, Effort, Expectations, Options, run as run_suite};

use crate::{Inbound, Rejection, Webhook};

/// The variable that names the file into which [`check`] writes its [`Report`], as JSON, for `rapport connector test`.
pub const REPORT_VARIABLE: &str = "RAPPORT_REPORT";

/// Runs the whole suite on a connector: its fixtures, and what every connector has to keep.
///
/// - Each fixture becomes what stands beside it, and no events come of what was not verified.
/// - Each changed byte of a signed body, and each shorter body, is `Unauthenticated`, unless it means exactly the same.
/// - Neither the clock, nor randomness, nor the order of the header fields changes an outcome.
/// - A field that nobody knows changes nothing but raw parts.
/// - No input makes it panic, signed or not.
/// - No log line holds an identifier, a name or a text of the events.
///
/// # Panics
/// When one of these does not hold; every failure is told in one line.
pub fn check<C: Inbound>(manifest_dir: &str) {
    let report = full_report::<C>(manifest_dir);
    write_report(&report);
    let failures = report.failures();
    assert!(failures.is_empty(), "\n{}\n\n`BLESS=1 cargo test` accepts what fixtures came to\n", failures.join("\n"));
}

fn full_report<C: Inbound>(manifest_dir: &str) -> Report {
    let expectations = if is_blessing() { Expectations::Bless } else { Expectations::Verbatim };
    let options = Options { effort: Effort::NATIVE, expectations, budgets: None };
    let mut report = run_suite(&Native::<C>::new(), &inbound_fixtures(manifest_dir), &options);
    let orphans = fixture::orphans(manifest_dir);
    if let Some(fixtures) = report.checks.first_mut() {
        orphans.into_iter().for_each(|orphan| fixtures.fail(orphan));
    }
    report
}

fn is_blessing() -> bool {
    std::env::var_os("BLESS").is_some_and(|value| value == "1")
}

/// In one step, so that no reader sees half a report.
fn write_report(report: &Report) {
    let Some(path) = std::env::var_os(REPORT_VARIABLE).map(PathBuf::from) else { return };
    let json = serde_json::to_string(report).expect("a report has a form in JSON");
    let temporary = path.with_extension(format!("{}.tmp", std::process::id()));
    let written = fs::write(&temporary, json).and_then(|()| fs::rename(&temporary, &path));
    written.unwrap_or_else(|error| panic!("`{}`: {error}", path.display()));
}

/// Checks every fixture of a connector, and reports all that differ.
///
/// Beyond the comparison, events without a verification are a mistake, unless the connection is `"unsigned": true`.
///
/// # Panics
/// When a fixture differs from what stands beside it, does not parse, or stands alone.
pub fn check_fixtures<C: Inbound>(manifest_dir: &str) {
    if std::env::var_os(REPORT_VARIABLE).is_some() {
        // `rapport connector test` wants the whole report, also of a connector whose tests name only this check.
        write_report(&full_report::<C>(manifest_dir));
    }
    let bless = is_blessing();
    let mut mistakes = fixture::orphans(manifest_dir);
    for fixture in inbound_fixtures(manifest_dir) {
        let outcome = fixture.connection.receive::<C>(&fixture.webhook);
        let has_events = outcome.result.as_ref().is_ok_and(|receipt| !receipt.events.is_empty());
        if has_events && !outcome.verified && !fixture.connection.is_unsigned() {
            mistakes.push(format!("{}: events without a verification, which the host refuses", fixture.name));
        }
        let found = render_outcome(&outcome);
        if bless {
            fixture.bless(&found);
        } else {
            mistakes.extend(fixture.difference(&found));
        }
    }
    assert!(mistakes.is_empty(), "\n{}\n\n`BLESS=1 cargo test` accepts all of these\n", mistakes.join("\n"));
}

/// Checks that nobody can change a signed request, and that nothing but the request decides what becomes of it.
///
/// For every fixture with a verified POST: each flipped bit of the body and each shorter body is `Unauthenticated`; a
/// redelivery a second later gives the same outcome; so does another order of the header fields. Of a connection that is
/// `"partly-signed"` bodies are not changed.
///
/// # Panics
/// When one of these does not hold, or when no fixture is a verified POST.
pub fn check_tampering<C: Inbound>(manifest_dir: &str) {
    let mut mistakes = Vec::new();
    let mut checked = 0;
    for fixture in inbound_fixtures(manifest_dir) {
        let connection = &fixture.connection;
        let outcome = connection.receive::<C>(&fixture.webhook);
        if fixture.webhook.method != "POST" || !outcome.verified {
            continue;
        }
        checked += 1;
        if connection.receive_at::<C>(&fixture.webhook, Moment::of(connection).later(1_000)).0.result != outcome.result {
            mistakes.push(format!("{}: the time of a redelivery changes the outcome", fixture.name));
        }
        let mut reordered = fixture.webhook.clone();
        reordered.headers.reverse();
        if connection.receive::<C>(&reordered).result != outcome.result {
            mistakes.push(format!("{}: the order of the header fields changes the outcome", fixture.name));
        }
        if connection.partly_signed().is_none() {
            mistakes.extend(accepted_forgery::<C>(connection, &fixture));
        }
    }
    assert!(checked > 0, "no fixture is a verified POST");
    assert!(mistakes.is_empty(), "\n{}\n", mistakes.join("\n"));
}

/// The first changed body that is not refused.
fn accepted_forgery<C: Inbound>(connection: &Connection, fixture: &Fixture) -> Option<String> {
    let accepted =
        |webhook: &Webhook| !matches!(connection.receive::<C>(webhook).result, Err(Rejection::Unauthenticated(_)));
    let mut forged = fixture.webhook.clone();
    for index in 0..forged.body.len() {
        for bit in 0..8 {
            forged.body[index] ^= 1 << bit;
            if accepted(&forged) {
                return Some(format!("{}: accepted with bit {bit} of byte {index} flipped", fixture.name));
            }
            forged.body[index] ^= 1 << bit;
        }
    }
    while forged.body.pop().is_some() {
        if accepted(&forged) {
            return Some(format!("{}: accepted when cut to {} bytes", fixture.name, forged.body.len()));
        }
    }
    None
}
