//! Messages leave at most once.

mod interleaved;
mod ledger;
mod model;
mod poison;
mod provider;
mod residue;
mod rules;
mod twins;
mod worker;
