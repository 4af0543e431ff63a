//! Nobody can send a captured request again at leisure: long after it was signed, and long before, it is
//! `unauthenticated`. Where the provider signs no time, `connection.json` says so.

use super::{Case, Trial};
use crate::testing::report::Findings;
use crate::testing::subject::{Kind, Moment};

/// Milliseconds between a request and its repetition: thirty days, which no provider's window is.
const APART_MS: u64 = 30 * 24 * 3600 * 1000;

pub(super) fn check(trial: &Trial<'_>, findings: &mut Findings) {
    // A challenge is no delivery, and what AWS hands over nobody else can send.
    let is_proof = |case: &&Case<'_>| case.fixture.webhook.method != "GET" && !case.fixture.webhook.is_fed();
    let mut excused: Vec<(&str, &str, bool)> = Vec::new();
    for case in trial.genuine().filter(is_proof) {
        findings.cases += 2;
        let connection = &case.fixture.connection;
        let accepted = taken(trial, case);
        match (connection.signs_no_time(), accepted) {
            (None, Some(when)) => findings.fail(format!(
                "{}: {} instead of `unauthenticated` thirty days {when}; fix: ask `verify::require_fresh` of the time that \
                 is signed, or say why there is none as `signs-no-time` in connection.json",
                case.name(),
                case.answer.kind.name()
            )),
            (None, None) => {}
            (Some(why), accepted) => {
                let is_known = |(name, _, _): &&mut (&str, &str, bool)| *name == connection.name();
                match excused.iter_mut().find(is_known) {
                    Some((_, _, is_needed)) => *is_needed |= accepted.is_some(),
                    None => excused.push((connection.name(), why, accepted.is_some())),
                }
            }
        }
    }
    for (name, why, is_needed) in excused {
        if is_needed {
            findings.note(format!("requests of connection `{name}` can be sent again at any time: {why}"))
        } else {
            findings.fail(format!(
                "connection `{name}` says `signs-no-time`, and no old request of it is taken; fix: take it out of \
             connection.json"
            ))
        }
    }
}

/// When a request is taken though it is not fresh.
fn taken(trial: &Trial<'_>, case: &Case<'_>) -> Option<&'static str> {
    let connection = &case.fixture.connection;
    let moment = Moment::of(connection);
    let earlier = Moment { now: moment.now.saturating_sub(APART_MS), ..moment };
    let is_taken = |moment| {
        trial.subject_of(case).receive(connection, &case.fixture.webhook, moment).kind != Kind::Unauthenticated
    };
    [(moment.later(APART_MS), "later"), (earlier, "earlier")]
        .into_iter()
        .find(|(moment, _)| is_taken(*moment))
        .map(|(_, when)| when)
}
