//! Write a Rapport connector: one trait, one export line, no I/O.
//!
//! ```ignore
//! use rapport_sdk::prelude::*;
//!
//! pub struct Acme;
//!
//! impl Inbound for Acme {
//!     fn receive(_: &Context, webhook: &Webhook) -> Result<Receipt, Rejection> {
//!         let tag = hex::decode(webhook.header_once("x-acme-signature")?).unwrap_or_default();
//!         verify::require_mac(MacAlgorithm::HmacSha256, "signing-secret", &webhook.body, &tag)?;
//!         Ok(Receipt::events(vec![/* what happened */]))
//!     }
//! }
//!
//! rapport_sdk::export!(Acme: inbound);
//! ```
//!
//! Sending is [`Sending`] with the builders of [`Request`](http::Request) and [`steps`], pulling is [`Polling`].
//!
//! A connector is a pure function: everything it may know is in its arguments. It runs in a fresh sandbox for every
//! call, and the same crate compiles natively for unit tests, a debugger and a benchmark's baseline.

#[doc(hidden)]
pub mod bindings;
mod contract_json;
pub mod encoding;
pub mod event;
pub mod form;
mod headers;
pub mod instant;
pub mod lenient;
pub mod log;
pub mod number;
pub mod polling;
mod request;
pub mod sending;
pub mod steps;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;
pub mod time_zone;
mod unread;
pub mod verify;

pub use bindings::inbound::exports::rapport::connector::inbound::{Receipt, Rejection, Webhook};
pub use bindings::inbound::rapport::connector::{http, types};
pub use http::Exchange;
pub use polling::Polling;
pub use sending::Sending;
pub use types::*;
pub use unread::Unread;

/// What a connector needs, in one `use`.
pub mod prelude {
    pub use crate::encoding::{base64, hex};
    pub use crate::http::{Exchange, FormField, Piece, Request, Response, TransportError};
    pub use crate::polling::{Batch, Polling, Step};
    pub use crate::sending::{
        Accepted, Failure, Found, OfMessage, Operation, Outcome, Outgoing, Route, Sending, TemplateOffer, Turn,
    };
    pub use crate::steps::{self, Answered, Steps, Stop};
    pub use crate::types::*;
    pub use crate::verify::{self, DigestAlgorithm, KeySource, MacAlgorithm, SignatureAlgorithm};
    pub use crate::{Confirmation, Inbound, Receipt, Rejection, Unread, Webhook};
    pub use crate::{form, lenient, log};
}

/// Turns what a provider sends into events. Implement it on a unit struct, then name that in [`export!`].
pub trait Inbound {
    /// Called once for each webhook, in a fresh sandbox.
    ///
    /// Pure: the same `webhook` gives the same events, for ever. Verify before parsing; return events only after a
    /// `verify` call said yes, or the host refuses them.
    ///
    /// # Errors
    /// `Unauthenticated` → 401. After a verification: `Ignored` → 200 and counted; `Malformed` and `Unsupported` →
    /// 200, and the webhook is parked whole for a fixed connector to replay. Before one, these three are 500.
    fn receive(cx: &Context, webhook: &Webhook) -> Result<Receipt, Rejection>;

    /// The URL that the host has to GET before it answers, for a provider that asks for it when a subscription is made.
    /// Export it with `export!(Acme: inbound, handshake)`, and allow the host in the manifest's `[hosts] confirmations`.
    ///
    /// Called after [`receive`](Self::receive) has verified the same webhook and found no event in it. Pure.
    fn confirm(cx: &Context, webhook: &Confirmation) -> Option<String> {
        let _ = (cx, webhook);
        None
    }
}

/// The verified webhook that asks for a confirmation.
#[derive(Clone, Copy, Debug)]
pub struct Confirmation<'a> {
    /// In order of arrival, names in lower case, repeats kept.
    pub headers: &'a [(String, String)],
    /// As it arrived.
    pub body: &'a [u8],
}

/// Exports a connector: `export!(Acme: inbound)`, or several of `inbound`, `handshake`, `polling` and
/// `sending`.
///
/// Natively it exports nothing: the versioned names of a component are no symbols that a native linker takes.
#[macro_export]
macro_rules! export {
    ($connector:ident: $($direction:ident),+ $(,)?) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            $($crate::export!(@one $connector $direction);)+
        };
    };
    (@one $connector:ident inbound) => {
        struct InboundGuest;
        impl $crate::bindings::inbound::exports::rapport::connector::inbound::Guest for InboundGuest {
            fn receive(cx: $crate::Context, webhook: $crate::Webhook) -> Result<$crate::Receipt, $crate::Rejection> {
                <$connector as $crate::Inbound>::receive(&cx, &webhook)
            }
        }
        $crate::bindings::inbound::export_inbound!(InboundGuest with_types_in $crate::bindings::inbound);
    };
    (@one $connector:ident handshake) => {
        struct HandshakeGuest;
        impl $crate::bindings::handshake::exports::rapport::connector::handshake::Guest for HandshakeGuest {
            fn confirm(cx: $crate::Context, headers: Vec<(String, String)>, body: Vec<u8>) -> Option<String> {
                let webhook = $crate::Confirmation { headers: &headers, body: &body };
                <$connector as $crate::Inbound>::confirm(&cx, &webhook)
            }
        }
        $crate::bindings::handshake::export_handshake!(HandshakeGuest with_types_in $crate::bindings::handshake);
    };
    (@one $connector:ident polling) => {
        struct PollingGuest;
        impl $crate::bindings::polling::exports::rapport::connector::polling::Guest for PollingGuest {
            fn poll(
                cx: $crate::Context,
                cursor: Option<String>,
                history: Vec<$crate::Exchange>,
            ) -> $crate::polling::Step {
                <$connector as $crate::Polling>::poll(&cx, cursor.as_deref(), &history)
            }
        }
        $crate::bindings::polling::export_polling!(PollingGuest with_types_in $crate::bindings::polling);
    };
    (@one $connector:ident sending) => {
        struct SendingGuest;
        impl $crate::bindings::sending::exports::rapport::connector::sending::Guest for SendingGuest {
            fn run(
                cx: $crate::Context,
                operation: $crate::sending::Operation,
                history: Vec<$crate::Exchange>,
            ) -> $crate::sending::Turn {
                <$connector as $crate::Sending>::run(&cx, &operation, &history)
            }
        }
        $crate::bindings::sending::export_sending!(SendingGuest with_types_in $crate::bindings::sending);
    };
}
