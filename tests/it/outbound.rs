//! Messages leave at most once.

mod model;
