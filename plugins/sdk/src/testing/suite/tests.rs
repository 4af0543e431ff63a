//! The kit's own trial: connectors that are each wrong in one way, and the one check that has to say so.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use super::*;
use crate::prelude::*;
use crate::testing::connection::Connection;
use crate::testing::{Native, Usage, parse_request, watch};

const SECRET: &str = "a-secret-of-tests";
const TEXT: &str =
    r#"{"id":"m-1","at":1790668800000,"from":"+16505551234","name":"Ada Lovelace","text":"Good morning"}"#;
const SHORT: &str = r#"{"id":"m-2","at":1790668800000,"from":"+16505551234","text":"ok"}"#;

/// A connector as it should be.
struct Good;

impl Inbound for Good {
    fn receive(_: &Context, webhook: &Webhook) -> Result<Receipt, Rejection> {
        verified(webhook)?;
        events(&webhook.body, "account")
    }
}

fn verified(webhook: &Webhook) -> Result<(), Rejection> {
    if webhook.is_fed() {
        return Ok(());
    }
    let tag = hex::decode(webhook.header_once("x-signature")?).unwrap_or_default();
    verify::require_mac(MacAlgorithm::HmacSha256, "key", &webhook.body, &tag)
}

fn events(body: &[u8], account: &str) -> Result<Receipt, Rejection> {
    let json: Value = serde_json::from_str(&lenient::document(body))
        .map_err(|error| Rejection::Malformed(format!("expected JSON: {error}")))?;
    let Some(elements) = json.as_array() else {
        return event(&json, account).map(|event| Receipt::events(vec![event]));
    };
    let (mut events, mut unread) = (Vec::new(), Unread::default());
    for (index, element) in elements.iter().enumerate() {
        match event(element, account) {
            Ok(event) => events.push(event),
            Err(_) => unread.add(&format!("[{index}]"), "it has no `id`, `at` or `from`"),
        }
    }
    unread.receipt(events)
}

fn event(json: &Value, account: &str) -> Result<Event, Rejection> {
    let text = |name: &str| json[name].as_str().map(str::to_owned);
    let (Some(id), Some(at), Some(from)) = (text("id"), json["at"].as_u64(), text("from")) else {
        log::warn("an element has no `id`, `at` or `from`");
        return Err(Rejection::Malformed("expected `id`, `at` and `from`".into()));
    };
    let contact = Contact::new(vec![Identifier::provider("phone", from)]).named(text("name"));
    let parts = vec![Part::Text(text("text").unwrap_or_default())];
    let message = Message::new(id.clone(), Author::Customer, parts);
    log::info(&format!("took message {id}"));
    Ok(Event::new(id, at, account, contact, EventBody::Message(message)))
}

/// Defines a connector by the body of its `receive`.
macro_rules! connector {
    ($(#[$doc:meta])* $name:ident($cx:pat, $webhook:ident) $body:block) => {
        $(#[$doc])*
        struct $name;

        impl Inbound for $name {
            fn receive($cx: &Context, $webhook: &Webhook) -> Result<Receipt, Rejection> $body
        }
    };
}

connector! {
    /// Has the provider's signature checked over the beginning of the body only.
    HalfVerified(_, webhook) {
        let tag = hex::decode(webhook.header("x-beginning").unwrap_or_default()).unwrap_or_default();
        verify::require_mac(MacAlgorithm::HmacSha256, "key", &webhook.body[..webhook.body.len().min(40)], &tag)?;
        events(&webhook.body, "account")
    }
}

connector! {
    /// Asks `verify`, and does not mind the answer.
    Credulous(_, webhook) {
        let _ = verified(webhook);
        events(&webhook.body, "account")
    }
}

connector! {
    /// Never asks `verify`.
    Unverified(_, webhook) { events(&webhook.body, "account") }
}

connector! {
    /// Takes a header field for AWS's word.
    Fed(_, webhook) {
        if webhook.header("x-amz-sns-topic-arn").is_none() {
            verified(webhook)?;
        }
        events(&webhook.body, "account")
    }
}

connector! {
    /// Takes the account from whichever header field comes first.
    FirstHeader(_, webhook) {
        verified(webhook)?;
        events(&webhook.body, webhook.headers.first().map_or("", |(_, value)| value.split(' ').next().unwrap_or_default()))
    }
}

connector! {
    /// Makes an event's id of the host's randomness.
    Random(cx, webhook) {
        verified(webhook)?;
        events(&webhook.body, &hex::encode(&cx.entropy))
    }
}

connector! {
    /// Puts the host's clock into an event.
    Clock(cx, webhook) {
        verified(webhook)?;
        events(&webhook.body, &cx.now.to_string())
    }
}

connector! {
    /// Trusts that what is signed has a body.
    TrapsSigned(_, webhook) {
        verified(webhook)?;
        assert!(webhook.body[0] == b'{', "a webhook is an object");
        events(&webhook.body, "account")
    }
}

connector! {
    /// Reads what is signed up to a character that is not in it.
    Loops(_, webhook) {
        verified(webhook)?;
        let mut end = 0;
        while webhook.body.get(end) != Some(&b'}') {
            end = (end + 1).min(webhook.body.len());
            if end == webhook.body.len() {
                // It never ends, and leaves the processor to the other tests.
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
        }
        events(&webhook.body, "account")
    }
}

connector! {
    /// Trusts that a signature has a prefix, before anything is verified.
    TrapsUnsigned(_, webhook) {
        let tag = hex::decode(&webhook.header_once("x-prefixed")?[7..]).unwrap_or_default();
        verify::require_mac(MacAlgorithm::HmacSha256, "key", &webhook.body, &tag)?;
        events(&webhook.body, "account")
    }
}

connector! {
    /// Refuses what its provider does not send today.
    Strict(_, webhook) {
        verified(webhook)?;
        let is_known = |name: &String| ["id", "at", "from", "name", "text"].contains(&name.as_str());
        match serde_json::from_slice::<Value>(&webhook.body) {
            Ok(Value::Object(fields)) if fields.keys().all(is_known) => events(&webhook.body, "account"),
            _ => Err(Rejection::Malformed("expected the fields of today".into())),
        }
    }
}

connector! {
    /// Skips what it cannot read.
    Forgetful(_, webhook) {
        verified(webhook)?;
        events(&webhook.body, "account").map(|receipt| Receipt::events(receipt.events))
    }
}

connector! {
    /// Refuses a batch for one element.
    AllOrNothing(_, webhook) {
        verified(webhook)?;
        let receipt = events(&webhook.body, "account")?;
        if receipt.unread.is_empty() {
            Ok(receipt)
        } else {
            Err(Rejection::Malformed("expected a batch without a mistake".into()))
        }
    }
}

connector! {
    /// Logs who wrote.
    Talkative(_, webhook) {
        verified(webhook)?;
        let receipt = events(&webhook.body, "account")?;
        for event in &receipt.events {
            log::info(&format!("a message of {}", event.contact.identifiers[0].value));
        }
        Ok(receipt)
    }
}

connector! {
    /// Means something else than its fixtures say.
    Changed(_, webhook) {
        verified(webhook)?;
        events(&webhook.body, "another account")
    }
}

/// A connector that uses more than it may.
struct Hungry(Native<Good>);

impl Subject for Hungry {
    fn receive(&self, connection: &Connection, webhook: &Webhook, moment: Moment) -> Answer {
        let usage = Usage { fuel: Some(20_000_000), peak_memory_bytes: Some(1 << 20) };
        Answer { usage, ..self.0.receive(connection, webhook, moment) }
    }
}

#[test]
fn a_good_connector_fails_no_check() {
    let folder = Folder::new();
    let mut fixtures = folder.fixtures();
    fixtures.push(folder.fed());
    fixtures.push(folder.batch());
    run(&Native::<Good>::new(), &fixtures, &options(Expectations::Bless));
    let report = run(&Native::<Good>::new(), &fixtures, &options(Expectations::Verbatim));
    assert!(report.is_clean(), "{:#?}", report.failures());
    for findings in report.checks {
        // A native run knows no manifest, and the kit's provider signs no time.
        let is_tried = findings.cases > 0 || findings.check == "declared proofs";
        assert!(is_tried && findings.notes.is_empty() || findings.check == "replay", "{findings:?}");
    }
}

#[test]
fn each_mistake_is_found_by_the_check_that_is_there_for_it() {
    assert_eq!(failed(&Native::<HalfVerified>::new()), ["tampering"]);
    assert_eq!(failed(&Native::<FirstHeader>::new()), ["header order"]);
    assert_eq!(failed(&Native::<Random>::new()), ["redelivery"]);
    assert_eq!(failed(&Native::<Clock>::new()), ["redelivery"]);
    assert_eq!(failed(&Native::<TrapsSigned>::new()), ["hostile input"]);
    assert_eq!(failed(&Native::<TrapsUnsigned>::new()), ["hostile input"]);
    assert_eq!(failed(&Native::<Strict>::new()), ["unknown fields"]);
    assert_eq!(failed(&Native::<Talkative>::new()), ["logs"]);
    assert_eq!(failed(&Hungry(Native::new())), ["budgets"]);
}

#[test]
fn a_connector_that_does_not_verify_has_nothing_that_could_be_forged() {
    assert_eq!(failed(&Native::<Unverified>::new()), ["fixtures"]);
    let report = trial(&Native::<Unverified>::new());
    let [failure] = &report.failures()[..] else { panic!("{:?}", report.failures()) };
    assert!(failure.starts_with("fixtures: short, text: events without a verification"), "{failure}");
}

#[test]
fn what_looks_like_a_delivery_of_aws_has_to_be_one() {
    let folder = Folder::new();
    let mut fixtures = folder.fixtures();
    fixtures.push(folder.fed());
    let report = run(&Native::<Fed>::new(), &fixtures, &options(Expectations::Bless));
    let fed = report.checks.iter().find(|findings| findings.check == "feeds").unwrap();
    assert!(fed.failures[0].starts_with("fed: sent to `https://"), "{:?}", fed.failures);
    assert_eq!(report.failures().len(), 1, "{:?}", report.failures());
}

#[test]
fn an_element_that_is_dropped_or_fails_its_batch_is_found() {
    let folder = Folder::new();
    let found = |subject: &dyn Subject| {
        let report = run(subject, &[folder.batch()], &options(Expectations::Bless));
        let siblings = report.checks.into_iter().find(|findings| findings.check == "siblings").unwrap();
        (siblings.cases, siblings.failures.into_iter().next())
    };
    assert_eq!(found(&Native::<Good>::new()), (4, None));
    let (_, silent) = found(&Native::<Forgetful>::new());
    assert!(silent.is_some_and(|failure| failure.contains("nothing is `unread`")));
    let (_, lost) = found(&Native::<AllOrNothing>::new());
    assert!(lost.is_some_and(|failure| failure.contains("`malformed` without 1 events of its siblings")));
}

#[test]
fn an_answer_of_verify_that_nobody_minds_is_found() {
    let report = trial(&Native::<Credulous>::new());
    let forged = report.checks.iter().find(|findings| findings.check == "tampering").unwrap();
    let first =
        "short: `malformed` instead of `unauthenticated` with bit 0 of byte 0 flipped; fix: verify the whole body";
    assert!(forged.failures[0].starts_with(first), "{:?}", forged.failures);
}

#[test]
fn another_outcome_is_told_in_one_line() {
    let folder = Folder::new();
    let fixtures = folder.fixtures();
    run(&Native::<Good>::new(), &fixtures, &options(Expectations::Bless));
    let report = run(&Native::<Changed>::new(), &fixtures, &options(Expectations::Verbatim));
    assert_eq!(
        report.failures()[0],
        r#"fixtures: short, text: `events[0].account`: expected `"account"`, found `"another account"`"#
    );
}

connector! {
    /// Has every event the id of every other one.
    OneId(_, webhook) {
        verified(webhook)?;
        events(&webhook.body, "account").map(|mut receipt| {
            receipt.events.iter_mut().for_each(|event| event.id = "constant".into());
            receipt
        })
    }
}

connector! {
    /// Makes events that the host parks.
    Unstorable(_, webhook) {
        verified(webhook)?;
        events(&webhook.body, "")
    }
}

connector! {
    /// Takes a scheme from the provider's words, and seconds for milliseconds.
    Careless(_, webhook) {
        verified(webhook)?;
        events(&webhook.body, "account").map(|mut receipt| {
            receipt.events[0].contact.identifiers[0].scheme = "KIT User".into();
            receipt.events[0].at /= 1_000;
            receipt
        })
    }
}

connector! {
    /// Attests a room and a member of it.
    Room(_, webhook) {
        verified(webhook)?;
        events(&webhook.body, "account").map(|mut receipt| {
            receipt.events[0].contact.identifiers.insert(0, Identifier::provider("kit.room", "r-1"));
            receipt
        })
    }
}

/// What the check `name` says of a connector whose fixtures say what it makes of them.
fn told(subject: &dyn Subject, name: &str) -> Vec<String> {
    trial(subject).checks.into_iter().find(|findings| findings.check == name).unwrap().failures
}

#[test]
fn an_event_that_the_host_would_park_is_found_with_its_sentence() {
    assert_eq!(told(&Native::<Unstorable>::new(), "events"), ["short, text: event 0: `account` is empty"]);
    let careless = told(&Native::<Careless>::new(), "events").join("\n");
    for expected in ["scheme `kit user` is not a word of a-z", "`at` is on 1970-01-21, before 2000; is it in seconds?"]
    {
        assert!(careless.contains(expected), "{careless}");
    }
}

#[test]
fn one_id_for_all_events_and_a_room_that_becomes_a_person_are_found() {
    let one = told(&Native::<OneId>::new(), "events");
    assert!(one[0].starts_with("short, text: 2 different events have the id `constant`"), "{one:?}");
    let room = told(&Native::<Room>::new(), "events");
    assert!(room[0].contains("`kit.room` is where several people write, and `phone` beside it"), "{room:?}");
}

#[test]
fn an_excuse_is_noted_and_one_without_need_fails() {
    let with = |excuse: &str| {
        let folder = Folder::new();
        let mut fixtures = folder.fixtures();
        fixtures.iter_mut().for_each(|fixture| fixture.connection = connection(excuse));
        let report = run(&Native::<OneId>::new(), &fixtures, &options(Expectations::Bless));
        report.checks.into_iter().find(|findings| findings.check == "events").unwrap()
    };
    let excused = with(r#","ids-repeat":"variants of one event""#);
    assert_eq!(
        (excused.failures.len(), &*excused.notes[0]),
        (0, "connection `kit` says `ids-repeat`: variants of one event")
    );
    assert!(
        with(r#","ids-repeat":"why","odd-times":"why""#).failures[0].contains("`odd-times`, and no fixture needs it")
    );
}

#[test]
fn a_rejection_that_was_not_expected_is_told_with_its_sentence_once() {
    let folder = Folder::new();
    let mut fixtures = vec![folder.batch()];
    fixtures.extend(folder.fixtures());
    run(&Native::<Good>::new(), &fixtures, &options(Expectations::Bless));
    for fixture in &mut fixtures {
        fixture.connection = Connection::new("kit", "{}").with_secret("kay", &[SECRET]);
    }
    let report = run(&Native::<Good>::new(), &fixtures, &options(Expectations::Verbatim));
    let [failure] = &report.failures()[..] else { panic!("{:#?}", report.failures()) };
    let expected = "fixtures: batch, short, text: expected 2 events, found `unauthenticated`: secret `key` is not set";
    assert!(failure.starts_with(expected), "{failure}");
}

#[test]
fn a_signature_that_does_not_fit_is_told_with_the_fix() {
    let found = |change: fn(&mut Fixture)| {
        let folder = Folder::new();
        let mut fixtures = vec![folder.fixture("text", TEXT)];
        run(&Native::<Good>::new(), &fixtures, &options(Expectations::Bless));
        change(&mut fixtures[0]);
        run(&Native::<Good>::new(), &fixtures, &options(Expectations::Verbatim)).failures().remove(0)
    };
    let wrong = found(|fixture| fixture.webhook.body.push(b' '));
    let expected = "fix: `rapport connector sign <connector>` signs the fixtures";
    assert!(
        wrong.starts_with("fixtures: text: expected 1 event, found `unauthenticated`: ") && wrong.ends_with(expected),
        "{wrong}"
    );
    let spelled = found(|fixture| {
        let (_, value) = fixture.webhook.headers.iter_mut().find(|(name, _)| name == "x-signature").unwrap();
        *value = base64::encode(&hex::decode(value.as_str()).unwrap());
    });
    assert!(spelled.contains("stands in header `x-signature` in base64"), "{spelled}");
    assert!(spelled.ends_with("fix: decode it with `base64::decode`"), "{spelled}");
}

#[test]
fn a_clock_that_is_not_the_contexts_is_told_from_entropy() {
    use std::sync::atomic::{AtomicU64, Ordering};
    static CALLS: AtomicU64 = AtomicU64::new(0);

    struct Outside;

    impl Inbound for Outside {
        fn receive(_: &Context, webhook: &Webhook) -> Result<Receipt, Rejection> {
            verified(webhook)?;
            events(&webhook.body, &CALLS.fetch_add(1, Ordering::Relaxed).to_string())
        }
    }
    let failures = told(&Native::<Outside>::new(), "redelivery");
    assert!(failures[0].starts_with("short, text: the same call again has another outcome; fix: "), "{failures:?}");
    assert!(told(&Native::<Random>::new(), "redelivery")[0].contains("rules 2 and 3"));
}

#[test]
fn a_panic_is_told_with_its_place() {
    let failures = told(&Native::<TrapsSigned>::new(), "hostile input");
    assert!(failures[0].contains("trap: ") && failures[0].contains("suite/tests.rs:"), "{failures:?}");
    assert!(failures[0].contains(" requests end there); fix: read input with `get`"), "{failures:?}");
    assert_eq!(failures.len(), 1, "one line for each place: {failures:#?}");
}

#[test]
fn a_call_that_does_not_end_is_told_with_its_case_and_ends_the_suite() {
    let folder = Folder::new();
    let fixtures = folder.fixtures();
    run(&Native::<Good>::new(), &fixtures, &options(Expectations::Bless));
    let suite: watch::Suite =
        |fixtures, options, progress| run_watched(&Native::<Loops>::new(), fixtures, options, progress);
    let second = std::time::Duration::from_secs(1);
    let report = watch::run(suite, fixtures, options(Expectations::Verbatim), second);
    let failures = report.failures();
    let told = |case: &str| format!(": {case}: no answer after 1 s; fix: every loop must end when its input ends");
    assert!(
        failures.len() == 1 && ["text", "short"].iter().any(|case| failures[0].ends_with(&told(case))),
        "{failures:#?}"
    );
    assert!(report.checks.len() > 1 && report.checks.iter().all(|check| check.check != "logs"), "{report:?}");
    let good: watch::Suite =
        |fixtures, options, progress| run_watched(&Native::<Good>::new(), fixtures, options, progress);
    assert!(watch::run(good, folder.fixtures(), options(Expectations::Verbatim), second).checks.len() > 10);
}

#[test]
fn what_is_blessed_is_said_and_no_event_is_blessed_away() {
    let folder = Folder::new();
    let mut fixtures = folder.fixtures();
    let bless = |fixtures: &[Fixture], expectations| run(&Native::<Good>::new(), fixtures, &options(expectations));
    let first = bless(&fixtures, Expectations::Bless);
    assert_eq!(first.written[1], "text  1 message by phone +16505551234 at 2026-09-29T08:00:00Z");
    assert_eq!(bless(&fixtures, Expectations::Bless).written, ["2 unchanged"]);

    let before = fixtures[0].expected();
    fixtures[0].webhook.body.push(b' ');
    let refused = bless(&fixtures, Expectations::Bless);
    let failure = &refused.checks[0].failures[0];
    assert!(failure.starts_with("short: was 1 event, is now `unauthenticated`: "), "{failure}");
    assert!(failure.contains("`--bless --force`") && fixtures[0].expected() == before, "{failure}");

    let forced = bless(&fixtures, Expectations::BlessAll);
    assert!(forced.written[0].starts_with("short  was 1 event, is now `unauthenticated`: "), "{:?}", forced.written);
    fixtures[1].webhook.body.push(b' ');
    fixtures[1].name = "signature-wrong".to_owned();
    let forgery = bless(&fixtures, Expectations::Bless);
    assert!(forgery.written[0].starts_with("signature-wrong  was 1 event"), "{:?}", forgery.written);
}

#[test]
fn a_connection_that_is_partly_signed_says_why_it_is_not_tampered_with() {
    let folder = Folder::new();
    let mut fixtures = folder.fixtures();
    for fixture in &mut fixtures {
        fixture.connection = connection(r#","partly-signed":"the provider signs the beginning only""#);
    }
    let report = run(&Native::<HalfVerified>::new(), &fixtures, &options(Expectations::Bless));
    assert!(report.is_clean(), "{:#?}", report.failures());
    let note = "bodies of connection `kit` were not changed: the provider signs the beginning only";
    assert_eq!(report.checks[2].notes, [note]);
}

connector! {
    /// Its provider signs the time at the end of the body, and it asks whether that is fresh.
    Fresh(cx, webhook) {
        verified(webhook)?;
        let text = str::from_utf8(&webhook.body).unwrap_or_default();
        let Some((_, signed)) = text.rsplit_once('@') else { return events(&webhook.body, "account") };
        let signed = verify::milliseconds(signed).unwrap_or_default();
        verify::require_fresh("the time", signed, cx.now, verify::Window::FIVE_MINUTES, None)?;
        Ok(Receipt::events(Vec::new()))
    }
}

#[test]
fn a_signed_request_that_is_taken_at_any_time_is_found_and_so_is_an_excuse_without_need() {
    let folder = Folder::new();
    let body = format!("a body that is long enough to have a beginning@{}", crate::testing::NOW_MS);
    let with = |fixtures: Vec<Fixture>, excuse: &str| -> Vec<Fixture> {
        let json = format!(r#"{{"connection":"kit","config":{{}},"secrets":{{"key":["{SECRET}"]}}{excuse}}}"#);
        let connection: Connection = serde_json::from_str(&json).unwrap();
        fixtures.into_iter().map(|fixture| Fixture { connection: connection.clone(), ..fixture }).collect()
    };
    let replay = |subject: &dyn Subject, fixtures: Vec<Fixture>| {
        let report = run(subject, &fixtures, &options(Expectations::Bless));
        report.checks.into_iter().find(|findings| findings.check == "replay").unwrap()
    };
    let (excuse, signed) = (r#","signs-no-time":"why""#, || vec![folder.fixture("signed", &body)]);
    let (fresh, good) = (Native::<Fresh>::new(), Native::<Good>::new());
    assert!(replay(&fresh, with(signed(), "")).is_clean());
    let needless = replay(&fresh, with(signed(), excuse));
    assert!(needless.failures[0].contains("`signs-no-time`, and no old request"), "{:?}", needless.failures);
    let missing = replay(&good, with(folder.fixtures(), ""));
    assert!(
        missing.failures[0].contains("thirty days later; fix: ask `verify::require_fresh`"),
        "{:?}",
        missing.failures
    );
    let excused = replay(&good, with(folder.fixtures(), excuse));
    assert_eq!(excused.notes, ["requests of connection `kit` can be sent again at any time: why"]);
}

#[test]
fn a_declaration_that_says_more_or_less_than_the_connector_is_found() {
    struct Declared(Native<Good>, fn(&Webhook) -> bool);

    impl Subject for Declared {
        fn receive(&self, connection: &Connection, webhook: &Webhook, moment: Moment) -> Answer {
            self.0.receive(connection, webhook, moment)
        }

        fn lets_in(&self, _: &Connection, webhook: &Webhook) -> Option<bool> {
            Some((self.1)(webhook))
        }
    }

    let check = |lets_in: fn(&Webhook) -> bool| {
        let report = trial(&Declared(Native::new(), lets_in));
        report.checks.into_iter().find(|findings| findings.check == "declared proofs").unwrap()
    };
    let right = |webhook: &Webhook| {
        let tag = webhook.header_once("x-signature").ok().and_then(hex::decode);
        tag.is_some_and(|tag| tag == crate::testing::sign(MacAlgorithm::HmacSha256, SECRET, &webhook.body))
    };
    assert!(check(right).is_clean(), "{:?}", check(right).failures);
    assert!(check(|_| false).failures[0].contains("the host refuses it before it calls the connector"));
    assert!(check(|_| true).failures[0].contains("the host lets it in without one header field"));
    let by_header = check(|webhook| webhook.header("x-signature").is_some());
    assert!(by_header.failures[0].contains("the host lets in every changed body"), "{:?}", by_header.failures);
}

connector! {
    /// Takes every U+FFFD and U+0000 out of the body.
    LeavesOut(_, webhook) {
        verified(webhook)?;
        let body = lenient::document(&webhook.body).replace("\\ufffd", "");
        events(body.as_bytes(), "account")
    }
}

#[test]
fn an_identifier_that_loses_a_nul_is_found() {
    let report = trial(&Native::<LeavesOut>::new());
    let findings = report.checks.into_iter().find(|findings| findings.check == "identities").unwrap();
    assert!(findings.failures.iter().any(|failure| failure.contains("`+16505551234` with a U+0000 at its end")));
    assert!(findings.failures.iter().all(|failure| failure.contains("`lenient::without_nul`")), "{findings:?}");
    let good = trial(&Native::<Good>::new());
    let findings = good.checks.into_iter().find(|findings| findings.check == "identities").unwrap();
    assert!(findings.is_clean() && findings.cases >= 6, "{findings:?}");
}

#[test]
fn a_confirmation_is_asked_for_after_a_verified_receipt_without_events_only() {
    struct Confirming;

    impl Inbound for Confirming {
        fn receive(_: &Context, webhook: &Webhook) -> Result<Receipt, Rejection> {
            match webhook.method.as_str() {
                "POST" => verified(webhook).and_then(|()| events(&webhook.body, "account")),
                _ => verified(webhook).map(|()| Receipt::events(Vec::new())),
            }
        }

        fn confirm(cx: &Context, webhook: &crate::Confirmation) -> Option<String> {
            Some(format!("https://confirm.test/{}/{}", cx.connection, webhook.body.len()))
        }
    }

    let connection = connection("");
    let folder = Folder::new();
    let post = folder.fixtures().remove(0).webhook;
    let asked = Webhook { method: "PUT".into(), ..post.clone() };
    let forged = Webhook { body: b"{}".to_vec(), ..asked.clone() };
    let confirm = |webhook: &Webhook| connection.receive::<Confirming>(webhook).confirm;
    assert_eq!(confirm(&asked), Some(format!("https://confirm.test/kit/{}", SHORT.len())));
    assert_eq!((confirm(&post), confirm(&forged)), (None, None));
}

/// The checks that fail, for a connector whose fixtures say what it makes of them.
fn failed(subject: &dyn Subject) -> Vec<String> {
    let checks = trial(subject).checks.into_iter();
    checks.filter(|findings| !findings.is_clean()).map(|findings| findings.check).collect()
}

fn trial(subject: &dyn Subject) -> Report {
    let folder = Folder::new();
    let fixtures = folder.fixtures();
    run(subject, &fixtures, &options(Expectations::Bless));
    run(subject, &fixtures, &options(Expectations::Verbatim))
}

fn options(expectations: Expectations) -> Options {
    let effort = Effort { tampered_max: 4_000, retyped_max: 200, hostile_fixtures_max: 2, random_bodies: 9 };
    Options { effort, expectations, budgets: Some(Budgets::of_limits(50, 16, 1_024).with_component(1, 1)) }
}

fn connection(more: &str) -> Connection {
    serde_json::from_str(&format!(
        r#"{{"connection":"kit","config":{{}},"secrets":{{"key":["{SECRET}"]}},"signs-no-time":"a kit's"{more}}}"#
    ))
    .unwrap()
}

/// A temporary folder for `*.events.json`.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let count = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("rapport-kit-{}-{count}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn fixtures(&self) -> Vec<Fixture> {
        [("short", SHORT), ("text", TEXT)].map(|(name, body)| self.fixture(name, body)).into()
    }

    /// Two of them in one request.
    fn batch(&self) -> Fixture {
        self.fixture("batch", &format!("[{SHORT},{TEXT}]"))
    }

    /// What AWS delivered.
    fn fed(&self) -> Fixture {
        let request = format!(
            "POST arn:aws:sqs:eu-west-1:111122223333:feed HTTP/1.1\ncontent-type: application/json\n\
             x-amz-sns-topic-arn: arn:aws:sns:eu-west-1:111122223333:kit\n\n{TEXT}"
        );
        let webhook = parse_request(request.as_bytes()).unwrap();
        assert!(webhook.is_fed());
        let expected = self.0.join("fed.events.json");
        Fixture { name: "fed".to_owned(), webhook, connection: connection(""), expected }
    }

    fn fixture(&self, name: &str, body: &str) -> Fixture {
        let tag = |data: &str| hex::encode(&crate::testing::sign(MacAlgorithm::HmacSha256, SECRET, data.as_bytes()));
        let (whole, beginning) = (tag(body), tag(&body[..40]));
        let request = format!(
            "POST /hooks/kit HTTP/1.1\nhost: kit.test\ncontent-type: application/json\nx-signature: {whole}\n\
             x-prefixed: sha256={whole}\nx-beginning: {beginning}\n\n{body}"
        );
        let webhook = parse_request(request.as_bytes()).unwrap();
        let expected = self.0.join(format!("{name}.events.json"));
        Fixture { name: name.to_owned(), webhook, connection: connection(""), expected }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
