//! The sandbox against a connector that misbehaves, components that are none, and artefacts that were tampered with.

mod artefacts;
mod behaviours;
mod loading;
mod sending;

use std::sync::{Arc, OnceLock};

use rapport_sandbox::{
    Allocation, Call, CallError, Connector, Context, Options, Received, Sandbox, Secret, Secrets, Webhook,
};
use ring::hmac;

use crate::connectors;
use loading::starting;

const SIGNING_SECRET: &[u8] = b"a signing secret of the tests";
const GOOD_BODY: &str = r#"{"id":"m-1","at":1767225600000,"from":"someone","text":"hello"}"#;

/// The hostile connector in a sandbox with a pool, as in production.
fn hostile() -> &'static Connector {
    static CONNECTOR: OnceLock<Connector> = OnceLock::new();
    CONNECTOR.get_or_init(|| load_hostile(Allocation::Pool))
}

fn load_hostile(allocation: Allocation) -> Connector {
    let sandbox = Sandbox::new(Options { allocation, ..Options::default() }).unwrap();
    assert_eq!(sandbox.allocation(), allocation);
    sandbox.load_component(connectors::hostile(), "hostile").unwrap()
}

/// Calls `connector` with a body that is signed, and a configuration.
fn call(connector: &Connector, config: &str, body: &str) -> Result<Received, CallError> {
    call_with(connector, config, body, &signature(body))
}

fn call_with(connector: &Connector, config: &str, body: &str, signature: &str) -> Result<Received, CallError> {
    connector.receive(&Call {
        context: Context { connection: "hostile-test", config, now: 1_767_225_600_000, entropy: &[7; 32] },
        webhook: Webhook {
            method: "POST",
            url: "https://example.test/hooks/hostile-test",
            headers: &[("content-type", "application/json"), ("x-hostile-signature", signature)],
            body: body.as_bytes(),
        },
        secrets: Arc::new(OneSecret([Secret::new(SIGNING_SECRET)])),
    })
}

fn good(connector: &Connector) -> Result<Received, CallError> {
    call(connector, "{}", GOOD_BODY)
}

fn assert_good(connector: &Connector) {
    let received = good(connector).unwrap();
    assert!(received.verified);
    assert_eq!(received.outcome.unwrap().events.len(), 1);
}

fn signature(body: &str) -> String {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, SIGNING_SECRET), body.as_bytes());
    tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

struct OneSecret([Secret; 1]);

impl Secrets for OneSecret {
    fn versions(&self, name: &str) -> Option<&[Secret]> {
        (name == "signing-secret").then_some(&self.0)
    }
}
