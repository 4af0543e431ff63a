//! What the template tells the function: the only place where its environment is looked at.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use rapport_sandbox::PublicKey;
use rapport_store::aws::{AccessKey, Account, Endpoints};

/// What the function is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Webhook,
    Feed,
    Api,
    Fold,
    Send,
    Due,
}

impl Role {
    /// Whether it puts wakes into the queue of the workers.
    fn wakes(self) -> bool {
        matches!(self, Self::Api | Self::Fold | Self::Send | Self::Due)
    }
}

/// The function's environment, read. It holds credentials and does not print.
pub struct Environment {
    pub role: Role,
    /// Where the package is.
    pub root: PathBuf,
    /// Who may sign artefacts.
    pub trusted: Vec<PublicKey>,
    pub table: String,
    pub tenant: String,
    pub bucket: String,
    /// Names or ARNs of the secrets that hold all others: those that this role may read.
    pub secrets: Vec<String>,
    /// How providers reach us, where the function cannot know it: behind a domain of the operator's.
    pub public_url: Option<String>,
    /// The URL of the queue of wakes. Empty: this role wakes nobody.
    pub wakes: String,
    /// The ARN of the role that signs what connectors send to AWS. `None`: nothing is sent there.
    pub signing_role: Option<String>,
    /// A server on this machine that stands in the place of every provider: for an emulator. The template never sets it.
    pub stand_in: Option<SocketAddr>,
    pub account: Account,
}

/// A variable that is missing or wrong. Of a wrong one only the name is said.
#[derive(Debug, PartialEq, Eq)]
pub struct EnvironmentError {
    variable: &'static str,
    problem: Problem,
}

#[derive(Debug, PartialEq, Eq)]
enum Problem {
    Missing,
    Wrong(&'static str),
}

impl fmt::Display for EnvironmentError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { variable, problem } = self;
        match problem {
            Problem::Missing => write!(
                out,
                "environment variable `{variable}` is not set; fix: deploy with infra/template.yaml, which sets it; on a \
                 machine of your own use `rapport dev`"
            ),
            Problem::Wrong(expected) => write!(out, "environment variable `{variable}`: expected {expected}"),
        }
    }
}

impl std::error::Error for EnvironmentError {}

impl Environment {
    /// Reads the variables that `get` knows.
    ///
    /// # Errors
    /// The first that is missing or wrong, by its name.
    pub fn of(get: &dyn Fn(&str) -> Option<String>) -> Result<Self, EnvironmentError> {
        let optional = |name: &str| get(name).filter(|value| !value.is_empty());
        let required = |variable| optional(variable).ok_or(EnvironmentError { variable, problem: Problem::Missing });
        let public_url = optional("RAPPORT_PUBLIC_URL").map(|url| url.trim_end_matches('/').to_owned());
        if public_url.as_ref().is_some_and(|url| !url.starts_with("https://") && !url.starts_with("http://")) {
            return Err(wrong("RAPPORT_PUBLIC_URL", "a URL such as `https://hooks.example.com`"));
        }
        // Lambda sets these; without them the runtime would end with a panic.
        for variable in [
            "AWS_LAMBDA_RUNTIME_API",
            "AWS_LAMBDA_FUNCTION_NAME",
            "AWS_LAMBDA_FUNCTION_VERSION",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
        ] {
            required(variable)?;
        }
        let role = role(&required("_HANDLER")?)?;
        let wakes = if role.wakes() { required("RAPPORT_WAKES")? } else { String::new() };
        // As the AWS SDKs have it: of one service, or of all.
        let endpoint = |name: &str| optional(name).or_else(|| optional("AWS_ENDPOINT_URL"));
        Ok(Self {
            role,
            root: optional("LAMBDA_TASK_ROOT").unwrap_or_else(|| "/var/task".to_owned()).into(),
            trusted: trusted(&required("RAPPORT_TRUSTED_KEYS")?)?,
            table: required("RAPPORT_TABLE")?,
            tenant: tenant(optional("RAPPORT_TENANT").unwrap_or_else(|| "main".to_owned()))?,
            bucket: required("RAPPORT_BLOBS_BUCKET")?,
            secrets: required("RAPPORT_SECRETS")?.split(',').map(|one| one.trim().to_owned()).collect(),
            public_url,
            wakes,
            signing_role: optional("RAPPORT_SIGNING_ROLE"),
            stand_in: optional("RAPPORT_STAND_IN").map(|text| stand_in(&text)).transpose()?,
            account: Account {
                region: required("AWS_REGION")?,
                access_key: AccessKey {
                    id: required("AWS_ACCESS_KEY_ID")?,
                    secret: required("AWS_SECRET_ACCESS_KEY")?,
                    session_token: optional("AWS_SESSION_TOKEN"),
                },
                endpoints: Endpoints {
                    dynamodb: endpoint("AWS_ENDPOINT_URL_DYNAMODB"),
                    s3: endpoint("AWS_ENDPOINT_URL_S3"),
                    secrets_manager: endpoint("AWS_ENDPOINT_URL_SECRETS_MANAGER"),
                    sqs: endpoint("AWS_ENDPOINT_URL_SQS"),
                    sts: endpoint("AWS_ENDPOINT_URL_STS"),
                },
            },
        })
    }
}

fn wrong(variable: &'static str, expected: &'static str) -> EnvironmentError {
    EnvironmentError { variable, problem: Problem::Wrong(expected) }
}

fn role(handler: &str) -> Result<Role, EnvironmentError> {
    match handler {
        "webhook" => Ok(Role::Webhook),
        "feed" => Ok(Role::Feed),
        "api" => Ok(Role::Api),
        "fold" => Ok(Role::Fold),
        "send" => Ok(Role::Send),
        "due" => Ok(Role::Due),
        _ => Err(wrong(
            "_HANDLER",
            "`webhook`, `feed`, `api`, `fold`, `send` or `due`; fix: set the function's `Handler`",
        )),
    }
}

/// On this machine only: where a function runs, nobody else listens there.
fn stand_in(text: &str) -> Result<SocketAddr, EnvironmentError> {
    let address = text.parse().ok().filter(|address: &SocketAddr| address.ip().is_loopback());
    address.ok_or_else(|| wrong("RAPPORT_STAND_IN", "an address of this machine, such as `127.0.0.1:9000`"))
}

fn trusted(text: &str) -> Result<Vec<PublicKey>, EnvironmentError> {
    let keys: Option<Vec<PublicKey>> = text.split(',').map(PublicKey::parse).collect();
    keys.ok_or_else(|| wrong("RAPPORT_TRUSTED_KEYS", "public keys of 64 hexadecimal digits, separated by commas"))
}

/// The tenant is the first part of every key, and `#` ends it.
fn tenant(text: String) -> Result<String, EnvironmentError> {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if text.len() <= 64 && text.bytes().all(word) {
        Ok(text)
    } else {
        Err(wrong("RAPPORT_TENANT", "at most 64 letters, digits, `-` and `_`"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(change: (&str, Option<&str>)) -> Result<Environment, EnvironmentError> {
        Environment::of(&|name| match name {
            _ if name == change.0 => change.1.map(str::to_owned),
            "_HANDLER" => Some("fold".into()),
            "RAPPORT_TRUSTED_KEYS" => Some(format!("{},{}", "0f".repeat(32), "1e".repeat(32))),
            "LAMBDA_TASK_ROOT" | "RAPPORT_TENANT" | "RAPPORT_PUBLIC_URL" | "AWS_SESSION_TOKEN" => None,
            "RAPPORT_STAND_IN" | "RAPPORT_SIGNING_ROLE" => None,
            "AWS_ENDPOINT_URL" => Some("http://all".into()),
            "AWS_ENDPOINT_URL_S3" => Some("http://s3".into()),
            _ if name.starts_with("AWS_ENDPOINT") => None,
            _ => Some("x".into()),
        })
    }

    #[test]
    fn what_the_template_sets_is_read() {
        let environment = with(("", None)).unwrap();
        assert_eq!((environment.role, environment.tenant.as_str()), (Role::Fold, "main"));
        assert_eq!(environment.trusted.len(), 2);
        assert_eq!(with(("RAPPORT_SECRETS", Some("a, b"))).unwrap().secrets, ["a", "b"]);
        assert_eq!(environment.root, PathBuf::from("/var/task"));
        let endpoints = environment.account.endpoints;
        assert_eq!((endpoints.s3.as_deref(), endpoints.dynamodb.as_deref()), (Some("http://s3"), Some("http://all")));
        let url = with(("RAPPORT_PUBLIC_URL", Some("https://a.test/"))).unwrap().public_url;
        assert_eq!(url.as_deref(), Some("https://a.test"));
    }

    #[test]
    fn messages_go_to_providers_unless_a_server_on_this_machine_stands_in() {
        assert_eq!(with(("", None)).unwrap().stand_in, None);
        let address = with(("RAPPORT_STAND_IN", Some("127.0.0.1:9000"))).unwrap().stand_in;
        assert_eq!(address, Some(SocketAddr::from(([127, 0, 0, 1], 9000))));
        for elsewhere in ["10.0.0.1:9000", "169.254.169.254:80", "[2600:1f18::1]:443", "localhost:9000", "127.0.0.1"] {
            assert!(with(("RAPPORT_STAND_IN", Some(elsewhere))).is_err(), "{elsewhere}");
        }
        assert!(with(("RAPPORT_WAKES", None)).is_err(), "who wakes needs the queue");
        let webhook = |name: &str| if name == "_HANDLER" { Some("webhook".to_owned()) } else { None };
        let get = |name: &str| match name {
            "RAPPORT_WAKES" | "RAPPORT_STAND_IN" | "RAPPORT_PUBLIC_URL" | "RAPPORT_TENANT" => None,
            "RAPPORT_TRUSTED_KEYS" => Some("0f".repeat(32)),
            _ => webhook(name).or(Some("x".to_owned())),
        };
        assert_eq!(Environment::of(&get).unwrap().wakes, "", "who wakes nobody does not");
    }

    #[test]
    fn what_is_missing_or_wrong_is_named_and_not_repeated() {
        for name in ["RAPPORT_TABLE", "RAPPORT_SECRETS", "AWS_REGION", "_HANDLER", "AWS_LAMBDA_RUNTIME_API"] {
            for value in [None, Some("")] {
                let error = with((name, value)).err().unwrap().to_string();
                assert!(error.starts_with(&format!("environment variable `{name}` is not set; fix: ")), "{error}");
            }
        }
        for name in ["_HANDLER", "RAPPORT_TRUSTED_KEYS", "RAPPORT_TENANT", "RAPPORT_PUBLIC_URL"] {
            let error = with((name, Some("a#b"))).err().unwrap().to_string();
            assert!(error.starts_with(&format!("environment variable `{name}`: expected ")), "{error}");
            assert!(!error.contains("a#b"));
        }
    }
}
