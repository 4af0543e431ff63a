//! Postmark: mail as JSON that is taken apart, and what became of mail that was sent. Nothing is signed: the host asks
//! for the password or the token in the URL before it calls.

use std::borrow::Cow;

use rapport_sdk::prelude::*;
use serde_json::value::RawValue;

use crate::attachment::{self, Attachment};
use crate::mail::{self, Mail, Mailbox, mailboxes_in};
use crate::notice::extension;
use crate::payload::{PostmarkAttachment, PostmarkMail, PostmarkMailbox, Text};
use crate::scene::Scene;
use crate::{address, authentication, instant, message, mime, postmark_event};

pub fn read(webhook: &Webhook, scene: &Scene) -> Result<Receipt, Rejection> {
    let json = lenient::document(&webhook.body);
    let raw: &RawValue = lenient::root(&json).map_err(Rejection::Malformed)?;
    if lenient::field(raw, "RecordType").is_some_and(|kind| kind.get() != "\"Inbound\"") {
        return postmark_event::read(raw, scene).map(Receipt::events);
    }
    let payload: PostmarkMail =
        lenient::read(raw).ok_or_else(|| Rejection::Malformed("expected a JSON object, found another value".into()))?;
    message::events(inbound(payload)?, scene)
}

fn inbound(payload: PostmarkMail<'_>) -> Result<Mail<'_>, Rejection> {
    let has_bodies = payload.text_body.is_some() || payload.html_body.is_some();
    // Some hand on nothing but the raw mail. `Headers` is what Postmark itself saw, so it is believed.
    let raw = payload.raw_email.as_deref().filter(|_| !has_bodies).and_then(|raw| mime::read(raw.as_bytes()));
    let is_raw = raw.is_some();
    let taken_apart = Mail::of_headers(headers(&payload));
    let mut mail = match raw {
        Some(raw) if payload.headers.is_empty() => raw,
        Some(raw) => Mail { headers: taken_apart.headers, ..raw },
        None => taken_apart,
    };
    take_people(&mut mail, &payload);
    let is_mail = has_bodies || payload.message_id.is_some() || !payload.attachments.is_empty();
    if mail.from.is_empty() && !is_mail {
        return Err(Rejection::Malformed("expected a mail: `From`, `MessageID` or a body; found none of them".into()));
    }
    mail.subject = payload.subject.as_deref().map(mail::decoded).or(mail.subject);
    mail.date = payload.date.as_deref().and_then(instant::dated).or(mail.date);
    mail.provider_id = payload.message_id.as_deref().map(str::to_owned);
    mail.envelope.recipients =
        payload.original_recipient.iter().filter_map(|text| address::bare(text)).map(str::to_owned).collect();
    mail.envelope.sender = mail.headers.first("return-path").map(|path| path.trim_matches(['<', '>']).to_owned());
    mail.is_authenticated = is_authenticated(&mail);
    mail.extension = extension(
        "com.postmarkapp.inbound",
        &[
            ("message_id", payload.message_id.as_deref()),
            ("mailbox_hash", payload.mailbox_hash.as_deref()),
            ("tag", payload.tag.as_deref()),
            ("message_stream", payload.message_stream.as_deref()),
        ],
    );
    mail.new_text = payload.stripped_text_reply;
    if is_raw {
        return Ok(mail);
    }
    for (index, file) in payload.attachments.into_iter().enumerate() {
        match file {
            Some(file) => mail.attachments.push(attachment(index, file)),
            None => mail.unread.add(&format!("Attachments[{index}]"), "it is not an object"),
        }
    }
    mail.text = payload.text_body;
    mail.html = payload.html_body.filter(|html| !html.trim().is_empty());
    Ok(mail)
}

/// `Headers`, which lack what Postmark takes apart.
fn headers(payload: &PostmarkMail) -> mail::Headers {
    let mut headers = mail::Headers::default();
    for header in &payload.headers {
        if let (Some(name), Some(value)) = (&header.name, &header.value) {
            headers.push(name, value);
        }
    }
    headers
}

/// `Headers` has no field that Postmark takes apart: author, readers and subject stand beside it.
fn take_people(mail: &mut Mail, payload: &PostmarkMail) {
    let author: Vec<Mailbox> = payload.from_full.iter().filter_map(mailbox).collect();
    let written = people(&payload.from);
    if !author.is_empty() {
        (mail.from, mail.is_author_guessed) = (author, false);
    } else if let Some(from) = payload.from.as_deref().filter(|_| !written.is_empty()) {
        mail.take_author(from);
        let name = payload.from_name.as_deref().map(mail::decoded);
        mail.from.iter_mut().for_each(|from| from.name = from.name.take().or_else(|| name.clone()));
    }
    mail.reply_to =
        if payload.reply_to.is_some() { people(&payload.reply_to) } else { std::mem::take(&mut mail.reply_to) };
    for (field, full, text) in [
        (&mut mail.to, &payload.to_full, &payload.to),
        (&mut mail.cc, &payload.cc_full, &payload.cc),
        (&mut mail.bcc, &payload.bcc_full, &payload.bcc),
    ] {
        let taken_apart: Vec<Mailbox> = full.iter().filter_map(mailbox).collect();
        let found = if taken_apart.is_empty() { people(text) } else { taken_apart };
        if !found.is_empty() {
            *field = found;
        }
    }
}

fn people(text: &Text) -> Vec<Mailbox> {
    text.as_deref().map(mailboxes_in).unwrap_or_default()
}

fn mailbox(full: &PostmarkMailbox) -> Option<Mailbox> {
    let address = address::bare(full.email.as_deref()?)?.to_owned();
    let name =
        full.name.as_deref().map(mail::decoded).filter(|name| !name.is_empty() && !address::is_same(name, &address));
    Some(Mailbox { address, name })
}

fn attachment(index: usize, file: PostmarkAttachment) -> Attachment<'static> {
    let mime_type = file.content_type.as_deref().and_then(attachment::mime_type);
    let encoded = file.content.as_deref().or(file.data.as_deref()).unwrap_or_default();
    let content = if attachment::is_of_report(mime_type.as_deref()) { bytes(encoded) } else { Vec::new() };
    Attachment {
        source: MediaSource::ProviderId(format!("attachment:{index}")),
        file_name: file.name.as_deref().and_then(attachment::file_name),
        content_id: file.content_id.as_deref().and_then(attachment::content_id),
        size: file.content_length.or_else(|| (!encoded.is_empty()).then(|| decoded_length(encoded))),
        content: Cow::Owned(content),
        is_cut: false,
        mime_type,
    }
}

fn bytes(encoded: &str) -> Vec<u8> {
    let digits: String = encoded.split_ascii_whitespace().collect();
    base64::decode(&digits).unwrap_or_default()
}

fn decoded_length(encoded: &str) -> u64 {
    let digits = encoded.bytes().filter(|byte| !byte.is_ascii_whitespace() && *byte != b'=').count() as u64;
    digits * 3 / 4
}

/// Postmark writes one `Received-SPF` on every mail; a second one came with the mail. Its filter leaves out large mail, so
/// that an only `X-Spam-Tests` may be the sender's own: it counts above Postmark's `Received-SPF`, where Postmark puts
/// the fields that it adds, and what came with a mail stands below.
fn is_authenticated(mail: &Mail) -> bool {
    const FIELDS: [&str; 2] = ["x-spam-tests", "received-spf"];
    let spf = mail.headers.only("received-spf").and_then(authentication::spf_domain);
    if spf.is_some_and(|domain| authentication::proves(mail, &domain)) {
        return true;
    }
    let of_filter: Vec<&str> =
        mail.headers.pairs().iter().map(|(name, _)| name.as_str()).filter(|name| FIELDS.contains(name)).collect();
    // A signature of the author's own domain.
    let is_signed = |tests: &str| tests.split(',').any(|test| test.trim() == "DKIM_VALID_AU");
    of_filter == FIELDS
        && mail.headers.only("x-spam-tests").is_some_and(is_signed)
        && authentication::has_one_author(mail)
}
