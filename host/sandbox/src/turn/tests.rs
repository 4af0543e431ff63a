//! Each rule of a turn, broken once.

use rapport_model::event::{Author, Identifier, MediaSource};
use rapport_model::exchange::{
    Authorization, Content, Field, FormField, Method, Piece, RequestBody, Response, SignedField, TransportError,
};
use rapport_model::exchange::{MacAlgorithm, MacEncoding};
use rapport_model::sending::{Failure, Kind, Outgoing, Route};

use super::*;
use crate::call::Context;
use crate::limits::{HEADER_BYTES_MAX, HEADERS_MAX, PIECES_MAX, REQUEST_BYTES_MAX, URL_BYTES_MAX};
use crate::operation::Batch;

const ENTROPY: [u8; 32] = [7; 32];

fn context() -> Context<'static> {
    Context { connection: "acme-eu", config: "{}", now: 0, entropy: &ENTROPY }
}

fn text(text: &str) -> Piece {
    Piece::Text(text.to_owned())
}

fn request() -> Request {
    Request {
        method: Method::Post,
        url: vec![text("https://api.acme.test/v1/messages")],
        headers: vec![Field { name: "content-type".into(), value: vec![text("application/json")] }],
        authorization: Authorization::Bearer("access-token".into()),
        signed: Vec::new(),
        body: RequestBody::Content(Content::Bytes(b"{}".to_vec())),
        repeatable: false,
        keep: false,
        extensions: Default::default(),
    }
}

fn repeatable() -> Request {
    Request { repeatable: true, ..request() }
}

fn operation(parts: Vec<Part>) -> Operation {
    let to = Identifier {
        scheme: "acme".into(),
        scope: None,
        value: "u-1".into(),
        attestation: rapport_model::event::Attestation::Provider,
    };
    Operation::Send(Outgoing {
        reference: "r1".into(),
        route: Route { to, account: "w-1".into() },
        author: Author::Agent,
        kind: Kind::Reply,
        purpose: "service".into(),
        subject: None,
        parts,
        in_reply_to: None,
        references: Vec::new(),
        copies: Vec::new(),
        thread: None,
        expires_at: 1_790_755_200_000,
        comment: None,
        last_customer_at: None,
        extensions: Default::default(),
    })
}

fn media(source: MediaSource) -> Part {
    Part::Media(rapport_model::event::Media { source, mime_type: None, file_name: None, size: None, content_id: None })
}

fn kept() -> Kept {
    Kept { blob: "b-kept".into(), bytes: 7, mime_type: None, sha256: "00".into() }
}

fn accepted(part: u32, id: &str) -> Accepted {
    Accepted { part, id: id.into() }
}

/// What is said of a turn for a message of two parts, the second of which is a blob; one body was kept before.
fn said(so_far: Outcome, next: Next, step: usize, before: &[Accepted]) -> Option<String> {
    let operation = operation(vec![Part::Text("hi".into()), media(MediaSource::Blob("b-own".into()))]);
    let history =
        [Ok(Response { status: 200, headers: Vec::new(), body: Answer::Kept(kept()) }), Err(TransportError::Timeout)];
    let call = RunCall { context: context(), operation: &operation, history: &history, step, accepted: before };
    check_turn(&Turn { so_far, next }, &call).err().map(|wrong| wrong.to_string())
}

fn performing(requests: Vec<Request>) -> Option<String> {
    said(Outcome::default(), Next::Perform(requests), 0, &[])
}

fn achieving(so_far: Outcome) -> Option<String> {
    said(so_far, Next::Done, 0, &[])
}

fn changed(change: impl FnOnce(&mut Request)) -> Option<String> {
    let mut request = request();
    change(&mut request);
    performing(vec![request])
}

#[track_caller]
fn refused(found: Option<String>, words: &[&str]) {
    let found = found.expect("it is refused");
    for word in words.iter().chain(&["; fix: "]) {
        assert!(found.contains(word), "expected `{word}`: {found}");
    }
}

#[test]
fn what_keeps_to_the_rules_is_taken() {
    assert_eq!(performing(vec![request()]), None);
    assert_eq!(performing(vec![repeatable(); REQUESTS_A_STEP_MAX]), None);
    let all =
        Outcome { accepted: vec![accepted(0, "m-1"), accepted(1, "m-2"), accepted(1, "m-3")], ..Outcome::default() };
    assert_eq!(said(all, Next::Failed(Failure::OutsideWindow), STEPS_MAX, &[accepted(1, "m-2")]), None);
    assert_eq!(achieving(Outcome { media: Some(kept()), ..Outcome::default() }), None);
    let body = |pieces| RequestBody::Content(Content::Pieces(pieces));
    for piece in [Piece::Blob("b-own".into()), Piece::BlobBase64("b-kept".into()), Piece::StatusUrl, text("x")] {
        assert_eq!(changed(|request| request.body = body(vec![piece])), None);
    }
    let url = vec![
        text("https://api.acme.test:8443/bot"),
        Piece::Secret("bot-token".into()),
        text("/send?s="),
        Piece::StatusUrl,
    ];
    assert_eq!(changed(|request| request.url = url), None);
    assert_eq!(changed(|request| request.url = vec![text("https://api.acme.test")]), None);
}

#[test]
fn a_step_has_few_requests_and_one_that_is_not_repeatable_stands_alone() {
    refused(performing(Vec::new()), &["without a request"]);
    refused(performing(vec![repeatable(), request()]), &["`requests[1]`", "stand alone"]);
    refused(performing(vec![repeatable(); REQUESTS_A_STEP_MAX + 1]), &["17 requests", "at most 16"]);
    refused(said(Outcome::default(), Next::Perform(vec![request()]), STEPS_MAX, &[]), &["after 16"]);
}

#[test]
fn what_is_accepted_is_in_range_and_never_taken_back() {
    let achieved = |accepted| achieving(Outcome { accepted, ..Outcome::default() });
    refused(achieved(vec![accepted(2, "m")]), &["`accepted[0].part`", "part 2 of 2"]);
    refused(achieved(vec![accepted(u32::MAX, "m")]), &["`accepted[0].part`"]);
    refused(achieved(vec![accepted(0, "")]), &["`accepted[0].id`"]);
    refused(achieved(vec![accepted(0, &"x".repeat(1_025))]), &["`accepted[0].id`", "1025 bytes"]);
    refused(achieved(vec![accepted(0, "m"), accepted(0, "m")]), &["`accepted[1]`", "twice"]);
    let many = (0..257).map(|n| accepted(0, &n.to_string())).collect();
    refused(achieved(many), &["`accepted`", "at most 256"]);
    refused(said(Outcome::default(), Next::Done, 1, &[accepted(0, "m-1")]), &["no longer has part 0 with id `m-1`"]);
}

#[test]
fn what_is_handed_on_was_given_by_the_host_and_is_bounded() {
    let forged = Kept { blob: "b-of-others".into(), ..kept() };
    refused(achieving(Outcome { media: Some(forged), ..Outcome::default() }), &["`media`"]);
    refused(achieving(Outcome { cursor: Some("x".repeat(2_049)), ..Outcome::default() }), &["`cursor`", "2049 bytes"]);
    let body = RequestBody::Content(Content::Pieces(vec![Piece::Blob("b-of-others".into())]));
    refused(changed(|request| request.body = body), &["`requests[0].body`", "blob that is neither"]);
}

#[test]
fn scheme_and_host_are_text() {
    let url = |pieces: Vec<Piece>| changed(|request| request.url = pieces);
    let secret = || Piece::Secret("host".into());
    for pieces in [
        vec![],
        vec![secret()],
        vec![text("http://a.test/")],
        vec![text("HTTPS://a.test/")],
        vec![text("https://"), secret()],
        vec![text("https://a.test"), secret()],
        vec![text("https://a."), text("test/")],
        vec![text("https:///path")],
        vec![text("https://user@a.test/")],
        vec![text("https://a.test\\@b.test/")],
        vec![text("https://ä.test/")],
        vec![text("https://[::1]/")],
    ] {
        refused(url(pieces), &["`requests[0].url`"]);
    }
    for bad in ["https://a.test/a b", "https://a.test/#x", "https://a.test/\n", "https://a.test/ü", "https://a.test/\""]
    {
        refused(url(vec![text(bad)]), &["character that no URL has"]);
    }
    refused(url(vec![text("https://a.test/"), Piece::Blob("b-own".into())]), &["blob"]);
    refused(url(vec![text(&format!("https://a.test/{}", "x".repeat(URL_BYTES_MAX)))]), &["at most 4096"]);
    refused(url(vec![text("https://a.test/"); PIECES_MAX + 1]), &["257 elements"]);
}

#[test]
fn header_fields_are_the_connectors_and_of_one_line() {
    let with =
        |name: &str, value: Vec<Piece>| changed(|request| request.headers = vec![Field { name: name.into(), value }]);
    for name in ["", "Content-Type", "a b", "a:", "x\r\ny", "ü"] {
        refused(with(name, vec![text("v")]), &["`requests[0].headers[0]`", "no name"]);
    }
    for name in ["host", "content-length", "transfer-encoding", "connection"] {
        refused(with(name, vec![text("v")]), &["made by the host"]);
    }
    refused(with("authorization", vec![Piece::Secret("k".into())]), &["say it once"]);
    refused(with("x-a", vec![text("a\r\nx-b: c")]), &["control character"]);
    refused(with("x-a", vec![text(&"x".repeat(HEADER_BYTES_MAX + 1))]), &["8193 bytes"]);
    refused(with("x-a", vec![Piece::BlobBase64("b-own".into())]), &["blob"]);
    let many = vec![Field { name: "x-a".into(), value: vec![text("v")] }; HEADERS_MAX + 1];
    refused(changed(|request| request.headers = many), &["65 elements"]);
    let user = Authorization::Basic { user: "a:b".into(), secret: "p".into() };
    refused(changed(|request| request.authorization = user), &["`requests[0].authorization`"]);
    let signed = |name: &str, prefix: &str| SignedField {
        name: name.into(),
        prefix: prefix.into(),
        algorithm: MacAlgorithm::HmacSha256,
        secret: "signing".into(),
        data: Vec::new(),
        encoding: MacEncoding::Hex,
    };
    refused(changed(|request| request.signed = vec![signed("host", "")]), &["`requests[0].signed[0]`"]);
    refused(changed(|request| request.signed = vec![signed("x-s", "a\nb")]), &["control character"]);
    refused(changed(|request| request.signed = vec![signed("x-s", ""); 5]), &["5 elements"]);
}

#[test]
fn no_secret_stands_in_a_body_and_a_body_is_bounded() {
    let secret = || Content::Pieces(vec![text("{"), Piece::Secret("access-token".into())]);
    refused(changed(|request| request.body = RequestBody::Content(secret())), &["`access-token` stands in a body"]);
    let field = |name: &str, content| FormField { name: name.into(), file_name: None, content_type: None, content };
    let multipart = |fields| changed(|request| request.body = RequestBody::Multipart(fields));
    refused(multipart(vec![field("a", secret())]), &["`requests[0].body[0]`", "stands in a body"]);
    refused(multipart(vec![field("", Content::Bytes(Vec::new()))]), &["no name"]);
    refused(multipart(vec![field("a\r\n", Content::Bytes(Vec::new()))]), &["control character"]);
    let large = RequestBody::Content(Content::Bytes(vec![0; REQUEST_BYTES_MAX + 1]));
    refused(changed(|request| request.body = large), &["1048577 bytes"]);
    refused(changed(|request| request.method = Method::Get), &["a GET or HEAD has none"]);
}

#[test]
fn a_poll_asks_only_for_what_may_be_sent_twice() {
    let call = PollCall { context: context(), cursor: None, history: &[], step: 0 };
    let said = |step: Step| check_step(&step, &call).err().map(|wrong| wrong.to_string());
    assert_eq!(said(Step::Perform(vec![repeatable()])), None);
    refused(said(Step::Perform(vec![request()])), &["`requests[0]` of a poll"]);
    let done = |cursor: String| {
        Step::Done(Batch { events: Vec::new(), unread: Vec::new(), cursor: Some(cursor), again_in_ms: None })
    };
    assert_eq!(said(done("c".into())), None);
    refused(said(done("x".repeat(2_049))), &["`cursor`"]);
}
