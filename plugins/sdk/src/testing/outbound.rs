//! Running a connector that sends against recorded responses, without a provider and without a host.
//!
//! `fixtures/outbound/<case>.operation.json` is an operation, `<case>.exchanges.json` what came of its requests, in order.
//! `<case>.requests.json` and `<case>.outcome.json` beside them are what the connector makes of them: its requests step by
//! step, and its last turn. `BLESS=1` writes these two.

mod checks;
mod fixture;
mod form;
mod hostile;

use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::connection::Connection;
use super::report::{Findings, Report};
use super::subject::{Moment, caught, quiet_panics};
use super::{Expectations, host};
use crate::sending::Sending;
use crate::{Context, Exchange};

pub use fixture::{OutboundFixture, read_outbound_fixtures};

/// Steps of one operation, as the host counts them.
pub const STEPS_MAX: usize = 16;

/// A connector that sends, under test. Everything is in the contract's JSON, so that a native build and a component in the
/// sandbox are asked the same.
pub trait SendingSubject {
    /// Calls `run` once.
    ///
    /// # Errors
    /// It did not answer, or the host refuses its turn: a sentence.
    fn run(&self, connection: &Connection, call: &RunOf<'_>) -> Result<RanOf, String>;
}

/// What one call of `run` is given besides its connection.
#[derive(Clone, Copy, Debug)]
pub struct RunOf<'a> {
    pub operation: &'a Value,
    /// Each is `{"Ok": response}` or `{"Err": error}`.
    pub history: &'a [Value],
    /// How many steps came before.
    pub step: usize,
    /// What earlier turns said is accepted.
    pub accepted: &'a [Value],
}

/// What one call of `run` came to.
#[derive(Clone, Debug, PartialEq)]
pub struct RanOf {
    /// The contract's `turn`.
    pub turn: Value,
    /// The lines that the connector logged.
    pub log: Vec<String>,
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
}

/// A connector in this process.
pub struct NativeSending<C>(PhantomData<C>);

impl<C: Sending> NativeSending<C> {
    /// The connector `C`.
    pub fn new() -> Self {
        quiet_panics();
        Self(PhantomData)
    }
}

impl<C: Sending> Default for NativeSending<C> {
    fn default() -> Self {
        Self::new()
    }
}

impl<C: Sending> SendingSubject for NativeSending<C> {
    fn run(&self, connection: &Connection, call: &RunOf<'_>) -> Result<RanOf, String> {
        let moment = Moment::of(connection);
        let context = Context {
            connection: connection.name().into(),
            config: connection.config().into(),
            now: moment.now,
            entropy: moment.entropy.to_vec(),
        };
        let operation = serde_json::from_value(call.operation.clone())
            .map_err(|error| format!("the operation is not one of the contract: {error}"))?;
        let history: Vec<Exchange> = serde_json::from_value(call.history.into())
            .map_err(|error| format!("an exchange is not one of the contract: {error}"))?;
        // `verify` knows no secret here, as in the host.
        host::install(Default::default(), false);
        let turn = caught(|| C::run(&context, &operation, &history));
        let log = host::take().1.into_iter().map(|(_, line)| line).collect();
        let turn = serde_json::to_value(turn?).map_err(|error| format!("the turn has no form in JSON: {error}"))?;
        Ok(RanOf { turn, log })
    }
}

/// Runs every check of a connector that sends.
pub fn run_sending_suite(
    subject: &dyn SendingSubject,
    fixtures: &[OutboundFixture],
    expectations: Expectations,
) -> Report {
    let mut report = Report::default();
    let driven: Vec<_> = fixtures.iter().map(|fixture| (fixture, checks::drive(subject, fixture))).collect();
    let mut check = |name: &str, run: &dyn Fn(&mut Findings)| {
        let mut findings = Findings { check: name.to_owned(), ..Findings::default() };
        run(&mut findings);
        report.written.append(&mut findings.written);
        report.checks.push(findings);
    };
    check("outbound fixtures", &|findings| checks::fixtures(&driven, expectations, findings));
    check("outbound replay", &|findings| checks::replay(subject, &driven, findings));
    check("outbound secrets", &|findings| checks::secrets(&driven, findings));
    check("outbound answers", &|findings| hostile::check(subject, &driven, findings));
    report
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
    let report = run_sending_suite(&NativeSending::<C>::new(), &fixtures, super::expectations());
    super::write_report(&report, |path| sending_report_of(&path));
    let failures = report.failures();
    assert!(failures.is_empty(), "\n{}\n\n`BLESS=1 cargo test` accepts what fixtures came to\n", failures.join("\n"));
}

/// The file beside that of [`REPORT_VARIABLE`](super::REPORT_VARIABLE) into which [`check_sending`] writes its report.
pub fn sending_report_of(path: &Path) -> PathBuf {
    path.with_extension("sending.json")
}

/// An exchange without a response, in the contract's JSON.
fn lost(error: Value) -> Value {
    json!({ "Err": error })
}
