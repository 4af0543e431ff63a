//! `sending` and `polling` in the sandbox: what goes in arrives field by field, and what no turn may be is refused by name.

use rapport_model::event::{
    Attestation, Author, Choice, Contact, Identifier, Media, MediaSource, Part, Place, Template,
};
use rapport_model::exchange::{Answer, Authorization, Content, Exchange, Kept, RequestBody, Response, TransportError};
use rapport_model::sending::{Accepted, Failure, Kind, Next, OfMessage, Operation, Outgoing, Route, ThreadControl};
use rapport_sandbox::{CallError, Context, FailureKind, PollCall, Polled, Ran, RunCall, STEPS_MAX, Step};
use serde_json::{Value, json};

use super::{hostile, starting};

const CONTEXT: Context<'static> =
    Context { connection: "hostile-test", config: "{}", now: 1_767_225_600_000, entropy: &[7; 32] };

fn run(operation: &Operation, history: &[Exchange]) -> Result<Ran, CallError> {
    hostile().run(&RunCall { context: CONTEXT, operation, history, step: 0, accepted: &[] })
}

fn other(name: &str) -> Operation {
    Operation::Other(name.into(), json!({"a": 1}))
}

fn answered(body: &str) -> Exchange {
    let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
    Ok(Response { status: 200, headers, body: Answer::Bytes(body.into()) })
}

#[test]
fn a_run_goes_from_request_to_outcome() {
    let first = run(&other("good"), &[]).unwrap();
    let Next::Perform(requests) = &first.turn.next else { panic!("{first:?}") };
    assert_eq!(requests[0].authorization, Authorization::Bearer("access-token".into()));
    assert!(!requests[0].repeatable && first.usage.wall_us > 0);
    let second = run(&other("good"), &[answered("{}")]).unwrap();
    assert_eq!(second.turn.next, Next::Done);
    assert_eq!(second.turn.so_far.accepted, [Accepted { part: 0, id: "m-1".into() }]);
    let again = run(&other("good"), &[answered("{}")]).unwrap();
    assert_eq!(second.turn, again.turn);
}

/// An operation of each case with every kind of part, and every exchange, as the connector sees them.
#[test]
fn every_field_of_an_operation_and_of_its_history_arrives() {
    let history = vec![
        answered("[1]"),
        Ok(Response {
            status: 404,
            headers: Vec::new(),
            body: Answer::Kept(Kept { blob: "b".into(), bytes: 7, mime_type: Some("a/b".into()), sha256: "00".into() }),
        }),
        Err(TransportError::Denied("why".into())),
        Err(TransportError::Dns),
        Err(TransportError::Connect),
        Err(TransportError::Tls),
        Err(TransportError::RequestTooLarge(7)),
        Err(TransportError::Interrupted),
        Err(TransportError::Timeout),
        Err(TransportError::ResponseTooLarge(200)),
    ];
    for operation in operations() {
        let ran = run(&operation, &history).unwrap();
        let Next::Perform(requests) = &ran.turn.next else { panic!("{ran:?}") };
        let RequestBody::Content(Content::Bytes(body)) = &requests[0].body else { panic!("{ran:?}") };
        let given: Value = serde_json::from_slice(body).unwrap();
        let expected = json!({
            "connection": "hostile-test", "now": CONTEXT.now, "operation": operation, "history": history,
        });
        assert_eq!(given, expected);
    }
}

fn operations() -> Vec<Operation> {
    let to = Identifier {
        scheme: "acme".into(),
        scope: Some("w-1".into()),
        value: "u-1".into(),
        attestation: Attestation::Signature,
    };
    let route = Route { to: to.clone(), account: "w-1".into() };
    let contact = Contact {
        identifiers: vec![to.clone()],
        display_name: Some("Ada".into()),
        locale: Some("en".into()),
        time_zone: None,
        traits: [("com.acme.plan".to_owned(), json!({"a": [1]}))].into(),
    };
    let choice = Choice { id: "1".into(), title: "One".into() };
    let media = |source| {
        let (mime_type, file_name) = (Some("image/png".into()), Some("a.png".into()));
        Part::Media(Media { source, mime_type, file_name, size: Some(7), content_id: Some("c".into()) })
    };
    let place = Place { latitude: 52.5, longitude: 13.4, name: Some("n".into()), address: None };
    let template = Template { name: "t".into(), locale: "de".into(), parameters: vec![json!("x"), json!({"y": 1})] };
    let parts = vec![
        Part::Text("hi".into()),
        Part::Html("<p>".into()),
        media(MediaSource::Url("https://a.test/".into())),
        media(MediaSource::ProviderId("p".into())),
        media(MediaSource::Blob("b".into())),
        Part::Place(place),
        Part::ContactCard(contact.clone()),
        Part::Choices(vec![choice.clone()]),
        Part::Chosen(choice),
        Part::Form(json!({"f": null})),
        Part::Template(template),
        Part::Other("sticker".into(), json!([1])),
    ];
    let message = OfMessage { route: route.clone(), message: "m-1".into() };
    let control = || ThreadControl { route: route.clone(), target: Some("app".into()), metadata: Some("m".into()) };
    let outgoing = Outgoing {
        reference: "r1".into(),
        route: route.clone(),
        author: Author::Automation,
        kind: Kind::Notice,
        purpose: "service".into(),
        subject: Some("s".into()),
        parts: parts.clone(),
        in_reply_to: Some("m-0".into()),
        references: vec!["a".into(), "b".into()],
        copies: vec![to.clone()],
        thread: Some("t-1".into()),
        comment: Some("c".into()),
        last_customer_at: Some(7),
        expires_at: 9,
        extensions: [("com.acme.x".to_owned(), json!(true))].into(),
    };
    vec![
        Operation::Send(outgoing),
        Operation::Edit { message: message.clone(), parts },
        Operation::Retract(message.clone()),
        Operation::React { message: message.clone(), emoji: Some("👍".into()) },
        Operation::MarkRead(message),
        Operation::Typing { route: route.clone(), message: Some("m-1".into()), on: true },
        Operation::FetchMedia {
            account: "w-1".into(),
            source: MediaSource::ProviderId("p".into()),
            message: Some("m-0".into()),
        },
        Operation::ListTemplates { account: "w-1".into(), cursor: Some("c".into()) },
        Operation::UpsertContact { account: "w-1".into(), contact },
        Operation::LookUp { route: route.clone(), reference: "r1".into(), sent_at: 7 },
        Operation::EraseContact { account: "w-1".into(), who: to },
        Operation::TakeControl(control()),
        Operation::PassControl(control()),
        Operation::ReleaseControl(control()),
    ]
}

#[test]
fn what_no_turn_may_be_is_refused_by_name() {
    let wrong = [
        ("not-alone", "`requests[1]` is not repeatable"),
        ("plain-http", "`requests[0].url`: it does not begin with `https://`"),
        ("secret-host", "`requests[0].url`: scheme and host are not text"),
        ("secret-in-body", "secret `access-token` stands in a body"),
        ("foreign-blob-url", "a blob that is neither of the operation nor of its history"),
        ("foreign-blob", "a blob that is neither of the operation nor of its history"),
        ("out-of-range", "`accepted[0].part`: part 7 of 1"),
        ("forged-media", "`media`: it is not a body that the host kept"),
        ("large-body", "2097152 bytes, at most 1048576"),
        ("nan", "`events[0].parts.place.latitude`"),
    ];
    for (name, detail) in wrong {
        let error = run(&other(name), &[]).unwrap_err();
        assert_eq!(error.kind, FailureKind::InvalidOutput, "{name}: {error}");
        assert!(error.detail.contains(detail), "{name}: {error}");
    }
    for (name, kind) in
        [("trap", FailureKind::Trap), ("loop", FailureKind::Deadline), ("huge-output", FailureKind::OutputTooLarge)]
    {
        assert_eq!(run(&other(name), &[]).unwrap_err().kind, kind, "{name}");
    }
    let ran = run(&other("long-sentence"), &[]).unwrap();
    assert!(
        matches!(&ran.turn.next, Next::Failed(Failure::Other(why)) if why.starts_with("a\\nbxxx") && why.len() <= 1_024)
    );
}

#[test]
fn what_was_accepted_stays_and_steps_end() {
    let accepted = [Accepted { part: 0, id: "m-0".into() }];
    let call = |name: &str, step, accepted: &[Accepted]| {
        hostile().run(&RunCall { context: CONTEXT, operation: &other(name), history: &[], step, accepted })
    };
    let error = call("takes-back", 1, &accepted).unwrap_err();
    assert!(error.detail.contains("no longer has part 0 with id `m-0`; fix: "), "{error}");
    assert!(call("endless", STEPS_MAX - 1, &[]).is_ok());
    assert!(call("endless", STEPS_MAX, &[]).unwrap_err().detail.contains("another step after 16"));
}

#[test]
fn a_poll_goes_from_request_to_batch_and_repeats_nothing_else() {
    let poll = |cursor, history: &[Exchange]| hostile().poll(&PollCall { context: CONTEXT, cursor, history, step: 0 });
    assert!(matches!(poll(None, &[]), Ok(Polled { step: Step::Perform(requests), .. }) if requests[0].repeatable));
    let Ok(Polled { step: Step::Done(batch), .. }) = poll(None, &[answered("{}")]) else { panic!("it is done") };
    assert_eq!((batch.cursor.as_deref(), batch.again_in_ms), (Some("next"), Some(60_000)));
    for (cursor, detail) in [
        ("not-repeatable", "`requests[0]` of a poll"),
        ("long-cursor", "`cursor`: 5000 bytes"),
        ("many-unread", "`unread`: 65, at most 64"),
    ] {
        let error = poll(Some(cursor), &[]).unwrap_err();
        assert!(error.detail.contains(detail) && error.kind == FailureKind::InvalidOutput, "{error}");
    }
    assert_eq!(poll(Some("trap"), &[]).unwrap_err().kind, FailureKind::Trap);
    let failed = |cursor| match poll(Some(cursor), &[]) {
        Ok(Polled { step: Step::Failed(failure), .. }) => failure,
        other => panic!("{other:?}"),
    };
    assert_eq!(failed("x"), Failure::Other("`x`".into()));
    assert_eq!(failed("limited"), Failure::RateLimited(Some(7_000)));
}

#[test]
fn a_connector_without_the_interface_says_so() {
    let receives = starting("nop", 1);
    assert!(receives.receives() && !receives.sends() && !receives.polls());
    assert!(hostile().receives() && hostile().sends() && hostile().polls() && !hostile().confirms());
    let error = receives
        .run(&RunCall { context: CONTEXT, operation: &other("good"), history: &[], step: 0, accepted: &[] })
        .unwrap_err();
    assert_eq!(error.kind, FailureKind::NotExported);
    assert!(error.detail.contains("does not export `rapport:connector/sending@0.2.0`; fix: "), "{error}");
}
