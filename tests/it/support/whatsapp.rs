//! WhatsApp webhooks: the connector's own fixtures, and texts that a test makes up.

use std::io::Result;
use std::net::SocketAddr;
use std::sync::Arc;

use rapport_model::Event;
use rapport_model::canonical::canonicalise;
use rapport_sandbox::{Call, Context, Webhook};
use rapport_sdk::testing::{self, Fixture};
use rapport_store::events::NewEvent;
use rapport_store::{RawWebhook, Table};
use ring::hmac;
use serde_json::json;

use super::http::{Answer, send};
use super::{NOW, hex, wa_eu};
use crate::connectors;

/// The secret that the fixtures are signed with.
pub fn app_secret() -> &'static str {
    "test-app-secret"
}

/// The recorded webhook of this name in `plugins/whatsapp`.
pub fn fixture(name: &str) -> Fixture {
    let fixtures = testing::inbound_fixtures(connectors::repository().join("plugins/whatsapp").to_str().unwrap());
    fixtures.into_iter().find(|fixture| fixture.name == name).unwrap_or_else(|| panic!("no fixture `{name}`"))
}

/// Posts a body to the connection `wa-eu`, signed as Meta does.
pub async fn deliver(address: SocketAddr, body: &[u8]) -> Result<Answer> {
    let signature = format!("sha256={}", hex(&hmac::Key::new(hmac::HMAC_SHA256, app_secret().as_bytes()), body));
    let headers = [("content-type", "application/json"), ("x-hub-signature-256", signature.as_str())];
    send(address, "POST", "/hooks/wa-eu", &headers, body).await
}

/// One text of a customer.
#[derive(Clone, Debug)]
pub struct Text {
    pub id: String,
    /// Seconds, as Meta counts.
    pub at: u64,
    /// A `wa_id`.
    pub from: String,
    pub text: String,
}

impl Text {
    /// The `n`th text of a customer, `n` seconds after the fixtures.
    pub fn new(from: &str, n: u64) -> Self {
        let id = format!("wamid.{from}.{n:04}");
        Self { id, at: 1_790_668_800 + n, from: from.to_owned(), text: format!("text {n}") }
    }

    /// The webhook that brings it, in the form of the fixture `text`.
    pub fn webhook(&self) -> Vec<u8> {
        let message = json!({
            "from": self.from, "id": self.id, "timestamp": self.at.to_string(), "type": "text",
            "text": {"body": self.text},
        });
        let value = json!({
            "messaging_product": "whatsapp",
            "metadata": {"display_phone_number": "15550783881", "phone_number_id": "106540352242922"},
            "contacts": [{"profile": {"name": "Ada Lovelace"}, "wa_id": self.from}],
            "messages": [message],
        });
        let entry = json!({"id": "102290129340398", "changes": [{"value": value, "field": "messages"}]});
        serde_json::to_vec(&json!({"object": "whatsapp_business_account", "entry": [entry]})).unwrap()
    }
}

/// The events of a recorded webhook as the connector reads it, ready to be put with the webhook itself.
pub fn recorded(table: &Table, name: &str) -> (Vec<NewEvent>, RawWebhook) {
    let webhook = fixture(name).webhook;
    let connection = wa_eu();
    let headers: Vec<_> = webhook.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let received = connection.connector.receive(&Call {
        context: Context { connection: "wa-eu", config: &connection.config, now: NOW, entropy: &[0; 32] },
        webhook: Webhook { method: &webhook.method, url: &webhook.url, headers: &headers, body: &webhook.body },
        secrets: Arc::clone(&connection.secrets) as _,
    });
    let receipt = received.unwrap().outcome.unwrap_or_else(|rejection| panic!("{name}: {rejection:?}"));
    let signed = |(name, _): &(String, String)| matches!(name.as_str(), "content-type" | "x-hub-signature-256");
    let raw = RawWebhook {
        method: webhook.method,
        url: "https://rapport.example/hooks/wa-eu".to_owned(),
        headers: webhook.headers.into_iter().filter(signed).collect(),
        body: webhook.body,
    };
    (receipt.events.into_iter().map(|event| new_event(table, event)).collect(), raw)
}

/// An event under the key and the endpoint that it has.
pub fn new_event(table: &Table, event: Event) -> NewEvent {
    let endpoint = canonicalise(&event.contact.identifiers[0]).unwrap();
    NewEvent {
        eid: table.tenant_key().eid_of(&endpoint, table.rules().basis(event.contact.identifiers[0].attestation)),
        key: table.tenant_key().event_key(event.at, &event.account, &event.id).unwrap(),
        event,
        connection: "wa-eu".to_owned(),
        connector_digest: super::whatsapp().digest().to_owned(),
        received_at: NOW,
    }
}
