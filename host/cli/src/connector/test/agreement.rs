//! Whether the manifest, the component and the fixtures say the same.

use jsonschema::ValidationError;
use jsonschema::error::ValidationErrorKind;
use rapport_model::hosts;
use rapport_model::spelling::fix_for_unknown_key;
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
        Err(error) => {
            return vec![format!(
                "connection `{name}`: `config` is not JSON: {error}; fix: correct it in connection.json"
            )];
        }
    };
    failures.extend(closed(manifest, name, &config));
    match jsonschema::validator_for(&manifest.config) {
        Ok(schema) => {
            failures.extend(schema.iter_errors(&config).filter(|error| !is_unknown_key(error)).map(|error| {
                format!(
                    "connection `{name}`: `config{}`: {error}; fix: `[config]` in connector.toml",
                    error.instance_path()
                )
            }))
        }
        Err(error) => {
            failures.push(format!("`[config]` in connector.toml is not a JSON Schema: {error}; fix: correct it there"))
        }
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

/// A key that is misspelt is an error, and has to be one for an operator too.
fn closed(manifest: &Manifest, name: &str, config: &Value) -> Vec<String> {
    let Some(properties) = manifest.config["properties"].as_object() else { return Vec::new() };
    let is_closed = manifest.config.get("additionalProperties").is_none_or(|more| *more == Value::Bool(false));
    let known: Vec<&str> = properties.keys().map(String::as_str).collect();
    let keys = config.as_object().into_iter().flatten().map(|(key, _)| key.as_str());
    let unknown = keys.filter(|key| is_closed && !known.contains(key)).map(|key| {
        let fix = fix_for_unknown_key(key, &known);
        format!("connection `{name}`: unknown key `{key}` in `config`; fix: {fix}")
    });
    let is_silent =
        manifest.config.get("additionalProperties").is_none() && manifest.config.get("patternProperties").is_none();
    let silent = is_silent.then(|| {
        "`[config]` takes every key, also one that is misspelt; fix: `additionalProperties = false` under `[config]` in \
         connector.toml"
            .to_owned()
    });
    silent.into_iter().chain(unknown).collect()
}

/// Told by [`closed`], with the nearest key.
fn is_unknown_key(error: &ValidationError<'_>) -> bool {
    error.instance_path().as_str().is_empty()
        && matches!(error.kind(), ValidationErrorKind::AdditionalProperties { .. })
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

#[cfg(test)]
mod tests {
    use super::*;

    fn found(config: &str, schema: &str) -> Vec<String> {
        let head = "id = \"acme\"\nname = \"Acme\"\nversion = \"1\"\ncontract = \"0.2\"\n";
        let manifest = Manifest::parse(&format!("{head}{schema}")).unwrap();
        connection(&manifest, &Connection::new("acme-eu", config))
    }

    #[test]
    fn a_misspelt_key_is_told_with_the_nearest_one_whatever_the_schema_says_of_others() {
        let schema = "[config.properties.destinations]\ntype = \"array\"\n";
        let silent = "`[config]` takes every key";
        let misspelt = "connection `acme-eu`: unknown key `destination` in `config`; fix: write `destinations`";
        let open = found(r#"{"destination":[]}"#, schema);
        assert!(open[0].starts_with(silent) && open[1] == misspelt && open.len() == 2, "{open:?}");
        let closed = format!("[config]\nadditionalProperties = false\n{schema}");
        assert_eq!(found(r#"{"destination":[]}"#, &closed), [misspelt]);
        assert_eq!(found(r#"{"destinations":[]}"#, &closed), [""; 0]);
        let free = format!("[config]\nadditionalProperties = true\n{schema}");
        assert_eq!(found(r#"{"destination":[]}"#, &free), [""; 0]);
    }
}
