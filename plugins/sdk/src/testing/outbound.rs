//! Running a connector that sends or pulls against recorded responses, without a provider and without a host.
//!
//! `fixtures/outbound/<case>.operation.json` is an operation, `<case>.exchanges.json` what came of its requests, in order.
//! `<case>.requests.json` and `<case>.outcome.json` beside them are what the connector makes of them: its requests step by
//! step, and its last turn. `BLESS=1` writes these two.
//!
//! What pulls is run in the same way: `fixtures/polling/<case>.poll.json` says where a poll begins (`{"cursor": null}`), and
//! `<case>.batch.json` what it comes to.

mod budgets;
mod checks;
mod fixture;
mod form;
mod hostile;
mod native;

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::connection::Connection;
use super::report::{Findings, Report};
use super::subject::Usage;
use super::{Budgets, Expectations};
use crate::polling::Polling;
use crate::sending::Sending;

pub use fixture::{OutboundFixture, read_exchanges, read_operation, read_outbound_fixtures, read_polling_fixtures};
pub use hostile::ANSWERS_VARIABLE;
pub use native::{NativePolling, NativeSending};

/// Steps of one operation, as the host counts them.
pub const STEPS_MAX: usize = 16;

/// What a fixture is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Sending,
    Polling,
}

impl Way {
    /// The folder of its fixtures, and the first word of its checks.
    pub(super) fn folder(self) -> &'static str {
        match self {
            Self::Sending => "outbound",
            Self::Polling => "polling",
        }
    }

    /// The end of the file that says what is asked.
    fn asked(self) -> &'static str {
        match self {
            Self::Sending => "operation.json",
            Self::Polling => "poll.json",
        }
    }

    /// The end of the file that says what it comes to.
    fn came_to(self) -> &'static str {
        match self {
            Self::Sending => "outcome.json",
            Self::Polling => "batch.json",
        }
    }
}

/// A connector that sends or pulls, under test. Everything is in the contract's JSON, so that a native build and a component in
/// the sandbox are asked the same.
pub trait SendingSubject {
    /// Calls `run` or `poll` once.
    ///
    /// # Errors
    /// It did not answer, or the host refuses its turn: a sentence.
    fn run(&self, connection: &Connection, call: &RunOf<'_>) -> Result<RanOf, String>;

    /// [`run`](Self::run), counting instructions where the subject can. Too many of them are an error, whatever the clock says.
    ///
    /// # Errors
    /// As of [`run`](Self::run).
    fn measure(&self, connection: &Connection, call: &RunOf<'_>) -> Result<RanOf, String> {
        self.run(connection, call)
    }
}

/// What one call is given besides its connection.
#[derive(Clone, Copy, Debug)]
pub struct RunOf<'a> {
    /// The contract's `operation`; of a poll `{"cursor": …}`.
    pub operation: &'a Value,
    /// Each is `{"Ok": response}` or `{"Err": error}`.
    pub history: &'a [Value],
    /// How many steps came before.
    pub step: usize,
    /// What earlier turns said is accepted.
    pub accepted: &'a [Value],
}

/// What one call came to.
#[derive(Clone, Debug, PartialEq)]
pub struct RanOf {
    /// The contract's `turn`; of a poll `{"next": step}`.
    pub turn: Value,
    /// The lines that the connector logged.
    pub log: Vec<String>,
    pub usage: Usage,
}

impl RanOf {
    /// The requests that come next; none: the operation has ended.
    pub(super) fn requests(&self) -> Option<&Vec<Value>> {
        self.turn["next"]["perform"].as_array()
    }

    /// What is accepted so far.
    pub(super) fn accepted(&self) -> Vec<Value> {
        self.turn["so_far"]["accepted"].as_array().cloned().unwrap_or_default()
    }

    /// The events of a turn, or of a batch.
    pub(super) fn events(&self) -> impl Iterator<Item = &Value> {
        let places = [&self.turn["so_far"]["events"], &self.turn["next"]["done"]["events"]];
        places.into_iter().filter_map(Value::as_array).flatten()
    }
}

/// How a run of the suite differs between a native build and the sandbox.
#[derive(Clone, Copy, Debug)]
pub struct OutboundOptions {
    /// What is done with the two files of each case.
    pub expectations: Expectations,
    /// What a call may use; none: nothing is measured.
    pub budgets: Option<Budgets>,
    /// With how many hostile answers of each kind the answer to a request is replaced.
    pub answers: usize,
}

impl OutboundOptions {
    /// As many answers as [`ANSWERS_VARIABLE`] says, and nothing measured.
    pub fn new(expectations: Expectations) -> Self {
        Self { expectations, budgets: None, answers: hostile::answers_of_a_kind() }
    }
}

/// Runs every check of a connector that sends, or of one that pulls.
pub fn run_sending_suite(
    subject: &dyn SendingSubject,
    fixtures: &[OutboundFixture],
    options: &OutboundOptions,
) -> Report {
    let mut report = Report::default();
    let Some(way) = fixtures.first().map(|fixture| fixture.way) else { return report };
    let driven: Vec<_> = fixtures.iter().map(|fixture| (fixture, checks::drive(subject, fixture))).collect();
    let mut check = |name: &str, run: &mut dyn FnMut(&mut Findings)| {
        let mut findings = Findings { check: format!("{} {name}", way.folder()), ..Findings::default() };
        run(&mut findings);
        report.written.append(&mut findings.written);
        report.checks.push(findings);
    };
    check("fixtures", &mut |findings| checks::fixtures(&driven, options.expectations, findings));
    check("replay", &mut |findings| checks::replay(subject, &driven, findings));
    check("secrets", &mut |findings| checks::secrets(&driven, findings));
    check("answers", &mut |findings| hostile::check(subject, &driven, options.answers, findings));
    let mut maxima = Vec::new();
    if let Some(budgets) = &options.budgets {
        check("budgets", &mut |findings| maxima = budgets::check(&driven, budgets, findings));
    }
    report.maxima = maxima;
    report
}

/// All requests of a fixture, in order, in the contract's JSON.
///
/// # Errors
/// The subject does not come to an end on the recorded answers.
pub fn requests_of(subject: &dyn SendingSubject, fixture: &OutboundFixture) -> Result<Vec<Value>, String> {
    Ok(checks::drive(subject, fixture)?.steps.concat())
}

/// Runs the whole suite on a connector that sends: its fixtures, and what every connector has to keep.
///
/// - Each operation comes to the requests and the outcome that stand beside it.
/// - The same history gives the same turn. A history that ends inside a step gives the rest of it.
/// - No secret is in anything that the connector sees or says, and no log line holds an address or a text.
/// - Whatever a provider answers, it does not panic, ends within 16 steps, takes back nothing that was accepted, and sends
///   nothing a second time of which nobody knows whether it was processed.
///
/// # Panics
/// When one of these does not hold; every failure is told in one line.
pub fn check_sending<C: Sending>(manifest_dir: &str) {
    let fixtures = read_outbound_fixtures(manifest_dir).unwrap_or_else(|error| panic!("{error}"));
    assert!(!fixtures.is_empty(), "`fixtures/outbound` has no `.operation.json`; fix: write an operation of each kind");
    check(&NativeSending::<C>::new(), &fixtures);
}

/// Runs the whole suite on a connector that pulls: as [`check_sending`], on `fixtures/polling`.
///
/// # Panics
/// When something does not hold; every failure is told in one line.
pub fn check_polling<C: Polling>(manifest_dir: &str) {
    let fixtures = read_polling_fixtures(manifest_dir).unwrap_or_else(|error| panic!("{error}"));
    assert!(!fixtures.is_empty(), "`fixtures/polling` has no `.poll.json`; fix: write where a poll begins");
    check(&NativePolling::<C>::new(), &fixtures);
}

fn check(subject: &dyn SendingSubject, fixtures: &[OutboundFixture]) {
    let report = run_sending_suite(subject, fixtures, &OutboundOptions::new(super::expectations()));
    let ways = fixtures.first().map(|fixture| fixture.way);
    super::write_report(&report, |path| report_of(&path, ways.unwrap_or(Way::Sending)));
    let failures = report.failures();
    assert!(failures.is_empty(), "\n{}\n\n`BLESS=1 cargo test` accepts what fixtures came to\n", failures.join("\n"));
}

/// The file beside that of [`REPORT_VARIABLE`](super::REPORT_VARIABLE) into which [`check_sending`] or [`check_polling`] writes
/// its report.
pub fn report_of(path: &Path, way: Way) -> PathBuf {
    path.with_extension(format!("{}.json", way.folder()))
}

/// An exchange without a response, in the contract's JSON.
fn lost(error: Value) -> Value {
    json!({ "Err": error })
}

#[cfg(test)]
mod tests;
