//! Each mistake is found by the check that is there for it.

use super::*;

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
