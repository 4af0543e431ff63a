//! The only door to the outside network: allow-list, private-network block, time-outs, size limits.
//!
//! Today two things go out, both without a secret: fetching the certificate that a provider signs with, and confirming a
//! subscription. Both are a `GET` of an `https` URL at a host that a connector's manifest allows; no redirect is
//! followed. What connectors send comes through here, too, when the host runs their `outbound`.

mod request;
mod resolve;

pub use request::{Egress, EgressError, REQUEST_MS_MAX, RESPONSE_BYTES_MAX, Response};
pub use resolve::Network;
