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
//! the sandbox. [`outbound`] is the same for what sends.

mod connection;
mod fixture;
pub(crate) mod host;
pub mod outbound;
mod public_key;
mod render;
mod report;
mod signing;
mod stored;
mod subject;
mod suite;
mod watch;

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;

pub use connection::{Connection, NOW_MS, Outcome};
pub use fixture::{Fixture, inbound_fixtures, parse_request, read_fixtures};
pub use host::sign;
pub use public_key::der as key_bytes;
pub use render::{pretty, render, render_outcome};
pub use report::{FAILURES_TOLD_MAX, Findings, Maximum, Report};
pub use signing::sign_again;
pub use stored::refused;
pub use subject::{Answer, Asked, Kind, Moment, Native, Question, Subject, Usage};
pub use suite::{Budgets, Effort, Expectations, Options, run as run_suite};

use crate::Inbound;

/// The variable that names the file into which [`check`] writes its [`Report`], as JSON, for `rapport connector test`.
pub const REPORT_VARIABLE: &str = "RAPPORT_REPORT";

/// Runs the whole suite on a connector: its fixtures, and what every connector has to keep.
///
/// - Each fixture becomes what stands beside it, and no events come of what was not verified.
/// - Each changed byte of a signed body, and each shorter body, is `Unauthenticated`, unless it means exactly the same.
/// - Neither the clock, nor randomness, nor the order of the header fields changes an outcome.
/// - A field that nobody knows changes nothing but raw parts.
/// - An element of a batch that is garbage costs none of its siblings, and is told as `unread`.
/// - No input makes it panic, signed or not.
/// - No log line holds an identifier, a name or a text of the events.
///
/// # Panics
/// When one of these does not hold; every failure is told in one line.
pub fn check<C: Inbound>(manifest_dir: &str) {
    let report = full_report::<C>(manifest_dir);
    write_report(&report, |path| path);
    let failures = report.failures();
    assert!(failures.is_empty(), "\n{}\n\n`BLESS=1 cargo test` accepts what fixtures came to\n", failures.join("\n"));
}

/// The variable that names the folder of providers' own descriptions of their interfaces.
pub const SPECIFICATIONS_VARIABLE: &str = "RAPPORT_SPECS";

/// A provider's description, such as an OpenAPI document, as text. None: [`SPECIFICATIONS_VARIABLE`] is not set. That is said on
/// standard error, because a check that is skipped in silence is taken for one that passed.
///
/// # Panics
/// The variable is set, and the folder has no such document.
pub fn specification(document: &str) -> Option<String> {
    let Some(folder) = std::env::var_os(SPECIFICATIONS_VARIABLE) else {
        let skipped = format!("skipped: no `{document}`; `{SPECIFICATIONS_VARIABLE}` names no folder that has it\n");
        // Not by a macro: what that prints is kept back for a test that passes.
        let _ = std::io::stderr().write_all(skipped.as_bytes());
        return None;
    };
    let path = PathBuf::from(folder).join(document);
    match fs::read_to_string(&path) {
        Ok(text) => Some(text),
        Err(error) => {
            panic!("`{}`: {error}; fix: put the document there, or unset `{SPECIFICATIONS_VARIABLE}`", path.display())
        }
    }
}

fn full_report<C: Inbound>(manifest_dir: &str) -> Report {
    let options = Options { effort: Effort::NATIVE, expectations: expectations(), budgets: None };
    let mut report = watch::run(native::<C>, inbound_fixtures(manifest_dir), options, watch::CALL_TIME_MAX);
    let orphans = orphans(manifest_dir);
    if let Some(fixtures) = report.checks.first_mut() {
        orphans.into_iter().for_each(|orphan| fixtures.fail(orphan));
    }
    report
}

fn native<C: Inbound>(fixtures: &[Fixture], options: &Options, progress: &watch::Progress) -> Report {
    suite::run_watched(&Native::<C>::new(), fixtures, options, progress)
}

/// What `BLESS` asks for.
fn expectations() -> Expectations {
    match std::env::var("BLESS").as_deref() {
        Ok("1") => Expectations::Bless,
        Ok("force") => Expectations::BlessAll,
        _ => Expectations::Verbatim,
    }
}

fn orphans(manifest_dir: &str) -> Vec<String> {
    fixture::orphans(manifest_dir).unwrap_or_else(|error| panic!("{error}"))
}

/// In one step, so that no reader sees half a report.
fn write_report(report: &Report, place: impl Fn(PathBuf) -> PathBuf) {
    let Some(path) = std::env::var_os(REPORT_VARIABLE).map(|path| place(path.into())) else { return };
    let json = serde_json::to_string(report).expect("a report has a form in JSON");
    let temporary = path.with_extension(format!("{}.tmp", std::process::id()));
    let written = fs::write(&temporary, json).and_then(|()| fs::rename(&temporary, &path));
    written.unwrap_or_else(|error| panic!("`{}`: {error}", path.display()));
}
