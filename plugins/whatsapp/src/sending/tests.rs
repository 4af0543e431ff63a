//! Sending as a whole: what a message becomes, what is refused, and what an answer means.

mod answers;
mod refused;
mod specified;

use rapport_sdk::http::{Answer, Authorization, Body, Content};
use rapport_sdk::prelude::*;
use rapport_sdk::sending::{Kind, Next};
use serde_json::{Value, json};

use crate::WhatsApp;

const ACCOUNT: &str = "106540352242922";
const REFERENCE: &str = "r1AbCdEfGhIjKlMnOpQrStUv01JDXYZ0000000000000000000000aBcDeFgH";
const NOW_MS: u64 = 1_790_668_800_000;

fn context(config: &Value) -> Context {
    Context { connection: "wa-eu".into(), config: config.to_string(), now: NOW_MS, entropy: vec![0; 32] }
}

fn run_with(config: &Value, operation: &Operation, history: &[Exchange]) -> Turn {
    WhatsApp::run(&context(config), operation, history)
}

fn run(operation: &Operation, history: &[Exchange]) -> Turn {
    run_with(&json!({}), operation, history)
}

fn outgoing(parts: Vec<Part>) -> Outgoing {
    Outgoing {
        reference: REFERENCE.into(),
        route: Route { to: Identifier::provider("phone", "+16505551234"), account: ACCOUNT.into() },
        author: Author::Agent,
        kind: Kind::Reply,
        purpose: "service".into(),
        subject: None,
        parts,
        in_reply_to: None,
        references: Vec::new(),
        copies: Vec::new(),
        thread: None,
        comment: None,
        last_customer_at: None,
        expires_at: NOW_MS + 86_400_000,
        extensions: Vec::new(),
    }
}

fn text() -> Operation {
    Operation::Send(outgoing(vec![Part::Text("Hello".into())]))
}

fn answered(status: u16, headers: &[(&str, &str)], body: &str) -> Exchange {
    let headers = headers.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    Ok(Response { status, headers, body: Answer::Bytes(body.into()) })
}

fn failure(turn: Turn) -> Failure {
    match turn.next {
        Next::Failed(failure) => failure,
        other => panic!("expected a failure, found {other:?}"),
    }
}

fn requests(turn: &Turn) -> &[Request] {
    match &turn.next {
        Next::Perform(requests) => requests,
        other => panic!("expected requests, found {other:?}"),
    }
}

fn body_of(request: &Request) -> Value {
    match &request.body {
        Body::Content(Content::Bytes(bytes)) => serde_json::from_slice(bytes).unwrap(),
        other => panic!("expected JSON, found {other:?}"),
    }
}

/// Meta's JSON inside of what AWS gets.
fn wrapped_in(request: &Request) -> Value {
    let body = body_of(request);
    serde_json::from_slice(&base64::decode(body["message"].as_str().unwrap()).unwrap()).unwrap()
}

fn sends(parts: Vec<Part>) -> Value {
    body_of(&requests(&run(&Operation::Send(outgoing(parts)), &[]))[0])
}

#[test]
fn a_text_says_who_gets_it_and_whose_it_is() {
    let turn = run(&text(), &[]);
    let [request] = requests(&turn) else { panic!() };
    assert_eq!(request.authorization, Authorization::Bearer("access-token".into()));
    assert!(!request.repeatable && !request.keep);
    assert_eq!(request.url, [Piece::Text(format!("https://graph.facebook.com/v25.0/{ACCOUNT}/messages"))]);
    let expected = json!({
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "to": "+16505551234",
        "biz_opaque_callback_data": REFERENCE,
        "type": "text",
        "text": { "body": "Hello", "preview_url": false },
    });
    assert_eq!(body_of(request), expected);
}

#[test]
fn an_address_is_a_number_or_a_user_id_and_nothing_else() {
    let to = |scheme: &str, value: &str| {
        let mut message = outgoing(vec![Part::Text("Hello".into())]);
        message.route.to = Identifier::provider(scheme, value);
        run(&Operation::Send(message), &[])
    };
    for (scheme, value, field, expected) in [
        ("phone", "+16505551234", "to", "+16505551234"),
        ("phone", "16505551234", "to", "+16505551234"),
        ("whatsapp", "16505551234", "to", "+16505551234"),
        ("whatsapp", "US.13491208655302741918", "recipient", "US.13491208655302741918"),
        ("whatsapp", "US.ENT.11815799212886844830", "recipient", "US.ENT.11815799212886844830"),
        ("whatsapp.parent", "US.ENT.11815799212886844830", "recipient", "US.ENT.11815799212886844830"),
    ] {
        let turn = to(scheme, value);
        let body = body_of(&requests(&turn)[0]);
        assert_eq!(body[field], expected, "{scheme} {value}");
        assert_eq!(body.get("to").is_some(), field == "to");
    }
    for (scheme, value) in [
        ("email", "ada@example.com"),
        ("phone", "US.13491208655302741918"),
        ("phone", ""),
        ("whatsapp", "ada"),
        ("whatsapp.group", "120363"),
        ("messenger", "16505551234"),
    ] {
        assert!(matches!(failure(to(scheme, value)), Failure::InvalidRecipient(_)), "{scheme} {value}");
    }
}

#[test]
fn only_the_first_message_is_a_reply_and_each_part_has_its_id() {
    let mut message = outgoing(vec![Part::Text("One".into()), Part::Text("Two".into())]);
    message.in_reply_to = Some("wamid.in".into());
    let operation = Operation::Send(message);
    let taken = |id: &str| answered(200, &[], &json!({ "messages": [{ "id": id }] }).to_string());
    let first = run(&operation, &[]);
    assert_eq!(body_of(&requests(&first)[0])["context"], json!({ "message_id": "wamid.in" }));
    let second = run(&operation, &[taken("wamid.1")]);
    assert_eq!(body_of(&requests(&second)[0]).get("context"), None);
    assert_eq!(second.so_far.accepted, [Accepted { part: 0, id: "wamid.1".into() }]);
    let done = run(&operation, &[taken("wamid.1"), taken("wamid.2")]);
    assert_eq!(done.next, Next::Done);
    assert_eq!(done.so_far.accepted.len(), 2);
    let cut = run(&operation, &[taken("wamid.1"), Err(TransportError::Interrupted)]);
    assert_eq!(cut.so_far.accepted, [Accepted { part: 0, id: "wamid.1".into() }]);
    assert!(matches!(failure(cut), Failure::Undetermined(_)));
}

#[test]
fn a_preview_is_shown_only_if_somebody_asks_for_it() {
    let mut message = outgoing(vec![Part::Text("https://example.com".into())]);
    message.extensions = vec![("com.whatsapp.preview-url".into(), "true".into())];
    let turn = run(&Operation::Send(message), &[]);
    assert_eq!(body_of(&requests(&turn)[0])["text"]["preview_url"], true);
}

fn media(source: MediaSource, mime: &str) -> Part {
    let (mime_type, file_name) = (Some(mime.into()), Some("file.bin".into()));
    Part::Media(Media { source, mime_type, file_name, size: None, content_id: None })
}

fn link(mime: &str) -> Part {
    media(MediaSource::Url("https://example.com/f".into()), mime)
}

#[test]
fn a_file_is_of_the_type_that_its_mime_type_says() {
    for (mime, kind) in [
        ("image/jpeg", "image"),
        ("IMAGE/PNG", "image"),
        ("image/webp", "sticker"),
        ("video/mp4", "video"),
        ("audio/ogg; codecs=opus", "audio"),
        ("application/pdf", "document"),
        ("text/csv", "document"),
    ] {
        let body = sends(vec![link(mime)]);
        assert_eq!(body["type"], kind, "{mime}");
        assert_eq!(body[kind]["link"], "https://example.com/f");
        assert_eq!(body[kind].get("filename").is_some(), kind == "document", "{mime}");
    }
    let by_id = sends(vec![media(MediaSource::ProviderId("4490709327384033".into()), "image/png")]);
    assert_eq!(by_id["image"], json!({ "id": "4490709327384033" }));
}

#[test]
fn a_short_text_after_a_file_is_its_caption() {
    let caption = |text: &str, mime: &str, more: Vec<Part>| {
        let parts = [vec![link(mime), Part::Text(text.into())], more].concat();
        let body = sends(parts);
        let kind = body["type"].as_str().unwrap().to_owned();
        body[&kind].get("caption").cloned()
    };
    assert_eq!(caption("Look", "image/png", vec![]), Some("Look".into()));
    assert_eq!(caption(&"x".repeat(1025), "image/png", vec![]), None);
    assert_eq!(caption("Look", "audio/mpeg", vec![]), None);
    let choices = Part::Choices(vec![Choice { id: "y".into(), title: "Yes".into() }]);
    assert_eq!(caption("Look", "image/png", vec![choices]), None);
    // Both parts are one message, and have its id.
    let operation = Operation::Send(outgoing(vec![link("image/png"), Part::Text("Look".into())]));
    let done = run(&operation, &[answered(200, &[], r#"{"messages":[{"id":"wamid.1"}]}"#)]);
    assert_eq!(done.so_far.accepted.iter().map(|one| one.part).collect::<Vec<_>>(), [0, 1]);
}

#[test]
fn blobs_are_uploaded_in_one_step_that_may_be_repeated() {
    let blob = |key: &str, mime: &str| media(MediaSource::Blob(key.into()), mime);
    let parts = vec![blob("blobs/a", "image/png"), link("image/png"), blob("blobs/b", "application/pdf")];
    let operation = Operation::Send(outgoing(parts));
    let first = run(&operation, &[]);
    assert_eq!(requests(&first).len(), 2);
    for (request, key) in requests(&first).iter().zip(["blobs/a", "blobs/b"]) {
        assert!(request.repeatable);
        assert_eq!(request.url, [Piece::Text(format!("https://graph.facebook.com/v25.0/{ACCOUNT}/media"))]);
        let Body::Multipart(fields) = &request.body else { panic!() };
        assert_eq!(
            fields.iter().map(|field| field.name.as_str()).collect::<Vec<_>>(),
            ["messaging_product", "type", "file"]
        );
        assert_eq!(fields[2].content, Content::Pieces(vec![Piece::Blob(key.into())]));
    }
    let uploaded = |id: &str| answered(200, &[], &json!({ "id": id }).to_string());
    // The history may end inside of the step.
    assert_eq!(requests(&run(&operation, &[uploaded("7")])).len(), 1);
    let next = run(&operation, &[uploaded("7"), uploaded("8")]);
    assert_eq!(body_of(&requests(&next)[0])["image"], json!({ "id": "7" }));
    assert!(!requests(&next)[0].repeatable);
    // An upload whose answer was lost is not a message that may have been sent.
    let lost = failure(run(&operation, &[uploaded("7"), Err(TransportError::Timeout)]));
    assert!(matches!(&lost, Failure::Provider(error) if error.retryable), "{lost:?}");
    let busy =
        failure(run(&operation, &[uploaded("7"), answered(500, &[], r#"{"error":{"code":131000,"message":"x"}}"#)]));
    assert!(matches!(&busy, Failure::Provider(error) if error.retryable && error.code == "131000"), "{busy:?}");
}

#[test]
fn the_name_of_a_file_cannot_break_a_header() {
    let Part::Media(media) = media(MediaSource::Blob("blobs/a".into()), "application/pdf") else { unreachable!() };
    let named = Part::Media(Media { file_name: Some("a\r\nx: y.pdf".into()), ..media });
    let turn = run(&Operation::Send(outgoing(vec![named])), &[]);
    let Body::Multipart(fields) = &requests(&turn)[0].body else { panic!() };
    assert_eq!(fields[2].file_name.as_deref(), Some("a__x: y.pdf"));
}

#[test]
fn choices_become_buttons_or_a_list() {
    let choices = |count: usize, title: &str| {
        let choice = |index: usize| Choice { id: format!("c{index}"), title: format!("{title}{index}") };
        Part::Choices((0..count).map(choice).collect())
    };
    let body = |part: Part| sends(vec![Part::Text("Which?".into()), part])["interactive"].clone();
    let buttons = body(choices(3, "Option "));
    assert_eq!(buttons["type"], "button");
    assert_eq!(buttons["body"]["text"], "Which?");
    assert_eq!(
        buttons["action"]["buttons"][2],
        json!({ "type": "reply", "reply": { "id": "c2", "title": "Option 2" } })
    );
    let list = body(choices(4, "Option "));
    assert_eq!(list["type"], "list");
    assert_eq!(list["action"]["button"], "Options");
    assert_eq!(list["action"]["sections"][0]["rows"].as_array().unwrap().len(), 4);
    // 21 characters are too many for a button, and not for a row.
    assert_eq!(body(choices(2, &"x".repeat(20)))["type"], "list");
    let mut message = outgoing(vec![Part::Text("Which?".into()), choices(5, "O")]);
    message.extensions = vec![("com.whatsapp.list-button".into(), "\"Auswahl\"".into())];
    let turn = run_with(&json!({ "list-button": "Choose" }), &Operation::Send(message), &[]);
    assert_eq!(body_of(&requests(&turn)[0])["interactive"]["action"]["button"], "Auswahl");
}

#[test]
fn a_template_takes_texts_names_a_header_and_buttons() {
    let template = |parameters: &[&str]| {
        Part::Template(Template {
            name: "order_ready".into(),
            locale: "en-US".into(),
            parameters: parameters.iter().map(|text| text.to_string()).collect(),
        })
    };
    let plain = sends(vec![template(&[])])["template"].clone();
    assert_eq!(plain, json!({ "name": "order_ready", "language": { "policy": "deterministic", "code": "en_US" } }));
    let full = sends(vec![
        link("image/png"),
        template(&[
            "\"Ada\"",
            "7",
            r#"{"parameter_name":"city","text":"Berlin"}"#,
            r#"{"component":"button","sub_type":"url","index":0,"type":"text","text":"orders/7"}"#,
            r#"{"component":"button","sub_type":"quick_reply","index":"1","type":"payload","payload":"stop"}"#,
        ]),
    ]);
    let expected = json!([
        { "type": "header", "parameters": [{ "type": "image", "image": { "link": "https://example.com/f" } }] },
        { "type": "body", "parameters": [
            { "type": "text", "text": "Ada" },
            { "type": "text", "text": "7" },
            { "type": "text", "parameter_name": "city", "text": "Berlin" },
        ] },
        { "type": "button", "sub_type": "url", "index": "0", "parameters": [{ "type": "text", "text": "orders/7" }] },
        { "type": "button", "sub_type": "quick_reply", "index": "1", "parameters": [{ "type": "payload", "payload": "stop" }] },
    ]);
    assert_eq!(full["template"]["components"], expected);
    for wrong in [
        "true",
        "[]",
        "{}",
        r#"{"component":"footer","text":"x"}"#,
        r#"{"component":"button","text":"x"}"#,
        r#"{"index":1,"text":"x"}"#,
    ] {
        let found = failure(run(&Operation::Send(outgoing(vec![template(&["\"a\"", wrong])])), &[]));
        assert!(
            matches!(&found, Failure::UnsupportedContent(why) if why.starts_with("parts[0]: parameter 1 ")),
            "{wrong}: {found:?}"
        );
    }
}

#[test]
fn places_cards_and_what_has_no_part_of_its_own() {
    let place = Place { latitude: 52.520_008, longitude: -13.404_954, name: Some("Office".into()), address: None };
    let location = json!({ "latitude": "52.520008", "longitude": "-13.404954", "name": "Office" });
    assert_eq!(sends(vec![Part::Place(place)])["location"], location);
    let contact = Contact::new(vec![
        Identifier::attested(Attestation::Agent, "phone", "+4915112345678"),
        Identifier::attested(Attestation::Agent, "whatsapp", "4915112345678"),
        Identifier::attested(Attestation::Agent, "email", "grace@example.com"),
    ]);
    let contact = contact.named(Some("Grace Hopper")).with_trait(Contact::FAMILY_NAME, "Hopper");
    let card = json!([{
        "name": { "formatted_name": "Grace Hopper", "first_name": "Grace Hopper", "last_name": "Hopper" },
        "phones": [{ "phone": "+4915112345678", "wa_id": "4915112345678" }],
        "emails": [{ "email": "grace@example.com" }],
    }]);
    assert_eq!(sends(vec![Part::ContactCard(contact)])["contacts"], card);
    let flow = json!({ "type": "flow", "action": { "name": "flow", "parameters": {} } });
    assert_eq!(sends(vec![Part::Other(("interactive".into(), flow.to_string()))])["interactive"], flow);
}

#[test]
fn reactions_read_marks_and_typing() {
    let of = || OfMessage {
        route: Route { to: Identifier::provider("whatsapp", "US.1"), account: ACCOUNT.into() },
        message: "wamid.in".into(),
    };
    for (emoji, expected) in [(Some("👍".to_owned()), "👍"), (None, "")] {
        let operation = Operation::React(rapport_sdk::sending::Reacting { message: of(), emoji });
        let turn = run(&operation, &[]);
        assert!(!requests(&turn)[0].repeatable);
        let body = body_of(&requests(&turn)[0]);
        assert_eq!(body["reaction"], json!({ "message_id": "wamid.in", "emoji": expected }));
        assert_eq!(body["recipient"], "US.1");
        let done = run(&operation, &[answered(200, &[], r#"{"messages":[{"id":"wamid.2"}]}"#)]);
        assert_eq!((done.next, done.so_far.accepted.len()), (Next::Done, 1));
    }
    let read = run(&Operation::MarkRead(of()), &[]);
    let mark = json!({ "messaging_product": "whatsapp", "status": "read", "message_id": "wamid.in" });
    assert_eq!(body_of(&requests(&read)[0]), mark);
    assert!(requests(&read)[0].repeatable);
    let writes = |message: Option<&str>, on| {
        let typing = rapport_sdk::sending::Typing { route: of().route, message: message.map(str::to_owned), on };
        run(&Operation::Typing(typing), &[])
    };
    assert_eq!(body_of(&requests(&writes(Some("wamid.in"), true))[0])["typing_indicator"], json!({ "type": "text" }));
    assert_eq!(writes(Some("wamid.in"), false).next, Next::Done);
    assert!(matches!(failure(writes(None, true)), Failure::UnsupportedContent(_)));
}

#[test]
fn a_thread_is_taken_passed_and_released() {
    let thread = || rapport_sdk::sending::ThreadControl {
        route: Route { to: Identifier::provider("phone", "+16505551234"), account: ACCOUNT.into() },
        target: Some("escalation".into()),
        metadata: Some("wants a person".into()),
    };
    let body = |operation: Operation| {
        let turn = run(&operation, &[]);
        let [request] = requests(&turn) else { panic!() };
        assert!(!request.repeatable);
        assert_eq!(request.url, [Piece::Text(format!("https://graph.facebook.com/v25.0/{ACCOUNT}/thread_control"))]);
        body_of(request)
    };
    let passed = body(Operation::PassControl(thread()));
    assert_eq!(passed["control_pass"], json!({ "target_role": "escalation" }));
    assert_eq!(passed["metadata"], "wants a person");
    assert_eq!(body(Operation::TakeControl(thread())).get("control_pass"), None);
    assert_eq!(body(Operation::ReleaseControl(thread()))["action"], "release");
    let refused = answered(400, &[], r#"{"error":{"code":2494191,"message":"not permitted"}}"#);
    assert!(matches!(failure(run(&Operation::TakeControl(thread()), &[refused])), Failure::Provider(_)));
}

#[test]
fn by_way_of_aws_the_same_message_is_wrapped() {
    let config = json!({ "aws": { "region": "eu-west-1", "phone-numbers": { ACCOUNT: "phone-number-id-0123" } } });
    let turn = run_with(&config, &text(), &[]);
    let [request] = requests(&turn) else { panic!() };
    assert_eq!(request.url, [Piece::Text("https://social-messaging.eu-west-1.amazonaws.com/v1/whatsapp/send".into())]);
    let Authorization::Aws(auth) = &request.authorization else { panic!() };
    assert_eq!((auth.service.as_str(), auth.region.as_str()), ("social-messaging", "eu-west-1"));
    let outer = body_of(request);
    assert_eq!(
        (&outer["originationPhoneNumberId"], &outer["metaApiVersion"]),
        (&json!("phone-number-id-0123"), &json!("v25.0"))
    );
    assert_eq!(wrapped_in(request), body_of(&requests(&run(&text(), &[]))[0]));
    let done = run_with(&config, &text(), &[answered(200, &[], r#"{"messageId":"wamid.1"}"#)]);
    assert_eq!((done.next, done.so_far.accepted.len()), (Next::Done, 1));
    // What AWS does in another way is refused before anything leaves.
    let blob = media(MediaSource::Blob("blobs/a".into()), "image/png");
    let other = json!({ "aws": { "region": "eu-west-1", "phone-numbers": {} } });
    let fetch = Operation::FetchMedia(rapport_sdk::sending::Fetching {
        account: ACCOUNT.into(),
        source: MediaSource::ProviderId("7".into()),
        message: None,
    });
    for (config, operation) in [(&config, Operation::Send(outgoing(vec![blob]))), (&config, fetch), (&other, text())] {
        let why = failure(run_with(config, &operation, &[])).describe();
        assert!(why.contains("; fix: "), "{why}");
    }
}

#[test]
fn a_number_of_another_connection_sends_nothing() {
    let why = failure(run_with(&json!({ "phone-number-ids": ["1"] }), &text(), &[])).describe();
    assert!(why.contains("phone-number-ids"), "{why}");
    let why = failure(run_with(&json!({ "graph-version": 7 }), &text(), &[])).describe();
    assert!(why.contains("`config` does not fit"), "{why}");
}

#[test]
fn a_user_id_in_the_answer_is_told_once() {
    let answer = |id: &str| {
        let contact = json!({ "input": "+16505551234", "wa_id": "16505551234", "user_id": "US.1" });
        answered(200, &[], &json!({ "contacts": [contact], "messages": [{ "id": id }] }).to_string())
    };
    let operation = Operation::Send(outgoing(vec![Part::Text("One".into()), Part::Text("Two".into())]));
    let done = run(&operation, &[answer("wamid.1"), answer("wamid.2")]);
    let [event] = &done.so_far.events[..] else { panic!("{done:?}") };
    assert_eq!(event.body, EventBody::ContactUpdated);
    let values: Vec<&str> = event.contact.identifiers.iter().map(|id| id.value.as_str()).collect();
    assert_eq!(values, ["US.1", "16505551234", "+16505551234"]);
    assert_eq!((event.at, event.account.as_str()), (0, ACCOUNT));
    let held = answered(
        200,
        &[],
        r#"{"contacts":[{"input":"+1","wa_id":"1"}],"messages":[{"id":"w","message_status":"held_for_quality_assessment"}]}"#,
    );
    let done = run(&text(), &[held]);
    assert_eq!(done.so_far.events, []);
    assert_eq!(
        done.so_far.extensions,
        [("com.whatsapp.message-status".to_owned(), "\"held_for_quality_assessment\"".to_owned())]
    );
}

#[test]
fn what_whatsapp_does_not_have_is_named() {
    let of = OfMessage {
        route: Route { to: Identifier::provider("phone", "+16505551234"), account: ACCOUNT.into() },
        message: "wamid.1".into(),
    };
    for operation in [
        Operation::Retract(of),
        Operation::LookUp(rapport_sdk::sending::LookingUp {
            route: outgoing(Vec::new()).route,
            reference: REFERENCE.into(),
            sent_at: NOW_MS,
        }),
        Operation::Other(("dance".into(), "{}".into())),
    ] {
        let Failure::UnsupportedContent(why) = failure(run(&operation, &[])) else { panic!() };
        assert!(why.contains(operation.name()), "{why}");
    }
}

mod fetching {
    use super::*;
    use rapport_sdk::http::Kept;
    use rapport_sdk::sending::Fetching;

    const DIGEST: &str = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

    fn operation() -> Operation {
        Operation::FetchMedia(Fetching {
            account: ACCOUNT.into(),
            source: MediaSource::ProviderId("2621233374848975".into()),
            message: None,
        })
    }

    fn found(sha256: &str) -> Exchange {
        let url = "https://lookaside.fbsbx.com/whatsapp_business/attachments/?mid=1";
        answered(
            200,
            &[],
            &json!({ "url": url, "sha256": sha256, "mime_type": "image/jpeg", "file_size": "5" }).to_string(),
        )
    }

    fn kept() -> Exchange {
        let kept =
            Kept { blob: "blobs/k".into(), bytes: 5, mime_type: Some("image/jpeg".into()), sha256: DIGEST.into() };
        Ok(Response { status: 200, headers: Vec::new(), body: Answer::Kept(kept) })
    }

    #[test]
    fn a_file_is_fetched_in_two_steps_and_checked() {
        let about = run(&operation(), &[]);
        let url = format!("https://graph.facebook.com/v25.0/2621233374848975?phone_number_id={ACCOUNT}");
        assert_eq!(requests(&about)[0].url, [Piece::Text(url)]);
        let bytes = run(&operation(), &[found(DIGEST)]);
        let [request] = requests(&bytes) else { panic!() };
        assert!(request.keep && request.repeatable);
        assert_eq!(request.authorization, Authorization::Bearer("access-token".into()));
        let in_base64 = base64::encode(&hex::decode(DIGEST).unwrap());
        for sha256 in [DIGEST, in_base64.as_str(), "<HASH>"] {
            let done = run(&operation(), &[found(sha256), kept()]);
            assert_eq!(done.next, Next::Done);
            assert_eq!(done.so_far.media.unwrap().blob, "blobs/k");
        }
        let other = failure(run(&operation(), &[found(&DIGEST.replace('2', "3")), kept()]));
        assert!(
            matches!(&other, Failure::Provider(error) if error.retryable && error.code == "answer/digest"),
            "{other:?}"
        );
    }

    #[test]
    fn what_is_not_a_url_is_not_asked_for() {
        let long = format!("https://a.test/{}", "x".repeat(8 * 1024));
        for url in ["", "http://a.test/", "https://", "https://a b/", "https://a.test/#x", "https://a@b.test/", &long] {
            let found = answered(200, &[], &json!({ "url": url }).to_string());
            let found = failure(run(&operation(), &[found]));
            assert!(matches!(found, Failure::Provider(error) if error.code == "answer/unreadable"), "{url}");
        }
    }

    #[test]
    fn a_url_that_expired_begins_again_and_not_for_ever() {
        let gone = || answered(404, &[], "");
        let again = run(&operation(), &[found(DIGEST), gone()]);
        assert!(!requests(&again)[0].keep);
        let done = run(&operation(), &[found(DIGEST), gone(), found(DIGEST), kept()]);
        assert_eq!(done.next, Next::Done);
        let history = [found(DIGEST), gone(), found(DIGEST), gone(), found(DIGEST), gone()];
        assert!(
            matches!(failure(run(&operation(), &history)), Failure::Provider(error) if error.code == "media/expired")
        );
    }
}

#[test]
fn templates_are_listed_a_page_at_a_time() {
    let listing = |cursor: Option<&str>| {
        Operation::ListTemplates(rapport_sdk::sending::Listing {
            account: ACCOUNT.into(),
            cursor: cursor.map(str::to_owned),
        })
    };
    let config = json!({ "business-account-id": "102290129340398" });
    let turn = run_with(&config, &listing(Some("MjQZD")), &[]);
    let Piece::Text(url) = &requests(&turn)[0].url[0] else { panic!() };
    assert!(url.starts_with("https://graph.facebook.com/v25.0/102290129340398/message_templates?fields="), "{url}");
    assert!(url.ends_with("&limit=50&after=MjQZD"), "{url}");
    let page = json!({
        "data": [{
            "name": "order_ready", "language": "en_US", "status": "APPROVED", "category": "UTILITY",
            "components": [
                { "type": "HEADER", "format": "IMAGE" },
                { "type": "BODY", "text": "Hi {{name}}, {{order}} is ready, {{name}}." },
                { "type": "BUTTONS", "buttons": [{ "type": "QUICK_REPLY" }, { "type": "URL", "url": "https://a.test/{{1}}" }] },
            ],
        }],
        "paging": { "cursors": { "before": "MAZDZD", "after": "MjQZE" }, "next": "https://graph.facebook.com/…" },
    });
    let done = run_with(&config, &listing(None), &[answered(200, &[], &page.to_string())]);
    assert_eq!(done.so_far.cursor.as_deref(), Some("MjQZE"));
    let [offer] = &done.so_far.templates[..] else { panic!() };
    assert_eq!((offer.name.as_str(), offer.locale.as_str()), ("order_ready", "en-US"));
    assert_eq!(offer.variables, ["header.image", "name", "order", "button.1"]);
    let mut last = page;
    last["paging"].as_object_mut().unwrap().remove("next");
    assert_eq!(run_with(&config, &listing(None), &[answered(200, &[], &last.to_string())]).so_far.cursor, None);
    last["paging"] = json!({ "cursors": { "after": "x".repeat(2049) }, "next": "x" });
    let long = failure(run_with(&config, &listing(None), &[answered(200, &[], &last.to_string())]));
    assert!(matches!(long, Failure::Provider(error) if error.code == "answer/unreadable"));
    assert!(failure(run(&listing(None), &[])).describe().contains("business-account-id"));
    let aws = json!({ "aws": { "region": "eu-west-1", "phone-numbers": {}, "business-account": "waba-1" } });
    let page = r#"{"templates":[{"templateName":"hello","templateLanguage":"en_US","templateStatus":"APPROVED"}],"nextToken":"t"}"#;
    let done = run_with(&aws, &listing(None), &[answered(200, &[], page)]);
    assert_eq!((done.so_far.templates.len(), done.so_far.cursor.as_deref()), (1, Some("t")));
}
