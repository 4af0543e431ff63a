//! The domain of Rapport: what an event is, whose address it belongs to, and what follows from it.
//!
//! Nothing here does I/O, reads a clock, draws random numbers, or knows AWS or WebAssembly. Everything is a function of
//! its arguments, so the same events give the same profile, on any machine and in any year.

pub mod canonical;
pub mod cells;
pub mod cloudevent;
pub mod conversation;
pub mod endpoint;
pub mod event;
pub mod exchange;
pub mod hosts;
pub mod identity;
pub mod profile;
pub mod search_in_webhook;
pub mod secret;
pub mod sending;
pub mod spelling;
pub mod trust;

pub use endpoint::{Basis, Eid, EndpointKey, EventKey, MessageKey, TenantKey};
pub use event::{Event, Identifier, Timestamp};
pub use identity::ProfileId;
