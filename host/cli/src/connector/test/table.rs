//! What testing a connector came to, for a person.

use rapport_sdk::testing::{Findings, Report};

use super::Tested;
use crate::Terminal;
use crate::connector::interface::short_name;
use crate::connector::thousands;
use crate::terminal::Tone;

/// Characters of the longest check's name, and of a cell.
const NAME_WIDTH: usize = 16;
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
    for (column, report) in [("native", native.as_ref()), ("sandbox", Some(sandbox))] {
        let Some(report) = report else { continue };
        for failure in report.failures() {
            println!("  {} {column}: {failure}", terminal.paint(Tone::Bad, "failed"));
        }
        for (check, note) in report.checks.iter().flat_map(|check| check.notes.iter().map(|note| (&check.check, note)))
        {
            println!("  {} {column}: {check}: {note}", terminal.paint(Tone::Quiet, "note"));
        }
    }
    for maximum in &sandbox.maxima {
        let fixture = if maximum.fixture.is_empty() { String::new() } else { format!(" ({})", maximum.fixture) };
        let (used, budget) = (thousands(maximum.used), thousands(maximum.budget));
        println!("  at most {used} {} of {budget}{fixture}", maximum.of);
    }
    println!();
}

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
