use std::collections::HashMap;

use super::*;
use rapport_model::event::{Body, Contact};
use rapport_sandbox::{Level, Secret};

const TOKEN: &str = "s3cret/token+1&\"é";

fn known(secrets: &[(&str, &str)]) -> Known {
    let values: HashMap<String, Vec<Secret>> =
        secrets.iter().map(|(name, value)| ((*name).to_owned(), vec![Secret::new(value.as_bytes())])).collect();
    Known::of(&SecretValues::new(values))
}

fn webhook(url: &str, headers: &[(&str, &str)], body: &[u8]) -> RawWebhook {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    RawWebhook { method: "POST".into(), url: url.into(), headers, body: body.to_vec() }
}

fn redacted(known: &Known, redact: &Redact, given: &RawWebhook) -> RawWebhook {
    Redaction::of(known, redact, given).webhook(redact, given.clone())
}

fn body(redact: &Redact, given: &[u8]) -> String {
    String::from_utf8(redacted(&Known::default(), redact, &webhook("https://a.test/", &[], given)).body).unwrap()
}

fn of_kind(kind: &str, redact: &Redact, given: &[u8]) -> String {
    let given = webhook("https://a.test/", &[("content-type", kind)], given);
    String::from_utf8(redacted(&Known::default(), redact, &given).body).unwrap()
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn a_secret_goes_in_every_spelling_wherever_it_stands() {
    let known = known(&[("token", TOKEN)]);
    let spellings = [
        TOKEN,
        r#"s3cret\/token+1&\"\u00e9"#,
        r#"s3cret/token\u002B1\u0026\u0022é"#,
        r"\u0073\u0033cret/token+1&\u0022\u00E9",
        "s3cret%2Ftoken%2B1%26%22%C3%A9",
        "s3cret%2ftoken%2b1%26%22%c3%a9",
        "%73%33%63ret/token+1&%22%c3%a9",
        "s3cret/token+1&amp;&quot;é",
        "s3cret&#47;token&#x2B;1&#38;&#34;&#233;",
        // JSON in a field of a form.
        "s3cret%5C%2Ftoken%2B1%26%5C%22%5Cu00e9",
    ];
    for spelling in spellings {
        let given = webhook(
            &format!("https://a.test/x?a={spelling}"),
            &[("x-token", spelling), ("x-other", &format!("Bearer {spelling}, more"))],
            format!("before {spelling} after {spelling}").as_bytes(),
        );
        let kept = redacted(&known, &Redact::default(), &given);
        assert_eq!(kept.body, b"before [redacted:token] after [redacted:token]", "{spelling}");
        assert_eq!(kept.headers[1].1, "Bearer [redacted:token], more", "{spelling}");
        assert!(kept.headers[0].1 == "[redacted:token]" && !kept.url.contains("token%"), "{kept:?}");
    }
    let near =
        ["s3cret/token+1&\"e", "S3cret/token+1&\"é", "s3cret/token 1&\"é", "s3cret%2", "s3cret\\", "s3cret&#", "%"];
    for other in near {
        let given = webhook("https://a.test/", &[("x-token", other)], other.as_bytes());
        assert_eq!(redacted(&known, &Redact::default(), &given), given, "{other}");
    }
    let not_utf8 = [b"\xff\xfe".as_slice(), TOKEN.as_bytes(), b"\x00\xff"].concat();
    let kept = redacted(&known, &Redact::default(), &webhook("https://a.test/", &[], &not_utf8));
    assert_eq!(kept.body, [b"\xff\xfe".as_slice(), b"[redacted:token]", b"\x00\xff"].concat());
}

#[test]
fn a_short_secret_goes_as_a_whole_value_and_ruins_no_words() {
    let known = known(&[("verify-token", "hello")]);
    let given =
        webhook("https://a.test/?a=hello&b=hello+you", &[("x-token", "hello"), ("x-text", "hello you")], b"hello you");
    let kept = redacted(&known, &Redact::default(), &given);
    assert_eq!(kept.url, "https://a.test/?a=[redacted:verify-token]&b=hello+you");
    assert_eq!((kept.headers[0].1.as_str(), kept.headers[1].1.as_str()), ("[redacted:verify-token]", "hello you"));
    assert_eq!(kept.body, b"hello you");
}

#[test]
fn of_basic_credentials_the_pair_and_the_password_go_also_as_they_are_sent() {
    let known = known(&[(BASIC, "postmark:a-long-password")]);
    let pair = STANDARD.encode("postmark:a-long-password");
    let given = webhook(
        "https://postmark:a-long-password@a.test/",
        &[("x-forwarded-authorization", &format!("Basic {pair}")), ("x-password", "a-long-password")],
        b"",
    );
    let kept = redacted(&known, &Redact::default(), &given);
    assert_eq!(kept.url, "https://[redacted:basic]@a.test/");
    assert_eq!(kept.headers[0].1, "Basic [redacted:basic]");
    assert_eq!(kept.headers[1].1, "[redacted:basic]");
}

#[test]
fn what_a_manifest_names_goes_by_its_place_and_keeps_its_form() {
    let json = Redact { json: names(&["/signature/token", "/list/1/a~1b", "/number", "/all"]), ..Redact::default() };
    let given = br#"{"token":"stays-here","signature":{"token":"ab\/cd+=","at":"1","token":"second"},"list":[{"a/b":"x"},{"a/b":"y"}],"number":17,"all":{"k":"v","n":[1]}}"#;
    assert_eq!(
        body(&json, given),
        r#"{"token":"stays-here","signature":{"token":"000000=","at":"1","token":"000000"},"list":[{"a/b":"x"},{"a/b":"0"}],"number":0,"all":{"k":"0","n":[0]}}"#
    );
    let xml = Redact { xml: names(&["SessionId"]), ..Redact::default() };
    for (given, kept) in [
        ("<a><SessionId>00D!x.y</SessionId></a>", "<a><SessionId>0000000</SessionId></a>"),
        ("<n:SessionId xsi:type='x'>\n abc \n</n:SessionId>", "<n:SessionId xsi:type='x'>\n 000 \n</n:SessionId>"),
        ("<SessionId><![CDATA[a<b]]></SessionId>", "<SessionId><![CDATA[000]]></SessionId>"),
        ("<SessionId/><SessionIdOther>abc</SessionIdOther>", "<SessionId/><SessionIdOther>abc</SessionIdOther>"),
        ("<MySessionId>abc</MySessionId>", "<MySessionId>abc</MySessionId>"),
    ] {
        assert_eq!(body(&xml, given.as_bytes()), kept);
    }
    let form = Redact { form: names(&["token"]), ..Redact::default() };
    const FORM: &str = "application/x-www-form-urlencoded; charset=utf-8";
    assert_eq!(
        of_kind(FORM, &form, b"a=1&token=ab%2Bcd&tokens=x&t%6Fken=yz\n"),
        "a=1&token=00000&tokens=x&t%6Fken=00\n"
    );
    let parts = "--b\r\nContent-Disposition: form-data; name=\"token\"\r\n\r\nsecret-1\r\n--b\r\nContent-Disposition: form-data; \
                 name=\"text\"; filename=\"token\"\r\n\r\nhello\r\n--b--\r\n";
    for kind in ["multipart/form-data; boundary=b", "multipart/form-data; boundary=\"b\"", "multipart/form-data"] {
        assert_eq!(of_kind(kind, &form, parts.as_bytes()), parts.replace("secret-1", "00000000"));
    }
    // What a customer wrote is not a field of a form, whatever it looks like.
    for (kind, words) in [
        ("application/json", r#"{"TextBody":"See https://x/o?alt=media&token=abc\n\nMy order is late"}"#),
        ("text/plain", "<input name=\"token\">\n\nmy order is late"),
        (
            "multipart/form-data; boundary=b",
            "--b\r\nContent-Disposition: form-data; name=\"body-html\"\r\n\r\n<input name=\"token\">\n\nlate&token=abc\r\n--b--",
        ),
    ] {
        assert_eq!(of_kind(kind, &form, words.as_bytes()), words);
    }
    let places = Redact { headers: names(&["x-sig"]), query: names(&["sig"]), ..Redact::default() };
    let given = webhook("https://a.test/?sig=ab%2Bc&x=sig", &[("x-sig", "dGVzdA=="), ("x", "y")], b"");
    let kept = redacted(&Known::default(), &places, &given);
    assert_eq!((kept.url.as_str(), kept.headers[0].1.as_str()), ("https://a.test/?sig=0000&x=sig", "000000=="));
}

#[test]
fn what_cannot_be_parsed_is_kept_without_it_all_the_same() {
    let json = Redact { json: names(&["/signature/token"]), ..Redact::default() };
    for (given, kept) in [
        (r#"{"signature":{"token":"abc\"d","x":1"#, r#"{"signature":{"token":"00000","x":1"#),
        (r#"{"signature":{"token" : "abc"#, r#"{"signature":{"token" : "000"#),
        ("not json at all \"token\":\"abc\"\nand more", "not json at all \"token\":\"000\"\nand more"),
        ("\u{feff}{\"signature\":{\"token\":\"abc\"}}", "\u{feff}{\"signature\":{\"token\":\"000\"}}"),
        (r#"{"token""#, r#"{"token""#),
        ("", ""),
    ] {
        assert_eq!(body(&json, given.as_bytes()), kept);
    }
    let xml = Redact { xml: names(&["SessionId"]), ..Redact::default() };
    assert_eq!(body(&xml, b"<a><SessionId>00D!abc"), "<a><SessionId>0000000");
    let form = Redact { form: names(&["token"]), ..Redact::default() };
    assert_eq!(
        of_kind(
            "multipart/form-data; boundary=b",
            &form,
            b"--b\nContent-Disposition: form-data; name=\"token\"\n\nabc"
        ),
        "--b\nContent-Disposition: form-data; name=\"token\"\n\n000"
    );
}

#[test]
fn a_named_value_goes_wherever_else_it_was_repeated() {
    let redact = Redact { xml: names(&["SessionId"]), ..Redact::default() };
    let known = Known::default();
    let session = "00D5g000004ABC!SECRET.KEY";
    let given =
        webhook("https://a.test/", &[("x-copy", session)], format!("<SessionId>{session}</SessionId>").as_bytes());
    let redaction = Redaction::of(&known, &redact, &given);
    assert!(!format!("{:?}", redaction.webhook(&redact, given.clone())).contains("SECRET"));
    let event = Event {
        id: "1".into(),
        at: 1,
        account: "a".into(),
        contact: Contact::default(),
        body: Body::Other("x".into(), serde_json::json!({ "copy": format!("at \"{session}\"") })),
        extensions: Default::default(),
    };
    let Body::Other(_, json) = &redaction.events(vec![event.clone()])[0].body else { panic!() };
    assert_eq!(json["copy"], format!("at \"{}\"", "0".repeat(session.len())));
    let line = LogLine { level: Level::Warn, message: format!("found {session}") };
    assert!(!redaction.lines(&[line])[0].message.contains("SECRET"));
    assert!(!redaction.line(format!("found {session}")).contains("SECRET"));
    let other = webhook("https://a.test/", &[], b"<a/>");
    assert_eq!(Redaction::of(&known, &redact, &other).events(vec![event.clone()]), [event]);
}

/// What somebody may send to make the search long: no level, no field and no pair of them is looked at again and again.
#[test]
fn no_body_makes_the_search_deep_or_long() {
    const MIB: usize = 1 << 20;
    let redact =
        Redact { json: names(&["/token"]), xml: names(&["Token"]), form: names(&["token"]), ..Redact::default() };
    let deep = format!("{{\"token\":{}{}}}", "[".repeat(200_000), "]".repeat(200_000));
    let bodies = [
        deep,
        "name=\"token\"".repeat(MIB / 12),
        format!("{}\r\n\r\n", "name=\"token\"".repeat(MIB / 12)),
        "name=\"token\"\n\n".repeat(MIB / 14),
        "<Token ".repeat(MIB / 7),
        "<Token><![CDATA[".repeat(MIB / 16),
        "Token".repeat(MIB / 5),
        format!("{}:Token", "a".repeat(MIB)),
        "\"token\"   ".repeat(MIB / 10),
        "\"token\":\"\\".repeat(MIB / 10),
        (0..MIB / 24).map(|n| format!("token=a-long-value-{n}&")).collect(),
    ];
    let known = Known::default();
    for body in bodies {
        for kind in ["application/json", "application/x-www-form-urlencoded", "multipart/form-data"] {
            let given = webhook("https://a.test/", &[("content-type", kind)], body.as_bytes());
            let redaction = Redaction::of(&known, &redact, &given);
            let kept = redaction.webhook(&redact, given);
            assert!(kept.body.len() <= body.len(), "{:.40}", body);
        }
    }
}
