//! The way of one request: verify, parse, read the event or the payload of a trigger.

use std::borrow::Cow;

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
}

pub fn receive(cx: &Context, webhook: &Webhook) -> Result<Receipt, Rejection> {
    if webhook.method != "POST" {
        return Err(Rejection::Unsupported(format!("expected POST, found `{}`", webhook.method)));
    }
    let settings: Settings = serde_json::from_str(&cx.config)
        .map_err(|error| Rejection::Unsupported(format!("the connection's `config` does not fit: {error}")))?;
    let signed_at = signature::require(cx.now, &settings, webhook)?;
    let scene = Scene { settings: &settings, connection: &cx.connection, signed_at };
    let json = json(&webhook.body)?;
    let raw: &RawValue = lenient::root(&json).map_err(Rejection::Malformed)?;
    let root: Root = lenient::read(raw).unwrap_or_default();
    if let Some(account) = root.account_id.as_deref()
        && settings.account_id.as_deref().is_some_and(|ours| ours != account)
    {
        return Err(Rejection::Ignored("expected the account of `account-id`, found another one".into()));
    }
    let events = match root.kind.as_deref().and_then(|kind| kind.strip_prefix(EVENT_TYPE)) {
        Some(kind) => envelope::read(raw, &root, kind.trim_start_matches([':', '/']), &scene)?,
        None => trigger::read(raw, &scene)?,
    };
    Ok(Receipt::events(events))
}

/// The body as JSON; what an administrator's template made of a customer's words is mended where that is possible.
fn json(body: &[u8]) -> Result<Cow<'_, str>, Rejection> {
    let json = lenient::document(body);
    let Err(error) = lenient::root::<&RawValue>(&json) else { return Ok(json) };
    let mended = repair::mended(&json).filter(|mended| lenient::root::<&RawValue>(mended).is_ok());
    match mended {
        Some(mended) => {
            log::warn(
                "mended a payload that is no JSON; fix: let the trigger's template put each placeholder in quotes, and \
                 free text last",
            );
            Ok(Cow::Owned(mended))
        }
        None => Err(Rejection::Malformed(error)),
    }
}
