//! Messages leave at most once.

mod interleaved;
mod model;
mod provider;
mod worker;
