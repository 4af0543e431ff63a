//! The way of one request: verify, parse, read each element of the batch.

use rapport_sdk::prelude::*;

use crate::batch::Batch;
use crate::change;
use crate::settings::Settings;
use crate::signature;

/// Events of one webhook: ten times what HubSpot documents.
const BATCH_MAX: usize = 1_000;

pub fn receive(cx: &Context, webhook: &Webhook) -> Result<Receipt, Rejection> {
    if webhook.method != "POST" {
        return Err(Rejection::Unsupported(format!("expected POST, found `{}`", webhook.method)));
    }
    let settings: Result<Settings, _> = serde_json::from_str(&cx.config);
    signature::require(cx, webhook, settings.as_ref().is_ok_and(|settings| settings.allow_v1))?;
    let settings =
        settings.map_err(|error| Rejection::Unsupported(format!("the connection's `config` does not fit: {error}")))?;
    let json = lenient::document(&webhook.body);
    let mut batch = Batch::default();
    let elements = lenient::batch(&json, BATCH_MAX).map_err(Rejection::Malformed)?;
    for (index, raw) in elements.into_iter().enumerate() {
        batch.at(index);
        change::read(raw, &settings, &mut batch);
    }
    batch.finish()
}
