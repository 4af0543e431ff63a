//! The table: what it holds at its worst, and that no interleaving is wrong.

pub mod interleavings;
mod outbox;
mod solid_store;
