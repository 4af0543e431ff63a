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
    pub account_id: Option<String>,
    pub clocks_apart_minutes: Option<u64>,
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
    let (json, mended_from) = json(&webhook.body)?;
    if lenient::has_repeated_name(&json) {
        return Err(Rejection::Malformed(
            "expected each name once in an object, found one twice: a customer's words may pass for a field; fix: let the \
             template have each name once and identities first, or send events"
                .into(),
        ));
    }
    let raw: &RawValue = lenient::root(&json).map_err(Rejection::Malformed)?;
    let root: Root = lenient::read(raw).unwrap_or_default();
    if let Some(account) = root.account_id.as_deref()
        && settings.account_id.as_deref().is_some_and(|ours| ours != account)
    {
        return Err(Rejection::Ignored("expected the account of `account-id`, found another one".into()));
    }
    let kind = root.kind.as_deref().and_then(|kind| kind.strip_prefix(EVENT_TYPE));
    // Zendesk writes its events itself, and JSON without a mistake. What stands in a template is none, whatever it says.
    let events = match kind.filter(|_| mended_from.is_none() && !trigger::is_template(raw)) {
        Some(kind) => envelope::read(raw, &root, kind.trim_start_matches([':', '/']), &scene)?,
        None => trigger::read(raw, mended_from.map(|from| &json[from..]), &scene)?,
    };
    Ok(Receipt::events(events).with_unread(scene.unread.into_inner().into_lines()))
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
