//! A redelivery means the same: neither the host's clock nor its randomness goes into an event.

use super::{Case, Trial};
use crate::testing::report::{Causes, Findings};
use crate::testing::subject::{Answer, Kind, Moment};

/// Milliseconds between a delivery and its redelivery: within every provider's window for a time stamp.
const REDELIVERED_AFTER_MS: u64 = 1_000;

const OUTSIDE: &str = "fix: nothing outside of the arguments may decide it: no clock (`std::time`), no environment, no order \
                       of a `HashMap`";
const RULE: &str = "fix: `id` and `at` are the provider's, and neither the host's clock nor its randomness goes into an \
                    event (rules 2 and 3 of plugins/README.md)";

pub(super) fn check(trial: &Trial<'_>, findings: &mut Findings) {
    let mut causes = Causes::default();
    for case in &trial.cases {
        findings.cases += 3;
        let moment = Moment::of(&case.fixture.connection);
        if !is_same(&case.answer, &receive(trial, case, moment)) {
            causes.add(case.name(), format!("the same call again has another outcome; {OUTSIDE}"));
            continue;
        }
        let again = receive(trial, case, moment.otherwise());
        if !is_same(&case.answer, &again) {
            causes.add(case.name(), format!("other `entropy` changes the outcome; {RULE}"));
            continue;
        }
        let later = receive(trial, case, moment.otherwise().later(REDELIVERED_AFTER_MS));
        if !is_same_later(trial, case, &later) {
            causes.add(case.name(), format!("a `now` that is a second later changes the outcome; {RULE}"));
        }
    }
    causes.report(findings);
}

fn receive(trial: &Trial<'_>, case: &Case<'_>, moment: Moment) -> Answer {
    trial.subject_of(case).receive(&case.fixture.connection, &case.fixture.webhook, moment)
}

/// A handshake may answer with something fresh; all else is a function of the request.
fn is_same(first: &Answer, again: &Answer) -> bool {
    let is_handshake = first.kind == Kind::Receipt(0) && first.text.contains(r#""response":{"#);
    if is_handshake { first.kind == again.kind && first.verified == again.verified } else { first.is_same_as(again) }
}

/// A request at the end of the provider's window is too old a second later, and then it has to be the same a second
/// earlier. A reason may say how old a request is.
fn is_same_later(trial: &Trial<'_>, case: &Case<'_>, later: &Answer) -> bool {
    let first = &case.answer;
    if !matches!(first.kind, Kind::Receipt(_)) {
        return first.kind == later.kind;
    }
    if is_same(first, later) {
        return true;
    }
    let moment = Moment::of(&case.fixture.connection);
    let earlier = Moment { now: moment.now.saturating_sub(REDELIVERED_AFTER_MS), ..moment.otherwise() };
    later.kind == Kind::Unauthenticated && is_same(first, &receive(trial, case, earlier))
}
