//! What holds for every connector, checked against its fixtures: natively, and as a component in the sandbox.
//!
//! Each check is one module; none knows anything of a provider. A check makes other requests of the recorded ones, signs
//! them where that is needed, and says in one line what came otherwise than it should.

mod budgets;
mod declared;
mod events;
mod feeds;
mod fixtures;
mod header_order;
mod hostile;
mod identities;
mod json;
mod logs;
mod redelivery;
mod replay;
mod siblings;
mod tampering;
mod unknown_fields;

use super::connection::Connection;
use super::fixture::Fixture;
use super::report::{Findings, Report};
use super::subject::{Answer, Moment, Subject};
use super::watch::Progress;
use crate::Webhook;

pub use budgets::Budgets;

/// How a run of the suite differs between a native build and the sandbox.
#[derive(Clone, Debug)]
pub struct Options {
    /// How much is tried.
    pub effort: Effort,
    /// What is done with `*.events.json`.
    pub expectations: Expectations,
    /// What a call may use; none: nothing is measured.
    pub budgets: Option<Budgets>,
}

/// How much a run tries, in calls of the connector. All that is tried is the same in every run.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Changed bodies that have to be refused.
    pub tampered_max: usize,
    /// Values of another type in a field.
    pub retyped_max: usize,
    /// Requests of which hostile ones are made.
    pub hostile_fixtures_max: usize,
    /// Random bodies made of each of them.
    pub random_bodies: usize,
}

impl Effort {
    /// Of a native build. A call takes 15 µs in a debug build: some four seconds in all.
    pub const NATIVE: Self =
        Self { tampered_max: 180_000, retyped_max: 6_000, hostile_fixtures_max: 4, random_bodies: 48 };

    /// In the sandbox, where a call takes some 60 µs from a debug build. The same code was tried natively, bit for bit.
    pub const SANDBOX: Self =
        Self { tampered_max: 12_000, retyped_max: 3_000, hostile_fixtures_max: 3, random_bodies: 32 };
}

/// What is done with `*.events.json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expectations {
    /// The outcome has to be equal, but for white space outside of strings.
    Verbatim,
    /// The outcome has to be the same JSON value: the host's types keep no order of keys.
    Values,
    /// They are written, except where events of before are gone.
    Bless,
    /// They are written in any case.
    BlessAll,
}

impl Expectations {
    /// Whether `*.events.json` are written.
    pub fn is_blessing(self) -> bool {
        matches!(self, Self::Bless | Self::BlessAll)
    }
}

/// A recorded request, with what the subject makes of it.
struct Case<'a> {
    fixture: &'a Fixture,
    answer: Answer,
}

/// What every check is given.
struct Trial<'a> {
    subject: &'a dyn Subject,
    cases: Vec<Case<'a>>,
    options: &'a Options,
    progress: &'a Progress,
}

/// A check: its name, and what does it.
type Check = (&'static str, fn(&Trial<'_>, &mut Findings));

const CHECKS: [Check; 13] = [
    ("fixtures", fixtures::check),
    ("events", events::check),
    ("tampering", tampering::check),
    ("feeds", feeds::check),
    ("replay", replay::check),
    ("declared proofs", declared::check),
    ("redelivery", redelivery::check),
    ("header order", header_order::check),
    ("unknown fields", unknown_fields::check),
    ("siblings", siblings::check),
    ("hostile input", hostile::check),
    ("identities", identities::check),
    ("logs", logs::check),
];

/// Runs every check.
pub fn run(subject: &dyn Subject, fixtures: &[Fixture], options: &Options) -> Report {
    run_watched(subject, fixtures, options, &Progress::default())
}

/// [`run`], which says where it is.
pub(super) fn run_watched(
    subject: &dyn Subject,
    fixtures: &[Fixture],
    options: &Options,
    progress: &Progress,
) -> Report {
    let subject: &dyn Subject = &Watched { subject, progress };
    let measured = |fixture: &Fixture| {
        progress.at(&fixture.name);
        subject.measure(&fixture.connection, &fixture.webhook, Moment::of(&fixture.connection))
    };
    let cases = fixtures.iter().map(|fixture| Case { fixture, answer: measured(fixture) }).collect();
    let trial = Trial { subject, cases, options, progress };
    let mut report = Report::default();
    for (name, check) in CHECKS {
        let mut findings = Findings { check: name.to_owned(), ..Findings::default() };
        progress.begin_check(name);
        check(&trial, &mut findings);
        progress.end_check(&findings);
        report.written.append(&mut findings.written);
        report.checks.push(findings);
    }
    if let Some(budgets) = &options.budgets {
        let mut findings = Findings { check: "budgets".to_owned(), ..Findings::default() };
        report.maxima = budgets::check(&trial, budgets, &mut findings);
        report.checks.push(findings);
    }
    report
}

/// A subject whose calls are said to be running.
struct Watched<'a> {
    subject: &'a dyn Subject,
    progress: &'a Progress,
}

impl Subject for Watched<'_> {
    fn receive(&self, connection: &Connection, webhook: &Webhook, moment: Moment) -> Answer {
        self.progress.call(|| self.subject.receive(connection, webhook, moment))
    }

    fn measure(&self, connection: &Connection, webhook: &Webhook, moment: Moment) -> Answer {
        self.progress.call(|| self.subject.measure(connection, webhook, moment))
    }

    fn lets_in(&self, connection: &Connection, webhook: &Webhook) -> Option<bool> {
        self.subject.lets_in(connection, webhook)
    }

    fn why_not(&self, connection: &Connection, webhook: &Webhook) -> Option<String> {
        self.subject.why_not(connection, webhook)
    }
}

impl<'a> Trial<'a> {
    /// The subject, which is given requests made of this case.
    fn subject_of(&self, case: &Case<'_>) -> &dyn Subject {
        self.progress.at(case.name());
        self.subject
    }

    /// The cases that the subject takes as the provider's.
    fn genuine(&self) -> impl Iterator<Item = &Case<'a>> {
        self.cases.iter().filter(|case| case.answer.is_genuine())
    }
}

impl Case<'_> {
    /// Whether events of this request may be stored.
    fn is_taken(&self) -> bool {
        self.answer.is_genuine() || self.is_vouched()
    }

    /// Whether something else than `verify` vouches for this request.
    fn is_vouched(&self) -> bool {
        self.fixture.connection.is_unsigned() || self.fixture.webhook.is_fed()
    }

    fn name(&self) -> &str {
        &self.fixture.name
    }
}

#[cfg(test)]
mod tests;
