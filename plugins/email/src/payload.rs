//! The JSON that the providers send, with only the fields that are used. Each may be missing, or of another type.

use std::borrow::Cow;

use rapport_sdk::lenient;
use serde::Deserialize;
use serde_json::value::RawValue;

pub type Text<'a> = Option<Cow<'a, str>>;

/// What Amazon SNS wraps around a message. AWS Lambda writes `Url` where everybody else writes `URL`.
#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
pub struct Envelope<'a> {
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub r#type: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub message_id: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub token: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub topic_arn: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::text")]
    pub subject: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::text")]
    pub message: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub timestamp: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub signature_version: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub signature: Text<'a>,
    #[serde(borrow, rename = "SigningCertURL", alias = "SigningCertUrl", deserialize_with = "lenient::id")]
    pub signing_cert_url: Text<'a>,
    #[serde(borrow, rename = "SubscribeURL", alias = "SubscribeUrl", deserialize_with = "lenient::id")]
    pub subscribe_url: Text<'a>,
}

/// A notification of Amazon SES: a mail that came, or what became of one that was sent.
#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
pub struct SesNotification<'a> {
    /// When SNS or EventBridge published it, the same in every attempt to deliver it: where it says no time itself.
    #[serde(skip)]
    pub published_at: Option<u64>,
    /// Feedback of an identity, and mail that came.
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub notification_type: Text<'a>,
    /// The same of a configuration set.
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub event_type: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::object")]
    pub mail: Option<SesMail<'a>>,
    #[serde(borrow, deserialize_with = "lenient::object")]
    pub receipt: Option<SesReceipt<'a>>,
    #[serde(borrow, deserialize_with = "lenient::text")]
    pub content: Text<'a>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
pub struct SesMail<'a> {
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub timestamp: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub message_id: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::text")]
    pub source: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::list")]
    pub destination: Vec<&'a RawValue>,
    #[serde(borrow, deserialize_with = "lenient::object")]
    pub common_headers: Option<SesCommonHeaders<'a>>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
pub struct SesCommonHeaders<'a> {
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub message_id: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::list")]
    pub from: Vec<&'a RawValue>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
pub struct SesReceipt<'a> {
    #[serde(borrow, deserialize_with = "lenient::list")]
    pub recipients: Vec<&'a RawValue>,
    #[serde(borrow, deserialize_with = "lenient::object")]
    pub spf_verdict: Option<SesVerdict<'a>>,
    #[serde(borrow, deserialize_with = "lenient::object")]
    pub dkim_verdict: Option<SesVerdict<'a>>,
    #[serde(borrow, deserialize_with = "lenient::object")]
    pub dmarc_verdict: Option<SesVerdict<'a>>,
    #[serde(borrow, deserialize_with = "lenient::object")]
    pub spam_verdict: Option<SesVerdict<'a>>,
    #[serde(borrow, deserialize_with = "lenient::object")]
    pub virus_verdict: Option<SesVerdict<'a>>,
    #[serde(borrow, deserialize_with = "lenient::object")]
    pub action: Option<SesAction<'a>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub struct SesVerdict<'a> {
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub status: Text<'a>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
pub struct SesAction<'a> {
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub encoding: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub bucket_name: Text<'a>,
    /// Whole, with the rule's `objectKeyPrefix` in front.
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub object_key: Text<'a>,
}

/// An element of SendGrid's Event Webhook. Custom arguments stand beside these fields.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct SendgridEvent<'a> {
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub email: Text<'a>,
    #[serde(deserialize_with = "lenient::time")]
    pub timestamp: Option<u64>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub event: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub sg_event_id: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub sg_message_id: Text<'a>,
    #[serde(borrow, rename = "smtp-id", deserialize_with = "lenient::id")]
    pub smtp_id: Text<'a>,
    #[serde(borrow, rename = "type", deserialize_with = "lenient::id")]
    pub kind: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub reason: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub response: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub status: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub url: Text<'a>,
    #[serde(deserialize_with = "lenient::flag")]
    pub sg_machine_open: bool,
}

/// Mailgun's JSON webhooks.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct MailgunRoot<'a> {
    #[serde(borrow, deserialize_with = "lenient::object")]
    pub signature: Option<MailgunSignature<'a>>,
    #[serde(borrow, rename = "event-data")]
    pub event_data: Option<&'a RawValue>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub struct MailgunSignature<'a> {
    /// By the key of the account above a subaccount.
    #[serde(borrow, rename = "parent-signature", deserialize_with = "lenient::id")]
    pub parent_signature: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub timestamp: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub token: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub signature: Text<'a>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "kebab-case")]
pub struct MailgunEvent<'a> {
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub id: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub event: Text<'a>,
    #[serde(deserialize_with = "lenient::time")]
    pub timestamp: Option<u64>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub recipient: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub severity: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub reason: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::object")]
    pub message: Option<MailgunMessage<'a>>,
    #[serde(borrow, deserialize_with = "lenient::object")]
    pub delivery_status: Option<MailgunStatus<'a>>,
    #[serde(borrow, deserialize_with = "lenient::object")]
    pub client_info: Option<MailgunClient<'a>>,
    #[serde(borrow, deserialize_with = "lenient::object")]
    pub domain: Option<MailgunDomain<'a>>,
    #[serde(borrow, deserialize_with = "lenient::object")]
    pub reject: Option<MailgunReject<'a>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub struct MailgunReject<'a> {
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub reason: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub description: Text<'a>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub struct MailgunMessage<'a> {
    #[serde(borrow, deserialize_with = "lenient::object")]
    pub headers: Option<MailgunHeaders<'a>>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "kebab-case")]
pub struct MailgunHeaders<'a> {
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub message_id: Text<'a>,
    /// Of an event that names no `recipient`, such as `rejected`.
    #[serde(borrow, deserialize_with = "lenient::text")]
    pub to: Text<'a>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "kebab-case")]
pub struct MailgunStatus<'a> {
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub code: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub enhanced_code: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub message: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub description: Text<'a>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub struct MailgunClient<'a> {
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub bot: Text<'a>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub struct MailgunDomain<'a> {
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub name: Text<'a>,
}

/// A mail that Postmark received. The fields about its people stand twice: as text, and taken apart.
#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
pub struct PostmarkMail<'a> {
    #[serde(borrow, deserialize_with = "lenient::text")]
    pub from: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::object")]
    pub from_full: Option<PostmarkMailbox<'a>>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub from_name: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::text")]
    pub to: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::objects")]
    pub to_full: Vec<PostmarkMailbox<'a>>,
    #[serde(borrow, deserialize_with = "lenient::text")]
    pub cc: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::objects")]
    pub cc_full: Vec<PostmarkMailbox<'a>>,
    #[serde(borrow, deserialize_with = "lenient::text")]
    pub bcc: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::objects")]
    pub bcc_full: Vec<PostmarkMailbox<'a>>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub original_recipient: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::text")]
    pub reply_to: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::text")]
    pub subject: Text<'a>,
    #[serde(borrow, rename = "MessageID", alias = "MessageId", deserialize_with = "lenient::id")]
    pub message_id: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub message_stream: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub date: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub mailbox_hash: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::text")]
    pub text_body: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::text")]
    pub html_body: Text<'a>,
    /// The mail as it came, if the server's settings ask for it.
    #[serde(borrow, deserialize_with = "lenient::text")]
    pub raw_email: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::text")]
    pub stripped_text_reply: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub tag: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::objects")]
    pub headers: Vec<PostmarkHeader<'a>>,
    /// None in the place of what is no object.
    #[serde(borrow, deserialize_with = "lenient::places")]
    pub attachments: Vec<Option<PostmarkAttachment<'a>>>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
pub struct PostmarkMailbox<'a> {
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub email: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub name: Text<'a>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
pub struct PostmarkHeader<'a> {
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub name: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::text")]
    pub value: Text<'a>,
}

/// `Data` is what `Content` was called in the test payloads of 2012, which are still about.
#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
pub struct PostmarkAttachment<'a> {
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub name: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::text")]
    pub content: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::text")]
    pub data: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub content_type: Text<'a>,
    #[serde(deserialize_with = "lenient::integer")]
    pub content_length: Option<u64>,
    #[serde(borrow, rename = "ContentID", alias = "ContentId", deserialize_with = "lenient::id")]
    pub content_id: Text<'a>,
}

/// What became of a mail that Postmark sent.
#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
pub struct PostmarkEvent<'a> {
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub record_type: Text<'a>,
    /// Of a bounce or a complaint.
    #[serde(borrow, rename = "ID", alias = "Id", deserialize_with = "lenient::id")]
    pub id: Text<'a>,
    #[serde(borrow, rename = "ServerID", alias = "ServerId", deserialize_with = "lenient::id")]
    pub server_id: Text<'a>,
    #[serde(borrow, rename = "MessageID", alias = "MessageId", deserialize_with = "lenient::id")]
    pub message_id: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub recipient: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub email: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub r#type: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub description: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub details: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub tag: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub from: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub delivered_at: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub bounced_at: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub received_at: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub changed_at: Text<'a>,
    #[serde(deserialize_with = "lenient::flag")]
    pub suppress_sending: bool,
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub suppression_reason: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub original_link: Text<'a>,
}
