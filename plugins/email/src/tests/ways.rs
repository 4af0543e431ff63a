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

/// What checks a mail may read another `From` than the one that is seen here.
#[test]
fn fields_without_end_hide_no_second_author() {
    let attested = |fillers: &str| {
        let mail = format!(
            "X-Mailgun-Spf: Pass\r\nFrom: vip@bank.example\r\n{fillers}From: mallory@evil.example\r\n\r\nhello"
        );
        let mail = if fillers.is_empty() { mail.replace("From: mallory@evil.example\r\n", "") } else { mail };
        let fields: [(&str, &[u8]); 3] =
            [("recipient", b"support@shop.example"), ("sender", b"x@bank.example"), ("body-mime", mail.as_bytes())];
        let receipt = received(r#"{"provider":"mailgun","spam-filter":true}"#, &fields).unwrap();
        receipt.events[0].contact.identifiers[0].attestation
    };
    assert_eq!(attested(""), Attestation::Provider);
    for fillers in ["A: b\r\n".to_owned(), "A: b\r\n".repeat(6_000), format!("A: {}\r\n", "b".repeat(1 << 20))] {
        assert_eq!(attested(&fillers), Attestation::Claimed, "{}", fillers.len());
    }
}

fn unread_of_mail(mail: &str) -> (usize, Vec<String>) {
    let fields: [(&str, &[u8]); 2] = [("recipient", b"support@shop.example"), ("body-mime", mail.as_bytes())];
    let receipt = received(r#"{"provider":"mailgun"}"#, &fields).unwrap();
    (receipt.events.len(), receipt.unread)
}

#[test]
fn files_beyond_those_that_are_read_are_told() {
    let file = "--x\r\nContent-Type: image/png\r\nContent-Disposition: attachment\r\n\r\n1\r\n";
    let mail = |files: usize| {
        let head = "From: a@ex.example\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n";
        unread_of_mail(&format!("{head}{}--x--\r\n", file.repeat(files)))
    };
    assert_eq!(mail(200), (1, vec![]));
    assert_eq!(mail(203), (1, vec!["files: 3 are beyond the first 200".to_owned()]));
}

#[test]
fn readers_of_whom_a_report_tells_nothing_usable_are_told() {
    let report = |kind: &str, content: &str| {
        let head =
            format!("From: m@ex.example\r\nContent-Type: multipart/report; report-type={kind}; boundary=x\r\n\r\n");
        unread_of_mail(&format!("{head}--x\r\nContent-Type: message/{kind}\r\n\r\n{content}\r\n--x--\r\n"))
    };
    let group = |index: usize, action: &str| {
        format!("\r\nFinal-Recipient: rfc822; r{index}@ex.example\r\n{action}Status: 5.1.1\r\n")
    };
    let groups = |count: usize| (0..count).map(|index| group(index, "Action: failed\r\n")).collect::<String>();
    let status = |groups: &str| report("delivery-status", &format!("Reporting-MTA: dns; ex.example\r\n{groups}"));
    assert_eq!(status(&groups(3)), (3, vec![]));
    let without_action = format!("{}{}", group(7, ""), groups(1));
    assert_eq!(status(&without_action), (1, vec!["delivery-status[1]: it has no `Action`".to_owned()]));
    let (events, unread) = status(&groups(600));
    assert_eq!((events, unread), (499, vec!["delivery-status: it has more than 500 of them".to_owned()]));
    // Longer than is looked at; the group that is cut in half is nobody's.
    let long = format!("X-Filler: {}\r\n", "x".repeat(900));
    let groups: String = (0..400).map(|index| group(index, &format!("Action: failed\r\n{long}"))).collect();
    let (events, unread) = status(&groups);
    assert!((200..300).contains(&events), "{events}");
    assert_eq!(unread, ["delivery-status: it is longer than is looked at"]);

    let recipients: String = (0..502).map(|index| format!("Original-Rcpt-To: r{index}@ex.example\r\n")).collect();
    let abuse = |recipients: &str| report("feedback-report", &format!("Feedback-Type: abuse\r\n{recipients}"));
    let (events, unread) = abuse("Original-Rcpt-To: a@ex.example\r\nOriginal-Rcpt-To: nobody\r\n");
    assert_eq!((events > 0, unread), (true, vec!["recipients[1]: it is not an address".to_owned()]));
    assert_eq!(abuse(&recipients).1, ["recipients: it has more than 500 of them"]);
}

#[test]
fn files_and_records_that_cannot_be_read_are_told() {
    let body = r#"{"From":"a@ex.example","MessageID":"m1","TextBody":"hello","Attachments":[7,{"Name":"a.txt","Content":"MQ=="}]}"#;
    let webhook = post(&[("content-type", "application/json")], body);
    let receipt = Connection::new("mail", r#"{"provider":"postmark"}"#).receive::<Email>(&webhook).result.unwrap();
    assert_eq!((receipt.events.len(), receipt.unread), (1, vec!["Attachments[0]: it is not an object".to_owned()]));

    let fields = [("attachments", b"{}".as_slice()), ("message-headers", b"{}")];
    let receipt = received(r#"{"provider":"mailgun"}"#, &parsed("support@shop.example", &fields)).unwrap();
    assert_eq!(
        receipt.unread,
        ["message-headers: it is not an array of header fields", "attachments: it is not an array"]
    );

    let record =
        r#"{"ses":{"mail":{"messageId":"m1","source":"a@ex.example"},"content":"From: a@ex.example\r\n\r\nhello"}}"#;
    let webhook = Webhook {
        url: "arn:aws:sqs:eu-west-1:111122223333:rapport-feed".into(),
        ..post(&[("content-type", "application/json")], &format!(r#"{{"Records":[{record},{record}]}}"#))
    };
    let receipt = Connection::new("mail", r#"{"provider":"ses"}"#).receive::<Email>(&webhook).result.unwrap();
    assert_eq!(
        (receipt.events.len(), receipt.unread),
        (1, vec!["Records[1]: only the first record is read".to_owned()])
    );
}
