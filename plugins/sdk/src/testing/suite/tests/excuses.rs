//! What a connection may be excused from, and an excuse that it does not need.

use super::*;

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
