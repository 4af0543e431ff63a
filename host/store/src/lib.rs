//! The one DynamoDB table behind Rapport: log, index, queue of intents and state.
//!
//! This is the only crate that knows AWS storage. Locally the same code speaks the same protocol to a DynamoDB served by
//! this process from one SQLite file ([`embedded`]), so there is one storage implementation and no mock.
//!
//! What is promised, by whom: [`events`] makes an event durable with one conditional write; [`heads`] applies a stream
//! record exactly once; [`identity`] keeps profiles the connected components of their links; [`parked`] keeps what no
//! connector could handle; [`blobs`] keeps what is too large for an item;
//! [`erasure`] makes a person forgotten; [`unfolded`] keeps what no fold could fold; [`audit`] keeps who called the API;
//! [`nonces`] gives a value that is used once to the body that came first; [`outbox`] keeps what is to be sent, and lets one
//! request of a conversation leave at a time.
//!
//! [`objects`] reads what is not ours: what a delivery of AWS names.
//!
//! The stream comes in by two doors: [`stream`] asks for it, [`lambda_stream`] is handed it. On AWS, `aws` makes the
//! clients, and reads secrets.

pub mod audit;
#[cfg(feature = "aws")]
pub mod aws;
pub mod blobs;
mod cells;
#[cfg(any(feature = "embedded", feature = "aws"))]
mod client;
mod codec;
mod concurrent;
#[cfg(feature = "embedded")]
pub mod embedded;
mod entropy;
pub mod erasure;
mod error;
pub mod events;
pub mod first_seen;
#[doc(hidden)]
pub mod fuzzing;
pub mod handover;
pub mod heads;
#[cfg(any(feature = "embedded", feature = "aws"))]
pub mod http_client;
pub mod identity;
mod items;
mod keys;
pub mod lambda_stream;
pub mod nonces;
pub mod objects;
mod on_heap;
pub mod outbox;
pub mod parked;
mod profiles;
pub mod stream;
mod table;
pub mod unfolded;

pub use cells::Written;
pub use codec::RawWebhook;
pub use entropy::Entropy;
pub use error::StoreError;
#[cfg(feature = "mutants-for-model-checking")]
pub use table::Clause;
pub use table::{Access, Claim, Mistake, Table};
