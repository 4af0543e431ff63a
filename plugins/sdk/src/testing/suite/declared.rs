//! What the host refuses before it calls the connector, the connector refuses, too; and what is forged, the host refuses.
//!
//! The host goes by the `[verify]` of connector.toml, which a native run does not read.

use super::{Case, Trial};
use crate::Webhook;
use crate::testing::report::{Causes, Findings};
use crate::testing::subject::{Kind, Moment};

pub(super) fn check(trial: &Trial<'_>, findings: &mut Findings) {
    let by_https = |case: &&Case<'_>| !case.fixture.webhook.is_fed() && !case.fixture.connection.is_unsigned();
    // Of each connection: whether the host has seen by itself that a body was changed.
    let mut guards: Vec<(&str, bool)> = Vec::new();
    let mut causes = Causes::default();
    for case in trial.cases.iter().filter(by_https) {
        let (connection, webhook) = (&case.fixture.connection, &case.fixture.webhook);
        let Some(is_let_in) = trial.subject.lets_in(connection, webhook) else { continue };
        findings.cases += 1;
        // What is neither genuine nor answered is lost in either way, and the provider is told so.
        let is_taken = case.answer.is_genuine() || matches!(case.answer.kind, Kind::Receipt(_));
        if !is_let_in && is_taken {
            let why = trial.subject.why_not(connection, webhook).map(|why| format!(" ({why})")).unwrap_or_default();
            causes.add(case.name(), too_strict(&case.answer.kind, "as it is", &why));
        }
        if !is_let_in || !case.answer.is_genuine() || webhook.method == "GET" {
            continue;
        }
        let without = Webhook { headers: Vec::new(), ..webhook.clone() };
        if trial.subject.lets_in(connection, &without) == Some(true) {
            causes.add(case.name(), TOO_LAX.to_owned());
        }
        let mut guards_body = connection.partly_signed().is_some();
        for (forged, what) in forgeries(webhook) {
            findings.cases += 1;
            if trial.subject.lets_in(connection, &forged) == Some(true) {
                continue;
            }
            guards_body |= forged.body != webhook.body;
            let answer = trial.subject_of(case).receive(connection, &forged, Moment::of(connection));
            if answer.kind != Kind::Unauthenticated {
                causes.add(case.name(), too_strict(&answer.kind, &what, ""));
                break;
            }
        }
        match guards.iter_mut().find(|(name, _)| *name == connection.name()) {
            Some((_, guarded)) => *guarded |= guards_body,
            None => guards.push((connection.name(), guards_body)),
        }
    }
    causes.report(findings);
    for (name, _) in guards.into_iter().filter(|(_, guarded)| !guarded) {
        findings.fail(format!(
            "connection `{name}`: the host lets in every changed body; fix: declare in `[verify]` that the body is signed, or \
             say why it is not as `partly-signed` in connection.json"
        ));
    }
}

const TOO_LAX: &str = "the host lets it in without one header field; fix: declare in `[verify]` where the proof stands";

fn too_strict(kind: &Kind, what: &str, why: &str) -> String {
    format!(
        "{} {what}, but the host refuses it before it calls the connector{why}; fix: `[verify]` in connector.toml has to let \
         in what the connector takes",
        kind.name()
    )
}

/// The request with a part of its proof gone, doubled or changed, and with another body.
fn forgeries(webhook: &Webhook) -> Vec<(Webhook, String)> {
    let with = |change: &dyn Fn(&mut Webhook)| {
        let mut forged = webhook.clone();
        change(&mut forged);
        forged
    };
    let mut forged = vec![(with(&|webhook| webhook.body.push(b' ')), "with a space behind the body".to_owned())];
    if let Some(middle) = webhook.body.len().checked_div(2).filter(|middle| *middle > 0) {
        forged.push((with(&|webhook| webhook.body[middle] ^= 1), "with one bit of the body flipped".to_owned()));
    }
    for index in 0..webhook.headers.len() {
        let name = &webhook.headers[index].0;
        forged.push((with(&|webhook| drop(webhook.headers.remove(index))), format!("without header `{name}`")));
        let twice = with(&|webhook| webhook.headers.push(webhook.headers[index].clone()));
        forged.push((twice, format!("with header `{name}` twice")));
        let cut = with(&|webhook| {
            let _ = webhook.headers[index].1.pop();
        });
        forged.push((cut, format!("with header `{name}` cut short")));
    }
    forged
}
