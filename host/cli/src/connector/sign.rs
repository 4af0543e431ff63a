//! `rapport connector sign`: signs fixtures as the provider would, with the secrets of their connection.json.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use rapport_sandbox::{Connector, Manifest};
use rapport_sdk::Webhook;
use rapport_sdk::encoding::{base64, hex};
use rapport_sdk::testing::{self as kit, Connection, Fixture, Moment, Subject};
use serde_json::Value;

use super::test::{Sandboxed, component_of, fixtures};
use crate::Terminal;

/// Stands in a fixture where the signature goes.
const PLACE: &str = "{sign}";
/// Bytes of the proofs that there are: SHA-256, SHA-1, and SHA-512 or Ed25519.
const PROOF_BYTES: [usize; 3] = [32, 20, 64];

/// A connector as it is built, with its fixtures.
pub(crate) struct Signer {
    pub(crate) manifest: Manifest,
    pub(crate) fixtures: Vec<Fixture>,
    subject: Sandboxed,
}

/// Signs one fixture of a connector, or all that should be signed and are not, in place.
///
/// # Errors
/// One of them cannot be signed, with the cause.
pub fn run(folder: &Path, fixture: Option<&str>, terminal: &Terminal) -> Result<()> {
    let signer = Signer::of(folder, terminal)?;
    let chosen: Vec<&Fixture> = match fixture {
        Some(name) => vec![signer.fixture(name)?],
        None => signer.fixtures.iter().filter(|fixture| is_to_be_signed(fixture)).collect(),
    };
    let (mut kept, mut failed) = (0, Vec::new());
    for fixture in chosen {
        if signer.is_genuine(&fixture.connection, &fixture.webhook) {
            kept += 1;
            continue;
        }
        match signer.sign(&fixture.connection, &fixture.webhook, fixture.webhook.clone()) {
            Some(signed) => {
                let path = fixture.path();
                let text = fs::read(&path).with_context(|| format!("`{}`", path.display()))?;
                fs::write(&path, rewritten(&text, &fixture.webhook, &signed))
                    .with_context(|| format!("`{}`", path.display()))?;
                println!("signed {}", fixture.name);
            }
            None => failed.push(fixture.name.as_str()),
        }
    }
    if kept > 0 {
        println!("{kept} signed already");
    }
    if !failed.is_empty() {
        bail!(
            "{} cannot be signed; fix: the secret or the private key has to be in connection.json, and `{PLACE}` or an old \
             signature where the connector looks for one",
            failed.join(", ")
        );
    }
    Ok(())
}

/// Neither a forgery by its name, nor one by what is expected of it, nor what nobody signs.
fn is_to_be_signed(fixture: &Fixture) -> bool {
    let is_vouched = fixture.connection.is_unsigned() || fixture.webhook.is_fed();
    !is_vouched && !is_forgery(fixture)
}

/// Whether a fixture is there to be refused.
pub(super) fn is_forgery(fixture: &Fixture) -> bool {
    let by_name = fixture.name.rsplit('/').next().is_some_and(|name| name.starts_with("signature-"));
    let expected: Value =
        fixture.expected().and_then(|expected| serde_json::from_str(&expected).ok()).unwrap_or_default();
    by_name || expected["rejection"]["unauthenticated"].is_string()
}

impl Signer {
    pub(super) fn of(folder: &Path, terminal: &Terminal) -> Result<Self> {
        let component = component_of(folder, terminal)?;
        let manifest = Manifest::from_component(&component)?.context("the component carries no manifest")?;
        let subject = Sandboxed::new(&component, &manifest.id)?;
        Ok(Self { manifest, fixtures: fixtures(folder)?, subject })
    }

    /// A connector that is loaded already, with the fixtures of its folder.
    pub(crate) fn loaded(connector: Connector, folder: &Path) -> Result<Self> {
        let manifest = connector.manifest().clone();
        Ok(Self { manifest, fixtures: fixtures(folder)?, subject: Sandboxed::loaded(connector) })
    }

    pub(crate) fn fixture(&self, name: &str) -> Result<&Fixture> {
        let name = name.trim_end_matches(".http");
        let found = self.fixtures.iter().find(|fixture| fixture.name == name);
        found.with_context(|| {
            let names: Vec<&str> = self.fixtures.iter().map(|fixture| fixture.name.as_str()).collect();
            format!("no fixture `{name}`; there are {}", names.join(", "))
        })
    }

    pub(super) fn is_genuine(&self, connection: &Connection, webhook: &Webhook) -> bool {
        self.subject.receive(connection, webhook, Moment::of(connection)).is_genuine()
    }

    /// `changed`, made of the recorded `original`, signed; none: it cannot be.
    pub(crate) fn sign(&self, connection: &Connection, original: &Webhook, changed: Webhook) -> Option<Webhook> {
        let attempts = std::iter::once(changed.clone()).chain(self.with_a_proof(&changed));
        attempts
            .filter_map(|attempt| kit::sign_again(&self.subject, connection, original, attempt))
            .find_map(|(signed, answer)| answer.is_genuine().then_some(signed))
    }

    /// The request with a proof that is wrong, but of the right form and in the right place: where `{sign}` stands, or
    /// where `[verify]` says.
    fn with_a_proof(&self, webhook: &Webhook) -> Vec<Webhook> {
        let forms: Vec<String> = PROOF_BYTES
            .iter()
            .flat_map(|bytes| {
                let proof = vec![0xa5; *bytes];
                [hex::encode(&proof), base64::encode(&proof)]
            })
            .collect();
        let mut attempts = Vec::new();
        if webhook.headers.iter().any(|(_, value)| value.contains(PLACE)) {
            for form in &forms {
                let mut attempt = webhook.clone();
                attempt.headers.iter_mut().for_each(|(_, value)| *value = value.replace(PLACE, form));
                attempts.push(attempt);
            }
        }
        for proof in &self.manifest.verify.proofs {
            for form in &forms {
                let mut attempt = webhook.clone();
                let value = format!("{}{form}", proof.prefix);
                match attempt.headers.iter_mut().find(|(name, _)| *name == proof.header) {
                    Some((_, old)) => *old = value,
                    None => attempt.headers.push((proof.header.clone(), value)),
                }
                attempts.push(attempt);
            }
        }
        attempts
    }
}

/// The text of a `.http` file with another request in it: what did not change keeps its bytes.
fn rewritten(text: &[u8], old: &Webhook, new: &Webhook) -> Vec<u8> {
    let ends: [&[u8]; 2] = [b"\r\n\r\n", b"\n\n"];
    let at = |end: &[u8]| text.windows(end.len()).position(|window| window == end).map(|at| (at, end.len()));
    let Some((head_end, blank)) = ends.into_iter().filter_map(at).min() else { return text.to_vec() };
    let head = String::from_utf8_lossy(&text[..head_end]).into_owned();
    let line_end = if blank == 4 { "\r\n" } else { "\n" };
    let mut lines: Vec<String> = head.lines().map(str::to_owned).collect();
    if old.url != new.url {
        let target = |webhook: &Webhook| {
            let rest = webhook.url.strip_prefix("https://").unwrap_or(&webhook.url);
            rest.find('/').map_or_else(|| rest.to_owned(), |start| rest[start..].to_owned())
        };
        lines[0] = lines[0].replacen(&target(old), &target(new), 1);
    }
    for (index, (name, value)) in new.headers.iter().enumerate() {
        match old.headers.get(index) {
            Some((_, before)) if before == value => {}
            Some(_) => {
                let written = lines[index + 1].split_once(':').map_or(name.as_str(), |(written, _)| written).to_owned();
                lines[index + 1] = format!("{written}: {value}");
            }
            None => lines.push(format!("{name}: {value}")),
        }
    }
    let mut bytes = lines.join(line_end).into_bytes();
    bytes.extend(line_end.repeat(2).bytes());
    if old.body == new.body {
        bytes.extend(&text[head_end + blank..])
    } else {
        bytes.extend(&new.body)
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_signed_is_another() {
        let text = b"POST /hooks/a?sig=x HTTP/1.1\nHost: a.test\nX-Sig:  old\nX-Other: 1\n\n{ }\n";
        let old = kit::parse_request(text).unwrap();
        let mut new = old.clone();
        new.headers[1].1 = "new".into();
        new.headers.push(("x-time".into(), "7".into()));
        new.url = new.url.replace("sig=x", "sig=y");
        let expected = "POST /hooks/a?sig=y HTTP/1.1\nHost: a.test\nX-Sig: new\nX-Other: 1\nx-time: 7\n\n{ }\n";
        assert_eq!(String::from_utf8(rewritten(text, &old, &new)).unwrap(), expected);
        assert_eq!(rewritten(text, &old, &old), text);
    }
}
