//! A webhook, or what AWS delivers in its place, becomes durable events; only then is it acknowledged. The only crate that
//! writes providers' events. It reads no profile.
//!
//! | what | file |
//! |---|---|
//! | a request proves that it is a provider's, or is refused | [`admission`] |
//! | a provider's webhook becomes durable events | [`receive`] |
//! | what a call of a connector means: all rules of acknowledgement | `receive/verdict` |
//! | what AWS delivers in a webhook's place becomes durable events | [`feed`] |
//! | a fixed connector replays what an earlier one could not handle | [`replay`] |
//! | what a connector tells while it sends becomes durable events | `told` |
//! | the routes of providers | [`hooks`] |

pub mod admission;
pub mod event_checks;
pub mod feed;
pub mod hooks;
mod inbound;
mod not_read;
pub mod receive;
pub mod refusal;
pub mod replay;
mod told;

pub use inbound::Inbound;
pub use refusal::{Refusal, RefusalKind};
