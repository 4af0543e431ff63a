//! The way of one request: a signed delivery, and what the settings make of it.

use rapport_sdk::prelude::*;
use serde_json::value::RawValue;

use crate::mapping::{self, Delivery};
use crate::settings::{Settings, five_minutes};
use crate::{pointer, signature};

pub fn receive(cx: &Context, webhook: &Webhook) -> Result<Receipt, Rejection> {
    if webhook.method != "POST" {
        return Err(Rejection::Unsupported(format!("expected POST, found `{}`", webhook.method)));
    }
    let settings: Result<Settings, _> = serde_json::from_str(&cx.config);
    let tolerance = settings.as_ref().map_or_else(|_| five_minutes(), |settings| settings.tolerance_seconds);
    let id = signature::require(webhook, cx.now, tolerance)?;
    let settings =
        settings.map_err(|error| Rejection::Unsupported(format!("the connection's `config` does not fit: {error}")))?;

    let json = lenient::document(&webhook.body);
    let body: &RawValue = lenient::root(&json).map_err(Rejection::Malformed)?;
    if !body.get().starts_with('{') {
        return Err(Rejection::Malformed("expected a JSON object, found a value of another type".into()));
    }
    if lenient::has_repeated_name(&json) {
        return Err(Rejection::Malformed(
            "expected each name once in an object, found one twice: which of the two counts is anybody's guess; fix: let \
             the sender write its JSON with a library"
                .into(),
        ));
    }
    let kind = pointer::text(body, &settings.r#type);
    let account = settings.account.as_deref().unwrap_or(&cx.connection);
    let delivery = Delivery { id, account, body, kind: kind.as_deref() };
    mapping::events(&delivery, &settings.mappings)
}
