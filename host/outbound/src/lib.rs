//! An intent becomes a message at the provider, at most once. It decides nothing by itself: what may happen to an intent or a
//! lock are pure functions of `rapport_model::sending`, and each write is one conditional write of `rapport_store::outbox`. What
//! is here is the order of the steps, and what came of a request.
//!
//! | what | file |
//! |---|---|
//! | one turn on a conversation: what a wake starts | [`worker`] |
//! | what needs no marker: expiry, version, uploads, rate; then the marker | `start` |
//! | what is done under a marker: read again, send, record | `send` |
//! | what came of a request | [`verdict`] |
//! | what a worker asks of connectors and of the way out | [`connectors`] |
//! | a connection whose provider is away, or whose account may not send | [`health`] |
//! | tokens of a connection's rate, taken some at a time | `leases` |
//! | wakes of one process | [`wakes`] |
//! | what is due at a minute | [`due`] |
//! | a wake that failed again and again | [`given_up`] |
//! | operations without an intent: media, read marks, typing | [`operate`] |
//!
//! The protocol, its promises and what is left of the risk are in the model that runs: `tests/it/outbound/model.rs`.

pub mod connectors;
pub mod due;
pub mod given_up;
pub mod health;
mod host;
mod leases;
pub mod operate;
mod send;
mod start;
pub mod verdict;
pub mod wakes;
pub mod worker;

pub use connectors::{Connectors, Limits, Reply, Tell, Versions};
pub use given_up::GivenUp;
pub use host::Host;
pub use worker::{Ended, Outbound, Worker};
