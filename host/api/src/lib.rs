//! The API for programs and agents: profiles, timelines, links, decisions, erasures, exports. It reads and changes what is
//! known about people, and takes messages to send. It does not call connectors: what it takes, a worker sends.
//!
//! | what | file |
//! |---|---|
//! | questions and decisions about people | [`people`] |
//! | messages to send, and who answers a conversation | [`sending`] |
//! | what an operator asks and does | [`operations`] |
//! | who may call, and the record of every call | [`authorisation`], [`api_keys`] |
//! | all routes, and their document | [`router`], [`openapi`] |

pub mod api_keys;
pub mod authorisation;
pub mod openapi;
pub mod operations;
pub mod people;
pub mod router;
pub mod sending;
pub mod state;

pub use api_keys::{ApiKey, ApiKeys};
pub use authorisation::{CallerState, ClientAddress};
pub use openapi::document;
pub use state::Api;
