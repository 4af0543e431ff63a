//! What an author is told: one line, its place and its fix.

use super::*;

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
