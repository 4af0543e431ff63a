//! Each call of a recorded case stays far below what the manifest grants, as for what receives.

use super::checks::{Case, Used};
use crate::testing::Budgets;
use crate::testing::report::{Findings, Maximum};

type Of = fn(&Used) -> Option<u64>;

/// Checks every case, and gives the most that one call of one of them used.
pub(super) fn check(cases: &[Case<'_>], budgets: &Budgets, findings: &mut Findings) -> Vec<Maximum> {
    let measures: [(&str, u64, Of); 3] = [
        ("instructions of a step", budgets.fuel, |used| used.fuel),
        ("bytes of memory of a step", budgets.memory_bytes, |used| used.memory_bytes),
        ("bytes of output of a step", budgets.output_bytes, |used| Some(used.output_bytes)),
    ];
    let mut maxima = Vec::new();
    for (of, budget, used) in measures {
        let mut most: Option<Maximum> = None;
        for (fixture, driven) in cases {
            let Some(used) = driven.as_ref().ok().and_then(|driven| used(&driven.used)) else { continue };
            findings.cases += 1;
            if used > budget {
                let name = &fixture.name;
                findings.fail(format!("{name}: {used} {of}, the budget is {budget}; fix: do less in one step"));
            }
            if most.as_ref().is_none_or(|most| used > most.used) {
                let of = format!("{of} of {}", fixture.way.folder());
                most = Some(Maximum { of, used, budget, fixture: fixture.name.clone() });
            }
        }
        maxima.extend(most);
    }
    maxima
}
