//! The way of one request: which provider it is from, then that provider's own.

use std::collections::BTreeSet;

use rapport_sdk::prelude::*;

use crate::scene::Scene;
use crate::settings::Provider;
use crate::{mailgun, postmark, sendgrid, ses};

pub fn receive(cx: &Context, webhook: &Webhook) -> Result<Receipt, Rejection> {
    if webhook.method != "POST" {
        return Err(Rejection::Unsupported(format!("expected POST, found `{}`", webhook.method)));
    }
    let scene = scene(cx)?;
    if webhook.is_fed() && scene.settings.provider != Provider::Ses {
        return Err(Rejection::Unsupported(
            "expected a webhook of the connection's `provider`, found a delivery of AWS; fix: take `feed` out of the \
             connection, or set `provider` to `ses`"
                .into(),
        ));
    }
    let receipt = match scene.settings.provider {
        Provider::Ses => ses::read(webhook, &scene),
        Provider::Sendgrid => sendgrid::read(webhook, &scene),
        Provider::Mailgun => mailgun::read(webhook, &scene),
        Provider::Postmark => postmark::read(webhook, &scene),
    }?;
    Ok(Receipt { events: without_repeats(receipt.events), ..receipt })
}

/// The events without those that one request says twice, as a report with one reader twice does.
fn without_repeats(mut events: Vec<Event>) -> Vec<Event> {
    let mut seen = BTreeSet::new();
    events.retain(|event| seen.insert(event.id.clone()));
    events
}

/// Amazon SNS is the only one that wants to be called back.
pub fn confirm(cx: &Context, webhook: &Confirmation) -> Option<String> {
    let scene = scene(cx).ok()?;
    if scene.settings.provider == Provider::Ses { ses::confirm(webhook.body, &scene) } else { None }
}

fn scene(cx: &Context) -> Result<Scene<'_>, Rejection> {
    let settings = serde_json::from_str(&cx.config)
        .map_err(|error| Rejection::Unsupported(format!("the connection's `config` does not fit: {error}")))?;
    Ok(Scene { settings, connection: &cx.connection, now: cx.now })
}
