//! The kit's own trial of what sends and pulls: connectors that are each wrong in one way, and the one check that has to say so.

use std::fs;
use std::path::PathBuf;

use super::*;
use crate::http::Answer;
use crate::polling::{Batch, Failure as NotPulled, Step};
use crate::prelude::*;

const URL: &str = "https://api.acme.test/v1/messages";

/// Defines a connector by the body of its `run`.
macro_rules! sender {
    ($(#[$doc:meta])* $name:ident($cx:pat, $operation:pat, $history:ident) $body:block) => {
        $(#[$doc])*
        struct $name;

        impl Sending for $name {
            fn run($cx: &Context, $operation: &Operation, $history: &[Exchange]) -> Turn $body
        }
    };
}

/// Defines a connector by the body of its `poll`.
macro_rules! puller {
    ($(#[$doc:meta])* $name:ident($cursor:pat, $history:ident) $body:block) => {
        $(#[$doc])*
        struct $name;

        impl Polling for $name {
            fn poll(_: &Context, $cursor: Option<&str>, $history: &[Exchange]) -> Step $body
        }
    };
}

fn parts(operation: &Operation) -> usize {
    match operation {
        Operation::Send(message) => message.parts.len(),
        _ => 0,
    }
}

fn post(part: usize) -> Request {
    Request::post(URL).bearer("access-token").json(&json!({ "part": part }))
}

/// The provider's id in an answer.
fn id(answer: &Answered<'_>) -> Option<String> {
    let value: Value = answer.try_json().unwrap_or_default();
    value["id"].as_str().map(str::to_owned)
}

sender! {
    /// A connector as it should be: a request for each part.
    Good(_, operation, history) {
        steps::run(history, |steps| {
            for part in 0..parts(operation) {
                let answer = steps.perform(post(part))?.success()?;
                let id = id(&answer).ok_or_else(|| Failure::Undetermined(ProviderError::new("no-id", "no id")))?;
                steps.accept(part, id)?;
            }
            Ok(())
        })
    }
}

sender! {
    /// Trusts that a 200 has an id.
    Trusting(_, operation, history) {
        steps::run(history, |steps| {
            for part in 0..parts(operation) {
                let answer = steps.perform(post(part))?.success()?;
                steps.accept(part, id(&answer).expect("it has an id"))?;
            }
            Ok(())
        })
    }
}

sender! {
    /// Sends again what was not answered.
    Insists(cx, operation, history) {
        let answered: Vec<Exchange> = history.iter().filter(|exchange| exchange.is_ok()).cloned().collect();
        if history.len() < 5 { Good::run(cx, operation, &answered) } else { Good::run(cx, operation, history) }
    }
}

sender! {
    /// Asks until the answer is the one that it waits for.
    Waits(_, _, history) {
        let is_it = |exchange: &Exchange| {
            matches!(exchange, Ok(Response { body: Answer::Bytes(body), .. }) if body.starts_with(b"{\"id\":\"m-"))
        };
        if history.last().is_some_and(is_it) {
            return Turn::done(Outcome::nothing());
        }
        Turn::perform(Outcome::nothing(), vec![Request::get(URL)])
    }
}

sender! {
    /// Forgets the first part when the second one fails.
    Forgets(cx, operation, history) {
        let turn = Good::run(cx, operation, history);
        match turn.next {
            crate::sending::Next::Failed(_) => Turn { so_far: Outcome::nothing(), ..turn },
            _ => turn,
        }
    }
}

sender! {
    /// Asks for two things at once, and for the first one again when it has an answer alone.
    Restarts(_, _, history) {
        let both = || vec![Request::get(URL), Request::get("https://api.acme.test/v1/account")];
        match history.len() {
            0 | 1 => Turn::perform(Outcome::nothing(), both()),
            _ => Turn::done(Outcome::nothing()),
        }
    }
}

sender! {
    /// Has a secret of its own.
    Knows(_, _, history) {
        match history {
            [] => Turn::perform(Outcome::nothing(), vec![Request::post(URL).header("x-key", "a-secret-of-tests")]),
            _ => Turn::done(Outcome::nothing()),
        }
    }
}

sender! {
    /// Logs who gets the message.
    Talkative(cx, operation, history) {
        if let Operation::Send(message) = operation {
            log::info(&format!("to {}", message.route.to.value));
        }
        Good::run(cx, operation, history)
    }
}

sender! {
    /// Tells an event without an id.
    Unstorable(cx, operation, history) {
        let mut turn = Good::run(cx, operation, history);
        let contact = Contact::new(vec![Identifier::provider("acme", "u-1")]);
        turn.so_far.events.push(Event::new("", 1, "w-1", contact, EventBody::ContactUpdated));
        turn
    }
}

puller! {
    /// A connector as it should be: one request a poll.
    GoodPull(cursor, history) {
        steps::poll(history, |steps| {
            let request = Request::get(URL).query("after", cursor.unwrap_or("0"));
            let answer = steps.perform(request.repeatable())?.success()?;
            Ok(Batch::nothing(id(&answer)))
        })
    }
}

puller! {
    /// Pulls by a request that takes what it gives.
    Takes(_, history) {
        match history {
            [] => Step::Perform(vec![Request::post(URL)]),
            _ => Step::Failed(NotPulled::Other("no".into())),
        }
    }
}

/// A connector's folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let count = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let folder = Self(std::env::temp_dir().join(format!("rapport-kit-out-{}-{count}", std::process::id())));
        folder.write(
            "connection.json",
            &json!({
                "connection": "kit", "config": {}, "secrets": {"access-token": ["a-secret-of-tests"]}
            }),
        );
        folder
    }

    fn write(&self, name: &str, value: &Value) {
        let path = self.0.join("fixtures").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, value.to_string()).unwrap();
    }

    /// A message of two parts, both taken.
    fn sends(self, exchanges: &Value) -> Self {
        let route = json!({"to": {"scheme": "acme", "value": "u-1234"}, "account": "w-1"});
        let parts = json!([{"text": "Good morning"}, {"text": "Ada"}]);
        self.write("outbound/two.operation.json", &json!({"send": {"route": route, "parts": parts}}));
        self.write("outbound/two.exchanges.json", exchanges);
        self
    }

    fn pulls(self) -> Self {
        self.write("polling/first.poll.json", &json!({ "cursor": null }));
        self.write("polling/first.exchanges.json", &json!([{"status": 200, "json": {"id": "m-1"}}]));
        self
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn taken(ids: &[&str]) -> Value {
    ids.iter().map(|id| json!({"status": 200, "json": {"id": id}})).collect()
}

/// What the suite says of a connector whose files say what it makes of them, on these recorded answers.
fn suite_of(subject: &dyn SendingSubject, exchanges: &Value) -> Report {
    let folder = Folder::new().sends(exchanges);
    let fixtures = read_outbound_fixtures(folder.path()).unwrap();
    report_of_fixtures(subject, &fixtures)
}

fn report_of_fixtures(subject: &dyn SendingSubject, fixtures: &[OutboundFixture]) -> Report {
    let options =
        |expectations| OutboundOptions { expectations, budgets: Some(Budgets::of_limits(50, 16, 1_024)), answers: 1 };
    run_sending_suite(subject, fixtures, &options(Expectations::Bless));
    run_sending_suite(subject, fixtures, &options(Expectations::Verbatim))
}

/// The checks that fail, and the first line of each.
fn failed(report: &Report) -> Vec<(&str, &str)> {
    let failing = report.checks.iter().filter(|findings| !findings.is_clean());
    failing.map(|findings| (findings.check.as_str(), findings.failures[0].as_str())).collect()
}

#[test]
fn a_good_connector_fails_no_check() {
    let report = suite_of(&NativeSending::<Good>::new(), &taken(&["m-1", "m-2"]));
    assert_eq!(failed(&report), []);
    assert!(report.checks.iter().all(|findings| findings.cases > 0), "{report:?}");
    assert_eq!(report.maxima[0].of, "bytes of output of a step of outbound", "a native run counts nothing else");
    let folder = Folder::new().pulls();
    let report = report_of_fixtures(&NativePolling::<GoodPull>::new(), &read_polling_fixtures(folder.path()).unwrap());
    assert_eq!(failed(&report), []);
    let batch = fs::read_to_string(folder.0.join("fixtures/polling/first.batch.json")).unwrap();
    let batch: Value = serde_json::from_str(&batch).unwrap();
    assert_eq!(batch["done"]["cursor"], "m-1", "{batch}");
}

#[test]
fn each_mistake_is_found_by_the_check_that_is_there_for_it() {
    let two = taken(&["m-1", "m-2"]);
    let one = taken(&["m-1"]);
    let cases: Vec<(Report, &str, &str)> = vec![
        (suite_of(&NativeSending::<Trusting>::new(), &two), "outbound answers", "it has an id"),
        (
            suite_of(&NativeSending::<Insists>::new(), &two),
            "outbound answers",
            "it sends a request again of which nobody knows whether it was processed",
        ),
        (suite_of(&NativeSending::<Waits>::new(), &one), "outbound answers", "it does not end within 16 steps"),
        (suite_of(&NativeSending::<Forgets>::new(), &two), "outbound answers", "it takes back what was accepted"),
        (suite_of(&NativeSending::<Restarts>::new(), &two), "outbound replay", "something else comes next"),
        (suite_of(&NativeSending::<Knows>::new(), &one), "outbound secrets", "a request holds secret `access-token`"),
        (suite_of(&NativeSending::<Talkative>::new(), &two), "outbound secrets", "a log line holds an address"),
        (
            suite_of(&NativeSending::<Unstorable>::new(), &two),
            "outbound fixtures",
            "`events[0]`: the host does not store it: `id` is empty",
        ),
        (suite_of(&NativeSending::<Good>::new(), &one), "outbound fixtures", "it asks for 2 requests"),
        (suite_of(&Hungry(NativeSending::new()), &two), "outbound budgets", "the budget is 12500000; fix: do less"),
    ];
    for (report, check, line) in cases {
        let found = failed(&report);
        assert!(found.len() == 1 && found[0].0 == check && found[0].1.contains(line), "{check}: {found:?}");
    }
    let folder = Folder::new().pulls();
    let report = report_of_fixtures(&NativePolling::<Takes>::new(), &read_polling_fixtures(folder.path()).unwrap());
    let found = failed(&report);
    assert!(
        found[0].0 == "polling fixtures" && found[0].1.contains("a request of a poll is not repeatable"),
        "{found:?}"
    );
}

/// A connector that uses more than it may.
struct Hungry(NativeSending<Good>);

impl SendingSubject for Hungry {
    fn run(&self, connection: &Connection, call: &RunOf<'_>) -> Result<RanOf, String> {
        let usage = Usage { fuel: Some(20_000_000), peak_memory_bytes: Some(1 << 20) };
        Ok(RanOf { usage, ..self.0.run(connection, call)? })
    }
}

#[test]
fn a_file_that_is_not_of_the_form_is_named_with_what_is_expected() {
    let folder = Folder::new().pulls();
    for (name, value, expected) in [
        ("polling/first.poll.json", json!({ "cursr": null }), "first.poll.json`: expected `{\"cursor\": null}`"),
        ("polling/first.poll.json", json!({ "cursor": 7 }), "first.poll.json`: expected `{\"cursor\": null}`"),
        ("polling/first.poll.json", json!({ "cursor": "c" }), ""),
        ("polling/first.exchanges.json", json!({}), "first.exchanges.json`: expected a list of exchanges"),
        ("polling/other.batch.json", json!({}), "other.batch.json`: it belongs to no `.poll.json`"),
    ] {
        folder.write(name, &value);
        let read = read_polling_fixtures(folder.path());
        let said = read.err().unwrap_or_default();
        assert!(said.contains(expected) && said.is_empty() == expected.is_empty(), "{said}");
        if name.ends_with("exchanges.json") {
            folder.write(name, &json!([]));
        }
    }
}
