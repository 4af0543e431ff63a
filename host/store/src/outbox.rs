//! The outbox: messages that are to be sent, and what keeps each of them from being sent twice.
//!
//! | question | file |
//! |---|---|
//! | was this request of a client taken before? | [`claims`] |
//! | what is to be sent, and how far is it? | [`intents`] |
//! | who may speak, and what is under way? | [`lock`] |
//! | what is due at which minute? | [`due`] |
//! | how fast may a connection send? | [`rate`] |
//! | what stands on the timeline for it? | [`sent`] |
//! | how does a worker hear of it? | [`wake`] |
//!
//! **The order of one send.** Claim → intent → (wake) → lock and open intents are read → rate → marker in the lock → the
//! intent is read again → the request leaves → its event is put → the intent is recorded. Each arrow is one write or read of
//! one item, and a crash between any two is made good by whoever comes next: `rapport_model::sending` has the decisions as
//! pure functions, and this module writes each as one conditional write.
//!
//! **Lost answers.** Every write may be done without its answer arriving, and is then sent again by the client. So each
//! condition lets its own effect pass: a marker knows its token, a record its version, a move of control its event.

pub mod claims;
pub mod due;
mod expression;
pub mod intents;
mod item;
pub mod lock;
pub mod rate;
pub mod sent;
pub mod wake;

pub(crate) use expression::Expression;
pub(crate) use item::HISTORY_BLOB;
