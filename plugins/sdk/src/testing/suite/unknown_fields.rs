//! A field of tomorrow changes nothing but raw parts, which repeat it.

use serde_json::Value;

use super::json::{STRANGER, add_stranger, document, remove_stranger, with_document};
use super::{Case, Trial};
use crate::Webhook;
use crate::testing::report::Findings;
use crate::testing::signing::receive_signed;
use crate::testing::subject::{Answer, Moment};

pub(super) fn check(trial: &Trial<'_>, findings: &mut Findings) {
    let mut not_signed = 0;
    for case in trial.cases.iter().filter(|case| case.is_taken()) {
        let Some((plain, extended)) = pair(&case.fixture.webhook) else { continue };
        let (Some(before), Some(after)) = (signed(trial, case, plain), signed(trial, case, extended)) else {
            not_signed += 1;
            continue;
        };
        findings.cases += 1;
        if let Some(failure) = difference(&before, &after) {
            findings.fail(format!("{}: {failure}", case.name()));
        }
    }
    if not_signed > 0 {
        findings.note(format!(
            "{not_signed} fixtures could not be signed anew; fix: put the private half of the key into connection.json \
             under `private-keys` (nothing here signs with SHA-1)"
        ));
    }
}

/// The request as it is, and with fields that no provider has; none for a body of another kind.
fn pair(webhook: &Webhook) -> Option<(Webhook, Webhook)> {
    if let Some(plain) = document(webhook) {
        let mut extended = plain.clone();
        add_stranger(&mut extended);
        return Some((with_document(webhook, &plain), with_document(webhook, &extended)));
    }
    let is_form = webhook.header("content-type")?.starts_with("application/x-www-form-urlencoded");
    (is_form && !webhook.body.is_empty()).then(|| {
        let field = format!("&{STRANGER}=x");
        let extended = Webhook { body: [&webhook.body, field.as_bytes()].concat(), ..webhook.clone() };
        (webhook.clone(), extended)
    })
}

fn signed(trial: &Trial<'_>, case: &Case<'_>, webhook: Webhook) -> Option<Answer> {
    let connection = &case.fixture.connection;
    let ask = |webhook: &Webhook| trial.subject_of(case).receive(connection, webhook, Moment::of(connection));
    receive_signed(&ask, connection, &case.fixture.webhook, webhook).answer
}

fn difference(before: &Answer, after: &Answer) -> Option<String> {
    if let Some(fault) = after.fault() {
        return Some(format!("a field that is not known: {fault}"));
    }
    if before.kind != after.kind {
        let (before, after) = (before.kind.name(), after.kind.name());
        return Some(format!("a field that is not known makes {after} of {before}"));
    }
    (without_stranger(before) != without_stranger(after)).then(|| {
        let place = "in every object of the body";
        format!("a field `{STRANGER}` {place} changes the outcome beyond repeating it in raw parts")
    })
}

fn without_stranger(answer: &Answer) -> Option<Value> {
    let mut value: Value = serde_json::from_str(&answer.text).ok()?;
    remove_stranger(&mut value);
    // An empty object becomes one with a field, which is as unreadable for another reason.
    if let Some(unread) = value.get_mut("unread") {
        *unread = unread.as_array().map_or(0, Vec::len).into();
    }
    Some(value)
}
