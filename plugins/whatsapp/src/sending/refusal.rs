//! Meta's errors: what each code means for a message.
//!
//! A code decides before the status does: Meta answers some refusals with 500. What the host would try again by itself needs
//! a status below 500, because Meta does not promise that an error of its servers is a refusal.
//!
//! Source: Meta's "Cloud API error codes" and "Handle errors" of the Graph API, the error tables of open-source senders,
//! November 2026.

use rapport_sdk::event::json;
use rapport_sdk::prelude::*;
use rapport_sdk::steps::title;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::provider_error::STOPPED_MARKETING;

/// What a code means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meaning {
    /// The token, the permission, the payment or the account: no message leaves until somebody changes that.
    Account,
    /// Not processed, because of what the account sends; it may be tried again when Meta says.
    Wait,
    /// Not processed, because of what this customer already got; milliseconds after which it may be tried again, if Meta does
    /// not say another.
    WaitForCustomer(u64),
    /// The customer wrote more than 24 hours ago, or never.
    Window,
    /// The customer wants no marketing.
    Consent,
    /// The address cannot get it.
    Recipient,
    /// The template, or what is filled in.
    Template,
    /// What is said.
    Content,
    /// Not processed, and not later either.
    Refused,
    /// Not processed; later it may be.
    Later,
    /// Nobody knows whether it was processed.
    Unsure,
}

/// Milliseconds between two messages to one customer: one in six seconds. Source: Meta's "Messaging limits".
const PAIR_MS: u64 = 6000;

/// First and last code, and what they mean.
const CODES: &[(u32, u32, Meaning)] = &[
    // The token or a permission: authentication failed, no capability, denied, expired, missing, access denied.
    (0, 0, Meaning::Account),
    (3, 3, Meaning::Account),
    (10, 10, Meaning::Account),
    (190, 190, Meaning::Account),
    (200, 299, Meaning::Account),
    (131_005, 131_005, Meaning::Account),
    // Too many: calls of the app, of the account, messages a second, to this customer, registrations.
    (4, 4, Meaning::Wait),
    (80_007, 80_007, Meaning::Wait),
    (130_429, 130_429, Meaning::Wait),
    (131_056, 131_056, Meaning::WaitForCustomer(PAIR_MS)),
    (133_016, 133_016, Meaning::Wait),
    // The account: blocked as spam, over its messaging limit, against a policy, locked, not paid for, not registered, its
    // name not approved.
    (131_048, 131_048, Meaning::Account),
    (131_064, 131_064, Meaning::Account),
    (368, 368, Meaning::Account),
    (131_031, 131_031, Meaning::Account),
    (131_042, 131_042, Meaning::Account),
    (131_044, 131_045, Meaning::Account),
    (131_037, 131_037, Meaning::Account),
    // The account may not write to people in this country. It may write to others, so the connection goes on.
    (130_497, 130_497, Meaning::Refused),
    // The number is being moved or upgraded, which takes minutes.
    (131_057, 131_057, Meaning::Later),
    // More than 24 hours since the customer's last message.
    (131_047, 131_047, Meaning::Window),
    // Meta lets this customer have no more marketing for at least a day.
    (131_049, 131_049, Meaning::Refused),
    (131_050, 131_050, Meaning::Consent),
    // The customer is in one of Meta's experiments. Not charged.
    (130_472, 130_472, Meaning::Refused),
    // Not on WhatsApp, or an old app, or blocked; the sender itself; not on the list of a test number; no user id allowed.
    (131_026, 131_026, Meaning::Recipient),
    (131_021, 131_021, Meaning::Recipient),
    (131_030, 131_030, Meaning::Recipient),
    (131_062, 131_062, Meaning::Recipient),
    // The template: number of values, missing, too long, policy, format, paused, disabled.
    (132_000, 132_001, Meaning::Template),
    (132_005, 132_005, Meaning::Template),
    (132_007, 132_008, Meaning::Template),
    (132_012, 132_012, Meaning::Template),
    (132_015, 132_016, Meaning::Template),
    // A flow that is blocked or throttled.
    (132_068, 132_069, Meaning::Content),
    // A type of message that is not supported; a parameter that is wrong or missing.
    (131_051, 131_051, Meaning::Content),
    (100, 100, Meaning::Content),
    (131_008, 131_009, Meaning::Content),
    // Meta could not fetch or take a file.
    (131_052, 131_053, Meaning::Later),
    // Meta's own trouble.
    (131_000, 131_000, Meaning::Unsure),
    (131_016, 131_016, Meaning::Unsure),
    (135_000, 135_000, Meaning::Unsure),
    (1, 2, Meaning::Unsure),
    // The customer's identity changed since the message was written.
    (137_000, 137_000, Meaning::Refused),
    // Only the partner that a conversation escalates to may take it.
    (2_494_191, 2_494_191, Meaning::Refused),
];

/// Under code 100: the number, or what else the path names, is not there for this token.
const NO_SUCH_OBJECT: u32 = 33;

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    error: &'a RawValue,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Said {
    #[serde(deserialize_with = "lenient::integer")]
    code: Option<u64>,
    #[serde(deserialize_with = "lenient::integer")]
    error_subcode: Option<u64>,
    #[serde(deserialize_with = "lenient::text")]
    message: Option<String>,
    #[serde(deserialize_with = "lenient::object")]
    error_data: Option<Data>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Data {
    #[serde(deserialize_with = "lenient::text")]
    details: Option<String>,
}

/// Meta's error object in an answer.
pub fn error<'h>(answer: &Answered<'h>) -> Option<&'h RawValue> {
    answer.try_json().map(|Body { error }| error)
}

/// The failure that an answer of Meta means. `is_text`: what was sent is a text, which a template can replace.
pub fn failure(answer: &Answered<'_>, is_text: bool) -> Failure {
    let Some(raw) = error(answer) else { return answer.failure() };
    let said: Said = lenient::read(raw).unwrap_or_default();
    let Some(code) = said.code.and_then(|code| u32::try_from(code).ok()) else { return answer.failure() };
    let sentence = sentence(&said, code);
    // The body is one that the SDK has found short enough to repeat.
    let detail = answer.error().detail.map(|_| json(raw));
    let told = ProviderError { detail, ..ProviderError::new(code.to_string(), title(&sentence)) };
    let is_refusal = answer.status() < 500;
    match meaning(code, said.error_subcode) {
        None => by_status(answer, told),
        Some(Meaning::Wait | Meaning::WaitForCustomer(_) | Meaning::Later) if !is_refusal => answer.maybe(told),
        Some(Meaning::Unsure) => answer.maybe(told),
        Some(Meaning::Wait) => Failure::RateLimited(answer.retry_after_ms()),
        Some(Meaning::WaitForCustomer(ms)) => Failure::RateLimited(Some(answer.retry_after_ms().unwrap_or(ms))),
        Some(Meaning::Later) => Failure::Provider(told.retryable()),
        Some(Meaning::Account) => Failure::Account(told),
        Some(Meaning::Window) if is_text => Failure::TemplateRequired(sentence),
        Some(Meaning::Window) => Failure::OutsideWindow,
        Some(Meaning::Consent) => Failure::ConsentRequired("marketing".into()),
        Some(Meaning::Recipient) => Failure::InvalidRecipient(sentence),
        Some(Meaning::Template) => Failure::TemplateRequired(sentence),
        Some(Meaning::Content) => Failure::UnsupportedContent(sentence),
        Some(Meaning::Refused) => Failure::Provider(told),
    }
}

/// Whether an answer says that the customer stopped marketing: its code.
pub fn stopped_marketing(failure: &Failure) -> Option<&'static str> {
    matches!(failure, Failure::ConsentRequired(_)).then_some(STOPPED_MARKETING)
}

/// Whether an answer is a limit of this customer alone.
pub fn is_limit_of_customer(answer: &Answered<'_>) -> bool {
    let said: Said = error(answer).and_then(lenient::read).unwrap_or_default();
    let code = said.code.and_then(|code| u32::try_from(code).ok());
    matches!(code.and_then(|code| meaning(code, None)), Some(Meaning::WaitForCustomer(_)))
}

fn meaning(code: u32, subcode: Option<u64>) -> Option<Meaning> {
    if code == 100 && subcode == Some(NO_SUCH_OBJECT.into()) {
        return Some(Meaning::Account);
    }
    CODES.iter().find(|(first, last, _)| (*first..=*last).contains(&code)).map(|(_, _, meaning)| *meaning)
}

/// A code that is not in the table: the status decides, and the words are Meta's.
fn by_status(answer: &Answered<'_>, error: ProviderError) -> Failure {
    match answer.failure() {
        Failure::Account(_) => Failure::Account(error),
        Failure::Undetermined(_) => Failure::Undetermined(error),
        Failure::Provider(ProviderError { retryable, .. }) => Failure::Provider(ProviderError { retryable, ..error }),
        other => other,
    }
}

/// Meta's words without the code before them, and the details that tell more.
fn sentence(said: &Said, code: u32) -> String {
    let message = said.message.as_deref().unwrap_or("an error without words");
    let message = message.strip_prefix(&format!("(#{code})")).unwrap_or(message).trim();
    let details = said.error_data.as_ref().and_then(|data| data.details.as_deref()).map(str::trim);
    match details.filter(|details| !details.is_empty() && *details != message) {
        Some(details) => title(&format!("{message}: {details}")),
        None => title(message),
    }
}
