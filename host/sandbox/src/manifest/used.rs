//! `use` of a secret: the one thing that it may be used for.
//!
//! | `use` | Meaning |
//! |---|---|
//! | `"verify"` | it verifies webhooks; so without `use` |
//! | `"bearer"` | `Authorization: Bearer` |
//! | `"basic"` | the password of HTTP Basic |
//! | `{ header = "x-api-key" }` | a piece of this header |
//! | `{ path = "/bot{secret}" }`, or a list | the rest of this segment of a URL's path |
//! | `{ mac = "x-signature", algorithm = "hmac-sha256" }` | the key of a MAC in this header |
//! | `{ oauth2 = "client-credentials", … }` | the host obtains tokens with it (RFC 6749, RFC 7523) |

use rapport_model::exchange::MacAlgorithm;
use rapport_model::hosts::https_host;
use rapport_model::secret::{Grant, TokenUse, Use};
use toml::{Table, Value};

use super::{optional_text, refuse_unknown, wrong};
use crate::error::ManifestError;

/// Keys of a secret that tokens are obtained with.
pub(super) const USE_KEYS: [&str; 2] = ["what", "use"];
const HEADER_KEYS: [&str; 1] = ["header"];
const PATH_KEYS: [&str; 1] = ["path"];
const MAC_KEYS: [&str; 2] = ["mac", "algorithm"];
const OAUTH2_KEYS: [&str; 5] = ["oauth2", "token-url", "scope", "audience", "client"];

/// What stands for the secret in a path.
const PLACE: &str = "{secret}";
/// Header fields that hold no secret of a manifest: the first three are made by the host, the others say where a request goes.
const NOT_SECRET: [&str; 5] = ["content-length", "content-type", "host", "connection", "transfer-encoding"];

const EXPECTED: &str = "`verify`, `bearer`, `basic`, or a table with `header`, `path`, `mac` or `oauth2`";

/// Takes `use` out of the table of a secret.
pub(super) fn used(key: &str, table: &mut Table) -> Result<Use, ManifestError> {
    let key = format!("{key}.use");
    match table.remove("use") {
        None => Ok(Use::Verify),
        Some(Value::String(word)) => match word.as_str() {
            "verify" => Ok(Use::Verify),
            "bearer" => Ok(Use::Bearer),
            "basic" => Ok(Use::Basic),
            _ => Err(wrong(&key, EXPECTED, &Value::String(word))),
        },
        Some(Value::Table(table)) => in_table(&key, table),
        Some(other) => Err(wrong(&key, EXPECTED, &other)),
    }
}

fn in_table(key: &str, mut table: Table) -> Result<Use, ManifestError> {
    let (used, known): (Use, &[&str]) = if table.contains_key("header") {
        (Use::Header(header(key, "header", &mut table)?), &HEADER_KEYS)
    } else if table.contains_key("path") {
        (Use::Path(paths(key, &mut table)?), &PATH_KEYS)
    } else if table.contains_key("mac") {
        let header = header(key, "mac", &mut table)?;
        (Use::Mac { header, algorithm: algorithm(key, &mut table)? }, &MAC_KEYS)
    } else if table.contains_key("oauth2") {
        (Use::Oauth2(token(key, &mut table)?), &OAUTH2_KEYS)
    } else {
        return Err(wrong(key, EXPECTED, &Value::Table(table)));
    };
    refuse_unknown(&table, &format!("{key}."), known)?;
    Ok(used)
}

fn header(key: &str, name: &str, table: &mut Table) -> Result<String, ManifestError> {
    let header = optional_text(table, name)?.unwrap_or_default();
    let is_name = header.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-')) && !header.is_empty();
    if is_name && !NOT_SECRET.contains(&header.as_str()) {
        return Ok(header);
    }
    let expected = "the name of a header in lower case, such as `x-api-key`";
    Err(wrong(&format!("{key}.{name}"), expected, &Value::String(header)))
}

/// What stands before the secret, of one place or of several.
fn paths(key: &str, table: &mut Table) -> Result<Vec<String>, ManifestError> {
    let expected = "a path that ends with `{secret}`, such as `/bot{secret}`, or a list of them";
    let value = table.remove("path").unwrap_or(Value::String(String::new()));
    let wrong = || wrong(&format!("{key}.path"), expected, &value);
    let texts: Vec<&str> = match &value {
        Value::String(text) => vec![text],
        Value::Array(texts) => texts.iter().map(Value::as_str).collect::<Option<_>>().ok_or_else(wrong)?,
        _ => return Err(wrong()),
    };
    let before = |text: &str| {
        let before = text.strip_suffix(PLACE)?;
        let is_plain = before.bytes().all(|byte| matches!(byte, b'!'..=b'~') && !b"?#%\\@{}".contains(&byte));
        (before.starts_with('/') && is_plain).then(|| before.to_owned())
    };
    let places: Vec<String> = texts.into_iter().map(before).collect::<Option<_>>().ok_or_else(wrong)?;
    if places.is_empty() { Err(wrong()) } else { Ok(places) }
}

fn algorithm(key: &str, table: &mut Table) -> Result<MacAlgorithm, ManifestError> {
    let word = optional_text(table, "algorithm")?.unwrap_or_default();
    match word.as_str() {
        "hmac-sha1" => Ok(MacAlgorithm::HmacSha1),
        "hmac-sha256" => Ok(MacAlgorithm::HmacSha256),
        "hmac-sha512" => Ok(MacAlgorithm::HmacSha512),
        _ => {
            let expected = "`hmac-sha1`, `hmac-sha256` or `hmac-sha512`";
            Err(wrong(&format!("{key}.algorithm"), expected, &Value::String(word)))
        }
    }
}

fn token(key: &str, table: &mut Table) -> Result<TokenUse, ManifestError> {
    let word = optional_text(table, "oauth2")?.unwrap_or_default();
    let grant = match word.as_str() {
        "client-credentials" => Grant::ClientCredentials,
        "refresh-token" => Grant::RefreshToken,
        "jwt-bearer" => Grant::JwtBearer,
        _ => {
            let expected = "`client-credentials`, `refresh-token` or `jwt-bearer`";
            return Err(wrong(&format!("{key}.oauth2"), expected, &Value::String(word)));
        }
    };
    let url = optional_text(table, "token-url")?;
    if let Some(url) = url.as_ref().filter(|url| https_host(url).is_none()) {
        let expected = "an `https` URL at a host of `[hosts] api`";
        return Err(wrong(&format!("{key}.token-url"), expected, &Value::String(url.clone())));
    }
    let client = optional_text(table, "client")?;
    let in_form = match client.as_deref() {
        None | Some("basic") => false,
        Some("form") => true,
        Some(other) => {
            let expected = "`basic` or `form`: where the client's secret stands";
            return Err(wrong(&format!("{key}.client"), expected, &Value::String(other.to_owned())));
        }
    };
    let (scope, audience) = (optional_text(table, "scope")?, optional_text(table, "audience")?);
    Ok(TokenUse { grant, url, scope, audience, in_form })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::Manifest;

    fn used(line: &str) -> Result<Use, String> {
        let start = "id = 'acme'\nname = 'Acme'\nversion = '1.0.0'\ncontract = '0.2'\n[secrets.s]\nwhat = 'w'\n";
        let manifest = Manifest::parse(&format!("{start}{line}"));
        manifest.map(|manifest| manifest.secrets["s"].used.clone()).map_err(|error| error.to_string())
    }

    #[test]
    fn each_use_is_read_and_without_one_a_secret_verifies() {
        assert_eq!(used("").unwrap(), Use::Verify);
        assert_eq!(used("use = 'verify'").unwrap(), Use::Verify);
        assert_eq!(used("use = 'bearer'").unwrap(), Use::Bearer);
        assert_eq!(used("use = 'basic'").unwrap(), Use::Basic);
        assert_eq!(used("use = { header = 'x-api-key' }").unwrap(), Use::Header("x-api-key".into()));
        assert_eq!(used("use = { path = '/bot{secret}' }").unwrap(), Use::Path(vec!["/bot".into()]));
        let places = vec!["/bot".into(), "/file/bot".into()];
        assert_eq!(used("use = { path = ['/bot{secret}', '/file/bot{secret}'] }").unwrap(), Use::Path(places));
        let mac = Use::Mac { header: "x-sig".into(), algorithm: MacAlgorithm::HmacSha512 };
        assert_eq!(used("use = { mac = 'x-sig', algorithm = 'hmac-sha512' }").unwrap(), mac);
        let line = "use = { oauth2 = 'refresh-token', token-url = 'https://login.example.com/token', scope = 'a b', client = 'form' }";
        let url = Some("https://login.example.com/token".to_owned());
        let token =
            TokenUse { grant: Grant::RefreshToken, url, scope: Some("a b".into()), audience: None, in_form: true };
        assert_eq!(used(line).unwrap(), Use::Oauth2(token));
    }

    #[test]
    fn a_use_that_is_none_is_named_with_what_there_is() {
        for (line, expected) in [
            ("use = 'body'", "`secrets.s.use`: expected `verify`, `bearer`, `basic`, or a table"),
            ("use = { query = 'key' }", "`secrets.s.use`: expected `verify`"),
            ("use = { header = 'X-Key' }", "`secrets.s.use.header`: expected the name of a header in lower case"),
            ("use = { header = 'host' }", "`secrets.s.use.header`"),
            ("use = { path = '/bot' }", "`secrets.s.use.path`: expected a path that ends with `{secret}`"),
            ("use = { path = '/a?k={secret}' }", "`secrets.s.use.path`"),
            ("use = { path = [] }", "`secrets.s.use.path`"),
            ("use = { mac = 'x-sig', algorithm = 'md5' }", "`secrets.s.use.algorithm`: expected `hmac-sha1`"),
            ("use = { mac = 'x-sig' }", "`secrets.s.use.algorithm`"),
            ("use = { oauth2 = 'password' }", "`secrets.s.use.oauth2`: expected `client-credentials`"),
            ("use = { oauth2 = 'jwt-bearer', token-url = 'http://x.example/' }", "`secrets.s.use.token-url`"),
            ("use = { oauth2 = 'jwt-bearer', client = 'query' }", "`secrets.s.use.client`"),
            ("use = { header = 'x-key', algorithm = 'x' }", "unknown key `secrets.s.use.algorithm`"),
        ] {
            let refusal = used(line).unwrap_err();
            assert!(refusal.starts_with(&format!("connector.toml: {expected}")), "{line}: {refusal}");
        }
    }

    #[test]
    fn services_of_aws_are_listed_with_their_actions() {
        let start = "id = 'acme'\nname = 'Acme'\nversion = '1.0.0'\ncontract = '0.2'\n";
        let parse = |text: &str| Manifest::parse(&format!("{start}{text}"));
        let manifest = parse("[aws]\nses = ['SendEmail']\n[hosts]\napi = ['email.*.amazonaws.com']").unwrap();
        assert_eq!(manifest.aws["ses"], ["SendEmail"]);
        assert_eq!(manifest.hosts.api.len(), 1);
        for wrong in ["ses = 'SendEmail'", "ses = []", "ses = ['*']", "ses = [1]"] {
            let refusal = parse(&format!("[aws]\n{wrong}")).unwrap_err().to_string();
            assert!(refusal.starts_with("connector.toml: `aws.ses`: expected a list of actions"), "{refusal}");
        }
    }
}
