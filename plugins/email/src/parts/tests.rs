#![allow(clippy::unwrap_used)]
use super::*;

/// Type and body of each part.
fn read(raw: &str) -> Vec<(String, String)> {
    let lossy = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    of(raw.as_bytes()).iter().map(|part| (part.mime_type.clone(), lossy(part.body))).collect()
}

fn leaves(raw: &str) -> Vec<(String, String)> {
    read(raw).into_iter().filter(|(kind, _)| !kind.starts_with("multipart/")).collect()
}

fn text(body: &str) -> (String, String) {
    ("text/plain".to_owned(), body.to_owned())
}

const NESTED: &str = "Subject: x\r\nContent-Type: multipart/mixed; boundary=\"a b\"\r\n\r\npreamble\r\n--a b\r\n\
    Content-Type: multipart/alternative; boundary=\"a b 1\"\r\n\r\n--a b 1\r\n\r\none\r\n--a b 1  \r\n\
    Content-Type: text/html\r\n\r\n<p>-- two</p>\r\n\r\n--a b 1--\r\nbetween\r\n--a b\r\n\
    Content-Type: application/pdf; name=x.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\nAAAA\r\n--a b--\r\nepilogue\r\n";

#[test]
fn every_part_ends_where_the_next_one_begins() {
    for end in ["\r\n", "\n"] {
        let raw = NESTED.replace("\r\n", end);
        let html = format!("<p>-- two</p>{end}");
        let expected = [text("one"), ("text/html".into(), html), ("application/pdf".into(), "AAAA".into())];
        assert_eq!(leaves(&raw), expected, "{end:?}");
    }
    let parts = of(NESTED.as_bytes());
    assert_eq!(parts[0].children, [1, 4]);
    assert_eq!(parts[1].children, [2, 3]);
    assert_eq!((parts[4].file_name.as_deref(), parts[4].size()), (Some("x.pdf"), 3));
}

#[test]
fn what_is_cut_off_has_its_last_part() {
    for (rest, expected) in [
        ("--BB\r\nContent-Type: text/plain\r\n\r\nWhere?\r\n", "Where?\r\n"),
        ("--BB\r\nContent-Type: text/plain\r\n\r\nWhere?", "Where?"),
        ("--BB\r\n\r\nWhere?\r\n--B", "Where?\r\n--B"),
        ("--BB\r\n\r\nWhere?\r\n--BB", "Where?"),
        ("--BB\r\n\r\nWhere?\r\n--BB-", "Where?\r\n--BB-"),
        ("--BB\nContent-Type: text/plain\n\nWhere?\n--BB--", "Where?"),
    ] {
        let raw = format!("Content-Type: multipart/mixed; boundary=BB\r\n\r\n{rest}");
        assert_eq!(leaves(&raw)[0], text(expected), "{rest}");
    }
    // The inner one is not closed, the outer one goes on.
    let raw = NESTED.replace("--a b 1--\r\nbetween\r\n", "");
    assert_eq!(leaves(&raw).len(), 3);
    for end in 0..NESTED.len() {
        of(&NESTED.as_bytes()[..end]);
    }
}

#[test]
fn boundaries_that_do_not_fit_are_found() {
    for raw in [
        "Content-Type: multipart/mixed\r\n\r\n--what\r\nContent-Type: text/plain\r\n\r\nhello\r\n--what--\r\n",
        "Content-Type: multipart/mixed; boundary=other\r\n\r\n--what\r\nContent-Type: text/plain\r\n\r\nhello\r\n--what--\r\n",
        "Content-Type: multipart/mixed; boundary==_a=b\r\n\r\n--=_a=b\r\nhello\r\n--=_a=b--\r\n",
        "Content-Type: multipart/mixed; boundary=\"b \"\r\n\r\n--b\r\n\r\nhello\r\n--b--\r\n",
        "Content-Type: multipart/mixed;\r\n boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nhello\r\n--b\r\n--b--",
        "Content-Type: MULTIPART/Mixed; BOUNDARY='b'\r\n\r\n--'b'\r\n\r\nhello\r\n--'b'--",
    ] {
        assert_eq!(leaves(raw)[0], text("hello"), "{raw}");
    }
    // Nothing but text stands in it.
    assert_eq!(read("Content-Type: multipart/mixed; boundary=b\r\n\r\nhello\r\n"), [text("hello\r\n")]);
    assert_eq!(read("Content-Type: multipart/mixed\r\n\r\nhello -- you\r\n"), [text("hello -- you\r\n")]);
    // A file in base64 without a line end.
    let raw = "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: image/png\nContent-Transfer-Encoding: base64\n\nAAAA--b\n\nhello\n--b--";
    assert_eq!(leaves(raw)[1], text("hello"));
}

#[test]
fn a_mail_in_a_mail_is_not_opened() {
    let raw = "Content-Type: multipart/digest; boundary=d\n\n--d\n\nSubject: a\nContent-Type: multipart/mixed; boundary=i\n\n--i\n\nx\n--i--\n--d\n\
        Content-Type: message/rfc822\n\nSubject: b\n--d--\n";
    let found = leaves(raw);
    assert_eq!(found.len(), 2);
    assert!(found.iter().all(|(kind, _)| kind == MAIL) && found[0].1.ends_with("--i--"));
}

#[test]
fn hostile_messages_are_read_in_one_way_through() {
    let mut deep = String::new();
    for level in 0..5_000 {
        deep.push_str(&format!("Content-Type: multipart/mixed; boundary=b{level}\r\n\r\n--b{level}\r\n"));
    }
    assert!(of(deep.as_bytes()).len() <= DEPTH_MAX + 1);
    let head = "Content-Type: multipart/mixed; boundary=b\n\n";
    assert_eq!(of(format!("{head}{}", "--b\n\nx\n".repeat(100_000)).as_bytes()).len(), PARTS_MAX);
    for filling in ["--", "--b", "-", "\n-", "\n--bb\n", "--b--\n", "a: b\n", "\r", "=?a?q?"] {
        of(format!("{head}{}", filling.repeat(200_000)).as_bytes());
        of(filling.repeat(200_000).as_bytes());
    }
}
