//! What people and programs ask: profiles, timelines, links, decisions, erasures, exports. It reads and changes what is known
//! of people, and neither calls a connector nor sends anything.
//!
//! | what | file |
//! |---|---|
//! | what is asked and decided about people | [`people`] |
//! | what is asked by whoever looks after the service | [`operations`] |
//! | who may call, and that it is recorded | [`keys`], [`api_keys`] |
//! | all routes, and their document | [`router`], [`openapi`] |

pub mod api_keys;
mod document;
pub mod keys;
pub mod openapi;
pub mod operations;
pub mod people;
pub mod router;
pub mod state;

pub use api_keys::{ApiKey, ApiKeys};
pub use keys::{ClientAddress, Door};
pub use openapi::document;
pub use state::Api;
