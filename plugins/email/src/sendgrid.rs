//! SendGrid: mail through Inbound Parse (a form), and the Event Webhook (JSON).
//!
//! The Event Webhook is signed where that is turned on. Inbound Parse is signed only under a security policy, with a key
//! of its own; without one it is the host that asks for a token in the URL or for a password.

use std::borrow::Cow;
use std::collections::BTreeMap;

use rapport_sdk::prelude::*;
use rapport_sdk::verify::VerifyError;

use crate::mail::{self, Envelope, Mail, mailboxes_in};
use crate::multipart::Form;
use crate::notice::extension;
use crate::scene::Scene;
use crate::{address, attachment, authentication, charset, markup, message, mime, sendgrid_event};

const KEY: &str = "event-public-key";
const ALGORITHM: SignatureAlgorithm = SignatureAlgorithm::EcdsaP256Sha256Der;
const SIGNATURE: &str = "x-twilio-email-event-webhook-signature";
/// Inbound Parse sends the first; the second comes from those who hand its fields on.
const FORMS: [&str; 2] = ["multipart/form-data", "application/x-www-form-urlencoded"];
const TIMESTAMP: &str = "x-twilio-email-event-webhook-timestamp";
/// How old a signature may be. SendGrid tries a request again for 24 hours, and Twilio does not say whether it signs anew;
/// the hour is for the last attempt's own way. What is sent again within that time is a duplicate: the body is signed, and
/// each of its events has an id (Twilio, "Event Webhook reference", November 2026).
const WINDOW: verify::Window = verify::Window::of_age(25 * 60 * 60 * 1000);

pub fn read(webhook: &Webhook, scene: &Scene) -> Result<Receipt, Rejection> {
    let content_type = webhook.header("content-type").unwrap_or_default();
    let is_form = attachment::mime_type(content_type).is_some_and(|found| FORMS.contains(&found.as_str()));
    if webhook.header(SIGNATURE).is_some() {
        require_signature(webhook, scene)?;
    } else if !is_form {
        require_no_key(webhook, scene)?;
    }
    if is_form {
        let form = Form::read(webhook).map_err(Rejection::Malformed)?;
        return message::events(inbound(&form)?, scene);
    }
    sendgrid_event::read(&lenient::document(&webhook.body), scene)
}

/// Goes on only if SendGrid signed exactly these bytes, lately.
fn require_signature(webhook: &Webhook, scene: &Scene) -> Result<(), Rejection> {
    let Some(signature) = base64::decode(webhook.header_once(SIGNATURE)?) else {
        return Err(Rejection::Unauthenticated(format!(
            "expected header `{SIGNATURE}` in base64, found another form; fix: let nothing between SendGrid and this host \
             rewrite header fields"
        )));
    };
    let timestamp = webhook.header_once(TIMESTAMP)?;
    let signed = [timestamp.as_bytes(), &webhook.body].concat();
    verify::require_signature(ALGORITHM, &KeySource::Named(KEY.into()), &signed, &signature)?;
    let field = format!("header `{TIMESTAMP}`");
    let signed_ms = verify::seconds(timestamp)
        .ok_or_else(|| Rejection::Unauthenticated(format!("expected {field} in whole seconds, found another form")))?;
    verify::require_fresh(&field, signed_ms, scene.now, WINDOW, None)
}

/// Goes on only if there is no key: then the host decides whether it takes unsigned events.
fn require_no_key(webhook: &Webhook, scene: &Scene) -> Result<(), Rejection> {
    let answer = verify::signature(ALGORITHM, &KeySource::Named(KEY.into()), &[], &[]);
    if answer == Err(VerifyError::UnknownKey(KEY.into())) { Ok(()) } else { require_signature(webhook, scene) }
}

/// A mail, as its raw message or taken apart.
fn inbound(form: &Form) -> Result<Mail<'static>, Rejection> {
    let charsets: BTreeMap<String, String> = json(form, "charsets");
    let field = |name: &str| text(form, name, &charsets);
    let mut mail = match form.bytes("email").filter(|raw| !raw.is_empty()) {
        Some(raw) => mime::read(raw).ok_or_else(|| Rejection::Malformed("expected a mail in `email`".into()))?,
        None => taken_apart(form, field),
    };
    if mail.from.is_empty() && !form.has("envelope") {
        return Err(Rejection::Malformed(
            "expected the fields of Inbound Parse, found no `from` and no `envelope`".into(),
        ));
    }
    mail.envelope = envelope(form);
    mail.is_authenticated = is_authenticated(&mail, form);
    let (spf, dkim) = (form.filled("SPF"), form.filled("dkim"));
    let (score, ip) = (form.filled("spam_score"), form.filled("sender_ip"));
    let fields = [
        ("spf", spf.as_deref()),
        ("dkim", dkim.as_deref()),
        ("spam_score", score.as_deref()),
        ("sender_ip", ip.as_deref()),
    ];
    mail.extension = extension("com.sendgrid.inbound", &fields);
    Ok(mail)
}

fn taken_apart(form: &Form, field: impl Fn(&str) -> Option<String>) -> Mail<'static> {
    let mut mail = Mail::of_block(form.bytes("headers").unwrap_or_default());
    let people = |name: &str| field(name).map(|value| mailboxes_in(&value)).unwrap_or_default();
    if mail.from.is_empty()
        && let Some(from) = field("from")
    {
        mail.take_author(&from);
    }
    if mail.to.is_empty() {
        mail.to = people("to");
    }
    if mail.cc.is_empty() {
        mail.cc = people("cc");
    }
    // The head may hold eight bits of any kind; the field says which.
    mail.subject = field("subject").map(|subject| mail::decoded(&subject)).or(mail.subject);
    mail.text = field("text").map(Cow::Owned);
    mail.html = field("html").map(Cow::Owned);
    let (inline, information) = (json::<String>(form, "content-ids"), json::<Information>(form, "attachment-info"));
    let content_id = |name: &str| {
        let by_name = information.get(name).and_then(|file| file.content_id.clone());
        let by_id = inline.iter().find(|(_, field)| *field == name).map(|(id, _)| id.clone());
        by_id.or(by_name).as_deref().and_then(attachment::content_id)
    };
    mail.attachments = form.files(content_id);
    for file in &mut mail.attachments {
        let MediaSource::ProviderId(source) = &file.source else { continue };
        let Some(said) = source.strip_prefix("field:").and_then(|name| information.get(name)) else { continue };
        let name = || said.filename.as_deref().or(said.name.as_deref()).and_then(attachment::file_name);
        file.file_name = file.file_name.take().or_else(name);
        file.mime_type = file.mime_type.take().or_else(|| attachment::mime_type(said.r#type.as_deref()?));
    }
    mail.attachments.retain(|file| !matches!(&file.source, MediaSource::ProviderId(id) if id == "field:email"));
    mail
}

/// What is said of a file beside the file.
#[derive(serde::Deserialize, Default)]
#[serde(default, rename_all = "kebab-case")]
struct Information {
    #[serde(deserialize_with = "lenient::id")]
    content_id: Option<String>,
    #[serde(deserialize_with = "lenient::id")]
    filename: Option<String>,
    #[serde(deserialize_with = "lenient::id")]
    name: Option<String>,
    #[serde(deserialize_with = "lenient::id")]
    r#type: Option<String>,
}

/// A field in the character set that `charsets` says of it. Whoever hands a form on may have made UTF-8 of it, and left
/// that as it was: what is UTF-8 is read as UTF-8.
fn text(form: &Form, name: &str, charsets: &BTreeMap<String, String>) -> Option<String> {
    let bytes = form.bytes(name).filter(|bytes| !bytes.is_empty())?;
    let in_page = || if name == "html" { markup::charset(bytes) } else { None };
    let declared = charsets.get(name).cloned().or_else(in_page);
    Some(charset::decoded(bytes, declared.as_deref()))
}

/// A field that is a JSON object; what does not fit in it is left out.
fn json<T: serde::de::DeserializeOwned>(form: &Form, name: &str) -> BTreeMap<String, T> {
    let text = form.text(name).unwrap_or_default();
    let object: BTreeMap<String, serde_json::Value> = serde_json::from_str(&text).unwrap_or_default();
    let read = |(name, value)| Some((name, serde_json::from_value(value).ok()?));
    object.into_iter().filter_map(read).collect()
}

fn envelope(form: &Form) -> Envelope {
    #[derive(serde::Deserialize, Default)]
    #[serde(default)]
    struct Payload {
        #[serde(deserialize_with = "lenient::each")]
        to: Vec<String>,
        #[serde(deserialize_with = "lenient::text")]
        from: Option<String>,
    }
    let text = form.text("envelope").unwrap_or_default();
    let found: Payload = serde_json::from_str(&text).unwrap_or_default();
    Envelope { sender: found.from, recipients: found.to }
}

/// `SPF: pass` is about the envelope's domain; `dkim: {@example.com : pass}` names its own.
fn is_authenticated(mail: &Mail, form: &Form) -> bool {
    let sender = mail.envelope.sender.as_deref().and_then(address::bare).map(address::domain).unwrap_or_default();
    let by_spf = form.text("SPF").is_some_and(|verdict| authentication::is_pass(&verdict));
    let dkim = form.text("dkim").unwrap_or_default();
    let results = dkim.trim().trim_matches(['{', '}']).split(',').filter_map(|result| result.split_once(':'));
    let mut signers = results
        .filter(|(_, verdict)| authentication::is_pass(verdict))
        .map(|(signer, _)| signer.trim().trim_start_matches('@'));
    (by_spf && authentication::proves(mail, sender)) || signers.any(|signer| authentication::proves(mail, signer))
}
