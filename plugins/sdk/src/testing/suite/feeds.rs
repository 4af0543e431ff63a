//! What only AWS's delivery vouches for is not believed when somebody sends it to the connection's URL.

use super::{Case, Trial};
use crate::Webhook;
use crate::testing::report::Findings;
use crate::testing::subject::{Kind, Moment};

/// Where anybody can send it.
const URL: &str = "https://hooks.example.com/hooks/acme";

pub(super) fn check(trial: &Trial<'_>, findings: &mut Findings) {
    // A connection that takes unsigned webhooks has the host ask for credentials.
    let is_proof = |case: &&Case<'_>| case.fixture.webhook.is_fed() && !case.fixture.connection.is_unsigned();
    for case in trial.cases.iter().filter(is_proof) {
        findings.cases += 1;
        let connection = &case.fixture.connection;
        let sent = Webhook { url: URL.to_owned(), ..case.fixture.webhook.clone() };
        let answer = trial.subject_of(case).receive(connection, &sent, Moment::of(connection));
        if answer.kind != Kind::Unauthenticated {
            let (name, found) = (case.name(), answer.kind.name());
            findings.fail(format!(
                "{name}: sent to `{URL}` it is {found}, expected unauthenticated; fix: go without `verify` only if \
                 `webhook.is_fed()`"
            ));
        }
    }
}
