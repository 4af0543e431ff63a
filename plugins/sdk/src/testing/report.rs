//! What a run of the suite found.

use serde::{Deserialize, Serialize};

/// Failures of one check that are told; the rest are counted. A connector that is wrong in one way is wrong everywhere.
pub const FAILURES_TOLD_MAX: usize = 12;

/// What a run of the suite found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// One for each check, in the suite's order.
    pub checks: Vec<Findings>,
    /// The most that one fixture used, of what the subject can measure.
    pub maxima: Vec<Maximum>,
    /// What was written into `*.events.json`, one line a fixture.
    #[serde(default)]
    pub written: Vec<String>,
}

/// What one check found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Findings {
    /// The check's name, such as `header order`.
    pub check: String,
    /// How many cases were tried.
    pub cases: usize,
    /// One line each, at most [`FAILURES_TOLD_MAX`].
    pub failures: Vec<String>,
    /// How many more there were.
    pub untold: usize,
    /// What was left out, and why.
    pub notes: Vec<String>,
    /// What it wrote into `*.events.json`, one line a fixture.
    #[serde(skip)]
    pub written: Vec<String>,
}

/// The most that one fixture used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Maximum {
    /// Of what, with its unit: `instructions`.
    pub of: String,
    pub used: u64,
    /// How much it may be.
    pub budget: u64,
    /// Which fixture.
    pub fixture: String,
}

impl Report {
    /// Whether no check failed.
    pub fn is_clean(&self) -> bool {
        self.checks.iter().all(Findings::is_clean)
    }

    /// One line for each failure, with the name of its check.
    pub fn failures(&self) -> Vec<String> {
        self.checks.iter().flat_map(Findings::lines).collect()
    }
}

impl Findings {
    /// Whether nothing failed.
    pub fn is_clean(&self) -> bool {
        self.failures.is_empty()
    }

    /// How many cases failed.
    pub fn failed(&self) -> usize {
        self.failures.len() + self.untold
    }

    /// Adds a failure, which is one line.
    pub(super) fn fail(&mut self, line: impl Into<String>) {
        if self.failures.len() < FAILURES_TOLD_MAX {
            self.failures.push(line.into());
        } else {
            self.untold += 1;
        }
    }

    /// Adds what was left out, unless it was said before.
    pub(super) fn note(&mut self, line: impl Into<String>) {
        let line = line.into();
        if !self.notes.contains(&line) {
            self.notes.push(line);
        }
    }

    /// One line for each failure.
    pub fn lines(&self) -> Vec<String> {
        let told = self.failures.iter().map(|failure| format!("{}: {failure}", self.check));
        let untold = (self.untold > 0).then(|| format!("{}: and {} more", self.check, self.untold));
        told.chain(untold).collect()
    }
}

/// Fixtures that are told together at most; the rest are counted.
const NAMES_TOLD_MAX: usize = 3;

/// Failures of fixtures by their cause: what is wrong with all of them is told once.
#[derive(Default)]
pub(super) struct Causes(Vec<Cause>);

struct Cause {
    cause: String,
    /// Of the first fixture.
    failure: String,
    fixtures: Vec<String>,
}

impl Causes {
    pub(super) fn add(&mut self, fixture: &str, failure: String) {
        self.add_by(fixture, failure.clone(), failure);
    }

    /// Adds a failure whose words differ from those of others with the same cause.
    pub(super) fn add_by(&mut self, fixture: &str, cause: String, failure: String) {
        match self.0.iter_mut().find(|known| known.cause == cause) {
            Some(known) => known.fixtures.push(fixture.to_owned()),
            None => self.0.push(Cause { cause, failure, fixtures: vec![fixture.to_owned()] }),
        }
    }

    /// Adds them to what a check found, those of most fixtures first.
    pub(super) fn report(mut self, findings: &mut Findings) {
        self.0.sort_by_key(|cause| std::cmp::Reverse(cause.fixtures.len()));
        for Cause { failure, fixtures, .. } in self.0 {
            let mut names = fixtures[..fixtures.len().min(NAMES_TOLD_MAX)].join(", ");
            if fixtures.len() > NAMES_TOLD_MAX {
                names.push_str(&format!(" and {} more", fixtures.len() - NAMES_TOLD_MAX));
            }
            findings.fail(format!("{names}: {failure}"));
        }
    }
}
