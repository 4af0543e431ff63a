//! A connector's own tests, run natively by a nested cargo, and the report that its suite writes.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use rapport_sdk::testing::outbound::{Way, report_of};
use rapport_sdk::testing::{Expectations, Findings, REPORT_VARIABLE, Report};

use crate::connector::nested_cargo;

/// The report of a connector that does not receive.
const NO_CHECKS: &str = r#"{"checks":[],"maxima":[]}"#;

/// Lines of what cargo said that are repeated when there is no report: the end of it, where the error is.
const SAID_LINES_MAX: usize = 30;

/// Runs `cargo test` on the crate in `folder`. A test that fails besides the suite is a failure of the check `own tests`.
///
/// # Errors
/// Cargo does not run, or no test of the crate runs the suite.
pub fn run(folder: &Path, expectations: Expectations) -> Result<Report> {
    let scratch = tempfile::tempdir().context("no temporary folder")?;
    let path = scratch.path().join("report.json");
    let mut variables = vec![(REPORT_VARIABLE, path.as_os_str())];
    match expectations {
        Expectations::Bless => variables.push(("BLESS", "1".as_ref())),
        Expectations::BlessAll => variables.push(("BLESS", "force".as_ref())),
        Expectations::Verbatim | Expectations::Values => {}
    }
    let tested = nested_cargo::test(folder, &variables)?;
    let more: Vec<String> =
        [Way::Sending, Way::Polling].iter().filter_map(|way| fs::read_to_string(report_of(&path, *way)).ok()).collect();
    let Some(json) = fs::read_to_string(&path).ok().or_else(|| (!more.is_empty()).then(|| NO_CHECKS.to_owned())) else {
        let lines: Vec<&str> = tested.said.trim_end().lines().collect();
        let end = lines[lines.len().saturating_sub(SAID_LINES_MAX)..].join("\n");
        anyhow::bail!(
            "the crate's own tests wrote no report; the end of cargo's message:\n{end}\nfix: correct what cargo reports; if it \
             reports no error, add the test that calls \
             `rapport_sdk::testing::check::<YourType>(env!(\"CARGO_MANIFEST_DIR\"))` to `{}`",
            folder.display()
        );
    };
    let mut report: Report =
        serde_json::from_str(&json).context("the tests' report is of another release of the SDK")?;
    for json in more {
        let mut more: Report =
            serde_json::from_str(&json).context("the tests' report is of another release of the SDK")?;
        report.checks.append(&mut more.checks);
        report.written.append(&mut more.written);
    }
    report.checks.push(own_tests(&tested.said, &report));
    Ok(report)
}

/// What cargo said of the crate's tests. The suite is one of them, and has said for itself what failed.
fn own_tests(said: &str, report: &Report) -> Findings {
    let tests = said.lines().filter_map(|line| line.strip_prefix("test "));
    let results: Vec<(&str, &str)> = tests.filter_map(|line| line.split_once(" ... ")).collect();
    let failed = results.iter().filter(|(_, result)| result.starts_with("FAILED"));
    let failures: Vec<String> =
        failed.map(|(name, _)| format!("test `{name}` fails; fix: `cargo test` says why")).collect();
    let suites = report.checks.iter().filter(|check| !check.is_clean());
    let suite_of = |findings: &Findings| {
        ["outbound ", "polling "].into_iter().find(|suite| findings.check.starts_with(suite)).unwrap_or_default()
    };
    let of_suites: BTreeSet<&str> = suites.map(suite_of).collect();
    let is_the_suite = failures.len() == of_suites.len();
    Findings {
        check: "own tests".to_owned(),
        cases: results.len(),
        failures: if is_the_suite { Vec::new() } else { failures },
        ..Findings::default()
    }
}
