#![allow(clippy::unwrap_used)]
use rapport_sdk::prelude::*;

use super::*;
use crate::mime;

/// Every kind of part: a text and a page to choose from, an inline picture, files in every encoding, one of them a text,
/// a mail in the mail with a file of its own, an encoded mail, a digest.
const ODD: &str = "From: Ada <ada@example.com>\r\nSubject: =?utf-8?Q?Gr=C3?= =?utf-8?Q?=BC=C3=9Fe?=\r\n\
    Content-Type: multipart/mixed;\r\n\tboundary=\"x y\"\r\n\r\npreamble\r\n--x y\r\n\
    Content-Type: multipart/alternative; boundary=x\r\n\r\n--x\r\nContent-Type: text/plain\r\n\r\nHello -- you\r\n--x\r\n\
    Content-Type: multipart/related; boundary=r\r\n\r\n--r\r\nContent-Type: text/html\r\n\r\n<p>Hello</p>\r\n--r\r\n\
    Content-Type: image/png\r\nContent-ID: <logo@a>\r\nContent-Transfer-Encoding: BASE64\r\n\r\niVBORw0KGgo=\r\n--r--\r\n\
    --x--\r\n\r\n--x y  \r\nContent-Type: text/csv; charset=iso-8859-1; name=a.csv\r\nContent-Disposition: attachment\r\n\
    Content-Transfer-Encoding: quoted-printable\r\n\r\nGr=FC=DFe;=\r\n1\r\n2;3\r\n--x y\r\n\
    Content-Type: text/plain; charset=utf-8\r\nContent-Disposition: attachment; filename=log.txt\r\n\r\n\
    one\r\n-- \r\ntwo\r\n--x z\r\nthree\r\n--x y\r\nContent-Type: application/pdf\r\n\r\n%PDF\x00-1\r\n--x y\r\n\
    Content-Type: message/rfc822\r\n\r\nSubject: inner\r\nContent-Type: multipart/mixed; boundary=in\r\n\r\n--in\r\n\r\n\
    inner\r\n--in\r\nContent-Type: application/zip\r\nContent-Transfer-Encoding: base64\r\n\r\nUEsDBA==\r\n--in--\r\n\
    --x y\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\nU3ViamVjdDogYQoKYg==\r\n--x y\r\n\
    Content-Type: multipart/digest; boundary=d\r\n\r\n--d\r\n\r\nSubject: first\r\n\r\nof a digest\r\n--d--\r\n--x y\r\n\
    Content-Type: application/octet-stream\r\nContent-Disposition: attachment;\r\n \r\n filename=\"b.bin\"\r\n\r\nbytes\r\n\
    --x y--\r\nepilogue\r\n";

/// What a mail becomes whole, and without the bytes of its files, however short they are.
fn both(raw: &[u8]) -> [String; 2] {
    let files = Walk::new(raw, 1).files().unwrap_or_default();
    [Vec::new(), files].map(|files| {
        let Some(mail) = mime::of_skeleton(&Skeleton::without(raw, &files)) else { return "none".into() };
        let files = mail.attachments.iter().map(|file| {
            let (kind, name, id) = (&file.mime_type, &file.file_name, &file.content_id);
            format!("{:?} {kind:?} {name:?} {id:?} {:?}\n", file.source, file.size)
        });
        format!("{:?}\n{:?}\n{:?}\n{}", mail.subject, mail.text, mail.html, files.collect::<String>())
    })
}

#[test]
fn a_mail_without_its_files_is_the_same_mail() {
    for end in ["\r\n", "\n"] {
        let raw = ODD.replace("\r\n", end);
        let [whole, left] = both(raw.as_bytes());
        assert_eq!(left, whole);
        let files = Walk::new(raw.as_bytes(), 1).files().unwrap();
        let taken: Vec<&str> = files.iter().map(|file| &raw[file.start..file.end]).collect();
        let csv = format!("Gr=FC=DFe;={end}1{end}2;3");
        // `--x z` might be of the boundary `x`, so that what follows stays.
        let log = format!("one{end}-- {end}two");
        let expected = ["iVBORw0KGgo=", csv.as_str(), log.as_str(), "%PDF\0-1", "UEsDBA==", "bytes"];
        assert_eq!(taken, expected, "{end:?}");
    }
}

#[test]
fn a_mail_that_is_cut_off_has_the_same_parts() {
    for end in 0..ODD.len() {
        // A file whose end is missing is text for the reader of MIME, so its size differs by what is left around it.
        let parts = |mail: &String| mail.lines().filter(|line| line.starts_with("MediaSource")).count();
        let [whole, left] = both(&ODD.as_bytes()[..end]);
        assert_eq!(parts(&left), parts(&whole), "{end}");
    }
}

#[test]
fn sizes_are_those_of_the_decoded_files() {
    let lines =
        |text: String| text.as_bytes().chunks(76).map(|line| [line, b"\r\n"].concat()).collect::<Vec<_>>().concat();
    for length in [2_000_000, 2_000_001, 2_000_002] {
        let file = lines(base64::encode(&vec![b'x'; length]));
        let head = "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nHello\r\n--b\r\n\
            Content-Type: application/zip\r\nContent-Transfer-Encoding: base64\r\n\r\n";
        // A head that is not in UTF-8 is written anew, and longer.
        let raw = [b"Subject: gr\xfcn\r\n", head.as_bytes(), file.as_slice(), b"--b--\r\n"].concat();
        let skeleton = Skeleton::of(&raw);
        assert!(skeleton.raw.len() < 1_000, "{}", skeleton.raw.len());
        let found = mime::read(&raw).unwrap();
        assert_eq!((found.text.as_deref(), found.attachments[0].size), (Some("Hello"), Some(length as u64)));
    }
}

#[test]
fn a_mail_of_usual_size_is_left_whole() {
    assert!(matches!(Skeleton::of(ODD.as_bytes()).raw, Cow::Borrowed(raw) if raw.len() == ODD.len()));
    assert_eq!(Skeleton::of(ODD.as_bytes()).taken(ODD.len(), 0..=ODD.len(), Encoding::None), 0);
}

#[test]
fn what_is_decoded_is_counted() {
    for (encoding, raw, bytes) in [
        (Encoding::None, "a\r\nb", 4),
        (Encoding::Base64, "aGVsbG8gd29y\r\nbGQ=", 11),
        (Encoding::Base64, "aGVsbG8gd29ybA", 10),
        (Encoding::QuotedPrintable, "Gr=FC=DFe=\r\n!=\n=3D=", 8),
        (Encoding::QuotedPrintable, "", 0),
    ] {
        assert_eq!(decoded_bytes(encoding, raw.as_bytes()), bytes, "{raw}");
    }
}

#[test]
fn a_mail_of_nothing_but_boundaries_stays_whole() {
    let part =
        |number: usize| format!("--b{number}\r\nContent-Type: multipart/mixed; boundary=b{}\r\n\r\n", number + 1);
    let raw = (0..BOUNDARIES_MAX + 2).map(part).collect::<String>();
    let raw = format!("Content-Type: multipart/mixed; boundary=b0\r\n\r\n{raw}");
    assert_eq!(Walk::new(raw.as_bytes(), 1).files(), None);
}
