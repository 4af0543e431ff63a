//! What one connection may do outside: hosts, secrets with their one use, services of AWS.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;

use rapport_model::hosts::HostPattern;
use rapport_model::secret::{Secret, Use};

/// What manifest and operator grant to a connection.
#[derive(Clone, Debug, Default)]
pub struct Grants {
    /// `[hosts] api` of the manifest.
    pub hosts: Vec<HostPattern>,
    /// `sending.hosts` of the operator. `None`: the hosts that the manifest writes without `*`.
    pub narrowed: Option<Vec<HostPattern>>,
    /// Every secret that the manifest binds.
    pub secrets: BTreeMap<String, Bound>,
    /// `[aws]` of the manifest: services, each with its actions.
    pub aws: BTreeMap<String, Vec<String>>,
    /// `sending.aws` of the operator: of those, which are granted.
    pub granted: BTreeMap<String, Vec<String>>,
    /// `sending.base-url`: a stand-in on loopback in the provider's place.
    pub stand_in: Option<SocketAddr>,
    /// `sending.live`: it may reach its provider although this is no deployment.
    pub live: bool,
}

/// A secret and its one use.
#[derive(Clone, Debug)]
pub struct Bound {
    pub used: Use,
    /// `None`: the connection has none.
    pub value: Option<Secret>,
}

/// Keys of the role that signs requests to AWS.
#[derive(Clone, Debug)]
pub struct AwsKeys {
    pub access_key_id: String,
    pub secret_access_key: Secret,
    pub session_token: Option<Secret>,
}

/// Why a request is denied: what is wrong, and the fix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Denied(pub String);

impl fmt::Display for Denied {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

pub(crate) fn denied<T>(why: impl Into<String>) -> Result<T, Denied> {
    Err(Denied(why.into()))
}

impl Grants {
    /// Whether manifest and operator allow a host.
    pub(crate) fn check_host(&self, host: &str) -> Result<(), Denied> {
        let fitting: Vec<&HostPattern> = self.hosts.iter().filter(|pattern| pattern.fits(host)).collect();
        if fitting.is_empty() {
            return denied(format!(
                "the connector's manifest does not allow the host `{host}`; fix: add it to `[hosts] api` of connector.toml"
            ));
        }
        let is_granted = match &self.narrowed {
            Some(operator) => operator.iter().any(|pattern| pattern.fits(host)),
            None => fitting.iter().any(|pattern| pattern.is_exact()),
        };
        if is_granted {
            return Ok(());
        }
        denied(format!(
            "the operator does not allow the host `{host}`; fix: add it to `sending.hosts` of the connection"
        ))
    }

    /// The value of a secret that has this use.
    pub(crate) fn secret(&self, name: &str, asked: &str, fits: impl Fn(&Use) -> bool) -> Result<&Secret, Denied> {
        let Some(bound) = self.secrets.get(name) else {
            return denied(format!(
                "the connector's manifest has no secret `{name}`; fix: add it to `[secrets]` of connector.toml with its `use`"
            ));
        };
        if !fits(&bound.used) {
            let used = bound.used.to_string();
            return denied(format!(
                "secret `{name}` is bound to {used}, and the request puts it into {asked}; fix: correct the request, or \
                 `use` of the secret in connector.toml"
            ));
        }
        bound
            .value
            .as_ref()
            .ok_or_else(|| Denied(format!("secret `{name}` is not set; fix: set it under `secrets` of the connection")))
    }

    /// Whether a service of AWS may be asked, and the action, if the request names it.
    pub(crate) fn check_aws(&self, service: &str, action: Option<&str>) -> Result<(), Denied> {
        let has = |list: &BTreeMap<String, Vec<String>>| {
            list.get(service).is_some_and(|actions| action.is_none_or(|action| actions.iter().any(|one| one == action)))
        };
        let what = action.map_or_else(|| service.to_owned(), |action| format!("{service}:{action}"));
        if !has(&self.aws) {
            return denied(format!(
                "the connector's manifest does not ask for `{what}`; fix: add it to `[aws]` of connector.toml"
            ));
        }
        if !has(&self.granted) {
            return denied(format!(
                "the operator does not grant `{what}`; fix: add it to `sending.aws` of the connection"
            ));
        }
        Ok(())
    }
}
