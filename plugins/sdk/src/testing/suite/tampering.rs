//! Nobody can change the body of a signed request: each changed byte and each shorter body is `unauthenticated`.
//!
//! A change may mean the same, because some encodings have two spellings; then the outcome has to be the same.

use super::{Case, Trial};
use crate::Webhook;
use crate::testing::report::Findings;
use crate::testing::subject::{Kind, Moment};

pub(super) fn check(trial: &Trial<'_>, findings: &mut Findings) {
    let mut signed: Vec<&Case<'_>> = Vec::new();
    for case in trial.genuine().filter(|case| case.fixture.webhook.method == "POST") {
        match case.fixture.connection.partly_signed() {
            Some(why) => findings.note(format!("bodies of connection `{}` were not changed: {why}", name(case))),
            None => signed.push(case),
        }
    }
    // A connection without a secret cannot verify: what comes by its URL is refused.
    let takes_feeds = trial.cases.iter().any(|case| case.fixture.webhook.is_fed());
    let exempt = |case: &&Case<'_>| case.is_vouched() || takes_feeds && case.fixture.connection.secrets().is_empty();
    // The check of the fixtures tells it, with the cause.
    let is_told = trial.cases.iter().any(super::fixtures::is_unverified);
    if signed.is_empty() && !is_told && findings.notes.is_empty() && !trial.cases.iter().all(|case| exempt(&case)) {
        findings.fail("no fixture is a POST that `verify` says yes to; fix: record one, with its signature");
    }
    let bytes = signed.iter().map(|case| case.fixture.webhook.body.len()).sum();
    let plan = Plan::of(bytes, trial.options.effort.tampered_max);
    for case in signed {
        let accepted = changes(&case.fixture.webhook, &plan).find_map(|(forged, what)| {
            findings.cases += 1;
            accepted(trial, case, &forged).map(|outcome| format!("{}: {outcome} with {what}", case.name()))
        });
        if let Some(failure) = accepted {
            let fix = "fix: verify the whole body, or say why not as `partly-signed` in connection.json";
            findings.fail(format!("{failure}; {fix}"));
        }
    }
}

fn name<'a>(case: &'a Case<'_>) -> &'a str {
    case.fixture.connection.name()
}

/// How the number of changes is kept below a maximum.
struct Plan {
    /// Bits of each byte that are flipped, one at a time.
    bits: usize,
    /// From one byte that is changed to the next, and from one length that is tried to the next.
    step: usize,
}

impl Plan {
    /// For bodies of so many bytes in all. Lengths take as many changes as bytes with one bit.
    fn of(bytes: usize, max: usize) -> Self {
        let rounds = max / bytes.max(1);
        match rounds {
            0 | 1 => Self { bits: 1, step: (2 * bytes).div_ceil(max.max(1)) },
            _ => Self { bits: (rounds - 1).min(8), step: 1 },
        }
    }
}

/// The changed requests, each with a word on the change.
fn changes<'a>(webhook: &'a Webhook, plan: &'a Plan) -> impl Iterator<Item = (Webhook, String)> + 'a {
    let with = |body: Vec<u8>| Webhook { body, ..webhook.clone() };
    let flips = (0..webhook.body.len()).step_by(plan.step).flat_map(|index| {
        // Bits that are left out are others in the next byte.
        (0..plan.bits).map(move |bit| (index, (index * 3 + bit) % 8))
    });
    let flipped = flips.map(move |(index, bit)| {
        let mut body = webhook.body.clone();
        body[index] ^= 1 << bit;
        (with(body), format!("bit {bit} of byte {index} flipped"))
    });
    let lengths = (0..webhook.body.len()).rev().step_by(plan.step);
    let cut = lengths.map(move |length| (with(webhook.body[..length].to_vec()), format!("only {length} bytes of it")));
    flipped.chain(cut)
}

/// What the subject made of a forged request that it should have refused.
fn accepted(trial: &Trial<'_>, case: &Case<'_>, forged: &Webhook) -> Option<String> {
    let connection = &case.fixture.connection;
    let answer = trial.subject_of(case).receive(connection, forged, Moment::of(connection));
    let is_refused = answer.kind == Kind::Unauthenticated || answer.is_same_as(&case.answer);
    (!is_refused).then(|| format!("{} instead of `unauthenticated`", answer.kind.name()))
}
