//! The corpus in `fixtures/mail`: one mail a file, below what it has to become. Each goes the way of a raw mail from
//! Mailgun, as a webhook.
//!
//! A file begins with lines `key: value`, ends them with `====`, and goes on with the mail as it came; its lines end
//! with CRLF on the way, unless `line-ends: as they are` says otherwise. Keys: `has`, `lacks` (the text), `quoted-has`,
//! `quoted-lacks`, `text` (all of it), `subject`, `forwarded`, `author`, `contact`, `name`, `attestation`, `at`, `file`.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::PathBuf;

use super::*;
use crate::quoted::Context;
use crate::{instant, markup, mime, quoted, subject};

const KEY: &str = "corpus-signing-key";

struct Case {
    name: String,
    expected: Vec<(String, String)>,
    raw: Vec<u8>,
}

fn cases() -> Vec<Case> {
    let mut paths: Vec<PathBuf> = Vec::new();
    for folder in fs::read_dir(format!("{HERE}/fixtures/mail")).unwrap().flatten() {
        paths.extend(fs::read_dir(folder.path()).unwrap().flatten().map(|file| file.path()));
    }
    paths.sort();
    paths.iter().map(case).collect()
}

fn case(path: &PathBuf) -> Case {
    const END: &[u8] = b"\n====\n";
    let bytes = fs::read(path).unwrap();
    let end =
        bytes.windows(END.len()).position(|window| window == END).unwrap_or_else(|| panic!("{path:?}: no `====`"));
    let head = std::str::from_utf8(&bytes[..end]).unwrap();
    let pair = |line: &str| line.split_once(": ").map(|(key, value)| (key.to_owned(), value.replace("\\n", "\n")));
    let expected: Vec<_> = head.lines().map(|line| pair(line).unwrap_or_else(|| panic!("{path:?}: {line}"))).collect();
    let raw = &bytes[end + END.len()..];
    let is_as_it_is = expected.iter().any(|(key, _)| key == "line-ends");
    let raw = if is_as_it_is { raw.to_vec() } else { with_crlf(raw) };
    Case { name: path.file_name().unwrap().to_string_lossy().into_owned(), expected, raw }
}

fn with_crlf(raw: &[u8]) -> Vec<u8> {
    let lines: Vec<&[u8]> = raw.split(|byte| *byte == b'\n').collect();
    lines.join(&b"\r\n"[..])
}

pub fn percent(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("%{byte:02X}")).collect()
}

/// What a mail becomes that Mailgun hands on raw.
fn receive(raw: &[u8]) -> Result<Receipt, Rejection> {
    received(
        r#"{"provider":"mailgun"}"#,
        &[("recipient", b"support@shop.example"), ("sender", b"a@ex.example"), ("body-mime", raw)],
    )
}

/// What fields of one of Mailgun's routes become.
pub fn received(config: &str, fields: &[(&str, &[u8])]) -> Result<Receipt, Rejection> {
    let connection = Connection::new("mail-mime", config).with_secret("signing-key", &[KEY]);
    let (time, token) = ((connection.now() / 1000).to_string(), "t0");
    let tag = testing::sign(MacAlgorithm::HmacSha256, KEY, format!("{time}{token}").as_bytes());
    let tag: String = tag.iter().map(|byte| format!("{byte:02x}")).collect();
    let signed = [("timestamp", time.as_bytes()), ("token", token.as_bytes()), ("signature", tag.as_bytes())];
    let pairs = fields.iter().chain(&signed).map(|(name, value)| format!("{name}={}", percent(value)));
    let body = pairs.collect::<Vec<_>>().join("&");
    connection.receive::<Email>(&post(&[("content-type", "application/x-www-form-urlencoded")], &body)).result
}

/// The text of a message, and what it answers.
pub fn halves(event: &Event) -> (String, String) {
    let EventBody::Message(message) = &event.body else { panic!("{event:?}") };
    let text = message.parts.iter().find_map(|part| match part {
        Part::Text(text) => Some(text.clone()),
        _ => None,
    });
    let quoted = event.extensions.iter().find(|(key, _)| key == "org.ietf.mail.quoted").map(|(_, json)| json.as_str());
    (text.unwrap_or_default(), quoted.map(|json| serde_json::from_str(json).unwrap()).unwrap_or_default())
}

/// What is wrong with what a case became.
fn faults(case: &Case) -> Vec<String> {
    let receipt = match receive(&case.raw) {
        Ok(receipt) => receipt,
        Err(rejection) => return vec![format!("{}: {rejection:?}", case.name)],
    };
    let [event] = receipt.events.as_slice() else { return vec![format!("{}: {:?}", case.name, receipt.events)] };
    let EventBody::Message(message) = &event.body else { return vec![format!("{}: {event:?}", case.name)] };
    let (text, quoted) = halves(event);
    let contact = &event.contact.identifiers[0];
    let files = || {
        message.parts.iter().filter_map(|part| match part {
            Part::Media(media) => media.file_name.clone(),
            _ => None,
        })
    };
    let mut faults = Vec::new();
    for (key, value) in &case.expected {
        let (is_right, found) = match key.as_str() {
            "has" => (text.contains(value), text.clone()),
            "lacks" => (!text.contains(value), text.clone()),
            "text" => (text.trim() == value, text.clone()),
            "quoted-has" => (quoted.contains(value), quoted.clone()),
            "quoted-lacks" => (!quoted.contains(value), quoted.clone()),
            "subject" => (message.subject.as_deref() == Some(value), format!("{:?}", message.subject)),
            "forwarded" => (message.forwarded.to_string() == *value, message.forwarded.to_string()),
            "author" => {
                let author = format!("{:?}", message.author).to_lowercase();
                (author.ends_with(value.as_str()), author)
            }
            "contact" => (contact.value == *value, contact.value.clone()),
            "name" => {
                (event.contact.display_name.as_deref() == Some(value), format!("{:?}", event.contact.display_name))
            }
            "attestation" => {
                let attestation = format!("{:?}", contact.attestation).to_lowercase();
                (attestation.ends_with(value.as_str()), attestation)
            }
            "at" => (instant::parse(value) == Some(event.at), event.at.to_string()),
            "file" => (files().any(|file| file == *value), format!("{:?}", files().collect::<Vec<_>>())),
            "line-ends" => (true, String::new()),
            _ => (false, "no such key".into()),
        };
        if !is_right {
            faults.push(format!("{}: `{key}: {value}`, found {found:?}", case.name));
        }
    }
    faults
}

#[test]
fn every_mail_of_the_corpus_is_read_as_its_author_meant_it() {
    let cases = cases();
    let faults: Vec<String> = cases.iter().flat_map(faults).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(cases.len() >= 150, "{}", cases.len());
}

#[test]
fn no_line_of_a_mail_is_lost() {
    for case in cases() {
        let mail = mime::read(&case.raw).unwrap();
        let context = Context {
            has_parent: !mail.in_reply_to.is_empty() || !mail.references.is_empty(),
            prefix: subject::prefix(mail.subject.as_deref().unwrap_or_default()),
        };
        let (all, split) = match (mail.text.as_deref(), mail.html.as_deref()) {
            (Some(text), _) => (text.to_owned(), quoted::split_plain(text, context)),
            (None, Some(html)) => (markup::text(html), markup::split(html, context)),
            (None, None) => continue,
        };
        let kept = format!("{}\n{}", split.new, split.quoted.unwrap_or_default());
        let kept: Vec<&str> = kept.lines().map(|line| line.trim_matches([' ', '>'])).collect();
        for line in all.lines().map(|line| line.trim_matches([' ', '>', '\r'])).filter(|line| !line.is_empty()) {
            assert!(kept.iter().any(|kept| kept.trim_end_matches('\r') == line), "{}: {line}", case.name);
        }
    }
}

#[test]
fn a_mail_that_is_cut_off_anywhere_is_no_crash() {
    for case in cases() {
        for end in (0..case.raw.len()).step_by(7) {
            mime::read(&case.raw[..end]);
        }
    }
}
