//! A native run of the suite that ends even if a call of the connector does not.
//!
//! The suite runs on a thread of its own and says which call it is in. If that one does not end, the thread is left behind,
//! and ends with the process.

use std::panic;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::fixture::Fixture;
use super::report::{Findings, Report};
use super::suite::Options;

/// How long one call may take natively. The host gives a sandboxed call at most 1 s of CPU time (`limits.cpu-ms`); ten times
/// that is enough for a debug build on a busy machine.
pub(super) const CALL_TIME_MAX: Duration = Duration::from_secs(10);
/// How often it is looked at how long the call takes.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Where a run of the suite is.
#[derive(Default)]
pub(super) struct Progress(Mutex<State>);

#[derive(Default)]
struct State {
    /// Checks that were done.
    done: Vec<Findings>,
    /// The check that runs; none yet: the fixtures are received once.
    check: Option<&'static str>,
    /// The fixture whose request, or whose changed request, the connector has.
    case: String,
    /// When the call began; none: no call runs.
    since: Option<Instant>,
}

impl Progress {
    pub(super) fn begin_check(&self, check: &'static str) {
        self.state().check = Some(check);
    }

    pub(super) fn end_check(&self, findings: &Findings) {
        self.state().done.push(findings.clone());
    }

    pub(super) fn at(&self, case: &str) {
        let state = &mut *self.state();
        if state.case != case {
            state.case = case.to_owned();
        }
    }

    /// Calls the connector.
    pub(super) fn call<T>(&self, call: impl FnOnce() -> T) -> T {
        self.state().since = Some(Instant::now());
        let answer = call();
        self.state().since = None;
        answer
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was found until the call that does not end; none: no call takes so long.
    fn of_endless_call(&self, call_time_max: Duration) -> Option<Report> {
        let state = self.state();
        state.since.filter(|since| since.elapsed() > call_time_max)?;
        let mut checks = state.done.clone();
        let failure = format!(
            "{}: no answer after {} s; fix: every loop must end when its input ends",
            state.case,
            call_time_max.as_secs()
        );
        checks.push(Findings {
            check: state.check.unwrap_or("fixtures").to_owned(),
            cases: 1,
            failures: vec![failure],
            notes: vec!["the checks after this one were not run".to_owned()],
            ..Findings::default()
        });
        Some(Report { checks, ..Report::default() })
    }
}

/// A run of the suite on one connector.
pub(super) type Suite = fn(&[Fixture], &Options, &Progress) -> Report;

/// Runs the suite, and ends at the first call that takes longer than it may.
pub(super) fn run(suite: Suite, fixtures: Vec<Fixture>, options: Options, call_time_max: Duration) -> Report {
    let progress = Arc::new(Progress::default());
    let (sender, reports) = channel();
    let running = thread::spawn({
        let progress = Arc::clone(&progress);
        move || drop(sender.send(suite(&fixtures, &options, &progress)))
    });
    loop {
        match reports.recv_timeout(LOOK_EVERY) {
            Ok(report) => return report,
            Err(RecvTimeoutError::Timeout) => {
                if let Some(report) = progress.of_endless_call(call_time_max) {
                    return report;
                }
            }
            Err(RecvTimeoutError::Disconnected) => match running.join() {
                Err(panic) => panic::resume_unwind(panic),
                Ok(()) => unreachable!("it sends its report before it ends"),
            },
        }
    }
}
