//! Whether the manifest, the component and the fixtures say the same.

use rapport_model::hosts;
use rapport_sandbox::Manifest;
use rapport_sdk::testing::{Connection, Findings, Fixture, Moment, Subject};
use serde_json::Value;

use crate::connector::interface::Interface;

/// Runs the check `manifest`.
pub(super) fn check(
    manifest: &Manifest,
    interface: &Interface,
    fixtures: &[Fixture],
    subject: &dyn Subject,
) -> Findings {
    let mut failures = imports(interface);
    let mut cases = 1;
    for fixture in fixtures {
        cases += 1;
        let answer = subject.receive(&fixture.connection, &fixture.webhook, Moment::of(&fixture.connection));
        let mut found = connection(manifest, &fixture.connection);
        found.extend(feed(manifest, fixture));
        found.extend(answer.asked.iter().filter_map(|asked| secret(manifest, &asked.key)));
        found.extend(confirmation(manifest, &answer.text));
        for failure in found {
            // All fixtures of one connection have the same mistakes.
            if !failures.contains(&failure) {
                failures.push(failure);
            }
        }
    }
    Findings { check: "manifest".to_owned(), cases, failures, ..Findings::default() }
}

fn imports(interface: &Interface) -> Vec<String> {
    let foreign = interface.foreign_imports().into_iter();
    foreign
        .map(|import| format!("the component imports `{import}`; fix: a connector may import `verify` and `log`"))
        .collect()
}

fn connection(manifest: &Manifest, connection: &Connection) -> Vec<String> {
    let name = connection.name();
    let mut failures: Vec<String> = connection.secrets().keys().filter_map(|key| secret(manifest, key)).collect();
    let config: Value = match serde_json::from_str(connection.config()) {
        Ok(config) => config,
        Err(error) => return vec![format!("connection `{name}`: `config` is no JSON: {error}")],
    };
    match jsonschema::validator_for(&manifest.config) {
        Ok(schema) => failures.extend(schema.iter_errors(&config).map(|error| {
            format!(
                "connection `{name}`: `config{}`: {error}; fix: `[config]` in connector.toml",
                error.instance_path()
            )
        })),
        Err(error) => failures.push(format!("`[config]` in connector.toml is no JSON Schema: {error}")),
    }
    let by_manifest = manifest.unsigned.as_ref().is_some_and(|unsigned| unsigned.applies(&config));
    match (connection.is_unsigned(), by_manifest) {
        (true, false) => failures.push(format!(
            "connection `{name}`: `\"unsigned\": true`, which connector.toml does not allow; fix: `unsigned` there says why"
        )),
        (false, true) => failures.push(format!(
            "connection `{name}`: connector.toml takes its events unsigned; fix: `\"unsigned\": true` in connection.json"
        )),
        _ => {}
    }
    if connection.signs_no_time().is_some() && !manifest.replay.iter().any(|replay| replay.when.applies(&config)) {
        failures.push(format!(
            "connection `{name}`: `signs-no-time`, which connector.toml does not say; fix: `[replay] exception` there says \
             why, for whoever sets it up"
        ));
    }
    failures
}

/// The host gives what AWS delivers to no connector that does not say it takes some.
fn feed(manifest: &Manifest, fixture: &Fixture) -> Option<String> {
    (fixture.webhook.is_fed() && manifest.feed.is_none()).then(|| {
        "a fixture is a delivery of AWS, and connector.toml has no `feed`; fix: say there what it takes".to_owned()
    })
}

/// A secret that is used has to be described for the operator; a certificate's URL is none.
fn secret(manifest: &Manifest, key: &str) -> Option<String> {
    let is_known = manifest.secrets.contains_key(key) || key.contains("://");
    (!is_known).then(|| format!("secret `{key}` is not in connector.toml; fix: say under `[secrets]` what it is"))
}

/// The host follows only a URL that the manifest allows.
fn confirmation(manifest: &Manifest, outcome: &str) -> Option<String> {
    let outcome: Value = serde_json::from_str(outcome).ok()?;
    let url = outcome["confirm"].as_str()?;
    (!hosts::allows(&manifest.hosts.confirmations, url)).then(|| {
        format!("`confirm` gives `{url}`; fix: allow its host under `[hosts] confirmations` in connector.toml")
    })
}
