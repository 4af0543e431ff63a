//! A call of a recorded request stays far below what the manifest grants, so that a larger one has room.

use super::{Case, Trial};
use crate::testing::report::{Findings, Maximum};

/// What one call of a fixture may use, and how large the component may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budgets {
    /// Instructions.
    pub fuel: u64,
    /// Bytes of linear memory.
    pub memory_bytes: u64,
    /// Bytes of the outcome as JSON.
    pub output_bytes: u64,
    /// Bytes of the component.
    pub component_bytes: u64,
    /// Bytes that the component has.
    pub component_found_bytes: u64,
}

impl Budgets {
    /// Of a manifest's `[limits]`: a quarter of the CPU time, at one instruction a nanosecond, and half of the rest.
    pub fn of_limits(cpu_ms: u64, memory_mib: u64, output_kib: u64) -> Self {
        const INSTRUCTIONS_A_MS: u64 = 1_000_000;
        Self {
            fuel: cpu_ms * INSTRUCTIONS_A_MS / 4,
            memory_bytes: memory_mib * (1 << 20) / 2,
            output_bytes: output_kib * 1024 / 2,
            component_bytes: 0,
            component_found_bytes: 0,
        }
    }

    /// The same, for a component of this size and its limit, both in bytes.
    pub fn with_component(self, found: u64, max: u64) -> Self {
        Self { component_bytes: max, component_found_bytes: found, ..self }
    }
}

type Used = fn(&Case<'_>) -> Option<u64>;

/// Checks every fixture, and gives the most that one of them used.
pub(super) fn check(trial: &Trial<'_>, budgets: &Budgets, findings: &mut Findings) -> Vec<Maximum> {
    let measures: [(&str, u64, Used); 3] = [
        ("instructions", budgets.fuel, |case| case.answer.usage.fuel),
        ("bytes of memory", budgets.memory_bytes, |case| case.answer.usage.peak_memory_bytes),
        ("bytes of output", budgets.output_bytes, |case| u64::try_from(case.answer.text.len()).ok()),
    ];
    let mut maxima = Vec::new();
    for (of, budget, used) in measures {
        for case in &trial.cases {
            let Some(used) = used(case) else { continue };
            findings.cases += 1;
            if used > budget {
                findings
                    .fail(format!("{}: {used} {of}, the budget is {budget}; fix: do less in one call", case.name()));
            }
        }
        let most = trial.cases.iter().filter_map(|case| Some((used(case)?, case))).max_by_key(|(used, _)| *used);
        if let Some((used, case)) = most {
            maxima.push(Maximum { of: of.to_owned(), used, budget, fixture: case.name().to_owned() });
        }
    }
    findings.cases += 1;
    let (used, budget) = (budgets.component_found_bytes, budgets.component_bytes);
    if used > budget {
        findings.fail(format!(
            "the component has {used} bytes, its limit is {budget}; fix: depend on less, or raise `component-kib` in \
             connector.toml"
        ));
    }
    maxima.push(Maximum { of: "bytes of component".to_owned(), used, budget, fixture: String::new() });
    maxima
}
