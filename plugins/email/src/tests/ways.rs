//! What one provider says beside a mail: whom it was for, which character sets its fields have, who vouches for it.

#![allow(clippy::unwrap_used)]

use super::corpus::{halves, percent, received};
use super::*;

const OURS: &str = r#"{"provider":"mailgun","addresses":["support@shop.example"]}"#;

fn parsed<'f>(recipient: &'f str, more: &[(&'f str, &'f [u8])]) -> Vec<(&'f str, &'f [u8])> {
    let mut fields: Vec<(&str, &[u8])> = vec![
        ("recipient", recipient.as_bytes()),
        ("sender", b"pl1@ex.example"),
        ("from", b"pl1@ex.example"),
        ("subject", b"x"),
        ("Message-Id", b"<pl1@ex.example>"),
        ("Date", b"Thu, 1 Oct 2026 08:00:00 +0000"),
        ("body-plain", b"hello"),
    ];
    fields.extend(more);
    fields
}

#[test]
fn mail_to_a_mailbox_arrives_however_its_address_is_written() {
    for recipient in [
        "support+4711@shop.example",
        "Support@Shop.Example",
        "Support <support@shop.example>",
        "<support+a@shop.example>",
        "sales@shop.example, support@shop.example",
        "support@shop.example.",
    ] {
        let receipt = received(OURS, &parsed(recipient, &[])).unwrap_or_else(|found| panic!("{recipient}: {found:?}"));
        assert_eq!(receipt.events[0].account, "support@shop.example", "{recipient}");
        assert_eq!(receipt.events[0].contact.identifiers[0].attestation, Attestation::Claimed);
    }
    // Handed on to the provider from the mailbox.
    for headers in [
        r#"[["X-Original-To","support@shop.example"]]"#,
        r#"[["Delivered-To","x@y.example"],["Delivered-To","support+1@shop.example"]]"#,
        r#"[["X-Forwarded-For","support@shop.example inbox@in.example"]]"#,
        r#"[["To","Team: Support <support@shop.example>;"]]"#,
        r#"[["Cc","support@shop.example"]]"#,
    ] {
        let receipt = received(OURS, &parsed("inbox@in.example", &[("message-headers", headers.as_bytes())]));
        assert_eq!(receipt.unwrap().events[0].account, "support@shop.example", "{headers}");
    }
    for recipient in ["sales@shop.example", "support@other.example", "supports@shop.example"] {
        let Err(Rejection::Ignored(reason)) = received(OURS, &parsed(recipient, &[])) else { panic!("{recipient}") };
        assert!(reason.contains("`addresses`"));
    }
}

#[test]
fn postmark_compares_addresses_the_same_way() {
    let receive = |fields: &str| {
        let config = r#"{"provider":"postmark","addresses":["support@shop.example"]}"#;
        let body = format!(r#"{{"From":"a@ex.example","MessageID":"m1","TextBody":"hello",{fields}}}"#);
        Connection::new("mail", config).receive::<Email>(&post(&[("content-type", "application/json")], &body)).result
    };
    for fields in [
        r#""OriginalRecipient":"support+tag@shop.example","MailboxHash":"tag""#,
        r#""OriginalRecipient":"abc@inbound.postmarkapp.com","ToFull":[{"Email":"Support@Shop.example","Name":"","MailboxHash":""}]"#,
        r#""To":"\"Support\" <support@shop.example>""#,
    ] {
        assert!(receive(fields).is_ok_and(|receipt| receipt.events[0].account == "support@shop.example"), "{fields}");
    }
    let others = r#""OriginalRecipient":"sales@shop.example""#;
    assert!(matches!(receive(others), Err(Rejection::Ignored(_))));
}

#[test]
fn what_postmarks_filter_did_not_write_vouches_for_nobody() {
    let is_vouched = |headers: &str| {
        let body = format!(
            r#"{{"FromFull":{{"Email":"ada@bank.example"}},"MessageID":"m1","TextBody":"x","Headers":[{headers}]}}"#
        );
        let webhook = post(&[("content-type", "application/json")], &body);
        let receipt = Connection::new("mail", r#"{"provider":"postmark"}"#).receive::<Email>(&webhook).result.unwrap();
        receipt.events[0].contact.identifiers[0].attestation == Attestation::Provider
    };
    let tests = r#"{"Name":"X-Spam-Tests","Value":"DKIM_SIGNED,DKIM_VALID_AU"}"#;
    let spf = r#"{"Name":"Received-SPF","Value":"Pass (x) identity=mailfrom; envelope-from=eve@evil.example"}"#;
    assert!(is_vouched(&format!("{tests},{spf}")));
    // Of a large mail, which the filter leaves out, the only one is the sender's, and stands below.
    assert!(!is_vouched(&format!("{spf},{tests}")));
    assert!(!is_vouched(tests));
    assert!(!is_vouched(&format!("{tests},{spf},{tests}")));
    let forged = r#"{"Name":"Received-SPF","Value":"Pass (envelope-from=x@bank.example) envelope-from=\"; envelope-from=y@bank.example\"@evil.example"}"#;
    assert!(!is_vouched(forged));
}

#[test]
fn an_address_in_quotation_marks_is_never_its_inside() {
    let from = b"\"<victim@bank.example>\"@evil.example";
    let mail = [&b"From: "[..], from, b"\r\nMessage-ID: <1@evil.example>\r\n\r\nx"].concat();
    let receipt =
        received(r#"{"provider":"mailgun"}"#, &[("recipient", b"s@shop.example"), ("body-mime", &mail)]).unwrap();
    assert_eq!(receipt.events[0].contact.identifiers[0].value, "\"<victim@bank.example>\"@evil.example");
}

#[test]
fn a_form_of_sendgrid_has_the_character_sets_that_it_says() {
    let receive = |charset: &str, text: &[u8]| {
        let charsets = format!(r#"{{"text":"{charset}","subject":"{charset}"}}"#);
        let fields = [
            ("from", &b"a@ex.example"[..]),
            ("to", b"s@shop.example"),
            ("charsets", charsets.as_bytes()),
            ("text", text),
            ("subject", text),
        ];
        let body: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={}", percent(value))).collect();
        let webhook = post(&[("content-type", "application/x-www-form-urlencoded")], &body.join("&"));
        let receipt = Connection::new("mail", r#"{"provider":"sendgrid"}"#).receive::<Email>(&webhook).result.unwrap();
        halves(&receipt.events[0]).0
    };
    for (charset, bytes, text) in [
        ("cp932", &b"\x8a\x94\x8e\xae\x89\xef\x8e\xd0"[..], "株式会社"),
        ("sjis-win", b"\x8a\x94\x8e\xae\x89\xef\x8e\xd0", "株式会社"),
        ("eucjp-win", b"\xb3\xf4\xbc\xb0\xb2\xf1\xbc\xd2", "株式会社"),
        ("ks_c_5601-1987", b"\xbe\xc8\xb3\xe7", "안녕"),
        ("iso-8859-1", "Zürich".as_bytes(), "Zürich"),
        ("UTF-8", "Zürich".as_bytes(), "Zürich"),
        ("nonsense", b"Z\xfcrich", "Zürich"),
    ] {
        assert_eq!(receive(charset, bytes), text, "{charset}");
    }
}

#[test]
fn an_element_that_cannot_be_read_is_named_beside_its_siblings() {
    let body = r#"[{"email":"a@ex.example","event":"delivered","timestamp":1790000000,"sg_event_id":"e1","sg_message_id":"m1.filter"},7,{"event":"open"}]"#;
    let receipt = Connection::new("mail", r#"{"provider":"sendgrid"}"#)
        .receive::<Email>(&post(&[("content-type", "application/json")], body))
        .result
        .unwrap();
    assert_eq!((receipt.events.len(), receipt.unread.len()), (1, 2));
    assert!(receipt.unread[0].starts_with("[1]: ") && receipt.unread[1].starts_with("[2]: "), "{:?}", receipt.unread);
}

#[test]
fn what_a_provider_cuts_off_is_not_lost() {
    let config = r#"{"provider":"mailgun"}"#;
    let full = b"Answers inline:\n\nOn Mon, Sep 28, 2026 Shop <support@shop.example> wrote:\n> Which colour?\nBlue please.\n> Which size?\nSize 44.\n";
    let fields =
        [("In-Reply-To", &b"<1@shop.example>"[..]), ("stripped-text", b"Answers inline:"), ("body-plain", full)];
    let receipt = received(config, &parsed("s@shop.example", &fields)).unwrap();
    let (text, quoted) = halves(&receipt.events[0]);
    assert!(text.contains("Blue please.") && text.contains("Size 44."), "{text} {quoted}");
    let full = b"FYI, see below.\n\nFrom: Bob <bob@ven.example>\nSent: Tuesday\nTo: Ada\nSubject: Invoice\n\nPlease pay 42 EUR.\n";
    let fields = [("subject", &b"FW: Invoice"[..]), ("stripped-text", b"FYI, see below."), ("body-plain", full)];
    let receipt = received(config, &parsed("s@shop.example", &fields)).unwrap();
    assert!(halves(&receipt.events[0]).0.contains("42 EUR"));
}

/// Mailgun makes a field of the form of each header field of a mail, under the name that its sender gave it.
#[test]
fn header_fields_of_a_mail_are_no_fields_of_mailgun() {
    const CONFIG: &str = r#"{"provider":"mailgun","spam-filter":true}"#;
    const HEAD: [(&str, &str); 3] = [("X-Mailgun-Spf", "Pass"), ("From", "mallory@evil.example"), ("Date", "x")];
    let own = [("X-Mailgun-Spf", "Pass"), ("From", "vip@bank.example"), ("Message-Id", "<v@bank.example>")];
    let forged = own.map(|(name, value)| format!("{name}: {value}\r\n")).concat() + "\r\nI agree";
    let forged_head = serde_json::to_string(&own).unwrap();
    let file = r#"[{"url":"https://evil.example/x.exe","content-type":"text/plain","name":"bill.txt","size":1}]"#;
    let mail = |smuggled: &[(&str, &str)], sender: Option<&str>, stored: Option<&str>| {
        let head: Vec<_> = HEAD.iter().chain(smuggled).collect();
        let head = serde_json::to_string(&head).unwrap();
        let mut fields: Vec<(&str, &[u8])> =
            vec![("recipient", b"support@shop.example"), ("from", b"mallory@evil.example")];
        fields.extend(smuggled.iter().map(|(name, value)| (*name, value.as_bytes())));
        fields.extend(sender.map(|sender| ("sender", sender.as_bytes())));
        fields.extend(stored.map(|stored| ("attachments", stored.as_bytes())));
        fields.extend([("message-headers", head.as_bytes()), ("body-plain", b"hello".as_slice())]);
        received(CONFIG, &fields).unwrap()
    };
    let files = |receipt: &Receipt| {
        let EventBody::Message(message) = &receipt.events[0].body else { panic!("{receipt:?}") };
        let media = |part: &&Part| matches!(part, Part::Media(_));
        message.parts.iter().filter(media).map(|part| format!("{part:?}")).collect::<String>()
    };
    for name in ["body-mime", "Body-Mime", "BODY-MIME"] {
        let receipt = mail(&[(name, &forged)], Some("mallory@evil.example"), None);
        assert_eq!(receipt.events[0].contact.identifiers[0].value, "mallory@evil.example", "{name}");
        assert_eq!(halves(&receipt.events[0]).0, "hello", "{name}");
    }
    for name in ["attachments", "Attachments"] {
        let sender = Some("mallory@evil.example");
        assert_eq!(files(&mail(&[(name, file)], sender, None)), "", "{name}");
        let ours = r#"[{"url":"https://storage.example/1","name":"a.txt"}]"#;
        let both = files(&mail(&[(name, file)], sender, Some(ours)));
        assert!(both.contains("storage.example") && !both.contains("evil.example"), "{name}: {both}");
    }
    // A mail without a return path, whose sender brings one that the author's domain would prove.
    for name in ["sender", "Sender"] {
        let head: Vec<_> = own.into_iter().chain([(name, "vip@bank.example")]).collect();
        let head = serde_json::to_string(&head).unwrap();
        let attested = |sender: Option<&str>| {
            let fields: [(&str, &[u8]); 4] = [
                ("recipient", b"support@shop.example"),
                (name, b"vip@bank.example"),
                ("message-headers", head.as_bytes()),
                ("body-plain", b"hello"),
            ];
            let ours = sender.map(|sender| ("sender", sender.as_bytes()));
            let fields: Vec<_> = fields.into_iter().chain(ours).collect();
            received(CONFIG, &fields).unwrap().events[0].contact.identifiers[0].attestation
        };
        assert_eq!(attested(None), Attestation::Claimed, "{name}");
        assert_eq!(attested(Some("")), Attestation::Claimed, "{name}");
        assert_eq!(attested(Some("vip@bank.example")), Attestation::Provider, "{name}");
    }
    let url = mail(&[("message-url", "https://evil.example/")], Some("mallory@evil.example"), None);
    assert!(url.events[0].extensions.iter().all(|(_, json)| !json.contains("evil.example/")), "{url:?}");
    // Where Mailgun sends the mail raw, its sender cannot have it read in another way and be believed.
    let raw = b"X-Mailgun-Spf: Pass\r\nFrom: mallory@evil.example\r\nmessage-headers: x\r\n\r\nhello";
    for name in ["message-headers", "Message-Headers"] {
        let fields: [(&str, &[u8]); 4] = [
            ("recipient", b"support@shop.example"),
            (name, forged_head.as_bytes()),
            ("sender", b"x@bank.example"),
            ("body-mime", raw),
        ];
        let receipt = received(CONFIG, &fields).unwrap();
        assert_eq!(receipt.events[0].contact.identifiers[0].attestation, Attestation::Claimed, "{name}");
    }
}
