//! `sending` of a connection: where its requests go, and what the operator grants them.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use rapport_model::hosts::HostPattern;
use toml::Value;

use crate::config::{ConfigError, Keys};

/// What a connection may send to, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SendingConfig {
    /// `base-url`: a server on this machine in the provider's place. `None`: the provider.
    pub base_url: Option<SocketAddr>,
    /// `live`: it sends to its provider although this is no deployment.
    pub live: bool,
    /// `hosts`: which hosts it may ask, of those that its manifest allows. `None`: those that the manifest names whole.
    pub hosts: Option<Vec<HostPattern>>,
    /// `aws`: services of AWS, each with the actions that are granted.
    pub aws: BTreeMap<String, Vec<String>>,
}

const KEYS: [&str; 4] = ["base-url", "live", "hosts", "aws"];

pub(super) fn sending(mut keys: Keys) -> Result<SendingConfig, ConfigError> {
    keys.only(&KEYS)?;
    let path = keys.path("base-url");
    let base_url = keys.text("base-url")?.map(|text| SendingConfig::stand_in(&path, &text)).transpose()?;
    let live = flag(&mut keys, "live")?;
    if live && base_url.is_some() {
        let fix = "remove `live` to send to a server of yours, or `base-url` to send to the provider";
        return Err(ConfigError::Both { key: keys.path("base-url"), other: keys.path("live"), fix });
    }
    let hosts = hosts(&mut keys)?;
    let aws = aws(&mut keys)?;
    Ok(SendingConfig { base_url, live, hosts, aws })
}

impl SendingConfig {
    /// Reads `http://127.0.0.1:9000`, or another address of this machine. `key` is what an error calls it.
    ///
    /// # Errors
    /// It is another URL.
    pub fn stand_in(key: &str, text: &str) -> Result<SocketAddr, ConfigError> {
        let expected = "plain HTTP to this machine without a path, such as `http://127.0.0.1:9000`";
        let wrong = || ConfigError::Value { key: key.to_owned(), expected, found: format!("`{text}`") };
        let authority = text.strip_prefix("http://").ok_or_else(wrong)?;
        let authority = authority.strip_suffix('/').unwrap_or(authority);
        let address = match authority.strip_prefix("localhost:") {
            Some(port) => port.parse().ok().map(|port| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)),
            None => authority.parse().ok(),
        };
        address.filter(|address| address.ip().is_loopback() && address.port() != 0).ok_or_else(wrong)
    }
}

fn flag(keys: &mut Keys, key: &str) -> Result<bool, ConfigError> {
    match keys.rest.remove(key) {
        None => Ok(false),
        Some(Value::Boolean(yes)) => Ok(yes),
        Some(other) => Err(keys.wrong(key, "`true` or `false`", &other)),
    }
}

fn hosts(keys: &mut Keys) -> Result<Option<Vec<HostPattern>>, ConfigError> {
    let expected = "host names such as `api.example.com`; `*` is one label, and none of the last two";
    let Some(words) = keys.words("hosts")? else { return Ok(None) };
    let parsed = words.iter().map(|word| {
        let wrong = || ConfigError::Value { key: keys.path("hosts"), expected, found: format!("`{word}`") };
        HostPattern::parse(word).ok_or_else(wrong)
    });
    parsed.collect::<Result<_, _>>().map(Some)
}

/// `["ses:SendEmail"]`: services as their signatures name them, each with one action.
fn aws(keys: &mut Keys) -> Result<BTreeMap<String, Vec<String>>, ConfigError> {
    let expected = "a service of AWS and one action, such as `ses:SendEmail`";
    let mut granted: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for word in keys.words("aws")?.unwrap_or_default() {
        let is_word =
            |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        match word.split_once(':').filter(|(service, action)| is_word(service) && is_word(action)) {
            Some((service, action)) => granted.entry(service.to_owned()).or_default().push(action.to_owned()),
            None => return Err(ConfigError::Value { key: keys.path("aws"), expected, found: format!("`{word}`") }),
        }
    }
    Ok(granted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn parse(sending: &str) -> Result<SendingConfig, String> {
        let config = Config::parse(&format!("[connections.a]\nconnector = 'x'\n[connections.a.sending]\n{sending}"));
        config.map(|config| config.connections["a"].sending.clone()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_stand_in_is_on_this_machine() {
        let address = |url: &str| parse(&format!("base-url = '{url}'")).unwrap().base_url.unwrap().to_string();
        assert_eq!(address("http://127.0.0.1:9000"), "127.0.0.1:9000");
        assert_eq!(address("http://localhost:9000/"), "127.0.0.1:9000");
        assert_eq!(address("http://[::1]:9000"), "[::1]:9000");
        for url in [
            "https://127.0.0.1:9000",
            "http://127.0.0.1",
            "http://10.0.0.1:9000",
            "http://0.0.0.0:9000",
            "http://127.0.0.1:0",
            "http://127.0.0.1:9000/v1",
            "http://api.example.com:80",
            "127.0.0.1:9000",
            "",
        ] {
            let refusal = parse(&format!("base-url = '{url}'")).unwrap_err();
            let expected = "`connections.a.sending.base-url`: expected plain HTTP to this machine without a path, such as \
                            `http://127.0.0.1:9000`, found";
            assert!(refusal.starts_with(expected), "{url}: {refusal}");
        }
    }

    #[test]
    fn what_an_operator_grants_is_read() {
        let sending =
            parse("live = true\nhosts = ['*.my.example.com']\naws = ['ses:SendEmail', 'sms-voice:SendTextMessage']");
        let sending = sending.unwrap();
        assert!(sending.live && sending.base_url.is_none());
        assert!(sending.hosts.unwrap()[0].fits("acme.my.example.com"));
        assert_eq!(sending.aws["ses"], ["SendEmail"]);
        assert_eq!(sending.aws["sms-voice"], ["SendTextMessage"]);
        assert_eq!(parse("").unwrap(), SendingConfig::default());
    }

    #[test]
    fn what_is_wrong_is_named_with_the_fix() {
        assert_eq!(
            parse("live = true\nbase-url = 'http://127.0.0.1:9000'").unwrap_err(),
            "`connections.a.sending.base-url` and `connections.a.sending.live` exclude each other; fix: remove `live` to \
             send to a server of yours, or `base-url` to send to the provider"
        );
        assert_eq!(
            parse("base_url = ''").unwrap_err(),
            "unknown key `connections.a.sending.base_url`; fix: write `base-url`"
        );
        assert!(
            parse("live = 'yes'").unwrap_err().contains("`connections.a.sending.live`: expected `true` or `false`")
        );
        assert!(parse("hosts = ['*.com']").unwrap_err().contains("expected host names such as `api.example.com`"));
        for wrong in ["ses", "ses:", "ses:*", ":SendEmail"] {
            assert!(parse(&format!("aws = ['{wrong}']")).unwrap_err().contains("such as `ses:SendEmail`"), "{wrong}");
        }
    }
}
