//! The use cases: receive a webhook, fold the stream, answer the API. Each can be read on one screen.
//!
//! | use case | file |
//! |---|---|
//! | a request proves that it is a provider's, or is refused | [`door`] |
//! | a provider's webhook becomes durable events | [`receive`] |
//! | what AWS delivers in a webhook's place becomes durable events | [`feed`] |
//! | an event moves heads, traits, consents and identity | [`fold`] |
//! | somebody asks who a customer is and what was said | [`answer`] |
//! | a person links, unlinks, asks why | [`links`] |
//! | a person decides what evidence alone does not | [`review`] |
//! | somebody tries other rules of identity | [`rules`] |
//! | somebody asks that a person be forgotten | [`erasure`] |
//! | a person asks what is known of them | [`export`] |
//! | an endpoint that leads nowhere is brought back to its profile | [`repair`] |
//! | a fixed connector replays what an earlier one could not handle | [`replay`] |
//!
//! `http` is the door for HTTP: routes, limits, status codes, problem details. `config` reads what an operator writes,
//! `package` what a deployment's zip holds; the two binaries resolve secret references and open files, since only they
//! may read environment and disk.

pub mod answer;
pub mod api_keys;
pub mod certificates;
pub mod config;
pub mod connections;
mod content;
mod credentials;
pub mod door;
pub mod erasure;
pub mod export;
pub mod feed;
pub mod fold;
pub mod http;
mod left;
pub mod links;
mod merged;
pub mod package;
pub mod problem;
pub mod receive;
mod redaction;
mod refusals;
pub mod repair;
pub mod replay;
pub mod review;
pub mod rules;
pub mod scope;
mod shown;

use std::sync::Arc;

use rapport_egress::Egress;
use rapport_model::Timestamp;
use rapport_store::Table;
use rapport_store::objects::Objects;
use tokio::sync::Notify;

use crate::api_keys::ApiKeys;
use crate::certificates::Certificates;
use crate::connections::Connections;
use crate::feed::Feeds;
use crate::http::Door;

/// Everything that the use cases share. One for each process.
pub struct Gateway {
    pub table: Table,
    pub connections: Connections,
    /// Which of them take what AWS delivers from where.
    pub feeds: Feeds,
    /// Where objects are that deliveries of AWS name.
    pub objects: Objects,
    pub api_keys: ApiKeys,
    /// What is remembered of who called.
    pub door: Door,
    /// The way out: to certificates, and to confirm subscriptions.
    pub egress: Egress,
    pub certificates: Arc<Certificates>,
    /// How providers reach us: scheme, host and perhaps a path, without a slash at the end.
    pub public_url: String,
    /// Woken when events became durable, so that a local fold need not wait for its next look.
    pub stored: Arc<Notify>,
    /// Our clock: milliseconds since the epoch.
    pub now: fn() -> Timestamp,
}
