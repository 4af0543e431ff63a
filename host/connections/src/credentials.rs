//! Credentials that stand in for a signature, for providers that sign nothing: a token in the URL, or HTTP Basic
//! (RFC 7617). They are checked before the connector is called, and it never sees them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rapport_sandbox::{Secret, Secrets};
use rapport_store::RawWebhook;

use crate::connections::Connection;
use crate::secrets::{SecretValues, same_secret};

/// The secret that stands in the URL: `/hooks/<connection>/<token>`.
pub const PATH_TOKEN: &str = "path-token";
/// The secret that an `Authorization: Basic` field holds: `user:password`.
pub const BASIC: &str = "basic";

const AUTHORIZATION: &str = "authorization";

/// Who vouches for the webhooks of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vouching {
    /// Its connector, by calling `verify`.
    Connector,
    /// What was checked before its connector is called: the credentials that came with it, since its provider signs
    /// nothing, or that AWS delivered it.
    Credentials,
    /// Its connector, if it can. If not, nobody: its provider does not sign everything, and there are no credentials.
    Nobody,
}

/// Whether a connection has credentials to ask for.
pub fn has_any(secrets: &SecretValues) -> bool {
    !usable(secrets, PATH_TOKEN).is_empty() || !usable(secrets, BASIC).is_empty()
}

/// Whether a webhook has the credentials of its connection, either kind; false where it asks for none.
///
/// # Errors
/// Why it may not go on, for the operator: it lacks them, or has a token where none belongs.
pub fn check(connection: &Connection, token: Option<&str>, headers: &[(String, String)]) -> Result<bool, String> {
    let tokens = usable(&connection.secrets, PATH_TOKEN);
    let pairs = usable(&connection.secrets, BASIC);
    if tokens.is_empty() && token.is_some() {
        return Err("this connection's URL ends with its name; fix: take out what follows it at the provider".into());
    }
    if tokens.is_empty() && pairs.is_empty() {
        return Ok(false);
    }
    let by_token = is_one_of(tokens, token.unwrap_or_default().as_bytes());
    let by_pair = is_one_of(pairs, &basic(headers).unwrap_or_default());
    let lacking = match (tokens.is_empty(), pairs.is_empty()) {
        (false, true) => "the URL lacks the connection's token: /hooks/<name>/<token>",
        (true, _) => "`Authorization: Basic` with the connection's user and password is needed",
        (false, false) => "either the token in the URL or `Authorization: Basic` is needed",
    };
    (by_token | by_pair).then_some(true).ok_or_else(|| lacking.into())
}

/// The webhook as its connector may see it.
pub fn without(connection: &Connection, mut webhook: RawWebhook) -> RawWebhook {
    if !usable(&connection.secrets, BASIC).is_empty() {
        webhook.headers.retain(|(name, _)| name != AUTHORIZATION);
    }
    webhook
}

/// Every version is compared, so that the time does not tell which one is near.
fn is_one_of(versions: &[Secret], candidate: &[u8]) -> bool {
    versions.iter().fold(false, |known, version| known | same_secret(version.reveal(), candidate))
}

fn usable<'a>(secrets: &'a SecretValues, name: &str) -> &'a [Secret] {
    secrets.versions(name).unwrap_or_default()
}

/// The `user:password` of the only `Authorization` field, if that is Basic.
fn basic(headers: &[(String, String)]) -> Option<Vec<u8>> {
    let mut values = headers.iter().filter(|(name, _)| name == AUTHORIZATION).map(|(_, value)| value);
    let (value, None) = (values.next()?, values.next()) else { return None };
    let (scheme, pair) = value.split_once(' ')?;
    STANDARD.decode(pair.trim()).ok().filter(|_| scheme.eq_ignore_ascii_case("basic"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(authorization: &[&str]) -> Vec<(String, String)> {
        authorization.iter().map(|value| (AUTHORIZATION.to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn basic_credentials_are_read_from_one_field_only() {
        // RFC 7617 §2.
        let aladdin = "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==";
        assert_eq!(basic(&headers(&[aladdin])).as_deref(), Some(&b"Aladdin:open sesame"[..]));
        assert_eq!(
            basic(&headers(&["basic  QWxhZGRpbjpvcGVuIHNlc2FtZQ=="])).as_deref(),
            Some(&b"Aladdin:open sesame"[..])
        );
        for other in [&[][..], &["Bearer QWxhZGRpbjpvcGVuIHNlc2FtZQ=="], &["Basic"], &["Basic %"], &[aladdin, aladdin]]
        {
            assert_eq!(basic(&headers(other)), None, "{other:?}");
        }
    }
}
