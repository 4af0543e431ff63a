//! `[identity]`: the rules by which evidence makes profiles.

use std::collections::BTreeSet;

use rapport_model::canonical::{e164, mailbox};
use rapport_model::event::Attestation;
use rapport_model::identity::{MEMBERS_MAX, Rules};
use rapport_model::spelling::fix_for_unknown_word;
use serde_json::Value as Json;
use toml::Value;

use crate::config::{ConfigError, Keys};

const KNOWN: [&str; 8] = [
    "attestations",
    "profile-limit",
    "record-limit",
    "limits",
    "junk",
    "own-addresses",
    "role-mailboxes",
    "never-link",
];

/// Reads the table; what is not in it stays as [`Rules::default`] says.
pub(super) fn rules(keys: Option<Keys>) -> Result<Rules, ConfigError> {
    let mut rules = Rules::default();
    let Some(mut keys) = keys else { return Ok(rules) };
    keys.only(&KNOWN)?;
    if let Some(words) = keys.words("attestations")? {
        rules.linking =
            words.iter().map(|word| attestation(&keys.path("attestations"), word)).collect::<Result<_, _>>()?;
    }
    if let Some(limit) = limit(&mut keys, "profile-limit")? {
        rules.members_max = limit;
    }
    if let Some(limit) = limit(&mut keys, "record-limit")? {
        rules.record_limit = limit;
    }
    if let Some(mut limits) = keys.table("limits")? {
        let schemes: Vec<String> = limits.rest.keys().cloned().collect();
        for scheme in schemes {
            rules.limits.extend(limit(&mut limits, &scheme)?.map(|limit| (scheme, limit)));
        }
    }
    let lower = |words: Vec<String>| words.into_iter().map(|word| word.to_lowercase()).collect();
    rules.junk = keys.words("junk")?.map(lower).unwrap_or(rules.junk);
    for (place, word) in keys.words("own-addresses")?.unwrap_or_default().into_iter().enumerate() {
        let key = format!("{}[{place}]", keys.path("own-addresses"));
        rules.own.insert(own_address(&key, &word)?);
    }
    rules.role_mailboxes = keys.words("role-mailboxes")?.map(lower).unwrap_or(rules.role_mailboxes);
    rules.never = keys.words("never-link")?.map(lower).unwrap_or(rules.never);
    Ok(rules)
}

/// A mailbox or an international number, canonical.
fn own_address(key: &str, word: &str) -> Result<String, ConfigError> {
    let expected = "a mailbox or an international number, such as `support@example.com` or `+16505551234`";
    let found = || ConfigError::Value { key: key.to_owned(), expected, found: format!("`{word}`") };
    mailbox(word).or_else(|| e164(word)).ok_or_else(found)
}

/// Adds the mailboxes and international numbers that stand anywhere in the settings of a connection: they are the
/// business's own, whatever the connector uses them for.
pub(super) fn own_addresses(settings: &Json, own: &mut BTreeSet<String>) {
    match settings {
        Json::String(text) => own.extend(mailbox(text).or_else(|| e164(text))),
        Json::Array(list) => list.iter().for_each(|inner| own_addresses(inner, own)),
        Json::Object(fields) => fields.values().for_each(|inner| own_addresses(inner, own)),
        _ => {}
    }
}

fn attestation(key: &str, word: &str) -> Result<Attestation, ConfigError> {
    let known = ["provider", "signature", "agent", "claimed", "customer", "imported"];
    Attestation::of_name(word).ok_or_else(|| ConfigError::UnknownWord {
        key: key.to_owned(),
        word: word.to_owned(),
        fix: fix_for_unknown_word(word, &known),
    })
}

/// A number from 1 to the size of a profile.
fn limit(keys: &mut Keys, key: &str) -> Result<Option<usize>, ConfigError> {
    let expected = const { "a number from 1 to 90" };
    const { assert!(MEMBERS_MAX == 90) };
    let Some(value) = keys.rest.remove(key) else { return Ok(None) };
    let number = value.as_integer().and_then(|number| usize::try_from(number).ok());
    match number.filter(|number| (1..=MEMBERS_MAX).contains(number)) {
        Some(number) => Ok(Some(number)),
        None => {
            let found = match &value {
                Value::Integer(number) => format!("`{number}`"),
                other => other.type_str().to_owned(),
            };
            Err(ConfigError::Value { key: keys.path(key), expected, found })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn refusal(text: &str) -> String {
        Config::parse(text).unwrap_err().to_string()
    }

    #[test]
    fn rules_are_read_and_what_is_not_said_stays() {
        let text = "[identity]\nattestations = ['provider', 'agent', 'claimed']\nprofile-limit = 50\njunk = ['Test']\n\
                    never-link = ['kiosk']\n[identity.limits]\nuser = 2\n'crm.company' = 3\n";
        let rules = Config::parse(text).unwrap().identity;
        assert_eq!(rules.linking, [Attestation::Provider, Attestation::Agent, Attestation::Claimed].into());
        assert_eq!((rules.members_max, rules.record_limit), (50, 1));
        assert_eq!(rules.limits, [("user".to_owned(), 2), ("crm.company".to_owned(), 3)].into());
        assert_eq!((rules.junk, rules.never), (["test".to_owned()].into(), ["kiosk".to_owned()].into()));
        assert_eq!(rules.role_mailboxes, Rules::default().role_mailboxes);
        assert_eq!(Config::parse("").unwrap().identity, Rules::default());
    }

    #[test]
    fn the_businesss_own_addresses_are_configured_once() {
        let text = "[identity]\nown-addresses = ['Sales@Shop.example', '+54 11 2345 6789']\n\
                    [connections.mail]\nconnector = 'x'\nconfig = { provider = 'y', addresses = ['support@shop.example'], \
                    deep = { number = '+1 650 555 0000', id = '106540352242922' } }\n";
        let own = ["+16505550000", "+5491123456789", "sales@shop.example", "support@shop.example"];
        assert_eq!(Config::parse(text).unwrap().identity.own, own.map(str::to_owned).into());
        let expected = "`identity.own-addresses[1]`: expected a mailbox or an international number";
        assert!(refusal("[identity]\nown-addresses = ['a@b.example', '24273']").starts_with(expected));
    }

    #[test]
    fn a_rule_that_is_none_is_named() {
        assert_eq!(
            refusal("[identity]\nnever-links = []"),
            "unknown key `identity.never-links`; fix: write `never-link`"
        );
        assert_eq!(
            refusal("[identity]\nprofile-limit = 1000"),
            "`identity.profile-limit`: expected a number from 1 to 90, found `1000`"
        );
        assert_eq!(
            refusal("[identity.limits]\nuser = 'one'"),
            "`identity.limits.user`: expected a number from 1 to 90, found string"
        );
        assert!(
            refusal("[identity]\nattestations = ['anyone']")
                .contains("unknown word `anyone`; fix: write one of `provider`")
        );
        assert_eq!(
            refusal("[identity]\nattestations = ['provder']"),
            "`identity.attestations`: unknown word `provder`; fix: write `provider`"
        );
        assert_eq!(refusal("[identity]\njunk = 'x'"), "`identity.junk`: expected a list of texts, found string");
    }
}
