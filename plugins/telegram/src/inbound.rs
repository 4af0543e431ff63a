//! The way of one request: an update with the token that Telegram was given.

use rapport_sdk::prelude::*;

use crate::payload::Fields;
use crate::settings::Settings;
use crate::update::{self, Scene};

/// Telegram signs nothing: whoever knows the token may speak for it.
const SECRET_TOKEN: &str = "secret-token";
const HEADER: &str = "x-telegram-bot-api-secret-token";

pub fn receive(cx: &Context, webhook: &Webhook) -> Result<Receipt, Rejection> {
    if webhook.method != "POST" {
        return Err(Rejection::Unsupported(format!("expected POST, found `{}`", webhook.method)));
    }
    verify::require_token(SECRET_TOKEN, webhook.header_once(HEADER)?)?;

    let settings: Settings = serde_json::from_str(&cx.config)
        .map_err(|error| Rejection::Unsupported(format!("the connection's `config` does not fit: {error}")))?;
    let json = lenient::document(&webhook.body);
    let fields: Fields = lenient::root(&json).map_err(Rejection::Malformed)?;
    let Some(id) = fields.id("update_id") else {
        return Err(Rejection::Malformed("expected an `update_id`, found none".into()));
    };
    let account = settings.bot_id.as_deref().unwrap_or(&cx.connection);
    update::read(&fields, Scene::new(account, &id))
}
