//! The API for programs and agents: profiles, timelines, links, decisions, erasures, exports. It reads and changes what is
//! known about people. It does not call connectors, and it sends nothing.
//!
//! | what | file |
//! |---|---|
//! | questions and decisions about people | [`people`] |
//! | what an operator asks and does | [`operations`] |
//! | who may call, and the record of every call | [`authorisation`], [`api_keys`] |
//! | all routes, and their document | [`router`], [`openapi`] |

pub mod api_keys;
pub mod authorisation;
pub mod openapi;
pub mod operations;
pub mod people;
pub mod router;
pub mod state;

pub use api_keys::{ApiKey, ApiKeys};
pub use authorisation::{CallerState, ClientAddress};
pub use openapi::document;
pub use state::Api;
