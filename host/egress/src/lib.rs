//! The only door to the outside network: what a connector asks for leaves here, if manifest and operator allow it.
//!
//! Two things use it. [`Egress::get`] fetches certificates and confirms subscriptions: a `GET` without a secret.
//! [`Egress::send`] sends what a connector describes ([`rapport_model::exchange::Request`]) and says what came of it. It
//! fills in secrets, blobs and URLs that the connector never sees, and it tells for sure whether a request left.
//!
//! Both ask `https` hosts that are allowed, never an address of a private network, and follow no redirect.

mod answer;
mod authorization;
mod blobs;
mod body;
mod door;
mod fetch;
mod form;
mod grants;
mod limits;
mod mask;
mod pieces;
mod prepared;
mod resolve;
mod send;
mod sign;
mod token;
mod wire;

pub use answer::{CUT, SHOWN_FIELDS};
pub use blobs::{Blobs, Keeping, NoBlobs, Work};
pub use door::Egress;
pub use fetch::{EgressError, Response};
pub use grants::{AwsKeys, Bound, Grants};
pub use limits::*;
pub use mask::MASKED_BYTES_MIN;
pub use resolve::Network;
pub use send::{NotStarted, Sending, Sent, Trace, check};
pub use token::{Client, TOKEN_MS_MAX, Token, TokenError, TokenRequest};
