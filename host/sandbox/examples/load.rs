//! Loads an artefact and calls it once with an empty webhook: `load <artefact> <public key>`.
//!
//! A test builds this without the feature `compiler`, so that what the compiling build writes is known to load in the
//! build that runs in production.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use rapport_sandbox::{Call, Context, Options, PublicKey, Sandbox, Secret, Secrets, Webhook};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [artefact, key] = &arguments[..] else { return Err("usage: load <artefact> <public key>".into()) };
    let key = PublicKey::parse(key).ok_or("the public key is 64 hexadecimal digits")?;

    let connector = Sandbox::new(Options::default())?.load_file(Path::new(artefact), &[key])?;
    let received = connector.receive(&Call {
        context: Context { connection: "example", config: "{}", now: 0, entropy: &[0; 32] },
        webhook: Webhook { method: "POST", url: "https://example.test/", headers: &[], body: b"" },
        secrets: Arc::new(NoSecrets),
    })?;
    match received.outcome {
        Ok(receipt) => println!("{}: {} events", connector.manifest().id, receipt.events.len()),
        Err(rejection) => println!("{}: rejected, {rejection:?}", connector.manifest().id),
    }
    Ok(())
}

struct NoSecrets;

impl Secrets for NoSecrets {
    fn versions(&self, _: &str) -> Option<&[Secret]> {
        None
    }
}
