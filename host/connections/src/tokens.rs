//! Tokens of OAuth 2: obtained when a request needs one, kept in memory until shortly before they end. Never at rest.

use std::collections::BTreeMap;

use rapport_egress::{Client, Grants, TOKEN_MS_MAX, Token, TokenError, TokenRequest};
use rapport_model::Timestamp;
use rapport_model::exchange::TransportError;
use rapport_model::secret::{Secret, TokenUse, Use};
use rapport_telemetry::{TokenNotObtained, TokenObtained, TokenRotated};
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout_at};

use crate::call::ConnectorHost;
use crate::connections::Connection;

/// Milliseconds before its end from which a token is not used: the request that needs it takes up to 15 s, and clocks differ.
const MARGIN_MS: u64 = 60_000;
/// Milliseconds that a token is used whose server does not say how long it lives. Sessions of the known ones last 2 hours.
const LIFE_MS_UNSAID: u64 = 30 * 60_000;
/// Milliseconds that a token is used at most, whatever its server says.
const LIFE_MS_MAX: u64 = 12 * 3_600_000;
/// Milliseconds that a refusal is remembered: servers lock out a client that is wrong too often.
const REFUSAL_KEPT_MS: u64 = 30_000;

/// The tokens of one connection.
#[derive(Default)]
pub(crate) struct Tokens(BTreeMap<String, Source>);

/// Where tokens of one secret come from. Whoever holds the lock obtains one, and the others wait for it.
struct Source {
    used: TokenUse,
    state: Mutex<State>,
}

struct State {
    client: Client,
    kept: Kept,
}

enum Kept {
    Nothing,
    Token { value: Secret, until: Timestamp },
    Refusal { why: String, until: Timestamp },
}

impl Tokens {
    /// Of the secrets that tokens are obtained with. Each can be read: that was tried when the connection was set up.
    pub fn of(grants: &Grants) -> Self {
        let source = |(name, bound): (&String, &rapport_egress::Bound)| {
            let Use::Oauth2(used) = &bound.used else { return None };
            let client = Client::read(bound.value.as_ref()?, used).ok()?;
            let state = Mutex::new(State { client, kept: Kept::Nothing });
            Some((name.clone(), Source { used: used.clone(), state }))
        };
        Self(grants.secrets.iter().filter_map(source).collect())
    }

    /// A token; another one than `refused`, which a provider did not take.
    pub async fn get(
        &self,
        name: &str,
        refused: Option<&Secret>,
        host: &ConnectorHost,
        connection: &Connection,
        grants: &Grants,
        until: Instant,
    ) -> Result<Secret, TransportError> {
        let Some(source) = self.0.get(name) else {
            let fix = "set it under `secrets` of the connection, and bind it to `oauth2` in connector.toml";
            return Err(TransportError::Denied(format!("there is no OAuth secret `{name}`; fix: {fix}")));
        };
        // Nothing of the request has left while it waits here.
        let mut state = timeout_at(until, source.state.lock()).await.map_err(|_| TransportError::Connect)?;
        let now = (host.now)();
        match &state.kept {
            Kept::Token { value, until } if now < *until && Some(value) != refused => return Ok(value.clone()),
            Kept::Refusal { why, until } if now < *until => return Err(TransportError::Denied(why.clone())),
            _ => {}
        }
        let limit = until.saturating_duration_since(Instant::now()).min(Duration::from_millis(TOKEN_MS_MAX));
        let asked = TokenRequest { grants, used: &source.used, client: &state.client, limit, now };
        let began = Instant::now();
        let (connection, secret) = (connection.name.as_str(), name);
        match host.egress.token(&asked).await {
            Ok(token) => {
                let ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
                TokenObtained { connection, secret, ms }.emit();
                if token.refresh_token.is_some() {
                    TokenRotated { connection, secret }.emit();
                }
                Ok(state.keep(token, now))
            }
            Err(error) => {
                TokenNotObtained { connection, secret, error: &error }.emit();
                Err(state.fail(name, &error, now))
            }
        }
    }
}

impl State {
    fn keep(&mut self, token: Token, now: Timestamp) -> Secret {
        let lives = token.lives_ms.unwrap_or(LIFE_MS_UNSAID).min(LIFE_MS_MAX);
        // A short life is used by half.
        let until = now + lives.saturating_sub(MARGIN_MS).max(lives / 2);
        if let Some(refresh_token) = token.refresh_token {
            self.client = self.client.clone().refreshed(refresh_token);
        }
        self.kept = Kept::Token { value: token.value.clone(), until };
        token.value
    }

    /// An error of the request that needs the token: it did not leave.
    fn fail(&mut self, name: &str, error: &TokenError, now: Timestamp) -> TransportError {
        self.kept = Kept::Nothing;
        match error {
            TokenError::Unreachable { error, .. } if error.left() => TransportError::Connect,
            TokenError::Unreachable { error, .. } => error.clone(),
            refusal => {
                let why = format!("no token of the OAuth secret `{name}`: {refusal}");
                self.kept = Kept::Refusal { why: why.clone(), until: now + REFUSAL_KEPT_MS };
                TransportError::Denied(why)
            }
        }
    }
}
