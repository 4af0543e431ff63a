//! What testing a connector came to, for a person.

use rapport_sdk::testing::{Findings, Report};

use super::Tested;
use crate::Terminal;
use crate::connector::interface::short_name;
use crate::connector::thousands;
use crate::terminal::Tone;

/// Characters of the longest check's name, and of a cell.
const NAME_WIDTH: usize = 18;
const CELL_WIDTH: usize = 14;

pub(super) fn print(tested: &Tested, terminal: &Terminal) {
    let Tested { manifest, interface, native, sandbox } = tested;
    let title = format!("{} {}", manifest.id, manifest.version);
    let imports: Vec<&str> = interface.imports.iter().map(|name| short_name(name)).collect();
    println!("{}, imports {}", terminal.paint(Tone::Heading, &title), imports.join(", "));
    println!("  {:NAME_WIDTH$}{:>CELL_WIDTH$}{:>CELL_WIDTH$}", "cases", "native", "sandbox");
    for name in names(native.as_ref(), sandbox) {
        let cells = [native.as_ref(), Some(sandbox)].map(|report| cell(report, name, terminal));
        println!("  {name:NAME_WIDTH$}{}", cells.concat());
    }
    for (column, failure) in failures(native.as_ref(), sandbox) {
        println!("  {} {column}: {failure}", terminal.paint(Tone::Bad, "failed"));
    }
    for (column, note) in told_once(&notes(native.as_ref()), &notes(Some(sandbox))) {
        println!("  {} {column}: {note}", terminal.paint(Tone::Quiet, "note"));
    }
    for written in native.iter().flat_map(|report| &report.written) {
        println!("  {} {written}", terminal.paint(Tone::Good, "written"));
    }
    for maximum in &sandbox.maxima {
        let fixture = if maximum.fixture.is_empty() { String::new() } else { format!(" ({})", maximum.fixture) };
        let (used, budget) = (thousands(maximum.used), thousands(maximum.budget));
        println!("  at most {used} {} of {budget}{fixture}", maximum.of);
    }
    println!();
}

/// Checks in the order of cause and effect: what a manifest does not name makes fixtures fail, and those everything else.
const CAUSES_FIRST: [&str; 3] = ["manifest", "fixtures", "events"];

/// All failures, causes first, each with the column that it is of; what fails in both is told once.
fn failures(native: Option<&Report>, sandbox: &Report) -> Vec<(&'static str, String)> {
    let mut told = Vec::new();
    for check in names(native, sandbox) {
        let lines = |report: Option<&Report>| -> Vec<String> {
            let findings = report.and_then(|report| report.checks.iter().find(|findings| findings.check == check));
            findings.map(Findings::lines).unwrap_or_default()
        };
        let rank = CAUSES_FIRST.iter().position(|first| *first == check).unwrap_or(CAUSES_FIRST.len());
        let lines = told_once(&lines(native), &lines(Some(sandbox)));
        told.extend(lines.into_iter().map(|(column, line)| (rank, (column, line))));
    }
    told.sort_by_key(|(rank, _)| *rank);
    told.into_iter().map(|(_, line)| line).collect()
}

fn notes(report: Option<&Report>) -> Vec<String> {
    let checks = report.into_iter().flat_map(|report| &report.checks);
    checks.flat_map(|check| check.notes.iter().map(|note| format!("{}: {note}", check.check))).collect()
}

/// The lines of both columns; what both say is one line, and so is what both say of a trap, of which the native one has the
/// place in the source.
fn told_once(native: &[String], sandbox: &[String]) -> Vec<(&'static str, String)> {
    let subject =
        |line: &str| line.split_once("trap: ").map_or_else(|| line.to_owned(), |(subject, _)| format!("{subject}trap"));
    let is_in = |lines: &[String], line: &str| lines.iter().any(|other| subject(other) == subject(line));
    let natively = native.iter().map(|line| (if is_in(sandbox, line) { "both" } else { "native" }, line.clone()));
    let traps_natively = native.iter().any(|line| line.contains("trap: "));
    let elsewhere = sandbox.iter().filter(|line| !is_in(native, line)).map(|line| {
        let hint = if line.contains("trap: ") && !traps_natively { NO_SYSTEM } else { "" };
        ("sandbox", format!("{line}{hint}"))
    });
    natively.chain(elsewhere).collect()
}

/// What a trap usually is that comes in the sandbox only.
const NO_SYSTEM: &str = "; not natively, so it is probably a clock, an environment variable, a file or a thread, which a \
                         component does not have; fix: `at` is the provider's time, or 0 if it gives none; `context.now` \
                         is only for checking signatures";

/// The names of all checks, in order: those of the suite, then those of one column only.
fn names<'a>(native: Option<&'a Report>, sandbox: &'a Report) -> Vec<&'a str> {
    let mut names: Vec<&str> = Vec::new();
    for report in native.into_iter().chain([sandbox]) {
        for check in &report.checks {
            if !names.contains(&check.check.as_str()) {
                names.push(&check.check);
            }
        }
    }
    names
}

fn cell(report: Option<&Report>, name: &str, terminal: &Terminal) -> String {
    let check = report.and_then(|report| report.checks.iter().find(|check| check.check == name));
    let (text, tone) = match check {
        None => ("–".to_owned(), Tone::Quiet),
        Some(check) if check.is_clean() => (thousands(cases(check)), Tone::Good),
        Some(check) => (format!("{} failed", check.failed()), Tone::Bad),
    };
    // Padded before it is painted: the colour's code has no width.
    terminal.paint(tone, &format!("{text:>CELL_WIDTH$}"))
}

fn cases(check: &Findings) -> u64 {
    u64::try_from(check.cases).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(checks: &[(&str, &[&str])]) -> Report {
        let findings = |(check, failures): &(&str, &[&str])| Findings {
            check: (*check).to_owned(),
            failures: failures.iter().map(|failure| (*failure).to_owned()).collect(),
            ..Findings::default()
        };
        Report { checks: checks.iter().map(findings).collect(), ..Report::default() }
    }

    #[test]
    fn causes_come_first_and_what_fails_in_both_is_told_once() {
        let native = report(&[("tampering", &["a"]), ("fixtures", &["text: trap: no at src/a.rs:7"])]);
        let sandbox =
            report(&[("tampering", &["a", "b"]), ("fixtures", &["text: trap: unreachable"]), ("manifest", &["m"])]);
        let told = failures(Some(&native), &sandbox);
        let told: Vec<String> = told.into_iter().map(|(column, line)| format!("{column}: {line}")).collect();
        assert_eq!(
            told,
            [
                "sandbox: manifest: m",
                "both: fixtures: text: trap: no at src/a.rs:7",
                "both: tampering: a",
                "sandbox: tampering: b"
            ]
        );
    }

    #[test]
    fn a_trap_that_comes_in_the_sandbox_only_is_told_with_its_usual_cause() {
        let told = failures(Some(&report(&[])), &report(&[("fixtures", &["text: trap: unreachable"])]));
        assert!(
            told[0].1.ends_with(
                "fix: `at` is the provider's time, or 0 if it gives none; `context.now` is only for checking signatures"
            ),
            "{told:?}"
        );
    }
}
