//! Tokens of OAuth 2, obtained with a secret: client credentials and refresh tokens (RFC 6749 §4.4, §6), assertions (RFC
//! 7523). The request is the host's own, so its secret may stand in the form.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::Method;
use rapport_model::Timestamp;
use rapport_model::exchange::{Answer, TransportError};
use rapport_model::secret::{Grant, Secret, TokenUse};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::time::Instant;

use crate::blobs::{Blobs, NoBlobs};
use crate::body::Segments;
use crate::door::Egress;
use crate::grants::{Denied, Grants, denied};
use crate::limits::CONNECT_MS_MAX;
use crate::mask::Mask;
use crate::pieces::{Filler, encoded};
use crate::prepared::Prepared;
use crate::send::error_of_failure;

/// Milliseconds for a request of a token, which has to leave time for the request that needs it.
pub const TOKEN_MS_MAX: u64 = CONNECT_MS_MAX + 2_000;
/// Milliseconds that an assertion is good for. Some servers take 3 minutes at most.
const ASSERTION_MS: u64 = 120_000;

/// What stands in the secret: JSON, because a client has several values.
#[derive(Clone)]
pub struct Client {
    id: String,
    secret: Option<Secret>,
    refresh_token: Option<Secret>,
    private_key: Option<Secret>,
    subject: Option<String>,
    url: Option<String>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("[secret]")
    }
}

const KEYS: [&str; 6] = ["client-id", "client-secret", "refresh-token", "private-key", "subject", "token-url"];

impl Client {
    /// Reads a secret of this use.
    ///
    /// # Errors
    /// What is wrong with it, without a word of it.
    pub fn read(secret: &Secret, used: &TokenUse) -> Result<Self, String> {
        let all = KEYS.join("`, `");
        let Ok(Value::Object(mut fields)) = serde_json::from_slice(secret.reveal()) else {
            return Err(format!("is not a JSON object; fix: write `{{\"client-id\": …}}` with some of `{all}`"));
        };
        let mut take = |key: &str| match fields.remove(key) {
            None => Ok(None),
            Some(Value::String(text)) if !text.is_empty() => Ok(Some(text)),
            Some(_) => Err(format!("has a `{key}` that is not a text; fix: write it as a text")),
        };
        let private = |text: String| Secret::new(text.into_bytes());
        let id = take("client-id")?.ok_or("has no `client-id`; fix: add it")?;
        let client = Self {
            id,
            secret: take("client-secret")?.map(private),
            refresh_token: take("refresh-token")?.map(private),
            private_key: take("private-key")?.map(private),
            subject: take("subject")?,
            url: take("token-url")?,
        };
        if !fields.is_empty() {
            return Err(format!("has a key that is not known; fix: use `{all}` only"));
        }
        client.checked(used)
    }

    fn checked(self, used: &TokenUse) -> Result<Self, String> {
        let missing = match used.grant {
            Grant::ClientCredentials if self.secret.is_none() => Some("client-secret"),
            Grant::RefreshToken if self.refresh_token.is_none() => Some("refresh-token"),
            Grant::JwtBearer if self.private_key.is_none() => Some("private-key"),
            _ if used.url.is_none() && self.url.is_none() => Some("token-url"),
            _ => None,
        };
        if let Some(key) = missing {
            return Err(format!("has no `{key}`, which its `kind` needs; fix: add it"));
        }
        if let Some(key) = &self.private_key {
            Signer::read(key)?;
        }
        Ok(self)
    }

    /// Every value in it that nothing may show.
    pub fn values(&self) -> impl Iterator<Item = &[u8]> {
        [&self.secret, &self.refresh_token, &self.private_key].into_iter().flatten().map(Secret::reveal)
    }

    /// With the refresh token that came instead of the first one.
    pub fn refreshed(self, refresh_token: Secret) -> Self {
        Self { refresh_token: Some(refresh_token), ..self }
    }
}

/// A token to be obtained.
pub struct TokenRequest<'a> {
    /// Of the connection whose secret it is.
    pub grants: &'a Grants,
    pub used: &'a TokenUse,
    pub client: &'a Client,
    pub limit: Duration,
    pub now: Timestamp,
}

/// A token.
#[derive(Clone, Debug)]
pub struct Token {
    pub value: Secret,
    /// Milliseconds. `None`: the server does not say.
    pub lives_ms: Option<u64>,
    /// A refresh token that takes the place of the one that was used.
    pub refresh_token: Option<Secret>,
}

/// Why there is no token. The request that needs it did not leave.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    #[error("{0}")]
    Denied(String),
    /// The server could not be reached, or did not answer.
    #[error("the token server could not be asked: {problem}")]
    Unreachable { error: TransportError, problem: String },
    /// The server's own code, such as `invalid_client`.
    #[error("the token server refused: status {status}, {code}; fix: check the secret at the provider")]
    Refused { status: u16, code: String },
    #[error("the token server answered {status} without an `access_token` of type Bearer")]
    Unreadable { status: u16 },
}

impl From<Denied> for TokenError {
    fn from(denied: Denied) -> Self {
        Self::Denied(denied.0)
    }
}

impl Egress {
    /// Obtains a token.
    ///
    /// # Errors
    /// [`TokenError`]
    pub async fn token(&self, asked: &TokenRequest<'_>) -> Result<Token, TokenError> {
        let prepared = prepared(asked)?;
        let unreachable = |error: TransportError, problem: String| match error {
            TransportError::Denied(why) => TokenError::Denied(why),
            error => TokenError::Unreachable { error, problem },
        };
        self.may_leave(asked.grants).map_err(|error| unreachable(error, String::new()))?;
        let mask = prepared.mask.clone();
        let deadline = Instant::now() + asked.limit.min(Duration::from_millis(TOKEN_MS_MAX));
        let blobs: Arc<dyn Blobs> = Arc::new(NoBlobs);
        // Masked it would not be read: the token may come back as the one before.
        let unmasked = Prepared { mask: Mask::default(), ..prepared };
        let done = self.ask(unmasked, asked.grants.stand_in, false, &blobs, deadline).await;
        let response = done.read.map_err(|failure| {
            let (error, problem) = error_of_failure(failure);
            let problem = problem.unwrap_or_else(|| format!("{error:?}"));
            unreachable(error, mask.text(&problem))
        })?;
        let Answer::Bytes(body) = response.body else { return Err(TokenError::Unreadable { status: response.status }) };
        read(response.status, &body)
    }
}

fn prepared(asked: &TokenRequest<'_>) -> Result<Prepared, Denied> {
    let TokenRequest { grants, used, client, now, .. } = asked;
    let mut filler = Filler { grants, status_url: None, unsubscribe_url: None, mask: Mask::default() };
    client.values().for_each(|value| filler.mask.hide("oauth2", value));
    let address = used.url.as_ref().or(client.url.as_ref()).map(String::as_str).unwrap_or_default();
    let url = filler.url(&[rapport_model::exchange::Piece::Text(address.to_owned())])?;
    let text = |secret: &Option<Secret>| {
        secret.as_ref().map(|secret| String::from_utf8_lossy(secret.reveal()).into_owned()).unwrap_or_default()
    };
    let mut form: Vec<(&str, String)> = Vec::new();
    match used.grant {
        Grant::ClientCredentials => form.push(("grant_type", "client_credentials".to_owned())),
        Grant::RefreshToken => {
            form.push(("grant_type", "refresh_token".to_owned()));
            form.push(("refresh_token", text(&client.refresh_token)));
        }
        Grant::JwtBearer => {
            form.push(("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer".to_owned()));
            form.push(("assertion", assertion(asked, address, *now)?));
        }
    }
    form.extend(used.scope.clone().map(|scope| ("scope", scope)));
    let mut fields = vec![
        ("content-type".to_owned(), "application/x-www-form-urlencoded".to_owned()),
        ("accept".to_owned(), "application/json".to_owned()),
    ];
    match &client.secret {
        Some(_) if used.in_form => {
            form.push(("client_id", client.id.clone()));
            form.push(("client_secret", text(&client.secret)));
        }
        Some(_) => {
            // RFC 6749 §2.3.1: both are encoded as in a form first.
            let pair = format!("{}:{}", encoded(&client.id), encoded(&text(&client.secret)));
            fields.push(("authorization".to_owned(), format!("Basic {}", STANDARD.encode(pair))));
        }
        // A public client, or one that its assertion names.
        None if used.grant != Grant::JwtBearer => form.push(("client_id", client.id.clone())),
        None => {}
    }
    let body: Vec<String> = form.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
    Prepared::assembled(Method::POST, url, fields, Segments::of(body.join("&")), filler.mask)
}

/// A JWT that the client signs (RFC 7523 §3).
fn assertion(asked: &TokenRequest<'_>, address: &str, now: Timestamp) -> Result<String, Denied> {
    let TokenRequest { used, client, .. } = asked;
    let Some(key) = &client.private_key else { return denied("the OAuth secret has no `private-key`; fix: add it") };
    let signer = Signer::read(key).map_err(|problem| Denied(format!("the OAuth secret {problem}")))?;
    let mut claims = json!({
        "iss": client.id,
        "sub": client.subject.as_ref().unwrap_or(&client.id),
        "aud": used.audience.as_deref().unwrap_or(address),
        "iat": now / 1_000,
        "exp": (now + ASSERTION_MS) / 1_000,
    });
    if let Some(scope) = &used.scope {
        claims["scope"] = scope.clone().into();
    }
    let head = json!({"alg": signer.algorithm(), "typ": "JWT"});
    let part = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
    let signed = format!("{}.{}", part(&head), part(&claims));
    match signer.sign(signed.as_bytes()) {
        Some(signature) => Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))),
        None => denied("the assertion could not be signed with `private-key` of the OAuth secret"),
    }
}

/// A private key that signs assertions.
enum Signer {
    Rsa(Box<RsaKeyPair>),
    Ecdsa(Box<EcdsaKeyPair>),
}

impl Signer {
    /// Reads PEM of PKCS #8.
    fn read(key: &Secret) -> Result<Self, String> {
        let wrong = "has a `private-key` that is not RSA of 2048 bits or more, and not ECDSA P-256, in PEM of PKCS #8; fix: \
                     `openssl pkcs8 -topk8 -nocrypt` makes it";
        let der = pkcs8(key.reveal()).ok_or(wrong)?;
        if let Ok(pair) = RsaKeyPair::from_pkcs8(&der) {
            return Ok(Self::Rsa(Box::new(pair)));
        }
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &der, &SystemRandom::new());
        pair.map(|pair| Self::Ecdsa(Box::new(pair))).map_err(|_| wrong.to_owned())
    }

    fn algorithm(&self) -> &'static str {
        match self {
            Self::Rsa(_) => "RS256",
            Self::Ecdsa(_) => "ES256",
        }
    }

    fn sign(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        let random = SystemRandom::new();
        match self {
            Self::Rsa(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, bytes, &mut signature).ok()?;
                Some(signature)
            }
            Self::Ecdsa(pair) => Some(pair.sign(&random, bytes).ok()?.as_ref().to_vec()),
        }
    }
}

fn pkcs8(pem: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(pem).ok()?;
    let (_, rest) = text.split_once("-----BEGIN PRIVATE KEY-----")?;
    let (base64, _) = rest.split_once("-----END PRIVATE KEY-----")?;
    let base64: String = base64.chars().filter(|one| !one.is_whitespace()).collect();
    STANDARD.decode(base64).ok()
}

/// Characters of a server's own code that are shown.
const CODE_CHARACTERS_MAX: usize = 40;

fn read(status: u16, body: &[u8]) -> Result<Token, TokenError> {
    let json: Value = serde_json::from_slice(body).unwrap_or_default();
    if status != 200 {
        let code = json["error"].as_str().filter(|code| {
            code.len() <= CODE_CHARACTERS_MAX && code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
        });
        return Err(TokenError::Refused { status, code: code.unwrap_or("without a code").to_owned() });
    }
    let is_bearer = json["token_type"].as_str().is_none_or(|kind| kind.eq_ignore_ascii_case("bearer"));
    let value = json["access_token"].as_str().filter(|value| is_bearer && !value.is_empty());
    let value = value.ok_or(TokenError::Unreadable { status })?;
    let seconds = json["expires_in"].as_u64().or_else(|| json["expires_in"].as_str()?.parse().ok());
    let private = |text: &str| Secret::new(text.as_bytes());
    Ok(Token {
        value: private(value),
        lives_ms: seconds.map(|seconds| seconds.saturating_mul(1_000)),
        refresh_token: json["refresh_token"].as_str().filter(|text| !text.is_empty()).map(private),
    })
}
