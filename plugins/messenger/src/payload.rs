//! The shapes around what the platform's own reader takes: an entry of a Page.

pub use rapport_meta::messaging::Entry;
