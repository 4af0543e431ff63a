//! What an operator writes (`rapport.toml`), what a deployment's zip holds (`package.json`), and what a key of the API may
//! do. It holds no secret, only references, and opens no file: the two binaries do.

pub mod config;
pub mod package;
pub mod scope;

pub use config::{
    API_KEYS_MAX, ApiKeyConfig, CONNECTION_NAME_BYTES_MAX, CONNECTIONS_MAX, Config, ConfigError, ConnectionConfig,
    FeedConfig, SECRET_BYTES_MIN, SecretRef, SendingConfig, UNNAMED, rules_of,
};
