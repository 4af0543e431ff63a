//! Mailgun: mail through a route (a form), and webhooks (JSON; before 2018 forms).
//!
//! Mailgun signs a time and a token, never the body: whoever saw one request could send another body with them. So a
//! token counts for minutes, and for one body: it is the receipt's nonce, which the host refuses with another one.

use std::borrow::Cow;
use std::collections::BTreeMap;

use rapport_sdk::prelude::*;
use serde::Deserialize;

use crate::attachment::{self, Attachment};
use crate::mail::{self, Envelope, Mail, ids_in, mailboxes_in};
use crate::multipart::Form;
use crate::notice::extension;
use crate::payload::{MailgunRoot, MailgunSignature};
use crate::scene::Scene;
use crate::{address, authentication, instant, mailgun_event, message, mime, multipart};

const SIGNING_KEY: &str = "signing-key";
const ALGORITHM: MacAlgorithm = MacAlgorithm::HmacSha256;

/// How old a signature may be: the way of a slow request, and a host that starts again. Mailgun advises to refuse what is
/// too old, and does not say whether it signs anew what it tries again for eight hours: with an old signature that is
/// refused, and stays in Mailgun's own log of events. The token is for one body only: it is the receipt's nonce.
const WINDOW: verify::Window = verify::Window::of_age(15 * 60 * 1000);

pub fn read(webhook: &Webhook, scene: &Scene) -> Result<Receipt, Rejection> {
    let content_type = webhook.header("content-type").unwrap_or_default();
    let content_type = attachment::mime_type(content_type).unwrap_or_default();
    let is_object = !content_type.contains("form") && webhook.body.trim_ascii_start().starts_with(b"{");
    if is_object || content_type == "application/json" {
        return json(&lenient::document(&webhook.body), scene);
    }
    // What cannot be read cannot be signed either.
    let form = Form::read(webhook).map_err(Rejection::Unauthenticated)?;
    let (timestamp, token) = (form.text("timestamp"), form.text("token"));
    let signature = MailgunSignature { timestamp, token, signature: form.text("signature"), parent_signature: None };
    let nonce = authenticate(signature, scene)?;
    let has_body =
        ["body-mime", "body-plain", "body-html", "stripped-text", "stripped-html"].iter().any(|name| form.has(name));
    if form.filled("event").is_some() && !has_body {
        return Ok(Receipt::events(mailgun_event::read_form(&form, scene)?).with_nonce(nonce));
    }
    Ok(message::events(inbound(&form, scene)?, scene)?.with_nonce(nonce))
}

fn json(json: &str, scene: &Scene) -> Result<Receipt, Rejection> {
    let is_object = json.trim_start().starts_with('{');
    let root: Option<MailgunRoot> = serde_json::from_str(json).ok().filter(|_| is_object);
    let root = root.ok_or_else(|| Rejection::Unauthenticated("expected a JSON object, found none".into()))?;
    let nonce = authenticate(root.signature.unwrap_or_default(), scene)?;
    match root.event_data {
        Some(event) => Ok(Receipt::events(mailgun_event::read(event, scene)?).with_nonce(nonce)),
        None => Err(Rejection::Malformed("expected an `event-data`, found none".into())),
    }
}

/// Goes on only if Mailgun signed this token lately. The token, which Mailgun uses once: the host takes no other body
/// with it.
fn authenticate(signature: MailgunSignature, scene: &Scene) -> Result<String, Rejection> {
    let (Some(timestamp), Some(token), Some(own)) = (signature.timestamp, signature.token, signature.signature) else {
        return Err(refused(
            "expected `timestamp`, `token` and `signature`, found not all of them; fix: enter this URL as a webhook, or as \
             `forward` of a route",
        ));
    };
    let tag = hex::decode(own.trim()).ok_or_else(|| refused("expected `signature` in hex, found another form"))?;
    let signed = [timestamp.as_bytes(), token.as_bytes()].concat();
    // The key may be the one of a subaccount, or of the account above it.
    let parent = signature.parent_signature.as_deref().and_then(|tag| hex::decode(tag.trim()));
    let is_by_parent = parent.is_some_and(|tag| verify::mac(ALGORITHM, SIGNING_KEY, &signed, &tag) == Ok(true));
    if !is_by_parent {
        verify::require_mac(ALGORITHM, SIGNING_KEY, &signed, &tag)?;
    }
    let signed_ms = verify::seconds(&timestamp);
    let signed_ms = signed_ms.ok_or_else(|| refused("expected `timestamp` in whole seconds, found another form"))?;
    verify::require_fresh("`timestamp`", signed_ms, scene.now, WINDOW, None)?;
    // Time and token are signed as one text, in which nothing says where the one ends.
    Ok(format!("{timestamp}{token}"))
}

fn refused(reason: &str) -> Rejection {
    Rejection::Unauthenticated(reason.into())
}

/// A mail, as its raw message or taken apart.
///
/// Mailgun makes a field of the form of every header field of the mail, too, under the name that the sender gave it. What
/// says how the mail is to be read, and what came from Mailgun, is looked at for whose it is.
fn inbound(form: &Form, scene: &Scene) -> Result<Mail<'static>, Rejection> {
    let raw = form.exact("body-mime").filter(|raw| !raw.is_empty());
    // Mailgun sends one or the other. With both, one of them is the sender's.
    let is_taken_apart = form.exact("message-headers").is_some() || form.has("body-plain");
    let is_doubtful = raw.is_some() && is_taken_apart;
    let raw = raw.filter(|_| !is_doubtful);
    let mut mail = match raw {
        Some(raw) => mime::read(raw).ok_or_else(|| Rejection::Malformed("expected a mail in `body-mime`".into()))?,
        None => taken_apart(form),
    };
    let list = |name: &str| {
        form.filled(name).map(|list| mail::mailboxes_in(&list).into_iter().map(|found| found.address).collect())
    };
    let recipients: Vec<String> = list("recipient").or_else(|| list("recipients")).unwrap_or_default();
    if mail.from.is_empty() && recipients.is_empty() {
        return Err(Rejection::Malformed("expected the fields of a route, found no `from` and no `recipient`".into()));
    }
    let sender =
        if raw.is_some() { form.exact("sender").map(multipart::text) } else { own(form, &mail.headers, "sender") };
    mail.envelope = Envelope { sender: sender.map(Cow::into_owned), recipients };
    mail.is_authenticated = !is_doubtful && is_authenticated(&mail, scene);
    let header =
        |name: &str| mail.headers.only(name).map(str::to_owned).or_else(|| form.filled(name).map(Cow::into_owned));
    let (spf, dkim) = (header("x-mailgun-spf"), header("x-mailgun-dkim-check-result"));
    let (flag, score) = (header("x-mailgun-sflag"), header("x-mailgun-sscore"));
    let url = own(form, &mail.headers, "message-url");
    let fields = [
        ("spf", spf.as_deref()),
        ("dkim", dkim.as_deref()),
        ("spam_flag", flag.as_deref()),
        ("spam_score", score.as_deref()),
        ("message_url", url.as_deref()),
    ];
    mail.extension = extension("com.mailgun.inbound", &fields);
    Ok(mail)
}

/// A field that Mailgun itself writes, if there is one: those that the mail's own head brings under this name are not it. Of a
/// mail whose head is not known only the exact name counts.
fn own<'f>(form: &'f Form, headers: &mail::Headers, name: &str) -> Option<Cow<'f, str>> {
    let of_sender = headers.all(name).count();
    match of_sender {
        0 if !headers.pairs().is_empty() => form.text(name),
        0 => form.exact(name).map(multipart::text),
        // The last one is Mailgun's.
        _ => form.exact(name).filter(|_| form.count(name) > of_sender).map(multipart::text),
    }
}

/// `message-headers` has every field in its order; each stands also as a field of the form.
fn taken_apart(form: &Form) -> Mail<'static> {
    let mut mail = Mail::of_headers(headers(form));
    let field = |name: &str| form.filled(name).map(Cow::into_owned);
    let people = |names: [&str; 2]| {
        names.iter().find_map(|name| field(name)).map(|value| mailboxes_in(&value)).unwrap_or_default()
    };
    if mail.from.is_empty()
        && let Some(from) = ["from", "From"].iter().find_map(|name| field(name))
    {
        mail.take_author(&from);
    }
    if mail.to.is_empty() {
        mail.to = people(["To", "to"]);
    }
    if mail.cc.is_empty() {
        mail.cc = people(["Cc", "cc"]);
    }
    if mail.bcc.is_empty() {
        mail.bcc = people(["Bcc", "bcc"]);
    }
    if mail.reply_to.is_empty() {
        mail.reply_to = people(["Reply-To", "reply-to"]);
    }
    let ids =
        |names: &[&str]| names.iter().find_map(|name| field(name)).map(|value| ids_in(&value)).unwrap_or_default();
    mail.message_id = mail.message_id.or_else(|| ids(&["Message-Id", "Message-ID", "message-id"]).into_iter().next());
    if mail.in_reply_to.is_empty() {
        mail.in_reply_to = ids(&["In-Reply-To", "in-reply-to"]);
    }
    if mail.references.is_empty() {
        mail.references = ids(&["References", "references"]);
    }
    mail.date = mail.date.or_else(|| field("Date").and_then(|date| instant::dated(&date)));
    // Decoded by Mailgun, unlike the one among the header fields.
    let subject = ["subject", "Subject"].iter().find_map(|name| field(name));
    mail.subject = subject.map(|subject| mail::decoded(&subject)).or(mail.subject);
    mail.text = field("body-plain").map(Cow::Owned);
    mail.html = field("body-html").map(Cow::Owned);
    mail.new_text = field("stripped-text").map(Cow::Owned);
    let mut unread = Unread::default();
    if form.exact("message-headers").is_some_and(|list| !list.is_empty()) && mail.headers.pairs().is_empty() {
        unread.add("message-headers", "it is not an array of header fields");
    }
    mail.attachments = attachments(form, &mail.headers, &mut unread);
    mail.unread = unread;
    mail
}

/// The header fields of the mail that a form is about.
pub fn headers(form: &Form) -> mail::Headers {
    let text = form.text("message-headers").unwrap_or_default();
    let pairs: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap_or_default();
    let mut headers = mail::Headers::default();
    for pair in &pairs {
        if let (Some(name), Some(value)) = (pair[0].as_str(), pair[1].as_str()) {
            headers.push(name, value);
        }
    }
    headers
}

/// Files that came along, or (`store`) the URLs where Mailgun keeps them for three days.
fn attachments(form: &Form, headers: &mail::Headers, unread: &mut Unread) -> Vec<Attachment<'static>> {
    #[derive(Deserialize, Default)]
    #[serde(default, rename_all = "kebab-case")]
    struct Stored {
        #[serde(deserialize_with = "lenient::id")]
        url: Option<String>,
        #[serde(deserialize_with = "lenient::id")]
        content_type: Option<String>,
        #[serde(alias = "filename", deserialize_with = "lenient::id")]
        name: Option<String>,
        #[serde(deserialize_with = "lenient::integer")]
        size: Option<u64>,
    }
    let map = own(form, headers, "content-id-map").unwrap_or_default();
    let map: BTreeMap<String, serde_json::Value> = serde_json::from_str(&map).unwrap_or_default();
    let id_of = |field: &str| {
        map.iter().find(|(_, value)| value.as_str() == Some(field)).and_then(|(id, _)| attachment::content_id(id))
    };
    let mut files = form.files(id_of);
    let stored = own(form, headers, "attachments").unwrap_or_default();
    let is_list = stored.trim().is_empty() || stored.trim_start().starts_with('[');
    let list: Option<Vec<serde_json::Value>> = serde_json::from_str(&stored).ok().filter(|_| is_list);
    if list.is_none() && !stored.trim().is_empty() {
        unread.add("attachments", "it is not an array");
    }
    for (index, file) in list.unwrap_or_default().into_iter().enumerate() {
        let file = Some(file).filter(serde_json::Value::is_object);
        let file = file.and_then(|file| serde_json::from_value::<Stored>(file).ok()).unwrap_or_default();
        let Some(url) = file.url else {
            unread.add(&format!("attachments[{index}]"), "it has no `url`");
            continue;
        };
        files.push(Attachment {
            content_id: id_of(&url),
            source: MediaSource::Url(url),
            mime_type: file.content_type.as_deref().and_then(attachment::mime_type),
            file_name: file.name.as_deref().and_then(attachment::file_name),
            size: file.size,
            content: Cow::Borrowed(&[]),
            is_cut: false,
        });
    }
    files
}

/// Mailgun adds its verdicts as header fields where the domain's spam filter is on, and only then are they its own.
fn is_authenticated(mail: &Mail, scene: &Scene) -> bool {
    let is_pass = mail.headers.only("x-mailgun-spf").is_some_and(authentication::is_pass);
    let sender = mail.envelope.sender.as_deref().and_then(address::bare).map(address::domain).unwrap_or_default();
    scene.settings.spam_filter && is_pass && authentication::proves(mail, sender)
}
