//! Nothing that arrives makes a connector crash, loop or run out of memory: what was signed may be refused, parked or
//! taken, and what was not signed is refused, but every call ends with an answer.

mod bodies;

use serde_json::{Value, json};

use self::bodies::bodies;
use super::json::{document, pointers, with_document};
use super::{Case, Trial};
use crate::Webhook;
use crate::testing::report::Findings;
use crate::testing::signing::receive_signed;
use crate::testing::subject::Moment;

/// Bytes of a header field that no server refuses.
const HEADER_BYTES: usize = 4_096;

pub(super) fn check(trial: &Trial<'_>, findings: &mut Findings) {
    let mut tally = Tally::default();
    let taken: Vec<&Case<'_>> = trial.cases.iter().filter(|case| case.is_taken()).collect();
    let with_body: Vec<&Case<'_>> =
        taken.iter().copied().filter(|case| !case.fixture.webhook.body.is_empty()).collect();
    for case in spread(&with_body, trial.options.effort.hostile_fixtures_max) {
        let original = &case.fixture.webhook;
        for (body, what) in bodies(&original.body, trial.options.effort.random_bodies) {
            send(trial, case, Webhook { body, ..original.clone() }, &what, &mut tally);
        }
        for (webhook, what) in envelopes(original) {
            tally.cases += 1;
            let answer = trial.subject_of(case).receive(
                &case.fixture.connection,
                &webhook,
                Moment::of(&case.fixture.connection),
            );
            tally.failures.extend(answer.fault().map(|fault| Failure::new(case, &what, fault)));
        }
    }
    retype(trial, &taken, &mut tally);
    findings.cases += tally.cases;
    by_place(tally.failures).into_iter().for_each(|failure| findings.fail(failure));
    if tally.not_signed > 0 {
        findings.note(format!("{} of {} were sent with a wrong signature only", tally.not_signed, tally.cases));
    }
}

#[derive(Default)]
struct Tally {
    cases: usize,
    not_signed: usize,
    failures: Vec<Failure>,
}

/// A request that a connector did not answer.
struct Failure {
    /// The fixture, and what was done to it.
    request: String,
    fault: String,
}

impl Failure {
    fn new(case: &Case<'_>, what: &str, fault: String) -> Self {
        Self { request: format!("{}: {what}", case.name()), fault }
    }

    /// What failures of one cause have in common: the place in the source of a panic, or else the whole fault.
    fn place(&self) -> &str {
        let place = self.fault.starts_with("trap: ").then(|| self.fault.rsplit_once(" at ")).flatten();
        place.map_or(self.fault.as_str(), |(_, place)| place)
    }
}

/// One line for each place in the source, with the first request and the number of others.
fn by_place(failures: Vec<Failure>) -> Vec<String> {
    let mut places: Vec<(Failure, usize)> = Vec::new();
    for failure in failures {
        match places.iter_mut().find(|(known, _)| known.place() == failure.place()) {
            Some((_, count)) => *count += 1,
            None => places.push((failure, 1)),
        }
    }
    let told = places.into_iter().map(|(Failure { request, fault }, count)| {
        let more = if count > 1 { format!(" ({count} requests end there)") } else { String::new() };
        let fix = if fault.starts_with("trap: ") { NO_PANIC } else { "" };
        format!("{request}: {fault}{more}{fix}")
    });
    told.collect()
}

/// What an author does about a panic.
const NO_PANIC: &str = "; fix: read input with `get`, `?` or `let … else`, not with an index, `unwrap` or `expect`";

/// Sends a request with the signature that it had, and with the right one.
fn send(trial: &Trial<'_>, case: &Case<'_>, changed: Webhook, what: &str, tally: &mut Tally) {
    let connection = &case.fixture.connection;
    let ask = |webhook: &Webhook| trial.subject_of(case).measure(connection, webhook, Moment::of(connection));
    let signed = receive_signed(&ask, connection, &case.fixture.webhook, changed);
    tally.cases += 1;
    tally.not_signed += usize::from(signed.answer.is_none());
    let fault = signed.unsigned.fault().or_else(|| signed.answer.and_then(|answer| answer.fault()));
    tally.failures.extend(fault.map(|fault| Failure::new(case, what, fault)));
}

/// Puts a value of another type into each field of each body, one at a time.
fn retype(trial: &Trial<'_>, taken: &[&Case<'_>], tally: &mut Tally) {
    let wrong = [
        Value::Null,
        json!(true),
        json!(7),
        json!("x"),
        json!([]),
        json!({}),
        json!(-1.5e300),
        json!("\u{0}\u{fffd}é"),
    ];
    let documents: Vec<_> =
        taken.iter().filter_map(|case| document(&case.fixture.webhook).map(|document| (*case, document))).collect();
    let fields: Vec<_> = documents
        .iter()
        .flat_map(|(case, document)| pointers(document).into_iter().map(move |pointer| (*case, document, pointer)))
        .collect();
    let all = fields.len() * wrong.len();
    let step = all.div_ceil(trial.options.effort.retyped_max).max(1);
    for index in (0..all).step_by(step) {
        // A step that is a multiple of the number of values would try one of them only.
        let (field, value) = (index / wrong.len(), (index + index / wrong.len()) % wrong.len());
        let (case, document, pointer) = &fields[field];
        let mut changed = (*document).clone();
        let place = changed.pointer_mut(pointer).expect("the pointer was made of this document");
        *place = wrong[value].clone();
        let what = format!("`{}` at `{pointer}`", wrong[value]);
        send(trial, case, with_document(&case.fixture.webhook, &changed), &what, tally);
    }
}

/// The same body in another envelope: each header field and each part of the URL as no provider writes it.
fn envelopes(original: &Webhook) -> Vec<(Webhook, String)> {
    let mut envelopes = Vec::new();
    let values =
        [String::new(), "é\u{1F44B}=é, t=é,v1=é".into(), "=".into(), ",;=:.%\"\\".repeat(64), "9".repeat(HEADER_BYTES)];
    for index in 0..original.headers.len() {
        let name = &original.headers[index].0;
        for value in &values {
            let mut webhook = original.clone();
            webhook.headers[index].1.clone_from(value);
            envelopes.push((webhook, format!("another value of header `{name}`")));
        }
        for cut in [1, 7, 8] {
            let mut webhook = original.clone();
            webhook.headers[index].1 = original.headers[index].1.chars().take(cut).collect();
            envelopes.push((webhook, format!("header `{name}` cut to {cut} characters")));
        }
        let mut without = original.clone();
        without.headers.remove(index);
        envelopes.push((without, format!("no header `{name}`")));
    }
    for end in ["?", "?&&=&%", "?a=%ff%zz&é", "/é/%2e%2e//", "#x?y=1"] {
        envelopes
            .push((Webhook { url: format!("{}{end}", original.url), ..original.clone() }, format!("URL with `{end}`")));
    }
    for url in ["", "/", "https://", "é"] {
        envelopes.push((Webhook { url: url.to_owned(), ..original.clone() }, format!("URL `{url}`")));
    }
    for method in ["", "GET", "PUT", "DELETE", "é"] {
        envelopes.push((Webhook { method: method.to_owned(), ..original.clone() }, format!("method `{method}`")));
    }
    envelopes.push((Webhook { headers: Vec::new(), ..original.clone() }, "no header field".to_owned()));
    envelopes
}

/// So many of them, from the first to the last.
fn spread<'a, 'b>(cases: &[&'a Case<'b>], count: usize) -> Vec<&'a Case<'b>> {
    let count = count.min(cases.len());
    (0..count).map(|index| cases[index * (cases.len() - 1) / count.saturating_sub(1).max(1)]).collect()
}
