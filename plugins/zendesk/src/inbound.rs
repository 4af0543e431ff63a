//! The way of one request: verify, parse, read the event or the payload of a trigger.

use std::borrow::Cow;
use std::cell::RefCell;

use rapport_sdk::prelude::*;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::envelope;
use crate::payload::Root;
use crate::{repair, signature, trigger};

/// What the types of event subscriptions begin with.
const EVENT_TYPE: &str = "zen:event-type";

/// The settings of a connection, as `connector.toml` describes them.
#[derive(Deserialize, Default)]
#[serde(default, rename_all = "kebab-case")]
pub struct Settings {
    pub payload: Option<Payload>,
    pub account_id: Option<String>,
    pub clocks_apart_minutes: Option<u64>,
}

/// What a webhook was made for: in Zendesk it is one of both, for good.
///
/// Only the operator can say it. Zendesk escapes nothing that it puts into a template, so a customer can make the payload of
/// a trigger look like an event to the last name.
#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Payload {
    /// "Zendesk events": Zendesk writes each itself.
    Events,
    /// "Trigger or automation": the template of an administrator, and in it what customers wrote.
    Triggers,
}

/// What a reader needs besides the body.
pub struct Scene<'a> {
    pub settings: &'a Settings,
    /// The account of a payload that does not say its own.
    pub connection: &'a str,
    /// When Zendesk signed the request, as it wrote it.
    pub signed_at: &'a str,
    /// What could not be read.
    pub unread: RefCell<Unread>,
}

pub fn receive(cx: &Context, webhook: &Webhook) -> Result<Receipt, Rejection> {
    if webhook.method != "POST" {
        return Err(Rejection::Unsupported(format!("expected POST, found `{}`", webhook.method)));
    }
    let settings: Settings = serde_json::from_str(&cx.config)
        .map_err(|error| Rejection::Unsupported(format!("the connection's `config` does not fit: {error}")))?;
    let signed_at = signature::require(cx.now, &settings, webhook)?;
    let scene = Scene { settings: &settings, connection: &cx.connection, signed_at, unread: RefCell::default() };
    let events = match settings.payload {
        Some(Payload::Events) => event(&webhook.body, &scene),
        Some(Payload::Triggers) => trigger(&webhook.body, &scene),
        None => Err(Rejection::Unsupported(
            "the connection's `config` has no `payload`; fix: `payload = \"events\"` for a webhook with \"Zendesk events\", \
             `payload = \"triggers\"` for one of triggers and automations"
                .into(),
        )),
    }?;
    Ok(Receipt::events(events).with_unread(scene.unread.into_inner().into_lines()))
}

/// What Zendesk wrote: JSON without a mistake, and a type.
fn event(body: &[u8], scene: &Scene) -> Result<Vec<Event>, Rejection> {
    let json = lenient::document(body);
    let (raw, root) = read(&json, scene)?;
    match kind(&root).filter(|_| !trigger::is_template(raw)) {
        Some(kind) => envelope::read(raw, &root, kind, scene),
        None => Err(Rejection::Malformed(
            "expected an event of Zendesk, found what a template says; fix: `payload = \"triggers\"` on the connection of a \
             webhook that triggers or automations call"
                .into(),
        )),
    }
}

/// What a template became. Whatever it says, it is no event.
fn trigger(body: &[u8], scene: &Scene) -> Result<Vec<Event>, Rejection> {
    let (json, mended_from) = json(body)?;
    let (raw, root) = read(&json, scene)?;
    if kind(&root).is_some() {
        return Err(Rejection::Malformed(
            "expected what a template says, found an event of Zendesk, or a customer's words that pass for one; fix: \
             `payload = \"events\"` on the connection of a webhook with \"Zendesk events\""
                .into(),
        ));
    }
    trigger::read(raw, mended_from.map(|from| &json[from..]), scene)
}

/// The body as an object in which each name says one thing, and the usual fields of it.
fn read<'a>(json: &'a str, scene: &Scene) -> Result<(&'a RawValue, Root<'a>), Rejection> {
    let raw: &RawValue = lenient::root(json).map_err(Rejection::Malformed)?;
    if lenient::has_repeated_name(json) {
        return Err(Rejection::Malformed(
            "expected each name once in an object, found one twice: a customer's words may pass for a field; fix: let the \
             template have each name once and identities first, or send events"
                .into(),
        ));
    }
    let root: Root = lenient::read(raw).unwrap_or_default();
    if let Some(account) = root.account_id.as_deref()
        && scene.settings.account_id.as_deref().is_some_and(|ours| ours != account)
    {
        return Err(Rejection::Ignored("expected the account of `account-id`, found another one".into()));
    }
    Ok((raw, root))
}

/// The type of an event without what all begin with: `ticket.comment_added`.
fn kind<'a>(root: &'a Root) -> Option<&'a str> {
    let kind = root.kind.as_deref()?.strip_prefix(EVENT_TYPE)?;
    Some(kind.trim_start_matches([':', '/']))
}

/// The body as JSON; what an administrator's template made of a customer's words is mended where that is possible. With it
/// from where on it was mended.
fn json(body: &[u8]) -> Result<(Cow<'_, str>, Option<usize>), Rejection> {
    let json = lenient::document(body);
    let Err(error) = lenient::root::<&RawValue>(&json) else { return Ok((json, None)) };
    let mended = repair::mended(&json).filter(|mended| lenient::root::<&RawValue>(&mended.text).is_ok());
    match mended {
        Some(repair::Mended { text, guessed_from }) => {
            log::warn(
                "mended a payload that is no JSON; fix: let the trigger's template put each placeholder in quotes, and \
                 free text last",
            );
            Ok((Cow::Owned(text), Some(guessed_from)))
        }
        None => Err(Rejection::Malformed(error)),
    }
}
