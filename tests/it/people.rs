//! Who is who, what is known of them, and that they are forgotten.

mod addresses;
pub mod erasure;
mod export;
mod identity;
mod scores;
mod trust;
